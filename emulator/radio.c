/* SPDX-License-Identifier: MIT */
/* RADIO. See radio.h; docs/DESIGN.md, "The radio of an emulated chip", says where the numbers are from. */
#include "emulator/radio.h"

#include <string.h>

#include "emulator/ccm.h"
#include "sim/medium.h"
#include "sim/pcapng.h"

/* Times, in cycles. A transmitter's logic, and with it its events, is ahead of the air by CHAIN; a receiver's events
 * are behind it by CATS_RADIO_RX_DELAY, which the air adds. A frame's first bit is on air 40.0 us after TXEN in fast
 * mode, 129.5 us in default mode. */
#define US ((uint64_t)CATS_TIME_US)
#define BYTE ((uint64_t)CATS_RADIO_BYTE)
#define BIT (US / 2U)
#define CHAIN 45U                                      /* 0.7 us */
#define TX_RAMP ((uint64_t)CATS_RADIO_TX_RAMP - CHAIN) /* TXEN to READY */
#define RX_RAMP (40U * US + 19U)                       /* RXEN to READY: 40.3 us */
#define RX_SLOW_RAMP (129U * US + US / 2U)
#define TX_SLOW_RAMP (RX_SLOW_RAMP - CHAIN)
#define TX_DISABLE (4U * US)
#define RSSI_TIME (US / 4U)
#define ADDRESS_TIME (CATS_RADIO_ADDRESS_BYTES * BYTE)
#define CRC_TIME (3U * BYTE)
/* A byte is read from RAM so long before its first bit leaves the logic; that it is one byte's time is an assumption.
 */
#define PREFETCH BYTE

#define INDEX(offset) ((offset) % 0x100U / 4U)
enum task {
	TASK_TXEN = INDEX(0x000U),
	TASK_RXEN = INDEX(0x004U),
	TASK_START = INDEX(0x008U),
	TASK_STOP = INDEX(0x00CU),
	TASK_DISABLE = INDEX(0x010U),
	TASK_RSSISTART = INDEX(0x014U),
	TASK_RSSISTOP = INDEX(0x018U),
	TASK_BCSTART = INDEX(0x01CU),
	TASK_BCSTOP = INDEX(0x020U),
};
static const char *const task_names[] = {"TASKS_TXEN",     "TASKS_RXEN",    "TASKS_START",
					 "TASKS_STOP",     "TASKS_DISABLE", "TASKS_RSSISTART",
					 "TASKS_RSSISTOP", "TASKS_BCSTART", "TASKS_BCSTOP"};
#define TASKS 0x1FFU

enum event {
	EVENT_READY = INDEX(0x100U),
	EVENT_ADDRESS = INDEX(0x104U),
	EVENT_PAYLOAD = INDEX(0x108U),
	EVENT_END = INDEX(0x10CU),
	EVENT_DISABLED = INDEX(0x110U),
	EVENT_RSSIEND = INDEX(0x11CU),
	EVENT_BCMATCH = INDEX(0x128U),
	EVENT_CRCOK = INDEX(0x130U),
	EVENT_CRCERROR = INDEX(0x134U),
	EVENT_TXREADY = INDEX(0x154U),
	EVENT_RXREADY = INDEX(0x158U),
	EVENT_PHYEND = INDEX(0x16CU),
};
#define EVENTS                                                                                                        \
	(1U << EVENT_READY | 1U << EVENT_ADDRESS | 1U << EVENT_PAYLOAD | 1U << EVENT_END | 1U << EVENT_DISABLED |     \
	 1U << EVENT_RSSIEND | 1U << EVENT_BCMATCH | 1U << EVENT_CRCOK | 1U << EVENT_CRCERROR | 1U << EVENT_TXREADY | \
	 1U << EVENT_RXREADY | 1U << EVENT_PHYEND)

static const struct cats_short shorts[] = {
	{0, EVENT_READY, TASK_START},     {1, EVENT_END, TASK_DISABLE},       {2, EVENT_DISABLED, TASK_TXEN},
	{3, EVENT_DISABLED, TASK_RXEN},   {4, EVENT_ADDRESS, TASK_RSSISTART}, {5, EVENT_END, TASK_START},
	{6, EVENT_ADDRESS, TASK_BCSTART}, {8, EVENT_DISABLED, TASK_RSSISTOP}, {18, EVENT_TXREADY, TASK_START},
	{19, EVENT_RXREADY, TASK_START},  {20, EVENT_PHYEND, TASK_DISABLE},   {21, EVENT_PHYEND, TASK_START},
};

/* The values of STATE. A receiver's disabling takes no time. */
enum state {
	STATE_DISABLED = 0,
	STATE_RX_RAMP_UP = 1,
	STATE_RX_IDLE = 2,
	STATE_RX = 3,
	STATE_TX_RAMP_UP = 9,
	STATE_TX_IDLE = 10,
	STATE_TX = 11,
	STATE_TX_DISABLE = 12,
	STATES
};
static const char *const state_names[STATES] = {
	[STATE_DISABLED] = "Disabled",
	[STATE_RX_RAMP_UP] = "RxRu",
	[STATE_RX_IDLE] = "RxIdle",
	[STATE_RX] = "Rx",
	[STATE_TX_RAMP_UP] = "TxRu",
	[STATE_TX_IDLE] = "TxIdle",
	[STATE_TX] = "Tx",
	[STATE_TX_DISABLE] = "TxDisable",
};

/* Registers that a radio takes only while it is disabled, and what they must be when it is enabled: BLE 2M as CATS uses
 * it, (register & mask) == value. */
enum setting {
	FREQUENCY,
	TXPOWER,
	MODE,
	PCNF0,
	PCNF1,
	BASE0,
	PREFIX0,
	TXADDRESS,
	RXADDRESSES,
	CRCCNF,
	CRCPOLY,
	CRCINIT,
	TIFS,
	DATAWHITEIV,
	MODECNF0,
	SETTINGS
};
#define ALL UINT32_MAX
#define PCNF0_S1INCL (1U << 20)
#define PCNF1_MAXLEN 0xFFU
#define MODECNF0_FAST 1U
#define FREQUENCY_MAX 100U /* without the map of lower frequencies */
#define WHITENING 0x3FU
#define WHITENING_SET 0x40U
static const struct {
	const char *name;
	uint32_t offset, reset, mask, value;
} settings[SETTINGS] = {
	[FREQUENCY] = {"FREQUENCY", 0x508, 2, 0, 0},
	[TXPOWER] = {"TXPOWER", 0x50C, 0, ALL, 0}, /* the medium's nodes all send at 0 dBm */
	[MODE] = {"MODE", 0x510, 0, ALL, 4},
	[PCNF0] = {"PCNF0", 0x514, 0, ~PCNF0_S1INCL, 0x01000108},
	[PCNF1] = {"PCNF1", 0x518, 0, ~PCNF1_MAXLEN, 0x02030000},
	[BASE0] = {"BASE0", 0x51C, 0, 0xFF, 0},
	[PREFIX0] = {"PREFIX0", 0x524, 0, ~0xFFU, 0},
	[TXADDRESS] = {"TXADDRESS", 0x52C, 0, ALL, 0},
	[RXADDRESSES] = {"RXADDRESSES", 0x530, 0, ALL, 1},
	[CRCCNF] = {"CRCCNF", 0x534, 0, ALL, 0x103},
	[CRCPOLY] = {"CRCPOLY", 0x538, 0, ALL, 0x65B},
	[CRCINIT] = {"CRCINIT", 0x53C, 0, ALL, 0x555555},
	[TIFS] = {"TIFS", 0x544, 0, ALL, 0},
	[DATAWHITEIV] = {"DATAWHITEIV", 0x554, 0x40, 0, 0},
	[MODECNF0] = {"MODECNF0", 0x650, 0x200, ~MODECNF0_FAST, 0x200},
};

#define CRCSTATUS 0x400U
#define RXMATCH 0x408U
#define RXCRC 0x40CU
#define PDUSTAT 0x414U
#define PACKETPTR 0x504U
#define RSSISAMPLE 0x548U
#define STATE 0x550U
#define BCC 0x560U
#define POWER 0xFFCU

/* What comes by itself; of one time, in this order. */
enum due { DUE_READY, DUE_BYTE, DUE_BITS, DUE_RSSI, DUE_ADDRESS, DUE_PAYLOAD, DUE_END, DUE_PHYEND, DUE_DISABLED, DUES };

struct radio {
	struct cats_peripheral p;
	const struct cats_air *air;
	enum state state;
	uint64_t due[DUES]; /* CATS_NEVER: not */
	uint32_t settings[SETTINGS];
	uint32_t packet_ptr, bit_count;
	uint32_t crc_status, rx_crc, pdu_status, rssi;
	bool off; /* POWER is 0 */

	/* Of the frame that is sent or received, or waited for. */
	uint32_t at;      /* PACKETPTR, as it was at START */
	bool has_begun;   /* its first bit is on air, or it was taken up */
	uint64_t address; /* when its ADDRESS event was or will be */
	uint32_t bytes;   /* read or written, the header's two among them */
	uint8_t pdu[CATS_RADIO_PDU_MAX];
	double dbm; /* at which it is received */
};

static struct radio *of(struct cats_peripheral *p)
{
	return (struct radio *)p;
}

static uint64_t now(const struct radio *r)
{
	return cats_peripheral_now(&r->p);
}

/* ---- When ---- */

static void schedule(struct radio *r)
{
	uint64_t next = CATS_NEVER;

	for (uint32_t d = 0; d < DUES; d++)
		next = r->due[d] < next ? r->due[d] : next;
	if (r->air && r->state == STATE_RX && !r->has_begun) {
		const uint64_t address = r->air->next(r->air->context);

		next = address < next ? address : next;
	}
	cats_peripheral_due(&r->p, next);
}

static void nothing_is_due(struct radio *r)
{
	for (uint32_t d = 0; d < DUES; d++)
		r->due[d] = CATS_NEVER;
}

/* ---- Memory ---- */

static uint32_t header_bytes(const struct radio *r)
{
	return CATS_RADIO_HEADER_BYTES + ((r->settings[PCNF0] & PCNF0_S1INCL) != 0 ? 1U : 0);
}

static uint32_t longest(const struct radio *r)
{
	return r->settings[PCNF1] & PCNF1_MAXLEN;
}

/* Where byte `index` of a frame lies: S0, LENGTH, in between a byte that is not on air if S1INCL says so, payload. */
static uint32_t place(const struct radio *r, uint32_t index)
{
	return r->at + (index < CATS_RADIO_HEADER_BYTES ? index : index - CATS_RADIO_HEADER_BYTES + header_bytes(r));
}

uint64_t cats_radio_writes_at(const struct cats_peripheral *p, uint32_t address)
{
	const struct radio *r = (const struct radio *)p;
	const uint32_t offset = address - r->at;
	uint32_t index = offset;

	if (r->state != STATE_RX || offset >= header_bytes(r) + longest(r))
		return 0;
	if (!r->has_begun)
		return CATS_NEVER;
	if (offset >= CATS_RADIO_HEADER_BYTES)
		index = offset - header_bytes(r) + CATS_RADIO_HEADER_BYTES;
	return index < r->bytes ? 0 : r->address + (index + 1U) * BYTE;
}

/* ---- Tasks ---- */

static void power(struct radio *r, enum cats_radio_power power)
{
	if (r->air)
		r->air->power(r->air->context, now(r), power);
}

/* Neither sends nor listens any more; a frame on air breaks off. */
static void fall_silent(struct radio *r)
{
	const bool ended = r->state == STATE_TX_IDLE || r->state == STATE_RX_IDLE;
	const uint64_t phyend = ended ? r->due[DUE_PHYEND] : CATS_NEVER;

	nothing_is_due(r);
	r->due[DUE_PHYEND] = phyend; /* of a frame that is over */
	if (r->air && r->state == STATE_RX)
		r->air->deafen(r->air->context);
	if (r->air && r->state == STATE_TX)
		r->air->end(r->air->context, now(r) + CHAIN, true);
}

static bool configured(struct radio *r)
{
	for (uint32_t i = 0; i < SETTINGS; i++)
		if ((r->settings[i] & settings[i].mask) != settings[i].value) {
			cats_peripheral_refuse(&r->p, "%s: 0x%08x: only BLE 2M as CATS uses it is modelled",
					       settings[i].name, r->settings[i]);
			return false;
		}
	if (r->settings[FREQUENCY] <= FREQUENCY_MAX)
		return true;
	cats_peripheral_refuse(&r->p, "FREQUENCY: 0x%08x: at most 100", r->settings[FREQUENCY]);
	return false;
}

static bool clocked(struct radio *r, enum task task)
{
	if (cats_peripheral_crystal_runs(&r->p))
		return true;
	cats_peripheral_refuse(&r->p, "%s: the crystal oscillator (HFXO) does not run", task_names[task]);
	return false;
}

static void misplaced(struct radio *r, enum task task)
{
	cats_peripheral_refuse(&r->p, "%s in state %s", task_names[task], state_names[r->state]);
}

static void enable(struct radio *r, enum task task)
{
	const bool sends = task == TASK_TXEN, fast = (r->settings[MODECNF0] & MODECNF0_FAST) != 0;

	if (r->state != STATE_DISABLED) {
		misplaced(r, task);
		return;
	}
	if (!clocked(r, task) || !configured(r))
		return;
	r->state = sends ? STATE_TX_RAMP_UP : STATE_RX_RAMP_UP;
	r->due[DUE_READY] = now(r) + (sends ? fast ? TX_RAMP : TX_SLOW_RAMP : fast ? RX_RAMP : RX_SLOW_RAMP);
	power(r, sends ? CATS_RADIO_SENDS : CATS_RADIO_HEARS);
}

static struct cats_tuning tuning(const struct radio *r)
{
	return (struct cats_tuning){
		.address = r->settings[BASE0] >> 8 | r->settings[PREFIX0] << 24,
		.frequency = r->settings[FREQUENCY],
		.whitening = r->settings[DATAWHITEIV] & WHITENING,
	};
}

static void start_sending(struct radio *r)
{
	const struct cats_tuning tuned = tuning(r);

	if (!cats_peripheral_ram(&r->p, "PACKETPTR", r->at, header_bytes(r)))
		return;
	r->state = STATE_TX;
	r->has_begun = true;
	r->address = now(r) + ADDRESS_TIME;
	r->due[DUE_ADDRESS] = r->address;
	r->due[DUE_BYTE] = r->address - PREFETCH;
	if (r->air)
		r->air->begin(r->air->context, now(r) + CHAIN, &tuned);
}

static void start_receiving(struct radio *r)
{
	const struct cats_tuning tuned = tuning(r);

	if (!cats_peripheral_ram(&r->p, "PACKETPTR", r->at, header_bytes(r) + longest(r)))
		return;
	r->state = STATE_RX;
	r->has_begun = false;
	if (r->air)
		r->air->listen(r->air->context, now(r), &tuned);
}

static void start(struct radio *r)
{
	if (r->state != STATE_TX_IDLE && r->state != STATE_RX_IDLE) {
		misplaced(r, TASK_START);
		return;
	}
	if (!clocked(r, TASK_START))
		return;
	r->at = r->packet_ptr;
	r->bytes = 0;
	if (r->state == STATE_TX_IDLE)
		start_sending(r);
	else
		start_receiving(r);
}

static void stop(struct radio *r)
{
	if (r->state != STATE_TX && r->state != STATE_RX) {
		misplaced(r, TASK_STOP);
		return;
	}
	fall_silent(r);
	r->state = r->state == STATE_TX ? STATE_TX_IDLE : STATE_RX_IDLE;
}

/* From every state; while disabled too it has its event. */
static void disable(struct radio *r)
{
	if (r->state == STATE_TX_DISABLE)
		return;
	fall_silent(r);
	if (r->state >= STATE_TX_RAMP_UP) {
		r->state = STATE_TX_DISABLE;
		r->due[DUE_DISABLED] = now(r) + TX_DISABLE;
		return;
	}
	if (r->state != STATE_DISABLED)
		power(r, CATS_RADIO_OFF);
	r->state = STATE_DISABLED;
	cats_peripheral_event(&r->p, EVENT_DISABLED);
}

static void sample(struct radio *r)
{
	if (r->state == STATE_RX)
		r->due[DUE_RSSI] = now(r) + RSSI_TIME;
	else
		misplaced(r, TASK_RSSISTART);
}

/* Counts from the ADDRESS event, which the shortcut makes this task run at. */
static void count_bits(struct radio *r)
{
	if (r->has_begun && (r->state == STATE_RX || r->state == STATE_TX) && now(r) == r->address)
		r->due[DUE_BITS] = r->address + r->bit_count * BIT;
	else
		cats_peripheral_refuse(&r->p, "TASKS_BCSTART: modelled at the ADDRESS event only");
}

static void on_task(struct cats_peripheral *p, uint32_t task)
{
	struct radio *r = of(p);

	if (r->off) {
		cats_peripheral_refuse(p, "%s while POWER is 0", task_names[task]);
		return;
	}
	switch ((enum task)task) {
	case TASK_TXEN:
	case TASK_RXEN:
		enable(r, task);
		break;
	case TASK_START:
		start(r);
		break;
	case TASK_STOP:
		stop(r);
		break;
	case TASK_DISABLE:
		disable(r);
		break;
	case TASK_RSSISTART:
		sample(r);
		break;
	case TASK_RSSISTOP:
		r->due[DUE_RSSI] = CATS_NEVER;
		break;
	case TASK_BCSTART:
		count_bits(r);
		break;
	case TASK_BCSTOP:
		r->due[DUE_BITS] = CATS_NEVER;
		break;
	}
	schedule(r);
}

/* ---- What comes by itself ---- */

static void get_ready(struct radio *r)
{
	const bool sends = r->state == STATE_TX_RAMP_UP;

	r->state = sends ? STATE_TX_IDLE : STATE_RX_IDLE;
	cats_peripheral_event(&r->p, EVENT_READY);
	cats_peripheral_event(&r->p, sends ? EVENT_TXREADY : EVENT_RXREADY);
}

/* LENGTH is known, and with it the rest of the frame. */
static void plan_end(struct radio *r)
{
	r->due[DUE_PAYLOAD] = r->address + (CATS_RADIO_HEADER_BYTES + r->pdu[1]) * BYTE;
	r->due[DUE_END] = r->due[DUE_PAYLOAD] + CRC_TIME;
	r->due[DUE_PHYEND] = r->due[DUE_END] + (r->state == STATE_TX ? CHAIN : 0);
}

static void send_byte(struct radio *r)
{
	const uint32_t index = r->bytes, at = place(r, index);
	const uint8_t *byte = cats_peripheral_ram(&r->p, "PACKETPTR", at, 1);

	if (!byte)
		return;
	if (cats_ccm_owes(r->p.chip, at)) {
		cats_peripheral_refuse(&r->p, "the byte at 0x%08x is due on air before CCM has written it", at);
		return;
	}
	if (index == 1 && *byte > longest(r)) {
		cats_peripheral_refuse(&r->p, "LENGTH %u is above MAXLEN %u", *byte, longest(r));
		return;
	}
	r->pdu[r->bytes++] = *byte;
	if (r->air)
		r->air->byte(r->air->context, *byte);
}

/* MAXLEN cuts off what is written, not what is received. */
static void receive_byte(struct radio *r)
{
	const uint32_t index = r->bytes;
	uint8_t *to;

	r->pdu[r->bytes++] = r->air->take(r->air->context, index);
	if (index >= CATS_RADIO_HEADER_BYTES + longest(r))
		return;
	to = cats_peripheral_ram(&r->p, "PACKETPTR", place(r, index), 1);
	if (to)
		*to = r->pdu[index];
}

static void pass_byte(struct radio *r)
{
	if (r->state == STATE_TX)
		send_byte(r);
	else
		receive_byte(r);
	if (r->bytes == CATS_RADIO_HEADER_BYTES)
		plan_end(r);
	if (r->bytes < CATS_RADIO_HEADER_BYTES || r->bytes < CATS_RADIO_HEADER_BYTES + r->pdu[1])
		r->due[DUE_BYTE] = now(r) + BYTE;
}

static void take_up(struct radio *r)
{
	if (!r->air->address(r->air->context, &r->dbm))
		return;
	r->has_begun = true;
	r->address = now(r);
	r->due[DUE_BYTE] = r->address + BYTE;
	cats_peripheral_event(&r->p, EVENT_ADDRESS);
}

static void check(struct radio *r)
{
	const uint32_t crc = cats_pcapng_crc24(r->pdu, r->bytes);
	const bool right = r->air->finish(r->air->context);

	r->pdu_status = r->pdu[1] > longest(r) ? 1 : 0;
	r->crc_status = right && r->pdu_status == 0 ? 1 : 0;
	r->rx_crc = right ? crc : ~crc & 0xFFFFFFU;
	cats_peripheral_event(&r->p, r->crc_status != 0 ? EVENT_CRCOK : EVENT_CRCERROR);
}

static void end(struct radio *r)
{
	if (r->state == STATE_TX) {
		if (r->air)
			r->air->end(r->air->context, now(r) + CHAIN, false);
		r->state = STATE_TX_IDLE;
	} else {
		check(r);
		r->state = STATE_RX_IDLE;
	}
	cats_peripheral_event(&r->p, EVENT_END);
}

static void measure(struct radio *r)
{
	const double dbm = r->has_begun ? r->dbm : CATS_NOISE_DBM;

	r->rssi = dbm > 0 ? 0 : dbm < -127 ? 127 : (uint32_t)(0.5 - dbm);
	cats_peripheral_event(&r->p, EVENT_RSSIEND);
}

static void happen(struct radio *r, enum due d)
{
	switch (d) {
	case DUE_READY:
		get_ready(r);
		break;
	case DUE_BYTE:
		pass_byte(r);
		break;
	case DUE_BITS:
		cats_peripheral_event(&r->p, EVENT_BCMATCH);
		break;
	case DUE_RSSI:
		measure(r);
		break;
	case DUE_ADDRESS:
		cats_peripheral_event(&r->p, EVENT_ADDRESS);
		break;
	case DUE_PAYLOAD:
		cats_peripheral_event(&r->p, EVENT_PAYLOAD);
		break;
	case DUE_END:
		end(r);
		break;
	case DUE_PHYEND:
		cats_peripheral_event(&r->p, EVENT_PHYEND);
		break;
	case DUE_DISABLED:
		r->state = STATE_DISABLED;
		power(r, CATS_RADIO_OFF);
		cats_peripheral_event(&r->p, EVENT_DISABLED);
		break;
	case DUES:
		break;
	}
}

static void advance(struct cats_peripheral *p)
{
	struct radio *r = of(p);

	for (uint32_t d = 0; d < DUES; d++)
		if (r->due[d] <= now(r)) {
			r->due[d] = CATS_NEVER;
			happen(r, d);
		}
	if (r->air && r->state == STATE_RX && !r->has_begun && r->air->next(r->air->context) <= now(r))
		take_up(r);
	schedule(r);
}

/* ---- Registers ---- */

static void reset_registers(struct radio *r)
{
	nothing_is_due(r);
	for (uint32_t i = 0; i < SETTINGS; i++)
		r->settings[i] = settings[i].reset;
	r->packet_ptr = r->bit_count = r->crc_status = r->rx_crc = r->pdu_status = r->rssi = 0;
	r->state = STATE_DISABLED;
}

static void switch_off(struct radio *r)
{
	fall_silent(r);
	if (r->state != STATE_DISABLED)
		power(r, CATS_RADIO_OFF);
	reset_registers(r);
	schedule(r);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	(void)cause;
	switch_off(of(p));
	of(p)->off = false;
}

static bool on_read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct radio *r = of(p);

	for (uint32_t i = 0; i < SETTINGS; i++)
		if (settings[i].offset == offset) {
			*value = r->settings[i];
			return true;
		}
	switch (offset) {
	case CRCSTATUS:
		*value = r->crc_status;
		return true;
	case RXMATCH:
		*value = 0; /* logical address 0 is the only one in use */
		return true;
	case RXCRC:
		*value = r->rx_crc;
		return true;
	case PDUSTAT:
		*value = r->pdu_status;
		return true;
	case PACKETPTR:
		*value = r->packet_ptr;
		return true;
	case RSSISAMPLE:
		*value = r->rssi;
		return true;
	case STATE:
		*value = r->state;
		return true;
	case BCC:
		*value = r->bit_count;
		return true;
	case POWER:
		*value = r->off ? 0 : 1;
		return true;
	default:
		return false;
	}
}

static bool write_setting(struct radio *r, uint32_t offset, uint32_t value)
{
	for (uint32_t i = 0; i < SETTINGS; i++) {
		if (settings[i].offset != offset)
			continue;
		if (r->state != STATE_DISABLED)
			cats_peripheral_refuse(&r->p, "%s is written in state %s, not Disabled", settings[i].name,
					       state_names[r->state]);
		r->settings[i] = i == DATAWHITEIV ? (value & WHITENING) | WHITENING_SET : value;
		return true;
	}
	return false;
}

static bool on_write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct radio *r = of(p);

	switch (offset) {
	case PACKETPTR:
		r->packet_ptr = value;
		return true;
	case BCC:
		r->bit_count = value;
		return true;
	case POWER:
		r->off = value == 0;
		if (r->off) {
			switch_off(r);
			p->events = p->inten = p->shorts = 0;
		}
		return true;
	default:
		return write_setting(r, offset, value);
	}
}

void cats_radio_connect(struct cats_peripheral *p, const struct cats_air *air)
{
	of(p)->air = air;
}

void cats_radio_look_up(struct cats_peripheral *p)
{
	schedule(of(p));
}

const struct cats_peripheral_model cats_radio_model = {
	.tasks = TASKS,
	.events = EVENTS,
	.shorts = shorts,
	.short_count = sizeof shorts / sizeof *shorts,
	.bytes = sizeof(struct radio),
	.reset = reset,
	.task = on_task,
	.read = on_read,
	.write = on_write,
	.advance = advance,
};

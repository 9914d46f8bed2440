/* SPDX-License-Identifier: MIT */
/* UARTE0 and UARTE1 without flow control and parity (nRF52840 Product Specification 1.7, 6.34). A byte is read from RAM
 * when its transmission begins and is with the host when its stop bit ends. */
#include "emulator/uarte.h"

#include <stdlib.h>
#include <string.h>

#include "emulator/models.h"

enum { TASK_STARTRX = 0, TASK_STOPRX = 1, TASK_STARTTX = 2, TASK_STOPTX = 3, TASK_FLUSHRX = 11 };
enum {
	EVENT_RXDRDY = 2,
	EVENT_ENDRX = 4,
	EVENT_TXDRDY = 7,
	EVENT_ENDTX = 8,
	EVENT_ERROR = 9,
	EVENT_RXTO = 17,
	EVENT_RXSTARTED = 19,
	EVENT_TXSTARTED = 20,
	EVENT_TXSTOPPED = 22,
};

#define ERRORSRC 0x480U
#define ENABLE 0x500U
#define PSEL 0x508U /* RTS, TXD, CTS, RXD */
#define BAUDRATE 0x524U
#define RXD_PTR 0x534U
#define RXD_MAXCNT 0x538U
#define RXD_AMOUNT 0x53CU
#define TXD_PTR 0x544U
#define TXD_MAXCNT 0x548U
#define TXD_AMOUNT 0x54CU
#define CONFIG 0x56CU

#define ENABLED 8U
#define PSEL_OFF (1U << 31)
enum { RTS, TXD, CTS, RXD, PINS };
#define ERROR_OVERRUN 1U
#define COUNT_MAX 0xFFFFU
#define FIFO_BYTES 4U /* what it is sure to take after RTS or STOPRX; whether it has more nobody says */
#define BITS 10U      /* of a byte: start, 8, stop */

/* RTS, CTS: not connected, as out of reset; there is no flow control here. */
struct direction {
	uint32_t pointer, count; /* registers */
	uint32_t amount;
	uint32_t at, left; /* of the transfer: next address, bytes to come */
	bool active;
};

struct uarte {
	struct cats_peripheral p;
	uint32_t enable, pins[PINS], baud_rate, error_source;
	struct direction tx, rx;
	bool stopping; /* after the byte that is being sent */
	uint8_t sending;
	uint64_t sent_at;  /* when it will have been */
	bool listening;    /* from STARTRX to STOPRX */
	uint64_t quiet_at; /* RXTO */
	uint8_t fifo[FIFO_BYTES];
	uint32_t fifo_count;
	/* What the host has sent and has not arrived. */
	uint8_t *line;
	size_t line_count, line_room;
	uint64_t arrives_at; /* the first of it */
};

/* Cycles of a byte, or 0. */
static uint64_t byte_cycles(uint32_t baud_rate)
{
	static const uint32_t rates[][2] = {
		{0x01D60000U, 115200}, {0x03B00000U, 230400}, {0x04000000U, 250000},
		{0x07400000U, 460800}, {0x0F000000U, 921600}, {0x10000000U, 1000000},
	};

	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		if (rates[i][0] == baud_rate)
			return (uint64_t)CATS_CYCLES_PER_US * 1000000U * BITS / rates[i][1];
	return 0;
}

static void schedule(struct uarte *u)
{
	uint64_t next = u->tx.active ? u->sent_at : CATS_NEVER;

	if (u->line_count > 0 && u->arrives_at < next)
		next = u->arrives_at;
	if (u->quiet_at < next)
		next = u->quiet_at;
	cats_peripheral_due(&u->p, next);
}

/* Bytes that the host sends while the chip resets are still on the line. */
static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct uarte *u = (struct uarte *)p;
	const struct uarte before = *u;

	(void)cause;
	*u = (struct uarte){.p = before.p, .baud_rate = 0x04000000U, .quiet_at = CATS_NEVER};
	for (uint32_t i = 0; i < PINS; i++)
		u->pins[i] = UINT32_MAX;
	u->line = before.line;
	u->line_count = before.line_count;
	u->line_room = before.line_room;
	u->arrives_at = before.arrives_at;
	schedule(u);
}

static void release(struct cats_peripheral *p)
{
	free(((struct uarte *)p)->line);
}

/* Latches pointer and count; false when that was refused. */
static bool begin(struct uarte *u, struct direction *d, const char *name, uint32_t pin)
{
	if (u->enable != ENABLED)
		cats_peripheral_refuse(&u->p, "%s started while ENABLE is %u", name, u->enable);
	else if ((u->pins[pin] & PSEL_OFF) != 0)
		cats_peripheral_refuse(&u->p, "%s started without a pin in PSEL.%s", name, name);
	else if (d->active)
		cats_peripheral_refuse(&u->p, "%s started while a transfer runs", name);
	else if (cats_peripheral_ram(&u->p, name[0] == 'T' ? "TXD.PTR" : "RXD.PTR", d->pointer, d->count)) {
		d->at = d->pointer;
		d->left = d->count;
		d->amount = 0;
		d->active = true;
		return true;
	}
	return false;
}

static void end_sending(struct uarte *u)
{
	u->tx.active = false;
	cats_peripheral_event(&u->p, EVENT_ENDTX);
	if (u->stopping)
		cats_peripheral_event(&u->p, EVENT_TXSTOPPED);
	u->stopping = false;
}

static void send_next(struct uarte *u)
{
	if (u->tx.left == 0 || u->stopping) {
		end_sending(u);
		return;
	}
	u->sending = *cats_peripheral_ram(&u->p, "TXD.PTR", u->tx.at, 1);
	u->tx.at++;
	u->tx.left--;
	u->sent_at = cats_peripheral_now(&u->p) + byte_cycles(u->baud_rate);
}

static void sent(struct uarte *u)
{
	const struct cats_chip_host *host = cats_chip_host(&u->p);

	if (host->serial)
		host->serial(host->context, cats_peripheral_now(&u->p), u->p.variant, u->sending);
	u->tx.amount++;
	cats_peripheral_event(&u->p, EVENT_TXDRDY);
	send_next(u);
}

static void end_receiving(struct uarte *u)
{
	u->rx.active = false;
	cats_peripheral_event(&u->p, EVENT_ENDRX);
}

static void store(struct uarte *u, uint8_t byte)
{
	*cats_peripheral_ram(&u->p, "RXD.PTR", u->rx.at, 1) = byte;
	u->rx.at++;
	u->rx.left--;
	u->rx.amount++;
	if (u->rx.left == 0)
		end_receiving(u);
}

static void store_fifo(struct uarte *u)
{
	while (u->fifo_count > 0 && u->rx.active && u->rx.left > 0) {
		const uint8_t byte = u->fifo[0];

		memmove(u->fifo, u->fifo + 1, --u->fifo_count);
		store(u, byte);
	}
}

static void arrive(struct uarte *u, uint8_t byte)
{
	if (u->enable != ENABLED || !u->listening)
		return;
	if (u->fifo_count == FIFO_BYTES) {
		u->error_source |= ERROR_OVERRUN;
		cats_peripheral_event(&u->p, EVENT_ERROR);
		return;
	}
	u->fifo[u->fifo_count++] = byte;
	cats_peripheral_event(&u->p, EVENT_RXDRDY);
	store_fifo(u);
}

static void start_receiving(struct uarte *u)
{
	if (!begin(u, &u->rx, "RXD", RXD))
		return;
	u->listening = true;
	cats_peripheral_event(&u->p, EVENT_RXSTARTED);
	if (u->rx.left == 0)
		end_receiving(u);
	store_fifo(u);
}

/* RXTO comes when the receiver is quiet: the byte at hand has passed. */
static void stop_receiving(struct uarte *u)
{
	u->quiet_at = cats_peripheral_now(&u->p) + byte_cycles(u->baud_rate);
}

static void flush(struct uarte *u)
{
	if (!begin(u, &u->rx, "RXD", RXD))
		return;
	store_fifo(u);
	if (u->rx.active)
		end_receiving(u);
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	struct uarte *u = (struct uarte *)p;

	if (task == TASK_STARTTX && begin(u, &u->tx, "TXD", TXD)) {
		cats_peripheral_event(p, EVENT_TXSTARTED);
		send_next(u);
	} else if (task == TASK_STOPTX && u->tx.active) {
		u->stopping = true;
	} else if (task == TASK_STOPTX) {
		cats_peripheral_event(p, EVENT_TXSTOPPED);
	} else if (task == TASK_STARTRX) {
		start_receiving(u);
	} else if (task == TASK_STOPRX) {
		stop_receiving(u);
	} else if (task == TASK_FLUSHRX) {
		flush(u);
	}
	schedule(u);
}

static void advance(struct cats_peripheral *p)
{
	struct uarte *u = (struct uarte *)p;
	const uint64_t now = cats_peripheral_now(p);

	if (u->tx.active && u->sent_at <= now)
		sent(u);
	if (u->line_count > 0 && u->arrives_at <= now) {
		const uint8_t byte = u->line[0];

		memmove(u->line, u->line + 1, --u->line_count);
		u->arrives_at = now + byte_cycles(u->baud_rate);
		arrive(u, byte);
	}
	if (u->quiet_at <= now) {
		u->quiet_at = CATS_NEVER;
		u->listening = false;
		if (u->rx.active)
			end_receiving(u);
		cats_peripheral_event(p, EVENT_RXTO);
	}
	schedule(u);
}

/* A register that holds what was written, or NULL. */
static uint32_t *plain_register(struct uarte *u, uint32_t offset)
{
	if (offset - PSEL < 4U * PINS && offset % 4U == 0)
		return u->pins + (offset - PSEL) / 4U;
	switch (offset) {
	case ENABLE:
		return &u->enable;
	case BAUDRATE:
		return &u->baud_rate;
	case RXD_PTR:
		return &u->rx.pointer;
	case RXD_MAXCNT:
		return &u->rx.count;
	case TXD_PTR:
		return &u->tx.pointer;
	case TXD_MAXCNT:
		return &u->tx.count;
	default:
		return NULL;
	}
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	struct uarte *u = (struct uarte *)p;
	const uint32_t *plain = plain_register(u, offset);

	if (plain)
		*value = *plain;
	else if (offset == ERRORSRC)
		*value = u->error_source;
	else if (offset == RXD_AMOUNT || offset == TXD_AMOUNT)
		*value = offset == RXD_AMOUNT ? u->rx.amount : u->tx.amount;
	else if (offset == CONFIG)
		*value = 0;
	else
		return false;
	return true;
}

static void check(struct uarte *u, uint32_t offset, uint32_t value)
{
	const bool flow = offset == PSEL + 4U * RTS || offset == PSEL + 4U * CTS;

	if (offset == ENABLE && value != 0 && value != ENABLED)
		cats_peripheral_refuse(&u->p, "ENABLE: 0x%08x is neither 0 nor 8", value);
	else if (offset == BAUDRATE && byte_cycles(value) == 0)
		cats_peripheral_refuse(&u->p, "BAUDRATE: 0x%08x is not modelled", value);
	else if ((offset == RXD_MAXCNT || offset == TXD_MAXCNT) && value > COUNT_MAX)
		cats_peripheral_refuse(&u->p, "MAXCNT: %u bytes, where 16 bits are", value);
	else if (offset - PSEL < 4U * PINS && u->enable != 0)
		cats_peripheral_refuse(&u->p, "PSEL written while ENABLE is %u", u->enable);
	else if (flow && (value & PSEL_OFF) == 0)
		cats_peripheral_refuse(&u->p, "RTS or CTS connected: flow control is not modelled");
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct uarte *u = (struct uarte *)p;
	uint32_t *plain = plain_register(u, offset);

	check(u, offset, value);
	if (plain)
		*plain = value;
	else if (offset == ERRORSRC)
		u->error_source &= ~value;
	else
		return offset == CONFIG && value == 0;
	return true;
}

enum cats_status cats_uarte_receive(struct cats_peripheral *uarte, const uint8_t *bytes, size_t count,
				    struct cats_error *error)
{
	struct uarte *u = (struct uarte *)uarte;

	if (count > u->line_room - u->line_count) {
		uint8_t *grown = realloc(u->line, u->line_count + count);

		if (!grown)
			return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its input", uarte->name);
		u->line = grown;
		u->line_room = u->line_count + count;
	}
	if (u->line_count == 0)
		u->arrives_at = cats_peripheral_now(uarte) + byte_cycles(u->baud_rate);
	memcpy(u->line + u->line_count, bytes, count);
	u->line_count += count;
	schedule(u);
	return CATS_OK;
}

size_t cats_uarte_on_line(const struct cats_peripheral *uarte)
{
	return ((const struct uarte *)uarte)->line_count;
}

static const struct cats_short shorts[] = {{5, EVENT_ENDRX, TASK_STARTRX}, {6, EVENT_ENDRX, TASK_STOPRX}};

const struct cats_peripheral_model cats_uarte_model = {
	.tasks = 1U << TASK_STARTRX | 1U << TASK_STOPRX | 1U << TASK_STARTTX | 1U << TASK_STOPTX | 1U << TASK_FLUSHRX,
	.events = 1U << EVENT_RXDRDY | 1U << EVENT_ENDRX | 1U << EVENT_TXDRDY | 1U << EVENT_ENDTX | 1U << EVENT_ERROR |
		  1U << EVENT_RXTO | 1U << EVENT_RXSTARTED | 1U << EVENT_TXSTARTED | 1U << EVENT_TXSTOPPED,
	.shorts = shorts,
	.short_count = sizeof shorts / sizeof shorts[0],
	.bytes = sizeof(struct uarte),
	.reset = reset,
	.task = task,
	.read = read,
	.write = write,
	.advance = advance,
	.free = release,
};

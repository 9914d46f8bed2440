/* SPDX-License-Identifier: MIT */
/* RADIO by itself: when what happens, and what it refuses. */
#include <string.h>

#include "sim/pcapng.h"
#include "tests/cmocka.h"
#include "tests/emulator/radio_fixture.h"

#define US UINT64_C(64)
#define BYTE (4U * US)
#define CHAIN 45U /* by which a transmitter's events are ahead of the air */

/* TXEN, or RXEN, when the radio is set up: it ramps up, starts, and the processor sleeps. */
static void enable(struct radio_fixture *f, uint32_t task, uint32_t shorts)
{
	radio_fixture_open(f);
	RADIO_SLEEPS(f, HFXO, BLE_2M, PACKETPTR(PACKET), SHORTS(shorts), RADIO(task, 1), SLEEP);
}

static uint32_t state(struct radio_fixture *f)
{
	uint32_t value = UINT32_MAX;

	assert_true(f->radio->model->read(&value, f->radio, 0x550));
	return value;
}

static uint32_t value_of(struct radio_fixture *f, uint32_t offset)
{
	uint32_t value = UINT32_MAX;

	assert_true(f->radio->model->read(&value, f->radio, offset));
	return value;
}

static void a_frame_is_sent_in_its_time(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257];
	uint64_t ready, address;

	(void)state_;
	radio_fixture_frame(pdu, 20);
	enable(&f, 0x000, READY_START | END_DISABLE);
	assert_int_equal(state(&f), 9);
	radio_fixture_poke(&f, PACKET, pdu, 2);
	radio_fixture_poke(&f, PACKET + 3, pdu + 2, 20);
	ready = f.powered[CATS_RADIO_SENDS] + 40 * US - CHAIN;
	radio_fixture_expect(&f, ready, READY | TXREADY);
	assert_int_equal(state(&f), 11);
	assert_int_equal(f.began, f.powered[CATS_RADIO_SENDS] + 40 * US);
	assert_int_equal(f.tuning.address, ACCESS_ADDRESS);
	assert_int_equal(f.tuning.frequency, 2);
	assert_int_equal(f.tuning.whitening, 0);
	address = ready + 24 * US;
	radio_fixture_expect(&f, address, ADDRESS);
	radio_fixture_expect(&f, address + 22 * BYTE, PAYLOAD);
	assert_int_equal(f.sent_bytes, 22);
	assert_memory_equal(f.sent, pdu, 22);
	radio_fixture_expect(&f, address + 25 * BYTE, END);
	assert_int_equal(state(&f), 12);
	assert_int_equal(f.ended, f.began + (6 + 22 + 3) * BYTE);
	assert_false(f.cut);
	radio_fixture_expect(&f, address + 25 * BYTE + CHAIN, PHYEND);
	radio_fixture_expect(&f, address + 25 * BYTE + 4 * US, DISABLED);
	assert_int_equal(state(&f), 0);
	assert_int_equal(f.powered[CATS_RADIO_OFF], address + 25 * BYTE + 4 * US);
	radio_fixture_close(&f);
}

/* Each byte is read one byte's time before it is due, not sooner and not later. */
static void bytes_are_read_as_they_are_sent(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257];
	uint64_t start;
	const uint8_t changed = 0xEE;

	(void)state_;
	radio_fixture_frame(pdu, 255);
	enable(&f, 0x000, READY_START);
	start = f.powered[CATS_RADIO_SENDS] + 40 * US - CHAIN;
	radio_fixture_expect(&f, start, READY | TXREADY);
	radio_fixture_poke(&f, PACKET, pdu, 2);
	radio_fixture_poke(&f, PACKET + 3, pdu + 2, 255);
	assert_false(chip_fixture_go_on(&f.c, start + 20 * US + 100 * BYTE - 1));
	radio_fixture_poke(&f, PACKET + 1 + 100, &changed, 1);
	radio_fixture_poke(&f, PACKET + 1 + 99, &changed, 1);
	radio_fixture_expect(&f, start + (6 + 257) * BYTE, PAYLOAD);
	pdu[100] = changed; /* and not 99 */
	assert_int_equal(f.sent_bytes, 257);
	assert_memory_equal(f.sent, pdu, 257);
	radio_fixture_close(&f);
}

static void send_slowly(void **state_)
{
	struct radio_fixture f;

	(void)state_;
	radio_fixture_open(&f);
	RADIO_SLEEPS(&f, HFXO, BLE_2M, RADIO(0x650U, 0x200U), PACKETPTR(PACKET), SHORTS(READY_START), TXEN, SLEEP);
	radio_fixture_expect(&f, f.powered[CATS_RADIO_SENDS] + 129 * US + 32 - CHAIN, READY | TXREADY);
	assert_int_equal(f.began, f.powered[CATS_RADIO_SENDS] + 129 * US + 32);
	radio_fixture_close(&f);
}

/* A receiver that has begun to listen, and a frame whose ADDRESS it has 1000 us later. */
static uint64_t hear(struct radio_fixture *f, const uint8_t *pdu, uint32_t shorts)
{
	enable(f, 0x004, READY_START | shorts);
	assert_int_equal(state(f), 1);
	radio_fixture_expect(f, f->powered[CATS_RADIO_HEARS] + 40 * US + 19, READY | RXREADY);
	assert_int_equal(state(f), 3);
	assert_int_equal(f->listened, f->powered[CATS_RADIO_HEARS] + 40 * US + 19);
	assert_int_equal(f->tuning.address, ACCESS_ADDRESS);
	f->heard = pdu;
	f->address = f->listened + 1000 * US;
	cats_radio_look_up(f->radio);
	return f->address;
}

static void a_frame_is_received_as_it_arrives(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257], s1 = 0;
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 30);
	address = hear(&f, pdu, END_DISABLE);
	radio_fixture_poke(&f, PACKET, (const uint8_t[300]){0}, 300);
	radio_fixture_expect(&f, address, ADDRESS);
	for (uint32_t i = 0; i < 32; i++) {
		const uint32_t at = PACKET + (i < 2 ? i : i + 1);

		assert_int_equal(cats_radio_writes_at(f.radio, at), address + (i + 1) * BYTE);
		assert_false(chip_fixture_go_on(&f.c, address + (i + 1) * BYTE - 1));
		assert_int_equal(*radio_fixture_peek(&f, at, 1), 0);
		assert_false(chip_fixture_go_on(&f.c, address + (i + 1) * BYTE));
		assert_int_equal(*radio_fixture_peek(&f, at, 1), pdu[i]);
		assert_int_equal(cats_radio_writes_at(f.radio, at), 0);
	}
	assert_memory_equal(radio_fixture_peek(&f, PACKET + 2, 1), &s1, 1);
	assert_int_equal(f.radio->events, ADDRESS | PAYLOAD);
	radio_fixture_expect(&f, address + 35 * BYTE, CRCOK | END | PHYEND | DISABLED);
	assert_int_equal(value_of(&f, 0x400), 1);
	assert_int_equal(value_of(&f, 0x40C), cats_pcapng_crc24(pdu, 32));
	assert_int_equal(value_of(&f, 0x414), 0);
	assert_int_equal(state(&f), 0);
	assert_int_equal(f.powered[CATS_RADIO_OFF], address + 35 * BYTE);
	assert_int_equal(*radio_fixture_peek(&f, PACKET + 33, 1), 0);
	radio_fixture_close(&f);
}

static void a_broken_frame_says_so(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257];
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 0);
	address = hear(&f, pdu, 0);
	f.broken = true;
	radio_fixture_expect(&f, address, ADDRESS);
	radio_fixture_expect(&f, address + 2 * BYTE, PAYLOAD);
	radio_fixture_expect(&f, address + 5 * BYTE, CRCERROR | END | PHYEND);
	assert_int_equal(value_of(&f, 0x400), 0);
	assert_int_not_equal(value_of(&f, 0x40C), cats_pcapng_crc24(pdu, 2));
	assert_int_equal(state(&f), 2);
	radio_fixture_close(&f);
}

static void a_frame_that_is_not_taken_up_leaves_no_trace(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257];
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 5);
	address = hear(&f, pdu, 0);
	f.refused = true;
	radio_fixture_expect(&f, address + 1000 * US, 0);
	assert_int_equal(state(&f), 3);
	radio_fixture_close(&f);
}

/* PACKETPTR is latched at START: what is written during a frame is where the next one goes. */
static void reception_goes_on_into_the_next_buffer(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257], next[257];
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 9);
	radio_fixture_frame(next, 11);
	address = hear(&f, pdu, END_START);
	assert_true(f.radio->model->write(f.radio, 0x504, PACKET_2));
	radio_fixture_expect(&f, address, ADDRESS);
	radio_fixture_expect(&f, address + 11 * BYTE, PAYLOAD);
	radio_fixture_expect(&f, address + 14 * BYTE, CRCOK | END | PHYEND);
	assert_int_equal(state(&f), 3);
	assert_int_equal(f.listened, address + 14 * BYTE);
	assert_false(f.deaf);
	f.heard = next;
	f.address = address + 100 * US;
	cats_radio_look_up(f.radio);
	radio_fixture_expect(&f, address + 100 * US, ADDRESS);
	radio_fixture_expect(&f, address + 100 * US + 13 * BYTE, PAYLOAD);
	assert_memory_equal(radio_fixture_peek(&f, PACKET + 3, 9), pdu + 2, 9);
	assert_memory_equal(radio_fixture_peek(&f, PACKET_2, 2), next, 2);
	assert_memory_equal(radio_fixture_peek(&f, PACKET_2 + 3, 11), next + 2, 11);
	radio_fixture_close(&f);
}

/* MAXLEN cuts off what is written; the frame has its time, and its CRC is wrong. */
static void a_longer_frame_is_cut_off(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257], marks[100];
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 40);
	memset(marks, 0x77, sizeof marks);
	radio_fixture_open(&f);
	RADIO_SLEEPS(&f, HFXO, BLE_2M, RADIO(0x518U, 0x02030000U + 10), PACKETPTR(PACKET), SHORTS(READY_START), RXEN,
		     SLEEP);
	radio_fixture_poke(&f, PACKET, marks, sizeof marks);
	radio_fixture_expect(&f, f.powered[CATS_RADIO_HEARS] + 40 * US + 19, READY | RXREADY);
	f.heard = pdu;
	f.address = address = f.listened + 100 * US;
	cats_radio_look_up(f.radio);
	radio_fixture_expect(&f, address, ADDRESS);
	radio_fixture_expect(&f, address + 42 * BYTE, PAYLOAD);
	radio_fixture_expect(&f, address + 45 * BYTE, CRCERROR | END | PHYEND);
	assert_int_equal(value_of(&f, 0x414), 1);
	assert_memory_equal(radio_fixture_peek(&f, PACKET + 3, 10), pdu + 2, 10);
	assert_memory_equal(radio_fixture_peek(&f, PACKET + 13, 87), marks, 87);
	radio_fixture_close(&f);
}

static void power_is_measured_and_bits_are_counted(void **state_)
{
	struct radio_fixture f;
	uint8_t pdu[257];
	uint64_t address;

	(void)state_;
	radio_fixture_frame(pdu, 40);
	address = hear(&f, pdu, ADDRESS_RSSISTART | ADDRESS_BCSTART);
	assert_true(f.radio->model->write(f.radio, 0x560, 24));
	radio_fixture_expect(&f, address, ADDRESS);
	radio_fixture_expect(&f, address + 16, RSSIEND);
	assert_int_equal(value_of(&f, 0x548), 61);
	radio_fixture_expect(&f, address + 24 * 32, BCMATCH);
	radio_fixture_close(&f);
}

static void disable_now(struct radio_fixture *f)
{
	f->radio->events = 0;
	f->radio->shorts = 0;
	f->radio->model->task(f->radio, 4);
}

/* From every state, and from that on the radio is silent. */
static void disabling_takes_its_time(void **state_)
{
	static const struct {
		uint32_t task, shorts;
		uint64_t after; /* us */
		uint32_t state;
		bool sends, cuts;
	} cases[] = {
		{0x000, 0, 10, 9, true, false},
		{0x000, 0, 100, 10, true, false},
		{0x000, READY_START, 60, 11, true, true},
		{0x000, READY_START, 300, 11, true, true},
		{0x004, 0, 10, 1, false, false},
		{0x004, 0, 100, 2, false, false},
		{0x004, READY_START, 100, 3, false, false},
	};

	(void)state_;
	for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct radio_fixture f;
		uint64_t at;

		enable(&f, cases[i].task, cases[i].shorts);
		radio_fixture_poke(&f, PACKET, (const uint8_t[]){0, 200}, 2);
		at = f.powered[cases[i].sends ? CATS_RADIO_SENDS : CATS_RADIO_HEARS] + cases[i].after * US;
		assert_false(chip_fixture_go_on(&f.c, at));
		assert_int_equal(state(&f), cases[i].state);
		f.deaf = false;
		disable_now(&f);
		assert_int_equal(f.cuts, cases[i].cuts ? 1 : 0);
		assert_int_equal(f.deaf, cases[i].state == 3);
		if (cases[i].sends) {
			assert_int_equal(state(&f), 12);
			radio_fixture_expect(&f, at + 4 * US, DISABLED);
		} else {
			assert_int_equal(f.radio->events, DISABLED);
		}
		assert_int_equal(state(&f), 0);
		disable_now(&f); /* and once more */
		assert_int_equal(f.radio->events, DISABLED);
		radio_fixture_expect(&f, at + 2000 * US, 0);
		radio_fixture_close(&f);
	}
}

/* From sending to receiving by shortcuts alone. */
static void shortcuts_turn_the_radio_round(void **state_)
{
	struct radio_fixture f;
	uint64_t start, disabled;

	(void)state_;
	enable(&f, 0x000, READY_START | END_DISABLE | DISABLED_RXEN);
	radio_fixture_poke(&f, PACKET, (const uint8_t[]){0, 0}, 2);
	start = f.powered[CATS_RADIO_SENDS] + 40 * US - CHAIN;
	disabled = start + 11 * BYTE + 4 * US;
	assert_false(chip_fixture_go_on(&f.c, disabled));
	assert_int_equal(state(&f), 1);
	assert_int_equal(f.powered[CATS_RADIO_HEARS], disabled);
	radio_fixture_expect(&f, disabled + 40 * US + 19, READY | RXREADY);
	assert_int_equal(f.listened, disabled + 40 * US + 19);
	radio_fixture_close(&f);
}

#define REFUSES(text, ...) CHIP_REFUSES("RADIO: " text, HFXO, BLE_2M, PACKETPTR(PACKET), __VA_ARGS__)

static void tasks_in_the_wrong_state_are_refused(void **state_)
{
	(void)state_;
	REFUSES("TASKS_TXEN in state TxRu", TXEN, TXEN);
	REFUSES("TASKS_RXEN in state TxRu", TXEN, RXEN);
	REFUSES("TASKS_TXEN in state RxIdle", RXEN, AWAIT(CATS_RADIO_BASE + 0x100U), TXEN);
	REFUSES("TASKS_TXEN in state TxDisable", TXEN, DISABLE, TXEN);
	REFUSES("TASKS_START in state Disabled", START);
	REFUSES("TASKS_START in state TxRu", TXEN, START); /* the ramp-up is missing */
	REFUSES("TASKS_START in state RxRu", RXEN, LOOP(500), START);
	REFUSES("TASKS_START in state Rx", RXEN, AWAIT(CATS_RADIO_BASE + 0x100U), START, START);
	REFUSES("TASKS_STOP in state Disabled", STOP);
	REFUSES("TASKS_RSSISTART in state Disabled", RADIO(0x014U, 1));
	REFUSES("TASKS_BCSTART: modelled at the ADDRESS event only", RADIO(0x01CU, 1));
	REFUSES("TASKS_TXEN while POWER is 0", RADIO(0xFFCU, 0), TXEN);
}

static void a_radio_without_its_crystal_is_refused(void **state_)
{
	(void)state_;
	CHIP_REFUSES("RADIO: TASKS_TXEN: the crystal oscillator (HFXO) does not run", BLE_2M, TXEN);
	CHIP_REFUSES("RADIO: TASKS_RXEN: the crystal oscillator (HFXO) does not run", BLE_2M, RXEN);
	CHIP_REFUSES("RADIO: TASKS_RXEN: the crystal oscillator (HFXO) does not run", BLE_2M, WRITE(CATS_CLOCK_BASE, 1),
		     RXEN);
	REFUSES("TASKS_START: the crystal oscillator (HFXO) does not run", RXEN, AWAIT(CATS_RADIO_BASE + 0x100U),
		WRITE(CATS_CLOCK_BASE + 4U, 1), START);
}

static void another_configuration_is_refused(void **state_)
{
	(void)state_;
	CHIP_REFUSES("RADIO: MODE: 0x00000000: only BLE 2M", HFXO, RXEN); /* all is as out of reset */
	REFUSES("FREQUENCY: 0x00000065: at most 100", RADIO(0x508U, 101), TXEN);
	REFUSES("TXPOWER: 0x00000008", RADIO(0x50CU, 8), TXEN);
	REFUSES("MODE: 0x00000003", RADIO(0x510U, 3), TXEN);
	REFUSES("PCNF0: 0x00000108", RADIO(0x514U, 0x108U), TXEN);
	REFUSES("PCNF1: 0x000300ff", RADIO(0x518U, 0x000300FFU), TXEN);
	REFUSES("BASE0: 0x00000001", RADIO(0x51CU, 1), TXEN);
	REFUSES("PREFIX0: 0x00000100", RADIO(0x524U, 0x100), TXEN);
	REFUSES("TXADDRESS: 0x00000001", RADIO(0x52CU, 1), TXEN);
	REFUSES("RXADDRESSES: 0x00000003", RADIO(0x530U, 3), TXEN);
	REFUSES("CRCCNF: 0x00000003", RADIO(0x534U, 3), TXEN);
	REFUSES("CRCPOLY: 0x0000065a", RADIO(0x538U, 0x65AU), TXEN);
	REFUSES("CRCINIT: 0x00000000", RADIO(0x53CU, 0), TXEN);
	REFUSES("TIFS: 0x00000096", RADIO(0x544U, 150), TXEN);
	REFUSES("MODECNF0: 0x00000001", RADIO(0x650U, 1), TXEN);
	REFUSES("MODE is written in state TxRu, not Disabled", TXEN, RADIO(0x510U, 4));
	REFUSES("DATAWHITEIV is written in state RxRu, not Disabled", RXEN, RADIO(0x554U, 4));
}

static void what_is_not_modelled_is_refused(void **state_)
{
	(void)state_;
	REFUSES("a read of 0x558", READ(CATS_RADIO_BASE + 0x558U));
	REFUSES("0x00000001 written to 0x570", RADIO(0x570U, 1)); /* DACNF */
	REFUSES("0x00000001 written to 0x548", RADIO(0x548U, 1)); /* RSSISAMPLE is read only */
	REFUSES("0x00001000 written to 0x200", SHORTS(0x1000));
}

static void packets_outside_ram_are_refused(void **state_)
{
	(void)state_;
	REFUSES("PACKETPTR: 3 bytes at 0x00010000 do not lie in RAM", PACKETPTR(0x10000U), SHORTS(READY_START), TXEN,
		LOOP(2000));
	REFUSES("PACKETPTR: 3 bytes at 0x2003fffe do not lie in RAM", PACKETPTR(0x2003FFFEU), SHORTS(READY_START), TXEN,
		LOOP(2000));
	REFUSES("PACKETPTR: 258 bytes at 0x2003ff00 do not lie in RAM", PACKETPTR(0x2003FF00U), SHORTS(READY_START),
		RXEN, LOOP(2000));
	REFUSES("PACKETPTR: 1 bytes at 0x20040000 do not lie in RAM", WRITE(0x2003FFF0U, 0x2000),
		PACKETPTR(0x2003FFF0U), SHORTS(READY_START), TXEN, LOOP(9000));
}

static void a_frame_longer_than_maxlen_is_refused(void **state_)
{
	(void)state_;
	REFUSES("LENGTH 11 is above MAXLEN 10", WRITE(PACKET, 11U << 8), RADIO(0x518U, 0x02030000U + 10),
		SHORTS(READY_START), TXEN, LOOP(9000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_is_sent_in_its_time),
		cmocka_unit_test(bytes_are_read_as_they_are_sent),
		cmocka_unit_test(send_slowly),
		cmocka_unit_test(a_frame_is_received_as_it_arrives),
		cmocka_unit_test(a_broken_frame_says_so),
		cmocka_unit_test(a_frame_that_is_not_taken_up_leaves_no_trace),
		cmocka_unit_test(reception_goes_on_into_the_next_buffer),
		cmocka_unit_test(a_longer_frame_is_cut_off),
		cmocka_unit_test(power_is_measured_and_bits_are_counted),
		cmocka_unit_test(disabling_takes_its_time),
		cmocka_unit_test(shortcuts_turn_the_radio_round),
		cmocka_unit_test(tasks_in_the_wrong_state_are_refused),
		cmocka_unit_test(a_radio_without_its_crystal_is_refused),
		cmocka_unit_test(another_configuration_is_refused),
		cmocka_unit_test(what_is_not_modelled_is_refused),
		cmocka_unit_test(packets_outside_ram_are_refused),
		cmocka_unit_test(a_frame_longer_than_maxlen_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

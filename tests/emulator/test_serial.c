/* SPDX-License-Identifier: MIT */
/* UARTE and GPIO. */
#include <string.h>

#include "emulator/gpio.h"
#include "emulator/uarte.h"
#include "tests/cmocka.h"
#include "tests/emulator/chip_fixture.h"

#define UARTE0 CATS_UARTE0_BASE
#define P0 CATS_GPIO_BASE
#define P1 (CATS_GPIO_BASE + 0x300U)
#define BUFFER 0x20010000U /* of RAM that the image does not use; what it holds is CATS_M4_PAINT */
#define BAUD_1M WRITE(UARTE0 + 0x524U, 0x10000000U)
#define PINS WRITE(UARTE0 + 0x50CU, 6), WRITE(UARTE0 + 0x514U, 8)
#define OPEN PINS, BAUD_1M, WRITE(UARTE0 + 0x500U, 8)
#define SEND(address, count) WRITE(UARTE0 + 0x544U, address), WRITE(UARTE0 + 0x548U, count), WRITE(UARTE0 + 8U, 1)
#define LISTEN(address, count) WRITE(UARTE0 + 0x534U, address), WRITE(UARTE0 + 0x538U, count), WRITE(UARTE0, 1)
#define ENDRX (UARTE0 + 0x110U)
#define ENDTX (UARTE0 + 0x120U)
#define ERROR (UARTE0 + 0x124U)
#define RXTO (UARTE0 + 0x144U)
#define BYTE_CYCLES 640U

struct heard {
	uint8_t bytes[64];
	uint64_t times[64];
	uint32_t count;
};

static void hear(void *context, uint64_t time, uint32_t uarte, uint8_t byte)
{
	struct heard *h = context;

	assert_int_equal(uarte, 0);
	assert_in_range(h->count, 0, 63);
	h->times[h->count] = time;
	h->bytes[h->count++] = byte;
}

static void see(void *context, uint64_t time, uint32_t pin, bool high)
{
	struct heard *h = context;

	h->times[h->count] = time;
	h->bytes[h->count++] = (uint8_t)(2U * pin + high);
}

static void open_serial(struct chip_fixture *f, struct heard *h)
{
	*h = (struct heard){.count = 0};
	chip_fixture_open(f, &(struct cats_chip_options){.seed = 1, .host = {.context = h, .serial = hear}});
}

static void poke(struct chip_fixture *f, const char *text)
{
	struct cats_error error = {0};

	assert_int_equal(cats_m4_write(cats_chip_core(f->chip), BUFFER, text, strlen(text), &error), CATS_OK);
}

static void say(struct chip_fixture *f, const char *text)
{
	struct cats_error error = {0};

	assert_int_equal(
		cats_uarte_receive(cats_chip_peripheral(f->chip, UARTE0), (const uint8_t *)text, strlen(text), &error),
		CATS_OK);
}

static void expect_buffer(const struct chip_fixture *f, const char *text)
{
	assert_memory_equal(cats_m4_memory(cats_chip_core(f->chip), BUFFER, strlen(text)), text, strlen(text));
}

static void it_sends_at_its_rate(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	poke(&f, "hello");
	CHIP_RUN(&f, OPEN, SEND(BUFFER, 5), AWAIT(ENDTX), READ(UARTE0 + 0x54CU), READ(UARTE0 + 0x150U));
	assert_int_equal(h.count, 5);
	assert_memory_equal(h.bytes, "hello", 5);
	for (uint32_t i = 1; i < 5; i++)
		assert_true(h.times[i] - h.times[i - 1U] == BYTE_CYCLES);
	assert_in_range(f.ended - f.began, 5 * BYTE_CYCLES, 5 * BYTE_CYCLES + 1200);
	assert_int_equal(f.told.read[0], 5);
	assert_int_equal(f.told.read[1], 1);
	chip_fixture_close(&f);
}

/* Bytes are read when they are sent: who writes over them too early is heard to. */
static void it_reads_ram_as_it_sends(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	poke(&f, "abcd");
	CHIP_RUN(&f, OPEN, SEND(BUFFER, 4), WRITE(BUFFER, 0x7A7A7A7A), AWAIT(ENDTX));
	assert_memory_equal(h.bytes, "azzz", 4);
	chip_fixture_close(&f);
}

static void it_stops_after_a_byte(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	poke(&f, "hello");
	CHIP_RUN(&f, OPEN, SEND(BUFFER, 5), LOOP(200), WRITE(UARTE0 + 0xCU, 1), AWAIT(UARTE0 + 0x158U), READ(ENDTX),
		 READ(UARTE0 + 0x54CU));
	assert_int_equal(f.told.read[0], 1);
	assert_int_equal(f.told.read[1], h.count);
	assert_in_range(h.count, 1, 2);
	chip_fixture_close(&f);
}

static void it_receives_into_ram(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	CHIP_RUN(&f, OPEN, LISTEN(BUFFER, 4), WRITE(UARTE0 + 0x304U, 1U << 4), INTERRUPT(2, ENDRX));
	say(&f, "spam");
	CHIP_RUN(&f, SLEEP, READ(UARTE0 + 0x53CU), READ(UARTE0 + 0x108U));
	assert_int_equal(f.told.interrupts[2], 1);
	assert_int_equal(f.told.read[0], 4);
	assert_int_equal(f.told.read[1], 1);
	expect_buffer(&f, "spam\xA5");
	assert_in_range(f.ended - f.began, 4 * BYTE_CYCLES, 4 * BYTE_CYCLES + 1200);
	assert_int_equal(cats_uarte_on_line(cats_chip_peripheral(f.chip, UARTE0)), 0);
	chip_fixture_close(&f);
}

/* The shortcut goes on without a gap; without it a few bytes wait in the peripheral, then they are lost, and it says
 * so. */
static void it_keeps_a_few_bytes_between_buffers(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	CHIP_RUN(&f, OPEN, WRITE(UARTE0 + 0x200U, 1U << 5), LISTEN(BUFFER, 3), WRITE(UARTE0 + 0x534U, BUFFER + 3U));
	say(&f, "abcdef");
	CHIP_RUN(&f, LOOP(3000), READ(ERROR));
	assert_int_equal(f.told.read[0], 0);
	expect_buffer(&f, "abcdef");
	CHIP_RUN(&f, WRITE(UARTE0 + 0x200U, 0), WRITE(ENDRX, 0));
	say(&f, "ghiABCDE");
	CHIP_RUN(&f, LOOP(3000), READ(ENDRX), READ(ERROR), READ(UARTE0 + 0x480U), LISTEN(BUFFER, 4), LOOP(10),
		 WRITE(UARTE0 + 0x480U, 1), READ(UARTE0 + 0x480U));
	assert_int_equal(f.told.read[0], 1);
	assert_int_equal(f.told.read[1], 1);
	assert_int_equal(f.told.read[2], 1);
	assert_int_equal(f.told.read[3], 0);
	expect_buffer(&f, "ABCDhi");
	chip_fixture_close(&f);
}

static void it_stops_receiving(void **state)
{
	struct chip_fixture f;
	struct heard h;

	(void)state;
	open_serial(&f, &h);
	CHIP_RUN(&f, OPEN, LISTEN(BUFFER, 8));
	say(&f, "ab");
	CHIP_RUN(&f, LOOP(1000), WRITE(UARTE0 + 4U, 1), AWAIT(RXTO), READ(ENDRX), READ(UARTE0 + 0x53CU));
	assert_int_equal(f.told.read[0], 1);
	assert_int_equal(f.told.read[1], 2);
	say(&f, "cd"); /* to nobody */
	CHIP_RUN(&f, LOOP(1000), READ(ERROR), LISTEN(BUFFER, 8));
	assert_int_equal(f.told.read[0], 0);
	say(&f, "e");
	CHIP_RUN(&f, LOOP(400));
	expect_buffer(&f, "eb\xA5");
	chip_fixture_close(&f);
}

static void what_a_uarte_does_not_do_is_refused(void **state)
{
	(void)state;
	CHIP_REFUSES("UARTE0: TXD started while ENABLE is 0", SEND(BUFFER, 1));
	CHIP_REFUSES("UARTE0: TXD started without a pin in PSEL.TXD", WRITE(UARTE0 + 0x500U, 8), SEND(BUFFER, 1));
	CHIP_REFUSES("UARTE0: RXD started without a pin in PSEL.RXD", WRITE(UARTE0 + 0x500U, 8), LISTEN(BUFFER, 1));
	CHIP_REFUSES("UARTE0: TXD started while a transfer runs", OPEN, SEND(BUFFER, 2), SEND(BUFFER, 2));
	CHIP_REFUSES("UARTE0: RXD started while a transfer runs", OPEN, LISTEN(BUFFER, 2), LISTEN(BUFFER, 2));
	CHIP_REFUSES("UARTE0: PSEL written while ENABLE is 8", OPEN, PINS);
	CHIP_REFUSES("UARTE0: TXD.PTR: 5 bytes at 0x00000100 do not lie in RAM", OPEN, SEND(0x100, 5));
	CHIP_REFUSES("UARTE0: TXD.PTR: 2 bytes at 0x2003ffff do not lie in RAM", OPEN, SEND(0x2003FFFFU, 2));
	CHIP_REFUSES("UARTE0: RXD.PTR: 5 bytes at 0x1fffffff do not lie in RAM", OPEN, LISTEN(0x1FFFFFFF, 5));
	CHIP_REFUSES("UARTE0: BAUDRATE: 0x12345678", WRITE(UARTE0 + 0x524U, 0x12345678));
	CHIP_REFUSES("UARTE0: ENABLE: 0x00000004", WRITE(UARTE0 + 0x500U, 4));
	CHIP_REFUSES("UARTE0: MAXCNT: 65536 bytes", WRITE(UARTE0 + 0x548U, 65536));
	CHIP_REFUSES("UARTE0: RTS or CTS connected", WRITE(UARTE0 + 0x508U, 5));
	CHIP_REFUSES("UARTE0: 0x00000001 written to 0x56c", WRITE(UARTE0 + 0x56CU, 1));
}

static void pins_are_seen_and_driven(void **state)
{
	struct heard h = {.count = 0};
	struct chip_fixture f;

	(void)state;
	chip_fixture_open(&f, &(struct cats_chip_options){.host = {.context = &h, .pin = see}});
	CHIP_RUN(&f, WRITE(P0 + 0x508U, 1U << 13), WRITE(P0 + 0x518U, 1U << 13), LOOP(1000),
		 WRITE(P0 + 0x50CU, 1U << 13), WRITE(P0 + 0x50CU, 1U << 13), WRITE(P1 + 0x700U + 4U * 5U, 1),
		 READ(P0 + 0x504U), READ(P1 + 0x514U));
	assert_int_equal(h.count, 3); /* LED off, on; P1.05 low */
	assert_int_equal(h.bytes[0], 2 * 13 + 1);
	assert_int_equal(h.bytes[1], 2 * 13);
	assert_int_equal(h.bytes[2], 2 * 37);
	assert_in_range(h.times[1] - h.times[0], 4000, 4200);
	assert_int_equal(f.told.read[0], 0);
	assert_int_equal(f.told.read[1], 1U << 5);
	/* A button: pulled up, then pressed; a pin whose input is off. */
	CHIP_RUN(&f, WRITE(P0 + 0x700U + 4U * 11U, 0xC), READ(P0 + 0x510U));
	assert_int_equal(f.told.read[0], 1U << 11);
	cats_gpio_set(cats_chip_peripheral(f.chip, P0), 11, false);
	cats_gpio_set(cats_chip_peripheral(f.chip, P0), 12, true);
	CHIP_RUN(&f, READ(P0 + 0x510U));
	assert_int_equal(f.told.read[0], 0);
	chip_fixture_close(&f);
	CHIP_REFUSES("GPIO: P0.11: SENSE", WRITE(P0 + 0x700U + 4U * 11U, 0x3000C));
	CHIP_REFUSES("GPIO: a read of 0x520", READ(P0 + 0x520U));
	CHIP_REFUSES("GPIO: a read of 0xa40", READ(P1 + 0x740U));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_sends_at_its_rate),
		cmocka_unit_test(it_reads_ram_as_it_sends),
		cmocka_unit_test(it_stops_after_a_byte),
		cmocka_unit_test(it_receives_into_ram),
		cmocka_unit_test(it_keeps_a_few_bytes_between_buffers),
		cmocka_unit_test(it_stops_receiving),
		cmocka_unit_test(what_a_uarte_does_not_do_is_refused),
		cmocka_unit_test(pins_are_seen_and_driven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

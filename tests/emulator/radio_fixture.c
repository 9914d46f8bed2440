/* SPDX-License-Identifier: MIT */
/* See radio_fixture.h. */
#include "tests/emulator/radio_fixture.h"

#include <string.h>

#include "tests/cmocka.h"

static void begin(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	struct radio_fixture *f = context;

	f->began = at;
	f->tuning = *tuning;
	f->sent_bytes = 0;
	f->frames++;
}

static void byte(void *context, uint8_t value)
{
	struct radio_fixture *f = context;

	assert_in_range(f->sent_bytes, 0, 256);
	/* Not later than its first bit is on air. */
	assert_true(cats_peripheral_now(f->radio) <= f->began + (6U + f->sent_bytes) * 256U);
	f->sent[f->sent_bytes++] = value;
}

static void end(void *context, uint64_t at, bool cut)
{
	struct radio_fixture *f = context;

	f->ended = at;
	f->cut = cut;
	f->cuts += cut ? 1U : 0;
}

static void listen(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	struct radio_fixture *f = context;

	f->listened = at;
	f->tuning = *tuning;
	f->deaf = false;
}

static void deafen(void *context)
{
	((struct radio_fixture *)context)->deaf = true;
}

static uint64_t next(void *context)
{
	return ((struct radio_fixture *)context)->address;
}

static bool address(void *context, double *dbm)
{
	struct radio_fixture *f = context;

	assert_int_equal(cats_peripheral_now(f->radio), f->address);
	f->address = CATS_NEVER;
	f->taken = 0;
	*dbm = -61.4;
	return !f->refused;
}

static uint8_t take(void *context, uint32_t index)
{
	struct radio_fixture *f = context;

	assert_int_equal(index, f->taken);
	return f->heard[f->taken++];
}

static bool finish(void *context)
{
	struct radio_fixture *f = context;

	f->deaf = true;
	return !f->broken;
}

static void power(void *context, uint64_t at, enum cats_radio_power power)
{
	((struct radio_fixture *)context)->powered[power] = at;
}

void radio_fixture_open(struct radio_fixture *f)
{
	*f = (struct radio_fixture){.air = {f, begin, byte, end, listen, deafen, next, address, take, finish, power},
				    .address = CATS_NEVER};
	chip_fixture_open(&f->c, NULL);
	f->radio = cats_chip_peripheral(f->c.chip, CATS_RADIO_BASE);
	f->ccm = cats_chip_peripheral(f->c.chip, CATS_CCM_BASE);
	cats_radio_connect(f->radio, &f->air);
}

void radio_fixture_close(struct radio_fixture *f)
{
	chip_fixture_close(&f->c);
}

void radio_fixture_sleep(struct radio_fixture *f, const struct script_line *lines, size_t count)
{
	char text[1024];
	uint64_t end;

	assert_int_equal(lines[count - 1].operation, SCRIPT_SLEEP);
	chip_fixture_load(&f->c, lines, count);
	end = f->c.began + 1000000;
	while (cats_chip_next(f->c.chip) == cats_chip_now(f->c.chip) && cats_chip_now(f->c.chip) < end &&
	       !chip_fixture_go_on(&f->c, cats_chip_now(f->c.chip) + 1) && f->c.stopped.stop == CATS_M4_LIMIT)
		;
	if (cats_chip_next(f->c.chip) > cats_chip_now(f->c.chip))
		return;
	cats_chip_describe(text, sizeof text, f->c.chip, &f->c.stopped);
	fail_msg("it does not sleep: %s", text);
}

void radio_fixture_poke(struct radio_fixture *f, uint32_t address, const void *bytes, size_t size)
{
	struct cats_error error = {0};

	assert_int_equal(cats_m4_write(cats_chip_core(f->c.chip), address, bytes, size, &error), CATS_OK);
}

const uint8_t *radio_fixture_peek(struct radio_fixture *f, uint32_t address, size_t size)
{
	return cats_m4_memory(cats_chip_core(f->c.chip), address, size);
}

void radio_fixture_expect(struct radio_fixture *f, uint64_t time, uint32_t events)
{
	f->radio->events = 0;
	assert_false(chip_fixture_go_on(&f->c, time - 1));
	assert_int_equal(f->radio->events, 0);
	assert_false(chip_fixture_go_on(&f->c, time));
	assert_int_equal(f->radio->events, events);
}

void radio_fixture_frame(uint8_t pdu[257], uint8_t length)
{
	pdu[0] = 0x14;
	pdu[1] = length;
	for (uint32_t i = 0; i < length; i++)
		pdu[2 + i] = (uint8_t)(7 * i + 3);
}

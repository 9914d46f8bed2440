/* SPDX-License-Identifier: MIT */
/* See firmware_fixture.h. */
#include "tests/emulator/firmware_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "emulator/uarte.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define RADIO 0x40001000U
#define SEED 1U
#define SLICE (250U * FIRMWARE_US)
#define TEXT_BYTES 2000

static void need(enum cats_status status, const struct cats_error *error)
{
	if (status < 0)
		fail_msg("%s", error->text);
}

void firmware_load(struct cats_elf *elf)
{
	struct cats_error error = {0};

	need(cats_elf_load(elf, IMAGES "/firmware.elf", &error), &error);
}

static void hear(void *context, uint64_t time, uint32_t uarte, uint8_t byte)
{
	struct firmware *f = context;

	(void)time;
	(void)uarte;
	if (f->bytes + 2U > f->room) {
		f->room = 2U * f->room + 1024U;
		f->log = realloc(f->log, f->room);
		assert_non_null(f->log);
	}
	f->log[f->bytes++] = (char)byte;
	f->log[f->bytes] = '\0';
}

static void note_reset(void *context, uint64_t time, enum cats_reset cause)
{
	(void)time;
	(void)cause;
	((struct firmware *)context)->resets++;
}

/* ---- Air in which nobody else is ---- */

static void begin(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	(void)at;
	(void)tuning;
	((struct firmware *)context)->frames++;
}

static void byte(void *context, uint8_t value)
{
	(void)context;
	(void)value;
}

static void end(void *context, uint64_t at, bool cut)
{
	(void)context;
	(void)at;
	(void)cut;
}

static void listen(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	(void)context;
	(void)at;
	(void)tuning;
}

static void deafen(void *context)
{
	(void)context;
}

static uint64_t next(void *context)
{
	(void)context;
	return CATS_NEVER;
}

static void power(void *context, uint64_t at, enum cats_radio_power power)
{
	(void)context;
	(void)at;
	(void)power;
}

static void open_chip(struct firmware *f, struct cats_elf *elf, uint64_t seed, bool fast)
{
	const struct cats_chip_options options = {.fast = fast,
						  .handles_faults = true,
						  .seed = seed,
						  .host = {.context = f, .serial = hear, .reset = note_reset}};
	struct cats_error error = {0};

	*f = (struct firmware){.elf = elf,
			       .air = {.context = f,
				       .begin = begin,
				       .byte = byte,
				       .end = end,
				       .listen = listen,
				       .deafen = deafen,
				       .next = next,
				       .power = power}};
	need(cats_chip_create(&f->chip, elf, &options, &error), &error);
	cats_radio_connect(cats_chip_peripheral(f->chip, RADIO), &f->air);
}

void firmware_open(struct firmware *f, struct cats_elf *elf)
{
	open_chip(f, elf, SEED, false);
}

void firmware_open_fast(struct firmware *f, struct cats_elf *elf, uint64_t seed)
{
	open_chip(f, elf, seed, true);
}

void firmware_close(struct firmware *f)
{
	cats_chip_free(f->chip);
	free(f->log);
}

void firmware_flash(struct firmware *f, uint32_t address, const void *bytes, size_t count)
{
	struct cats_error error = {0};

	need(cats_m4_write(cats_chip_core(f->chip), address, bytes, count, &error), &error);
}

void firmware_identify(struct firmware *f, uint16_t node)
{
	struct cats_identity_page page = {
		.magic = CATS_IDENTITY_MAGIC,
		.version = CATS_IDENTITY_VERSION,
		.node = node,
		.key = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		.access_address = 0x71764129U,
		.channel = 7,
	};

	page.crc32 = cats_identity_checksum(&page);
	firmware_flash(f, CATS_LAYOUT_IDENTITY, &page, sizeof page);
}

size_t firmware_plant(struct firmware *f, uint32_t devices, uint32_t device)
{
	struct cats_error error = {0};
	struct cats_shards shards;
	struct fixture model;
	size_t bytes;

	fixture_open(&model, &fixture_cases[0], SEED);
	fixture_shards(&shards, &model, devices, CATS_TARGET_NRF52840);
	need(cats_times_write(&shards, &cats_kernels_nrf52840_c, &error), &error);
	bytes = shards.sizes[device];
	f->input_bytes = (uint32_t)model.input_count;
	firmware_flash(f, CATS_LAYOUT_SHARD, shards.bytes[device], bytes);
	cats_shards_free(&shards);
	fixture_close(&model);
	return bytes;
}

void firmware_feed(struct firmware *f)
{
	const uint32_t count = CATS_SERIAL_HEAD_BYTES + f->input_bytes + CATS_SERIAL_CRC_BYTES;
	uint8_t *bytes = calloc(count, 1);
	struct cats_error error = {0};
	uint32_t crc;

	assert_non_null(bytes);
	bytes[0] = CATS_SERIAL_MARK;
	bytes[1] = (uint8_t)f->input_bytes;
	bytes[2] = (uint8_t)(f->input_bytes >> 8);
	crc = cats_checksum(0, bytes + CATS_SERIAL_HEAD_BYTES, f->input_bytes);
	memcpy(bytes + count - CATS_SERIAL_CRC_BYTES, &crc, sizeof crc);
	need(cats_uarte_receive(cats_chip_peripheral(f->chip, CATS_UARTE0_BASE), bytes, count, &error), &error);
	free(bytes);
}

void firmware_run(struct firmware *f, uint64_t cycles)
{
	const struct cats_m4_stopped stopped = cats_chip_run(f->chip, cats_chip_now(f->chip) + cycles);
	char text[TEXT_BYTES];

	if (stopped.stop == CATS_M4_LIMIT)
		return;
	cats_chip_describe(text, sizeof text, f->chip, &stopped);
	fail_msg("%s\nit had said:\n%s", text, f->log ? f->log : "");
}

bool firmware_says(const struct firmware *f, const char *text)
{
	return f->log != NULL && strstr(f->log + f->seen, text) != NULL;
}

void firmware_await(struct firmware *f, const char *text, uint64_t cycles)
{
	const uint64_t until = cats_chip_now(f->chip) + cycles;
	const char *at;

	for (;;) {
		at = f->log ? strstr(f->log + f->seen, text) : NULL;
		if (at != NULL && strchr(at, '\n') != NULL)
			break;
		if (cats_chip_now(f->chip) >= until)
			fail_msg("\"%s\" did not come; it had said:\n%s", text, f->log ? f->log : "");
		firmware_run(f, SLICE);
	}
	f->seen = (size_t)(strchr(at, '\n') + 1 - f->log);
}

uint32_t firmware_symbol(const struct firmware *f, const char *name)
{
	const struct cats_elf_symbol *symbol = cats_elf_find(f->elf, name);

	if (symbol == NULL)
		fail_msg("the firmware has no symbol %s", name);
	return symbol->address;
}

uint32_t firmware_epoch(const struct firmware *f)
{
	const char *found = NULL;
	uint32_t epoch;

	for (const char *line = strstr(f->log, "node: plan"); line != NULL; line = strstr(line + 1, "node: plan"))
		found = line;
	assert_non_null(found);
	found = strstr(found, " epoch ");
	assert_non_null(found);
	assert_int_equal(sscanf(found, " epoch %u", &epoch), 1);
	return epoch;
}

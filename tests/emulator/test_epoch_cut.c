/* SPDX-License-Identifier: MIT */
/* Power that goes at every instruction of an epoch's writing, in a page with room and in one that is full. A word that
 * is being written or erased then has some of its new bits, drawn anew for each cut (emulator/nvmc.c). */
#include <stdio.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/emulator/firmware_fixture.h"

#define DEVICES 3
#define MARGIN 24U /* instructions before and behind the writing */
#define STRIDE 8U

static struct cats_elf image;
static uint8_t shard[1U << 16]; /* the source's */
static size_t shard_bytes;
static uint32_t input_bytes;

static int load(void **state)
{
	struct firmware f;

	(void)state;
	firmware_load(&image);
	firmware_open(&f, &image);
	shard_bytes = firmware_plant(&f, DEVICES, 0);
	input_bytes = f.input_bytes;
	assert_true(shard_bytes <= sizeof shard);
	memcpy(shard, cats_m4_memory(cats_chip_core(f.chip), CATS_LAYOUT_SHARD, shard_bytes), shard_bytes);
	firmware_close(&f);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

/* Both pages before: `count` records of page 0 up to epoch `highest`; page 1 has older ones, or none. */
struct log {
	uint32_t highest, count;
	bool older;
};

static void put(struct firmware *f, uint32_t page, uint32_t record, uint32_t epoch)
{
	const struct cats_epoch_record r = {epoch, ~epoch};

	firmware_flash(f, CATS_LAYOUT_EPOCHS + page * CATS_LAYOUT_PAGE_BYTES + record * (uint32_t)sizeof r, &r,
		       sizeof r);
}

static uint64_t instructions(const struct firmware *f)
{
	return cats_m4_instructions(cats_chip_core(f->chip));
}

/* A source that has been given an input. */
static void begin(struct firmware *f, const struct log *log, uint64_t seed)
{
	firmware_open_fast(f, &image, seed);
	firmware_identify(f, 0);
	firmware_flash(f, CATS_LAYOUT_SHARD, shard, shard_bytes);
	f->input_bytes = input_bytes;
	for (uint32_t i = 0; i < log->count; i++)
		put(f, 0, i, log->highest - log->count + 1U + i);
	for (uint32_t i = 0; log->older && i < CATS_EPOCH_RECORDS; i++)
		put(f, 1, i, i + 1U);
	firmware_await(f, "node: plan", 1000 * FIRMWARE_MS);
	firmware_run(f, 10 * FIRMWARE_MS);
	firmware_feed(f);
}

static const uint8_t *pages(const struct firmware *f)
{
	return cats_m4_memory(cats_chip_core(f->chip), CATS_LAYOUT_EPOCHS,
			      CATS_LAYOUT_EPOCH_PAGES * CATS_LAYOUT_PAGE_BYTES);
}

static void step(struct firmware *f, uint64_t count)
{
	const struct cats_m4_stopped stopped =
		cats_chip_run_instructions(f->chip, cats_chip_now(f->chip) + 1000 * FIRMWARE_MS, count);

	assert_int_equal(stopped.stop, CATS_M4_INSTRUCTIONS);
}

/* Instructions since the input was given, of the first and the last change of the log. */
static void find(uint64_t *first, uint64_t *last, const struct log *log, uint64_t seed)
{
	static uint8_t before[CATS_LAYOUT_EPOCH_PAGES * CATS_LAYOUT_PAGE_BYTES];
	uint64_t start;
	struct firmware f;

	begin(&f, log, seed);
	start = instructions(&f);
	*first = *last = 0;
	memcpy(before, pages(&f), sizeof before);
	while (f.frames == 0) {
		step(&f, STRIDE);
		if (memcmp(before, pages(&f), sizeof before) == 0)
			continue;
		memcpy(before, pages(&f), sizeof before);
		*last = instructions(&f) - start;
		*first = *first != 0 ? *first : *last;
	}
	assert_in_range(*last, *first + 1U, *first + 1000U);
	firmware_close(&f);
}

/* The next epoch that the node opens is a new one, and its page holds that as any other. */
static void go_on(struct firmware *f, uint32_t epoch)
{
	char result[64];

	firmware_run(f, 10 * FIRMWARE_MS);
	firmware_feed(f);
	snprintf(result, sizeof result, "result epoch %u ", epoch + 1U);
	firmware_await(f, result, 1000 * FIRMWARE_MS);
	cats_chip_reset(f->chip, CATS_RESET_POWER);
	firmware_await(f, "node: plan", 1000 * FIRMWARE_MS);
	assert_int_equal(firmware_epoch(f), epoch + 1U);
}

/* The epoch that the node has afterwards. */
static uint32_t cut(const struct log *log, uint64_t after, uint64_t seed)
{
	uint32_t epoch;
	struct firmware f;

	begin(&f, log, seed);
	step(&f, after);
	assert_true(f.frames == 0);
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	firmware_await(&f, "reset by power", 100 * FIRMWARE_MS);
	firmware_await(&f, "node: plan", 1000 * FIRMWARE_MS);
	epoch = firmware_epoch(&f);
	if (seed % 4U == 0)
		go_on(&f, epoch);
	firmware_close(&f);
	return epoch;
}

static void cut_everywhere(const struct log *log)
{
	uint64_t first, last, cuts = 0, stored = 0;

	find(&first, &last, log, 1);
	assert_true(first > MARGIN + STRIDE);
	for (uint64_t after = first - STRIDE - MARGIN; after < last + MARGIN; after++, cuts++) {
		const uint32_t epoch = cut(log, after, 1U + cuts);

		assert_in_range(epoch, log->highest, log->highest + 1U);
		/* Not before its second word is written, and always after that. */
		assert_true(after + MARGIN > first || epoch == log->highest);
		stored += epoch - log->highest;
	}
	assert_in_range(stored, MARGIN / 2U, cuts - MARGIN / 2U);
	print_message("%u cuts, epoch stored in %u\n", (unsigned)cuts, (unsigned)stored);
}

static void in_a_page_with_room(void **state)
{
	(void)state;
	cut_everywhere(&(struct log){.highest = 7, .count = 3});
}

static void in_a_full_page(void **state)
{
	(void)state;
	cut_everywhere(&(struct log){.highest = 2 * CATS_EPOCH_RECORDS, .count = CATS_EPOCH_RECORDS, .older = true});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_page_with_room),
		cmocka_unit_test(in_a_full_page),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

/* SPDX-License-Identifier: MIT */
/* A node's flash: executables that are no firmware are refused, and what is composed lies where layout.h says. */
#include "deploy/firmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/fit.h"
#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/io/scratch.h"
#include "tests/sim/fixture.h"

static char scratch[SCRATCH_PATH_BYTES];

#define CHECK 48U /* where a firmware's is */
#define WHOLE (CHECK + 8U)

/* An executable of one segment whose bytes follow its headers. */
struct elf {
	uint8_t head[52], segment[32], bytes[64];
};

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof value);
}

static struct elf make_elf(uint32_t address, uint32_t size, uint32_t stack, uint32_t reset)
{
	struct elf elf = {.head = {0x7F, 'E', 'L', 'F', 1, 1, 1}};

	elf.head[16] = 2;  /* executable */
	elf.head[18] = 40; /* ARM */
	put32(elf.head + 28, 52);
	elf.head[42] = 32;
	elf.head[44] = 1;
	elf.segment[0] = 1; /* to be loaded */
	put32(elf.segment + 4, 84);
	put32(elf.segment + 12, address);
	put32(elf.segment + 16, size);
	for (uint32_t i = 0; i < sizeof elf.bytes; i++)
		elf.bytes[i] = (uint8_t)(i + 1);
	put32(elf.bytes, stack);
	put32(elf.bytes + 4, reset);
	memcpy(elf.bytes + 0x1C, "CATF\1\0\0", 8);
	put32(elf.bytes + CATS_FIRMWARE_CHECK_AT, CHECK);
	put32(elf.bytes + CHECK, cats_checksum(0, elf.bytes, CHECK));
	put32(elf.bytes + CHECK + 4, CHECK);
	return elf;
}

static enum cats_status load(struct cats_firmware *out, const struct elf *elf, struct cats_error *error)
{
	const char *path = scratch_file(scratch, "f.elf");

	assert_int_equal(cats_file_write(path, elf, sizeof *elf, NULL), CATS_OK);
	return cats_firmware_load(out, path, error);
}

static void what_is_no_firmware_is_refused(void **state)
{
	static const struct {
		uint32_t address, size, stack, reset;
		const char *rule;
	} cases[] = {
		{0x20000000, 64, 0x20001000, 9, "outside the flash, at 0x20000000"},
		{0x0000FFC1, 64, 0x20001000, 9, "ends 1 bytes behind the 65536"},
		{0x00010000, 64, 0x20001000, 9, "ends 64 bytes behind the 65536"},
		{0, 64, 0x20040000, 9, "stack begins at 0x20040000"},
		{0, 64, 0x20000000, 9, "stack begins at 0x20000000"},
		{0, 64, 0x20001004, 9, "stack begins at 0x20001004"},
		{0, 64, 0x20001000, 8, "reset handler is at 0x00000008"},
		{0, 64, 0x20001000, 65, "reset handler is at 0x00000041"},
		{0x100, 64, 0x20001000, 9, "do not say"},
		{0, 32, 0x20001000, 9, "do not say"},
		{4, 60, 0x20001000, 9, "do not say"},
		{0, 64, 0x20001000, 9, "checksum"}, /* bytes behind the check */
		{0, 52, 0x20001000, 9, "checksum"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct elf elf = make_elf(cases[i].address, cases[i].size, cases[i].stack, cases[i].reset);
		struct cats_error error = {0};
		struct cats_firmware f;

		assert_int_equal(load(&f, &elf, &error), CATS_ERR_MISMATCH);
		if (strstr(error.text, cases[i].rule) == NULL || strstr(error.text, "f.elf: ") == NULL)
			fail_msg("\"%s\" is not about \"%s\"", error.text, cases[i].rule);
		assert_null(f.bytes);
	}
}

static void each_damaged_byte_is_noticed(void **state)
{
	(void)state;
	for (uint32_t i = 0x24; i < WHOLE; i++) {
		struct elf elf = make_elf(0, WHOLE, 0x20001000, 9);
		struct cats_error error = {0};
		struct cats_firmware f;

		elf.bytes[i] ^= 0x40U;
		assert_int_equal(load(&f, &elf, &error), CATS_ERR_MISMATCH);
		assert_non_null(strstr(error.text, "its checksum does not match its bytes"));
	}
}

static void other_files_are_refused(void **state)
{
	struct elf elf = make_elf(0, 64, 0x20001000, 9);
	struct cats_error error = {0};
	struct cats_firmware f;

	(void)state;
	elf.head[18] = 62; /* x86-64 */
	assert_int_equal(load(&f, &elf, &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "e_machine"));
	assert_int_equal(cats_firmware_load(&f, scratch_file(scratch, "none"), &error), CATS_ERR_IO);
}

static bool is_erased(const uint8_t *from, const uint8_t *to)
{
	while (from < to && *from == 0xFF)
		from++;
	return from == to;
}

static void all_lies_at_its_place(void **state)
{
	const struct elf elf = make_elf(0, WHOLE, 0x20004000, 9);
	uint8_t *flash = malloc(CATS_LAYOUT_FLASH_BYTES);
	struct cats_network network;
	const uint64_t seed = 1;
	struct cats_identity_page page;
	struct cats_error error = {0};
	struct cats_shards shards;
	struct cats_firmware f;
	struct fixture fixture;

	(void)state;
	assert_non_null(flash);
	if (load(&f, &elf, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(f.size, WHOLE);
	assert_int_equal(f.ram_bytes, 16384);
	assert_int_equal(cats_network_make(&network, 36, &seed, NULL), CATS_OK);
	fixture_open(&fixture, fixture_cases + 2, 1);
	fixture_shards(&shards, &fixture, fixture.of->config.devices, CATS_TARGET_NRF52840);
	cats_firmware_compose(flash, &f, &shards, 1, &network);
	assert_memory_equal(flash, elf.bytes, WHOLE);
	assert_true(is_erased(flash + WHOLE, flash + 0x10000));
	assert_memory_equal(flash + 0x10000, shards.bytes[1], shards.sizes[1]);
	assert_true(is_erased(flash + 0x10000 + shards.sizes[1], flash + 0xFF000));
	memcpy(&page, flash + 0xFF000, sizeof page);
	assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_GOOD);
	assert_int_equal(page.node, 1);
	assert_memory_equal(page.key, network.key, 16);
	assert_true(is_erased(flash + 0xFF000 + sizeof page, flash + 0x100000));
	free(flash);
	cats_firmware_free(&f);
	cats_shards_free(&shards);
	fixture_close(&fixture);
}

static void must_say(const struct cats_plan *plan, const char *says)
{
	struct cats_error error = {0};
	const enum cats_status status = cats_firmware_check(plan, "dir", &error);

	assert_int_equal(status, says == NULL ? CATS_OK : CATS_ERR_MISMATCH);
	assert_non_null(strstr(error.text, says == NULL ? "" : says));
}

/* Each limit of a node's layout, of a device other than the first. */
static void what_no_node_can_hold_is_refused(void **state)
{
	struct fixture fixture;
	struct cats_plan plan = {.facts = {.limits = cats_target_find("nrf52840")}};

	(void)state;
	fixture_open(&fixture, fixture_cases + 2, 1);
	fixture_shards(&plan.shards, &fixture, fixture.of->config.devices, CATS_TARGET_NRF52840);
	plan.facts.device_count = plan.shards.devices;
	plan.facts.payload_max = fixture.of->payload_max;
	plan.integer = fixture.integer;
	must_say(&plan, NULL);

	struct cats_shard_header *h = (struct cats_shard_header *)(void *)plan.shards.bytes[1];
	const uint32_t arena_bytes = h->arena_bytes;
	const size_t shard_bytes = plan.shards.sizes[1];

	h->arena_bytes = CATS_LAYOUT_ARENA_BYTES;
	must_say(&plan, NULL);
	h->arena_bytes += 4;
	must_say(&plan, "dir: does not fit");
	h->arena_bytes = arena_bytes;
	plan.shards.sizes[1] = CATS_LAYOUT_SHARD_BYTES;
	must_say(&plan, NULL);
	plan.shards.sizes[1]++;
	must_say(&plan, "dir: does not fit");
	plan.shards.sizes[1] = shard_bytes;
	((struct cats_shard_site *)(void *)(plan.shards.bytes[1] + h->sites))->deadline_us = 0;
	must_say(&plan, "node-01.shard: lacks the times of gathers");
	h->target = CATS_TARGET_PLAIN;
	must_say(&plan, "node-01.shard: is packed for another target");
	cats_shards_free(&plan.shards);
	fixture_close(&fixture);
}

/* A plan of a fixture's, with limits that are not the target's. */
static void advice_is_the_least_number(void **state)
{
	struct cats_target_limits limits = *cats_target_find("nrf52840");
	struct fixture_case of = fixture_cases[1];
	char advice[CATS_FIT_ADVICE_BYTES];
	uint32_t bytes[CATS_DEVICES_MAX + 1] = {0};
	struct fixture f;

	(void)state;
	of.keep_percent = 100;
	fixture_open(&f, &of, 1);
	for (uint32_t D = 1; D <= 24; D++) {
		struct cats_shards shards;

		fixture_shards(&shards, &f, D, CATS_TARGET_NRF52840);
		for (uint32_t j = 0; j < D; j++)
			bytes[D] = shards.sizes[j] > bytes[D] ? (uint32_t)shards.sizes[j] : bytes[D];
		cats_shards_free(&shards);
	}
	limits.firmware_flash_bytes = 1000;
	limits.flash_bytes = 1000 + bytes[5];
	const struct cats_plan_facts facts = {
		.limits = &limits, .device_count = 2, .sink = of.sink, .payload_max = of.payload_max};
	const uint32_t devices = cats_fit_devices(&facts, &f.integer);

	assert_in_range(devices, 3, 5);
	assert_true(bytes[devices] <= bytes[5] && bytes[devices - 1] > bytes[5]);
	cats_fit_advice(advice, &facts, &f.integer);
	assert_non_null(strstr(advice, "devices would do"));
	/* Of RAM the firmware takes its part, too. */
	limits.ram_bytes = limits.firmware_ram_bytes;
	assert_int_equal(cats_fit_devices(&facts, &f.integer), 0);
	limits.ram_bytes = cats_target_find("nrf52840")->ram_bytes;
	limits.flash_bytes = 1000;
	assert_int_equal(cats_fit_devices(&facts, &f.integer), 0);
	cats_fit_advice(advice, &facts, &f.integer);
	assert_non_null(strstr(advice, "no number of devices"));
	fixture_close(&f);
}

/* A model that is pruned for its number of devices cannot just be cut for more. */
static void advice_for_a_pruned_model_is_training(void **state)
{
	const struct cats_plan_facts facts = {.limits = cats_target_find("nrf52840"),
					      .device_count = fixture_cases[2].config.devices,
					      .payload_max = fixture_cases[2].payload_max};
	char advice[CATS_FIT_ADVICE_BYTES];
	struct fixture f;

	(void)state;
	fixture_open(&f, fixture_cases + 2, 1);
	assert_true(cats_integer_prunes(&f.integer));
	cats_fit_advice(advice, &facts, &f.integer);
	assert_string_equal(advice,
			    "its keep lists are for 5 devices: train it for more, or with a smaller keep, d_ff, "
			    "d_model or n_layers");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_firmware_is_refused),
		cmocka_unit_test(each_damaged_byte_is_noticed),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(all_lies_at_its_place),
		cmocka_unit_test(what_no_node_can_hold_is_refused),
		cmocka_unit_test(advice_is_the_least_number),
		cmocka_unit_test(advice_for_a_pruned_model_is_training),
	};
	int failures;

	scratch_create(scratch);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	scratch_remove(scratch);
	return failures;
}

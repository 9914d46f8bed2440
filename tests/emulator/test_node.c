/* SPDX-License-Identifier: MIT */
/* core/, compiled for the Cortex-M4 and run instruction by instruction as one device of many, equals the host byte for
 * byte: at every site, on every node, for every kind of model, whatever is lost and however the work is cut. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/emulator/mixed.h"
#include "tests/sim/fixture.h"

#define TABLES 2U /* of kernels in node.elf: plain C, and the one for this core */

static uint64_t seed;
static struct cats_elf image;

static int open_image(void **state)
{
	struct cats_error error = {0};

	(void)state;
	if (cats_elf_load(&image, IMAGES "/node.elf", &error) < 0)
		fail_msg("%s", error.text);
	return 0;
}

static int close_image(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

static void expect_equal(const struct mixed *mixed, const struct cats_fleet_input *input, const char *name)
{
	struct mixed_report report;

	mixed_run(&report, mixed, &image, input, 1);
	if (report.differing_bytes > 0)
		fail_msg("%s: device %u of %u: %s", name, mixed->emulated, mixed->shards->devices, report.first);
	assert_int_equal(report.emulated_class, report.host_class);
	assert_true(report.nonzero_bytes * 4 > report.compared_bytes);
}

/* The devices at both ends, and with one device the only one, with every table of kernels. */
static void check_case(const struct fixture_case *of, const struct cats_loss *loss, uint32_t budget)
{
	struct fixture f;
	struct cats_shards shards;
	uint32_t D = of->config.devices;

	fixture_open(&f, of, seed);
	fixture_shards(&shards, &f, D, CATS_TARGET_NRF52840);
	for (uint32_t k = 0; k<D; k += D> 1 ? D - 1U : 1U) {
		struct mixed mixed = {.shards = &shards, .emulated = k, .loss = *loss, .budget = budget};
		const struct cats_fleet_input input = {.values = f.input, .count = f.input_count};

		for (; mixed.kernels < TABLES; mixed.kernels++) {
			mixed.fast = mixed.kernels == 0; /* plain C executes most */
			expect_equal(&mixed, &input, of->name);
		}
	}
	cats_shards_free(&shards);
	fixture_close(&f);
}

/* Of the first device. */
static void run_case(struct mixed_report *report, struct mixed *mixed, const struct fixture_case *of)
{
	struct fixture f;
	struct cats_shards shards;
	struct cats_fleet_input input;

	fixture_open(&f, of, seed);
	fixture_shards(&shards, &f, of->config.devices, CATS_TARGET_NRF52840);
	input = (struct cats_fleet_input){.values = f.input, .count = f.input_count};
	mixed->shards = &shards;
	mixed_run(report, mixed, &image, &input, 1);
	cats_shards_free(&shards);
	fixture_close(&f);
}

static void every_kind_of_model_equals_the_host(void **state)
{
	const struct cats_loss none = {0};

	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++)
		check_case(fixture_cases + i, &none, 0);
}

static void with_loss_it_equals_the_host(void **state)
{
	const struct cats_loss loss = {
		.link_q32 = cats_loss_threshold(0.2), .receiver_q32 = cats_loss_threshold(0.1), .seed = seed};

	(void)state;
	for (uint32_t i = 1; i < fixture_case_count; i++)
		check_case(fixture_cases + i, &loss, 20000);
}

static void the_smallest_budget_changes_no_byte(void **state)
{
	const struct cats_loss none = {0};

	(void)state;
	check_case(fixture_cases + 1, &none, 1);
	check_case(fixture_cases + 4, &none, 1);
}

/* core/runtime.h promises steps of at most the larger of their budget and CATS_UNIT_CYCLES_MAX, also for models as
 * small as these, where calls and tails are most of the work, and with loss. */
static void steps_keep_to_their_budget(void **state)
{
	static const uint32_t budgets[] = {1, CATS_UNIT_CYCLES_MAX, 5 * CATS_UNIT_CYCLES_MAX};
	const struct cats_loss loss = {.link_q32 = cats_loss_threshold(0.2), .seed = seed};

	(void)state;
	for (uint32_t i = 0; i < 3 * TABLES * fixture_case_count; i++) {
		const uint32_t budget = budgets[i % 3], most = budget > 1 ? budget : CATS_UNIT_CYCLES_MAX;
		const struct fixture_case *of = fixture_cases + i / 3 / TABLES;
		struct mixed mixed = {.budget = budget, .loss = loss, .kernels = i / 3 % TABLES};
		struct mixed_report report;

		run_case(&report, &mixed, of);
		if (report.largest_step_cycles > most)
			fail_msg("%s: kernels %u, budget %u: a step of %llu cycles", of->name, mixed.kernels, budget,
				 (unsigned long long)report.largest_step_cycles);
	}
}

/* What the comparison above is worth: one bit of one weight on the emulated node alone is seen. */
static void one_flipped_bit_is_seen(void **state)
{
	struct fixture f;
	struct cats_shards shards;
	struct mixed mixed = {.shards = &shards, .emulated = 0};
	struct cats_fleet_input input;
	struct mixed_report report;
	const struct cats_op *op;

	(void)state;
	fixture_open(&f, fixture_cases + 1, seed);
	fixture_shards(&shards, &f, f.of->config.devices, CATS_TARGET_NRF52840);
	input = (struct cats_fleet_input){.values = f.input, .count = f.input_count};
	op = (const struct cats_op *)(const void *)(shards.bytes[0] + cats_shards_header(&shards, 0)->ops);
	while (op->code != CATS_OP_EMBED)
		op++;
	mixed.damage = op->embed.weights * 8U + 6U + 1U;
	mixed_run(&report, &mixed, &image, &input, 1);
	assert_true(report.differing_bytes > 0);
	cats_shards_free(&shards);
	fixture_close(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_model_equals_the_host),
		cmocka_unit_test(with_loss_it_equals_the_host),
		cmocka_unit_test(the_smallest_budget_changes_no_byte),
		cmocka_unit_test(steps_keep_to_their_budget),
		cmocka_unit_test(one_flipped_bit_is_seen),
	};

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 20261125;
	printf("seed %llu (an argument replaces it)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, open_image, close_image);
}

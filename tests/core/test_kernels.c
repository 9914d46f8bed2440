/* SPDX-License-Identifier: MIT */
/* Every kernel of every table in C equals plain C bit for bit, and the comparison notices when it
 * does not. The fleet's tests hold plain C itself to the plain reference. */
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/core/kernel_cases.h"

#define ROUNDS 600U

static uint64_t seed;
static struct kernel_room room;

/* The first of ROUNDS cases of a kind that finds a difference, or NULL. */
static const char *difference(uint32_t *round, const struct cats_kernels *table, uint32_t kind)
{
	for (*round = 0; *round < (kernel_case_kinds[kind].once ? 1 : ROUNDS); ++*round) {
		const uint64_t key = cats_random_key(seed, kind * ROUNDS + *round);
		const char *what = kernel_case_kinds[kind].run(&room, table, key);

		if (what != NULL)
			return what;
	}
	return NULL;
}

static void check_table(const struct cats_kernels *table)
{
	for (uint32_t kind = 0; kind < kernel_case_kind_count; kind++) {
		uint32_t round;
		const char *what = difference(&round, table, kind);

		if (what != NULL)
			fail_msg("%s: %s, case %u: %s differs from plain C", table->name, kernel_case_kinds[kind].name,
				 round, what);
	}
}

static void every_table_equals_plain_c(void **state)
{
	(void)state;
	check_table(&cats_kernels_plain);
	check_table(&cats_kernels_nrf52840_c);
	check_table(&cats_kernels_m4);
}

/* Faults of one step each, that a case of the kind must notice. */
static void off_by_one(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
		       uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	cats_kernels_plain.products(acc, panel, weights, output, outputs, column, columns);
	acc[CATS_TILE_OUTPUTS * (panel->rows - 1U) + outputs - 1U]++;
}

static void all_zero(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
		     uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	(void)panel, (void)weights, (void)output, (void)outputs, (void)column, (void)columns;
	for (uint32_t i = 0; i < CATS_TILE_ROWS * CATS_TILE_OUTPUTS; i++)
		acc[i] = 0;
}

static void swapped(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
		    uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	const struct cats_panel second = {panel->x + (panel->rows - 1U) * panel->stride, panel->stride, 1, NULL};

	cats_kernels_plain.products(acc, panel, weights, output, outputs, column, columns);
	cats_kernels_plain.products(acc, &second, weights, output, outputs, column, columns);
}

static void faults_are_noticed(void **state)
{
	void (*const faults[])(int32_t *, const struct cats_panel *, const struct cats_weights_view *, uint32_t,
			       uint32_t, uint32_t, uint32_t) = {off_by_one, all_zero, swapped};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		for (uint32_t kind = 0; kind < 3; kind++) {
			struct cats_kernels table = cats_kernels_plain;
			uint32_t round;

			table.products = faults[i];
			assert_non_null(difference(&round, &table, kind));
		}
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_table_equals_plain_c),
		cmocka_unit_test(faults_are_noticed),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Ownership against another way to say it: deal the columns out one by one, then lay the heaps side by side. */
#include "core/partition.h"
#include "tests/cmocka.h"

#define MAX_COLUMNS 200U
#define MAX_DEVICES 64U

/* owner[n] of every column by dealing: column c goes to heap c mod D, so that the first n mod D heaps hold one more. */
static void deal(uint32_t *owner, uint32_t n, uint32_t D)
{
	uint32_t heap[MAX_DEVICES] = {0};
	uint32_t column = 0;

	for (uint32_t c = 0; c < n; c++)
		heap[c % D]++;
	for (uint32_t j = 0; j < D; j++)
		for (uint32_t i = 0; i < heap[j]; i++)
			owner[column++] = j;
}

static void agrees_with_dealing(void **state)
{
	(void)state;
	for (uint32_t D = 1; D <= MAX_DEVICES; D++) {
		for (uint32_t n = 0; n <= MAX_COLUMNS; n++) {
			uint32_t owner[MAX_COLUMNS + 1];

			deal(owner, n, D);
			for (uint32_t c = 0; c < n; c++) {
				const uint32_t j = cats_partition_owner(n, D, c);
				const struct cats_run run = cats_partition_run(n, D, j);

				assert_int_equal(j, owner[c]);
				assert_in_range(c, run.first, run.first + run.count - 1U);
			}
		}
	}
}

static void runs_cover_all_columns_once(void **state)
{
	(void)state;
	for (uint32_t D = 1; D <= MAX_DEVICES; D++) {
		for (uint32_t n = 0; n <= MAX_COLUMNS; n++) {
			const uint32_t longest = cats_partition_run(n, D, 0).count;
			uint32_t next = 0;
			uint32_t previous = longest;

			for (uint32_t j = 0; j < D; j++) {
				const struct cats_run run = cats_partition_run(n, D, j);

				assert_int_equal(run.first, next);
				assert_true(run.count <= previous);     /* longer runs come first */
				assert_true(run.count + 1U >= longest); /* sizes differ by one at most */
				next += run.count;
				previous = run.count;
			}
			assert_int_equal(next, n);
		}
	}
}

static void large_numbers_do_not_overflow(void **state)
{
	const uint32_t n = UINT32_MAX;
	const uint32_t devices[] = {1, 2, 3, 64, 65535, UINT32_MAX - 1U, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		const uint32_t D = devices[i];
		const struct cats_run last = cats_partition_run(n, D, D - 1U);

		assert_true((uint64_t)last.first + last.count == n);
		assert_int_equal(cats_partition_owner(n, D, n - 1U), D - 1U);
		assert_int_equal(cats_partition_owner(n, D, last.first), D - 1U);
		assert_int_equal(cats_partition_owner(n, D, 0), 0);
		if (D > 1)
			assert_int_equal(cats_partition_owner(n, D, last.first - 1U), D - 2U);
	}
}

static void devices_beyond_the_columns_own_none(void **state)
{
	(void)state;
	for (uint32_t j = 0; j < 16; j++) {
		const struct cats_run run = cats_partition_run(10, 16, j); /* the ten outputs of sixteen devices */

		assert_int_equal(run.count, j < 10 ? 1 : 0);
		assert_int_equal(run.first, j < 10 ? j : 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_dealing),
		cmocka_unit_test(runs_cover_all_columns_once),
		cmocka_unit_test(large_numbers_do_not_overflow),
		cmocka_unit_test(devices_beyond_the_columns_own_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Marks of an axis: known cases, and what must hold for any range. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "report/axis.h"
#include "tests/cmocka.h"

static void check_labels(const struct cats_axis *axis, const char *const *labels, int count)
{
	char label[CATS_AXIS_LABEL_BYTES];

	assert_int_equal(axis->marks, count);
	for (int i = 0; i < count; i++)
		assert_string_equal(cats_axis_label(label, axis, i), labels[i]);
}

static void known_ranges(void **state)
{
	const struct cats_axis accuracy = cats_axis_fit(65.1, 91.2, 6);
	const struct cats_axis loss = cats_axis_fit(-0.07, 0.21, 4);
	const struct cats_axis fixed = cats_axis_fixed(88.0, 92.5, 5);
	const struct cats_axis exact = cats_axis_fit(0.0, 0.6, 3);
	const struct cats_axis bytes = cats_axis_fit(0.0, 3.1e7, 3);

	(void)state;
	check_labels(&accuracy, (const char *const[]){"65", "70", "75", "80", "85", "90", "95"}, 7);
	check_labels(&loss, (const char *const[]){"-0.1", "0.0", "0.1", "0.2", "0.3"}, 5);
	check_labels(&fixed, (const char *const[]){"88", "89", "90", "91", "92"}, 5);
	check_labels(&exact, (const char *const[]){"0.0", "0.2", "0.4", "0.6"}, 4);
	check_labels(&bytes, (const char *const[]){"0", "2e+07", "4e+07"}, 3);
	assert_true(fixed.min == 88.0 && fixed.max == 92.5);
}

/* 1, 2 or 5 times a power of ten. */
static int is_round(double step)
{
	const double digit = step / pow(10.0, floor(log10(step) + 1e-9));

	return fabs(digit - 1.0) < 1e-6 || fabs(digit - 2.0) < 1e-6 || fabs(digit - 5.0) < 1e-6;
}

static void check_any(double low, double high, int wanted)
{
	const struct cats_axis axis = cats_axis_fit(low, high, wanted);
	const double slack = axis.step * 1e-6;
	char previous[CATS_AXIS_LABEL_BYTES];
	char label[CATS_AXIS_LABEL_BYTES];

	assert_true(is_round(axis.step));
	assert_true(axis.min <= low + slack && axis.max >= high - slack);
	assert_in_range(axis.marks, 2, wanted + 3);
	assert_true(fabs(cats_axis_mark(&axis, 0) - axis.min) <= slack);
	assert_true(fabs(cats_axis_mark(&axis, axis.marks - 1) - axis.max) <= slack);
	cats_axis_label(previous, &axis, 0);
	for (int i = 1; i < axis.marks && axis.step > 1e-5 * fabs(axis.max); i++) {
		assert_string_not_equal(previous, cats_axis_label(label, &axis, i));
		memcpy(previous, label, sizeof previous);
	}
}

static void any_range(void **state)
{
	(void)state;
	for (uint64_t n = 0; n < 20000; n++) {
		const double exponent = (double)cats_random_below(1, 4 * n, 21) - 10.0;
		const double low = ((double)cats_random_below(1, 4 * n + 1, 20001) - 10000.0) * pow(10.0, exponent);
		const double width = (double)cats_random_below(1, 4 * n + 2, 10000) * pow(10.0, exponent);

		check_any(low, low + width, 2 + (int)cats_random_below(1, 4 * n + 3, 8));
	}
	check_any(-CATS_AXIS_LIMIT, CATS_AXIS_LIMIT, 6);
	check_any(0.0, 0.0, 6);
	check_any(90.0, 90.0, 6);
	check_any(-1e15, -1e15 + 0.125, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_ranges),
		cmocka_unit_test(any_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

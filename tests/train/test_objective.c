/* SPDX-License-Identifier: MIT */
/* Losses against the formula, derivatives against finite differences. */
#include <math.h>
#include <stdint.h>

#include "tests/cmocka.h"

#include "train/objective.h"

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%.9g is not %.9g", got, wanted);
}

static void test_cross_entropy(void **state)
{
	/* [3 outputs, 2 samples] */
	const float z[6] = {1.0F, -2.0F, 3.0F, 0.5F, 2.0F, 100.0F};
	const uint32_t labels[2] = {1, 0};
	double loss[2];
	uint8_t correct[2];
	float d[6];

	(void)state;
	cats_cross_entropy(loss, correct, d, z, labels, 3, 2, 0.0, 0.5);
	near(loss[0], log(exp(1) + exp(3) + exp(2)) - 3, 1e-12);
	near(loss[1], 102, 1e-9);
	assert_int_equal(correct[0], 1);
	assert_int_equal(correct[1], 0);
	near(d[0], 0.5 * exp(1) / (exp(1) + exp(3) + exp(2)), 1e-7);
	near(d[2], 0.5 * (exp(3) / (exp(1) + exp(3) + exp(2)) - 1), 1e-7);
	near(d[1], -0.5, 1e-7);
	near(d[5], 0.5, 1e-7);
	cats_cross_entropy(loss, correct, NULL, z, labels, 3, 2, 0.3, 0.5);
	near(loss[0], log(exp(1) + exp(3) + exp(2)) - (0.8 * 3 + 0.1 * 1 + 0.1 * 2), 1e-12);
}

/* The smoothed loss falls by what its derivative says, for every output. */
static void test_smoothed_derivative(void **state)
{
	float z[4] = {0.3F, -1.1F, 2.0F, 0.0F};
	const uint32_t label = 3;
	double loss;
	double moved;
	uint8_t correct;
	float d[4];

	(void)state;
	cats_cross_entropy(&loss, &correct, d, z, &label, 4, 1, 0.2, 1.0);
	for (int o = 0; o < 4; o++) {
		const float before = z[o];

		z[o] = before + 0x1p-10F;
		cats_cross_entropy(&moved, &correct, NULL, z, &label, 4, 1, 0.2, 1.0);
		near((moved - loss) * 0x1p10, d[o], 3e-4);
		z[o] = before;
	}
}

static void test_squared_error(void **state)
{
	/* [2 outputs, 2 rows, 1 sample]; targets [2 rows, 2 outputs] */
	const float y[4] = {1, 2, 3, 4};
	const float wanted[4] = {1, 0, 0, 4};
	const float *targets[1] = {wanted};
	double loss;
	uint8_t correct;
	float d[4];

	(void)state;
	cats_squared_error(&loss, &correct, d, y, targets, 2, 2, 1, 0.5);
	/* y(o, r): (0,0)=1 target 1, (0,1)=2 target 0, (1,0)=3 target 0, (1,1)=4 target 4 */
	near(loss, (4.0 + 9.0) / 4, 1e-12);
	near(d[0], 0, 1e-9);
	near(d[1], 0.5 * 2 * 2 / 4, 1e-7);
	near(d[2], 0.5 * 2 * 3 / 4, 1e-7);
	near(d[3], 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_smoothed_derivative),
		cmocka_unit_test(test_squared_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

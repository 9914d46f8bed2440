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
	const struct cats_wanted target = {wanted, 2, 0, 1};
	double loss;
	double last;
	float d[4];

	(void)state;
	cats_squared_error(&loss, &last, d, y, &target, 2, 2, 1, 0.5);
	/* y(o, r): (0,0)=1 target 1, (0,1)=2 target 0, (1,0)=3 target 0, (1,1)=4 target 4 */
	near(loss, (4.0 + 9.0) / 4, 1e-12);
	near(last, 4.0 / 2, 1e-12);
	near(d[0], 0, 1e-9);
	near(d[1], 0.5 * 2 * 2 / 4, 1e-7);
	near(d[2], 0.5 * 2 * 3 / 4, 1e-7);
	near(d[3], 0, 1e-9);
}

/* Rows that overlap, as forecasts of a series do, and outputs in units of a window's own deviation: against the same
 * sums written out. */
static void test_forecast_error(void **state)
{
	/* [3 outputs, 2 rows, 2 samples], element (o, r, s) at (2 o + r) 2 + s */
	float y[12];
	const float series[2][6] = {{1, 2, -1, 0.5F, 3, -2}, {0, -1, 4, 2, 1, 1}};
	const struct cats_wanted targets[2] = {{series[0], 2, 0.25F, 2}, {series[1], 2, -1, 0.5F}};
	double loss[2];
	double last[2];
	double moved[2];
	double unused[2];
	float d[12];

	(void)state;
	for (int i = 0; i < 12; i++)
		y[i] = (float)(i % 5) * 0.5F - 1;
	cats_squared_error(loss, last, d, y, targets, 3, 2, 2, 1.0);
	for (int s = 0; s < 2; s++) {
		double sum[2] = {0};

		for (int o = 0; o < 3; o++)
			for (int r = 0; r < 2; r++) {
				const double made = (double)y[(2 * o + r) * 2 + s] * (double)targets[s].deviation +
						    (double)targets[s].mean;

				sum[r] += pow(made - (double)series[s][2 * r + o], 2);
			}
		near(loss[s], (sum[0] + sum[1]) / 6, 1e-12);
		near(last[s], sum[1] / 3, 1e-12);
	}
	for (int i = 0; i < 12; i++) {
		const float before = y[i];

		y[i] = before + 0x1p-12F;
		cats_squared_error(moved, unused, NULL, y, targets, 3, 2, 2, 1.0);
		near((moved[i % 2] - loss[i % 2]) * 0x1p12, (double)d[i], 1e-3);
		y[i] = before;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_smoothed_derivative),
		cmocka_unit_test(test_squared_error),
		cmocka_unit_test(test_forecast_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

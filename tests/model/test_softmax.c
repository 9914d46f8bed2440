/* SPDX-License-Identifier: MIT */
/* The probabilities of a head in single precision, whose exponential is our own, against double precision: scores that
 * are exact in both, from equal ones to such whose exponential is no normal number. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "model/kernels.h"
#include "model/lanes.h"
#include "tests/cmocka.h"

#define KEYS 40U
#define COLUMNS 16U  /* so that scores are divided by 4 */
#define LOWEST -87.0 /* where the exponential is cut off */

/* An exponential within two units in the last place, KEYS additions, a reciprocal and a product. */
#define TOLERANCE ((KEYS + 4.0) * FLT_EPSILON)

/* Key u's score of sample b: steps of b eighths. */
static double score(uint32_t u, uint32_t b)
{
	return -(double)((u * 7U) % KEYS) * b / 8.0 + 3.0;
}

/* p[u] of one sample as it should be; what lies below the cut counts as the cut. */
static void expected(double *p, uint32_t b)
{
	double sum = 0;

	for (uint32_t u = 0; u < KEYS; u++)
		sum += p[u] = exp(fmax(score(u, b) - score(0, b), LOWEST));
	for (uint32_t u = 0; u < KEYS; u++)
		p[u] /= sum;
}

static size_t differences(const float *p, const double *wanted, size_t step)
{
	size_t wrong = 0;

	for (uint32_t u = 0; u < KEYS; u++)
		wrong += !(fabs((double)p[u * step] - wanted[u]) <= TOLERANCE * wanted[u]);
	return wrong;
}

static void test_probabilities(void **state)
{
	static _Alignas(64) float q[COLUMNS * LANES], k[COLUMNS * KEYS * LANES], o[COLUMNS * LANES];
	static _Alignas(64) float p[KEYS * LANES];
	const struct cats_head head = {.d = COLUMNS, .queries = 1, .T = KEYS, .B = LANES};
	const struct cats_submatrix keys = {k, KEYS * LANES};
	const float zeros[KEYS] = {0};
	double wanted[KEYS];

	(void)state;
	for (uint32_t b = 0; b < LANES; b++) {
		q[b] = 4;
		for (uint32_t u = 0; u < KEYS; u++)
			k[u * LANES + b] = (float)score(u, b);
	}
	cats_attention_forward((struct cats_submatrix){o, LANES}, p, (struct cats_submatrix){q, LANES}, keys, keys,
			       &head);
	for (uint32_t b = 0; b < LANES; b++) {
		expected(wanted, b);
		assert_int_equal(differences(p + b, wanted, LANES), 0);
		assert_int_equal(differences(zeros, wanted, 1), KEYS);
		if (b > 0)
			assert_true(differences(p + b - 1U, wanted, LANES) >= KEYS - 1U);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_probabilities)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

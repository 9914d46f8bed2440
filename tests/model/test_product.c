/* SPDX-License-Identifier: MIT */
/* Products against sums as the definition has them, in double precision: every tail of tiles, guards after every
 * output. And a linear layer with the gain before it folded into its weights against the two one after the other. */
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "model/product.h"
#include "tests/cmocka.h"

#define GUARD 12345.0
#define TOLERANCE 1e-12 /* sums of at most 600 products of numbers below 1, in another association */
#define GAP 3U          /* between the rows of a submatrix */

static uint64_t drawn;

static double *random_array(size_t count)
{
	double *array = malloc((count + 1U) * sizeof *array);

	assert_non_null(array);
	for (size_t i = 0; i < count; i++)
		array[i] = (double)(cats_random_u64(11, drawn++) >> 11) * 0x1p-52 - 1.0;
	array[count] = GUARD;
	return array;
}

static double *copy_of(const double *array, size_t count)
{
	double *copy = random_array(count);

	for (size_t i = 0; i < count; i++)
		copy[i] = array[i];
	return copy;
}

/* How many elements are not what they should be. */
static size_t differences(const double *got, const double *wanted, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++)
		wrong += !(fabs(got[i] - wanted[i]) <= TOLERANCE);
	return wrong;
}

static void assert_same(const double *got, const double *wanted, size_t count, const char *what, uint32_t rows,
			uint32_t columns, size_t width)
{
	if (differences(got, wanted, count) > 0 || got[count] != GUARD)
		fail_msg("%s of %u rows, %u columns, %zu wide: %zu differences", what, rows, columns, width,
			 differences(got, wanted, count));
}

static void check_product(uint32_t rows, uint32_t columns, size_t width, bool turned, bool add, bool starts)
{
	const size_t stride = width + GAP;
	double *a = random_array((size_t)rows * columns), *x = random_array(columns * stride);
	double *start = random_array(rows), *y = random_array(rows * stride), *wanted = copy_of(y, rows * stride);
	const struct cats_factor factor = {a, turned ? rows : columns, turned};

	for (uint32_t r = 0; r < rows; r++)
		for (size_t i = 0; i < width; i++) {
			double sum = (add ? y[r * stride + i] : 0) + (starts ? start[r] : 0);

			for (uint32_t k = 0; k < columns; k++)
				sum += a[turned ? k * rows + r : r * columns + k] * x[k * stride + i];
			wanted[r * stride + i] = sum;
		}
	cats_product((struct cats_submatrix){y, stride}, add, starts ? start : NULL, factor,
		     (struct cats_submatrix){x, stride}, rows, columns, width);
	assert_same(y, wanted, rows * stride, turned ? "product, turned," : "product", rows, columns, width);
	free(a);
	free(x);
	free(start);
	free(y);
	free(wanted);
}

static void check_outer(uint32_t rows, uint32_t columns, size_t width)
{
	const size_t stride = width + GAP, count = (size_t)rows * columns;
	double *a = random_array(rows * stride), *x = random_array(columns * stride);
	double *d = random_array(count), *wanted = copy_of(d, count);

	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t k = 0; k < columns; k++)
			for (size_t i = 0; i < width; i++)
				wanted[r * columns + k] += a[r * stride + i] * x[k * stride + i];
	cats_product_outer(d, (struct cats_submatrix){a, stride}, (struct cats_submatrix){x, stride}, rows, columns,
			   width);
	assert_same(d, wanted, count, "outer product", rows, columns, width);
	free(a);
	free(x);
	free(d);
	free(wanted);
}

static void test_products(void **state)
{
	static const uint32_t rows[] = {0, 1, 7, 31, 32, 33, 38, 47}, columns[] = {0, 1, 15, 17, 48, 67};
	static const size_t widths[] = {1, 15, 16, 33, 48, 79, 100};

	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
		for (size_t c = 0; c < sizeof columns / sizeof columns[0]; c++)
			for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
				check_product(rows[r], columns[c], widths[w], w % 2 == 0, c % 2 == 0, r % 2 == 0);
				check_product(rows[r], columns[c], widths[w], w % 2 != 0, c % 2 != 0, r % 2 != 0);
				check_outer(rows[r], columns[c], widths[w]);
			}
	check_outer(40, 50, 513); /* more than is transposed at once */
	check_outer(33, 64, 256);
}

static void test_comparison(void **state)
{
	double *a = random_array(64), *zeros = calloc(64, sizeof *zeros), *swapped = copy_of(a, 64);

	(void)state;
	assert_non_null(zeros);
	for (int i = 0; i < 8; i++) {
		swapped[i] = a[8 + i];
		swapped[8 + i] = a[i];
	}
	assert_int_equal(differences(a, a, 64), 0);
	assert_int_equal(differences(zeros, a, 64), 64);
	assert_int_equal(differences(swapped, a, 64), 16);
	assert_int_equal(differences(a + 1, a, 63), 63);
	free(a);
	free(zeros);
	free(swapped);
}

/* y = xhat · gain + shift */
static double *scaled(const double *xhat, const double *gain, const double *shift, uint32_t columns, size_t width)
{
	double *y = random_array(columns * width);

	for (uint32_t k = 0; k < columns; k++)
		for (size_t i = 0; i < width; i++)
			y[k * width + i] = xhat[k * width + i] * gain[k] + (shift ? shift[k] : 0);
	return y;
}

static void check_fold(uint32_t rows, uint32_t columns, size_t width, bool shifts)
{
	const size_t count = (size_t)rows * columns;
	double *weight = random_array(count), *bias = random_array(rows), *gain = random_array(columns);
	double *some = random_array(columns), *shift = shifts ? some : NULL, *xhat = random_array(columns * width);
	double *d = random_array(rows * width), *y = scaled(xhat, gain, shift, columns, width);
	double *folded = random_array(count), *folded_bias = random_array(rows);
	double *out = random_array(rows * width), *wanted = random_array(rows * width);
	double *sums = random_array(count + rows + 2 * columns), *expected = copy_of(sums, count + rows + 2 * columns);
	double *d_folded = calloc(count + rows, sizeof *d_folded), *dy = random_array(columns * width);
	const struct cats_folded_gradient to = {sums, sums + count, sums + count + rows, sums + count + rows + columns};

	assert_non_null(d_folded);
	cats_gain_fold(folded, folded_bias, weight, bias, gain, shift, rows, columns);
	assert_true(folded[count] == GUARD && folded_bias[rows] == GUARD);
	cats_linear_forward((struct cats_submatrix){out, width}, false, folded, folded_bias,
			    (struct cats_submatrix){xhat, width}, rows, columns, width);
	cats_linear_forward((struct cats_submatrix){wanted, width}, false, weight, bias,
			    (struct cats_submatrix){y, width}, rows, columns, width);
	assert_same(out, wanted, rows * width, "folded layer", rows, columns, width);

	cats_linear_backward((struct cats_submatrix){dy, width}, d_folded, d_folded + count,
			     (struct cats_submatrix){d, width}, folded, (struct cats_submatrix){xhat, width}, rows,
			     columns, width);
	cats_gain_unfold(&to, d_folded, d_folded + count, weight, gain, shift, rows, columns);
	cats_linear_backward((struct cats_submatrix){dy, width}, expected, expected + count,
			     (struct cats_submatrix){d, width}, weight, (struct cats_submatrix){y, width}, rows,
			     columns, width);
	for (uint32_t k = 0; k < columns; k++)
		for (size_t i = 0; i < width; i++) {
			expected[count + rows + k] += dy[k * width + i] * xhat[k * width + i];
			expected[count + rows + columns + k] += shift ? dy[k * width + i] : 0;
		}
	assert_same(sums, expected, count + rows + 2 * columns, "folded gradient", rows, columns, width);
	double *arrays[] = {weight,      bias, gain,   some, xhat,     d,        y, folded,
			    folded_bias, out,  wanted, sums, expected, d_folded, dy};

	for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
		free(arrays[i]);
}

static void test_folding(void **state)
{
	(void)state;
	for (uint32_t rows = 1; rows < 50; rows += 12)
		for (uint32_t columns = 1; columns < 40; columns += 19) {
			check_fold(rows, columns, 21, true);
			check_fold(rows, columns, 32, false);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_folding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

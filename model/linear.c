/* SPDX-License-Identifier: MIT */
/* Linear layers. See kernels.h. */
#include "model/kernels.h"
#include "model/lanes.h"
#include "model/product.h"

/* Σ a[i] · b[i], or Σ a[i] where b is NULL */
FORCED cats_real sum_of(const cats_real *a, const cats_real *b, size_t count)
{
	lanes sum[2] = {{0}}, value, factor;
	cats_real total[LANES];
	size_t i = 0;

	for (; i + 2U * LANES <= count; i += 2U * LANES)
		UNROLLED for (uint32_t n = 0; n < 2U; n++)
		{
			load(&value, a + i + n * LANES);
			if (b != NULL) {
				load(&factor, b + i + n * LANES);
				value *= factor;
			}
			sum[n] += value;
		}
	sum[0] += sum[1];
	store(total, &sum[0]);
	for (; i < count; i++)
		total[0] += b != NULL ? a[i] * b[i] : a[i];
	for (uint32_t half = LANES / 2U; half > 0; half /= 2U)
		for (uint32_t n = 0; n < half; n++)
			total[n] += total[n + half];
	return total[0];
}

void cats_linear_forward(struct cats_submatrix y, bool add, const cats_real *weight, const cats_real *bias,
			 struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width)
{
	cats_product(y, add, bias, (struct cats_factor){weight, columns, false}, x, rows, columns, width);
}

void cats_linear_backward(struct cats_submatrix dx, cats_real *d_weight, cats_real *d_bias, struct cats_submatrix dy,
			  const cats_real *weight, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			  size_t width)
{
	for (size_t r = 0; r < rows; r++)
		d_bias[r] += sum_of(dy.data + r * dy.stride, NULL, width);
	cats_product_outer(d_weight, dy, x, rows, columns, width);
	if (dx.data)
		cats_product(dx, false, NULL, (struct cats_factor){weight, columns, true}, dy, columns, rows, width);
}

void cats_gain_fold(cats_real *folded, cats_real *folded_bias, const cats_real *weight, const cats_real *bias,
		    const cats_real *gain, const cats_real *shift, uint32_t rows, uint32_t columns)
{
	for (size_t r = 0; r < rows; r++) {
		const cats_real *from = weight + r * columns;

		for (size_t k = 0; k < columns; k++)
			folded[r * columns + k] = from[k] * gain[k];
		folded_bias[r] = bias[r] + (shift != NULL ? sum_of(from, shift, columns) : 0);
	}
}

void cats_gain_unfold(const struct cats_folded_gradient *d, const cats_real *d_folded, const cats_real *d_folded_bias,
		      const cats_real *weight, const cats_real *gain, const cats_real *shift, uint32_t rows,
		      uint32_t columns)
{
	for (size_t r = 0; r < rows; r++) {
		const cats_real *restrict w = weight + r * columns, *restrict dw = d_folded + r * columns;
		const cats_real db = d_folded_bias[r];
		cats_real *restrict to = d->weight + r * columns, *restrict d_gain = d->gain,
				    *restrict d_shift = d->shift;

		d->bias[r] += db;
		for (size_t k = 0; k < columns; k++) {
			to[k] += dw[k] * gain[k];
			d_gain[k] += dw[k] * w[k];
		}
		for (size_t k = 0; k < (shift != NULL ? columns : 0); k++) {
			to[k] += db * shift[k];
			d_shift[k] += db * w[k];
		}
	}
}

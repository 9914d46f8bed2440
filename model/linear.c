/* SPDX-License-Identifier: MIT */
/* Linear layers. See kernels.h. */
#include "model/kernels.h"
#include "model/product.h"

void cats_linear_forward(struct cats_submatrix y, bool add, const cats_real *weight, const cats_real *bias,
			 struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width)
{
	cats_product(y, add, bias, (struct cats_factor){weight, columns, false}, x, rows, columns, width);
}

void cats_linear_backward(struct cats_submatrix dx, cats_real *d_weight, cats_real *d_bias, struct cats_submatrix dy,
			  const cats_real *weight, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			  size_t width)
{
	for (size_t r = 0; r < rows; r++) {
		cats_real sum = 0;

#pragma omp simd reduction(+ : sum)
		for (size_t i = 0; i < width; i++)
			sum += dy.data[r * dy.stride + i];
		d_bias[r] += sum;
	}
	cats_product_outer(d_weight, dy, x, rows, columns, width);
	if (dx.data)
		cats_product(dx, false, NULL, (struct cats_factor){weight, columns, true}, dy, columns, rows, width);
}

void cats_gain_fold(cats_real *folded, cats_real *folded_bias, const cats_real *weight, const cats_real *bias,
		    const cats_real *gain, const cats_real *shift, uint32_t rows, uint32_t columns)
{
	for (size_t r = 0; r < rows; r++) {
		const cats_real *from = weight + r * columns;
		cats_real sum = 0;

		for (size_t k = 0; k < columns; k++)
			folded[r * columns + k] = from[k] * gain[k];
#pragma omp simd reduction(+ : sum)
		for (size_t k = 0; k < (shift != NULL ? columns : 0); k++)
			sum += from[k] * shift[k];
		folded_bias[r] = bias[r] + sum;
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

/* SPDX-License-Identifier: MIT */
/* Products by OpenBLAS. See kernels.h. */
#include "model/kernels.h"

#include <cblas.h>

void cats_linear_forward(struct cats_submatrix y, const cats_real *weight, const cats_real *bias,
			 struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < width; i++)
			y.data[r * y.stride + i] = bias[r];
	if (rows > 0 && columns > 0)
		cats_gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)width, (blasint)columns, 1,
			  weight, (blasint)columns, x.data, (blasint)x.stride, 1, y.data, (blasint)y.stride);
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
	if (rows == 0 || columns == 0)
		return;
	cats_gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)columns, (blasint)width, 1, dy.data,
		  (blasint)dy.stride, x.data, (blasint)x.stride, 1, d_weight, (blasint)columns);
	if (dx.data)
		cats_gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)columns, (blasint)width, (blasint)rows, 1,
			  weight, (blasint)columns, dy.data, (blasint)dy.stride, 0, dx.data, (blasint)dx.stride);
}

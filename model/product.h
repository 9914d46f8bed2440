/* SPDX-License-Identifier: MIT */
/* The two products that training consists of: small matrices of weights times wide ones of activations, and those
 * times each other for the gradients of weights. Internal to the float model. */
#ifndef CATS_MODEL_PRODUCT_H
#define CATS_MODEL_PRODUCT_H

#include "model/kernels.h"

#define cats_product CATS_REAL_NAME(cats_product)
#define cats_product_outer CATS_REAL_NAME(cats_product_outer)

/* A small matrix as it lies, element (r, k) at data[r * stride + k], or turned, at data[k * stride + r]. */
struct cats_factor {
	const cats_real *data;
	size_t stride;
	bool turned;
};

/* y[rows, width] = (add ? y : 0) + start[rows] + a[rows, columns] · x[columns, width]; start may be NULL for zeros. */
void cats_product(struct cats_submatrix y, bool add, const cats_real *start, struct cats_factor a,
		  struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width);

/* d[rows, columns] += a[rows, width] · x[columns, width]ᵀ; d without gaps. */
void cats_product_outer(cats_real *d, struct cats_submatrix a, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			size_t width);

#endif

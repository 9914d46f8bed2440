/* SPDX-License-Identifier: MIT */
/* The float model's arithmetic on one device's arrays: products, partial normalisation, attention, activation. Arrays
 * are [column, token, sample] with samples innermost; `width` is tokens times samples. Internal to the float model. */
#ifndef CATS_MODEL_KERNELS_H
#define CATS_MODEL_KERNELS_H

#include "model/views.h"

#define cats_linear_forward CATS_REAL_NAME(cats_linear_forward)
#define cats_linear_backward CATS_REAL_NAME(cats_linear_backward)
#define cats_gain_fold CATS_REAL_NAME(cats_gain_fold)
#define cats_gain_unfold CATS_REAL_NAME(cats_gain_unfold)
#define cats_norm_forward CATS_REAL_NAME(cats_norm_forward)
#define cats_norm_backward CATS_REAL_NAME(cats_norm_backward)
#define cats_norm_replay CATS_REAL_NAME(cats_norm_replay)
#define cats_gather CATS_REAL_NAME(cats_gather)
#define cats_scatter_add CATS_REAL_NAME(cats_scatter_add)
#define cats_attention_forward CATS_REAL_NAME(cats_attention_forward)
#define cats_attention_backward CATS_REAL_NAME(cats_attention_backward)
#define cats_activation_forward CATS_REAL_NAME(cats_activation_forward)
#define cats_activation_backward CATS_REAL_NAME(cats_activation_backward)

/* Activations that lie inside a larger matrix, whose rows are `stride` apart: element (row, i) at data[row * stride +
 * i], i < width. */
struct cats_submatrix {
	cats_real *data;
	size_t stride;
};

/* y[rows, width] = weight[rows, columns] · x[columns, width] + bias[rows], or with `add` that much is added to y. */
void cats_linear_forward(struct cats_submatrix y, bool add, const cats_real *weight, const cats_real *bias,
			 struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width);

/* d_weight += dy · xᵀ, d_bias += row sums of dy, and, unless dx.data is NULL, dx = weightᵀ · dy. */
void cats_linear_backward(struct cats_submatrix dx, cats_real *d_weight, cats_real *d_bias, struct cats_submatrix dy,
			  const cats_real *weight, struct cats_submatrix x, uint32_t rows, uint32_t columns,
			  size_t width);

/* A linear layer that reads y = xhat · gain + shift (shift may be NULL: none) as one that reads xhat:
 * folded[rows, columns] = weight · diag(gain), folded_bias[rows] = bias + weight · shift. */
void cats_gain_fold(cats_real *folded, cats_real *folded_bias, const cats_real *weight, const cats_real *bias,
		    const cats_real *gain, const cats_real *shift, uint32_t rows, uint32_t columns);

/* From the gradients of folded and folded_bias those of what they were made of, each added. */
struct cats_folded_gradient {
	cats_real *weight, *bias, *gain, *shift;
};
void cats_gain_unfold(const struct cats_folded_gradient *d, const cats_real *d_folded, const cats_real *d_folded_bias,
		      const cats_real *weight, const cats_real *gain, const cats_real *shift, uint32_t rows,
		      uint32_t columns);

/* One device at one site: its view, and what it received. received: [D sender, D receiver, T, B] or NULL. */
struct cats_reception {
	const struct cats_view *view;
	uint32_t device;
	uint32_t devices;
	size_t full_width; /* T · B: the extent of a (sender, receiver) pair in `received` */
	const uint8_t *received;
};

/* Gather x[all columns, width] for a device and normalise over what is available: xhat[view.count, width], rstd[width]
 * and, unless gain is NULL, y = xhat · gain + bias, 0 where absent. */
void cats_norm_forward(struct cats_submatrix y, struct cats_submatrix xhat, cats_real *rstd,
		       const struct cats_reception *at, struct cats_submatrix x, const cats_real *gain,
		       const cats_real *bias, enum cats_norm norm, cats_real eps, size_t width);

/* y again, from xhat. */
void cats_norm_replay(struct cats_submatrix y, struct cats_submatrix xhat, const struct cats_reception *at,
		      const cats_real *gain, const cats_real *bias, enum cats_norm norm, size_t width);

/* dx += gradient through the normalisation; d_gain, d_bias += likewise. dy may be overwritten. With gain NULL, dy is
 * the gradient of xhat, and d_gain and d_bias are left alone. */
void cats_norm_backward(struct cats_submatrix dx, cats_real *d_gain, cats_real *d_bias, struct cats_submatrix dy,
			struct cats_submatrix xhat, const cats_real *rstd, const struct cats_reception *at,
			const cats_real *gain, enum cats_norm norm, size_t width);

/* view[view.count, width] = available columns of x, absent ones 0; and its transpose, dx += view. */
void cats_gather(struct cats_submatrix view, const struct cats_reception *at, struct cats_submatrix x, size_t width);
void cats_scatter_add(struct cats_submatrix dx, struct cats_submatrix view, const struct cats_reception *at,
		      size_t width);

/* One head. q[d, queries, B], o[d, queries, B], k, v[d, T, B] with strides; p[queries, T, B] receives the
 * probabilities. Queries are rows 0 … queries - 1; causal masks key > query. */
struct cats_head {
	uint32_t d, queries, T, B;
	bool causal;
};
void cats_attention_forward(struct cats_submatrix o, cats_real *p, struct cats_submatrix q, struct cats_submatrix k,
			    struct cats_submatrix v, const struct cats_head *head);

/* dq, dk, dv are written (not added to); ds[queries, T, B] is scratch. */
void cats_attention_backward(struct cats_submatrix dq, struct cats_submatrix dk, struct cats_submatrix dv,
			     struct cats_submatrix d_o, const cats_real *p, struct cats_submatrix q,
			     struct cats_submatrix k, struct cats_submatrix v, const struct cats_head *head,
			     cats_real *ds);

/* h = act(z); dz = dh · act'(z), in place on dh. `count` elements. */
void cats_activation_forward(cats_real *h, const cats_real *z, enum cats_activation activation, size_t count);
void cats_activation_backward(cats_real *dh, const cats_real *z, enum cats_activation activation, size_t count);

#endif

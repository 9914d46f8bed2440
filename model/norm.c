/* SPDX-License-Identifier: MIT */
/* Partial gathers and partial normalisation (semantics, "SomeGather", "Partial normalisation"). Work goes in blocks of
 * BLOCK samples·tokens, so that a block of all columns stays in the first-level cache. See kernels.h. */
#include "model/kernels.h"

#include <math.h>
#include <string.h>

#include "model/lanes.h"

#ifdef CATS_REAL_IS_DOUBLE
#define real_sqrt sqrt
#else
#define real_sqrt sqrtf
#endif

#define BLOCK 64U /* 128 columns x 64 floats = 32 KiB */

/* What a receiver got of a sender, from sample·token i0 on; NULL when everything. */
static const uint8_t *mask_of(const struct cats_reception *at, const struct cats_segment *s, size_t i0)
{
	if (!at->received || s->sender == at->device)
		return NULL;
	return at->received + ((size_t)s->sender * at->devices + at->device) * at->full_width + i0;
}

static size_t block_width(size_t i0, size_t width)
{
	return width - i0 < BLOCK ? width - i0 : BLOCK;
}

/* count[i] = available columns, as a real number. */
static void count_available(cats_real *count, const struct cats_reception *at, size_t i0, size_t n)
{
	for (size_t i = 0; i < n; i++)
		count[i] = 0;
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, i0);
		const cats_real columns = (cats_real)s->count;

		for (size_t i = 0; i < n; i++)
			count[i] += mask ? columns * (cats_real)mask[i] : columns;
	}
}

/* dst = x, or x where received and 0 elsewhere. */
static void copy_received(cats_real *dst, const cats_real *src, const uint8_t *mask, size_t n)
{
	if (!mask) {
		memcpy(dst, src, n * sizeof *dst);
		return;
	}
	for (size_t i = 0; i < n; i++)
		dst[i] = src[i] * (cats_real)mask[i];
}

/* The rows of a block of columns, gathered into out from sample·token i0 on. */
static void gather_block(struct cats_submatrix out, const struct cats_reception *at, struct cats_submatrix x, size_t i0,
			 size_t n)
{
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, i0);

		for (uint32_t k = s->first; k < s->first + s->count; k++)
			copy_received(out.data + k * out.stride + i0, x.data + at->view->columns[k] * x.stride + i0,
				      mask, n);
	}
}

/* xhat holds gathered x and becomes normalised x, in place; absent columns are and stay 0. */
static void normalise_block(struct cats_submatrix xhat, cats_real *rstd, const struct cats_reception *at,
			    enum cats_norm norm, cats_real eps, size_t i0, size_t n)
{
	const uint32_t columns = at->view->count;
	cats_real count[BLOCK], mean[BLOCK] = {0}, square[BLOCK] = {0};

	count_available(count, at, i0, n);
	for (size_t i = 0; i < n; i++)
		count[i] = count[i] > 0 ? 1 / count[i] : 0;
	if (norm == CATS_NORM_LAYER) {
		for (uint32_t k = 0; k < columns; k++)
			for (size_t i = 0; i < n; i++)
				mean[i] += xhat.data[k * xhat.stride + i0 + i];
		for (size_t i = 0; i < n; i++)
			mean[i] *= count[i];
		for (uint32_t g = 0; g < at->view->segment_count; g++) {
			const struct cats_segment *s = &at->view->segments[g];
			const uint8_t *mask = mask_of(at, s, i0);

			for (uint32_t k = s->first; k < s->first + s->count; k++)
				for (size_t i = 0; i < n; i++)
					xhat.data[k * xhat.stride + i0 + i] -=
						mask ? mean[i] * (cats_real)mask[i] : mean[i];
		}
	}
	for (uint32_t k = 0; k < columns; k++)
		for (size_t i = 0; i < n; i++)
			square[i] += xhat.data[k * xhat.stride + i0 + i] * xhat.data[k * xhat.stride + i0 + i];
	for (size_t i = 0; i < n; i++)
		rstd[i0 + i] = count[i] > 0 ? 1 / real_sqrt(square[i] * count[i] + eps) : 0;
	for (uint32_t k = 0; k < columns; k++)
		for (size_t i = 0; i < n; i++)
			xhat.data[k * xhat.stride + i0 + i] *= rstd[i0 + i];
}

/* y = xhat · gain + bias where received. */
static void affine_block(struct cats_submatrix y, struct cats_submatrix xhat, const struct cats_reception *at,
			 const cats_real *gain, const cats_real *bias, enum cats_norm norm, size_t i0, size_t n)
{
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, i0);

		for (uint32_t k = s->first; k < s->first + s->count; k++) {
			const cats_real a = gain[k];
			const cats_real b = norm == CATS_NORM_LAYER ? bias[k] : 0;
			const cats_real *from = xhat.data + k * xhat.stride + i0;
			cats_real *to = y.data + k * y.stride + i0;

			if (mask)
				for (size_t i = 0; i < n; i++)
					to[i] = from[i] * a + b * (cats_real)mask[i];
			else
				for (size_t i = 0; i < n; i++)
					to[i] = from[i] * a + b;
		}
	}
}

/* ---- nothing lost, which is most of the time: LANES sample·tokens at a time, sums in registers ---- */

/* Views of at most so many columns; wider ones take the block functions. 16 KiB of a cache of 32 in the backward pass.
 */
#define WIDEST 128U

/* What the block functions above do, in one pass over memory, without gain and shift. Rows of all columns are more
 * streams than a processor foresees: what is far in memory is fetched a step ahead, at `next`. */
static void whole_forward(struct cats_submatrix xhat, cats_real *rstd, const struct cats_view *view,
			  struct cats_submatrix x, enum cats_norm norm, cats_real eps, size_t i0, size_t next)
{
	const cats_real share = 1 / (cats_real)view->count;
	lanes values[WIDEST], mean = {0}, square = {0}, scale;

	for (uint32_t k = 0; k < view->count; k++) {
		load(&values[k], x.data + view->columns[k] * x.stride + i0);
		mean += values[k];
	}
	mean *= norm == CATS_NORM_LAYER ? share : 0;
	for (uint32_t k = 0; k < view->count; k++) {
		values[k] -= mean;
		square += values[k] * values[k];
	}
	square = square * share + eps;
	for (uint32_t i = 0; i < LANES; i++)
		rstd[i0 + i] = 1 / real_sqrt(square[i]);
	load(&scale, rstd + i0);
	for (uint32_t k = 0; k < view->count; k++) {
		values[k] *= scale;
		__builtin_prefetch(xhat.data + k * xhat.stride + next, 1);
		store(xhat.data + k * xhat.stride + i0, &values[k]);
	}
}

static void whole_backward(struct cats_submatrix dx, struct cats_submatrix dxhat, struct cats_submatrix xhat,
			   const cats_real *rstd, const struct cats_view *view, enum cats_norm norm, size_t i0,
			   size_t next)
{
	const cats_real share = 1 / (cats_real)view->count;
	lanes d[WIDEST], hat[WIDEST], mean = {0}, along = {0}, scale, sum;

	for (uint32_t k = 0; k < view->count; k++) {
		load(&d[k], dxhat.data + k * dxhat.stride + i0);
		load(&hat[k], xhat.data + k * xhat.stride + i0);
		__builtin_prefetch(xhat.data + k * xhat.stride + next);
		mean += d[k];
		along += d[k] * hat[k];
	}
	mean *= norm == CATS_NORM_LAYER ? share : 0;
	along *= share;
	load(&scale, rstd + i0);
	for (uint32_t k = 0; k < view->count; k++) {
		cats_real *to = dx.data + view->columns[k] * dx.stride + i0;

		load(&sum, to);
		sum += scale * (d[k] - mean - hat[k] * along);
		store(to, &sum);
	}
}

/* How many sample·tokens from the first on the functions above take. */
static size_t whole_width(const struct cats_reception *at, const cats_real *gain, size_t width)
{
	const bool whole = gain == NULL && (at->received == NULL || at->devices == 1);

	return whole && at->view->count > 0 && at->view->count <= WIDEST ? width / LANES * LANES : 0;
}

void cats_norm_forward(struct cats_submatrix y, struct cats_submatrix xhat, cats_real *rstd,
		       const struct cats_reception *at, struct cats_submatrix x, const cats_real *gain,
		       const cats_real *bias, enum cats_norm norm, cats_real eps, size_t width)
{
	const size_t whole = whole_width(at, gain, width);

	for (size_t i0 = 0; i0 < whole; i0 += LANES)
		whole_forward(xhat, rstd, at->view, x, norm, eps, i0, i0 + LANES < whole ? i0 + LANES : i0);
	for (size_t i0 = whole; i0 < width; i0 += BLOCK) {
		const size_t n = block_width(i0, width);

		gather_block(xhat, at, x, i0, n);
		normalise_block(xhat, rstd, at, norm, eps, i0, n);
		if (gain != NULL)
			affine_block(y, xhat, at, gain, bias, norm, i0, n);
	}
}

void cats_norm_replay(struct cats_submatrix y, struct cats_submatrix xhat, const struct cats_reception *at,
		      const cats_real *gain, const cats_real *bias, enum cats_norm norm, size_t width)
{
	for (size_t i0 = 0; i0 < width; i0 += BLOCK)
		affine_block(y, xhat, at, gain, bias, norm, i0, block_width(i0, width));
}

/* d_gain, d_bias += over one block; dy becomes the gradient of xhat, 0 where absent. */
static void affine_backward_block(cats_real *d_gain, cats_real *d_bias, struct cats_submatrix dy,
				  struct cats_submatrix xhat, const struct cats_reception *at, const cats_real *gain,
				  enum cats_norm norm, size_t i0, size_t n)
{
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, i0);

		for (uint32_t k = s->first; k < s->first + s->count; k++) {
			cats_real *row = dy.data + k * dy.stride + i0;
			const cats_real *hat = xhat.data + k * xhat.stride + i0;
			cats_real sum_gain = 0, sum_bias = 0;

			if (mask)
				for (size_t i = 0; i < n; i++)
					row[i] *= (cats_real)mask[i];
#pragma omp simd reduction(+ : sum_gain, sum_bias)
			for (size_t i = 0; i < n; i++) {
				sum_gain += row[i] * hat[i];
				sum_bias += row[i];
				row[i] *= gain[k];
			}
			d_gain[k] += sum_gain;
			if (norm == CATS_NORM_LAYER)
				d_bias[k] += sum_bias;
		}
	}
}

/* dx += rstd · (g - mean(g) - xhat · mean(g · xhat)) over the available columns, g the gradient of xhat. */
static void normalise_backward_block(struct cats_submatrix dx, struct cats_submatrix dxhat, struct cats_submatrix xhat,
				     const cats_real *rstd, const struct cats_reception *at, enum cats_norm norm,
				     size_t i0, size_t n)
{
	const uint32_t columns = at->view->count;
	cats_real count[BLOCK], mean[BLOCK] = {0}, along[BLOCK] = {0};

	count_available(count, at, i0, n);
	for (uint32_t k = 0; k < columns; k++)
		for (size_t i = 0; i < n; i++) {
			mean[i] += dxhat.data[k * xhat.stride + i0 + i];
			along[i] += dxhat.data[k * xhat.stride + i0 + i] * xhat.data[k * xhat.stride + i0 + i];
		}
	for (size_t i = 0; i < n; i++) {
		const cats_real inverse = count[i] > 0 ? 1 / count[i] : 0;

		mean[i] = norm == CATS_NORM_LAYER ? mean[i] * inverse : 0;
		along[i] *= inverse;
	}
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, i0);

		for (uint32_t k = s->first; k < s->first + s->count; k++) {
			cats_real *to = dx.data + at->view->columns[k] * dx.stride + i0;

			for (size_t i = 0; i < n; i++) {
				const cats_real d = rstd[i0 + i] * (dxhat.data[k * dxhat.stride + i0 + i] - mean[i] -
								    xhat.data[k * xhat.stride + i0 + i] * along[i]);

				to[i] += mask ? d * (cats_real)mask[i] : d;
			}
		}
	}
}

void cats_norm_backward(struct cats_submatrix dx, cats_real *d_gain, cats_real *d_bias, struct cats_submatrix dy,
			struct cats_submatrix xhat, const cats_real *rstd, const struct cats_reception *at,
			const cats_real *gain, enum cats_norm norm, size_t width)
{
	const size_t whole = whole_width(at, gain, width);

	for (size_t i0 = 0; i0 < whole; i0 += LANES)
		whole_backward(dx, dy, xhat, rstd, at->view, norm, i0, i0 + LANES < whole ? i0 + LANES : i0);
	for (size_t i0 = whole; i0 < width; i0 += BLOCK) {
		const size_t n = block_width(i0, width);

		if (gain != NULL)
			affine_backward_block(d_gain, d_bias, dy, xhat, at, gain, norm, i0, n);
		normalise_backward_block(dx, dy, xhat, rstd, at, norm, i0, n);
	}
}

void cats_gather(struct cats_submatrix view, const struct cats_reception *at, struct cats_submatrix x, size_t width)
{
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, 0);

		for (uint32_t k = s->first; k < s->first + s->count; k++)
			copy_received(view.data + k * view.stride, x.data + at->view->columns[k] * x.stride, mask,
				      width);
	}
}

void cats_scatter_add(struct cats_submatrix dx, struct cats_submatrix view, const struct cats_reception *at,
		      size_t width)
{
	for (uint32_t g = 0; g < at->view->segment_count; g++) {
		const struct cats_segment *s = &at->view->segments[g];
		const uint8_t *mask = mask_of(at, s, 0);

		for (uint32_t k = s->first; k < s->first + s->count; k++) {
			cats_real *to = dx.data + at->view->columns[k] * dx.stride;
			const cats_real *from = view.data + k * view.stride;

			for (size_t i = 0; i < width; i++)
				to[i] += mask ? from[i] * (cats_real)mask[i] : from[i];
		}
	}
}

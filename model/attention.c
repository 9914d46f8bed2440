/* SPDX-License-Identifier: MIT */
/* Softmax attention of one head over B samples at once, vectorised across samples; and activations. Compiled with
 * -ffast-math so that exp and erf come from the C library's vector versions: nothing here may rely on infinities or
 * NaN, and the causal mask is a loop bound. See kernels.h. */
#include "model/kernels.h"

#include <math.h>

#include "model/lanes.h"

#ifdef CATS_REAL_IS_DOUBLE
#define real_exp exp
#define real_erf erf
#else
#define real_exp expf
#define real_erf erff
#endif

/* Samples are taken LANES at a time, so that sums over one dimension stay in registers. */

/* s[i] = Σ_c a[c, i] · b[c, i] · scale */
static inline void dot_columns(cats_real *restrict s, const cats_real *a, size_t a_stride, const cats_real *b,
			       size_t b_stride, uint32_t d, uint32_t n, cats_real scale)
{
	cats_real sum[LANES] = {0};

	for (uint32_t c = 0; c < d; c++)
#pragma omp simd
		for (uint32_t i = 0; i < n; i++)
			sum[i] += a[c * a_stride + i] * b[c * b_stride + i];
#pragma omp simd
	for (uint32_t i = 0; i < n; i++)
		s[i] = sum[i] * scale;
}

/* o[i] = Σ_u p[u, i] · v[u, i] · scale, consecutive u at the given strides */
static inline void weighted_sum(cats_real *restrict o, const cats_real *p, size_t p_stride, const cats_real *v,
				size_t v_stride, uint32_t keys, uint32_t n, cats_real scale)
{
	dot_columns(o, p, p_stride, v, v_stride, keys, n, scale);
}

/* p[keys, B] from scores to probabilities, in place, for samples b … b + n - 1. */
static inline void softmax(cats_real *p, size_t stride, uint32_t keys, uint32_t n)
{
	cats_real top[LANES], sum[LANES] = {0};

#pragma omp simd
	for (uint32_t i = 0; i < n; i++)
		top[i] = p[i];
	for (uint32_t u = 1; u < keys; u++)
#pragma omp simd
		for (uint32_t i = 0; i < n; i++)
			top[i] = top[i] > p[u * stride + i] ? top[i] : p[u * stride + i];
	for (uint32_t u = 0; u < keys; u++)
#pragma omp simd
		for (uint32_t i = 0; i < n; i++) {
			p[u * stride + i] = real_exp(p[u * stride + i] - top[i]);
			sum[i] += p[u * stride + i];
		}
	for (uint32_t u = 0; u < keys; u++)
#pragma omp simd
		for (uint32_t i = 0; i < n; i++)
			p[u * stride + i] /= sum[i];
}

static inline void forward_samples(struct cats_submatrix o, cats_real *p, struct cats_submatrix q,
				   struct cats_submatrix k, struct cats_submatrix v, const struct cats_head *h,
				   uint32_t b, uint32_t n)
{
	const size_t B = h->B;
	const cats_real scale = 1 / (cats_real)sqrt((double)h->d);

	for (uint32_t t = 0; t < h->queries; t++) {
		const uint32_t keys = h->causal ? t + 1 : h->T;
		cats_real *row = p + (size_t)t * h->T * B + b;

		for (uint32_t u = 0; u < keys; u++)
			dot_columns(row + u * B, q.data + t * B + b, q.stride, k.data + u * B + b, k.stride, h->d, n,
				    scale);
		softmax(row, B, keys, n);
		for (uint32_t c = 0; c < h->d; c++)
			weighted_sum(o.data + c * o.stride + t * B + b, row, B, v.data + c * v.stride + b, B, keys, n,
				     1);
	}
}

/* ---- LANES samples of a head whose width is known when compiling: a column of d values stays in registers ---- */

/* What changed: a query's or a key's d values are loaded once for all that they meet, and its d sums are stored once,
 * where the loops above load both factors of every product. The products and the order of their sums over columns,
 * keys and queries are the same. The exponential stays in registers too. Needs n = LANES. On a Zen 4 core with heads of
 * 8 columns and 32 tokens, attention's share of a training step of 16 pruned devices fell from 36 % to 22 %; with the
 * own exponential the forward pass takes 6.5 µs for 16 samples of a head instead of 8.2, 2.3 of which are its products.
 */

/* column[c] = m[c, at] */
FORCED void load_column(lanes *column, struct cats_submatrix m, size_t at, uint32_t d)
{
	UNROLLED for (uint32_t c = 0; c < d; c++) load(&column[c], m.data + c * m.stride + at);
}

FORCED void store_column(struct cats_submatrix m, size_t at, const lanes *column, uint32_t d)
{
	UNROLLED for (uint32_t c = 0; c < d; c++) store(m.data + c * m.stride + at, &column[c]);
}

FORCED void clear_column(lanes *column, uint32_t d)
{
	UNROLLED for (uint32_t c = 0; c < d; c++) column[c] = (lanes){0};
}

/* dot = Σ_c column[c] · m[c, at] */
FORCED void dot_column(lanes *dot, const lanes *column, struct cats_submatrix m, size_t at, uint32_t d)
{
	lanes value;

	*dot = (lanes){0};
	UNROLLED for (uint32_t c = 0; c < d; c++)
	{
		load(&value, m.data + c * m.stride + at);
		*dot += column[c] * value;
	}
}

/* column[c] += weight · m[c, at] */
FORCED void add_column(lanes *column, const lanes *weight, struct cats_submatrix m, size_t at, uint32_t d)
{
	lanes value;

	UNROLLED for (uint32_t c = 0; c < d; c++)
	{
		load(&value, m.data + c * m.stride + at);
		column[c] += *weight * value;
	}
}

typedef __typeof__((lanes){0} > (lanes){0}) masks; /* all bits of a lane, or none */

/* a = the larger of a and b */
FORCED void keep_larger(lanes *a, const lanes *b)
{
	const masks chosen = *a > *b;
	masks bits, others;

	memcpy(&bits, a, sizeof bits);
	memcpy(&others, b, sizeof others);
	bits = (bits & chosen) | (others & ~chosen);
	memcpy(a, &bits, sizeof bits);
}

#ifdef CATS_REAL_IS_DOUBLE
/* to = exp(x), x at most 0 */
FORCED void exp_lanes(lanes *to, const lanes *x)
{
	UNROLLED for (uint32_t i = 0; i < LANES; i++)(*to)[i] = exp((*x)[i]);
}
#else
/* to = exp(x), x at most 0: 2^n · exp(r) with |r| at most ln(2) / 2, by the polynomial of Cephes' expf, whose error is
 * about one unit in the last place. A call of the C library's vector function would put all registers aside. Below
 * exp(-87) numbers stop being normal; results stay there. */
FORCED void exp_lanes(lanes *to, const lanes *x)
{
	lanes bounded = (lanes){0} - 87.0F;

	keep_larger(&bounded, x);
	const masks n = __builtin_convertvector(bounded * 1.44269504F - 0.5F, masks); /* rounds towards 0 */
	const lanes whole = __builtin_convertvector(n, lanes);
	const lanes r = bounded - whole * 0.693359375F + whole * 2.12194440e-4F; /* ln(2) in two parts */
	const masks power = (n + 127) << 23;
	lanes sum = (lanes){0} + 1.9875691500e-4F, scale;

	sum = sum * r + 1.3981999507e-3F;
	sum = sum * r + 8.3334519073e-3F;
	sum = sum * r + 4.1665795894e-2F;
	sum = sum * r + 1.6666665459e-1F;
	sum = sum * r + 5.0000001201e-1F;
	memcpy(&scale, &power, sizeof scale);
	*to = (sum * r * r + r + 1.0F) * scale;
}
#endif

/* softmax() of LANES samples, whose largest score is known. */
FORCED void softmax_lanes(cats_real *p, size_t stride, uint32_t keys, const lanes *top)
{
	lanes value, sum = {0};

	for (uint32_t u = 0; u < keys; u++) {
		load(&value, p + u * stride);
		value -= *top;
		exp_lanes(&value, &value);
		sum += value;
		store(p + u * stride, &value);
	}
	sum = 1 / sum;
	for (uint32_t u = 0; u < keys; u++) {
		load(&value, p + u * stride);
		value *= sum;
		store(p + u * stride, &value);
	}
}

#define WIDEST_KNOWN 16

FORCED void forward_lanes(struct cats_submatrix o, cats_real *p, struct cats_submatrix q, struct cats_submatrix k,
			  struct cats_submatrix v, const struct cats_head *h, uint32_t b, uint32_t d)
{
	const size_t B = h->B;
	const cats_real scale = 1 / (cats_real)sqrt((double)d);

	for (uint32_t t = 0; t < h->queries; t++) {
		const uint32_t keys = h->causal ? t + 1 : h->T;
		cats_real *row = p + (size_t)t * h->T * B + b;
		lanes column[WIDEST_KNOWN], value, top;

		load_column(column, q, t * B + b, d);
		dot_column(&top, column, k, b, d);
		top *= scale;
		store(row, &top);
		for (uint32_t u = 1; u < keys; u++) {
			dot_column(&value, column, k, u * B + b, d);
			value *= scale;
			keep_larger(&top, &value);
			store(row + u * B, &value);
		}
		softmax_lanes(row, B, keys, &top);
		clear_column(column, d);
		for (uint32_t u = 0; u < keys; u++) {
			load(&value, row + u * B);
			add_column(column, &value, v, u * B + b, d);
		}
		store_column(o, t * B + b, column, d);
	}
}

/* ds = p ∘ (dp - Σ dp ∘ p) / sqrt(d) and dq of every query. */
FORCED void queries_backward(struct cats_submatrix dq, struct cats_submatrix d_o, const cats_real *p,
			     struct cats_submatrix k, struct cats_submatrix v, const struct cats_head *h, cats_real *ds,
			     uint32_t b, uint32_t d)
{
	const size_t B = h->B, row = (size_t)h->T * B;
	const cats_real scale = 1 / (cats_real)sqrt((double)d);

	for (uint32_t t = 0; t < h->queries; t++) {
		const uint32_t keys = h->causal ? t + 1 : h->T;
		lanes column[WIDEST_KNOWN], sum = {0}, value, share;

		load_column(column, d_o, t * B + b, d);
		for (uint32_t u = 0; u < keys; u++) {
			dot_column(&value, column, v, u * B + b, d);
			load(&share, p + t * row + u * B + b);
			sum += value * share;
			store(ds + t * row + u * B + b, &value);
		}
		clear_column(column, d);
		for (uint32_t u = 0; u < keys; u++) {
			load(&value, ds + t * row + u * B + b);
			load(&share, p + t * row + u * B + b);
			value = share * (value - sum) * scale;
			store(ds + t * row + u * B + b, &value);
			add_column(column, &value, k, u * B + b, d);
		}
		store_column(dq, t * B + b, column, d);
	}
}

/* dk and dv of every key. */
FORCED void keys_backward(struct cats_submatrix dk, struct cats_submatrix dv, struct cats_submatrix d_o,
			  const cats_real *p, struct cats_submatrix q, const struct cats_head *h, const cats_real *ds,
			  uint32_t b, uint32_t d)
{
	const size_t B = h->B, row = (size_t)h->T * B;

	for (uint32_t u = 0; u < h->T; u++) {
		lanes for_k[WIDEST_KNOWN], for_v[WIDEST_KNOWN], value;

		clear_column(for_k, d);
		clear_column(for_v, d);
		for (uint32_t t = h->causal ? u : 0; t < h->queries; t++) {
			load(&value, ds + t * row + u * B + b);
			add_column(for_k, &value, q, t * B + b, d);
			load(&value, p + t * row + u * B + b);
			add_column(for_v, &value, d_o, t * B + b, d);
		}
		store_column(dk, u * B + b, for_k, d);
		store_column(dv, u * B + b, for_v, d);
	}
}

void cats_attention_forward(struct cats_submatrix o, cats_real *p, struct cats_submatrix q, struct cats_submatrix k,
			    struct cats_submatrix v, const struct cats_head *h)
{
	for (uint32_t b = 0; b < h->B; b += LANES)
		if (h->B - b < LANES)
			forward_samples(o, p, q, k, v, h, b, h->B - b);
		else if (h->d == 8)
			forward_lanes(o, p, q, k, v, h, b, 8);
		else if (h->d == 16)
			forward_lanes(o, p, q, k, v, h, b, 16);
		else
			forward_samples(o, p, q, k, v, h, b, LANES);
}

/* y[i] += a[i] · b[i] */
static inline void add_product(cats_real *restrict y, const cats_real *a, const cats_real *b, uint32_t n)
{
#pragma omp simd
	for (uint32_t i = 0; i < n; i++)
		y[i] += a[i] * b[i];
}

/* Scores' gradient of query t: ds = p ∘ (dp - Σ dp ∘ p) / sqrt(d), dp = v · d_o. */
static inline void scores_backward(cats_real *ds, const cats_real *row, struct cats_submatrix d_o,
				   struct cats_submatrix v, const struct cats_head *h, uint32_t t, uint32_t keys,
				   uint32_t b, uint32_t n)
{
	const size_t B = h->B;
	const cats_real scale = 1 / (cats_real)sqrt((double)h->d);
	cats_real sum[LANES] = {0};

	for (uint32_t u = 0; u < keys; u++) {
		dot_columns(ds + u * B, d_o.data + t * B + b, d_o.stride, v.data + u * B + b, v.stride, h->d, n, 1);
		add_product(sum, ds + u * B, row + u * B, n);
	}
	for (uint32_t u = 0; u < keys; u++)
#pragma omp simd
		for (uint32_t i = 0; i < n; i++)
			ds[u * B + i] = row[u * B + i] * (ds[u * B + i] - sum[i]) * scale;
}

static inline void backward_samples(struct cats_submatrix dq, struct cats_submatrix dk, struct cats_submatrix dv,
				    struct cats_submatrix d_o, const cats_real *p, struct cats_submatrix q,
				    struct cats_submatrix k, struct cats_submatrix v, const struct cats_head *h,
				    cats_real *ds, uint32_t b, uint32_t n)
{
	const size_t B = h->B, row = (size_t)h->T * B;

	for (uint32_t t = 0; t < h->queries; t++) {
		const uint32_t keys = h->causal ? t + 1 : h->T;

		scores_backward(ds + t * row + b, p + t * row + b, d_o, v, h, t, keys, b, n);
		for (uint32_t c = 0; c < h->d; c++)
			weighted_sum(dq.data + c * dq.stride + t * B + b, ds + t * row + b, B,
				     k.data + c * k.stride + b, B, keys, n, 1);
	}
	for (uint32_t u = 0; u < h->T; u++) {
		const uint32_t first = h->causal ? u : 0; /* the first query that sees this key */
		const uint32_t queries = h->queries > first ? h->queries - first : 0;
		const size_t at = first * row + u * B + b;

		for (uint32_t c = 0; c < h->d; c++) {
			weighted_sum(dk.data + c * dk.stride + u * B + b, ds + at, row,
				     q.data + c * q.stride + first * B + b, B, queries, n, 1);
			weighted_sum(dv.data + c * dv.stride + u * B + b, p + at, row,
				     d_o.data + c * d_o.stride + first * B + b, B, queries, n, 1);
		}
	}
}

void cats_attention_backward(struct cats_submatrix dq, struct cats_submatrix dk, struct cats_submatrix dv,
			     struct cats_submatrix d_o, const cats_real *p, struct cats_submatrix q,
			     struct cats_submatrix k, struct cats_submatrix v, const struct cats_head *h, cats_real *ds)
{
	for (uint32_t b = 0; b < h->B; b += LANES)
		if (h->B - b < LANES) {
			backward_samples(dq, dk, dv, d_o, p, q, k, v, h, ds, b, h->B - b);
		} else if (h->d == 8) {
			queries_backward(dq, d_o, p, k, v, h, ds, b, 8);
			keys_backward(dk, dv, d_o, p, q, h, ds, b, 8);
		} else if (h->d == 16) {
			queries_backward(dq, d_o, p, k, v, h, ds, b, 16);
			keys_backward(dk, dv, d_o, p, q, h, ds, b, 16);
		} else {
			backward_samples(dq, dk, dv, d_o, p, q, k, v, h, ds, b, LANES);
		}
}

#define SQRT_HALF 0.70710678118654752440    /* 1/√2 */
#define INV_SQRT_2PI 0.39894228040143267794 /* 1/√(2π) */

void cats_activation_forward(cats_real *h, const cats_real *z, enum cats_activation activation, size_t count)
{
	const cats_real half = (cats_real)0.5, root = (cats_real)SQRT_HALF;

	if (activation == CATS_RELU)
		for (size_t i = 0; i < count; i++)
			h[i] = z[i] > 0 ? z[i] : 0;
	else
		for (size_t i = 0; i < count; i++)
			h[i] = half * z[i] * (1 + real_erf(z[i] * root));
}

void cats_activation_backward(cats_real *dh, const cats_real *z, enum cats_activation activation, size_t count)
{
	const cats_real half = (cats_real)0.5, root = (cats_real)SQRT_HALF, density = (cats_real)INV_SQRT_2PI;

	if (activation == CATS_RELU)
		for (size_t i = 0; i < count; i++)
			dh[i] = z[i] > 0 ? dh[i] : 0;
	else
		for (size_t i = 0; i < count; i++)
			dh[i] *= half * (1 + real_erf(z[i] * root)) + z[i] * density * real_exp(-half * z[i] * z[i]);
}

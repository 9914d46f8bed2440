/* SPDX-License-Identifier: MIT */
/* The kernels that take LANES samples at once, in double precision, against those that take the rest: attention of many
 * samples is that of each sample alone, a normalisation with nothing lost is that with every message received. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "model/kernels.h"
#include "model/lanes.h"
#include "tests/cmocka.h"

#define MOST_SAMPLES 37U /* two vectors and a rest */
#define GUARD 12345.0
#define TOLERANCE 1e-12 /* sums of at most 32 products of numbers below 1, in another association */

static double draw(uint64_t *counter)
{
	return (double)(cats_random_u64(5, (*counter)++) >> 11) * 0x1p-52 - 1.0;
}

static double *random_array(size_t count, uint64_t *counter)
{
	double *array = malloc(count * sizeof *array);

	assert_non_null(array);
	for (size_t i = 0; i < count; i++)
		array[i] = draw(counter);
	return array;
}

static double *guarded_array(size_t count)
{
	double *array = malloc(count * sizeof *array);

	assert_non_null(array);
	for (size_t i = 0; i < count; i++)
		array[i] = GUARD;
	return array;
}

/* All arrays of one head; q, k, v, d_o are inputs. Rows have `stride` elements, the last of which belong to nobody. */
struct head_arrays {
	size_t stride, count, scores;
	double *q, *k, *v, *d_o, *o, *p, *dq, *dk, *dv, *ds;
};

static struct head_arrays arrays_of(const struct cats_head *h, uint64_t *counter)
{
	struct head_arrays a = {.stride = (size_t)h->T * h->B + 3, .scores = (size_t)h->queries * h->T * h->B};
	double **inputs[] = {&a.q, &a.k, &a.v, &a.d_o};
	double **outputs[] = {&a.o, &a.dq, &a.dk, &a.dv};

	a.count = a.stride * h->d;
	for (int i = 0; i < 4; i++) {
		*inputs[i] = random_array(a.count, counter);
		*outputs[i] = guarded_array(a.count);
	}
	a.p = guarded_array(a.scores + 1);
	a.ds = guarded_array(a.scores + 1);
	return a;
}

static void free_arrays(struct head_arrays *a)
{
	double *all[] = {a->q, a->k, a->v, a->d_o, a->o, a->p, a->dq, a->dk, a->dv, a->ds};

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		free(all[i]);
}

static void attend(struct head_arrays *a, const struct cats_head *h)
{
	const struct cats_submatrix q = {a->q, a->stride}, k = {a->k, a->stride}, v = {a->v, a->stride};

	cats_attention_forward((struct cats_submatrix){a->o, a->stride}, a->p, q, k, v, h);
	cats_attention_backward((struct cats_submatrix){a->dq, a->stride}, (struct cats_submatrix){a->dk, a->stride},
				(struct cats_submatrix){a->dv, a->stride}, (struct cats_submatrix){a->d_o, a->stride},
				a->p, q, k, v, h, a->ds);
}

/* Sample b of [d, tokens, B] rows. */
static void copy_sample(double *to, size_t to_stride, const double *from, size_t from_stride, const struct cats_head *h,
			uint32_t b)
{
	for (uint32_t c = 0; c < h->d; c++)
		for (uint32_t t = 0; t < h->T; t++)
			to[c * to_stride + t] = from[c * from_stride + (size_t)t * h->B + b];
}

static void assert_sample(const double *many, const struct head_arrays *m, const double *one,
			  const struct head_arrays *s, const struct cats_head *h, uint32_t tokens, uint32_t b)
{
	for (uint32_t c = 0; c < h->d; c++)
		for (uint32_t t = 0; t < tokens; t++) {
			const double got = many[c * m->stride + (size_t)t * h->B + b];

			if (!(fabs(got - one[c * s->stride + t]) < TOLERANCE))
				fail_msg("d %u, sample %u, column %u, token %u: %.17g is not %.17g", h->d, b, c, t, got,
					 one[c * s->stride + t]);
		}
}

static void assert_guards(const double *array, const struct head_arrays *a, const struct cats_head *h, uint32_t tokens)
{
	for (uint32_t c = 0; c < h->d; c++)
		for (size_t i = (size_t)tokens * h->B; i < a->stride; i++)
			assert_true(array[c * a->stride + i] == GUARD);
}

static void check_head(uint32_t d, uint32_t B, bool causal, uint32_t queries)
{
	const struct cats_head h = {.d = d, .queries = queries, .T = 7, .B = B, .causal = causal};
	struct cats_head alone = h;
	uint64_t counter = (uint64_t)d << 32;
	struct head_arrays many = arrays_of(&h, &counter);

	attend(&many, &h);
	assert_guards(many.o, &many, &h, queries);
	assert_guards(many.dq, &many, &h, queries);
	assert_guards(many.dk, &many, &h, h.T);
	assert_guards(many.dv, &many, &h, h.T);
	assert_true(many.p[many.scores] == GUARD && many.ds[many.scores] == GUARD);
	alone.B = 1;
	for (uint32_t b = 0; b < B; b++) {
		struct head_arrays one = arrays_of(&alone, &counter);

		copy_sample(one.q, one.stride, many.q, many.stride, &h, b);
		copy_sample(one.k, one.stride, many.k, many.stride, &h, b);
		copy_sample(one.v, one.stride, many.v, many.stride, &h, b);
		copy_sample(one.d_o, one.stride, many.d_o, many.stride, &h, b);
		attend(&one, &alone);
		assert_sample(many.o, &many, one.o, &one, &h, queries, b);
		assert_sample(many.dq, &many, one.dq, &one, &h, queries, b);
		assert_sample(many.dk, &many, one.dk, &one, &h, h.T, b);
		assert_sample(many.dv, &many, one.dv, &one, &h, h.T, b);
		free_arrays(&one);
	}
	free_arrays(&many);
}

static void test_attention(void **state)
{
	static const uint32_t widths[] = {1, 5, 8, 16, 24};

	(void)state;
	for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
		for (uint32_t B = LANES - 1; B <= MOST_SAMPLES; B += 11) {
			check_head(widths[i], B, true, 7);
			check_head(widths[i], B, false, 7);
			check_head(widths[i], B, false, 1);
		}
}

/* A view of `count` of `columns` columns on device 0 of 2: all but the first `own` from device 1. */
struct view_fixture {
	uint32_t columns[160];
	struct cats_segment segments[2];
	struct cats_view view;
};

static void make_view(struct view_fixture *f, uint32_t count, uint32_t own)
{
	for (uint32_t k = 0; k < count; k++)
		f->columns[k] = k + k / 3;
	f->segments[0] = (struct cats_segment){.sender = 0, .first = 0, .count = own};
	f->segments[1] = (struct cats_segment){.sender = 1, .first = own, .count = count - own};
	f->view =
		(struct cats_view){.count = count, .columns = f->columns, .segment_count = 2, .segments = f->segments};
}

/* What one normalisation gives, forward and backward. */
struct norm_arrays {
	double *xhat, *rstd, *dx;
};

/* Of dxhat; with a gain, dy is dxhat over it, so that the gradient of xhat is the same. */
static struct norm_arrays normalise(const struct cats_reception *at, const double *x, size_t stride,
				    const double *dxhat, const double *gain, enum cats_norm norm, size_t width)
{
	const size_t count = at->view->count, columns = count + count / 3 + 1;
	struct norm_arrays a = {
		.xhat = guarded_array(count * width + 1),
		.rstd = guarded_array(width + 1),
		.dx = calloc(columns * stride, sizeof *a.dx),
	};
	double *y = guarded_array(count * width + 1), *again = guarded_array(count * width + 1);
	double *dy = malloc(count * width * sizeof *dy), *sums = calloc(2 * count, sizeof *sums);
	const struct cats_submatrix from = {(double *)(uintptr_t)x, stride}, to = {a.dx, stride},
				    xhat = {a.xhat, width};

	assert_true(a.dx && dy && sums);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < width; i++)
			dy[k * width + i] = dxhat[k * width + i] / (gain ? gain[k] : 1);
	cats_norm_forward((struct cats_submatrix){y, width}, xhat, a.rstd, at, from, gain, gain, norm, 1e-5, width);
	if (gain) {
		cats_norm_replay((struct cats_submatrix){again, width}, xhat, at, gain, gain, norm, width);
		assert_memory_equal(y, again, count * width * sizeof *y);
	}
	cats_norm_backward(to, sums, sums + count, (struct cats_submatrix){dy, width}, xhat, a.rstd, at, gain, norm,
			   width);
	assert_true(y[count * width] == GUARD && a.xhat[count * width] == GUARD && a.rstd[width] == GUARD);
	free(y);
	free(again);
	free(dy);
	free(sums);
	return a;
}

static void assert_near(const double *a, const double *b, size_t count, double scale)
{
	for (size_t i = 0; i < count; i++)
		if (!(fabs(a[i] - b[i]) <= scale * TOLERANCE))
			fail_msg("element %zu: %.17g is not %.17g", i, a[i], b[i]);
}

static void free_norm(struct norm_arrays *a)
{
	free(a->xhat);
	free(a->rstd);
	free(a->dx);
}

static void check_norm(uint32_t count, uint32_t own, enum cats_norm norm, size_t width)
{
	const size_t stride = width + 5, columns = count + count / 3 + 1;
	uint8_t *all = malloc(4 * width);
	uint64_t counter = count;
	double *x = random_array(columns * stride, &counter), *dxhat = random_array(count * width, &counter);
	double *gain = random_array(count, &counter);
	struct view_fixture f;
	struct cats_reception at = {.view = &f.view, .device = 0, .devices = 2, .full_width = width};

	make_view(&f, count, own);
	assert_non_null(all);
	memset(all, 1, 4 * width);
	for (uint32_t k = 0; k < count; k++)
		gain[k] += gain[k] < 0 ? -0.5 : 0.5; /* it divides */
	struct norm_arrays whole = normalise(&at, x, stride, dxhat, NULL, norm, width);
	at.received = all;
	struct norm_arrays masked = normalise(&at, x, stride, dxhat, gain, norm, width);

	assert_near(whole.xhat, masked.xhat, count * width, 100);
	assert_near(whole.rstd, masked.rstd, width, 1000);
	assert_near(whole.dx, masked.dx, columns * stride, 1000);
	free_norm(&whole);
	free_norm(&masked);
	free(all);
	free(x);
	free(dxhat);
	free(gain);
}

static void test_normalisation(void **state)
{
	static const uint32_t counts[] = {2, 19, 128, 129, 150}; /* the last two are too wide for the fast way */

	(void)state;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		for (size_t width = 15; width <= 85; width += 14) {
			check_norm(counts[i], counts[i] / 2, CATS_NORM_LAYER, width);
			check_norm(counts[i], 1, CATS_NORM_RMS, width);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attention),
		cmocka_unit_test(test_normalisation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

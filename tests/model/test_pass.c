/* SPDX-License-Identifier: MIT */
/* The float model in double precision: gradients against finite differences for every option, and the properties that
 * semantics.md states. */
#include "tests/cmocka.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "model/pass.h"

#define MAX_SITES 16
#define BATCH 3

/* A small model with random weights, keep lists, receipts and inputs. */
struct fixture {
	struct cats_model model;
	struct cats_views *views;
	struct cats_pass *pass;
	double *weights;
	double *packed;
	double *input;        /* [d_in, P, B] */
	double *coefficients; /* the loss is their inner product with the output */
	uint8_t *received[MAX_SITES];
	uint64_t sample_ids[BATCH];
	struct cats_pass_input in;
	size_t outputs;
};

static double uniform(uint64_t key, uint64_t i)
{
	return (double)(cats_random_u64(key, i) >> 11) * 0x1p-52 - 1.0; /* [-1, 1) */
}

struct options {
	struct cats_config config;
	double keep; /* probability that a column is broadcast */
	double loss; /* probability that a token of a message is lost */
	double dropout;
	uint64_t seed;
};

static void fill_lists(struct fixture *f, const struct options *o)
{
	const struct cats_config *c = &f->model.config;
	const size_t receipts = (size_t)c->devices * c->devices * cats_config_tokens(c) * BATCH;

	for (uint32_t site = 0; site < cats_config_sites(c); site++) {
		const uint64_t key = cats_random_key(o->seed, 100 + site);

		for (uint32_t k = 0; k < cats_site_columns(c, site); k++)
			f->model.keep[site][k] = uniform(key, k) < 2 * o->keep - 1;
		if (o->loss <= 0)
			continue;
		f->received[site] = malloc(receipts);
		assert_non_null(f->received[site]);
		for (size_t i = 0; i < receipts; i++)
			f->received[site][i] = uniform(key, 1000 + i) >= 2 * o->loss - 1;
	}
}

static void fixture_create(struct fixture *f, const struct options *o)
{
	const struct cats_config *c = &o->config;
	struct cats_error error = {0};
	const size_t inputs = (size_t)c->d_in * c->n_patches * BATCH;

	*f = (struct fixture){0};
	assert_int_equal(cats_config_check(c, "test", &error), CATS_OK);
	assert_int_equal(cats_model_create(&f->model, c, &error), CATS_OK);
	fill_lists(f, o);
	assert_int_equal(cats_views_create(&f->views, &f->model, &error), CATS_OK);
	assert_int_equal(cats_pass_create(&f->pass, f->views, BATCH, true, &error), CATS_OK);
	f->outputs = (size_t)c->n_out * (c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1U) * BATCH;
	f->weights = calloc(f->model.weight_count, sizeof *f->weights);
	f->packed = calloc(cats_views_packed_count(f->views), sizeof *f->packed);
	f->input = calloc(inputs, sizeof *f->input);
	f->coefficients = calloc(f->outputs, sizeof *f->coefficients);
	assert_true(f->weights && f->packed && f->input && f->coefficients);
	for (size_t i = 0; i < f->model.weight_count; i++)
		f->weights[i] = 0.6 * uniform(cats_random_key(o->seed, 1), i);
	for (size_t i = 0; i < inputs; i++)
		f->input[i] = uniform(cats_random_key(o->seed, 2), i);
	for (size_t i = 0; i < f->outputs; i++)
		f->coefficients[i] = uniform(cats_random_key(o->seed, 3), i);
	for (size_t b = 0; b < BATCH; b++)
		f->sample_ids[b] = 7 * b;
	f->in = (struct cats_pass_input){
		.batch = BATCH,
		.input = f->input,
		.received = o->loss > 0 ? (const uint8_t *const *)f->received : NULL,
		.dropout = o->dropout,
		.dropout_key = o->seed,
		.sample_ids = f->sample_ids,
	};
}

static void fixture_free(struct fixture *f)
{
	cats_pass_free(f->pass);
	cats_views_free(f->views);
	cats_model_free(&f->model);
	free(f->weights);
	free(f->packed);
	free(f->input);
	free(f->coefficients);
	for (size_t site = 0; site < MAX_SITES; site++)
		free(f->received[site]);
}

static double loss_at(struct fixture *f, const double *weights)
{
	const double *out;
	double sum = 0;

	cats_views_pack(f->packed, f->views, weights);
	cats_pass_forward(f->pass, f->packed, &f->in);
	out = cats_pass_output(f->pass);
	for (size_t i = 0; i < f->outputs; i++)
		sum += out[i] * f->coefficients[i];
	return sum;
}

/* gradient[weight_count], to be freed. */
static double *gradient_of(struct fixture *f)
{
	double *packed = calloc(cats_views_packed_count(f->views), sizeof *packed);
	double *gradient = calloc(f->model.weight_count, sizeof *gradient);

	assert_true(packed && gradient);
	loss_at(f, f->weights);
	cats_pass_backward(f->pass, packed, f->packed, &f->in, f->coefficients);
	cats_views_unpack_add(gradient, f->views, packed);
	free(packed);
	return gradient;
}

/* Central differences along one random direction within a tensor. */
static double difference(struct fixture *f, const struct cats_weight *w, uint64_t key, double epsilon)
{
	const size_t count = (size_t)w->rows * w->columns;
	double *moved = malloc(f->model.weight_count * sizeof *moved);
	double result = 0;

	assert_non_null(moved);
	for (int sign = -1; sign <= 1; sign += 2) {
		memcpy(moved, f->weights, f->model.weight_count * sizeof *moved);
		for (size_t i = 0; i < count; i++)
			moved[w->offset + i] += sign * epsilon * uniform(key, i);
		result += sign * loss_at(f, moved);
	}
	free(moved);
	return result / (2 * epsilon);
}

/* The step balances truncation (step² times a third derivative, 1e-10 times at most some hundreds here) and rounding
 * (an outcome of some tens times 2^-53 over the step, 1e-10). */
#define STEP 1e-5
#define TOLERANCE 1e-7

/* A wrong gradient differs at both steps; a right one may at one of them, when a ReLU's kink lies within it. */
static bool agrees(struct fixture *f, const struct cats_weight *w, uint64_t key, double along)
{
	for (double step = STEP; step > STEP / 100; step /= 10) {
		const double expected = difference(f, w, key, step);

		if (fabs(along - expected) <= TOLERANCE * (1 + fabs(expected)))
			return true;
	}
	return false;
}

/* The number of tensors whose gradient along a direction differs from finite differences. */
static int wrong_tensors(struct fixture *f, const double *gradient, double *size)
{
	int wrong = 0;

	for (uint32_t i = 0; i < f->model.tensor_count; i++) {
		const struct cats_weight *w = &f->model.tensors[i];
		const uint64_t key = cats_random_key(17, i);
		double along = 0;

		for (size_t k = 0; k < (size_t)w->rows * w->columns; k++)
			along += gradient[w->offset + k] * uniform(key, k);
		wrong += !agrees(f, w, key, along);
		*size += fabs(along);
	}
	return wrong;
}

static void check_gradient(const struct options *o)
{
	struct fixture f;
	double size = 0;

	fixture_create(&f, o);
	double *gradient = gradient_of(&f);
	const int wrong = wrong_tensors(&f, gradient, &size);

	if (wrong > 0)
		print_error("D %u norm %d activation %d pool %d class token %d causal %d keep %g loss %g dropout %g "
			    "seed %llu\n",
			    o->config.devices, o->config.norm, o->config.activation, o->config.pool,
			    o->config.cls_token, o->config.causal, o->keep, o->loss, o->dropout,
			    (unsigned long long)o->seed);
	assert_int_equal(wrong, 0);
	assert_true(size > 1e-2);
	free(gradient);
	fixture_free(&f);
}

static struct options base_options(void)
{
	return (struct options){
		.config = {.devices = 3,
			   .d_model = 12,
			   .n_heads = 4,
			   .d_ff = 10,
			   .n_layers = 2,
			   .n_patches = 4,
			   .d_in = 5,
			   .n_out = 5,
			   .activation = CATS_GELU,
			   .norm_eps = 1e-3,
			   .pool = CATS_POOL_MEAN},
		.keep = 0.5,
		.loss = 0.2,
		.seed = 1,
	};
}

/* The i-th combination of everything that can be chosen; false past the last. */
static bool combination(struct options *o, unsigned i)
{
	static const uint32_t devices[] = {1, 3, 6};
	static const struct {
		bool cls_token;
		enum cats_pool pool;
	} pools[] = {{false, CATS_POOL_MEAN},
		     {true, CATS_POOL_MEAN},
		     {true, CATS_POOL_CLS},
		     {false, CATS_POOL_NONE},
		     {true, CATS_POOL_NONE}};
	const unsigned pool = i / 32 % 5, device = i / 160;

	if (device >= 3)
		return false;
	*o = base_options();
	o->config.norm = i & 1 ? CATS_NORM_RMS : CATS_NORM_LAYER;
	o->config.activation = i & 2 ? CATS_RELU : CATS_GELU;
	o->config.causal = i & 4;
	o->keep = i & 8 ? 1.0 : 0.4;
	o->loss = i & 16 ? 0.25 : 0;
	o->config.cls_token = pools[pool].cls_token;
	o->config.pool = pools[pool].pool;
	o->config.devices = devices[device];
	o->seed = 1000 + i;
	return true;
}

static void gradients_match_finite_differences(void **state)
{
	struct options o;

	(void)state;
	for (unsigned i = 0; combination(&o, i); i++)
		check_gradient(&o);
}

static void gradients_match_with_dropout(void **state)
{
	struct options o = base_options();

	(void)state;
	o.dropout = 0.3;
	check_gradient(&o);
	o.config.cls_token = true;
	o.config.pool = CATS_POOL_CLS;
	check_gradient(&o);
}

/* The comparison above must be able to fail: on zeros, and on one gradient off by a thousandth. */
static void comparison_can_fail(void **state)
{
	struct options o = base_options();
	struct fixture f;
	double size = 0;

	(void)state;
	fixture_create(&f, &o);
	double *gradient = gradient_of(&f);
	const struct cats_weight *w = &f.model.tensors[f.model.head_weight];

	for (size_t i = 0; i < (size_t)w->rows * w->columns; i++)
		gradient[w->offset + i] *= 1.001;
	assert_int_equal(wrong_tensors(&f, gradient, &size), 1);
	memset(gradient, 0, f.model.weight_count * sizeof *gradient);
	assert_true(wrong_tensors(&f, gradient, &size) > (int)f.model.tensor_count / 2);
	free(gradient);
	fixture_free(&f);
}

/* Outputs of `o` in a fixture's order, to be freed. */
static double *outputs_of(const struct options *o, bool all_rows, size_t *count)
{
	struct fixture f;

	fixture_create(&f, o);
	f.in.all_rows = all_rows;
	loss_at(&f, f.weights);

	double *copy = malloc(f.outputs * sizeof *copy);

	assert_non_null(copy);
	memcpy(copy, cats_pass_output(f.pass), f.outputs * sizeof *copy);
	*count = f.outputs;
	fixture_free(&f);
	return copy;
}

static double largest_difference(const double *a, const double *b, size_t count)
{
	double largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = fmax(largest, fabs(a[i] - b[i]));
	return largest;
}

/* Same weights, everything gathered, nothing lost: any number of devices computes what one does. */
static void distribution_alone_changes_nothing(void **state)
{
	struct options o = base_options();
	size_t count = 0;

	(void)state;
	o.keep = 1;
	o.loss = 0;
	o.config.devices = 1;

	double *one = outputs_of(&o, false, &count);

	for (uint32_t D = 2; D <= 10; D++) {
		o.config.devices = D;

		double *many = outputs_of(&o, false, &count);

		assert_true(largest_difference(one, many, count) < 1e-12);
		free(many);
	}
	o.keep = 0.5;

	double *pruned = outputs_of(&o, false, &count);

	assert_true(largest_difference(one, pruned, count) > 1e-3);
	free(pruned);
	free(one);
}

/* With class-token pooling, rows that nobody needs may be left out. */
static void unneeded_rows_do_not_matter(void **state)
{
	struct options o = base_options();
	size_t count = 0;

	(void)state;
	o.config.cls_token = true;
	o.config.pool = CATS_POOL_CLS;

	double *few = outputs_of(&o, false, &count);
	double *all = outputs_of(&o, true, &count);

	assert_true(largest_difference(few, all, count) < 1e-12);
	free(few);
	free(all);
}

/* A weight that cats_views_live calls dead can be anything; each live one of the head matters. */
static void dead_weights_are_never_read(void **state)
{
	struct options o = base_options();
	struct fixture f;
	size_t dead = 0;

	(void)state;
	fixture_create(&f, &o);
	uint8_t *live = malloc(f.model.weight_count);

	assert_non_null(live);
	cats_views_live(live, f.views);
	const double before = loss_at(&f, f.weights);

	for (size_t i = 0; i < f.model.weight_count; i++)
		if (!live[i]) {
			f.weights[i] = NAN;
			dead++;
		}
	assert_true(dead > 0 && dead < f.model.weight_count);
	assert_true(loss_at(&f, f.weights) == before);
	free(live);
	fixture_free(&f);
}

/* A sample's result does not depend on its neighbours in the chunk. */
static void samples_are_independent(void **state)
{
	struct options o = base_options();
	struct fixture f;
	double alone[64];
	const uint32_t chosen = 1;

	(void)state;
	o.loss = 0;
	fixture_create(&f, &o);
	loss_at(&f, f.weights);

	const size_t rows = f.outputs / BATCH;
	double together[64];

	for (size_t i = 0; i < rows; i++)
		together[i] = cats_pass_output(f.pass)[i * BATCH + chosen];
	for (size_t i = 0; i < (size_t)o.config.d_in * o.config.n_patches; i++)
		f.input[i] = f.input[i * BATCH + chosen];
	f.in.batch = 1;
	cats_pass_forward(f.pass, f.packed, &f.in);
	memcpy(alone, cats_pass_output(f.pass), rows * sizeof *alone);
	assert_true(largest_difference(alone, together, rows) < 1e-12);
	assert_true(fabs(alone[0]) > 1e-6);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradients_match_finite_differences),
		cmocka_unit_test(gradients_match_with_dropout),
		cmocka_unit_test(comparison_can_fail),
		cmocka_unit_test(distribution_alone_changes_nothing),
		cmocka_unit_test(unneeded_rows_do_not_matter),
		cmocka_unit_test(dead_weights_are_never_read),
		cmocka_unit_test(samples_are_independent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Models for tests. See fixture.h. */
#include "tests/plan/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/model/golden.h"

#define CALIBRATION_SAMPLES 24

static size_t input_count(const struct cats_config *c)
{
	return (size_t)c->n_patches * c->d_in;
}

static double uniform(uint64_t key, uint64_t counter)
{
	return (double)(cats_random_u64(key, counter) >> 11) * 0x1p-53;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	assert_non_null(memory);
	return memory;
}

static void observe(struct cats_seen *seen, const struct fixture *f, const float *patches, uint8_t *const *masks)
{
	struct cats_error error = {0};

	assert_int_equal(cats_observe(seen, NULL, &f->model, f->model.config.devices, patches,
				      (const uint8_t *const *)masks, &error),
			 CATS_OK);
}

/* The fixture's own input and the same values at other places. */
static void calibrate(struct fixture *f)
{
	const struct cats_config *c = &f->model.config;
	float *other = allocate(input_count(c), sizeof *other);
	struct cats_error error = {0};

	assert_int_equal(cats_seen_create(&f->calibration.clean, c, &error), CATS_OK);
	assert_int_equal(cats_seen_create(&f->calibration.lossy, c, &error), CATS_OK);
	observe(&f->calibration.clean, f, f->patches, NULL);
	observe(&f->calibration.lossy, f, f->patches, f->float_received);
	for (uint64_t s = 0; s < CALIBRATION_SAMPLES; s++) {
		for (size_t i = 0; i < input_count(c); i++)
			other[i] = f->patches[cats_random_below(s + 1, i, (uint32_t)input_count(c))];
		observe(&f->calibration.clean, f, other, NULL);
		observe(&f->calibration.lossy, f, other, f->float_received);
	}
	free(other);
}

/* float_received from received, or the other way round. Rows that do not travel count as received. */
static void copy_masks(struct fixture *f, bool to_float)
{
	const struct cats_config *c = &f->model.config;
	const size_t T = cats_config_tokens(c), D = c->devices;

	for (uint32_t site = 0; site < cats_config_sites(c); site++) {
		const size_t tokens = cats_site_tokens(c, site);

		for (size_t pair = 0; pair < D * D; pair++)
			for (size_t t = 0; t < tokens; t++) {
				uint8_t *air = &f->received[site + 1][pair * tokens + t];
				uint8_t *real = &f->float_received[site][pair * T + t];

				if (to_float)
					*real = *air;
				else
					*air = *real;
			}
	}
}

static void allocate_masks(struct fixture *f)
{
	const struct cats_config *c = &f->model.config;
	const size_t pairs = (size_t)c->devices * c->devices;

	f->received = allocate(cats_integer_sites(c), sizeof *f->received);
	f->float_received = allocate(cats_config_sites(c), sizeof *f->float_received);
	for (uint32_t site = 0; site < cats_integer_sites(c); site++) {
		f->received[site] = allocate(pairs * cats_integer_site_tokens(c, site), 1);
		memset(f->received[site], 1, pairs * cats_integer_site_tokens(c, site));
	}
	for (uint32_t site = 0; site < cats_config_sites(c); site++) {
		f->float_received[site] = allocate(pairs * cats_config_tokens(c), 1);
		memset(f->float_received[site], 1, pairs * cats_config_tokens(c));
	}
}

static void quantise(struct fixture *f, const char *name)
{
	struct cats_error error = {0};

	calibrate(f);
	if (cats_quantise(&f->integer, &f->model, &f->calibration, name, &error) < 0)
		fail_msg("%s", error.text);
}

void fixture_open(struct fixture *f, const char *path)
{
	struct cats_error error = {0};
	const float *expected = NULL;
	struct golden golden;

	*f = (struct fixture){0};
	if (golden_read(&golden, path, &error) < 0)
		fail_msg("%s", error.text);
	f->model = golden.model; /* moved: golden forgets it */
	golden.model = (struct cats_model){.config = f->model.config};

	const struct cats_config *c = &f->model.config;
	f->patches = allocate(input_count(c), sizeof *f->patches);
	for (uint32_t p = 0; p < c->n_patches; p++)
		for (uint32_t k = 0; k < c->d_in; k++)
			f->patches[p * c->d_in + k] = golden.input[k * c->n_patches + p];
	assert_int_equal(golden_tensor(&expected, &golden, "output", fixture_results(f), &error), CATS_OK);
	f->expected = allocate(fixture_results(f), sizeof *f->expected);
	memcpy(f->expected, expected, fixture_results(f) * sizeof *expected);
	allocate_masks(f);
	for (uint32_t site = 0; site < cats_config_sites(c); site++)
		memcpy(f->float_received[site], golden.received[site],
		       (size_t)c->devices * c->devices * cats_config_tokens(c));
	copy_masks(f, false);
	golden_free(&golden);
	quantise(f, path);
	f->input = allocate(input_count(c), 1);
	cats_integer_quantise_values(f->input, &f->integer, f->patches);
}

/* An image of random bytes as patches; the bytes are returned for the integers' table. */
static uint8_t *make_image(struct fixture *f, uint64_t seed)
{
	const struct cats_config *c = &f->model.config;
	const struct cats_input_shape shape = cats_input_shape_of(c);
	uint8_t *pixels = allocate((size_t)shape.rows * shape.columns, 1);

	for (size_t i = 0; i < (size_t)shape.rows * shape.columns; i++)
		pixels[i] = (uint8_t)cats_random_below(seed, i, 256);
	for (uint32_t p = 0; p < c->n_patches; p++)
		for (uint32_t k = 0; k < c->d_in; k++) {
			const uint32_t y = p / shape.across * shape.step_rows + k / shape.window_columns;
			const uint32_t x = p % shape.across * shape.step_columns + k % shape.window_columns;

			f->patches[p * c->d_in + k] =
				(float)((pixels[y * shape.columns + x] / 255.0 - c->image.mean) / c->image.std);
		}
	return pixels;
}

static void make_masks(struct fixture *f, double loss, uint64_t seed)
{
	const struct cats_config *c = &f->model.config;
	const size_t pairs = (size_t)c->devices * c->devices;

	for (uint32_t site = 0; site < cats_integer_sites(c); site++)
		for (size_t i = 0; i < pairs * cats_integer_site_tokens(c, site); i++)
			f->received[site][i] = uniform(cats_random_key(seed, site), i) >= loss;
	copy_masks(f, true);
}

/* Biases and norm gains as training leaves them: not 0 and not 1. */
static void stir(struct cats_model *model, uint64_t seed)
{
	for (uint32_t i = 0; i < model->tensor_count; i++)
		for (uint32_t k = 0; model->tensors[i].vector && k < model->tensors[i].rows; k++)
			model->weights[model->tensors[i].offset + k] +=
				(float)(0.4 * uniform(cats_random_key(seed, i), k) - 0.2);
}

void fixture_make(struct fixture *f, const struct cats_config *config, double keep, double loss, uint64_t seed)
{
	struct cats_error error = {0};
	uint8_t *pixels = NULL;

	*f = (struct fixture){0};
	assert_int_equal(cats_config_check(config, "made up", &error), CATS_OK);
	assert_int_equal(cats_model_create(&f->model, config, &error), CATS_OK);
	cats_model_initialise(&f->model, seed);
	stir(&f->model, cats_random_key(seed, 1));
	for (uint32_t site = 0; site < cats_config_sites(config); site++)
		for (uint32_t k = 0; k < cats_site_columns(config, site); k++)
			f->model.keep[site][k] = uniform(cats_random_key(seed, 1000 + site), k) < keep;
	f->patches = allocate(input_count(config), sizeof *f->patches);
	for (size_t i = 0; i < input_count(config); i++)
		f->patches[i] = (float)(4 * uniform(cats_random_key(seed, 2), i) - 2);
	if (config->image.patch)
		pixels = make_image(f, cats_random_key(seed, 3));
	allocate_masks(f);
	make_masks(f, loss, cats_random_key(seed, 4));
	quantise(f, "made up");

	const struct cats_input_shape shape = cats_input_shape_of(config);
	f->input = allocate((size_t)shape.rows * shape.columns, 1);
	if (pixels)
		cats_integer_quantise_image(f->input, &f->integer, pixels);
	else
		cats_integer_quantise_values(f->input, &f->integer, f->patches);
	free(pixels);
}

void fixture_free(struct fixture *f)
{
	const struct cats_config *c = &f->model.config;

	for (uint32_t site = 0; site < cats_integer_sites(c); site++)
		free(f->received[site]);
	for (uint32_t site = 0; site < cats_config_sites(c); site++)
		free(f->float_received[site]);
	free(f->received);
	free(f->float_received);
	cats_integer_free(&f->integer);
	cats_seen_free(&f->calibration.clean);
	cats_seen_free(&f->calibration.lossy);
	free(f->patches);
	free(f->expected);
	free(f->input);
	cats_model_free(&f->model);
}

void fixture_reference(struct cats_trace *trace, const struct fixture *f, uint32_t D, bool lossy)
{
	const struct cats_reference_input in = {f->input, D, lossy ? (const uint8_t *const *)f->received : NULL};
	struct cats_error error = {0};

	assert_int_equal(cats_trace_create(trace, &f->integer, &error), CATS_OK);
	assert_int_equal(cats_reference_run(trace, &f->integer, &in, &error), CATS_OK);
}

size_t fixture_results(const struct fixture *f)
{
	const struct cats_config *c = &f->model.config;

	return (c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1U) * (size_t)c->n_out;
}

bool fixture_keeps_all(const struct fixture *f)
{
	for (uint32_t site = 0; site < cats_config_sites(&f->model.config); site++)
		if (cats_model_kept(&f->model, site) != cats_site_columns(&f->model.config, site))
			return false;
	return true;
}

bool fixture_same(const struct cats_trace *a, const struct cats_trace *b, const struct cats_config *c)
{
	const size_t residuals = (size_t)(2 * c->n_layers + 1) * cats_config_tokens(c) * c->d_model;
	const size_t results = (size_t)cats_integer_site_tokens(c, a->site_count) * c->n_out;
	bool same = a->site_count == b->site_count;

	for (uint32_t site = 0; same && site < a->site_count; site++)
		same = memcmp(a->sites[site], b->sites[site],
			      (size_t)cats_integer_site_tokens(c, site) * cats_integer_site_columns(c, site)) == 0;
	return same && memcmp(a->residual, b->residual, residuals * sizeof *a->residual) == 0 &&
	       memcmp(a->logits, b->logits, results * sizeof *a->logits) == 0;
}

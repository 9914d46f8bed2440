/* SPDX-License-Identifier: MIT */
/* Quantised golden vectors against their float results: the arithmetic of the observer exactly, that of the integers
 * within what int8 allows; and the same integers for every number of devices. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "plan/quantise.h"
#include "plan/reference.h"
#include "tests/cmocka.h"
#include "tests/model/golden.h"

#define CALIBRATION_SAMPLES 24

/* A golden vector, quantised for its own input and others like it. */
struct fixture {
	struct golden golden;
	float *patches; /* [P, d_in] */
	struct cats_calibration calibration;
	struct cats_integer integer;
	int8_t *input;
};

static size_t input_count(const struct cats_config *c)
{
	return (size_t)c->n_patches * c->d_in;
}

static void observe(struct cats_seen *seen, const struct fixture *f, const float *patches, const uint8_t *const *masks)
{
	struct cats_error error = {0};

	assert_int_equal(
		cats_observe(seen, NULL, &f->golden.model, f->golden.model.config.devices, patches, masks, &error),
		CATS_OK);
}

static void calibrate(struct fixture *f)
{
	const struct cats_config *c = &f->golden.model.config;
	const uint8_t *const *masks = (const uint8_t *const *)f->golden.received;
	float *other = malloc(input_count(c) * sizeof *other);
	struct cats_error error = {0};

	assert_non_null(other);
	assert_int_equal(cats_seen_create(&f->calibration.clean, c, &error), CATS_OK);
	assert_int_equal(cats_seen_create(&f->calibration.lossy, c, &error), CATS_OK);
	observe(&f->calibration.clean, f, f->patches, NULL);
	observe(&f->calibration.lossy, f, f->patches, masks);
	for (uint64_t s = 0; s < CALIBRATION_SAMPLES; s++) {
		for (size_t i = 0; i < input_count(c); i++) /* the same values at other places */
			other[i] = f->patches[cats_random_below(s + 1, i, (uint32_t)input_count(c))];
		observe(&f->calibration.clean, f, other, NULL);
		observe(&f->calibration.lossy, f, other, masks);
	}
	free(other);
}

static void open_fixture(struct fixture *f, const char *file)
{
	char path[512];
	struct cats_error error = {0};

	*f = (struct fixture){0};
	(void)snprintf(path, sizeof path, "%s/%s", VECTORS, file);
	if (golden_read(&f->golden, path, &error) < 0)
		fail_msg("%s", error.text);

	const struct cats_config *c = &f->golden.model.config;
	f->patches = malloc(input_count(c) * sizeof *f->patches);
	f->input = malloc(input_count(c));
	assert_true(f->patches && f->input);
	for (uint32_t p = 0; p < c->n_patches; p++)
		for (uint32_t k = 0; k < c->d_in; k++)
			f->patches[p * c->d_in + k] = f->golden.input[k * c->n_patches + p];
	calibrate(f);
	if (cats_quantise(&f->integer, &f->golden.model, &f->calibration, file, &error) < 0)
		fail_msg("%s", error.text);
	cats_integer_quantise_values(f->input, &f->integer, f->patches);
}

static void close_fixture(struct fixture *f)
{
	cats_integer_free(&f->integer);
	cats_seen_free(&f->calibration.clean);
	cats_seen_free(&f->calibration.lossy);
	free(f->patches);
	free(f->input);
	golden_free(&f->golden);
}

/* ||a - b|| / ||b|| */
static double relative_error(const double *a, const float *b, size_t count)
{
	double difference = 0, size = 0;

	for (size_t i = 0; i < count; i++) {
		difference += (a[i] - b[i]) * (a[i] - b[i]);
		size += (double)b[i] * b[i];
	}
	return sqrt(difference / size);
}

/* Masks on air's numbering: nothing is lost at input and out. */
static void air_masks(const uint8_t **masks, const struct fixture *f, uint8_t **owned)
{
	const struct cats_config *c = &f->golden.model.config;
	const size_t T = cats_config_tokens(c), D = c->devices;

	masks[0] = masks[cats_integer_sites(c) - 1] = NULL;
	for (uint32_t site = 0; site < cats_config_sites(c); site++) {
		const size_t tokens = cats_site_tokens(c, site);

		owned[site] = malloc(D * D * tokens);
		assert_non_null(owned[site]);
		for (size_t pair = 0; pair < D * D; pair++)
			memcpy(owned[site] + pair * tokens, f->golden.received[site] + pair * T, tokens);
		masks[site + 1] = owned[site];
	}
}

static void run_reference(struct cats_trace *trace, const struct fixture *f, uint32_t D, bool lossy)
{
	const struct cats_config *c = &f->golden.model.config;
	const uint8_t **masks = calloc(cats_integer_sites(c), sizeof *masks);
	uint8_t **owned = calloc(cats_config_sites(c), sizeof *owned);
	struct cats_reference_input in = {f->input, D, NULL};
	struct cats_error error = {0};

	assert_true(masks && owned);
	if (lossy) {
		air_masks(masks, f, owned);
		in.received = masks;
	}
	assert_int_equal(cats_trace_create(trace, &f->integer, &error), CATS_OK);
	assert_int_equal(cats_reference_run(trace, &f->integer, &in, &error), CATS_OK);
	for (uint32_t site = 0; site < cats_config_sites(c); site++)
		free(owned[site]);
	free(owned);
	free(masks);
}

static double integer_error(const struct fixture *f, const float *expected, size_t results)
{
	double *got = malloc(results * sizeof *got), error;
	struct cats_trace trace;

	assert_non_null(got);
	run_reference(&trace, f, f->golden.model.config.devices, true);
	for (size_t i = 0; i < results; i++)
		got[i] = trace.logits[i] * *f->integer.scale_result;
	error = relative_error(got, expected, results);
	cats_trace_free(&trace);
	free(got);
	return error;
}

static double observer_error(const struct fixture *f, const float *expected, size_t results)
{
	const struct cats_config *c = &f->golden.model.config;
	float *output = malloc(results * sizeof *output);
	double *got = malloc(results * sizeof *got), relative;
	struct cats_error error = {0};

	assert_true(output && got);
	assert_int_equal(cats_observe(NULL, output, &f->golden.model, c->devices, f->patches,
				      (const uint8_t *const *)f->golden.received, &error),
			 CATS_OK);
	for (size_t i = 0; i < results; i++)
		got[i] = output[i];
	relative = relative_error(got, expected, results);
	free(output);
	free(got);
	return relative;
}

static bool keeps_all(const struct cats_model *model)
{
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		if (cats_model_kept(model, site) != cats_site_columns(&model->config, site))
			return false;
	return true;
}

static void assert_same_traces(const struct cats_trace *a, const struct cats_trace *b, const struct cats_config *c)
{
	for (uint32_t site = 0; site < a->site_count; site++)
		assert_memory_equal(a->sites[site], b->sites[site],
				    (size_t)cats_integer_site_tokens(c, site) * cats_integer_site_columns(c, site));
	assert_memory_equal(a->logits, b->logits,
			    (size_t)cats_integer_site_tokens(c, a->site_count) * c->n_out * sizeof *a->logits);
}

static void check_any_devices(const struct fixture *f)
{
	const struct cats_config *c = &f->golden.model.config;
	struct cats_trace one;

	run_reference(&one, f, 1, false);
	for (uint32_t D = 2; D <= 16 && D <= c->d_model; D++) {
		struct cats_trace many;

		run_reference(&many, f, D, false);
		assert_same_traces(&one, &many, c);
		cats_trace_free(&many);
	}
	cats_trace_free(&one);
}

static void check_vector(const char *file)
{
	const float *expected = NULL;
	struct cats_error error = {0};
	struct fixture f;

	open_fixture(&f, file);
	const struct cats_config *c = &f.golden.model.config;
	const size_t results = (c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1U) * (size_t)c->n_out;

	assert_int_equal(golden_tensor(&expected, &f.golden, "output", results, &error), CATS_OK);
	const double observed = observer_error(&f, expected, results), quantised = integer_error(&f, expected, results);
	printf("%-55s float %.1e integer %.3f\n", file, observed, quantised);
	assert_true(observed < 1e-5);
	assert_true(quantised < 0.03);
	if (keeps_all(&f.golden.model))
		check_any_devices(&f);
	close_fixture(&f);
}

static void test_vectors(void **state)
{
	DIR *directory = opendir(VECTORS);
	int files = 0;

	(void)state;
	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		if (!strstr(entry->d_name, ".safetensors"))
			continue;
		check_vector(entry->d_name);
		files++;
	}
	closedir(directory);
	assert_true(files >= 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Quantised golden vectors against their float results: the arithmetic of the observer exactly, that of the integers
 * within what int8 allows; and the same integers for every number of devices. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/plan/fixture.h"

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

static double integer_error(const struct fixture *f)
{
	const size_t results = fixture_results(f);
	double *got = malloc(results * sizeof *got), error;
	struct cats_trace trace;

	assert_non_null(got);
	fixture_reference(&trace, f, f->model.config.devices, true);
	for (size_t i = 0; i < results; i++)
		got[i] = trace.logits[i] * *f->integer.scale_result;
	error = relative_error(got, f->expected, results);
	cats_trace_free(&trace);
	free(got);
	return error;
}

static double observer_error(const struct fixture *f)
{
	const size_t results = fixture_results(f);
	float *output = malloc(results * sizeof *output);
	double *got = malloc(results * sizeof *got), relative;
	struct cats_error error = {0};

	assert_true(output && got);
	assert_int_equal(cats_observe(NULL, output, &f->model, f->model.config.devices, f->patches,
				      (const uint8_t *const *)f->float_received, &error),
			 CATS_OK);
	for (size_t i = 0; i < results; i++)
		got[i] = output[i];
	relative = relative_error(got, f->expected, results);
	free(output);
	free(got);
	return relative;
}

static void check_any_devices(const struct fixture *f)
{
	const struct cats_config *c = &f->model.config;
	struct cats_trace one;

	fixture_reference(&one, f, 1, false);
	for (uint32_t D = 2; D <= 16 && D <= c->d_model; D++) {
		struct cats_trace many;

		fixture_reference(&many, f, D, false);
		assert_true(fixture_same(&one, &many, c));
		cats_trace_free(&many);
	}
	cats_trace_free(&one);
}

static void check_vector(const char *file)
{
	struct fixture f;
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", VECTORS, file);
	fixture_open(&f, path);
	const double observed = observer_error(&f), quantised = integer_error(&f);
	printf("%-55s float %.1e integer %.3f\n", file, observed, quantised);
	assert_true(observed < 1e-5);
	assert_true(quantised < 0.03);
	if (fixture_keeps_all(&f))
		check_any_devices(&f);
	fixture_free(&f);
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

/* A bias that is far above what its weights make takes its part of the accumulator: weights get coarser, and the model
 * is one that integers can run. */
static void test_large_biases(void **state)
{
	struct fixture f;
	struct cats_integer integer;
	struct cats_error error = {0};

	(void)state;
	fixture_open(&f, VECTORS "/dense_d4.safetensors");
	float *bias = f.model.weights + f.model.tensors[f.model.layers[0][CATS_O_BIAS]].offset;

	for (uint32_t o = 0; o < f.model.config.d_model; o++)
		bias[o] = o % 2U ? 500.0F : -500.0F;
	if (cats_quantise(&integer, &f.model, &f.calibration, "biased", &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(cats_integer_check(&integer, "biased", &error), CATS_OK);
	cats_integer_free(&integer);
	fixture_free(&f);
}

/* What is no number tells nothing of a range. */
static void test_histogram_of_no_numbers(void **state)
{
	static struct cats_histogram h;

	(void)state;
	cats_histogram_add(&h, -2);
	cats_histogram_add(&h, (double)NAN);
	cats_histogram_add_times(&h, (double)INFINITY, 7);
	cats_histogram_add(&h, -(double)INFINITY);
	assert_int_equal(h.count, 1);
	assert_true(h.largest == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_large_biases),
					   cmocka_unit_test(test_histogram_of_no_numbers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Whole trainings on a series: it is forecast, threads and interruptions leave no trace, the error that is reported is
 * that of the forecasts that are made. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "model/series.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/evaluate.h"
#include "train/trainer.h"

#define ROWS 600U /* 360 for training: 328 windows of 33 */

static char folder[256];
static char data_spec[320], config_path[300];

static int set_up(void **state)
{
	char path[300];

	(void)state;
	cats_fixture_folder(folder, "test-forecast");
	snprintf(path, sizeof(path), "%s/series.csv", folder);
	cats_fixture_write_series(path, ROWS, 1);
	snprintf(data_spec, sizeof(data_spec), "csv:%s,column=wave", path);
	snprintf(config_path, sizeof(config_path), "%s/config.json", folder);
	cats_fixture_write_series_config(config_path, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cats_fixture_remove(folder);
	return 0;
}

static struct cats_train_options series_options(char out[300], const char *name)
{
	struct cats_train_options options = cats_train_defaults();

	snprintf(out, 300, "%s/%s", folder, name);
	options.data = data_spec;
	options.config = config_path;
	options.out = out;
	options.epochs = 8;
	options.batch = 16;
	options.rate = 5e-3;
	options.threads = 1;
	return options;
}

static struct cats_train_options distributed_options(char out[300], const char *name)
{
	struct cats_train_options options = series_options(out, name);

	options.devices = 4;
	options.keep = 0.5;
	options.epochs = 2;
	options.stride = 3;
	options.stand_in = CATS_STAND_IN_RESCALE;
	options.messages = (struct cats_loss_spec){.link = 0.1, .sender = 0.05, .per_packet = true, .payload_bytes = 8};
	return options;
}

static void train(struct cats_train_result *result, const struct cats_train_options *options)
{
	struct cats_error error = {0};

	if (cats_train(result, options, &error) != CATS_OK)
		fail_msg("%s", error.text);
}

static void same_model(const char *a, const char *b)
{
	const char *const folders[2] = {a, b};
	uint8_t *bytes[2];
	size_t size[2];

	for (int i = 0; i < 2; i++) {
		char path[400];

		snprintf(path, sizeof(path), "%s/model.safetensors", folders[i]);
		assert_int_equal(cats_file_read(&bytes[i], &size[i], path, 1U << 26, NULL), CATS_OK);
	}
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(bytes[0], bytes[1], size[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void open_test(struct cats_dataset *data, const struct cats_config *config)
{
	const struct cats_dataset_options wanted = {.fallback = CATS_SPLIT_TEST, .window = cats_feed_window(config)};

	assert_int_equal(cats_dataset_open(data, data_spec, &wanted, NULL), CATS_OK);
}

/* The errors of all forecasts, and of each window's last token, from the values that are forecast. */
static void forecast_errors(double *all, double *last, const struct cats_model *model, const struct cats_dataset *data,
			    const float *outputs)
{
	const struct cats_series_config *series = &model->config.series;
	const uint32_t T = model->config.n_patches;

	*all = *last = 0;
	for (uint32_t s = 0; s < data->samples; s++) {
		const float *window = cats_dataset_window(data, s);
		const struct cats_level level = cats_series_level(window, series);

		for (uint32_t t = 0; t < T; t++)
			for (uint32_t o = 0; o < series->horizon; o++) {
				const float made =
					cats_series_forecast(outputs[((size_t)s * T + t) * series->horizon + o], level);
				const double square = pow(made - window[(t + 1) * series->patch + o], 2);

				*all += square / ((double)data->samples * T * series->horizon);
				*last += t + 1 == T ? square / ((double)data->samples * series->horizon) : 0;
			}
	}
}

static void test_learns(void **state)
{
	char out[300];
	const struct cats_train_options options = series_options(out, "learns");
	struct cats_train_result result;
	struct cats_evaluation evaluation;
	struct cats_model model;
	struct cats_dataset data;
	double all;
	double last;

	(void)state;
	train(&result, &options);
	assert_string_equal(result.metric, "mse");
	assert_true(result.has_test);
	/* The wave's variance is 1 as standardised; its noise has 0.09 / 3 of 4.5. */
	if (!(result.test_value < 0.1 && result.test_last < 0.1 && result.test_value > 0.0067))
		fail_msg("errors %g, %g of the last token", result.test_value, result.test_last);

	assert_int_equal(cats_model_load(&model, out, NULL), CATS_OK);
	open_test(&data, &model.config);
	assert_int_equal(data.samples, ROWS / 5 - 33 + 1);
	float *outputs = calloc(data.samples * 4 * 9, sizeof(*outputs));
	const struct cats_evaluation_options with_outputs = {.outputs = outputs, .threads = 1};

	assert_non_null(outputs);
	assert_int_equal(cats_evaluate(&evaluation, &model, &data, "d", &with_outputs, NULL), CATS_OK);
	assert_true(evaluation.value == result.test_value && evaluation.last == result.test_last);
	forecast_errors(&all, &last, &model, &data, outputs);
	/* Here forecasts were rounded to float32 once more. */
	assert_true(fabs(all - evaluation.value) < 1e-6 && fabs(last - evaluation.last) < 1e-6);
	free(outputs);
	cats_dataset_free(&data);
	cats_model_free(&model);
}

static void test_threads(void **state)
{
	struct cats_train_result results[2];
	char out[2][300];

	(void)state;
	for (uint32_t t = 0; t < 2; t++) {
		struct cats_train_options options = distributed_options(out[t], t == 0 ? "one" : "three");

		options.threads = 1 + 2 * t;
		train(&results[t], &options);
	}
	same_model(out[0], out[1]);
	assert_true(results[0].test_last == results[1].test_last && results[0].test_last > 0);
}

static void stop_now(void *context, const struct cats_train_progress *progress)
{
	volatile int *stop = context;

	*stop = progress->batch == 3;
}

static void test_resume(void **state)
{
	struct cats_train_result whole_result;
	struct cats_train_result result;
	struct cats_error error = {0};
	char whole[300];
	char cut[300];
	struct cats_train_options options = distributed_options(whole, "whole");
	volatile int stop = 0;

	(void)state;
	train(&whole_result, &options);
	options = distributed_options(cut, "cut");
	options.stop = &stop;
	options.resume = true;
	stop = 1; /* once before the first step: the weights are rescaled, and must not be again */
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_INTERRUPTED);
	stop = 0;
	options.report = stop_now;
	options.context = (void *)(uintptr_t)&stop;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_INTERRUPTED);
	options.stop = NULL;
	options.report = NULL;
	struct cats_train_options other = options;
	other.stride = 2;
	assert_int_equal(cats_train(&result, &other, &error), CATS_ERR_MISMATCH);
	train(&result, &options);
	same_model(whole, cut);
	train(&result, &options); /* what is finished gives its result again */
	/* Through train.json's decimals, whose last one may differ. */
	assert_true(result.resumed && fabs(result.test_last / whole_result.test_last - 1) < 1e-14);
}

static void test_refused(void **state)
{
	char out[300];
	struct cats_train_options options = series_options(out, "never");
	struct cats_train_result result;
	struct cats_error error = {0};

	(void)state;
	options.augment.shift = 1;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_USAGE);
	options.augment.shift = 0;
	options.stand_in = CATS_STAND_IN_MEAN; /* of nothing that is left out */
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_USAGE);
	options.stand_in = CATS_STAND_IN_ZERO;
	options.stride = (1U << 20) + 1;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_USAGE);
	cats_fixture_write_config(config_path, 1);
	options.stride = 1;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_MISMATCH);
	assert_non_null(strstr(error.text, "config.json has no `series`"));
	cats_fixture_write_series_config(config_path, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: MIT */
/* One batch: the same bytes for any number of threads, and the derivative of the loss that it reports. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/engine.h"
#include "train/evaluate.h"
#include "train/select.h"

#define SAMPLES 150U

struct outcome {
	struct cats_engine_result result;
	float *gradient;
	float outputs[SAMPLES * 3];
};

static void make_model(struct cats_model *model, uint32_t devices, double keep)
{
	struct cats_config config = cats_fixture_config(devices);
	const struct cats_selection selection = {.share = keep};
	struct cats_error error = {0};

	config.norm_eps =
		0.1; /* or the class token, small at first, bends the loss within a finite difference's step */
	assert_int_equal(cats_model_create(model, &config, &error), CATS_OK);
	cats_model_initialise(model, 4);
	assert_int_equal(cats_select(model, &selection, &error), CATS_OK);
}

static void run(struct outcome *out, const struct cats_model *model, const struct cats_dataset *data, uint32_t threads,
		double loss, double dropout)
{
	uint32_t samples[SAMPLES];
	struct cats_error error = {0};
	struct cats_engine *engine = NULL;
	const struct cats_engine_options options = {
		.batch = SAMPLES,
		.threads = threads,
		.chunk = 8,
		.gradients = true,
		.loss = {.link = loss, .receiver = loss / 2, .sender = loss / 2},
	};
	const struct cats_feed feed = {.data = data, .config = &model->config};
	const struct cats_engine_job job = {
		.feed = &feed,
		.samples = samples,
		.count = SAMPLES,
		.key = 5,
		.dropout = dropout,
		.label_smoothing = 0.1,
		.outputs = out->outputs,
	};

	for (uint32_t s = 0; s < SAMPLES; s++)
		samples[s] = s * 7 % SAMPLES;
	out->gradient = malloc(model->weight_count * sizeof(float));
	assert_int_equal(cats_engine_create(&engine, model, &options, &error), CATS_OK);
	/* twice: nothing may be left over from the batch before */
	cats_engine_run(engine, &out->result, out->gradient, model->weights, &job);
	cats_engine_run(engine, &out->result, out->gradient, model->weights, &job);
	cats_engine_free(engine);
}

static void test_threads(void **state)
{
	struct cats_dataset data = cats_fixture_data(SAMPLES, 1);

	(void)state;
	for (uint32_t devices = 1; devices <= 5; devices += 4) {
		struct cats_model model;
		struct outcome one;

		make_model(&model, devices, 0.5);
		run(&one, &model, &data, 1, 0.2, 0.1);
		assert_true(isfinite(one.result.loss) && one.result.loss > 0.5);
		for (uint32_t threads = 2; threads <= 3; threads++) {
			struct outcome more;

			run(&more, &model, &data, threads, 0.2, 0.1);
			assert_memory_equal(&one.result.loss, &more.result.loss, sizeof(double));
			assert_int_equal(one.result.correct, more.result.correct);
			assert_memory_equal(one.gradient, more.gradient, model.weight_count * sizeof(float));
			assert_memory_equal(one.outputs, more.outputs, sizeof(one.outputs));
			free(more.gradient);
		}
		free(one.gradient);
		cats_model_free(&model);
	}
	cats_fixture_data_free(&data);
}

/* Along the gradient the loss rises by its squared norm, with messages lost and columns pruned. */
static void test_gradient(void **state)
{
	struct cats_dataset data = cats_fixture_data(SAMPLES, 1);
	struct cats_model model;
	struct outcome here;
	struct outcome moved[2];
	double square = 0;

	(void)state;
	make_model(&model, 4, 0.5);
	run(&here, &model, &data, 2, 0.2, 0.1);
	for (size_t i = 0; i < model.weight_count; i++)
		square += (double)here.gradient[i] * (double)here.gradient[i];
	assert_true(square > 1e-4);
	const float step = (float)(0.002 / sqrt(square));

	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < model.weight_count; i++)
			model.weights[i] += (side == 0 ? step : -2 * step) * here.gradient[i];
		run(&moved[side], &model, &data, 2, 0.2, 0.1);
		free(moved[side].gradient);
	}
	const double slope = (moved[0].result.loss - moved[1].result.loss) / (2 * (double)step);

	if (!(fabs(slope / square - 1) < 0.02))
		fail_msg("slope %g, squared gradient %g", slope, square);
	free(here.gradient);
	cats_model_free(&model);
	cats_fixture_data_free(&data);
}

/* The evaluation counts what its own outputs say; losing every message matters, and so does the seed. */
static void test_evaluate(void **state)
{
	struct cats_dataset data = cats_fixture_data(SAMPLES, 1);
	struct cats_evaluation whole;
	struct cats_evaluation part;
	struct cats_evaluation lossy[2];
	struct cats_error error = {0};
	struct cats_model model;
	float outputs[SAMPLES * 3];
	struct cats_evaluation_options options = {.threads = 2, .outputs = outputs};
	size_t correct = 0;

	(void)state;
	make_model(&model, 4, 1);
	assert_int_equal(cats_evaluate(&whole, &model, &data, "d", &options, &error), CATS_OK);
	for (uint32_t s = 0; s < SAMPLES; s++) {
		const float *z = outputs + s * 3;

		correct += z[data.labels[s]] >= z[0] && z[data.labels[s]] >= z[1] && z[data.labels[s]] >= z[2];
	}
	assert_string_equal(whole.metric, "accuracy");
	assert_int_equal(whole.samples, SAMPLES);
	assert_true(fabs(whole.value * SAMPLES - (double)correct) < 1e-9);
	options = (struct cats_evaluation_options){.threads = 3, .limit = 20};
	assert_int_equal(cats_evaluate(&part, &model, &data, "d", &options, &error), CATS_OK);
	assert_int_equal(part.samples, 20);
	for (uint64_t seed = 0; seed < 2; seed++) {
		options = (struct cats_evaluation_options){.loss = {.link = 0.5}, .seed = seed};
		assert_int_equal(cats_evaluate(&lossy[seed], &model, &data, "d", &options, &error), CATS_OK);
		assert_true(lossy[seed].loss != whole.loss);
	}
	assert_true(lossy[0].loss != lossy[1].loss);
	options = (struct cats_evaluation_options){.threads = 1};
	model.weights[model.tensors[model.head_weight].offset] = 3e38F;
	assert_int_equal(cats_evaluate(&part, &model, &data, "d", &options, &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "d: the model's outputs for it are not finite numbers"));
	cats_model_free(&model);
	cats_fixture_data_free(&data);
}

/* Targets instead of labels: the error is that of the outputs. */
static void test_targets(void **state)
{
	struct cats_dataset data = cats_fixture_data(SAMPLES, 1);
	struct cats_evaluation result;
	struct cats_error error = {0};
	struct cats_model model;
	float outputs[SAMPLES * 3];
	float targets[SAMPLES * 3];
	const struct cats_evaluation_options options = {.outputs = outputs};
	double sum = 0;

	(void)state;
	make_model(&model, 2, 1);
	free(data.labels);
	data.labels = NULL;
	data.targets = targets;
	data.targets_per_sample = 3;
	for (uint32_t i = 0; i < SAMPLES * 3; i++)
		targets[i] = (float)(i % 5);
	assert_int_equal(cats_evaluate(&result, &model, &data, "d", &options, &error), CATS_OK);
	for (uint32_t i = 0; i < SAMPLES * 3; i++)
		sum += pow((double)outputs[i] - (double)targets[i], 2);
	assert_string_equal(result.metric, "mse");
	assert_true(fabs(result.value - sum / (SAMPLES * 3)) < 1e-9 * sum);
	data.targets_per_sample = 4;
	assert_int_equal(cats_evaluate(&result, &model, &data, "d", &options, &error), CATS_ERR_MISMATCH);
	cats_model_free(&model);
	cats_fixture_data_free(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_gradient),
		cmocka_unit_test(test_evaluate),
		cmocka_unit_test(test_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

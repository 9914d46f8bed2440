/* SPDX-License-Identifier: MIT */
/* Evaluation. See evaluate.h. */
#include "train/evaluate.h"

#include <math.h>

#include "train/engine.h"

enum cats_status cats_evaluate_on(struct cats_evaluation *out, struct cats_engine *engine,
				  const struct cats_model *model, const float *weights, const struct cats_dataset *data,
				  const struct cats_evaluation_options *options, struct cats_error *error)
{
	const struct cats_feed feed = {.data = data, .config = &model->config};
	const size_t outputs = (size_t)model->config.n_out *
			       (model->config.pool == CATS_POOL_NONE ? cats_config_tokens(&model->config) : 1U);
	uint32_t samples[CATS_EVALUATION_BATCH];
	uint64_t correct = 0;
	double loss = 0;
	double last = 0;

	*out = (struct cats_evaluation){
		.metric = data->labels != NULL ? "accuracy" : "mse",
		.samples = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
	};
	for (size_t first = 0; first < out->samples; first += CATS_EVALUATION_BATCH) {
		const size_t left = out->samples - first;
		const struct cats_engine_job job = {
			.feed = &feed,
			.samples = samples,
			.count = left < CATS_EVALUATION_BATCH ? left : CATS_EVALUATION_BATCH,
			.key = options->seed,
			.lossless = !cats_loss_any(&options->loss),
			.outputs = options->outputs != NULL ? options->outputs + first * outputs : NULL,
		};
		struct cats_engine_result result;

		if (options->stop != NULL && *options->stop != 0)
			return cats_fail(error, CATS_ERR_INTERRUPTED, "evaluation: interrupted");
		for (size_t s = 0; s < job.count; s++)
			samples[s] = (uint32_t)(first + s);
		cats_engine_run(engine, &result, NULL, weights, &job);
		loss += result.loss * (double)job.count;
		last += result.last * (double)job.count;
		correct += result.correct;
		if (options->progress != NULL)
			options->progress(options->context, first + job.count, out->samples);
	}
	out->loss = loss / (double)out->samples;
	out->last = model->config.pool == CATS_POOL_NONE ? last / (double)out->samples : 0;
	out->value = data->labels != NULL ? (double)correct / (double)out->samples : out->loss;
	return CATS_OK;
}

enum cats_status cats_evaluate(struct cats_evaluation *out, const struct cats_model *model,
			       const struct cats_dataset *data, const char *name,
			       const struct cats_evaluation_options *options, struct cats_error *error)
{
	const struct cats_engine_options wanted = {
		.batch = CATS_EVALUATION_BATCH,
		.threads = options->threads,
		.loss = options->loss,
	};
	const struct cats_feed feed = {.data = data, .config = &model->config};
	struct cats_engine *engine = NULL;
	enum cats_status status = cats_feed_check(&feed, name, error);

	if (status == CATS_OK)
		status = cats_engine_create(&engine, model, &wanted, error);
	if (status < 0)
		return status;
	status = cats_evaluate_on(out, engine, model, model->weights, data, options, error);
	cats_engine_free(engine);
	if (status == CATS_OK && !isfinite(out->loss))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: the model's outputs for it are not finite numbers: its weights are too large; "
				 "train it again at a lower learning rate",
				 name);
	return status;
}

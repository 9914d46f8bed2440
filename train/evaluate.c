/* SPDX-License-Identifier: MIT */
/* Evaluation. See evaluate.h. */
#include "train/evaluate.h"

#include <stdlib.h>

#include "train/engine.h"

/* Samples between two looks at progress and stop. */
#define PART 1024U

static enum cats_status run(struct cats_evaluation *out, struct cats_engine *engine, const struct cats_model *model,
			    uint32_t *samples, const struct cats_evaluation_options *options)
{
	const size_t outputs = (size_t)model->config.n_out *
			       (model->config.pool == CATS_POOL_NONE ? cats_config_tokens(&model->config) : 1U);
	uint64_t correct = 0;
	double loss = 0;

	for (size_t first = 0; first < out->samples; first += PART) {
		const size_t count = out->samples - first < PART ? out->samples - first : PART;
		const struct cats_engine_job job = {
			.samples = samples,
			.count = count,
			.key = options->seed,
			.outputs = options->outputs != NULL ? options->outputs + first * outputs : NULL,
		};
		struct cats_engine_result result;

		if (options->stop != NULL && *options->stop != 0)
			return CATS_ERR_INTERRUPTED;
		for (size_t s = 0; s < count; s++)
			samples[s] = (uint32_t)(first + s);
		cats_engine_run(engine, &result, NULL, model->weights, &job);
		loss += result.loss * (double)count;
		correct += result.correct;
		if (options->progress != NULL)
			options->progress(options->context, first + count, out->samples);
	}
	out->loss = loss / (double)out->samples;
	out->value = out->metric[0] == 'a' ? (double)correct / (double)out->samples : out->loss;
	return CATS_OK;
}

enum cats_status cats_evaluate(struct cats_evaluation *out, const struct cats_model *model,
			       const struct cats_dataset *data, const char *name,
			       const struct cats_evaluation_options *options, struct cats_error *error)
{
	const struct cats_engine_options wanted = {
		.batch = PART,
		.threads = options->threads,
		.loss = options->loss,
		.feed = {.data = data, .config = &model->config},
	};
	struct cats_engine *engine = NULL;
	uint32_t *samples;
	enum cats_status status = cats_feed_check(&wanted.feed, name, error);

	if (status < 0)
		return status;
	status = cats_engine_create(&engine, model, &wanted, error);
	if (status < 0)
		return status;
	samples = malloc(PART * sizeof(*samples));
	*out = (struct cats_evaluation){
		.metric = data->labels != NULL ? "accuracy" : "mse",
		.samples = options->limit != 0 && options->limit < data->samples ? options->limit : data->samples,
	};
	status = samples == NULL ? cats_fail(error, CATS_ERR_MEMORY, "evaluation: out of memory")
				 : run(out, engine, model, samples, options);
	if (status == CATS_ERR_INTERRUPTED)
		status = cats_fail(error, status, "evaluation: interrupted");
	free(samples);
	cats_engine_free(engine);
	return status;
}

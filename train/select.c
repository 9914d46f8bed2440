/* SPDX-License-Identifier: MIT */
/* Keep lists by score. See select.h. */
#include "train/select.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "model/pass.h"
#include "train/consumers.h"
#include "train/engine.h"

/* Samples of one calibration batch. */
#define CALIBRATION_BATCH 64U

enum cats_status cats_criterion_parse(enum cats_criterion *out, const char *name, struct cats_error *error)
{
	for (int c = CATS_SELECT_MAGNITUDE; c <= CATS_SELECT_RANDOM; c++) {
		if (strcmp(name, cats_criterion_name((enum cats_criterion)c)) == 0) {
			*out = (enum cats_criterion)c;
			return CATS_OK;
		}
	}
	return cats_fail(error, CATS_ERR_USAGE, "criterion: \"%s\" is none of magnitude, taylor, random", name);
}

const char *cats_criterion_name(enum cats_criterion criterion)
{
	return criterion == CATS_SELECT_MAGNITUDE ? "magnitude" : criterion == CATS_SELECT_TAYLOR ? "taylor" : "random";
}

uint32_t cats_select_count(uint32_t n, double share)
{
	const double exact = share * n;
	const double count = ceil(exact - 1e-9 * n);

	return count >= n ? n : count < 0 ? 0 : (uint32_t)count;
}

/* scores[c] += what device j's rows make of columns that it does not own. */
static void add_rows(double *scores, const struct cats_model *model, uint32_t site,
		     const struct cats_consumer *consumer, uint32_t j, const float *gradient)
{
	const struct cats_weight *tensor = &model->tensors[consumer->weight];
	const struct cats_run rows = cats_consumer_rows(model, consumer, j);
	const struct cats_run own = cats_site_own(&model->config, site, model->config.devices, j);
	const float *gain =
		consumer->gain == CATS_NO_WEIGHT ? NULL : model->weights + model->tensors[consumer->gain].offset;

	for (uint32_t r = rows.first; r < rows.first + rows.count; r++) {
		const size_t at = tensor->offset + (size_t)r * tensor->columns;

		for (uint32_t c = 0; c < tensor->columns; c++) {
			const double w = model->weights[at + c];

			if (c - own.first < own.count)
				continue;
			if (gradient != NULL)
				scores[c] += w * gradient[at + c];
			else
				scores[c] += w * w * (gain != NULL ? (double)gain[c] * gain[c] : 1.0);
		}
	}
}

void cats_select_scores(double *scores, const struct cats_model *model, uint32_t site, enum cats_criterion criterion,
			const float *gradient, uint64_t seed)
{
	const uint32_t columns = cats_site_columns(&model->config, site);
	struct cats_consumer consumers[3];
	const uint32_t count = cats_consumers_of(consumers, model, site);

	for (uint32_t c = 0; c < columns; c++)
		scores[c] = criterion == CATS_SELECT_RANDOM
				    ? (double)(cats_random_u64(cats_random_key(seed, site), c) >> 11)
				    : 0.0;
	if (criterion == CATS_SELECT_RANDOM)
		return;
	for (uint32_t k = 0; k < count; k++)
		for (uint32_t j = 0; j < model->config.devices; j++)
			add_rows(scores, model, site, &consumers[k], j, gradient);
	for (uint32_t c = 0; gradient != NULL && c < columns; c++)
		scores[c] *= scores[c];
}

struct ranked {
	double score;
	uint32_t column;
};

static int by_score(const void *a, const void *b)
{
	const struct ranked *x = a;
	const struct ranked *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->column < y->column ? -1 : 1;
}

static void keep_best(uint8_t *keep, const double *scores, struct ranked *ranked, uint32_t columns, uint32_t wanted)
{
	uint32_t candidates = 0;

	for (uint32_t c = 0; c < columns; c++)
		if (keep[c] != 0)
			ranked[candidates++] = (struct ranked){scores[c], c};
	qsort(ranked, candidates, sizeof(*ranked), by_score);
	for (uint32_t n = wanted; n < candidates; n++)
		keep[ranked[n].column] = 0;
}

/* scores[sites, stride] over the calibration batches. */
static enum cats_status calibrate(double *scores, size_t stride, const struct cats_model *model,
				  const struct cats_selection *selection, struct cats_error *error)
{
	const struct cats_engine_options options = {
		.batch = CALIBRATION_BATCH,
		.threads = selection->threads,
		.gradients = true,
	};
	const struct cats_feed feed = {.data = selection->feed->data, .config = &model->config};
	const size_t wanted = selection->samples != 0 ? selection->samples : 2048U;
	const size_t samples = wanted < feed.data->samples ? wanted : feed.data->samples;
	uint32_t indices[CALIBRATION_BATCH];
	struct cats_engine *engine = NULL;
	float *gradient = malloc(model->weight_count * sizeof(*gradient));
	double *batch = malloc(stride * sizeof(*batch));
	enum cats_status status = cats_engine_create(&engine, model, &options, error);

	if (status == CATS_OK && (gradient == NULL || batch == NULL))
		status = cats_fail(error, CATS_ERR_MEMORY, "keep lists: out of memory");
	for (size_t first = 0; status == CATS_OK && first < samples; first += CALIBRATION_BATCH) {
		const size_t left = samples - first;
		const struct cats_engine_job job = {.feed = &feed,
						    .samples = indices,
						    .count = left < CALIBRATION_BATCH ? left : CALIBRATION_BATCH};
		struct cats_engine_result result;

		for (uint32_t s = 0; s < job.count; s++)
			indices[s] = (uint32_t)first + s;
		cats_engine_run(engine, &result, gradient, model->weights, &job);
		for (uint32_t site = 0; site < cats_config_sites(&model->config); site++) {
			cats_select_scores(batch, model, site, CATS_SELECT_TAYLOR, gradient, 0);
			for (uint32_t c = 0; c < cats_site_columns(&model->config, site); c++)
				scores[site * stride + c] += batch[c];
		}
	}
	cats_engine_free(engine);
	free(batch);
	free(gradient);
	return status;
}

enum cats_status cats_select(struct cats_model *model, const struct cats_selection *selection, struct cats_error *error)
{
	const struct cats_config *config = &model->config;
	const uint32_t sites = cats_config_sites(config);
	const size_t stride = config->d_model > config->d_ff ? config->d_model : config->d_ff;
	double *scores;
	struct ranked *ranked;
	enum cats_status status = CATS_OK;

	if (!(selection->share > 0 && selection->share <= 1))
		return cats_fail(error, CATS_ERR_USAGE, "keep: %g is outside (0, 1]: give a share of the columns",
				 selection->share);
	if (config->devices == 1)
		return CATS_OK;
	scores = calloc(sites * stride, sizeof(*scores));
	ranked = calloc(stride, sizeof(*ranked));
	if (scores == NULL || ranked == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "keep lists: out of memory");
	else if (selection->criterion == CATS_SELECT_TAYLOR)
		status = calibrate(scores, stride, model, selection, error);
	for (uint32_t site = 0; status == CATS_OK && site < sites; site++) {
		const uint32_t columns = cats_site_columns(config, site);

		if (selection->criterion != CATS_SELECT_TAYLOR)
			cats_select_scores(scores + site * stride, model, site, selection->criterion, NULL,
					   selection->seed);
		keep_best(model->keep[site], scores + site * stride, ranked, columns,
			  cats_select_count(columns, selection->share));
	}
	free(scores);
	free(ranked);
	return status;
}

enum cats_status cats_select_clear(const struct cats_model *model, float *const *arrays, size_t count,
				   struct cats_error *error)
{
	struct cats_views *views = NULL;
	enum cats_status status = cats_views_create(&views, model, error);
	uint8_t *live;

	if (status < 0)
		return status;
	live = calloc(model->weight_count, 1);
	if (live == NULL) {
		cats_views_free(views);
		return cats_fail(error, CATS_ERR_MEMORY, "keep lists: out of memory");
	}
	cats_views_live(live, views);
	for (size_t a = 0; a < count; a++)
		for (size_t i = 0; arrays[a] != NULL && i < model->weight_count; i++)
			if (live[i] == 0)
				arrays[a][i] = 0;
	free(live);
	cats_views_free(views);
	return CATS_OK;
}

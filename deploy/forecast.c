/* SPDX-License-Identifier: MIT */
/* One window's forecast. See forecast.h. */
#include "deploy/forecast.h"

#include <stdlib.h>

#include "deploy/samples.h"
#include "model/series.h"
#include "plan/observe.h"

static enum cats_status check(const struct cats_dataset *data, const struct cats_config *config, const char *name,
			      uint32_t sample, uint32_t token, struct cats_error *error)
{
	const struct cats_feed feed = {.data = data, .config = config};

	if (!cats_config_is_series(config))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: the model forecasts no series: give one whose config.json has `series`", name);
	if (sample >= data->samples)
		return cats_fail(error, CATS_ERR_USAGE, "%s: sample %u: has %zu, counted from 0", name, sample,
				 data->samples);
	if (token >= config->n_patches)
		return cats_fail(error, CATS_ERR_USAGE, "%s: token %u: a window has %u, counted from 0", name, token,
				 config->n_patches);
	return cats_feed_check(&feed, name, error);
}

/* From a token's outputs to the units of the data. */
static void put_back(float *values, const struct cats_dataset *data, uint32_t sample,
		     const struct cats_series_config *series)
{
	const struct cats_level level = cats_series_level(cats_dataset_window(data, sample), series);

	for (uint32_t o = 0; o < series->horizon; o++)
		values[o] = cats_series_forecast(values[o], level);
}

enum cats_status cats_forecast_model(float *values, const struct cats_model *model, const struct cats_dataset *data,
				     const char *name, uint32_t sample, uint32_t token, struct cats_error *error)
{
	const struct cats_config *c = &model->config;
	struct cats_samples samples = {.input_count = 0};
	float *outputs = NULL;
	enum cats_status status = check(data, c, name, sample, token, error);

	if (status == CATS_OK)
		status = cats_samples_create(&samples, data, c, error);
	if (status < 0)
		return status;
	outputs = malloc((size_t)c->n_patches * c->n_out * sizeof *outputs);
	if (outputs == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "forecast: out of memory");
	else
		status = cats_observe(NULL, outputs, model, c->devices, cats_samples_patches(&samples, sample), NULL,
				      error);
	for (uint32_t o = 0; status == CATS_OK && o < c->n_out; o++)
		values[o] = outputs[(size_t)token * c->n_out + o];
	if (status == CATS_OK)
		put_back(values, data, sample, &c->series);
	free(outputs);
	cats_samples_free(&samples);
	return status;
}

static enum cats_status infer(float *values, struct cats_plan *plan, struct cats_samples *samples, uint32_t sample,
			      uint32_t token, struct cats_error *error)
{
	struct cats_kernels kernels;
	const struct cats_fleet_options options = {.kernels = &kernels};
	struct cats_fleet *fleet = NULL;
	struct cats_fleet_report report;
	enum cats_status status;

	if (!cats_kernels_host(&kernels, NULL))
		return cats_fail(error, CATS_ERR_USAGE, "kernels: this processor runs none");
	cats_shards_unpack(&plan->shards);
	status = cats_fleet_create(&fleet, &plan->shards, &options, error);
	if (status == CATS_OK) {
		const struct cats_fleet_input input = cats_samples_input(samples, &plan->integer, sample);

		status = cats_fleet_run(&report, fleet, &input, sample, error);
	}
	for (uint32_t o = 0; status == CATS_OK && o < plan->integer.config.n_out; o++) {
		int32_t value;

		if (cats_node_result(&value, cats_fleet_sink(fleet), token, o) != 1)
			value = 0; /* the window's mean; never, where nothing is lost */
		values[o] = (float)(value * *plan->integer.scale_result);
	}
	cats_fleet_free(fleet);
	return status;
}

enum cats_status cats_forecast_plan(float *values, struct cats_plan *plan, const struct cats_dataset *data,
				    const char *name, uint32_t sample, uint32_t token, struct cats_error *error)
{
	const struct cats_config *c = &plan->integer.config;
	struct cats_samples samples = {.input_count = 0};
	enum cats_status status = check(data, c, name, sample, token, error);

	if (status == CATS_OK)
		status = cats_samples_create(&samples, data, c, error);
	if (status < 0)
		return status;
	status = infer(values, plan, &samples, sample, token, error);
	if (status == CATS_OK)
		put_back(values, data, sample, &c->series);
	cats_samples_free(&samples);
	return status;
}

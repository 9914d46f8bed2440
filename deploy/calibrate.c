/* SPDX-License-Identifier: MIT */
/* Calibration on threads. See calibrate.h. */
#include "deploy/calibrate.h"

#include <stdlib.h>

#include "deploy/samples.h"
#include "train/loss_masks.h"

/* One thread's own memory. */
struct lane {
	struct cats_calibration seen;
	struct cats_samples samples;
	uint8_t *masks;     /* [sites] of cats_loss_mask_bytes */
	const uint8_t **at; /* [sites] into masks */
};

struct run {
	const struct cats_model *model;
	const struct cats_dataset *data;
	struct cats_importance importance;
	struct cats_loss_plan *losses; /* NULL: nothing is lost */
	size_t samples;                /* observed, of the data's */
	uint64_t seed;
	struct lane *lanes;
	uint32_t lane_count;
};

void cats_calibration_free(struct cats_calibration *calibration)
{
	cats_seen_free(&calibration->clean);
	cats_seen_free(&calibration->lossy);
}

static enum cats_status create_lane(struct lane *lane, const struct run *run, struct cats_error *error)
{
	const struct cats_config *c = &run->model->config;
	const size_t sites = cats_config_sites(c);
	const size_t mask_bytes = run->losses != NULL ? cats_loss_mask_bytes(run->losses, 1) : 1;
	enum cats_status status = cats_seen_create(&lane->seen.clean, c, error);

	if (status == CATS_OK)
		status = cats_seen_create(&lane->seen.lossy, c, error);
	if (status == CATS_OK)
		status = cats_samples_create(&lane->samples, run->data, c, error);
	lane->seen.clean.importance = lane->seen.lossy.importance = &run->importance;
	lane->masks = malloc(sites * mask_bytes);
	lane->at = calloc(sites, sizeof *lane->at);
	if (status == CATS_OK && (!lane->masks || !lane->at))
		status = cats_fail(error, CATS_ERR_MEMORY, "calibration: out of memory");
	for (size_t site = 0; lane->at && site < sites; site++)
		lane->at[site] = lane->masks + site * mask_bytes;
	return status;
}

static void free_lane(struct lane *lane)
{
	cats_calibration_free(&lane->seen);
	cats_samples_free(&lane->samples);
	free(lane->masks);
	free(lane->at);
}

static enum cats_status observe(void *context, uint32_t index, size_t item, struct cats_error *error)
{
	const struct run *run = context;
	struct lane *lane = &run->lanes[index];
	const uint32_t sample = (uint32_t)(item * run->data->samples / run->samples);
	const uint32_t devices = run->model->config.devices, sites = cats_config_sites(&run->model->config);
	const float *patches = cats_samples_patches(&lane->samples, sample);
	enum cats_status status = cats_observe(&lane->seen.clean, NULL, run->model, devices, patches, NULL, error);

	if (status < 0 || run->losses == NULL)
		return status;
	for (uint32_t site = 0; site < sites; site++)
		cats_loss_mask(lane->masks + (size_t)site * cats_loss_mask_bytes(run->losses, 1), run->losses, site,
			       &sample, 1, run->seed);
	return cats_observe(&lane->seen.lossy, NULL, run->model, devices, patches, lane->at, error);
}

/* Histograms are counts, whose widths depend on the largest value only: the order of merging changes nothing. */
static enum cats_status merge(struct cats_calibration *out, const struct run *run, struct cats_error *error)
{
	const struct cats_config *c = &run->model->config;
	enum cats_status status = cats_seen_create(&out->clean, c, error);

	if (status == CATS_OK)
		status = cats_seen_create(&out->lossy, c, error);
	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++) {
		cats_seen_merge(&out->clean, &run->lanes[i].seen.clean, c);
		cats_seen_merge(&out->lossy, &run->lanes[i].seen.lossy, c);
	}
	return status;
}

static enum cats_status run_lanes(struct cats_calibration *out, struct run *run,
				  const struct cats_calibration_options *options, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	run->lane_count = cats_crew_lanes(&options->crew, run->samples);
	run->lanes = calloc(run->lane_count, sizeof *run->lanes);
	if (run->lanes == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "calibration: out of memory");
	for (uint32_t i = 0; status == CATS_OK && i < run->lane_count; i++)
		status = create_lane(&run->lanes[i], run, error);
	if (status == CATS_OK)
		status = cats_crew_run(&options->crew, run->samples, observe, run, "calibration", error);
	if (status == CATS_OK)
		status = merge(out, run, error);
	for (uint32_t i = 0; i < run->lane_count; i++)
		free_lane(&run->lanes[i]);
	free(run->lanes);
	return status;
}

static bool prunes(const struct cats_model *model)
{
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		if (cats_model_kept(model, site) < cats_site_columns(&model->config, site))
			return true;
	return false;
}

/* As how many devices the model is observed: those of its keep lists, else a number that does not depend on the plan.
 */
static uint32_t observed_devices(const struct cats_model *model)
{
	const struct cats_config *c = &model->config;
	uint32_t devices = CATS_CALIBRATION_DEVICES;

	if (prunes(model))
		return c->devices;
	devices = c->d_model < devices ? c->d_model : devices;
	return c->d_ff < devices ? c->d_ff : devices;
}

enum cats_status cats_calibrate(struct cats_calibration *out, size_t *samples, struct cats_model *model,
				const struct cats_dataset *data, const char *name,
				const struct cats_calibration_options *options, struct cats_error *error)
{
	const size_t wanted = options->samples != 0 ? options->samples : CATS_CALIBRATION_SAMPLES;
	const uint32_t devices = model->config.devices;
	struct run run = {
		.model = model,
		.data = data,
		.samples = wanted < data->samples ? wanted : data->samples,
		.seed = options->seed,
	};
	const struct cats_loss_spec loss = {.link = options->loss, .receiver = options->loss, .sender = options->loss};
	const struct cats_feed feed = {.data = data, .config = &model->config};
	enum cats_status status = cats_feed_check(&feed, name, error);

	*out = (struct cats_calibration){0};
	if (status < 0)
		return status;
	model->config.devices = observed_devices(model);
	status = cats_importance_create(&run.importance, model, error);
	if (status == CATS_OK && cats_loss_any(&loss) && model->config.devices > 1)
		status = cats_loss_plan_create(&run.losses, model, &loss, error);
	if (status == CATS_OK)
		status = run_lanes(out, &run, options, error);
	cats_loss_plan_free(run.losses);
	cats_importance_free(&run.importance);
	model->config.devices = devices;
	*samples = run.samples;
	if (status < 0)
		cats_calibration_free(out);
	return status;
}

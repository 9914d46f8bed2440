/* SPDX-License-Identifier: MIT */
/* Inputs of a batch. See batch.h. */
#include "train/batch.h"

#include <math.h>
#include <string.h>

#include "core/random.h"
#include "model/series.h"

/* Which draw of a sample's key decides what. */
enum draw {
	DRAW_SHIFT_X,
	DRAW_SHIFT_Y,
	DRAW_FLIP,
	DRAW_ERASE,
	DRAW_AREA,
	DRAW_ASPECT,
	DRAW_ROW,
	DRAW_COLUMN,
	DRAW_FILL
};

static enum cats_status check_images(const struct cats_feed *feed, const char *name, struct cats_error *error)
{
	const struct cats_dataset *data = feed->data;
	const struct cats_image_config *image = &feed->config->image;

	if (image->patch == 0)
		return cats_fail(
			error, CATS_ERR_MISMATCH,
			"%s: the data are images, but config.json has no `image`: add its height, width, patch "
			"and stride",
			name);
	if (data->height != image->height || data->width != image->width)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: images are %u x %u, but the config's image is %u x %u: use a model made for them",
				 name, data->height, data->width, image->height, image->width);
	return CATS_OK;
}

static enum cats_status check_augmentation(const struct cats_feed *feed, const char *name, struct cats_error *error)
{
	const struct cats_augmentation *augment = &feed->augment;

	if (augment->shift != 0 || augment->flip || augment->erase > 0)
		return cats_fail(error, CATS_ERR_USAGE, "%s: only images can be augmented: leave --augment out", name);
	return CATS_OK;
}

uint32_t cats_feed_window(const struct cats_config *config)
{
	return config->series.context + config->series.horizon;
}

static enum cats_status check_series(const struct cats_feed *feed, const char *name, struct cats_error *error)
{
	if (!cats_config_is_series(feed->config))
		return cats_fail(
			error, CATS_ERR_MISMATCH,
			"%s: the data are a series, but config.json has no `series`: add its context, patch, horizon "
			"and epsilon",
			name);
	if (feed->data->window != cats_feed_window(feed->config))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: was cut into windows of %u values, but the config's series needs %u: models that "
				 "are compared need the same context and horizon",
				 name, feed->data->window, cats_feed_window(feed->config));
	return check_augmentation(feed, name, error);
}

static enum cats_status check_tensors(const struct cats_feed *feed, const char *name, struct cats_error *error)
{
	const struct cats_dataset *data = feed->data;
	const struct cats_config *config = feed->config;
	const uint32_t rows = config->pool == CATS_POOL_NONE ? cats_config_tokens(config) : 1U;

	if (data->patches != config->n_patches || data->inputs_per_patch != config->d_in)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: inputs are [%u, %u], but the config wants [%u, %u]",
				 name, data->patches, data->inputs_per_patch, config->n_patches, config->d_in);
	if (data->targets != NULL && data->targets_per_sample != rows * config->n_out)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: %u targets a sample, but the config's output is %u x %u", name,
				 data->targets_per_sample, rows, config->n_out);
	return check_augmentation(feed, name, error);
}

enum cats_status cats_feed_check(const struct cats_feed *feed, const char *name, struct cats_error *error)
{
	const struct cats_dataset *data = feed->data;
	enum cats_status status;

	if (data->samples == 0)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: no samples: give data that has some", name);
	if (data->kind == CATS_DATASET_SERIES)
		return check_series(feed, name, error);
	status = data->kind == CATS_DATASET_IMAGES ? check_images(feed, name, error) : check_tensors(feed, name, error);
	if (status < 0)
		return status;
	if (data->labels == NULL && data->targets == NULL)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: has neither labels nor targets", name);
	if (data->labels != NULL && data->classes > feed->config->n_out)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: labels up to %u, but the config's n_out is %u", name,
				 data->classes - 1U, feed->config->n_out);
	if (data->labels != NULL && feed->config->pool == CATS_POOL_NONE)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: one label a sample, but the config's pool is none: use cls or mean", name);
	return CATS_OK;
}

/* Uniform in [0, 1). */
static double uniform(uint64_t key, uint64_t counter)
{
	return (double)(cats_random_u64(key, counter) >> 11) * 0x1p-53;
}

/* Replaces one rectangle of random area (2 % … `area` of the image) and aspect (1:3 … 3:1) by random bytes. */
static void erase(uint8_t *image, uint32_t height, uint32_t width, double largest, uint64_t key)
{
	const double smallest = 0.02;
	const double area = (smallest + (largest - smallest) * uniform(key, DRAW_AREA)) * height * width;
	const double aspect = exp(log(3.0) * (2.0 * uniform(key, DRAW_ASPECT) - 1.0));
	uint32_t rows = (uint32_t)lround(sqrt(area * aspect));
	uint32_t columns = (uint32_t)lround(sqrt(area / aspect));

	rows = rows < 1U ? 1U : rows > height ? height : rows;
	columns = columns < 1U ? 1U : columns > width ? width : columns;
	const uint32_t top = cats_random_below(key, DRAW_ROW, height - rows + 1U);
	const uint32_t left = cats_random_below(key, DRAW_COLUMN, width - columns + 1U);

	for (uint32_t y = 0; y < rows; y++)
		for (uint32_t x = 0; x < columns; x++)
			image[(size_t)(top + y) * width + left + x] =
				(uint8_t)(cats_random_u64(key, DRAW_FILL + (uint64_t)y * width + x) >> 56);
}

/* out = `image` augmented; both [height, width]. */
static void augment_image(uint8_t *out, const uint8_t *image, const struct cats_feed *feed, uint64_t key)
{
	const struct cats_augmentation *a = &feed->augment;
	const int32_t height = (int32_t)feed->data->height;
	const int32_t width = (int32_t)feed->data->width;
	const int32_t dy = (int32_t)cats_random_below(key, DRAW_SHIFT_Y, 2U * a->shift + 1U) - (int32_t)a->shift;
	const int32_t dx = (int32_t)cats_random_below(key, DRAW_SHIFT_X, 2U * a->shift + 1U) - (int32_t)a->shift;
	const bool mirrored = a->flip && (cats_random_u64(key, DRAW_FLIP) >> 63) != 0;

	for (int32_t y = 0; y < height; y++) {
		for (int32_t x = 0; x < width; x++) {
			const int32_t from_y = y - dy;
			const int32_t from_x = (mirrored ? width - 1 - x : x) - dx;
			const bool inside = from_y >= 0 && from_y < height && from_x >= 0 && from_x < width;

			out[y * width + x] = inside ? image[from_y * width + from_x] : 0;
		}
	}
	if (a->erase > 0 && uniform(key, DRAW_ERASE) < a->erase)
		erase(out, feed->data->height, feed->data->width, a->erase_area > 0 ? a->erase_area : 0.2, key);
}

size_t cats_feed_scratch_bytes(const struct cats_config *config, uint32_t B)
{
	const size_t pixels = (size_t)config->image.height * config->image.width;

	return pixels * B * sizeof(float) + pixels + config->series.context * sizeof(float);
}

/* Standardised pixels [height * width, B], so that a patch's pixel is one contiguous row of B values. */
static void fill_plane(float *plane, uint8_t *augmented, const struct cats_feed *feed, const uint32_t *samples,
		       uint32_t B, uint64_t key)
{
	const struct cats_image_config *config = &feed->config->image;
	const struct cats_augmentation *a = &feed->augment;
	const bool changes = a->shift != 0 || a->flip || a->erase > 0;
	const size_t pixels = (size_t)feed->data->height * feed->data->width;
	float value[256];

	for (int byte = 0; byte < 256; byte++)
		value[byte] = (float)((byte / 255.0 - config->mean) / config->std);
	for (uint32_t s = 0; s < B; s++) {
		const uint8_t *image = feed->data->pixels + samples[s] * pixels;

		if (changes) {
			augment_image(augmented, image, feed, cats_random_key(key, samples[s]));
			image = augmented;
		}
		for (size_t i = 0; i < pixels; i++)
			plane[i * B + s] = value[image[i]];
	}
}

static void cut_patches(float *input, const float *plane, const struct cats_config *config, uint32_t B)
{
	const struct cats_image_config *image = &config->image;
	const uint32_t across = (image->width - image->patch) / image->stride + 1U;

	for (uint32_t i = 0; i < config->d_in; i++) {
		const uint32_t in_y = i / image->patch;
		const uint32_t in_x = i % image->patch;

		for (uint32_t p = 0; p < config->n_patches; p++) {
			const size_t y = (size_t)(p / across) * image->stride + in_y;
			const size_t x = (size_t)(p % across) * image->stride + in_x;

			memcpy(input + ((size_t)i * config->n_patches + p) * B, plane + (y * image->width + x) * B,
			       B * sizeof(float));
		}
	}
}

static void fill_tensors(float *input, const struct cats_feed *feed, const uint32_t *samples, uint32_t B)
{
	const uint32_t P = feed->config->n_patches;
	const uint32_t d_in = feed->config->d_in;

	for (uint32_t s = 0; s < B; s++) {
		const float *from = feed->data->inputs + (size_t)samples[s] * P * d_in;

		for (uint32_t p = 0; p < P; p++)
			for (uint32_t i = 0; i < d_in; i++)
				input[((size_t)i * P + p) * B + s] = from[(size_t)p * d_in + i];
	}
}

static void fill_series(float *input, float *window, const struct cats_feed *feed, const uint32_t *samples, uint32_t B)
{
	const struct cats_series_config *series = &feed->config->series;
	const uint32_t P = feed->config->n_patches;

	for (uint32_t s = 0; s < B; s++) {
		const float *context = cats_dataset_window(feed->data, samples[s]);

		cats_series_standardise(window, context, cats_series_level(context, series), series);
		for (uint32_t p = 0; p < P; p++)
			for (uint32_t i = 0; i < series->patch; i++)
				input[((size_t)i * P + p) * B + s] = window[(size_t)p * series->patch + i];
	}
}

struct cats_wanted cats_feed_wanted(const struct cats_feed *feed, uint32_t sample)
{
	const struct cats_dataset *data = feed->data;
	const struct cats_series_config *series = &feed->config->series;

	if (data->kind != CATS_DATASET_SERIES)
		return (struct cats_wanted){data->targets + (size_t)sample * data->targets_per_sample,
					    feed->config->n_out, 0, 1};
	const float *context = cats_dataset_window(data, sample);
	const struct cats_level level = cats_series_level(context, series);

	return (struct cats_wanted){context + series->patch, series->patch, level.mean, level.deviation};
}

void cats_feed_fill(float *input, void *scratch, const struct cats_feed *feed, const uint32_t *samples, uint32_t B,
		    uint64_t key)
{
	const size_t pixels = (size_t)feed->data->height * feed->data->width;
	float *plane = scratch;

	if (feed->data->kind == CATS_DATASET_TENSORS) {
		fill_tensors(input, feed, samples, B);
		return;
	}
	if (feed->data->kind == CATS_DATASET_SERIES) {
		fill_series(input, scratch, feed, samples, B);
		return;
	}
	fill_plane(plane, (uint8_t *)(plane + pixels * B), feed, samples, B, key);
	cut_patches(input, plane, feed->config, B);
}

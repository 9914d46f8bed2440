/* SPDX-License-Identifier: MIT */
/* Samples one at a time. See samples.h. */
#include "deploy/samples.h"

#include <stdlib.h>

enum cats_status cats_samples_create(struct cats_samples *out, const struct cats_dataset *data,
				     const struct cats_config *config, struct cats_error *error)
{
	const struct cats_input_shape shape = cats_input_shape_of(config);
	const size_t count = (size_t)config->d_in * config->n_patches;

	*out = (struct cats_samples){.feed = {.data = data, .config = config},
				     .input_count = (size_t)shape.rows * shape.columns};
	out->columns = malloc(count * sizeof *out->columns);
	out->patches = malloc(count * sizeof *out->patches);
	out->scratch = malloc(cats_feed_scratch_bytes(config, 1) + 1);
	out->quantised = malloc(out->input_count);
	if (out->columns && out->patches && out->scratch && out->quantised)
		return CATS_OK;
	cats_samples_free(out);
	return cats_fail(error, CATS_ERR_MEMORY, "samples: out of memory");
}

void cats_samples_free(struct cats_samples *s)
{
	free(s->columns);
	free(s->patches);
	free(s->scratch);
	free(s->quantised);
	*s = (struct cats_samples){.input_count = 0};
}

const float *cats_samples_patches(struct cats_samples *s, uint32_t sample)
{
	const uint32_t P = s->feed.config->n_patches, d_in = s->feed.config->d_in;

	cats_feed_fill(s->columns, s->scratch, &s->feed, &sample, 1, 0);
	for (uint32_t p = 0; p < P; p++)
		for (uint32_t i = 0; i < d_in; i++)
			s->patches[(size_t)p * d_in + i] = s->columns[(size_t)i * P + p];
	return s->patches;
}

static const uint8_t *pixels_of(const struct cats_samples *s, uint32_t sample)
{
	return s->feed.data->pixels + (size_t)sample * s->input_count;
}

const int8_t *cats_samples_quantised(struct cats_samples *s, const struct cats_integer *m, uint32_t sample)
{
	if (m->input_table != NULL)
		cats_integer_quantise_image(s->quantised, m, pixels_of(s, sample));
	else
		cats_integer_quantise_values(s->quantised, m, cats_samples_patches(s, sample));
	return s->quantised;
}

struct cats_fleet_input cats_samples_input(struct cats_samples *s, const struct cats_integer *m, uint32_t sample)
{
	if (m->input_table != NULL)
		return (struct cats_fleet_input){.bytes = pixels_of(s, sample), .count = s->input_count};
	return (struct cats_fleet_input){.values = cats_samples_quantised(s, m, sample), .count = s->input_count};
}

enum cats_status cats_samples_check(const struct cats_dataset *data, const struct cats_integer *m, const char *name,
				    struct cats_error *error)
{
	const struct cats_feed feed = {.data = data, .config = &m->config};
	const enum cats_status status = cats_feed_check(&feed, name, error);

	if (status == CATS_OK && m->input_table != NULL && data->kind != CATS_DATASET_IMAGES)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: the plan's source takes images: give images", name);
	return status;
}

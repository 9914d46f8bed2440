/* SPDX-License-Identifier: MIT */
/* See stand_in.h. */
#include "train/stand_in.h"

#include <stdlib.h>
#include <string.h>

#include "model/pass.h"
#include "train/consumers.h"

#define SAMPLES 512U
#define CHUNK 16U

static const char *const names[] = {
	[CATS_STAND_IN_ZERO] = "zero", [CATS_STAND_IN_MEAN] = "mean", [CATS_STAND_IN_RESCALE] = "rescale"};

const char *cats_stand_in_name(enum cats_stand_in stand_in)
{
	return names[stand_in];
}

enum cats_status cats_stand_in_parse(enum cats_stand_in *out, const char *name, struct cats_error *error)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*out = (enum cats_stand_in)i;
			return CATS_OK;
		}
	return cats_fail(error, CATS_ERR_USAGE, "stand-in: \"%s\" is none of zero, mean, rescale", name);
}

/* Means of what the readers of every site multiply: [sites, stride]. */
struct means {
	double *sums;
	size_t stride;
	float *input, *packed;
	void *scratch;
	struct cats_views *views;
	struct cats_pass *pass;
};

static void free_means(struct means *m)
{
	cats_pass_free(m->pass);
	cats_views_free(m->views);
	free(m->sums);
	free(m->input);
	free(m->packed);
	free(m->scratch);
}

/* `single` is the model on one device, which has every column. */
static enum cats_status create_means(struct means *m, const struct cats_model *single, struct cats_error *error)
{
	const struct cats_config *c = &single->config;
	enum cats_status status = cats_views_create(&m->views, single, error);

	if (status == CATS_OK)
		status = cats_pass_create(&m->pass, m->views, CHUNK, true, error);
	if (status < 0)
		return status;
	m->stride = c->d_model > c->d_ff ? c->d_model : c->d_ff;
	m->sums = calloc(cats_config_sites(c) * m->stride, sizeof(*m->sums));
	m->input = malloc((size_t)c->d_in * c->n_patches * CHUNK * sizeof(*m->input));
	m->packed = malloc(cats_views_packed_count(m->views) * sizeof(*m->packed));
	m->scratch = malloc(cats_feed_scratch_bytes(c, CHUNK) + 1);
	if (m->sums == NULL || m->input == NULL || m->packed == NULL || m->scratch == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "stand-ins: out of memory");
	cats_views_pack(m->packed, m->views, single->weights);
	return CATS_OK;
}

static void add_means(struct means *m, const struct cats_config *config, const struct cats_feed *from, size_t samples)
{
	const struct cats_feed feed = {.data = from->data, .config = config};

	for (size_t first = 0; first < samples; first += CHUNK) {
		const uint32_t B = (uint32_t)(samples - first < CHUNK ? samples - first : CHUNK);
		const struct cats_pass_input in = {.batch = B, .input = m->input};
		uint32_t indices[CHUNK];

		for (uint32_t s = 0; s < B; s++)
			indices[s] = (uint32_t)((first + s) * feed.data->samples / samples);
		cats_feed_fill(m->input, m->scratch, &feed, indices, B, 0);
		cats_pass_forward(m->pass, m->packed, &in);
		for (uint32_t site = 0; site < cats_config_sites(config); site++)
			cats_pass_add_inputs(m->sums + site * m->stride, m->pass, m->packed, site,
					     1.0 / (double)samples);
	}
}

/* Whether device j does without column c of a site. */
static bool is_lost(const struct cats_model *model, uint32_t site, uint32_t j, uint32_t c)
{
	const struct cats_run own = cats_site_own(&model->config, site, model->config.devices, j);

	return c - own.first >= own.count && model->keep[site][c] == 0;
}

static void fold_means(struct cats_model *model, uint32_t site, const struct cats_consumer *consumer, uint32_t j,
		       const double *means)
{
	const struct cats_weight *tensor = &model->tensors[consumer->weight];
	const struct cats_run rows = cats_consumer_rows(model, consumer, j);

	for (uint32_t r = rows.first; r < rows.first + rows.count; r++) {
		const float *w = model->weights + tensor->offset + (size_t)r * tensor->columns;
		double sum = 0;

		for (uint32_t c = 0; c < tensor->columns; c++)
			if (is_lost(model, site, j, c))
				sum += (double)w[c] * means[c];
		model->weights[model->tensors[consumer->bias].offset + r] += (float)sum;
	}
}

static void rescale(struct cats_model *model, uint32_t site, const struct cats_consumer *consumer, uint32_t j)
{
	const struct cats_weight *tensor = &model->tensors[consumer->weight];
	const struct cats_run rows = cats_consumer_rows(model, consumer, j);
	uint32_t there = 0;

	for (uint32_t c = 0; c < tensor->columns; c++)
		there += !is_lost(model, site, j, c);
	if (there == 0)
		return; /* nothing is read, and nothing is left to scale */
	for (uint32_t r = rows.first; r < rows.first + rows.count; r++)
		for (uint32_t c = 0; c < tensor->columns; c++)
			model->weights[tensor->offset + (size_t)r * tensor->columns + c] *=
				(float)tensor->columns / (float)there;
}

static void apply(struct cats_model *model, enum cats_stand_in kind, const struct means *means)
{
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++) {
		struct cats_consumer consumers[3];
		const uint32_t count = cats_consumers_of(consumers, model, site);

		for (uint32_t k = 0; k < count; k++)
			for (uint32_t j = 0; j < model->config.devices; j++)
				if (kind == CATS_STAND_IN_MEAN)
					fold_means(model, site, &consumers[k], j, means->sums + site * means->stride);
				else
					rescale(model, site, &consumers[k], j);
	}
}

enum cats_status cats_stand_in_apply(struct cats_model *model, const struct cats_stand_in_options *options,
				     struct cats_error *error)
{
	struct means means = {.stride = 0};
	struct cats_model single = *model;
	enum cats_status status = CATS_OK;

	if (model->config.devices == 1 || options->kind == CATS_STAND_IN_ZERO)
		return CATS_OK;
	single.config.devices = 1;
	if (options->kind == CATS_STAND_IN_MEAN) {
		const size_t wanted = options->samples != 0 ? options->samples : SAMPLES;
		const size_t there = options->feed->data->samples;

		status = create_means(&means, &single, error);
		if (status == CATS_OK)
			add_means(&means, &single.config, options->feed, wanted < there ? wanted : there);
	}
	if (status == CATS_OK)
		apply(model, options->kind, &means);
	free_means(&means);
	return status;
}

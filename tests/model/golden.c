/* SPDX-License-Identifier: MIT */
/* Reads a golden vector of the float model. See golden.h. */
#include "tests/model/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cats_tensor *typed(const struct golden *g, const char *name, enum cats_dtype dtype, size_t count,
				       struct cats_error *error)
{
	const struct cats_tensor *t = cats_safetensors_find(&g->file, name);

	if (t && t->dtype == dtype && t->count == count)
		return t;
	(void)cats_fail(error, CATS_ERR_FORMAT, "golden vector: %s: expected %zu values of %s, found %s", name, count,
			cats_dtype_name(dtype), t ? "another type or count" : "no such tensor");
	return NULL;
}

enum cats_status golden_tensor(const float **data, const struct golden *g, const char *name, size_t count,
			       struct cats_error *error)
{
	const struct cats_tensor *t = typed(g, name, CATS_F32, count, error);

	*data = t ? t->data : NULL;
	return t ? CATS_OK : CATS_ERR_FORMAT;
}

static enum cats_status read_weights(struct golden *g, struct cats_error *error)
{
	for (uint32_t i = 0; i < g->model.tensor_count; i++) {
		const struct cats_weight *w = &g->model.tensors[i];
		const size_t count = (size_t)w->rows * w->columns;
		const float *data = NULL;
		char name[64];

		snprintf(name, sizeof name, "weight/%s", w->name);
		if (golden_tensor(&data, g, name, count, error) < 0)
			return CATS_ERR_FORMAT;
		memcpy(g->model.weights + w->offset, data, count * sizeof *data);
	}
	return CATS_OK;
}

static enum cats_status read_sites(struct golden *g, struct cats_error *error)
{
	const struct cats_config *c = &g->model.config;
	const uint32_t sites = cats_config_sites(c);
	const size_t receipts = (size_t)c->devices * c->devices * cats_config_tokens(c);

	g->received = calloc(sites, sizeof *g->received);
	if (!g->received)
		return cats_fail(error, CATS_ERR_MEMORY, "golden vector: out of memory");
	for (uint32_t site = 0; site < sites; site++) {
		const uint32_t columns = cats_site_columns(c, site);
		char site_name[CATS_SITE_NAME_BYTES], name[CATS_SITE_NAME_BYTES + 16];
		const struct cats_tensor *t;

		cats_site_name(site_name, c, site);
		snprintf(name, sizeof name, "keep/%s", site_name);
		t = typed(g, name, CATS_U8, columns, error);
		if (!t)
			return CATS_ERR_FORMAT;
		memcpy(g->model.keep[site], t->data, columns);
		snprintf(name, sizeof name, "received/%s", site_name);
		t = typed(g, name, CATS_U8, receipts, error);
		if (!t)
			return CATS_ERR_FORMAT;
		g->received[site] = malloc(receipts);
		if (!g->received[site])
			return cats_fail(error, CATS_ERR_MEMORY, "golden vector: out of memory");
		memcpy(g->received[site], t->data, receipts);
	}
	return CATS_OK;
}

static enum cats_status read_input(struct golden *g, struct cats_error *error)
{
	const uint32_t P = g->model.config.n_patches, d_in = g->model.config.d_in;
	const float *data = NULL;

	if (golden_tensor(&data, g, "input", (size_t)P * d_in, error) < 0)
		return CATS_ERR_FORMAT;
	g->input = malloc((size_t)P * d_in * sizeof *g->input);
	if (!g->input)
		return cats_fail(error, CATS_ERR_MEMORY, "golden vector: out of memory");
	for (uint32_t p = 0; p < P; p++)
		for (uint32_t k = 0; k < d_in; k++)
			g->input[k * P + p] = data[p * d_in + k];
	return CATS_OK;
}

static enum cats_status read_all(struct golden *g, const char *path, struct cats_error *error)
{
	struct cats_config config = {0};
	enum cats_status status = cats_safetensors_read(&g->file, path, error);
	const char *text;

	if (status < 0)
		return status;
	text = cats_safetensors_metadata(&g->file, "config");
	if (!text)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: __metadata__: config is missing", path);
	status = cats_config_parse(&config, text, strlen(text), path, error);
	if (status >= 0)
		status = cats_model_create(&g->model, &config, error);
	if (status >= 0)
		status = read_weights(g, error);
	if (status >= 0)
		status = read_sites(g, error);
	return status < 0 ? status : read_input(g, error);
}

enum cats_status golden_read(struct golden *out, const char *path, struct cats_error *error)
{
	*out = (struct golden){0};

	const enum cats_status status = read_all(out, path, error);

	if (status < 0)
		golden_free(out);
	return status;
}

void golden_free(struct golden *g)
{
	if (g->received)
		for (uint32_t site = 0; site < cats_config_sites(&g->model.config); site++)
			free(g->received[site]);
	free(g->received);
	free(g->input);
	cats_model_free(&g->model);
	cats_safetensors_free(&g->file);
	*g = (struct golden){0};
}

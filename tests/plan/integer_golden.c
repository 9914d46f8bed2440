/* SPDX-License-Identifier: MIT */
/* Integer golden files. See integer_golden.h. */
#include "tests/plan/integer_golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/safetensors.h"

#define MAX_TENSORS 2048

/* A list of tensors under way, and integers widened to what the container holds. */
struct list {
	struct cats_tensor tensors[MAX_TENSORS];
	size_t count;
	int32_t *residual;
};

static void add(struct list *l, const char *name, enum cats_dtype dtype, size_t a, size_t b, size_t c, const void *data)
{
	struct cats_tensor *t = &l->tensors[l->count++];

	*t = (struct cats_tensor){.dtype = dtype, .dims = 3, .shape = {a, b, c}, .count = a * b * c, .data = data};
	(void)snprintf(t->name, sizeof t->name, "%s", name);
}

static size_t residual_count(const struct cats_config *c)
{
	return (size_t)(2 * c->n_layers + 1) * cats_config_tokens(c) * c->d_model;
}

/* Every tensor of a trace file in its order; `g` has all its memory. */
static void describe(struct list *l, const struct integer_golden *g)
{
	const struct cats_config *c = &g->model.config;
	const uint32_t out = cats_integer_sites(c) - 1;
	char site_name[CATS_SITE_NAME_BYTES], name[64];

	l->count = 0;
	add(l, "input", CATS_I8, 1, cats_integer_site_tokens(c, 0), cats_integer_site_columns(c, 0), g->input);
	add(l, "residual", CATS_I32, 2 * c->n_layers + 1, cats_config_tokens(c), c->d_model, l->residual);
	add(l, "logits", CATS_I32, 1, cats_integer_site_tokens(c, out), c->n_out, g->trace.logits);
	add(l, "arrived", CATS_U8, 1, cats_integer_site_tokens(c, out), c->n_out, g->trace.arrived);
	for (uint32_t site = 0; site <= out; site++) {
		const uint32_t tokens = cats_integer_site_tokens(c, site);

		cats_integer_site_name(site_name, c, site);
		(void)snprintf(name, sizeof name, "received/%s", site_name);
		add(l, name, CATS_U8, g->devices, g->devices, tokens, g->received[site]);
		(void)snprintf(name, sizeof name, "site/%s", site_name);
		if (site < out)
			add(l, name, CATS_I8, 1, tokens, cats_integer_site_columns(c, site), g->trace.sites[site]);
	}
}

enum cats_status integer_golden_save(struct integer_golden *g, const char *path, struct cats_error *error)
{
	const size_t residuals = residual_count(&g->model.config);
	struct list *l = calloc(1, sizeof *l);
	char file[512], key[] = "devices", value[16];
	const struct cats_metadata metadata = {key, value};
	enum cats_status status = CATS_ERR_MEMORY;

	(void)snprintf(value, sizeof value, "%u", g->devices);
	if (l)
		l->residual = calloc(residuals, sizeof *l->residual);
	if (l && l->residual) {
		for (size_t i = 0; i < residuals; i++)
			l->residual[i] = g->trace.residual[i];
		describe(l, g);
		(void)snprintf(file, sizeof file, "%s.trace.safetensors", path);
		status = cats_safetensors_write(file, l->tensors, l->count, &metadata, 1, error);
		free(l->residual);
	}
	free(l);
	(void)snprintf(file, sizeof file, "%s.model.safetensors", path);
	return status < 0 ? status : cats_integer_save(&g->model, file, error);
}

static enum cats_status allocate(struct integer_golden *g, struct cats_error *error)
{
	const struct cats_config *c = &g->model.config;
	const struct cats_input_shape shape = cats_input_shape_of(c);
	enum cats_status status = cats_trace_create(&g->trace, &g->model, error);
	bool ok = status == CATS_OK;

	g->input = malloc((size_t)shape.rows * shape.columns);
	g->received = calloc(cats_integer_sites(c), sizeof *g->received);
	ok = ok && g->input && g->received;
	for (uint32_t site = 0; ok && site < cats_integer_sites(c); site++) {
		g->received[site] = calloc((size_t)g->devices * g->devices, cats_integer_site_tokens(c, site));
		ok = g->received[site] != NULL;
	}
	return ok ? CATS_OK : cats_fail(error, CATS_ERR_MEMORY, "integer golden file: out of memory");
}

static enum cats_status fill(struct integer_golden *g, struct list *l, const struct cats_safetensors *file,
			     const char *path, struct cats_error *error)
{
	describe(l, g);
	for (size_t i = 0; i < l->count; i++) {
		const struct cats_tensor *t = &l->tensors[i], *from = cats_safetensors_find(file, t->name);
		void *into;

		if (!from || from->dtype != t->dtype || from->count != t->count)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: is missing or has another size", path,
					 t->name);
		memcpy(&into, &t->data, sizeof into); /* the memory is the golden file's own and not const */
		memcpy(into, from->data, t->count * cats_dtype_bytes(t->dtype));
	}
	for (size_t i = 0; i < residual_count(&g->model.config); i++)
		g->trace.residual[i] = (int16_t)l->residual[i];
	return CATS_OK;
}

static enum cats_status load_trace(struct integer_golden *g, const char *path, struct cats_error *error)
{
	struct cats_safetensors file = {0};
	struct list *l = calloc(1, sizeof *l);
	enum cats_status status = cats_safetensors_read(&file, path, error);
	const char *devices = status == CATS_OK ? cats_safetensors_metadata(&file, "devices") : NULL;

	g->devices = devices ? (uint32_t)strtoul(devices, NULL, 10) : 0;
	if (status == CATS_OK && (g->devices < 1 || g->devices > CATS_DEVICES_MAX))
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: devices: is missing or out of range", path);
	if (status == CATS_OK)
		status = allocate(g, error);
	if (l)
		l->residual = calloc(residual_count(&g->model.config), sizeof *l->residual);
	if (status == CATS_OK)
		status = l && l->residual ? fill(g, l, &file, path, error) : CATS_ERR_MEMORY;
	if (l)
		free(l->residual);
	free(l);
	cats_safetensors_free(&file);
	return status;
}

enum cats_status integer_golden_load(struct integer_golden *out, const char *path, struct cats_error *error)
{
	char file[512];
	enum cats_status status;

	*out = (struct integer_golden){0};
	(void)snprintf(file, sizeof file, "%s.model.safetensors", path);
	status = cats_integer_load(&out->model, file, error);
	(void)snprintf(file, sizeof file, "%s.trace.safetensors", path);
	if (status == CATS_OK)
		status = load_trace(out, file, error);
	if (status < 0)
		integer_golden_free(out);
	return status;
}

void integer_golden_free(struct integer_golden *g)
{
	if (g->received)
		for (uint32_t site = 0; site < cats_integer_sites(&g->model.config); site++)
			free(g->received[site]);
	free(g->received);
	free(g->input);
	cats_trace_free(&g->trace);
	cats_integer_free(&g->model);
	*g = (struct integer_golden){0};
}

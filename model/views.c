/* SPDX-License-Identifier: MIT */
/* Builds views and the packed order of weights from keep lists. See views.h. */
#include "model/views.h"

#include <stdlib.h>
#include <string.h>

/* While building: the next free place in the map. With map == NULL only places are counted. */
struct packer {
	const struct cats_model *model;
	uint32_t *map;
	size_t next;
};

static void pack_index(struct packer *p, size_t weight_index)
{
	if (p->map)
		p->map[p->next] = (uint32_t)weight_index;
	p->next++;
}

static size_t pack_vector(struct packer *p, uint32_t tensor, struct cats_run rows)
{
	const size_t at = p->next;

	for (uint32_t r = 0; r < rows.count; r++)
		pack_index(p, p->model->tensors[tensor].offset + rows.first + r);
	return at;
}

static void pack_rows(struct packer *p, uint32_t tensor, struct cats_run rows, const struct cats_view *view)
{
	const struct cats_weight *w = &p->model->tensors[tensor];

	for (uint32_t r = rows.first; r < rows.first + rows.count; r++)
		for (uint32_t k = 0; k < view->count; k++)
			pack_index(p, w->offset + (size_t)r * w->columns + view->columns[k]);
}

static struct cats_block pack_linear(struct packer *p, uint32_t weight, uint32_t bias, struct cats_run rows,
				     const struct cats_view *view)
{
	struct cats_block block = {.rows = rows.count, .columns = view->count, .weight = p->next};

	pack_rows(p, weight, rows, view);
	block.bias = pack_vector(p, bias, rows);
	return block;
}

static struct cats_block pack_qkv(struct packer *p, const uint32_t *layer, struct cats_run rows,
				  const struct cats_view *view)
{
	struct cats_block block = {.rows = 3U * rows.count, .columns = view->count, .weight = p->next};

	pack_rows(p, layer[CATS_Q_WEIGHT], rows, view);
	pack_rows(p, layer[CATS_K_WEIGHT], rows, view);
	pack_rows(p, layer[CATS_V_WEIGHT], rows, view);
	block.bias = p->next;
	pack_vector(p, layer[CATS_Q_BIAS], rows);
	pack_vector(p, layer[CATS_K_BIAS], rows);
	pack_vector(p, layer[CATS_V_BIAS], rows);
	return block;
}

static struct cats_gain pack_gain(struct packer *p, uint32_t weight, uint32_t bias, const struct cats_view *view)
{
	struct cats_gain gain = {.weight = p->next};

	for (uint32_t k = 0; k < view->count; k++)
		pack_index(p, p->model->tensors[weight].offset + view->columns[k]);
	gain.bias = p->next;
	if (bias != CATS_NO_WEIGHT)
		for (uint32_t k = 0; k < view->count; k++)
			pack_index(p, p->model->tensors[bias].offset + view->columns[k]);
	return gain;
}

static void pack_embedding(struct packer *p, struct cats_views *v)
{
	const struct cats_model *m = p->model;
	const uint32_t F = v->config.d_model;
	const struct cats_run all = {.first = 0, .count = F};

	v->embed = (struct cats_block){.rows = F, .columns = v->config.d_in, .weight = p->next};
	for (size_t i = 0; i < (size_t)F * v->config.d_in; i++)
		pack_index(p, m->tensors[m->embed_weight].offset + i);
	v->embed.bias = pack_vector(p, m->embed_bias, all);
	v->pos = p->next;
	for (uint32_t f = 0; f < F; f++)
		for (uint32_t t = 0; t < cats_config_tokens(&v->config); t++)
			pack_index(p, m->tensors[m->pos].offset + (size_t)t * F + f);
	v->cls = p->next;
	if (v->config.cls_token)
		pack_vector(p, m->cls, all);
}

static void pack_layer(struct packer *p, struct cats_views *v, uint32_t n, uint32_t j)
{
	const struct cats_config *c = &v->config;
	const uint32_t *w = p->model->layers[n];
	const uint32_t D = c->devices;
	const struct cats_run features = cats_partition_run(c->d_model, D, j);
	const struct cats_run hidden = cats_partition_run(c->d_ff, D, j);
	const struct cats_run heads = cats_site_own(c, n * 4U + CATS_ATTN_OUT, D, j);
	const struct cats_view *attn_in = cats_view_at(v, n * 4U + CATS_ATTN_IN, j);
	const struct cats_view *ffn_in = cats_view_at(v, n * 4U + CATS_FFN_IN, j);

	struct cats_device_layer *layer = &v->layer[(size_t)n * D + j];

	if (heads.count > 0) { /* a device without heads skips q, k, v and the norm before them */
		layer->norm1 = pack_gain(p, w[CATS_NORM1_WEIGHT], w[CATS_NORM1_BIAS], attn_in);
		layer->qkv = pack_qkv(p, w, heads, attn_in);
	}
	layer->o =
		pack_linear(p, w[CATS_O_WEIGHT], w[CATS_O_BIAS], features, cats_view_at(v, n * 4U + CATS_ATTN_OUT, j));
	layer->norm2 = pack_gain(p, w[CATS_NORM2_WEIGHT], w[CATS_NORM2_BIAS], ffn_in);
	layer->up = pack_linear(p, w[CATS_UP_WEIGHT], w[CATS_UP_BIAS], hidden, ffn_in);
	layer->down = pack_linear(p, w[CATS_DOWN_WEIGHT], w[CATS_DOWN_BIAS], features,
				  cats_view_at(v, n * 4U + CATS_FFN_OUT, j));
}

/* Lays out every block; the same walk counts (map NULL) and fills. */
static void pack_all(struct packer *p, struct cats_views *v)
{
	const struct cats_config *c = &v->config;
	const struct cats_model *m = p->model;

	p->next = 0;
	pack_embedding(p, v);
	for (uint32_t n = 0; n < c->n_layers; n++)
		for (uint32_t j = 0; j < c->devices; j++)
			pack_layer(p, v, n, j);
	for (uint32_t j = 0; j < c->devices; j++) {
		const struct cats_view *view = cats_view_at(v, c->n_layers * 4U, j);
		const struct cats_run outputs = cats_partition_run(c->n_out, c->devices, j);

		if (outputs.count == 0)
			continue; /* more devices than outputs: this one has no part in the head */
		v->final_norm[j] = pack_gain(p, m->norm_weight, m->norm_bias, view);
		v->head[j] = pack_linear(p, m->head_weight, m->head_bias, outputs, view);
	}
}

static bool view_build(struct cats_view *view, const struct cats_model *m, uint32_t site, uint32_t j)
{
	const struct cats_config *c = &m->config;
	const uint32_t columns = cats_site_columns(c, site);

	view->columns = malloc(columns * sizeof *view->columns);
	view->segments = malloc(c->devices * sizeof *view->segments);
	if (!view->columns || !view->segments)
		return false;
	for (uint32_t i = 0; i < c->devices; i++) {
		const struct cats_run own = cats_site_own(c, site, c->devices, i);
		const uint32_t first = view->count;

		for (uint32_t k = own.first; k < own.first + own.count; k++)
			if (i == j || m->keep[site][k])
				view->columns[view->count++] = k;
		if (view->count > first)
			view->segments[view->segment_count++] = (struct cats_segment){i, first, view->count - first};
	}
	view->whole = view->count == columns;
	return true;
}

static bool views_allocate(struct cats_views *v)
{
	const size_t D = v->config.devices;

	v->view = calloc(cats_config_sites(&v->config) * D, sizeof *v->view);
	v->layer = calloc(v->config.n_layers * D, sizeof *v->layer);
	v->final_norm = calloc(D, sizeof *v->final_norm);
	v->head = calloc(D, sizeof *v->head);
	return v->view && v->layer && v->final_norm && v->head;
}

static bool views_build(struct cats_views *v, const struct cats_model *model)
{
	struct packer p = {.model = model};

	if (!views_allocate(v))
		return false;
	for (uint32_t site = 0; site < cats_config_sites(&v->config); site++)
		for (uint32_t j = 0; j < v->config.devices; j++) {
			struct cats_view *view = &v->view[(size_t)site * v->config.devices + j];

			if (!view_build(view, model, site, j))
				return false;
			if (view->count > v->max_view)
				v->max_view = view->count;
		}
	pack_all(&p, v);
	v->packed_count = p.next;
	v->map = malloc(p.next * sizeof *v->map);
	if (!v->map)
		return false;
	p.map = v->map;
	pack_all(&p, v);
	return true;
}

enum cats_status cats_views_create(struct cats_views **out, const struct cats_model *model, struct cats_error *error)
{
	struct cats_views *v = calloc(1, sizeof *v);

	if (v) {
		v->config = model->config;
		v->weight_count = model->weight_count;
	}
	if (!v || !views_build(v, model)) {
		cats_views_free(v);
		return cats_fail(error, CATS_ERR_MEMORY, "views of %u devices: out of memory; free some and retry",
				 model->config.devices);
	}
	*out = v;
	return CATS_OK;
}

void cats_views_free(struct cats_views *views)
{
	if (!views)
		return;
	for (size_t i = 0; views->view && i < (size_t)cats_config_sites(&views->config) * views->config.devices; i++) {
		free(views->view[i].columns);
		free(views->view[i].segments);
	}
	free(views->view);
	free(views->layer);
	free(views->final_norm);
	free(views->head);
	free(views->map);
	free(views);
}

size_t cats_views_packed_count(const struct cats_views *views)
{
	return views->packed_count;
}

void cats_views_pack(cats_real *packed, const struct cats_views *views, const cats_real *weights)
{
	for (size_t i = 0; i < views->packed_count; i++)
		packed[i] = weights[views->map[i]];
}

void cats_views_unpack_add(cats_real *gradient, const struct cats_views *views, const cats_real *packed)
{
	for (size_t i = 0; i < views->packed_count; i++)
		gradient[views->map[i]] += packed[i];
}

void cats_views_live(uint8_t *live, const struct cats_views *views)
{
	memset(live, 0, views->weight_count);
	for (size_t i = 0; i < views->packed_count; i++)
		live[views->map[i]] = 1;
}

/* SPDX-License-Identifier: MIT */
/* The float model with every inner value in sight. See observe.h. */
#include "plan/observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights of values are counted in whole numbers, so that sums do not depend on their order: 2^20 is one and 2^32 the
 * most, which leaves room for 2^32 values. */
#define WEIGHT_ONE 0x1p20
#define WEIGHT_MOST 0x1p32

/* One inference under way. */
struct run {
	const struct cats_model *m;
	const struct cats_config *c;
	struct cats_seen *seen;
	const uint8_t *const *received;
	uint32_t D, T, F, widest; /* widest: max(F, M) */
	float *x;                 /* [T, F], the residual stream */
	float *qkv;               /* [3, T, F] */
	float *gathered;          /* [T, widest]: what all devices own of the site at hand */
	float *view;              /* [T, widest]: device's view, normalised where the site is */
	uint8_t *has;             /* [T, widest] */
	float *scores;            /* [T] */
	float *output;            /* [T, n_out] */
};

static const float *weight(const struct run *run, uint32_t index)
{
	return index == CATS_NO_WEIGHT ? NULL : run->m->weights + run->m->tensors[index].offset;
}

static float dot(const float *a, const float *b, uint32_t count)
{
	float sum = 0;

#pragma omp simd reduction(+ : sum)
	for (uint32_t k = 0; k < count; k++)
		sum += a[k] * b[k];
	return sum;
}

static void note(struct cats_histogram *h, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cats_histogram_add(h, values[i]);
}

static void note_largest(double *largest, const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fabs((double)values[i]) > *largest)
			*largest = fabs((double)values[i]);
}

/* What an error at a token weighs: a normalisation behind the site divides it by the token's variance. */
static double token_weight(const struct run *run, uint32_t site, const float *values, uint32_t columns)
{
	const enum cats_site_kind kind = cats_site_kind_of(run->c, site);
	double sum = 0, squares = 0;

	if (kind == CATS_ATTN_OUT || kind == CATS_FFN_OUT)
		return 1;
	for (uint32_t k = 0; k < columns; k++) {
		sum += (double)values[k];
		squares += (double)values[k] * (double)values[k];
	}
	const double mean = run->c->norm == CATS_NORM_LAYER ? sum / columns : 0;

	return 1 / (squares / columns - mean * mean + run->c->norm_eps);
}

static void note_site(struct run *run, uint32_t site)
{
	const uint32_t columns = cats_site_columns(run->c, site);
	const size_t tokens = cats_site_tokens(run->c, site);

	if (!run->seen)
		return;
	note(&run->seen->site[site], run->gathered, tokens * columns);
	for (size_t t = 0; t < tokens; t++) {
		const float *values = run->gathered + t * columns;
		const double weight = WEIGHT_ONE * token_weight(run, site, values, columns);

		for (uint32_t k = 0; k < columns; k++) {
			const double times =
				weight * (run->seen->importance ? (double)run->seen->importance->site[site][k] : 1);

			cats_histogram_add_times(&run->seen->weighed[site], values[k],
						 times < WEIGHT_MOST ? (uint64_t)times : (uint64_t)WEIGHT_MOST);
		}
	}
}

/* Device j's view of `gathered`. */
static void make_view(struct run *run, uint32_t site, uint32_t j)
{
	const uint32_t columns = cats_site_columns(run->c, site), tokens = cats_site_tokens(run->c, site);
	const uint8_t *mask = run->received ? run->received[site] : NULL;

	for (uint32_t i = 0; i < run->D; i++) {
		const struct cats_run own = cats_site_own(run->c, site, run->D, i);

		for (uint32_t t = 0; t < tokens; t++) {
			const bool heard = i == j || !mask || mask[((size_t)i * run->D + j) * run->T + t];

			for (uint32_t k = own.first; k < own.first + own.count; k++) {
				const size_t at = (size_t)t * columns + k;

				run->has[at] = i == j || (heard && run->m->keep[site][k]);
				run->view[at] = run->has[at] ? run->gathered[at] : 0;
			}
		}
	}
}

/* Partial normalisation of the view, in place. */
static void normalise(struct run *run, uint32_t site, uint32_t gain_index, uint32_t bias_index)
{
	const float *gain = weight(run, gain_index), *bias = weight(run, bias_index);
	const uint32_t F = run->F;

	for (uint32_t t = 0; t < cats_site_tokens(run->c, site); t++) {
		float *x = run->view + (size_t)t * F;
		const uint8_t *has = run->has + (size_t)t * F;
		double n = 0, sum = 0, squares = 0;

		for (uint32_t k = 0; k < F; k++) {
			n += has[k];
			sum += x[k];
		}
		const double mean = run->c->norm == CATS_NORM_LAYER && n > 0 ? sum / n : 0;
		for (uint32_t k = 0; k < F; k++)
			squares += has[k] ? (x[k] - mean) * (x[k] - mean) : 0;
		const double scale = n > 0 ? 1 / sqrt(squares / n + run->c->norm_eps) : 0;
		for (uint32_t k = 0; k < F; k++)
			x[k] = has[k] ? (float)((x[k] - mean) * scale) * gain[k] + (bias ? bias[k] : 0) : 0;
	}
}

/* out[t, o] = view[t] . W[o] + b[o] for rows [own] of a linear layer of `columns` inputs; out has `stride`. */
static void linear(float *out, size_t stride, const struct run *run, uint32_t weight_index, uint32_t bias_index,
		   struct cats_run own, uint32_t tokens, uint32_t columns)
{
	const float *W = weight(run, weight_index), *b = weight(run, bias_index);

	for (uint32_t t = 0; t < tokens; t++)
		for (uint32_t o = own.first; o < own.first + own.count; o++)
			out[t * stride + o] =
				dot(W + (size_t)o * columns, run->view + (size_t)t * columns, columns) + b[o];
}

static void embed(struct run *run, const float *patches)
{
	const float *W = weight(run, run->m->embed_weight), *b = weight(run, run->m->embed_bias);
	const float *pos = weight(run, run->m->pos), *cls = weight(run, run->m->cls);
	const uint32_t first = run->c->cls_token ? 1 : 0, d_in = run->c->d_in;

	for (uint32_t t = 0; t < run->T; t++)
		for (uint32_t o = 0; o < run->F; o++) {
			const size_t at = (size_t)t * run->F + o;

			run->x[at] = pos[at] + (t < first ? cls[o]
							  : dot(W + (size_t)o * d_in,
								patches + (size_t)(t - first) * d_in, d_in) +
								    b[o]);
		}
}

static void attend(struct run *run, uint32_t head, uint32_t query)
{
	const uint32_t d = run->F / run->c->n_heads;
	const uint32_t keys = run->c->causal ? query + 1 : run->T;
	const float *q = run->qkv + (size_t)query * run->F + head * d;
	const float *k = run->qkv + (size_t)run->T * run->F + head * d, *v = k + (size_t)run->T * run->F;
	float *out = run->gathered + (size_t)query * run->F + head * d;
	float largest = -INFINITY, sum = 0;

	for (uint32_t j = 0; j < keys; j++) {
		run->scores[j] = dot(q, k + (size_t)j * run->F, d) / sqrtf((float)d);
		largest = run->scores[j] > largest ? run->scores[j] : largest;
	}
	memset(out, 0, d * sizeof *out);
	for (uint32_t j = 0; j < keys; j++) {
		const float p = expf(run->scores[j] - largest);

		sum += p;
		for (uint32_t c = 0; c < d; c++)
			out[c] += p * v[(size_t)j * run->F + c];
	}
	for (uint32_t c = 0; c < d; c++)
		out[c] /= sum;
}

static void note_heads(struct run *run, uint32_t layer)
{
	const uint32_t d = run->F / run->c->n_heads;
	struct cats_histogram *into[3];

	if (!run->seen)
		return;
	into[0] = run->seen->q;
	into[1] = run->seen->k;
	into[2] = run->seen->v;
	for (uint32_t kind = 0; kind < 3; kind++)
		for (uint32_t t = 0; t < run->T; t++)
			for (uint32_t h = 0; h < run->c->n_heads; h++)
				note(&into[kind][layer * run->c->n_heads + h],
				     run->qkv + ((size_t)kind * run->T + t) * run->F + h * d, d);
}

static void add_to_residual(struct run *run, uint32_t weight_index, uint32_t bias_index, uint32_t site)
{
	const uint32_t columns = cats_site_columns(run->c, site), tokens = cats_site_tokens(run->c, site);
	const float *W = weight(run, weight_index), *b = weight(run, bias_index);

	note_site(run, site);
	for (uint32_t j = 0; j < run->D; j++) {
		const struct cats_run own = cats_partition_run(run->F, run->D, j);

		make_view(run, site, j);
		for (uint32_t t = 0; t < tokens; t++)
			for (uint32_t o = own.first; o < own.first + own.count; o++)
				run->x[(size_t)t * run->F + o] +=
					dot(W + (size_t)o * columns, run->view + (size_t)t * columns, columns) + b[o];
	}
	if (run->seen)
		note_largest(&run->seen->residual, run->x, (size_t)tokens * run->F);
}

static void gather_residual(struct run *run, uint32_t site)
{
	memcpy(run->gathered, run->x, (size_t)cats_site_tokens(run->c, site) * run->F * sizeof *run->x);
	note_site(run, site);
}

static void attention_block(struct run *run, uint32_t layer)
{
	const uint32_t *w = run->m->layers[layer], in = 4 * layer, d = run->F / run->c->n_heads;
	const size_t plane = (size_t)run->T * run->F;

	gather_residual(run, in);
	for (uint32_t j = 0; j < run->D; j++) {
		const struct cats_run heads = cats_partition_run(run->c->n_heads, run->D, j);
		const struct cats_run own = {heads.first * d, heads.count * d};

		make_view(run, in, j);
		normalise(run, in, w[CATS_NORM1_WEIGHT], w[CATS_NORM1_BIAS]);
		linear(run->qkv, run->F, run, w[CATS_Q_WEIGHT], w[CATS_Q_BIAS], own, run->T, run->F);
		linear(run->qkv + plane, run->F, run, w[CATS_K_WEIGHT], w[CATS_K_BIAS], own, run->T, run->F);
		linear(run->qkv + 2 * plane, run->F, run, w[CATS_V_WEIGHT], w[CATS_V_BIAS], own, run->T, run->F);
	}
	note_heads(run, layer);
	for (uint32_t h = 0; h < run->c->n_heads; h++)
		for (uint32_t t = 0; t < cats_site_tokens(run->c, in + 1); t++)
			attend(run, h, t);
	add_to_residual(run, w[CATS_O_WEIGHT], w[CATS_O_BIAS], in + 1);
}

static void activate(struct run *run, uint32_t layer, float *hidden, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const float u = hidden[i];

		if (run->seen)
			cats_histogram_add(u > 0 ? &run->seen->up_above[layer] : &run->seen->up_below[layer], u);
		if (run->c->activation == CATS_RELU)
			hidden[i] = u > 0 ? u : 0;
		else
			hidden[i] = 0.5F * u * (1.0F + erff(u * 0.70710678F));
	}
}

static void feed_forward_block(struct run *run, uint32_t layer)
{
	const uint32_t *w = run->m->layers[layer], in = 4 * layer + 2, M = run->c->d_ff;
	const uint32_t tokens = cats_site_tokens(run->c, in);
	float *hidden = run->qkv; /* free at this time, but for its size: see observe() */

	gather_residual(run, in);
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, in, j);
		normalise(run, in, w[CATS_NORM2_WEIGHT], w[CATS_NORM2_BIAS]);
		linear(hidden, M, run, w[CATS_UP_WEIGHT], w[CATS_UP_BIAS], cats_partition_run(M, run->D, j), tokens,
		       run->F);
	}
	memcpy(run->gathered, hidden, (size_t)tokens * M * sizeof *hidden);
	activate(run, layer, run->gathered, tokens * M);
	add_to_residual(run, w[CATS_DOWN_WEIGHT], w[CATS_DOWN_BIAS], in + 1);
}

static void head(struct run *run)
{
	const uint32_t site = 4 * run->c->n_layers, n_out = run->c->n_out;
	const uint32_t tokens = cats_site_tokens(run->c, site);

	gather_residual(run, site);
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, site, j);
		normalise(run, site, run->m->norm_weight, run->m->norm_bias);
		linear(run->output, n_out, run, run->m->head_weight, run->m->head_bias,
		       cats_partition_run(n_out, run->D, j), tokens, run->F);
	}
	if (run->seen)
		note_largest(&run->seen->logit, run->output, (size_t)tokens * n_out);
	if (run->c->pool != CATS_POOL_MEAN)
		return;
	for (uint32_t o = 0; o < n_out; o++) {
		for (uint32_t t = 1; t < tokens; t++)
			run->output[o] += run->output[(size_t)t * n_out + o];
		run->output[o] /= (float)tokens;
	}
}

static void infer(struct run *run, const float *patches)
{
	if (run->seen)
		note(&run->seen->input, patches, (size_t)run->c->n_patches * run->c->d_in);
	embed(run, patches);
	if (run->seen)
		note_largest(&run->seen->residual, run->x, (size_t)run->T * run->F);
	for (uint32_t layer = 0; layer < run->c->n_layers; layer++) {
		attention_block(run, layer);
		feed_forward_block(run, layer);
	}
	head(run);
}

enum cats_status cats_observe(struct cats_seen *seen, float *output, const struct cats_model *model, uint32_t devices,
			      const float *patches, const uint8_t *const *received, struct cats_error *error)
{
	const struct cats_config *c = &model->config;
	const size_t T = cats_config_tokens(c), F = c->d_model, widest = F > c->d_ff ? F : c->d_ff;
	struct run run = {.m = model, .c = c, .seen = seen, .received = received, .D = devices};
	const size_t rows = c->pool == CATS_POOL_NONE ? T : 1;
	enum cats_status status = CATS_OK;

	run.T = (uint32_t)T;
	run.F = (uint32_t)F;
	run.x = calloc(T * F, sizeof *run.x);
	run.qkv = calloc(3 * T * widest, sizeof *run.qkv); /* also holds [T, M] hidden units */
	run.gathered = calloc(T * widest, sizeof *run.gathered);
	run.view = calloc(T * widest, sizeof *run.view);
	run.has = calloc(T * widest, 1);
	run.scores = calloc(T, sizeof *run.scores);
	run.output = calloc(T * c->n_out, sizeof *run.output);
	if (run.x && run.qkv && run.gathered && run.view && run.has && run.scores && run.output) {
		infer(&run, patches);
		if (output)
			memcpy(output, run.output, rows * c->n_out * sizeof *output);
	} else {
		status = cats_fail(error, CATS_ERR_MEMORY, "calibration: out of memory");
	}
	free(run.x);
	free(run.qkv);
	free(run.gathered);
	free(run.view);
	free(run.has);
	free(run.scores);
	free(run.output);
	return status;
}

enum cats_status cats_seen_create(struct cats_seen *out, const struct cats_config *config, struct cats_error *error)
{
	const size_t heads = (size_t)config->n_layers * config->n_heads;

	*out = (struct cats_seen){0};
	out->site = calloc(cats_config_sites(config), sizeof *out->site);
	out->weighed = calloc(cats_config_sites(config), sizeof *out->weighed);
	out->q = calloc(heads, sizeof *out->q);
	out->k = calloc(heads, sizeof *out->k);
	out->v = calloc(heads, sizeof *out->v);
	out->up_above = calloc(config->n_layers, sizeof *out->up_above);
	out->up_below = calloc(config->n_layers, sizeof *out->up_below);
	if (out->site && out->weighed && out->q && out->k && out->v && out->up_above && out->up_below)
		return CATS_OK;
	cats_seen_free(out);
	return cats_fail(error, CATS_ERR_MEMORY, "calibration: out of memory");
}

void cats_seen_free(struct cats_seen *seen)
{
	free(seen->site);
	free(seen->weighed);
	free(seen->q);
	free(seen->k);
	free(seen->v);
	free(seen->up_above);
	free(seen->up_below);
	*seen = (struct cats_seen){0};
}

static void merge_all(struct cats_histogram *into, const struct cats_histogram *from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cats_histogram_merge(&into[i], &from[i], 1);
}

void cats_seen_merge(struct cats_seen *into, const struct cats_seen *from, const struct cats_config *config)
{
	const size_t heads = (size_t)config->n_layers * config->n_heads;

	cats_histogram_merge(&into->input, &from->input, 1);
	merge_all(into->site, from->site, cats_config_sites(config));
	merge_all(into->weighed, from->weighed, cats_config_sites(config));
	merge_all(into->q, from->q, heads);
	merge_all(into->k, from->k, heads);
	merge_all(into->v, from->v, heads);
	merge_all(into->up_above, from->up_above, config->n_layers);
	merge_all(into->up_below, from->up_below, config->n_layers);
	into->residual = fmax(into->residual, from->residual);
	into->logit = fmax(into->logit, from->logit);
}

/* SPDX-License-Identifier: MIT */
/* Quantisation. Section numbers are those of docs/SPEC-integer.md. See quantise.h. */
#include "plan/quantise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESIDUAL_HEADROOM 1.25 /* over the largest residual seen; int16 has bits to spare */
#define LOGIT_HEADROOM 4.0
#define GELU_LOWEST (-3.5) /* below it GELU is within 0.001 of 0 */

/* A quantisation under way. */
struct run {
	struct cats_integer *out;
	const struct cats_model *model;
	const struct cats_config *c;
	struct cats_seen seen; /* without and with loss together */
	double residual;       /* scale */
	double *row;           /* [widest], a row of weights with the gain in it */
	double *scales;        /* [most outputs], of the product's rows */
	const char *name;
	struct cats_error *error;
};

/* Section 1.1: the multiplier of a real number applied to a * 2^shift. */
static enum cats_status set_multiplier(int32_t *m, double real, int shift, struct run *run, const char *what,
				       uint32_t index)
{
	const double value = floor(ldexp(real, 32 - shift) + 0.5);

	if (!(value >= 0 && value < 2147483648.0))
		return cats_fail(
			run->error, CATS_ERR_MISMATCH,
			"%s: %s[%u]: its multiplier %g does not fit; are its weights or inputs far out of scale?",
			run->name, what, index, real);
	*m = (int32_t)value;
	return CATS_OK;
}

static const float *weight(const struct run *run, uint32_t index)
{
	return index == CATS_NO_WEIGHT ? NULL : run->model->weights + run->model->tensors[index].offset;
}

/* One symmetric int8 scale with the least error; 1 / 127 where nothing but 0 was seen. */
static double scale_of(const struct cats_histogram *h)
{
	const double range = cats_histogram_best_range(h, 127);

	return (range > 0 ? range : 1) / 127;
}

static double round_weight(double w, double scale)
{
	const double q = floor(w / scale + 0.5);

	return q > 127 ? 127 : q < -127 ? -127 : q;
}

/* Rounded to an int32; what is beyond stays beyond every bound that is checked afterwards. */
static int32_t to_int32(double x)
{
	const double rounded = floor(x + 0.5);

	return (int32_t)(rounded > INT32_MAX ? INT32_MAX : rounded < -INT32_MAX ? -INT32_MAX : rounded);
}

static double row_error(const double *row, uint32_t columns, double scale)
{
	double sum = 0;

	for (uint32_t k = 0; k < columns; k++) {
		const double e = row[k] - scale * round_weight(row[k], scale);

		sum += e * e;
	}
	return sum;
}

/* The scale of a row with the least squared error of its weights; 0 for a row of zeros. */
static double row_scale(const double *row, uint32_t columns)
{
	double largest = 0, best = 0, least = INFINITY;

	for (uint32_t k = 0; k < columns; k++)
		largest = fmax(largest, fabs(row[k]));
	for (double share = 1; largest > 0 && share > 0.7; share -= 0.025) {
		const double error = row_error(row, columns, share * largest / 127);

		if (error < least) {
			least = error;
			best = share * largest / 127;
		}
	}
	return best;
}

static double magnitude(const double *row, uint32_t columns, double scale)
{
	double sum = 0;

	for (uint32_t k = 0; k < columns; k++)
		sum += fabs(round_weight(row[k], scale));
	return sum;
}

/* Quantises row o of `p` from run->row; `bias` in units of `input_scale` times the row's scale must leave the bound of
 * section 1.12 whole (0: the layer is normalised, whose bound is `most`). Coarser until it fits. */
static void quantise_row(struct run *run, struct cats_int_product *p, uint32_t o, double bias_over_input, double most)
{
	double scale = row_scale(run->row, p->columns);

	if (scale == 0)
		scale = bias_over_input != 0 ? fabs(bias_over_input) / (1 << 21) : 1.0 / 127;
	while (magnitude(run->row, p->columns, scale) + fabs(bias_over_input / scale) / 127 > most)
		scale *= 1.01;
	for (uint32_t k = 0; k < p->columns; k++)
		p->weights[(size_t)o * p->columns + k] = (int8_t)round_weight(run->row[k], scale);
	run->scales[o] = scale;
}

/* Section 1.9, and 1.4 with bias NULL. */
static enum cats_status quantise_plain(struct run *run, struct cats_int_product *p, uint32_t weight_index,
				       const float *bias, double input_scale, const char *what)
{
	const float *W = weight(run, weight_index);
	enum cats_status status = CATS_OK;

	for (uint32_t o = 0; status == CATS_OK && o < p->outputs; o++) {
		const double b = bias ? bias[o] / input_scale : 0;

		for (uint32_t k = 0; k < p->columns; k++)
			run->row[k] = W[(size_t)o * p->columns + k];
		quantise_row(run, p, o, b, ((1 << 23) - 256) / 127.0);
		p->bias[o] = to_int32(b / run->scales[o]);
		status = set_multiplier(&p->multipliers[o], input_scale * run->scales[o] / run->residual, 8, run, what,
					o);
	}
	return status;
}

/* A normalised layer's source: rows first … first + count - 1 of `p` from a float layer and a norm. */
struct folded {
	uint32_t weight, bias, gain, offset; /* tensors; offset: the norm's bias or CATS_NO_WEIGHT */
	uint32_t first, count;
};

/* Section 1.7: the weights with the gain in them. */
static void fold_weights(struct run *run, struct cats_int_product *p, const struct folded *f)
{
	const float *W = weight(run, f->weight), *gain = weight(run, f->gain);

	for (uint32_t o = 0; o < f->count; o++) {
		for (uint32_t k = 0; k < p->columns; k++)
			run->row[k] = (double)W[(size_t)o * p->columns + k] * gain[k];
		quantise_row(run, p, f->first + o, 0, 33025);
	}
}

/* The least scale of an output that the rows' multipliers allow: s_row < 2 s_out. */
static double least_output_scale(const struct run *run, uint32_t first, uint32_t count)
{
	double largest = 0;

	for (uint32_t o = first; o < first + count; o++)
		largest = fmax(largest, run->scales[o]);
	return largest * 0.501;
}

/* Multipliers, biases and beta terms of rows first … of `p` (row `from` … of the float layer), once their output's
 * scale is known; `zero` is added to the output. */
static enum cats_status fold_outputs(struct run *run, struct cats_int_product *p, const struct folded *f, uint32_t from,
				     uint32_t count, double out_scale, double zero, const char *what)
{
	const float *W = weight(run, f->weight), *b = weight(run, f->bias), *beta = weight(run, f->offset);
	enum cats_status status = CATS_OK;

	for (uint32_t o = from; status == CATS_OK && o < from + count; o++) {
		const uint32_t row = f->first + o;

		p->bias[row] = to_int32((b[o] / out_scale + zero) * 256);
		for (uint32_t k = 0; beta && k < p->columns; k++)
			p->beta[(size_t)row * p->columns + k] =
				to_int32((double)W[(size_t)o * p->columns + k] * beta[k] / out_scale * 256);
		status = set_multiplier(&p->multipliers[row], run->scales[row] / out_scale, 2, run, what, row);
	}
	return status;
}

/* Section 1.6: eps in squared steps, 16 fraction bits. */
static enum cats_status set_epsilon(int32_t *e, struct run *run, double site_scale)
{
	double value = floor(run->c->norm_eps / (site_scale * site_scale) * 65536 + 0.5);

	if (value >= 4294967296.0)
		return cats_fail(run->error, CATS_ERR_MISMATCH,
				 "%s: norm_eps: %g is beyond what integers hold for values as small as its inputs",
				 run->name, run->c->norm_eps);
	value = value < 256 ? 256 : value;
	*e = (int32_t)(uint32_t)value;
	return CATS_OK;
}

/* Section 1.5: a site fed by the residual. */
static enum cats_status set_residual_site(int32_t *multiplier, int32_t *epsilon, struct run *run, uint32_t site)
{
	const double scale = fmax(scale_of(&run->seen.weighed[site]), 2.001 * run->residual);
	const enum cats_status status = set_multiplier(multiplier, run->residual / scale, 0, run, "site", site);

	run->out->scale_site[site] = scale;
	return status < 0 ? status : set_epsilon(epsilon, run, scale);
}

static enum cats_status quantise_heads(struct run *run, uint32_t l, const struct folded kinds[3])
{
	const uint32_t H = run->c->n_heads, d = run->c->d_model / H, site = 4 * l + 1;
	struct cats_int_layer *layer = &run->out->layers[l];
	const struct cats_histogram *seen[3] = {run->seen.q, run->seen.k, run->seen.v};
	enum cats_status status = CATS_OK;

	run->out->scale_site[site] = scale_of(&run->seen.weighed[site]);
	for (uint32_t h = 0; status == CATS_OK && h < H; h++) {
		double scale[3];

		for (int kind = 0; status == CATS_OK && kind < 3; kind++) {
			scale[kind] = fmax(scale_of(&seen[kind][l * H + h]),
					   least_output_scale(run, kinds[kind].first + h * d, d));
			status = fold_outputs(run, &layer->qkv, &kinds[kind], h * d, d, scale[kind], 0, "attn.qkv");
		}
		if (status == CATS_OK)
			status = set_multiplier(&layer->score[h], scale[0] * scale[1] / sqrt(d) * 92, 8, run,
						"attn.score", h);
		if (status == CATS_OK)
			status = set_multiplier(&layer->value[h], scale[2] / run->out->scale_site[site], 13, run,
						"attn.value", h);
	}
	return status;
}

static enum cats_status quantise_attention(struct run *run, uint32_t l)
{
	const uint32_t *w = run->model->layers[l], F = run->c->d_model;
	struct cats_int_layer *layer = &run->out->layers[l];
	const struct folded kinds[3] = {
		{w[CATS_Q_WEIGHT], w[CATS_Q_BIAS], w[CATS_NORM1_WEIGHT], w[CATS_NORM1_BIAS], 0, F},
		{w[CATS_K_WEIGHT], w[CATS_K_BIAS], w[CATS_NORM1_WEIGHT], w[CATS_NORM1_BIAS], F, F},
		{w[CATS_V_WEIGHT], w[CATS_V_BIAS], w[CATS_NORM1_WEIGHT], w[CATS_NORM1_BIAS], 2 * F, F},
	};
	enum cats_status status = set_residual_site(&layer->quantise[0], &layer->epsilon[0], run, 4 * l);

	for (int kind = 0; kind < 3; kind++)
		fold_weights(run, &layer->qkv, &kinds[kind]);
	if (status == CATS_OK)
		status = quantise_heads(run, l, kinds);
	if (status == CATS_OK)
		status = quantise_plain(run, &layer->o, w[CATS_O_WEIGHT], weight(run, w[CATS_O_BIAS]),
					run->out->scale_site[4 * l + 1], "attn.o");
	return status;
}

/* GELU's table (section 1.7) over inputs from `low`, in steps of `step`. */
static void fill_gelu(int8_t *table, double low, double step, double site_scale)
{
	for (int i = 0; i < 256; i++) {
		const double u = low + i * step;
		const double q = floor(0.5 * u * (1 + erf(u / sqrt(2))) / site_scale + 0.5);

		table[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
	}
}

static enum cats_status quantise_hidden(struct run *run, uint32_t l, const struct folded *up)
{
	struct cats_int_layer *layer = &run->out->layers[l];
	double *site_scale = &run->out->scale_site[4 * l + 3];
	const double least = least_output_scale(run, 0, up->count);

	*site_scale = scale_of(&run->seen.weighed[4 * l + 3]);
	if (!layer->table) {
		*site_scale = fmax(*site_scale, least);
		return fold_outputs(run, &layer->up, up, 0, up->count, *site_scale, 0, "ffn.up");
	}
	const double low = fmax(GELU_LOWEST, -fmax(run->seen.up_below[l].largest, 0.01));
	const double high = fmax(cats_histogram_best_range(&run->seen.up_above[l], 200), 0.01);
	const double step = fmax((high - low) / 255, least);

	fill_gelu(layer->table, low, step, *site_scale);
	return fold_outputs(run, &layer->up, up, 0, up->count, step, -low / step, "ffn.up");
}

static enum cats_status quantise_feed_forward(struct run *run, uint32_t l)
{
	const uint32_t *w = run->model->layers[l];
	struct cats_int_layer *layer = &run->out->layers[l];
	const struct folded up = {w[CATS_UP_WEIGHT], w[CATS_UP_BIAS], w[CATS_NORM2_WEIGHT], w[CATS_NORM2_BIAS], 0,
				  run->c->d_ff};
	enum cats_status status = set_residual_site(&layer->quantise[1], &layer->epsilon[1], run, 4 * l + 2);

	fold_weights(run, &layer->up, &up);
	if (status == CATS_OK)
		status = quantise_hidden(run, l, &up);
	if (status == CATS_OK)
		status = quantise_plain(run, &layer->down, w[CATS_DOWN_WEIGHT], weight(run, w[CATS_DOWN_BIAS]),
					run->out->scale_site[4 * l + 3], "ffn.down");
	return status;
}

static enum cats_status quantise_head(struct run *run)
{
	const uint32_t n_out = run->c->n_out;
	const struct folded f = {run->model->head_weight,
				 run->model->head_bias,
				 run->model->norm_weight,
				 run->model->norm_bias,
				 0,
				 n_out};
	enum cats_status status =
		set_residual_site(run->out->head_quantise, run->out->head_epsilon, run, 4 * run->c->n_layers);

	fold_weights(run, &run->out->head, &f);
	const double scale =
		fmax(fmax(run->seen.logit * LOGIT_HEADROOM / (1 << 22), 1e-30), least_output_scale(run, 0, n_out));

	*run->out->scale_result = run->c->pool == CATS_POOL_MEAN ? scale / cats_config_tokens(run->c) : scale;
	return status < 0 ? status : fold_outputs(run, &run->out->head, &f, 0, n_out, scale, 0, "head");
}

static void quantise_input(struct run *run)
{
	const struct cats_image_config *image = &run->c->image;
	double largest = 0;

	if (!run->out->input_table) {
		*run->out->scale_input = scale_of(&run->seen.input);
		return;
	}
	for (int byte = 0; byte < 256; byte++)
		largest = fmax(largest, fabs((byte / 255.0 - image->mean) / image->std));
	*run->out->scale_input = largest / 127;
	for (int byte = 0; byte < 256; byte++)
		run->out->input_table[byte] =
			(int8_t)round_weight((byte / 255.0 - image->mean) / image->std, *run->out->scale_input);
}

/* Section 1.4. */
static enum cats_status quantise_embedding(struct run *run)
{
	const float *b = weight(run, run->model->embed_bias), *pos = weight(run, run->model->pos);
	const float *cls = weight(run, run->model->cls);
	const uint32_t F = run->c->d_model, T = cats_config_tokens(run->c);

	for (size_t i = 0; i < (size_t)T * F; i++) {
		const bool is_class = cls && i < F;
		const double value = (pos[i] + (is_class ? cls[i] : b[i % F])) / run->residual;

		run->out->pos[i] = (int32_t)fmin(fmax(floor(value + 0.5), INT16_MIN), INT16_MAX);
	}
	return quantise_plain(run, &run->out->embed, run->model->embed_weight, NULL, *run->out->scale_input, "embed");
}

static enum cats_status quantise_all(struct run *run)
{
	enum cats_status status;

	run->residual = fmax(run->seen.residual, 1e-20) * RESIDUAL_HEADROOM / 32767;
	*run->out->scale_residual = run->residual;
	for (uint32_t site = 0; site < cats_config_sites(run->c); site++)
		memcpy(run->out->keep[site], run->model->keep[site], cats_site_columns(run->c, site));
	quantise_input(run);
	status = quantise_embedding(run);
	for (uint32_t l = 0; status == CATS_OK && l < run->c->n_layers; l++) {
		status = quantise_attention(run, l);
		if (status == CATS_OK)
			status = quantise_feed_forward(run, l);
	}
	return status < 0 ? status : quantise_head(run);
}

static size_t largest_of(size_t a, size_t b)
{
	return a > b ? a : b;
}

enum cats_status cats_quantise(struct cats_integer *out, const struct cats_model *model,
			       const struct cats_calibration *calibration, const char *name, struct cats_error *error)
{
	const struct cats_config *c = &model->config;
	struct run run = {.out = out, .model = model, .c = c, .name = name, .error = error};
	enum cats_status status = cats_integer_create(out, c, name, error);

	if (status < 0)
		return status;
	run.row = calloc(largest_of(largest_of(c->d_model, c->d_ff), c->d_in), sizeof *run.row);
	run.scales = calloc(largest_of(largest_of(3 * (size_t)c->d_model, c->d_ff), c->n_out), sizeof *run.scales);
	status = run.row && run.scales ? cats_seen_create(&run.seen, c, error)
				       : cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", name);
	if (status == CATS_OK) {
		cats_seen_merge(&run.seen, &calibration->clean, c);
		cats_seen_merge(&run.seen, &calibration->lossy, c);
		status = quantise_all(&run);
	}
	if (status == CATS_OK)
		status = cats_integer_check(out, name, error);
	cats_seen_free(&run.seen);
	free(run.row);
	free(run.scales);
	if (status < 0)
		cats_integer_free(out);
	return status;
}

struct cats_saturation cats_saturation_of(const struct cats_integer *m, const struct cats_seen *seen)
{
	struct cats_saturation result = {0};
	double above = 0, count = 0;

	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++) {
		const struct cats_histogram *h = &seen->site[site];
		const double share = cats_histogram_share_above(h, 127.5 * m->scale_site[site]);

		above += share * (double)h->count;
		count += (double)h->count;
		if (share > result.worst) {
			result.worst = share;
			result.worst_site = site;
		}
	}
	result.mean = count > 0 ? above / count : 0;
	return result;
}

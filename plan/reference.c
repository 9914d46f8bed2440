/* SPDX-License-Identifier: MIT */
/* The plain reference. Section numbers are those of docs/SPEC-integer.md. See reference.h. */
#include "plan/reference.h"

#include <stdlib.h>
#include <string.h>

/* One inference under way. */
struct run {
	const struct cats_integer *m;
	const struct cats_config *c;
	const struct cats_reference_input *in;
	struct cats_trace *out;
	uint32_t D, T, F;
	int16_t *r;        /* [T, F], the residual; column o is its owner's */
	int8_t *qkv;       /* [T, 3 F] */
	int8_t *view;      /* [tokens, columns] of the site and device at hand: absent is 0 */
	uint8_t *has;      /* the same shape: 1 = available */
	int64_t *mu, *rho; /* [tokens] */
};

/* Section 1.1: floor(x / 2^k). */
static int64_t floor_shift(int64_t x, unsigned k)
{
	const int64_t unit = (int64_t)1 << k;

	return x / unit - (x % unit < 0 ? 1 : 0);
}

static int64_t floor_divide(int64_t x, int64_t by)
{
	return x / by - (x % by < 0 ? 1 : 0);
}

/* Section 1.1: the requantisation rule. */
static int64_t requantise(int64_t a, int64_t m)
{
	return floor_shift(a * m + ((int64_t)1 << 31), 32);
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
	return x < low ? low : x > high ? high : x;
}

static int8_t saturate_site(struct run *run, int64_t x)
{
	run->out->saturated += x < -127 || x > 127;
	return (int8_t)clamp(x, -127, 127);
}

static uint32_t owner_of(const struct run *run, uint32_t site, uint32_t column)
{
	for (uint32_t j = 0; j < run->D; j++) {
		const struct cats_run own = cats_integer_site_own(run->c, site, run->D, j);

		if (column >= own.first && column - own.first < own.count)
			return j;
	}
	return run->D; /* never: every column has an owner */
}

static bool received(const struct run *run, uint32_t site, uint32_t sender, uint32_t receiver, uint32_t token)
{
	const uint32_t tokens = cats_integer_site_tokens(run->c, site);
	const uint8_t *mask = run->in->received ? run->in->received[site] : NULL;

	if (sender == receiver || mask == NULL)
		return true;
	return mask[((size_t)sender * run->D + receiver) * tokens + token] != 0;
}

/* Device j's view of a site: what it owns, and what was broadcast and arrived. */
static void make_view(struct run *run, uint32_t site, uint32_t j)
{
	const uint32_t tokens = cats_integer_site_tokens(run->c, site);
	const uint32_t columns = cats_integer_site_columns(run->c, site);

	for (uint32_t k = 0; k < columns; k++) {
		const uint32_t i = owner_of(run, site, k);

		for (uint32_t t = 0; t < tokens; t++) {
			const size_t at = (size_t)t * columns + k;

			run->has[at] = i == j || (cats_integer_kept(run->m, site, k) && received(run, site, i, j, t));
			run->view[at] = run->has[at] ? run->out->sites[site][at] : 0;
		}
	}
}

/* Section 1.4, device j. */
static void embed(struct run *run, uint32_t j)
{
	const struct cats_input_shape shape = cats_input_shape_of(run->c);
	const struct cats_int_product *p = &run->m->embed;
	const struct cats_run own = cats_partition_run(run->F, run->D, j);
	const uint32_t first_token = run->c->cls_token ? 1 : 0;

	for (uint32_t o = own.first; o < own.first + own.count; o++) {
		if (run->c->cls_token)
			run->r[o] = (int16_t)run->m->pos[o];
		for (uint32_t patch = 0; patch < run->c->n_patches; patch++) {
			const size_t at = (size_t)(patch + first_token) * run->F + o;
			int64_t acc = 0;

			for (uint32_t k = 0; k < p->columns; k++) {
				const uint32_t y = patch / shape.across * shape.step_rows + k / shape.window_columns;
				const uint32_t x = patch % shape.across * shape.step_columns + k % shape.window_columns;

				acc += (int64_t)p->weights[(size_t)o * p->columns + k] *
				       run->view[(size_t)y * shape.columns + x];
			}
			run->r[at] = (int16_t)clamp(run->m->pos[at] + requantise(256 * acc, p->multipliers[o]),
						    INT16_MIN, INT16_MAX);
		}
	}
}

/* Section 1.5, all devices: each column is quantised by its owner. */
static void quantise(struct run *run, uint32_t site, int64_t multiplier)
{
	const size_t count = (size_t)cats_integer_site_tokens(run->c, site) * run->F;

	for (size_t i = 0; i < count; i++)
		run->out->sites[site][i] = saturate_site(run, requantise(run->r[i], multiplier));
}

/* Bits of a positive number. */
static int bits_of(uint64_t x)
{
	int bits = 0;

	while (bits < 64 && x >> bits != 0)
		bits++;
	return bits;
}

/* For v < 2^32. */
static uint64_t floor_root(uint64_t v)
{
	uint64_t g = 0;

	for (uint64_t bit = (uint64_t)1 << 16; bit != 0; bit >>= 1)
		if ((g + bit) * (g + bit) <= v)
			g += bit;
	return g;
}

/* Section 1.6: rho from V and n > 0. */
static int64_t reciprocal_root(uint64_t V, uint64_t n)
{
	const int b = bits_of(V);
	const int h = b > 32 ? (b - 32 + 1) / 2 : -((32 - b) / 2);
	const uint64_t v = h >= 0 ? V >> (2 * h) : V << (-2 * h);
	const uint64_t g = floor_root(v);
	const uint64_t c = ((uint64_t)1 << 31) / g;
	const uint64_t rho = h <= 3 ? n * c << (3 - h) : n * c >> (h - 3);

	return (int64_t)(rho < (uint64_t)1 << 30 ? rho : (uint64_t)1 << 30);
}

/* Section 1.6, for every token of the view at hand. */
static void statistics(struct run *run, uint32_t site, uint32_t epsilon)
{
	const uint32_t tokens = cats_integer_site_tokens(run->c, site);

	for (uint32_t t = 0; t < tokens; t++) {
		int64_t n = 0, S = 0, Q = 0;

		for (uint32_t k = 0; k < run->F; k++) {
			const int64_t q = run->view[(size_t)t * run->F + k];

			n += run->has[(size_t)t * run->F + k];
			S += q;
			Q += q * q;
		}
		if (run->c->norm == CATS_NORM_RMS)
			S = 0;
		run->mu[t] = n ? floor_divide(512 * S + n, 2 * n) : 0;
		run->rho[t] = n ? reciprocal_root(((uint64_t)(n * Q - S * S) << 16) + (uint64_t)(n * n) * epsilon,
						  (uint64_t)n)
				: 0;
	}
}

/* Section 1.7: y of row o and token t, for the view and statistics at hand. */
static int64_t norm_product(const struct run *run, const struct cats_int_product *p, uint32_t o, uint32_t t)
{
	const size_t row = (size_t)o * p->columns, token = (size_t)t * p->columns;
	int64_t acc = 0, Ws = 0, B = p->bias[o];

	for (uint32_t k = 0; k < p->columns; k++) {
		if (!run->has[token + k])
			continue;
		acc += (int64_t)p->weights[row + k] * run->view[token + k];
		Ws += p->weights[row + k];
		B += p->beta ? p->beta[row + k] : 0;
	}
	const int64_t A = 256 * acc - run->mu[t] * Ws;
	const int64_t m = requantise(run->rho[t], p->multipliers[o]);

	return floor_shift(A * m + B * ((int64_t)1 << 24) + ((int64_t)1 << 31), 32);
}

/* q, k and v of device j's heads; rows that class-token pooling leaves out are computed and not used. */
static void project_heads(struct run *run, const struct cats_int_layer *layer, struct cats_run own)
{
	for (uint32_t kind = 0; kind < 3; kind++)
		for (uint32_t o = kind * run->F + own.first; o < kind * run->F + own.first + own.count; o++)
			for (uint32_t t = 0; t < run->T; t++)
				run->qkv[(size_t)t * 3 * run->F + o] =
					(int8_t)clamp(norm_product(run, &layer->qkv, o, t), -127, 127);
}

/* Section 1.8 for one head and one query; writes d columns of attn_out. */
static void attend(struct run *run, const struct cats_int_layer *layer, uint32_t site, uint32_t head, uint32_t query)
{
	const uint32_t d = run->F / run->c->n_heads, first = head * d;
	const uint32_t keys = run->c->causal ? query + 1 : run->T;
	const int8_t *q = run->qkv + (size_t)query * 3 * run->F + first;
	int64_t scores[CATS_TOKENS_MAX], largest = INT64_MIN, Z = 0;

	for (uint32_t j = 0; j < keys; j++) {
		const int8_t *k = run->qkv + (size_t)j * 3 * run->F + run->F + first;
		int64_t dot = 0;

		for (uint32_t c = 0; c < d; c++)
			dot += q[c] * k[c];
		scores[j] = clamp(requantise(256 * dot, layer->score[head]), -16384, 16383);
		largest = scores[j] > largest ? scores[j] : largest;
	}
	for (uint32_t j = 0; j < keys; j++) {
		scores[j] = run->m->exp_table[clamp(largest - scores[j], 0, 1023)];
		Z += scores[j];
	}
	const int64_t multiplier = requantise(((int64_t)1 << 45) / Z, layer->value[head]);

	for (uint32_t c = 0; c < d; c++) {
		int64_t sum = 0;

		for (uint32_t j = 0; j < keys; j++)
			sum += scores[j] * run->qkv[(size_t)j * 3 * run->F + 2 * run->F + first + c];
		run->out->sites[site][(size_t)query * run->F + first + c] =
			saturate_site(run, requantise(sum, multiplier));
	}
}

/* Section 1.9, device j, for the view at hand. */
static void residual_product(struct run *run, const struct cats_int_product *p, uint32_t site, uint32_t j)
{
	const uint32_t tokens = cats_integer_site_tokens(run->c, site);
	const struct cats_run own = cats_partition_run(run->F, run->D, j);

	for (uint32_t t = 0; t < tokens; t++) {
		for (uint32_t o = own.first; o < own.first + own.count; o++) {
			int16_t *r = &run->r[(size_t)t * run->F + o];
			int64_t acc = p->bias[o];

			for (uint32_t k = 0; k < p->columns; k++)
				acc += (int64_t)p->weights[(size_t)o * p->columns + k] *
				       run->view[(size_t)t * p->columns + k];
			*r = (int16_t)clamp(*r + requantise(256 * acc, p->multipliers[o]), INT16_MIN, INT16_MAX);
		}
	}
}

/* Device j's hidden units: section 1.7, kinds 0 and 1. */
static void hidden_units(struct run *run, const struct cats_int_layer *layer, uint32_t site, uint32_t j)
{
	const struct cats_run own = cats_integer_site_own(run->c, site, run->D, j);

	for (uint32_t t = 0; t < cats_integer_site_tokens(run->c, site); t++) {
		for (uint32_t o = own.first; o < own.first + own.count; o++) {
			const int64_t y = norm_product(run, &layer->up, o, t);

			run->out->saturated += layer->table ? y < 0 || y > 255 : y > 127;
			run->out->sites[site][(size_t)t * run->c->d_ff + o] =
				layer->table ? layer->table[clamp(y, 0, 255)] : (int8_t)clamp(y, 0, 127);
		}
	}
}

static void save_residual(struct run *run, uint32_t index)
{
	const size_t count = (size_t)run->T * run->F;

	memcpy(run->out->residual + index * count, run->r, count * sizeof *run->r);
}

/* Views and statistics are made for one device after the other, so each product uses only what that device has. */
static void attention_block(struct run *run, uint32_t index)
{
	const struct cats_int_layer *layer = &run->m->layers[index];
	const uint32_t in = 1 + 4 * index, out = in + 1, d = run->F / run->c->n_heads;

	quantise(run, in, layer->quantise[0]);
	for (uint32_t j = 0; j < run->D; j++) {
		const struct cats_run heads = cats_partition_run(run->c->n_heads, run->D, j);

		make_view(run, in, j);
		statistics(run, in, (uint32_t)layer->epsilon[0]);
		project_heads(run, layer, (struct cats_run){heads.first * d, heads.count * d});
		for (uint32_t h = heads.first; h < heads.first + heads.count; h++)
			for (uint32_t t = 0; t < cats_integer_site_tokens(run->c, out); t++)
				attend(run, layer, out, h, t);
	}
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, out, j);
		residual_product(run, &layer->o, out, j);
	}
	save_residual(run, 1 + 2 * index);
}

static void feed_forward_block(struct run *run, uint32_t index)
{
	const struct cats_int_layer *layer = &run->m->layers[index];
	const uint32_t in = 3 + 4 * index, out = in + 1;

	quantise(run, in, layer->quantise[1]);
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, in, j);
		statistics(run, in, (uint32_t)layer->epsilon[1]);
		hidden_units(run, layer, out, j);
	}
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, out, j);
		residual_product(run, &layer->down, out, j);
	}
	save_residual(run, 2 + 2 * index);
}

/* Sections 1.7, kind 2, and 1.10. */
static void head(struct run *run)
{
	const uint32_t in = 1 + 4 * run->c->n_layers, out = in + 1, n_out = run->c->n_out;
	const uint32_t rows = cats_integer_site_tokens(run->c, out), tokens = cats_integer_site_tokens(run->c, in);

	quantise(run, in, *run->m->head_quantise);
	memset(run->out->logits, 0, (size_t)rows * n_out * sizeof *run->out->logits);
	for (uint32_t j = 0; j < run->D; j++) {
		const struct cats_run own = cats_partition_run(n_out, run->D, j);

		make_view(run, in, j);
		statistics(run, in, (uint32_t)*run->m->head_epsilon);
		for (uint32_t o = own.first; o < own.first + own.count; o++) {
			for (uint32_t t = 0; t < tokens; t++) /* rows < tokens only when they are added up */
				run->out->logits[(size_t)(rows == 1 ? 0 : t) * n_out + o] += (int32_t)clamp(
					norm_product(run, &run->m->head, o, t), -(1 << 22), (1 << 22) - 1);
			for (uint32_t t = 0; t < rows; t++)
				run->out->arrived[(size_t)t * n_out + o] = received(run, out, j, 0, t);
		}
	}
}

static void infer(struct run *run)
{
	const struct cats_input_shape shape = cats_input_shape_of(run->c);

	run->out->saturated = 0;
	memcpy(run->out->sites[0], run->in->input, (size_t)shape.rows * shape.columns);
	for (uint32_t j = 0; j < run->D; j++) {
		make_view(run, 0, j);
		embed(run, j);
	}
	save_residual(run, 0);
	for (uint32_t layer = 0; layer < run->c->n_layers; layer++) {
		attention_block(run, layer);
		feed_forward_block(run, layer);
	}
	head(run);
}

/* Elements of the largest view. */
static size_t largest_view(const struct cats_config *c)
{
	size_t largest = 0;

	for (uint32_t site = 0; site < cats_integer_sites(c) - 1; site++) {
		const size_t size = (size_t)cats_integer_site_tokens(c, site) * cats_integer_site_columns(c, site);

		largest = size > largest ? size : largest;
	}
	return largest;
}

enum cats_status cats_reference_run(struct cats_trace *out, const struct cats_integer *m,
				    const struct cats_reference_input *in, struct cats_error *error)
{
	const struct cats_config *c = &m->config;
	const uint32_t T = cats_config_tokens(c), F = c->d_model;
	struct run run = {.m = m, .c = c, .in = in, .out = out, .D = in->devices, .T = T, .F = F};
	enum cats_status status = CATS_OK;

	run.r = calloc((size_t)T * F, sizeof *run.r);
	run.qkv = calloc((size_t)T * F, 3);
	run.view = malloc(largest_view(c));
	run.has = malloc(largest_view(c));
	run.mu = calloc(T, sizeof *run.mu);
	run.rho = calloc(T, sizeof *run.rho);
	if (run.r && run.qkv && run.view && run.has && run.mu && run.rho)
		infer(&run);
	else
		status = cats_fail(error, CATS_ERR_MEMORY, "reference: out of memory");
	free(run.r);
	free(run.qkv);
	free(run.view);
	free(run.has);
	free(run.mu);
	free(run.rho);
	return status;
}

enum cats_status cats_trace_create(struct cats_trace *out, const struct cats_integer *m, struct cats_error *error)
{
	const struct cats_config *c = &m->config;
	const uint32_t sites = cats_integer_sites(c) - 1;
	const size_t results = (size_t)cats_integer_site_tokens(c, sites) * c->n_out;
	bool ok;

	*out = (struct cats_trace){.site_count = sites};
	out->sites = calloc(sites, sizeof *out->sites);
	out->residual =
		calloc((size_t)(2 * c->n_layers + 1) * cats_config_tokens(c) * c->d_model, sizeof *out->residual);
	out->logits = calloc(results, sizeof *out->logits);
	out->arrived = calloc(results, 1);
	ok = out->sites && out->residual && out->logits && out->arrived;
	for (uint32_t site = 0; ok && site < sites; site++) {
		out->sites[site] = calloc(cats_integer_site_tokens(c, site), cats_integer_site_columns(c, site));
		ok = out->sites[site] != NULL;
	}
	if (ok)
		return CATS_OK;
	cats_trace_free(out);
	return cats_fail(error, CATS_ERR_MEMORY, "trace: out of memory");
}

void cats_trace_free(struct cats_trace *trace)
{
	for (uint32_t site = 0; trace->sites && site < trace->site_count; site++)
		free(trace->sites[site]);
	free(trace->sites);
	free(trace->residual);
	free(trace->logits);
	free(trace->arrived);
	*trace = (struct cats_trace){0};
}

int32_t cats_trace_class(const struct cats_trace *trace, const struct cats_integer *m, uint32_t row)
{
	const size_t first = (size_t)row * m->config.n_out;
	int32_t best = -1;

	for (uint32_t o = 0; o < m->config.n_out; o++)
		if (trace->arrived[first + o] &&
		    (best < 0 || trace->logits[first + o] > trace->logits[first + (uint32_t)best]))
			best = (int32_t)o;
	return best;
}

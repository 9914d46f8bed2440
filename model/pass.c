/* SPDX-License-Identifier: MIT */
/* One inference and its gradient, as D devices compute it: the order of semantics.md, gather by gather. The arithmetic
 * is in norm.c, linear.c and attention.c. See pass.h. */
#include "model/pass.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/random.h"
#include "model/kernels.h"

/* A normalisation's results on each device, each array [D]. */
struct norm_tape {
	cats_real **xhat; /* [view.count, tokens, B] */
	cats_real **rstd; /* [tokens, B] */
};

/* What one layer leaves behind for the backward pass. */
struct layer_tape {
	struct norm_tape norm1, norm2;
	cats_real *qkv; /* [3 F, T, B], device by device: its q, k, v rows */
	cats_real *p;   /* [H, T, T, B] probabilities; only one head's when nothing is kept */
	cats_real *o;   /* [F, T, B] heads' outputs */
	cats_real *h;   /* [M, T, B] hidden units after the activation, */
	cats_real *z;   /* [M, T, B] and before; h itself for ReLU, whose derivative h tells as well */
};

struct cats_pass {
	const struct cats_views *views;
	uint32_t max_batch;
	bool keep;
	uint32_t batch;  /* of the last forward */
	uint8_t *memory; /* all arrays below */
	size_t bytes;
	struct layer_tape *tape; /* [n_layers]; all the same arrays when nothing is kept */
	struct norm_tape final_tape;
	cats_real *trace;   /* [n_layers + 1] of [F, T, B] */
	cats_real *x;       /* [F, T, B] residual stream */
	cats_real *y;       /* [max_view, T, B] a device's gathered view */
	cats_real *branch;  /* [F, T, B] what a branch adds to the residual stream, or its gradient, with dropout */
	cats_real *folded;  /* weights of a linear layer with the gain before it, then biases, */
	cats_real *dfolded; /* and their gradients */
	cats_real *head;    /* [n_out, T, B] outputs before pooling */
	cats_real *out;     /* [n_out, T, B] */
	cats_real *dx;      /* [F, T, B] gradient of x, */
	cats_real *dy;      /* [max_view, T, B] of y, */
	cats_real *dwide;   /* [max(F, M), T, B] of o or h, */
	cats_real *dqkv;    /* [3 F, T, B] of qkv, */
	cats_real *ds;      /* [T, T, B] of one head's scores */
};

/* One call's constants. */
struct step {
	struct cats_pass *pass;
	const struct cats_views *views;
	const struct cats_config *c;
	const struct cats_pass_input *in;
	const cats_real *packed;
	cats_real *gradient; /* packed; NULL in the forward pass */
	size_t B, T, width;  /* width = T · B */
	size_t stride;       /* from row to row of every array, at least width */
};

/* ---- memory: one block, walked twice: first to count, then to hand out ---- */

#define CACHE_LINE 64U

/* Rows are an odd number of cache lines apart: at a power of two, as T · B often is, those of all columns would share a
 * few sets of the cache and drive each other out. */
static size_t stride_of(size_t width)
{
	const size_t line = CACHE_LINE / sizeof(cats_real);

	return ((width + line - 1U) / line | 1U) * line;
}

static cats_real *take(struct cats_pass *p, size_t count)
{
	const size_t at = p->bytes;

	p->bytes += (count * sizeof(cats_real) + CACHE_LINE - 1U) / CACHE_LINE * CACHE_LINE;
	return p->memory ? (cats_real *)(void *)(p->memory + at) : NULL;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void take_norm(struct norm_tape *tape, struct cats_pass *p, uint32_t site, size_t stride)
{
	for (uint32_t j = 0; j < p->views->config.devices; j++) {
		const bool own = p->keep || j == 0;
		const size_t columns = p->keep ? cats_view_at(p->views, site, j)->count : p->views->max_view;

		tape->xhat[j] = own ? take(p, columns * stride) : tape->xhat[0];
		tape->rstd[j] = own ? take(p, stride) : tape->rstd[0];
	}
}

static void take_layer(struct cats_pass *p, uint32_t n, size_t width, size_t stride)
{
	const struct cats_config *c = &p->views->config;
	struct layer_tape *t = &p->tape[n];

	if (n > 0 && !p->keep) {
		*t = p->tape[0];
		return;
	}
	take_norm(&t->norm1, p, n * 4U + CATS_ATTN_IN, stride);
	take_norm(&t->norm2, p, n * 4U + CATS_FFN_IN, stride);
	t->qkv = take(p, 3 * c->d_model * stride);
	t->p = take(p, (p->keep ? c->n_heads : 1U) * cats_config_tokens(c) * width);
	t->o = take(p, c->d_model * stride);
	t->h = take(p, c->d_ff * stride);
	t->z = c->activation == CATS_RELU ? t->h : take(p, c->d_ff * stride);
}

/* Weights and biases of the largest block that a normalisation precedes. */
static size_t most_folded(const struct cats_views *views)
{
	const struct cats_config *c = &views->config;
	size_t most = 0;

	for (size_t i = 0; i < (size_t)c->n_layers * c->devices; i++) {
		const struct cats_block *qkv = &views->layer[i].qkv, *up = &views->layer[i].up;

		most = larger(most,
			      larger((qkv->columns + 1U) * (size_t)qkv->rows, (up->columns + 1U) * (size_t)up->rows));
	}
	for (uint32_t j = 0; j < c->devices; j++)
		most = larger(most, (views->head[j].columns + 1U) * (size_t)views->head[j].rows);
	return most;
}

static void take_all(struct cats_pass *p)
{
	const struct cats_config *c = &p->views->config;
	const size_t width = (size_t)cats_config_tokens(c) * p->max_batch, stride = stride_of(width);
	const size_t F = c->d_model, wide = c->d_model > c->d_ff ? c->d_model : c->d_ff;

	p->bytes = 0;
	for (uint32_t n = 0; n < c->n_layers; n++)
		take_layer(p, n, width, stride);
	take_norm(&p->final_tape, p, c->n_layers * 4U, stride);
	p->x = take(p, F * stride);
	p->y = take(p, p->views->max_view * stride);
	p->branch = take(p, F * stride);
	p->folded = take(p, most_folded(p->views));
	p->head = take(p, c->n_out * stride);
	p->out = take(p, c->n_out * width);
	if (!p->keep)
		return;
	p->trace = take(p, (c->n_layers + 1U) * F * width);
	p->dfolded = take(p, most_folded(p->views));
	p->dx = take(p, F * stride);
	p->dy = take(p, p->views->max_view * stride);
	p->dwide = take(p, wide * stride);
	p->dqkv = take(p, 3 * F * stride);
	p->ds = take(p, cats_config_tokens(c) * width);
}

static bool norm_tape_create(struct norm_tape *tape, uint32_t D)
{
	tape->xhat = calloc(D, sizeof *tape->xhat);
	tape->rstd = calloc(D, sizeof *tape->rstd);
	return tape->xhat && tape->rstd;
}

/* A row of every column lies in a page of its own, and many arrays take turns: with pages of 4 KiB the processor
 * forgets where they are. */
#define PAGE 4096U

static bool pass_allocate(struct cats_pass *p)
{
	const struct cats_config *c = &p->views->config;

	p->tape = calloc(c->n_layers, sizeof *p->tape);
	if (!p->tape || !norm_tape_create(&p->final_tape, c->devices))
		return false;
	for (uint32_t n = 0; n < (p->keep ? c->n_layers : 1U); n++)
		if (!norm_tape_create(&p->tape[n].norm1, c->devices) ||
		    !norm_tape_create(&p->tape[n].norm2, c->devices))
			return false;
	take_all(p);
	p->memory = aligned_alloc(PAGE, (p->bytes + PAGE - 1U) / PAGE * PAGE);
	if (!p->memory)
		return false;
	(void)madvise(p->memory, p->bytes, MADV_HUGEPAGE); /* a wish: all is the same without */
	take_all(p);
	return true;
}

enum cats_status cats_pass_create(struct cats_pass **out, const struct cats_views *views, uint32_t max_batch,
				  bool keep_for_backward, struct cats_error *error)
{
	struct cats_pass *p = calloc(1, sizeof *p);

	if (p) {
		p->views = views;
		p->max_batch = max_batch;
		p->keep = keep_for_backward;
	}
	if (!p || !pass_allocate(p)) {
		const size_t bytes = p ? p->bytes : 0;

		cats_pass_free(p);
		return cats_fail(
			error, CATS_ERR_MEMORY,
			"float pass of %u samples: no memory for %zu bytes; use fewer samples a chunk or fewer threads",
			max_batch, bytes);
	}
	*out = p;
	return CATS_OK;
}

static void norm_tape_free(struct norm_tape *tape)
{
	free(tape->xhat);
	free(tape->rstd);
}

void cats_pass_free(struct cats_pass *pass)
{
	if (!pass)
		return;
	for (uint32_t n = 0; pass->tape && n < (pass->keep ? pass->views->config.n_layers : 1U); n++) {
		norm_tape_free(&pass->tape[n].norm1);
		norm_tape_free(&pass->tape[n].norm2);
	}
	norm_tape_free(&pass->final_tape);
	free(pass->tape);
	free(pass->memory);
	free(pass);
}

size_t cats_pass_bytes(const struct cats_pass *pass)
{
	return pass->bytes;
}

/* ---- small things ---- */

static struct cats_submatrix submatrix(const struct step *s, cats_real *array, size_t first_row)
{
	return (struct cats_submatrix){.data = array + first_row * s->stride, .stride = s->stride};
}

/* What the caller gave is without gaps. */
static struct cats_submatrix input_matrix(const struct step *s)
{
	return (struct cats_submatrix){.data = (cats_real *)(uintptr_t)s->in->input, .stride = s->c->n_patches * s->B};
}

static uint32_t tokens_at(const struct step *s, uint32_t site)
{
	return s->in->all_rows ? (uint32_t)s->T : cats_site_tokens(s->c, site);
}

static size_t width_at(const struct step *s, uint32_t site)
{
	return tokens_at(s, site) * s->B;
}

static struct cats_reception reception(const struct step *s, uint32_t site, uint32_t device)
{
	return (struct cats_reception){
		.view = cats_view_at(s->views, site, device),
		.device = device,
		.devices = s->c->devices,
		.full_width = s->width,
		.received = s->in->received ? s->in->received[site] : NULL,
	};
}

/* Everything of x is available as it lies: no copy is needed. */
static bool is_plain(const struct cats_reception *at)
{
	return at->view->whole && (!at->received || at->devices == 1);
}

/* The view of `x` on a device: x itself where that is the same, else gathered into pass->y. */
static struct cats_submatrix gathered(const struct step *s, const struct cats_reception *at, cats_real *x, size_t width)
{
	if (is_plain(at))
		return submatrix(s, x, 0);
	cats_gather(submatrix(s, s->pass->y, 0), at, submatrix(s, x, 0), width);
	return submatrix(s, s->pass->y, 0);
}

#define DRAWS 4U /* elements that share a 64-bit draw, 16 bits each */

/* Inverted dropout, in place, on rows x tokens of an array; the same call gives the same mask. */
static void dropout(const struct step *s, cats_real *array, uint32_t site, uint32_t tokens)
{
	const cats_real scale = (cats_real)(1 / (1 - s->in->dropout));
	const uint32_t threshold = (uint32_t)(s->in->dropout * 65536.0);

	if (s->in->dropout <= 0)
		return;
	for (size_t b = 0; b < s->B; b++) {
		const uint64_t sample = cats_random_key(s->in->dropout_key, s->in->sample_ids[b]);
		const uint64_t key = cats_random_key(sample, site);

		for (size_t f = 0; f < s->c->d_model; f++)
			for (uint32_t t = 0; t < tokens; t += DRAWS) {
				uint64_t draw = cats_random_u64(key, f * s->T + t);

				for (uint32_t u = t; u < tokens && u < t + DRAWS; u++, draw >>= 16) {
					cats_real *at = &array[f * s->stride + u * s->B + b];

					*at = (uint32_t)(draw & 0xFFFFU) < threshold ? 0 : *at * scale;
				}
			}
	}
}

/* ---- forward ---- */

#define EMBED_SITE UINT32_MAX /* names the embedding's dropout mask, which belongs to no gather site */

static void forward_embed(const struct step *s)
{
	const size_t F = s->c->d_model, first = s->T - s->c->n_patches; /* 1 with a class token */
	const size_t input_width = s->c->n_patches * s->B;
	const struct cats_block *e = &s->views->embed;
	cats_real *x = s->pass->x;

	cats_linear_forward((struct cats_submatrix){x + first * s->B, s->stride}, false, s->packed + e->weight,
			    s->packed + e->bias, input_matrix(s), e->rows, e->columns, input_width);
	for (size_t f = 0; f < F; f++)
		for (size_t t = 0; t < s->T; t++) {
			cats_real *at = x + f * s->stride + t * s->B;
			const cats_real pos = s->packed[s->views->pos + f * s->T + t];

			for (size_t b = 0; b < s->B; b++)
				at[b] = t < first ? s->packed[s->views->cls + f] + pos : at[b] + pos;
		}
	dropout(s, x, EMBED_SITE, (uint32_t)s->T);
}

/* A normalised view as a linear layer reads it. With nothing lost, gain and shift are part of the weights, and x is
 * what the normalisation keeps anyway; else x has both, for what is lost is 0 after them. */
struct reading {
	struct cats_submatrix x;
	const cats_real *weight, *bias;
};

static bool folds(const struct cats_reception *at)
{
	return at->received == NULL || at->devices == 1;
}

static const cats_real *shift_of(const struct step *s, const struct cats_gain *gain)
{
	return s->c->norm == CATS_NORM_LAYER ? s->packed + gain->bias : NULL;
}

static struct reading reading_of(const struct step *s, const struct cats_reception *at, const struct norm_tape *tape,
				 const struct cats_gain *gain, const struct cats_block *block)
{
	const cats_real *weight = s->packed + block->weight, *bias = s->packed + block->bias;
	cats_real *folded = s->pass->folded, *folded_bias = folded + (size_t)block->rows * block->columns;

	if (!folds(at))
		return (struct reading){submatrix(s, s->pass->y, 0), weight, bias};
	cats_gain_fold(folded, folded_bias, weight, bias, s->packed + gain->weight, shift_of(s, gain), block->rows,
		       block->columns);
	return (struct reading){submatrix(s, tape->xhat[at->device], 0), folded, folded_bias};
}

static struct reading forward_norm(const struct step *s, const struct cats_reception *at, const struct norm_tape *tape,
				   const struct cats_gain *gain, const struct cats_block *block, size_t width)
{
	const bool folded = folds(at);

	cats_norm_forward(submatrix(s, s->pass->y, 0), submatrix(s, tape->xhat[at->device], 0), tape->rstd[at->device],
			  at, submatrix(s, s->pass->x, 0), folded ? NULL : s->packed + gain->weight,
			  folded ? NULL : s->packed + gain->bias, s->c->norm, (cats_real)s->c->norm_eps, width);
	return reading_of(s, at, tape, gain, block);
}

/* Rows first … first + count - 1 of a block that reads a normalised view. */
static void forward_rows(struct cats_submatrix y, const struct cats_block *block, const struct reading *from,
			 uint32_t first, uint32_t count, size_t width)
{
	cats_linear_forward(y, false, from->weight + (size_t)first * block->columns, from->bias + first, from->x, count,
			    block->columns, width);
}

static struct cats_head head_shape(const struct step *s, uint32_t n)
{
	return (struct cats_head){
		.d = s->c->d_model / s->c->n_heads,
		.queries = tokens_at(s, n * 4U + CATS_ATTN_OUT),
		.T = (uint32_t)s->T,
		.B = (uint32_t)s->B,
		.causal = s->c->causal,
	};
}

/* One head's rows within `qkv`-shaped arrays and in `o`-shaped ones. */
struct head_rows {
	size_t q, k, v, o, p;
};

static struct head_rows rows_of_head(const struct step *s, struct cats_run own, uint32_t column)
{
	const size_t base = 3U * (size_t)own.first + (column - own.first);

	return (struct head_rows){
		.q = base,
		.k = base + own.count,
		.v = base + 2U * (size_t)own.count,
		.o = column,
		.p = s->pass->keep ? column / (s->c->d_model / s->c->n_heads) * s->T * s->width : 0,
	};
}

static void forward_heads(const struct step *s, uint32_t n, uint32_t j)
{
	const struct layer_tape *tape = &s->pass->tape[n];
	const struct cats_head shape = head_shape(s, n);
	const struct cats_run own = cats_site_own(s->c, n * 4U + CATS_ATTN_OUT, s->c->devices, j);

	for (uint32_t column = own.first; column < own.first + own.count; column += shape.d) {
		const struct head_rows r = rows_of_head(s, own, column);

		cats_attention_forward(submatrix(s, tape->o, r.o), tape->p + r.p, submatrix(s, tape->qkv, r.q),
				       submatrix(s, tape->qkv, r.k), submatrix(s, tape->qkv, r.v), &shape);
	}
}

static void forward_attn_in(const struct step *s, uint32_t n)
{
	const uint32_t site = n * 4U + CATS_ATTN_IN;
	const size_t query_width = width_at(s, n * 4U + CATS_ATTN_OUT);
	const struct layer_tape *tape = &s->pass->tape[n];

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_site_own(s->c, n * 4U + CATS_ATTN_OUT, s->c->devices, j);
		const size_t row = 3U * (size_t)own.first;

		if (own.count == 0)
			continue;
		const struct reading from = forward_norm(s, &at, &tape->norm1, &layer->norm1, &layer->qkv, s->width);

		/* q is needed only for the rows that attention answers; k and v for all tokens. */
		if (query_width == s->width) {
			forward_rows(submatrix(s, tape->qkv, row), &layer->qkv, &from, 0, 3U * own.count, s->width);
		} else {
			forward_rows(submatrix(s, tape->qkv, row), &layer->qkv, &from, 0, own.count, query_width);
			forward_rows(submatrix(s, tape->qkv, row + own.count), &layer->qkv, &from, own.count,
				     2U * own.count, s->width);
		}
		forward_heads(s, n, j);
	}
}

static bool drops(const struct step *s)
{
	return s->in->dropout > 0;
}

/* x += dropout(branch), for the tokens that travel at `site`. */
static void add_dropped(const struct step *s, uint32_t site)
{
	const size_t width = width_at(s, site);

	dropout(s, s->pass->branch, site, tokens_at(s, site));
	for (size_t f = 0; f < s->c->d_model; f++)
		for (size_t i = 0; i < width; i++)
			s->pass->x[f * s->stride + i] += s->pass->branch[f * s->stride + i];
}

/* attn_out and ffn_out: gather `from`, multiply, add to the residual stream. */
static void forward_residual(const struct step *s, uint32_t n, enum cats_site_kind kind, cats_real *from)
{
	const uint32_t site = n * 4U + kind;
	const size_t width = width_at(s, site);
	cats_real *to = drops(s) ? s->pass->branch : s->pass->x;

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_block *block = kind == CATS_ATTN_OUT ? &layer->o : &layer->down;
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->d_model, s->c->devices, j);

		cats_linear_forward(submatrix(s, to, own.first), !drops(s), s->packed + block->weight,
				    s->packed + block->bias, gathered(s, &at, from, width), block->rows, block->columns,
				    width);
	}
	if (drops(s))
		add_dropped(s, site);
}

static void forward_ffn_in(const struct step *s, uint32_t n)
{
	const uint32_t site = n * 4U + CATS_FFN_IN;
	const size_t width = width_at(s, site);
	const struct layer_tape *tape = &s->pass->tape[n];

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->d_ff, s->c->devices, j);
		const struct reading from = forward_norm(s, &at, &tape->norm2, &layer->norm2, &layer->up, width);

		forward_rows(submatrix(s, tape->z, own.first), &layer->up, &from, 0, own.count, width);
		for (uint32_t m = own.first; m < own.first + own.count; m++)
			cats_activation_forward(tape->h + m * s->stride, tape->z + m * s->stride, s->c->activation,
						width);
	}
}

static void forward_head(const struct step *s)
{
	const uint32_t site = s->c->n_layers * 4U;
	const uint32_t tokens = tokens_at(s, site);
	const size_t width = tokens * s->B;
	const cats_real share = 1 / (cats_real)tokens;
	struct cats_pass *p = s->pass;

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->n_out, s->c->devices, j);

		if (own.count == 0)
			continue;
		const struct reading from =
			forward_norm(s, &at, &p->final_tape, &s->views->final_norm[j], &s->views->head[j], width);

		forward_rows(submatrix(s, p->head, own.first), &s->views->head[j], &from, 0, own.count, width);
	}
	for (uint32_t o = 0; o < s->c->n_out; o++) {
		const cats_real *from = p->head + o * s->stride;

		if (s->c->pool == CATS_POOL_NONE)
			memcpy(p->out + o * s->width, from, s->width * sizeof *from);
		for (size_t b = 0; b < s->B && s->c->pool == CATS_POOL_CLS; b++)
			p->out[o * s->B + b] = from[b];
		for (size_t b = 0; b < s->B && s->c->pool == CATS_POOL_MEAN; b++) {
			cats_real sum = 0;

			for (uint32_t t = 0; t < tokens; t++)
				sum += from[t * s->B + b];
			p->out[o * s->B + b] = sum * share;
		}
	}
}

static void record_trace(const struct step *s, uint32_t layer)
{
	const size_t F = s->c->d_model;

	for (size_t f = 0; s->pass->keep && s->in->all_rows && f < F; f++)
		memcpy(s->pass->trace + (layer * F + f) * s->width, s->pass->x + f * s->stride,
		       s->width * sizeof *s->pass->x);
}

static struct step step_of(struct cats_pass *pass, const cats_real *packed, const struct cats_pass_input *in)
{
	const size_t T = cats_config_tokens(&pass->views->config);

	return (struct step){
		.pass = pass,
		.views = pass->views,
		.c = &pass->views->config,
		.in = in,
		.packed = packed,
		.B = in->batch,
		.T = T,
		.width = T * in->batch,
		.stride = stride_of(T * in->batch),
	};
}

void cats_pass_forward(struct cats_pass *pass, const cats_real *packed, const struct cats_pass_input *in)
{
	const struct step s = step_of(pass, packed, in);

	pass->batch = in->batch;

	forward_embed(&s);
	record_trace(&s, 0);
	for (uint32_t n = 0; n < s.c->n_layers; n++) {
		forward_attn_in(&s, n);
		forward_residual(&s, n, CATS_ATTN_OUT, pass->tape[n].o);
		forward_ffn_in(&s, n);
		forward_residual(&s, n, CATS_FFN_OUT, pass->tape[n].h);
		record_trace(&s, n + 1U);
	}
	forward_head(&s);
}

const cats_real *cats_pass_output(const struct cats_pass *pass)
{
	return pass->out;
}

/* ---- backward ---- */

/* d is the gradient of what a block computed from a normalised view: those of weights, gains and biases, and of the
 * residual stream. */
static void backward_reading(const struct step *s, const struct cats_reception *at, const struct norm_tape *tape,
			     const struct cats_gain *gain, const struct cats_block *block, struct cats_submatrix d,
			     size_t width)
{
	const struct reading from = reading_of(s, at, tape, gain, block);
	const struct cats_submatrix dy = submatrix(s, s->pass->dy, 0);
	const size_t weights = (size_t)block->rows * block->columns;
	const struct cats_folded_gradient sums = {
		.weight = s->gradient + block->weight,
		.bias = s->gradient + block->bias,
		.gain = s->gradient + gain->weight,
		.shift = s->gradient + gain->bias,
	};
	cats_real *folded = s->pass->dfolded;

	memset(folded, 0, (weights + block->rows) * sizeof *folded);
	cats_linear_backward(dy, folded, folded + weights, d, from.weight, from.x, block->rows, block->columns, width);
	cats_gain_unfold(&sums, folded, folded + weights, s->packed + block->weight, s->packed + gain->weight,
			 shift_of(s, gain), block->rows, block->columns);
	cats_norm_backward(submatrix(s, s->pass->dx, 0), NULL, NULL, dy, submatrix(s, tape->xhat[at->device], 0),
			   tape->rstd[at->device], at, NULL, s->c->norm, width);
}

/* The same where messages may be missing. */
static void backward_lossy_reading(const struct step *s, const struct cats_reception *at, const struct norm_tape *tape,
				   const struct cats_gain *gain, const struct cats_block *block,
				   struct cats_submatrix d, size_t width)
{
	const struct cats_submatrix xhat = submatrix(s, tape->xhat[at->device], 0);
	const struct cats_submatrix y = submatrix(s, s->pass->y, 0), dy = submatrix(s, s->pass->dy, 0);
	const cats_real *gains = s->packed + gain->weight;

	cats_norm_replay(y, xhat, at, gains, s->packed + gain->bias, s->c->norm, width);
	cats_linear_backward(dy, s->gradient + block->weight, s->gradient + block->bias, d, s->packed + block->weight,
			     y, block->rows, block->columns, width);
	cats_norm_backward(submatrix(s, s->pass->dx, 0), s->gradient + gain->weight, s->gradient + gain->bias, dy, xhat,
			   tape->rstd[at->device], at, gains, s->c->norm, width);
}

static void backward_norm(const struct step *s, const struct cats_reception *at, const struct norm_tape *tape,
			  const struct cats_gain *gain, const struct cats_block *block, struct cats_submatrix d,
			  size_t width)
{
	if (folds(at))
		backward_reading(s, at, tape, gain, block, d, width);
	else
		backward_lossy_reading(s, at, tape, gain, block, d, width);
}

static void backward_head(const struct step *s, const cats_real *d_output)
{
	const uint32_t site = s->c->n_layers * 4U;
	const uint32_t tokens = tokens_at(s, site);
	const size_t width = tokens * s->B;
	const cats_real share = s->c->pool == CATS_POOL_MEAN ? 1 / (cats_real)tokens : 1;
	struct cats_pass *p = s->pass;

	for (uint32_t o = 0; o < s->c->n_out; o++)
		for (size_t i = 0; i < width; i++)
			p->head[o * s->stride + i] = s->c->pool == CATS_POOL_NONE ? d_output[o * s->width + i]
						     : s->c->pool == CATS_POOL_CLS && i >= s->B
							     ? 0
							     : d_output[o * s->B + i % s->B] * share;
	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->n_out, s->c->devices, j);

		if (own.count == 0)
			continue;
		backward_norm(s, &at, &p->final_tape, &s->views->final_norm[j], &s->views->head[j],
			      submatrix(s, p->head, own.first), width);
	}
}

static void clear_rows(const struct step *s, cats_real *array, size_t rows, size_t width)
{
	for (size_t r = 0; r < rows; r++)
		memset(array + r * s->stride, 0, width * sizeof *array);
}

/* The gradient of what a branch added to the residual stream: the stream's, or with dropout a masked copy. */
static cats_real *branch_gradient(const struct step *s, uint32_t site, size_t width)
{
	struct cats_pass *p = s->pass;

	if (!drops(s))
		return p->dx;
	for (size_t f = 0; f < s->c->d_model; f++)
		memcpy(p->branch + f * s->stride, p->dx + f * s->stride, width * sizeof *p->dx);
	dropout(s, p->branch, site, tokens_at(s, site));
	return p->branch;
}

/* attn_out and ffn_out: from the residual stream's gradient to that of what was gathered, into pass->dwide. */
static void backward_residual(const struct step *s, uint32_t n, enum cats_site_kind kind, cats_real *from)
{
	const uint32_t site = n * 4U + kind;
	const size_t width = width_at(s, site);
	const bool alone = s->c->devices == 1; /* then all columns are gathered, by one reader */
	struct cats_pass *p = s->pass;
	cats_real *branch = branch_gradient(s, site, width);

	if (!alone)
		clear_rows(s, p->dwide, cats_site_columns(s->c, site), width);
	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_block *block = kind == CATS_ATTN_OUT ? &layer->o : &layer->down;
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->d_model, s->c->devices, j);

		cats_linear_backward(submatrix(s, alone ? p->dwide : p->dy, 0), s->gradient + block->weight,
				     s->gradient + block->bias, submatrix(s, branch, own.first),
				     s->packed + block->weight, gathered(s, &at, from, width), block->rows,
				     block->columns, width);
		if (!alone)
			cats_scatter_add(submatrix(s, p->dwide, 0), submatrix(s, p->dy, 0), &at, width);
	}
}

static void backward_ffn_in(const struct step *s, uint32_t n)
{
	const uint32_t site = n * 4U + CATS_FFN_IN;
	const size_t width = width_at(s, site);
	const struct layer_tape *tape = &s->pass->tape[n];

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_partition_run(s->c->d_ff, s->c->devices, j);

		for (uint32_t m = own.first; m < own.first + own.count; m++)
			cats_activation_backward(s->pass->dwide + m * s->stride, tape->z + m * s->stride,
						 s->c->activation, width);
		backward_norm(s, &at, &tape->norm2, &layer->norm2, &layer->up, submatrix(s, s->pass->dwide, own.first),
			      width);
	}
}

static void backward_heads(const struct step *s, uint32_t n, struct cats_run own)
{
	const struct layer_tape *tape = &s->pass->tape[n];
	const struct cats_head shape = head_shape(s, n);
	struct cats_pass *p = s->pass;

	for (uint32_t column = own.first; column < own.first + own.count; column += shape.d) {
		const struct head_rows r = rows_of_head(s, own, column);

		cats_attention_backward(submatrix(s, p->dqkv, r.q), submatrix(s, p->dqkv, r.k),
					submatrix(s, p->dqkv, r.v), submatrix(s, p->dwide, r.o), tape->p + r.p,
					submatrix(s, tape->qkv, r.q), submatrix(s, tape->qkv, r.k),
					submatrix(s, tape->qkv, r.v), &shape, p->ds);
	}
}

/* The queries that were not asked for have no gradient. */
static void clear_unasked_queries(const struct step *s, struct cats_run own, size_t query_width)
{
	for (size_t r = 0; r < own.count; r++)
		memset(s->pass->dqkv + (3U * (size_t)own.first + r) * s->stride + query_width, 0,
		       (s->width - query_width) * sizeof *s->pass->dqkv);
}

static void backward_attn_in(const struct step *s, uint32_t n)
{
	const uint32_t site = n * 4U + CATS_ATTN_IN;
	const struct layer_tape *tape = &s->pass->tape[n];

	for (uint32_t j = 0; j < s->c->devices; j++) {
		const struct cats_device_layer *layer = &s->views->layer[(size_t)n * s->c->devices + j];
		const struct cats_reception at = reception(s, site, j);
		const struct cats_run own = cats_site_own(s->c, n * 4U + CATS_ATTN_OUT, s->c->devices, j);

		if (own.count == 0)
			continue;
		backward_heads(s, n, own);
		clear_unasked_queries(s, own, width_at(s, n * 4U + CATS_ATTN_OUT));
		backward_norm(s, &at, &tape->norm1, &layer->norm1, &layer->qkv,
			      submatrix(s, s->pass->dqkv, 3U * (size_t)own.first), s->width);
	}
}

static void backward_embed(const struct step *s)
{
	const size_t F = s->c->d_model, first = s->T - s->c->n_patches;
	const size_t input_width = s->c->n_patches * s->B;
	const struct cats_block *e = &s->views->embed;
	cats_real *dx = s->pass->dx;

	dropout(s, dx, EMBED_SITE, (uint32_t)s->T);
	for (size_t f = 0; f < F; f++)
		for (size_t t = 0; t < s->T; t++) {
			cats_real sum = 0;

			for (size_t b = 0; b < s->B; b++)
				sum += dx[f * s->stride + t * s->B + b];
			s->gradient[s->views->pos + f * s->T + t] += sum;
			if (t < first)
				s->gradient[s->views->cls + f] += sum;
		}
	cats_linear_backward((struct cats_submatrix){NULL, 0}, s->gradient + e->weight, s->gradient + e->bias,
			     (struct cats_submatrix){dx + first * s->B, s->stride}, s->packed + e->weight,
			     input_matrix(s), e->rows, e->columns, input_width);
}

void cats_pass_backward(struct cats_pass *pass, cats_real *packed_gradient, const cats_real *packed,
			const struct cats_pass_input *in, const cats_real *d_output)
{
	struct step s = step_of(pass, packed, in);

	s.gradient = packed_gradient;
	memset(pass->dx, 0, s.c->d_model * s.stride * sizeof *pass->dx);
	backward_head(&s, d_output);
	for (uint32_t n = s.c->n_layers; n-- > 0;) {
		backward_residual(&s, n, CATS_FFN_OUT, pass->tape[n].h);
		backward_ffn_in(&s, n);
		backward_residual(&s, n, CATS_ATTN_OUT, pass->tape[n].o);
		backward_attn_in(&s, n);
	}
	backward_embed(&s);
}

const cats_real *cats_pass_trace(const struct cats_pass *pass, uint32_t layer)
{
	const struct cats_config *c = &pass->views->config;

	return pass->trace + (size_t)layer * c->d_model * cats_config_tokens(c) * pass->batch;
}

void cats_pass_add_inputs(double *sums, const struct cats_pass *pass, const cats_real *packed, uint32_t site,
			  double share)
{
	const struct cats_config *c = &pass->views->config;
	const enum cats_site_kind kind = cats_site_kind_of(c, site);
	const struct layer_tape *tape = kind == CATS_HEAD_IN ? NULL : &pass->tape[site / 4U];
	const struct cats_device_layer *layer = kind == CATS_HEAD_IN ? NULL : &pass->views->layer[site / 4U];
	const size_t tokens = cats_site_tokens(c, site), width = tokens * pass->batch;
	const size_t stride = stride_of((size_t)cats_config_tokens(c) * pass->batch);
	const bool normalised = kind != CATS_ATTN_OUT && kind != CATS_FFN_OUT;
	const struct cats_gain *gain = kind == CATS_HEAD_IN   ? pass->views->final_norm
				       : kind == CATS_ATTN_IN ? &layer->norm1
							      : &layer->norm2;
	const cats_real *values = kind == CATS_HEAD_IN    ? pass->final_tape.xhat[0]
				  : kind == CATS_ATTN_IN  ? tape->norm1.xhat[0]
				  : kind == CATS_FFN_IN   ? tape->norm2.xhat[0]
				  : kind == CATS_ATTN_OUT ? tape->o
							  : tape->h;

	for (uint32_t k = 0; k < cats_site_columns(c, site); k++) {
		double sum = 0;

		for (size_t i = 0; i < width; i++)
			sum += (double)values[k * stride + i];
		if (normalised)
			sum = sum * (double)packed[gain->weight + k] +
			      (c->norm == CATS_NORM_LAYER ? (double)width * (double)packed[gain->bias + k] : 0);
		sums[k] += share * sum / (double)tokens;
	}
}

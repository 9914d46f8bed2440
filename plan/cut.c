/* SPDX-License-Identifier: MIT */
/* One device's shard. Section numbers are those of docs/SPEC-integer.md. See cut.h. */
#include "plan/cut.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "plan/arena.h"

#define NO_BUFFER UINT32_MAX

/* A word of an op or site that gets a buffer's offset plus `extra` once buffers have places. */
struct fixup {
	bool is_site;
	uint32_t index; /* op or site */
	uint32_t byte;  /* of the word in the struct */
	uint32_t buffer, extra;
};

/* Columns of one sender in a device's view. */
struct block {
	uint32_t first, count;
};

/* A device's view of one site. */
struct view {
	uint32_t columns, stride, tokens;
	struct block *senders; /* [D] */
	uint32_t *available;   /* [columns], the columns' numbers, ascending */
	uint32_t buffer, receipt;
};

/* A shard under way. */
struct cut {
	const struct cats_integer *m;
	const struct cats_config *c;
	struct cats_cut_options options;
	uint32_t D, j, T, F, site_count;
	struct view *views; /* [site_count] */
	uint8_t *bytes;     /* header, site table, ops at their end, tensors */
	size_t size, capacity;
	struct cats_op *ops;
	uint32_t op_count, op_limit;
	struct cats_shard_site *sites;
	struct cats_buffer *buffers;
	uint32_t buffer_count, buffer_limit;
	struct fixup *fixups;
	uint32_t fixup_count, fixup_limit;
	uint32_t residual; /* buffer */
	uint64_t macs, parameters;
	bool no_memory;
};

/* Makes room for one more element of an array; false when memory ran out. */
static bool grow(void **array, uint32_t *limit, uint32_t count, size_t size, struct cut *cut)
{
	const uint32_t wanted = *limit ? 2 * *limit : 64;
	void *larger;

	if (count < *limit)
		return true;
	larger = realloc(*array, (size_t)wanted * size);
	if (!larger) {
		cut->no_memory = true;
		return false;
	}
	*array = larger;
	*limit = wanted;
	return true;
}

/* Appends zeros or `data` to the shard, aligned to 4; returns the offset. */
static uint32_t put(struct cut *cut, const void *data, size_t size)
{
	const size_t at = cut->size, end = at + ((size + 3) & ~(size_t)3);

	if (end > cut->capacity) {
		const size_t wanted = 2 * end;
		uint8_t *larger = realloc(cut->bytes, wanted);

		if (!larger) {
			cut->no_memory = true;
			return 0;
		}
		cut->bytes = larger;
		cut->capacity = wanted;
	}
	memset(cut->bytes + at, 0, end - at);
	if (data && size)
		memcpy(cut->bytes + at, data, size);
	cut->size = end;
	return (uint32_t)at;
}

static uint32_t new_buffer(struct cut *cut, uint64_t bytes)
{
	void *buffers = cut->buffers;

	if (!grow(&buffers, &cut->buffer_limit, cut->buffer_count, sizeof *cut->buffers, cut))
		return 0;
	cut->buffers = buffers;
	cut->buffers[cut->buffer_count] = (struct cats_buffer){
		.bytes = bytes < UINT32_MAX / 2 ? (uint32_t)bytes : UINT32_MAX / 2, .first = UINT32_MAX};
	return cut->buffer_count++;
}

/* The buffer is alive at op `op`. */
static void use(struct cut *cut, uint32_t buffer, uint32_t op)
{
	if (cut->no_memory || buffer == NO_BUFFER)
		return;
	if (cut->buffers[buffer].first > op)
		cut->buffers[buffer].first = op;
	if (cut->buffers[buffer].last < op)
		cut->buffers[buffer].last = op;
}

static void add_fixup(struct cut *cut, struct fixup fixup)
{
	void *fixups = cut->fixups;

	if (!grow(&fixups, &cut->fixup_limit, cut->fixup_count, sizeof *cut->fixups, cut))
		return;
	cut->fixups = fixups;
	cut->fixups[cut->fixup_count++] = fixup;
}

/* Adds an op; returns its index. */
static uint32_t add_op(struct cut *cut, struct cats_op op)
{
	void *ops = cut->ops;

	if (!grow(&ops, &cut->op_limit, cut->op_count, sizeof *cut->ops, cut))
		return 0;
	cut->ops = ops;
	cut->ops[cut->op_count] = op;
	return cut->op_count++;
}

/* The op's word `field` is to hold the buffer's place; the op keeps the buffer alive. */
#define PLACE(cut, op, field, buffer_, extra_)                                         \
	do {                                                                           \
		add_fixup(cut, (struct fixup){.index = (op),                           \
					      .byte = offsetof(struct cats_op, field), \
					      .buffer = (buffer_),                     \
					      .extra = (extra_)});                     \
		use(cut, buffer_, op);                                                 \
	} while (0)

static bool hears(const struct cut *cut, uint32_t site)
{
	if (cut->D == 1)
		return false;
	if (site == 0)
		return cut->j != cut->options.source;
	if (site == cut->site_count - 1)
		return cut->options.sink == CATS_SINK_ALL || cut->options.sink == cut->j;
	return true;
}

static struct cats_run own_of(const struct cut *cut, uint32_t site, uint32_t device)
{
	if (site == 0)
		return (struct cats_run){0, device == cut->options.source ? cats_input_shape_of(cut->c).columns : 0};
	return cats_integer_site_own(cut->c, site, cut->D, device);
}

/* Columns that a device broadcasts at a site. */
static uint32_t kept_of(const struct cut *cut, uint32_t site, uint32_t device)
{
	const struct cats_run own = own_of(cut, site, device);
	uint32_t kept = 0;

	if (cut->D == 1 || (site == cut->site_count - 1 && cut->options.sink == device))
		return 0;
	for (uint32_t k = own.first; k < own.first + own.count; k++)
		kept += cats_integer_kept(cut->m, site, k);
	return kept;
}

static bool make_view(struct cut *cut, uint32_t site)
{
	struct view *view = &cut->views[site];
	const uint32_t all = cats_integer_site_columns(cut->c, site);

	view->senders = calloc(cut->D, sizeof *view->senders);
	view->available = calloc(all, sizeof *view->available);
	if (!view->senders || !view->available)
		return false;
	for (uint32_t i = 0; i < cut->D; i++) {
		const struct cats_run own = own_of(cut, site, i);

		view->senders[i].first = view->columns;
		for (uint32_t k = own.first; k < own.first + own.count; k++)
			if (i == cut->j || (hears(cut, site) && cats_integer_kept(cut->m, site, k)))
				view->available[view->columns++] = k;
		view->senders[i].count = view->columns - view->senders[i].first;
	}
	view->tokens = cats_integer_site_tokens(cut->c, site);
	view->stride = cats_round4(view->columns * (site == cut->site_count - 1 ? 4U : 1U));
	return true;
}

/* Words of receipt bits of one sender (section 3.2). */
static uint32_t receipt_words(const struct cut *cut, uint32_t site)
{
	const struct view *view = &cut->views[site];
	const uint32_t column_bytes = site == cut->site_count - 1 ? 4 : 1;
	uint32_t most = 0;

	for (uint32_t i = 0; i < cut->D; i++) {
		const uint32_t packets =
			i == cut->j ? 0
				    : cats_message_packets(view->tokens, view->senders[i].count * column_bytes,
							   cut->options.payload_max);
		most = packets > most ? packets : most;
	}
	return (most + 31) / 32;
}

static void put_senders(struct cut *cut, uint32_t site)
{
	const struct view *view = &cut->views[site];
	const uint32_t at = put(cut, NULL, cut->D * sizeof(struct cats_shard_sender));

	for (uint32_t i = 0; !cut->no_memory && i < cut->D; i++) {
		const struct cats_shard_sender sender = {(uint16_t)view->senders[i].first,
							 (uint16_t)view->senders[i].count};

		memcpy(cut->bytes + at + i * sizeof sender, &sender, sizeof sender);
	}
	cut->sites[site].senders = at;
}

static void put_kept_list(struct cut *cut, uint32_t site)
{
	const struct cats_run own = own_of(cut, site, cut->j);
	const uint32_t kept = kept_of(cut, site, cut->j);

	cut->sites[site].kept = (uint16_t)kept;
	if (kept == 0 || kept == own.count)
		return;
	const uint32_t at = put(cut, NULL, kept * sizeof(uint16_t));

	for (uint32_t k = 0, n = 0; !cut->no_memory && k < own.count; k++) {
		const uint16_t position = (uint16_t)k;

		if (!cats_integer_kept(cut->m, site, own.first + k))
			continue;
		memcpy(cut->bytes + at + n * sizeof position, &position, sizeof position);
		n++;
	}
	cut->sites[site].kept_list = at;
}

/* Section 3.2, and the buffers of the view and its receipt bits. */
static void add_site(struct cut *cut, uint32_t site)
{
	struct view *view = &cut->views[site];
	const uint32_t words = receipt_words(cut, site);

	cut->sites[site] = (struct cats_shard_site){
		.site = (uint16_t)site,
		.column_bytes = site == cut->site_count - 1 ? 4 : 1,
		.tokens = (uint16_t)view->tokens,
		.columns = (uint16_t)view->columns,
		.stride = view->stride,
	};
	put_senders(cut, site);
	put_kept_list(cut, site);
	view->buffer = new_buffer(cut, (uint64_t)view->tokens * view->stride);
	view->receipt = words ? new_buffer(cut, (uint64_t)words * 4 * cut->D) : NO_BUFFER;
	add_fixup(cut, (struct fixup){true, site, offsetof(struct cats_shard_site, view), view->buffer, 0});
	if (words)
		add_fixup(cut, (struct fixup){true, site, offsetof(struct cats_shard_site, receipt), view->receipt, 0});
}

/* Section 3.5: four weights of a row as the two halfwords that SMLAD takes. */
static uint32_t pack_word(const int8_t w[4])
{
	const uint16_t low = (uint16_t)(256 * w[0] + w[1]), high = (uint16_t)(256 * w[2] + w[3]);

	return (uint32_t)low | (uint32_t)high << 16;
}

/* Where column k of row o lies in packed weights, and puts the row there. `row` has round4(K) weights. */
static void pack_row(uint8_t *packed, const int8_t *row, uint32_t o, uint32_t K4, enum cats_target target)
{
	if (target == CATS_TARGET_PLAIN) {
		memcpy(packed + (size_t)o * K4, row, K4);
		return;
	}
	for (uint32_t k = 0; k < K4; k += 4) {
		const uint32_t word = pack_word(row + k);
		const size_t at = ((size_t)(o / 2) * (K4 / 4) + k / 4) * 8 + (o % 2) * 4;

		memcpy(packed + at, &word, sizeof word);
	}
}

/* Rows rows[0 … N - 1] of a product, at the columns columns[0 … K - 1], packed for the target. */
static uint32_t put_weights(struct cut *cut, const struct cats_int_product *p, const uint32_t *rows, uint32_t N,
			    const uint32_t *columns, uint32_t K)
{
	const uint32_t K4 = cats_round4(K), at = put(cut, NULL, cats_weights_bytes(cut->options.target, N, K));
	int8_t *row = calloc(K4 ? K4 : 1, 1);

	cut->no_memory |= !row;
	for (uint32_t o = 0; !cut->no_memory && o < N; o++) {
		for (uint32_t k = 0; k < K; k++)
			row[k] = p->weights[(size_t)rows[o] * p->columns + columns[k]];
		pack_row(cut->bytes + at, row, o, K4, cut->options.target);
	}
	free(row);
	cut->parameters += (uint64_t)N * K;
	return at;
}

static void store(struct cut *cut, uint32_t at, uint32_t index, int32_t value)
{
	if (!cut->no_memory)
		memcpy(cut->bytes + at + (size_t)index * sizeof value, &value, sizeof value);
}

static uint32_t put_picked(struct cut *cut, const int32_t *values, const uint32_t *rows, uint32_t N)
{
	const uint32_t at = put(cut, NULL, (size_t)N * sizeof *values);

	for (uint32_t o = 0; o < N; o++)
		store(cut, at, o, values[rows[o]]);
	return at;
}

/* Sums of a row's weights and beta terms over columns. */
struct sums {
	int32_t weights, beta;
};

static struct sums add_up(const struct cats_int_product *p, uint32_t row, const uint32_t *columns, uint32_t count)
{
	struct sums sums = {0};

	for (uint32_t k = 0; k < count; k++) {
		const size_t at = (size_t)row * p->columns + columns[k];

		sums.weights += p->weights[at];
		sums.beta += p->beta ? p->beta[at] : 0;
	}
	return sums;
}

/* Section 3.4, NORM_PRODUCT: totals of what a device has when nothing is lost. */
static void put_totals(struct cut *cut, struct cats_op *op, const struct cats_int_product *p, const uint32_t *rows,
		       const struct view *view)
{
	const uint32_t N = op->norm_product.outputs;
	const bool rms = p->beta == NULL;

	op->norm_product.weight_sums = rms ? 0 : put(cut, NULL, (size_t)N * 4);
	op->norm_product.biases = put(cut, NULL, (size_t)N * 4);
	for (uint32_t o = 0; o < N; o++) {
		const struct sums sums = add_up(p, rows[o], view->available, view->columns);

		if (!rms)
			store(cut, op->norm_product.weight_sums, o, sums.weights);
		store(cut, op->norm_product.biases, o, p->bias[rows[o]] + sums.beta);
	}
	cut->parameters += N;
}

static bool fits16(struct sums sums)
{
	return sums.weights >= INT16_MIN && sums.weights <= INT16_MAX && sums.beta >= INT16_MIN &&
	       sums.beta <= INT16_MAX;
}

/* Section 3.4: the pairs of each other sender with a message, 16 bits a number where all fit. */
static void put_pairs(struct cut *cut, struct cats_op *op, const struct cats_int_product *p, const uint32_t *rows,
		      const struct view *view)
{
	const uint32_t N = op->norm_product.outputs;
	uint32_t senders = 0, n = 0, at;
	bool wide = false;

	for (uint32_t i = 0; i < cut->D; i++) {
		const struct block block = view->senders[i];

		if (i == cut->j || block.count == 0)
			continue;
		senders++;
		for (uint32_t o = 0; o < N; o++)
			wide |= !fits16(add_up(p, rows[o], view->available + block.first, block.count));
	}
	if (senders == 0 || p->beta == NULL)
		return;
	at = put(cut, NULL, (size_t)senders * N * (wide ? 8 : 4));
	op->norm_product.pairs = at;
	op->flags = (uint8_t)(op->flags | (wide ? CATS_OP_WIDE_PAIRS : 0));
	for (uint32_t i = 0; i < cut->D; i++) {
		const struct block block = view->senders[i];

		for (uint32_t o = 0; i != cut->j && block.count && o < N; o++, n++) {
			const struct sums sums = add_up(p, rows[o], view->available + block.first, block.count);
			const uint32_t low = (uint16_t)sums.weights, high = (uint16_t)sums.beta;

			if (wide) {
				store(cut, at, 2 * n, sums.weights);
				store(cut, at, 2 * n + 1, sums.beta);
			} else {
				store(cut, at, n, (int32_t)(low | high << 16));
			}
		}
	}
}

/* Where a normalised product's output goes, and how. */
struct output {
	enum cats_output_kind kind;
	int8_t low, high;
	uint32_t table; /* shard */
	uint32_t buffer, extra, stride;
	uint32_t site; /* whose own columns these are; 0: of none */
	bool add_rows;
};

/* Before the op that fills the own columns of a site, row by row: its gather opens there. */
static void add_open(struct cut *cut, uint32_t site)
{
	const struct view *view = &cut->views[site];
	uint32_t at;

	if (cut->options.without_overlap || cut->D == 1 || view->tokens == 1 || view->senders[cut->j].count == 0)
		return;
	at = add_op(cut, (struct cats_op){.code = CATS_OP_OPEN, .site = (uint16_t)site});
	use(cut, view->buffer, at);
	use(cut, view->receipt, at);
}

static void add_norm_product(struct cut *cut, uint32_t site, const struct cats_int_product *p, const uint32_t *rows,
			     uint32_t N, uint32_t tokens, uint32_t stats, const struct output *out)
{
	const struct view *view = &cut->views[site];
	const uint32_t scratch = new_buffer(cut, cats_scratch_norm_product(N, view->columns));
	struct cats_op op = {.code = CATS_OP_NORM_PRODUCT, .site = (uint16_t)site};
	uint32_t at;

	op.flags = (uint8_t)((p->beta ? 0 : CATS_OP_RMS) | (out->add_rows ? CATS_OP_ADD_ROWS : 0));
	op.norm_product.outputs = N;
	op.norm_product.columns = view->columns;
	op.norm_product.rows = tokens;
	op.norm_product.weights = put_weights(cut, p, rows, N, view->available, view->columns);
	op.norm_product.multipliers = put_picked(cut, p->multipliers, rows, N);
	put_totals(cut, &op, p, rows, view);
	put_pairs(cut, &op, p, rows, view);
	op.norm_product.output_stride = out->stride;
	op.norm_product.kind = (uint8_t)out->kind;
	op.norm_product.low = out->low;
	op.norm_product.high = out->high;
	op.norm_product.table = out->table;
	op.norm_product.scratch_bytes = cats_scratch_norm_product(N, view->columns);
	if (out->site != 0 && !out->add_rows)
		add_open(cut, out->site);
	at = add_op(cut, op);
	use(cut, view->buffer, at);
	use(cut, view->receipt, at);
	PLACE(cut, at, norm_product.stats, stats, 0);
	PLACE(cut, at, norm_product.output, out->buffer, out->extra);
	PLACE(cut, at, norm_product.scratch, scratch, 0);
	cut->macs += (uint64_t)tokens * N * view->columns;
}

/* `next`: the site that the residual feeds then. */
static void add_residual_product(struct cut *cut, uint32_t site, const struct cats_int_product *p, uint32_t next)
{
	const struct view *view = &cut->views[site];
	const struct cats_run own = cats_partition_run(cut->F, cut->D, cut->j);
	const uint32_t scratch = new_buffer(cut, cats_scratch_panel(view->columns));
	struct cats_op op = {.code = CATS_OP_RESIDUAL_PRODUCT, .site = (uint16_t)site};
	uint32_t *rows = calloc(own.count, sizeof *rows), at;

	cut->no_memory |= !rows;
	for (uint32_t o = 0; rows && o < own.count; o++)
		rows[o] = own.first + o;
	if (rows) {
		op.residual_product.weights = put_weights(cut, p, rows, own.count, view->available, view->columns);
		op.residual_product.multipliers = put_picked(cut, p->multipliers, rows, own.count);
		op.residual_product.bias = put_picked(cut, p->bias, rows, own.count);
	}
	free(rows);
	op.residual_product.outputs = own.count;
	op.residual_product.columns = view->columns;
	op.residual_product.rows = view->tokens;
	op.residual_product.scratch_bytes = cats_scratch_panel(view->columns);
	if (cut->views[next].tokens == view->tokens)
		add_open(cut, next);
	at = add_op(cut, op);
	use(cut, view->buffer, at);
	PLACE(cut, at, residual_product.residual, cut->residual, 0);
	PLACE(cut, at, residual_product.scratch, scratch, 0);
	cut->macs += (uint64_t)view->tokens * own.count * view->columns;
	cut->parameters += own.count;
}

static void add_gather(struct cut *cut, uint32_t site)
{
	const uint32_t at = add_op(cut, (struct cats_op){.code = CATS_OP_GATHER, .site = (uint16_t)site});

	use(cut, cut->views[site].buffer, at);
	use(cut, cut->views[site].receipt, at);
}

static uint32_t put_positions(struct cut *cut, struct cats_run own)
{
	const uint32_t at = put(cut, NULL, (size_t)cut->T * own.count * sizeof(int16_t));

	for (uint32_t t = 0; !cut->no_memory && t < cut->T; t++)
		for (uint32_t o = 0; o < own.count; o++) {
			const int16_t value = (int16_t)cut->m->pos[(size_t)t * cut->F + own.first + o];

			memcpy(cut->bytes + at + ((size_t)t * own.count + o) * sizeof value, &value, sizeof value);
		}
	return at;
}

static void add_embed(struct cut *cut)
{
	const struct cats_input_shape shape = cats_input_shape_of(cut->c);
	const struct cats_run own = cats_partition_run(cut->F, cut->D, cut->j);
	const uint32_t K = cut->c->d_in, scratch = new_buffer(cut, cats_scratch_embed(K));
	const uint32_t most = own.count > K ? own.count : K;
	struct cats_op op = {.code = CATS_OP_EMBED, .site = 0};
	uint32_t *numbers = calloc((size_t)most + own.first, sizeof *numbers), at;

	cut->no_memory |= !numbers;
	for (uint32_t i = 0; numbers && i < most + own.first; i++)
		numbers[i] = i;
	if (numbers) {
		op.embed.weights = put_weights(cut, &cut->m->embed, numbers + own.first, own.count, numbers, K);
		op.embed.multipliers = put_picked(cut, cut->m->embed.multipliers, numbers + own.first, own.count);
	}
	free(numbers);
	op.embed.outputs = own.count;
	op.embed.columns = K;
	op.embed.pos = put_positions(cut, own);
	op.embed.window_rows = (uint16_t)shape.window_rows;
	op.embed.window_columns = (uint16_t)shape.window_columns;
	op.embed.step_rows = (uint16_t)shape.step_rows;
	op.embed.step_columns = (uint16_t)shape.step_columns;
	op.embed.across = shape.across;
	op.embed.first_token = cut->c->cls_token ? 1 : 0;
	op.embed.patches = cut->c->n_patches;
	op.embed.scratch_bytes = cats_scratch_embed(K);
	at = add_op(cut, op);
	use(cut, cut->views[0].buffer, at);
	PLACE(cut, at, embed.residual, cut->residual, 0);
	PLACE(cut, at, embed.scratch, scratch, 0);
	cut->macs += (uint64_t)cut->c->n_patches * own.count * K;
	cut->parameters += (uint64_t)cut->T * own.count;
}

/* QUANTISE and GATHER of a site that the residual feeds. */
static void add_residual_site(struct cut *cut, uint32_t site, int32_t multiplier)
{
	struct cats_op op = {.code = CATS_OP_QUANTISE, .site = (uint16_t)site};
	uint32_t at;

	op.quantise.outputs = cats_partition_run(cut->F, cut->D, cut->j).count;
	op.quantise.rows = cut->views[site].tokens;
	op.quantise.multiplier = multiplier;
	at = add_op(cut, op);
	use(cut, cut->views[site].buffer, at);
	PLACE(cut, at, quantise.residual, cut->residual, 0);
	add_gather(cut, site);
}

/* STATS of a site; returns the buffer. */
static uint32_t add_stats(struct cut *cut, uint32_t site, int32_t epsilon)
{
	const struct view *view = &cut->views[site];
	const uint32_t stats = new_buffer(cut, (uint64_t)view->tokens * sizeof(struct cats_stats));
	struct cats_op op = {.code = CATS_OP_STATS, .site = (uint16_t)site};
	uint32_t at;

	op.flags = cut->c->norm == CATS_NORM_RMS ? CATS_OP_RMS : 0;
	op.stats.rows = view->tokens;
	op.stats.epsilon = (uint32_t)epsilon;
	at = add_op(cut, op);
	use(cut, view->buffer, at);
	use(cut, view->receipt, at);
	PLACE(cut, at, stats.stats, stats, 0);
	return stats;
}

/* Own columns of `site`'s view as the place of an op's output. */
static uint32_t own_bytes(const struct cut *cut, uint32_t site)
{
	return cut->views[site].senders[cut->j].first * (site == cut->site_count - 1 ? 4U : 1U);
}

/* Where q, k and v of the own heads lie. */
struct heads {
	uint32_t q, kv; /* buffers */
	uint32_t q_stride, kv_stride, k_at, v_at;
};

static struct heads add_projections(struct cut *cut, uint32_t site, const struct cats_int_product *qkv,
				    struct cats_run own, uint32_t stats)
{
	const uint32_t N = own.count, queries = cut->views[site + 1].tokens;
	uint32_t *rows = calloc((size_t)3 * N, sizeof *rows);
	struct output out = {.kind = CATS_OUTPUT_INT8, .low = -127, .high = 127};
	struct heads heads = {0};

	cut->no_memory |= !rows;
	for (uint32_t o = 0; rows && o < 3 * N; o++)
		rows[o] = o / N * cut->F + own.first + o % N;
	if (!rows)
		return heads;
	if (queries == cut->T) {
		out.stride = heads.q_stride = heads.kv_stride = cats_round4(3 * N);
		out.buffer = heads.q = heads.kv = new_buffer(cut, (uint64_t)cut->T * out.stride);
		heads.k_at = N;
		heads.v_at = 2 * N;
		add_norm_product(cut, site, qkv, rows, 3 * N, cut->T, stats, &out);
	} else {
		out.stride = heads.kv_stride = cats_round4(2 * N);
		out.buffer = heads.kv = new_buffer(cut, (uint64_t)cut->T * out.stride);
		heads.v_at = N;
		add_norm_product(cut, site, qkv, rows + N, 2 * N, cut->T, stats, &out);
		out.stride = heads.q_stride = cats_round4(N);
		out.buffer = heads.q = new_buffer(cut, (uint64_t)queries * out.stride);
		add_norm_product(cut, site, qkv, rows, N, queries, stats, &out);
	}
	free(rows);
	return heads;
}

static uint64_t attention_pairs(const struct cut *cut, uint32_t queries)
{
	return cut->c->causal ? (uint64_t)queries * (queries + 1) / 2 : (uint64_t)queries * cut->T;
}

static void add_attention(struct cut *cut, uint32_t l, struct cats_run own, const struct heads *heads)
{
	const uint32_t site = 4 * l + 2, d = cut->F / cut->c->n_heads, queries = cut->views[site].tokens;
	const struct cats_int_layer *layer = &cut->m->layers[l];
	const uint32_t scratch = new_buffer(cut, cats_scratch_attention(cut->T, d));
	struct cats_op op = {.code = CATS_OP_ATTENTION, .site = CATS_NO_SITE};
	uint32_t at;

	op.flags = cut->c->causal ? CATS_OP_CAUSAL : 0;
	op.attention.heads = own.count / d;
	op.attention.head_width = d;
	op.attention.keys = cut->T;
	op.attention.queries = queries;
	op.attention.q_stride = heads->q_stride;
	op.attention.kv_stride = heads->kv_stride;
	op.attention.score_multipliers = put(cut, layer->score + own.first / d, op.attention.heads * sizeof(int32_t));
	op.attention.value_multipliers = put(cut, layer->value + own.first / d, op.attention.heads * sizeof(int32_t));
	op.attention.output_stride = cut->views[site].stride;
	op.attention.scratch_bytes = cats_scratch_attention(cut->T, d);
	add_open(cut, site);
	at = add_op(cut, op);
	PLACE(cut, at, attention.q, heads->q, 0);
	PLACE(cut, at, attention.k, heads->kv, heads->k_at);
	PLACE(cut, at, attention.v, heads->kv, heads->v_at);
	PLACE(cut, at, attention.output, cut->views[site].buffer, own_bytes(cut, site));
	PLACE(cut, at, attention.scratch, scratch, 0);
	cut->macs += 2 * own.count * attention_pairs(cut, queries);
}

static void add_attention_block(struct cut *cut, uint32_t l)
{
	const struct cats_int_layer *layer = &cut->m->layers[l];
	const uint32_t site = 4 * l + 1;
	const struct cats_run own = own_of(cut, site + 1, cut->j);

	add_residual_site(cut, site, layer->quantise[0]);
	if (own.count) {
		const uint32_t stats = add_stats(cut, site, layer->epsilon[0]);
		const struct heads heads = add_projections(cut, site, &layer->qkv, own, stats);

		add_attention(cut, l, own, &heads);
	}
	add_gather(cut, site + 1);
	add_residual_product(cut, site + 1, &layer->o, site + 2);
}

/* NORM_PRODUCT from `site` into the own columns of the next one. */
static void add_product_to_site(struct cut *cut, uint32_t site, const struct cats_int_product *p, int32_t epsilon,
				struct output out)
{
	const struct cats_run own = own_of(cut, site + 1, cut->j);
	uint32_t *rows = calloc(own.count ? own.count : 1, sizeof *rows);

	cut->no_memory |= !rows;
	for (uint32_t o = 0; rows && o < own.count; o++)
		rows[o] = own.first + o;
	out.site = site + 1;
	out.buffer = cut->views[site + 1].buffer;
	out.extra = own_bytes(cut, site + 1);
	out.stride = cut->views[site + 1].stride;
	if (rows && own.count)
		add_norm_product(cut, site, p, rows, own.count, cut->views[site].tokens, add_stats(cut, site, epsilon),
				 &out);
	free(rows);
}

static void add_feed_forward_block(struct cut *cut, uint32_t l)
{
	const struct cats_int_layer *layer = &cut->m->layers[l];
	const uint32_t site = 4 * l + 3;
	struct output out = {.kind = CATS_OUTPUT_INT8, .low = 0, .high = 127};

	add_residual_site(cut, site, layer->quantise[1]);
	if (layer->table)
		out = (struct output){.kind = CATS_OUTPUT_TABLE, .table = put(cut, layer->table, 256)};
	add_product_to_site(cut, site, &layer->up, layer->epsilon[1], out);
	add_gather(cut, site + 1);
	add_residual_product(cut, site + 1, &layer->down, site + 2);
}

static void add_head(struct cut *cut)
{
	const uint32_t site = cut->site_count - 2;

	add_residual_site(cut, site, *cut->m->head_quantise);
	add_product_to_site(cut, site, &cut->m->head, *cut->m->head_epsilon,
			    (struct output){.kind = CATS_OUTPUT_LOGIT, .add_rows = cut->c->pool == CATS_POOL_MEAN});
	add_gather(cut, site + 1);
	const uint32_t end = add_op(cut, (struct cats_op){.code = CATS_OP_END, .site = CATS_NO_SITE});
	use(cut, cut->views[site + 1].buffer, end);
	use(cut, cut->views[site + 1].receipt, end); /* says which results arrived */
}

static void add_ops(struct cut *cut)
{
	cut->residual =
		new_buffer(cut, (uint64_t)cut->T * cats_partition_run(cut->F, cut->D, cut->j).count * sizeof(int16_t));
	for (uint32_t site = 0; site < cut->site_count; site++)
		add_site(cut, site);
	add_gather(cut, 0);
	add_embed(cut);
	for (uint32_t l = 0; l < cut->c->n_layers; l++) {
		add_attention_block(cut, l);
		add_feed_forward_block(cut, l);
	}
	add_head(cut);
}

static void apply_fixups(struct cut *cut)
{
	for (uint32_t i = 0; i < cut->fixup_count; i++) {
		const struct fixup *f = &cut->fixups[i];
		const uint32_t offset = cut->buffers[f->buffer].offset + f->extra;
		uint8_t *record = f->is_site ? (uint8_t *)&cut->sites[f->index] : (uint8_t *)&cut->ops[f->index];

		memcpy(record + f->byte, &offset, sizeof offset);
	}
}

static uint32_t sent_bytes(const struct cut *cut)
{
	uint64_t sum = 0;

	for (uint32_t site = 0; site < cut->site_count; site++) {
		const uint32_t token_bytes = cut->sites[site].kept * (uint32_t)cut->sites[site].column_bytes;
		const uint32_t tokens = cut->sites[site].tokens;

		sum += (uint64_t)tokens * token_bytes;
		sum += (uint64_t)CATS_PACKET_HEADER_BYTES *
		       cats_message_packets(tokens, token_bytes, cut->options.payload_max);
	}
	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
	static const uint8_t zeros[4];
	const size_t at = offsetof(struct cats_shard_header, crc32);
	uint32_t crc = cats_crc32(0, bytes, at);

	crc = cats_crc32(crc, zeros, sizeof zeros);
	return cats_crc32(crc, bytes + at + sizeof zeros, size - at - sizeof zeros);
}

static void write_header(struct cut *cut, uint32_t ops_at, uint32_t arena_bytes, uint32_t exp_at, uint32_t input_at)
{
	const float scale = (float)*cut->m->scale_result;
	struct cats_shard_header header = {
		.magic = CATS_SHARD_MAGIC,
		.version = CATS_SHARD_VERSION,
		.target = (uint16_t)cut->options.target,
		.bytes = (uint32_t)cut->size,
		.model_id = cut->m->id,
		.plan_id = cats_plan_id(cut->m, &cut->options),
		.device = (uint16_t)cut->j,
		.devices = (uint16_t)cut->D,
		.source = (uint16_t)cut->options.source,
		.sink = (uint16_t)cut->options.sink,
		.tokens = (uint16_t)cut->T,
		.layers = (uint16_t)cut->c->n_layers,
		.payload_max = (uint16_t)cut->options.payload_max,
		.flags = (uint16_t)(cut->c->pool == CATS_POOL_NONE ? 0 : CATS_SHARD_CLASSIFIES),
		.arena_bytes = arena_bytes,
		.ops = ops_at,
		.op_count = (uint16_t)cut->op_count,
		.site_count = (uint16_t)cut->site_count,
		.sites = sizeof header,
		.exp_table = exp_at,
		.input_table = input_at,
		.outputs = cut->c->n_out,
		.macs = cut->macs,
		.sent_bytes = sent_bytes(cut),
	};

	memcpy(&header.result_scale, &scale, sizeof scale);
	memcpy(cut->bytes, &header, sizeof header);
	header.crc32 = crc_of(cut->bytes, cut->size);
	memcpy(cut->bytes, &header, sizeof header);
}

static uint32_t put_exp_table(struct cut *cut)
{
	int16_t table[CATS_EXP_ENTRIES];

	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		table[i] = (int16_t)cut->m->exp_table[i];
	return put(cut, table, sizeof table);
}

static enum cats_status build(struct cats_cut *out, struct cut *cut, struct cats_error *error)
{
	const size_t site_bytes = cut->site_count * sizeof *cut->sites;
	uint32_t exp_at, input_at = 0, ops_at, arena_bytes;

	(void)put(cut, NULL, sizeof(struct cats_shard_header));
	(void)put(cut, NULL, site_bytes);
	for (uint32_t site = 0; site < cut->site_count; site++)
		cut->no_memory |= !make_view(cut, site);
	if (cut->no_memory)
		return cats_fail(error, CATS_ERR_MEMORY, "device %u: out of memory for its shard", cut->j);
	exp_at = put_exp_table(cut);
	if (cut->m->input_table && cut->j == cut->options.source)
		input_at = put(cut, cut->m->input_table, 256);
	add_ops(cut);
	if (cut->no_memory)
		return cats_fail(error, CATS_ERR_MEMORY, "device %u: out of memory for its shard", cut->j);
	out->arena_least = cats_arena_lower_bound(cut->buffers, cut->buffer_count);
	arena_bytes = cats_arena_assign(cut->buffers, cut->buffer_count);
	if (arena_bytes == UINT32_MAX || cut->size > UINT32_MAX / 2 || cut->op_count > UINT16_MAX)
		return cats_fail(error, CATS_ERR_MISMATCH, "device %u: its shard or arena is beyond 2 GiB", cut->j);
	apply_fixups(cut);
	ops_at = put(cut, cut->ops, cut->op_count * sizeof *cut->ops);
	if (cut->no_memory)
		return cats_fail(error, CATS_ERR_MEMORY, "device %u: out of memory for its shard", cut->j);
	memcpy(cut->bytes + sizeof(struct cats_shard_header), cut->sites, site_bytes);
	write_header(cut, ops_at, arena_bytes, exp_at, input_at);
	out->shard = cut->bytes;
	out->bytes = (uint32_t)cut->size;
	out->arena_bytes = arena_bytes;
	out->macs = cut->macs;
	out->sent_bytes = sent_bytes(cut);
	out->parameters = cut->parameters;
	cut->bytes = NULL;
	return CATS_OK;
}

static enum cats_status check_options(const struct cats_integer *m, const struct cats_cut_options *o, uint32_t device,
				      struct cats_error *error)
{
	const struct cats_config *c = &m->config;

	if (o->devices < 1 || o->devices > CATS_DEVICES_MAX || o->devices > c->d_model || o->devices > c->d_ff)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "devices: %u, but must be 1 to %u and at most d_model (%u) and d_ff (%u)", o->devices,
				 CATS_DEVICES_MAX, c->d_model, c->d_ff);
	if (o->devices != c->devices && cats_integer_prunes(m))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "devices: the model's keep lists were made for %u devices, not for %u", c->devices,
				 o->devices);
	if (device >= o->devices || o->source >= o->devices || (o->sink >= o->devices && o->sink != CATS_SINK_ALL))
		return cats_fail(error, CATS_ERR_MISMATCH, "source or sink: must be one of the %u devices", o->devices);
	if (o->payload_max < 4 || o->payload_max > CATS_PAYLOAD_MAX || o->payload_max % 4 != 0)
		return cats_fail(error, CATS_ERR_MISMATCH, "payload: %u bytes, but must be a multiple of 4, 4 to %u",
				 o->payload_max, CATS_PAYLOAD_MAX);
	if (o->target != CATS_TARGET_PLAIN && o->target != CATS_TARGET_NRF52840)
		return cats_fail(error, CATS_ERR_MISMATCH, "target: unknown");
	return CATS_OK;
}

static struct cats_cut_options with_defaults(const struct cats_cut_options *options)
{
	struct cats_cut_options o = *options;

	if (o.target == 0)
		o.target = CATS_TARGET_NRF52840;
	if (o.payload_max == 0)
		o.payload_max = CATS_PAYLOAD_MAX;
	return o;
}

uint64_t cats_plan_id(const struct cats_integer *m, const struct cats_cut_options *options)
{
	const struct cats_cut_options o = with_defaults(options);
	const uint32_t words[] = {CATS_SHARD_VERSION, o.devices,        (uint32_t)o.target, o.source, o.sink,
				  o.payload_max,      o.without_overlap};
	uint64_t hash = cats_fnv1a(CATS_FNV_START, &m->id, sizeof m->id);

	hash = cats_fnv1a(hash, words, sizeof words);
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++)
		hash = cats_fnv1a(hash, m->keep[site], cats_site_columns(&m->config, site));
	return hash;
}

enum cats_status cats_cut(struct cats_cut *out, const struct cats_integer *m, const struct cats_cut_options *options,
			  uint32_t device, struct cats_error *error)
{
	struct cut cut = {.m = m, .c = &m->config, .options = with_defaults(options), .D = options->devices};
	enum cats_status status = check_options(m, &cut.options, device, error);

	*out = (struct cats_cut){0};
	if (status < 0)
		return status;
	cut.j = device;
	cut.T = cats_config_tokens(cut.c);
	cut.F = cut.c->d_model;
	cut.site_count = cats_integer_sites(cut.c);
	cut.views = calloc(cut.site_count, sizeof *cut.views);
	cut.sites = calloc(cut.site_count, sizeof *cut.sites);
	status = cut.views && cut.sites ? build(out, &cut, error)
					: cats_fail(error, CATS_ERR_MEMORY, "device %u: out of memory", device);
	for (uint32_t site = 0; cut.views && site < cut.site_count; site++) {
		free(cut.views[site].senders);
		free(cut.views[site].available);
	}
	free(cut.views);
	free(cut.sites);
	free(cut.bytes);
	free(cut.ops);
	free(cut.buffers);
	free(cut.fixups);
	return status;
}

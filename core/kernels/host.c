/* SPDX-License-Identifier: MIT */
/* Whole ops at once. See host.h. */
#include "core/kernels/host.h"

#include "core/integer.h"
#include "core/node.h"

/* Bytes of windows that are cut out before they are multiplied; at least one row of CATS_FEATURES_MAX. */
#define WINDOW_BYTES 16384U

static const int8_t *view_row(const struct cats_node *n, const struct cats_shard_site *site, uint32_t row)
{
	return (const int8_t *)cats_node_arena(n, site->view + row * site->stride);
}

static void run_quantise(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const uint32_t first = cats_node_senders(n, site)[n->shard.header->device].first;

	n->kernels->host->quantise(cats_node_arena(n, site->view + first), site->stride,
				   cats_node_arena(n, op->quantise.residual), op->quantise.multiplier,
				   op->quantise.rows, op->quantise.outputs);
}

static uint16_t available_columns(const struct cats_node *n, const struct cats_shard_site *site, uint32_t row)
{
	uint32_t count = site->columns;

	for (uint64_t lost = cats_node_lost(n, site, row); lost != 0; lost &= lost - 1U)
		count -= cats_node_senders(n, site)[__builtin_ctzll(lost)].columns;
	return (uint16_t)count;
}

static void run_stats(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	uint16_t counts[CATS_TOKENS_MAX];

	for (uint32_t row = 0; row < op->stats.rows; row++)
		counts[row] = n->losses.senders == 0 ? site->columns : available_columns(n, site, row);
	n->kernels->host->statistics(cats_node_arena(n, op->stats.stats), view_row(n, site, 0), site->stride,
				     op->stats.rows, site->columns, counts, (op->flags & CATS_OP_RMS) != 0,
				     op->stats.epsilon);
}

/* Patches first … first + rows - 1, one a row of K4 bytes. */
static void cut_windows(int8_t *to, const struct cats_node *n, const struct cats_op *op, uint32_t first, uint32_t rows)
{
	const struct cats_shard_site *site = n->shard.sites;
	const uint32_t width = op->embed.window_columns, K4 = cats_round4(op->embed.columns);

	__builtin_memset(to, 0, (size_t)rows * K4);
	for (uint32_t r = 0; r < rows; r++) {
		const uint32_t top = (first + r) / op->embed.across * op->embed.step_rows;
		const uint32_t left = (first + r) % op->embed.across * op->embed.step_columns;

		for (uint32_t i = 0; i < op->embed.window_rows; i++)
			cats_copy_few((uint8_t *)to + (size_t)r * K4 + (size_t)i * width,
				      (const uint8_t *)view_row(n, site, top + i) + left, width);
	}
}

static void run_embed(struct cats_node *n, const struct cats_op *op)
{
	const size_t N = op->embed.outputs;
	const uint32_t K4 = cats_round4(op->embed.columns);
	int16_t *residual = cats_node_arena(n, op->embed.residual);
	int8_t windows[WINDOW_BYTES];
	struct cats_host_product p = {
		.x = windows,
		.stride = K4,
		.weights = cats_node_shard(n, op->embed.weights),
		.outputs = op->embed.outputs,
		.columns = op->embed.columns,
	};

	__builtin_memcpy(residual, cats_node_shard(n, op->embed.pos),
			 (op->embed.first_token + op->embed.patches) * N * sizeof(*residual));
	for (uint32_t first = 0; first < op->embed.patches; first += p.rows) {
		p.rows = cats_least(op->embed.patches - first, WINDOW_BYTES / K4);
		cut_windows(windows, n, op, first, p.rows);
		n->kernels->host->residual(residual + (op->embed.first_token + first) * N, &p,
					   cats_node_shard(n, op->embed.multipliers), NULL);
	}
	n->macs += (uint64_t)op->embed.patches * op->embed.outputs * op->embed.columns;
}

static void run_residual_product(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const struct cats_host_product p = {
		.x = view_row(n, site, 0),
		.stride = site->stride,
		.rows = op->residual_product.rows,
		.weights = cats_node_shard(n, op->residual_product.weights),
		.outputs = op->residual_product.outputs,
		.columns = op->residual_product.columns,
	};

	n->kernels->host->residual(cats_node_arena(n, op->residual_product.residual), &p,
				   cats_node_shard(n, op->residual_product.multipliers),
				   cats_node_shard(n, op->residual_product.bias));
	n->macs += (uint64_t)p.rows * p.outputs * p.columns;
}

/* Ws and B of all outputs without those senders. */
static void without_lost(int32_t *weight_sums, int32_t *biases, const struct cats_node *n, const struct cats_op *op,
			 uint64_t lost)
{
	const struct cats_shard_sender *senders = cats_node_senders(n, n->shard.sites + op->site);
	const uint32_t N = op->norm_product.outputs;
	const int32_t *wide = cats_node_shard(n, op->norm_product.pairs);
	const int16_t *narrow = cats_node_shard(n, op->norm_product.pairs);
	size_t at = 0;

	__builtin_memcpy(weight_sums, cats_node_shard(n, op->norm_product.weight_sums), N * sizeof(*weight_sums));
	__builtin_memcpy(biases, cats_node_shard(n, op->norm_product.biases), N * sizeof(*biases));
	for (uint32_t i = 0; i < n->shard.header->devices; i++) {
		if (senders[i].columns == 0 || i == n->shard.header->device)
			continue;
		for (uint32_t o = 0; (lost >> i & 1U) != 0 && o < N; o++) {
			const bool is_wide = (op->flags & CATS_OP_WIDE_PAIRS) != 0;
			const size_t pair = at + 2U * (size_t)o;

			weight_sums[o] = cats_wrap_subtract(weight_sums[o], is_wide ? wide[pair] : narrow[pair]);
			biases[o] = cats_wrap_subtract(biases[o], is_wide ? wide[pair + 1U] : narrow[pair + 1U]);
		}
		at += 2U * (size_t)N;
	}
}

/* Rows first … first + p->rows - 1, which lost the same senders. */
static void run_norm_rows(struct cats_node *n, const struct cats_op *op, struct cats_host_product *p,
			  struct cats_host_norm *norm, uint32_t first, uint64_t lost)
{
	const bool one_row = (op->flags & CATS_OP_ADD_ROWS) != 0;
	const size_t stride = one_row ? 0 : op->norm_product.output_stride;
	int32_t *sums = cats_node_arena(n, op->norm_product.scratch + cats_scratch_panel(op->norm_product.columns));

	p->x = view_row(n, n->shard.sites + op->site, first);
	norm->stats = (const struct cats_stats *)cats_node_arena(n, op->norm_product.stats) + first;
	norm->biases = cats_node_shard(n, op->norm_product.biases);
	norm->weight_sums = op->flags & CATS_OP_RMS ? NULL : cats_node_shard(n, op->norm_product.weight_sums);
	if (norm->weight_sums != NULL && lost != 0) {
		without_lost(sums, sums + p->outputs, n, op, lost);
		norm->weight_sums = sums;
		norm->biases = sums + p->outputs;
	}
	n->kernels->host->norm((uint8_t *)cats_node_arena(n, op->norm_product.output) + first * stride, stride, p,
			       norm);
}

static void run_norm_product(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const uint32_t rows = op->norm_product.rows;
	struct cats_host_product p = {
		.stride = site->stride,
		.weights = cats_node_shard(n, op->norm_product.weights),
		.outputs = op->norm_product.outputs,
		.columns = op->norm_product.columns,
	};
	struct cats_host_norm norm = {
		.multipliers = cats_node_shard(n, op->norm_product.multipliers),
		.kind = (enum cats_output_kind)op->norm_product.kind,
		.low = op->norm_product.low,
		.high = op->norm_product.high,
		.table = cats_node_shard(n, op->norm_product.table),
		.add = (op->flags & CATS_OP_ADD_ROWS) != 0,
	};

	if (norm.add)
		__builtin_memset(cats_node_arena(n, op->norm_product.output), 0, p.outputs * sizeof(int32_t));
	for (uint32_t first = 0; first < rows; first += p.rows) {
		const uint64_t lost = n->losses.senders == 0 ? 0 : cats_node_lost(n, site, first);

		p.rows = n->losses.senders == 0 ? rows : 1U;
		while (first + p.rows < rows && cats_node_lost(n, site, first + p.rows) == lost)
			p.rows++;
		run_norm_rows(n, op, &p, &norm, first, lost);
	}
	n->macs += (uint64_t)rows * p.outputs * p.columns;
}

static void run_attention(struct cats_node *n, const struct cats_op *op)
{
	const uint32_t heads = op->attention.heads, d = op->attention.head_width;
	const uint64_t queries = op->attention.queries, keys = op->attention.keys;
	const bool causal = (op->flags & CATS_OP_CAUSAL) != 0;
	const uint64_t pairs = causal ? queries * (queries + 1U) / 2U : queries * keys;

	for (uint32_t h = 0; h < heads; h++) {
		const struct cats_host_head head = {
			.q = (const int8_t *)cats_node_arena(n, op->attention.q) + h * d,
			.k = (const int8_t *)cats_node_arena(n, op->attention.k) + h * d,
			.v = (const int8_t *)cats_node_arena(n, op->attention.v) + h * d,
			.q_stride = op->attention.q_stride,
			.kv_stride = op->attention.kv_stride,
			.queries = op->attention.queries,
			.keys = op->attention.keys,
			.width = d,
			.causal = causal,
			.score_multiplier = ((const int32_t *)cats_node_shard(n, op->attention.score_multipliers))[h],
			.value_multiplier = ((const int32_t *)cats_node_shard(n, op->attention.value_multipliers))[h],
			.exponentials = cats_node_shard(n, n->shard.header->exp_table),
			.out = (int8_t *)cats_node_arena(n, op->attention.output) + h * d,
			.out_stride = op->attention.output_stride,
		};

		n->kernels->host->attention(&head);
	}
	n->macs += 2U * heads * pairs * d;
}

bool cats_host_run(struct cats_node *n, const struct cats_op *op)
{
	switch (op->code) {
	case CATS_OP_EMBED:
		run_embed(n, op);
		return true;
	case CATS_OP_QUANTISE:
		run_quantise(n, op);
		return true;
	case CATS_OP_STATS:
		run_stats(n, op);
		return true;
	case CATS_OP_NORM_PRODUCT:
		run_norm_product(n, op);
		return true;
	case CATS_OP_ATTENTION:
		run_attention(n, op);
		return true;
	case CATS_OP_RESIDUAL_PRODUCT:
		run_residual_product(n, op);
		return true;
	default:
		return false;
	}
}

void cats_host_clear(struct cats_node *n, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *own = cats_node_senders(n, site) + n->shard.header->device;
	const uint32_t bytes = (uint32_t)own->columns * site->column_bytes;
	uint8_t *view = cats_node_arena(n, site->view), *first = view + (uint32_t)own->first * site->column_bytes;
	uint8_t kept[WINDOW_BYTES];
	const uint32_t rows = bytes == 0 ? site->tokens : WINDOW_BYTES / (bytes + 1U);

	for (uint32_t done = 0; done < site->tokens; done += rows) {
		const uint32_t count = cats_least(site->tokens - done, rows);

		cats_copy_rows(kept, bytes, first + (size_t)done * site->stride, site->stride, bytes, count);
		__builtin_memset(view + (size_t)done * site->stride, 0, (size_t)count * site->stride);
		cats_copy_rows(first + (size_t)done * site->stride, site->stride, kept, bytes, bytes, count);
	}
}

/* SPDX-License-Identifier: MIT */
/* The checked reader of shards: nothing in the bytes is believed before it was compared. See shard.h.
 *
 * Every range is computed in 64 bits from fields of at most 32 bits, so no product or sum wraps. */
#include "core/shard.h"

#include <stdbool.h>

#include "core/checksum.h"
#include "core/message.h"
#include "core/refusal.h"

#define EXP_TABLE_CRC32 0x448627B4U
#define NO_GATHER UINT32_MAX

/* A range of the arena that an op uses. */
struct span {
	uint64_t first, bytes;
	bool written;
};

#define MAX_SPANS 6

struct reader {
	const struct cats_shard *shard;
	uint32_t latest; /* site of the latest GATHER, or NO_GATHER */
	uint32_t open;   /* site of an OPEN whose GATHER is to come, or NO_GATHER */
	struct span spans[MAX_SPANS];
	uint32_t span_count;
};

static bool in_shard(const struct cats_shard *s, uint32_t offset, uint64_t bytes)
{
	const uint32_t size = s->header->bytes;

	if (bytes == 0)
		return true;
	return offset % 4U == 0 && offset >= sizeof(struct cats_shard_header) && offset <= size &&
	       bytes <= size - offset;
}

static bool in_arena(const struct cats_shard *s, uint64_t first, uint64_t bytes)
{
	const uint32_t size = s->header->arena_bytes;

	return bytes == 0 || (first <= size && bytes <= size - first);
}

static bool own(const struct cats_shard *s, uint32_t device)
{
	return device == s->header->device;
}

uint32_t cats_shard_receipt_words(const struct cats_shard *s, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *senders = cats_shard_senders(s, site);
	uint32_t most = 0; /* columns: the more, the more packets */

	for (uint32_t i = 0; i < s->header->devices; i++)
		if (!own(s, i) && senders[i].columns > most)
			most = senders[i].columns;
	return (cats_message_packets(site->tokens, most * site->column_bytes, s->header->payload_max) + 31U) / 32U;
}

uint32_t cats_shard_checksum(const void *bytes, size_t size)
{
	static const uint8_t zeros[4] = {0};
	const size_t field = offsetof(struct cats_shard_header, crc32);
	const uint8_t *b = bytes;
	uint32_t crc = cats_checksum(0, b, field);

	crc = cats_checksum(crc, zeros, sizeof(zeros));
	return cats_checksum(crc, b + field + 4U, size - field - 4U);
}

static int check_header(const struct cats_shard *s)
{
	const struct cats_shard_header *h = s->header;
	const bool good = h->devices >= 1 && h->devices <= CATS_DEVICES_MAX && h->device < h->devices &&
			  h->source < h->devices && (h->sink < h->devices || h->sink == CATS_SINK_ALL) &&
			  h->tokens >= 1 && h->tokens <= CATS_TOKENS_MAX && h->payload_max >= 4 &&
			  h->payload_max <= CATS_PAYLOAD_MAX && h->payload_max % 4U == 0 && h->op_count >= 1 &&
			  h->site_count == 3U + 4U * h->layers && h->arena_bytes % 4U == 0;

	if (!good)
		return CATS_REFUSED_SHARD_HEADER;
	if (h->reserved != 0 || (h->flags & ~CATS_SHARD_CLASSIFIES) != 0)
		return CATS_REFUSED_SHARD_RESERVED;
	if (!in_shard(s, h->ops, (uint64_t)h->op_count * sizeof(struct cats_op)) ||
	    !in_shard(s, h->sites, (uint64_t)h->site_count * sizeof(struct cats_shard_site)) ||
	    !in_shard(s, h->exp_table, CATS_EXP_ENTRIES * 2U) ||
	    (h->input_table != 0 && !in_shard(s, h->input_table, 256)))
		return CATS_REFUSED_SHARD_OFFSET;
	/* Its sum is a divisor. */
	if (cats_checksum(0, s->bytes + h->exp_table, CATS_EXP_ENTRIES * 2U) != EXP_TABLE_CRC32)
		return CATS_REFUSED_SHARD_EXP_TABLE;
	return 0;
}

static int check_senders(const struct cats_shard *s, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *senders = cats_shard_senders(s, site);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < s->header->devices; i++) {
		if (senders[i].columns == 0)
			continue;
		if (senders[i].first != sum)
			return CATS_REFUSED_SHARD_SENDERS;
		sum += senders[i].columns;
		if (!own(s, i) && cats_message_packets(site->tokens, (uint32_t)senders[i].columns * site->column_bytes,
						       s->header->payload_max) > UINT16_MAX)
			return CATS_REFUSED_SHARD_PACKETS;
	}
	return sum == site->columns ? 0 : CATS_REFUSED_SHARD_SENDERS;
}

static int check_kept(const struct cats_shard *s, const struct cats_shard_site *site)
{
	const uint32_t columns = cats_shard_senders(s, site)[s->header->device].columns;
	const uint16_t *kept = (const uint16_t *)(const void *)(s->bytes + site->kept_list);

	if (cats_message_packets(site->tokens, (uint32_t)site->kept * site->column_bytes, s->header->payload_max) >
	    UINT16_MAX)
		return CATS_REFUSED_SHARD_PACKETS;
	if (site->kept_list == 0)
		return site->kept == 0 || site->kept == columns ? 0 : CATS_REFUSED_SHARD_KEPT;
	if (!in_shard(s, site->kept_list, (uint64_t)site->kept * 2U))
		return CATS_REFUSED_SHARD_OFFSET;
	for (uint32_t i = 0; i < site->kept; i++)
		if (kept[i] >= columns || (i > 0 && kept[i] <= kept[i - 1U]))
			return CATS_REFUSED_SHARD_KEPT;
	return 0;
}

static int check_site(const struct cats_shard *s, uint32_t number)
{
	const struct cats_shard_site *site = s->sites + number;
	const bool last = number + 1U == s->header->site_count;
	int refusal;

	if (site->reserved0 != 0 || site->reserved1 != 0)
		return CATS_REFUSED_SHARD_RESERVED;
	if (site->site != number || site->column_bytes != (last ? 4U : 1U) || site->tokens == 0 ||
	    site->columns > CATS_HIDDEN_MAX || site->stride % 4U != 0 ||
	    site->stride < (uint32_t)site->columns * site->column_bytes ||
	    (number > 0 && site->tokens > s->header->tokens))
		return CATS_REFUSED_SHARD_SITE;
	if (site->view % 4U != 0 || !in_arena(s, site->view, (uint64_t)site->tokens * site->stride))
		return CATS_REFUSED_SHARD_ARENA;
	if (!in_shard(s, site->senders, (uint64_t)s->header->devices * sizeof(struct cats_shard_sender)))
		return CATS_REFUSED_SHARD_OFFSET;
	refusal = check_senders(s, site);
	if (refusal == 0)
		refusal = check_kept(s, site);
	if (refusal != 0)
		return refusal;
	if (site->receipt % 4U != 0 ||
	    !in_arena(s, site->receipt, (uint64_t)s->header->devices * cats_shard_receipt_words(s, site) * 4U))
		return CATS_REFUSED_SHARD_ARENA;
	return 0;
}

static void use(struct reader *r, uint64_t first, uint64_t bytes, bool written)
{
	r->spans[r->span_count++] = (struct span){first, bytes, written};
}

static void use_view(struct reader *r, const struct cats_shard_site *site, bool written)
{
	use(r, site->view, (uint64_t)site->tokens * site->stride, written);
}

static void use_receipt(struct reader *r, const struct cats_shard_site *site, bool written)
{
	const uint64_t words = cats_shard_receipt_words(r->shard, site);

	use(r, site->receipt, words * r->shard->header->devices * 4U, written);
}

/* rows × stride bytes of which the last row ends after `bytes`. */
static uint64_t strided(uint32_t rows, uint32_t stride, uint64_t bytes)
{
	return rows == 0 ? 0 : (uint64_t)(rows - 1U) * stride + bytes;
}

static int check_spans(const struct reader *r)
{
	for (uint32_t i = 0; i < r->span_count; i++) {
		const struct span *a = r->spans + i;

		if (!in_arena(r->shard, a->first, a->bytes))
			return CATS_REFUSED_SHARD_ARENA;
		for (uint32_t k = 0; k < i; k++) {
			const struct span *b = r->spans + k;

			if ((a->written || b->written) && a->first < b->first + b->bytes &&
			    b->first < a->first + a->bytes)
				return CATS_REFUSED_SHARD_OP_OVERLAP;
		}
	}
	return 0;
}

static int check_gather(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	if (r->latest != NO_GATHER && op->site <= r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	r->latest = op->site;
	r->open = NO_GATHER;
	use_view(r, site, true);
	use_receipt(r, site, true);
	return 0;
}

/* Where a device's own columns of a view lie, and how many bytes they are. */
static uint32_t own_columns(uint32_t *bytes, const struct cats_shard *s, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *sender = cats_shard_senders(s, site) + s->header->device;

	*bytes = (uint32_t)sender->columns * site->column_bytes;
	return site->view + (uint32_t)sender->first * site->column_bytes;
}

/* NORM_PRODUCT or ATTENTION writes exactly the own columns of the site, row by row. */
static bool fills(const struct cats_shard *s, const struct cats_op *op, const struct cats_shard_site *site)
{
	uint32_t bytes;
	const uint32_t first = own_columns(&bytes, s, site);

	if (op->code == CATS_OP_ATTENTION)
		return op->attention.output == first && op->attention.output_stride == site->stride &&
		       (uint64_t)op->attention.heads * op->attention.head_width == bytes &&
		       op->attention.queries <= site->tokens;
	return op->code == CATS_OP_NORM_PRODUCT && (op->flags & CATS_OP_ADD_ROWS) == 0 &&
	       op->norm_product.output == first && op->norm_product.output_stride == site->stride &&
	       (uint64_t)op->norm_product.outputs * (op->norm_product.kind == CATS_OUTPUT_LOGIT ? 4U : 1U) == bytes &&
	       op->norm_product.rows <= site->tokens;
}

/* RESIDUAL_PRODUCT and the QUANTISE of all that it makes. */
static bool quantises(const struct cats_op *op, const struct cats_op *next, uint32_t site)
{
	return op->code == CATS_OP_RESIDUAL_PRODUCT && next->code == CATS_OP_QUANTISE && next->site == site &&
	       op->residual_product.rows == next->quantise.rows &&
	       op->residual_product.outputs == next->quantise.outputs &&
	       op->residual_product.residual == next->quantise.residual;
}

/* Behind OPEN come what fills the own columns and the GATHER, nothing else. `behind`: ops after this one. */
static int check_open(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site, uint32_t behind)
{
	uint32_t filling = 1;

	if (r->latest == NO_GATHER || op->site <= r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	if (behind < 3)
		return CATS_REFUSED_SHARD_OP_OPEN;
	if (quantises(op + 1, op + 2, op->site))
		filling = 2;
	else if (!fills(r->shard, op + 1, site))
		return CATS_REFUSED_SHARD_OP_OPEN;
	if (op[filling + 1U].code != CATS_OP_GATHER || op[filling + 1U].site != op->site)
		return CATS_REFUSED_SHARD_OP_OPEN;
	r->open = op->site;
	use_view(r, site, true);
	use_receipt(r, site, true);
	return 0;
}

/* What an op writes into the own columns of the view that is open is part of the view. */
static void use_output(struct reader *r, uint64_t first, uint64_t bytes)
{
	if (r->open == NO_GATHER)
		use(r, first, bytes, true);
}

/* While a gather is open, packets may come at any time. */
static void use_open(struct reader *r, const struct cats_op *op)
{
	if (r->open == NO_GATHER || op->code == CATS_OP_OPEN)
		return;
	use_receipt(r, r->shard->sites + r->open, true);
	if (op->code != CATS_OP_QUANTISE)
		use_view(r, r->shard->sites + r->open, true);
}

/* The windows of the embedding lie inside the input. */
static bool windows_fit(const struct cats_op *op, const struct cats_shard_site *site)
{
	const uint32_t across = op->embed.across;
	const uint32_t patches = op->embed.patches;
	uint64_t rows, columns;

	if (across == 0 || patches == 0 || across > patches)
		return false;
	rows = (uint64_t)((patches - 1U) / across) * op->embed.step_rows + op->embed.window_rows;
	columns = (uint64_t)(across - 1U) * op->embed.step_columns + op->embed.window_columns;
	return rows <= site->tokens && columns <= site->columns;
}

static bool weights_in_shard(const struct cats_shard *s, uint32_t offset, uint32_t N, uint32_t K)
{
	return in_shard(s, offset, cats_weights_bytes((enum cats_target)s->header->target, N, K));
}

static int check_embed(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	const struct cats_shard *s = r->shard;
	const uint32_t T = s->header->tokens, N = op->embed.outputs, K = op->embed.columns;

	if (op->site != 0 || r->latest != 0)
		return CATS_REFUSED_SHARD_OP_ORDER;
	if (N == 0 || N > CATS_FEATURES_MAX || K == 0 || K > CATS_FEATURES_MAX ||
	    (uint32_t)op->embed.window_rows * op->embed.window_columns != K || op->embed.first_token > 1 ||
	    op->embed.patches > T || op->embed.first_token + op->embed.patches != T || !windows_fit(op, site))
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (!weights_in_shard(s, op->embed.weights, N, K) || !in_shard(s, op->embed.multipliers, (uint64_t)N * 4U) ||
	    !in_shard(s, op->embed.pos, (uint64_t)T * N * 2U))
		return CATS_REFUSED_SHARD_OFFSET;
	if (op->embed.residual % 4U != 0 || op->embed.scratch % 4U != 0)
		return CATS_REFUSED_SHARD_ARENA;
	if (op->embed.scratch_bytes < cats_scratch_embed(K))
		return CATS_REFUSED_SHARD_OP_SCRATCH;
	use_view(r, site, false);
	use(r, op->embed.residual, (uint64_t)T * N * 2U, true);
	use(r, op->embed.scratch, op->embed.scratch_bytes, true);
	return 0;
}

static int check_quantise(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	const uint32_t N = op->quantise.outputs;

	if (r->latest != NO_GATHER && op->site <= r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	if (site->column_bytes != 1 || N == 0 ||
	    N != cats_shard_senders(r->shard, site)[r->shard->header->device].columns || op->quantise.rows == 0 ||
	    op->quantise.rows > site->tokens)
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (op->quantise.residual % 4U != 0)
		return CATS_REFUSED_SHARD_ARENA;
	use_view(r, site, true);
	use(r, op->quantise.residual, (uint64_t)op->quantise.rows * N * 2U, false);
	return 0;
}

static int check_stats(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	if (op->site != r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	/* e > 0 keeps the variance above 0, which is divided by. */
	if (site->column_bytes != 1 || op->stats.rows == 0 || op->stats.rows > site->tokens || op->stats.epsilon < 256)
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (op->stats.stats % 4U != 0)
		return CATS_REFUSED_SHARD_ARENA;
	use_view(r, site, false);
	use_receipt(r, site, false);
	use(r, op->stats.stats, (uint64_t)op->stats.rows * sizeof(struct cats_stats), true);
	return 0;
}

/* Others than the device itself that have a message at the site. */
static uint32_t count_messages(const struct cats_shard *s, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *senders = cats_shard_senders(s, site);
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->header->devices; i++)
		count += !own(s, i) && senders[i].columns > 0 ? 1U : 0U;
	return count;
}

static bool norm_tables_in_shard(const struct cats_shard *s, const struct cats_op *op,
				 const struct cats_shard_site *site)
{
	const uint32_t N = op->norm_product.outputs;
	const uint64_t pair = op->flags & CATS_OP_WIDE_PAIRS ? 8U : 4U;
	const bool rms = (op->flags & CATS_OP_RMS) != 0;

	return weights_in_shard(s, op->norm_product.weights, N, op->norm_product.columns) &&
	       in_shard(s, op->norm_product.multipliers, (uint64_t)N * 4U) &&
	       in_shard(s, op->norm_product.biases, (uint64_t)N * 4U) &&
	       (rms || in_shard(s, op->norm_product.weight_sums, (uint64_t)N * 4U)) &&
	       (rms || in_shard(s, op->norm_product.pairs, count_messages(s, site) * N * pair)) &&
	       (op->norm_product.kind != CATS_OUTPUT_TABLE || in_shard(s, op->norm_product.table, 256));
}

static bool norm_numbers_good(const struct cats_op *op, const struct cats_shard_site *site)
{
	const bool adds = (op->flags & CATS_OP_ADD_ROWS) != 0, rms = (op->flags & CATS_OP_RMS) != 0;

	return site->column_bytes == 1 && op->norm_product.outputs > 0 && op->norm_product.outputs <= CATS_HIDDEN_MAX &&
	       op->norm_product.columns == site->columns && op->norm_product.rows > 0 &&
	       op->norm_product.rows <= site->tokens && op->norm_product.kind <= CATS_OUTPUT_LOGIT &&
	       op->norm_product.low <= op->norm_product.high && op->norm_product.unused == 0 &&
	       (!adds || op->norm_product.kind == CATS_OUTPUT_LOGIT) &&
	       (rms ? op->norm_product.weight_sums == 0 && op->norm_product.pairs == 0
		    : op->norm_product.weight_sums != 0);
}

static int check_norm_product(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	const uint32_t N = op->norm_product.outputs;
	const bool logits = op->norm_product.kind == CATS_OUTPUT_LOGIT;
	const uint32_t rows = op->flags & CATS_OP_ADD_ROWS ? 1U : op->norm_product.rows;

	if (op->site != r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	if (!norm_numbers_good(op, site))
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (!norm_tables_in_shard(r->shard, op, site))
		return CATS_REFUSED_SHARD_OFFSET;
	if (op->norm_product.scratch_bytes < cats_scratch_norm_product(N, op->norm_product.columns))
		return CATS_REFUSED_SHARD_OP_SCRATCH;
	if (op->norm_product.stats % 4U != 0 || op->norm_product.scratch % 4U != 0 ||
	    (logits && (op->norm_product.output % 4U != 0 || op->norm_product.output_stride % 4U != 0)))
		return CATS_REFUSED_SHARD_ARENA;
	use_view(r, site, false);
	use_receipt(r, site, false);
	use(r, op->norm_product.stats, (uint64_t)op->norm_product.rows * sizeof(struct cats_stats), false);
	use_output(r, op->norm_product.output,
		   strided(rows, op->norm_product.output_stride, logits ? (uint64_t)N * 4U : N));
	use(r, op->norm_product.scratch, op->norm_product.scratch_bytes, true);
	return 0;
}

static int check_attention(struct reader *r, const struct cats_op *op)
{
	const struct cats_shard *s = r->shard;
	const uint32_t heads = op->attention.heads, d = op->attention.head_width;
	const uint32_t keys = op->attention.keys, queries = op->attention.queries;
	uint64_t width;

	if (heads == 0 || heads > CATS_FEATURES_MAX || d == 0 || d > CATS_HEAD_WIDTH_MAX || keys == 0 ||
	    keys > CATS_TOKENS_MAX || queries == 0 || queries > keys)
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (!in_shard(s, op->attention.score_multipliers, (uint64_t)heads * 4U) ||
	    !in_shard(s, op->attention.value_multipliers, (uint64_t)heads * 4U))
		return CATS_REFUSED_SHARD_OFFSET;
	if (op->attention.scratch_bytes < cats_scratch_attention(keys, d))
		return CATS_REFUSED_SHARD_OP_SCRATCH;
	if (op->attention.scratch % 4U != 0)
		return CATS_REFUSED_SHARD_ARENA;
	width = (uint64_t)heads * d;
	use(r, op->attention.q, strided(queries, op->attention.q_stride, width), false);
	use(r, op->attention.k, strided(keys, op->attention.kv_stride, width), false);
	use(r, op->attention.v, strided(keys, op->attention.kv_stride, width), false);
	use_output(r, op->attention.output, strided(queries, op->attention.output_stride, width));
	use(r, op->attention.scratch, op->attention.scratch_bytes, true);
	return 0;
}

static int check_residual_product(struct reader *r, const struct cats_op *op, const struct cats_shard_site *site)
{
	const struct cats_shard *s = r->shard;
	const uint32_t N = op->residual_product.outputs, rows = op->residual_product.rows;

	if (op->site != r->latest)
		return CATS_REFUSED_SHARD_OP_ORDER;
	if (site->column_bytes != 1 || N == 0 || N > CATS_FEATURES_MAX ||
	    op->residual_product.columns != site->columns || rows == 0 || rows > site->tokens)
		return CATS_REFUSED_SHARD_OP_FIELD;
	if (!weights_in_shard(s, op->residual_product.weights, N, op->residual_product.columns) ||
	    !in_shard(s, op->residual_product.multipliers, (uint64_t)N * 4U) ||
	    !in_shard(s, op->residual_product.bias, (uint64_t)N * 4U))
		return CATS_REFUSED_SHARD_OFFSET;
	if (op->residual_product.scratch_bytes < cats_scratch_panel(op->residual_product.columns))
		return CATS_REFUSED_SHARD_OP_SCRATCH;
	if (op->residual_product.residual % 4U != 0 || op->residual_product.scratch % 4U != 0)
		return CATS_REFUSED_SHARD_ARENA;
	use_view(r, site, false);
	use(r, op->residual_product.residual, (uint64_t)rows * N * 2U, true);
	use(r, op->residual_product.scratch, op->residual_product.scratch_bytes, true);
	return 0;
}

/* Which words each op names (bit i: words[i]) and which flags; all others are 0. */
static const struct {
	uint16_t words;
	uint8_t flags;
} named[] = {
	[CATS_OP_GATHER] = {0, 0},
	[CATS_OP_EMBED] = {0x67FF, 0},
	[CATS_OP_QUANTISE] = {0x000F, 0},
	[CATS_OP_STATS] = {0x0007, CATS_OP_RMS},
	[CATS_OP_NORM_PRODUCT] = {0x7FFF, CATS_OP_RMS | CATS_OP_WIDE_PAIRS | CATS_OP_ADD_ROWS},
	[CATS_OP_ATTENTION] = {0x7FFF, CATS_OP_CAUSAL},
	[CATS_OP_RESIDUAL_PRODUCT] = {0x607F, 0},
	[CATS_OP_END] = {0, 0},
	[CATS_OP_OPEN] = {0, 0},
};

static bool only_named(const struct cats_op *op)
{
	for (uint32_t i = 0; i < 15; i++)
		if (op->words[i] != 0 && !((uint32_t)named[op->code].words >> i & 1U))
			return false;
	return (op->flags & ~(uint32_t)named[op->code].flags) == 0;
}

/* `behind`: ops after this one. */
static int check_op(struct reader *r, const struct cats_op *op, uint32_t behind)
{
	const bool siteless = op->code == CATS_OP_ATTENTION || op->code == CATS_OP_END;
	const struct cats_shard_site *site;
	int refusal = 0;

	if (op->code < CATS_OP_GATHER || op->code > CATS_OP_OPEN || (op->code == CATS_OP_END) != (behind == 0))
		return CATS_REFUSED_SHARD_OP_CODE;
	if (!only_named(op))
		return CATS_REFUSED_SHARD_RESERVED;
	if (siteless ? op->site != CATS_NO_SITE : op->site >= r->shard->header->site_count)
		return CATS_REFUSED_SHARD_OP_FIELD;
	site = siteless ? r->shard->sites : r->shard->sites + op->site;
	r->span_count = 0;
	switch (op->code) {
	case CATS_OP_OPEN:
		refusal = check_open(r, op, site, behind);
		break;
	case CATS_OP_GATHER:
		refusal = check_gather(r, op, site);
		break;
	case CATS_OP_EMBED:
		refusal = check_embed(r, op, site);
		break;
	case CATS_OP_QUANTISE:
		refusal = check_quantise(r, op, site);
		break;
	case CATS_OP_STATS:
		refusal = check_stats(r, op, site);
		break;
	case CATS_OP_NORM_PRODUCT:
		refusal = check_norm_product(r, op, site);
		break;
	case CATS_OP_ATTENTION:
		refusal = check_attention(r, op);
		break;
	case CATS_OP_RESIDUAL_PRODUCT:
		refusal = check_residual_product(r, op, site);
		break;
	default:
		break;
	}
	use_open(r, op);
	return refusal != 0 ? refusal : check_spans(r);
}

/* What must hold before the length can be trusted, and the checksum. */
static int check_envelope(const void *bytes, size_t size)
{
	const struct cats_shard_header *h = bytes;

	if ((uintptr_t)bytes % 4U != 0)
		return CATS_REFUSED_SHARD_MISALIGNED;
	if (size < sizeof(*h))
		return CATS_REFUSED_SHARD_SHORT;
	if (h->magic != CATS_SHARD_MAGIC)
		return CATS_REFUSED_SHARD_MAGIC;
	if (h->version != CATS_SHARD_VERSION)
		return CATS_REFUSED_SHARD_VERSION;
	if (size < h->bytes || h->bytes < sizeof(*h))
		return CATS_REFUSED_SHARD_SHORT;
	if (size > h->bytes)
		return CATS_REFUSED_SHARD_LONG;
	if (h->bytes % 4U != 0)
		return CATS_REFUSED_SHARD_HEADER;
	if (cats_shard_checksum(bytes, size) != h->crc32)
		return CATS_REFUSED_SHARD_CHECKSUM;
	if (h->target != CATS_TARGET_PLAIN && h->target != CATS_TARGET_NRF52840)
		return CATS_REFUSED_SHARD_TARGET;
	return 0;
}

/* Sums within an inference fit 31 bits. */
static int check_times(const struct cats_shard *s)
{
	const bool timed = cats_shard_is_timed(s);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->header->site_count; i++) {
		sum += (uint64_t)s->sites[i].compute_us + s->sites[i].deadline_us;
		if ((s->sites[i].compute_us != 0) != timed || (s->sites[i].deadline_us != 0) != timed)
			return CATS_REFUSED_SHARD_TIMES;
	}
	return sum <= CATS_SHARD_TIMES_MAX_US ? 0 : CATS_REFUSED_SHARD_TIMES;
}

static int check_contents(const struct cats_shard *s, uint32_t *where)
{
	struct reader reader = {.shard = s, .latest = NO_GATHER, .open = NO_GATHER};
	int refusal = check_header(s);

	for (uint32_t i = 0; refusal == 0 && i < s->header->site_count; i++) {
		*where = s->header->sites + i * (uint32_t)sizeof(struct cats_shard_site);
		refusal = check_site(s, i);
	}
	if (refusal == 0)
		refusal = check_times(s);
	for (uint32_t i = 0; refusal == 0 && i < s->header->op_count; i++) {
		*where = s->header->ops + i * (uint32_t)sizeof(struct cats_op);
		refusal = check_op(&reader, s->ops + i, s->header->op_count - 1U - i);
	}
	return refusal;
}

int cats_shard_open(struct cats_shard *out, const void *bytes, size_t size, uint32_t *where)
{
	int refusal = check_envelope(bytes, size);

	*where = 0;
	if (refusal != 0)
		return refusal;
	out->bytes = bytes;
	out->header = bytes;
	/* Only used once check_header has found both offsets inside the shard. */
	out->sites = (const void *)(out->bytes + (out->header->sites < size ? out->header->sites : 0));
	out->ops = (const void *)(out->bytes + (out->header->ops < size ? out->header->ops : 0));
	return check_contents(out, where);
}

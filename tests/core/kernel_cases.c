/* SPDX-License-Identifier: MIT */
/* See kernel_cases.h. */
#include "tests/core/kernel_cases.h"

#include <string.h>

#include "core/random.h"

#define GUARD 0x5A
#define GUARD_BYTES 8U

struct draw {
	uint64_t key, next;
};

static uint32_t below(struct draw *d, uint32_t bound)
{
	return cats_random_below(d->key, d->next++, bound);
}

/* From low to high, both included; high - low < 2^32 - 1. */
static int32_t between(struct draw *d, int32_t low, int32_t high)
{
	return (int32_t)(low + (int64_t)below(d, (uint32_t)((int64_t)high - low) + 1U));
}

/* int8 values: random, all 127, at the ends of the range, or few of them not 0. Drawn by xorshift, because there are
 * many and a device draws them too. */
static void fill(struct draw *d, int8_t *x, size_t count)
{
	const uint32_t kind = below(d, 5);
	uint32_t s = below(d, UINT32_MAX) + 1U;

	for (size_t i = 0; i < count; i++) {
		int32_t any;

		s ^= s << 13;
		s ^= s >> 17;
		s ^= s << 5;
		any = (int32_t)((s >> 8) % 255U) - 127;
		x[i] = (int8_t)(kind == 0   ? 127
				: kind == 1 ? (any < 0 ? -127 : 127)
				: kind == 2 ? (any > 100 ? any : 0)
					    : any);
	}
}

static void fill_words(struct draw *d, int32_t *x, size_t count, int32_t low, int32_t high)
{
	const uint32_t kind = below(d, 6);

	for (size_t i = 0; i < count; i++)
		x[i] = kind == 0 ? low : kind == 1 ? high : between(d, low, high);
}

/* A row of weights whose absolute sum is at most what section 1.12 allows, and often exactly that. */
static void fill_weights(struct draw *d, int8_t *w, uint32_t K)
{
	const bool from_end = below(d, 2) != 0;
	int32_t left = 33025;

	fill(d, w, K);
	for (uint32_t i = 0; i < K; i++) {
		int8_t *at = w + (from_end ? K - 1U - i : i);

		if (*at > left || -*at > left)
			*at = (int8_t)(*at < 0 ? -left : left);
		left -= *at < 0 ? -*at : *at;
	}
}

/* Packs [N][K4] for target 2 (docs/SPEC-integer.md, 3.5), by its definition. */
static void pack(uint8_t *to, const int8_t *w, uint32_t N, uint32_t K4)
{
	for (uint32_t n = 0; n < N + (N & 1U); n++)
		for (uint32_t k = 0; k < K4; k += 4) {
			const int8_t *v = w + (size_t)n * K4 + k;
			const int32_t low = n < N ? 256 * v[0] + v[1] : 0, high = n < N ? 256 * v[2] + v[3] : 0;
			const uint32_t word = ((uint32_t)low & 0xFFFFU) | (uint32_t)high << 16;

			memcpy(to + ((size_t)(n / 2U) * (K4 / 4U) + k / 4U) * 8U + (n & 1U) * 4U, &word, sizeof(word));
		}
}

/* A tile of a product: rows of x by some outputs of N. */
struct product_case {
	struct cats_panel panel;
	const int8_t *w;
	const uint8_t *packed;
	uint32_t N, K, output, outputs;
	uint32_t piece; /* columns of a call, a multiple of 64 */
};

/* Random data for the shape in c: N, K, output, outputs, piece, panel.rows. */
static void fill_product(struct product_case *c, struct kernel_room *room, struct draw *d)
{
	int8_t *w = (int8_t *)room->weights[0];
	const uint32_t K4 = cats_round4(c->K);

	c->panel.x = room->bytes[0] + 4U * below(d, 4);
	c->panel.stride = K4 + 4U * below(d, 5);
	c->panel.widened = room->scratch[0] + 4U * below(d, 2);
	fill(d, room->bytes[0], 16U + c->panel.stride * CATS_TILE_ROWS);
	memset(w, 0, (size_t)c->N * K4);
	for (uint32_t n = 0; n < c->N; n++)
		fill_weights(d, w + (size_t)n * K4, c->K);
	c->w = w;
	c->packed = room->weights[1];
	pack(room->weights[1], w, c->N, K4);
}

static void make_product(struct product_case *c, struct kernel_room *room, struct draw *d)
{
	const bool wide = below(d, 16) == 0;

	c->N = 1 + below(d, wide ? 6 : 40);
	c->K = 1 + below(d, wide ? 2200 : below(d, 2) ? 70 : 360);
	c->output = below(d, c->N) & ~1U;
	c->outputs = 1 + below(d, c->N - c->output < CATS_TILE_OUTPUTS ? c->N - c->output : CATS_TILE_OUTPUTS);
	c->piece = below(d, 2) ? 64U * (1U + below(d, 4)) : 4096;
	c->panel.rows = 1 + below(d, CATS_TILE_ROWS);
	fill_product(c, room, d);
}

static void multiply(cats_tile acc, const struct cats_kernels *k, const struct product_case *c)
{
	const struct cats_weights_view view = {k->target == CATS_TARGET_PLAIN ? (const uint8_t *)c->w : c->packed,
					       cats_round4(c->K)};

	memset(acc, GUARD, sizeof(cats_tile));
	memset(c->panel.widened, GUARD, cats_scratch_panel(c->K) + GUARD_BYTES);
	for (uint32_t column = 0; column < c->K; column += c->piece) {
		const uint32_t columns = c->K - column < c->piece ? c->K - column : c->piece;

		if (k->widen != NULL)
			k->widen(&c->panel, column, columns);
	}
	for (uint32_t column = 0; column < c->K; column += c->piece) {
		const uint32_t columns = c->K - column < c->piece ? c->K - column : c->piece;

		k->products(acc, &c->panel, &view, c->output, c->outputs, column, columns);
	}
}

/* `widen` wrote nothing behind the panel's room. */
static bool panel_guarded(const struct product_case *c)
{
	const uint8_t *end = (const uint8_t *)c->panel.widened + cats_scratch_panel(c->K);

	for (uint32_t i = 0; i < GUARD_BYTES; i++)
		if (end[i] != GUARD)
			return false;
	return true;
}

/* The sums themselves: with mu = 0, m = 2^24 and no bias a logit is the sum, which is below 2^22. */
static const char *check_sums(struct kernel_room *room, const struct cats_kernels *table, const struct product_case *c)
{
	const struct cats_stats stats[CATS_TILE_ROWS] = {{0, 1 << 28}, {0, 1 << 28}, {0, 1 << 28}, {0, 1 << 28}};
	int32_t *multipliers = room->words[0], *biases = room->words[1];
	const struct cats_finish norm = {
		.stats = stats, .multipliers = multipliers, .biases = biases, .kind = CATS_OUTPUT_LOGIT};
	int32_t logits[CATS_TILE_ROWS][CATS_TILE_OUTPUTS];
	cats_tile acc;

	for (uint32_t o = 0; o < CATS_TILE_OUTPUTS; o++) {
		multipliers[o] = 1 << 28;
		biases[o] = 0;
	}
	multiply(acc, table, c);
	table->finish_norm(logits, sizeof(logits[0]), &norm, acc, 0, c->panel.rows, c->outputs);
	if (!panel_guarded(c))
		return "wrote behind the panel";
	for (uint32_t r = 0; r < c->panel.rows; r++)
		for (uint32_t o = 0; o < c->outputs; o++) {
			const int8_t *w = c->w + (size_t)(c->output + o) * cats_round4(c->K);
			int32_t sum = 0;

			for (uint32_t k = 0; k < c->K; k++)
				sum += w[k] * c->panel.x[r * c->panel.stride + k];
			if (logits[r][o] != sum)
				return "a sum of products";
		}
	return NULL;
}

static const char *sums_of_products(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	struct product_case c;

	make_product(&c, room, &d);
	return check_sums(room, table, &c);
}

/* Every number of columns up to two rounds of an unrolled loop of 16 times 4, with 1 … 5 outputs and 1 … 4 rows. */
static const char *tails_of_products(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};

	for (uint32_t K = 1; K <= 132; K++) {
		struct product_case c = {.N = 1 + K % 5, .K = K, .piece = K % 3 ? 4096 : 64};
		const char *what;

		c.outputs = c.N;
		c.panel.rows = 1 + K / 4U % CATS_TILE_ROWS;
		fill_product(&c, room, &d);
		what = check_sums(room, table, &c);
		if (what != NULL)
			return what;
	}
	return NULL;
}

static const char *check_residual(struct kernel_room *room, const struct cats_kernels *table,
				  const struct product_case *c, struct draw *d)
{
	int16_t *expected = (int16_t *)(void *)room->bytes[1], *got = expected + 512;
	const uint32_t start = 4 + below(d, 2), stride = c->outputs + below(d, 8);
	const int32_t *bias = below(d, 4) ? room->words[0] : NULL;
	cats_tile acc;

	fill_words(d, room->words[0], CATS_TILE_OUTPUTS, -(1 << 21), 1 << 21);
	/* Most sums have 15 to 22 bits: these multipliers leave some of 16, others to saturate. */
	fill_words(d, room->words[1], CATS_TILE_OUTPUTS, 0, below(d, 4) ? 1 << (16 + below(d, 8)) : INT32_MAX - 1);
	for (uint32_t i = 0; i < 512; i++)
		expected[i] = got[i] = (int16_t)between(d, INT16_MIN, INT16_MAX);
	multiply(acc, &cats_kernels_plain, c);
	cats_kernels_plain.finish_residual(expected + start, stride, acc, bias, room->words[1], c->panel.rows,
					   c->outputs);
	multiply(acc, table, c);
	table->finish_residual(got + start, stride, acc, bias, room->words[1], c->panel.rows, c->outputs);
	return memcmp(expected, got, 512 * sizeof(*got)) == 0 ? NULL : "a residual";
}

static const char *residual_products(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	struct product_case c;

	make_product(&c, room, &d);
	return check_residual(room, table, &c, &d);
}

static void make_norm(struct cats_finish *norm, struct cats_stats stats[CATS_TILE_ROWS], struct kernel_room *room,
		      struct draw *d)
{
	/* R(rho, m) of 6 to 16 bits: some outputs fit a byte, others saturate. */
	const uint32_t rho_bits = 12 + below(d, 19), bits = 32U + 6U + below(d, 10) - rho_bits;
	int8_t *codes = (int8_t *)room->words[5];

	*norm = (struct cats_finish){
		.stats = stats,
		.multipliers = room->words[0],
		.biases = room->words[1],
		.weight_sums = below(d, 4) ? room->words[2] : NULL,
		.kind = below(d, 2) ? CATS_OUTPUT_INT8 : (enum cats_output_kind)below(d, 3),
		.low = below(d, 2) ? 0 : (int8_t)between(d, -127, 10),
		.high = below(d, 2) ? 127 : (int8_t)between(d, 11, 127),
		.table = codes,
		.add = below(d, 2) != 0,
	};
	if (below(d, 2)) { /* the usual ones */
		norm->low = below(d, 2) ? -127 : 0;
		norm->high = 127;
	}
	fill(d, codes, 256);
	for (uint32_t r = 0; r < CATS_TILE_ROWS; r++)
		stats[r] = (struct cats_stats){between(d, -32512, 32512), between(d, 0, 1 << rho_bits)};
	fill_words(d, room->words[0], CATS_TILE_OUTPUTS, 0, bits < 31 ? 1 << bits : INT32_MAX - 1);
	fill_words(d, room->words[1], CATS_TILE_OUTPUTS, -(1 << 30), 1 << 30);
	if (below(d, 4)) /* so that not all outputs saturate */
		fill_words(d, room->words[1], CATS_TILE_OUTPUTS, -(1 << 15), 1 << 15);
	fill_words(d, room->words[2], CATS_TILE_OUTPUTS, -33025, 33025);
}

/* Rows first … first + rows - 1 of the tile. */
static const char *check_norm(struct kernel_room *room, const struct cats_kernels *table, const struct product_case *c,
			      struct draw *d, uint32_t first, uint32_t rows)
{
	uint8_t *expected = (uint8_t *)room->bytes[1], *got = expected + 1024;
	struct cats_stats stats[CATS_TILE_ROWS];
	struct cats_finish norm;
	uint32_t start, stride;
	cats_tile acc;

	make_norm(&norm, stats, room, d);
	start = norm.kind == CATS_OUTPUT_LOGIT ? 8 : 8 + below(d, 4);
	stride = norm.kind == CATS_OUTPUT_LOGIT ? 4U * (c->outputs + below(d, 4)) : c->outputs + below(d, 9);
	if (norm.kind == CATS_OUTPUT_LOGIT && norm.add && below(d, 2))
		stride = 0;
	for (uint32_t i = 0; i < 1024; i++)
		expected[i] = got[i] = (uint8_t)below(d, 256);
	multiply(acc, &cats_kernels_plain, c);
	cats_kernels_plain.finish_norm(expected + start, stride, &norm, acc, first, rows, c->outputs);
	multiply(acc, table, c);
	table->finish_norm(got + start, stride, &norm, acc, first, rows, c->outputs);
	return memcmp(expected, got, 1024) == 0 ? NULL : "a normalised output";
}

static const char *norm_products(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	struct product_case c;
	uint32_t first;

	make_product(&c, room, &d);
	first = below(&d, c.panel.rows);
	return check_norm(room, table, &c, &d, first, 1U + below(&d, c.panel.rows - first));
}

/* Every number of outputs up to 8 by every number of rows, several times each for the forms that outputs take. */
static const char *tails_of_epilogues(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};

	for (uint32_t i = 0; i < 8 * CATS_TILE_ROWS * 8; i++) {
		struct product_case c = {.N = 1 + i / 2 % 8, .K = 1 + below(&d, 24), .piece = 4096};
		const char *what;

		c.outputs = c.N;
		c.panel.rows = i % 2 ? CATS_TILE_ROWS : 1 + i / 16 % CATS_TILE_ROWS;
		fill_product(&c, room, &d);
		what = check_norm(room, table, &c, &d, 0, c.panel.rows);
		if (what == NULL && i % 3 == 0)
			what = check_residual(room, table, &c, &d);
		if (what != NULL)
			return what;
	}
	return NULL;
}

static const char *quantisation(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	int16_t *residual = (int16_t *)(void *)room->bytes[0];
	int8_t *expected = room->bytes[1], *got = expected + 512;
	const uint32_t from = below(&d, 4), to = 8 + below(&d, 4), count = 1 + below(&d, 300);
	const int32_t multiplier = between(&d, 0, below(&d, 2) ? INT32_MAX - 1 : 1 << 24);

	for (uint32_t i = 0; i < 400; i++)
		residual[i] = (int16_t)between(&d, INT16_MIN, INT16_MAX);
	memset(expected, GUARD, 1024);
	cats_kernels_plain.quantise(expected + to, residual + from, multiplier, count);
	table->quantise(got + to, residual + from, multiplier, count);
	return memcmp(expected, got, 512) == 0 ? NULL : "a quantised value";
}

static const char *sums_and_roots(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	const uint32_t first = below(&d, 8), count = 1 + below(&d, 1200), edge = 32768U + below(&d, 32768);
	const uint32_t v = (1U << 30) + below(&d, 3U << 30);
	const uint64_t root = table->root(v);
	int32_t S, Q, sum, squares;

	fill(&d, room->bytes[0], first + count + 4U);
	cats_kernels_plain.sums(&S, &Q, room->bytes[0] + first, count);
	table->sums(&sum, &squares, room->bytes[0] + first, count);
	if (sum != S || squares != Q)
		return "a sum";
	if (root * root > v || (root + 1) * (root + 1) <= v)
		return "a root";
	if (table->root(edge * edge) != edge || table->root(edge * edge - 1U) != edge - 1U ||
	    table->root(UINT32_MAX) != 65535)
		return "the root of a square, or of one less";
	return NULL;
}

struct attention_case {
	struct cats_attention_head head;
	struct cats_attention_rows rows;
	int32_t score_multiplier, multipliers[CATS_TILE_ROWS];
	uint32_t piece; /* keys or columns of a call */
	uint32_t rows_a_call;
	uint32_t stride;
};

/* The last entries are 0, as the real table's are; the others fall, so that a wrong index shows. */
static void make_exp(int16_t table[CATS_EXP_ENTRIES])
{
	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		table[i] = (int16_t)(32767U * (1022U - (i > 1022 ? 1022 : i)) / 1022U);
}

/* Random data for T keys of a width. */
static void make_attention(struct attention_case *c, struct kernel_room *room, const struct cats_kernels *table,
			   struct draw *d, uint32_t T, uint32_t width)
{
	const uint32_t kv_stride = width + below(d, 9), q_stride = width + below(d, 9);
	int8_t *bytes = room->bytes[0];

	c->head = (struct cats_attention_head){
		.q = bytes + below(d, 4),
		.k = bytes + 12800 + below(d, 4),
		.v = bytes + 25600 + below(d, 4),
		.q_stride = q_stride,
		.kv_stride = kv_stride,
		.keys = T,
		.width = width,
		.causal = below(d, 2) != 0,
	};
	c->rows.first = below(d, T);
	c->rows.count = 1 + below(d, table->attention_rows);
	if (c->rows.count > T - c->rows.first)
		c->rows.count = T - c->rows.first;
	c->score_multiplier = between(d, 0, 1 << (12 + below(d, 19)));
	for (uint32_t i = 0; i < CATS_TILE_ROWS; i++)
		c->multipliers[i] = between(d, 0, 1 << (8 + below(d, 20)));
	c->piece = below(d, 2) ? table->attention_step * (1U + below(d, 20)) : 512;
	c->rows_a_call = 1 + below(d, CATS_TILE_ROWS);
	c->stride = width + below(d, 5);
	fill(d, bytes, (size_t)T * q_stride + 4U);
	fill(d, bytes + 12800, (size_t)T * kv_stride + 4U);
	fill(d, bytes + 25600, (size_t)T * kv_stride + 4U);
}

/* What comes out of a case: the sums Z and the rows of `out`. */
static void attend(uint32_t Z[CATS_TILE_ROWS], int8_t *out, uint8_t *scratch, const struct attention_case *c,
		   const struct cats_kernels *k, const int16_t *exp_table)
{
	const uint32_t T4 = cats_round4(c->head.keys), packed = T4 * cats_round4(c->head.width);
	const uint32_t visible = cats_attention_visible(&c->head, c->rows.first + c->rows.count - 1U);
	struct cats_attention_head head = c->head;
	int32_t maxima[CATS_TILE_ROWS];

	memset(scratch, GUARD, cats_scratch_attention(head.keys, head.width) + GUARD_BYTES);
	head.queries = scratch;
	head.packed_keys = scratch + cats_scratch_panel(head.width);
	head.values = (int16_t *)(void *)(head.packed_keys + packed);
	head.scores = head.values + packed;
	for (uint32_t j = 0; k->attention_pack != NULL && j < head.keys; j += 4)
		k->attention_pack(&head, j, head.keys - j < 4 ? head.keys - j : 4);
	if (k->attention_queries != NULL)
		k->attention_queries(&head, c->rows);
	for (uint32_t j = 0; j < visible; j += c->piece)
		k->attention_scores(maxima, &head, c->rows, c->score_multiplier, j,
				    visible - j < c->piece ? visible - j : c->piece);
	for (uint32_t i = 0; i < c->rows.count; i += c->rows_a_call)
		k->attention_exponentials(Z, &head, c->rows, exp_table, maxima, i,
					  c->rows.count - i < c->rows_a_call ? c->rows.count - i : c->rows_a_call);
	for (uint32_t j = 0; j < head.width; j += c->piece)
		k->attention_values(out, c->stride, &head, c->rows, c->multipliers, j,
				    head.width - j < c->piece ? head.width - j : c->piece);
}

static const char *check_attention(struct kernel_room *room, const struct cats_kernels *table,
				   const struct attention_case *c, uint32_t start)
{
	const uint32_t end = cats_scratch_attention(c->head.keys, c->head.width);
	int8_t *expected = room->bytes[1], *got = expected + 2048;
	uint32_t Z[2][CATS_TILE_ROWS] = {{0}};
	int16_t exp_table[CATS_EXP_ENTRIES];

	make_exp(exp_table);
	memset(expected, GUARD, 4096);
	attend(Z[0], expected + start, room->scratch[0], c, &cats_kernels_plain, exp_table);
	attend(Z[1], got + start, room->scratch[1], c, table, exp_table);
	for (uint32_t i = 0; i < GUARD_BYTES; i++)
		if (room->scratch[1][end + i] != GUARD)
			return "wrote behind the scratch of attention";
	if (memcmp(Z[0], Z[1], sizeof(Z[0])) != 0)
		return "a sum of exponentials";
	return memcmp(expected, got, 2048) == 0 ? NULL : "an output of attention";
}

static const char *attention(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};
	const bool wide = below(&d, 8) == 0, long_one = !wide && below(&d, 8) == 0;
	const uint32_t T = 1 + below(&d, long_one ? 512 : wide ? 40 : 70);
	const uint32_t width = 1 + below(&d, wide ? 256 : long_one ? 12 : 40);
	struct attention_case c;

	make_attention(&c, room, table, &d, T, width);
	return check_attention(room, table, &c, 8 + below(&d, 4));
}

/* Every number of keys, and every head width, up to two rounds of an unrolled loop. */
static const char *tails_of_attention(struct kernel_room *room, const struct cats_kernels *table, uint64_t key)
{
	struct draw d = {key, 0};

	for (uint32_t i = 1; i <= 2 * 68; i++) {
		const uint32_t size = 1 + (i - 1U) / 2U, other = 1 + size % 9U;
		struct attention_case c;
		const char *what;

		make_attention(&c, room, table, &d, i % 2 ? size : other, i % 2 ? other : size);
		what = check_attention(room, table, &c, 8 + i % 4U);
		if (what != NULL)
			return what;
	}
	return NULL;
}

const struct kernel_case_kind kernel_case_kinds[] = {
	{"sums of products", sums_of_products, false},
	{"every tail of products", tails_of_products, true},
	{"products added to the residual", residual_products, false},
	{"normalised products", norm_products, false},
	{"every tail of epilogues", tails_of_epilogues, true},
	{"quantisation", quantisation, false},
	{"column sums and roots", sums_and_roots, false},
	{"attention", attention, false},
	{"every tail of attention", tails_of_attention, true},
};
const uint32_t kernel_case_kind_count = sizeof(kernel_case_kinds) / sizeof(kernel_case_kinds[0]);

/* SPDX-License-Identifier: MIT */
/* Row kernels of every instruction set that this machine runs against the document's formulas, bit for bit: random
 * shapes with all tails, any alignment, extreme values, guard bytes around what is written, inputs in memory of exactly
 * their size, so that the sanitizers see every byte read beyond. */
#include "core/kernels/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/integer.h"
#include "core/random.h"
#include "core/statistics.h"
#include "tests/cmocka.h"

#define ROUNDS 300U
#define GUARD 0x5A
#define GUARDS 64U

static uint64_t seed;

/* Random draws, and what of memory they are in. */
struct draw {
	uint64_t key, next;
	void *blocks[16];
	uint32_t block_count;
};

static uint32_t below(struct draw *d, uint32_t bound)
{
	return cats_random_below(d->key, d->next++, bound);
}

static int32_t between(struct draw *d, int32_t low, int32_t high)
{
	return (int32_t)(low + (int64_t)(cats_random_u64(d->key, d->next++) % (uint64_t)((int64_t)high - low + 1)));
}

/* `bytes` bytes that end with their block and begin at any alignment. */
static void *take(struct draw *d, size_t bytes, size_t alignment)
{
	const size_t shift = below(d, 16) * alignment;
	uint8_t *block = malloc(shift + bytes + (bytes == 0 ? 1U : 0U));

	assert_non_null(block);
	assert_true(d->block_count < sizeof(d->blocks) / sizeof(d->blocks[0]));
	d->blocks[d->block_count++] = block;
	return block + shift;
}

static void release(struct draw *d)
{
	while (d->block_count > 0)
		free(d->blocks[--d->block_count]);
}

/* int8 values: random, or at the ends of the range. */
static int8_t *take_bytes(struct draw *d, size_t count)
{
	const uint32_t kind = below(d, 4);
	int8_t *x = take(d, count, 1);

	for (size_t i = 0; i < count; i++)
		x[i] = (int8_t)(kind == 0 ? 127 : kind == 1 ? (below(d, 2) ? 127 : -127) : between(d, -127, 127));
	return x;
}

static int32_t *take_words(struct draw *d, size_t count, int32_t low, int32_t high)
{
	int32_t *x = take(d, count * sizeof(*x), sizeof(*x));

	for (size_t i = 0; i < count; i++)
		x[i] = between(d, low, high);
	return x;
}

/* Usually a few tails' worth, now and then more than a chunk. */
static struct cats_host_product take_product(struct draw *d)
{
	const uint32_t rows = 1U + below(d, below(d, 16) ? 30 : CATS_TOKENS_MAX);
	const uint32_t columns = below(d, rows > 40 || below(d, 8) ? 140 : 2500);
	const size_t stride = cats_round4(columns) + 4U * below(d, 5);
	struct cats_host_product p = {.stride = stride, .rows = rows, .outputs = 1U + below(d, 40), .columns = columns};
	const size_t K4 = cats_round4(columns);
	int8_t *weights = take_bytes(d, p.outputs * K4);

	for (uint32_t o = 0; o < p.outputs; o++)
		for (size_t k = columns; k < K4; k++)
			weights[o * K4 + k] = 0;
	p.weights = weights;
	p.x = take_bytes(d, (rows - 1U) * stride + K4);
	return p;
}

static int32_t sum_of(const struct cats_host_product *p, uint32_t r, uint32_t o)
{
	int32_t sum = 0;

	for (uint32_t k = 0; k < p->columns; k++)
		sum += p->weights[(size_t)o * cats_round4(p->columns) + k] * p->x[r * p->stride + k];
	return sum;
}

/* An output between guards, twice: as the kernel and as the formula leave it. */
struct twice {
	uint8_t *got, *expected;
	size_t bytes;
};

static struct twice take_output(struct draw *d, size_t bytes)
{
	struct twice t = {.bytes = bytes + 2U * GUARDS};

	t.got = take(d, t.bytes, 4);
	t.expected = take(d, t.bytes, 4);
	memset(t.got, GUARD, t.bytes);
	for (size_t i = 0; i < bytes; i++)
		t.got[GUARDS + i] = (uint8_t)below(d, 256);
	memcpy(t.expected, t.got, t.bytes);
	return t;
}

static bool equal(const struct twice *t)
{
	return memcmp(t->got, t->expected, t->bytes) == 0;
}

static void norm_formula(uint8_t *out, size_t stride, const struct cats_host_product *p,
			 const struct cats_host_norm *norm)
{
	for (uint32_t r = 0; r < p->rows; r++)
		for (uint32_t o = 0; o < p->outputs; o++) {
			const struct cats_stats *s = &norm->stats[r];
			const int32_t Ws = norm->weight_sums == NULL ? 0 : norm->weight_sums[o];
			const int32_t A = cats_wrap_subtract(cats_wrap_multiply(256, sum_of(p, r, o)),
							     cats_wrap_multiply(s->mu, Ws));
			const int64_t m = cats_requantise(s->rho, norm->multipliers[o]);
			const int32_t y =
				(int32_t)((A * m + norm->biases[o] * (INT64_C(1) << 24) + (INT64_C(1) << 31)) >> 32);
			int32_t *logit = (int32_t *)(void *)(out + r * stride) + o;

			if (norm->kind == CATS_OUTPUT_INT8)
				out[r * stride + o] = (uint8_t)cats_clamp(y, norm->low, norm->high);
			else if (norm->kind == CATS_OUTPUT_TABLE)
				out[r * stride + o] = (uint8_t)norm->table[cats_clamp(y, 0, 255)];
			else
				*logit =
					cats_wrap_add(cats_clamp(y, -(1 << 22), (1 << 22) - 1), norm->add ? *logit : 0);
		}
}

static bool norm_case(const struct cats_host_kernels *k, struct draw *d)
{
	const struct cats_host_product p = take_product(d);
	struct cats_stats *stats = take(d, p.rows * sizeof(*stats), 4);
	struct cats_host_norm norm = {
		.stats = stats,
		.multipliers = take_words(d, p.outputs, 0, below(d, 2) ? INT32_MAX : 1 << 22),
		.biases = take_words(d, p.outputs, -(1 << 30), 1 << 30),
		.weight_sums = below(d, 4) ? take_words(d, p.outputs, -33025, 33025) : NULL,
		.kind = (enum cats_output_kind)below(d, 3),
		.low = below(d, 2) ? 0 : -127,
		.high = 127,
		.table = take_bytes(d, 256),
		.add = below(d, 2) != 0,
	};
	const bool logits = norm.kind == CATS_OUTPUT_LOGIT;
	const size_t row = p.outputs * (logits ? 4U : 1U), stride = logits && norm.add ? 0 : row + 4U * below(d, 4);
	const struct twice out = take_output(d, (p.rows - 1U) * stride + row);

	for (uint32_t r = 0; r < p.rows; r++)
		stats[r] = (struct cats_stats){between(d, -32512, 32512), between(d, 0, 1 << 30)};
	k->norm(out.got + GUARDS, stride, &p, &norm);
	norm_formula(out.expected + GUARDS, stride, &p, &norm);
	return equal(&out);
}

static bool residual_case(const struct cats_host_kernels *k, struct draw *d)
{
	const struct cats_host_product p = take_product(d);
	const int32_t *m = take_words(d, p.outputs, 0, below(d, 2) ? INT32_MAX : 1 << 20);
	const int32_t *bias = below(d, 2) ? take_words(d, p.outputs, -(1 << 22), 1 << 22) : NULL;
	const struct twice out = take_output(d, (size_t)p.rows * p.outputs * 2U);
	int16_t *expected = (int16_t *)(void *)(out.expected + GUARDS);

	k->residual((int16_t *)(void *)(out.got + GUARDS), &p, m, bias);
	for (uint32_t r = 0; r < p.rows; r++)
		for (uint32_t o = 0; o < p.outputs; o++) {
			int16_t *at = expected + (size_t)r * p.outputs + o;
			const int32_t acc = cats_wrap_add(sum_of(&p, r, o), bias == NULL ? 0 : bias[o]);
			const int32_t step = cats_requantise(cats_wrap_multiply(256, acc), m[o]);

			*at = (int16_t)cats_clamp(cats_wrap_add(*at, step), INT16_MIN, INT16_MAX);
		}
	return equal(&out);
}

static bool quantise_case(const struct cats_host_kernels *k, struct draw *d)
{
	const uint32_t rows = 1U + below(d, 9), outputs = 1U + below(d, 70), stride = outputs + below(d, 9);
	const int32_t multiplier = between(d, 0, INT32_MAX);
	const struct twice out = take_output(d, (rows - 1U) * (size_t)stride + outputs);
	int16_t *residual = take(d, (size_t)rows * outputs * 2U, 2);

	for (uint32_t i = 0; i < rows * outputs; i++)
		residual[i] = (int16_t)between(d, INT16_MIN, INT16_MAX);
	k->quantise((int8_t *)out.got + GUARDS, stride, residual, multiplier, rows, outputs);
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t o = 0; o < outputs; o++)
			out.expected[GUARDS + r * stride + o] =
				(uint8_t)cats_clamp(cats_requantise(residual[r * outputs + o], multiplier), -127, 127);
	return equal(&out);
}

static bool statistics_case(const struct cats_host_kernels *k, struct draw *d)
{
	const uint32_t rows = 1U + below(d, 20), columns = below(d, below(d, 8) ? 200 : 4097);
	const uint32_t stride = columns + below(d, 9), epsilon = below(d, 2) ? 256 : 256 + below(d, UINT32_MAX - 256);
	const int8_t *x = take_bytes(d, (rows - 1U) * (size_t)stride + columns);
	const struct twice out = take_output(d, rows * sizeof(struct cats_stats));
	uint16_t *counts = take(d, rows * sizeof(*counts), 2);
	const bool rms = below(d, 2) != 0;

	for (uint32_t r = 0; r < rows; r++)
		counts[r] = (uint16_t)(below(d, 2) ? columns : below(d, columns + 1U));
	/* Fewer columns are available where the others are 0; with others it would be no variance. */
	for (uint32_t r = 0; r < rows; r++) {
		struct cats_stats *stats = (struct cats_stats *)(void *)(out.expected + GUARDS) + r;
		int32_t S = 0, Q = 0;

		for (uint32_t i = 0; i < columns; i++) {
			int8_t *at = (int8_t *)(uintptr_t)(x + (size_t)r * stride + i);

			*at = i < counts[r] ? *at : 0;
			S += *at;
			Q += *at * *at;
		}
		*stats = cats_statistics_of(counts[r], rms ? 0 : S, Q, epsilon, cats_kernels_plain.root);
	}
	k->statistics((struct cats_stats *)(void *)(out.got + GUARDS), x, stride, rows, columns, counts, rms, epsilon);
	return equal(&out);
}

/* As the real one it falls and ends in zeros. */
static const int16_t *exponentials(void)
{
	static int16_t table[CATS_EXP_ENTRIES];

	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		table[i] = (int16_t)(i > 900 ? 0 : 32767U * (901U - i) / 901U);
	return table;
}

static void attention_formula(int8_t *out, const struct cats_host_head *h)
{
	for (uint32_t t = 0; t < h->queries; t++) {
		const uint32_t keys = h->causal ? t + 1U : h->keys;
		int32_t scores[CATS_TOKENS_MAX], largest = INT32_MIN;
		uint32_t Z = 0;

		for (uint32_t j = 0; j < keys; j++) {
			int32_t sum = 0;

			for (uint32_t c = 0; c < h->width; c++)
				sum += h->q[t * h->q_stride + c] * h->k[j * h->kv_stride + c];
			scores[j] = cats_clamp(cats_requantise(256 * sum, h->score_multiplier), -16384, 16383);
			largest = scores[j] > largest ? scores[j] : largest;
		}
		for (uint32_t j = 0; j < keys; j++) {
			scores[j] = h->exponentials[largest - scores[j] < 1023 ? largest - scores[j] : 1023];
			Z += (uint32_t)scores[j];
		}
		for (uint32_t c = 0; c < h->width; c++) {
			const int32_t m = cats_requantise((int32_t)((UINT64_C(1) << 45) / Z), h->value_multiplier);
			int32_t sum = 0;

			for (uint32_t j = 0; j < keys; j++)
				sum += scores[j] * h->v[j * h->kv_stride + c];
			out[t * h->out_stride + c] = (int8_t)cats_clamp(cats_requantise(sum, m), -127, 127);
		}
	}
}

static bool attention_case(const struct cats_host_kernels *k, struct draw *d)
{
	struct cats_host_head h = {
		.keys = 1U + below(d, below(d, 30) ? 70 : CATS_TOKENS_MAX),
		.width = 1U + below(d, below(d, 8) ? 40 : CATS_HEAD_WIDTH_MAX),
		.causal = below(d, 2) != 0,
		.score_multiplier = between(d, 0, 1 << (12 + below(d, 19))),
		.value_multiplier = between(d, 0, 1 << (8 + below(d, 23))),
		.exponentials = exponentials(),
	};
	struct twice out;

	h.queries = below(d, 2) ? h.keys : 1U + below(d, h.keys);
	h.q_stride = h.width + below(d, 9);
	h.kv_stride = h.width + below(d, 9);
	h.out_stride = h.width + below(d, 9);
	h.q = take_bytes(d, (h.queries - 1U) * h.q_stride + h.width);
	h.k = take_bytes(d, (h.keys - 1U) * h.kv_stride + h.width);
	h.v = take_bytes(d, (h.keys - 1U) * h.kv_stride + h.width);
	out = take_output(d, (h.queries - 1U) * h.out_stride + h.width);
	h.out = (int8_t *)out.got + GUARDS;
	k->attention(&h);
	attention_formula((int8_t *)out.expected + GUARDS, &h);
	return equal(&out);
}

static const struct {
	const char *name;
	bool (*run)(const struct cats_host_kernels *k, struct draw *d);
} kinds[] = {
	{"products of normalised rows", norm_case},
	{"products into the residual", residual_case},
	{"quantisation", quantise_case},
	{"statistics", statistics_case},
	{"attention", attention_case},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* The first of ROUNDS cases of a kind that differs, or ROUNDS. */
static uint32_t first_difference(const struct cats_host_kernels *k, uint32_t kind)
{
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct draw d = {.key = cats_random_key(seed, kind * ROUNDS + round)};
		const bool same = kinds[kind].run(k, &d);

		release(&d);
		if (!same)
			return round;
	}
	return ROUNDS;
}

static void every_set_equals_the_formulas(void **state)
{
	static const char *const names[] = {"sse2", "avx2", "avx512"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct cats_kernels table;

		if (!cats_kernels_host(&table, names[i])) {
			print_message("%s: skipped, this processor does not run it\n", names[i]);
			continue;
		}
		for (uint32_t kind = 0; kind < KINDS; kind++) {
			const uint32_t round = first_difference(table.host, kind);

			if (round < ROUNDS)
				fail_msg("%s: %s: case %u differs", names[i], kinds[kind].name, round);
		}
	}
}

/* ---- faults that the comparison must notice ---- */

static struct cats_host_kernels sound;

static void no_norm(void *out, size_t stride, const struct cats_host_product *p, const struct cats_host_norm *norm)
{
	for (uint32_t r = 0; r < p->rows; r++)
		memset((uint8_t *)out + r * stride, 0, p->outputs * (norm->kind == CATS_OUTPUT_LOGIT ? 4U : 1U));
}

static void off_by_one_norm(void *out, size_t stride, const struct cats_host_product *p,
			    const struct cats_host_norm *norm)
{
	sound.norm(out, stride, p, norm);
	((uint8_t *)out)[(p->rows - 1U) * stride + p->outputs - 1U]++;
}

static void swapped_norm(void *out, size_t stride, const struct cats_host_product *p, const struct cats_host_norm *norm)
{
	struct cats_host_product swapped = *p;

	swapped.rows = 1;
	sound.norm(out, stride, p, norm);
	swapped.x += (p->rows - 1U) * p->stride;
	sound.norm(out, stride, &swapped, norm);
}

static void long_norm(void *out, size_t stride, const struct cats_host_product *p, const struct cats_host_norm *norm)
{
	sound.norm(out, stride, p, norm);
	((uint8_t *)out)[(p->rows - 1U) * stride + p->outputs * (norm->kind == CATS_OUTPUT_LOGIT ? 4U : 1U)] = 0;
}

static void other_rounding(int8_t *q, size_t stride, const int16_t *residual, int32_t multiplier, uint32_t rows,
			   uint32_t outputs)
{
	for (uint32_t r = 0; r < rows; r++)
		for (uint32_t o = 0; o < outputs; o++)
			q[r * stride + o] = (int8_t)cats_clamp(
				(int32_t)(((int64_t)residual[r * outputs + o] * multiplier) >> 32), -127, 127);
}

static void faults_are_noticed(void **state)
{
	void (*const norms[])(void *, size_t, const struct cats_host_product *,
			      const struct cats_host_norm *) = {no_norm, off_by_one_norm, swapped_norm, long_norm};
	struct cats_kernels table;
	struct cats_host_kernels faulty;

	(void)state;
	if (!cats_kernels_host(&table, "sse2"))
		skip();
	sound = *table.host;
	for (size_t i = 0; i < sizeof(norms) / sizeof(norms[0]); i++) {
		faulty = sound;
		faulty.norm = norms[i];
		assert_true(first_difference(&faulty, 0) < ROUNDS);
	}
	faulty = sound;
	faulty.quantise = other_rounding;
	assert_true(first_difference(&faulty, 2) < ROUNDS);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_equals_the_formulas),
		cmocka_unit_test(faults_are_noticed),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Every kernel of every table equals plain C bit for bit: random shapes with all tails, any alignment, extreme values,
 * guard bytes around what is written. A plain formula of the document stands behind plain C in test_integers. */
#include "core/kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/integer.h"
#include "core/random.h"
#include "tests/cmocka.h"

#define ROUNDS 400
#define GUARD 0x5A

static uint64_t seed;

struct draw {
	uint64_t key, next;
};

static uint32_t below(struct draw *d, uint32_t bound)
{
	return cats_random_below(d->key, d->next++, bound);
}

/* int8 values: random, or all at the ends of the range. */
static void fill(struct draw *d, int8_t *x, size_t count)
{
	const uint32_t kind = below(d, 4);

	for (size_t i = 0; i < count; i++)
		x[i] = (int8_t)(kind == 0   ? 127
				: kind == 1 ? (below(d, 2) ? 127 : -127)
					    : (int32_t)below(d, 255) - 127);
}

static void fill_words(struct draw *d, int32_t *x, size_t count, int32_t low, int32_t high)
{
	for (size_t i = 0; i < count; i++)
		x[i] = (int32_t)(low + (int64_t)below(d, (uint32_t)((int64_t)high - low) + 1U));
}

/* The tables to hold against plain C. */
static size_t tables(struct cats_kernels out[4])
{
	size_t count = 0;

	count += cats_kernels_host(out + count, "avx512") ? 1U : 0U;
	count += cats_kernels_host(out + count, "avx2") ? 1U : 0U;
	if (count < 2)
		print_message("this processor runs %zu of 2 host tables\n", count);
	return count;
}

/* Packs [N][K4] for target 2 (section 3.5). */
static void pack(uint32_t *to, const int8_t *w, uint32_t N, uint32_t K4)
{
	for (uint32_t n = 0; n < N + (N & 1U); n++)
		for (uint32_t k = 0; k < K4; k += 4) {
			const int8_t *v = w + (size_t)n * K4 + k;
			const int32_t low = n < N ? 256 * v[1] + v[0] : 0, high = n < N ? 256 * v[3] + v[2] : 0;

			to[(size_t)(n / 2U) * (K4 / 2U) + k / 2U + (n & 1U)] =
				((uint32_t)low & 0xFFFFU) | (uint32_t)high << 16;
		}
}

struct product_case {
	uint32_t N, K, K4, rows, output, outputs, column, columns;
	size_t stride;
	int8_t *x, *w;
	uint32_t *packed;
};

static void make_product(struct product_case *c, struct draw *d)
{
	c->N = 1 + below(d, 40);
	c->K = 1 + below(d, 300);
	c->K4 = cats_round4(c->K);
	c->rows = 1 + below(d, 4);
	c->output = below(d, c->N) & ~1U;
	c->outputs = c->N - c->output < 16 ? c->N - c->output : 16;
	c->outputs = 1 + below(d, c->outputs);
	c->column = c->K > 64 && below(d, 2) ? 64 : 0;
	c->columns = below(d, 2) && c->K - c->column > 64 ? 64 : c->K - c->column;
	c->stride = c->K4 + 4U * below(d, 5);
	c->x = malloc(c->stride * c->rows);
	c->w = calloc(c->N, c->K4);
	c->packed = malloc((c->N + 1U) * (size_t)c->K4);
	fill(d, c->x, c->stride * c->rows);
	for (uint32_t n = 0; n < c->N; n++)
		fill(d, c->w + (size_t)n * c->K4, c->K);
	pack(c->packed, c->w, c->N, c->K4);
}

static void run_product(cats_tile acc, const struct cats_kernels *k, const struct product_case *c)
{
	const struct cats_weights_view view = {
		k->target == CATS_TARGET_PLAIN ? (const uint8_t *)c->w : (const uint8_t *)c->packed, c->K4};

	for (uint32_t r = 0; r < 4; r++)
		for (uint32_t o = 0; o < 16; o++)
			acc[r][o] = (int32_t)(r * 100U + o);
	k->products(acc, c->x, c->stride, c->rows, &view, c->output, c->outputs, c->column, c->columns);
}

static void products_equal_the_formula(void **state)
{
	struct draw d = {cats_random_key(seed, 1), 0};
	struct cats_kernels table[4];
	size_t count = tables(table);

	(void)state;
	table[count++] = cats_kernels_plain;
	table[count++] = cats_kernels_nrf52840_c;
	for (int round = 0; round < ROUNDS; round++) {
		struct product_case c;

		make_product(&c, &d);
		for (size_t t = 0; t < count; t++) {
			cats_tile acc;

			run_product(acc, table + t, &c);
			for (uint32_t r = 0; r < c.rows; r++)
				for (uint32_t o = 0; o < c.outputs; o++) {
					int32_t expected = (int32_t)(r * 100U + o);

					for (uint32_t k = c.column; k < c.column + c.columns; k++)
						expected +=
							c.w[(size_t)(c.output + o) * c.K4 + k] * c.x[r * c.stride + k];
					assert_int_equal(acc[r][o], expected);
				}
		}
		free(c.x);
		free(c.w);
		free(c.packed);
	}
}

static void norms_equal(void **state)
{
	struct draw d = {cats_random_key(seed, 2), 0};
	struct cats_kernels table[4];
	const size_t count = tables(table);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		int32_t m[16], B[16], Ws[16], acc[16], expected[18], got[18];
		int8_t codes[256];
		const uint32_t outputs = 1 + below(&d, 16);
		struct cats_norm_row row = {
			.stats = {(int32_t)below(&d, 65025) - 32512, (int32_t)below(&d, 1U << 30)},
			.multipliers = m,
			.biases = B,
			.weight_sums = below(&d, 4) ? Ws : NULL,
			.kind = (enum cats_output_kind)below(&d, 3),
			.low = below(&d, 2) ? 0 : -127,
			.high = 127,
			.table = codes,
			.add = below(&d, 2) != 0,
		};

		fill(&d, codes, 256);
		fill_words(&d, m, 16, 0, below(&d, 2) ? INT32_MAX - 1 : 1 << 20);
		fill_words(&d, B, 16, -(1 << 30), 1 << 30);
		fill_words(&d, Ws, 16, -33025, 33025);
		fill_words(&d, acc, 16, -33025 * 127, 33025 * 127);
		memset(expected, GUARD, sizeof(expected));
		memset(got, GUARD, sizeof(got));
		cats_kernels_plain.finish_norm(expected + 1, &row, acc, outputs);
		for (size_t t = 0; t < count; t++) {
			memset(got, GUARD, sizeof(got));
			table[t].finish_norm(got + 1, &row, acc, outputs);
			assert_memory_equal(got, expected, sizeof(got));
		}
	}
}

static void residuals_and_quantisation_equal(void **state)
{
	struct draw d = {cats_random_key(seed, 3), 0};
	struct cats_kernels table[4];
	const size_t count = tables(table);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const uint32_t outputs = 1 + below(&d, 16), length = 1 + below(&d, 100);
		int32_t m[16], bias[16], acc[16];
		int16_t start[128], expected[128], got[128];
		int8_t q_expected[128], q_got[128];
		const int32_t multiplier = (int32_t)below(&d, INT32_MAX);
		const bool with_bias = below(&d, 2) != 0;

		fill_words(&d, m, 16, 0, INT32_MAX - 1);
		fill_words(&d, bias, 16, -(1 << 21), 1 << 21);
		fill_words(&d, acc, 16, -(1 << 22), 1 << 22);
		for (int i = 0; i < 128; i++)
			start[i] = (int16_t)(below(&d, 65536) - 32768U);
		memcpy(expected, start, sizeof(start));
		cats_kernels_plain.finish_residual(expected + 3, acc, with_bias ? bias : NULL, m, outputs);
		memset(q_expected, GUARD, sizeof(q_expected));
		cats_kernels_plain.quantise(q_expected + 5, start + 1, multiplier, length);
		for (size_t t = 0; t < count; t++) {
			memcpy(got, start, sizeof(start));
			table[t].finish_residual(got + 3, acc, with_bias ? bias : NULL, m, outputs);
			assert_memory_equal(got, expected, sizeof(got));
			memset(q_got, GUARD, sizeof(q_got));
			table[t].quantise(q_got + 5, start + 1, multiplier, length);
			assert_memory_equal(q_got, q_expected, sizeof(q_got));
		}
	}
}

static void sums_and_roots_equal(void **state)
{
	struct draw d = {cats_random_key(seed, 4), 0};
	struct cats_kernels table[4];
	size_t count = tables(table);
	static int8_t x[600];

	(void)state;
	table[count++] = cats_kernels_plain;
	for (int round = 0; round < ROUNDS; round++) {
		const uint32_t first = below(&d, 16), length = 1 + below(&d, 500);
		const uint32_t v = (1U << 30) + below(&d, 3U << 30);
		int32_t S = 0, Q = 0;

		fill(&d, x, sizeof(x));
		for (uint32_t i = 0; i < length; i++) {
			S += x[first + i];
			Q += x[first + i] * x[first + i];
		}
		for (size_t t = 0; t < count; t++) {
			int32_t s, q;
			const uint32_t edge = 32768U + below(&d, 32768);
			const uint64_t root = table[t].root(v);

			table[t].sums(&s, &q, x + first, length);
			assert_int_equal(s, S);
			assert_int_equal(q, Q);
			assert_true(root * root <= v && (root + 1) * (root + 1) > v);
			assert_int_equal(table[t].root(edge * edge), edge);
			assert_int_equal(table[t].root(edge * edge - 1U), edge - 1U);
		}
	}
}

/* The first 1024 terms only have to fall and end in two zeros for the kernels; the real table does. */
static void make_table(int16_t table[CATS_EXP_ENTRIES])
{
	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		table[i] = (int16_t)(32767U * (1022U - (i > 1022 ? 1022 : i)) / 1022U);
}

struct attention_result {
	int16_t scores[520];
	int8_t out[300];
	int32_t maximum;
	uint32_t Z;
};

static void run_attention(struct attention_result *result, const struct cats_kernels *k,
			  struct cats_attention_head head, uint32_t query, uint32_t keys, const int32_t multipliers[2])
{
	static int16_t exp_table[CATS_EXP_ENTRIES];

	make_table(exp_table);
	memset(result, GUARD, sizeof(*result));
	head.scores = result->scores + 2;
	if (k->attention_pack != NULL)
		for (uint32_t j = 0; j < head.keys; j += 4)
			k->attention_pack(&head, j, head.keys - j < 4 ? head.keys - j : 4);
	result->maximum = k->attention_scores(&head, query, multipliers[0], 0, keys < 16 ? keys : 16);
	if (keys > 16) {
		const int32_t later = k->attention_scores(&head, query, multipliers[0], 16, keys - 16);

		result->maximum = later > result->maximum ? later : result->maximum;
	}
	result->Z = k->attention_exponentials(&head, exp_table, result->maximum, keys);
	k->attention_values(result->out + 1, &head, keys, multipliers[1], 0, head.width);
}

static void attention_equals(void **state)
{
	struct draw d = {cats_random_key(seed, 5), 0};
	struct cats_kernels table[4];
	const size_t count = tables(table);
	static struct attention_result expected, got;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const uint32_t T = 1 + below(&d, below(&d, 8) ? 70 : 512),
			       width = 1 + below(&d, below(&d, 8) ? 40 : 256);
		const uint32_t stride = width + below(&d, 9), q_stride = width + below(&d, 9);
		const size_t packed = (size_t)cats_round4(T) * cats_round4(width);
		const int32_t multipliers[2] = {(int32_t)below(&d, 1U << (12 + below(&d, 19))),
						(int32_t)below(&d, 1U << (8 + below(&d, 20)))};
		int8_t *q = malloc((size_t)T * q_stride), *k = malloc((size_t)T * stride),
		       *v = malloc((size_t)T * stride);
		uint8_t *scratch = malloc(3 * packed);
		struct cats_attention_head head = {
			.q = q,
			.k = k,
			.v = v,
			.q_stride = q_stride,
			.kv_stride = stride,
			.keys = T,
			.width = width,
			.packed_keys = scratch,
			.values = (int16_t *)(void *)(scratch + packed),
		};
		const uint32_t query = below(&d, T), keys = below(&d, 2) ? T : query + 1U;

		fill(&d, q, (size_t)T * q_stride);
		fill(&d, k, (size_t)T * stride);
		fill(&d, v, (size_t)T * stride);
		run_attention(&expected, &cats_kernels_plain, head, query, keys, multipliers);
		for (size_t t = 0; t < count; t++) {
			run_attention(&got, table + t, head, query, keys, multipliers);
			assert_memory_equal(&got, &expected, sizeof(got));
		}
		free(q);
		free(k);
		free(v);
		free(scratch);
	}
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(products_equal_the_formula),
		cmocka_unit_test(norms_equal),
		cmocka_unit_test(residuals_and_quantisation_equal),
		cmocka_unit_test(sums_and_roots_equal),
		cmocka_unit_test(attention_equals),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* cats_verify finds nothing where there is nothing, and finds and names every fault that is put in: a flipped bit in a
 * weight, and kernels that give zeros, swap a tile, are off by one or round wrongly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "deploy/verify.h"
#include "sim/play.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define SAMPLES 2U

static uint64_t seed;

/* A plan in memory, as cats_plan_load gives it, and data for it. */
struct setup {
	struct cats_plan plan;
	struct cats_dataset data;
};

static void make_data(struct cats_dataset *data, const struct cats_config *c)
{
	const size_t values = (size_t)c->n_patches * c->d_in;
	const size_t pixels = (size_t)c->image.height * c->image.width;
	const uint32_t rows = c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1U;

	*data = (struct cats_dataset){.kind = c->image.patch ? CATS_DATASET_IMAGES : CATS_DATASET_TENSORS,
				      .samples = SAMPLES,
				      .height = c->image.height,
				      .width = c->image.width,
				      .patches = c->n_patches,
				      .inputs_per_patch = c->d_in,
				      .targets_per_sample = rows * c->n_out};
	data->pixels = malloc(SAMPLES * pixels + 1);
	data->inputs = malloc(SAMPLES * values * sizeof *data->inputs);
	data->targets = calloc((size_t)SAMPLES * data->targets_per_sample, sizeof *data->targets);
	assert_true(data->pixels && data->inputs && data->targets);
	for (size_t i = 0; i < SAMPLES * pixels; i++)
		data->pixels[i] = (uint8_t)cats_random_below(cats_random_key(seed, 400), i, 256);
	for (size_t i = 0; i < SAMPLES * values; i++)
		data->inputs[i] = (float)cats_random_below(cats_random_key(seed, 401), i, 1000) / 250.0F - 2.0F;
}

static void open_setup(struct setup *s, const struct fixture_case *of, uint32_t D)
{
	struct fixture f;

	fixture_open(&f, of, seed);
	s->plan = (struct cats_plan){.facts = {.limits = cats_target_find("nrf52840"),
					       .device_count = D,
					       .sink = of->sink,
					       .payload_max = of->payload_max}};
	fixture_shards(&s->plan.shards, &f, D, CATS_TARGET_NRF52840);
	s->plan.integer = f.integer;
	free(f.input);
	make_data(&s->data, &of->config);
}

static void close_setup(struct setup *s)
{
	cats_plan_free(&s->plan);
	free(s->data.pixels);
	free(s->data.inputs);
	free(s->data.targets);
}

static struct cats_verify_result verify(struct setup *s, const struct cats_verify_options *options)
{
	struct cats_verify_result result;
	struct cats_error error = {0};

	if (cats_verify(&result, &s->plan, &s->data, "data", options, &error) < 0)
		fail_msg("%s", error.text);
	return result;
}

/* Every byte of every view, received ones too, and the sink's results; what did not arrive counts, too, unless a token
 * takes several packets (*whole is false then). */
static uint64_t bytes_to_compare(bool *whole, const struct setup *s)
{
	const struct cats_config *c = &s->plan.integer.config;
	const uint32_t out = cats_integer_sites(c) - 1U;
	uint64_t bytes = (uint64_t)cats_integer_site_tokens(c, out) * c->n_out * sizeof(int32_t);

	for (uint32_t j = 0; j < s->plan.shards.devices; j++) {
		const struct cats_shard_header *h = cats_shards_header(&s->plan.shards, j);
		const struct cats_shard_site *sites =
			(const struct cats_shard_site *)(const void *)(s->plan.shards.bytes[j] + h->sites);

		for (uint32_t site = 0; site < out; site++) {
			bytes += (uint64_t)sites[site].tokens * sites[site].columns;
			*whole = *whole && sites[site].columns <= h->payload_max;
		}
	}
	return bytes * SAMPLES;
}

static void nothing_differs(void **state)
{
	uint32_t cases = 0;

	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++)
		for (uint32_t lossy = 0; lossy < 3; lossy++) {
			const struct cats_verify_options options = {
				.loss = {.link_q32 = cats_loss_threshold(0.1 * lossy),
					 .sender_q32 = cats_loss_threshold(0.03 * lossy),
					 .per_packet = lossy == 1,
					 .gathers_only = lossy == 2,
					 .seed = seed},
				.crew = {.threads = 1 + lossy},
			};
			struct setup s;
			bool whole = true;

			open_setup(&s, fixture_cases + i, fixture_cases[i].config.devices);
			const uint64_t bytes = bytes_to_compare(&whole, &s);
			const struct cats_verify_result r = verify(&s, &options);

			if (!r.identical)
				fail_msg("%s: %llu bytes differ", fixture_cases[i].name,
					 (unsigned long long)r.different_bytes);
			assert_int_equal(r.samples, SAMPLES);
			if (lossy == 0 || whole)
				assert_int_equal(r.compared_bytes, bytes);
			cases += lossy > 0 && whole;
			close_setup(&s);
		}
	assert_true(cases > 0);
}

static void one_device_is_the_reference_of_all(void **state)
{
	struct fixture_case all = fixture_cases[fixture_case_count - 1];
	static const uint32_t devices[] = {1, 2, 3, 7, 16}; /* test_fleet has them all */
	uint64_t own = 0;

	(void)state;
	all.keep_percent = 100;
	for (uint32_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		const uint32_t D = devices[i];
		struct setup s;

		open_setup(&s, &all, D);
		const struct cats_verify_result r = verify(&s, &(struct cats_verify_options){.limit = 1});

		assert_true(r.identical);
		assert_int_equal(r.reference_devices, 1);
		assert_int_equal(r.samples, 1);
		own = D == 1 ? r.compared_bytes : own;
		assert_true(r.compared_bytes >= own); /* every device's view, and at least each column once */
		close_setup(&s);
	}
}

/* The packed byte of weight [row, column] (docs/SPEC-integer.md, 3.5): within a halfword the odd column is the lower
 * one. */
static size_t weight_byte(uint32_t columns, uint32_t row, uint32_t column)
{
	return 4U * ((row / 2U * (cats_round4(columns) / 4U) + column / 4U) * 2U + row % 2U) + (column % 4U ^ 1U);
}

/* The op's weights, or false if it has none. */
static bool weights_of(uint32_t *offset, uint32_t *rows, uint32_t *columns, const struct cats_op *op)
{
	if (op->code == CATS_OP_EMBED) {
		*offset = op->embed.weights;
		*rows = op->embed.outputs;
		*columns = op->embed.columns;
	} else if (op->code == CATS_OP_NORM_PRODUCT) {
		*offset = op->norm_product.weights;
		*rows = op->norm_product.outputs;
		*columns = op->norm_product.columns;
	} else if (op->code == CATS_OP_RESIDUAL_PRODUCT) {
		*offset = op->residual_product.weights;
		*rows = op->residual_product.outputs;
		*columns = op->residual_product.columns;
	} else {
		return false;
	}
	return true;
}

/* Flips one bit of one weight of op `index` of node j; what verify must name. Returns false if the op has no weights.
 */
static bool flip(uint32_t *site, struct cats_plan *plan, uint32_t j, uint32_t index, uint64_t draw, uint32_t bit)
{
	uint8_t *bytes = plan->shards.bytes[j];
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)bytes;
	const struct cats_op *op = (const struct cats_op *)(const void *)(bytes + h->ops) + index;
	uint32_t offset, rows, columns;

	if (!weights_of(&offset, &rows, &columns, op))
		return false;
	bytes[offset + weight_byte(columns, cats_random_below(draw, 0, rows), cats_random_below(draw, 1, columns))] ^=
		(uint8_t)(1U << bit);
	h->crc32 = cats_shard_checksum(bytes, plan->shards.sizes[j]);
	*site = op->site + 1U;
	return true;
}

/* A large change is seen at the op's own site, unless its input is always 0. The least one may drown in that site's
 * rounding, and then is found further on or by comparing the shard. Returns whether the site showed it. */
static bool check_flip(const struct cats_verify_result *r, uint32_t j, uint32_t site)
{
	assert_false(r->identical);
	assert_false(r->shards_identical);
	assert_int_equal(r->shard, j);
	if (r->different_bytes == 0 || r->first.site != site)
		return false;
	assert_int_equal(r->first.node, j);
	assert_int_not_equal(r->first.expected, r->first.got);
	return true;
}

/* One flip in one op of one node, on a shard put back afterwards: verify unpacks shards. */
static void flip_and_verify(uint32_t flips[3], uint32_t shown[3], struct setup *s, uint32_t index, uint64_t draw)
{
	static const uint32_t bits[3] = {0, 3, 6};
	const uint32_t D = s->plan.facts.device_count, j = index % D;
	uint8_t *packed[CATS_DEVICES_MAX];
	uint32_t site;

	if (index >= cats_shards_header(&s->plan.shards, j)->op_count)
		return;
	for (uint32_t i = 0; i < D; i++) {
		packed[i] = malloc(s->plan.shards.sizes[i]);
		assert_non_null(packed[i]);
		memcpy(packed[i], s->plan.shards.bytes[i], s->plan.shards.sizes[i]);
	}
	if (flip(&site, &s->plan, j, index, draw, bits[index % 3])) {
		const struct cats_verify_result r = verify(s, &(struct cats_verify_options){.crew = {.threads = 1}});

		shown[index % 3] += check_flip(&r, j, site) ? 1U : 0U;
		flips[index % 3]++;
	}
	for (uint32_t i = 0; i < D; i++) {
		memcpy(s->plan.shards.bytes[i], packed[i], s->plan.shards.sizes[i]);
		free(packed[i]);
	}
}

static void a_flipped_bit_is_found_and_named(void **state)
{
	uint64_t draw = cats_random_key(seed, 500);
	uint32_t flips[3] = {0}, shown[3] = {0};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) { /* everything kept for one device; then pruned */
		struct setup s;

		open_setup(&s, fixture_cases + i, fixture_cases[i].config.devices);
		for (uint32_t index = 0; index < 40; index++)
			flip_and_verify(flips, shown, &s, index, draw++);
		close_setup(&s);
	}
	assert_true(flips[0] + flips[1] + flips[2] >= 20);
	assert_true(shown[0] >= 1 && shown[1] * 2 >= flips[1] && shown[2] * 4 >= flips[2] * 3);
}

static void no_products(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	(void)panel, (void)weights, (void)output, (void)outputs, (void)column, (void)columns;
	memset(acc, 0, sizeof(cats_tile));
}

/* Outputs 0 and 1 of each tile change places. */
static void swapped_products(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			     uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	cats_tile mine;

	memcpy(mine, acc, sizeof mine);
	cats_kernels_plain.products(mine, panel, weights, output, outputs, column, columns);
	for (uint32_t i = 0; i < CATS_TILE_ROWS * CATS_TILE_OUTPUTS; i++) {
		const uint32_t o = i % CATS_TILE_OUTPUTS;

		acc[i] = mine[o < 2 && outputs > 1 ? i - o + (1 - o) : i];
	}
}

/* The last column is forgotten. */
static void short_products(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			   uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	cats_kernels_plain.products(acc, panel, weights, output, outputs, column, columns - 1);
}

/* Truncates where half is rounded up. */
static void truncating_quantise(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const int64_t value = ((int64_t)residual[i] * multiplier) >> 32;

		q[i] = (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
	}
}

/* Rounds half away from zero: differs from the rule at exact halves of negative numbers only. */
static void symmetric_quantise(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const int64_t a = (int64_t)residual[i] * multiplier;
		const int64_t value = a < 0 ? -((-a + INT64_C(0x80000000)) >> 32) : (a + INT64_C(0x80000000)) >> 32;

		q[i] = (int8_t)(value > 127 ? 127 : value < -127 ? -127 : value);
	}
}

static void shifted_scores(int32_t *maxima, const struct cats_attention_head *head, struct cats_attention_rows rows,
			   int32_t multiplier, uint32_t first, uint32_t count)
{
	cats_kernels_plain.attention_scores(maxima, head, rows, multiplier, first, count);
	head->scores[first] = (int16_t)(head->scores[first] - 40);
}

static void expect_difference(const struct cats_kernels *kernels, const struct fixture_case *of)
{
	const struct cats_verify_options options = {.kernels = kernels};
	struct setup s;

	open_setup(&s, of, of->config.devices);
	const struct cats_verify_result r = verify(&s, &options);

	assert_true(r.shards_identical);
	if (r.identical || r.different_bytes == 0)
		fail_msg("%s: kernels \"%s\" pass for right", of->name, kernels->name);
	close_setup(&s);
}

static void faulty_kernels_are_found(void **state)
{
	(void)state;
	for (uint32_t i = 1; i < 4; i++) {
		struct cats_kernels k = cats_kernels_plain;

		k.name = "zeros";
		k.products = no_products;
		expect_difference(&k, fixture_cases + i);
		k.name = "a swapped tile";
		k.products = swapped_products;
		expect_difference(&k, fixture_cases + i);
		k.name = "off by one";
		k.products = short_products;
		expect_difference(&k, fixture_cases + i);
		k = cats_kernels_plain;
		k.name = "truncation";
		k.quantise = truncating_quantise;
		expect_difference(&k, fixture_cases + i);
		k = cats_kernels_plain;
		k.name = "shifted scores";
		k.attention_scores = shifted_scores;
		expect_difference(&k, fixture_cases + i);
	}
}

/* A rule of rounding that differs at halves only is found once a half occurs: with multiplier 2^31 every odd residual
 * is one. */
static void a_wrong_half_is_found(void **state)
{
	struct cats_kernels k = cats_kernels_plain;
	struct setup s;
	const struct cats_verify_options right = {.kernels = &cats_kernels_plain}, wrong = {.kernels = &k};

	(void)state;
	k.quantise = symmetric_quantise;
	open_setup(&s, fixture_cases, 1);
	/* As fine a site as the rule allows: the residual has few units, many of them odd. */
	for (uint32_t o = 0; o < s.plan.integer.embed.outputs; o++)
		s.plan.integer.embed.multipliers[o] /= 256;
	for (size_t at = 0; at < (size_t)cats_config_tokens(&s.plan.integer.config) * 24; at++)
		s.plan.integer.pos[at] = (int32_t)(at % 41) - 20;
	s.plan.integer.layers[0].quantise[0] = 0x40000000; /* a quarter: halves at residuals 2 mod 4 */
	uint8_t *blob;
	size_t size;
	struct cats_cut cut;
	struct cats_error error = {0};
	const struct cats_cut_options options = {.devices = 1, .payload_max = fixture_cases->payload_max};

	cats_shards_free(&s.plan.shards);
	assert_int_equal(cats_cut(&cut, &s.plan.integer, &options, 0, &error), CATS_OK);
	blob = cut.shard;
	size = cut.bytes;
	assert_int_equal(cats_shards_take(&s.plan.shards, &blob, &size, 1, "half", &error), CATS_OK);
	assert_int_equal(cats_times_write(&s.plan.shards, cats_play_kernels(CATS_TARGET_NRF52840), &error), CATS_OK);
	assert_int_equal(verify(&s, &right).different_bytes, 0);
	const struct cats_verify_result r = verify(&s, &wrong);

	assert_true(r.different_bytes > 0);
	assert_int_equal(r.first.site, 1);
	close_setup(&s);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_differs),
		cmocka_unit_test(one_device_is_the_reference_of_all),
		cmocka_unit_test(a_flipped_bit_is_found_and_named),
		cmocka_unit_test(faulty_kernels_are_found),
		cmocka_unit_test(a_wrong_half_is_found),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

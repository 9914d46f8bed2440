/* SPDX-License-Identifier: MIT */
/* Shards of every device: what their header says against the float model's own count, that nothing in the arena
 * overlaps, that packed weights give back the integers, and that refused cuts are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/file.h"
#include "plan/arena.h"
#include "plan/cut.h"
#include "tests/cmocka.h"
#include "tests/plan/integer_golden.h"

static const char *const names[] = {"dense_d4",
				    "uneven_d5",
				    "more_devices_than_heads_d6",
				    "one_column_each_d16",
				    "prune75_loss20_d4_token",
				    "rms_causal_loss_d4",
				    "cls_mean_more_devices_than_outputs_d6",
				    "image_mean_relu_keep10_loss30_d16",
				    "forecast_cls_causal_loss50_d7"};

static void load(struct integer_golden *g, const char *name)
{
	struct cats_error error = {0};
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
	if (integer_golden_load(g, path, &error) < 0)
		fail_msg("%s", error.text);
}

static struct cats_cut cut(const struct cats_integer *m, const struct cats_cut_options *options, uint32_t device)
{
	struct cats_error error = {0};
	struct cats_cut result;

	if (cats_cut(&result, m, options, device, &error) < 0)
		fail_msg("%s", error.text);
	return result;
}

static struct cats_shard_header header_of(const struct cats_cut *c)
{
	struct cats_shard_header header;

	memcpy(&header, c->shard, sizeof header);
	return header;
}

/* Multiply-accumulates as the float model counts them, from the same keep lists. */
static uint64_t model_macs(const struct cats_integer *m, uint32_t D)
{
	struct cats_config config = m->config;
	struct cats_error error = {0};
	struct cats_model model;
	uint64_t macs;

	config.devices = D;
	assert_int_equal(cats_model_create(&model, &config, &error), CATS_OK);
	for (uint32_t site = 0; site < cats_config_sites(&config); site++)
		memcpy(model.keep[site], m->keep[site], cats_site_columns(&config, site));
	macs = cats_model_macs(&model);
	cats_model_free(&model);
	return macs;
}

static void check_header(const struct cats_cut *c, const struct cats_integer *m, uint32_t D, uint32_t j)
{
	struct cats_shard_header header = header_of(c);
	const uint32_t crc = header.crc32;
	uint8_t *copy = malloc(c->bytes);

	assert_non_null(copy);
	memcpy(copy, c->shard, c->bytes);
	header.crc32 = 0;
	memcpy(copy, &header, sizeof header);
	assert_int_equal(cats_crc32(0, copy, c->bytes), crc);
	free(copy);
	assert_memory_equal(c->shard, "CATS", 4);
	assert_int_equal(header.bytes, c->bytes);
	assert_int_equal(header.device, j);
	assert_int_equal(header.devices, D);
	assert_true(header.model_id == m->id);
	assert_true(header.op_count > 0 && header.ops % 4 == 0);
	assert_true(header.ops + header.op_count * sizeof(struct cats_op) <= header.bytes);
	assert_true(header.arena_bytes >= c->arena_least);
	assert_true((double)header.arena_bytes <= 1.15 * (double)c->arena_least + 8);
}

static void check_devices(const struct integer_golden *g, uint32_t D)
{
	const struct cats_cut_options options = {.devices = D};
	uint64_t macs = 0;

	for (uint32_t j = 0; j < D; j++) {
		struct cats_cut c = cut(&g->model, &options, j);

		check_header(&c, &g->model, D, j);
		macs += c.macs;
		free(c.shard);
	}
	assert_true(macs == model_macs(&g->model, D));
}

static void test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct integer_golden g;

		load(&g, names[i]);
		check_devices(&g, g.devices);
		integer_golden_free(&g);
	}
}

static void test_any_devices(void **state)
{
	struct integer_golden g;

	(void)state;
	load(&g, "dense_d4");
	for (uint32_t D = 1; D <= 32; D++)
		check_devices(&g, D);
	integer_golden_free(&g);
}

/* The weight of row o, column k, read back by the definition of section 3.5. */
static int read_weight(const uint8_t *weights, uint32_t o, uint32_t k, uint32_t K4, enum cats_target target)
{
	const uint8_t *group = weights + ((size_t)(o / 2) * (K4 / 4) + k / 4) * 8 + (o % 2) * 4;
	const int sum = (int16_t)(uint16_t)(group[k % 4 / 2 * 2] | group[k % 4 / 2 * 2 + 1] << 8);
	const int odd = (int8_t)(sum & 255);

	if (target == CATS_TARGET_PLAIN)
		return (int8_t)weights[(size_t)o * K4 + k];
	return k % 2 == 0 ? (sum - odd) / 256 : odd;
}

/* One device holds every column of every product. */
static void test_packing(void **state)
{
	struct integer_golden g;

	(void)state;
	load(&g, "uneven_d5"); /* F = 36, M = 50: the last word of a row is padded */
	for (uint32_t site = 0; site < cats_config_sites(&g.model.config); site++)
		memset(g.model.keep[site], 1, cats_site_columns(&g.model.config, site));
	for (enum cats_target target = CATS_TARGET_PLAIN; target <= CATS_TARGET_NRF52840; target++) {
		const struct cats_cut_options options = {.devices = 1, .target = target};
		struct cats_cut c = cut(&g.model, &options, 0);
		const struct cats_shard_header header = header_of(&c);
		const struct cats_int_product *p = &g.model.layers[0].down;
		uint32_t found = 0;

		for (uint32_t i = 0; i < header.op_count; i++) {
			struct cats_op op;

			memcpy(&op, c.shard + header.ops + i * sizeof op, sizeof op);
			if (op.code != CATS_OP_RESIDUAL_PRODUCT || op.site != 4)
				continue;
			found++;
			for (uint32_t o = 0; o < p->outputs; o++)
				for (uint32_t k = 0; k < p->columns; k++)
					assert_int_equal(read_weight(c.shard + op.residual_product.weights, o, k,
								     cats_round4(p->columns), target),
							 p->weights[(size_t)o * p->columns + k]);
		}
		assert_int_equal(found, 1);
		free(c.shard);
	}
	integer_golden_free(&g);
}

/* What a lost device 1 takes out of the last product's first output. */
static void read_pair(int32_t pair[2], bool *wide, const struct cats_cut *c)
{
	const struct cats_shard_header header = header_of(c);
	struct cats_op op = {.code = 0};

	for (uint32_t i = 0; i < header.op_count; i++) {
		struct cats_op at;

		memcpy(&at, c->shard + header.ops + i * sizeof at, sizeof at);
		op = at.code == CATS_OP_NORM_PRODUCT ? at : op;
	}
	*wide = (op.flags & CATS_OP_WIDE_PAIRS) != 0;
	memcpy(pair, c->shard + op.norm_product.pairs, 2 * sizeof *pair);
	if (!*wide) {
		const uint32_t both = (uint32_t)pair[0];

		pair[0] = (int16_t)both;
		pair[1] = (int16_t)(both >> 16);
	}
}

/* Pairs take 16 bits a number until one of them does not fit. */
static void test_pairs(void **state)
{
	static const int32_t betas[] = {0, INT16_MAX, INT16_MAX + 1, INT16_MIN, INT16_MIN - 1};
	const struct cats_cut_options options = {.devices = 4};
	struct integer_golden g;

	(void)state;
	load(&g, "dense_d4");
	const struct cats_int_product *head = &g.model.head;
	const struct cats_run own = cats_partition_run(head->columns, 4, 1);

	memset(head->beta, 0, (size_t)head->outputs * head->columns * sizeof *head->beta);
	for (size_t i = 0; i < sizeof betas / sizeof betas[0]; i++) {
		int32_t pair[2], weights = 0;
		bool wide;

		head->beta[own.first] = betas[i];
		struct cats_cut c = cut(&g.model, &options, 0);

		for (uint32_t k = own.first; k < own.first + own.count; k++)
			weights += head->weights[k];
		read_pair(pair, &wide, &c);
		assert_int_equal(wide, betas[i] > INT16_MAX || betas[i] < INT16_MIN);
		assert_int_equal(pair[0], weights);
		assert_int_equal(pair[1], betas[i]);
		free(c.shard);
	}
	integer_golden_free(&g);
}

static void test_refusals(void **state)
{
	const struct {
		const char *name;
		struct cats_cut_options options;
		uint32_t device;
		const char *says;
	} cases[] = {
		{"dense_d4", {.devices = 0}, 0, "devices"},
		{"dense_d4", {.devices = 33}, 0, "d_model"},
		{"dense_d4", {.devices = 4}, 4, "device"},
		{"dense_d4", {.devices = 4, .source = 4}, 0, "source"},
		{"dense_d4", {.devices = 4, .sink = 9}, 0, "sink"},
		{"dense_d4", {.devices = 4, .payload_max = 3}, 0, "payload"},
		{"dense_d4", {.devices = 4, .payload_max = 244}, 0, "payload"},
		{"dense_d4", {.devices = 4, .target = (enum cats_target)7}, 0, "target"},
		{"prune50_d4", {.devices = 5}, 0, "keep lists"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cats_error error = {0};
		struct integer_golden g;
		struct cats_cut c;

		load(&g, cases[i].name);
		assert_int_equal(cats_cut(&c, &g.model, &cases[i].options, cases[i].device, &error), CATS_ERR_MISMATCH);
		assert_non_null(strstr(error.text, cases[i].says));
		assert_null(c.shard);
		integer_golden_free(&g);
	}
}

/* Frames of one plan are nothing to another: whatever a shard follows from changes the plan's id. */
static void test_plan_ids(void **state)
{
	const struct cats_cut_options options = {.devices = 4};
	struct cats_cut_options others[] = {options, options, options, options, options};
	struct integer_golden g;

	(void)state;
	load(&g, "prune50_d4");
	const uint64_t id = cats_plan_id(&g.model, &options);

	others[0].devices = 2;
	others[1].target = CATS_TARGET_PLAIN;
	others[2].source = 1;
	others[3].sink = 1;
	others[4].payload_max = 100;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_true(cats_plan_id(&g.model, &others[i]) != id);
	for (uint32_t site = 0; site < cats_config_sites(&g.model.config); site++)
		for (uint32_t k = 0; k < cats_site_columns(&g.model.config, site); k++) {
			g.model.keep[site][k] ^= 1U;
			assert_true(cats_plan_id(&g.model, &options) != id);
			g.model.keep[site][k] ^= 1U;
		}
	assert_true(cats_plan_id(&g.model, &options) == id);
	g.model.id++;
	assert_true(cats_plan_id(&g.model, &options) != id);
	integer_golden_free(&g);
}

/* Random buffers: none that live together overlap, none lies outside. */
static void test_arena(void **state)
{
	enum { COUNT = 40 };

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct cats_buffer b[COUNT];
		uint32_t total;

		for (uint64_t i = 0; i < COUNT; i++) {
			b[i] = (struct cats_buffer){.bytes = cats_random_below(seed, 3 * i, 1000),
						    .first = cats_random_below(seed, 3 * i + 1, 30)};
			b[i].last = b[i].first + cats_random_below(seed, 3 * i + 2, 10);
		}
		total = cats_arena_assign(b, COUNT);
		assert_true(total % 8 == 0 && total >= cats_arena_lower_bound(b, COUNT));
		for (int i = 0; i < COUNT; i++) {
			assert_true(b[i].offset % 4 == 0 && b[i].offset + b[i].bytes <= total);
			for (int k = 0; k < i; k++)
				if (b[i].first <= b[k].last && b[k].first <= b[i].last)
					assert_true(b[i].offset + b[i].bytes <= b[k].offset ||
						    b[k].offset + b[k].bytes <= b[i].offset);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers), cmocka_unit_test(test_any_devices), cmocka_unit_test(test_packing),
		cmocka_unit_test(test_pairs),   cmocka_unit_test(test_refusals),    cmocka_unit_test(test_plan_ids),
		cmocka_unit_test(test_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

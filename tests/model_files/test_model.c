/* SPDX-License-Identifier: MIT */
/* Models in memory: first weights, and what keep lists cost, against a count made one multiply at a time. */
#include <math.h>
#include <string.h>

#include "core/random.h"
#include "model/model.h"
#include "tests/cmocka.h"

static const struct cats_config base = {
	.devices = 3,
	.d_model = 10,
	.n_heads = 2,
	.d_ff = 7,
	.n_layers = 2,
	.n_patches = 5,
	.d_in = 4,
	.n_out = 2,
	.norm_eps = 1e-5,
	.cls_token = true,
	.pool = CATS_POOL_MEAN,
};

static void draw_keep(struct cats_model *model, uint64_t seed, uint32_t percent)
{
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		for (uint32_t i = 0; i < cats_site_columns(&model->config, site); i++)
			model->keep[site][i] = cats_random_below(cats_random_key(seed, site), i, 100) < percent;
}

static bool owns(const struct cats_config *c, uint32_t site, uint32_t j, uint32_t column)
{
	const struct cats_run own = cats_site_own(c, site, c->devices, j);

	return column >= own.first && column < own.first + own.count;
}

/* Multiplies of a product whose inputs are gathered at `site`: rows x (outputs of j) x (columns that j has). */
static uint64_t count_product(const struct cats_model *m, uint32_t site, uint32_t rows, uint32_t outputs,
			      uint32_t output_unit)
{
	const struct cats_config *c = &m->config;
	uint64_t count = 0;

	for (uint32_t j = 0; j < c->devices; j++)
		for (uint32_t out = 0; out < outputs; out++)
			for (uint32_t in = 0; in < cats_site_columns(c, site); in++)
				if (cats_partition_owner(outputs / output_unit, c->devices, out / output_unit) == j &&
				    (owns(c, site, j, in) || m->keep[site][in]))
					count += rows;
	return count;
}

static uint64_t count_macs(const struct cats_model *m)
{
	const struct cats_config *c = &m->config;
	const uint32_t T = cats_config_tokens(c);
	const uint32_t d = c->d_model / c->n_heads;
	uint64_t count = (uint64_t)c->n_patches * c->d_in * c->d_model;

	for (uint32_t layer = 0; layer < c->n_layers; layer++) {
		const uint32_t rows = c->pool == CATS_POOL_CLS && layer + 1 == c->n_layers ? 1 : T;
		count += count_product(m, 4 * layer, rows, c->d_model, d) +
			 2 * count_product(m, 4 * layer, T, c->d_model, d);
		for (uint32_t q = 0; q < rows; q++)
			for (uint32_t k = 0; k < T; k++)
				if (!c->causal || k <= q)
					count += 2 * c->d_model; /* score and value, every head's columns */
		count += count_product(m, 4 * layer + 1, rows, c->d_model, 1);
		count += count_product(m, 4 * layer + 2, rows, c->d_ff, 1);
		count += count_product(m, 4 * layer + 3, rows, c->d_model, 1);
	}
	return count + count_product(m, 4 * c->n_layers, c->pool == CATS_POOL_CLS ? 1 : T, c->n_out, 1);
}

static uint64_t count_air(const struct cats_model *m)
{
	const struct cats_config *c = &m->config;
	const uint32_t sites = cats_config_sites(c);
	uint64_t count = 0;

	for (uint32_t site = 0; site < sites; site++) {
		uint32_t kept = 0;
		for (uint32_t i = 0; i < cats_site_columns(c, site); i++)
			kept += m->keep[site][i];
		assert_int_equal(cats_model_kept(m, site), kept);
		const bool one_row = c->pool == CATS_POOL_CLS && site + 4 >= sites;
		count += (uint64_t)kept * (one_row ? 1 : cats_config_tokens(c));
	}
	return c->devices == 1 ? 0 : count;
}

static void check_counts(const struct cats_config *config, uint32_t percent)
{
	struct cats_model model;

	assert_int_equal(cats_config_check(config, "test", NULL), CATS_OK);
	assert_int_equal(cats_model_create(&model, config, NULL), CATS_OK);
	assert_int_equal(model.weight_count, cats_config_weights(config));
	draw_keep(&model, 7, percent);
	assert_int_equal(cats_model_macs(&model), count_macs(&model));
	assert_int_equal(cats_model_air_values(&model), count_air(&model));
	cats_model_free(&model);
}

static void test_counts(void **state)
{
	(void)state;
	for (uint32_t devices = 1; devices <= 7; devices++)
		for (uint32_t percent = 0; percent <= 100; percent += 25)
			for (int variant = 0; variant < 8; variant++) {
				struct cats_config config = base;
				config.devices = devices;
				config.causal = variant & 1;
				config.pool = variant & 2 ? CATS_POOL_CLS : CATS_POOL_NONE;
				config.norm = variant & 4 ? CATS_NORM_RMS : CATS_NORM_LAYER;
				check_counts(&config, percent);
			}
}

static void test_full_model_costs_the_same_on_any_number(void **state)
{
	struct cats_config config = base;
	struct cats_model model;
	uint64_t macs = 0;

	(void)state;
	for (config.devices = 1; config.devices <= 7; config.devices++) {
		assert_int_equal(cats_model_create(&model, &config, NULL), CATS_OK);
		if (config.devices == 1)
			macs = cats_model_macs(&model);
		assert_int_equal(cats_model_macs(&model), macs);
		cats_model_free(&model);
	}
	assert_true(macs > 0);
}

/* A normal distribution cut at ±2 has 0.87963 of its deviation. */
static void check_normal(const struct cats_model *model, uint32_t index, double deviation)
{
	const struct cats_weight *tensor = &model->tensors[index];
	const size_t count = (size_t)tensor->rows * tensor->columns;
	double sum = 0;
	double squares = 0;
	double largest = 0;

	for (size_t i = 0; i < count; i++) {
		const double w = model->weights[tensor->offset + i];
		sum += w;
		squares += w * w;
		largest = fmax(largest, fabs(w));
	}
	const double found = sqrt(squares / (double)count);
	assert_true(fabs(found / deviation - 0.87963) < 0.03);
	assert_true(fabs(sum / (double)count) < 0.05 * deviation);
	assert_true(largest <= 2.000001 * deviation && largest > 1.9 * deviation);
}

static void check_all(const struct cats_model *model, uint32_t index, float value)
{
	const struct cats_weight *tensor = &model->tensors[index];

	assert_true(tensor->vector);
	for (size_t i = 0; i < tensor->rows; i++)
		assert_true(model->weights[tensor->offset + i] == value);
}

static void test_initial_weights(void **state)
{
	struct cats_config config = base;
	struct cats_model model;

	(void)state;
	config.d_model = 64;
	config.d_ff = 128;
	config.d_in = 50;
	config.n_out = 40;
	config.n_patches = 50;
	assert_int_equal(cats_model_create(&model, &config, NULL), CATS_OK);
	cats_model_initialise(&model, 3);
	check_normal(&model, model.embed_weight, 1 / sqrt(50));
	check_normal(&model, model.pos, 0.02);
	check_normal(&model, model.head_weight, 1 / sqrt(64));
	check_all(&model, model.norm_weight, 1);
	check_all(&model, model.head_bias, 0);
	for (uint32_t layer = 0; layer < 2; layer++) {
		const uint32_t *t = model.layers[layer];
		check_normal(&model, t[CATS_Q_WEIGHT], 1 / sqrt(64));
		check_normal(&model, t[CATS_V_WEIGHT], 1 / sqrt(64));
		check_normal(&model, t[CATS_UP_WEIGHT], 1 / sqrt(64));
		check_normal(&model, t[CATS_O_WEIGHT], 1 / sqrt(64) / 2); /* sqrt(2 n_layers) = 2 */
		check_normal(&model, t[CATS_DOWN_WEIGHT], 1 / sqrt(128) / 2);
		check_all(&model, t[CATS_NORM1_WEIGHT], 1);
		check_all(&model, t[CATS_NORM2_WEIGHT], 1);
		check_all(&model, t[CATS_NORM2_BIAS], 0);
		check_all(&model, t[CATS_UP_BIAS], 0);
	}
	cats_model_free(&model);
}

static void test_seeds(void **state)
{
	struct cats_model a;
	struct cats_model b;

	(void)state;
	assert_int_equal(cats_model_create(&a, &base, NULL), CATS_OK);
	assert_int_equal(cats_model_create(&b, &base, NULL), CATS_OK);
	cats_model_initialise(&a, 3);
	b.weights[0] = 7; /* what was there does not matter */
	cats_model_initialise(&b, 3);
	assert_memory_equal(a.weights, b.weights, a.weight_count * sizeof *a.weights);
	cats_model_initialise(&b, 4);
	assert_memory_not_equal(a.weights, b.weights, 16 * sizeof *a.weights);
	/* Tensors do not repeat each other. */
	assert_memory_not_equal(a.weights + a.tensors[a.layers[0][CATS_Q_WEIGHT]].offset,
				a.weights + a.tensors[a.layers[1][CATS_Q_WEIGHT]].offset, 100 * sizeof *a.weights);
	cats_model_free(&a);
	cats_model_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_full_model_costs_the_same_on_any_number),
		cmocka_unit_test(test_initial_weights),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

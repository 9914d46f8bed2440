/* SPDX-License-Identifier: MIT */
/* config.json and what follows from it: golden files, every damaged byte, every rule, sites and ownership. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "model/config.h"
#include "tests/cmocka.h"
#include "tests/io/golden_files.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* As in the golden file good-image. */
static const struct cats_config image_config = {
	.devices = 4,
	.d_model = 32,
	.n_heads = 4,
	.d_ff = 48,
	.n_layers = 2,
	.n_patches = 25,
	.d_in = 64,
	.n_out = 10,
	.activation = CATS_GELU,
	.norm = CATS_NORM_LAYER,
	.norm_eps = 1e-05,
	.cls_token = true,
	.pool = CATS_POOL_CLS,
	.image = {.height = 28, .width = 28, .patch = 8, .stride = 5, .mean = 0.286, .std = 0.353},
};

/* As in the golden file good-series. */
static const struct cats_config series_config = {
	.devices = 4,
	.d_model = 32,
	.n_heads = 4,
	.d_ff = 48,
	.n_layers = 2,
	.n_patches = 6,
	.d_in = 8,
	.n_out = 12,
	.norm_eps = 1e-05,
	.causal = true,
	.pool = CATS_POOL_NONE,
	.series = {.context = 48, .patch = 8, .horizon = 12, .epsilon = 1e-05},
};

static void assert_same_config(const struct cats_config *a, const struct cats_config *b)
{
	assert_int_equal(a->devices, b->devices);
	assert_int_equal(a->d_model, b->d_model);
	assert_int_equal(a->n_heads, b->n_heads);
	assert_int_equal(a->d_ff, b->d_ff);
	assert_int_equal(a->n_layers, b->n_layers);
	assert_int_equal(a->n_patches, b->n_patches);
	assert_int_equal(a->d_in, b->d_in);
	assert_int_equal(a->n_out, b->n_out);
	assert_int_equal(a->activation, b->activation);
	assert_int_equal(a->norm, b->norm);
	assert_true(a->norm_eps == b->norm_eps);
	assert_int_equal(a->causal, b->causal);
	assert_int_equal(a->cls_token, b->cls_token);
	assert_int_equal(a->pool, b->pool);
	assert_int_equal(a->image.height, b->image.height);
	assert_int_equal(a->image.width, b->image.width);
	assert_int_equal(a->image.patch, b->image.patch);
	assert_int_equal(a->image.stride, b->image.stride);
	assert_true(a->image.mean == b->image.mean);
	assert_true(a->image.std == b->image.std);
	assert_int_equal(a->series.context, b->series.context);
	assert_int_equal(a->series.patch, b->series.patch);
	assert_int_equal(a->series.horizon, b->series.horizon);
	assert_true(a->series.epsilon == b->series.epsilon);
}

static void check_round_trip(const struct cats_config *config)
{
	struct cats_config again;
	char *text = cats_config_format(config);

	assert_non_null(text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal(cats_config_parse(&again, text, strlen(text), "again", NULL), CATS_OK);
	assert_same_config(config, &again);
	free(text);
}

static enum cats_status read_config(const char *path, struct cats_error *error)
{
	struct cats_config config;
	uint8_t *bytes;
	size_t size;
	enum cats_status status = cats_file_read(&bytes, &size, path, CATS_CONFIG_MAX_BYTES, error);

	if (status != CATS_OK)
		return status;
	status = cats_config_parse(&config, (const char *)bytes, size, path, error);
	free(bytes);
	if (status == CATS_OK)
		check_round_trip(&config);
	if (status == CATS_OK && strstr(path, "good-image"))
		assert_same_config(&config, &image_config);
	if (status == CATS_OK && strstr(path, "good-series"))
		assert_same_config(&config, &series_config);
	return status;
}

static void test_golden(void **state)
{
	static const struct golden_rule rules[] = {
		{"devices-0", "devices: must be an integer from 1 to 64"},
		{"devices-65", "devices: must be an integer from 1 to 64"},
		{"devices-fraction", "devices: must be an integer from 1 to 64"},
		{"devices-negative", "devices: must be an integer from 1 to 64"},
		{"devices-text", "devices: must be an integer from 1 to 64"},
		{"d_model-0", "d_model: must be an integer from 1 to 8192"},
		{"d_model-8193", "d_model: must be an integer from 1 to 8192"},
		{"n_heads-0", "n_heads: must be an integer from 1 to 8192"},
		{"d_ff-0", "d_ff: must be an integer from 1 to 32768"},
		{"d_ff-32769", "d_ff: must be an integer from 1 to 32768"},
		{"n_layers-0", "n_layers: must be an integer from 1 to 256"},
		{"n_layers-257", "n_layers: must be an integer from 1 to 256"},
		{"n_patches-0", "n_patches: must be an integer from 1 to 4096"},
		{"n_patches-4097", "n_patches: must be an integer from 1 to 4096"},
		{"d_in-0", "d_in: must be an integer from 1 to 65536"},
		{"d_in-65537", "d_in: must be an integer from 1 to 65536"},
		{"n_out-0", "n_out: must be an integer from 1 to 65536"},
		{"n_out-65537", "n_out: must be an integer from 1 to 65536"},
		{"norm_eps-0", "norm_eps: must be a number from 1e-12 to 1"},
		{"norm_eps-1_5", "norm_eps: must be a number from 1e-12 to 1"},
		{"eps-infinite", "norm_eps: a number beyond the range of doubles"},
		{"eps-nan", "not valid JSON at byte"},
		{"more-devices-than-features", "devices: 33 is more than d_model, 32"},
		{"more-devices-than-hidden", "devices: 20 is more than d_ff, 16"},
		{"heads-do-not-divide", "d_model: 32 is not a multiple of n_heads, 5"},
		{"activation", "activation: must be one of \"relu\", \"gelu\""},
		{"norm", "norm: must be one of \"layer\", \"rms\""},
		{"pool", "pool: must be one of \"mean\", \"cls\", \"none\""},
		{"pool-needs-class-token", "pool: \"cls\" needs a class token"},
		{"causal-number", "causal: must be true or false"},
		{"unknown-key", "dropout: unknown key"},
		{"missing-key", "pool: the key is missing"},
		{"duplicate-key", "d_ff: the key is there twice"},
		{"model-type", "model_type: must be \"cats\""},
		{"format-version", "format_version: must be 1"},
		{"too-many-weights", "d_model: the sizes give"},
		{"truncated", "not valid JSON at byte"},
		{"empty", "not valid JSON at byte 0"},
		{"trailing-text", "text after the end"},
		{"byte-order-mark", "begins with a byte order mark"},
		{"array", "the JSON must be one object"},
		{"comment", "not valid JSON at byte 0"},
		{"image-patch-too-large", "image.patch: 29 is more than the image's height 28 or width 28"},
		{"image-patches-differ", "n_patches: 25, but image gives 6 x 6 = 36"},
		{"image-values-differ", "d_in: 63, but image.patch gives 8 x 8 = 64"},
		{"image-std-zero", "image.std: must be a number from 1e-06"},
		{"image-stride-zero", "image.stride: must be an integer from 1"},
		{"image-zeros", "image.height: must be an integer from 1"},
		{"image-unknown-key", "image.channels: unknown key"},
		{"image-missing-key", "image.mean: the key is missing"},
		{"image-number", "image: must be an object"},
		{"series-not-causal", "series: needs causal true, cls_token false and pool \"none\""},
		{"series-class-token", "series: needs causal true, cls_token false and pool \"none\""},
		{"series-pool", "series: needs causal true, cls_token false and pool \"none\""},
		{"series-patches-differ", "n_patches: 5, but series.context 48 must be that many of series.patch 8"},
		{"series-context-not-patches", "n_patches: 6, but series.context 49 must be that many"},
		{"series-values-differ", "d_in: 8, but series.patch is 16"},
		{"series-horizon-differs", "n_out: 12, but series.horizon is 13"},
		{"series-epsilon-zero", "series.epsilon: must be a number from 1e-12"},
		{"series-zeros", "series.context: must be an integer from 1"},
		{"series-missing-key", "series.horizon: the key is missing"},
		{"series-unknown-key", "series.stride: unknown key"},
		{"series-number", "series: must be an object"},
		{"series-and-image", "series: the input is an image already"},
	};

	(void)state;
	check_golden_files(CATS_GOLDEN_FOLDER "/config", ".json", read_config, rules, COUNT(rules));
}

static void test_reals_survive(void **state)
{
	const double reals[] = {0.1, 1.0 / 3.0, 1e-12, nextafter(0.1, 1), nextafter(0.7, 0), nextafter(1e-12, 1)};
	struct cats_config config = image_config;

	(void)state;
	for (size_t i = 0; i < COUNT(reals); i++) {
		config.norm_eps = reals[i];
		config.image.mean = -reals[i];
		check_round_trip(&config);
	}
}

/* Refused, or a config that passes every rule and writes and reads as itself. */
static void check_damaged(const char *text, size_t size)
{
	struct cats_config config;
	struct cats_error error = {0};
	char *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, text, size);
	const enum cats_status status = cats_config_parse(&config, copy, size, "damaged.json", &error);
	free(copy);
	if (status == CATS_OK) {
		assert_int_equal(cats_config_check(&config, "damaged.json", NULL), CATS_OK);
		check_round_trip(&config);
	} else {
		assert_int_equal(status, CATS_ERR_FORMAT);
		assert_memory_equal(error.text, "damaged.json: ", 14);
	}
}

static void damage(const struct cats_config *whole)
{
	char *text = cats_config_format(whole);
	const size_t size = strlen(text);
	struct cats_config config;

	for (size_t cut = 0; cut < size - 1; cut++) /* the last byte is the newline */
		assert_int_equal(cats_config_parse(&config, text, cut, "cut", NULL), CATS_ERR_FORMAT);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		check_damaged(text, size);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
	}
	free(text);
}

static void test_damaged(void **state)
{
	(void)state;
	damage(&image_config);
	damage(&series_config);
}

/* Rules that no text can break, because the parser's types forbid it. */
static void test_check_alone(void **state)
{
	struct cats_config config = image_config;
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(cats_config_check(&config, "c", &error), CATS_OK);
	config.norm_eps = NAN;
	assert_int_equal(cats_config_check(&config, "c", &error), CATS_ERR_FORMAT);
	assert_string_equal(error.text, "c: norm_eps: must be a number from 1e-12 to 1");
	config = image_config;
	config.image.std = INFINITY;
	assert_int_equal(cats_config_check(&config, "c", &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "image.std"));
	config = image_config;
	config.pool = (enum cats_pool)3;
	assert_int_equal(cats_config_check(&config, "c", &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "pool: is not one of its values"));
	config = image_config;
	config.devices = 0;
	assert_int_equal(cats_config_check(&config, "c", &error), CATS_ERR_FORMAT);
}

static void test_too_long(void **state)
{
	const size_t size = CATS_CONFIG_MAX_BYTES + 1;
	char *text = malloc(size);
	struct cats_config config;
	struct cats_error error = {0};

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	assert_int_equal(cats_config_parse(&config, text, size, "c", &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "c: is 1048577 bytes long, at most 1048576"));
	free(text);
}

/* Heads never break at attn_out; elsewhere the first n mod D devices own one column more. */
static void test_ownership(void **state)
{
	struct cats_config config = image_config; /* 4 heads of 8 columns, M = 48 */

	(void)state;
	for (uint32_t D = 1; D <= 32; D++) {
		for (uint32_t site = 0; site < cats_config_sites(&config); site++) {
			const uint32_t n = cats_site_columns(&config, site);
			const uint32_t unit = cats_site_kind_of(&config, site) == CATS_ATTN_OUT ? 8 : 1;
			uint32_t next = 0;
			for (uint32_t j = 0; j < D; j++) {
				const struct cats_run own = cats_site_own(&config, site, D, j);
				assert_int_equal(own.first, next);
				assert_int_equal(own.count, (n / unit / D + (j < n / unit % D)) * unit);
				next += own.count;
			}
			assert_int_equal(next, n);
		}
	}
}

static void test_sites(void **state)
{
	static const char *const names[] = {"0.attn_in",  "0.attn_out", "0.ffn_in",  "0.ffn_out", "1.attn_in",
					    "1.attn_out", "1.ffn_in",   "1.ffn_out", "head_in"};
	static const uint32_t columns[] = {32, 32, 32, 48, 32, 32, 32, 48, 32};
	static const uint32_t cls_tokens[] = {26, 26, 26, 26, 26, 1, 1, 1, 1};
	struct cats_config config = image_config;
	char name[CATS_SITE_NAME_BYTES];

	(void)state;
	assert_int_equal(cats_config_sites(&config), 9);
	for (uint32_t site = 0; site < 9; site++) {
		cats_site_name(name, &config, site);
		assert_string_equal(name, names[site]);
		assert_int_equal(cats_site_columns(&config, site), columns[site]);
		assert_int_equal(cats_site_tokens(&config, site), cls_tokens[site]);
	}
	config.pool = CATS_POOL_MEAN;
	for (uint32_t site = 0; site < 9; site++)
		assert_int_equal(cats_site_tokens(&config, site), 26);
	config.cls_token = false;
	assert_int_equal(cats_config_tokens(&config), 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),   cmocka_unit_test(test_reals_survive),
		cmocka_unit_test(test_damaged),  cmocka_unit_test(test_check_alone),
		cmocka_unit_test(test_too_long), cmocka_unit_test(test_ownership),
		cmocka_unit_test(test_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

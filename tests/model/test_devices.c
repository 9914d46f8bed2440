/* SPDX-License-Identifier: MIT */
/* Changing the number of devices that a model is cut for, and what it then costs, worked out on paper. */
#include <string.h>

#include "model/model.h"
#include "tests/cmocka.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct cats_config base = {
	.devices = 3,
	.d_model = 12,
	.n_heads = 4,
	.d_ff = 10,
	.n_layers = 2,
	.n_patches = 5,
	.d_in = 6,
	.n_out = 7,
	.norm_eps = 1e-5,
};

static void create(struct cats_model *model, const struct cats_config *config)
{
	struct cats_error error = {0};

	if (cats_config_check(config, "config", &error) != CATS_OK ||
	    cats_model_create(model, config, &error) != CATS_OK)
		fail_msg("%s", error.text);
}

/* Figures worked out on paper. */
static void test_counts_by_hand(void **state)
{
	struct cats_config config = {
		.devices = 2,
		.d_model = 4,
		.n_heads = 2,
		.d_ff = 6,
		.n_layers = 1,
		.n_patches = 3,
		.d_in = 5,
		.n_out = 2,
		.norm_eps = 1e-5,
	};
	struct cats_model model;

	(void)state;
	create(&model, &config);
	/* 3·4·5 embedding; 3·(3·4·4) q, k, v; 2·3·3·4 attention; 3·4·4 o; 3·6·4 up; 3·4·6 down; 3·2·4 head */
	assert_int_equal(cats_model_macs(&model), 60 + 144 + 72 + 48 + 72 + 72 + 24);
	assert_int_equal(cats_model_air_values(&model), 3 * (4 + 4 + 4 + 6 + 4));
	for (uint32_t site = 0; site < cats_config_sites(&config); site++)
		memset(model.keep[site], 0, cats_site_columns(&config, site));
	/* Nothing is sent: every product is half as wide. */
	assert_int_equal(cats_model_macs(&model), 60 + 72 + 72 + 24 + 36 + 36 + 12);
	assert_int_equal(cats_model_air_values(&model), 0);
	/* One column of device 0 at attn_in: device 1's q, k and v, two rows each, use it for three tokens. */
	model.keep[CATS_ATTN_IN][1] = 1;
	assert_int_equal(cats_model_macs(&model), 312 + 3 * 3 * 2);
	assert_int_equal(cats_model_air_values(&model), 3);
	assert_int_equal(cats_model_kept(&model, CATS_ATTN_IN), 1);
	cats_model_free(&model);
}

static void test_site_tokens(void **state)
{
	struct cats_config config = base;

	(void)state;
	config.cls_token = true;
	config.pool = CATS_POOL_CLS;
	static const uint32_t expected[] = {6, 6, 6, 6, 6, 1, 1, 1, 1};
	for (uint32_t site = 0; site < COUNT(expected); site++)
		assert_int_equal(cats_site_tokens(&config, site), expected[site]);
	config.pool = CATS_POOL_MEAN;
	for (uint32_t site = 0; site < COUNT(expected); site++)
		assert_int_equal(cats_site_tokens(&config, site), 6);
}

static void expect_refusal(struct cats_model *model, uint32_t devices, enum cats_status status, const char *rule)
{
	const uint32_t before = model->config.devices;
	struct cats_error error = {0};

	assert_int_equal(cats_model_set_devices(model, devices, "models/x", &error), status);
	if (!strstr(error.text, rule) || strncmp(error.text, "models/x: ", 10) != 0)
		fail_msg("the error must say '%s', but says '%s'", rule, error.text);
	assert_int_equal(model->config.devices, before);
}

static void test_set_devices(void **state)
{
	struct cats_error error = {0};
	struct cats_model model;

	(void)state;
	create(&model, &base);
	for (uint32_t devices = 1; devices <= base.d_ff; devices++) {
		assert_int_equal(cats_model_set_devices(&model, devices, "models/x", &error), CATS_OK);
		assert_int_equal(model.config.devices, devices);
	}
	expect_refusal(&model, 0, CATS_ERR_FORMAT, "devices: must be an integer from 1 to 64");
	expect_refusal(&model, 65, CATS_ERR_FORMAT, "devices: must be an integer from 1 to 64");
	expect_refusal(&model, 11, CATS_ERR_FORMAT, "devices: 11 is more than d_ff, 10");
	expect_refusal(&model, 13, CATS_ERR_FORMAT, "devices: 13 is more than d_model, 12");

	/* One column that stays at home ties the model to its devices, at whichever site. */
	for (uint32_t site = 0; site < cats_config_sites(&base); site++) {
		model.keep[site][cats_site_columns(&base, site) - 1] = 0;
		expect_refusal(&model, 4, CATS_ERR_MISMATCH, "its keep lists belong to 10 devices, not 4");
		assert_int_equal(cats_model_set_devices(&model, 10, "models/x", &error), CATS_OK);
		model.keep[site][cats_site_columns(&base, site) - 1] = 1;
	}
	assert_int_equal(cats_model_set_devices(&model, 4, "models/x", &error), CATS_OK);
	cats_model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_by_hand),
		cmocka_unit_test(test_site_tokens),
		cmocka_unit_test(test_set_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

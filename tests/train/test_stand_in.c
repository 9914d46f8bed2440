/* SPDX-License-Identifier: MIT */
/* Stand-ins for columns that are not sent: with one sample of one token the mean is the value, and then nothing is lost
 * where nothing is normalised. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/pass.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/stand_in.h"

#define VALUES 24U
#define OUTPUTS 5U

static float inputs[VALUES];
static struct cats_dataset data = {
	.kind = CATS_DATASET_TENSORS, .samples = 1, .patches = 1, .inputs_per_patch = VALUES, .inputs = inputs};

/* One token, four devices, everything kept. */
static struct cats_model make_model(void)
{
	struct cats_config config = cats_fixture_config(4);
	struct cats_model model;

	config.cls_token = false;
	config.pool = CATS_POOL_NONE;
	config.n_patches = 1;
	config.d_in = VALUES;
	config.n_out = OUTPUTS;
	config.n_layers = 2;
	assert_int_equal(cats_model_create(&model, &config, NULL), CATS_OK);
	cats_model_initialise(&model, 3);
	for (size_t i = 0; i < model.weight_count; i++)
		model.weights[i] += 0.1F * sinf((float)i);
	for (uint32_t i = 0; i < VALUES; i++)
		inputs[i] = cosf((float)(i * i));
	return model;
}

static void infer(float out[OUTPUTS], const struct cats_model *model)
{
	struct cats_views *views;
	struct cats_pass *pass;
	const struct cats_pass_input in = {.batch = 1, .input = inputs};

	assert_int_equal(cats_views_create(&views, model, NULL), CATS_OK);
	assert_int_equal(cats_pass_create(&pass, views, 1, false, NULL), CATS_OK);
	float *packed = malloc(cats_views_packed_count(views) * sizeof *packed);

	assert_non_null(packed);
	cats_views_pack(packed, views, model->weights);
	cats_pass_forward(pass, packed, &in);
	memcpy(out, cats_pass_output(pass), OUTPUTS * sizeof *out);
	free(packed);
	cats_pass_free(pass);
	cats_views_free(views);
}

/* Leaves out two of three columns of a site. */
static void leave_out(struct cats_model *model, uint32_t site)
{
	for (uint32_t c = 0; c < cats_site_columns(&model->config, site); c++)
		model->keep[site][c] = c % 3 == 0;
}

static void apply(struct cats_model *model, enum cats_stand_in kind)
{
	const struct cats_feed feed = {.data = &data, .config = &model->config};

	assert_int_equal(cats_stand_in_apply(model, &(struct cats_stand_in_options){.kind = kind, .feed = &feed}, NULL),
			 CATS_OK);
}

static double distance(const float *a, const float *b)
{
	double sum = 0;

	for (uint32_t o = 0; o < OUTPUTS; o++)
		sum += (double)(a[o] - b[o]) * (double)(a[o] - b[o]);
	return sqrt(sum);
}

static void test_mean_of_one_token(void **state)
{
	struct cats_model model = make_model();
	float whole[OUTPUTS], zero[OUTPUTS], mean[OUTPUTS];

	(void)state;
	infer(whole, &model);
	for (uint32_t site = 0; site < 8; site++)
		if (site % 4 == CATS_ATTN_OUT || site % 4 == CATS_FFN_OUT)
			leave_out(&model, site);
	apply(&model, CATS_STAND_IN_ZERO);
	infer(zero, &model);
	apply(&model, CATS_STAND_IN_MEAN);
	infer(mean, &model);
	assert_true(distance(whole, zero) > 0.01);
	/* Some hundred float32 products, each within 2^-24. */
	assert_true(distance(whole, mean) < 1e-5);
	cats_model_free(&model);
}

/* A normalisation with gain 0 gives its bias, whatever comes in. */
static void test_mean_of_a_normalised_site(void **state)
{
	struct cats_model model = make_model();
	const uint32_t *w = model.layers[1];
	const struct cats_weight *up = &model.tensors[w[CATS_UP_WEIGHT]];
	float *gain = model.weights + model.tensors[w[CATS_NORM2_WEIGHT]].offset;
	const float *shift = model.weights + model.tensors[w[CATS_NORM2_BIAS]].offset;
	const float *bias = model.weights + model.tensors[w[CATS_UP_BIAS]].offset;
	const struct cats_run own = cats_site_own(&model.config, 6, 4, 2);
	const uint32_t row = cats_site_own(&model.config, 7, 4, 2).first;
	double wanted = (double)bias[row];

	(void)state;
	for (uint32_t c = 0; c < model.config.d_model; c++)
		gain[c] = 0;
	leave_out(&model, 6);
	for (uint32_t c = 0; c < model.config.d_model; c++)
		if (c % 3 != 0 && (c < own.first || c >= own.first + own.count))
			wanted += (double)(model.weights[up->offset + (size_t)row * up->columns + c] * shift[c]);
	apply(&model, CATS_STAND_IN_MEAN);
	assert_true(fabs((double)bias[row] - wanted) < 1e-6);
	cats_model_free(&model);
}

static void test_rescale(void **state)
{
	struct cats_model model = make_model();
	struct cats_model before = make_model();
	const struct cats_weight *o = &model.tensors[model.layers[0][CATS_O_WEIGHT]];
	const uint32_t row = 5; /* of device 1, which owns columns 4 … 7 and gets 0, 3, 6, 9, 12, 15: 9 in all */

	(void)state;
	leave_out(&model, CATS_ATTN_OUT);
	apply(&model, CATS_STAND_IN_RESCALE);
	for (uint32_t c = 0; c < 16; c++) {
		const size_t at = o->offset + row * 16 + c;

		assert_true(fabsf(model.weights[at] - before.weights[at] * 16 / 9) < 1e-6F);
	}
	/* Where nothing is left out nothing changes. */
	const struct cats_weight *up = &model.tensors[model.layers[0][CATS_UP_WEIGHT]];

	assert_memory_equal(model.weights + up->offset, before.weights + up->offset,
			    (size_t)up->rows * up->columns * sizeof(float));
	cats_model_free(&model);
	cats_model_free(&before);
}

static void test_names(void **state)
{
	enum cats_stand_in kind;
	struct cats_error error = {0};

	(void)state;
	for (int k = CATS_STAND_IN_ZERO; k <= CATS_STAND_IN_RESCALE; k++) {
		assert_int_equal(cats_stand_in_parse(&kind, cats_stand_in_name((enum cats_stand_in)k), &error),
				 CATS_OK);
		assert_int_equal(kind, k);
	}
	assert_int_equal(cats_stand_in_parse(&kind, "guess", &error), CATS_ERR_USAGE);
	assert_non_null(strstr(error.text, "none of zero, mean, rescale"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mean_of_one_token),
		cmocka_unit_test(test_mean_of_a_normalised_site),
		cmocka_unit_test(test_rescale),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

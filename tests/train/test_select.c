/* SPDX-License-Identifier: MIT */
/* Keep lists: counts, scores recomputed entry by entry, choices on a model made for the purpose. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/partition.h"
#include "core/random.h"
#include "model/pass.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/select.h"

static void make_model(struct cats_model *model, uint32_t devices)
{
	const struct cats_config config = cats_fixture_config(devices);
	struct cats_error error = {0};

	assert_int_equal(cats_model_create(model, &config, &error), CATS_OK);
	cats_model_initialise(model, 8);
}

static void test_count(void **state)
{
	(void)state;
	assert_int_equal(cats_select_count(128, 0.25), 32);
	assert_int_equal(cats_select_count(128, 0.1), 13);
	assert_int_equal(cats_select_count(100, 0.07), 7); /* 0.07 * 100 is 7.000000000000001 */
	assert_int_equal(cats_select_count(10, 1e-3), 1);
	assert_int_equal(cats_select_count(256, 1), 256);
}

static uint32_t owner_of_head(uint32_t column, uint32_t devices)
{
	return cats_partition_owner(4, devices, column / 4); /* d = 4 */
}

/* attn_in: rows of q, k and v belong to their head's device, columns to an even cut; norm1's gain counts. */
static void test_scores(void **state)
{
	struct cats_model model;
	double scores[24];

	(void)state;
	make_model(&model, 5);
	const uint32_t *layer = model.layers[0];
	float *gain = model.weights + model.tensors[layer[CATS_NORM1_WEIGHT]].offset;

	for (uint32_t c = 0; c < 16; c++)
		gain[c] = 0.5F + (float)c / 8;
	cats_select_scores(scores, &model, 0, CATS_SELECT_MAGNITUDE, NULL, 0);
	for (uint32_t c = 0; c < 16; c++) {
		double wanted = 0;

		for (uint32_t r = 0; r < 16; r++) {
			if (owner_of_head(r, 5) == cats_partition_owner(16, 5, c))
				continue;
			for (int k = 0; k < 3; k++) {
				static const int names[3] = {CATS_Q_WEIGHT, CATS_K_WEIGHT, CATS_V_WEIGHT};
				const double w =
					model.weights[model.tensors[layer[names[k]]].offset + (size_t)r * 16 + c];

				wanted += w * w * (double)gain[c] * (double)gain[c];
			}
		}
		assert_true(fabs(scores[c] - wanted) <= 1e-12 * wanted);
	}
	/* attn_out: columns belong to heads, rows to an even cut */
	cats_select_scores(scores, &model, 1, CATS_SELECT_MAGNITUDE, NULL, 0);
	for (uint32_t c = 0; c < 16; c++) {
		double wanted = 0;

		for (uint32_t r = 0; r < 16; r++) {
			const double w = model.weights[model.tensors[layer[CATS_O_WEIGHT]].offset + (size_t)r * 16 + c];

			if (cats_partition_owner(16, 5, r) != owner_of_head(c, 5))
				wanted += w * w;
		}
		assert_true(fabs(scores[c] - wanted) <= 1e-12 * wanted);
	}
	cats_model_free(&model);
}

/* Large weights that only the owner uses do not make a column worth sending; small ones elsewhere do. */
static void test_choice(void **state)
{
	const struct cats_selection selection = {.share = 0.125};
	struct cats_error error = {0};
	struct cats_model model;

	(void)state;
	make_model(&model, 4);
	float *head = model.weights + model.tensors[model.head_weight].offset; /* [3, 16]; device 3 owns no output */

	memset(head, 0, 3 * 16 * sizeof(float));
	head[0 * 16 + 1] = 100;     /* output 0 and column 1: both device 0's */
	head[1 * 16 + 2] = 0.5F;    /* output 1 (device 1) uses device 0's column 2 */
	head[2 * 16 + 13] = -0.25F; /* output 2 (device 2) uses device 3's column 13 */
	head[2 * 16 + 14] = 0.125F;
	assert_int_equal(cats_select(&model, &selection, &error), CATS_OK);
	for (uint32_t c = 0; c < 16; c++)
		assert_int_equal(model.keep[4][c], c == 2 || c == 13);
	for (uint32_t site = 0; site < 5; site++)
		assert_int_equal(cats_model_kept(&model, site), site == 3 ? 3 : 2);
	assert_int_equal(cats_select(&model, &selection, &error), CATS_OK); /* nothing more falls */
	assert_int_equal(cats_model_kept(&model, 3), 3);
	cats_model_free(&model);
}

static void test_clear(void **state)
{
	const struct cats_selection selection = {.share = 0.25};
	struct cats_error error = {0};
	struct cats_model model;
	struct cats_views *views = NULL;

	(void)state;
	make_model(&model, 4);
	float *copy = malloc(model.weight_count * sizeof(float));
	uint8_t *live = malloc(model.weight_count);

	for (size_t i = 0; i < model.weight_count; i++)
		copy[i] = model.weights[i] = 1;
	assert_int_equal(cats_select(&model, &selection, &error), CATS_OK);
	assert_int_equal(cats_select_clear(&model, (float *const[]){model.weights, NULL}, 2, &error), CATS_OK);
	assert_int_equal(cats_views_create(&views, &model, &error), CATS_OK);
	cats_views_live(live, views);
	size_t dead = 0;
	for (size_t i = 0; i < model.weight_count; i++) {
		assert_true(model.weights[i] == (live[i] != 0 ? 1.0F : 0.0F));
		dead += live[i] == 0;
	}
	assert_true(dead > model.weight_count / 4);
	cats_views_free(views);
	free(copy);
	free(live);
	cats_model_free(&model);
}

/* The other criteria: other choices, of the same number; a random one nests for smaller shares. */
static void test_criteria(void **state)
{
	struct cats_dataset data = cats_fixture_data(200, 1);
	struct cats_error error = {0};
	struct cats_model models[4];
	uint32_t differ[3] = {0};

	(void)state;
	for (int m = 0; m < 4; m++) {
		const struct cats_feed feed = {.data = &data, .config = &models[m].config};
		const struct cats_selection selection = {
			.criterion = m < 3 ? (enum cats_criterion)m : CATS_SELECT_RANDOM,
			.share = m < 3 ? 0.5 : 0.25,
			.feed = &feed,
		};

		make_model(&models[m], 4);
		assert_int_equal(cats_select(&models[m], &selection, &error), CATS_OK);
	}
	for (uint32_t site = 0; site < 5; site++) {
		const uint32_t columns = cats_site_columns(&models[0].config, site);

		for (int m = 0; m < 3; m++)
			assert_int_equal(cats_model_kept(&models[m], site), columns / 2);
		for (uint32_t c = 0; c < columns; c++) {
			for (int m = 0; m < 3; m++)
				differ[m] += models[m].keep[site][c] != models[(m + 1) % 3].keep[site][c];
			assert_true(models[3].keep[site][c] <= models[2].keep[site][c]);
		}
	}
	assert_true(differ[0] > 0 && differ[1] > 0 && differ[2] > 0);
	for (int m = 0; m < 4; m++)
		cats_model_free(&models[m]);
	cats_fixture_data_free(&data);
}

/* taylor: an output whose weights matter most by size, but not at all for the loss, does not win. */
static void test_taylor_asks_the_loss(void **state)
{
	struct cats_dataset data = cats_fixture_data(200, 1);
	struct cats_error error = {0};
	struct cats_model model;
	const struct cats_feed feed = {.data = &data, .config = &model.config};
	struct cats_selection selection = {.share = 1.0 / 16, .criterion = CATS_SELECT_TAYLOR, .feed = &feed};

	(void)state;
	make_model(&model, 4);
	float *head = model.weights + model.tensors[model.head_weight].offset;

	/* Every output alike from column 15: softmax ignores it. */
	for (uint32_t c = 0; c < 16; c++)
		for (uint32_t o = 0; o < 3; o++)
			head[o * 16 + c] = c == 15 ? 3.0F : c == 6 ? (float)o * 0.5F - 0.5F : 0.0F;
	assert_int_equal(cats_select(&model, &selection, &error), CATS_OK);
	assert_int_equal(model.keep[4][6], 1);
	memset(model.keep[4], 1, 16);
	selection.criterion = CATS_SELECT_MAGNITUDE;
	assert_int_equal(cats_select(&model, &selection, &error), CATS_OK);
	assert_int_equal(model.keep[4][15], 1);
	cats_model_free(&model);
	cats_fixture_data_free(&data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),    cmocka_unit_test(test_scores),
		cmocka_unit_test(test_choice),   cmocka_unit_test(test_clear),
		cmocka_unit_test(test_criteria), cmocka_unit_test(test_taylor_asks_the_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

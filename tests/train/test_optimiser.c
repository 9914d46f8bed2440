/* SPDX-License-Identifier: MIT */
/* AdamW, the schedule and the norm against steps computed by hand. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"

#include "core/random.h"
#include "tests/train/fixture.h"
#include "train/optimiser.h"

static void near(double got, double wanted, double tolerance)
{
	if (!(fabs(got - wanted) <= tolerance))
		fail_msg("%.9g is not %.9g", got, wanted);
}

static void test_schedule(void **state)
{
	const struct cats_schedule s = {.peak = 2.0, .floor_share = 0.1, .warmup_steps = 4, .steps = 12};

	(void)state;
	near(cats_schedule_rate(&s, 1), 0.5, 1e-12);
	near(cats_schedule_rate(&s, 4), 2.0, 1e-12);
	near(cats_schedule_rate(&s, 8), 0.2 + 1.8 * 0.5, 1e-12); /* half-way down the cosine */
	near(cats_schedule_rate(&s, 6), 0.2 + 1.8 * 0.5 * (1 + sqrt(0.5)), 1e-12);
	near(cats_schedule_rate(&s, 12), 0.2, 1e-12);
	near(cats_schedule_rate(&s, 99), 0.2, 1e-12);
}

static void make_model(struct cats_model *model)
{
	const struct cats_config config = cats_fixture_config(1);
	struct cats_error error = {0};

	assert_int_equal(cats_model_create(model, &config, &error), CATS_OK);
}

/* Two steps of one weight that decays and one that does not, worked out from the published update. */
static void test_adamw(void **state)
{
	const struct cats_adamw options = {.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.5};
	struct cats_model model;

	(void)state;
	make_model(&model);
	float *m = calloc(model.weight_count, sizeof(float));
	float *v = calloc(model.weight_count, sizeof(float));
	float *g = calloc(model.weight_count, sizeof(float));
	const size_t decayed = model.tensors[model.head_weight].offset + 3;
	const size_t plain = model.tensors[model.head_bias].offset + 1;

	model.weights[decayed] = 2.0F;
	model.weights[plain] = 2.0F;
	g[decayed] = g[plain] = 0.5F;
	cats_adamw_step(&model, m, v, g, 1.0, &options, 0.1, 1, 1);
	/* m = 0.1, v = 0.025; corrected 0.5 and 0.25: step 0.1 * 0.5 / 0.501 */
	const double one = 0.1 * 0.5 / 0.501;

	near(model.weights[plain], 2 - one, 1e-6);
	near(model.weights[decayed], 2 * 0.95 - one, 1e-6);
	g[decayed] = g[plain] = -1.0F;
	cats_adamw_step(&model, m, v, g, 1.0, &options, 0.2, 2, 1);
	/* m = 0.08 - 0.2 = -0.12 over 0.36; v = 0.0225 + 0.1 = 0.1225 over 0.19 */
	const double two = 0.2 * (-0.12 / 0.36) / (sqrt(0.1225 / 0.19) + 1e-3);

	near(model.weights[plain], 2 - one - two, 1e-6);
	near(model.weights[decayed], (2 * 0.95 - one) * 0.9 - two, 1e-6);
	for (size_t i = 0; i < model.weight_count; i++)
		if (i != decayed && i != plain)
			assert_true(model.weights[i] == 0);
	free(m);
	free(v);
	free(g);
	cats_model_free(&model);
}

/* Which tensors decay: with no gradient at all, exactly those shrink. */
static void test_decay_of_tensors(void **state)
{
	const struct cats_adamw options = {.weight_decay = 0.5};
	struct cats_model model;

	(void)state;
	make_model(&model);
	float *zero = calloc(3 * model.weight_count, sizeof(float));

	for (size_t i = 0; i < model.weight_count; i++)
		model.weights[i] = 1;
	cats_adamw_step(&model, zero, zero + model.weight_count, zero + 2 * model.weight_count, 0, &options, 0.1, 1, 2);
	for (uint32_t t = 0; t < model.tensor_count; t++) {
		const struct cats_weight *tensor = &model.tensors[t];
		const bool decays = strstr(tensor->name, "weight") != NULL && !tensor->vector;

		for (size_t i = 0; i < (size_t)tensor->rows * tensor->columns; i++)
			near(model.weights[tensor->offset + i], decays ? 0.95 : 1.0, 1e-6);
	}
	free(zero);
	cats_model_free(&model);
}

static void test_clipping(void **state)
{
	const struct cats_adamw options = {.beta1 = 0.5, .clip = 2.0};
	struct cats_model model;

	(void)state;
	make_model(&model);
	float *m = calloc(model.weight_count, sizeof(float));
	float *v = calloc(model.weight_count, sizeof(float));
	float *g = calloc(model.weight_count, sizeof(float));

	g[0] = 3.0F;
	g[1] = 4.0F;
	cats_adamw_step(&model, m, v, g, 5.0, &options, 0.1, 1, 1);
	near(m[0], 0.5 * 3.0 * 0.4, 1e-6);
	near(m[1], 0.5 * 4.0 * 0.4, 1e-6);
	memset(m, 0, model.weight_count * sizeof(float));
	cats_adamw_step(&model, m, v, g, 1.9, &options, 0.1, 1, 1); /* below the limit: as it is */
	near(m[1], 0.5 * 4.0, 1e-6);
	free(m);
	free(v);
	free(g);
	cats_model_free(&model);
}

static void test_norm(void **state)
{
	enum { COUNT = 300001 };
	float *values = malloc(COUNT * sizeof(float));
	double wanted = 0;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		values[i] = (float)(cats_random_u64(5, i) >> 40) * 0x1p-20F - 7.0F;
		wanted += (double)values[i] * (double)values[i];
	}
	const double one = cats_norm(values, COUNT, 1);

	near(one, sqrt(wanted), 1e-9 * sqrt(wanted));
	assert_true(one == cats_norm(values, COUNT, 2));
	assert_true(one == cats_norm(values, COUNT, 3));
	values[COUNT - 1] = NAN;
	assert_true(isfinite(cats_norm(values, COUNT, 2)) == 0);
	free(values);
}

static void test_average(void **state)
{
	float average[3] = {1, 2, 3};
	const float weights[3] = {2, 2, -5};

	(void)state;
	cats_average(average, weights, 3, 0.75, 2);
	near(average[0], 1.25, 1e-7);
	near(average[1], 2, 1e-7);
	near(average[2], 1, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule), cmocka_unit_test(test_adamw), cmocka_unit_test(test_decay_of_tensors),
		cmocka_unit_test(test_clipping), cmocka_unit_test(test_norm),  cmocka_unit_test(test_average),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

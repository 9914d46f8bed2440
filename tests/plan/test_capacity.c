/* SPDX-License-Identifier: MIT */
/* The largest encoder: that it fits whatever columns it keeps, that the next width does not, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "plan/capacity.h"
#include "tests/cmocka.h"

static const struct cats_config shape = {
	.devices = 4,
	.n_heads = 4,
	.n_patches = 9,
	.d_in = 10,
	.n_out = 5,
	.activation = CATS_GELU,
	.norm = CATS_NORM_LAYER,
	.norm_eps = 1e-5,
	.pool = CATS_POOL_MEAN,
};

static struct cats_capacity_request request_for(uint32_t devices, double keep)
{
	struct cats_capacity_request request = {.shape = shape,
						.hidden = 2,
						.keep = keep,
						.target = CATS_TARGET_NRF52840,
						.shard_bytes = 60000,
						.arena_bytes = 1U << 20};

	request.shape.devices = devices;
	return request;
}

static struct cats_capacity find(const struct cats_capacity_request *request, uint32_t layers)
{
	struct cats_error error = {0};
	struct cats_capacity found;

	if (cats_capacity(&found, request, layers, &error) < 0)
		fail_msg("%s", error.text);
	return found;
}

/* Keep lists of as many columns as the share says, anywhere. */
static void keep_at_random(struct cats_integer *m, double share, uint64_t seed)
{
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++) {
		const uint32_t n = cats_site_columns(&m->config, site), kept = (uint32_t)(share * n + 0.999999);
		const uint64_t key = cats_random_key(seed, site);

		memset(m->keep[site], 0, n);
		for (uint32_t i = 0, draw = 0; i < kept; draw++) {
			const uint32_t k = cats_random_below(key, draw, n);

			i += m->keep[site][k] == 0;
			m->keep[site][k] = 1;
		}
	}
}

static struct cats_integer without_weights(const struct cats_config *config)
{
	struct cats_error error = {0};
	struct cats_integer m;

	if (cats_integer_create(&m, config, "test", &error) < 0)
		fail_msg("%s", error.text);
	return m;
}

/* The largest shard and arena and all parameters of a model, cut for all of its devices. */
static struct cats_capacity cut_all(const struct cats_integer *m)
{
	struct cats_capacity sum = {.config = m->config};

	for (uint32_t j = 0; j < m->config.devices; j++) {
		const struct cats_cut_options options = {.devices = m->config.devices};
		struct cats_error error = {0};
		struct cats_cut cut;

		if (cats_cut(&cut, m, &options, j, &error) < 0)
			fail_msg("%s", error.text);
		sum.shard_bytes = cut.bytes > sum.shard_bytes ? cut.bytes : sum.shard_bytes;
		sum.arena_bytes = cut.arena_bytes > sum.arena_bytes ? cut.arena_bytes : sum.arena_bytes;
		sum.parameters += cut.parameters;
		free(cut.shard);
	}
	return sum;
}

static struct cats_config wider(const struct cats_config *config)
{
	struct cats_config next = *config;

	next.d_model += CATS_CAPACITY_STEP;
	next.d_ff = config->d_ff / config->d_model * next.d_model;
	return next;
}

static void with_everything_kept_it_fits_and_more_does_not(void **state)
{
	static const uint32_t devices[] = {1, 3, 4, 7};

	(void)state;
	for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
		const struct cats_capacity_request request = request_for(devices[i], 1);
		const struct cats_capacity found = find(&request, 2);
		const struct cats_config next = wider(&found.config);
		struct cats_integer m = without_weights(&found.config);
		const struct cats_capacity there = cut_all(&m);

		assert_int_equal(found.config.d_ff, 2 * found.config.d_model);
		assert_int_equal(found.config.n_layers, 2);
		assert_int_equal(found.config.d_model % CATS_CAPACITY_STEP, 0);
		assert_int_equal(found.shard_bytes, there.shard_bytes);
		assert_int_equal(found.arena_bytes, there.arena_bytes);
		assert_int_equal(found.parameters, there.parameters);
		assert_true(found.shard_bytes <= request.shard_bytes);
		cats_integer_free(&m);
		m = without_weights(&next);
		assert_true(cut_all(&m).shard_bytes > request.shard_bytes);
		cats_integer_free(&m);
		assert_int_equal(found.bound, CATS_BOUND_SHARD);
	}
}

static void it_fits_whatever_columns_are_kept(void **state)
{
	const struct cats_capacity_request request = request_for(7, 0.2);
	const struct cats_capacity found = find(&request, 1);
	struct cats_integer m = without_weights(&found.config);
	uint32_t largest = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		keep_at_random(&m, 0.2, seed);
		const struct cats_capacity there = cut_all(&m);

		if (there.shard_bytes > request.shard_bytes || there.arena_bytes > found.arena_bytes)
			fail_msg("seed %llu: %u bytes of shard, %u of arena; found %u and %u", (unsigned long long)seed,
				 there.shard_bytes, there.arena_bytes, found.shard_bytes, found.arena_bytes);
		largest = there.shard_bytes > largest ? there.shard_bytes : largest;
	}
	assert_true(largest > found.shard_bytes - found.shard_bytes / 10); /* and not by wasting flash */
	cats_integer_free(&m);
}

static void the_same_model_has_as_many_parameters_on_one_device(void **state)
{
	const struct cats_capacity_request request = request_for(4, 1);
	const struct cats_capacity found = find(&request, 1);
	struct cats_config alone = found.config;

	(void)state;
	alone.devices = 1;
	struct cats_integer m = without_weights(&alone);

	assert_int_equal(cut_all(&m).parameters, found.parameters);
	assert_int_equal(found.dense, cats_config_weights(&found.config));
	cats_integer_free(&m);
}

static void pruning_makes_room(void **state)
{
	const struct cats_capacity_request all = request_for(4, 1), some = request_for(4, 0.2);
	const struct cats_capacity dense = find(&all, 1), pruned = find(&some, 1);

	(void)state;
	assert_true(pruned.config.d_model > dense.config.d_model);
	assert_true(pruned.dense > pruned.parameters);
	assert_true(pruned.dense > 2 * dense.dense);
}

static void it_says_what_more_would_lack(void **state)
{
	struct cats_capacity_request request = request_for(4, 1);
	struct cats_capacity found;

	(void)state;
	request.arena_bytes = 4000;
	found = find(&request, 1);
	assert_int_equal(found.bound, CATS_BOUND_ARENA);
	assert_true(found.arena_bytes <= 4000);

	request = request_for(4, 1);
	request.shard_bytes = request.arena_bytes = UINT32_MAX;
	request.shape.n_heads = 1; /* heads of more than 256 columns are not of the format */
	found = find(&request, 1);
	assert_int_equal(found.bound, CATS_BOUND_FORMAT);
	assert_int_equal(found.config.d_model, CATS_HEAD_WIDTH_MAX);

	request.shard_bytes = 1000;
	found = find(&request, 1);
	assert_int_equal(found.config.d_model, 0);
	assert_int_equal(found.bound, CATS_BOUND_SHARD);
}

static void a_shape_that_no_width_mends_is_an_error(void **state)
{
	struct cats_capacity_request request = request_for(4, 1);
	struct cats_error error = {0};
	struct cats_capacity found;

	(void)state;
	request.shape.pool = CATS_POOL_CLS; /* without a class token */
	assert_true(cats_capacity(&found, &request, 1, &error) < 0);
	assert_non_null(strstr(error.text, "cls"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_everything_kept_it_fits_and_more_does_not),
		cmocka_unit_test(it_fits_whatever_columns_are_kept),
		cmocka_unit_test(the_same_model_has_as_many_parameters_on_one_device),
		cmocka_unit_test(pruning_makes_room),
		cmocka_unit_test(it_says_what_more_would_lack),
		cmocka_unit_test(a_shape_that_no_width_mends_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

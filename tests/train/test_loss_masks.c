/* SPDX-License-Identifier: MIT */
/* Packets and receipt masks: arithmetic, purity, who is affected by which event, and how often. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "net/packet.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/loss_masks.h"

#define D 4U
#define T 5U /* four patches and the class token */
#define B 100U
#define SITE_ATTN_IN 0U
#define SITE_FFN_OUT 3U
#define SITE_HEAD 4U

static uint32_t samples[B];

/* cls pooling leaves one row behind the only layer's attention; mean pooling lets all travel. */
static void make_model(struct cats_model *model, enum cats_pool pool)
{
	struct cats_config config = cats_fixture_config(D);
	struct cats_error error = {0};

	config.pool = pool;
	assert_int_equal(cats_model_create(model, &config, &error), CATS_OK);
	for (uint32_t s = 0; s < B; s++)
		samples[s] = 3 * s + 1;
}

static struct cats_loss_plan *make_plan(const struct cats_model *model, const struct cats_loss_spec *spec)
{
	struct cats_loss_plan *plan = NULL;
	struct cats_error error = {0};

	assert_int_equal(cats_loss_plan_create(&plan, model, spec, &error), CATS_OK);
	assert_int_equal(cats_loss_mask_bytes(plan, B), D * D * T * B);
	return plan;
}

static uint8_t at(const uint8_t *mask, uint32_t i, uint32_t j, uint32_t t, uint32_t s)
{
	return mask[((size_t)(i * D + j) * T + t) * B + s];
}

/* Every packet of every token, dealt out byte by byte. */
static void test_packets(void **state)
{
	(void)state;
	for (uint32_t columns = 0; columns < 30; columns++) {
		for (uint32_t payload = 1; payload < 12; payload++) {
			for (uint32_t tokens = 0; tokens < 9; tokens++) {
				const struct cats_packets p = cats_packets_of(columns, tokens, payload);
				uint32_t packets = 0;
				uint32_t room = 0; /* left in the last packet */

				for (uint32_t t = 0; t < tokens && columns > 0; t++) {
					if (columns <= room) {
						room -= columns;
					} else {
						assert_int_equal(cats_packet_first(&p, t), packets);
						packets += (columns + payload - 1) / payload;
						room = columns <= payload ? payload - columns : 0;
					}
					assert_int_equal(cats_packet_first(&p, t) + p.packets_per_token, packets);
				}
				assert_int_equal(p.count, packets);
			}
		}
	}
}

/* A sample's mask is the same whatever stands beside it, and another for another key, site or sample. */
static void test_pure(void **state)
{
	const struct cats_loss_spec spec = {
		.link = 0.3, .receiver = 0.1, .sender = 0.1, .per_packet = true, .payload_bytes = 8};
	static uint8_t all[D * D * T * B];
	static uint8_t again[D * D * T * B];
	static uint8_t one[D * D * T];
	struct cats_model model;

	(void)state;
	make_model(&model, CATS_POOL_MEAN);
	struct cats_loss_plan *plan = make_plan(&model, &spec);

	cats_loss_mask(all, plan, SITE_FFN_OUT, samples, B, 9);
	for (uint32_t s = 0; s < B; s++) {
		cats_loss_mask(one, plan, SITE_FFN_OUT, &samples[s], 1, 9);
		for (uint32_t e = 0; e < D * D * T; e++)
			assert_int_equal(one[e], all[(size_t)e * B + s]);
	}
	cats_loss_mask(again, plan, SITE_FFN_OUT, samples, B, 10);
	assert_memory_not_equal(all, again, sizeof(all));
	cats_loss_mask(again, plan, SITE_ATTN_IN, samples, B, 9);
	assert_memory_not_equal(all, again, sizeof(all));
	samples[5]++;
	cats_loss_mask(again, plan, SITE_FFN_OUT, samples, B, 9);
	for (uint32_t s = 0; s < B; s++) {
		uint32_t differ = 0;

		for (uint32_t e = 0; e < D * D * T; e++)
			differ += all[(size_t)e * B + s] != again[(size_t)e * B + s];
		assert_true((differ > 0) == (s == 5));
	}
	cats_loss_plan_free(plan);
	cats_model_free(&model);
}

/* Shares lost over many samples, with a bound of five standard deviations. */
static void expect_share(uint64_t lost, uint64_t of, double p)
{
	const double share = (double)lost / (double)of;
	const double bound = 5 * sqrt(p * (1 - p) / (double)of);

	if (!(fabs(share - p) <= bound))
		fail_msg("lost %g of %g, wanted %g +- %g", (double)lost, (double)of, p, bound);
}

static void test_statistics(void **state)
{
	static uint8_t mask[D * D * T * B];
	struct cats_model model;

	(void)state;
	make_model(&model, CATS_POOL_MEAN);
	for (int kind = 0; kind < 3; kind++) {
		const struct cats_loss_spec spec = {
			.link = kind == 0 ? 0.2 : 0, .receiver = kind == 1 ? 0.2 : 0, .sender = kind == 2 ? 0.2 : 0};
		struct cats_loss_plan *plan = make_plan(&model, &spec);
		uint64_t lost = 0;
		uint64_t both = 0; /* two messages that share the event's device */

		for (uint64_t key = 0; key < 40; key++) {
			cats_loss_mask(mask, plan, SITE_ATTN_IN, samples, B, key);
			for (uint32_t s = 0; s < B; s++) {
				lost += at(mask, 0, 1, 0, s) == 0;
				/* receiver 1 hears 0 and 2; sender 0 is heard by 1 and 2 */
				both += at(mask, 0, 1, 0, s) == 0 &&
					(kind == 2 ? at(mask, 0, 2, 0, s) : at(mask, 2, 1, 0, s)) == 0;
				for (uint32_t t = 1; t < T; t++) /* one draw a message */
					assert_int_equal(at(mask, 0, 1, t, s), at(mask, 0, 1, 0, s));
			}
		}
		expect_share(lost, 40 * B, 0.2);
		if (kind == 0)
			expect_share(both, 40 * B, 0.04);
		else
			assert_int_equal(both, lost);
		cats_loss_plan_free(plan);
	}
	cats_model_free(&model);
}

/* F 16 over 4 devices is 4 columns each: 8 bytes carry two tokens, 3 bytes carry part of one. */
static void test_per_packet(void **state)
{
	struct cats_loss_spec spec = {.link = 0.25, .per_packet = true, .payload_bytes = 8};
	static uint8_t mask[D * D * T * B];
	struct cats_model model;
	uint64_t lost = 0;
	uint64_t differ = 0;

	(void)state;
	make_model(&model, CATS_POOL_MEAN);
	struct cats_loss_plan *plan = make_plan(&model, &spec);

	for (uint64_t key = 0; key < 40; key++) {
		cats_loss_mask(mask, plan, SITE_ATTN_IN, samples, B, key);
		for (uint32_t s = 0; s < B; s++) {
			assert_int_equal(at(mask, 3, 1, 0, s), at(mask, 3, 1, 1, s));
			assert_int_equal(at(mask, 3, 1, 2, s), at(mask, 3, 1, 3, s));
			differ += at(mask, 3, 1, 1, s) != at(mask, 3, 1, 2, s);
			lost += at(mask, 3, 1, 4, s) == 0;
		}
	}
	expect_share(lost, 40 * B, 0.25);
	expect_share(differ, 40 * B, 2 * 0.25 * 0.75);
	cats_loss_plan_free(plan);

	spec.payload_bytes = 3; /* two packets a token: both must arrive */
	plan = make_plan(&model, &spec);
	lost = 0;
	for (uint64_t key = 0; key < 40; key++) {
		cats_loss_mask(mask, plan, SITE_ATTN_IN, samples, B, key);
		for (uint32_t s = 0; s < B; s++)
			lost += at(mask, 3, 1, 4, s) == 0;
	}
	expect_share(lost, 40 * B, 1 - 0.75 * 0.75);
	cats_loss_plan_free(plan);
	cats_model_free(&model);
}

static void test_certain_and_irrelevant(void **state)
{
	const struct cats_loss_spec spec = {.link = 1};
	static uint8_t mask[D * D * T * B];
	struct cats_model model;

	(void)state;
	make_model(&model, CATS_POOL_CLS);
	/* device 2 keeps nothing at the head's site */
	memset(model.keep[SITE_HEAD] + 8, 0, 4);
	struct cats_loss_plan *plan = make_plan(&model, &spec);

	cats_loss_mask(mask, plan, SITE_HEAD, samples, B, 0);
	for (uint32_t i = 0; i < D; i++)
		for (uint32_t j = 0; j < D; j++)
			for (uint32_t t = 0; t < T; t++)
				assert_int_equal(at(mask, i, j, t, 7), i == j || i == 2 || t > 0);
	cats_loss_plan_free(plan);
	cats_model_free(&model);
}

static void test_kinds(void **state)
{
	struct cats_loss_spec spec = {.link = 0.5};
	struct cats_error error = {0};

	(void)state;
	assert_int_equal(cats_loss_kinds(&spec, "receiver,sender", 0.25, &error), CATS_OK);
	assert_true(spec.link == 0.5 && spec.receiver == 0.25 && spec.sender == 0.25);
	assert_int_equal(cats_loss_kinds(&spec, "all", 1, &error), CATS_OK);
	assert_true(spec.link == 1 && spec.receiver == 1 && spec.sender == 1);
	static const char *const bad[] = {"", "links", "link,", ",link", "link;sender", "lin"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cats_loss_kinds(&spec, bad[i], 0.1, &error), CATS_ERR_USAGE);
	assert_int_equal(cats_loss_kinds(&spec, "link", 1.01, &error), CATS_ERR_USAGE);
	assert_int_equal(cats_loss_kinds(&spec, "link", (double)NAN, &error), CATS_ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_pure),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_per_packet),
		cmocka_unit_test(test_certain_and_irrelevant),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

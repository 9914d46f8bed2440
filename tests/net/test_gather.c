/* SPDX-License-Identifier: MIT */
/* The gather protocol among many nodes: what arrives, in time and under every single loss. */
#include <stdio.h>
#include <string.h>

#include "sim/ether.h"
#include "tests/cmocka.h"

#define DEVICES 6U
#define SITES 3U
#define LIMIT_US 2000000U

static void fill_sites(struct cats_net_site sites[SITES], uint32_t devices)
{
	memset(sites, 0, SITES * sizeof *sites);
	for (uint32_t i = 0; i < SITES; i++) {
		sites[i] = (struct cats_net_site){.compute_us = 2000, .tokens = 8, .payload_max = 48};
		sites[i].receivers = (UINT64_C(1) << devices) - 1U;
	}
	sites[0].receivers &= ~UINT64_C(1);
	sites[0].token_bytes[0] = 12;
	for (uint32_t i = 0; i < devices; i++)
		sites[1].token_bytes[i] = (uint16_t)(4U + 3U * i);
	sites[2].receivers = 1;
	for (uint32_t i = 1; i < devices; i++)
		sites[2].token_bytes[i] = 4;
}

static void assert_sound(const struct cats_ether *e)
{
	for (uint32_t i = 0; i < e->options.devices; i++) {
		assert_int_equal(e->nodes[i].wrong_bytes, 0);
		assert_int_equal(e->nodes[i].wrong_has, 0);
		assert_int_equal(e->nodes[i].late, 0);
	}
}

static void assert_complete(const struct cats_ether *e)
{
	assert_sound(e);
	for (uint32_t i = 0; i < e->options.devices; i++)
		for (uint32_t s = 0; s < e->options.sites; s++)
			assert_true(e->nodes[i].results[s].ended && e->nodes[i].results[s].complete);
}

static void test_nothing_lost(void **state)
{
	struct cats_net_site sites[SITES];

	(void)state;
	for (uint32_t devices = 2; devices <= 32; devices += 6) {
		fill_sites(sites, devices);
		struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){
			.devices = (uint8_t)devices, .sites = SITES, .site = sites, .drift_ppm = 40, .extreme = true});
		assert_non_null(e);
		for (uint32_t k = 0; k < 3; k++) {
			assert_int_equal(cats_ether_infer(e, LIMIT_US), devices);
			assert_complete(e);
			assert_int_equal(e->collisions, 0);
			assert_int_equal(e->nodes[1].net.counters.early, SITES * (k + 1U));
		}
		cats_ether_free(e);
	}
}

struct lose {
	uint64_t number;
};

static bool lose_one(void *context, struct cats_ether *ether, struct cats_ether_frame *frame, uint8_t receiver)
{
	const struct lose *lose = context;

	(void)ether;
	(void)receiver;
	return frame->number != lose->number;
}

/* Nobody hears the k-th transmission; all of it arrives nevertheless, for every k. */
static void test_lose_each_frame(void **state)
{
	struct cats_net_site sites[SITES];
	struct lose lose = {.number = UINT64_MAX};
	uint64_t frames = 0;

	(void)state;
	fill_sites(sites, DEVICES);
	for (uint64_t k = 0; k <= frames; k++) {
		struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
										      .sites = SITES,
										      .site = sites,
										      .drift_ppm = 40,
										      .pass = lose_one,
										      .context = &lose});
		assert_non_null(e);
		assert_int_equal(cats_ether_infer(e, LIMIT_US), DEVICES);
		assert_complete(e);
		if (k == 0)
			frames = e->frames;
		cats_ether_free(e);
		lose.number = k;
	}
	assert_true(frames > 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_lose_each_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Sites: which gathers have statuses, and deadlines against three times the air-time limit. */
#include <string.h>

#include "core/random.h"
#include "net/site.h"
#include "tests/cmocka.h"

#define TRIALS 4000U

static uint32_t draw(uint64_t key, uint32_t *next, uint32_t below)
{
	return cats_random_below(key, (*next)++, below);
}

/* Any site; those of `shared` are such that whoever sends receives, too. */
static uint32_t draw_site(struct cats_net_site *site, uint64_t seed, bool shared)
{
	uint32_t next = 0;
	const uint32_t devices = 2U + draw(seed, &next, CATS_NET_DEVICES_MAX - 1U);

	memset(site, 0, sizeof *site);
	site->tokens = (uint16_t)(1U + draw(seed, &next, 64U));
	site->payload_max = (uint16_t)(4U * (1U + draw(seed, &next, 60U)));
	site->receivers = shared ? UINT64_MAX : UINT64_C(1) << draw(seed, &next, devices);
	for (uint32_t i = 0; i < devices; i++)
		site->token_bytes[i] = (uint16_t)draw(seed, &next, 40U);
	return devices;
}

static void test_deadlines(void **state)
{
	uint32_t tripled = 0, blind = 0;

	(void)state;
	for (uint64_t seed = 0; seed < TRIALS; seed++) {
		struct cats_net_site site;
		struct cats_net_layout layout;
		const uint32_t devices = draw_site(&site, seed, seed % 8U != 0);

		if (!cats_net_layout_of(&layout, &site, devices))
			continue;
		const uint32_t three = 3U * cats_net_site_limit_us(&site, devices);
		const uint32_t slots = layout.slots_us;
		const uint32_t deadline = cats_net_site_deadline_us(&site, devices);
		const uint32_t coded = cats_net_layout_coded_us(&layout);

		if (layout.packets == 0)
			continue;
		assert_true(deadline >= slots);
		assert_int_equal(deadline % CATS_AIR_UNIT_US, 0);
		if (seed % 8U == 0)
			continue;
		/* Never more than three times the limit unless slots alone take two thirds of it, and then half as
		 * much again, or a single combination. */
		if (deadline > three && deadline > slots + slots / 2U &&
		    (layout.repairs != 1 || deadline > slots + 2U * coded))
			fail_msg("seed %u: deadline %u, three times the limit %u, slots %u, %u combinations of %u",
				 (unsigned)seed, deadline, three, slots, layout.repairs, coded);
		assert_true(deadline + CATS_AIR_UNIT_US > three);
		if (slots + layout.repairs * coded > deadline)
			fail_msg("seed %u: repair ends after the deadline", (unsigned)seed);
		tripled += deadline <= three;
		blind += layout.repairs > 0;
	}
	assert_true(tripled > TRIALS / 4U);
	assert_true(blind > TRIALS / 100U && blind < TRIALS);
}

/* Sixteen nodes: 4 bytes of each take no statuses, 128 do; `input` and `out` always do. */
static void test_statuses(void **state)
{
	struct cats_net_site site = {.tokens = 4, .payload_max = 240, .receivers = 0xffff};
	struct cats_net_layout layout;

	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		site.token_bytes[i] = 1;
	assert_true(cats_net_layout_of(&layout, &site, 16));
	assert_int_equal(layout.repairs, 13); /* as many as fit of a turn for each sender */
	assert_int_equal(layout.deciders, 0);
	for (uint32_t i = 0; i < 16; i++)
		site.token_bytes[i] = 32;
	assert_true(cats_net_layout_of(&layout, &site, 16));
	assert_int_equal(layout.repairs, 0);
	assert_int_equal(layout.deciders, 3);
	memset(site.token_bytes, 0, sizeof site.token_bytes);
	site.token_bytes[0] = 1;
	site.receivers = 0xfffe;
	assert_true(cats_net_layout_of(&layout, &site, 16));
	assert_int_equal(layout.repairs, 0);
	site.receivers = 2;
	assert_true(cats_net_layout_of(&layout, &site, 16));
	assert_int_equal(layout.repairs, 0);
	assert_int_equal(layout.deciders, 1);
}

static void test_given_deadline(void **state)
{
	struct cats_net_site site = {
		.tokens = 4, .payload_max = 64, .receivers = 3, .deadline_us = 12345, .token_bytes = {8, 8}};

	(void)state;
	assert_int_equal(cats_net_site_deadline_us(&site, 2), 12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_given_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

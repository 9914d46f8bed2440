/* SPDX-License-Identifier: MIT */
/* The gather protocol among healthy nodes: what arrives, under every single loss, random loss and drifting clocks. */
#include <stdio.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/net/network.h"

#define DEVICES 6U

static void test_nothing_lost(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];

	(void)state;
	for (uint32_t devices = 2; devices <= 32; devices += 6) {
		network_sites(sites, devices);
		struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){.devices = (uint8_t)devices,
										      .sites = NETWORK_SITES,
										      .site = sites,
										      .drift_ppm = 40,
										      .extreme = true});
		assert_non_null(e);
		for (uint32_t k = 0; k < 3; k++) {
			assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), devices);
			network_assert_complete(e);
			assert_int_equal(e->collisions, 0);
			assert_int_equal(e->nodes[1].net.counters.early, NETWORK_SITES * (k + 1U));
			assert_int_equal(e->nodes[1].epoch, 1);
			assert_int_equal(e->nodes[1].inference, k + 1U);
		}
		cats_ether_free(e);
	}
}

/* Clocks run apart by 80 ppm while all compute, six units of the nonce. Who sends first has heard nobody since, yet is
 * understood by all. Where frames are lost it takes two of a gather's first to set a node astray, and two to set it
 * right. */
static void test_clocks_run_apart(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];

	(void)state;
	network_sites(sites, 16);
	for (uint32_t i = 1; i < NETWORK_SITES; i++)
		sites[i].compute_us = 600000;
	for (uint32_t loss = 0; loss <= 10; loss += 5) {
		uint64_t refused = 0, received = 0;
		struct cats_ether *e =
			cats_ether_create(&(struct cats_ether_options){.devices = 16,
								       .sites = NETWORK_SITES,
								       .site = sites,
								       .loss_q32 = (UINT64_C(1) << 32) * loss / 100U,
								       .drift_ppm = 40,
								       .extreme = true,
								       .compute_us = 1000,
								       .seed = loss});
		assert_non_null(e);
		for (uint32_t k = 0; k < 20; k++) {
			assert_int_equal(cats_ether_infer(e, network_longest_us(e)), 16);
			network_assert_sound(e);
		}
		for (uint32_t i = 0; i < 16; i++) {
			refused += e->nodes[i].net.counters.refused;
			received += e->nodes[i].net.counters.received;
		}
		assert_true(received > 50000);
		assert_true(loss == 0 ? refused == 0 : refused * 1000 < received);
		cats_ether_free(e);
	}
}

static bool lose_one(void *context, struct cats_ether *ether, struct cats_ether_frame *frame, uint8_t receiver)
{
	const uint64_t *number = context;

	(void)ether;
	(void)receiver;
	return frame->number != *number;
}

/* Nobody hears the k-th transmission; all of it arrives nevertheless, for every k. */
static void test_lose_each_frame(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	uint64_t lost = UINT64_MAX, frames = 0;

	(void)state;
	network_sites(sites, DEVICES);
	for (uint64_t k = 0; k <= frames; k++) {
		struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
										      .sites = NETWORK_SITES,
										      .site = sites,
										      .drift_ppm = 40,
										      .pass = lose_one,
										      .context = &lost});
		assert_non_null(e);
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
		network_assert_complete(e);
		if (k == 0)
			frames = e->frames;
		cats_ether_free(e);
		lost = k;
	}
	assert_true(frames > 40);
}

/* At 10 % loss all but a few gathers are complete, in all nothing is wrong and all end in time. */
static void test_random_losses(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	uint32_t missing = 0;

	(void)state;
	network_sites(sites, DEVICES);
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct cats_ether *e = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
										      .sites = NETWORK_SITES,
										      .site = sites,
										      .loss_q32 = UINT32_MAX / 10U,
										      .drift_ppm = 40,
										      .seed = seed});
		assert_non_null(e);
		const uint32_t ended = cats_ether_infer(e, NETWORK_LIMIT_US);
		if (ended != DEVICES)
			printf("seed %u: %u ended\n", (unsigned)seed, ended);
		network_assert_sound(e);
		assert_true(e->now_ns / 1000U <= network_longest_us(e) || ended < DEVICES);
		assert_true(ended >= DEVICES - 1U);
		for (uint32_t i = 0; i < DEVICES; i++)
			for (uint32_t s = 0; s < NETWORK_SITES; s++)
				missing += e->nodes[i].results[s].missing;
		cats_ether_free(e);
	}
	/* Of 40 · 5 · 26 packets. */
	if (missing >= 40)
		fail_msg("%u packets missing", missing);
}

/* Every node computes with all others' memory overwritten, and everything comes out the same. */
static void test_poison(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_ether_options options = {
		.devices = DEVICES, .sites = NETWORK_SITES, .site = sites, .loss_q32 = UINT32_MAX / 10U, .seed = 3};
	struct cats_ether *plain, *poisoned;

	(void)state;
	network_sites(sites, DEVICES);
	plain = cats_ether_create(&options);
	options.poison = true;
	poisoned = cats_ether_create(&options);
	assert_non_null(plain);
	assert_non_null(poisoned);
	for (uint32_t k = 0; k < 2; k++) {
		assert_int_equal(cats_ether_infer(plain, NETWORK_LIMIT_US),
				 cats_ether_infer(poisoned, NETWORK_LIMIT_US));
		assert_int_equal(plain->frames, poisoned->frames);
		assert_int_equal(plain->now_ns, poisoned->now_ns);
	}
	for (uint32_t i = 0; i < DEVICES; i++)
		assert_memory_equal(plain->nodes[i].results, poisoned->nodes[i].results,
				    NETWORK_SITES * sizeof *plain->nodes[i].results);
	network_assert_sound(poisoned);
	cats_ether_free(plain);
	cats_ether_free(poisoned);
}

/* For 100 ms of its clock the node asks for nothing but its epoch. Returns what it says once that is stored. */
static struct cats_net_action wait_for_epoch(struct cats_net *net, uint64_t *now_us)
{
	struct cats_net_action action;

	for (uint32_t k = 0; k < 1000; k++, *now_us += 100) {
		cats_net_next(&action, net, *now_us);
		assert_int_equal(action.kind, CATS_NET_EPOCH);
		assert_int_equal(action.epoch, 1);
		cats_net_epoch_stored(net, 0);
	}
	cats_net_epoch_stored(net, 1);
	do {
		cats_net_next(&action, net, *now_us);
		*now_us += 100;
	} while (action.kind == CATS_NET_LISTEN);
	return action;
}

/* Flash that takes its time: nobody sends in an epoch, or computes, before it is stored. */
static void test_epoch_comes_first(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_net_action action, first;
	uint8_t frame[CATS_FRAME_BYTES_MAX];
	uint64_t now_us = 5000, stored_us;

	(void)state;
	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(
		&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	struct cats_net *source = &e->nodes[0].net, *other = &e->nodes[1].net;

	assert_true(cats_net_open(source, now_us, now_us));
	stored_us = now_us + 100000;
	action = wait_for_epoch(source, &now_us);
	assert_int_equal(action.kind, CATS_NET_OPENED);
	assert_true(action.at_us > stored_us);
	do
		cats_net_next(&action, source, now_us += 10);
	while (action.kind != CATS_NET_TRANSMIT);
	memcpy(frame, action.frame, action.frame_bytes);
	first = action;
	/* The next is made while it is on the air. */
	for (now_us = first.at_us + 1U; action.at_us <= first.at_us || action.kind != CATS_NET_TRANSMIT; now_us++)
		cats_net_next(&action, source, now_us);
	assert_true(now_us < first.at_us + cats_air_frame_us(first.frame_bytes - 2U));
	assert_memory_equal(first.frame, frame, first.frame_bytes);
	/* Nobody hears itself: who does hears a twin, or a replay. */
	assert_int_equal(cats_net_receive(source, now_us, frame, first.frame_bytes), CATS_FRAME_REFUSED_SENDER);
	assert_int_equal(cats_net_receive(other, 7000, frame, first.frame_bytes), 0);
	now_us = 7000;
	assert_int_equal(wait_for_epoch(other, &now_us).kind, CATS_NET_OPENED);
	cats_ether_free(e);
}

/* What was lost long ago is forgotten: it makes no repairs now. */
static void test_losses_are_forgotten(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct cats_ether *e[2]; /* the first lost a fifth in its first inference */

	(void)state;
	network_sites(sites, DEVICES);
	for (uint32_t k = 0; k < 2; k++) {
		e[k] = cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
								      .sites = NETWORK_SITES,
								      .site = sites,
								      .loss_q32 = k == 0 ? UINT32_MAX / 5U : 0,
								      .seed = 3});
		assert_non_null(e[k]);
		cats_ether_infer(e[k], NETWORK_LIMIT_US);
		e[k]->options.loss_q32 = 0;
		/* Eight gathers: of 128 lost slots half of one is left. */
		assert_int_equal(cats_ether_infer(e[k], NETWORK_LIMIT_US), DEVICES);
		assert_int_equal(cats_ether_infer(e[k], NETWORK_LIMIT_US), DEVICES);
	}
	for (uint32_t i = 0; i < DEVICES; i++)
		assert_in_range(e[0]->nodes[i].net.past_lost, e[1]->nodes[i].net.past_lost,
				e[1]->nodes[i].net.past_lost + 1U);
	cats_ether_free(e[0]);
	cats_ether_free(e[1]);
}

/* The slots of a device that is known to be dead are not losses: they make no repairs. */
static void test_the_dead_are_no_losses(void **state)
{
	struct cats_net_site some[NETWORK_SITES], sites[10];

	(void)state;
	network_sites(some, DEVICES);
	sites[0] = some[0];
	for (uint32_t i = 1; i < 10; i++)
		sites[i] = some[1];
	struct cats_ether *e =
		cats_ether_create(&(struct cats_ether_options){.devices = DEVICES, .sites = 10, .site = sites});
	assert_non_null(e);
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	e->nodes[3].dead = true;
	/* Each inference finds it dead once; what that gather lost, eight others forget. */
	for (uint32_t k = 0; k < 2; k++)
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES - 1U);
	for (uint32_t i = 0; i < DEVICES; i++)
		if (i != 3)
			assert_int_equal(e->nodes[i].net.past_lost, 0);
	cats_ether_free(e);
}

static bool count_open(void *context, uint8_t *plain, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		       const uint8_t *sealed, uint32_t plain_bytes)
{
	uint32_t *opened = context;

	(void)plain;
	(void)nonce;
	(void)header;
	(void)sealed;
	(void)plain_bytes;
	++*opened;
	return false;
}

/* However long nobody was heard, a frame is tried for 12 units on either side, and for the one of the schedule: each
 * takes a chip as long as the frame was on air. */
static void test_search_ends(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	const uint8_t frame[40] = {2U << 2 | CATS_FRAME_DATA, sizeof frame - 2U};
	uint32_t opened = 0;

	(void)state;
	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(
		&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	cats_ether_infer(e, 10000);
	struct cats_net *net = &e->nodes[1].net;

	assert_int_equal(net->phase, CATS_NET_PHASE_GATHER);
	net->config.aead.open = count_open;
	net->config.aead.context = &opened;
	assert_int_equal(cats_net_receive(net, net->synced_us + 10U, frame, sizeof frame), CATS_FRAME_REFUSED_TAG);
	assert_in_range(opened, 1, 4);
	opened = 0;
	assert_int_equal(cats_net_receive(net, net->synced_us + 60000000U, frame, sizeof frame),
			 CATS_FRAME_REFUSED_TAG);
	assert_in_range(opened, 25, 26);
	cats_ether_free(e);
}

/* No nonce comes twice: when an epoch's numbers are used up the next one begins. */
static void test_numbers_run_out(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];

	(void)state;
	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(
		&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	e->nodes[0].net.inference = UINT32_MAX - 2U;
	for (uint32_t epoch = 1; epoch <= 2; epoch++) {
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
		network_assert_complete(e);
		for (uint32_t i = 0; i < DEVICES; i++) {
			assert_int_equal(e->nodes[i].epoch, epoch);
			assert_int_equal(e->nodes[i].inference, epoch == 1 ? UINT32_MAX - 1U : 1U);
		}
	}
	cats_ether_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_lost),
		cmocka_unit_test(test_clocks_run_apart),
		cmocka_unit_test(test_lose_each_frame),
		cmocka_unit_test(test_random_losses),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_epoch_comes_first),
		cmocka_unit_test(test_losses_are_forgotten),
		cmocka_unit_test(test_the_dead_are_no_losses),
		cmocka_unit_test(test_search_ends),
		cmocka_unit_test(test_numbers_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

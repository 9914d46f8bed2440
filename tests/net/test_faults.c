/* SPDX-License-Identifier: MIT */
/* Faults as scripts: each node killed, reborn, frozen or isolated at each gather; frames forged, replayed, changed,
 * shortened and delayed. Whatever happens: nothing is accepted that was not sent in that gather, everyone ends by the
 * deadlines, and after the fault the next inference is complete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/net/network.h"

#define DEVICES 5U
#define PAUSE_NS 3000000U
#define RECORDS 512U

enum fault { KILL, REBOOT, FREEZE, ISOLATE, FAULTS };

struct script {
	enum fault fault;
	uint8_t victim;
	uint16_t site;
	uint64_t struck_ns; /* 0: not yet */
	bool over;
};

static void strike(struct script *s, struct cats_ether_node *n, uint64_t now_ns)
{
	s->struck_ns = now_ns;
	n->dead = s->fault == KILL || s->fault == REBOOT;
	n->deaf = n->mute = s->fault == ISOLATE;
	if (s->fault == FREEZE)
		n->frozen_until_ns = now_ns + PAUSE_NS;
}

/* Strikes in the middle of the gather's slots; a reborn or isolated node is back a while later. */
static void play(void *context, struct cats_ether *e, uint64_t now_ns)
{
	struct script *s = context;
	struct cats_ether_node *n = &e->nodes[s->victim];

	if (s->struck_ns == 0) {
		if (n->net.phase == CATS_NET_PHASE_GATHER && n->net.site == s->site &&
		    n->results[s->site].start_ns != 0 && now_ns > n->results[s->site].start_ns)
			strike(s, n, now_ns);
	} else if (!s->over && now_ns > s->struck_ns + PAUSE_NS) {
		s->over = true;
		if (s->fault == REBOOT)
			cats_ether_reboot(e, s->victim);
		n->deaf = n->mute = false;
	}
}

static void check_fault(enum fault fault, uint8_t victim, uint16_t site)
{
	struct cats_net_site sites[NETWORK_SITES];
	struct script script = {.fault = fault, .victim = victim, .site = site};
	const struct cats_ether_options options = {.devices = DEVICES,
						   .sites = NETWORK_SITES,
						   .site = sites,
						   .drift_ppm = 40,
						   .extreme = true,
						   .tick = play,
						   .context = &script};

	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(&options);
	assert_non_null(e);
	cats_ether_infer(e, network_longest_us(e));
	assert_true(script.struck_ns != 0);
	network_assert_sound(e);
	for (uint8_t i = 0; i < DEVICES && victim != 0; i++)
		if (i != victim && e->nodes[i].closed == 0)
			fail_msg("fault %d of node %u at site %u: node %u has not ended", (int)fault, victim, site, i);
	script.over = true;
	if (e->nodes[victim].dead)
		cats_ether_reboot(e, victim);
	e->nodes[victim].deaf = e->nodes[victim].mute = false;
	if (cats_ether_infer(e, NETWORK_LIMIT_US) != DEVICES)
		fail_msg("fault %d of node %u at site %u: the next inference does not end", (int)fault, victim, site);
	network_assert_complete(e);
	cats_ether_free(e);
}

static void test_each_fault(void **state)
{
	(void)state;
	for (int fault = KILL; fault < FAULTS; fault++)
		for (uint8_t victim = 0; victim < DEVICES; victim++)
			for (uint16_t site = 0; site < NETWORK_SITES; site++)
				check_fault((enum fault)fault, victim, site);
}

/* A dead node costs no more than one deadline in an inference, however many gathers follow. */
static void test_cost_of_death(void **state)
{
	struct cats_net_site sites[NETWORK_SITES];
	uint64_t healthy_ns, longest = 0, start_ns;

	(void)state;
	network_sites(sites, DEVICES);
	for (uint32_t i = 0; i < NETWORK_SITES; i++) {
		const uint32_t us = cats_net_site_deadline_us(&sites[i], DEVICES);

		longest = us > longest ? us : longest;
	}
	struct cats_ether *e = cats_ether_create(
		&(struct cats_ether_options){.devices = DEVICES, .sites = NETWORK_SITES, .site = sites});
	assert_non_null(e);
	cats_ether_infer(e, NETWORK_LIMIT_US);
	healthy_ns = e->now_ns;
	e->nodes[3].dead = true;
	for (uint32_t k = 0; k < 3; k++) {
		const struct cats_ether_result *last = e->nodes[0].results + NETWORK_SITES - 1U;

		start_ns = e->now_ns;
		assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES - 1U);
		assert_true(last->ended && last->end_ns > start_ns);
		/* The first time it is also given a second opening. */
		assert_true(last->end_ns - start_ns < (k == 0 ? 2U : 1U) * (healthy_ns + longest * 1000U));
		network_assert_sound(e);
	}
	cats_ether_free(e);
}

/* What an attacker has: everything that was on the air. */
struct attack {
	uint64_t seed, draws;
	uint32_t count;
	struct cats_ether_frame record[RECORDS];
	bool recording, replaying, forging, flipping, cutting, delaying;
	uint64_t last_ns;
};

static bool draw(struct attack *a, double p)
{
	return cats_random_event(a->seed, a->draws++, (uint64_t)(p * 4294967296.0)) != 0;
}

static bool attack_frame(void *context, struct cats_ether *e, struct cats_ether_frame *f, uint8_t receiver)
{
	struct attack *a = context;

	(void)e;
	(void)receiver;
	if (a->recording && a->count < RECORDS && (a->count == 0 || a->record[a->count - 1U].number != f->number))
		a->record[a->count++] = *f;
	if (a->flipping && draw(a, 0.2)) {
		const uint32_t bit = cats_random_below(a->seed, a->draws++, 8U * f->length);

		f->bytes[bit / 8U] = (uint8_t)(f->bytes[bit / 8U] ^ 1U << bit % 8U);
	}
	if (a->cutting && draw(a, 0.2)) {
		f->length = cats_random_below(a->seed, a->draws++, f->length);
		if (f->length >= 2 && draw(a, 0.5))
			f->bytes[1] = (uint8_t)(f->length - 2U);
	}
	if (a->delaying && draw(a, 0.2))
		f->start_ns += 20000U + 1000U * cats_random_below(a->seed, a->draws++, 5000U);
	return true;
}

/* Puts a recorded or invented frame on the air every now and then. */
static void attack_air(void *context, struct cats_ether *e, uint64_t now_ns)
{
	struct attack *a = context;

	if (now_ns < a->last_ns + 1500000U || e->flights > 0)
		return;
	a->last_ns = now_ns;
	if (a->replaying && a->count > 0) {
		const struct cats_ether_frame *f = &a->record[cats_random_below(a->seed, a->draws++, a->count)];

		cats_ether_inject(e, f->bytes, f->length);
	} else if (a->forging) {
		uint8_t bytes[CATS_FRAME_BYTES_MAX];
		const uint32_t length = 2U + cats_random_below(a->seed, a->draws++, 255U);

		for (uint32_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)cats_random_u64(a->seed, a->draws++);
		bytes[1] = (uint8_t)(length - 2U);
		cats_ether_inject(e, bytes, length);
	}
}

static void check_attack(struct attack *a)
{
	struct cats_net_site sites[NETWORK_SITES];
	const struct cats_ether_options options = {.devices = DEVICES,
						   .sites = NETWORK_SITES,
						   .site = sites,
						   .drift_ppm = 40,
						   .seed = a->seed,
						   .pass = attack_frame,
						   .tick = attack_air,
						   .context = a};
	bool *const kinds[] = {&a->replaying, &a->forging, &a->flipping, &a->cutting, &a->delaying};
	bool wanted[5];

	network_sites(sites, DEVICES);
	struct cats_ether *e = cats_ether_create(&options);
	assert_non_null(e);
	for (uint32_t i = 0; i < 5; i++) {
		wanted[i] = *kinds[i];
		*kinds[i] = false;
	}
	a->recording = true;
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_complete(e);
	a->recording = false;
	for (uint32_t i = 0; i < 5; i++)
		*kinds[i] = wanted[i];
	for (uint32_t k = 0; k < 3; k++) {
		cats_ether_infer(e, network_longest_us(e));
		network_assert_sound(e);
	}
	for (uint32_t i = 0; i < 5; i++)
		*kinds[i] = false;
	assert_int_equal(cats_ether_infer(e, NETWORK_LIMIT_US), DEVICES);
	network_assert_complete(e);
	cats_ether_free(e);
}

static void test_attacks(void **state)
{
	static struct attack attacks[] = {
		{.replaying = true}, {.forging = true}, {.flipping = true}, {.cutting = true}, {.delaying = true},
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
		for (uint64_t seed = 0; seed < 4; seed++) {
			struct attack *a = malloc(sizeof *a);

			assert_non_null(a);
			*a = attacks[i];
			a->seed = seed;
			check_attack(a);
			free(a);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fault),
		cmocka_unit_test(test_cost_of_death),
		cmocka_unit_test(test_attacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

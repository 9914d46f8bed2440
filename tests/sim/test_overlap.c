/* SPDX-License-Identifier: MIT */
/* Gathers that open while their packets are still computed: whatever the order in which nodes step, give packets and
 * take them, every byte of every arena is that of a fleet whose gathers wait, with the same packets lost; and a packet
 * is refused before its values are there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define LOST_Q32 (UINT32_MAX / 8U)
#define INFERENCE 3U

static uint64_t seed;

struct sent {
	uint32_t site, sender, number, length;
	uint32_t taken; /* receivers, as bits */
	uint8_t bytes[CATS_PACKET_BYTES_MAX];
};

struct room {
	const char *name;
	uint32_t D;
	struct cats_shards shards;
	struct cats_node nodes[CATS_DEVICES_MAX];
	uint8_t *arenas[CATS_DEVICES_MAX];
	int states[CATS_DEVICES_MAX];
	uint32_t given[CATS_DEVICES_MAX]; /* packets, at the gather at hand */
	struct sent *sent;
	uint32_t count, limit;
	uint64_t draws;
	uint32_t given_early, taken_early, refused; /* while the node still computed */
};

static uint32_t draw(struct room *r, uint32_t n)
{
	return (uint32_t)cats_random_below(seed, r->draws++, n);
}

static bool lose(void *context, uint32_t site, uint32_t sender, uint32_t receiver, uint32_t packet)
{
	const uint64_t link = cats_random_key(cats_random_key(seed, site), sender * CATS_DEVICES_MAX + receiver);

	(void)context;
	return cats_random_event(link, packet, LOST_Q32);
}

static uint32_t packets_of(const struct room *r, uint32_t site, uint32_t sender)
{
	const struct cats_shard *s = &r->nodes[sender].shard;

	return cats_message_packets(s->sites[site].tokens, (uint32_t)s->sites[site].kept * s->sites[site].column_bytes,
				    s->header->payload_max);
}

/* A step of any length. */
static void work(struct room *r, uint32_t j)
{
	if (r->states[j] != CATS_NODE_WORKING)
		return;
	r->states[j] = cats_node_step(&r->nodes[j], 1U + draw(r, 40000));
	assert_true(r->states[j] >= 0);
}

/* The next packet of node j goes to where all can take it; the one behind those that are there is refused. */
static void give(struct room *r, uint32_t j)
{
	const struct cats_node *node = &r->nodes[j];
	const uint32_t site = cats_node_open_site(node), own = cats_node_own_packets(node);
	struct sent *sent = &r->sent[r->count];
	uint8_t bytes[CATS_PACKET_BYTES_MAX];

	if (site == CATS_NO_SITE)
		return;
	if (own < packets_of(r, site, j)) {
		assert_int_equal(cats_node_packet(node, (uint16_t)own, bytes), CATS_REFUSED_PACKET_EARLY);
		assert_int_equal(cats_node_payload(node, (uint8_t)j, (uint16_t)own, bytes), 0);
		r->refused++;
	}
	if (r->given[j] >= own)
		return;
	assert_in_range(r->count, 0, r->limit - 1U);
	*sent = (struct sent){.site = site, .sender = j, .number = r->given[j]++};
	sent->length = (uint32_t)cats_node_packet(node, (uint16_t)sent->number, sent->bytes);
	assert_in_range(sent->length, CATS_PACKET_HEADER_BYTES + 1U, CATS_PACKET_BYTES_MAX);
	r->count++;
	r->given_early += r->states[j] == CATS_NODE_WORKING ? 1U : 0U;
}

/* Any packet that node j has not taken yet. */
static void take(struct room *r, uint32_t j)
{
	const uint32_t site = cats_node_open_site(&r->nodes[j]);
	const uint32_t from = r->count > 0 ? draw(r, r->count) : 0;

	for (uint32_t i = 0; site != CATS_NO_SITE && i < r->count; i++) {
		struct sent *sent = &r->sent[(from + i) % r->count];
		int refusal;

		if (sent->site != site || sent->sender == j || (sent->taken >> j & 1U) != 0 ||
		    lose(NULL, site, sent->sender, j, sent->number))
			continue;
		refusal = cats_node_receive(&r->nodes[j], sent->bytes, sent->length);
		assert_true(refusal == 0 || refusal == CATS_REFUSED_PACKET_SENDER);
		sent->taken |= 1U << j;
		r->taken_early += r->states[j] == CATS_NODE_WORKING ? 1U : 0U;
		return;
	}
}

/* What node j waits for has arrived or never will. */
static bool has_what_comes(const struct room *r, uint32_t j, uint32_t site)
{
	const struct cats_node *node = &r->nodes[j];
	const struct cats_shard_sender *senders = cats_shard_senders(&node->shard, node->shard.sites + site);

	for (uint32_t i = 0; i < r->D; i++)
		for (uint32_t p = 0; i != j && senders[i].columns > 0 && p < packets_of(r, site, i); p++)
			if (!cats_node_has(node, (uint8_t)i, (uint16_t)p) && !lose(NULL, site, i, j, p))
				return false;
	return r->given[j] == packets_of(r, site, j);
}

static void end(struct room *r, uint32_t j)
{
	const uint32_t site = cats_node_open_site(&r->nodes[j]);

	if (site == CATS_NO_SITE)
		return;
	if (r->states[j] == CATS_NODE_WORKING) {
		assert_int_equal(cats_node_end_gather(&r->nodes[j]), CATS_REFUSED_CALL_COMPUTING);
	} else if (has_what_comes(r, j, site)) {
		assert_int_equal(cats_node_end_gather(&r->nodes[j]), 0);
		r->states[j] = CATS_NODE_WORKING;
		r->given[j] = 0;
	}
}

static bool all_done(const struct room *r)
{
	for (uint32_t j = 0; j < r->D; j++)
		if (r->states[j] != CATS_NODE_DONE)
			return false;
	return true;
}

static void open_room(struct room *r, const struct fixture *f, const struct cats_kernels *kernels)
{
	struct cats_error error = {0};

	r->name = f->of->name;
	r->D = f->of->config.devices;
	fixture_shards(&r->shards, f, r->D, kernels->target);
	for (uint32_t j = 0; j < r->D; j++) {
		assert_int_equal(cats_shards_open_node(&r->nodes[j], &r->arenas[j], &r->shards, j, kernels, &error),
				 CATS_OK);
		for (uint32_t site = 0; site < r->nodes[j].shard.header->site_count; site++)
			r->limit += packets_of(r, site, j);
		cats_node_start(&r->nodes[j], INFERENCE);
	}
	r->sent = calloc(r->limit + 1U, sizeof *r->sent);
	assert_non_null(r->sent);
	assert_int_equal(cats_node_input(&r->nodes[0], f->input, f->input_count), 0);
}

static void run_room(struct room *r)
{
	static void (*const actions[])(struct room *, uint32_t) = {work, give, take, take, end};

	while (!all_done(r))
		actions[draw(r, sizeof actions / sizeof actions[0])](r, draw(r, r->D));
}

/* The same inference, gather by gather. */
static void compare(const struct room *r, const struct fixture *f, const struct cats_kernels *kernels)
{
	const struct cats_fleet_options options = {.kernels = kernels, .lose = lose};
	const struct cats_fleet_input input = {.values = f->input, .count = f->input_count};
	struct cats_fleet_report report;
	struct cats_fleet *fleet;
	struct cats_error error = {0};

	assert_int_equal(cats_fleet_create(&fleet, &r->shards, &options, &error), CATS_OK);
	assert_int_equal(cats_fleet_run(&report, fleet, &input, INFERENCE, &error), CATS_OK);
	for (uint32_t j = 0; j < r->D; j++) {
		const struct cats_node *one = cats_fleet_node(fleet, j), *other = &r->nodes[j];

		if (memcmp(one->arena, other->arena, other->shard.header->arena_bytes) != 0)
			fail_msg("%s: node %u: its arena is another", r->name, j);
		assert_int_equal(cats_node_share(one).arrived, cats_node_share(other).arrived);
		assert_int_equal(cats_node_share(one).expected, cats_node_share(other).expected);
		assert_int_equal(cats_node_macs(one), cats_node_macs(other));
	}
	cats_fleet_free(fleet);
}

static void close_room(struct room *r)
{
	for (uint32_t j = 0; j < r->D; j++)
		free(r->arenas[j]);
	free(r->sent);
	cats_shards_free(&r->shards);
}

static void bytes_do_not_depend_on_the_order(void **state)
{
	static const struct cats_kernels *const kernels[] = {&cats_kernels_nrf52840_c, &cats_kernels_plain};
	uint32_t given = 0, taken = 0, refused = 0;

	(void)state;
	for (uint32_t i = 0; i < 2U * fixture_case_count; i++) {
		static struct room r;
		struct fixture f;

		memset(&r, 0, sizeof r);
		r.draws = (uint64_t)i << 32;
		fixture_open(&f, fixture_cases + i / 2U, seed);
		open_room(&r, &f, kernels[i % 2U]);
		run_room(&r);
		compare(&r, &f, kernels[i % 2U]);
		given += r.given_early;
		taken += r.taken_early;
		refused += r.refused;
		close_room(&r);
		fixture_close(&f);
	}
	/* It is what it is about. */
	assert_true(given > 100 && taken > 100 && refused > 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_do_not_depend_on_the_order),
	};

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20261125;
	printf("seed %llu (an argument replaces it)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

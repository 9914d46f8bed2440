/* SPDX-License-Identifier: MIT */
/* The times of gathers in shards: the same on all nodes, what was measured and what docs/SPEC-integer.md makes of it;
 * plans that disagree, or have none, are refused. */
#include <stdlib.h>
#include <string.h>

#include "net/node.h"
#include "sim/play.h"
#include "sim/somegather.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define SEED 1

static const struct cats_shard_site *sites_of(const struct cats_shards *shards, uint32_t j)
{
	return (const void *)(shards->bytes[j] + cats_shards_header(shards, j)->sites);
}

static void open_fixture(struct fixture *f, const char *name)
{
	for (uint32_t i = 0; i < fixture_case_count; i++)
		if (strcmp(fixture_cases[i].name, name) == 0) {
			fixture_open(f, fixture_cases + i, SEED);
			return;
		}
	fail_msg("no case \"%s\"", name);
}

static void open_case(struct fixture *f, struct cats_shards *shards, const char *name)
{
	open_fixture(f, name);
	fixture_shards(shards, f, f->of->config.devices, CATS_TARGET_NRF52840);
}

static void all_nodes_have_the_same(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		struct cats_shards shards;
		struct fixture f;

		fixture_open(&f, fixture_cases + i, SEED);
		fixture_shards(&shards, &f, f.of->config.devices, CATS_TARGET_NRF52840);
		for (uint32_t j = 0; j < shards.devices; j++)
			for (uint32_t site = 0; site < cats_shards_header(&shards, j)->site_count; site++) {
				const struct cats_shard_site *at = sites_of(&shards, j) + site;

				assert_int_equal(at->compute_us, sites_of(&shards, 0)[site].compute_us);
				assert_int_equal(at->deadline_us, sites_of(&shards, 0)[site].deadline_us);
				assert_true(at->compute_us > CATS_NET_BETWEEN_US && at->deadline_us > 0);
			}
		cats_shards_free(&shards);
		fixture_close(&f);
	}
}

/* 64 cycles are 1 µs; 40 ppm of it; rounded up; and what is between two gathers. */
static void computation_is_what_was_measured(void **state)
{
	struct cats_shards shards;
	struct fixture f;
	uint64_t cycles[11], most = 0;

	(void)state;
	open_fixture(&f, "RMS, class token, GELU");
	fixture_shards_without_overlap(&shards, &f, 2, CATS_TARGET_NRF52840);
	assert_int_equal(cats_shards_header(&shards, 0)->site_count, 11);
	assert_int_equal(
		cats_times_measure(cycles, &shards, cats_play_kernels(CATS_TARGET_NRF52840), UINT64_C(1) << 29, NULL),
		CATS_OK);
	for (uint32_t site = 0; site < 11; site++) {
		const double us = (double)cycles[site] / 64 * 1.00004;

		most = cycles[site] > most ? cycles[site] : most;
		assert_in_range(sites_of(&shards, 0)[site].compute_us, (uint32_t)us + CATS_NET_BETWEEN_US,
				(uint32_t)us + CATS_NET_BETWEEN_US + 2U);
	}
	assert_true(most > 6400);
	cats_shards_free(&shards);
	fixture_close(&f);
}

/* Beside what hides, an OPEN costs at most its op's fetching, 130 cycles, 2.1 µs. */
#define OPEN_US 3U

/* Gathers that open while their packets are computed begin no later than those that wait, and some much earlier. */
static void overlap_is_never_later(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		struct cats_shards overlap, without_overlap;
		uint64_t with_us = 0, without_us = 0;
		struct fixture f;

		fixture_open(&f, fixture_cases + i, SEED);
		fixture_shards(&overlap, &f, f.of->config.devices, CATS_TARGET_NRF52840);
		fixture_shards_without_overlap(&without_overlap, &f, f.of->config.devices, CATS_TARGET_NRF52840);
		for (uint32_t site = 0; site < cats_shards_header(&overlap, 0)->site_count; site++) {
			const struct cats_shard_site *with = sites_of(&overlap, 0) + site;
			const struct cats_shard_site *without = sites_of(&without_overlap, 0) + site;

			assert_in_range(with->compute_us, 1, without->compute_us + OPEN_US);
			assert_int_equal(with->deadline_us, without->deadline_us);
			with_us += with->compute_us - CATS_NET_BETWEEN_US;
			without_us += without->compute_us - CATS_NET_BETWEEN_US;
		}
		if (f.of->config.devices > 1)
			assert_in_range(with_us, 1, without_us * 19 / 20);
		else
			assert_int_equal(with_us, without_us);
		cats_shards_free(&overlap);
		cats_shards_free(&without_overlap);
		fixture_close(&f);
	}
}

/* Two devices, 10 tokens of 12 values from each at 0.attn_in in packets of 16 bytes. The slots of 20 packets of 12
 * bytes, each with 4 of header, 4 of tag and 11 around, 31 bytes of 4 µs, and 48: 172, rounded up to 8: 176, are 3,520
 * together, and half as much again more than three times the limit. */
static void deadlines_are_the_protocols(void **state)
{
	struct cats_net_site described = {0};
	struct cats_shards shards;
	struct cats_shard shard;
	struct fixture f;
	uint32_t where;

	(void)state;
	open_case(&f, &shards, "RMS, class token, GELU");
	assert_int_equal(cats_shard_open(&shard, shards.bytes[1], shards.sizes[1], &where), 0);
	assert_in_range(sites_of(&shards, 1)[1].deadline_us, 5280, 3 * 3520);
	for (uint16_t site = 0; site < 11; site++) {
		assert_true(cats_net_site_of_shard(&described, &shard, site));
		assert_int_equal(described.compute_us, sites_of(&shards, 0)[site].compute_us);
		described.deadline_us = 0;
		assert_int_equal(sites_of(&shards, 0)[site].deadline_us, cats_net_site_deadline_us(&described, 2));
	}
	cats_shards_free(&shards);
	fixture_close(&f);
}

static void set_times(struct cats_shards *shards, uint32_t j, uint32_t us)
{
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)shards->bytes[j];

	for (uint32_t site = 0; site < h->site_count; site++) {
		struct cats_shard_site *at = (struct cats_shard_site *)(void *)(shards->bytes[j] + h->sites) + site;

		at->compute_us = at->deadline_us = us;
	}
	h->crc32 = cats_shard_checksum(h, shards->sizes[j]);
}

static void nodes_that_differ_are_refused(void **state)
{
	struct cats_shards shards, again;
	uint8_t *blobs[CATS_DEVICES_MAX];
	struct fixture f;
	struct cats_error error = {0};

	(void)state;
	open_case(&f, &shards, "RMS, class token, GELU");
	set_times(&shards, 1, 9);
	for (uint32_t j = 0; j < shards.devices; j++) {
		blobs[j] = malloc(shards.sizes[j]);
		assert_non_null(blobs[j]);
		memcpy(blobs[j], shards.bytes[j], shards.sizes[j]);
	}
	assert_int_equal(cats_shards_take(&again, blobs, shards.sizes, shards.devices, "two", &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "node-01.shard"));
	assert_non_null(strstr(error.text, "SHARD_PLAN"));
	cats_shards_free(&shards);
	fixture_close(&f);
}

static void a_network_needs_times(void **state)
{
	const struct cats_topology topology = {.nodes = 2};
	const struct cats_play_options options = {.kernels = cats_play_kernels(CATS_TARGET_NRF52840),
						  .topology = &topology};
	struct cats_somegather *play;
	struct cats_shards shards;
	struct fixture f;
	struct cats_error error = {0};

	(void)state;
	open_case(&f, &shards, "RMS, class token, GELU");
	for (uint32_t j = 0; j < shards.devices; j++)
		set_times(&shards, j, 0);
	assert_int_equal(cats_somegather_create(&play, &shards, &options, &error), CATS_ERR_MISMATCH);
	assert_non_null(strstr(error.text, "plan again"));
	cats_shards_free(&shards);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_nodes_have_the_same),     cmocka_unit_test(computation_is_what_was_measured),
		cmocka_unit_test(deadlines_are_the_protocols), cmocka_unit_test(nodes_that_differ_are_refused),
		cmocka_unit_test(a_network_needs_times),       cmocka_unit_test(overlap_is_never_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Measuring what gathers wait for, and writing it down. See times.h. */
#include "sim/times.h"

#include <stdlib.h>
#include <string.h>

#include "net/node.h"
#include "sim/play.h"

/* A gather begins when every node is ready that has lost up to an eighth of the packets after all repair, or two nodes
 * of sixteen. Who has lost more computes longer, and comes late to the next gather, which the protocol allows for. */
#define PLANNED_LOSS_Q32 (UINT64_C(1) << 29)
/* Notes what each node has computed when it has a site's gather open. */
struct measurement {
	uint64_t before[CATS_DEVICES_MAX];
	uint64_t *cycles;
};

static void measure_site(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct measurement *m = context;

	for (uint32_t j = 0; j < cats_fleet_devices(fleet); j++) {
		const uint64_t so_far = cats_node_cycles(cats_fleet_node(fleet, j));

		if (so_far - m->before[j] > m->cycles[site])
			m->cycles[site] = so_far - m->before[j];
		m->before[j] = so_far;
	}
}

static enum cats_status measure_with(struct measurement *m, const struct cats_shards *shards,
				     const struct cats_kernels *kernels, uint64_t lost_q32, struct cats_error *error)
{
	const struct cats_fleet_options options = {
		.kernels = kernels,
		.budget = CATS_PLAY_BUDGET,
		.loss = {.link_q32 = lost_q32, .per_packet = true},
		.charge_most = lost_q32 == CATS_TIMES_WORST_Q32,
		.observe = measure_site,
		.context = m,
	};
	const struct cats_shard_header *h = cats_shards_header(shards, cats_shards_header(shards, 0)->source);
	const struct cats_shard_site *input =
		(const struct cats_shard_site *)(const void *)((const uint8_t *)h + h->sites);
	const size_t count = (size_t)input->tokens * input->columns;
	int8_t *zeros = calloc(count, 1);
	struct cats_fleet_report report;
	struct cats_fleet *fleet = NULL;
	enum cats_status status = CATS_OK;

	memset(m->before, 0, sizeof m->before);
	if (zeros == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", shards->name);
	status = cats_fleet_create(&fleet, shards, &options, error);
	if (status == CATS_OK)
		status = cats_fleet_run(&report, fleet, &(struct cats_fleet_input){.values = zeros, .count = count}, 0,
					error);
	cats_fleet_free(fleet);
	free(zeros);
	return status;
}

enum cats_status cats_times_measure(uint64_t *cycles, const struct cats_shards *shards,
				    const struct cats_kernels *kernels, uint64_t lost_q32, struct cats_error *error)
{
	struct measurement m = {.cycles = cycles};
	enum cats_status status;

	memset(cycles, 0, cats_shards_header(shards, 0)->site_count * sizeof *cycles);
	status = measure_with(&m, shards, kernels, 0, error);
	return status < 0 ? status : measure_with(&m, shards, kernels, lost_q32, error);
}

static uint32_t compute_us(uint64_t cycles)
{
	const uint64_t slowest = cycles + cycles * CATS_CLOCK_DRIFT_PPM_MAX / 1000000U;
	const uint64_t us = slowest / (uint64_t)CATS_TIME_US + 1U + CATS_NET_BETWEEN_US;

	return us < CATS_SHARD_TIMES_MAX_US ? (uint32_t)us : CATS_SHARD_TIMES_MAX_US;
}

/* The sites of device j's shard, to be written to. */
static struct cats_shard_site *sites_of(struct cats_shards *shards, uint32_t j)
{
	return (struct cats_shard_site *)(void *)(shards->bytes[j] + cats_shards_header(shards, j)->sites);
}

/* False when the protocol cannot carry the site. */
static bool put_site(struct cats_shards *shards, const struct cats_shard *first, uint32_t site, uint64_t cycles)
{
	struct cats_net_site described = {0};
	struct cats_net_layout layout;

	if (!cats_net_site_of_shard(&described, first, (uint16_t)site) ||
	    !cats_net_layout_of(&layout, &described, shards->devices))
		return false;
	described.deadline_us = 0;
	for (uint32_t j = 0; j < shards->devices; j++) {
		sites_of(shards, j)[site].compute_us = compute_us(cycles);
		sites_of(shards, j)[site].deadline_us = cats_net_site_deadline_us(&described, shards->devices);
	}
	return true;
}

static void clear_times(struct cats_shards *shards, uint32_t site_count)
{
	for (uint32_t j = 0; j < shards->devices; j++)
		for (uint32_t site = 0; site < site_count; site++)
			sites_of(shards, j)[site].compute_us = sites_of(shards, j)[site].deadline_us = 0;
}

static enum cats_status finish_shards(struct cats_shards *shards, struct cats_error *error)
{
	for (uint32_t j = 0; j < shards->devices; j++) {
		struct cats_shard_header *h = (struct cats_shard_header *)(void *)shards->bytes[j];
		struct cats_shard shard;
		uint32_t where;

		h->crc32 = cats_shard_checksum(h, shards->sizes[j]);
		if (cats_shard_open(&shard, h, shards->sizes[j], &where) != 0)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: an inference would take longer than %u s, all gathers to their deadlines",
					 shards->name, CATS_SHARD_TIMES_MAX_US / 1000000U);
	}
	return CATS_OK;
}

enum cats_status cats_times_write(struct cats_shards *shards, const struct cats_kernels *kernels,
				  struct cats_error *error)
{
	const uint32_t site_count = cats_shards_header(shards, 0)->site_count;
	uint64_t *cycles = calloc(site_count, sizeof *cycles);
	struct cats_shard first;
	enum cats_status status;
	uint32_t where;

	if (cycles == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", shards->name);
	status = cats_times_measure(cycles, shards, kernels, PLANNED_LOSS_Q32, error);
	if (status == CATS_OK && cats_shard_open(&first, shards->bytes[0], shards->sizes[0], &where) != 0)
		status = cats_fail(error, CATS_ERR_MISMATCH, "%s: not a shard", shards->name);
	for (uint32_t site = 0; status == CATS_OK && site < site_count; site++)
		if (!put_site(shards, &first, site, cycles[site])) {
			clear_times(shards, site_count);
			break;
		}
	free(cycles);
	return status < 0 ? status : finish_shards(shards, error);
}

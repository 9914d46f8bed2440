/* SPDX-License-Identifier: MIT */
/* Measuring what gathers wait for, and writing it down. See times.h. */
#include "sim/times.h"

#include <stdlib.h>
#include <string.h>

#include "net/node.h"
#include "sim/play.h"
#include "sim/somegather.h"

/* A gather begins when every node is ready that has lost up to an eighth of the packets after all repair, or two nodes
 * of sixteen. Who has lost more computes longer, and comes late to the next gather, which the protocol allows for. */
#define PLANNED_LOSS_Q32 (UINT64_C(1) << 29)

/* Notes what each node has computed when it has a site's gather open, and when its packets are there. */
struct measurement {
	uint64_t before[CATS_DEVICES_MAX];
	uint64_t *cycles;    /* [sites] */
	uint64_t *begins_us; /* [sites], after the end of the gather before; NULL: not asked for */
	/* The gather that each node had open when it was looked at last, and its packets then. */
	uint16_t site[CATS_DEVICES_MAX];
	uint32_t packets[CATS_DEVICES_MAX];
	struct slots *slots; /* [sites] */
};

/* Of a site: when what is sent, and how long it may take. */
struct slots {
	uint32_t deadline_us;
	struct cats_net_layout layout;
	struct cats_net_slot_time times[CATS_NET_PACKETS_MAX];
};

static void measure_site(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct measurement *m = context;

	for (uint32_t j = 0; j < cats_fleet_devices(fleet); j++) {
		const uint64_t so_far = cats_node_cycles(cats_fleet_node(fleet, j));

		if (so_far - m->before[j] > m->cycles[site])
			m->cycles[site] = so_far - m->before[j];
		m->before[j] = so_far;
		m->site[j] = CATS_NO_SITE;
	}
}

/* By the slowest clock, rounded up. */
static uint64_t us_of(uint64_t cycles)
{
	return (cycles + cycles * CATS_CLOCK_DRIFT_PPM_MAX / 1000000U) / (uint64_t)CATS_TIME_US + 1U;
}

/* The gather of `site` may begin so long after the one before if a node is to have computed for so many cycles before
 * a slot. */
static void ask(struct measurement *m, uint32_t site, uint64_t cycles, const struct cats_net_slot_time *slot)
{
	const uint64_t us = us_of(cycles + (uint64_t)slot->before * CATS_SOMEGATHER_RECEIVE_CYCLES);
	/* By the fastest clock. */
	const uint64_t later_us = slot->at_us - slot->at_us * CATS_CLOCK_DRIFT_PPM_MAX / 1000000U;

	if (us > later_us && us - later_us > m->begins_us[site])
		m->begins_us[site] = us - later_us;
}

static void note_packets(void *context, const struct cats_fleet *fleet, uint32_t j)
{
	static const struct cats_net_slot_time beginning = {0, 0};
	struct measurement *m = context;
	const struct cats_node *node = cats_fleet_node(fleet, j);
	const uint16_t site = cats_node_open_site(node);
	const uint64_t cycles = cats_node_cycles(node) - m->before[j];

	if (site == CATS_NO_SITE)
		return;
	if (site != m->site[j]) {
		m->site[j] = site;
		m->packets[j] = 0;
		ask(m, site, cycles, &beginning);
	}
	for (; m->packets[j] < cats_node_own_packets(node); m->packets[j]++)
		ask(m, site, cycles, m->slots[site].times + m->slots[site].layout.first[j] + m->packets[j]);
}

static enum cats_status measure_with(struct measurement *m, const struct cats_shards *shards,
				     const struct cats_kernels *kernels, uint64_t lost_q32, struct cats_error *error)
{
	const struct cats_fleet_options options = {
		.kernels = kernels,
		.budget = CATS_PLAY_BUDGET,
		.loss = {.link_q32 = lost_q32, .per_packet = true},
		.charge_most = lost_q32 == CATS_TIMES_WORST_Q32,
		.stepped = m->begins_us != NULL ? note_packets : NULL,
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
	for (uint32_t j = 0; j < CATS_DEVICES_MAX; j++)
		m->site[j] = CATS_NO_SITE;
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

static enum cats_status measure(struct measurement *m, const struct cats_shards *shards,
				const struct cats_kernels *kernels, uint64_t lost_q32, struct cats_error *error)
{
	enum cats_status status;

	memset(m->cycles, 0, cats_shards_header(shards, 0)->site_count * sizeof *m->cycles);
	status = measure_with(m, shards, kernels, 0, error);
	return status < 0 ? status : measure_with(m, shards, kernels, lost_q32, error);
}

enum cats_status cats_times_measure(uint64_t *cycles, const struct cats_shards *shards,
				    const struct cats_kernels *kernels, uint64_t lost_q32, struct cats_error *error)
{
	struct measurement m = {.cycles = cycles};

	return measure(&m, shards, kernels, lost_q32, error);
}

/* The sites of device j's shard, to be written to. */
static struct cats_shard_site *sites_of(struct cats_shards *shards, uint32_t j)
{
	return (struct cats_shard_site *)(void *)(shards->bytes[j] + cats_shards_header(shards, j)->sites);
}

/* What the protocol makes of a site; false when it cannot carry it. */
static bool describe(struct slots *slots, const struct cats_shard *first, uint32_t site)
{
	const uint32_t devices = first->header->devices;
	struct cats_net_site described = {0};

	if (!cats_net_site_of_shard(&described, first, (uint16_t)site) ||
	    !cats_net_layout_of(&slots->layout, &described, devices))
		return false;
	described.deadline_us = 0;
	slots->deadline_us = cats_net_site_deadline_us(&described, devices);
	cats_net_slot_times(slots->times, &slots->layout, &described, devices);
	return true;
}

static void put_times(struct cats_shards *shards, uint32_t site, uint64_t begins_us, uint32_t deadline_us)
{
	const uint64_t us = begins_us + CATS_NET_BETWEEN_US;

	for (uint32_t j = 0; j < shards->devices; j++) {
		sites_of(shards, j)[site].compute_us =
			us < CATS_SHARD_TIMES_MAX_US ? (uint32_t)us : CATS_SHARD_TIMES_MAX_US;
		sites_of(shards, j)[site].deadline_us = deadline_us;
	}
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

static enum cats_status write_times(struct measurement *m, struct cats_shards *shards,
				    const struct cats_kernels *kernels, struct cats_error *error)
{
	const uint32_t site_count = cats_shards_header(shards, 0)->site_count;
	struct cats_shard first;
	enum cats_status status;
	uint32_t where;

	if (cats_shard_open(&first, shards->bytes[0], shards->sizes[0], &where) != 0)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: not a shard", shards->name);
	for (uint32_t i = 0; i < site_count; i++)
		if (!describe(m->slots + i, &first, i)) {
			clear_times(shards, site_count);
			return CATS_OK;
		}
	status = measure(m, shards, kernels, PLANNED_LOSS_Q32, error);
	for (uint32_t i = 0; status == CATS_OK && i < site_count; i++)
		put_times(shards, i, m->begins_us[i], m->slots[i].deadline_us);
	return status;
}

enum cats_status cats_times_write(struct cats_shards *shards, const struct cats_kernels *kernels,
				  struct cats_error *error)
{
	const uint32_t site_count = cats_shards_header(shards, 0)->site_count;
	struct measurement m = {
		.cycles = calloc(site_count, sizeof *m.cycles),
		.begins_us = calloc(site_count, sizeof *m.begins_us),
		.slots = calloc(site_count, sizeof *m.slots),
	};
	enum cats_status status;

	if (m.cycles == NULL || m.begins_us == NULL || m.slots == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", shards->name);
	else
		status = write_times(&m, shards, kernels, error);
	free(m.cycles);
	free(m.begins_us);
	free(m.slots);
	return status < 0 ? status : finish_shards(shards, error);
}

/* SPDX-License-Identifier: MIT */
/* The plainest way to move a plan's packets: each once, in the order of the plan, one channel, no repair, nothing
 * authenticated. Slots are as long as their packet and nodes' clocks ask for; whoever did not hear goes without. A
 * yardstick for protocols.
 *
 * It takes for granted that all clocks agree when an inference starts. After that nothing is corrected, so slots have
 * room for the drift of the whole inference. */
#ifndef CATS_SIM_BARE_H
#define CATS_SIM_BARE_H

#include "sim/play.h"

/* One frame of the schedule; times count from the start of the inference. */
struct cats_bare_slot {
	uint16_t site, packet;
	uint8_t sender;
	uint32_t payload_bytes; /* a packet as core/ makes it, header and all */
	cats_time start;        /* receivers are ready from here on */
	cats_time send;         /* first bit by the sender's clock */
	cats_time end;          /* the next slot's start, at the earliest */
};

/* Owned memory: cats_bare_schedule_free. */
struct cats_bare_schedule {
	cats_time guard; /* two clocks differ by at most this, all the way */
	uint32_t slot_count, sites;
	struct cats_bare_slot *slots; /* in the order of time */
	uint32_t *first_slot;         /* [sites + 1] */
	cats_time *open, *close;      /* [sites] */
};

/* `cycles[s]`, s = 0 … sites - 1: the most that any node computes before it has the gather of site s open
 * (sim/times.h). */
CATS_MUST_CHECK enum cats_status cats_bare_schedule_make(struct cats_bare_schedule *out,
							 const struct cats_shards *shards, const uint64_t *cycles,
							 struct cats_error *error);
void cats_bare_schedule_free(struct cats_bare_schedule *schedule);

struct cats_bare;

/* `shards` and what `options` points to outlive it. */
CATS_MUST_CHECK enum cats_status cats_bare_create(struct cats_bare **out, const struct cats_shards *shards,
						  const struct cats_play_options *options, struct cats_error *error);
void cats_bare_free(struct cats_bare *bare);

const struct cats_bare_schedule *cats_bare_schedule(const struct cats_bare *bare);

/* One inference, some time after the last. */
CATS_MUST_CHECK enum cats_status cats_bare_infer(struct cats_play_report *report, struct cats_bare *bare,
						 const struct cats_fleet_input *input, uint16_t number,
						 struct cats_error *error);

#endif

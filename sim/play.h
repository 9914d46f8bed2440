/* SPDX-License-Identifier: MIT */
/* One inference of all nodes of a plan over the simulated radio: what every way of playing it takes and reports. */
#ifndef CATS_SIM_PLAY_H
#define CATS_SIM_PLAY_H

#include "sim/fleet.h"
#include "sim/world.h"

struct cats_play_options {
	const struct cats_kernels *kernels; /* whose costs are the processors' time; must suit the shards' target */
	const struct cats_topology *topology;
	double link_loss, burst_share;
	uint32_t drift_ppm;
	uint64_t seed;
	struct cats_observer observer;
	/* As in struct cats_medium_options. */
	bool (*lose)(void *context, const struct cats_transmission *frame, uint32_t receiver);
	void *context;
};

/* One inference. Pointers are valid until the next one. */
struct cats_play_report {
	cats_time start, end; /* from the source's input in hand to the last node's being done */
	cats_time latency;    /* from the source's input in hand to the result at the sink */
	uint32_t sites;
	const cats_time *gather; /* [sites] from the first node that had the gather open to the last that ended it */
	cats_time waiting; /* of the latency: the sink had a gather open; the rest it computed or was ready early */
	uint32_t slots;    /* given to frames, used or not */
	cats_time air;     /* of all frames */
	uint64_t frames, air_bytes;     /* sent; bytes with everything around the payload */
	uint64_t expected, arrived;     /* values, over all nodes */
	cats_time (*spent)[CATS_DRAWS]; /* [nodes], start … end */
	const struct cats_node *sink;   /* has the result */
};

/* The nodes' own runtime, each with memory of its own. */
struct cats_station {
	struct cats_node node;
	uint8_t *arena;
};

/* The host's fastest kernels for unpacked shards (cats_shards_unpack), which count the cycles of a device of `target`:
 * the same work in units of the same size, at that target's estimated costs. */
CATS_MUST_CHECK bool cats_play_kernels(struct cats_kernels *out, enum cats_target target);

#endif

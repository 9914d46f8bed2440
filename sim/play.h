/* SPDX-License-Identifier: MIT */
/* One inference of all nodes of a plan over the simulated radio: what every way of playing it takes and reports. */
#ifndef CATS_SIM_PLAY_H
#define CATS_SIM_PLAY_H

#include "sim/fleet.h"
#include "sim/stages.h"
#include "sim/world.h"

enum cats_fault_kind { CATS_FAULT_KILL, CATS_FAULT_REBOOT, CATS_FAULT_FREEZE };

/* What happens to a node that is not the radio's doing. */
struct cats_fault {
	uint32_t inference; /* from 0 on */
	uint32_t node;
	cats_time after; /* the inference's start */
	enum cats_fault_kind kind;
	cats_time lasting; /* FREEZE: so long it does nothing, and then goes on */
};

struct cats_play_options {
	const struct cats_kernels *kernels; /* whose costs are the processors' time; must suit the shards */
	const struct cats_topology *topology;
	double link_loss, burst_share;
	uint32_t drift_ppm;
	uint64_t seed;
	struct cats_observer observer;
	const struct cats_fault *faults; /* [fault_count], of nodes and inferences that there are */
	uint32_t fault_count;
	/* Called before and after a node's own part in an event, with the same context; NULL: nothing. */
	void (*turn)(void *context, uint32_t node, bool begins);
	/* Called when a node's gather in inference `moment` (epoch << 32 | number) is about to end, with the same
	 * context, while what arrived can be read; NULL: nothing. */
	void (*gathered)(void *context, uint32_t node, uint64_t moment, const struct cats_node *runtime);
	/* As in struct cats_medium_options. */
	bool (*lose)(void *context, const struct cats_transmission *frame, uint32_t receiver);
	void *context;
};

/* One inference. Pointers are valid until the next one. */
struct cats_play_report {
	cats_time start, end; /* from the source's input in hand to the last node's being done */
	cats_time latency;    /* from the source's input in hand to the result at the sink; without one, to the end */
	uint32_t sites;
	const cats_time *gather; /* [sites] from the first node that had the gather open to the last that ended it */
	const struct cats_stages *stages;
	cats_time waiting; /* of the latency: the sink had a gather open; the rest it computed or was ready early */
	uint32_t slots;    /* given to frames, used or not */
	cats_time air;     /* of all frames */
	uint64_t frames, air_bytes;     /* sent; bytes with everything around the payload */
	uint64_t refused;               /* frames that nodes received and did not believe or understand */
	uint64_t expected, arrived;     /* values, over all nodes */
	cats_time (*spent)[CATS_DRAWS]; /* [nodes], start … end */
	const struct cats_node *sink;   /* has the result */
};

/* The nodes' own runtime, each with memory of its own. */
struct cats_station {
	struct cats_node node;
	uint8_t *arena;
};

/* A target's own kernels, which run on the host too: the units of work and their estimated cycles are the device's. */
const struct cats_kernels *cats_play_kernels(enum cats_target target);

/* Of a step: no limit, yet in units, because a host that runs whole ops at once charges no cycles for them. */
#define CATS_PLAY_BUDGET (UINT32_MAX - 1U)

#endif

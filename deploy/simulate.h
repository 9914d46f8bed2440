/* SPDX-License-Identifier: MIT */
/* A plan over a data set on the simulated radio: accuracy, latency, airtime and energy out of the same run. What comes
 * out depends on seed and samples, never on threads. Host only. */
#ifndef CATS_DEPLOY_SIMULATE_H
#define CATS_DEPLOY_SIMULATE_H

#include "deploy/crew.h"
#include "deploy/plan.h"
#include "io/dataset.h"
#include "sim/play.h"

/* So many inferences follow each other on the same nodes; then they start afresh. Independent of each other, such
 * blocks are shared out to threads. */
#define CATS_SIMULATION_BLOCK 32U

enum cats_protocol {
	CATS_PROTOCOL_SOMEGATHER, /* authenticated, repaired: net/ */
	CATS_PROTOCOL_BARE,       /* each packet once: sim/bare.h */
	CATS_PROTOCOLS
};
extern const char *const cats_protocol_names[CATS_PROTOCOLS];

struct cats_simulation_options {
	enum cats_protocol protocol;
	size_t limit;         /* at most so many samples, from the first on; 0 = all */
	const char *topology; /* as cats_topology_open; NULL: "full" */
	const char *
		faults; /* a script's file (sim/faults.h), for somegather; then all samples are one block. NULL: none */
	double link_loss, burst_share;
	uint32_t drift_ppm; /* clocks are off by up to ± this */
	uint64_t seed;
	bool replay;                   /* each sample, for somegather (deploy/replay_simulated.h) */
	struct cats_observer observer; /* of the first block, which is then at most the first `limit` samples */
	struct cats_crew crew;
};

/* Means and order statistics over the samples; times in microseconds. */
struct cats_simulation_result {
	const char *metric; /* "accuracy" (labels; share of samples) or "mse" (targets) */
	double value;
	size_t samples;
	uint64_t missing, results;  /* results that did not arrive, and all, of all samples */
	uint64_t expected, arrived; /* values, over all samples and nodes */
	uint64_t refused;           /* frames received and not believed or understood */
	double latency_p50_us, latency_p90_us, latency_max_us;
	double waiting_share; /* of the latency: the sink had a gather open */
	double slots, frames, air_bytes, air_us;
	uint32_t sites, devices;
	double *gather_us;           /* [sites]: medians */
	double *stage_us, *stage_uj; /* [sites]: medians; means of one device (sim/stages.h) */
	double *energy_uj;           /* [devices]: means */
	double virtual_us;           /* of all inferences together */
	/* Of the replays: bytes, and where the first difference of the lowest sample is. */
	uint64_t compared_bytes, different_bytes;
	size_t different_sample;
	char difference[80];
};

/* The plan's shards are as they were loaded, not unpacked. `name` is the data's, for errors. Owned memory:
 * cats_simulation_free. */
CATS_MUST_CHECK enum cats_status cats_simulate(struct cats_simulation_result *out, const struct cats_plan *plan,
					       const struct cats_dataset *data, const char *name,
					       const struct cats_simulation_options *options, struct cats_error *error);
void cats_simulation_free(struct cats_simulation_result *result);

#endif

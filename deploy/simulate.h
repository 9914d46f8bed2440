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

struct cats_simulation_options {
	size_t limit;         /* at most so many samples, from the first on; 0 = all */
	const char *topology; /* as cats_topology_open; NULL: "full" */
	double link_loss, burst_share;
	uint32_t drift_ppm; /* clocks are off by up to ± this */
	uint64_t seed;
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
	double latency_p50_us, latency_p90_us, latency_max_us;
	double waiting_share; /* of the latency: the sink had a gather open */
	double slots, frames, air_bytes, air_us;
	uint32_t sites, devices;
	double *gather_us; /* [sites]: medians */
	double *energy_uj; /* [devices]: means */
	double virtual_us; /* of all inferences together */
};

/* Unpacks the plan's shards for the host's kernels, once. `name` is the data's, for errors. Owned memory:
 * cats_simulation_free. */
CATS_MUST_CHECK enum cats_status cats_simulate(struct cats_simulation_result *out, struct cats_plan *plan,
					       const struct cats_dataset *data, const char *name,
					       const struct cats_simulation_options *options, struct cats_error *error);
void cats_simulation_free(struct cats_simulation_result *result);

#endif

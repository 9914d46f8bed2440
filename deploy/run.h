/* SPDX-License-Identifier: MIT */
/* A plan over a data set: all nodes of one inference in one process, inferences side by side on threads. What is lost
 * and what comes out depend on seed and sample, never on threads. Host only. */
#ifndef CATS_DEPLOY_RUN_H
#define CATS_DEPLOY_RUN_H

#include "deploy/crew.h"
#include "deploy/plan.h"
#include "io/dataset.h"

struct cats_run_options {
	size_t limit;                       /* at most so many samples, from the first on; 0 = all */
	struct cats_loss loss;              /* of packets; inference number = sample */
	const struct cats_kernels *kernels; /* for target 1; NULL: the fastest of this processor */
	struct cats_crew crew;
};

struct cats_run_result {
	const char *metric; /* "accuracy" (labels; share of samples) or "mse" (targets; series, as standardised) */
	double value;       /* a logit that did not arrive is -∞; a forecast value that did not arrive counts as 0,
			     * which for a series is the mean of its window */
	double last;        /* mse with pooling none: of the last token alone; else 0 */
	size_t samples;
	uint64_t missing;                /* results that did not arrive, of all samples */
	uint64_t results;                /* results expected, of all samples */
	struct cats_fleet_report report; /* sums over samples */
};

/* Unpacks the plan's shards for the host's kernels, once. `name` is the data's, for errors. */
CATS_MUST_CHECK enum cats_status cats_run(struct cats_run_result *out, struct cats_plan *plan,
					  const struct cats_dataset *data, const char *name,
					  const struct cats_run_options *options, struct cats_error *error);

/* Share of the values waited for that arrived; 1 when nobody waits. */
static inline double cats_run_received_share(const struct cats_run_result *r)
{
	return r->report.expected == 0 ? 1 : (double)r->report.arrived / (double)r->report.expected;
}

#endif

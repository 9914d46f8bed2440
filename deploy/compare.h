/* SPDX-License-Identifier: MIT */
/* Nodes against the plain reference, byte by byte: views at the sites, results at the end. Host only. */
#ifndef CATS_DEPLOY_COMPARE_H
#define CATS_DEPLOY_COMPARE_H

#include "deploy/receipts.h"
#include "plan/reference.h"
#include "sim/fleet.h"

/* Where a node's view of a site is not what it must be; at `out`, where the sink's view of a node's results is not. */
struct cats_difference {
	size_t sample;
	uint32_t node, site; /* as on air */
	uint32_t token, column;
	int32_t expected, got; /* at `out`, a result that did not arrive is INT32_MIN */
};

/* What one sample's comparison found. */
struct cats_finding {
	uint64_t compared, different; /* bytes */
	struct cats_difference first; /* lowest site, then own before received columns, node, token, column */
};

struct cats_comparison {
	const struct cats_integer *integer;
	uint32_t devices;
	const struct cats_trace *trace;       /* what is right */
	const struct cats_receipts *receipts; /* what arrived */
	size_t sample;
	struct cats_finding finding; /* added to */
};

/* Of every node that has the gather of `site` open, own columns before received ones; nothing at `out`. */
void cats_compare_site(struct cats_comparison *comparison, const struct cats_fleet *fleet, uint32_t site);

/* At the end: the sink's results. */
void cats_compare_results(struct cats_comparison *comparison, const struct cats_fleet *fleet);

#endif

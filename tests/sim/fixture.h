/* SPDX-License-Identifier: MIT */
/* Small integer models of every kind, random but for a seed; their shards; and what the plain reference says. */
#ifndef CATS_TESTS_SIM_FIXTURE_H
#define CATS_TESTS_SIM_FIXTURE_H

#include "plan/cut.h"
#include "plan/reference.h"
#include "sim/fleet.h"
#include "sim/play.h"

/* One kind of model and plan. */
struct fixture_case {
	const char *name;
	struct cats_config config; /* devices: D of the keep lists */
	uint32_t keep_percent;     /* of each site's columns; 100 = all */
	uint32_t sink, payload_max;
};

extern const struct fixture_case fixture_cases[];
extern const uint32_t fixture_case_count;

struct fixture {
	const struct fixture_case *of;
	struct cats_integer integer;
	int8_t *input; /* quantised */
	size_t input_count;
};

/* Fails the test when anything goes wrong. */
void fixture_open(struct fixture *f, const struct fixture_case *of, uint64_t seed);
void fixture_close(struct fixture *f);

/* The shards for D devices; and of a plan whose gathers wait until all is computed. */
void fixture_shards(struct cats_shards *out, const struct fixture *f, uint32_t D, enum cats_target target);
void fixture_shards_without_overlap(struct cats_shards *out, const struct fixture *f, uint32_t D,
				    enum cats_target target);

/* The reference's result for D devices, with what `loss` drops in inference `number`. */
void fixture_reference(struct cats_trace *out, const struct fixture *f, uint32_t D, const struct cats_loss *loss,
		       uint64_t number);

/* Stages follow each other from the first gather to the end, and all that nodes spend is spent in one of them or before
 * the first. */
void fixture_stages_add_up(const struct cats_play_report *report, uint32_t devices);

#endif

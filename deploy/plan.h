/* SPDX-License-Identifier: MIT */
/* A plan's directory: plan.json, the integer model and one shard a device, written as a whole and read back checked
 * against each other (docs/SPEC.md, "A plan's directory"). Host only. */
#ifndef CATS_DEPLOY_PLAN_H
#define CATS_DEPLOY_PLAN_H

#include "plan/cut.h"
#include "plan/quantise.h"
#include "sim/fleet.h"

/* What a device of a target has, and what of it the shard and the arena must leave to the firmware. */
struct cats_target_limits {
	const char *name;
	enum cats_target target;
	uint32_t flash_bytes, ram_bytes;
	uint32_t firmware_flash_bytes, firmware_ram_bytes;
};

/* NULL when there is no target of that name. */
const struct cats_target_limits *cats_target_find(const char *name);
const struct cats_target_limits *cats_target_of(enum cats_target target);

/* How the scales were chosen; part of plan.json for people. */
struct cats_plan_calibration {
	uint64_t samples, seed;
	uint32_t data_crc32;
	double loss;                            /* of messages, in the lossy half */
	struct cats_saturation clean, lossy;    /* of the sites' ranges */
	char worst_clean[CATS_SITE_NAME_BYTES]; /* names of worst_site */
	char worst_lossy[CATS_SITE_NAME_BYTES];
};

/* One device. flash_bytes and ram_bytes include what the firmware keeps. */
struct cats_plan_device {
	uint32_t shard_bytes, arena_bytes, sent_bytes, crc32;
	uint64_t flash_bytes, ram_bytes, macs, parameters;
};

/* Everything that plan.json says. */
struct cats_plan_facts {
	const struct cats_target_limits *limits;
	uint64_t model_id, plan_id;
	uint32_t device_count, source, sink, payload_max;
	bool without_overlap; /* struct cats_cut_options */
	struct cats_plan_device devices[CATS_DEVICES_MAX];
	uint64_t excess_flash_bytes, excess_ram_bytes; /* of the largest device over what the target has; 0: it fits */
	uint64_t parameters, macs, air_bytes; /* of all devices; air_bytes of one inference, headers included */
	struct cats_plan_calibration calibration;
};

static inline bool cats_plan_fits(const struct cats_plan_facts *facts)
{
	return facts->excess_flash_bytes == 0 && facts->excess_ram_bytes == 0;
}

struct cats_plan_request {
	const struct cats_target_limits *limits;
	struct cats_cut_options cut; /* target is the limits' */
	struct cats_plan_calibration calibration;
	bool replace;                                            /* a plan that is there */
	void (*progress)(void *context, size_t done, size_t of); /* devices; may be NULL */
	void *context;
	const volatile int *stop; /* may be NULL; not 0: CATS_ERR_INTERRUPTED and nothing is left behind */
};

/* The shards of a plan, with the times of its gathers (sim/times.h), and into `facts` its devices. Owned memory. */
CATS_MUST_CHECK enum cats_status cats_plan_cut(struct cats_shards *out, struct cats_plan_facts *facts,
					       const struct cats_integer *m, const struct cats_plan_request *request,
					       struct cats_error *error);

/* Whether cats_plan_write will find its place free; ask before long work. */
CATS_MUST_CHECK enum cats_status cats_plan_may_write(const char *directory, bool replace, struct cats_error *error);

/* Cuts, and writes the directory. Sets the integer model's id. */
CATS_MUST_CHECK enum cats_status cats_plan_write(struct cats_plan_facts *facts, const char *directory,
						 struct cats_integer *m, const struct cats_plan_request *request,
						 struct cats_error *error);

/* plan.json's text, malloc'ed; NULL: out of memory. */
char *cats_plan_facts_format(const struct cats_plan_facts *facts);

/* A directory read back. Owned memory. */
struct cats_plan {
	struct cats_plan_facts facts;
	struct cats_integer integer;
	struct cats_shards shards;
	bool damaged[CATS_DEVICES_MAX]; /* shards whose checksum was wrong; only of cats_plan_load_damaged */
};

/* Refuses what is missing, damaged or of different plans; the error names file and rule. */
CATS_MUST_CHECK enum cats_status cats_plan_load(struct cats_plan *out, const char *directory, struct cats_error *error);

/* The same, to find out what is wrong with a plan: shards that differ from plan.json, and those that break no rule but
 * their checksum, are taken, with a checksum that is right. */
CATS_MUST_CHECK enum cats_status cats_plan_load_damaged(struct cats_plan *out, const char *directory,
							struct cats_error *error);
void cats_plan_free(struct cats_plan *plan);

/* Whether a path is a directory with a plan.json. */
bool cats_plan_is_there(const char *directory);

#endif

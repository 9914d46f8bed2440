/* SPDX-License-Identifier: MIT */
/* All nodes of a plan in one process: they exchange the wire's bytes and nothing else, packet by packet, some of which
 * get lost. No time and no radio. Host only. */
#ifndef CATS_SIM_FLEET_H
#define CATS_SIM_FLEET_H

#include "core/runtime.h"
#include "io/error.h"
#include "sim/loss.h"

/* The shards of one plan, checked to belong together; read-only, shared by fleets. Owned memory. */
struct cats_shards {
	uint32_t devices;
	uint8_t **bytes;
	size_t *sizes;
	char *name; /* of where they come from, for errors */
};

/* Reads node-00.shard … of a directory. Refuses shards that are missing, too many, damaged, of different plans or for
 * another device; the error names file and rule. */
CATS_MUST_CHECK enum cats_status cats_shards_load(struct cats_shards *out, const char *directory,
						  struct cats_error *error);

/* Takes over `devices` malloc'ed blobs (also when it fails) and checks them likewise. */
CATS_MUST_CHECK enum cats_status cats_shards_take(struct cats_shards *out, uint8_t **blobs, const size_t *sizes,
						  uint32_t devices, const char *name, struct cats_error *error);
void cats_shards_free(struct cats_shards *shards);

/* Rewrites the weights of all shards for target 1, which the host's kernels read, in place: a packed matrix is never
 * smaller than a plain one. */
void cats_shards_unpack(struct cats_shards *shards);

static inline const struct cats_shard_header *cats_shards_header(const struct cats_shards *shards, uint32_t device)
{
	return (const struct cats_shard_header *)(const void *)shards->bytes[device];
}

/* Node `j` in a struct of the caller's, with an arena of its own, all 0, that the caller frees, also when it fails. */
CATS_MUST_CHECK enum cats_status cats_shards_open_node(struct cats_node *node, uint8_t **arena,
						       const struct cats_shards *shards, uint32_t j,
						       const struct cats_kernels *kernels, struct cats_error *error);

/* A fleet has one node a shard. One thread at a time. */
struct cats_fleet;

struct cats_fleet_options {
	const struct cats_kernels *kernels; /* must suit the shards' target; outlives the fleet. NULL: plain C */
	uint32_t budget;                    /* of each step, in estimated cycles; 0: no limit */
	struct cats_loss loss;              /* all zero: nothing is lost */
	bool charge_most;                   /* cats_node_charge_most, for all nodes */
	/* Besides: whether a packet does not arrive; NULL: all do. */
	bool (*lose)(void *context, uint32_t site, uint32_t sender, uint32_t receiver, uint32_t packet);
	/* Called after each step of a node, of which a limited budget makes several; NULL: nothing. */
	void (*stepped)(void *context, const struct cats_fleet *fleet, uint32_t device);
	/* Called when the nodes whose gather of `site` has ended are about to go on; their views are complete. */
	void (*observe)(void *context, const struct cats_fleet *fleet, uint32_t site);
	void *context;
};

/* `shards` outlive the fleet. */
CATS_MUST_CHECK enum cats_status cats_fleet_create(struct cats_fleet **out, const struct cats_shards *shards,
						   const struct cats_fleet_options *options, struct cats_error *error);
void cats_fleet_free(struct cats_fleet *fleet);

/* The input of one inference, one of the two: bytes of an image, or quantised values; `count` of the source's input
 * site. */
struct cats_fleet_input {
	const uint8_t *bytes;
	const int8_t *values;
	size_t count;
};

struct cats_fleet_report {
	uint64_t air_bytes, packets; /* sent by all nodes, headers included */
	uint64_t macs;               /* of all nodes */
	uint64_t expected, arrived;  /* values that nodes waited for, and had in the end */
};

/* One inference. `number` is the packets' inference number and, with the loss's seed, the key of what is lost. The
 * nodes keep their state until the next. */
CATS_MUST_CHECK enum cats_status cats_fleet_run(struct cats_fleet_report *report, struct cats_fleet *fleet,
						const struct cats_fleet_input *input, uint64_t number,
						struct cats_error *error);

uint32_t cats_fleet_devices(const struct cats_fleet *fleet);
const struct cats_node *cats_fleet_node(const struct cats_fleet *fleet, uint32_t device);
/* The node that has the result: the sink, or device 0 when all are. */
const struct cats_node *cats_fleet_sink(const struct cats_fleet *fleet);

#endif

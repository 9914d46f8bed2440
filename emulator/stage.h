/* SPDX-License-Identifier: MIT */
/* All nodes of a plan on emulated chips that run the firmware: flashed, booted, given inputs over the source's serial
 * line, and known by what they do to the outside alone: serial lines, the LED, frames. Host only; GPL terms (m4.h). */
#ifndef CATS_EMULATOR_STAGE_H
#define CATS_EMULATOR_STAGE_H

#include "emulator/chips.h"
#include "emulator/log.h"
#include "emulator/sayings.h"
#include "sim/fleet.h"
#include "sim/lack.h"
#include "sim/play.h"

struct cats_stage;

struct cats_stage_options {
	const struct cats_elf *firmware;  /* outlives the stage, as do the shards */
	const struct cats_shards *shards; /* for the nRF52840, as the planner wrote them */
	const struct cats_topology *topology;
	double link_loss, burst_share;
	uint32_t drift_ppm;
	uint64_t seed;
	bool fast;           /* as of a core */
	bool ccm_keeps_rate; /* as of chips */
	/* From the first input on; `gather` is called with moments at which a node had one open: it has sealed or
	 * opened a frame of it. */
	struct cats_observer observer;
	bool keeps_log; /* for cats_stage_write_log */
	/* Every line of every node, as it comes, with the observer's context; NULL: nobody is told. */
	void (*line)(void *context, const struct cats_log_line *line);
	/* [fault_count] of nodes that there are; to kill is to cut the power for good, to reboot to cut it for a
	 * moment. A chip cannot be frozen: CATS_ERR_USAGE. */
	const struct cats_fault *faults;
	uint32_t fault_count;
};

/* One inference. Pointers are valid until the next. */
struct cats_stage_report {
	cats_time start, end; /* from the input's last byte on the line until everybody is quiet again */
	cats_time latency;    /* to the result at the sink; without one, to the end */
	bool has_result;
	int32_t class_;                /* as the sink said; -1: none, or it does not classify */
	uint32_t rows, columns;        /* of the result */
	const int32_t *outputs;        /* [rows, columns] */
	const uint8_t *there;          /* [rows, columns] 0: that output did not arrive */
	uint64_t expected, arrived;    /* values, over all nodes; of a node that took no part nothing arrived */
	const struct cats_lack *lacks; /* as nodes said at the ends of their gathers */
	size_t lack_count;
	const bool *took_part; /* [nodes] its LED changed */
	uint64_t frames;
	cats_time air;
	cats_time (*spent)[CATS_DRAWS]; /* [nodes] start … end */
	uint64_t *instructions;         /* [nodes] start … end */
	uint32_t resets;                /* that happened meanwhile */
};

/* What a node needs and has used, since it was made. */
struct cats_stage_memory {
	uint32_t thread_stack_bytes, interrupt_stack_bytes; /* the most that was in use */
	uint32_t thread_stack_room, interrupt_stack_room;
	uint32_t ram_bytes;   /* stacks and the firmware's data whole, and the arena */
	uint32_t flash_bytes; /* firmware and shard */
};

/* Flashes all nodes and boots them: every one has said that it is ready. CATS_ERR_MISMATCH: one has not, and why. */
CATS_MUST_CHECK enum cats_status cats_stage_create(struct cats_stage **out, const struct cats_stage_options *options,
						   struct cats_error *error);
void cats_stage_free(struct cats_stage *stage);

CATS_MUST_CHECK enum cats_status cats_stage_infer(struct cats_stage_report *report, struct cats_stage *stage,
						  const struct cats_fleet_input *input, struct cats_error *error);

struct cats_stage_memory cats_stage_memory(const struct cats_stage *stage, uint32_t node);

/* Since its boot, as it said last. */
struct cats_said_slack cats_stage_slack(const struct cats_stage *stage, uint32_t node);

/* The node's arena as it is now, header.arena_bytes of its shard; valid until the stage is freed. */
const uint8_t *cats_stage_arena(const struct cats_stage *stage, uint32_t node);

struct cats_chips *cats_stage_chips(struct cats_stage *stage);

/* All lines of all nodes, merged by time. */
CATS_MUST_CHECK enum cats_status cats_stage_write_log(struct cats_stage *stage, const char *path,
						      struct cats_error *error);

#endif

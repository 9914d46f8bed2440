/* SPDX-License-Identifier: MIT */
/* A plan over a data set on emulated chips that run the firmware: the counterpart of deploy/simulate.h. What comes out
 * depends on seed and samples, never on threads. Host only; GPL terms (m4.h). */
#ifndef CATS_EMULATOR_EMULATE_H
#define CATS_EMULATOR_EMULATE_H

#include "deploy/crew.h"
#include "deploy/plan.h"
#include "emulator/stage.h"
#include "io/dataset.h"
#include "io/elf.h"

/* So many inferences follow each other on the same chips; then they are flashed and booted afresh. */
#define CATS_EMULATION_BLOCK 16U

struct cats_emulation_options {
	size_t limit;         /* at most so many samples, from the first on; 0 = all */
	const char *topology; /* as cats_topology_open; NULL: "full" */
	const char *faults;   /* a script's file (sim/faults.h); then all samples are one block. NULL: none */
	double link_loss, burst_share;
	uint32_t drift_ppm;
	uint64_t seed;
	bool strict;         /* every instruction watched: unaligned accesses cost, and fault, as on silicon */
	bool ccm_keeps_rate; /* CCM as slow as the radio (ccm.h) */
	uint32_t traced;     /* node whose instructions during the first sample are written to: */
	const char *trace;   /* NULL: none */
	const char *serial;  /* file for all serial lines of the first block; NULL: none */
	struct cats_observer observer; /* of the first block */
	struct cats_crew crew;
};

/* Means over the samples, most in 64 MHz cycles' microseconds. */
struct cats_emulation_result {
	const char *metric; /* "accuracy" or "mse" */
	double value;
	size_t samples;
	uint64_t missing;           /* results that did not arrive, of all samples */
	uint64_t expected, arrived; /* values, over all samples and nodes */
	uint64_t resets;            /* of chips, after they had booted */
	/* Each inference that had a result, once more in the host's runtime with the same packets missing, held to the
	 * plain reference on the way (deploy/replay.h): results, and the arenas of all nodes that took part. */
	uint64_t compared_bytes, different_bytes;
	size_t replayed;      /* samples */
	char difference[160]; /* the first: where */
	double latency_p50_us, latency_p90_us, latency_max_us;
	double frames, air_us;
	uint32_t devices;
	double *energy_uj, *instructions, *cpu_us, *send_us, *hear_us; /* [devices] of an inference */
	struct cats_stage_memory *memory;                              /* [devices] the most of all blocks */
	struct cats_said_slack slack; /* the least of all nodes and blocks, and what they counted in all */
	double virtual_us;            /* of all inferences together */
	uint64_t instructions_all;    /* that were emulated for them */
};

/* The plan's shards are as they were loaded, for the nRF52840. `name` is the data's, for errors. Owned memory:
 * cats_emulation_free. */
CATS_MUST_CHECK enum cats_status cats_emulate(struct cats_emulation_result *out, const struct cats_plan *plan,
					      const struct cats_elf *firmware, const struct cats_dataset *data,
					      const char *name, const struct cats_emulation_options *options,
					      struct cats_error *error);
void cats_emulation_free(struct cats_emulation_result *result);

#endif

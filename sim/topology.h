/* SPDX-License-Identifier: MIT */
/* Who hears whom how loudly: path losses between nodes, from a rule or from a file (docs/SPEC-simulation.md). */
#ifndef CATS_SIM_TOPOLOGY_H
#define CATS_SIM_TOPOLOGY_H

#include <stddef.h>

#include "core/shard.h"
#include "io/error.h"

/* Free-space loss over one metre at 2.44 GHz, 20 log10(4 π · 1 m / 12.3 cm). */
#define CATS_PATH_LOSS_1M_DB 40.2
/* Indoors; both with the measured range of facts that the reference protocol's figures were made with. */
#define CATS_PATH_EXPONENT 3.0
#define CATS_SHADOWING_DB 4.0

#define CATS_TRANSMIT_DBM 0.0
/* The nRF52840 at 2 Mbit/s receives -92 dBm at its sensitivity limit, where here half of the frames are lost: with
 * CATS_CAPTURE_DB of signal to interference for that half, noise counts as -100 dBm. */
#define CATS_SENSITIVITY_DBM (-92.0)
#define CATS_NO_PATH_DB 1e9 /* do not hear each other */

struct cats_topology {
	uint32_t nodes;
	/* path_db[i · nodes + j] from i to j, symmetric. */
	double path_db[CATS_DEVICES_MAX * CATS_DEVICES_MAX];
};

/* `spec`: "full": everyone in a square of 5 m by 5 m, placed and shadowed by the seed; "line:K": a row in which nodes
 * hear the K next on either side; "grid:RxC": R · C nodes that hear their neighbours left, right, above and below; else
 * the name of a file. Refused: what is not of that form, another number of nodes than `nodes`, a network that falls
 * apart; the error names the file's line and the rule. */
CATS_MUST_CHECK enum cats_status cats_topology_open(struct cats_topology *out, const char *spec, uint32_t nodes,
						    uint64_t seed, struct cats_error *error);

/* The file's `size` bytes at `text`, followed by one more byte; both may be overwritten. `name` is what errors say. */
CATS_MUST_CHECK enum cats_status cats_topology_parse(struct cats_topology *out, char *text, size_t size,
						     const char *name, uint32_t nodes, uint64_t seed,
						     struct cats_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* A node of core/ that runs on an emulated core, in the image node.elf: core/runtime.h's functions for it. What they
 * return is what the image's return; a core that stops for any other reason than having answered is an error, described
 * in error->text. Host only. */
#ifndef CATS_EMULATOR_NODE_H
#define CATS_EMULATOR_NODE_H

#include "core/runtime.h"
#include "emulator/m4.h"

struct cats_m4_node;

struct cats_m4_node_options {
	struct cats_m4_options core;
	uint32_t kernels;           /* which of the image's tables, slowest first; beyond the last: the last */
	uint32_t arena_short_bytes; /* bytes that the arena lacks; 0: it has what the shard wants */
};

/* Boots the image (which outlives the node) and puts the shard behind it into flash; the node itself is not
 * initialised. Refuses a shard that does not fit flash, or whose arena and largest input do not fit RAM. */
CATS_MUST_CHECK enum cats_status cats_m4_node_create(struct cats_m4_node **out, const struct cats_elf *image,
						     const void *shard, size_t shard_bytes,
						     const struct cats_m4_node_options *options,
						     struct cats_error *error);
void cats_m4_node_free(struct cats_m4_node *node);

/* *result is what core/runtime.h's function of that name returns. The limit of each call is CATS_M4_CALL_CYCLES. */
CATS_MUST_CHECK enum cats_status cats_m4_node_init(int *result, struct cats_m4_node *node, uint16_t device,
						   struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_start(struct cats_m4_node *node, uint16_t number,
						    struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_input(int *result, struct cats_m4_node *node, const int8_t *values,
						    size_t count, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_input_bytes(int *result, struct cats_m4_node *node, const uint8_t *bytes,
							  size_t count, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_step(int *result, struct cats_m4_node *node, uint32_t budget,
						   struct cats_error *error);
/* *length 0: there is none. */
CATS_MUST_CHECK enum cats_status cats_m4_node_next_packet(uint32_t *length, struct cats_m4_node *node,
							  uint8_t packet[CATS_PACKET_BYTES_MAX],
							  struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_receive(int *result, struct cats_m4_node *node, const uint8_t *packet,
						      size_t length, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_end_gather(int *result, struct cats_m4_node *node,
							 struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_result(int *result, int32_t *value, struct cats_m4_node *node,
						     uint32_t row, uint32_t column, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_m4_node_class(int *result, struct cats_m4_node *node, struct cats_error *error);

/* As of the latest call. */
uint16_t cats_m4_node_open_site(const struct cats_m4_node *node);
uint32_t cats_m4_node_macs(const struct cats_m4_node *node);
struct cats_share cats_m4_node_share(const struct cats_m4_node *node);

/* The whole arena, header.arena_bytes, as it is now; read-only, valid until the node is freed. */
const uint8_t *cats_m4_node_arena(const struct cats_m4_node *node);

/* What the latest call of a function took, without the mailbox around it but for some 30 instructions. */
uint64_t cats_m4_node_instructions(const struct cats_m4_node *node);
uint64_t cats_m4_node_cycles(const struct cats_m4_node *node);

/* What the node itself has counted since its start, by its cost model: the low word of cats_node_cycles. */
uint32_t cats_m4_node_estimated_cycles(const struct cats_m4_node *node);

/* How many tables of kernels the image has, and the name of the one in use after init. */
uint32_t cats_m4_node_kernel_tables(const struct cats_m4_node *node);
const char *cats_m4_node_kernels_name(const struct cats_m4_node *node);

/* The core below, for counts, stack and profile. */
struct cats_m4 *cats_m4_node_core(struct cats_m4_node *node);

/* A call that takes more estimated cycles than this is taken for one that never ends: half a minute at 64 MHz. */
#define CATS_M4_CALL_CYCLES (UINT64_C(2) << 30)

#endif

/* SPDX-License-Identifier: MIT */
/* A shard from any bytes, under a checksum that is put right: refused by name, or a whole inference that stays within
 * the shard and an arena of exactly the size it names. */
#include <stdlib.h>
#include <string.h>

#include "core/runtime.h"

#define ARENA_BYTES_MAX (1U << 20)
#define STEPS_MAX 300
#define STEP_CYCLES 200000U

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The node hears itself only, and what it sends is refused by itself. */
static void gather(struct cats_node *node)
{
	uint8_t packet[CATS_PACKET_BYTES_MAX];
	uint32_t length;

	for (uint32_t i = 0; i < 4 && (length = cats_node_next_packet(node, packet)) > 0; i++) {
		if (length > sizeof packet || cats_node_receive(node, packet, length) == 0)
			abort();
		packet[10] ^= 1; /* another sender; may be taken */
		if (cats_node_receive(node, packet, length) > 0)
			abort();
	}
	if (cats_node_end_gather(node) != 0)
		abort();
}

static void infer(struct cats_node *node)
{
	const struct cats_shard_site *input = node->shard.sites;
	const size_t count = (size_t)input->tokens * input->columns;
	int8_t *values = calloc(count + 1, 1);
	int state = CATS_NODE_WORKING, there;
	int32_t value;

	cats_node_start(node, 1);
	if (values && (there = cats_node_input(node, values, count)) > 0)
		abort();
	free(values);
	for (uint32_t i = 0; i < STEPS_MAX && (state == CATS_NODE_WORKING || state == CATS_NODE_GATHER); i++) {
		state = cats_node_step(node, STEP_CYCLES);
		if (state == CATS_NODE_GATHER)
			gather(node);
	}
	there = cats_node_result(&value, node, 0, 0);
	if (there > 1 || (state == CATS_NODE_DONE) == (there == CATS_REFUSED_CALL_NOT_DONE))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct cats_node_config config = {.shard = copy, .shard_bytes = size};
	struct cats_node node;
	uint32_t where = 0;

	if (!copy)
		return 0;
	memcpy(copy, bytes, size);
	if (size >= sizeof(struct cats_shard_header)) {
		struct cats_shard_header *h = (struct cats_shard_header *)(void *)copy;

		h->crc32 = cats_shard_checksum(copy, size);
		config.identity.device = h->device;
		config.arena_bytes = h->arena_bytes <= ARENA_BYTES_MAX ? h->arena_bytes : 0;
	}
	config.arena = malloc(config.arena_bytes + 1);
	const int refusal = config.arena ? cats_node_init(&node, &config, &where) : -1;

	if (refusal > 0)
		abort();
	if (refusal == 0)
		infer(&node);
	free(config.arena);
	free(copy);
	return 0;
}

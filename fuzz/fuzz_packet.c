/* SPDX-License-Identifier: MIT */
/* Packets from any bytes for a node of a real plan: a record is a kind, a length and as many bytes. Kind 0 is a packet
 * as it is, 1 one whose plan, inference, version and site are put right, 2 ends the gather. Each is refused by name or
 * taken once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t *shard;
static size_t shard_bytes;
static uint8_t *arena;

/* Read once; without it there is nothing to search. */
static void load(void)
{
	FILE *file = fopen(SHARD, "rb");

	if (!file || fseek(file, 0, SEEK_END) != 0)
		abort();
	shard_bytes = (size_t)ftell(file);
	rewind(file);
	shard = malloc(shard_bytes);
	if (!shard || fread(shard, 1, shard_bytes, file) != shard_bytes)
		abort();
	fclose(file);
	arena = malloc(((const struct cats_shard_header *)(const void *)shard)->arena_bytes);
	if (!arena)
		abort();
}

static void take(struct cats_node *node, const uint8_t *bytes, size_t length, int repaired)
{
	uint8_t *packet = malloc(length + 1);

	if (!packet)
		return;
	memcpy(packet, bytes, length);
	if (repaired && length >= CATS_PACKET_HEADER_BYTES) {
		struct cats_packet_header header;

		memcpy(&header, packet, sizeof header);
		header.plan = (uint32_t)node->shard.header->plan_id;
		header.inference = node->inference;
		header.site = cats_node_open_site(node);
		header.version = CATS_PACKET_VERSION;
		memcpy(packet, &header, sizeof header);
	}
	const int refusal = cats_node_receive(node, packet, length);

	if (refusal > 0 || (refusal == 0 && cats_node_receive(node, packet, length) != CATS_REFUSED_PACKET_DUPLICATE))
		abort();
	free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_node node;

	if (!shard)
		load();
	const struct cats_shard_header *h = (const struct cats_shard_header *)(const void *)shard;
	const struct cats_node_config config = {.shard = shard,
						.shard_bytes = shard_bytes,
						.arena = arena,
						.arena_bytes = h->arena_bytes,
						.identity = {.device = h->device}};

	if (cats_node_init(&node, &config, NULL) != 0)
		abort();
	cats_node_start(&node, 5);
	int state = cats_node_step(&node, UINT32_MAX);

	for (size_t at = 0; at + 2 <= size && state == CATS_NODE_GATHER;) {
		const uint8_t kind = bytes[at] % 3;
		const size_t left = size - at - 2, length = bytes[at + 1] < left ? bytes[at + 1] : left;

		if (kind < 2)
			take(&node, bytes + at + 2, length, kind);
		else if (cats_node_end_gather(&node) != 0)
			abort();
		else
			state = cats_node_step(&node, UINT32_MAX);
		at += 2 + (kind < 2 ? length : 0);
	}
	return 0;
}

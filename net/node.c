/* SPDX-License-Identifier: MIT */
/* Protocol and runtime. See node.h. */
#include "net/node.h"

#include <string.h>

#include "core/partition.h"

#define OUTPUT_BYTES 4U

/* Gathers and `input`: of the others the columns that they keep, of oneself those that one keeps. */
static void fill_gather(struct cats_net_site *out, const struct cats_shard *shard, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *senders = cats_shard_senders(shard, site);
	const struct cats_shard_header *h = shard->header;

	for (uint32_t i = 0; i < h->devices; i++) {
		const uint32_t columns = i == h->device ? site->kept : senders[i].columns;

		out->token_bytes[i] = (uint16_t)(columns * site->column_bytes);
		if (i != h->source || site->site != 0)
			out->receivers |= UINT64_C(1) << i;
	}
}

/* At `out` only the sink's shard lists the others, but outputs are cut as all columns are (core/partition.h). */
static void fill_out(struct cats_net_site *out, const struct cats_shard *shard)
{
	const struct cats_shard_header *h = shard->header;

	for (uint32_t i = 0; i < h->devices; i++) {
		if (i != h->sink)
			out->token_bytes[i] =
				(uint16_t)(cats_partition_run(h->outputs, h->devices, i).count * OUTPUT_BYTES);
		if (i == h->sink || h->sink == CATS_SINK_ALL)
			out->receivers |= UINT64_C(1) << i;
	}
}

bool cats_net_site_of_shard(struct cats_net_site *out, const struct cats_shard *shard, uint16_t number)
{
	const struct cats_shard_site *site = shard->sites + number;

	if (number >= shard->header->site_count)
		return false;
	out->compute_us = site->compute_us;
	out->deadline_us = site->deadline_us;
	out->tokens = site->tokens;
	out->payload_max = shard->header->payload_max;
	out->receivers = 0;
	memset(out->token_bytes, 0, sizeof(out->token_bytes));
	/* With one device there are no packets. */
	if (shard->header->devices == 1)
		return true;
	if (number + 1U == shard->header->site_count)
		fill_out(out, shard);
	else
		fill_gather(out, shard, site);
	return true;
}

static uint32_t read(void *context, uint8_t *payload, uint8_t sender, uint16_t packet)
{
	return cats_node_payload(context, sender, packet, payload);
}

static bool write(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t bytes)
{
	struct cats_node *node = context;
	const struct cats_packet_header header = {
		.plan = (uint32_t)node->shard.header->plan_id,
		.inference = node->inference,
		.site = cats_node_open_site(node),
		.packet = packet,
		.sender = sender,
		.version = CATS_PACKET_VERSION,
	};
	uint8_t bytes_of[CATS_PACKET_BYTES_MAX];

	if (bytes > CATS_PAYLOAD_MAX)
		return false;
	memcpy(bytes_of, &header, sizeof(header));
	memcpy(bytes_of + sizeof(header), payload, bytes);
	return cats_node_receive(node, bytes_of, sizeof(header) + bytes) == 0;
}

struct cats_net_store cats_net_store_of_node(struct cats_node *node)
{
	return (struct cats_net_store){.read = read, .write = write, .context = node};
}

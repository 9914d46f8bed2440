/* SPDX-License-Identifier: MIT */
/* Packet arithmetic. See packet.h. */
#include "net/packet.h"

struct cats_packets cats_packets_of(uint32_t columns, uint32_t tokens, uint32_t payload_bytes)
{
	struct cats_packets packets = {0, 0, 0};

	if (columns == 0 || tokens == 0)
		return packets;
	if (columns <= payload_bytes) {
		packets.tokens_per_packet = payload_bytes / columns;
		packets.packets_per_token = 1;
		packets.count = (tokens - 1U) / packets.tokens_per_packet + 1U;
	} else {
		packets.tokens_per_packet = 1;
		packets.packets_per_token = (columns - 1U) / payload_bytes + 1U;
		packets.count = tokens * packets.packets_per_token;
	}
	return packets;
}

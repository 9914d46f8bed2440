/* SPDX-License-Identifier: MIT */
/* How a message is cut into packets (docs/SPEC-integer.md, 2.1): pure arithmetic. Freestanding. */
#ifndef CATS_CORE_MESSAGE_H
#define CATS_CORE_MESSAGE_H

#include "core/shard.h"

/* Either `group` tokens share a packet (parts = 1), or a token takes `parts` packets (group = 1). */
struct cats_message {
	uint32_t tokens, token_bytes, payload_max;
	uint32_t group, parts;
	uint32_t packets; /* 0: no message */
};

/* What one packet carries: bytes first_byte … first_byte + bytes - 1 of each of `count` tokens. */
struct cats_packet_span {
	uint32_t first_token, count;
	uint32_t first_byte, bytes;
};

struct cats_message cats_message_of(uint32_t tokens, uint32_t token_bytes, uint32_t payload_max);

/* Requires packet < message->packets. */
struct cats_packet_span cats_message_span(const struct cats_message *message, uint32_t packet);

/* Whether all packets of token t have their bit set in `receipt`. */
int cats_message_arrived(const struct cats_message *message, const uint32_t *receipt, uint32_t t);

#endif

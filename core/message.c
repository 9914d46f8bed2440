/* SPDX-License-Identifier: MIT */
/* Packets of a message. See message.h. */
#include "core/message.h"

struct cats_message cats_message_of(uint32_t tokens, uint32_t token_bytes, uint32_t payload_max)
{
	struct cats_message m = {
		.tokens = tokens,
		.token_bytes = token_bytes,
		.payload_max = payload_max,
		.group = 1,
		.parts = 1,
	};

	if (token_bytes > payload_max)
		m.parts = (token_bytes + payload_max - 1U) / payload_max;
	else if (token_bytes > 0)
		m.group = payload_max / token_bytes;
	m.packets = cats_message_packets(tokens, token_bytes, payload_max);
	return m;
}

struct cats_packet_span cats_message_span(const struct cats_message *m, uint32_t packet)
{
	struct cats_packet_span span = {.count = 1, .bytes = m->token_bytes};

	if (m->parts > 1) {
		span.first_token = packet / m->parts;
		span.first_byte = packet % m->parts * m->payload_max;
		span.bytes = m->token_bytes - span.first_byte;
		if (span.bytes > m->payload_max)
			span.bytes = m->payload_max;
		return span;
	}
	span.first_token = packet * m->group;
	span.count = m->tokens - span.first_token;
	if (span.count > m->group)
		span.count = m->group;
	return span;
}

int cats_message_arrived(const struct cats_message *m, const uint32_t *receipt, uint32_t t)
{
	uint32_t bit = m->parts > 1 ? t * m->parts : t / m->group;
	uint32_t left = m->parts;

	while (left > 0) {
		const uint32_t inside = bit % 32U;
		const uint32_t here = left < 32U - inside ? left : 32U - inside;
		const uint32_t mask = (here == 32U ? UINT32_MAX : (1U << here) - 1U) << inside;

		if ((receipt[bit / 32U] & mask) != mask)
			return 0;
		bit += here;
		left -= here;
	}
	return 1;
}

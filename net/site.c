/* SPDX-License-Identifier: MIT */
/* Sites. See site.h. */
#include "net/site.h"

#include "net/repair.h"

/* Bytes of a coded frame's plaintext that are neither bits nor payload (docs/SPEC-radio.md, 3.2). */
#define CODED_BYTES 5U

static struct cats_message message_of(const struct cats_net_site *site, uint32_t device)
{
	return cats_message_of(site->tokens, site->token_bytes[device], site->payload_max);
}

uint32_t cats_net_site_limit_us(const struct cats_net_site *site, uint32_t devices)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < devices; i++)
		sum += cats_air_limit_us((uint32_t)site->tokens * site->token_bytes[i]);
	return sum;
}

uint32_t cats_net_site_deadline_us(const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t three = 3U * cats_net_site_limit_us(site, devices);
	const uint32_t least = CATS_NET_DEADLINE_MIN_US + devices * CATS_NET_DEADLINE_DEVICE_US;

	if (site->deadline_us != 0)
		return site->deadline_us;
	return three < least ? least : three;
}

/* Generations as few as fit: their bits share the plaintext with the payload. */
static uint16_t generations_of(uint32_t packets, uint32_t payload)
{
	uint32_t size = 8U * (CATS_AEAD_PLAIN_MAX - CODED_BYTES - payload);

	if (size > CATS_REPAIR_GENERATION_MAX)
		size = CATS_REPAIR_GENERATION_MAX;
	return (uint16_t)(packets == 0 ? 1U : (packets + size - 1U) / size);
}

bool cats_net_layout_of(struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	uint32_t packets = 0;

	*l = (struct cats_net_layout){0};
	if (devices == 0 || devices > CATS_NET_DEVICES_MAX || site->payload_max < 4U ||
	    site->payload_max > CATS_REPAIR_PAYLOAD_MAX)
		return false;
	for (uint32_t i = 0; i < devices; i++) {
		const struct cats_message message = message_of(site, i);

		l->first[i] = (uint16_t)packets;
		packets += message.packets;
		if (message.packets > CATS_NET_MESSAGE_PACKETS_MAX || packets > CATS_NET_PACKETS_MAX)
			return false;
		if (message.packets == 0)
			continue;
		if (message.packets > l->rounds)
			l->rounds = (uint16_t)message.packets;
		const struct cats_packet_span longest = cats_message_span(&message, 0);
		if (longest.count * longest.bytes > l->payload)
			l->payload = (uint16_t)(longest.count * longest.bytes);
	}
	for (uint32_t i = devices; i <= CATS_NET_DEVICES_MAX; i++)
		l->first[i] = (uint16_t)packets;
	l->packets = (uint16_t)packets;
	l->generations = generations_of(packets, l->payload);
	return true;
}

uint32_t cats_net_layout_sender(const struct cats_net_layout *l, uint32_t packet)
{
	uint32_t sender = 0;

	while (l->first[sender + 1U] <= packet)
		sender++;
	return sender;
}

uint32_t cats_net_payload_bytes(const struct cats_net_site *site, uint32_t sender, uint32_t index)
{
	const struct cats_message message = message_of(site, sender);
	const struct cats_packet_span span = cats_message_span(&message, index);

	return span.count * span.bytes;
}

uint32_t cats_net_packet_bytes(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t packet)
{
	const uint32_t sender = cats_net_layout_sender(l, packet);

	return cats_net_payload_bytes(site, sender, packet - l->first[sender]);
}

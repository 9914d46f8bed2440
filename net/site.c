/* SPDX-License-Identifier: MIT */
/* Sites. See site.h. */
#include "net/site.h"

#include "net/estimate.h"
#include "net/protocol_private.h"

/* The loss of every link at which a gather without statuses is still complete. */
#define BLIND_LOSS_Q16 13107U /* 20 % */
/* Repair that is to fit between a round of statuses and the deadline, or statuses are of no use. */
#define ROUND_COMBINATIONS 2U
/* Between parts (cats_net_pause_us), with the default lead. */
#define PAUSE_US 104U

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

/* Generations as few as fit: their bits share the plaintext with the payload. */
static uint16_t generations_of(uint32_t packets, uint32_t payload)
{
	uint32_t size = 8U * (CATS_AEAD_PLAIN_MAX - CATS_NET_CODED_BYTES - payload);

	if (size > CATS_REPAIR_GENERATION_MAX)
		size = CATS_REPAIR_GENERATION_MAX;
	return (uint16_t)(packets == 0 ? 1U : (packets + size - 1U) / size);
}

static uint32_t data_us(uint32_t payload)
{
	return cats_air_slot_us(cats_frame_length(CATS_FRAME_DATA, CATS_NET_DATA_BYTES + payload));
}

uint32_t cats_net_layout_slots_us(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < devices; i++) {
		const struct cats_message message = message_of(site, i);

		for (uint32_t p = 0; p < (uint32_t)(l->first[i + 1U] - l->first[i]); p++) {
			const struct cats_packet_span span = cats_message_span(&message, p);

			sum += data_us(span.count * span.bytes);
		}
	}
	return sum;
}

uint32_t cats_net_layout_coded_us(const struct cats_net_layout *l)
{
	const uint32_t bits = (cats_repair_size(l, 0) + 7U) / 8U;

	return cats_air_slot_us(cats_frame_length(CATS_FRAME_CODED, CATS_NET_CODED_BYTES + bits + l->payload));
}

uint32_t cats_net_layout_status_us(const struct cats_net_layout *l, uint32_t devices, bool beacon)
{
	const uint32_t status = CATS_NET_STATUS_BYTES + 3U * ((devices + 7U) / 8U) + l->generations;

	if (beacon)
		return cats_air_slot_us(cats_frame_length(CATS_FRAME_BEACON, CATS_NET_BEACON_BYTES + status));
	return cats_air_slot_us(cats_frame_length(CATS_FRAME_STATUS, status));
}

static uint64_t senders_of(const struct cats_net_layout *l, uint32_t devices)
{
	uint64_t senders = 0;

	for (uint32_t i = 0; i < devices; i++)
		if (l->first[i] < l->first[i + 1U])
			senders |= cats_net_bit(i);
	return senders;
}

/* Statuses and decisions of one block, with their pauses. */
static uint32_t round_us(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t receivers = cats_net_count(site->receivers);
	const bool input = cats_net_count(senders_of(l, devices)) == 1U;

	return PAUSE_US + receivers * cats_net_layout_status_us(l, devices, input) + PAUSE_US +
	       l->deciders * (cats_net_layout_status_us(l, devices, true) + PAUSE_US);
}

static uint32_t decode_us(const struct cats_net_layout *l)
{
	return cats_net_round_up(cats_repair_decode_us(l));
}

/* With so many combinations after the slots, and statuses. */
static uint32_t asked_us(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices,
			 uint32_t combinations)
{
	return cats_net_layout_slots_us(l, site, devices) + round_us(l, site, devices) +
	       combinations * cats_net_layout_coded_us(l) + decode_us(l);
}

/* With so many combinations after the slots, and none. */
static uint32_t blind_us(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices,
			 uint32_t combinations)
{
	return cats_net_layout_slots_us(l, site, devices) + combinations * cats_net_layout_coded_us(l) + decode_us(l);
}

/* Three times the limit, or what is left of a gather beside its slots is less than half of them. */
static uint32_t room_us(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t three = 3U * cats_net_site_limit_us(site, devices);
	const uint32_t slots = cats_net_layout_slots_us(l, site, devices);

	return (three > slots + slots / 2U ? three : slots + slots / 2U) & ~(CATS_AIR_UNIT_US - 1U);
}

/* Combinations that a gather without statuses is to have. */
static uint32_t blind_repairs(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t receivers = cats_net_count(site->receivers), senders = cats_net_count(senders_of(l, devices));
	uint32_t lacking = 0, repairs;

	for (uint32_t g = 0; g < l->generations; g++)
		lacking += cats_estimate_worst(cats_repair_size(l, g), BLIND_LOSS_Q16, receivers);
	repairs = cats_estimate_sent(lacking, BLIND_LOSS_Q16);
	return repairs > senders ? repairs : senders;
}

/* With statuses or without. */
static void settle(struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t receivers = cats_net_count(site->receivers), room = room_us(l, site, devices);
	const uint32_t beacon = cats_net_layout_status_us(l, devices, true);
	uint32_t repairs;

	l->deciders = (uint8_t)(receivers < CATS_NET_DECIDERS ? receivers : CATS_NET_DECIDERS);
	if (l->packets == 0 || (senders_of(l, devices) & ~site->receivers) != 0)
		return;
	repairs = blind_repairs(l, site, devices);
	if (blind_us(l, site, devices, repairs) + beacon > asked_us(l, site, devices, 0) &&
	    asked_us(l, site, devices, ROUND_COMBINATIONS) <= room)
		return;
	while (repairs > 1U && blind_us(l, site, devices, repairs) > room)
		repairs--;
	l->repairs = (uint16_t)repairs;
	l->deciders = blind_us(l, site, devices, repairs) + beacon <= room ? 1 : 0;
}

uint32_t cats_net_site_deadline_us(const struct cats_net_site *site, uint32_t devices)
{
	struct cats_net_layout l;
	uint32_t least, room;

	if (site->deadline_us != 0 || !cats_net_layout_of(&l, site, devices))
		return site->deadline_us;
	room = room_us(&l, site, devices);
	least = l.repairs > 0 ? blind_us(&l, site, devices, l.repairs)
			      : asked_us(&l, site, devices, ROUND_COMBINATIONS);
	/* Longer than the limit's triple anyway: then long enough for a loss of 20 %. */
	if (l.repairs == 0 && least > room)
		least = asked_us(&l, site, devices, ROUND_COMBINATIONS + blind_repairs(&l, site, devices));
	return least > room ? least : room;
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
	settle(l, site, devices);
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

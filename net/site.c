/* SPDX-License-Identifier: MIT */
/* Sites. See site.h. */
#include "net/site.h"

#include "net/estimate.h"
#include "net/protocol_private.h"

/* The loss of every link at which a gather without statuses is still complete. */
#define BLIND_LOSS_Q16 13107U /* 20 % */
/* Of which the repair is to fit between a round of statuses and the deadline, or statuses are of no use; two
 * combinations at least. */
#define ASKED_LOSS_Q16 3277U /* 5 % */
#define ASKED_LEAST 2U
/* Between parts (cats_net_pause_us), with the default lead. */
#define PAUSE_US cats_net_round_up(CATS_NET_LEAD_US + CATS_NET_SLACK_US + CATS_NET_HEARD_US - CATS_AIR_GAP_US)

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

/* All packets of a message; only the last of a message of whole tokens, or the last part of a token, is shorter. */
static uint32_t message_us(const struct cats_message *message)
{
	const uint32_t tokens = message->parts > 1U ? message->tokens : 1U;
	uint32_t sum = 0;

	if (message->packets == 0)
		return 0;
	if (message->parts == 1U) {
		const struct cats_packet_span full = cats_message_span(message, 0);
		const struct cats_packet_span last = cats_message_span(message, message->packets - 1U);

		return (message->packets - 1U) * data_us(full.count * full.bytes) + data_us(last.count * last.bytes);
	}
	for (uint32_t p = 0; p < message->parts; p++)
		sum += data_us(cats_message_span(message, p).bytes);
	return tokens * sum;
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

static uint8_t deciders_of(uint32_t receivers)
{
	return (uint8_t)(receivers < CATS_NET_DECIDERS ? receivers : CATS_NET_DECIDERS);
}

static uint64_t senders_of(const struct cats_net_layout *l, uint32_t devices)
{
	uint64_t senders = 0;

	for (uint32_t i = 0; i < devices; i++)
		if (l->first[i] < l->first[i + 1U])
			senders |= cats_net_bit(i);
	return senders;
}

/* What gathers are weighed by, µs. */
struct times {
	uint32_t three;  /* times the air-time limit */
	uint32_t room;   /* that, or the slots and half as much again */
	uint32_t round;  /* statuses and decisions of one block, with their pauses */
	uint32_t coded;  /* a combination */
	uint32_t make;   /* to make the first of those that are asked for */
	uint32_t decode; /* to take the last apart */
	uint32_t beacon;
};

static struct times times_of(const struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint32_t receivers = cats_net_count(site->receivers);
	struct times t = {
		.three = 3U * cats_net_site_limit_us(site, devices),
		.coded = cats_net_layout_coded_us(l),
		.make = cats_net_round_up(cats_repair_make_us(l)),
		.decode = cats_net_round_up(cats_repair_decode_us(l)),
		.beacon = cats_net_layout_status_us(l, devices, true),
	};

	t.room = t.three > l->slots_us + l->slots_us / 2U ? t.three : l->slots_us + l->slots_us / 2U;
	t.room &= ~(CATS_AIR_UNIT_US - 1U);
	t.round = PAUSE_US + receivers * cats_net_layout_status_us(l, devices, false) + PAUSE_US +
		  deciders_of(receivers) * (t.beacon + PAUSE_US);
	return t;
}

/* With statuses after the slots, and then so many combinations. */
static uint32_t asked_us(const struct cats_net_layout *l, const struct times *t, uint32_t combinations)
{
	return l->slots_us + t->round + (combinations > 0 ? t->make + combinations * t->coded + t->decode : 0);
}

/* With so many combinations after the slots, and no statuses: they are the layout's from now on. */
static uint32_t blind_us(struct cats_net_layout *l, const struct times *t, uint32_t combinations)
{
	l->repairs = (uint16_t)combinations;
	return l->slots_us + combinations * t->coded + cats_net_round_up(cats_repair_decode_us(l));
}

/* Combinations that complete a gather at such a loss, and `least` at least. */
static uint32_t repairs_at(const struct cats_net_layout *l, uint32_t receivers, uint32_t loss_q16, uint32_t least)
{
	uint32_t lacking = 0, repairs;

	for (uint32_t g = 0; g < l->generations; g++)
		lacking += cats_estimate_worst(cats_repair_size(l, g), loss_q16, receivers);
	repairs = cats_estimate_sent(lacking, loss_q16);
	return repairs > least ? repairs : least;
}

static void settle_blind(struct cats_net_layout *l, const struct times *t, uint32_t repairs)
{
	uint32_t us = blind_us(l, t, repairs);

	while (repairs > 1U && us > t->room)
		us = blind_us(l, t, --repairs);
	l->deciders = us + t->beacon <= t->room ? 1 : 0;
	l->deadline_us = us > t->room ? us : t->room;
}

/* With statuses or without, and until when. */
static void settle(struct cats_net_layout *l, const struct cats_net_site *site, uint32_t devices)
{
	const uint64_t senders = senders_of(l, devices);
	const uint32_t receivers = cats_net_count(site->receivers);
	const uint32_t repairs = repairs_at(l, receivers, BLIND_LOSS_Q16, cats_net_count(senders));
	const uint32_t asked = repairs_at(l, receivers, ASKED_LOSS_Q16, ASKED_LEAST);
	const struct times t = times_of(l, site, devices);
	const uint32_t least = asked_us(l, &t, asked);

	if (l->packets > 0 && (senders & ~site->receivers) == 0 &&
	    (blind_us(l, &t, repairs) + t.beacon <= asked_us(l, &t, 0) || least > t.room)) {
		settle_blind(l, &t, repairs);
	} else {
		l->repairs = 0;
		l->deciders = deciders_of(receivers);
		/* Longer than the limit's triple anyway: then long enough for a loss of 20 %. */
		l->deadline_us = least <= t.room ? t.room : asked_us(l, &t, asked + repairs);
	}
	if (site->deadline_us != 0)
		l->deadline_us = site->deadline_us;
}

uint32_t cats_net_site_deadline_us(const struct cats_net_site *site, uint32_t devices)
{
	struct cats_net_layout l;

	if (site->deadline_us != 0 || !cats_net_layout_of(&l, site, devices))
		return site->deadline_us;
	return l.deadline_us;
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
		l->slots_us += message_us(&message);
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
	l->mixed = (uint16_t)cats_repair_size(l, 0);
	if ((senders_of(l, devices) & site->receivers) == 0 && l->rounds < l->mixed)
		l->mixed = l->rounds;
	settle(l, site, devices);
	return true;
}

void cats_net_slot_times(struct cats_net_slot_time times[CATS_NET_PACKETS_MAX], const struct cats_net_layout *l,
			 const struct cats_net_site *site, uint32_t devices)
{
	struct cats_net_slot_time next = {0, 0};

	for (uint32_t round = 0; round < l->rounds; round++)
		for (uint32_t i = 0; i < devices; i++) {
			if (l->first[i] + round >= l->first[i + 1U])
				continue;
			times[l->first[i] + round] = next;
			next.at_us += data_us(cats_net_payload_bytes(site, i, round));
			next.before++;
		}
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

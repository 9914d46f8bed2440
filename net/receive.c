/* SPDX-License-Identifier: MIT */
/* What a frame from outside changes. Nothing of it is used before its tag is right. See protocol_private.h. */
#include <string.h>

#include "net/protocol_private.h"

/* A frame that an authentic node sent is as exact as clocks are; who is further off than this does not know the time,
 * and looks further. */
#define SEARCH_UNITS 12

/* By how much the clock may have run off since the last correction. */
static uint32_t doubt_us(const struct cats_net *n, uint64_t local_us)
{
	const uint64_t since = local_us > n->synced_us ? local_us - n->synced_us : 0;
	const uint32_t drift = cats_net_drift_us(since);

	return 4U + (drift < 1000U ? drift : 1000U);
}

/* Two nodes that have not heard each other since the gather before: the first senders of a gather make their frames
 * before their clocks can be corrected, those who hear the first of them have theirs corrected then. */
static uint32_t apart_us(const struct cats_net *n, uint64_t local_us)
{
	const uint64_t end_us = n->base_us + n->last_end_us;

	return 4U + cats_net_drift_us(local_us > end_us ? local_us - end_us : 0);
}

/* Tries the unit that the schedule says: to try another takes a chip as long as the frame was on air. */
static bool open_scheduled(struct cats_net *n, struct cats_frame_moment *moment, uint64_t start_us,
			   const uint8_t *frame, uint32_t plain_bytes)
{
	const int64_t at = cats_net_time(n, start_us), apart = apart_us(n, start_us);
	const struct cats_net_slot slot = cats_net_find_slot(n, at > apart ? (uint32_t)(at - apart) : 0);

	if (slot.at_us == CATS_NET_NEVER || slot.owner != moment->sender || slot.at_us > at + apart)
		return false;
	moment->unit = slot.at_us / CATS_AIR_UNIT_US;
	return cats_frame_open(n->plain, &n->config.aead, moment, frame, plain_bytes) == 0;
}

/* Then the units around the one that the clock says, nearest first. */
static int open_near(struct cats_net *n, struct cats_frame_moment *moment, uint64_t start_us, const uint8_t *frame,
		     uint32_t plain_bytes)
{
	const int64_t near = (cats_net_time(n, start_us) + (int)CATS_AIR_UNIT_US / 2) / (int)CATS_AIR_UNIT_US;
	int64_t reach = (doubt_us(n, start_us) + CATS_AIR_UNIT_US - 1U) / CATS_AIR_UNIT_US;

	if (reach > SEARCH_UNITS)
		reach = SEARCH_UNITS;
	moment->epoch = n->epoch;
	moment->inference = n->inference;
	moment->unit = UINT32_MAX;
	if (open_scheduled(n, moment, start_us, frame, plain_bytes))
		return 0;
	const uint32_t tried = moment->unit;
	for (int64_t i = 0; i <= 2 * reach; i++) {
		const int64_t unit = near + (i % 2 == 0 ? -i / 2 : (i + 1) / 2);

		if (unit < 0 || unit >= UINT32_MAX || unit == tried)
			continue;
		moment->unit = (uint32_t)unit;
		if (cats_frame_open(n->plain, &n->config.aead, moment, frame, plain_bytes) == 0)
			return 0;
	}
	return CATS_FRAME_REFUSED_TAG;
}

/* An authentic frame's time against the own clock. Half of a small error is noise of whole microseconds; a clock in
 * doubt takes it whole. */
static void correct_clock(struct cats_net *n, const struct cats_frame_moment *moment, uint64_t start_us)
{
	const int64_t error = cats_net_time(n, start_us) - (int64_t)moment->unit * (int)CATS_AIR_UNIT_US;

	if (doubt_us(n, start_us) > 6U || error > 4 || error < -4)
		n->base_us += (uint64_t)error;
	else
		n->base_us += (uint64_t)(error / 2);
	n->synced_us = start_us;
	n->astray_us = 0;
}

/* What a frame says that is off by more than the own clock can be is its sender's mistake, unless the next says so too:
 * frames are made two slots ahead, and if all took such a time over, the odd slots would follow one clock and the even
 * ones another, each node cutting off the end of the frame before its own. */
static void weigh_clock(struct cats_net *n, const struct cats_frame_moment *moment, uint64_t start_us)
{
	const int64_t error = cats_net_time(n, start_us) - (int64_t)moment->unit * (int)CATS_AIR_UNIT_US;
	const int64_t doubt = doubt_us(n, start_us), before = n->astray_us;

	n->astray_us = error > doubt || error < -doubt ? (int32_t)error : 0;
	if (n->astray_us == 0 || (before != 0 && error - before <= doubt && before - error <= doubt))
		correct_clock(n, moment, start_us);
}

/* The site that a frame's low byte means: the nearest to where the network is. */
static int64_t site_of(const struct cats_net *n, uint8_t low)
{
	return (int64_t)n->site + (int8_t)(uint8_t)(low - (uint8_t)n->site);
}

/* The network has gone on to `site` without this node: everything up to it is over. */
static void overtake(struct cats_net *n, uint16_t site, uint32_t now_us)
{
	cats_net_enter(n, site, now_us);
	n->deadline_us -= n->start_us - now_us;
	n->start_us = n->part_us = now_us;
	n->last_end_us = now_us;
	n->agreed = false;
	n->counters.overtaken++;
}

static void hear(struct cats_net *n, uint32_t sender, uint64_t others)
{
	n->alive |= others | cats_net_bit(sender);
	n->heard |= others | cats_net_bit(sender);
	n->dead &= ~(others | cats_net_bit(sender));
}

static uint32_t rank(uint8_t block, enum cats_net_part part)
{
	return part == CATS_NET_SLOTS ? 0 : 4U * block + part;
}

/* A frame shows where others are in this gather. Who is further on is followed. */
static void follow(struct cats_net *n, uint8_t block, enum cats_net_part part, uint32_t part_us)
{
	if (rank(block, part) > rank(n->block, n->part)) {
		if (block > n->block)
			cats_net_begin_block(n, block, 0, part_us);
		cats_net_begin_part(n, part, part_us);
	} else if (n->part == part && n->block == block && cats_net_yields(n, n->part_us, part_us)) {
		n->part_us = part_us;
	}
}

static uint64_t get_set(const uint8_t *from, uint32_t bytes)
{
	uint64_t set = 0;

	for (uint32_t i = 0; i < bytes; i++)
		set |= (uint64_t)from[i] << 8U * i;
	return set;
}

/* Beginning of a part of which slot `index`, each slot_us long, began at at_us. */
static uint32_t back_to(uint32_t at_us, uint32_t index, uint32_t slot_us)
{
	return at_us > index * slot_us ? at_us - index * slot_us : 0;
}

static void take_packet(struct cats_net *n, uint32_t sender, uint32_t index, const uint8_t *payload, uint32_t bytes)
{
	const uint32_t packet = n->layout.first[sender] + index;

	if (!n->storing || cats_repair_has(&n->repair, packet) ||
	    !n->config.store.write(n->config.store.context, (uint8_t)sender, (uint16_t)index, payload, bytes))
		return;
	cats_repair_known(&n->repair, packet);
}

/* plain: site, packet, proposal, losses, payload. */
static int receive_data(struct cats_net *n, uint32_t sender, uint32_t at_us, const uint8_t *plain, uint32_t bytes)
{
	const uint32_t index = plain[1];
	uint32_t offset_us;
	uint16_t order;

	if (n->layout.first[sender] + index >= n->layout.first[sender + 1U] ||
	    bytes - CATS_NET_DATA_BYTES !=
		    cats_net_packet_bytes(&n->layout, &n->desc, (uint32_t)n->layout.first[sender] + index))
		return CATS_FRAME_REFUSED_CONTENT;
	offset_us = cats_net_data_offset_us(&order, n, sender, index);
	if (n->part == CATS_NET_SLOTS && at_us >= offset_us && cats_net_yields(n, n->start_us, at_us - offset_us)) {
		n->deadline_us += at_us - offset_us - n->start_us;
		n->start_us = n->part_us = at_us - offset_us;
		n->own = n->cursor;
	}
	hear(n, sender, 0);
	if (plain[2] != CATS_NET_UNDECIDED && (n->first_repairs == CATS_NET_UNDECIDED || plain[2] > n->first_repairs))
		n->first_repairs = plain[2];
	n->reported_lost[sender] = plain[3];
	n->reported_passed[sender] = (uint16_t)(order - index);
	take_packet(n, sender, index, plain + CATS_NET_DATA_BYTES, bytes - CATS_NET_DATA_BYTES);
	return 0;
}

/* plain: site, block, slot, slots, generation, bits, payload. */
static int receive_coded(struct cats_net *n, uint32_t sender, uint32_t at_us, const uint8_t *plain, uint32_t bytes)
{
	const uint8_t block = plain[1], slot = plain[2], slots = plain[3], g = plain[4];
	const uint8_t *bits = plain + CATS_NET_CODED_BYTES;

	if (block > CATS_NET_BLOCKS_MAX || slot >= slots || slots > CATS_NET_REPAIRS_MAX ||
	    g >= n->layout.generations || bytes != CATS_NET_CODED_BYTES + cats_net_bits_bytes(n) + n->layout.payload)
		return CATS_FRAME_REFUSED_CONTENT;
	follow(n, block, CATS_NET_REPAIR, back_to(at_us, slot, cats_net_slot_us(n, CATS_NET_REPAIR)));
	if (n->part == CATS_NET_REPAIR && n->block == block)
		n->repairs = slots > n->repairs ? slots : n->repairs;
	hear(n, sender, 0);
	if (n->storing && cats_net_in(n->desc.receivers, n->config.self)) {
		const uint32_t before = n->repair.cycles, decoded = n->repair.decoded;

		(void)cats_repair_take(&n->repair, bits, bits + cats_net_bits_bytes(n),
				       cats_net_coded_key(n, n->site, block, slot), g);
		n->counters.coding_cycles += n->repair.cycles - before;
		n->counters.decoded += n->repair.decoded - decoded;
	}
	return 0;
}

/* plain: site, block and whether a decision, repairs, complete, alive, deficits. */
static int receive_status(struct cats_net *n, uint32_t sender, uint32_t at_us, const uint8_t *plain, uint32_t bytes)
{
	const bool decision = (plain[1] & CATS_NET_DECISION_BIT) != 0;
	const uint8_t block = plain[1] & (CATS_NET_DECISION_BIT - 1U);
	const enum cats_net_part part = decision ? CATS_NET_DECIDE : CATS_NET_STATUS;
	const uint32_t set_bytes = cats_net_set_bytes(n);
	const uint32_t count = decision ? n->layout.deciders : cats_net_count(n->desc.receivers);
	uint32_t place = cats_net_place(n->desc.receivers, sender);

	if (bytes != cats_net_status_bytes(n) || block > CATS_NET_BLOCKS_MAX || !cats_net_in(n->desc.receivers, sender))
		return CATS_FRAME_REFUSED_CONTENT;
	if (decision)
		for (place = 0; place < count && cats_net_decider(n, block, place) != sender;)
			place++;
	if (place >= count)
		return CATS_FRAME_REFUSED_CONTENT;
	follow(n, block, part, back_to(at_us, place, cats_net_step_us(n, part)));
	plain += CATS_NET_STATUS_BYTES;
	hear(n, sender, get_set(plain + set_bytes, set_bytes) & n->everyone);
	n->complete |= get_set(plain, set_bytes);
	n->held |= get_set(plain + 2U * set_bytes, set_bytes);
	if (block != n->block)
		return 0;
	for (uint32_t g = 0; g < n->layout.generations; g++)
		if (plain[3U * set_bytes + g] > n->deficits[g])
			n->deficits[g] = plain[3U * set_bytes + g];
	if (!decision)
		return 0;
	if (plain[-1] == CATS_NET_UNDECIDED)
		n->ending = true;
	else if (!n->decided || plain[-1] > n->next_repairs)
		n->next_repairs = plain[-1];
	n->decided = true;
	return 0;
}

/* An authentic frame of the inference at hand; `kind` says what of. */
static int receive_content(struct cats_net *n, enum cats_frame_kind kind, uint32_t sender, uint32_t at_us,
			   const uint8_t *plain, uint32_t bytes)
{
	static const uint8_t least[] = {CATS_NET_DATA_BYTES + 1U, CATS_NET_CODED_BYTES + 1U, CATS_NET_STATUS_BYTES};
	int64_t site;

	if (bytes < least[kind])
		return CATS_FRAME_REFUSED_CONTENT;
	site = site_of(n, plain[0]);
	if (site < 0 || site >= n->config.sites)
		return CATS_FRAME_REFUSED_CONTENT;
	if (n->phase != CATS_NET_PHASE_GATHER || site < n->site)
		return 0; /* authentic, and late: good for the clock */
	if (site > n->site)
		overtake(n, (uint16_t)site, at_us);
	switch (kind) {
	case CATS_FRAME_DATA:
		return receive_data(n, sender, at_us, plain, bytes);
	case CATS_FRAME_CODED:
		return receive_coded(n, sender, at_us, plain, bytes);
	default:
		return receive_status(n, sender, at_us, plain, bytes);
	}
}

static bool is_newer(const struct cats_net *n, const struct cats_frame_moment *moment)
{
	return moment->epoch > n->epoch || (moment->epoch == n->epoch && moment->inference > n->inference);
}

static int check_beacon(const struct cats_net *n, uint32_t bytes)
{
	uint32_t plan = 0;

	if (bytes < CATS_NET_BEACON_BYTES)
		return CATS_FRAME_REFUSED_CONTENT;
	for (uint32_t i = 0; i < 4; i++)
		plan |= (uint32_t)n->plain[i] << 8U * i;
	if (plan != n->config.plan || n->plain[4] != CATS_FRAME_VERSION)
		return CATS_FRAME_REFUSED_PLAN;
	return 0;
}

static int receive_beacon(struct cats_net *n, const struct cats_frame_moment *moment, uint64_t start_us,
			  const uint8_t *frame, uint32_t bytes)
{
	const uint64_t base_us = start_us - (uint64_t)moment->unit * CATS_AIR_UNIT_US;
	int refusal = 0;

	if (!is_newer(n, moment) && (moment->epoch != n->epoch || moment->inference != n->inference))
		return CATS_FRAME_REFUSED_OLD;
	if (n->config.self == n->config.source && is_newer(n, moment))
		return CATS_FRAME_REFUSED_OLD;
	refusal = cats_frame_open(n->plain, &n->config.aead, moment, frame, bytes);
	if (refusal == 0)
		refusal = check_beacon(n, bytes);
	if (refusal != 0)
		return refusal;
	if (is_newer(n, moment)) {
		cats_net_begin(n, moment->epoch, moment->inference, base_us, start_us);
	} else {
		/* Whoever delays frames can make the time later, never earlier. */
		if ((int64_t)(base_us - n->base_us) > (int64_t)(doubt_us(n, start_us) + CATS_AIR_UNIT_US))
			return CATS_FRAME_REFUSED_OLD;
		correct_clock(n, moment, start_us);
	}
	if (n->plain[5] != CATS_NET_BEACON_STATUS)
		return 0;
	return receive_content(n, CATS_FRAME_STATUS, moment->sender, moment->unit * CATS_AIR_UNIT_US,
			       n->plain + CATS_NET_BEACON_BYTES, bytes - CATS_NET_BEACON_BYTES);
}

/* Nobody hears oneself. What is fresh and authentic is another's with the same number; a beacon that may be one of an
 * earlier life, played back, is not. */
static int receive_own(struct cats_net *n, struct cats_frame_moment *moment, uint64_t start_us, const uint8_t *frame,
		       uint32_t bytes)
{
	const int64_t early_us =
		moment->beacon ? cats_net_time(n, start_us) - (int64_t)moment->unit * CATS_AIR_UNIT_US : 0;
	const int64_t most_us = doubt_us(n, start_us) + CATS_AIR_UNIT_US;
	const bool now = n->phase != CATS_NET_PHASE_IDLE && early_us <= most_us && early_us >= -most_us;
	int refusal = CATS_FRAME_REFUSED_SENDER;

	if (!moment->beacon && now)
		refusal = open_near(n, moment, start_us, frame, bytes);
	else if (moment->epoch > n->epoch || (now && moment->epoch == n->epoch && moment->inference == n->inference))
		refusal = cats_frame_open(n->plain, &n->config.aead, moment, frame, bytes);
	return refusal == 0 ? CATS_FRAME_REFUSED_TWIN : CATS_FRAME_REFUSED_SENDER;
}

static int receive(struct cats_net *n, uint64_t start_us, const uint8_t *frame, uint32_t bytes)
{
	struct cats_frame_moment moment = {0};
	uint32_t plain_bytes;
	int refusal = cats_frame_parse(&moment, &plain_bytes, frame, bytes);

	if (refusal != 0)
		return refusal;
	if (moment.sender >= n->config.devices)
		return CATS_FRAME_REFUSED_SENDER;
	if (moment.sender == n->config.self)
		return receive_own(n, &moment, start_us, frame, plain_bytes);
	if (moment.beacon)
		return receive_beacon(n, &moment, start_us, frame, plain_bytes);
	if (n->phase == CATS_NET_PHASE_IDLE)
		return CATS_FRAME_REFUSED_IDLE;
	refusal = open_near(n, &moment, start_us, frame, plain_bytes);
	if (refusal != 0)
		return refusal;
	weigh_clock(n, &moment, start_us);
	return receive_content(n, cats_frame_kind_of(frame[0]), moment.sender, moment.unit * CATS_AIR_UNIT_US, n->plain,
			       plain_bytes);
}

int cats_net_receive(struct cats_net *n, uint64_t start_us, const uint8_t *frame, uint32_t bytes)
{
	const int refusal = receive(n, start_us, frame, bytes);

	if (refusal == 0)
		n->counters.received++;
	else
		n->counters.refused++;
	return refusal;
}

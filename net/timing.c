/* SPDX-License-Identifier: MIT */
/* The grid of slots: who sends when. Pure functions of the site and of where the gather is. See protocol_private.h. */
#include "core/random.h"
#include "net/protocol_private.h"

/* Of two grids the earlier wins as soon as someone hears it, so that all end up with one. A node whose every frame
 * collides is not heard, and gives in after so many frames of others. */
#define LATER_FRAMES 3U

uint32_t cats_net_member(uint64_t set, uint32_t place)
{
	while (place-- > 0)
		set &= set - 1U;
	return (uint32_t)__builtin_ctzll(set);
}

uint32_t cats_net_opening_us(void)
{
	return cats_air_slot_us(cats_frame_length(CATS_FRAME_BEACON, CATS_NET_BEACON_BYTES));
}

uint32_t cats_net_slot_us(const struct cats_net *n, enum cats_net_part part)
{
	if (part == CATS_NET_REPAIR)
		return cats_net_layout_coded_us(&n->layout);
	return cats_net_layout_status_us(&n->layout, n->config.devices, part == CATS_NET_DECIDE);
}

/* From slot to slot. The second decider repeats what the first decides. */
uint32_t cats_net_step_us(const struct cats_net *n, enum cats_net_part part)
{
	return cats_net_slot_us(n, part) + (part == CATS_NET_DECIDE ? cats_net_pause_us(n) : 0U);
}

/* Between parts, so that the last frame of one is known when the first of the next is made: the lead, the slack, and
 * what a receiver needs after a frame, less the gap that is there anyway. */
uint32_t cats_net_pause_us(const struct cats_net *n)
{
	return cats_net_round_up(n->config.lead_us + CATS_NET_SLACK_US + CATS_NET_HEARD_US - CATS_AIR_GAP_US);
}

uint32_t cats_net_make_us(const struct cats_net *n)
{
	return cats_net_round_up(cats_repair_make_us(&n->layout));
}

/* Who hears the first decision has so long for a combination until REPAIR begins; what is missing REPAIR waits for. */
uint32_t cats_net_making_us(const struct cats_net *n)
{
	const uint32_t step_us = cats_net_step_us(n, CATS_NET_DECIDE);
	const uint32_t first_us = cats_net_slot_us(n, CATS_NET_DECIDE) - CATS_AIR_GAP_US + CATS_NET_HEARD_US;
	const bool all_decide = cats_net_count(n->desc.receivers) <= CATS_NET_DECIDERS;
	const uint32_t there_us = all_decide ? 0 : n->layout.deciders * step_us - first_us;
	const uint32_t needed_us = cats_net_make_us(n) + n->config.lead_us + CATS_NET_SLACK_US;

	return needed_us > there_us ? cats_net_round_up(needed_us - there_us) : 0;
}

/* Another pair in each block, so that a dead device does not decide nothing for ever. */
uint32_t cats_net_decider(const struct cats_net *n, uint32_t block, uint32_t k)
{
	const uint32_t count = cats_net_count(n->desc.receivers);

	return cats_net_member(n->desc.receivers, (n->site + CATS_NET_DECIDERS * block + k) % count);
}

/* What turns of REPAIR depend on. */
struct turns {
	uint8_t block, first;
	uint64_t helpers;
};

static struct turns turns_now(const struct cats_net *n)
{
	return (struct turns){n->block, n->turn, n->helpers};
}

/* As they will be in the next block, as far as is known. */
static struct turns turns_next(const struct cats_net *n)
{
	const uint8_t block = (uint8_t)(n->block + 1U);

	return (struct turns){block, cats_net_first_turn(n, block), n->complete};
}

/* Without statuses the senders go round. With them, a sender all of whose packets nobody else has must send itself.
 * Where receivers pass on what they have, that is every second slot, and the others go round; where the senders do not
 * even listen to each other (a single sink) it is all. */
static uint32_t repair_owner(const struct cats_net *n, const struct turns *turns, uint32_t slot)
{
	const uint64_t lonely = n->senders & ~n->held & ~n->dead;
	const bool blind = n->layout.repairs > 0;
	const bool shared = n->site == 0 || (n->senders & ~n->desc.receivers) == 0;
	uint64_t set = shared && !blind ? n->everyone : n->senders;

	if (!blind && lonely != 0 && (!shared || (turns->block > 0 && slot % 2U == 0))) {
		set = lonely;
		slot /= shared ? 2U : 1U;
	}
	/* Turns go round from a place that is drawn: no device depends on the same neighbour in each block. Who lacks
	 * something leaves its turn to the next that lacks nothing: what it sends might lack the very same. */
	uint32_t place = (turns->first + slot) % cats_net_count(set);

	while (set == n->everyone && (set & turns->helpers) != 0 &&
	       !cats_net_in(turns->helpers, cats_net_member(set, place)))
		place = (place + 1U) % cats_net_count(set);
	return cats_net_member(set, place);
}

/* Behind those who decide it: they have less time to make a combination. */
uint8_t cats_net_first_turn(const struct cats_net *n, uint8_t block)
{
	if (block > 0 && cats_net_count(n->desc.receivers) > CATS_NET_DECIDERS)
		return (uint8_t)(cats_net_place(n->everyone, cats_net_decider(n, block - 1U, CATS_NET_DECIDERS - 1U)) +
				 1U);
	return (uint8_t)cats_random_below(n->site, block, CATS_NET_DEVICES_MAX);
}

bool cats_net_yields(struct cats_net *n, uint32_t own_us, uint32_t shown_us)
{
	n->later = (uint8_t)(shown_us > own_us ? n->later + 1U : 0U);
	if (n->later < LATER_FRAMES && shown_us >= own_us)
		return false;
	n->later = 0;
	return true;
}

uint32_t cats_net_data_slot_us(const struct cats_net *n, uint32_t device, uint32_t index)
{
	const uint32_t bytes = cats_net_payload_bytes(&n->desc, device, index);

	return cats_air_slot_us(cats_frame_length(CATS_FRAME_DATA, CATS_NET_DATA_BYTES + bytes));
}

static bool has_packet(const struct cats_net *n, uint32_t device, uint32_t index)
{
	return n->layout.first[device] + index < n->layout.first[device + 1U];
}

/* The cursor is on a slot, or behind the last (round = rounds). */
static void step(struct cats_net_cursor *c, const struct cats_net *n)
{
	if (c->round < n->layout.rounds && has_packet(n, c->device, c->round)) {
		c->at_us += cats_net_data_slot_us(n, c->device, c->round);
		c->order++;
	}
	do {
		if (++c->device >= n->config.devices) {
			c->device = 0;
			c->round++;
		}
	} while (c->round < n->layout.rounds && !has_packet(n, c->device, c->round));
}

static void to_first(struct cats_net_cursor *c, const struct cats_net *n)
{
	*c = (struct cats_net_cursor){0};
	if (n->layout.rounds > 0 && !has_packet(n, 0, 0))
		step(c, n);
}

void cats_net_cursor_start(struct cats_net *n)
{
	to_first(&n->cursor, n);
	n->own = n->cursor;
}

void cats_net_cursor_pass(struct cats_net *n, int64_t now_us)
{
	while (n->cursor.round < n->layout.rounds) {
		const struct cats_net_cursor c = n->cursor;

		step(&n->cursor, n);
		/* Until the next slot has its first bits, the frame of this one may still be decrypted. */
		if ((int64_t)n->start_us + n->cursor.at_us + CATS_AIR_ADDRESS_US > now_us) {
			n->cursor = c;
			return;
		}
		if (c.device == n->config.self || !n->storing || cats_net_in(n->dead, c.device))
			continue;
		n->passed++;
		n->lost = (uint16_t)(n->lost +
				     !cats_repair_has(&n->repair, (uint32_t)n->layout.first[c.device] + c.round));
	}
}

uint32_t cats_net_data_offset_us(uint16_t *order, const struct cats_net *n, uint32_t device, uint32_t index)
{
	struct cats_net_cursor c = n->cursor;

	if (index < c.round || (index == c.round && device < c.device))
		to_first(&c, n);
	while (c.round < n->layout.rounds && (c.round != index || c.device != device))
		step(&c, n);
	*order = c.order;
	return c.at_us;
}

static bool is_before(const struct cats_net *n, const struct cats_net_cursor *c, uint32_t from_us)
{
	return n->start_us + c->at_us < from_us;
}

static struct cats_net_slot slot_at(const struct cats_net *n, const struct cats_net_cursor *c)
{
	if (c->round >= n->layout.rounds)
		return (struct cats_net_slot){.at_us = CATS_NET_NEVER};
	return (struct cats_net_slot){.at_us = n->start_us + c->at_us,
				      .owner = c->device,
				      .part = CATS_NET_SLOTS,
				      .index = c->round,
				      .order = c->order};
}

/* The first of anybody: the cursor is near it. */
static struct cats_net_slot find_any_data(const struct cats_net *n, uint32_t from_us)
{
	struct cats_net_cursor c = n->cursor;

	while (c.round < n->layout.rounds && is_before(n, &c, from_us))
		step(&c, n);
	return slot_at(n, &c);
}

/* The own one is asked for over and over, and later and later: a cursor of its own stays where it was found. */
static struct cats_net_slot find_own_data(struct cats_net *n, uint32_t from_us)
{
	struct cats_net_cursor *c = &n->own;

	if (c->order < n->cursor.order)
		*c = n->cursor;
	while (c->round < n->layout.rounds && (is_before(n, c, from_us) || c->device != n->config.self))
		step(c, n);
	return slot_at(n, c);
}

static uint32_t slots_of(const struct cats_net *n)
{
	switch (n->part) {
	case CATS_NET_REPAIR:
		return n->repairs;
	case CATS_NET_STATUS:
		return cats_net_count(n->desc.receivers);
	case CATS_NET_DECIDE:
		return n->layout.deciders;
	default:
		return 0;
	}
}

static uint32_t owner_of(const struct cats_net *n, uint32_t slot)
{
	const struct turns turns = turns_now(n);

	switch (n->part) {
	case CATS_NET_REPAIR:
		return repair_owner(n, &turns, slot);
	case CATS_NET_STATUS:
		return cats_net_member(n->desc.receivers, slot);
	default:
		return cats_net_decider(n, n->block, slot);
	}
}

/* The first slot of the part at hand that begins at or after from_us. */
static uint32_t first_slot(const struct cats_net *n, uint32_t step_us, uint32_t from_us)
{
	return from_us <= n->part_us ? 0 : (from_us - n->part_us + step_us - 1U) / step_us;
}

static struct cats_net_slot slot_of_part(const struct cats_net *n, uint32_t i, uint32_t step_us)
{
	return (struct cats_net_slot){.at_us = n->part_us + i * step_us,
				      .owner = (uint8_t)owner_of(n, i),
				      .part = (uint8_t)n->part,
				      .index = (uint16_t)i};
}

struct cats_net_slot cats_net_find_slot(const struct cats_net *n, uint32_t from_us)
{
	const struct cats_net_slot none = {.at_us = CATS_NET_NEVER};
	uint32_t step_us, i;

	if (n->part == CATS_NET_SLOTS)
		return find_any_data(n, from_us);
	step_us = cats_net_step_us(n, n->part);
	i = first_slot(n, step_us, from_us);
	return i < slots_of(n) ? slot_of_part(n, i, step_us) : none;
}

/* The own first of `slots` slots of a REPAIR that begins at part_us, early enough to make a combination. */
static struct cats_net_slot find_own_repair(const struct cats_net *n, const struct turns *turns, uint32_t part_us,
					    uint32_t slots, uint32_t from_us)
{
	const uint32_t step_us = cats_net_slot_us(n, CATS_NET_REPAIR);
	const uint32_t earliest_us = from_us + cats_net_make_us(n);
	uint32_t i = earliest_us <= part_us ? 0 : (earliest_us - part_us + step_us - 1U) / step_us;

	while (i < slots && repair_owner(n, turns, i) != n->config.self)
		i++;
	if (i >= slots)
		return (struct cats_net_slot){.at_us = CATS_NET_NEVER};
	return (struct cats_net_slot){.at_us = part_us + i * step_us,
				      .owner = n->config.self,
				      .part = CATS_NET_REPAIR,
				      .block = turns->block,
				      .index = (uint16_t)i};
}

/* Who has nothing more to send in a part thinks of the REPAIR to come: a combination takes its time. */
static struct cats_net_slot find_coming_repair(const struct cats_net *n, uint32_t from_us)
{
	if (n->part == CATS_NET_SLOTS && n->first_repairs != CATS_NET_UNDECIDED) {
		const struct turns turns = turns_now(n);

		return find_own_repair(n, &turns, n->start_us + n->layout.slots_us, n->first_repairs, from_us);
	}
	if (n->part == CATS_NET_DECIDE && n->decided && !n->ending && n->block < CATS_NET_BLOCKS_MAX) {
		const struct turns turns = turns_next(n);

		return find_own_repair(n, &turns, cats_net_part_end_us(n) + cats_net_making_us(n), n->next_repairs,
				       from_us);
	}
	return (struct cats_net_slot){.at_us = CATS_NET_NEVER};
}

static struct cats_net_slot find_own_of_part(struct cats_net *n, uint32_t from_us)
{
	const uint32_t count = slots_of(n), self = n->config.self, step_us = cats_net_step_us(n, n->part);
	uint32_t i = first_slot(n, step_us, from_us);

	/* Each receiver has one status, in its place. */
	if (n->part == CATS_NET_STATUS) {
		const uint32_t place = cats_net_place(n->desc.receivers, self);

		i = cats_net_in(n->desc.receivers, self) && place >= i ? place : count;
	}
	while (i < count && owner_of(n, i) != self)
		i++;
	if (i >= count)
		return (struct cats_net_slot){.at_us = CATS_NET_NEVER};
	return slot_of_part(n, i, step_us);
}

struct cats_net_slot cats_net_find_own_slot(struct cats_net *n, uint32_t from_us)
{
	const struct turns turns = turns_now(n);
	struct cats_net_slot slot;

	if (n->part == CATS_NET_REPAIR)
		return find_own_repair(n, &turns, n->part_us, n->repairs, from_us);
	slot = n->part == CATS_NET_SLOTS ? find_own_data(n, from_us) : find_own_of_part(n, from_us);
	return slot.at_us == CATS_NET_NEVER ? find_coming_repair(n, from_us) : slot;
}

uint32_t cats_net_decide_end_us(const struct cats_net *n)
{
	if (n->layout.deciders == 0)
		return n->part_us;
	return n->part_us + n->layout.deciders * cats_net_step_us(n, CATS_NET_DECIDE) - cats_net_pause_us(n);
}

uint32_t cats_net_part_end_us(const struct cats_net *n)
{
	switch (n->part) {
	case CATS_NET_SLOTS:
		return n->start_us + n->layout.slots_us;
	case CATS_NET_REPAIR:
		if (n->repairs == 0)
			return n->part_us + (n->block == 0 ? cats_net_pause_us(n) : 0);
		return n->part_us + n->repairs * cats_net_slot_us(n, CATS_NET_REPAIR) +
		       (n->layout.repairs > 0 ? 0 : cats_net_pause_us(n)) +
		       cats_net_round_up(cats_repair_decode_us(&n->layout));
	case CATS_NET_STATUS:
		return n->part_us + slots_of(n) * cats_net_slot_us(n, CATS_NET_STATUS) + cats_net_pause_us(n);
	default:
		return cats_net_decide_end_us(n) + cats_net_pause_us(n);
	}
}

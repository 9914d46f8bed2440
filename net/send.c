/* SPDX-License-Identifier: MIT */
/* Builds frames (docs/SPEC-radio.md, 3). See protocol_private.h. */
#include <string.h>

#include "core/random.h"
#include "net/protocol_private.h"

/* The last slots of a gather carry how many combinations follow: enough of them that everybody hears one, and the very
 * last say only what others said, because what is new in them could be missed. */
#define PROPOSING_SLOTS 8U
#define REPEATING_SLOTS 2U

/* So many slots of others without a frame are doubtful: at a loss of 5 % one in 8,000. */
#define UNHEARD_SLOTS 3U

static bool seal(struct cats_net *n, enum cats_frame_kind kind, uint32_t at_us, uint32_t plain_bytes)
{
	const struct cats_frame_moment moment = {
		.epoch = n->epoch,
		.inference = n->inference,
		.unit = at_us / CATS_AIR_UNIT_US,
		.sender = n->config.self,
		.beacon = kind == CATS_FRAME_BEACON,
	};

	n->which ^= 1U;
	n->pending_bytes = cats_frame_seal(n->frame[n->which], &n->config.aead, &moment, kind, n->plain, plain_bytes);
	return n->pending_bytes > 0;
}

static uint8_t low8(uint32_t x)
{
	return (uint8_t)(x < 255U ? x : 255U);
}

static uint8_t proposal(struct cats_net *n, uint32_t order)
{
	const uint32_t left = n->layout.packets - order;
	const uint32_t proposing = n->layout.packets / 2U < PROPOSING_SLOTS ? n->layout.packets / 2U : PROPOSING_SLOTS;

	if (left > proposing)
		return CATS_NET_UNDECIDED;
	if (n->first_repairs == CATS_NET_UNDECIDED && left > REPEATING_SLOTS)
		n->first_repairs = cats_net_first_repairs(n);
	return n->first_repairs;
}

void cats_net_prepare(struct cats_net *n, const struct cats_net_slot *slot)
{
	(void)proposal(n, slot->order);
}

/* Nodes whose grids are off by less than a slot hide each other for a whole gather: each is deaf while it sends. Who
 * hears nobody keeps still in every second slot of its own, drawn, until it hears where the others are. Its first
 * packet it always sends. */
static bool keeps_still(const struct cats_net *n, const struct cats_net_slot *slot)
{
	uint64_t key;

	if (slot->index == 0 || n->passed < UNHEARD_SLOTS || n->heard != cats_net_bit(n->config.self))
		return false;
	key = cats_random_key(cats_random_key(n->config.self, n->inference), n->site);
	return cats_random_event(key, slot->at_us, UINT32_MAX / 2U);
}

static bool build_data(struct cats_net *n, const struct cats_net_slot *slot)
{
	uint32_t bytes;

	if (!n->storing)
		return false;
	if (slot->index >= n->own_ready) {
		n->counters.unready++;
		return false;
	}
	bytes = n->config.store.read(n->config.store.context, n->plain + CATS_NET_DATA_BYTES, n->config.self,
				     slot->index);
	if (bytes != cats_net_payload_bytes(&n->desc, n->config.self, slot->index))
		return false;
	n->plain[0] = (uint8_t)n->site;
	n->plain[1] = (uint8_t)slot->index;
	n->plain[2] = proposal(n, slot->order);
	n->plain[3] = low8(n->lost);
	return seal(n, CATS_FRAME_DATA, slot->at_us, CATS_NET_DATA_BYTES + bytes);
}

uint64_t cats_net_coded_key(const struct cats_net *n, uint16_t site, uint8_t block, uint8_t slot)
{
	const uint64_t inference = (uint64_t)n->epoch << 32 | n->inference;

	return cats_random_key(cats_random_key(inference, site), (uint64_t)block << 8 | slot);
}

/* The generation of a slot: each goes to the one that needs most after those before it, equal ones in turn. It is made
 * before these are heard, so it follows from what was known when the block began. */
static uint32_t generation_of(const uint8_t *needs, uint32_t generations, uint32_t slot)
{
	uint8_t left[CATS_NET_GENERATIONS_MAX];
	uint32_t best = 0;

	memcpy(left, needs, generations);
	for (uint32_t j = 0; j <= slot; j++) {
		best = j % generations;
		for (uint32_t i = 1; i < generations; i++)
			if (left[(j + i) % generations] > left[best])
				best = (j + i) % generations;
		left[best] = (uint8_t)(left[best] - (left[best] > 0));
	}
	return best;
}

static bool build_coded(struct cats_net *n, const struct cats_net_slot *slot)
{
	/* Before REPAIR has begun, what it will begin with. */
	const bool coming = n->part != CATS_NET_REPAIR;
	const uint8_t repairs = n->part == CATS_NET_SLOTS ? n->first_repairs : coming ? n->next_repairs : n->repairs;
	const uint32_t g =
		generation_of(n->part == CATS_NET_DECIDE ? n->deficits : n->needs, n->layout.generations, slot->index);
	const uint32_t before = n->repair.cycles;
	uint8_t *bits = n->plain + CATS_NET_CODED_BYTES;
	uint8_t *payload = bits + cats_net_bits_bytes(n);

	memset(bits, 0, cats_net_bits_bytes(n));
	if (!n->storing || cats_repair_make(&n->repair, bits, payload,
					    cats_net_coded_key(n, n->site, slot->block, (uint8_t)slot->index), g) == 0)
		return false;
	n->plain[0] = (uint8_t)n->site;
	n->plain[1] = slot->block;
	n->plain[2] = (uint8_t)slot->index;
	n->plain[3] = repairs;
	n->plain[4] = (uint8_t)g;
	n->counters.coding_cycles += n->repair.cycles - before;
	n->counters.coded_sent++;
	return seal(n, CATS_FRAME_CODED, slot->at_us,
		    CATS_NET_CODED_BYTES + cats_net_bits_bytes(n) + n->layout.payload);
}

static uint8_t *put_set(uint8_t *to, uint64_t set, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		*to++ = (uint8_t)(set >> 8U * i);
	return to;
}

/* Returns the bytes written. */
static uint32_t put_status(struct cats_net *n, uint8_t *to)
{
	const bool decide = n->part == CATS_NET_DECIDE;
	uint8_t *at = to + CATS_NET_STATUS_BYTES;

	cats_net_look(n);
	to[0] = (uint8_t)n->site;
	to[1] = (uint8_t)(n->block | (decide ? CATS_NET_DECISION_BIT : 0U));
	to[2] = n->repairs;
	if (decide) {
		/* The end is what a decider announces, and nothing else: whoever merely knows that all are complete
		 * cannot know that the others do. What it announces it also does, whatever others announce that is
		 * less. */
		if (cats_net_all_complete(n))
			n->ending = true;
		cats_net_decide(n);
		to[2] = n->ending ? CATS_NET_UNDECIDED : n->next_repairs;
	}
	at = put_set(at, n->complete, cats_net_set_bytes(n));
	at = put_set(at, n->alive, cats_net_set_bytes(n));
	at = put_set(at, n->held, cats_net_set_bytes(n));
	memcpy(at, n->deficits, n->layout.generations);
	return cats_net_status_bytes(n);
}

static uint32_t put_beacon(struct cats_net *n, uint32_t copy)
{
	for (uint32_t i = 0; i < 4; i++)
		n->plain[i] = (uint8_t)(n->config.plan >> 8U * i);
	n->plain[4] = CATS_FRAME_VERSION;
	n->plain[5] = (uint8_t)copy;
	return CATS_NET_BEACON_BYTES;
}

static bool build_status(struct cats_net *n, const struct cats_net_slot *slot)
{
	if (n->part == CATS_NET_STATUS)
		return seal(n, CATS_FRAME_STATUS, slot->at_us, put_status(n, n->plain));
	put_beacon(n, CATS_NET_BEACON_STATUS);
	return seal(n, CATS_FRAME_BEACON, slot->at_us,
		    CATS_NET_BEACON_BYTES + put_status(n, n->plain + CATS_NET_BEACON_BYTES));
}

bool cats_net_build(struct cats_net *n, const struct cats_net_slot *slot)
{
	switch (slot->part) {
	case CATS_NET_SLOTS:
		return !keeps_still(n, slot) && build_data(n, slot);
	case CATS_NET_REPAIR:
		return build_coded(n, slot);
	default:
		return build_status(n, slot);
	}
}

bool cats_net_build_opening(struct cats_net *n, uint32_t copy)
{
	return seal(n, CATS_FRAME_BEACON, copy * cats_net_opening_us(), put_beacon(n, copy));
}

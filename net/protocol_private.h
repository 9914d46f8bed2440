/* SPDX-License-Identifier: MIT */
/* What the files of the protocol share. Private to net/. Freestanding. */
#ifndef CATS_NET_PROTOCOL_PRIVATE_H
#define CATS_NET_PROTOCOL_PRIVATE_H

#include "net/protocol.h"

#define CATS_NET_NEVER UINT32_MAX
#define CATS_NET_DECIDERS 3U
#define CATS_NET_UNDECIDED 255U /* as a number of repair slots */
#define CATS_NET_REPAIRS_MAX 254U

/* Bytes of plaintext before what varies (docs/SPEC-radio.md, 3). */
#define CATS_NET_DATA_BYTES 4U
#define CATS_NET_CODED_BYTES 5U
#define CATS_NET_STATUS_BYTES 3U
#define CATS_NET_BEACON_BYTES 6U
#define CATS_NET_BEACON_STATUS 255U /* a beacon's copy number when a status follows */
#define CATS_NET_BLOCKS_MAX 126U    /* the highest number of a block; a gather with so many is over by its deadline */
#define CATS_NET_DECISION_BIT 128U  /* of a status's block */

/* From a frame's last bit until it is known: the receiver's delay (5), the tail of CCM (22), an interrupt and what the
 * frame changes (37). */
#define CATS_NET_HEARD_US 64U

static inline uint64_t cats_net_bit(uint32_t device)
{
	return UINT64_C(1) << device;
}

static inline uint32_t cats_net_count(uint64_t set)
{
	return (uint32_t)__builtin_popcountll(set);
}

/* Place of a device among those of a set, and the device at a place. Requires it to be there. */
static inline uint32_t cats_net_place(uint64_t set, uint32_t device)
{
	return cats_net_count(set & (cats_net_bit(device) - 1U));
}
uint32_t cats_net_member(uint64_t set, uint32_t place);

static inline bool cats_net_in(uint64_t set, uint32_t device)
{
	return (set >> device & 1U) != 0;
}

static inline uint64_t cats_net_all(const struct cats_net *n)
{
	return n->config.devices == 64U ? UINT64_MAX : cats_net_bit(n->config.devices) - 1U;
}

static inline uint32_t cats_net_round_up(uint32_t us)
{
	return (us + CATS_AIR_UNIT_US - 1U) / CATS_AIR_UNIT_US * CATS_AIR_UNIT_US;
}

/* Network time of a local time; negative before the inference's beginning. */
static inline int64_t cats_net_time(const struct cats_net *n, uint64_t local_us)
{
	return (int64_t)(local_us - n->base_us);
}

/* What two clocks run apart by in so long; in seconds at most, which are 80 µs each. */
#define CATS_NET_DRIFT_SINCE_MAX_US 50000000U
static inline uint32_t cats_net_drift_us(uint64_t since_us)
{
	const uint32_t since =
		since_us < CATS_NET_DRIFT_SINCE_MAX_US ? (uint32_t)since_us : CATS_NET_DRIFT_SINCE_MAX_US;

	return since * 2U * CATS_AIR_DRIFT_PPM / 1000000U;
}

/* timing.c: the grid of slots. */
uint32_t cats_net_slot_us(const struct cats_net *n, enum cats_net_part part); /* not SLOTS */
uint32_t cats_net_step_us(const struct cats_net *n, enum cats_net_part part);
uint32_t cats_net_opening_us(void);
uint32_t cats_net_pause_us(const struct cats_net *n);
/* By so much earlier than any other frame a combination is made. */
uint32_t cats_net_make_us(const struct cats_net *n);
/* By so much later than after a pause REPAIR of blocks 1, 2, … begins. */
uint32_t cats_net_making_us(const struct cats_net *n);
uint32_t cats_net_part_end_us(const struct cats_net *n);
uint32_t cats_net_decide_end_us(const struct cats_net *n);
/* Place in the round of turns at which a block's REPAIR begins. */
uint8_t cats_net_first_turn(const struct cats_net *n, uint8_t block);
uint32_t cats_net_decider(const struct cats_net *n, uint32_t block, uint32_t k);

/* A slot of the part at hand. */
struct cats_net_slot {
	uint32_t at_us; /* network time; CATS_NET_NEVER: there is none */
	uint8_t owner;
	uint8_t part;   /* enum cats_net_part; REPAIR also in the part before it */
	uint8_t block;  /* REPAIR: of which */
	uint16_t index; /* SLOTS: the packet of its owner; else the slot in the part */
	uint16_t order; /* SLOTS: how many slots were before */
};

/* The first slot of the part that begins at or after from_us, of anybody or of this node. */
struct cats_net_slot cats_net_find_slot(const struct cats_net *n, uint32_t from_us);
struct cats_net_slot cats_net_find_own_slot(struct cats_net *n, uint32_t from_us);

/* Of packet `index` of `device`, from beginning to beginning. */
uint32_t cats_net_data_slot_us(const struct cats_net *n, uint32_t device, uint32_t index);
/* When packet `index` of `device` begins, counted from the gather's beginning, and how many slots are before it. */
uint32_t cats_net_data_offset_us(uint16_t *order, const struct cats_net *n, uint32_t device, uint32_t index);
/* Takes over a grid that a frame shows, of which the own differs: an earlier one at once, a later one when frame after
 * frame shows it. Returns true when it is to be taken. */
bool cats_net_yields(struct cats_net *n, uint32_t own_us, uint32_t shown_us);
void cats_net_cursor_start(struct cats_net *n);
/* Slots that are over are counted as lost where nothing came. */
void cats_net_cursor_pass(struct cats_net *n, int64_t now_us);

/* gather.c: what is known, and what follows from it. */
void cats_net_enter(struct cats_net *n, uint16_t site, uint32_t after_us);
void cats_net_finish(struct cats_net *n, uint32_t end_us, uint32_t *how);
void cats_net_begin(struct cats_net *n, uint32_t epoch, uint32_t inference, uint64_t base_us, uint64_t now_us);
void cats_net_update_storing(struct cats_net *n);
/* Counts how early the runtime is ready, once a gather. */
void cats_net_note_ready(struct cats_net *n, int64_t now_us);
void cats_net_begin_part(struct cats_net *n, enum cats_net_part part, uint32_t part_us);
void cats_net_begin_block(struct cats_net *n, uint8_t block, uint8_t repairs, uint32_t part_us);
bool cats_net_is_complete(const struct cats_net *n);
/* Looks at what is here: adds to what is known of deficits, completeness and holdings. */
void cats_net_look(struct cats_net *n);
/* Everybody that is waited for has said that it has everything. */
bool cats_net_all_complete(const struct cats_net *n);
uint8_t cats_net_first_repairs(const struct cats_net *n);
void cats_net_decide(struct cats_net *n);
/* When time alone brings about the next change. */
uint32_t cats_net_wake_us(const struct cats_net *n);
/* Everything that time alone brings about until `now_us`. */
void cats_net_advance(struct cats_net *n, int64_t now_us);

/* send.c: builds the frame for a slot; false when there is nothing to say in it. */
bool cats_net_build(struct cats_net *n, const struct cats_net_slot *slot);
/* What the frame of a slot of SLOTS will say that takes long to find out. */
void cats_net_prepare(struct cats_net *n, const struct cats_net_slot *slot);
bool cats_net_build_opening(struct cats_net *n, uint32_t copy);

uint64_t cats_net_coded_key(const struct cats_net *n, uint16_t site, uint8_t block, uint8_t slot);

static inline uint32_t cats_net_set_bytes(const struct cats_net *n)
{
	return (n->config.devices + 7U) / 8U;
}

static inline uint32_t cats_net_status_bytes(const struct cats_net *n)
{
	return CATS_NET_STATUS_BYTES + 3U * cats_net_set_bytes(n) + n->layout.generations;
}

static inline uint32_t cats_net_bits_bytes(const struct cats_net *n)
{
	return (cats_repair_size(&n->layout, 0) + 7U) / 8U;
}

#endif

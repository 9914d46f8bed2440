/* SPDX-License-Identifier: MIT */
/* The state of cats_net, in a header so that callers can own one. Only net/ looks into it. */
#ifndef CATS_NET_PROTOCOL_STATE_H
#define CATS_NET_PROTOCOL_STATE_H

#ifndef CATS_NET_PROTOCOL_H
#error "include net/protocol.h"
#endif

enum cats_net_phase {
	CATS_NET_PHASE_IDLE,   /* between inferences, or nothing is known */
	CATS_NET_PHASE_GATHER, /* from the opening, or a gather's end, to the end of the next */
};

/* Parts of a gather. After SLOTS comes block 0, then block 1, …; a block is REPAIR (may be empty), STATUS, DECIDE. */
enum cats_net_part { CATS_NET_SLOTS, CATS_NET_REPAIR, CATS_NET_STATUS, CATS_NET_DECIDE };

/* A place in SLOTS. */
struct cats_net_cursor {
	uint16_t round; /* the packet of its sender; layout.rounds: behind the last */
	uint16_t order; /* slots before */
	uint8_t device;
	uint32_t at_us; /* from the gather's beginning */
};

struct cats_net {
	struct cats_net_config config;
	struct cats_net_counters counters;
	enum cats_net_phase phase;
	/* The network's clock: network time is µs since the inference's beginning. */
	uint64_t base_us;   /* local time of network time 0 */
	uint64_t synced_us; /* local time of the last correction */
	int32_t astray_us;  /* what the latest frame said that seemed wrong; 0: it did not */
	/* Which inference: the latest that was accepted. */
	uint32_t epoch, inference;
	uint32_t stored_epoch; /* in flash */
	uint32_t wanted_epoch; /* to be stored before more is done */
	bool tell_opened, tell_closed;
	/* The source's opening. */
	bool want_open, new_epoch;
	bool reopened; /* this inference is the second try */
	uint64_t open_at_us;
	uint8_t openings; /* sent */
	uint64_t present; /* devices that were heard in the latest gather in which they had a part */
	uint64_t roster;  /* `present` at the opening */
	uint64_t given;   /* silent ones that an epoch was begun for already */
	/* The gather. */
	uint16_t site;      /* the network's */
	uint16_t told;      /* gathers that were reported as ended */
	uint16_t ready;     /* sites that the runtime has reached: site + 1 of the latest cats_net_ready */
	uint16_t own_ready; /* of that site: own packets that are computed, the first ones */
	bool storing;       /* the runtime has this very site open: packets may be read and written */
	bool noted;         /* when it had is in the counters */
	struct cats_net_site desc;
	struct cats_net_layout layout;
	struct cats_repair repair;
	uint64_t senders, everyone;     /* with a message; in any role */
	uint32_t start_us, deadline_us; /* network time */
	enum cats_net_part part;
	uint32_t part_us; /* network time of the part's beginning */
	uint8_t block;
	uint8_t turn;         /* drawn for the block: who has REPAIR's first slot */
	uint8_t repairs;      /* slots of this block's REPAIR */
	uint8_t next_repairs; /* of the next's, as far as it is decided */
	bool decided, ending;
	bool agreed;           /* the previous gather's end was announced, so that it is safe to sleep */
	uint32_t last_end_us;  /* of the previous gather */
	uint32_t block_us;     /* end of the previous block's DECIDE, UINT32_MAX if none */
	uint8_t first_repairs; /* of block 0 as proposed during SLOTS; 255: not yet */
	uint64_t complete;     /* devices that said they have everything */
	uint64_t heard;        /* by anyone in this gather */
	uint64_t held;         /* senders all of whose packets some other device has */
	uint64_t helpers;      /* `complete` at the block's beginning */
	uint64_t alive, alive_before, alive_older;  /* by anyone in this block, the one before, the one before that */
	uint64_t dead;                              /* in this inference */
	uint8_t deficits[CATS_NET_GENERATIONS_MAX]; /* the most of anyone, this block */
	uint8_t needs[CATS_NET_GENERATIONS_MAX];    /* combinations still due in this REPAIR */
	/* Losses of the SLOTS as reported: of each device the slots that it could have heard, and did not. */
	uint16_t passed, lost; /* own */
	uint16_t reported_passed[CATS_NET_DEVICES_MAX];
	uint8_t reported_lost[CATS_NET_DEVICES_MAX];
	uint32_t past_passed, past_lost; /* of earlier gathers, halved with each */
	struct cats_net_cursor cursor;   /* the first slot of SLOTS that is not over */
	struct cats_net_cursor own;      /* the own one that was found last, or one before it */
	uint8_t later;                   /* frames in a row that showed a later grid */
	uint32_t sent_us;                /* network time of the latest transmission's beginning, UINT32_MAX if none */
	/* The transmission that was given and is not over. */
	bool pending;
	uint64_t pending_us;
	uint32_t pending_bytes;
	uint8_t frame[2][CATS_FRAME_BYTES_MAX]; /* the one before may still be on the air */
	uint8_t which;
	uint8_t plain[CATS_AEAD_PLAIN_MAX + 1U];
};

#endif

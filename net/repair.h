/* SPDX-License-Identifier: MIT */
/* Coded repair: combinations of packets of one generation, made and solved. Freestanding; the caller owns all memory.
 *
 * Packets are vectors over GF(256), zero-padded to the layout's payload. A combination is the sum of the packets that
 * its sender has, each times a coefficient that follows from the frame's key and the packet's place in the generation,
 * so that no coefficients travel, only a bit for each packet that is in it. Receivers take off what they have; what is
 * left waits in a row until other rows suffice to solve it. */
#ifndef CATS_NET_REPAIR_H
#define CATS_NET_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "net/site.h"

/* Packets of a generation. The more there are the fewer combinations, but the longer each takes to be taken apart
 * (docs/DESIGN.md, "The gather protocol"). */
#define CATS_REPAIR_GENERATION_MAX 56U
#define CATS_REPAIR_PAYLOAD_MAX 240U
#define CATS_REPAIR_BITS_MAX (CATS_REPAIR_GENERATION_MAX / 8U)

/* Where the packets of the open gather live: the runtime's view. */
struct cats_net_store {
	/* Payload of a packet that is in the view (received, or the node's own): returns its bytes, 0 if it is not
	 * there. */
	uint32_t (*read)(void *context, uint8_t *payload, uint8_t sender, uint16_t packet);
	/* A packet that arrived: true when the view took it. It is then counted as received. */
	bool (*write)(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t bytes);
	void *context;
};

/* What is added up often lies at words. */
#define CATS_REPAIR_WORDS __attribute__((aligned(4)))

/* A combination that is not solved yet. */
struct cats_repair_row {
	bool used;
	uint8_t generation;
	/* The coefficients, zero beyond the generation's size, then the payload: what is done to one is done to both.
	 */
	uint8_t vector[CATS_REPAIR_GENERATION_MAX + CATS_REPAIR_PAYLOAD_MAX] CATS_REPAIR_WORDS;
};

struct cats_repair {
	const struct cats_net_layout *layout;
	const struct cats_net_site *site;
	const struct cats_net_store *store;
	struct cats_repair_row *rows;
	uint16_t row_count;
	uint8_t has[CATS_NET_PACKETS_MAX / 8U]; /* bit k: packet k is in the store */
	uint16_t count;                         /* of those */
	uint8_t had[CATS_NET_GENERATIONS_MAX];  /* of each generation's */
	uint16_t lacking[CATS_NET_DEVICES_MAX]; /* each sender's that are not */
	uint32_t decoded;                       /* packets regained */
	uint32_t cycles;                        /* spent on packets and rows, on a Cortex-M4; an estimate */
	uint8_t scratch[CATS_REPAIR_PAYLOAD_MAX] CATS_REPAIR_WORDS;
	uint8_t sums[4][CATS_REPAIR_PAYLOAD_MAX] CATS_REPAIR_WORDS;
	struct cats_repair_row fresh;
};

/* Nothing is had yet, no row is in use. The pointers must be set. */
void cats_repair_start(struct cats_repair *r);

/* The first `count` packets of `sender`, or all, are in the store, and in no combination that others sent before: the
 * node's own. */
void cats_repair_own(struct cats_repair *r, uint32_t sender, uint32_t count);

static inline bool cats_repair_has(const struct cats_repair *r, uint32_t packet)
{
	return (r->has[packet / 8U] >> packet % 8U & 1U) != 0;
}

static inline bool cats_repair_has_all(const struct cats_repair *r)
{
	return r->count == r->layout->packets;
}

/* Packets of a generation. */
static inline uint32_t cats_repair_size(const struct cats_net_layout *l, uint32_t generation)
{
	return (l->packets - generation + l->generations - 1U) / l->generations;
}

/* A packet is in the store from now on: rows that contain it are relieved of it, which may solve others. */
void cats_repair_known(struct cats_repair *r, uint32_t packet);

/* Makes a combination of all packets of `generation` that are in the store: bits (of which byte i / 8 bit i % 8 is the
 * generation's packet i, that is packet i · generations + generation) and payload (layout->payload bytes). Returns the
 * number of packets in it. */
uint32_t cats_repair_make(struct cats_repair *r, uint8_t *bits, uint8_t *payload, uint64_t key, uint32_t generation);

/* Takes in a combination. True when it was of use: it solved packets (written to the store) or was kept. */
bool cats_repair_take(struct cats_repair *r, const uint8_t *bits, const uint8_t *payload, uint64_t key,
		      uint32_t generation);

/* How long a combination of this layout takes on a Cortex-M4 at 64 MHz, from its last byte to its packets in the view:
 * taking off what is known, and solving it with the others that wait. */
uint32_t cats_repair_decode_us(const struct cats_net_layout *layout);

/* How long it takes to make one. */
uint32_t cats_repair_make_us(const struct cats_net_layout *layout);

#endif

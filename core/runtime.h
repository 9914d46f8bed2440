/* SPDX-License-Identifier: MIT */
/* The runtime: one device's share of an inference, interpreted from its shard, in steps. Freestanding: the caller owns
 * all memory, moves all packets and keeps all time. One node's functions touch its own struct, arena and shard only.
 *
 *	cats_node_init, then for each inference: cats_node_start; on the source cats_node_input or
 *	cats_node_input_bytes; then cats_node_step until it says CATS_NODE_DONE. When it says CATS_NODE_GATHER, the
 *	caller sends what cats_node_next_packet gives, hands what it hears to cats_node_receive, and calls
 *	cats_node_end_gather when everyone has everything or the time is up.
 *
 * A gather may open earlier, while the op before it still computes what this node sends (the shard says where:
 * docs/SPEC-integer.md, OPEN): cats_node_open_site gives it, cats_node_own_packets how many packets are there, and
 * cats_node_step says CATS_NODE_WORKING. From then on packets may be taken and given between steps, and even by an
 * interrupt in the middle of one: what is received and what is computed lie apart. The bytes do not depend on when.
 *
 * Memory: no stack beyond 1 KiB (checked on the emulated core), no recursion. */
#ifndef CATS_CORE_RUNTIME_H
#define CATS_CORE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/kernels/kernels.h"
#include "core/message.h"
#include "core/refusal.h"
#include "core/shard.h"

#define CATS_PACKET_BYTES_MAX (CATS_PACKET_HEADER_BYTES + CATS_PAYLOAD_MAX)

/* Who a node is, apart from its shard. 0 as model or plan: any. */
struct cats_identity {
	uint16_t device;
	uint64_t model_id, plan_id;
};

struct cats_node_config {
	const void *shard; /* 4-byte aligned, unchanged while the node is used */
	size_t shard_bytes;
	void *arena; /* 8-byte aligned, header.arena_bytes or more; the node's alone */
	size_t arena_bytes;
	struct cats_identity identity;
	const struct cats_kernels *kernels; /* NULL: plain C for the shard's target */
};

/* What cats_node_step reports; negative numbers are refusals. */
enum cats_node_state {
	CATS_NODE_WORKING = 0, /* the budget is used: call again */
	CATS_NODE_GATHER,      /* a gather is open: move packets, if any, then cats_node_end_gather */
	CATS_NODE_DONE,        /* the result is there */
	CATS_NODE_IDLE,        /* nothing was started */
};

/* How much of what others sent arrived, over the gathers of this inference that have ended. */
struct cats_share {
	uint64_t expected, arrived; /* values */
};

/* Private to core/; in the header so that the caller can own one. */
struct cats_node {
	struct cats_shard shard;
	const struct cats_kernels *kernels;
	uint8_t *arena;
	uint16_t inference;
	uint16_t op;
	uint8_t state; /* enum cats_node_state */
	bool entered;  /* the op's own counters below are valid */
	bool has_input;
	/* Where the op at hand is; what each means is the op's affair. */
	struct {
		uint32_t phase, row, output, column;
		int32_t maxima[CATS_TILE_ROWS], multipliers[CATS_TILE_ROWS]; /* of the queries at hand */
		uint64_t row_lost[CATS_TILE_ROWS]; /* senders whose token did not arrive, of a panel's rows */
		uint64_t sums_lost;  /* whose sums the scratch of a NORM_PRODUCT holds: rows' that lost these */
		uint32_t sums_ready; /* of so many outputs, from the first on */
		cats_tile acc;
	} at;
	/* The gather that is open, and afterwards the latest. */
	struct {
		bool open;
		uint16_t site;
		uint16_t next;                   /* packet that cats_node_next_packet gives */
		uint16_t own;                    /* packets of the own message, */
		uint16_t ready;                  /* of which so many, the first ones, are computed */
		uint16_t own_group, own_parts;   /* as struct cats_message has them */
		uint32_t words;                  /* of receipt bits a sender */
		uint32_t missing;                /* packets of all senders */
		uint16_t left[CATS_DEVICES_MAX]; /* packets missing of each sender */
		struct cats_message message;     /* of so many columns at this site */
		uint32_t message_columns;
	} gather;
	/* What the latest gather that ended lacks: ops go by it while the next is open already. */
	struct {
		uint16_t site;
		uint32_t words;   /* of receipt bits a sender */
		uint64_t senders; /* of which a packet is missing */
	} losses;
	struct cats_share share;
	uint64_t macs, cycles;
	/* Of the step at hand, in estimated Cortex-M4 cycles. */
	uint32_t budget;
	bool worked;
	bool unlimited;    /* ops may run at once */
	bool charges_most; /* cats_node_charge_most */
};

/* A larger unit of work does not exist: a step's work is at most the larger of its budget and this, in cycles of the
 * Cortex-M4 as the emulated core counts them; tests hold it to that. */
#define CATS_UNIT_CYCLES_MAX 20000U

/* Checks the shard, the identity and the arena; 0 or a refusal. *where (may be NULL) is the offset of what is refused
 * in the shard. After a refusal the node must not be used. */
CATS_MUST_CHECK int cats_node_init(struct cats_node *node, const struct cats_node_config *config, uint32_t *where);

/* Begins inference `number`; what went before is forgotten. */
void cats_node_start(struct cats_node *node, uint16_t number);

/* On the source, after start and before the first step: the quantised input, [rows, columns] of the input site, values
 * in -127 … 127; or an image's bytes, which the shard's table quantises. */
CATS_MUST_CHECK int cats_node_input(struct cats_node *node, const int8_t *values, size_t count);
CATS_MUST_CHECK int cats_node_input_bytes(struct cats_node *node, const uint8_t *bytes, size_t count);

/* Works for at most `budget` Cortex-M4 cycles, but does at least one unit of work if there is any; UINT32_MAX is no
 * limit. With a limit it also returns as soon as a gather opens early or one more own packet is there. The bytes
 * computed do not depend on how the work is cut. Returns an enum cats_node_state or a refusal. */
CATS_MUST_CHECK int cats_node_step(struct cats_node *node, uint32_t budget);

/* Packets of the own message at the open gather that are computed, from the first one on: all of them once
 * cats_node_step says CATS_NODE_GATHER. 0 when none is open. */
uint32_t cats_node_own_packets(const struct cats_node *node);

/* The own message's next packet at the open gather into `packet` (room for CATS_PACKET_BYTES_MAX): its length, or 0
 * when there is none yet (or no open gather). cats_node_packet gives any of those that are there again; a refusal
 * otherwise. */
uint32_t cats_node_next_packet(struct cats_node *node, uint8_t *packet);
CATS_MUST_CHECK int cats_node_packet(const struct cats_node *node, uint16_t number, uint8_t *packet);

/* The payload of any sender's packet at the open gather, read back from the view (room for CATS_PAYLOAD_MAX): its
 * length, or 0 when no gather is open, there is no such packet or it has not arrived. */
uint32_t cats_node_payload(const struct cats_node *node, uint8_t sender, uint16_t number, uint8_t *payload);

/* Whether that packet has arrived at the open gather, or is the node's own. */
bool cats_node_has(const struct cats_node *node, uint8_t sender, uint16_t number);

/* A packet from outside. 0, or a refusal of the kind PACKET_ and nothing changed. */
CATS_MUST_CHECK int cats_node_receive(struct cats_node *node, const uint8_t *packet, size_t length);

/* Whether nothing is missing any more at the open gather. False when none is open. */
bool cats_node_gather_complete(const struct cats_node *node);

/* The site of the open gather, or CATS_NO_SITE. */
uint16_t cats_node_open_site(const struct cats_node *node);

/* Everyone goes on with what arrived. Refused before cats_node_step says CATS_NODE_GATHER. */
CATS_MUST_CHECK int cats_node_end_gather(struct cats_node *node);

/* The result, after CATS_NODE_DONE and before the next start: *value of output `column` of all, row `row` (0 where the
 * output is pooled). Returns 1; 0 when it did not arrive (*value is 0); or a refusal: CALL_NOT_DONE, or CALL_NO_RESULT
 * when this device is no sink and the output is not its own. */
CATS_MUST_CHECK int cats_node_result(int32_t *value, const struct cats_node *node, uint32_t row, uint32_t column);

/* The class: the largest logit of row 0 that arrived, the lowest number among equals. -1 when none did; otherwise a
 * refusal below -1. */
CATS_MUST_CHECK int cats_node_class(const struct cats_node *node);

/* From now on what is lost is charged at what it could cost at most, however it is spread over packets: for schedules
 * that must hold whatever happens. Changes no byte. */
static inline void cats_node_charge_most(struct cats_node *node)
{
	node->charges_most = true;
}

static inline struct cats_share cats_node_share(const struct cats_node *node)
{
	return node->share;
}

/* Multiply-accumulates of this inference so far. */
static inline uint64_t cats_node_macs(const struct cats_node *node)
{
	return node->macs;
}

/* Cortex-M4 cycles of this inference so far, by the estimates that its kernels give; receiving packets is not in them.
 */
static inline uint64_t cats_node_cycles(const struct cats_node *node)
{
	return node->cycles;
}

#endif

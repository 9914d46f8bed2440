/* SPDX-License-Identifier: MIT */
/* How a host drives the image node.elf: one struct in the image's RAM, at its symbol `cats_mailbox`. The image stops at
 * breakpoint CATS_HOST_SERVE (ports/m4/host.h) whenever it has answered; the host then reads the answer, writes the
 * next call and lets it go on. Each call is one function of core/runtime.h, for one node. Addresses are the image's.
 * The same bytes on host and image: 32-bit fields, little-endian. Freestanding. */
#ifndef CATS_PORTS_M4_MAILBOX_H
#define CATS_PORTS_M4_MAILBOX_H

#include "core/runtime.h"

#define CATS_MAILBOX_VERSION 2U

enum cats_mailbox_call {
	CATS_MAILBOX_NONE,
	CATS_MAILBOX_INIT,        /* shard, shard_bytes, arena, arena_bytes, device, kernels -> result, where */
	CATS_MAILBOX_START,       /* number */
	CATS_MAILBOX_INPUT,       /* input, input_bytes: quantised values -> result */
	CATS_MAILBOX_INPUT_BYTES, /* input, input_bytes: an image's bytes -> result */
	CATS_MAILBOX_STEP,        /* budget -> result */
	CATS_MAILBOX_NEXT_PACKET, /* -> packet_bytes, packet */
	CATS_MAILBOX_PACKET,      /* number -> result, packet_bytes, packet */
	CATS_MAILBOX_RECEIVE,     /* packet_bytes, packet -> result */
	CATS_MAILBOX_END_GATHER,  /* -> result */
	CATS_MAILBOX_RESULT,      /* row, column -> result, value */
	CATS_MAILBOX_CLASS,       /* -> result */
};

struct cats_mailbox {
	uint32_t version;            /* the image's */
	uint32_t call;               /* enum cats_mailbox_call; the image sets it back to NONE */
	int32_t result;              /* as the function returns it; a call that does not exist: INT32_MIN */
	uint32_t shard, shard_bytes; /* where the host has put the shard */
	uint32_t arena, arena_bytes; /* memory for the arena */
	uint32_t device;             /* identity; any model, any plan */
	uint32_t kernels;            /* which of the image's tables of kernels, kernel_tables in all */
	uint32_t kernel_tables;      /* the image's */
	uint32_t kernels_name;       /* address of the name of the table of the latest INIT */
	uint32_t where;              /* offset of what INIT refuses */
	uint32_t number;             /* of the inference, or of a packet */
	uint32_t input, input_bytes; /* where the host has put the input */
	uint32_t budget;             /* of a step, in estimated cycles */
	uint32_t row, column;        /* of a result */
	int32_t value;               /* of a result */
	uint32_t open_site;          /* after every call: cats_node_open_site */
	uint32_t macs;               /* after every call: cats_node_macs, its low word */
	uint32_t estimated_cycles;   /* after every call: cats_node_cycles, its low word */
	uint32_t expected, arrived;  /* after every call: cats_node_share, low words */
	uint32_t packet_bytes;
	uint8_t packet[CATS_PACKET_BYTES_MAX];
};

_Static_assert(sizeof(struct cats_mailbox) == 25U * 4U + CATS_PACKET_BYTES_MAX, "no padding");
_Static_assert(CATS_PACKET_BYTES_MAX % 4U == 0, "no padding at the end");

#endif

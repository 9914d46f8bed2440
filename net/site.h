/* SPDX-License-Identifier: MIT */
/* One gather site as the network sees it: who sends how much to whom. Every node knows all of it beforehand, so
 * nothing is negotiated on air. Pure; freestanding. */
#ifndef CATS_NET_SITE_H
#define CATS_NET_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/message.h"
#include "net/aead.h"
#include "net/air.h"

#define CATS_NET_DEVICES_MAX 64U   /* six bits of S0, and of a set of devices in 64 */
#define CATS_NET_PACKETS_MAX 1024U /* of all messages of one site */
#define CATS_NET_MESSAGE_PACKETS_MAX 256U
#define CATS_NET_GENERATIONS_MAX 22U /* 1024 packets in generations of 48 */

/* Filled by the caller. The same numbers on every node, or their frames do not fit together. */
struct cats_net_site {
	uint32_t compute_us;  /* from the agreed end of the gather before (at site 0: from the inference's beginning,
				 with the opening's frames in it) to this one's beginning: the slowest node's worst case,
				 and the making of the first frame (protocol.h, "Lead") */
	uint32_t deadline_us; /* from its beginning until everybody goes on; 0: three times the air-time limit */
	uint64_t receivers;   /* bit i: device i wants the messages. Senders that want nothing are not in it */
	uint16_t tokens;
	uint16_t payload_max;                       /* 4 … 240 */
	uint16_t token_bytes[CATS_NET_DEVICES_MAX]; /* that device i sends for each token; 0: no message */
};

/* A site with no more than a few short frames still needs statuses of everybody (about 220 each with the gap), and
 * three more rounds of them. */
#define CATS_NET_DEADLINE_MIN_US 4000U
#define CATS_NET_DEADLINE_DEVICE_US 900U

/* The air-time limit of all messages of a site (air.h). */
uint32_t cats_net_site_limit_us(const struct cats_net_site *site, uint32_t devices);
uint32_t cats_net_site_deadline_us(const struct cats_net_site *site, uint32_t devices);

/* What follows from a site, once for each gather. Packets are numbered 0 … packets - 1, all of sender 0, then all of
 * sender 1, …; they are *sent* in rounds, packet 0 of each sender, then packet 1 of each, so that a burst of
 * interference or a dead sender spreads over the messages. A *generation* is what is coded together: packet k belongs
 * to generation k mod generations. */
struct cats_net_layout {
	uint16_t packets;
	uint16_t rounds;                           /* most packets of one sender */
	uint16_t generations;                      /* 1 … 22 */
	uint16_t payload;                          /* length of the longest packet, and of all coded ones */
	uint16_t first[CATS_NET_DEVICES_MAX + 1U]; /* number of device i's first packet; [devices] = packets */
};

/* False when a number is outside its range: no plan's site then. */
bool cats_net_layout_of(struct cats_net_layout *layout, const struct cats_net_site *site, uint32_t devices);

/* Requires packet < layout->packets. */
uint32_t cats_net_layout_sender(const struct cats_net_layout *layout, uint32_t packet);

/* Bytes of the payload of a packet: of one that the layout has, or of packet `index` of `sender`, which it has. */
uint32_t cats_net_payload_bytes(const struct cats_net_site *site, uint32_t sender, uint32_t index);
uint32_t cats_net_packet_bytes(const struct cats_net_layout *layout, const struct cats_net_site *site, uint32_t packet);

#endif

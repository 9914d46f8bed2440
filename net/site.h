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
#define CATS_NET_GENERATIONS_MAX \
	22U /* 1024 packets in generations of 48, the least that CATS_REPAIR_GENERATION_MAX allows */

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

/* The air-time limit of all messages of a site (air.h). */
uint32_t cats_net_site_limit_us(const struct cats_net_site *site, uint32_t devices);

/* site->deadline_us, or what is right when that is 0: three times the limit. Longer only where headers leave less than
 * that: half as much again as the slots themselves, where packets are so short that their slots take more than twice
 * the limit; and a round of statuses with the repair that a loss of 20 % takes, where who receives does not send
 * (`input`, `out`) and is heard by its status alone. Requires a site that cats_net_layout_of takes. */
uint32_t cats_net_site_deadline_us(const struct cats_net_site *site, uint32_t devices);

/* What follows from a site, once for each gather. Packets are numbered 0 … packets - 1, all of sender 0, then all of
 * sender 1, …; they are *sent* in rounds, packet 0 of each sender, then packet 1 of each, so that a burst of
 * interference or a dead sender spreads over the messages. A *generation* is what is coded together: packet k belongs
 * to generation k mod generations. */
struct cats_net_layout {
	uint16_t packets;
	uint16_t rounds;      /* most packets of one sender */
	uint16_t generations; /* 1 … 22 */
	uint16_t payload;     /* length of the longest packet, and of all coded ones */
	uint16_t repairs;     /* in a gather without statuses: combinations that follow the slots; else 0 */
	uint8_t deciders;     /* beacons that end a block: 3, or the receivers if fewer; without statuses 1 or 0 */
	uint16_t mixed;       /* most packets of a combination: whoever receives nothing has its own only */
	uint32_t slots_us;    /* all data frames, from beginning to beginning */
	uint32_t deadline_us; /* cats_net_site_deadline_us */
	uint16_t first[CATS_NET_DEVICES_MAX + 1U]; /* number of device i's first packet; [devices] = packets */
};

/* A round of statuses takes as long as several short combinations. Where these are enough to complete a gather at a
 * loss of 20 % and give each sender a turn, or the repair that 5 % take would not fit between statuses and three times
 * the limit, there are no statuses: the combinations follow the slots unasked, and the end is known beforehand. Only
 * where all senders receive: whoever does not would not be heard.
 *
 * False when a number is outside its range: no plan's site then. */
bool cats_net_layout_of(struct cats_net_layout *layout, const struct cats_net_site *site, uint32_t devices);

/* When each packet, by its number, begins after the gather's beginning, and how many are sent before it. */
struct cats_net_slot_time {
	uint32_t at_us;
	uint32_t before;
};
void cats_net_slot_times(struct cats_net_slot_time times[CATS_NET_PACKETS_MAX], const struct cats_net_layout *layout,
			 const struct cats_net_site *site, uint32_t devices);

/* From beginning to beginning, µs: of a combination; of a status, as a frame of its own or in a beacon. */
uint32_t cats_net_layout_coded_us(const struct cats_net_layout *layout);
uint32_t cats_net_layout_status_us(const struct cats_net_layout *layout, uint32_t devices, bool beacon);

/* Requires packet < layout->packets. */
uint32_t cats_net_layout_sender(const struct cats_net_layout *layout, uint32_t packet);

/* Bytes of the payload of a packet: of one that the layout has, or of packet `index` of `sender`, which it has. */
uint32_t cats_net_payload_bytes(const struct cats_net_site *site, uint32_t sender, uint32_t index);
uint32_t cats_net_packet_bytes(const struct cats_net_layout *layout, const struct cats_net_site *site, uint32_t packet);

#endif

/* SPDX-License-Identifier: MIT */
/* How a sender's kept columns of many tokens are cut into radio packets: which packets carry token t. Pure integer
 * arithmetic; freestanding. */
#ifndef CATS_NET_PACKET_H
#define CATS_NET_PACKET_H

#include <stdint.h>

/* Bytes of activations that one packet carries, one byte a column. An nRF52840 packet has an 8-bit LENGTH (at most 255
 * bytes), of which CCM's check value takes 4, so that 251 bytes are encrypted plaintext (CCM MAXPACKETSIZE = 0xFB); 11
 * of these are set aside for the protocol's own header: inference (2), site (2), sender (1), packet index and count
 * (2), slot time (4). 251 - 11 = 240. */
#define CATS_PACKET_PAYLOAD_BYTES 240U

/* Either several whole tokens share a packet (packets_per_token = 1), or one token is spread over several packets
 * (tokens_per_packet = 1). Both are >= 1 unless nothing is sent: then all three are 0. */
struct cats_packets {
	uint32_t tokens_per_packet;
	uint32_t packets_per_token;
	uint32_t count; /* packets for all tokens */
};

/* columns: kept columns of the sender, one byte each; payload_bytes >= 1. Never fails. */
struct cats_packets cats_packets_of(uint32_t columns, uint32_t tokens, uint32_t payload_bytes);

/* The packets that token t needs are `first` … first + packets_per_token - 1; returns `first`. */
static inline uint32_t cats_packet_first(const struct cats_packets *packets, uint32_t t)
{
	return t / packets->tokens_per_packet * packets->packets_per_token;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Frames as a capture file that Wireshark opens: pcapng, one interface a node, link type LE_LL_WITH_PHDR (256). Each
 * transmission is an outbound packet of its sender, each reception an inbound one of its receiver. Host only. */
#ifndef CATS_SIM_PCAPNG_H
#define CATS_SIM_PCAPNG_H

#include <stdio.h>

#include "sim/medium.h"

/* Not on air in this simulation, yet a capture has one. It has the properties that the standard asks of access
 * addresses (six changes in the first six bits at most, no run of more than six). */
#define CATS_PCAPNG_ACCESS_ADDRESS 0x50655645U
#define CATS_PCAPNG_RF_CHANNEL 19U /* 2440 MHz */

/* The head of the file: section and interfaces. Errors are in ferror(out). */
void cats_pcapng_begin(FILE *out, uint32_t nodes);

/* One packet at `node`; `result` CATS_RECEIVED or CATS_RECEIVED_BROKEN (its CRC is written wrong), or the sender's own.
 */
void cats_pcapng_packet(FILE *out, const struct cats_transmission *frame, uint32_t node, enum cats_reception result,
			double dbm);

/* CRC-24 of BLE over a PDU, as the number whose little-endian bytes are on air; initial value 0x555555. */
uint32_t cats_pcapng_crc24(const uint8_t *pdu, uint32_t bytes);

#endif

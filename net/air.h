/* SPDX-License-Identifier: MIT */
/* What a frame costs in the air with the Bluetooth LE 2M PHY of an nRF52840, every microsecond derived. Pure integer
 * arithmetic; freestanding. */
#ifndef CATS_NET_AIR_H
#define CATS_NET_AIR_H

#include <stdint.h>

#define CATS_AIR_BYTE_US 4U         /* 2 Mbit/s */
#define CATS_AIR_OVERHEAD_BYTES 11U /* preamble 2, access address 4, header S0 and LENGTH 2, CRC 3 */
#define CATS_AIR_ADDRESS_US 24U     /* from a frame's first bit to the end of its access address: what is timestamped */
#define CATS_AIR_LENGTH_MAX 255U    /* LENGTH has 8 bits */

/* The largest drift of one clock: a crystal of ±40 ppm (HFXO). Two of them run apart by twice that. */
#define CATS_AIR_DRIFT_PPM 40U

/* Between the last bit of a frame and the first of the next, whoever sends it:
 *
 *	40  ramp-up in fast mode, receiver to transmitter (RXEN or TXEN to first bit)
 *	 3  a transmission starts up to 3 later than the ramp-up promises
 *	 5  guard: what two clocks differ by when both hear the gather. 1 + 1 for timestamps of whole microseconds, and
 *	    3 for 80 ppm over 37 ms without a frame from anyone
 *
 * Within these and the 24 of the next frame's preamble and address (72 together) a receiver also finishes CCM: three
 * AES blocks after the last byte (22), an interrupt that sets up the next (8), and key generation (four blocks, 29). */
#define CATS_AIR_GAP_US 48U

/* All transmissions begin at multiples of this, counted from the beginning of the inference. The number of the unit is
 * part of the nonce; a receiver finds it from its own clock as long as that is right to ±4, or by a few trials. */
#define CATS_AIR_UNIT_US 8U

/* A frame whose LENGTH is `length`. */
static inline uint32_t cats_air_frame_us(uint32_t length)
{
	return (length + CATS_AIR_OVERHEAD_BYTES) * CATS_AIR_BYTE_US;
}

/* From the beginning of a frame to the earliest beginning of the next, a multiple of the unit. */
static inline uint32_t cats_air_slot_us(uint32_t length)
{
	return (cats_air_frame_us(length) + CATS_AIR_GAP_US + CATS_AIR_UNIT_US - 1U) & ~(CATS_AIR_UNIT_US - 1U);
}

/* The air-time limit of one message of `bytes`: payloads of up to 255 bytes without any header or check of ours, 11
 * bytes around each, and a ramp-up of 40 before each. No protocol that sends each packet once can be faster. */
static inline uint32_t cats_air_limit_us(uint32_t bytes)
{
	const uint32_t packets = (bytes + CATS_AIR_LENGTH_MAX - 1U) / CATS_AIR_LENGTH_MAX;

	return (bytes + packets * CATS_AIR_OVERHEAD_BYTES) * CATS_AIR_BYTE_US + packets * 40U;
}

#endif

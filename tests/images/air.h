/* SPDX-License-Identifier: MIT */
/* What the images sender.elf and receiver.elf agree on: frames sealed while they are sent, opened while they arrive,
 * all by RADIO, TIMER, PPI and CCM. Frame k has nonce k, k mod 64 in the upper bits of S0, and air_length(k) bytes k +
 * i. */
#ifndef CATS_TESTS_IMAGES_AIR_H
#define CATS_TESTS_IMAGES_AIR_H

#include <stdint.h>

#define AIR_FRAMES 20U
#define AIR_PERIOD_US 2000U /* frame k begins to ramp up at (k + 1) · this by the sender's timer */
#define AIR_FREQUENCY 40U
#define AIR_ADDRESS 0x50655645U

/* In flash, where the host may write another: address, frequency; erased: those above. */
#define AIR_SETTINGS 0x000F0000U

/* The receiver sends one of these by UARTE for every frame. */
struct air_record {
	uint8_t k, length, authentic, crc_right;
	uint32_t captured_us; /* TIMER0 at ADDRESS */
};

static inline uint32_t air_length(uint32_t k)
{
	return 1U + k * 13U;
}

#endif

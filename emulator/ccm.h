/* SPDX-License-Identifier: MIT */
/* CCM, 0x4000F000: AES-CCM with extended length at 2 Mbit/s, beside RADIO in both directions. And ECB, 0x4000E000: one
 * block, by the same AES core. The arithmetic is Mbed TLS's.
 *
 * Times follow from 7.2 us an AES block. Key generation: 4 blocks, 28.8 us. A packet: 2 blocks before the payload, 2
 * for every 16 bytes of it (0.9 us a byte, four times faster than the air), 3 after the last byte. A byte that RADIO is
 * about to write is waited for. docs/DESIGN.md says what of this is known.
 *
 * Refused, beside what every peripheral refuses: a task while disabled or busy; CRYPT without a key stream of its own;
 * another mode or rate, or one that changes while busy; pointers outside RAM; a packet that is longer than
 * MAXPACKETSIZE; reading a buffer that RADIO is to receive a frame into before that frame's ADDRESS. */
#ifndef CATS_EMULATOR_CCM_H
#define CATS_EMULATOR_CCM_H

#include "emulator/peripheral.h"

extern const struct cats_peripheral_model cats_ccm_model, cats_ecb_model;

/* The other thing that silicon may do: every byte takes the 4 us of the data rate, also of a packet that is complete.
 * Until the chip is freed. */
void cats_ccm_keep_rate(struct cats_peripheral *ccm);

/* Calls `sealed` for every packet that is encrypted from now on, with what it was sealed with: header as authenticated,
 * plain text. Until the chip is freed. */
struct cats_ccm_watch {
	void *context;
	void (*sealed)(void *context, const uint8_t key[16], const uint8_t nonce[13], uint8_t header,
		       const uint8_t *plain, uint32_t bytes);
};
void cats_ccm_watch(struct cats_peripheral *ccm, const struct cats_ccm_watch *watch);

/* Whether the byte at `address` is one that CCM is about to write. */
bool cats_ccm_owes(struct cats_chip *chip, uint32_t address);

/* Whether CCM has the AES core; if ECB has it, that loses it. */
bool cats_ccm_is_busy(struct cats_chip *chip);
void cats_ecb_interrupt(struct cats_chip *chip);

#endif

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

/* A packet that was encrypted, or decrypted with a tag that is right. */
struct cats_ccm_packet {
	bool sealed;                /* else opened */
	const uint8_t *key, *nonce; /* 16 and 13 bytes */
	uint8_t header;             /* as authenticated */
	const uint8_t *plain;
	uint32_t bytes; /* of it */
};

/* Calls `packet` for every one from now on, at the time when it is done. Until the chip is freed. */
struct cats_ccm_watch {
	void *context;
	void (*packet)(void *context, const struct cats_ccm_packet *packet, uint64_t time);
};
void cats_ccm_watch(struct cats_peripheral *ccm, const struct cats_ccm_watch *watch);

/* Whether the byte at `address` is one that CCM is about to write. */
bool cats_ccm_owes(struct cats_chip *chip, uint32_t address);

/* Whether CCM has the AES core; if ECB has it, that loses it. */
bool cats_ccm_is_busy(struct cats_chip *chip);
void cats_ecb_interrupt(struct cats_chip *chip);

#endif

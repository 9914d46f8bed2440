/* SPDX-License-Identifier: MIT */
/* Frames: their bytes, their nonce, sealing and opening (docs/SPEC-radio.md). Pure; freestanding.
 *
 * In memory, here and at the radio's interface, a frame is S0, LENGTH, then LENGTH bytes: what is on the air between
 * access address and CRC. (The chip's RAM layout has an S1 byte after LENGTH that is not on the air.) */
#ifndef CATS_NET_FRAME_H
#define CATS_NET_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "net/aead.h"
#include "net/air.h"

#ifndef CATS_FRAME_VERSION /* tests have one that others do not understand */
#define CATS_FRAME_VERSION 1U
#endif
#define CATS_FRAME_BYTES_MAX (2U + CATS_AIR_LENGTH_MAX)
#define CATS_FRAME_CLEAR_BYTES 12U /* of a beacon */

/* S0: the kind in bits 0 … 1, which CCM authenticates, and the sender in bits 2 … 7, which are in the nonce. */
enum cats_frame_kind {
	CATS_FRAME_DATA = 0,   /* a packet of the sender's own message */
	CATS_FRAME_CODED = 1,  /* a combination of packets */
	CATS_FRAME_STATUS = 2, /* who has what */
	CATS_FRAME_BEACON = 3, /* tells the time to whom does not know it */
};

/* When and by whom: what makes a nonce. Receivers know all of it before the frame arrives. */
struct cats_frame_moment {
	uint32_t epoch;     /* of the source: inference epoch */
	uint32_t inference; /* within the epoch, from 1 */
	uint32_t unit;      /* beginning of the frame / 8 µs, counted from the inference's beginning */
	uint8_t sender;     /* 0 … 63 */
	bool beacon;
};

enum cats_frame_refusal {
	CATS_FRAME_REFUSED_SHORT = -200,  /* fewer bytes than any frame of its kind */
	CATS_FRAME_REFUSED_LENGTH = -201, /* LENGTH is not the number of bytes that follow */
	CATS_FRAME_REFUSED_SENDER = -202, /* no such device in this plan, or oneself, and not known to be fresh */
	CATS_FRAME_REFUSED_TAG =
		-203, /* wrong key, wrong time or changed bytes: not of this network, slot and sender */
	CATS_FRAME_REFUSED_OLD = -204,     /* an inference or epoch that is over: a replay */
	CATS_FRAME_REFUSED_PLAN = -205,    /* authentic, but of another plan or version */
	CATS_FRAME_REFUSED_CONTENT = -206, /* authentic, but a field is outside its range */
	CATS_FRAME_REFUSED_IDLE = -207,    /* nothing is known of the time: only beacons are understood */
	CATS_FRAME_REFUSED_TWIN =
		-208, /* authentic and fresh, but oneself did not send it: two nodes have one number */
};

/* One line without a full stop. */
const char *cats_frame_refusal_text(int refusal);

/* docs/SPEC-radio.md, 2. Distinct moments give distinct nonces. Requires sender < 64. */
void cats_frame_nonce(uint8_t nonce[CATS_AEAD_NONCE_BYTES], const struct cats_frame_moment *moment);

static inline enum cats_frame_kind cats_frame_kind_of(uint8_t s0)
{
	return (enum cats_frame_kind)(s0 & 3U);
}

static inline uint8_t cats_frame_sender_of(uint8_t s0)
{
	return (uint8_t)(s0 >> 2);
}

/* LENGTH of a frame with plain_bytes of plaintext. */
static inline uint32_t cats_frame_length(enum cats_frame_kind kind, uint32_t plain_bytes)
{
	return plain_bytes + CATS_AEAD_TAG_BYTES + (kind == CATS_FRAME_BEACON ? CATS_FRAME_CLEAR_BYTES : 0U);
}

/* Writes a whole frame, with a beacon's clear bytes; its length in memory (2 + LENGTH), or 0 when the plaintext is too
 * long or the cipher failed. `plain` must not overlap `frame`. moment->beacon must be kind == CATS_FRAME_BEACON. */
uint32_t cats_frame_seal(uint8_t frame[CATS_FRAME_BYTES_MAX], const struct cats_aead *aead,
			 const struct cats_frame_moment *moment, enum cats_frame_kind kind, const uint8_t *plain,
			 uint32_t plain_bytes);

/* What is known of `bytes` bytes from the air without a key: 0, or SHORT or LENGTH. For a beacon its clear fields are
 * put into *moment (sender and beacon always). The number of plaintext bytes goes to *plain_bytes: at least 1. */
CATS_MUST_CHECK int cats_frame_parse(struct cats_frame_moment *moment, uint32_t *plain_bytes, const uint8_t *frame,
				     uint32_t bytes);

/* Opens a frame that cats_frame_parse took, for one moment. 0, or TAG. `plain` has room for 251 bytes. */
CATS_MUST_CHECK int cats_frame_open(uint8_t *plain, const struct cats_aead *aead,
				    const struct cats_frame_moment *moment, const uint8_t *frame, uint32_t plain_bytes);

#endif

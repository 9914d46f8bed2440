/* SPDX-License-Identifier: MIT */
/* Frames. See frame.h. */
#include "net/frame.h"

#include <string.h>

/* Bits of S0 that CCM authenticates; the others are zero in its associated data. */
#define HEADER_MASK 0xE3U

static void put32(uint8_t *to, uint32_t value)
{
	for (uint32_t i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8U * i);
}

static uint32_t get32(const uint8_t *from)
{
	return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

const char *cats_frame_refusal_text(int refusal)
{
	switch (refusal) {
	case CATS_FRAME_REFUSED_SHORT:
		return "the frame is shorter than any of its kind";
	case CATS_FRAME_REFUSED_LENGTH:
		return "the frame's LENGTH is not the number of bytes that follow";
	case CATS_FRAME_REFUSED_SENDER:
		return "the frame's sender is no other device of this plan";
	case CATS_FRAME_REFUSED_TAG:
		return "the frame's tag is not that of this network, time and sender";
	case CATS_FRAME_REFUSED_OLD:
		return "the frame is of an inference that is over";
	case CATS_FRAME_REFUSED_PLAN:
		return "the frame is of another plan or version";
	case CATS_FRAME_REFUSED_CONTENT:
		return "a field of the frame is outside its range";
	case CATS_FRAME_REFUSED_IDLE:
		return "no inference is open: only a beacon is understood";
	case CATS_FRAME_REFUSED_TWIN:
		return "another node has this node's number";
	default:
		return "not a refusal";
	}
}

void cats_frame_nonce(uint8_t nonce[CATS_AEAD_NONCE_BYTES], const struct cats_frame_moment *moment)
{
	put32(nonce, moment->unit);
	nonce[4] = (uint8_t)((moment->sender & 63U) | (moment->beacon ? 0x80U : 0U));
	put32(nonce + 5, moment->epoch);
	put32(nonce + 9, moment->inference);
}

uint32_t cats_frame_seal(uint8_t frame[CATS_FRAME_BYTES_MAX], const struct cats_aead *aead,
			 const struct cats_frame_moment *moment, enum cats_frame_kind kind, const uint8_t *plain,
			 uint32_t plain_bytes)
{
	const uint32_t length = cats_frame_length(kind, plain_bytes);
	uint8_t nonce[CATS_AEAD_NONCE_BYTES];
	uint8_t *sealed = frame + 2;

	if (plain_bytes == 0 || plain_bytes > CATS_AEAD_PLAIN_MAX || length > CATS_AIR_LENGTH_MAX)
		return 0;
	frame[0] = (uint8_t)((uint32_t)moment->sender << 2 | (uint32_t)kind);
	frame[1] = (uint8_t)length;
	if (kind == CATS_FRAME_BEACON) {
		put32(sealed, moment->epoch);
		put32(sealed + 4, moment->inference);
		put32(sealed + 8, moment->unit);
		sealed += CATS_FRAME_CLEAR_BYTES;
	}
	cats_frame_nonce(nonce, moment);
	if (!aead->seal(aead->context, sealed, nonce, frame[0] & HEADER_MASK, plain, plain_bytes))
		return 0;
	return 2U + length;
}

int cats_frame_parse(struct cats_frame_moment *moment, uint32_t *plain_bytes, const uint8_t *frame, uint32_t bytes)
{
	uint32_t overhead = 2U + CATS_AEAD_TAG_BYTES;

	if (bytes < 2U)
		return CATS_FRAME_REFUSED_SHORT;
	if (bytes != 2U + frame[1])
		return CATS_FRAME_REFUSED_LENGTH;
	moment->sender = cats_frame_sender_of(frame[0]);
	moment->beacon = cats_frame_kind_of(frame[0]) == CATS_FRAME_BEACON;
	if (moment->beacon)
		overhead += CATS_FRAME_CLEAR_BYTES;
	if (bytes <= overhead)
		return CATS_FRAME_REFUSED_SHORT;
	*plain_bytes = bytes - overhead;
	if (*plain_bytes > CATS_AEAD_PLAIN_MAX)
		return CATS_FRAME_REFUSED_LENGTH;
	if (moment->beacon) {
		moment->epoch = get32(frame + 2);
		moment->inference = get32(frame + 6);
		moment->unit = get32(frame + 10);
	}
	return 0;
}

int cats_frame_open(uint8_t *plain, const struct cats_aead *aead, const struct cats_frame_moment *moment,
		    const uint8_t *frame, uint32_t plain_bytes)
{
	uint8_t nonce[CATS_AEAD_NONCE_BYTES];

	cats_frame_nonce(nonce, moment);
	if (!aead->open(aead->context, plain, nonce, frame[0] & HEADER_MASK,
			frame + 2 + (moment->beacon ? CATS_FRAME_CLEAR_BYTES : 0U), plain_bytes))
		return CATS_FRAME_REFUSED_TAG;
	return 0;
}

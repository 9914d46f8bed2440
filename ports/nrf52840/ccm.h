/* SPDX-License-Identifier: MIT */
/* AES-CCM by the chip's CCM, as net/aead.h wants it. Nobody waits for a frame to be sealed: `seal` starts that and
 * returns, since a frame is sealed four times faster than it is sent and the peripheral writes it to where the radio
 *will read it. `open` waits.
 *
 *	seal	about 29 µs for the keys, then 14 and 14.4 for every 16 bytes; started at least 60 before the frame's
 *		first bit, and the first sealed byte is sent 32 after that
 *	beacon	sealed behind its 12 clear bytes, of which the peripheral writes over the last three; the handler
 *		puts them back, by the time they are sent: 72 µs after the first bit
 *
 *	expected	29 µs for the keys, which must be there before ADDRESS; then beside the receiver, 22 longer. The
 *		next one's keys are begun by the handler at that moment: 21 before the next ADDRESS at the earliest
 *	open	all of that after the frame: 80 for a status, 330 for the longest
 *
 * Sealing goes before all else; a frame that was arriving then is opened after it. Protocol level, but for the handler.
 */
#ifndef CATS_PORTS_NRF52840_CCM_H
#define CATS_PORTS_NRF52840_CCM_H

#include "net/aead.h"
#include "net/frame.h"

void cats_ccm_start(const uint8_t key[CATS_AEAD_KEY_BYTES], uint8_t self);

struct cats_aead cats_ccm_aead(void);

/* The frame that was sealed last, as the radio wants it (radio.h); the one before stays as it is. */
const uint8_t *cats_ccm_sealed(void);

/* The next frames, one or two, by what the schedule says; start_us: of their first bits. Beacons are not decrypted
 * while they arrive, since their bytes lie elsewhere. */
void cats_ccm_expect(const struct cats_frame_moment *moments, const uint64_t *start_us, uint32_t count);

/* Radio level: the receiver has taken up a frame, and knows where the next will lie. */
void cats_ccm_address(void);

struct cats_ccm_counters {
	uint32_t failed; /* the peripheral did not end in time */
	uint32_t flown;  /* frames that had been decrypted when they were asked for */
	uint32_t opened; /* and those that had not */
};
struct cats_ccm_counters cats_ccm_counters(void);

#endif

/* SPDX-License-Identifier: MIT */
/* AES-CCM as the protocol needs it, behind an interface: the chip's CCM peripheral, or a library on the host. It knows
 * the key; nothing else in net/ does. Freestanding. */
#ifndef CATS_NET_AEAD_H
#define CATS_NET_AEAD_H

#include <stdbool.h>
#include <stdint.h>

#define CATS_AEAD_KEY_BYTES 16U
#define CATS_AEAD_NONCE_BYTES 13U
#define CATS_AEAD_TAG_BYTES 4U
#define CATS_AEAD_PLAIN_MAX 251U /* CCM MAXPACKETSIZE = 0xFB */

/* AES-128-CCM of RFC 3610 with M = 4 and L = 2, one byte of associated data: `header & 0xE3`, which is what the
 * nRF52840 authenticates. The nonce's 13 bytes are in the order of RFC 3610; of the peripheral's 33 bytes at CNFPTR,
 * the counter (39 bits, little-endian) is nonce[0 … 4] without its topmost bit, the direction is that bit (nonce[4] bit
 * 7), the IV is nonce[5 … 12].
 *
 * `sealed` has plain_bytes + 4 bytes: ciphertext, then tag. Neither may overlap the other, except that they may be the
 * same address. plain_bytes <= 251, and may be 0 nowhere in this protocol. A function returns false when it failed;
 * open returns false also when the tag is wrong, and then `plain` holds nothing of use. */
struct cats_aead {
	bool (*seal)(void *context, uint8_t *sealed, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		     const uint8_t *plain, uint32_t plain_bytes);
	/* An implementation that decrypted this very frame while it arrived, with this very nonce (cats_net_action says
	 * which to expect), may return that result. */
	bool (*open)(void *context, uint8_t *plain, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		     const uint8_t *sealed, uint32_t plain_bytes);
	void *context;
};

#endif

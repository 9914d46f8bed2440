/* SPDX-License-Identifier: MIT */
/* What makes nodes one network: a key, and what follows from it. Host only. */
#ifndef CATS_DEPLOY_NETWORK_H
#define CATS_DEPLOY_NETWORK_H

#include <stdbool.h>

#include "io/error.h"
#include "ports/nrf52840/layout.h"

/* 2478 MHz, above the three channels of Wi-Fi that are used most (1, 6 and 11 end at 2473). */
#define CATS_NETWORK_CHANNEL 36U

struct cats_network {
	uint8_t key[16];
	uint32_t access_address;
	uint8_t channel;
};

/* A key from the system's random source, or with `seed` (NULL: none) one that anybody can make again: for tests alone.
 */
CATS_MUST_CHECK enum cats_status cats_network_make(struct cats_network *out, uint8_t channel, const uint64_t *seed,
						   struct cats_error *error);

/* The key in a file: 32 hexadecimal digits, white space around them. Anything else is refused, and so is a key that is
 * one byte 16 times. */
CATS_MUST_CHECK enum cats_status cats_network_read(struct cats_network *out, uint8_t channel, const char *path,
						   struct cats_error *error);

/* Text for such a file: the digits, a line's end and a 0. */
#define CATS_NETWORK_KEY_TEXT 34U
void cats_network_key_text(char text[CATS_NETWORK_KEY_TEXT], const struct cats_network *network);

/* Whether the radio may use it (Bluetooth core specification, volume 6, part B, 2.1.2): among others no more than six
 * equal bits in a row, not the advertising channels' address or one bit from it. */
bool cats_network_address_good(uint32_t access_address);

/* The identity page of a node, its checksum in it. Requires node < CATS_IDENTITY_NODES. */
struct cats_identity_page cats_network_identity(const struct cats_network *network, uint32_t node);

#endif

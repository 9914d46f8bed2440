/* SPDX-License-Identifier: MIT */
/* Where everything lies in a node's flash and RAM, and the bytes of what is neither firmware nor shard: the identity
 * page, the log of epochs, a record on the serial line. Shared by the firmware and by what prepares flash images on the
 * host (docs/SPEC-node.md). Freestanding; with CATS_LAYOUT_CONSTANTS_ONLY defined it is numbers only, without suffixes,
 * that a linker script can be preprocessed with. */
#ifndef CATS_PORTS_NRF52840_LAYOUT_H
#define CATS_PORTS_NRF52840_LAYOUT_H

/* nRF52840: 1 MiB of flash in pages of 4 KiB, 256 KiB of RAM (product specification, memory). */
#define CATS_LAYOUT_FLASH 0x00000000
#define CATS_LAYOUT_FLASH_BYTES 0x00100000
#define CATS_LAYOUT_PAGE_BYTES 0x1000
#define CATS_LAYOUT_RAM 0x20000000
#define CATS_LAYOUT_RAM_BYTES 0x00040000

/* Flash, from the bottom: firmware, shard, two pages of epochs, the identity. Each begins with a page, so that each can
 * be written without the others. */
#define CATS_LAYOUT_FIRMWARE 0x00000000
#define CATS_LAYOUT_FIRMWARE_BYTES 0x00010000 /* 64 KiB at most, vectors and initial values with it */
#define CATS_LAYOUT_SHARD 0x00010000
#define CATS_LAYOUT_SHARD_BYTES 0x000ED000 /* 948 KiB at most */
#define CATS_LAYOUT_EPOCHS 0x000FD000
#define CATS_LAYOUT_EPOCH_PAGES 2
#define CATS_LAYOUT_IDENTITY 0x000FF000
#define CATS_LAYOUT_IDENTITY_BYTES CATS_LAYOUT_PAGE_BYTES

/* RAM, from the bottom: stacks, data and state of the firmware; then the arena to the end, 240 KiB at most. */
#define CATS_LAYOUT_RAM_FIXED_BYTES 0x4000 /* 16 KiB */
#define CATS_LAYOUT_ARENA 0x20004000
#define CATS_LAYOUT_ARENA_BYTES 0x0003C000

/* What no shard and no arena can have. */
#define CATS_LAYOUT_FLASH_RESERVED (CATS_LAYOUT_FLASH_BYTES - CATS_LAYOUT_SHARD_BYTES)
#define CATS_LAYOUT_RAM_RESERVED (CATS_LAYOUT_RAM_BYTES - CATS_LAYOUT_ARENA_BYTES)

#ifndef CATS_LAYOUT_CONSTANTS_ONLY

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/checksum.h"

/* ---- Firmware: its vectors' reserved words say what it is and where its check is, behind all other bytes ---- */

#define CATS_FIRMWARE_MAGIC 0x46544143U /* "CATF" read as a little-endian u32 */
#define CATS_FIRMWARE_MARK 0x1CU        /* where it is: the magic, then the layout's version */
#define CATS_LAYOUT_VERSION 1U          /* of the places above */
#define CATS_FIRMWARE_CHECK_AT 0x24U    /* where the check's address is */

struct cats_firmware_check {
	uint32_t crc32; /* as in gzip, of all bytes before this */
	uint32_t bytes; /* their number */
};

/* `firmware`: CATS_LAYOUT_FIRMWARE_BYTES of flash. 14 cycles a byte. */
static inline bool cats_firmware_is_whole(const uint8_t *firmware)
{
	struct cats_firmware_check check;
	uint32_t at;

	memcpy(&at, firmware + CATS_FIRMWARE_CHECK_AT, sizeof at);
	if (at > CATS_LAYOUT_FIRMWARE_BYTES - sizeof check)
		return false;
	memcpy(&check, firmware + at, sizeof check);
	return check.bytes == at && check.crc32 == cats_checksum(0, firmware, at);
}

/* ---- Identity page: which node this is, and what makes it one of the network ---- */

#define CATS_IDENTITY_MAGIC 0x49544143U /* "CATI" read as a little-endian u32 */
#define CATS_IDENTITY_VERSION 1U
#define CATS_IDENTITY_NODES 64U      /* node numbers are 0 … 63: what a frame's header can say */
#define CATS_IDENTITY_CHANNEL_MAX 36 /* data channels of Bluetooth LE; 37 to 39 are for advertising */

/* At CATS_LAYOUT_IDENTITY; the rest of the page stays erased. Little-endian. Node n takes the shard of device n of any
 * plan. All nodes of a network have the same key, access address and channel. */
struct cats_identity_page {
	uint32_t magic;
	uint16_t version;
	uint16_t node;
	uint8_t key[16];         /* AES-128 */
	uint32_t access_address; /* of the radio's frames */
	uint8_t channel;         /* 0 … 36: also the whitening's start */
	uint8_t reserved;        /* 0 */
	uint16_t flags;          /* 0: none is defined */
	uint32_t crc32;          /* as in gzip, of the 32 bytes before */
};

enum cats_identity_fault {
	CATS_IDENTITY_GOOD,
	CATS_IDENTITY_MISSING,  /* no magic: an erased page, say */
	CATS_IDENTITY_OTHER,    /* of another version */
	CATS_IDENTITY_CHECKSUM, /* damaged */
	CATS_IDENTITY_RANGE,    /* node, channel, reserved or flags */
};

static inline uint32_t cats_identity_checksum(const struct cats_identity_page *identity)
{
	return cats_checksum(0, identity, offsetof(struct cats_identity_page, crc32));
}

static inline enum cats_identity_fault cats_identity_check(const struct cats_identity_page *identity)
{
	if (identity->magic != CATS_IDENTITY_MAGIC)
		return CATS_IDENTITY_MISSING;
	if (identity->version != CATS_IDENTITY_VERSION)
		return CATS_IDENTITY_OTHER;
	if (identity->crc32 != cats_identity_checksum(identity))
		return CATS_IDENTITY_CHECKSUM;
	if (identity->node >= CATS_IDENTITY_NODES || identity->channel > CATS_IDENTITY_CHANNEL_MAX ||
	    identity->reserved != 0 || identity->flags != 0)
		return CATS_IDENTITY_RANGE;
	return CATS_IDENTITY_GOOD;
}

/* Of a channel that cats_identity_check takes: what the radio's FREQUENCY holds. Channels leave room for the three of
 * advertising (Bluetooth core specification, volume 6, part B, 1.4.1). */
static inline uint32_t cats_identity_frequency_mhz(uint8_t channel)
{
	return 2400U + 2U * channel + (channel < 11U ? 4U : 6U);
}

/* ---- Log of epochs: records are appended; the highest valid epoch of both pages counts ---- */

/* Little-endian; erased, all bits are 1. Before a page is used again it is erased, and while it is the other holds the
 * highest. A record whose writing was cut short is not valid, and stays where it is. */
struct cats_epoch_record {
	uint32_t epoch;      /* from 1 */
	uint32_t complement; /* ~epoch */
};

#define CATS_EPOCH_RECORDS (CATS_LAYOUT_PAGE_BYTES / 8U) /* of a page */

/* ---- Serial line: 1 Mbaud, 8 bits, no parity, 1 stop bit ---- */

/* An input for the source: the mark, u16 length of the payload, the payload, u32 CRC-32 of the payload; little-endian.
 * The payload is the input's bytes as section 1.3 of docs/SPEC-integer.md has them: an image's where the source's shard
 * has an input table, int8 otherwise. */
#define CATS_SERIAL_BAUD 1000000U
#define CATS_SERIAL_MARK 'I'
#define CATS_SERIAL_HEAD_BYTES 3U
#define CATS_SERIAL_CRC_BYTES 4U

_Static_assert(sizeof(struct cats_firmware_check) == 8, "docs/SPEC-node.md, flash");
_Static_assert(sizeof(struct cats_identity_page) == 36, "docs/SPEC-node.md, identity page");
_Static_assert(offsetof(struct cats_identity_page, crc32) == 32, "docs/SPEC-node.md, identity page");
_Static_assert(sizeof(struct cats_epoch_record) == 8, "docs/SPEC-node.md, log of epochs");
_Static_assert(CATS_LAYOUT_FIRMWARE + CATS_LAYOUT_FIRMWARE_BYTES == CATS_LAYOUT_SHARD, "shard behind firmware");
_Static_assert(CATS_LAYOUT_SHARD + CATS_LAYOUT_SHARD_BYTES == CATS_LAYOUT_EPOCHS, "epochs behind shard");
_Static_assert(CATS_LAYOUT_EPOCHS + CATS_LAYOUT_EPOCH_PAGES * CATS_LAYOUT_PAGE_BYTES == CATS_LAYOUT_IDENTITY,
	       "identity behind epochs");
_Static_assert(CATS_LAYOUT_IDENTITY + CATS_LAYOUT_IDENTITY_BYTES == CATS_LAYOUT_FLASH_BYTES, "identity is last");
_Static_assert(CATS_LAYOUT_ARENA + CATS_LAYOUT_ARENA_BYTES == CATS_LAYOUT_RAM + CATS_LAYOUT_RAM_BYTES, "arena is last");
_Static_assert(CATS_LAYOUT_RAM + CATS_LAYOUT_RAM_FIXED_BYTES == CATS_LAYOUT_ARENA, "arena behind the rest");

#endif
#endif

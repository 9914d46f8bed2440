/* SPDX-License-Identifier: MIT */
/* A chip with a radio whose air is a script: one frame that it may hear, and a log of what it sends. */
#ifndef CATS_TESTS_EMULATOR_RADIO_FIXTURE_H
#define CATS_TESTS_EMULATOR_RADIO_FIXTURE_H

#include "emulator/models.h"
#include "emulator/radio.h"
#include "tests/emulator/chip_fixture.h"

#define PACKET 0x20010000U
#define PACKET_2 0x20010200U

#define HFXO WRITE(CATS_CLOCK_BASE, 1), AWAIT(CATS_CLOCK_BASE + 0x100U)
#define RADIO(offset, value) WRITE(CATS_RADIO_BASE + (offset), value)
#define CCM(offset, value) WRITE(CATS_CCM_BASE + (offset), value)

#define TXEN RADIO(0x000U, 1)
#define RXEN RADIO(0x004U, 1)
#define START RADIO(0x008U, 1)
#define STOP RADIO(0x00CU, 1)
#define DISABLE RADIO(0x010U, 1)
#define SHORTS(value) RADIO(0x200U, value)
#define READY_START 1U
#define END_DISABLE 2U
#define DISABLED_TXEN 4U
#define DISABLED_RXEN 8U
#define ADDRESS_RSSISTART 0x10U
#define END_START 0x20U
#define ADDRESS_BCSTART 0x40U
#define PACKETPTR(value) RADIO(0x504U, value)

#define ACCESS_ADDRESS 0x50655645U
/* Beside FREQUENCY and DATAWHITEIV, which are as out of reset. */
#define BLE_2M                                                                                                        \
	RADIO(0x510U, 4), RADIO(0x514U, 0x01100108U), RADIO(0x518U, 0x020300FFU), RADIO(0x51CU, ACCESS_ADDRESS << 8), \
		RADIO(0x524U, ACCESS_ADDRESS >> 24), RADIO(0x52CU, 0), RADIO(0x530U, 1), RADIO(0x534U, 0x103U),       \
		RADIO(0x538U, 0x65BU), RADIO(0x53CU, 0x555555U), RADIO(0x650U, 0x201U)

/* Bits of struct cats_peripheral's events. */
enum {
	READY = 1U << 0,
	ADDRESS = 1U << 1,
	PAYLOAD = 1U << 2,
	END = 1U << 3,
	DISABLED = 1U << 4,
	RSSIEND = 1U << 7,
	BCMATCH = 1U << 10,
	CRCOK = 1U << 12,
	CRCERROR = 1U << 13,
	TXREADY = 1U << 21,
	RXREADY = 1U << 22,
	PHYEND = 1U << 27,
};

struct radio_fixture {
	struct chip_fixture c;
	struct cats_peripheral *radio, *ccm;
	struct cats_air air;

	/* What it did. */
	uint64_t powered[3]; /* when it was last switched to each */
	uint64_t began, ended, listened;
	bool cut;
	uint32_t frames, cuts;
	uint8_t sent[257];
	uint32_t sent_bytes;
	struct cats_tuning tuning;

	/* The frame that it may hear. */
	const uint8_t *heard;
	uint64_t address; /* CATS_NEVER: there is none */
	bool refused, broken;
	uint32_t taken; /* bytes */
	bool deaf;
};

void radio_fixture_open(struct radio_fixture *f);
void radio_fixture_close(struct radio_fixture *f);

/* Runs a script that ends with SLEEP. */
void radio_fixture_sleep(struct radio_fixture *f, const struct script_line *lines, size_t count);
#define RADIO_SLEEPS(f, ...)                                              \
	radio_fixture_sleep(f, (const struct script_line[]){__VA_ARGS__}, \
			    sizeof((const struct script_line[]){__VA_ARGS__}) / sizeof(struct script_line))

void radio_fixture_poke(struct radio_fixture *f, uint32_t address, const void *bytes, size_t size);
const uint8_t *radio_fixture_peek(struct radio_fixture *f, uint32_t address, size_t size);

/* While the processor sleeps: that these events happen at a time and not before, and nothing else until then. */
void radio_fixture_expect(struct radio_fixture *f, uint64_t time, uint32_t events);

/* Fills in what a frame is made of: S0, LENGTH, payload. */
void radio_fixture_frame(uint8_t pdu[257], uint8_t length);

#endif

/* SPDX-License-Identifier: MIT */
/* RADIO, 0x40001000: Bluetooth LE 2M as CATS uses it, and nothing else of what the peripheral can do. Frames take their
 * time, byte by byte: the transmitter reads each from RAM just before it is on air, and a receiver writes each when it
 * has heard it, so that CCM can work beside it. What is on air is the business of `struct cats_air`.
 *
 * Refused, beside what every peripheral refuses: a task in a state that does not know it; a radio without the crystal
 * oscillator; any other mode, packet format, address length, CRC or power than BLE 2M's at 0 dBm when the radio is
 * enabled; a write to these while it is not disabled; PACKETPTR outside RAM; a frame to send with LENGTH above MAXLEN,
 * or whose bytes CCM has not written when they are due. */
#ifndef CATS_EMULATOR_RADIO_H
#define CATS_EMULATOR_RADIO_H

#include "emulator/peripheral.h"

extern const struct cats_peripheral_model cats_radio_model;

/* Who may hear whom: all three must be the same. */
struct cats_tuning {
	uint32_t address;   /* access address; its lowest byte is the first on air */
	uint32_t frequency; /* MHz above 2400 */
	uint32_t whitening; /* bits 0 … 5 of DATAWHITEIV */
};

enum cats_radio_power { CATS_RADIO_OFF, CATS_RADIO_SENDS, CATS_RADIO_HEARS };

/* What a radio asks of the air around it; a radio that is not connected sends to nobody and hears nothing. Times are
 * the chip's own. */
struct cats_air {
	void *context; /* of all functions */

	/* A frame's first bit is on air at `at`. Its bytes follow one by one, S0 first, each told before it is on air.
	 * `end`: the frame's last bit is on air at `at`, or (cut) the transmitter goes off then. */
	void (*begin)(void *context, uint64_t at, const struct cats_tuning *tuning);
	void (*byte)(void *context, uint8_t value);
	void (*end)(void *context, uint64_t at, bool cut);

	/* The receiver is on from `at`; or off, and what it was taking up is lost. */
	void (*listen)(void *context, uint64_t at, const struct cats_tuning *tuning);
	void (*deafen)(void *context);

	/* When the receiver, which listens and takes up nothing, has the ADDRESS event of the next frame if it takes
	 * it up; CATS_NEVER: no such frame is on air yet. At that time: whether it does, and how loud the frame is. */
	uint64_t (*next)(void *context);
	bool (*address)(void *context, double *dbm);

	/* Byte `index` (S0 is 0) of the frame taken up, 4 us · (index + 1) after ADDRESS. At the END event: whether the
	 * CRC is right. The receiver then is off. */
	uint8_t (*take)(void *context, uint32_t index);
	bool (*finish)(void *context);

	/* What the radio draws, from `at` on. */
	void (*power)(void *context, uint64_t at, enum cats_radio_power power);
};

/* `air` outlives the radio; NULL disconnects it. */
void cats_radio_connect(struct cats_peripheral *radio, const struct cats_air *air);

/* A frame has begun that this radio may hear: air->next is to be asked again. */
void cats_radio_look_up(struct cats_peripheral *radio);

/* When the receiver will have written the byte at `address`: 0 if it has, or if that is none of the bytes it is about
 * to write; CATS_NEVER if no frame has begun that would bring it. */
uint64_t cats_radio_writes_at(const struct cats_peripheral *radio, uint32_t address);

#endif

/* SPDX-License-Identifier: MIT */
/* The RADIO: frames begin and reception goes on without the processor; it only hands over buffers, in time for what is
 * listed here. Time is TIMER0's (clock.h).
 *
 * Moments, Bluetooth LE 2M, fast ramp-up:
 *
 *	transmission	TIMER0 compare 0 at 40 µs before the first bit; by PPI to DISABLE, which with the shortcut
 *			DISABLED_TXEN begins the ramp-up at once, or to TXEN where the radio is disabled already.
 *			READY_START sends, END_DISABLE ends, DISABLED_RXEN begins to listen again: 44 µs after the last
 *			bit.
 *	reception	READY_START, then END_START from frame to frame. ADDRESS is captured by PPI: 24 µs of air after
 *			the first bit and the receiver's delay of 5.
 *
 * What the processor must do, by when:
 *
 *	ADDRESS of a received frame	PACKETPTR for the next, until this one's END: 76 µs for the shortest of ours
 *					(LENGTH 14), 20 for an empty one of strangers
 *	DISABLED before a transmission	PACKETPTR and shortcuts, until READY: 40
 *	DISABLED after it		PACKETPTR and shortcuts, until READY: 40
 *
 * cats_radio_slack has how much of each was left in the worst case. Whoever is late for the first loses a frame that
 * its tag would refuse anyhow. */
#ifndef CATS_PORTS_NRF52840_RADIO_H
#define CATS_PORTS_NRF52840_RADIO_H

#include <stdbool.h>
#include <stdint.h>

#include "net/air.h"

/* In RAM a frame is S0, LENGTH, a byte that is not on the air and that the CCM wants, then LENGTH bytes. */
#define CATS_RADIO_HEADER_BYTES 3U
#define CATS_RADIO_BYTES_MAX (CATS_RADIO_HEADER_BYTES + CATS_AIR_LENGTH_MAX)

/* From a frame's first bit to its ADDRESS event in the receiver, whose delay is 5. */
#define CATS_RADIO_ADDRESS_US (CATS_AIR_ADDRESS_US + 5U)

struct cats_radio_frame {
	uint64_t start_us; /* of its first bit */
	uint8_t bytes[CATS_RADIO_BYTES_MAX];
};

struct cats_radio_settings {
	uint32_t address; /* access address */
	uint32_t frequency_mhz;
	uint8_t channel; /* of Bluetooth LE, 0 … 39: where whitening starts */
	uint8_t power;   /* TXPOWER's code; 0 is 0 dBm */
};

/* Since the start: the least that was left of each deadline (UINT32_MAX: it never came up), and what went wrong. */
struct cats_radio_slack {
	uint32_t next_buffer_us, before_sending_us, after_sending_us;
};
struct cats_radio_counters {
	uint32_t broken;  /* wrong CRC */
	uint32_t dropped; /* no buffer was free, or the handler came too late for the next */
	uint32_t sent;
};

/* All of these at protocol level, or before interrupts are on. */
void cats_radio_start(const struct cats_radio_settings *settings);

/* Receives from now on: until cats_radio_quiet, but for transmissions. */
void cats_radio_listen(void);
void cats_radio_quiet(void);

/* A transmission is to be given so long before its first bit: ramp-up, and what it takes to set a timer. */
#define CATS_RADIO_ARMING_US 48U

/* The first bit of `bytes` (as above; it is read when it is sent) is on air at at_us. False when it is too late for
 * that. The protocol's handler is called when it is being sent. */
bool cats_radio_send(uint64_t at_us, const uint8_t *bytes, uint32_t air_us);

/* The oldest frame with a right CRC that was received, or NULL; cats_radio_release gives its buffer back. */
struct cats_radio_frame *cats_radio_received(void);
void cats_radio_release(void);

/* Where the frame after the one that is being received will lie, or NULL if that is not known; whether one is being
 * received. With radio level held. */
const uint8_t *cats_radio_next_bytes(void);
bool cats_radio_is_receiving(void);

/* The radio is in the state in which the driver left it. */
bool cats_radio_is_alive(void);

struct cats_radio_slack cats_radio_slack(void);
struct cats_radio_counters cats_radio_counters(void);

#endif

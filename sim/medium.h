/* SPDX-License-Identifier: MIT */
/* One radio channel that all nodes share: who hears which frame. Passive: a caller with a clock (world.h, or the
 * emulator) tells it, in the order of time, what radios do, and asks at a frame's ADDRESS and END whether a receiver
 * has it. All draws are pure functions of seed, transmission and receiver. */
#ifndef CATS_SIM_MEDIUM_H
#define CATS_SIM_MEDIUM_H

#include <stdbool.h>

#include "sim/radio.h"
#include "sim/topology.h"

/* A frame is received with probability 1 / (1 + exp(-(C/I - 8 dB) / 1 dB)). */
#define CATS_CAPTURE_DB 8.0
#define CATS_CAPTURE_SLOPE_DB 1.0
#define CATS_NOISE_DBM (CATS_SENSITIVITY_DBM - CATS_CAPTURE_DB)

/* From outside, at every node alike: in each stretch of CATS_BURST, with a probability, an interferer of this power. */
#define CATS_BURST (500 * CATS_TIME_US)
#define CATS_BURST_DBM (-60.0)

struct cats_transmission {
	uint64_t number; /* counts all transmissions of a medium from 1 */
	uint32_t sender;
	cats_time start, end; /* first and last bit */
	uint32_t bytes;       /* of the PDU: 2 of header and the payload */
	uint8_t pdu[CATS_RADIO_PDU_MAX];
};

struct cats_medium_options {
	const struct cats_topology *topology; /* copied */
	double link_loss;                     /* of each frame at each receiver, whatever its power */
	double burst_share;                   /* of stretches with an interferer from outside */
	uint64_t seed;
	/* May lose frames on purpose (true: lost); NULL: none. Called once a frame and listening receiver. */
	bool (*lose)(void *context, const struct cats_transmission *frame, uint32_t receiver);
	void *context;
};

enum cats_reception {
	CATS_RECEIVED,
	CATS_RECEIVED_BROKEN, /* the address was heard, but the CRC is wrong */
	CATS_NOT_RECEIVED,    /* too weak, interfered with, or lost; or the radio was not listening all the time */
};

struct cats_medium;

CATS_MUST_CHECK enum cats_status cats_medium_create(struct cats_medium **out, const struct cats_medium_options *options,
						    struct cats_error *error);
void cats_medium_free(struct cats_medium *medium);

/* The node's receiver is ready from now on, until cats_medium_deafen; what it was receiving then is lost. */
void cats_medium_listen(struct cats_medium *medium, uint32_t node, cats_time now);
void cats_medium_deafen(struct cats_medium *medium, uint32_t node);
/* Whether it listens, and has since `since`. */
bool cats_medium_listens(const struct cats_medium *medium, uint32_t node, cats_time since);

/* A frame's first bit. Deafens the sender. The transmission stays valid until 2 ms after its end. NULL: out of memory.
 * `bytes` <= CATS_RADIO_PDU_MAX. */
const struct cats_transmission *cats_medium_send(struct cats_medium *medium, uint32_t sender, cats_time now,
						 const uint8_t *pdu, uint32_t bytes);

/* The same for a sender whose bytes are known only as they go on air: a frame without payload so far, which the caller
 * completes. LENGTH must be known, and `end` set, before anyone asks about a time that is 36 us after the start. */
struct cats_transmission *cats_medium_begin(struct cats_medium *medium, uint32_t sender, cats_time now);

/* At the receiver's ADDRESS event, 24 us of air and CATS_RADIO_RX_DELAY after the start: whether the receiver takes up
 * this frame; it is then deaf to others until the frame's END. */
bool cats_medium_address(struct cats_medium *medium, const struct cats_transmission *frame, uint32_t receiver);

/* At the receiver's END event, CATS_RADIO_RX_DELAY after the end. */
enum cats_reception cats_medium_end(struct cats_medium *medium, const struct cats_transmission *frame,
				    uint32_t receiver);

/* The frame that the node is taking up, or NULL. */
const struct cats_transmission *cats_medium_receiving(const struct cats_medium *medium, uint32_t node);

/* The power at which `receiver` hears `sender`, dBm; -1000 when not at all. */
double cats_medium_power_dbm(const struct cats_medium *medium, uint32_t sender, uint32_t receiver);

static inline cats_time cats_transmission_address(const struct cats_transmission *frame)
{
	return frame->start + (cats_time)CATS_RADIO_ADDRESS_BYTES * CATS_RADIO_BYTE + CATS_RADIO_RX_DELAY;
}

#endif

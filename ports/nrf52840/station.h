/* SPDX-License-Identifier: MIT */
/* The driver of the gather protocol (net/protocol.h) on the chip: one function at protocol level, called by PendSV
 * whenever a frame has come or gone, the time that the protocol named has come, or thread mode has something to tell.
 *
 * Who may touch what:
 *
 *	struct cats_net, repair rows	protocol level only
 *	struct cats_node, arena		thread mode; between cats_station_ready and the end of that gather (or a new
 *					inference) the protocol level, which reads and writes packets there. Thread mode
 *					may then still be computing what it sends, which lies apart: own columns, of
 *					which those that were not told yet are not read, statistics, residual, scratch
 *	struct cats_station_news	written at protocol level, read in thread mode; fields of a word each, the
 *					number of the inference's opening last
 *	what thread mode tells		written in thread mode with the protocol level held, which takes it at its next
 *					turn, before anything else
 *
 * An inference may be abandoned at any time for the next one. Thread mode notices between two steps; whatever it says
 * about the old one carries the old number of openings and is ignored. */
#ifndef CATS_PORTS_NRF52840_STATION_H
#define CATS_PORTS_NRF52840_STATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/runtime.h"
#include "net/protocol.h"

/* Combinations that wait; 418 bytes each. Sixteen nodes at 5 % lack two or three of the packets of a small site. */
#define CATS_STATION_ROWS 8U

#define CATS_STATION_REFUSALS 9U /* kinds of refused frames: enum cats_frame_refusal, from the first */

/* For thread mode: all only ever count up or hold the latest. */
struct cats_station_news {
	volatile uint32_t openings;  /* inferences that have begun */
	volatile uint32_t inference; /* of the latest: its number within its epoch, and the epoch */
	volatile uint32_t epoch;
	volatile uint32_t ended;        /* gathers of it that are over and were reported: site + 1 */
	volatile uint32_t closed;       /* openings, when it was over */
	volatile uint32_t wanted_epoch; /* to be stored; 0: none */
	volatile uint32_t refused[CATS_STATION_REFUSALS];
	volatile uint32_t missed;   /* transmissions for which it was too late */
	volatile uint32_t late_us;  /* the most by which a turn began after the moment that the protocol had named */
	volatile uint32_t least_us; /* from arming to the last moment for that, the least; UINT32_MAX: none */
};

struct cats_station_options {
	const struct cats_shard *shard;
	struct cats_node *node;
	struct cats_aead aead;
	uint32_t epoch; /* from flash */
};

/* Before the first call of anything here. False: the protocol cannot carry this shard's sites. */
bool cats_station_init(const struct cats_station_options *options);
/* Listens from now on. */
void cats_station_start(void);

/* Thread mode, which is at so many openings: the gather of `site` is open, and the first `own` of its packets are
 * there. */
void cats_station_ready(uint32_t opening, uint16_t site, uint32_t own);
void cats_station_open(void); /* the source has an input */
void cats_station_epoch_stored(uint32_t epoch);

const struct cats_station_news *cats_station_news(void);
/* Since the start; of the state machine. */
struct cats_net_counters cats_station_counters(void);

#endif

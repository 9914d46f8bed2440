/* SPDX-License-Identifier: MIT */
/* The node's clock: TIMER0 counts microseconds of the crystal, which is started first and never stopped. Compare
 * register 0 is the radio's (radio.h), 1 wakes the protocol, 2 holds when a frame's address came, 3 is what reads the
 * time. */
#ifndef CATS_PORTS_NRF52840_CLOCK_H
#define CATS_PORTS_NRF52840_CLOCK_H

#include <stdint.h>

/* Between writing a compare register and its moment: the counter compares on equality, and the write must be there
 * before. */
#define CATS_CLOCK_LEAD_US 8U

/* Starts the crystal and the timer. Takes about 0.4 ms. */
void cats_clock_start(void);

/* Since the start. From any level; must be called once in 2^32 µs (71 minutes) at least, which the protocol's
 * heartbeat does. */
uint64_t cats_clock_now_us(void);

/* The time that `captured`, a value of the counter in the last 2^32 µs, was. */
uint64_t cats_clock_extend(uint32_t captured);

/* The protocol's handler is called at that time, or at once when it is (nearly) past. Protocol level. */
void cats_clock_wake_at(uint64_t at_us);

#endif

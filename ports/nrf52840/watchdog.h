/* SPDX-License-Identifier: MIT */
/* The watchdog: a node that hangs resets within a second. Two must feed it, each for itself: thread mode, and the
 * protocol's handler as long as the radio is in the state in which it was left. */
#ifndef CATS_PORTS_NRF52840_WATCHDOG_H
#define CATS_PORTS_NRF52840_WATCHDOG_H

#include <stdint.h>

#include "ports/nrf52840/registers.h"

enum cats_watchdog_feeder { CATS_WATCHDOG_THREAD, CATS_WATCHDOG_PROTOCOL, CATS_WATCHDOG_FEEDERS };

/* (CRV + 1) / 32768 s. Four heartbeats, or ten erasures of a page. */
#define CATS_WATCHDOG_TICKS 32768U

static inline void cats_watchdog_feed(enum cats_watchdog_feeder feeder)
{
	WDT_RR(feeder) = WDT_RELOAD;
}

/* Cannot be stopped any more, and goes on while the processor sleeps. */
static inline void cats_watchdog_start(void)
{
	if ((WDT_RUNSTATUS & 1U) == 0) {
		WDT_CONFIG = WDT_CONFIG_SLEEP;
		WDT_CRV = CATS_WATCHDOG_TICKS - 1U;
		WDT_RREN = (1U << CATS_WATCHDOG_FEEDERS) - 1U;
		WDT_TASKS_START = 1;
	}
	cats_watchdog_feed(CATS_WATCHDOG_THREAD);
	cats_watchdog_feed(CATS_WATCHDOG_PROTOCOL);
}

#endif

/* SPDX-License-Identifier: MIT */
/* The highest epoch that this node has taken part in, in two pages of flash (layout.h). Records of epoch and ~epoch are
 * appended; when a page is full the other is erased and goes on. Whenever the power goes, the highest epoch whose
 * writing had returned is found again:
 *
 *	while a record is written	its two words do not fit each other: it is passed over
 *	while a page is erased		it held lower epochs than the other's; erasing sets bits only, so a record
 *					whose words still fit each other is one that was there
 *
 * Thread mode. */
#ifndef CATS_PORTS_NRF52840_EPOCH_H
#define CATS_PORTS_NRF52840_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

/* 0 where none was ever stored. Once, before the first is stored. */
uint32_t cats_epoch_read(void);

/* True when it is in flash, read back; after a failure the next place is tried by the next call. The processor stands
 * still for 41 µs a word, and once in 512 epochs for the 85 ms of an erasure. */
bool cats_epoch_store(uint32_t epoch);

#endif

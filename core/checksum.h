/* SPDX-License-Identifier: MIT */
/* CRC-32 as in gzip (IEEE 802.3, reflected), with a table of 64 bytes. Freestanding. */
#ifndef CATS_CORE_CHECKSUM_H
#define CATS_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `crc`, which is 0 at first; about 14 Cortex-M4 cycles a byte. */
uint32_t cats_checksum(uint32_t crc, const void *bytes, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/* The serial line of a chip, from the host's side: what the chip sends comes by cats_chip_host.serial. */
#ifndef CATS_EMULATOR_UARTE_H
#define CATS_EMULATOR_UARTE_H

#include "emulator/chip.h"

#define CATS_UARTE0_BASE 0x40002000U
#define CATS_UARTE1_BASE 0x40028000U

/* Sends bytes, which are copied, to a chip's UARTE (cats_chip_peripheral): one after the other at its baud rate, behind
 * what is still on the line, the first one byte's time from now. They arrive whether or not the chip listens. */
CATS_MUST_CHECK enum cats_status cats_uarte_receive(struct cats_peripheral *uarte, const uint8_t *bytes, size_t count,
						    struct cats_error *error);

/* Bytes that have not arrived. */
size_t cats_uarte_on_line(const struct cats_peripheral *uarte);

#endif

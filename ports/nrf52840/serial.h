/* SPDX-License-Identifier: MIT */
/* UARTE0: the log's way out, inputs' way in (layout.h has their bytes). 1 Mbaud, 8N1, TXD P0.06, RXD P0.08 (the
 * development kit's). All bytes go by EasyDMA; the handler only hands over the next stretch. */
#ifndef CATS_PORTS_NRF52840_SERIAL_H
#define CATS_PORTS_NRF52840_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

void cats_serial_start(void);

/* Thread mode. What does not fit waits until there is room. */
void cats_serial_write(const void *bytes, uint32_t count);

/* Where the next input goes, with the CRC behind it: room bytes of RAM. Nothing is received before this was called. */
void cats_serial_accept(uint8_t *to, uint32_t room);

enum cats_serial_input {
	CATS_SERIAL_NOTHING,
	CATS_SERIAL_WHOLE,    /* *count bytes are there, and nothing more comes until cats_serial_accept */
	CATS_SERIAL_TOO_LONG, /* *count bytes were announced: the rest is skipped; reception goes on */
	CATS_SERIAL_CHECKSUM, /* *count bytes do not fit their CRC; reception goes on, as after the next */
	CATS_SERIAL_BROKEN,   /* bytes were lost or malformed */
};

/* Thread mode: what came since the last call. */
enum cats_serial_input cats_serial_poll(uint32_t *count);

#endif

/* SPDX-License-Identifier: MIT */
/* Text for the log, piece by piece, and where it goes. Thread mode only; a piece that does not fit the serial port's
 * buffer waits until it does. */
#ifndef CATS_PORTS_NRF52840_TEXT_H
#define CATS_PORTS_NRF52840_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Node of the lines from now on; CATS_LOG_NOBODY: it does not know. */
#define CATS_LOG_NOBODY UINT32_MAX
void cats_log_as(uint32_t node);

/* A line is begun with the time and the node, then has pieces, then ends. */
void cats_log_begin(const char *text);
void cats_log_text(const char *text);
void cats_log_number(uint64_t number);
void cats_log_signed(int32_t number);
void cats_log_hex(uint32_t number); /* eight digits */
void cats_log_end(void);

/* A whole line. */
void cats_log(const char *text);

/* " name value" */
void cats_log_field(const char *name, uint64_t number);

#endif

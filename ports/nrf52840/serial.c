/* SPDX-License-Identifier: MIT */
/* UARTE0. See serial.h. */
#include "ports/nrf52840/serial.h"

#include <string.h>

#include "core/checksum.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/interrupts.h"
#include "ports/nrf52840/layout.h"

#define PIN_TXD 6U
#define PIN_RXD 8U

#define RING_BYTES 1024U /* a power of two; 10 ms of log */

/* A sender that stops in the middle of an input is forgotten: its bytes, ten bits each at 1 Mbaud, took less. */
#define PATIENCE_US 2000000U

void cats_uarte0_interrupt(void);

/* What is being received: a mark, then the length, then what it announces. */
enum part { IDLE, MARK, LENGTH, BODY, STOPPED };

static struct {
	uint8_t ring[RING_BYTES];
	/* Positions count on and on. Thread mode writes; the handler sends what is between. */
	volatile uint32_t written, sent;
	volatile uint32_t sending; /* bytes that the peripheral has at the moment */

	uint8_t *to;
	uint32_t room;
	volatile enum part part;
	volatile uint8_t header[4]; /* mark, or length */
	volatile uint32_t length;
	volatile uint32_t errors, refused; /* refused: length of what does not fit */
	volatile uint64_t since_us;        /* when the input at hand began */
	uint32_t errors_told;
} serial;

void cats_serial_start(void)
{
	P0_OUTSET = 1U << PIN_TXD;
	P0_PIN_CNF(PIN_TXD) = PIN_CNF_OUTPUT;
	P0_PIN_CNF(PIN_RXD) = PIN_CNF_INPUT_PULLUP;
	UARTE0_PSEL_TXD = PIN_TXD;
	UARTE0_PSEL_RXD = PIN_RXD;
	UARTE0_BAUDRATE = UARTE_BAUDRATE_1M;
	UARTE0_ENABLE = UARTE_ENABLED;
	UARTE0_INTENSET = UARTE_INT_ENDTX | UARTE_INT_ENDRX | UARTE_INT_ERROR;
	cats_interrupts_enable(IRQ_UARTE0, CATS_LEVEL_SERIAL);
}

/* ---- Out ---- */

/* Hands over what lies in one piece. Serial level, or with it held. */
static void send_next(void)
{
	const uint32_t at = serial.sent % RING_BYTES;
	uint32_t count = serial.written - serial.sent;

	if (count > RING_BYTES - at)
		count = RING_BYTES - at;
	serial.sending = count;
	if (count == 0)
		return;
	UARTE0_TXD_PTR = (uint32_t)(uintptr_t)(serial.ring + at);
	UARTE0_TXD_MAXCNT = count;
	UARTE0_TASKS_STARTTX = 1;
}

static uint32_t put(const uint8_t *bytes, uint32_t count)
{
	const uint32_t room = RING_BYTES - (serial.written - serial.sent);
	const uint32_t at = serial.written % RING_BYTES;
	uint32_t before;

	if (count > room)
		count = room;
	if (count > RING_BYTES - at)
		count = RING_BYTES - at;
	memcpy(serial.ring + at, bytes, count);
	before = cats_interrupts_hold(CATS_LEVEL_SERIAL);
	serial.written += count;
	if (serial.sending == 0)
		send_next();
	cats_interrupts_restore(before);
	return count;
}

/* Masked so that the interrupt that makes room is not over before the wait for it begins. */
static void wait_while_full(void)
{
	__asm volatile("cpsid i" ::: "memory");
	if (serial.written - serial.sent == RING_BYTES)
		__asm volatile("wfi" ::: "memory");
	__asm volatile("cpsie i" ::: "memory");
}

void cats_serial_write(const void *bytes, uint32_t count)
{
	const uint8_t *at = bytes;

	while (count > 0) {
		const uint32_t done = put(at, count);

		at += done;
		count -= done;
		if (done == 0)
			wait_while_full();
	}
}

/* ---- In ---- */

static void receive(enum part part, volatile void *to, uint32_t count)
{
	serial.part = part;
	UARTE0_RXD_PTR = (uint32_t)(uintptr_t)to;
	UARTE0_RXD_MAXCNT = count;
	UARTE0_TASKS_STARTRX = 1;
}

void cats_serial_accept(uint8_t *to, uint32_t room)
{
	const uint32_t before = cats_interrupts_hold(CATS_LEVEL_SERIAL);

	serial.to = to;
	serial.room = room;
	serial.refused = 0;
	if (serial.part == IDLE)
		receive(MARK, serial.header, 1);
	cats_interrupts_restore(before);
}

/* A part has come. */
static void take_part(void)
{
	switch (serial.part) {
	case MARK:
		if (serial.header[0] == CATS_SERIAL_MARK) {
			serial.since_us = cats_clock_now_us();
			receive(LENGTH, serial.header, 2);
		} else {
			receive(MARK, serial.header, 1);
		}
		break;
	case LENGTH:
		serial.length = (uint32_t)(serial.header[0] | serial.header[1] << 8);
		if (serial.length > 0 && serial.length + CATS_SERIAL_CRC_BYTES <= serial.room) {
			receive(BODY, serial.to, serial.length + CATS_SERIAL_CRC_BYTES);
		} else {
			serial.refused = serial.length;
			receive(MARK, serial.header, 1);
		}
		break;
	case BODY:
		serial.part = STOPPED;
		break;
	case IDLE:
	case STOPPED:
		break;
	}
}

void cats_uarte0_interrupt(void)
{
	if (UARTE0_EVENTS_ENDTX != 0) {
		cats_clear_event(&UARTE0_EVENTS_ENDTX);
		serial.sent += serial.sending;
		send_next();
	}
	if (UARTE0_EVENTS_ERROR != 0) {
		cats_clear_event(&UARTE0_EVENTS_ERROR);
		UARTE0_ERRORSRC = UARTE0_ERRORSRC;
		serial.errors++;
	}
	if (UARTE0_EVENTS_ENDRX != 0) {
		cats_clear_event(&UARTE0_EVENTS_ENDRX);
		take_part();
	}
}

static bool is_right(void)
{
	uint32_t crc = 0;

	for (uint32_t i = 0; i < CATS_SERIAL_CRC_BYTES; i++)
		crc |= (uint32_t)serial.to[serial.length + i] << 8U * i;
	return crc == cats_checksum(0, serial.to, serial.length);
}

enum cats_serial_input cats_serial_poll(uint32_t *count)
{
	*count = serial.length;
	if (serial.errors != serial.errors_told) {
		serial.errors_told = serial.errors;
		return CATS_SERIAL_BROKEN;
	}
	if (serial.refused != 0) {
		*count = serial.refused;
		serial.refused = 0;
		return CATS_SERIAL_TOO_LONG;
	}
	if (serial.part == STOPPED) {
		serial.part = IDLE;
		if (is_right())
			return CATS_SERIAL_WHOLE;
		cats_serial_accept(serial.to, serial.room);
		return CATS_SERIAL_CHECKSUM;
	}
	/* ENDRX comes, which begins to look for a mark again. */
	if ((serial.part == LENGTH || serial.part == BODY) && cats_clock_now_us() - serial.since_us > PATIENCE_US) {
		const uint32_t before = cats_interrupts_hold(CATS_LEVEL_SERIAL);

		serial.part = MARK;
		serial.header[0] = 0;
		UARTE0_TASKS_STOPRX = 1;
		cats_interrupts_restore(before);
		return CATS_SERIAL_BROKEN;
	}
	return CATS_SERIAL_NOTHING;
}

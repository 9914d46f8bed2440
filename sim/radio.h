/* SPDX-License-Identifier: MIT */
/* The nRF52840's radio on BLE's 2M PHY, as numbers: time on air, ramp-up, currents. The one place that has them. */
#ifndef CATS_SIM_RADIO_H
#define CATS_SIM_RADIO_H

#include "sim/clock.h"

/* 2 Mbit/s: four microseconds a byte. Preamble 2, access address 4, header 2 (S0 and LENGTH), CRC 3. */
#define CATS_RADIO_BYTE (4 * CATS_TIME_US)
#define CATS_RADIO_OVERHEAD_BYTES 11U
#define CATS_RADIO_ADDRESS_BYTES 6U /* preamble and access address */
#define CATS_RADIO_HEADER_BYTES 2U
#define CATS_RADIO_PAYLOAD_MAX 255U
#define CATS_RADIO_PDU_MAX (CATS_RADIO_HEADER_BYTES + CATS_RADIO_PAYLOAD_MAX)

/* From TXEN to the first bit, fast mode: 40.0 us were measured; from RXEN to receiving: 40.3 us. */
#define CATS_RADIO_TX_RAMP (40 * CATS_TIME_US)
#define CATS_RADIO_RX_RAMP (41 * CATS_TIME_US)
/* A receiver's events (ADDRESS, END) come so long after the bits were on air. */
#define CATS_RADIO_RX_DELAY (5 * CATS_TIME_US)

/* From the first bit of a frame with `length` bytes of payload to its last. */
static inline cats_time cats_radio_air(uint32_t length)
{
	return (cats_time)(CATS_RADIO_OVERHEAD_BYTES + length) * CATS_RADIO_BYTE;
}

/* What a node draws, at 3 V with the DC/DC converter: the nRF52840's product specification, to be taken as known
 * values, not as measurements of ours. The radio's and the processor's currents add up. */
enum cats_draw {
	CATS_DRAW_BASE, /* always: System ON with RTC and all RAM, and the 32 MHz crystal that clock and radio need */
	CATS_DRAW_CPU,  /* in addition while it computes, from flash */
	CATS_DRAW_SEND, /* in addition while it sends at 0 dBm, ramp-up counted in full */
	CATS_DRAW_HEAR, /* in addition while it listens or receives, ramp-up counted in full */
	CATS_DRAWS
};
#define CATS_SUPPLY_VOLT 3.0

/* In nA: 3.2 uA + 0.25 mA; 3.3 mA; 4.8 mA; 5.2 mA. */
extern const uint32_t cats_draw_na[CATS_DRAWS];

/* Microjoules of `spent` time in each state. */
double cats_energy_uj(const cats_time spent[CATS_DRAWS]);

#endif

/* SPDX-License-Identifier: MIT */
/* Which peripherals a chip has, and what the chip and some of them need of each other. Private to emulator/. */
#ifndef CATS_EMULATOR_MODELS_H
#define CATS_EMULATOR_MODELS_H

#include "emulator/chip.h"

#define CATS_CLOCK_BASE 0x40000000U
#define CATS_RADIO_BASE 0x40001000U
#define CATS_ECB_BASE 0x4000E000U
#define CATS_CCM_BASE 0x4000F000U
#define CATS_PPI_BASE 0x4001F000U

#define CATS_NO_IRQ UINT32_MAX

/* Templates, in the order of their addresses: name, base, irq, variant, model. */
extern const struct cats_peripheral cats_peripherals[];
extern const uint32_t cats_peripheral_count;

extern const struct cats_peripheral_model cats_clock_model; /* CLOCK and POWER, which share registers and interrupt */
extern const struct cats_peripheral_model cats_ppi_model;
extern const struct cats_peripheral_model cats_timer4_model; /* with four compare registers */
extern const struct cats_peripheral_model cats_timer6_model;
extern const struct cats_peripheral_model cats_egu_model;
extern const struct cats_peripheral_model cats_gpio_model;
extern const struct cats_peripheral_model cats_rng_model;
extern const struct cats_peripheral_model cats_rtc3_model; /* with three compare registers */
extern const struct cats_peripheral_model cats_rtc4_model;
extern const struct cats_peripheral_model cats_uarte_model; /* variant: its number */
extern const struct cats_peripheral_model cats_wdt_model;

/* The event at an address has happened: triggers what its enabled channels lead to. */
void cats_ppi_route(struct cats_peripheral *ppi, uint32_t event);

/* Event i happens; the PPI hears of it only if it is routed there. */
void cats_chip_event(struct cats_peripheral *p, uint32_t event, bool routed);

/* The task at an address runs CATS_PPI_CYCLES from now. */
void cats_chip_trigger(struct cats_chip *chip, uint32_t task);

/* Whom to tell what happens. */
const struct cats_chip_host *cats_chip_host(const struct cats_peripheral *p);

/* Whether a modelled event or task is at an address. */
bool cats_chip_has(struct cats_chip *chip, uint32_t address, bool event);

/* Whether LFCLK runs; that it starts, whatever its source, for the watchdog. */
bool cats_clock_slow_runs(const struct cats_peripheral *p);
void cats_clock_force_slow(const struct cats_peripheral *p);

/* Refuses it, unless the chip is to enter its handlers: then the processor's access is a fault. */
void cats_chip_fault(struct cats_peripheral *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The chip resets as soon as what happens now has happened. */
void cats_chip_ask_reset(struct cats_chip *chip, enum cats_reset cause);

#endif

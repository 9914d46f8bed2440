/* SPDX-License-Identifier: MIT */
/* What sender.elf and receiver.elf both do. See air.h. */
#ifndef CATS_TESTS_IMAGES_AIR_COMMON_H
#define CATS_TESTS_IMAGES_AIR_COMMON_H

#include "ports/nrf52840/registers.h"
#include "tests/images/air.h"

#define NVIC_ICPR0 CATS_REGISTER(0xE000E280U)
#define CCM_TASKS_KSGEN_AT 0x4000F000U
#define RADIO_TASKS_START 0x40001008U

#define HEADER_BYTES 3U /* of a frame in RAM */
#define TAG_BYTES 4U

extern uint8_t configuration[33]; /* of CCM */

/* Crystal, radio, cipher and timer, all ready to be used. */
void air_start(void);

void air_connect(uint32_t channel, uint32_t event, uint32_t task);

/* The cipher's next nonce. */
void air_nonce(uint32_t k);

/* Sleeps until an event, which interrupt `interrupt` is enabled for, has happened, and clears it. */
void air_await(volatile uint32_t *event, uint32_t interrupt);

#endif

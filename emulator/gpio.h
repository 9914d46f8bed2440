/* SPDX-License-Identifier: MIT */
/* The pins of a chip, from the host's side: what the chip drives comes by cats_chip_host.pin. */
#ifndef CATS_EMULATOR_GPIO_H
#define CATS_EMULATOR_GPIO_H

#include "emulator/chip.h"

#define CATS_GPIO_BASE 0x50000000U

/* Drives pin 0 … 47 (32 is P1.00) from outside from now on; until then its pull decides, or it is low. */
void cats_gpio_set(struct cats_peripheral *gpio, uint32_t pin, bool high);

#endif

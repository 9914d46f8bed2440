/* SPDX-License-Identifier: MIT */
/* The peripherals of an nRF52840 that are modelled. See models.h. */
#include "emulator/models.h"

const struct cats_peripheral cats_peripherals[] = {
	{.name = "CLOCK/POWER", .base = CATS_CLOCK_BASE, .irq = 0, .model = &cats_clock_model},
	{.name = "PPI", .base = CATS_PPI_BASE, .irq = CATS_NO_IRQ, .model = &cats_ppi_model},
};
const uint32_t cats_peripheral_count = sizeof cats_peripherals / sizeof cats_peripherals[0];

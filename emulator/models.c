/* SPDX-License-Identifier: MIT */
/* The peripherals of an nRF52840 that are modelled. See models.h. */
#include "emulator/models.h"

#include "emulator/ccm.h"
#include "emulator/radio.h"

const struct cats_peripheral cats_peripherals[] = {
	{.name = "CLOCK/POWER", .base = CATS_CLOCK_BASE, .irq = 0, .model = &cats_clock_model},
	{.name = "RADIO", .base = CATS_RADIO_BASE, .irq = 1, .model = &cats_radio_model},
	{.name = "ECB", .base = CATS_ECB_BASE, .irq = 14, .model = &cats_ecb_model},
	{.name = "CCM", .base = CATS_CCM_BASE, .irq = 15, .model = &cats_ccm_model},
	{.name = "PPI", .base = CATS_PPI_BASE, .irq = CATS_NO_IRQ, .model = &cats_ppi_model},
};
const uint32_t cats_peripheral_count = sizeof cats_peripherals / sizeof cats_peripherals[0];

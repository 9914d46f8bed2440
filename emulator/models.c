/* SPDX-License-Identifier: MIT */
/* The peripherals of an nRF52840 that are modelled. See models.h. */
#include "emulator/models.h"

#include "emulator/ccm.h"
#include "emulator/gpio.h"
#include "emulator/nvmc.h"
#include "emulator/radio.h"
#include "emulator/uarte.h"

const struct cats_peripheral cats_peripherals[] = {
	{.name = "FICR", .base = 0x10000000U, .irq = CATS_NO_IRQ, .model = &cats_ficr_model},
	{.name = "UICR", .base = 0x10001000U, .irq = CATS_NO_IRQ, .model = &cats_uicr_model},
	{.name = "CLOCK/POWER", .base = CATS_CLOCK_BASE, .irq = 0, .model = &cats_clock_model},
	{.name = "RADIO", .base = CATS_RADIO_BASE, .irq = 1, .model = &cats_radio_model},
	{.name = "UARTE0", .base = CATS_UARTE0_BASE, .irq = 2, .variant = 0, .model = &cats_uarte_model},
	{.name = "TIMER0", .base = 0x40008000U, .irq = 8, .variant = 4, .model = &cats_timer4_model},
	{.name = "TIMER1", .base = 0x40009000U, .irq = 9, .variant = 4, .model = &cats_timer4_model},
	{.name = "TIMER2", .base = 0x4000A000U, .irq = 10, .variant = 4, .model = &cats_timer4_model},
	{.name = "RTC0", .base = 0x4000B000U, .irq = 11, .variant = 3, .model = &cats_rtc3_model},
	{.name = "RNG", .base = 0x4000D000U, .irq = 13, .model = &cats_rng_model},
	{.name = "ECB", .base = CATS_ECB_BASE, .irq = 14, .model = &cats_ecb_model},
	{.name = "CCM", .base = CATS_CCM_BASE, .irq = 15, .model = &cats_ccm_model},
	{.name = "WDT", .base = 0x40010000U, .irq = 16, .model = &cats_wdt_model},
	{.name = "RTC1", .base = 0x40011000U, .irq = 17, .variant = 4, .model = &cats_rtc4_model},
	{.name = "EGU0", .base = 0x40014000U, .irq = 20, .model = &cats_egu_model},
	{.name = "EGU1", .base = 0x40015000U, .irq = 21, .model = &cats_egu_model},
	{.name = "EGU2", .base = 0x40016000U, .irq = 22, .model = &cats_egu_model},
	{.name = "EGU3", .base = 0x40017000U, .irq = 23, .model = &cats_egu_model},
	{.name = "EGU4", .base = 0x40018000U, .irq = 24, .model = &cats_egu_model},
	{.name = "EGU5", .base = 0x40019000U, .irq = 25, .model = &cats_egu_model},
	{.name = "TIMER3", .base = 0x4001A000U, .irq = 26, .variant = 6, .model = &cats_timer6_model},
	{.name = "TIMER4", .base = 0x4001B000U, .irq = 27, .variant = 6, .model = &cats_timer6_model},
	{.name = "NVMC", .base = CATS_NVMC_BASE, .irq = CATS_NO_IRQ, .model = &cats_nvmc_model},
	{.name = "PPI", .base = CATS_PPI_BASE, .irq = CATS_NO_IRQ, .model = &cats_ppi_model},
	{.name = "RTC2", .base = 0x40024000U, .irq = 36, .variant = 4, .model = &cats_rtc4_model},
	{.name = "UARTE1", .base = CATS_UARTE1_BASE, .irq = 40, .variant = 1, .model = &cats_uarte_model},
	{.name = "GPIO", .base = CATS_GPIO_BASE, .irq = CATS_NO_IRQ, .model = &cats_gpio_model},
};
const uint32_t cats_peripheral_count = sizeof cats_peripherals / sizeof cats_peripherals[0];

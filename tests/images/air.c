/* SPDX-License-Identifier: MIT */
/* What sender.elf and receiver.elf both do. See air.h. */
#include "tests/images/air_common.h"

#define ERASED 0xFFFFFFFFU
#define MODE_BLE_2M 4U
#define CCM_SCRATCH_BYTES 267U

static uint8_t scratch[CCM_SCRATCH_BYTES];

uint8_t configuration[33];

static uint32_t setting(uint32_t index, uint32_t otherwise)
{
	const uint32_t value = ((const volatile uint32_t *)AIR_SETTINGS)[index];

	return value == ERASED ? otherwise : value;
}

static void start_radio(void)
{
	const uint32_t address = setting(0, AIR_ADDRESS);

	RADIO_MODE = MODE_BLE_2M;
	RADIO_MODECNF0 = 0x201;
	RADIO_PCNF0 = 0x01100108;
	RADIO_PCNF1 = 0x020300FF;
	RADIO_BASE0 = address << 8;
	RADIO_PREFIX0 = address >> 24;
	RADIO_TXADDRESS = 0;
	RADIO_RXADDRESSES = 1;
	RADIO_CRCCNF = 0x103;
	RADIO_CRCPOLY = 0x65B;
	RADIO_CRCINIT = 0x555555;
	RADIO_FREQUENCY = setting(1, AIR_FREQUENCY);
	RADIO_DATAWHITEIV = 17;
}

static void start_ccm(void)
{
	for (uint32_t i = 0; i < sizeof configuration; i++)
		configuration[i] = (uint8_t)(i < 16 ? i : 0);
	CCM_ENABLE = CCM_ENABLED;
	CCM_CNFPTR = (uint32_t)configuration;
	CCM_SCRATCHPTR = (uint32_t)scratch;
}

void air_start(void)
{
	__asm volatile("cpsid i"); /* events wake the processor, and no handler runs */
	CLOCK_TASKS_HFCLKSTART = 1;
	while (CLOCK_EVENTS_HFCLKSTARTED == 0)
		;
	start_radio();
	start_ccm();
	TIMER0_BITMODE = TIMER_BITMODE_32;
	TIMER0_PRESCALER = 4;
	TIMER0_TASKS_START = 1;
}

void air_connect(uint32_t channel, uint32_t event, uint32_t task)
{
	PPI_CH_EEP(channel) = event;
	PPI_CH_TEP(channel) = task;
	PPI_CHENSET = 1U << channel;
}

void air_nonce(uint32_t k)
{
	configuration[16] = (uint8_t)k;
}

void air_await(volatile uint32_t *event, uint32_t interrupt)
{
	NVIC_ISER0 = 1U << interrupt;
	while (*event == 0) {
		__asm volatile("wfi");
		NVIC_ICPR0 = 1U << interrupt;
	}
	*event = 0;
	(void)*event;
	NVIC_ICPR0 = 1U << interrupt;
}

/* SPDX-License-Identifier: MIT */
/* Sends AIR_FRAMES frames, each begun by TIMER0 over PPI and sealed while it is sent; the processor sleeps. See air.h.
 */
#include "tests/images/air_common.h"

static uint8_t plain[HEADER_BYTES + 251], sealed[HEADER_BYTES + 255];

static void prepare(uint32_t k)
{
	plain[0] = (uint8_t)(k << 2);
	plain[1] = (uint8_t)air_length(k);
	for (uint32_t i = 0; i < air_length(k); i++)
		plain[HEADER_BYTES + i] = (uint8_t)(k + i);
	air_nonce(k);
	TIMER0_CC0 = (k + 1U) * AIR_PERIOD_US;
}

int main(void)
{
	air_start();
	air_connect(0, TIMER0_EVENTS_COMPARE0_AT, RADIO_TASKS_TXEN);
	air_connect(1, TIMER0_EVENTS_COMPARE0_AT, CCM_TASKS_KSGEN_AT);
	CCM_MODE = CCM_MODE_2M_EXTENDED;
	CCM_SHORTS = CCM_SHORT_ENDKSGEN_CRYPT;
	CCM_INPTR = (uint32_t)plain;
	CCM_OUTPTR = RADIO_PACKETPTR = (uint32_t)sealed;
	RADIO_SHORTS = RADIO_SHORT_READY_START | RADIO_SHORT_END_DISABLE;
	RADIO_INTENSET = RADIO_INT_DISABLED;
	for (uint32_t k = 0; k < AIR_FRAMES; k++) {
		prepare(k);
		air_await(&RADIO_EVENTS_DISABLED, IRQ_RADIO);
	}
	for (;;)
		__asm volatile("wfi");
}

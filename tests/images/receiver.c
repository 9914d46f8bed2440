/* SPDX-License-Identifier: MIT */
/* Listens for ever. Opens each frame while it arrives, as the one behind the last; if it is another, once more after
 * it. Tells of each by UARTE. See air.h. */
#include "tests/images/air_common.h"

#define ADDRESS_TO_CRYPT 25U /* a fixed channel of the PPI */

static uint8_t sealed[HEADER_BYTES + 255], plain[HEADER_BYTES + 251];
static struct air_record record;

static void open(void)
{
	CCM_SHORTS = CCM_SHORT_ENDKSGEN_CRYPT;
	CCM_EVENTS_ENDCRYPT = 0;
	CCM_TASKS_KSGEN = 1;
	while (CCM_EVENTS_ENDCRYPT == 0)
		;
}

/* Keys for frame k, which ADDRESS will start to open. */
static void expect(uint32_t k)
{
	CCM_TASKS_STOP = 1;
	CCM_SHORTS = 0;
	CCM_EVENTS_ENDCRYPT = 0;
	air_nonce(k);
	CCM_TASKS_KSGEN = 1;
	PPI_CHENSET = 1U << ADDRESS_TO_CRYPT;
}

static uint32_t is_plain(uint32_t k)
{
	for (uint32_t i = 0; i < air_length(k); i++)
		if (plain[HEADER_BYTES + i] != (uint8_t)(k + i))
			return 0;
	return plain[0] == (uint8_t)(k << 2) && plain[1] == air_length(k);
}

static void tell(void)
{
	UARTE0_TXD_PTR = (uint32_t)&record;
	UARTE0_TXD_MAXCNT = sizeof record;
	UARTE0_TASKS_STARTTX = 1;
}

/* The frame at hand; k is what it says that it is. */
static uint32_t take(uint32_t expected)
{
	const uint32_t k = sealed[0] >> 2;

	record.k = (uint8_t)k;
	record.length = sealed[1];
	record.crc_right = (uint8_t)RADIO_CRCSTATUS;
	record.captured_us = TIMER0_CC2;
	while (record.crc_right && CCM_EVENTS_ENDCRYPT == 0)
		;
	PPI_CHENCLR = 1U << ADDRESS_TO_CRYPT;
	if (record.crc_right && k != expected) {
		air_nonce(k);
		open();
	}
	record.authentic = (uint8_t)(record.crc_right && CCM_MICSTATUS == 1U && is_plain(k));
	tell();
	return record.crc_right ? k + 1U : expected;
}

int main(void)
{
	uint32_t expected = 0;

	air_start();
	UARTE0_PSEL_TXD = 6;
	UARTE0_BAUDRATE = UARTE_BAUDRATE_1M;
	P0_PIN_CNF(6) = PIN_CNF_OUTPUT;
	UARTE0_ENABLE = UARTE_ENABLED;
	air_connect(0, RADIO_EVENTS_ADDRESS_AT, TIMER0_TASKS_CAPTURE2_AT);
	CCM_MODE = CCM_MODE_2M_EXTENDED | CCM_MODE_DECRYPT;
	CCM_INPTR = RADIO_PACKETPTR = (uint32_t)sealed;
	CCM_OUTPTR = (uint32_t)plain;
	RADIO_SHORTS = RADIO_SHORT_READY_START;
	RADIO_INTENSET = RADIO_INT_END;
	RADIO_TASKS_RXEN = 1;
	for (;;) {
		expect(expected);
		air_await(&RADIO_EVENTS_END, IRQ_RADIO);
		expected = take(expected);
		CATS_REGISTER(RADIO_TASKS_START) = 1;
	}
}

/* SPDX-License-Identifier: MIT */
/* PPI: channels from events to tasks, programmable and fixed (nRF52840 Product Specification 1.7, 6.16). What takes
 * CATS_PPI_CYCLES is in chip.c. */
#include "emulator/models.h"

#define CHEN 0x500U
#define CHENSET 0x504U
#define CHENCLR 0x508U
#define CH 0x510U
#define CHG 0x800U
#define FORK 0x910U
#define PROGRAMMABLE 20U
#define CHANNELS 32U
#define GROUPS 6U

struct ppi {
	struct cats_peripheral p;
	uint32_t enabled;
	uint32_t event[CHANNELS], task[CHANNELS], fork[CHANNELS]; /* addresses; 0: none */
	uint32_t group[GROUPS];
};

/* Channels 20 … 31. */
static const uint32_t fixed[][2] = {
	{0x40008140U, 0x40001000U}, /* TIMER0 COMPARE[0] → RADIO TXEN */
	{0x40008140U, 0x40001004U}, /* TIMER0 COMPARE[0] → RADIO RXEN */
	{0x40008144U, 0x40001010U}, /* TIMER0 COMPARE[1] → RADIO DISABLE */
	{0x40001128U, 0x4000F000U}, /* RADIO BCMATCH → AAR START */
	{0x40001100U, 0x4000F000U}, /* RADIO READY → CCM KSGEN */
	{0x40001104U, 0x4000F004U}, /* RADIO ADDRESS → CCM CRYPT */
	{0x40001104U, 0x40008044U}, /* RADIO ADDRESS → TIMER0 CAPTURE[1] */
	{0x4000110CU, 0x40008048U}, /* RADIO END → TIMER0 CAPTURE[2] */
	{0x4000B140U, 0x40001000U}, /* RTC0 COMPARE[0] → RADIO TXEN */
	{0x4000B140U, 0x40001004U}, /* RTC0 COMPARE[0] → RADIO RXEN */
	{0x4000B140U, 0x4000800CU}, /* RTC0 COMPARE[0] → TIMER0 CLEAR */
	{0x4000B140U, 0x40008000U}, /* RTC0 COMPARE[0] → TIMER0 START */
};
_Static_assert(sizeof fixed / sizeof fixed[0] == CHANNELS - PROGRAMMABLE, "all fixed channels");

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct ppi *ppi = (struct ppi *)p;

	(void)cause;
	*ppi = (struct ppi){.p = ppi->p};
	for (uint32_t i = PROGRAMMABLE; i < CHANNELS; i++) {
		ppi->event[i] = fixed[i - PROGRAMMABLE][0];
		ppi->task[i] = fixed[i - PROGRAMMABLE][1];
	}
}

void cats_ppi_route(struct cats_peripheral *p, uint32_t event)
{
	const struct ppi *ppi = (const struct ppi *)p;

	for (uint32_t left = ppi->enabled; left != 0; left &= left - 1U) {
		const uint32_t i = (uint32_t)__builtin_ctz(left);

		if (ppi->event[i] != event)
			continue;
		if (ppi->task[i] != 0)
			cats_chip_trigger(p->chip, ppi->task[i]);
		if (ppi->fork[i] != 0)
			cats_chip_trigger(p->chip, ppi->fork[i]);
	}
}

/* CHG[n].EN, CHG[n].DIS. */
static void task(struct cats_peripheral *p, uint32_t task)
{
	struct ppi *ppi = (struct ppi *)p;
	const uint32_t channels = ppi->group[task / 2U];

	ppi->enabled = task % 2U == 0 ? ppi->enabled | channels : ppi->enabled & ~channels;
}

/* The register at an offset, or NULL. */
static uint32_t *register_at(struct ppi *ppi, uint32_t offset)
{
	if (offset % 4U != 0)
		return NULL;
	if (offset - CH < 8U * PROGRAMMABLE)
		return (offset - CH) % 8U == 0 ? ppi->event + (offset - CH) / 8U : ppi->task + (offset - CH) / 8U;
	if (offset - CHG < 4U * GROUPS)
		return ppi->group + (offset - CHG) / 4U;
	return offset - FORK < 4U * CHANNELS ? ppi->fork + (offset - FORK) / 4U : NULL;
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	struct ppi *ppi = (struct ppi *)p;
	const uint32_t *at = register_at(ppi, offset);

	if (at)
		*value = *at;
	else if (offset == CHEN || offset == CHENSET || offset == CHENCLR)
		*value = ppi->enabled;
	else
		return false;
	return true;
}

/* An address that a channel is given must be what its end is for. */
static void check(struct cats_peripheral *p, uint32_t offset, uint32_t address)
{
	const bool event = offset - CH < 8U * PROGRAMMABLE && (offset - CH) % 8U == 0;

	if (address != 0 && offset - CHG >= 4U * GROUPS && !cats_chip_has(p->chip, address, event))
		cats_peripheral_refuse(p, "0x%08x written to 0x%03x: no modelled %s is there", address, offset,
				       event ? "event" : "task");
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct ppi *ppi = (struct ppi *)p;
	uint32_t *at = register_at(ppi, offset);

	if (at) {
		check(p, offset, value);
		*at = value;
	} else if (offset == CHEN) {
		ppi->enabled = value;
	} else if (offset == CHENSET) {
		ppi->enabled |= value;
	} else if (offset == CHENCLR) {
		ppi->enabled &= ~value;
	} else {
		return false;
	}
	return true;
}

const struct cats_peripheral_model cats_ppi_model = {
	.tasks = (1U << 2U * GROUPS) - 1U,
	.bytes = sizeof(struct ppi),
	.reset = reset,
	.task = task,
	.read = read,
	.write = write,
};

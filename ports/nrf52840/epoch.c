/* SPDX-License-Identifier: MIT */
/* The log of epochs. See epoch.h. */
#include "ports/nrf52840/epoch.h"

#include "ports/nrf52840/layout.h"
#include "ports/nrf52840/registers.h"

#define ERASED UINT32_MAX

static volatile struct cats_epoch_record *page(uint32_t number)
{
	return (volatile struct cats_epoch_record *)(uintptr_t)(CATS_LAYOUT_EPOCHS + number * CATS_LAYOUT_PAGE_BYTES);
}

static bool is_valid(const volatile struct cats_epoch_record *r)
{
	return r->epoch == ~r->complement;
}

/* The highest epoch of a page, 0 if there is none. */
static uint32_t highest(uint32_t number)
{
	uint32_t epoch = 0;

	for (uint32_t i = 0; i < CATS_EPOCH_RECORDS; i++)
		if (is_valid(page(number) + i) && page(number)[i].epoch > epoch)
			epoch = page(number)[i].epoch;
	return epoch;
}

/* Records behind this one are erased. */
static uint32_t first_free(uint32_t number)
{
	uint32_t i = CATS_EPOCH_RECORDS;

	while (i > 0 && page(number)[i - 1U].epoch == ERASED && page(number)[i - 1U].complement == ERASED)
		i--;
	return i;
}

/* Where the log ends, found once: looking through both pages takes half a millisecond. */
static struct {
	uint32_t page, record; /* the next one's */
} end;

uint32_t cats_epoch_read(void)
{
	const uint32_t first = highest(0), second = highest(1);

	end.page = second > first ? 1U : 0;
	end.record = first_free(end.page);
	return first > second ? first : second;
}

static void configure(uint32_t mode)
{
	NVMC_CONFIG = mode;
	while (NVMC_READY == 0)
		;
}

static void write_word(volatile uint32_t *to, uint32_t value)
{
	*to = value;
	while (NVMC_READY == 0)
		;
}

static void erase(uint32_t number)
{
	configure(NVMC_CONFIG_ERASE);
	NVMC_ERASEPAGE = CATS_LAYOUT_EPOCHS + number * CATS_LAYOUT_PAGE_BYTES;
	while (NVMC_READY == 0)
		;
	configure(NVMC_CONFIG_READ);
}

static bool append(volatile struct cats_epoch_record *to, uint32_t epoch)
{
	configure(NVMC_CONFIG_WRITE);
	write_word(&to->epoch, epoch);
	write_word(&to->complement, ~epoch);
	configure(NVMC_CONFIG_READ);
	return to->epoch == epoch && is_valid(to);
}

bool cats_epoch_store(uint32_t epoch)
{
	if (end.record == CATS_EPOCH_RECORDS) {
		end.page ^= 1U;
		erase(end.page);
		end.record = 0;
	}
	return append(page(end.page) + end.record++, epoch);
}

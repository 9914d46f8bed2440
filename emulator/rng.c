/* SPDX-License-Identifier: MIT */
/* RNG (nRF52840 Product Specification 1.7, 6.19): random bytes of the chip's own stream, which its seed decides. */
#include "emulator/models.h"

enum { TASK_START = 0, TASK_STOP = 1, EVENT_VALRDY = 0 };

#define CONFIG 0x504U
#define VALUE 0x508U
#define START_CYCLES (128U * CATS_CYCLES_PER_US)
#define BYTE_CYCLES (30U * CATS_CYCLES_PER_US)
#define CORRECTED_CYCLES (120U * CATS_CYCLES_PER_US) /* with bias correction */

struct rng {
	struct cats_peripheral p;
	uint32_t corrects, value;
};

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct rng *r = (struct rng *)p;

	(void)cause;
	r->corrects = r->value = 0;
}

static uint64_t byte_cycles(const struct rng *r)
{
	return r->corrects != 0 ? CORRECTED_CYCLES : BYTE_CYCLES;
}

static void task(struct cats_peripheral *p, uint32_t task)
{
	const struct rng *r = (const struct rng *)p;

	if (task == TASK_STOP)
		cats_peripheral_due(p, CATS_NEVER);
	else if (p->next == CATS_NEVER)
		cats_peripheral_due(p, cats_peripheral_now(p) + START_CYCLES + byte_cycles(r));
}

/* The next is due before its shortcut may stop it. */
static void advance(struct cats_peripheral *p)
{
	struct rng *r = (struct rng *)p;

	r->value = (uint32_t)cats_peripheral_random(p) & 0xFFU;
	cats_peripheral_due(p, cats_peripheral_now(p) + byte_cycles(r));
	cats_peripheral_event(p, EVENT_VALRDY);
}

static bool read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct rng *r = (const struct rng *)p;

	if (offset != CONFIG && offset != VALUE)
		return false;
	*value = offset == CONFIG ? r->corrects : r->value;
	return true;
}

static bool write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct rng *r = (struct rng *)p;

	if (offset != CONFIG || value > 1)
		return false;
	r->corrects = value;
	return true;
}

static const struct cats_short shorts[] = {{0, EVENT_VALRDY, TASK_STOP}};

const struct cats_peripheral_model cats_rng_model = {
	.tasks = 1U << TASK_START | 1U << TASK_STOP,
	.events = 1U << EVENT_VALRDY,
	.shorts = shorts,
	.short_count = 1,
	.bytes = sizeof(struct rng),
	.reset = reset,
	.task = task,
	.read = read,
	.write = write,
	.advance = advance,
};

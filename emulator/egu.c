/* SPDX-License-Identifier: MIT */
/* EGU0 … EGU5: events by software, for interrupts and as a fan-out of PPI (nRF52840 Product Specification 1.7, 6.7). */
#include "emulator/models.h"

static void task(struct cats_peripheral *p, uint32_t task)
{
	cats_peripheral_event(p, task); /* TRIGGER[n] → TRIGGERED[n] */
}

const struct cats_peripheral_model cats_egu_model = {
	.tasks = 0xFFFFU,
	.events = 0xFFFFU,
	.bytes = sizeof(struct cats_peripheral),
	.task = task,
};

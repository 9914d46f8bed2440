/* SPDX-License-Identifier: MIT */
/* What will happen, in the order of time; what happens at the same time, in the order in which it was announced. A
 * binary heap. */
#ifndef CATS_SIM_QUEUE_H
#define CATS_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"
#include "sim/clock.h"

struct cats_event {
	cats_time at;   /* global */
	uint64_t order; /* set by the queue */
	uint32_t kind;  /* these four are the user's */
	uint32_t node;
	uint64_t life, number;
};

/* Zero-initialise. Owned memory: cats_queue_free. */
struct cats_queue {
	struct cats_event *heap;
	size_t count, capacity;
	uint64_t announced;
};

CATS_MUST_CHECK enum cats_status cats_queue_add(struct cats_queue *queue, const struct cats_event *event);

/* When the earliest is; CATS_TIME_MAX when there is none. */
cats_time cats_queue_next(const struct cats_queue *queue);

/* Takes the earliest; false when there is none. */
bool cats_queue_take(struct cats_event *event, struct cats_queue *queue);

void cats_queue_free(struct cats_queue *queue);

#endif

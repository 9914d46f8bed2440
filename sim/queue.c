/* SPDX-License-Identifier: MIT */
/* The heap. See queue.h. */
#include "sim/queue.h"

#include <stdlib.h>

static bool earlier(const struct cats_event *a, const struct cats_event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

enum cats_status cats_queue_add(struct cats_queue *q, const struct cats_event *event)
{
	struct cats_event added = *event;
	size_t at = q->count;

	if (q->count == q->capacity) {
		const size_t capacity = q->capacity ? 2 * q->capacity : 64;
		struct cats_event *heap = realloc(q->heap, capacity * sizeof *heap);

		if (!heap)
			return CATS_ERR_MEMORY;
		q->heap = heap;
		q->capacity = capacity;
	}
	added.order = q->announced++;
	for (q->count++; at > 0 && earlier(&added, &q->heap[(at - 1) / 2]); at = (at - 1) / 2)
		q->heap[at] = q->heap[(at - 1) / 2];
	q->heap[at] = added;
	return CATS_OK;
}

cats_time cats_queue_next(const struct cats_queue *q)
{
	return q->count > 0 ? q->heap[0].at : CATS_TIME_MAX;
}

bool cats_queue_take(struct cats_event *event, struct cats_queue *q)
{
	struct cats_event last;
	size_t at = 0, child;

	if (q->count == 0)
		return false;
	*event = q->heap[0];
	last = q->heap[--q->count];
	while ((child = 2 * at + 1) < q->count) {
		if (child + 1 < q->count && earlier(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!earlier(&q->heap[child], &last))
			break;
		q->heap[at] = q->heap[child];
		at = child;
	}
	q->heap[at] = last;
	return true;
}

void cats_queue_free(struct cats_queue *q)
{
	free(q->heap);
	*q = (struct cats_queue){0};
}

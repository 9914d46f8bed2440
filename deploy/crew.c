/* SPDX-License-Identifier: MIT */
/* Threads by OpenMP; without it one lane does everything. See crew.h. */
#include "deploy/crew.h"

#include "train/threads.h"

/* What the threads share; touched inside critical sections only. */
struct shared {
	size_t done, of, failed_item;
	enum cats_status status;
	struct cats_error error;
};

uint32_t cats_crew_lanes(const struct cats_crew *crew, size_t count)
{
	const uint32_t threads = crew->threads != 0 ? crew->threads : (uint32_t)cats_threads_available();

	return count == 0 ? 1 : threads < count ? threads : (uint32_t)count;
}

static void note(struct shared *s, const struct cats_crew *crew, size_t item, enum cats_status status,
		 const struct cats_error *error)
{
	s->done++;
	if (status < 0 && (s->status == CATS_OK || item < s->failed_item)) {
		s->status = status;
		s->failed_item = item;
		s->error = *error;
	}
	if (status == CATS_OK && s->status == CATS_OK && crew->progress != NULL)
		crew->progress(crew->context, s->done, s->of);
}

enum cats_status cats_crew_run(const struct cats_crew *crew, size_t count,
			       enum cats_status (*work)(void *context, uint32_t lane, size_t item,
							struct cats_error *error),
			       void *context, const char *what, struct cats_error *error)
{
	const int lanes = (int)cats_crew_lanes(crew, count);
	struct shared shared = {.of = count};

#pragma omp parallel for num_threads(lanes) schedule(dynamic, 1)
	for (size_t item = 0; item < count; item++) {
		struct cats_error own = {0};
		enum cats_status status, seen;

#pragma omp atomic read
		seen = shared.status;
		if (seen < 0)
			continue;
		if (crew->stop != NULL && *crew->stop != 0)
			status = cats_fail(&own, CATS_ERR_INTERRUPTED, "%s: interrupted", what);
		else
			status = work(context, (uint32_t)cats_thread_index(), item, &own);
#pragma omp critical(cats_crew)
		note(&shared, crew, item, status, &own);
	}
	(void)lanes;
	if (shared.status < 0 && error != NULL)
		*error = shared.error;
	return shared.status;
}

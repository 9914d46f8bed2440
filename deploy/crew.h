/* SPDX-License-Identifier: MIT */
/* Many independent pieces of work on several threads, with progress, interruption and the first error. Host only. */
#ifndef CATS_DEPLOY_CREW_H
#define CATS_DEPLOY_CREW_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

struct cats_crew {
	uint32_t threads;                                        /* 0: the processors there are */
	void (*progress)(void *context, size_t done, size_t of); /* may be NULL; one call at a time */
	void *context;                                           /* of progress */
	const volatile int *stop; /* may be NULL; once not 0 the work ends with CATS_ERR_INTERRUPTED */
};

/* Threads that cats_crew_run uses at most for `count` pieces: lanes 0 … this - 1. */
uint32_t cats_crew_lanes(const struct cats_crew *crew, size_t count);

/* Calls work(context, lane, item, error) for each item 0 … count - 1, in any order; one lane is one thread, so what
 * belongs to a lane needs no lock. Returns the failure of the lowest item that failed (of those begun). `what` names
 * the work when it is interrupted. */
CATS_MUST_CHECK enum cats_status cats_crew_run(const struct cats_crew *crew, size_t count,
					       enum cats_status (*work)(void *context, uint32_t lane, size_t item,
									struct cats_error *error),
					       void *context, const char *what, struct cats_error *error);

#endif

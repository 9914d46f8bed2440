/* SPDX-License-Identifier: MIT */
/* What the image exceptions.elf does, by number, and what it tells of it. */
#ifndef CATS_TESTS_IMAGES_EXCEPTIONS_H
#define CATS_TESTS_IMAGES_EXCEPTIONS_H

#include <stdint.h>

enum exception_case {
	EXCEPTION_TICKS,      /* SysTick every 1000 cycles; ten times WFI */
	EXCEPTION_FLOAT,      /* a sum in registers that a handler uses too, interrupted over and over */
	EXCEPTION_MASK,       /* PendSV while PRIMASK is set, and afterwards */
	EXCEPTION_NESTING,    /* a handler sets a more urgent interrupt and a less urgent one pending */
	EXCEPTION_SVC,        /* SVC 42 with an argument, answered through the frame */
	EXCEPTION_PROCESS,    /* thread mode on the process stack, an SVC from there */
	EXCEPTION_ODD_STACK,  /* an SVC with sp not a multiple of 8 */
	EXCEPTION_HOST,       /* WFI until the host makes interrupt 5 pending */
	EXCEPTION_DISABLED,   /* interrupt 6, pending but disabled, ends no WFI; once enabled it is taken */
	EXCEPTION_BASEPRI,    /* BASEPRI holds off what is not more urgent */
	EXCEPTION_EVENT,      /* WFE: goes on after SEV, then not until SysTick */
	EXCEPTION_BAD_RETURN, /* a handler returns to a handler that is not there */
	EXCEPTION_MASKED_SVC, /* SVC while PRIMASK is set */
	EXCEPTION_NO_STACK,   /* SVC with 16 bytes of stack left */
	EXCEPTION_NO_HANDLER, /* interrupt 7, whose vector is 0 */
	EXCEPTION_RESET,      /* asks for a reset */
	EXCEPTION_CASES
};

/* Filled by the image, the object `told`. */
struct exception_report {
	uint32_t ticks;
	uint32_t good;     /* 1: the case found what it should */
	uint32_t order[8]; /* numbers of handlers in the order of events */
	uint32_t events;
	uint32_t number; /* IPSR in a handler */
	uint32_t value;
	uint32_t stack_pointer; /* in a handler */
};

#endif

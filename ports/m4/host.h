/* SPDX-License-Identifier: MIT */
/* How an image talks to the host that emulates it, or to a debug probe: by breakpoint instructions whose number says
 * what is wanted, with an argument in r0. Freestanding. */
#ifndef CATS_PORTS_M4_HOST_H
#define CATS_PORTS_M4_HOST_H

enum cats_host_call {
	CATS_HOST_EXIT = 0,  /* r0: exit status; does not return */
	CATS_HOST_PRINT = 1, /* r0: text, ending with a 0 */
	CATS_HOST_BEGIN = 2, /* r0: name of a region; what runs until its end is counted */
	CATS_HOST_END = 3,   /* r0: the name again */
	CATS_HOST_SERVE = 4, /* the node's mailbox (ports/m4/mailbox.h) is the host's turn */
};

#define CATS_HOST_UNEXPECTED 255 /* exit status of an exception that nobody handles */

#ifdef __arm__ /* the image's side */
#define CATS_HOST_CALL(number, argument)                                     \
	do {                                                                 \
		register const void *r0 __asm("r0") = (argument);            \
		__asm volatile("bkpt %1" ::"r"(r0), "i"(number) : "memory"); \
	} while (0)

static inline _Noreturn void cats_host_exit(int status)
{
	for (;;)
		CATS_HOST_CALL(CATS_HOST_EXIT, (const void *)status);
}

static inline void cats_host_print(const char *text)
{
	CATS_HOST_CALL(CATS_HOST_PRINT, text);
}

static inline void cats_host_begin(const char *name)
{
	CATS_HOST_CALL(CATS_HOST_BEGIN, name);
}

static inline void cats_host_end(const char *name)
{
	CATS_HOST_CALL(CATS_HOST_END, name);
}
#endif

#endif

/* SPDX-License-Identifier: MIT */
/* What a core could multiply and add at best: a loop on registers alone, with the instructions that a set of integer
 * kernels is made of. Host only. */
#ifndef CATS_BENCH_LIMITS_H
#define CATS_BENCH_LIMITS_H

/* int8 multiply-accumulates a second of the calling thread for the kernels of a name ("plain" counts as SSE2, which
 * its compiler has); 0 where this is no x86-64. The processor must have the instructions. */
double cats_limit_macs(const char *kernels);

#endif

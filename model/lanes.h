/* SPDX-License-Identifier: MIT */
/* Vectors of consecutive samples, for kernels whose sums over columns or tokens are to stay in registers. Internal to
 * the float model. */
#ifndef CATS_MODEL_LANES_H
#define CATS_MODEL_LANES_H

#include <string.h>

#include "model/real.h"

/* Samples a vector; also what the engine takes as a chunk. One register of AVX-512; with less, the compiler takes two
 * or four. */
#define LANES 16U

typedef cats_real lanes __attribute__((vector_size(LANES * sizeof(cats_real))));

#define UNROLLED _Pragma("GCC unroll 16")
#define FORCED static inline __attribute__((always_inline))

/* Vectors go by address: by value their calling convention would depend on the processor. */
FORCED void load(lanes *to, const cats_real *from)
{
	memcpy(to, from, sizeof *to);
}

FORCED void store(cats_real *to, const lanes *from)
{
	memcpy(to, from, sizeof *from);
}

#endif

/* SPDX-License-Identifier: MIT */
/* Integer models whose one device does the products, attentions and normalisations that a table of figures asks for:
 * random within the bounds of docs/SPEC-integer.md, with scales that let values spread. Host only. */
#ifndef CATS_BENCH_M4_SHAPES_H
#define CATS_BENCH_M4_SHAPES_H

#include "plan/cut.h"

struct m4_shape {
	const char *name;
	uint32_t tokens;                           /* T */
	uint32_t features, heads, hidden, devices; /* F, H, M, D */
	uint32_t columns; /* that device 0 has of attn_in, attn_out, ffn_in: its own and as many of the others', or 0:
			     all */
	bool causal;
};

/* Owned memory: cats_integer_free, and free the shard of *cut, device 0's. */
CATS_MUST_CHECK enum cats_status m4_shape_make(struct cats_integer *model, struct cats_cut *cut,
					       const struct m4_shape *shape, struct cats_error *error);

#endif

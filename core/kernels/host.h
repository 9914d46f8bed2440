/* SPDX-License-Identifier: MIT */
/* Whole ops at once, for hosts: a step without a budget need not be cut into units. What the ops are made of is a table
 * of functions on all rows; x86_rows.h makes one for each instruction set. The same bytes as the units of ops.c and
 * attention.c give. Host only; up to 640 KiB of stack. */
#ifndef CATS_CORE_KERNELS_HOST_H
#define CATS_CORE_KERNELS_HOST_H

#include "core/kernels/kernels.h"
#include "core/runtime.h"

/* Rows of x times a weight matrix of target 1. Each row of x may be read up to the next multiple of 4. */
struct cats_host_product {
	const int8_t *x;
	size_t stride;
	uint32_t rows; /* 1 … CATS_TOKENS_MAX */
	const int8_t *weights;
	uint32_t outputs, columns; /* N, K */
};

/* Section 1.7, beside its product: element o of the arrays belongs to output o. */
struct cats_host_norm {
	const struct cats_stats *stats; /* of row 0 */
	const int32_t *multipliers, *biases;
	const int32_t *weight_sums; /* NULL: RMS */
	enum cats_output_kind kind;
	int8_t low, high;
	const int8_t *table;
	bool add; /* kind 2: to what is there, instead of over it */
};

/* One head; rows are queries. */
struct cats_host_head {
	const int8_t *q, *k, *v; /* columns of this head, in row 0 */
	size_t q_stride, kv_stride;
	uint32_t queries, keys, width;
	bool causal;
	int32_t score_multiplier, value_multiplier;
	const int16_t *exponentials;
	int8_t *out;
	size_t out_stride;
};

struct cats_host_kernels {
	/* Runs all of an op on a node that is at its beginning; false: this op is not for it. */
	bool (*run)(struct cats_node *n, const struct cats_op *op);

	/* Sets all of a site's view but the own columns to 0. */
	void (*clear)(struct cats_node *n, const struct cats_shard_site *site);

	/* out[r·out_stride + o], int8 or, for kind 2, int32; out_stride in bytes. */
	void (*norm)(void *out, size_t out_stride, const struct cats_host_product *p,
		     const struct cats_host_norm *norm);

	/* residual[r·N + o] = sat16(residual[r·N + o] + R(256·(acc + bias[o]), multipliers[o])); bias may be NULL. */
	void (*residual)(int16_t *residual, const struct cats_host_product *p, const int32_t *multipliers,
			 const int32_t *bias);

	/* q[r·stride + o] = sat7(R(residual[r·outputs + o], multiplier)). */
	void (*quantise)(int8_t *q, size_t stride, const int16_t *residual, int32_t multiplier, uint32_t rows,
			 uint32_t outputs);

	/* Section 1.6 of each row, of which counts[r] of the `columns` are available. */
	void (*statistics)(struct cats_stats *stats, const int8_t *x, size_t stride, uint32_t rows, uint32_t columns,
			   const uint16_t *counts, bool rms, uint32_t epsilon);

	void (*attention)(const struct cats_host_head *head);
};

/* `run` and `clear` of every table. */
bool cats_host_run(struct cats_node *n, const struct cats_op *op);
void cats_host_clear(struct cats_node *n, const struct cats_shard_site *site);

#if defined(__x86_64__)
extern const struct cats_host_kernels cats_host_sse2, cats_host_avx2, cats_host_avx512;
#endif

#endif

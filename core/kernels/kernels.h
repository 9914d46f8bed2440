/* SPDX-License-Identifier: MIT */
/* The inner loops of the runtime as a table of functions: the plain C of plain.c defines them, other files overwrite
 * entries and must give the same bytes. Freestanding.
 *
 * `acc`, rows and outputs: a tile is at most CATS_TILE_ROWS tokens by CATS_TILE_OUTPUTS outputs; acc[r][o] belongs to
 * row r and output o of the tile. No pointer of a call aliases one that is written, and no kernel keeps state. */
#ifndef CATS_CORE_KERNELS_H
#define CATS_CORE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shard.h"

#define CATS_TILE_ROWS 4U
#define CATS_TILE_OUTPUTS 16U

typedef int32_t cats_tile[CATS_TILE_ROWS][CATS_TILE_OUTPUTS];

/* A weight matrix as packed for the table's target. */
struct cats_weights_view {
	const uint8_t *packed;
	uint32_t columns4; /* K4: columns, padded to a multiple of 4 */
};

/* What turns accumulators of a normalised row into outputs (section 1.7): output o of the tile uses element o of each
 * array. */
struct cats_norm_row {
	struct cats_stats stats;
	const int32_t *multipliers, *biases; /* m, B */
	const int32_t *weight_sums;          /* Ws, or NULL: RMS */
	enum cats_output_kind kind;
	int8_t low, high;    /* kind 0 */
	const int8_t *table; /* kind 1 */
	int add;             /* kind 2: to what is there, instead of over it */
};

/* One head of one attention op. The scratch is laid out by cats_attention_scratch. */
struct cats_attention_head {
	const int8_t *q, *k, *v; /* columns of this head, in row 0 */
	uint32_t q_stride, kv_stride;
	uint32_t keys, width; /* keys of the whole head; d */
	uint8_t *packed_keys; /* T4·d4 bytes */
	int16_t *values;      /* T4·d4, 4-byte aligned */
	int16_t *scores;      /* T4, 4-byte aligned */
};

/* Estimates of Cortex-M4 cycles, checked against the emulated core. */
struct cats_kernel_costs {
	uint16_t mac_q4;           /* of one multiply-accumulate of a product, in 1/16 */
	uint16_t output;           /* of finishing one output */
	uint16_t value;            /* of copying, quantising or summing one activation */
	uint16_t attention_mac_q4; /* of one multiply-accumulate of scores or values, in 1/16 */
	uint16_t exponential;      /* of one probability */
};

struct cats_kernels {
	const char *name;
	enum cats_target target; /* the packing that `products` reads */
	uint32_t tile_outputs;   /* even, <= CATS_TILE_OUTPUTS */
	uint32_t tile_columns;   /* columns of one call of `products`, a multiple of 64 */
	uint32_t unit_macs;      /* of one call of `scores` or `values`, about */
	uint32_t attention_step; /* keys or columns of one call of those are multiples of it, but for the last */
	struct cats_kernel_costs costs;

	/* acc[r][o] += Σ w[output + o, k]·x[r·stride + k] over k = column … column + columns - 1. `output` is even,
	 * `column` a multiple of 64, and `columns` ends at K or at a multiple of 64. Each row of x may be read up to
	 * the next multiple of 4; what is there meets a weight of 0. */
	void (*products)(cats_tile acc, const int8_t *x, size_t stride, uint32_t rows,
			 const struct cats_weights_view *weights, uint32_t output, uint32_t outputs, uint32_t column,
			 uint32_t columns);

	/* Section 1.7, one row of a tile; `out` is int8 or, for kind 2, int32. */
	void (*finish_norm)(void *out, const struct cats_norm_row *row, const int32_t *acc, uint32_t outputs);

	/* residual[o] = sat16(residual[o] + R(256·(acc[o] + bias[o]), multipliers[o])); bias may be NULL (zeros). */
	void (*finish_residual)(int16_t *residual, const int32_t *acc, const int32_t *bias, const int32_t *multipliers,
				uint32_t outputs);

	/* q[i] = sat7(R(residual[i], multiplier)). */
	void (*quantise)(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count);

	/* *sum = Σ x, *squares = Σ x². */
	void (*sums)(int32_t *sum, int32_t *squares, const int8_t *x, uint32_t count);

	/* ⌊sqrt(v)⌋ */
	uint32_t (*root)(uint32_t v);

	/* Whatever `scores` and `values` want in packed_keys and values of keys first … first + count - 1, a multiple
	 * of 4 each but at the end. NULL: nothing. Afterwards keys up to the next multiple of 4 read as 0. */
	void (*attention_pack)(const struct cats_attention_head *head, uint32_t first, uint32_t count);

	/* head->scores[j] = s_j of query row `query`, for count keys from `first` (a multiple of attention_step);
	 * returns their maximum (section 1.8). */
	int32_t (*attention_scores)(const struct cats_attention_head *head, uint32_t query, int32_t multiplier,
				    uint32_t first, uint32_t count);

	/* head->scores[j] = p_j for count keys from 0, and 0 up to the next multiple of 4; returns their sum Z. */
	uint32_t (*attention_exponentials)(const struct cats_attention_head *head, const int16_t *table,
					   int32_t maximum, uint32_t count);

	/* out[c] = sat7(R(Σ p_j·v[j, c], multiplier)) for `count` columns from `first` (a multiple of attention_step)
	 * over keys 0 … keys - 1. */
	void (*attention_values)(int8_t *out, const struct cats_attention_head *head, uint32_t keys, int32_t multiplier,
				 uint32_t first, uint32_t count);
};

/* Plain C for target 1, and for target 2. */
extern const struct cats_kernels cats_kernels_plain;
extern const struct cats_kernels cats_kernels_nrf52840_c;

/* The plain C for a shard's target. */
const struct cats_kernels *cats_kernels_for(enum cats_target target);

/* Host only, for target 1: fills the table with the fastest kernels that this processor runs (name NULL), or with those
 * of a name ("plain", "avx2", "avx512"); false if the processor does not run these. */
bool cats_kernels_host(struct cats_kernels *out, const char *name);

#endif

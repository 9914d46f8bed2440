/* SPDX-License-Identifier: MIT */
/* The inner loops of the runtime as a table of functions: the plain C of plain.c defines them, other files overwrite
 * entries and must give the same bytes. Freestanding.
 *
 * A tile is at most CATS_TILE_ROWS rows (tokens) by CATS_TILE_OUTPUTS outputs. No pointer of a call aliases one that is
 * written, and no kernel keeps state. */
#ifndef CATS_CORE_KERNELS_H
#define CATS_CORE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shard.h"

#define CATS_TILE_ROWS 4U
#define CATS_TILE_OUTPUTS 32U

/* The sums of a tile on their way from `products` to finish_norm or finish_residual. How they lie there, and in which
 * unit they count, is the table's own affair; in plain C acc[CATS_TILE_OUTPUTS·r + o] is the sum of row r, output o. */
typedef int32_t cats_tile[CATS_TILE_ROWS * CATS_TILE_OUTPUTS];

/* A weight matrix as packed for the table's target. */
struct cats_weights_view {
	const uint8_t *packed;
	uint32_t columns4; /* K4: columns, padded to a multiple of 4 */
};

/* At most CATS_TILE_ROWS rows of a product's input. Each may be read up to the next multiple of 4 columns; what is
 * there meets a weight of 0. */
struct cats_panel {
	const int8_t *x; /* row 0, 4-byte aligned */
	size_t stride;   /* bytes, a multiple of 4 */
	uint32_t rows;
	void *widened; /* cats_scratch_panel(K) bytes, 4-byte aligned: what `widen` makes of the rows */
};

/* What turns the sums of a normalised row into outputs (section 1.7): output o of the tile uses element o of each
 * array. */
struct cats_finish {
	const struct cats_stats *stats;      /* one a row */
	const int32_t *multipliers, *biases; /* m, B */
	const int32_t *weight_sums;          /* Ws, or NULL: RMS */
	enum cats_output_kind kind;
	int8_t low, high;    /* kind 0 */
	const int8_t *table; /* kind 1 */
	bool add;            /* kind 2: to what is there, instead of over it */
};

/* One head of one attention op. What lies in the buffers is the table's own affair. */
struct cats_attention_head {
	const int8_t *q, *k, *v; /* columns of this head, in row 0 */
	uint32_t q_stride, kv_stride;
	uint32_t keys, width; /* keys of the whole head; d */
	bool causal;          /* query t sees keys 0 … t, otherwise all */
	void *queries;        /* cats_scratch_panel(d) bytes; this and those below are 4-byte aligned */
	uint8_t *packed_keys; /* T4·d4 bytes */
	int16_t *values;      /* T4·d4 */
	int16_t *scores;      /* CATS_TILE_ROWS·T4 */
};

/* The queries that are worked on together. */
struct cats_attention_rows {
	uint32_t first, count; /* count <= attention_rows of the table */
};

/* How many keys query t sees. */
static inline uint32_t cats_attention_visible(const struct cats_attention_head *head, uint32_t t)
{
	return head->causal ? t + 1U : head->keys;
}

/* Estimates of Cortex-M4 cycles, checked against the emulated core. */
struct cats_kernel_costs {
	uint16_t mac_q4;           /* of one multiply-accumulate of a product, in 1/16 */
	uint16_t sum;              /* of one sum of products, beside these */
	uint16_t output;           /* of finishing one output */
	uint16_t output_apart;     /* the same of a normalised row, where fewer than CATS_TILE_ROWS go together */
	uint16_t widened;          /* of one value of a panel; 0 when `widen` does nothing */
	uint16_t value;            /* of copying or quantising one activation */
	uint16_t summed;           /* of one activation in a token's sums */
	uint16_t packed;           /* of one key and one value of a column; 0 when `attention_pack` does nothing */
	uint16_t attention_mac_q4; /* of one multiply-accumulate of scores or values, in 1/16 */
	uint16_t score;            /* of one score, and of one output of `values`, beside these */
	uint16_t exponential;      /* of one probability */
};

struct cats_host_kernels;

struct cats_kernels {
	const char *name;
	enum cats_target target; /* the packing that `products` reads */
	uint32_t attention_rows; /* queries worked on together, 1 … CATS_TILE_ROWS */
	uint32_t attention_step; /* keys or columns of one call of those are multiples of it, but for the last */
	struct cats_kernel_costs costs;
	/* Whole ops at once, for steps without a budget (core/kernels/host.h). NULL: there are none. */
	const struct cats_host_kernels *host;

	/* Fills panel->widened for columns column … column + columns - 1, as `products` wants it. NULL: nothing. */
	void (*widen)(const struct cats_panel *panel, uint32_t column, uint32_t columns);

	/* `acc` is a cats_tile. In it, of output o and row r: Σ w[output + o, k]·x[r·stride + k] over k = column …
	 * column + columns - 1, added to what is there unless column is 0. `output` is even, `column` a multiple of 64,
	 * and `columns` ends at K or at a multiple of 64; `widen` takes the same pieces. */
	void (*products)(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			 uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns);

	/* Section 1.7 for rows first … first + rows - 1 of the tile. The row of `out` and of norm->stats that belongs
	 * to row `first` comes first; `stride` is in bytes. `out` is int8 or, for kind 2, int32. */
	void (*finish_norm)(void *out, size_t stride, const struct cats_finish *norm, const int32_t *acc,
			    uint32_t first, uint32_t rows, uint32_t outputs);

	/* residual[r·stride + o] = sat16(residual[…] + R(256·(acc + bias[o]), multipliers[o])); bias may be NULL
	 * (zeros). */
	void (*finish_residual)(int16_t *residual, size_t stride, const int32_t *acc, const int32_t *bias,
				const int32_t *multipliers, uint32_t rows, uint32_t outputs);

	/* q[i] = sat7(R(residual[i], multiplier)). */
	void (*quantise)(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count);

	/* *sum = Σ x, *squares = Σ x². */
	void (*sums)(int32_t *sum, int32_t *squares, const int8_t *x, uint32_t count);

	/* ⌊sqrt(v)⌋ */
	uint32_t (*root)(uint32_t v);

	/* Whatever the others want in packed_keys and values of keys first … first + count - 1, a multiple of 4 each
	 * but at the end. NULL: nothing. */
	void (*attention_pack)(const struct cats_attention_head *head, uint32_t first, uint32_t count);

	/* Likewise in queries. NULL: nothing. */
	void (*attention_queries)(const struct cats_attention_head *head, struct cats_attention_rows rows);

	/* Scores s_j of count keys from `first` (a multiple of attention_step) for each of the rows (section 1.8);
	 * those of keys that a row does not see do not matter. maxima[i] says what exponentials need of row i's largest
	 * score so far, among keys that it sees, as the table likes it; nothing is so far when `first` is 0. */
	void (*attention_scores)(int32_t maxima[CATS_TILE_ROWS], const struct cats_attention_head *head,
				 struct cats_attention_rows rows, int32_t multiplier, uint32_t first, uint32_t count);

	/* Scores of rows first … first + count - 1 become p_j where the row sees the key and 0 elsewhere, for keys that
	 * any of `rows` sees and on to the next multiple of 4. sums[i] becomes the sum Z of row i's; maxima[i] is of
	 * row i. */
	void (*attention_exponentials)(uint32_t sums[CATS_TILE_ROWS], const struct cats_attention_head *head,
				       struct cats_attention_rows rows, const int16_t *table,
				       const int32_t maxima[CATS_TILE_ROWS], uint32_t first, uint32_t count);

	/* out[i·stride + c] = sat7(R(Σ p_j·v[j, c], multipliers[i])) of row i, for `count` columns from `first` (a
	 * multiple of attention_step) over the keys that any of the rows sees. */
	void (*attention_values)(int8_t *out, size_t stride, const struct cats_attention_head *head,
				 struct cats_attention_rows rows, const int32_t multipliers[CATS_TILE_ROWS],
				 uint32_t first, uint32_t count);
};

/* Plain C for target 1, and for target 2. */
extern const struct cats_kernels cats_kernels_plain;
extern const struct cats_kernels cats_kernels_nrf52840_c;

/* For target 2, made for the Cortex-M4F; elsewhere the same steps in C, slowly. */
extern const struct cats_kernels cats_kernels_m4;

/* What a device of a target uses. */
const struct cats_kernels *cats_kernels_for(enum cats_target target);

/* Host only, for target 1: fills the table with the fastest kernels that this processor runs (name NULL), or with those
 * of a name ("plain", "sse2", "avx2", "avx512"); false if the processor does not run these. */
bool cats_kernels_host(struct cats_kernels *out, const char *name);

#endif

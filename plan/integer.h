/* SPDX-License-Identifier: MIT */
/* The integer model: every weight, bias, table and multiplier of docs/SPEC-integer.md, for all outputs and columns at
 * once and for no number of devices; its file. What a shard holds is picked from it. Host only. */
#ifndef CATS_PLAN_INTEGER_H
#define CATS_PLAN_INTEGER_H

#include "core/shard.h"
#include "model/model.h"

/* A linear layer, [outputs, columns]. `beta` is NULL unless its input is normalised with a bias (section 1.7). */
struct cats_int_product {
	uint32_t outputs, columns;
	int8_t *weights;
	int32_t *multipliers, *bias; /* [outputs] */
	int32_t *beta;               /* [outputs, columns] or NULL */
};

struct cats_int_layer {
	struct cats_int_product qkv; /* rows of q, then k, then v: [3 F, F] */
	struct cats_int_product o, up, down;
	int32_t *score, *value; /* m_s, m_v: [H] */
	int8_t *table;          /* [256], NULL for ReLU */
	int32_t *quantise;      /* [2]: attn_in, ffn_in */
	int32_t *epsilon;       /* [2]: e of norm1, norm2; bits of a uint32 */
};

/* Owned memory: free with cats_integer_free. `scale_*` are for people and for quantising inputs; nothing else is
 * computed with them. */
struct cats_integer {
	struct cats_config config;
	uint8_t **keep;                /* [4 L + 1] -> [columns of the site], as in struct cats_model */
	int8_t *input_table;           /* [256], NULL when the input is not an image */
	struct cats_int_product embed; /* bias is unused and 0 */
	int32_t *pos;                  /* [T, F], values of int16 */
	struct cats_int_layer *layers;
	struct cats_int_product head;
	int32_t *head_quantise, *head_epsilon;               /* [1] */
	int32_t *exp_table;                                  /* [1024], values of int16 */
	double *scale_input, *scale_residual, *scale_result; /* [1] */
	double *scale_site;                                  /* [4 L + 1] */
	uint64_t id;                                         /* FNV-1a of the file; 0 until saved or loaded */
};

/* Sites as they are numbered on air (section 2.1): 0 input, 1 + float site …, 2 + 4 L out. */
static inline uint32_t cats_integer_sites(const struct cats_config *c)
{
	return 3U + 4U * c->n_layers;
}

/* "input", "0.attn_in" …, "head_in", "out", into a caller's buffer. */
void cats_integer_site_name(char name[CATS_SITE_NAME_BYTES], const struct cats_config *c, uint32_t site);

/* How the input lies in memory and on air, and how patches are cut from it (section 1.3). */
struct cats_input_shape {
	uint32_t rows, columns;
	uint32_t window_rows, window_columns, step_rows, step_columns;
	uint32_t across; /* windows side by side */
};
struct cats_input_shape cats_input_shape_of(const struct cats_config *config);

/* Rows that travel at a site, and its columns in all (n_out at `out`). */
uint32_t cats_integer_site_tokens(const struct cats_config *c, uint32_t site);
uint32_t cats_integer_site_columns(const struct cats_config *c, uint32_t site);

/* The columns of a site that device j of D owns; at `input` the source, device 0, owns all. */
struct cats_run cats_integer_site_own(const struct cats_config *c, uint32_t site, uint32_t D, uint32_t j);

/* Whether the column is broadcast: the keep list at gather sites, always at `input` and `out`. */
bool cats_integer_kept(const struct cats_integer *m, uint32_t site, uint32_t column);

/* Whether any keep list is below "all", which ties the model to the config's number of devices. */
bool cats_integer_prunes(const struct cats_integer *m);

/* Allocates for a checked config within the bounds of section 1.12 (CATS_ERR_MISMATCH names the field that is not);
 * everything is 0, but the exp table is filled and keep lists are all 1. */
CATS_MUST_CHECK enum cats_status cats_integer_create(struct cats_integer *out, const struct cats_config *config,
						     const char *name, struct cats_error *error);
void cats_integer_free(struct cats_integer *m);

/* Checks every bound of section 1.12; the error names layer, product and row. */
CATS_MUST_CHECK enum cats_status cats_integer_check(const struct cats_integer *m, const char *name,
						    struct cats_error *error);

/* The file, a safetensors container; loading checks it. Both set `id`. */
CATS_MUST_CHECK enum cats_status cats_integer_save(struct cats_integer *m, const char *path, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_integer_load(struct cats_integer *out, const char *path,
						   struct cats_error *error);
/* The same from a file's bytes; `name` is what errors call it. */
CATS_MUST_CHECK enum cats_status cats_integer_parse(struct cats_integer *out, const void *bytes, size_t size,
						    const char *name, struct cats_error *error);

/* FNV-1a, 64 bits, continuing from `hash` (CATS_FNV_START at first). */
#define CATS_FNV_START 0xcbf29ce484222325U
uint64_t cats_fnv1a(uint64_t hash, const void *bytes, size_t size);

/* One input as it travels, [rows, columns] of cats_input_shape_of: an image's bytes by the table, or values
 * [P, d_in] by the scale. */
void cats_integer_quantise_image(int8_t *q, const struct cats_integer *m, const uint8_t *pixels);
void cats_integer_quantise_values(int8_t *q, const struct cats_integer *m, const float *values);

#endif

/* SPDX-License-Identifier: MIT */
/* The hyper-parameters of a model, as in its config.json, and what follows from them: sites, shapes, ownership.
 * No weights here. Host only. */
#ifndef CATS_MODEL_CONFIG_H
#define CATS_MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/partition.h"
#include "io/error.h"

enum cats_activation { CATS_RELU, CATS_GELU }; /* GELU in its erf form */
enum cats_norm { CATS_NORM_LAYER, CATS_NORM_RMS };
enum cats_pool { CATS_POOL_MEAN, CATS_POOL_CLS, CATS_POOL_NONE };

/* How an image becomes patches: a square window of `patch` pixels every `stride` pixels, row by row, no padding; the
 * pixels of a patch row-major, x = (byte / 255 - mean) / std. All zero: the input is not an image. */
struct cats_image_config {
	uint32_t height, width, patch, stride;
	double mean, std;
};

/* How a series becomes patches and forecasts: a context of values in time order is standardised by its own mean and
 * standard deviation, sqrt(variance + epsilon), and cut into patches that do not overlap; token t forecasts, in the
 * same units, the `horizon` values that follow its patch. All zero: the input is not a series. */
struct cats_series_config {
	uint32_t context, patch, horizon;
	double epsilon;
};

/* Dimension letters: D devices, F d_model, H n_heads, d = F / H, M d_ff, P n_patches, T tokens. */
struct cats_config {
	uint32_t devices; /* D the keep lists were made for; 1 … 64 */
	uint32_t d_model; /* F, a multiple of n_heads */
	uint32_t n_heads; /* H */
	uint32_t d_ff;    /* M */
	uint32_t n_layers;
	uint32_t n_patches; /* P */
	uint32_t d_in;      /* values a patch */
	uint32_t n_out;     /* classes, or values forecast a token */
	enum cats_activation activation;
	enum cats_norm norm;
	double norm_eps;
	bool causal;
	bool cls_token;
	enum cats_pool pool;
	struct cats_image_config image;
	struct cats_series_config series;
};

/* Gather sites of the float model, in the order of an inference: layer * 4 + kind, and at last head_in. */
enum cats_site_kind { CATS_ATTN_IN, CATS_ATTN_OUT, CATS_FFN_IN, CATS_FFN_OUT, CATS_HEAD_IN };

/* Ranges of the integers above (each at least 1): far more than devices of this kind can hold, and small enough that no
 * product of two of them leaves 64 bits. config.json is at most CATS_CONFIG_MAX_BYTES long, a model has at most
 * CATS_MODEL_MAX_WEIGHTS weights (1 GiB as float32). */
#define CATS_MAX_DEVICES 64
#define CATS_MAX_D_MODEL 8192
#define CATS_MAX_D_FF 32768
#define CATS_MAX_LAYERS 256
#define CATS_MAX_PATCHES 4096
#define CATS_MAX_D_IN 65536
#define CATS_MAX_N_OUT 65536
#define CATS_MAX_IMAGE_SIDE 4096
#define CATS_MAX_CONTEXT 65536
#define CATS_MIN_NORM_EPS 1e-12 /* in float32 it must be above 0, with room for its square root's inverse */
#define CATS_CONFIG_MAX_BYTES ((size_t)1 << 20)
#define CATS_MODEL_MAX_WEIGHTS ((uint64_t)1 << 28)

/* Checks every rule (ranges, F a multiple of H, cls pooling needs a class token, image or series give n_patches and
 * d_in, …); the error names the field and the rule. `name` is the file or other origin. */
CATS_MUST_CHECK enum cats_status cats_config_check(const struct cats_config *config, const char *name,
						   struct cats_error *error);

/* config.json, in memory and back (docs/SPEC.md). Unknown keys are refused, missing ones named; the result has passed
 * cats_config_check. `cats_config_format` returns malloc'ed
 * text (NULL: out of memory) with a fixed key order. */
CATS_MUST_CHECK enum cats_status cats_config_parse(struct cats_config *out, const char *text, size_t size,
						   const char *name, struct cats_error *error);
char *cats_config_format(const struct cats_config *config);

/* Weights of a model in all; exact for a config that passed cats_config_check. */
uint64_t cats_config_weights(const struct cats_config *config);

static inline bool cats_config_is_series(const struct cats_config *c)
{
	return c->series.context != 0;
}

static inline uint32_t cats_config_tokens(const struct cats_config *c)
{
	return c->n_patches + (c->cls_token ? 1U : 0U); /* T */
}

static inline uint32_t cats_config_sites(const struct cats_config *c)
{
	return c->n_layers * 4U + 1U;
}

static inline enum cats_site_kind cats_site_kind_of(const struct cats_config *c, uint32_t site)
{
	return site == c->n_layers * 4U ? CATS_HEAD_IN : (enum cats_site_kind)(site % 4U);
}

/* Columns gathered at a site: M at ffn_out, else F. */
static inline uint32_t cats_site_columns(const struct cats_config *c, uint32_t site)
{
	return cats_site_kind_of(c, site) == CATS_FFN_OUT ? c->d_ff : c->d_model;
}

/* The columns that device j of D owns at a site: whole heads at attn_out, an even cut elsewhere. */
struct cats_run cats_site_own(const struct cats_config *c, uint32_t site, uint32_t D, uint32_t j);

/* Tokens that travel at a site: T, or 1 where class-token pooling leaves only row 0 to be computed (head_in, and the
 * last layer's attn_out, ffn_in and ffn_out). */
uint32_t cats_site_tokens(const struct cats_config *c, uint32_t site);

/* "3.attn_in" or "head_in", into a caller's buffer. */
#define CATS_SITE_NAME_BYTES 24
void cats_site_name(char name[CATS_SITE_NAME_BYTES], const struct cats_config *c, uint32_t site);

#endif

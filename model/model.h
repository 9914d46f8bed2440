/* SPDX-License-Identifier: MIT */
/* A model: configuration, float32 weights, keep lists; and its directory (config.json, model.safetensors, README.md).
 * Host only. */
#ifndef CATS_MODEL_MODEL_H
#define CATS_MODEL_MODEL_H

#include "model/config.h"

/* One tensor's place in the flat array of weights. A vector has columns = 1. */
struct cats_weight {
	char name[48];          /* "layers.0.attn.q.weight", as in the file */
	uint32_t rows, columns; /* [rows, columns], row-major */
	bool vector;            /* one-dimensional in the file: shape [rows] */
	size_t offset;          /* of its first element in weights[] */
};

/* Indices of a layer's tensors in `tensors`, starting at cats_model_layer(). RMS norms have no bias tensor; that
 * entry is CATS_NO_WEIGHT. */
#define CATS_NO_WEIGHT UINT32_MAX
enum cats_layer_weight {
	CATS_Q_WEIGHT,
	CATS_Q_BIAS,
	CATS_K_WEIGHT,
	CATS_K_BIAS,
	CATS_V_WEIGHT,
	CATS_V_BIAS,
	CATS_O_WEIGHT,
	CATS_O_BIAS,
	CATS_UP_WEIGHT,
	CATS_UP_BIAS,
	CATS_DOWN_WEIGHT,
	CATS_DOWN_BIAS,
	CATS_NORM1_WEIGHT,
	CATS_NORM1_BIAS,
	CATS_NORM2_WEIGHT,
	CATS_NORM2_BIAS,
	CATS_LAYER_WEIGHTS
};

/* Owned memory: free with cats_model_free. */
struct cats_model {
	struct cats_config config;
	struct cats_weight *tensors;
	uint32_t tensor_count;
	uint32_t embed_weight, embed_bias, pos, cls; /* indices in tensors; cls may be CATS_NO_WEIGHT */
	uint32_t (*layers)[CATS_LAYER_WEIGHTS];      /* [n_layers] indices in tensors */
	uint32_t norm_weight, norm_bias, head_weight, head_bias;
	float *weights; /* [weight_count] */
	size_t weight_count;
	uint8_t **keep; /* [sites] -> [columns of the site], 1 = broadcast by its owner */
};

/* Allocates for a checked config; weights are 0, keep lists are all 1. */
CATS_MUST_CHECK enum cats_status cats_model_create(struct cats_model *out, const struct cats_config *config,
						   struct cats_error *error);
void cats_model_free(struct cats_model *model);

/* Initial weights: linear weights truncated normal with std 1/sqrt(fan_in) (residual outputs o and down divided by
 * sqrt(2 n_layers)), pos and cls std 0.02, gains 1, biases 0. */
void cats_model_initialise(struct cats_model *model, uint64_t seed);

/* Reads MODEL/config.json and MODEL/model.safetensors (docs/SPEC.md). Refuses tensors that are missing, unknown, of
 * another shape or type, not finite; keep lists that are not 0/1; damaged data; a config.json that is not the one the
 * weights were saved with. Without config.json the copy beside the tensors serves, or what a save that died left. On
 * error nothing is left allocated. */
CATS_MUST_CHECK enum cats_status cats_model_load(struct cats_model *out, const char *directory,
						 struct cats_error *error);

/* The bytes of one of the two files, and what errors call it. */
struct cats_model_bytes {
	const void *bytes;
	size_t size;
	const char *name;
	bool yields; /* a config that a copy beside the tensors goes before, instead of having to agree with it */
};

/* The same from memory; config == NULL: use the copy beside the tensors. */
CATS_MUST_CHECK enum cats_status cats_model_parse(struct cats_model *out, const struct cats_model_bytes *config,
						  const struct cats_model_bytes *tensors, struct cats_error *error);

/* Writes the directory; `card` is the README.md (Markdown), may be NULL (then none is written). All files are on disk
 * under temporary names before the first is replaced: a full disk leaves the directory as it was, and stopped at any
 * moment it loads as the old model or as the new one. Refuses weights that are not finite: they could not be loaded. */
CATS_MUST_CHECK enum cats_status cats_model_save(const struct cats_model *model, const char *directory,
						 const char *card, struct cats_error *error);

/* Lets a model be cut for another number of devices. Keep lists below "all" belong to the number that they were made
 * for: then CATS_ERR_MISMATCH. `name` is the model's, for errors. */
CATS_MUST_CHECK enum cats_status cats_model_set_devices(struct cats_model *model, uint32_t devices, const char *name,
							struct cats_error *error);

/* Columns kept at a site, all devices together. */
uint32_t cats_model_kept(const struct cats_model *model, uint32_t site);

/* Multiply-accumulates of one inference, summed over D = config.devices devices: only columns that are available. */
uint64_t cats_model_macs(const struct cats_model *model);

/* Values that all devices together put on air in one inference at the gather sites (kept columns times tokens). With
 * one device nobody listens: 0. */
uint64_t cats_model_air_values(const struct cats_model *model);

#endif

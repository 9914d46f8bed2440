/* SPDX-License-Identifier: MIT */
/* Reads a golden vector of the float model: weights, keep lists, receipts, inputs and expected results. */
#ifndef CATS_TESTS_MODEL_GOLDEN_H
#define CATS_TESTS_MODEL_GOLDEN_H

#include "io/safetensors.h"
#include "model/model.h"

/* Owned memory; free with golden_free. Arrays of samples are laid out for a pass of one sample. */
struct golden {
	struct cats_safetensors file;
	struct cats_model model; /* with the file's weights and keep lists */
	float *input;            /* [d_in, P] */
	uint8_t **received;      /* [sites] -> [D, D, T] */
};

CATS_MUST_CHECK enum cats_status golden_read(struct golden *out, const char *path, struct cats_error *error);
void golden_free(struct golden *g);

/* The F32 tensor of that name with that many elements; an error says what is there instead. */
CATS_MUST_CHECK enum cats_status golden_tensor(const float **data, const struct golden *g, const char *name,
					       size_t count, struct cats_error *error);

#endif

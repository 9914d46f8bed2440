/* SPDX-License-Identifier: MIT */
/* One golden or fuzzed file that stands for a model's directory: the text of config.json, a zero byte,
 * model.safetensors. An empty text stands for a missing config.json. */
#ifndef CATS_TESTS_MODEL_FILES_MODEL_BYTES_H
#define CATS_TESTS_MODEL_FILES_MODEL_BYTES_H

#include <string.h>

#include "model/model.h"

static inline enum cats_status parse_model_bytes(struct cats_model *out, const uint8_t *bytes, size_t size,
						 const char *name, struct cats_error *error)
{
	const uint8_t *end = size ? memchr(bytes, 0, size) : NULL;
	const size_t text = end ? (size_t)(end - bytes) : size;
	const size_t before_tensors = end ? text + 1 : size;
	const struct cats_model_bytes config = {.bytes = bytes, .size = text, .name = name};
	const struct cats_model_bytes tensors = {
		.bytes = bytes + before_tensors, .size = size - before_tensors, .name = name};

	return cats_model_parse(out, text ? &config : NULL, &tensors, error);
}

#endif

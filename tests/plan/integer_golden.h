/* SPDX-License-Identifier: MIT */
/* Integer golden files: an integer model (NAME.model.safetensors) and one inference of it on D devices with receipts
 * and every value that the reference computed (NAME.trace.safetensors). Shared by the reference's and the runtime's
 * tests. */
#ifndef CATS_TESTS_PLAN_INTEGER_GOLDEN_H
#define CATS_TESTS_PLAN_INTEGER_GOLDEN_H

#include "plan/reference.h"

/* Owned memory; free with integer_golden_free. */
struct integer_golden {
	struct cats_integer model;
	uint32_t devices;
	int8_t *input;
	uint8_t **received; /* [sites on air] -> [D, D, tokens] */
	struct cats_trace trace;
};

/* `path` is DIRECTORY/NAME without ".model.safetensors". */
CATS_MUST_CHECK enum cats_status integer_golden_load(struct integer_golden *out, const char *path,
						     struct cats_error *error);
CATS_MUST_CHECK enum cats_status integer_golden_save(struct integer_golden *g, const char *path,
						     struct cats_error *error);
void integer_golden_free(struct integer_golden *g);

#endif

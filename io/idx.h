/* SPDX-License-Identifier: MIT */
/* IDX arrays of bytes (the format of MNIST, http://yann.lecun.com/exdb/mnist), plain or as .gz. Host only. */
#ifndef CATS_IO_IDX_H
#define CATS_IO_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

#define CATS_IDX_MAX_DIMS 3
#define CATS_IDX_MAX_BYTES ((size_t)2 << 30) /* decoded, header and all; also of the file itself */

/* Owned memory; free with cats_idx_free. */
struct cats_idx {
	uint32_t dims;
	uint32_t shape[CATS_IDX_MAX_DIMS]; /* each at least 1 */
	size_t count;                      /* product of shape */
	uint8_t *values;                   /* [count], row-major */
};

/* Reads a file that must have `dims` dimensions (1 … CATS_IDX_MAX_DIMS) of unsigned bytes and exactly the length that
 * its header gives. gzip is recognised by its first two bytes. On error nothing is left allocated. */
CATS_MUST_CHECK enum cats_status cats_idx_read(struct cats_idx *out, uint32_t dims, const char *path,
					       struct cats_error *error);

/* The same from bytes in memory; `name` is what errors call them. */
CATS_MUST_CHECK enum cats_status cats_idx_parse(struct cats_idx *out, uint32_t dims, const uint8_t *bytes, size_t size,
						const char *name, struct cats_error *error);

void cats_idx_free(struct cats_idx *idx);

#endif

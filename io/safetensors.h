/* SPDX-License-Identifier: MIT */
/* The safetensors container (8-byte header length, JSON header, little-endian data), read strictly and written
 * atomically. Host only. */
#ifndef CATS_IO_SAFETENSORS_H
#define CATS_IO_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

#define CATS_TENSOR_MAX_DIMS 8
#define CATS_TENSOR_NAME_MAX 127 /* bytes without the final zero */

/* Larger files are refused: far above what a device's model or a data set in memory needs, far below what a size or a
 * double could not hold. */
#define CATS_SAFETENSORS_MAX_BYTES ((size_t)4 << 30)
#define CATS_SAFETENSORS_MAX_HEADER_BYTES ((size_t)4 << 20) /* some 40,000 tensors */

enum cats_dtype { CATS_U8, CATS_I8, CATS_I32, CATS_I64, CATS_F32, CATS_F64 };

size_t cats_dtype_bytes(enum cats_dtype dtype);
const char *cats_dtype_name(enum cats_dtype dtype); /* "U8" … "F64" as in the header */

/* One tensor; `data` points into the container that it was read from, or at the caller's memory when writing. */
struct cats_tensor {
	char name[CATS_TENSOR_NAME_MAX + 1];
	enum cats_dtype dtype;
	uint32_t dims;
	uint64_t shape[CATS_TENSOR_MAX_DIMS];
	size_t count;     /* product of shape */
	const void *data; /* row-major, little-endian; aligned to its element size once read */
};

struct cats_metadata {
	char *key; /* owned by the container */
	char *value;
};

/* A whole file in memory. Zero-initialise; free with cats_safetensors_free. */
struct cats_safetensors {
	void *bytes;
	struct cats_tensor *tensors; /* in the order of their data */
	size_t tensor_count;
	struct cats_metadata *metadata; /* header's __metadata__, string to string */
	size_t metadata_count;
};

/* Reads and checks everything: lengths, JSON, names (unique), dtypes, shapes, offsets (contiguous from 0, no overlap,
 * no hole, to the end). Errors name file, field and rule; on error nothing is left allocated. */
CATS_MUST_CHECK enum cats_status cats_safetensors_read(struct cats_safetensors *out, const char *path,
						       struct cats_error *error);

/* The same from bytes in memory (for fuzzing); `name` is what errors call it. Copies what it needs. */
CATS_MUST_CHECK enum cats_status cats_safetensors_parse(struct cats_safetensors *out, const void *bytes, size_t size,
							const char *name, struct cats_error *error);

void cats_safetensors_free(struct cats_safetensors *file);

/* NULL when there is none of that name. */
const struct cats_tensor *cats_safetensors_find(const struct cats_safetensors *file, const char *name);
const char *cats_safetensors_metadata(const struct cats_safetensors *file, const char *key);

/* Writes tensors in the given order to a temporary beside `path`, syncs, renames. Same input, same bytes. */
CATS_MUST_CHECK enum cats_status cats_safetensors_write(const char *path, const struct cats_tensor *tensors,
							size_t tensor_count, const struct cats_metadata *metadata,
							size_t metadata_count, struct cats_error *error);

/* The first half of it, as cats_file_stage: cats_file_commit(path) or cats_file_discard(path) follows. */
CATS_MUST_CHECK enum cats_status cats_safetensors_stage(const char *path, const struct cats_tensor *tensors,
							size_t tensor_count, const struct cats_metadata *metadata,
							size_t metadata_count, struct cats_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* The IDX format. Knows nothing of images and labels. See idx.h and docs/SPEC.md. */
#include "io/idx.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/gzip.h"

#define UNSIGNED_BYTE 0x08 /* the format's code of the element type */
#define MAGIC_BYTES ((size_t)4)
#define SIZE_BYTES ((size_t)4) /* of one dimension, big-endian */
#define MAX_HEADER_BYTES (MAGIC_BYTES + CATS_IDX_MAX_DIMS * SIZE_BYTES)

static size_t header_bytes(uint32_t dims)
{
	return MAGIC_BYTES + dims * SIZE_BYTES;
}

static uint32_t load_be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Sets dims, shape and count. `size`: header bytes at hand. */
static enum cats_status parse_header(struct cats_idx *out, uint32_t dims, const uint8_t *header, size_t size,
				     const char *name, struct cats_error *error)
{
	if (size >= MAGIC_BYTES && (header[0] != 0 || header[1] != 0))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: magic number: must begin with two zero bytes; is it an IDX file?", name);
	if (size >= MAGIC_BYTES && header[2] != UNSIGNED_BYTE)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: element type: 0x%02x, only 0x08 (unsigned byte) is accepted; convert the file",
				 name, header[2]);
	if (size >= MAGIC_BYTES && header[3] != dims)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: dimensions: %u, expected %u; are images and labels in the right order?", name,
				 header[3], dims);
	if (size < header_bytes(dims))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: header: %zu bytes, %zu are needed; it is truncated", name,
				 size, header_bytes(dims));

	out->dims = dims;
	out->count = 1;
	for (uint32_t i = 0; i < dims; i++) {
		const uint32_t length = load_be32(header + header_bytes(i));
		if (length == 0)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: dimension %u: is 0; the file holds no data", name,
					 i);
		if (out->count > (CATS_IDX_MAX_BYTES - MAX_HEADER_BYTES) / length)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: dimension %u: with %u the file has more than %zu bytes, the largest "
					 "accepted; cut it",
					 name, i, length, CATS_IDX_MAX_BYTES);
		out->shape[i] = length;
		out->count *= length;
	}
	return CATS_OK;
}

static enum cats_status allocate(struct cats_idx *out, size_t bytes, const char *name, struct cats_error *error)
{
	out->values = malloc(bytes);
	if (!out->values)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its %zu bytes", name, bytes);
	return CATS_OK;
}

static enum cats_status parse_plain(struct cats_idx *out, uint32_t dims, const uint8_t *bytes, size_t size,
				    const char *name, struct cats_error *error)
{
	enum cats_status status = parse_header(out, dims, bytes, size, name, error);

	if (status != CATS_OK)
		return status;
	const size_t data_bytes = size - header_bytes(dims);
	if (data_bytes != out->count)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: data: %zu bytes, its header declares %zu; the file is %s",
				 name, data_bytes, out->count, data_bytes < out->count ? "truncated" : "too long");
	status = allocate(out, out->count, name, error);
	if (status == CATS_OK)
		memcpy(out->values, bytes + header_bytes(dims), out->count);
	return status;
}

static enum cats_status parse_gzip(struct cats_idx *out, uint32_t dims, const uint8_t *bytes, size_t size,
				   const char *name, struct cats_error *error)
{
	uint8_t header[MAX_HEADER_BYTES];
	size_t got;
	enum cats_status status = cats_gzip_peek(header, header_bytes(dims), &got, bytes, size, name, error);

	if (status == CATS_OK)
		status = parse_header(out, dims, header, got, name, error);
	if (status != CATS_OK)
		return status;
	/* Before memory is spent on what a header merely claims. */
	const size_t total = header_bytes(dims) + out->count;
	if (total / CATS_GZIP_MAX_RATIO > size)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: gzip: %zu bytes cannot hold the %zu its header declares; it is truncated", name,
				 size, total);
	status = allocate(out, total, name, error);
	if (status == CATS_OK)
		status = cats_gzip_decode(out->values, total, bytes, size, name, error);
	if (status == CATS_OK)
		memmove(out->values, out->values + header_bytes(dims), out->count);
	return status;
}

enum cats_status cats_idx_parse(struct cats_idx *out, uint32_t dims, const uint8_t *bytes, size_t size,
				const char *name, struct cats_error *error)
{
	*out = (struct cats_idx){0};
	const enum cats_status status = cats_gzip_is(bytes, size) ? parse_gzip(out, dims, bytes, size, name, error)
								  : parse_plain(out, dims, bytes, size, name, error);

	if (status != CATS_OK)
		cats_idx_free(out);
	return status;
}

enum cats_status cats_idx_read(struct cats_idx *out, uint32_t dims, const char *path, struct cats_error *error)
{
	uint8_t *bytes;
	size_t size;

	*out = (struct cats_idx){0};
	enum cats_status status = cats_file_read(&bytes, &size, path, CATS_IDX_MAX_BYTES, error);
	if (status != CATS_OK)
		return status;
	status = cats_idx_parse(out, dims, bytes, size, path, error);
	free(bytes);
	return status;
}

void cats_idx_free(struct cats_idx *idx)
{
	free(idx->values);
	*idx = (struct cats_idx){0};
}

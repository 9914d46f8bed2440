/* SPDX-License-Identifier: MIT */
/* The shards of a plan: reading, checking, unpacking. See fleet.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "sim/fleet.h"

#define MAX_SHARD_BYTES (64U << 20)
#define PATH_BYTES 4096

static enum cats_status refuse(struct cats_error *error, const char *name, uint32_t device, int refusal, uint32_t where)
{
	return cats_fail(error, CATS_ERR_FORMAT, "%s/node-%02u.shard: at byte %u: %s (%s): write the plan again", name,
			 device, where, cats_refusal_text(refusal), cats_refusal_name(refusal));
}

/* Nodes that differ in them would not meet. */
static bool same_times(const struct cats_shard_header *a, const struct cats_shard_header *b)
{
	const struct cats_shard_site *x = (const struct cats_shard_site *)(const void *)((const uint8_t *)a + a->sites);
	const struct cats_shard_site *y = (const struct cats_shard_site *)(const void *)((const uint8_t *)b + b->sites);

	if (a->site_count != b->site_count)
		return false;
	for (uint32_t i = 0; i < a->site_count; i++)
		if (x[i].compute_us != y[i].compute_us || x[i].deadline_us != y[i].deadline_us)
			return false;
	return true;
}

/* The shard of `device` belongs to the plan of the first. */
static enum cats_status check_shard(const struct cats_shards *s, uint32_t device, struct cats_error *error)
{
	const struct cats_shard_header *first = cats_shards_header(s, 0), *h = cats_shards_header(s, device);
	struct cats_shard shard;
	uint32_t where;
	const int refusal = cats_shard_open(&shard, s->bytes[device], s->sizes[device], &where);

	if (refusal != 0)
		return refuse(error, s->name, device, refusal, where);
	if (h->device != device)
		return refuse(error, s->name, device, CATS_REFUSED_SHARD_DEVICE, 32);
	if (h->model_id != first->model_id)
		return refuse(error, s->name, device, CATS_REFUSED_SHARD_MODEL, 16);
	if (h->plan_id != first->plan_id || h->devices != s->devices || !same_times(h, first))
		return refuse(error, s->name, device, CATS_REFUSED_SHARD_PLAN, 24);
	if (h->target != first->target)
		return refuse(error, s->name, device, CATS_REFUSED_SHARD_TARGET, 6);
	return CATS_OK;
}

enum cats_status cats_shards_take(struct cats_shards *out, uint8_t **blobs, const size_t *sizes, uint32_t devices,
				  const char *name, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	*out = (struct cats_shards){
		.devices = devices,
		.bytes = calloc(devices, sizeof *out->bytes),
		.sizes = calloc(devices, sizeof *out->sizes),
		.name = strdup(name),
	};
	if (!out->bytes || !out->sizes || !out->name) {
		for (uint32_t j = 0; j < devices; j++)
			free(blobs[j]);
		cats_shards_free(out);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for %u shards", name, devices);
	}
	memcpy(out->bytes, blobs, devices * sizeof *blobs);
	memcpy(out->sizes, sizes, devices * sizeof *sizes);
	for (uint32_t j = 0; status == CATS_OK && j < devices; j++)
		status = check_shard(out, j, error);
	if (status != CATS_OK)
		cats_shards_free(out);
	return status;
}

void cats_shards_free(struct cats_shards *s)
{
	for (uint32_t j = 0; s->bytes && j < s->devices; j++)
		free(s->bytes[j]);
	free(s->bytes);
	free(s->sizes);
	free(s->name);
	*s = (struct cats_shards){0};
}

static void path_of(char path[PATH_BYTES], const char *directory, uint32_t device)
{
	snprintf(path, PATH_BYTES, "%s/node-%02u.shard", directory, device);
}

/* How many shards the directory must have, from the first. */
static enum cats_status read_count(uint32_t *devices, const uint8_t *first, size_t size, const char *directory,
				   struct cats_error *error)
{
	struct cats_shard shard;
	uint32_t where;
	const int refusal = cats_shard_open(&shard, first, size, &where);

	if (refusal != 0)
		return refuse(error, directory, 0, refusal, where);
	*devices = shard.header->devices;
	return CATS_OK;
}

static enum cats_status refuse_extra(const char *directory, uint32_t devices, struct cats_error *error)
{
	char path[PATH_BYTES];
	FILE *file;

	path_of(path, directory, devices);
	file = fopen(path, "rb");
	if (!file)
		return CATS_OK;
	fclose(file);
	return cats_fail(error, CATS_ERR_MISMATCH, "%s: the plan has %u devices: write the plan to an empty directory",
			 path, devices);
}

enum cats_status cats_shards_load(struct cats_shards *out, const char *directory, struct cats_error *error)
{
	uint8_t *blobs[CATS_DEVICES_MAX] = {0};
	size_t sizes[CATS_DEVICES_MAX] = {0};
	uint32_t devices = 1, read = 0;
	enum cats_status status = CATS_OK;
	char path[PATH_BYTES];

	*out = (struct cats_shards){0};
	for (; status == CATS_OK && read < devices; read += status == CATS_OK ? 1U : 0U) {
		path_of(path, directory, read);
		status = cats_file_read(&blobs[read], &sizes[read], path, MAX_SHARD_BYTES, error);
		if (status == CATS_OK && read == 0)
			status = read_count(&devices, blobs[0], sizes[0], directory, error);
	}
	if (status == CATS_OK)
		status = refuse_extra(directory, devices, error);
	if (status == CATS_OK)
		return cats_shards_take(out, blobs, sizes, devices, directory, error);
	for (uint32_t j = 0; j < CATS_DEVICES_MAX; j++)
		free(blobs[j]);
	return status;
}

/* One matrix from target 2 to target 1. Row o of the plain matrix ends at or before where row o of the packed one
 * ends, yet pairs of rows are interleaved: each pair goes through a copy. */
static void unpack_matrix(uint8_t *weights, uint32_t N, uint32_t K, uint32_t *pair)
{
	const uint32_t K4 = cats_round4(K);

	for (uint32_t n = 0; n < N; n += 2) {
		memcpy(pair, weights + (size_t)n * K4, 2U * (size_t)K4);
		for (uint32_t k = 0; k < K4; k++)
			for (uint32_t o = 0; o < 2 && n + o < N; o++) {
				const uint32_t word = pair[k / 4U * 2U + o];
				const int32_t half = (int16_t)(word >> (k % 4U / 2U * 16U)), odd = (int8_t)half;

				weights[(size_t)(n + o) * K4 + k] = (uint8_t)(k % 2U ? odd : (half - odd) >> 8);
			}
	}
}

static void unpack_op(uint8_t *shard, const struct cats_op *op, uint32_t *pair)
{
	if (op->code == CATS_OP_EMBED)
		unpack_matrix(shard + op->embed.weights, op->embed.outputs, op->embed.columns, pair);
	else if (op->code == CATS_OP_NORM_PRODUCT)
		unpack_matrix(shard + op->norm_product.weights, op->norm_product.outputs, op->norm_product.columns,
			      pair);
	else if (op->code == CATS_OP_RESIDUAL_PRODUCT)
		unpack_matrix(shard + op->residual_product.weights, op->residual_product.outputs,
			      op->residual_product.columns, pair);
}

void cats_shards_unpack(struct cats_shards *s)
{
	uint32_t pair[CATS_HIDDEN_MAX / 2U]; /* two rows of bytes */

	for (uint32_t j = 0; j < s->devices; j++) {
		struct cats_shard_header *h = (struct cats_shard_header *)(void *)s->bytes[j];
		const struct cats_op *ops = (const struct cats_op *)(const void *)(s->bytes[j] + h->ops);

		if (h->target != CATS_TARGET_NRF52840)
			continue;
		for (uint32_t i = 0; i < h->op_count; i++)
			unpack_op(s->bytes[j], ops + i, pair);
		h->target = CATS_TARGET_PLAIN;
		h->crc32 = cats_shard_checksum(s->bytes[j], s->sizes[j]);
	}
}

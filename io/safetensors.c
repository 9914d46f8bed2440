/* SPDX-License-Identifier: MIT */
/* The safetensors container; knows nothing of models. See safetensors.h and docs/SPEC.md. */
#include "io/safetensors.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/json.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are used as they lie in the file, which is little-endian"
#endif

#define LENGTH_BYTES ((size_t)8)    /* of the header's length, before the header */
#define ALIGNMENT_BYTES ((size_t)8) /* of the largest element */
#define METADATA_KEY "__metadata__"

static const struct {
	const char *name;
	size_t bytes;
} dtypes[] = {
	[CATS_U8] = {"U8", 1},   [CATS_I8] = {"I8", 1},   [CATS_I32] = {"I32", 4},
	[CATS_I64] = {"I64", 8}, [CATS_F32] = {"F32", 4}, [CATS_F64] = {"F64", 8},
};
#define DTYPE_COUNT (sizeof dtypes / sizeof dtypes[0])

size_t cats_dtype_bytes(enum cats_dtype dtype)
{
	return dtypes[dtype].bytes;
}

const char *cats_dtype_name(enum cats_dtype dtype)
{
	return dtypes[dtype].name;
}

static size_t tensor_bytes(const struct cats_tensor *tensor)
{
	return tensor->count * dtypes[tensor->dtype].bytes;
}

static size_t align_up(size_t bytes)
{
	return (bytes + ALIGNMENT_BYTES - 1) / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
}

/* A tensor of the header, before its data are in place. */
struct entry {
	struct cats_tensor tensor;
	uint64_t begin, end; /* data_offsets */
	size_t position;     /* in the header: breaks ties between empty tensors */
};

static char *copy_text(const char *text)
{
	const size_t bytes = strlen(text) + 1;
	char *copy = malloc(bytes);

	if (copy)
		memcpy(copy, text, bytes);
	return copy;
}

static enum cats_status read_metadata(struct cats_safetensors *out, const cJSON *object, const char *name,
				      struct cats_error *error)
{
	if (!cJSON_IsObject(object))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: must be an object of strings", name, METADATA_KEY);
	out->metadata = calloc((size_t)cJSON_GetArraySize(object) + 1, sizeof *out->metadata);
	if (!out->metadata)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for %s", name, METADATA_KEY);

	for (const cJSON *item = object->child; item; item = item->next) {
		if (!cJSON_IsString(item))
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: %.100s: must be a string", name, METADATA_KEY,
					 item->string);
		struct cats_metadata *pair = &out->metadata[out->metadata_count++];
		pair->key = copy_text(item->string);
		pair->value = copy_text(item->valuestring);
		if (!pair->key || !pair->value)
			return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for %s", name, METADATA_KEY);
	}
	return CATS_OK;
}

static enum cats_status read_name(struct cats_tensor *tensor, const char *text, const char *name,
				  struct cats_error *error)
{
	const size_t length = strlen(text);

	for (size_t i = 0; i < length; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor '%.100s': a name is printable ASCII without spaces; rename it",
					 name, text);
	if (length == 0 || length > CATS_TENSOR_NAME_MAX)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%.100s': a name has 1 to %d bytes; rename it",
				 name, text, CATS_TENSOR_NAME_MAX);
	memcpy(tensor->name, text, length + 1);
	return CATS_OK;
}

static enum cats_status read_shape(struct cats_tensor *tensor, const cJSON *shape, const char *name,
				   struct cats_error *error)
{
	if (!cJSON_IsArray(shape))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': shape: must be an array of integers", name,
				 tensor->name);
	tensor->count = 1;
	for (const cJSON *item = shape->child; item; item = item->next) {
		uint64_t size;
		if (tensor->dims == CATS_TENSOR_MAX_DIMS)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': shape: has more than %d dimensions",
					 name, tensor->name, CATS_TENSOR_MAX_DIMS);
		if (cats_json_integer(&size, item, CATS_SAFETENSORS_MAX_BYTES) != 0)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor '%s': shape: must hold integers from 0 to %zu", name, tensor->name,
					 CATS_SAFETENSORS_MAX_BYTES);
		if (size != 0 && tensor->count > CATS_SAFETENSORS_MAX_BYTES / size)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor '%s': shape: the product is above %zu elements", name,
					 tensor->name, CATS_SAFETENSORS_MAX_BYTES);
		tensor->shape[tensor->dims++] = size;
		tensor->count *= (size_t)size;
	}
	return CATS_OK;
}

static enum cats_status read_dtype(struct cats_tensor *tensor, const cJSON *dtype, const char *name,
				   struct cats_error *error)
{
	if (!cJSON_IsString(dtype))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': dtype: must be a string", name,
				 tensor->name);
	for (size_t i = 0; i < DTYPE_COUNT; i++)
		if (strcmp(dtype->valuestring, dtypes[i].name) == 0) {
			tensor->dtype = (enum cats_dtype)i;
			return CATS_OK;
		}
	return cats_fail(error, CATS_ERR_FORMAT,
			 "%s: tensor '%s': dtype: '%.20s' is not one of U8, I8, I32, I64, F32, F64; convert it", name,
			 tensor->name, dtype->valuestring);
}

static enum cats_status read_offsets(struct entry *entry, const cJSON *offsets, const char *name,
				     struct cats_error *error)
{
	const char *tensor = entry->tensor.name;

	if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
	    cats_json_integer(&entry->begin, offsets->child, CATS_SAFETENSORS_MAX_BYTES) != 0 ||
	    cats_json_integer(&entry->end, offsets->child->next, CATS_SAFETENSORS_MAX_BYTES) != 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor '%s': data_offsets: must be two integers from 0 to %zu", name, tensor,
				 CATS_SAFETENSORS_MAX_BYTES);
	if (entry->end < entry->begin || entry->end - entry->begin != tensor_bytes(&entry->tensor))
		return cats_fail(
			error, CATS_ERR_FORMAT,
			"%s: tensor '%s': data_offsets: [%ju, %ju] is not the %zu bytes of its shape and dtype", name,
			tensor, (uintmax_t)entry->begin, (uintmax_t)entry->end, tensor_bytes(&entry->tensor));
	return CATS_OK;
}

static enum cats_status read_entry(struct entry *entry, const cJSON *item, const char *name, struct cats_error *error)
{
	enum cats_status status = read_name(&entry->tensor, item->string, name, error);

	if (status != CATS_OK)
		return status;
	if (!cJSON_IsObject(item) || cJSON_GetArraySize(item) != 3)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor '%s': must be an object of dtype, shape and data_offsets", name,
				 entry->tensor.name);
	status = read_dtype(&entry->tensor, cJSON_GetObjectItemCaseSensitive(item, "dtype"), name, error);
	if (status == CATS_OK)
		status = read_shape(&entry->tensor, cJSON_GetObjectItemCaseSensitive(item, "shape"), name, error);
	if (status == CATS_OK)
		status = read_offsets(entry, cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), name, error);
	return status;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->position < y->position ? -1 : x->position > y->position;
}

/* In the order of their data, tensors must follow each other from 0 to `data_bytes`. */
static enum cats_status check_layout(const struct entry *entries, size_t count, size_t data_bytes, const char *name,
				     struct cats_error *error)
{
	uint64_t next = 0;

	for (size_t i = 0; i < count; i++) {
		if (entries[i].begin != next)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor '%s': data_offsets: begins at %ju, the tensor before it ends at "
					 "%ju; tensors may neither overlap nor leave a hole",
					 name, entries[i].tensor.name, (uintmax_t)entries[i].begin, (uintmax_t)next);
		next = entries[i].end;
	}
	if (next != data_bytes)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: data: %zu bytes follow the header, its tensors have %ju; the file is %s", name,
				 data_bytes, (uintmax_t)next, data_bytes < next ? "truncated" : "too long");
	return CATS_OK;
}

/* Copies the data to where every tensor is aligned. */
static enum cats_status place_data(struct cats_safetensors *out, const struct entry *entries, size_t count,
				   const uint8_t *data, const char *name, struct cats_error *error)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += align_up(tensor_bytes(&entries[i].tensor));
	out->tensors = calloc(count + 1, sizeof *out->tensors);
	out->bytes = malloc(total + 1);
	if (!out->tensors || !out->bytes)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for %zu bytes of tensors", name, total);

	uint8_t *place = out->bytes;
	for (size_t i = 0; i < count; i++) {
		const size_t bytes = tensor_bytes(&entries[i].tensor);
		out->tensors[i] = entries[i].tensor;
		out->tensors[i].data = place;
		memcpy(place, data + entries[i].begin, bytes);
		place += align_up(bytes);
	}
	out->tensor_count = count;
	return CATS_OK;
}

static enum cats_status read_tree(struct cats_safetensors *out, const cJSON *tree, const uint8_t *data,
				  size_t data_bytes, const char *name, struct cats_error *error)
{
	enum cats_status status = CATS_OK;
	struct entry *entries = calloc((size_t)cJSON_GetArraySize(tree) + 1, sizeof *entries);
	size_t count = 0;

	if (!entries)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its header", name);
	for (const cJSON *item = tree->child; item && status == CATS_OK; item = item->next) {
		if (strcmp(item->string, METADATA_KEY) == 0) {
			status = read_metadata(out, item, name, error);
			continue;
		}
		entries[count].position = count;
		status = read_entry(&entries[count++], item, name, error);
	}
	if (status == CATS_OK) {
		qsort(entries, count, sizeof *entries, compare_entries);
		status = check_layout(entries, count, data_bytes, name, error);
	}
	if (status == CATS_OK)
		status = place_data(out, entries, count, data, name, error);
	free(entries);
	return status;
}

enum cats_status cats_safetensors_parse(struct cats_safetensors *out, const void *bytes, size_t size, const char *name,
					struct cats_error *error)
{
	uint64_t header_bytes;
	cJSON *tree;

	*out = (struct cats_safetensors){0};
	if (size < LENGTH_BYTES)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: header length: the file has %zu bytes, 8 are needed; it is truncated", name,
				 size);
	memcpy(&header_bytes, bytes, LENGTH_BYTES);
	if (header_bytes > CATS_SAFETENSORS_MAX_HEADER_BYTES)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: header length: %ju bytes, at most %zu are accepted; is it a safetensors file?",
				 name, (uintmax_t)header_bytes, CATS_SAFETENSORS_MAX_HEADER_BYTES);
	if (header_bytes > size - LENGTH_BYTES)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: header length: %ju bytes, but only %zu follow; the file is truncated", name,
				 (uintmax_t)header_bytes, size - LENGTH_BYTES);

	const char *header = (const char *)bytes + LENGTH_BYTES;
	if (header_bytes == 0 || header[0] != '{')
		return cats_fail(error, CATS_ERR_FORMAT, "%s: header: must begin with '{'; is it a safetensors file?",
				 name);
	enum cats_status status = cats_json_parse(&tree, header, (size_t)header_bytes, name, error);
	if (status != CATS_OK)
		return status;
	const size_t before_data = LENGTH_BYTES + (size_t)header_bytes;
	status = read_tree(out, tree, (const uint8_t *)bytes + before_data, size - before_data, name, error);
	cJSON_Delete(tree);
	if (status != CATS_OK)
		cats_safetensors_free(out);
	return status;
}

enum cats_status cats_safetensors_read(struct cats_safetensors *out, const char *path, struct cats_error *error)
{
	uint8_t *bytes;
	size_t size;

	*out = (struct cats_safetensors){0};
	enum cats_status status = cats_file_read(&bytes, &size, path, CATS_SAFETENSORS_MAX_BYTES, error);
	if (status != CATS_OK)
		return status;
	status = cats_safetensors_parse(out, bytes, size, path, error);
	free(bytes);
	return status;
}

void cats_safetensors_free(struct cats_safetensors *file)
{
	for (size_t i = 0; i < file->metadata_count; i++) {
		free(file->metadata[i].key);
		free(file->metadata[i].value);
	}
	free(file->metadata);
	free(file->tensors);
	free(file->bytes);
	*file = (struct cats_safetensors){0};
}

const struct cats_tensor *cats_safetensors_find(const struct cats_safetensors *file, const char *name)
{
	for (size_t i = 0; i < file->tensor_count; i++)
		if (strcmp(file->tensors[i].name, name) == 0)
			return &file->tensors[i];
	return NULL;
}

const char *cats_safetensors_metadata(const struct cats_safetensors *file, const char *key)
{
	for (size_t i = 0; i < file->metadata_count; i++)
		if (strcmp(file->metadata[i].key, key) == 0)
			return file->metadata[i].value;
	return NULL;
}

static bool add_tensor(cJSON *tree, const struct cats_tensor *tensor, size_t begin)
{
	cJSON *item = cJSON_AddObjectToObject(tree, tensor->name);
	cJSON *shape;
	cJSON *offsets;

	if (!item || !cJSON_AddStringToObject(item, "dtype", cats_dtype_name(tensor->dtype)))
		return false;
	shape = cJSON_AddArrayToObject(item, "shape");
	for (uint32_t i = 0; i < tensor->dims; i++)
		if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)tensor->shape[i])))
			return false;
	offsets = cJSON_AddArrayToObject(item, "data_offsets");
	return cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)begin)) &&
	       cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)(begin + tensor_bytes(tensor))));
}

/* The header as JSON text, freed with cJSON_free; NULL: no memory. */
static char *format_header(const struct cats_tensor *tensors, size_t tensor_count, const struct cats_metadata *metadata,
			   size_t metadata_count)
{
	cJSON *tree = cJSON_CreateObject();
	bool ok = tree != NULL;
	size_t begin = 0;

	if (metadata_count > 0) {
		cJSON *object = cJSON_AddObjectToObject(tree, METADATA_KEY);
		for (size_t i = 0; i < metadata_count && ok; i++)
			ok = cJSON_AddStringToObject(object, metadata[i].key, metadata[i].value) != NULL;
	}
	for (size_t i = 0; i < tensor_count && ok; i++) {
		ok = add_tensor(tree, &tensors[i], begin);
		begin += tensor_bytes(&tensors[i]);
	}
	char *text = ok ? cJSON_PrintUnformatted(tree) : NULL;
	cJSON_Delete(tree);
	return text;
}

enum cats_status cats_safetensors_stage(const char *path, const struct cats_tensor *tensors, size_t tensor_count,
					const struct cats_metadata *metadata, size_t metadata_count,
					struct cats_error *error)
{
	static const char spaces[ALIGNMENT_BYTES] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '};
	enum { LENGTH, HEADER, PADDING, BEFORE_DATA };
	struct cats_file_part *parts = malloc((BEFORE_DATA + tensor_count) * sizeof *parts);
	char *header = format_header(tensors, tensor_count, metadata, metadata_count);

	if (!parts || !header) {
		free(parts);
		cJSON_free(header);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its header", path);
	}
	const size_t length = strlen(header);
	const uint64_t header_bytes = align_up(length); /* the data begin aligned in the file too */
	parts[LENGTH] = (struct cats_file_part){&header_bytes, LENGTH_BYTES};
	parts[HEADER] = (struct cats_file_part){header, length};
	parts[PADDING] = (struct cats_file_part){spaces, (size_t)header_bytes - length};
	for (size_t i = 0; i < tensor_count; i++)
		parts[BEFORE_DATA + i] = (struct cats_file_part){tensors[i].data, tensor_bytes(&tensors[i])};

	const enum cats_status status = cats_file_stage(path, parts, BEFORE_DATA + tensor_count, error);
	free(parts);
	cJSON_free(header);
	return status;
}

enum cats_status cats_safetensors_write(const char *path, const struct cats_tensor *tensors, size_t tensor_count,
					const struct cats_metadata *metadata, size_t metadata_count,
					struct cats_error *error)
{
	const enum cats_status status =
		cats_safetensors_stage(path, tensors, tensor_count, metadata, metadata_count, error);

	return status == CATS_OK ? cats_file_commit(path, error) : status;
}

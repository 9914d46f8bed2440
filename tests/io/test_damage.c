/* SPDX-License-Identifier: MIT */
/* Damaged files: every truncation is refused, every flipped bit is refused or changes nothing but names. Run under the
 * sanitizers it also shows that no reader leaves its buffer: each sees a copy of exactly the bytes that there are. */
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/safetensors.h"
#include "tests/cmocka.h"

#define FOLDER(file) CATS_GOLDEN_FOLDER "/" file

struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes load(const char *path)
{
	struct bytes bytes;

	assert_int_equal(cats_file_read(&bytes.data, &bytes.size, path, 1 << 20, NULL), CATS_OK);
	return bytes;
}

/* A copy that ends where its memory does. */
static uint8_t *exact_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, data, size);
	return copy;
}

static enum cats_status parse_idx(struct cats_idx *out, const uint8_t *data, size_t size, struct cats_error *error)
{
	uint8_t *copy = exact_copy(data, size);
	const enum cats_status status = cats_idx_parse(out, 3, copy, size, "damaged", error);

	free(copy);
	assert_true((status == CATS_OK) == (error->text[0] == '\0'));
	return status;
}

static void check_idx_truncated(const char *path)
{
	struct bytes bytes = load(path);
	struct cats_idx idx;

	for (size_t size = 0; size < bytes.size; size++) {
		struct cats_error error = {0};
		assert_int_equal(parse_idx(&idx, bytes.data, size, &error), CATS_ERR_FORMAT);
	}
	free(bytes.data);
}

static void test_idx_truncated(void **state)
{
	(void)state;
	check_idx_truncated(FOLDER("idx/good-images.idx"));
	check_idx_truncated(FOLDER("gz/good-images.idx.gz"));
}

/* Every bit of the first `bytes_to_flip`. Refused, or equal: returns how many were accepted. */
static size_t flip_idx(const char *path, size_t bytes_to_flip)
{
	struct bytes bytes = load(path);
	struct cats_idx original;
	struct cats_idx idx;
	size_t accepted = 0;

	assert_int_equal(cats_idx_parse(&original, 3, bytes.data, bytes.size, path, NULL), CATS_OK);
	for (size_t bit = 0; bit < 8 * (bytes_to_flip ? bytes_to_flip : bytes.size); bit++) {
		struct cats_error error = {0};
		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (parse_idx(&idx, bytes.data, bytes.size, &error) == CATS_OK) {
			assert_memory_equal(idx.shape, original.shape, sizeof idx.shape);
			assert_memory_equal(idx.values, original.values, original.count);
			cats_idx_free(&idx);
			accepted++;
		}
		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	cats_idx_free(&original);
	free(bytes.data);
	return accepted;
}

static void test_idx_flipped(void **state)
{
	(void)state;
	assert_int_equal(flip_idx(FOLDER("idx/good-images.idx"), 16), 0);
	/* Only what gzip's header says of time, speed, system and text does not matter (RFC 1952, 2.3.1), nor the bits
	 * that fill deflate's last byte. */
	const size_t idle = 8 * (4 + 1 + 1) + 1 + 7;
	assert_true(flip_idx(FOLDER("gz/good-images.idx.gz"), 0) <= idle);
}

/* `changed`: the one difference that is allowed, in a name, a key or a value. */
static int differing_bytes(const char *a, const char *b)
{
	const size_t length = strlen(a);
	int differing = 0;

	if (length != strlen(b))
		return 2;
	for (size_t i = 0; i < length; i++)
		differing += a[i] != b[i];
	return differing;
}

static void check_same_tensors(const struct cats_safetensors *a, const struct cats_safetensors *b)
{
	int differing = 0;

	assert_int_equal(a->tensor_count, b->tensor_count);
	for (size_t i = 0; i < a->tensor_count; i++) {
		const struct cats_tensor *x = &a->tensors[i];
		const struct cats_tensor *y = &b->tensors[i];
		differing += differing_bytes(x->name, y->name);
		assert_int_equal(x->dtype, y->dtype);
		assert_int_equal(x->count, y->count);
		if (x->count > 0) { /* an empty tensor has no bytes to contradict its other dimensions */
			assert_int_equal(x->dims, y->dims);
			assert_memory_equal(x->shape, y->shape, sizeof x->shape);
		}
		assert_memory_equal(x->data, y->data, x->count * cats_dtype_bytes(x->dtype));
	}
	assert_int_equal(a->metadata_count, b->metadata_count);
	for (size_t i = 0; i < a->metadata_count; i++) {
		differing += differing_bytes(a->metadata[i].key, b->metadata[i].key);
		/* An escape may turn into another: "\"" and "\\" are two bytes of JSON and one of text. */
		differing += differing_bytes(a->metadata[i].value, b->metadata[i].value);
	}
	assert_true(differing <= 1);
}

static enum cats_status parse_tensors(struct cats_safetensors *out, const uint8_t *data, size_t size)
{
	struct cats_error error = {0};
	uint8_t *copy = exact_copy(data, size);
	const enum cats_status status = cats_safetensors_parse(out, copy, size, "damaged", &error);

	free(copy);
	assert_true((status == CATS_OK) == (error.text[0] == '\0'));
	return status;
}

static void test_safetensors_truncated(void **state)
{
	struct bytes bytes = load(FOLDER("safetensors/good-all-types.safetensors"));
	struct cats_safetensors file;

	(void)state;
	for (size_t size = 0; size < bytes.size; size++)
		assert_int_equal(parse_tensors(&file, bytes.data, size), CATS_ERR_FORMAT);
	free(bytes.data);
}

static void test_safetensors_flipped(void **state)
{
	struct bytes bytes = load(FOLDER("safetensors/good-all-types.safetensors"));
	struct cats_safetensors original;
	struct cats_safetensors file;
	uint64_t header;

	(void)state;
	memcpy(&header, bytes.data, sizeof header);
	assert_int_equal(parse_tensors(&original, bytes.data, bytes.size), CATS_OK);
	for (size_t bit = 0; bit < 8 * (8 + (size_t)header); bit++) {
		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (parse_tensors(&file, bytes.data, bytes.size) == CATS_OK) {
			check_same_tensors(&file, &original);
			cats_safetensors_free(&file);
		}
		bytes.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	cats_safetensors_free(&original);
	free(bytes.data);
}

static void test_csv_damaged(void **state)
{
	struct bytes bytes = load(FOLDER("csv/good-quoted.csv"));
	struct cats_csv csv;

	(void)state;
	for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
		struct cats_error error = {0};
		uint8_t *copy = exact_copy(bytes.data, bytes.size + 1);
		copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
		if (cats_csv_parse(&csv, NULL, 0, (char *)copy, bytes.size, "damaged", &error) == CATS_OK) {
			assert_true(csv.columns >= 1 && csv.columns <= 3 && csv.rows >= 1);
			cats_csv_free(&csv);
		} else {
			assert_non_null(strstr(error.text, "damaged: "));
		}
		free(copy);
	}
	for (size_t size = 0; size < bytes.size; size++) {
		struct cats_error error = {0};
		uint8_t *copy = exact_copy(bytes.data, size + 1);
		if (cats_csv_parse(&csv, NULL, 0, (char *)copy, size, "damaged", &error) == CATS_OK) {
			assert_int_equal(csv.columns, 2);
			assert_true(csv.values[0] == 1.0F && csv.values[1] == 2.0F);
			cats_csv_free(&csv);
		}
		free(copy);
	}
	free(bytes.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idx_truncated),         cmocka_unit_test(test_idx_flipped),
		cmocka_unit_test(test_safetensors_truncated), cmocka_unit_test(test_safetensors_flipped),
		cmocka_unit_test(test_csv_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Golden files of every data format: what loads, and under which rule the rest is refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/csv.h"
#include "io/elf.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/ihex.h"
#include "io/safetensors.h"
#include "tests/cmocka.h"
#include "tests/io/golden_files.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define FOLDER(format) CATS_GOLDEN_FOLDER "/" format

static enum cats_status read_idx(const char *path, struct cats_error *error)
{
	static const uint32_t shape[] = {3, 2, 4};
	const uint32_t dims = strstr(path, "labels") ? 1 : 3;
	struct cats_idx idx;
	const enum cats_status status = cats_idx_read(&idx, dims, path, error);

	if (status != CATS_OK) {
		assert_null(idx.values);
		return status;
	}
	assert_memory_equal(idx.shape, shape, dims * sizeof shape[0]);
	assert_int_equal(idx.count, dims == 1 ? 3 : 24);
	for (size_t i = 0; i < idx.count; i++)
		assert_int_equal(idx.values[i], dims == 1 ? (i == 0 ? 2 : i - 1) : (i * 37 + 11) % 256);
	cats_idx_free(&idx);
	return status;
}

static void test_idx(void **state)
{
	static const struct golden_rule rules[] = {
		{"magic", "magic number: must begin with two zero bytes"},
		{"float-type", "element type: 0x0d, only 0x08"},
		{"dimensions", "dimensions: 1, expected 3"},
		{"empty", "header: 0 bytes, 16 are needed; it is truncated"},
		{"truncated-header", "header: 14 bytes, 16 are needed; it is truncated"},
		{"zero-dimension", "dimension 1: is 0"},
		{"truncated-data", "data: 23 bytes, its header declares 24; the file is truncated"},
		{"trailing-byte", "data: 25 bytes, its header declares 24; the file is too long"},
		{"overflow", "dimension 0: with 4294967295 the file has more than"},
		{"oversized", "dimension 2: with 256 the file has more than"},
	};

	(void)state;
	check_golden_files(FOLDER("idx"), ".idx", read_idx, rules, COUNT(rules));
}

static void test_gz(void **state)
{
	static const struct golden_rule rules[] = {
		{"truncated", "gzip: the stream ends too early"},
		{"no-trailer", "gzip: the stream ends too early"},
		{"content-crc", "gzip: the stream is damaged"},
		{"damaged", "gzip: the stream is damaged"},
		{"trailing-bytes", "gzip: 2 bytes follow the end of the stream"},
		{"bomb", "gzip: holds more than the 40 bytes its content declares"},
		{"declares-gigabytes", "bytes cannot hold the 1200000016 its header declares"},
		{"content-short", "gzip: holds 39 bytes, its content declares 40"},
		{"not-idx", "magic number"},
	};

	(void)state;
	check_golden_files(FOLDER("gz"), ".idx.gz", read_idx, rules, COUNT(rules));
}

static enum cats_status read_csv(const char *path, struct cats_error *error)
{
	static const float values[] = {1, 2, 3.5F, -0.4F};
	struct cats_csv csv;
	const enum cats_status status = cats_csv_read(&csv, NULL, 0, path, error);

	if (status != CATS_OK) {
		/* One line: the rule, and behind the last semicolon what to do. */
		assert_non_null(strchr(error->text, ';'));
		assert_null(strchr(error->text, '\n'));
		assert_null(csv.values);
		assert_null(csv.names);
		return status;
	}
	assert_int_equal(csv.columns, 2);
	assert_int_equal(csv.rows, 2);
	assert_string_equal(csv.names[0], "a");
	assert_string_equal(csv.names[1], "b");
	assert_memory_equal(csv.values, values, sizeof values);
	cats_csv_free(&csv);
	return status;
}

static void test_csv(void **state)
{
	static const struct golden_rule rules[] = {
		{"empty", "the name of column 1 must have 1 to 255 bytes"},
		{"header-only", "has a header and no rows"},
		{"nul", "byte 6: is NUL"},
		{"text-in-number", "line 3: column 'b': '4x' is not a number"},
		{"missing-value", "line 3: column 'b': the value is missing"},
		{"nan", "line 2: column 'b': 'nan' is not a number"},
		{"infinity", "line 2: column 'b': 'inf' is not a number"},
		{"hexadecimal", "line 2: column 'b': '0x10' is not a number"},
		{"beyond-float", "line 2: column 'b': '1e39' is not a number within float32"},
		{"short-row", "line 3: has 1 fields, the header has 2"},
		{"long-row", "line 3: has more fields than the header's 2"},
		{"blank-line", "line 3: has 1 fields, the header has 2"},
		{"duplicate-name", "header: column 'a' is there twice"},
		{"empty-name", "the name of column 2 must have 1 to 255 bytes"},
		{"open-quote", "line 2: a quoted field has no closing quote"},
		{"text-after-quote", "line 2: text follows a closing quote"},
		{"quote-inside", "line 2: a quote inside an unquoted field"},
		{"carriage-return", "line 1: a carriage return must be followed by a line feed"},
		{"decimal-comma", "line 2: has more fields than the header's 1"},
		{"time-gap", "line 5: column 'date': '2016-02-29 02:00:00' is not one step after the row above"},
		{"time-backwards", "line 3: column 'date': '2016-07-01 00:00:00' is before the row above; sort"},
		{"time-twice", "line 3: column 'date': '2016-07-01 01:00:00' is there twice"},
		{"time-no-stamp", "line 3: column 'date': '2016-07-32 01:00:00' is no time stamp"},
		{"time-missing", "line 3: column 'date': '' is no time stamp"},
		{"time-month", "line 5: column 'date': '2016-05-15' is not one step after"},
	};

	(void)state;
	check_golden_files(FOLDER("csv"), ".csv", read_csv, rules, COUNT(rules));
}

static void check_all_types(const struct cats_safetensors *file)
{
	static const float f[] = {1, -2, 3.5F};
	static const uint8_t u[] = {0, 1, 1};
	const struct cats_tensor *tensor = cats_safetensors_find(file, "f");

	assert_int_equal(file->tensor_count, 7);
	assert_int_equal(tensor->dtype, CATS_F32);
	assert_int_equal(tensor->dims, 1);
	assert_memory_equal(tensor->data, f, sizeof f);
	tensor = cats_safetensors_find(file, "u");
	assert_int_equal(tensor->dtype, CATS_U8);
	assert_int_equal(tensor->dims, 2);
	assert_int_equal(tensor->shape[0], 3);
	assert_int_equal(tensor->shape[1], 1);
	assert_memory_equal(tensor->data, u, sizeof u);
	tensor = cats_safetensors_find(file, "i");
	assert_int_equal(tensor->dims, 0);
	assert_int_equal(tensor->count, 1);
	assert_int_equal(*(const int64_t *)tensor->data, -5);
	assert_int_equal(((const int8_t *)cats_safetensors_find(file, "s")->data)[0], -1);
	assert_int_equal(*(const int32_t *)cats_safetensors_find(file, "n")->data, 7);
	assert_true(*(const double *)cats_safetensors_find(file, "d")->data == 0.25);
	assert_int_equal(cats_safetensors_find(file, "none")->count, 0);
	assert_null(cats_safetensors_find(file, "F"));
	assert_string_equal(cats_safetensors_metadata(file, "quote"), "\" and \\");
	assert_null(cats_safetensors_metadata(file, "nobody"));
}

static enum cats_status read_safetensors(const char *path, struct cats_error *error)
{
	struct cats_safetensors file;
	const enum cats_status status = cats_safetensors_read(&file, path, error);

	if (status != CATS_OK) {
		assert_null(file.bytes);
		assert_null(file.tensors);
		assert_null(file.metadata);
		return status;
	}
	if (strstr(path, "no-tensors"))
		assert_int_equal(file.tensor_count, 0);
	else
		check_all_types(&file);
	cats_safetensors_free(&file);
	return status;
}

static void test_safetensors(void **state)
{
	static const struct golden_rule rules[] = {
		{"empty", "header length: the file has 0 bytes, 8 are needed"},
		{"short", "header length: the file has 4 bytes, 8 are needed"},
		{"header-length", "header length: 4611686018427387904 bytes, at most"},
		{"header-truncated", "header length: 4000 bytes, but only"},
		{"not-json", "not valid JSON at byte"},
		{"not-an-object", "header: must begin with '{'"},
		{"leading-space", "header: must begin with '{'"},
		{"text-after-header", "JSON byte 3: text after the end"},
		{"not-utf8", "JSON byte 3: not UTF-8"},
		{"overlong-utf8", "not UTF-8"},
		{"nul-escape", "JSON byte 3: the escape \\u0000 is not accepted"},
		{"control-character", "control character 0x01"},
		{"duplicate-tensor", "a: the key is there twice"},
		{"duplicate-key", "dtype: the key is there twice"},
		{"duplicate-metadata", "k: the key is there twice"},
		{"unknown-dtype", "tensor 'a': dtype: 'BF16' is not one of"},
		{"dtype-case", "tensor 'a': dtype: 'f32' is not one of"},
		{"dtype-number", "tensor 'a': dtype: must be a string"},
		{"negative-shape", "tensor 'a': shape: must hold integers from 0"},
		{"fraction-shape", "tensor 'a': shape: must hold integers from 0"},
		{"infinite-shape", "a number beyond the range of doubles"},
		{"shape-text", "tensor 'a': shape: must hold integers from 0"},
		{"shape-overflow", "tensor 'a': shape: the product is above"},
		{"shape-wraps-to-fit", "tensor 'a': shape: the product is above"},
		{"nine-dimensions", "tensor 'a': shape: has more than 8 dimensions"},
		{"shape-missing", "tensor 'a': shape: must be an array"},
		{"overlap", "tensor 'b': data_offsets: begins at 4, the tensor before it ends at 8"},
		{"hole", "tensor 'b': data_offsets: begins at 8, the tensor before it ends at 4"},
		{"starts-late", "tensor 'a': data_offsets: begins at 4, the tensor before it ends at 0"},
		{"reversed-offsets", "tensor 'a': data_offsets: [12, 0] is not the 12 bytes"},
		{"size-mismatch", "tensor 'a': data_offsets: [0, 12] is not the 16 bytes"},
		{"one-offset", "tensor 'a': data_offsets: must be two integers"},
		{"truncated-data", "data: 11 bytes follow the header, its tensors have 12; the file is truncated"},
		{"trailing-data", "data: 13 bytes follow the header, its tensors have 12; the file is too long"},
		{"extra-key", "tensor 'a': must be an object of dtype, shape and data_offsets"},
		{"missing-key", "tensor 'a': must be an object of dtype, shape and data_offsets"},
		{"tensor-not-object", "tensor 'a': must be an object of dtype, shape and data_offsets"},
		{"metadata-not-object", "__metadata__: must be an object of strings"},
		{"metadata-number", "__metadata__: k: must be a string"},
		{"empty-name", "a name has 1 to 127 bytes"},
		{"long-name", "a name has 1 to 127 bytes"},
		{"name-with-space", "tensor 'a b': a name is printable ASCII without spaces"},
		{"deep-nesting", "not valid JSON at byte"},
	};

	(void)state;
	check_golden_files(FOLDER("safetensors"), ".safetensors", read_safetensors, rules, COUNT(rules));
}

static enum cats_status read_elf(const char *path, struct cats_error *error)
{
	struct cats_elf elf;
	const enum cats_status status = cats_elf_load(&elf, path, error);

	if (status != CATS_OK) {
		assert_null(elf.segments);
		return status;
	}
	assert_int_equal(elf.segment_count, 1);
	assert_int_equal(elf.segments[0].address, 0);
	assert_int_equal(elf.segments[0].size, 64);
	assert_memory_equal(elf.segments[0].bytes + 0x1C, "CATF\1\0\0", 8);
	assert_int_equal(elf.symbol_count, strstr(path, "stripped") ? 0 : 2);
	if (elf.symbol_count > 0) {
		assert_int_equal(cats_elf_find(&elf, "main")->address, 8);
		assert_true(cats_elf_find(&elf, "main")->function);
		assert_int_equal(cats_elf_find(&elf, "__bss_end")->address, 0x20003000);
	}
	cats_elf_free(&elf);
	return status;
}

static void test_elf(void **state)
{
	static const struct golden_rule rules[] = {
		{"machine", "e_machine: must be 40"},
		{"object", "e_type: must be 2"},
		{"no-segments", "program headers: nothing is to be loaded"},
		{"segment-outside", "segment: its bytes must lie inside the file"},
		{"string-section", "symbol table: must name a section of strings"},
		{"truncated", "section headers: must lie inside the file"},
	};

	(void)state;
	check_golden_files(FOLDER("elf"), ".elf", read_elf, rules, COUNT(rules));
}

static enum cats_status read_ihex(const char *path, struct cats_error *error)
{
	static uint8_t memory[0x20010];
	uint8_t *text;
	size_t size;
	enum cats_status status;

	memset(memory, 0xFF, sizeof memory);
	assert_int_equal(cats_file_read(&text, &size, path, 4096, error), CATS_OK);
	status = cats_ihex_parse(memory, sizeof memory, (const char *)text, size, path, error);
	free(text);
	if (status != CATS_OK)
		return status;
	assert_memory_equal(memory + 0x10, "address gap", 11);
	assert_memory_equal(memory + 0x20001, "\x05\xA0\xFF", 3);
	assert_int_equal(memory[0x0F], 0xFF);
	return status;
}

static void test_ihex(void **state)
{
	static const struct golden_rule rules[] = {
		{"checksum", "line 1: Intel HEX: wrong checksum"},
		{"no-end", "line 2: Intel HEX: no record of the end"},
		{"outside", "line 2: Intel HEX: data outside the memory"},
		{"twice", "line 2: Intel HEX: an address that had data before"},
	};

	(void)state;
	check_golden_files(FOLDER("ihex"), ".hex", read_ihex, rules, COUNT(rules));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idx), cmocka_unit_test(test_gz),   cmocka_unit_test(test_csv),
		cmocka_unit_test(test_elf), cmocka_unit_test(test_ihex), cmocka_unit_test(test_safetensors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Safetensors from any bytes: refused with a text, or tensors that are aligned, readable and found by their names. */
#include <stdlib.h>

#include "io/file.h"
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const struct cats_safetensors *file, size_t size)
{
	size_t data = 0;
	uint32_t crc = 0;

	for (size_t i = 0; i < file->tensor_count; i++) {
		const struct cats_tensor *tensor = &file->tensors[i];
		const size_t element = cats_dtype_bytes(tensor->dtype);
		if ((uintptr_t)tensor->data % element != 0 || cats_safetensors_find(file, tensor->name) != tensor)
			abort();
		crc = cats_crc32(crc, tensor->data, tensor->count * element);
		data += tensor->count * element;
	}
	if (data > size)
		abort();
	for (size_t i = 0; i < file->metadata_count; i++)
		if (cats_safetensors_metadata(file, file->metadata[i].key) != file->metadata[i].value)
			abort();
	volatile uint32_t keep = crc; /* so that every value is read */
	(void)keep;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_safetensors file;

	if (cats_safetensors_parse(&file, bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0' || file.bytes || file.tensors || file.metadata)
			abort();
		return 0;
	}
	check(&file, size);
	cats_safetensors_free(&file);
	return 0;
}

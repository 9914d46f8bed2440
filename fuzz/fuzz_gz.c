/* SPDX-License-Identifier: MIT */
/* Gzip from any bytes: never more than was asked for, and what a look at the beginning shows is what decoding gives. */
#include <stdlib.h>
#include <string.h>

#include "io/gzip.h"

#define MAX_CONTENT 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	uint8_t *head = malloc(MAX_CONTENT);
	size_t got;

	if (cats_gzip_peek(head, MAX_CONTENT, &got, bytes, size, "fuzz", &error) == CATS_OK) {
		uint8_t *whole = malloc(got + 1);
		if (got > MAX_CONTENT)
			abort();
		if (cats_gzip_decode(whole, got, bytes, size, "fuzz", &error) == CATS_OK) {
			if (memcmp(head, whole, got) != 0)
				abort();
			/* One byte more or less is another length than the content's. */
			if (cats_gzip_decode(whole, got + 1, bytes, size, "fuzz", &error) == CATS_OK ||
			    (got > 0 && cats_gzip_decode(whole, got - 1, bytes, size, "fuzz", &error) == CATS_OK))
				abort();
		}
		free(whole);
	} else if (error.text[0] == '\0') {
		abort();
	}
	free(head);
	return 0;
}

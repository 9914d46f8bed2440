/* SPDX-License-Identifier: MIT */
/* The file of finished evaluations from any bytes: refused with a text, or one whose evaluations can be looked up. */
#include <stdlib.h>

#include "train/sweep_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_sweep_record *record;
	struct cats_evaluation found;

	if (cats_sweep_record_parse(&record, (const char *)bytes, size, "fuzz", &error) != CATS_OK) {
		if (record != NULL || error.text[0] == '\0')
			abort();
		return 0;
	}
	if (cats_sweep_record_find(&found, record, "a") && (found.samples == 0 || found.metric == NULL))
		abort();
	cats_sweep_record_free(record);
	return 0;
}

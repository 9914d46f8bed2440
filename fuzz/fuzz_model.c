/* SPDX-License-Identifier: MIT */
/* A model's two files from any bytes (see tests/model_files/model_bytes.h): refused with a text, or finite weights and
 * keep lists of 0 and 1, whose costs can be counted. */
#include <math.h>
#include <stdlib.h>

#include "tests/model_files/model_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_model model;

	if (parse_model_bytes(&model, bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0' || model.weights || model.keep)
			abort();
		return 0;
	}
	for (size_t i = 0; i < model.weight_count; i++)
		if (!isfinite(model.weights[i]))
			abort();
	for (uint32_t site = 0; site < cats_config_sites(&model.config); site++)
		if (cats_model_kept(&model, site) > cats_site_columns(&model.config, site))
			abort();
	if (cats_model_macs(&model) == 0)
		abort();
	cats_model_free(&model);
	return 0;
}

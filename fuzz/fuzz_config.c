/* SPDX-License-Identifier: MIT */
/* config.json from any bytes: refused with a text, or a config that passes every rule and, written, reads as itself. */
#include <stdlib.h>
#include <string.h>

#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_config config;
	struct cats_config again;

	if (cats_config_parse(&config, (const char *)bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0')
			abort();
		return 0;
	}
	if (cats_config_check(&config, "fuzz", &error) != CATS_OK)
		abort();
	char *text = cats_config_format(&config);
	if (cats_config_parse(&again, text, strlen(text), "fuzz", &error) != CATS_OK)
		abort();
	char *text_again = cats_config_format(&again);
	if (strcmp(text, text_again) != 0)
		abort();
	free(text);
	free(text_again);
	return 0;
}

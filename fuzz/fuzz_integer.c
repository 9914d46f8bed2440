/* SPDX-License-Identifier: MIT */
/* An integer model from any bytes: refused with a text and nothing allocated, or one that passes every check again and
 * can be cut for its devices. */
#include <stdlib.h>

#include "plan/integer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_integer m;

	if (cats_integer_parse(&m, bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0' || m.layers || m.keep)
			abort();
		return 0;
	}
	if (cats_integer_check(&m, "fuzz", &error) != CATS_OK)
		abort();
	for (uint32_t site = 0; site < cats_integer_sites(&m.config); site++)
		for (uint32_t c = 0; c < cats_integer_site_columns(&m.config, site); c++)
			(void)cats_integer_kept(&m, site, c);
	cats_integer_free(&m);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* plan.json from any bytes: refused with a text, or facts that, written, read as themselves. */
#include <stdlib.h>
#include <string.h>

#include "deploy/plan_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct cats_error error = {0};
	struct cats_plan_facts facts, again;
	char *text, *text_again;

	if (cats_plan_facts_parse(&facts, (const char *)bytes, size, "fuzz", &error) != CATS_OK) {
		if (error.text[0] == '\0')
			abort();
		return 0;
	}
	text = cats_plan_facts_format(&facts);
	if (cats_plan_facts_parse(&again, text, strlen(text), "fuzz", &error) != CATS_OK)
		abort();
	text_again = cats_plan_facts_format(&again);
	if (strcmp(text, text_again) != 0)
		abort();
	free(text);
	free(text_again);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Topologies from any bytes, for as many nodes as the first digit says: refused with a text, or symmetric, finite path
 * losses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sim/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint32_t first_digit(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] >= '1' && bytes[i] <= '9')
			return bytes[i] - '0';
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const uint32_t nodes = first_digit(bytes, size);
	struct cats_error error = {0};
	struct cats_topology topology;
	char *text = malloc(size + 1);

	if (size > 0)
		memcpy(text, bytes, size);
	const enum cats_status status = cats_topology_parse(&topology, text, size, "fuzz", nodes, 1, &error);
	free(text);
	if (status != CATS_OK && error.text[0] == '\0')
		abort();
	for (uint32_t i = 0; status == CATS_OK && i < nodes; i++)
		for (uint32_t j = 0; j < nodes; j++) {
			const double db = topology.path_db[i * nodes + j];

			if (!isfinite(db) || db < topology.path_db[j * nodes + i] || (i == j && db < CATS_NO_PATH_DB))
				abort();
		}
	return 0;
}

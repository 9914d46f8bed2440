/* SPDX-License-Identifier: MIT */
/* Running the image. See protocol.h. */
#include "bench/m4/protocol.h"

#include <stdio.h>
#include <string.h>

#include "ports/m4/host.h"

#define SHARD 0x80000U /* where the image looks for it */

static struct m4_region *region_of(struct m4_regions *all, const char *name)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->region[i].name, name) == 0)
			return &all->region[i];
	if (all->count == M4_REGIONS_MAX)
		return NULL;
	snprintf(all->region[all->count].name, sizeof all->region[0].name, "%s", name);
	return &all->region[all->count++];
}

static enum cats_status end_region(struct m4_regions *out, const char *name, uint64_t cycles, struct cats_error *error)
{
	struct m4_region *region = region_of(out, name);

	if (region == NULL)
		return cats_fail(error, CATS_ERR_FORMAT, "protocol.elf: more than %u regions", M4_REGIONS_MAX);
	region->calls++;
	region->cycles += cycles;
	region->most = cycles > region->most ? cycles : region->most;
	return CATS_OK;
}

static enum cats_status run(struct m4_regions *out, struct cats_m4 *m4, struct cats_error *error)
{
	uint64_t begun = 0;

	for (;;) {
		const struct cats_m4_stopped stopped = cats_m4_run(m4, 0);
		const char *name = (const char *)cats_m4_memory(m4, cats_m4_register(m4, 0), 64);
		enum cats_status status = CATS_OK;

		if (stopped.stop == CATS_M4_BREAKPOINT && stopped.breakpoint == CATS_HOST_EXIT &&
		    cats_m4_register(m4, 0) == 0)
			return CATS_OK;
		if (stopped.stop != CATS_M4_BREAKPOINT || name == NULL)
			return cats_fail(error, CATS_ERR_MISMATCH, "protocol.elf: it stopped before its end");
		if (stopped.breakpoint == CATS_HOST_BEGIN)
			begun = cats_m4_cycles(m4);
		else if (stopped.breakpoint == CATS_HOST_END)
			status = end_region(out, name, cats_m4_cycles(m4) - begun, error);
		if (status != CATS_OK)
			return status;
	}
}

enum cats_status m4_protocol(struct m4_regions *out, const struct cats_elf *image, const void *shard,
			     size_t shard_bytes, struct cats_error *error)
{
	struct cats_m4 *m4 = NULL;
	enum cats_status status = cats_m4_create(&m4, image, &(struct cats_m4_options){0}, error);

	*out = (struct m4_regions){0};
	if (status == CATS_OK)
		status = cats_m4_write(m4, SHARD, shard, shard_bytes, error);
	if (status == CATS_OK)
		status = run(out, m4, error);
	cats_m4_free(m4);
	return status;
}

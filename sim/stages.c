/* SPDX-License-Identifier: MIT */
/* What all nodes have spent when. See stages.h. */
#include "sim/stages.h"

#include <stdlib.h>
#include <string.h>

enum cats_status cats_stages_create(struct cats_stages *stages, uint32_t sites, struct cats_error *error)
{
	*stages = (struct cats_stages){.sites = sites};
	stages->opened = calloc(sites + 1U, sizeof *stages->opened);
	stages->spent = calloc(sites + 1U, sizeof *stages->spent);
	if (stages->opened == NULL || stages->spent == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "simulation: out of memory");
	return CATS_OK;
}

void cats_stages_free(struct cats_stages *stages)
{
	free(stages->opened);
	free(stages->spent);
	*stages = (struct cats_stages){0};
}

void cats_stages_begin(struct cats_stages *stages)
{
	for (uint32_t site = 0; site <= stages->sites; site++)
		stages->opened[site] = CATS_TIME_MAX;
}

void cats_stages_open(struct cats_stages *stages, const struct cats_world *world, uint32_t site)
{
	if (stages->opened[site] != CATS_TIME_MAX)
		return;
	stages->opened[site] = cats_world_time(world);
	memset(stages->spent[site], 0, sizeof stages->spent[site]);
	for (uint32_t j = 0; j < cats_world_nodes(world); j++) {
		cats_time spent[CATS_DRAWS];

		cats_world_spent(spent, world, j);
		for (int d = 0; d < CATS_DRAWS; d++)
			stages->spent[site][d] += spent[d];
	}
}

void cats_stages_end(struct cats_stages *stages, const struct cats_world *world)
{
	cats_stages_open(stages, world, stages->sites);
	for (uint32_t site = stages->sites; site-- > 0;)
		if (stages->opened[site] == CATS_TIME_MAX) {
			stages->opened[site] = stages->opened[site + 1U];
			memcpy(stages->spent[site], stages->spent[site + 1U], sizeof stages->spent[site]);
		}
}

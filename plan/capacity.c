/* SPDX-License-Identifier: MIT */
/* A search over widths. See capacity.h. */
#include "plan/capacity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The columns of a site that are broadcast: spread over all devices but the first, which only helps out. */
static void keep_some(uint8_t *keep, uint32_t columns, uint32_t first_owns, double share)
{
	const uint32_t kept = (uint32_t)ceil(share * columns - 1e-9 * columns), others = columns - first_owns;
	const uint32_t of_others = kept < others ? kept : others;

	memset(keep, 0, columns);
	memset(keep, 1, kept - of_others);
	for (uint32_t i = 0; i < of_others; i++)
		keep[first_owns + (uint32_t)((uint64_t)i * others / of_others)] = 1;
}

static struct cats_config config_of(const struct cats_capacity_request *request, uint32_t layers, uint32_t width)
{
	struct cats_config config = request->shape;

	config.d_model = width;
	config.d_ff = request->hidden * width;
	config.n_layers = layers;
	return config;
}

static enum cats_status create(struct cats_integer *m, const struct cats_capacity_request *request,
			       const struct cats_config *config, struct cats_error *error)
{
	enum cats_status status = cats_config_check(config, "capacity", error);

	if (status == CATS_OK)
		status = cats_integer_create(m, config, "capacity", error);
	if (status < 0)
		return status;
	for (uint32_t site = 0; site < cats_config_sites(config); site++)
		keep_some(m->keep[site], cats_site_columns(config, site),
			  cats_site_own(config, site, config->devices, 0).count,
			  config->devices > 1 ? request->keep : 1);
	return CATS_OK;
}

static enum cats_status cut_one(struct cats_capacity *out, const struct cats_integer *m,
				const struct cats_capacity_request *request, uint32_t device, struct cats_error *error)
{
	const struct cats_cut_options options = {.devices = m->config.devices, .target = request->target};
	struct cats_cut cut;
	const enum cats_status status = cats_cut(&cut, m, &options, device, error);

	free(cut.shard);
	out->shard_bytes = cut.bytes > out->shard_bytes ? cut.bytes : out->shard_bytes;
	out->arena_bytes = cut.arena_bytes > out->arena_bytes ? cut.arena_bytes : out->arena_bytes;
	out->parameters += cut.parameters;
	return status;
}

/* Cuts every `every`-th device of a model, from the first on: that is the largest. */
static enum cats_status cut_some(struct cats_capacity *out, const struct cats_capacity_request *request,
				 uint32_t layers, uint32_t width, uint32_t every, struct cats_error *error)
{
	struct cats_integer m = {0};
	enum cats_status status;

	*out = (struct cats_capacity){.config = config_of(request, layers, width)};
	status = create(&m, request, &out->config, error);
	out->dense = status == CATS_OK ? cats_config_weights(&out->config) : 0;
	for (uint32_t j = 0; status == CATS_OK && j < m.config.devices; j += every)
		status = cut_one(out, &m, request, j, error);
	if (m.layers != NULL)
		cats_integer_free(&m);
	return status;
}

/* 1 when a width fits, 0 when not (*bound says why), or an error. */
static int fits(enum cats_capacity_bound *bound, const struct cats_capacity_request *request, uint32_t layers,
		uint32_t width, struct cats_error *error)
{
	struct cats_capacity found;
	const enum cats_status status = cut_some(&found, request, layers, width, request->shape.devices, error);

	*bound = CATS_BOUND_FORMAT;
	if (status == CATS_ERR_MEMORY)
		return status;
	if (status < 0)
		return 0;
	*bound = found.shard_bytes > request->shard_bytes ? CATS_BOUND_SHARD : CATS_BOUND_ARENA;
	return found.shard_bytes <= request->shard_bytes && found.arena_bytes <= request->arena_bytes;
}

static uint32_t step_of(uint32_t heads)
{
	uint32_t step = heads;

	while (step % CATS_CAPACITY_STEP != 0)
		step += heads;
	return step;
}

/* Widths in steps: *good fits (0: none was seen), *bad does not for the reason *bound. */
static int bracket(uint32_t *good, uint32_t *bad, enum cats_capacity_bound *bound,
		   const struct cats_capacity_request *request, uint32_t layers, struct cats_error *error)
{
	const uint32_t step = step_of(request->shape.n_heads);
	int is_good = 1;

	*good = 0;
	*bad = (request->shape.devices + step - 1) / step; /* every device owns a column */
	while ((is_good = fits(bound, request, layers, *bad * step, error)) == 1) {
		*good = *bad;
		*bad *= 2;
	}
	while (is_good >= 0 && *good > 0 && *good + 1 < *bad) {
		const uint32_t middle = *good + (*bad - *good) / 2;
		enum cats_capacity_bound why;

		is_good = fits(&why, request, layers, middle * step, error);
		*good = is_good == 1 ? middle : *good;
		*bound = is_good == 1 ? *bound : why;
		*bad = is_good == 1 ? *bad : middle;
	}
	return is_good;
}

enum cats_status cats_capacity(struct cats_capacity *out, const struct cats_capacity_request *request, uint32_t layers,
			       struct cats_error *error)
{
	const uint32_t step = step_of(request->shape.n_heads);
	enum cats_capacity_bound bound;
	uint32_t good, bad;
	int outcome;
	const struct cats_config least = config_of(request, layers, (request->shape.devices + step - 1) / step * step);
	enum cats_status status = cats_config_check(&least, "capacity", error);

	*out = (struct cats_capacity){0};
	if (status < 0)
		return status;
	outcome = bracket(&good, &bad, &bound, request, layers, error);
	if (outcome < 0)
		return (enum cats_status)outcome;
	if (good > 0)
		status = cut_some(out, request, layers, good * step, 1, error);
	out->bound = bound;
	return status;
}

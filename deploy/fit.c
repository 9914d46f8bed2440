/* SPDX-License-Identifier: MIT */
/* Cutting for ever more devices. See fit.h. */
#include "deploy/fit.h"

#include <stdio.h>
#include <stdlib.h>

static bool device_fits(const struct cats_integer *m, const struct cats_cut_options *options,
			const struct cats_target_limits *limits, uint32_t device)
{
	struct cats_error ignored;
	struct cats_cut cut;

	if (cats_cut(&cut, m, options, device, &ignored) < 0)
		return false;
	free(cut.shard);
	return (uint64_t)cut.bytes + limits->firmware_flash_bytes <= limits->flash_bytes &&
	       (uint64_t)cut.arena_bytes + limits->firmware_ram_bytes <= limits->ram_bytes;
}

static bool all_fit(const struct cats_integer *m, const struct cats_cut_options *options,
		    const struct cats_target_limits *limits)
{
	for (uint32_t j = 0; j < options->devices; j++)
		if (!device_fits(m, options, limits, j))
			return false;
	return true;
}

uint32_t cats_fit_devices(const struct cats_plan_facts *facts, const struct cats_integer *m)
{
	struct cats_cut_options options = {
		.target = facts->limits->target,
		.source = facts->source,
		.sink = facts->sink,
		.payload_max = facts->payload_max,
		.without_overlap = facts->without_overlap,
	};

	if (cats_integer_prunes(m))
		return 0;
	for (options.devices = facts->device_count + 1; options.devices <= CATS_DEVICES_MAX; options.devices++)
		if (all_fit(m, &options, facts->limits))
			return options.devices;
	return 0;
}

void cats_fit_advice(char advice[CATS_FIT_ADVICE_BYTES], const struct cats_plan_facts *facts,
		     const struct cats_integer *m)
{
	const uint32_t devices = cats_fit_devices(facts, m);

	if (devices != 0)
		(void)snprintf(advice, CATS_FIT_ADVICE_BYTES, "%u devices would do", devices);
	else if (cats_integer_prunes(m))
		(void)snprintf(advice, CATS_FIT_ADVICE_BYTES,
			       "its keep lists are for %u devices: train it for more, or with a smaller keep, d_ff, "
			       "d_model or n_layers",
			       facts->device_count);
	else
		(void)snprintf(advice, CATS_FIT_ADVICE_BYTES,
			       "no number of devices up to %u would do: train it with a smaller keep, d_ff, d_model%s",
			       CATS_DEVICES_MAX,
			       facts->excess_flash_bytes > 0 ? " or n_layers" : " or with fewer patches");
}

/* SPDX-License-Identifier: MIT */
/* Kernels for playing. See play.h. */
#include "sim/play.h"

bool cats_play_kernels(struct cats_kernels *out, enum cats_target target)
{
	const struct cats_kernels *costs = cats_kernels_for(target);

	if (!cats_kernels_host(out, NULL))
		return false;
	out->unit_macs = costs->unit_macs;
	out->costs = costs->costs;
	return true;
}

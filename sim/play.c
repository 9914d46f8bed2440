/* SPDX-License-Identifier: MIT */
/* Kernels for playing. See play.h. */
#include "sim/play.h"

const struct cats_kernels *cats_play_kernels(enum cats_target target)
{
	return cats_kernels_for(target);
}

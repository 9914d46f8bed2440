/* SPDX-License-Identifier: MIT */
/* Kernels for playing. See play.h. */
#include "sim/play.h"

const struct cats_kernels *cats_play_kernels(enum cats_target target)
{
	return target == CATS_TARGET_NRF52840 ? &cats_kernels_m4 : cats_kernels_for(target);
}

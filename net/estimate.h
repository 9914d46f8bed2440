/* SPDX-License-Identifier: MIT */
/* How many packets will be lacking, and how many combinations bring them. Pure integer arithmetic; freestanding. */
#ifndef CATS_NET_ESTIMATE_H
#define CATS_NET_ESTIMATE_H

#include <stdint.h>

#define CATS_ESTIMATE_SENT_MAX 254U /* fits a byte whose 255 means something else */

/* What the worst of `receivers` lacks of `packets` packets, each lost with the same probability (in 1/65536): the mean
 * m and sqrt(2 m ln receivers), the maximum of as many nearly normal variables of variance m. Never more than all. */
uint32_t cats_estimate_worst(uint32_t packets, uint32_t loss_q16, uint32_t receivers);

/* Combinations of which `count` arrive, nearly always: the mean of what is needed and one and a half deviations. A rate
 * that was estimated from bad luck must not fill the gather: twice the count at most, and 254. */
uint32_t cats_estimate_sent(uint32_t count, uint32_t loss_q16);

#endif

/* SPDX-License-Identifier: MIT */
/* A small network for tests of the protocol: an input, a gather of uneven messages, a result for the source. */
#ifndef CATS_TESTS_NET_NETWORK_H
#define CATS_TESTS_NET_NETWORK_H

#include "sim/ether.h"

#define NETWORK_SITES 4U
#define NETWORK_LIMIT_US 2000000U

/* sites has room for NETWORK_SITES. */
void network_sites(struct cats_net_site *sites, uint32_t devices);

/* No byte was accepted that was not sent in that gather, every node's account of what it has is right, no action came
 * late. Fails the test otherwise. */
void network_assert_sound(const struct cats_ether *ether);

/* Sound, and every node has everything. */
void network_assert_complete(const struct cats_ether *ether);

/* The longest that an inference can take: every gather its deadline, after one opening that was in vain. */
uint64_t network_longest_us(const struct cats_ether *ether);

#endif

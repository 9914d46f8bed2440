/* SPDX-License-Identifier: MIT */
/* See network.h. */
#include "tests/net/network.h"

#include <string.h>

#include "tests/cmocka.h"

#define COMPUTE_US 2000U
#define OPENING_US 2000U

void network_sites(struct cats_net_site *sites, uint32_t devices)
{
	const uint64_t all = (UINT64_C(1) << devices) - 1U;

	memset(sites, 0, NETWORK_SITES * sizeof *sites);
	for (uint32_t i = 0; i < NETWORK_SITES; i++)
		sites[i] = (struct cats_net_site){
			.compute_us = COMPUTE_US, .tokens = 8, .payload_max = 48, .receivers = all};
	sites[0].receivers = all & ~UINT64_C(1);
	sites[0].token_bytes[0] = 12;
	for (uint32_t i = 0; i < devices; i++) {
		sites[1].token_bytes[i] = (uint16_t)(4U + 3U * i);
		sites[2].token_bytes[i] = (uint16_t)(3U * (i % 3U));
	}
	sites[3].receivers = 1;
	for (uint32_t i = 1; i < devices; i++)
		sites[3].token_bytes[i] = 4;
}

void network_assert_sound(const struct cats_ether *e)
{
	for (uint32_t i = 0; i < e->options.devices; i++) {
		assert_int_equal(e->nodes[i].wrong_bytes, 0);
		assert_int_equal(e->nodes[i].wrong_has, 0);
		assert_int_equal(e->nodes[i].late, 0);
	}
}

void network_assert_complete(const struct cats_ether *e)
{
	network_assert_sound(e);
	for (uint32_t i = 0; i < e->options.devices; i++)
		for (uint32_t s = 0; s < e->options.sites; s++) {
			assert_true(e->nodes[i].results[s].ended);
			assert_int_equal(e->nodes[i].results[s].missing, 0);
		}
}

uint64_t network_longest_us(const struct cats_ether *e)
{
	uint64_t us = OPENING_US + cats_net_site_deadline_us(e->options.site, e->options.devices) + COMPUTE_US;

	for (uint32_t i = 0; i < e->options.sites; i++)
		us += e->options.site[i].compute_us +
		      cats_net_site_deadline_us(&e->options.site[i], e->options.devices);
	return us;
}

/* SPDX-License-Identifier: MIT */
/* Currents. See radio.h. */
#include "sim/radio.h"

const uint32_t cats_draw_na[CATS_DRAWS] = {
	[CATS_DRAW_BASE] = 253200,
	[CATS_DRAW_CPU] = 3300000,
	[CATS_DRAW_SEND] = 4800000,
	[CATS_DRAW_HEAR] = 5200000,
};

double cats_energy_uj(const cats_time spent[CATS_DRAWS])
{
	double charge_fc = 0; /* femtocoulombs: nA · us */

	for (int i = 0; i < CATS_DRAWS; i++)
		charge_fc += cats_time_us(spent[i]) * cats_draw_na[i];
	return charge_fc * 1e-9 * CATS_SUPPLY_VOLT;
}

/* SPDX-License-Identifier: MIT */
/* Ownership arithmetic. See partition.h. */
#include "core/partition.h"

struct cats_run cats_partition_run(uint32_t n, uint32_t D, uint32_t j)
{
	const uint32_t base = n / D;
	const uint32_t longer = n % D; /* devices that own base + 1 */
	const uint32_t extra = j < longer ? j : longer;

	return (struct cats_run){
		.first = j * base + extra,
		.count = base + (j < longer ? 1U : 0U),
	};
}

uint32_t cats_partition_owner(uint32_t n, uint32_t D, uint32_t column)
{
	const uint32_t base = n / D;
	const uint32_t longer = n % D;
	const uint32_t in_longer = longer * (base + 1U); /* columns owned by the longer runs; <= n, so no overflow */

	if (column < in_longer)
		return column / (base + 1U);
	return longer + (column - in_longer) / base; /* base > 0 here: with base == 0 all n columns are in_longer */
}

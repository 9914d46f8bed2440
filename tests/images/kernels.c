/* SPDX-License-Identifier: MIT */
/* The random cases that hold kernels to plain C (tests/core/kernel_cases.h), on the device: the kernels made for it. */
#include "tests/images/kernels.h"

#include "core/random.h"
#include "ports/m4/host.h"
#include "tests/core/kernel_cases.h"

volatile struct kernels_asked asked;
struct kernels_told told;
static struct kernel_room room;

static void sum_off_by_one(int32_t *acc, const struct cats_panel *panel, const struct cats_weights_view *weights,
			   uint32_t output, uint32_t outputs, uint32_t column, uint32_t columns)
{
	cats_kernels_m4.products(acc, panel, weights, output, outputs, column, columns);
	acc[0] += 256; /* sums may count in 256ths */
}

static void quantised_too_early(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	cats_kernels_m4.quantise(q, residual, multiplier, count);
	q[count - 1U] = (int8_t)(q[count - 1U] ^ 1);
}

static void guard_overwritten(int8_t *q, const int16_t *residual, int32_t multiplier, uint32_t count)
{
	cats_kernels_m4.quantise(q, residual, multiplier, count);
	q[count] = 0;
}

static uint32_t root_too_large(uint32_t v)
{
	return cats_kernels_m4.root(v) + (v % 16U == 0 ? 1U : 0U);
}

static struct cats_kernels table_of(uint32_t fault)
{
	struct cats_kernels table = cats_kernels_m4;

	if (fault == KERNELS_SUM_OFF_BY_ONE)
		table.products = sum_off_by_one;
	else if (fault == KERNELS_QUANTISED_TOO_EARLY)
		table.quantise = quantised_too_early;
	else if (fault == KERNELS_GUARD_OVERWRITTEN)
		table.quantise = guard_overwritten;
	else if (fault == KERNELS_ROOT_TOO_LARGE)
		table.root = root_too_large;
	return table;
}

int main(void)
{
	struct cats_kernels table;

	CATS_HOST_CALL(CATS_HOST_SERVE, 0);
	table = table_of(asked.fault);
	for (uint32_t kind = 0; kind < kernel_case_kind_count; kind++)
		for (told.round = 0; told.round < (kernel_case_kinds[kind].once ? 1 : asked.rounds); told.round++) {
			const uint64_t key = cats_random_key(asked.seed, kind * asked.rounds + told.round);

			told.cases++;
			told.kind = kernel_case_kinds[kind].name;
			told.what = kernel_case_kinds[kind].run(&room, &table, key);
			if (told.what != 0)
				return 1;
		}
	return 0;
}

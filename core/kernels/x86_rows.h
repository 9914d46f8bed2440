/* SPDX-License-Identifier: MIT */
/* Row kernels for one width of vector, included once for each: whoever includes it defines LANES (int32 lanes), VEC,
 * TARGET (an attribute), V(name) (the name with the width's prefix), CELL_COLUMNS (columns that one 32-bit cell of
 * packed weights holds) and, under V(…), the vector operations used below. Host only.
 *
 * Idea: a lane is an output. Weights are transposed into cells, [cell][lane], which one instruction multiplies by a
 * cell of x that is the same in all lanes and adds to the sums of a row; no sum ever crosses lanes. A block of LANES
 * outputs is finished for all rows before the next begins, so its multipliers and biases stay in registers. Transposing
 * costs about a sixth of the products of 26 rows. Exact: see each file for its products; all else is the document's
 * formulas in 32 and 64 bits. Preconditions: host.h. */

/* acc[r][lane] of outputs o … o + count - 1, the lanes beyond them anything. */
TARGET static inline void V(accumulate)(int32_t *acc, const struct cats_host_product *p, const int32_t *start,
					uint32_t o, uint32_t count)
{
	const size_t row = cats_round4(p->columns);
	_Alignas(64) uint32_t packed[CHUNK_COLUMNS / CELL_COLUMNS * LANES];

	for (uint32_t r = 0; r < p->rows; r++)
		V(store)(acc + (size_t)r * LANES, V(set1)(start[r]));
	for (uint32_t k = 0; k < p->columns; k += CHUNK_COLUMNS) {
		const uint32_t columns = cats_host_least(p->columns - k, CHUNK_COLUMNS);

		V(pack)(packed, p->weights + o * row + k, row, count, columns);
		V(products)(acc, packed, p->x + k, p->stride, p->rows, columns);
	}
}

/* `count` values into a vector, 0 beyond. */
TARGET static inline VEC V(load_some)(const int32_t *from, uint32_t count)
{
	int32_t values[LANES] = {0};

	if (count == LANES)
		return V(load)(from);
	__builtin_memcpy(values, from, count * sizeof(*from));
	return V(load)(values);
}

TARGET static inline VEC V(clamp)(VEC x, int32_t low, int32_t high)
{
	return V(min)(V(max)(x, V(set1)(low)), V(set1)(high));
}

/* B·2^24 + 2^31 */
TARGET static inline struct V(pair) V(wide_bias)(const int32_t *biases, uint32_t count)
{
	int64_t even[LANES / 2] = {0}, odd[LANES / 2] = {0};

	for (uint32_t i = 0; i < count; i++)
		*(i % 2U == 0 ? even + i / 2U : odd + i / 2U) = (int64_t)biases[i] * (1 << 24) + HALF;
	return (struct V(pair)){V(load)((const int32_t *)(const void *)even),
				V(load)((const int32_t *)(const void *)odd)};
}

TARGET static inline struct V(pair) V(wide_half)(void)
{
	int64_t half[LANES / 2];

	for (uint32_t i = 0; i < LANES / 2; i++)
		half[i] = HALF;
	return (struct V(pair)){V(load)((const int32_t *)(const void *)half),
				V(load)((const int32_t *)(const void *)half)};
}

TARGET static inline void V(store_bytes)(int8_t *to, VEC x, uint32_t count)
{
	int8_t bytes[LANES];

	if (count == LANES) {
		V(store8)(to, x);
		return;
	}
	V(store8)(bytes, x);
	__builtin_memcpy(to, bytes, count);
}

TARGET static inline void V(store_logits)(int32_t *to, VEC y, uint32_t count, bool add)
{
	int32_t values[LANES];

	y = V(clamp)(y, -(1 << 22), (1 << 22) - 1);
	if (add)
		y = V(add)(y, V(load_some)(to, count));
	V(store)(values, y);
	__builtin_memcpy(to, values, count * sizeof(*to));
}

TARGET static inline void V(look_up)(int8_t *to, const int8_t *table, VEC y, uint32_t count)
{
	int32_t index[LANES];

	V(store)(index, V(clamp)(y, 0, 255));
	for (uint32_t i = 0; i < count; i++)
		to[i] = table[index[i]];
}

/* Outputs o … o + count - 1 of all rows. */
TARGET static inline void V(norm_block)(uint8_t *out, size_t out_stride, const struct cats_host_product *p,
					const struct cats_host_norm *norm, const int32_t *start, uint32_t o,
					uint32_t count)
{
	_Alignas(64) int32_t acc[CATS_TOKENS_MAX * LANES];
	const VEC multipliers = V(load_some)(norm->multipliers + o, count);
	const VEC sums = norm->weight_sums != NULL ? V(load_some)(norm->weight_sums + o, count) : V(set1)(0);
	const struct V(pair) bias = V(wide_bias)(norm->biases + o, count), half = V(wide_half)();

	V(accumulate)(acc, p, start, o, count);
	for (uint32_t r = 0; r < p->rows; r++, out += out_stride) {
		const VEC m = V(high)(multipliers, V(set1)(norm->stats[r].rho), half);
		const VEC A = V(sub)(V(shift8)(V(load)(acc + (size_t)r * LANES)),
				     V(multiply)(sums, V(set1)(norm->stats[r].mu)));
		const VEC y = V(high)(A, m, bias);

		if (norm->kind == CATS_OUTPUT_INT8)
			V(store_bytes)((int8_t *)out + o, V(clamp)(y, norm->low, norm->high), count);
		else if (norm->kind == CATS_OUTPUT_TABLE)
			V(look_up)((int8_t *)out + o, norm->table, y, count);
		else
			V(store_logits)((int32_t *)(void *)out + o, y, count, norm->add);
	}
}

/* `count` int16 as a vector, 0 beyond. */
TARGET static inline VEC V(load16_some)(const int16_t *from, uint32_t count)
{
	int16_t values[LANES] = {0};

	if (count == LANES)
		return V(load16)(from);
	__builtin_memcpy(values, from, count * sizeof(*from));
	return V(load16)(values);
}

TARGET static inline void V(residual_block)(int16_t *residual, const struct cats_host_product *p,
					    const int32_t *multipliers, const int32_t *bias, const int32_t *start,
					    uint32_t o, uint32_t count)
{
	_Alignas(64) int32_t acc[CATS_TOKENS_MAX * LANES];
	const VEC m = V(load_some)(multipliers + o, count);
	const VEC b = bias != NULL ? V(load_some)(bias + o, count) : V(set1)(0);
	const struct V(pair) half = V(wide_half)();

	V(accumulate)(acc, p, start, o, count);
	for (uint32_t r = 0; r < p->rows; r++) {
		int16_t *to = residual + (size_t)r * p->outputs + o, values[LANES];
		const VEC step = V(high)(V(shift8)(V(add)(V(load)(acc + (size_t)r * LANES), b)), m, half);
		const VEC sum = V(add)(V(load16_some)(to, count), step);

		if (count == LANES) {
			V(store16)(to, sum);
			continue;
		}
		V(store16)(values, sum);
		__builtin_memcpy(to, values, count * sizeof(*to));
	}
}

TARGET static inline void V(quantise)(int8_t *q, size_t stride, const int16_t *residual, int32_t multiplier,
				      uint32_t rows, uint32_t outputs)
{
	const struct V(pair) half = V(wide_half)();
	const VEC m = V(set1)(multiplier);

	for (uint32_t r = 0; r < rows; r++, q += stride, residual += outputs)
		for (uint32_t o = 0; o < outputs; o += LANES) {
			const uint32_t count = cats_host_least(outputs - o, LANES);
			const VEC values = V(high)(V(load16_some)(residual + o, count), m, half);

			V(store_bytes)(q + o, V(clamp)(values, -127, 127), count);
		}
}

/* Scores of the panel's rows with keys first … first + LANES - 1; best[r] keeps each lane's largest. */
TARGET static inline void V(score_block)(int16_t *scores, size_t stride, VEC *best, const int32_t *acc,
					 const struct cats_host_head *head, uint32_t query, uint32_t rows,
					 uint32_t first)
{
	static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	const struct V(pair) half = V(wide_half)();
	const VEC m = V(set1)(head->score_multiplier), lane = V(load)(numbers), least = V(set1)(-16384);

	for (uint32_t r = 0; r < rows; r++) {
		const uint32_t seen = head->causal ? query + r + 1U : head->keys;
		const V(mask) there = V(less)(lane, V(set1)((int32_t)seen - (int32_t)first));
		const VEC s = V(clamp)(V(high)(V(shift8)(V(load)(acc + (size_t)r * LANES)), m, half), -16384, 16383);

		V(store16)(scores + r * stride + first, s);
		best[r] = V(max)(best[r], V(choose)(there, s, least));
	}
}

/* Outputs of columns c … c + count - 1 from what the rows' probabilities added up to. */
TARGET static inline void V(value_block)(const struct cats_host_head *head, const int32_t *acc,
					 const int32_t *multipliers, uint32_t query, uint32_t rows, uint32_t c,
					 uint32_t count)
{
	const struct V(pair) half = V(wide_half)();

	for (uint32_t r = 0; r < rows; r++) {
		const VEC y = V(high)(V(load)(acc + (size_t)r * LANES), V(set1)(multipliers[r]), half);

		V(store_bytes)(head->out + (query + r) * head->out_stride + c, V(clamp)(y, -127, 127), count);
	}
}

/* Values of all keys as pairs, [pair][lane], of columns c … c + count - 1; a last odd key has a partner of 0. */
TARGET static inline void V(pack_values)(uint32_t *to, const struct cats_host_head *head, uint32_t c, uint32_t count)
{
	const int8_t *v = head->v + c;

	for (uint32_t j = 0; j < head->keys; j += 2, to += LANES) {
		const int8_t *a = v + j * head->kv_stride, *b = a + head->kv_stride;
		int8_t evens[LANES] = {0}, odds[LANES] = {0};

		__builtin_memcpy(evens, a, count);
		if (j + 1U < head->keys)
			__builtin_memcpy(odds, b, count);
		for (uint32_t i = 0; i < LANES; i++)
			to[i] = (uint32_t)(uint16_t)evens[i] | (uint32_t)(uint16_t)odds[i] << 16;
	}
}

/* SPDX-License-Identifier: MIT */
/* One head of attention on the row kernels of x86_rows.h, included once for each pair of widths: HEAD names the
 * function, K(name) the width that serves keys, of KEY_LANES, V(name) the one that serves columns, of LANES. Host only.
 *
 * Idea: keys are the outputs of a product whose rows are queries, columns those of a second one whose rows are
 * probabilities. A panel of queries stays in the nearest cache. */
TARGET static void HEAD(const struct cats_host_head *head)
{
	enum { KEYS = (CATS_TOKENS_MAX + KEY_LANES - 1) / KEY_LANES * KEY_LANES };
	_Alignas(64) uint32_t keys[KEYS * CATS_HEAD_WIDTH_MAX / CELL_COLUMNS];
	_Alignas(64) uint32_t values[CATS_TOKENS_MAX / 2 * CATS_HEAD_WIDTH_MAX];
	const uint32_t d = head->width, cells = K(cells)(d), pairs = (head->keys + 1U) / 2U;

	for (uint32_t j = 0; j < head->keys; j += KEY_LANES)
		K(pack)
	(keys + (size_t)j * cells, head->k + j * head->kv_stride, head->kv_stride,
	 cats_host_least(head->keys - j, KEY_LANES), d);
	for (uint32_t c = 0; c < d; c += LANES)
		V(pack_values)(values + (size_t)c * pairs, head, c, cats_host_least(d - c, LANES));
	for (uint32_t query = 0; query < head->queries; query += PANEL_ROWS) {
		const uint32_t rows = cats_host_least(head->queries - query, PANEL_ROWS);
		const uint32_t seen = head->causal ? query + rows : head->keys;
		_Alignas(64) int8_t q[PANEL_ROWS * CATS_HEAD_WIDTH_MAX];
		_Alignas(64) int32_t acc[PANEL_ROWS * KEY_LANES];
		_Alignas(64) int16_t scores[PANEL_ROWS * KEYS];
		int32_t start[PANEL_ROWS + 3], multipliers[PANEL_ROWS];
		K(vector) best[PANEL_ROWS];

		for (uint32_t r = 0; r < rows; r++) {
			__builtin_memcpy(q + (size_t)r * CATS_HEAD_WIDTH_MAX, head->q + (query + r) * head->q_stride,
					 d);
			__builtin_memset(q + (size_t)r * CATS_HEAD_WIDTH_MAX + d, 0, cats_round4(d) - d);
			best[r] = K(set1)(-16384);
		}
		K(start)(start, q, CATS_HEAD_WIDTH_MAX, rows, d);
		for (uint32_t j = 0; j < seen; j += KEY_LANES) {
			for (uint32_t r = 0; r < rows; r++)
				K(store)(acc + r * KEY_LANES, K(set1)(start[r]));
			K(products)(acc, keys + (size_t)j * cells, q, CATS_HEAD_WIDTH_MAX, rows, d);
			K(score_block)(scores, KEYS, best, acc, head, query, rows, j);
		}
		for (uint32_t r = 0; r < rows; r++) {
			int16_t *p = scores + (size_t)r * KEYS;
			const uint32_t count = head->causal ? query + r + 1U : head->keys;
			const uint32_t Z = EXPONENTIALS(p, head->exponentials, K(largest)(best[r]), count);

			for (uint32_t j = count; j < ((seen + 1U) & ~1U); j++)
				p[j] = 0;
			multipliers[r] = cats_requantise((int32_t)((UINT64_C(1) << 45) / Z), head->value_multiplier);
		}
		for (uint32_t c = 0; c < d; c += LANES) {
			_Alignas(64) int32_t sums[PANEL_ROWS * LANES] = {0};

			V(pair_products)(sums, values + (size_t)c * pairs, scores, KEYS, rows, (seen + 1U) / 2U);
			V(value_block)(head, sums, multipliers, query, rows, c, cats_host_least(d - c, LANES));
		}
	}
}

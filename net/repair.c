/* SPDX-License-Identifier: MIT */
/* Coded repair. See repair.h. */
#include "net/repair.h"

#include <string.h>

#include "core/random.h"
#include "net/gf256.h"

/* Cycles of the Cortex-M4 a byte: y += c · x by a table (load, extract, look up, insert, four bytes at a time: 20
 * cycles a word), and y += x a word at a time with GF(4)'s two sums (5.2 a word). */
#define SCALED_CYCLES_X10 50U
#define ADDED_CYCLES_X10 13U
#define CYCLES_PER_US 64U
#define ROWS_TYPICAL 16U

/* GF(4) inside GF(256): 0, 1, w, w + 1 with w = 2^85, of order three. */
#define W 0xd6U

static uint32_t number_of(const struct cats_repair *r, uint32_t generation, uint32_t place)
{
	return place * r->layout->generations + generation;
}

static bool in_gf4(const struct cats_net_layout *l, uint32_t generation)
{
	return cats_repair_size(l, generation) > CATS_REPAIR_GF256_PACKETS_MAX;
}

/* Never 0: whoever lacks only this packet can always use the combination. In GF(4) it may be 0. */
static uint8_t coefficient(uint64_t key, uint32_t place, bool gf4)
{
	static const uint8_t subfield[4] = {0, 1, W, W ^ 1U};

	if (gf4)
		return subfield[cats_random_below(key, place, 4U)];
	return (uint8_t)(1U + cats_random_below(key, place, 255U));
}

void cats_repair_start(struct cats_repair *r)
{
	memset(r->has, 0, sizeof(r->has));
	r->count = 0;
	for (uint32_t i = 0; i < r->row_count; i++)
		r->rows[i].used = false;
}

static void set_has(struct cats_repair *r, uint32_t packet)
{
	if (cats_repair_has(r, packet))
		return;
	r->has[packet / 8U] = (uint8_t)(r->has[packet / 8U] | 1U << packet % 8U);
	r->count++;
}

/* A packet from the store, padded. Returns false when it is not there. */
static bool fetch(struct cats_repair *r, uint8_t *to, uint32_t packet)
{
	const uint32_t sender = cats_net_layout_sender(r->layout, packet);
	const uint32_t bytes =
		r->store->read(r->store->context, to, (uint8_t)sender, (uint16_t)(packet - r->layout->first[sender]));

	if (bytes == 0 || bytes > r->layout->payload)
		return false;
	memset(to + bytes, 0, r->layout->payload - bytes);
	return true;
}

static void add_scaled(struct cats_repair *r, uint8_t *y, const uint8_t *x, uint8_t c)
{
	r->byte_operations += r->layout->payload;
	cats_gf256_add_scaled(y, x, c, r->layout->payload);
}

/* payload += coefficients · packets that are in the store and in `bits`; what is not in the store stays in
 * `left` (may be NULL: then it is left out of `bits`). Returns how many were added. */
static uint32_t add_known(struct cats_repair *r, uint8_t *payload, uint8_t *left, uint8_t *bits, uint64_t key,
			  uint32_t generation)
{
	const uint32_t size = cats_repair_size(r->layout, generation);
	const bool gf4 = in_gf4(r->layout, generation);
	uint32_t added = 0;

	memset(r->second, 0, sizeof(r->second));
	for (uint32_t i = 0; i < size; i++) {
		const uint32_t packet = number_of(r, generation, i);
		const uint8_t c = coefficient(key, i, gf4);

		if ((bits[i / 8U] >> i % 8U & 1U) == 0)
			continue;
		if (!cats_repair_has(r, packet) || !fetch(r, r->scratch, packet)) {
			if (left != NULL)
				left[i] = c;
			else
				bits[i / 8U] = (uint8_t)(bits[i / 8U] & ~(1U << i % 8U));
			continue;
		}
		added++;
		/* With w and w + 1 the packet goes into a second sum, which is multiplied by w once at the end. */
		if (gf4 && c >= W)
			cats_gf256_add_scaled(r->second, r->scratch, 1, r->layout->payload);
		if (!gf4)
			add_scaled(r, payload, r->scratch, c);
		else if (c == 1 || c == (W ^ 1U))
			cats_gf256_add_scaled(payload, r->scratch, 1, r->layout->payload);
	}
	if (gf4) {
		r->byte_operations += size * r->layout->payload * ADDED_CYCLES_X10 / SCALED_CYCLES_X10;
		add_scaled(r, payload, r->second, W);
	}
	return added;
}

uint32_t cats_repair_make(struct cats_repair *r, uint8_t *bits, uint8_t *payload, uint64_t key, uint32_t generation)
{
	const uint32_t size = cats_repair_size(r->layout, generation);

	memset(bits, 0, (size + 7U) / 8U);
	for (uint32_t i = 0; i < size; i++)
		if (cats_repair_has(r, number_of(r, generation, i)))
			bits[i / 8U] = (uint8_t)(bits[i / 8U] | 1U << i % 8U);
	memset(payload, 0, r->layout->payload);
	return add_known(r, payload, NULL, bits, key, generation);
}

/* row -= c · other, coefficients and payload. */
static void subtract_row(struct cats_repair *r, struct cats_repair_row *row, const struct cats_repair_row *other,
			 uint8_t c)
{
	cats_gf256_add_scaled(row->coefficients, other->coefficients, c, cats_repair_size(r->layout, row->generation));
	add_scaled(r, row->payload, other->payload, c);
}

/* First place with a coefficient, or the size. */
static uint32_t pivot_of(const struct cats_repair *r, const struct cats_repair_row *row)
{
	const uint32_t size = cats_repair_size(r->layout, row->generation);
	uint32_t place = 0;

	while (place < size && row->coefficients[place] == 0)
		place++;
	return place;
}

static bool is_other(const struct cats_repair_row *a, const struct cats_repair_row *b)
{
	return a->used && a != b && a->generation == b->generation;
}

/* Rows are kept reduced: a row's first coefficient is 1 and no other row has one there. */
static void reduce_others(struct cats_repair *r, const struct cats_repair_row *row, uint32_t pivot)
{
	for (uint32_t i = 0; i < r->row_count; i++)
		if (is_other(&r->rows[i], row) && r->rows[i].coefficients[pivot] != 0)
			subtract_row(r, &r->rows[i], row, r->rows[i].coefficients[pivot]);
}

/* `row` is not among the rows yet. False when the others make it up. */
static bool reduce_row(struct cats_repair *r, struct cats_repair_row *row)
{
	uint32_t pivot;

	for (uint32_t i = 0; i < r->row_count; i++) {
		const struct cats_repair_row *other = &r->rows[i];

		if (!is_other(other, row))
			continue;
		pivot = pivot_of(r, other);
		if (row->coefficients[pivot] != 0)
			subtract_row(r, row, other, row->coefficients[pivot]);
	}
	pivot = pivot_of(r, row);
	if (pivot == cats_repair_size(r->layout, row->generation))
		return false;
	const uint8_t inverse = cats_gf256_inverse(row->coefficients[pivot]);
	cats_gf256_scale(row->coefficients, inverse, cats_repair_size(r->layout, row->generation));
	cats_gf256_scale(row->payload, inverse, r->layout->payload);
	r->byte_operations += r->layout->payload;
	reduce_others(r, row, pivot);
	return true;
}

/* A row with a single coefficient is a packet. */
static bool is_solved(const struct cats_repair *r, const struct cats_repair_row *row, uint32_t pivot)
{
	const uint32_t size = cats_repair_size(r->layout, row->generation);

	for (uint32_t i = pivot + 1U; i < size; i++)
		if (row->coefficients[i] != 0)
			return false;
	return true;
}

static void harvest_row(struct cats_repair *r, struct cats_repair_row *row, uint32_t pivot)
{
	const uint32_t packet = number_of(r, row->generation, pivot);
	const uint32_t sender = cats_net_layout_sender(r->layout, packet);

	row->used = false;
	if (!r->store->write(r->store->context, (uint8_t)sender, (uint16_t)(packet - r->layout->first[sender]),
			     row->payload, cats_net_packet_bytes(r->layout, r->site, packet)))
		return;
	r->decoded++;
	set_has(r, packet);
}

static void harvest(struct cats_repair *r)
{
	for (uint32_t i = 0; i < r->row_count; i++) {
		struct cats_repair_row *row = &r->rows[i];
		const uint32_t pivot = row->used ? pivot_of(r, row) : 0;

		if (row->used && is_solved(r, row, pivot))
			harvest_row(r, row, pivot);
	}
}

static struct cats_repair_row *free_row(struct cats_repair *r)
{
	for (uint32_t i = 0; i < r->row_count; i++)
		if (!r->rows[i].used)
			return &r->rows[i];
	return NULL;
}

bool cats_repair_take(struct cats_repair *r, const uint8_t *bits, const uint8_t *payload, uint64_t key,
		      uint32_t generation)
{
	struct cats_repair_row *row = &r->fresh;
	struct cats_repair_row *place;
	uint8_t copy[CATS_REPAIR_BITS_MAX];
	const uint32_t before = r->decoded;

	memcpy(copy, bits, (cats_repair_size(r->layout, generation) + 7U) / 8U);
	memset(row, 0, sizeof(*row));
	row->generation = (uint8_t)generation;
	memcpy(row->payload, payload, r->layout->payload);
	add_known(r, row->payload, row->coefficients, copy, key, generation);
	if (pivot_of(r, row) == cats_repair_size(r->layout, generation) || !reduce_row(r, row))
		return false;
	row->used = true;
	place = free_row(r);
	if (place != NULL)
		*place = *row;
	else if (is_solved(r, row, pivot_of(r, row)))
		harvest_row(r, row, pivot_of(r, row));
	harvest(r);
	return place != NULL || r->decoded > before;
}

void cats_repair_known(struct cats_repair *r, uint32_t packet)
{
	const uint32_t generation = packet % r->layout->generations, place = packet / r->layout->generations;
	bool fetched = false;

	set_has(r, packet);
	for (uint32_t i = 0; i < r->row_count; i++) {
		struct cats_repair_row *row = &r->rows[i];
		uint32_t pivot;

		if (!row->used || row->generation != generation || row->coefficients[place] == 0)
			continue;
		if (!fetched && !fetch(r, r->scratch, packet))
			return;
		fetched = true;
		add_scaled(r, row->payload, r->scratch, row->coefficients[place]);
		row->coefficients[place] = 0;
		/* The pivot may have gone: the row starts afresh among the others. */
		row->used = false;
		pivot = pivot_of(r, row);
		if (pivot < cats_repair_size(r->layout, generation))
			row->used = reduce_row(r, row);
	}
	harvest(r);
}

uint32_t cats_repair_decode_us(const struct cats_net_layout *l)
{
	const uint32_t size = cats_repair_size(l, 0);
	const uint32_t rows = size < ROWS_TYPICAL ? size : ROWS_TYPICAL;
	const uint32_t each = in_gf4(l, 0) ? ADDED_CYCLES_X10 : SCALED_CYCLES_X10;

	return (size * each + rows * SCALED_CYCLES_X10) * l->payload / (10U * CYCLES_PER_US);
}

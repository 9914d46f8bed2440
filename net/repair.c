/* SPDX-License-Identifier: MIT */
/* Coded repair. See repair.h. */
#include "net/repair.h"

#include <string.h>

#include "core/random.h"
#include "net/gf256.h"

/* GF(16) inside GF(256): the sums of 1, v, v^2 and v^3 with v = 2^17, of order 15. */
#define FIELD_BITS 4U
static const uint8_t basis[FIELD_BITS] = {0x01, 0x98, 0x4e, 0x0a};

/* Cycles of a Cortex-M4, measured on the emulated core (docs/results/m4-kernels.md): to fetch a packet from a view,
 * draw its coefficient and add it to two sums of four; and to add a row times a constant, or multiply one. */
#define PACKET_CYCLES 1100U
#define PACKET_CYCLES_X2 7U /* 3.5 a byte */
#define ROW_CYCLES 600U
#define ROW_CYCLES_X2 11U /* 5.5 a byte */
#define CYCLES_PER_US 64U
#define SERVING_US 32U /* of interrupts, while a combination is made */
/* As many as wait when the last one comes: what the worst of 16 receivers lacks of 40 packets at a loss of 5 %. */
#define ROWS_TYPICAL 5U

static uint32_t packet_cycles(uint32_t payload)
{
	return PACKET_CYCLES + PACKET_CYCLES_X2 * payload / 2U;
}

static uint32_t row_cycles(uint32_t payload)
{
	return ROW_CYCLES + ROW_CYCLES_X2 * payload / 2U;
}

static uint8_t *payload_of(struct cats_repair_row *row)
{
	return row->vector + CATS_REPAIR_GENERATION_MAX;
}

static uint32_t number_of(const struct cats_repair *r, uint32_t generation, uint32_t place)
{
	return place * r->layout->generations + generation;
}

/* Which of the basis a packet's coefficient is the sum of. Never none: whoever lacks only this packet can always use
 * the combination. */
static uint32_t parts_of(uint64_t key, uint32_t place)
{
	return 1U + cats_random_below(key, place, (1U << FIELD_BITS) - 1U);
}

static uint8_t element_of(uint32_t parts)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < FIELD_BITS; i++)
		sum = (uint8_t)(sum ^ ((parts >> i & 1U) != 0 ? basis[i] : 0));
	return sum;
}

void cats_repair_start(struct cats_repair *r)
{
	memset(r->has, 0, sizeof(r->has));
	r->count = 0;
	memset(r->had, 0, sizeof(r->had));
	for (uint32_t i = 0; i < CATS_NET_DEVICES_MAX; i++)
		r->lacking[i] = (uint16_t)(r->layout->first[i + 1U] - r->layout->first[i]);
	for (uint32_t i = 0; i < r->row_count; i++)
		r->rows[i].used = false;
}

static void set_has(struct cats_repair *r, uint32_t sender, uint32_t packet)
{
	if (cats_repair_has(r, packet))
		return;
	r->has[packet / 8U] = (uint8_t)(r->has[packet / 8U] | 1U << packet % 8U);
	r->count++;
	r->had[packet % r->layout->generations]++;
	r->lacking[sender]--;
}

void cats_repair_own(struct cats_repair *r, uint32_t sender, uint32_t count)
{
	const uint32_t first = r->layout->first[sender], all = r->layout->first[sender + 1U] - first;

	if (r->lacking[sender] == 0)
		return;
	for (uint32_t i = 0; i < count && i < all; i++)
		set_has(r, sender, first + i);
}

/* A packet of `sender` from the store, padded. Returns false when it is not there. */
static bool fetch(struct cats_repair *r, uint32_t sender, uint32_t packet)
{
	const uint32_t bytes = r->store->read(r->store->context, r->scratch, (uint8_t)sender,
					      (uint16_t)(packet - r->layout->first[sender]));

	if (bytes == 0 || bytes > r->layout->payload)
		return false;
	if (bytes < r->layout->payload)
		memset(r->scratch + bytes, 0, r->layout->payload - bytes);
	return true;
}

static void add_scaled(struct cats_repair *r, uint8_t *y, const uint8_t *x, uint8_t c)
{
	r->cycles += row_cycles(r->layout->payload);
	cats_gf256_add_scaled(y, x, c, r->layout->payload);
}

/* Adds packets of the generation that are in the store and in `bits` to the sums of the basis' elements; what is not in
 * the store stays in `left` (may be NULL: then it is left out of `bits`). Returns how many were added. */
static uint32_t add_packets(struct cats_repair *r, uint8_t *left, uint8_t *bits, uint64_t key, uint32_t generation)
{
	const uint32_t size = cats_repair_size(r->layout, generation);
	uint32_t added = 0, sender = 0;

	for (uint32_t i = 0; i < size; i++) {
		const uint32_t packet = number_of(r, generation, i);
		uint32_t parts;

		while (r->layout->first[sender + 1U] <= packet)
			sender++;
		if ((bits[i / 8U] >> i % 8U & 1U) == 0)
			continue;
		parts = parts_of(key, i);
		if (!cats_repair_has(r, packet) || !fetch(r, sender, packet)) {
			if (left != NULL)
				left[i] = element_of(parts);
			else
				bits[i / 8U] = (uint8_t)(bits[i / 8U] & ~(1U << i % 8U));
			continue;
		}
		added++;
		for (uint32_t b = 0; b < FIELD_BITS; b++)
			if ((parts >> b & 1U) != 0)
				cats_gf256_add(r->sums[b], r->scratch, r->layout->payload);
	}
	return added;
}

/* payload += coefficients · packets: products by the basis' elements only, once each. */
static uint32_t add_known(struct cats_repair *r, uint8_t *payload, uint8_t *left, uint8_t *bits, uint64_t key,
			  uint32_t generation)
{
	uint32_t added;

	memset(r->sums, 0, sizeof(r->sums));
	added = add_packets(r, left, bits, key, generation);
	r->cycles += added * packet_cycles(r->layout->payload);
	cats_gf256_add(payload, r->sums[0], r->layout->payload);
	for (uint32_t b = 1; b < FIELD_BITS; b++)
		add_scaled(r, payload, r->sums[b], basis[b]);
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
	r->cycles += row_cycles(r->layout->payload);
	cats_gf256_add_scaled(row->vector, other->vector, c, CATS_REPAIR_GENERATION_MAX + r->layout->payload);
}

/* First place with a coefficient, or the size. */
static uint32_t pivot_of(const struct cats_repair *r, const struct cats_repair_row *row)
{
	const uint32_t size = cats_repair_size(r->layout, row->generation);
	uint32_t place = 0;

	while (place < size && row->vector[place] == 0)
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
		if (is_other(&r->rows[i], row) && r->rows[i].vector[pivot] != 0)
			subtract_row(r, &r->rows[i], row, r->rows[i].vector[pivot]);
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
		if (row->vector[pivot] != 0)
			subtract_row(r, row, other, row->vector[pivot]);
	}
	pivot = pivot_of(r, row);
	if (pivot == cats_repair_size(r->layout, row->generation))
		return false;
	const uint8_t inverse = cats_gf256_inverse(row->vector[pivot]);
	cats_gf256_scale(row->vector, inverse, CATS_REPAIR_GENERATION_MAX + r->layout->payload);
	r->cycles += row_cycles(r->layout->payload);
	reduce_others(r, row, pivot);
	return true;
}

/* A row with a single coefficient is a packet. */
static bool is_solved(const struct cats_repair *r, const struct cats_repair_row *row, uint32_t pivot)
{
	const uint32_t size = cats_repair_size(r->layout, row->generation);

	for (uint32_t i = pivot + 1U; i < size; i++)
		if (row->vector[i] != 0)
			return false;
	return true;
}

static void harvest_row(struct cats_repair *r, struct cats_repair_row *row, uint32_t pivot)
{
	const uint32_t packet = number_of(r, row->generation, pivot);
	const uint32_t sender = cats_net_layout_sender(r->layout, packet);

	row->used = false;
	if (!r->store->write(r->store->context, (uint8_t)sender, (uint16_t)(packet - r->layout->first[sender]),
			     payload_of(row), cats_net_packet_bytes(r->layout, r->site, packet)))
		return;
	r->decoded++;
	set_has(r, sender, packet);
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

/* Something of a combination is lacking. */
static bool is_news(const struct cats_repair *r, const uint8_t *bits, uint32_t generation)
{
	for (uint32_t i = 0, size = cats_repair_size(r->layout, generation); i < size; i++)
		if ((bits[i / 8U] >> i % 8U & 1U) != 0 && !cats_repair_has(r, number_of(r, generation, i)))
			return true;
	return false;
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

	if (!is_news(r, bits, generation))
		return false;
	memcpy(copy, bits, (cats_repair_size(r->layout, generation) + 7U) / 8U);
	memset(row, 0, sizeof(*row));
	row->generation = (uint8_t)generation;
	memcpy(payload_of(row), payload, r->layout->payload);
	add_known(r, payload_of(row), row->vector, copy, key, generation);
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
	const uint32_t sender = cats_net_layout_sender(r->layout, packet);
	bool fetched = false;

	set_has(r, sender, packet);
	for (uint32_t i = 0; i < r->row_count; i++) {
		struct cats_repair_row *row = &r->rows[i];
		uint32_t pivot;

		if (!row->used || row->generation != generation || row->vector[place] == 0)
			continue;
		if (!fetched && !fetch(r, sender, packet))
			return;
		fetched = true;
		add_scaled(r, payload_of(row), r->scratch, row->vector[place]);
		row->vector[place] = 0;
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
	uint32_t rows = l->mixed < ROWS_TYPICAL ? l->mixed : ROWS_TYPICAL;

	if (l->repairs > 0 && l->repairs < rows)
		rows = l->repairs;

	return (l->mixed * packet_cycles(l->payload) + (FIELD_BITS + 2U * rows) * row_cycles(l->payload)) /
	       CYCLES_PER_US;
}

uint32_t cats_repair_make_us(const struct cats_net_layout *l)
{
	const uint32_t cycles = l->mixed * packet_cycles(l->payload) + FIELD_BITS * row_cycles(l->payload);

	/* Frames arrive meanwhile, and radio and cipher are served. */
	return cycles / CYCLES_PER_US * 9U / 8U + SERVING_US;
}

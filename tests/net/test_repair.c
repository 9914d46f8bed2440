/* SPDX-License-Identifier: MIT */
/* GF(256) against its definition, and combinations: whoever gets as many as it lacks has everything, whatever it lacks.
 */
#include <string.h>

#include "core/random.h"
#include "net/gf256.h"
#include "net/repair.h"
#include "tests/cmocka.h"

#define ROWS 40U

/* Schoolbook: multiply as polynomials, then divide by x^8 + x^4 + x^3 + x^2 + 1. */
static uint8_t slow_product(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t i = 0; i < 8; i++)
		product ^= (b >> i & 1U) * (a << i);
	for (uint32_t i = 15; i >= 8; i--)
		product ^= (product >> i & 1U) * (0x11dU << (i - 8U));
	return (uint8_t)product;
}

static void test_field(void **state)
{
	uint8_t x[257], y[257], w = 1;

	(void)state;
	for (uint32_t a = 0; a < 256; a++)
		for (uint32_t b = 0; b < 256; b++)
			assert_int_equal(cats_gf256_multiply((uint8_t)a, (uint8_t)b), slow_product(a, b));
	for (uint32_t a = 1; a < 256; a++)
		assert_int_equal(slow_product(a, cats_gf256_inverse((uint8_t)a)), 1);
	for (uint32_t i = 0; i < 85; i++)
		w = slow_product(w, 2);
	assert_int_equal(w, 0xd6); /* 2^85: {0, 1, w, w + 1} is closed */
	assert_int_equal(slow_product(w, w), w ^ 1);
	for (uint32_t c = 0; c < 256; c++) {
		for (uint32_t i = 0; i < 257; i++) {
			x[i] = (uint8_t)i;
			y[i] = (uint8_t)(3U * i);
		}
		cats_gf256_add_scaled(y, x, (uint8_t)c, 256);
		for (uint32_t i = 0; i < 256; i++)
			assert_int_equal(y[i], (uint8_t)(3U * i) ^ slow_product(c, i));
		assert_int_equal(y[256], 0);
		cats_gf256_scale(x, (uint8_t)c, 256);
		assert_int_equal(x[255], slow_product(c, 255));
		assert_int_equal(x[256], 0);
	}
}

/* Two ends of a link: what the sender has, what the receiver got. */
struct end {
	struct cats_repair repair;
	struct cats_net_store store;
	const struct cats_net_layout *layout;
	const struct cats_net_site *site;
	uint8_t there[CATS_NET_PACKETS_MAX];
	uint32_t wrong;
};

static struct cats_repair_row rows[ROWS], no_rows[1];

static void content(uint8_t *payload, uint32_t packet, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		payload[i] = (uint8_t)cats_random_u64(packet, i);
}

static uint32_t read(void *context, uint8_t *payload, uint8_t sender, uint16_t packet)
{
	const struct end *e = context;
	const uint32_t k = (uint32_t)e->layout->first[sender] + packet;
	const uint32_t bytes = cats_net_packet_bytes(e->layout, e->site, k);

	if (!e->there[k])
		return 0;
	content(payload, k, bytes);
	return bytes;
}

static bool write(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t bytes)
{
	struct end *e = context;
	const uint32_t k = (uint32_t)e->layout->first[sender] + packet;
	uint8_t expected[CATS_REPAIR_PAYLOAD_MAX];

	content(expected, k, bytes);
	e->wrong += e->there[k] || bytes != cats_net_packet_bytes(e->layout, e->site, k) ||
		    memcmp(expected, payload, bytes) != 0;
	e->there[k] = 1;
	return true;
}

static void open_end(struct end *e, const struct cats_net_site *site, const struct cats_net_layout *layout,
		     struct cats_repair_row *room, uint16_t count)
{
	memset(e, 0, sizeof *e);
	e->store = (struct cats_net_store){.read = read, .write = write, .context = e};
	e->layout = layout;
	e->site = site;
	e->repair.layout = layout;
	e->repair.site = site;
	e->repair.store = &e->store;
	e->repair.rows = room;
	e->repair.row_count = count;
	cats_repair_start(&e->repair);
}

static void have(struct end *e, uint32_t packet)
{
	e->there[packet] = 1;
	cats_repair_known(&e->repair, packet);
	cats_repair_known(&e->repair, packet); /* again: nothing */
}

static uint32_t missing(const struct end *e, uint32_t generation)
{
	uint32_t count = 0;

	for (uint32_t k = generation; k < e->layout->packets; k += e->layout->generations)
		count += !cats_repair_has(&e->repair, k);
	assert_int_equal(cats_repair_size(e->layout, generation) - e->repair.had[generation], count);
	return count;
}

/* What is counted as packets come, against what is there. */
static void assert_counted(const struct end *e)
{
	for (uint32_t i = 0; i < CATS_NET_DEVICES_MAX; i++) {
		uint32_t lacking = 0;

		for (uint32_t k = e->layout->first[i]; k < e->layout->first[i + 1U]; k++)
			lacking += !cats_repair_has(&e->repair, k);
		assert_int_equal(e->repair.lacking[i], lacking);
	}
}

/* Sends combinations until the receiver has its generation; returns how many it took beyond what it lacked. */
static uint32_t repair(struct end *from, struct end *to, uint32_t generation, uint64_t seed)
{
	uint8_t bits[CATS_REPAIR_BITS_MAX], payload[CATS_REPAIR_PAYLOAD_MAX];
	const uint32_t lacking = missing(to, generation);
	uint32_t sent = 0;

	while (missing(to, generation) > 0 && sent < lacking + 50U) {
		assert_true(cats_repair_make(&from->repair, bits, payload, cats_random_key(seed, sent), generation) >
			    0);
		cats_repair_take(&to->repair, bits, payload, cats_random_key(seed, sent), generation);
		sent++;
		assert_counted(to);
	}
	assert_counted(from);
	assert_int_equal(missing(to, generation), 0);
	return sent - lacking;
}

static void check_site(uint16_t tokens, uint16_t token_bytes, uint16_t payload_max, uint32_t most_extra)
{
	static struct end from, to;
	struct cats_net_site site = {.tokens = tokens, .payload_max = payload_max, .receivers = 0xffff};
	struct cats_net_layout layout;
	uint32_t extra = 0;

	for (uint32_t i = 0; i < 16; i++)
		site.token_bytes[i] = (uint16_t)(token_bytes + i % 2U);
	assert_true(cats_net_layout_of(&layout, &site, 16));
	for (uint64_t seed = 0; seed < 20; seed++) {
		open_end(&from, &site, &layout, no_rows, 0);
		open_end(&to, &site, &layout, rows, ROWS);
		for (uint32_t k = 0; k < layout.packets; k++) {
			have(&from, k);
			if (!cats_random_event(seed, k, 429496729U)) /* 10 % */
				have(&to, k);
		}
		for (uint32_t g = 0; g < layout.generations; g++)
			extra += repair(&from, &to, g, seed);
		assert_int_equal(to.wrong, 0);
	}
	if (extra > most_extra)
		fail_msg("%u combinations beyond what was lacking, in %u generations", extra, 20U * layout.generations);
}

static void test_combinations(void **state)
{
	(void)state;
	/* Expected beyond what is lacking: 0.07 for each generation (the sum of 1 / (16^i - 1)), of variance 0.08;
	 * bounds are five deviations above. */
	check_site(16, 8, 240, 8);    /* 20 of 16 packets */
	check_site(64, 8, 176, 14);   /* 40 of 32 */
	check_site(64, 32, 224, 20);  /* 80 of 40 */
	check_site(32, 240, 240, 76); /* 520 of 40 */
}

/* Packets that arrive by themselves while combinations wait relieve these, in any order. */
static void test_arrivals_between(void **state)
{
	static struct end from, to;
	struct cats_net_site site = {.tokens = 4, .payload_max = 16, .receivers = 15, .token_bytes = {8, 8, 8, 8}};
	struct cats_net_layout layout;
	uint8_t bits[CATS_REPAIR_BITS_MAX], payload[CATS_REPAIR_PAYLOAD_MAX];

	(void)state;
	assert_true(cats_net_layout_of(&layout, &site, 4));
	assert_int_equal(layout.packets, 8);
	for (uint32_t seed = 0; seed < 200; seed++) {
		open_end(&from, &site, &layout, no_rows, 0);
		open_end(&to, &site, &layout, rows, ROWS);
		for (uint32_t k = 0; k < 8; k++)
			have(&from, k);
		for (uint32_t i = 0; i < 5; i++) {
			assert_int_equal(cats_repair_make(&from.repair, bits, payload, 1000U * seed + i, 0), 8);
			cats_repair_take(&to.repair, bits, payload, 1000U * seed + i, 0);
		}
		assert_int_equal(missing(&to, 0), 8);
		for (uint32_t i = 0; missing(&to, 0) > 0; i++) {
			const uint32_t k = (seed + 3U * i) % 8U;

			assert_true(i < 5); /* five combinations and three packets, more where some were useless */
			if (!to.there[k])
				have(&to, k);
		}
		assert_int_equal(to.wrong, 0);
		assert_int_equal(to.repair.decoded + 4U >= 8U - 4U, 1);
	}
}

/* No row to keep anything in: a combination with one unknown packet is solved all the same. */
static void test_without_rows(void **state)
{
	static struct end from, to;
	struct cats_net_site site = {.tokens = 4, .payload_max = 16, .receivers = 15, .token_bytes = {8, 8, 8, 8}};
	struct cats_net_layout layout;
	uint8_t bits[CATS_REPAIR_BITS_MAX], payload[CATS_REPAIR_PAYLOAD_MAX];

	(void)state;
	assert_true(cats_net_layout_of(&layout, &site, 4));
	open_end(&from, &site, &layout, no_rows, 0);
	open_end(&to, &site, &layout, no_rows, 0);
	for (uint32_t k = 0; k < 8; k++) {
		have(&from, k);
		if (k != 2 && k != 5)
			have(&to, k);
	}
	cats_repair_make(&from.repair, bits, payload, 1, 0);
	assert_false(cats_repair_take(&to.repair, bits, payload, 1, 0));
	have(&to, 5);
	assert_true(cats_repair_take(&to.repair, bits, payload, 1, 0));
	assert_int_equal(missing(&to, 0), 0);
	assert_int_equal(to.wrong, 0);
}

/* Whoever lacks one packet can use every combination: whatever is drawn, no coefficient is 0. */
static void test_one_lacking(void **state)
{
	static struct end from, to;
	struct cats_net_site site = {.tokens = 4, .payload_max = 16, .receivers = 15, .token_bytes = {8, 8, 8, 8}};
	struct cats_net_layout layout;
	uint8_t bits[CATS_REPAIR_BITS_MAX], payload[CATS_REPAIR_PAYLOAD_MAX];

	(void)state;
	assert_true(cats_net_layout_of(&layout, &site, 4));
	open_end(&from, &site, &layout, no_rows, 0);
	for (uint32_t k = 0; k < 8; k++)
		have(&from, k);
	for (uint64_t key = 0; key < 400; key++) {
		open_end(&to, &site, &layout, no_rows, 0);
		for (uint32_t k = 0; k < 8; k++)
			if (k != key % 8U)
				have(&to, k);
		assert_int_equal(cats_repair_make(&from.repair, bits, payload, key, 0), 8);
		assert_true(cats_repair_take(&to.repair, bits, payload, key, 0));
		assert_int_equal(missing(&to, 0), 0);
		assert_int_equal(to.wrong, 0);
	}
}

/* Three combinations of each of two generations wait for a fourth; a packet that comes by itself is that
 * of its own generation, and nothing to the other. */
static void test_generations_apart(void **state)
{
	static struct end from, to;
	struct cats_net_site site = {.tokens = 64, .payload_max = 224, .receivers = 0xffff};
	struct cats_net_layout layout;
	uint8_t bits[CATS_REPAIR_BITS_MAX], payload[CATS_REPAIR_PAYLOAD_MAX];

	(void)state;
	for (uint32_t i = 0; i < 16; i++)
		site.token_bytes[i] = 16;
	assert_true(cats_net_layout_of(&layout, &site, 16));
	assert_int_equal(layout.generations, 2);
	open_end(&from, &site, &layout, no_rows, 0);
	open_end(&to, &site, &layout, rows, ROWS);
	for (uint32_t k = 0; k < layout.packets; k++) {
		have(&from, k);
		if (k >= 8)
			have(&to, k);
	}
	for (uint32_t i = 0; i < 6; i++) {
		assert_true(cats_repair_make(&from.repair, bits, payload, 20U + i, i % 2U) > 0);
		assert_true(cats_repair_take(&to.repair, bits, payload, 20U + i, i % 2U));
	}
	assert_int_equal(missing(&to, 0), 4);
	assert_int_equal(missing(&to, 1), 4);
	have(&to, 0);
	assert_int_equal(missing(&to, 0), 0);
	assert_int_equal(missing(&to, 1), 4);
	have(&to, 1);
	assert_int_equal(missing(&to, 1), 0);
	assert_int_equal(to.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_combinations),
		cmocka_unit_test(test_arrivals_between),
		cmocka_unit_test(test_without_rows),
		cmocka_unit_test(test_one_lacking),
		cmocka_unit_test(test_generations_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

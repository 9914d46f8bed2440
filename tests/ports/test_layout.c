/* SPDX-License-Identifier: MIT */
/* The identity page: the bytes of docs/SPEC-node.md, whose CRC was computed outside the project, and all damage to
 * them. */
#include <string.h>

#include "ports/nrf52840/layout.h"
#include "tests/cmocka.h"

static const uint8_t example[36] = {
	0x43, 0x41, 0x54, 0x49, 0x01, 0x00, 0x05, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
	0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x96, 0x5a, 0x2d, 0x8b, 0x11, 0x00, 0x00, 0x00, 0xb3, 0x26, 0x59, 0x1e,
};

static struct cats_identity_page read_example(void)
{
	struct cats_identity_page page;

	memcpy(&page, example, sizeof(page));
	return page;
}

static void the_example_is_good(void **state)
{
	const struct cats_identity_page page = read_example();

	(void)state;
	assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_GOOD);
	assert_int_equal(page.node, 5);
	assert_int_equal(page.channel, 17);
	assert_true(page.access_address == 0x8B2D5A96U);
	assert_int_equal(page.key[15], 15);
}

static void every_flipped_bit_is_found(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < 8 * sizeof(example); bit++) {
		struct cats_identity_page page = read_example();

		((uint8_t *)&page)[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_not_equal(cats_identity_check(&page), CATS_IDENTITY_GOOD);
	}
}

static void faults_have_names(void **state)
{
	struct cats_identity_page page;

	(void)state;
	memset(&page, 0xFF, sizeof(page));
	assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_MISSING);
	page = read_example();
	page.version = 2;
	assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_OTHER);
	page = read_example();
	page.key[3] ^= 1;
	assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_CHECKSUM);
}

static void numbers_outside_their_range_are_refused(void **state)
{
	(void)state;
	for (int field = 0; field < 4; field++) {
		struct cats_identity_page page = read_example();

		page.node = field == 0 ? 64 : 63;
		page.channel = field == 1 ? 37 : 36;
		page.reserved = field == 2;
		page.flags = field == 3;
		page.crc32 = cats_identity_checksum(&page);
		assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_RANGE);
	}
}

/* Bluetooth core specification, volume 6, part B, table 1.2. */
static void channels_have_their_frequencies(void **state)
{
	(void)state;
	assert_int_equal(cats_identity_frequency_mhz(0), 2404);
	assert_int_equal(cats_identity_frequency_mhz(10), 2424);
	assert_int_equal(cats_identity_frequency_mhz(11), 2428);
	assert_int_equal(cats_identity_frequency_mhz(36), 2478);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(faults_have_names),
		cmocka_unit_test(numbers_outside_their_range_are_refused),
		cmocka_unit_test(channels_have_their_frequencies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Keys and access addresses: which are refused, that keys differ and are found again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "deploy/network.h"
#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/io/scratch.h"

static char scratch[SCRATCH_PATH_BYTES];

/* The rules of the core specification bit by bit. */
static bool good_slowly(uint32_t address)
{
	uint32_t run = 1, changes = 0, high_changes = 0, differing = 0;

	for (uint32_t i = 0; i < 32; i++)
		differing += (address ^ 0x8E89BED6U) >> i & 1U;
	for (uint32_t i = 1; i < 32; i++) {
		const bool changed = (address >> i & 1U) != (address >> (i - 1) & 1U);

		run = changed ? 1 : run + 1;
		changes += changed;
		high_changes += changed && i >= 27;
		if (run > 6)
			return false;
	}
	return differing > 1 && changes <= 24 && high_changes >= 2 &&
	       !((address >> 24) == (address >> 16 & 255U) && (address >> 16) == (address & 0xFFFFU));
}

static void addresses_obey_the_rules(void **state)
{
	uint32_t good = 0;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		const uint32_t address = (uint32_t)cats_random_u64(3, i);

		assert_int_equal(cats_network_address_good(address), good_slowly(address));
		good += good_slowly(address);
	}
	assert_in_range(good, 20000, 180000);
	assert_false(cats_network_address_good(0x8E89BED6U));
	assert_false(cats_network_address_good(0x8E89BED7U));
	assert_false(cats_network_address_good(0));
	assert_false(cats_network_address_good(0x53535353U));
	assert_false(cats_network_address_good(0xAAAAAAAAU));
}

static void keys_differ(void **state)
{
	struct cats_network a, b;
	const uint64_t one = 1, two = 2;

	(void)state;
	assert_int_equal(cats_network_make(&a, 36, NULL, NULL), CATS_OK);
	assert_int_equal(cats_network_make(&b, 36, NULL, NULL), CATS_OK);
	assert_memory_not_equal(a.key, b.key, 16);
	assert_true(a.access_address != b.access_address);
	assert_int_equal(cats_network_make(&a, 0, &one, NULL), CATS_OK);
	assert_int_equal(cats_network_make(&b, 0, &one, NULL), CATS_OK);
	assert_memory_equal(&a, &b, sizeof a);
	assert_int_equal(cats_network_make(&b, 0, &two, NULL), CATS_OK);
	assert_memory_not_equal(a.key, b.key, 16);
}

/* AES-128, by OpenSSL, of FF 61 64 64 72 65 73 73 00 … 00 with this key begins with 8d ec 04 44, with 01 as the last
 * byte 36 e0 d4 6f: both have seven equal bits in a row; with 02 it is c8 4b 1e 75. */
static void the_address_follows_from_the_key(void **state)
{
	const char *path = scratch_file(scratch, "key");
	struct cats_network network;

	(void)state;
	assert_int_equal(cats_file_write(path, "000102030405060708090A0B0c0d0e0f\n", 33, NULL), CATS_OK);
	assert_int_equal(cats_network_read(&network, 5, path, NULL), CATS_OK);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(network.key[i], i);
	assert_int_equal(network.channel, 5);
	assert_true(network.access_address == 0x751E4BC8U);
}

static void a_key_is_found_again(void **state)
{
	const char *path = scratch_file(scratch, "again");
	char text[CATS_NETWORK_KEY_TEXT];
	struct cats_network made, read;
	const uint64_t seed = 9;

	(void)state;
	assert_int_equal(cats_network_make(&made, 17, &seed, NULL), CATS_OK);
	cats_network_key_text(text, &made);
	assert_int_equal(strlen(text), 33);
	assert_int_equal(cats_file_write(path, text, strlen(text), NULL), CATS_OK);
	assert_int_equal(cats_network_read(&read, 17, path, NULL), CATS_OK);
	assert_memory_equal(&made, &read, sizeof made);
}

static void wrong_keys_are_refused(void **state)
{
	static const struct {
		const char *text, *rule;
		size_t size;
	} cases[] = {
		{"", "32 hexadecimal", 0},
		{"00010203", "32 hexadecimal", 8},
		{"000102030405060708090a0b0c0d0e0f10", "32 hexadecimal", 34},
		{"000102030405060708090a0b0c0d0e0f 00", "32 hexadecimal", 35},
		{"000102030405060708090a0b0c0d0e0g", "digit 32", 32},
		{"x00102030405060708090a0b0c0d0e0f", "digit 1 ", 32},
		{"\0\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf", "not bytes", 16},
		{"00000000000000000000000000000000", "no secret", 32},
	};
	struct cats_network network;
	struct cats_error error = {0};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const char *path = scratch_file(scratch, "bad");

		assert_int_equal(cats_file_write(path, cases[i].text, cases[i].size, NULL), CATS_OK);
		assert_int_equal(cats_network_read(&network, 5, path, &error), CATS_ERR_FORMAT);
		if (strstr(error.text, cases[i].rule) == NULL || strstr(error.text, "bad: key: ") == NULL)
			fail_msg("\"%s\" is not about \"%s\"", error.text, cases[i].rule);
	}
	assert_int_equal(cats_network_read(&network, 5, scratch_file(scratch, "nothing"), &error), CATS_ERR_IO);
}

static void identities_are_whole(void **state)
{
	struct cats_network network;
	const uint64_t seed = 4;

	(void)state;
	assert_int_equal(cats_network_make(&network, 36, &seed, NULL), CATS_OK);
	for (uint32_t node = 0; node < CATS_IDENTITY_NODES; node++) {
		const struct cats_identity_page page = cats_network_identity(&network, node);

		assert_int_equal(cats_identity_check(&page), CATS_IDENTITY_GOOD);
		assert_int_equal(page.node, node);
		assert_int_equal(page.channel, 36);
		assert_memory_equal(page.key, network.key, 16);
		assert_true(page.access_address == network.access_address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_obey_the_rules),         cmocka_unit_test(keys_differ),
		cmocka_unit_test(the_address_follows_from_the_key), cmocka_unit_test(a_key_is_found_again),
		cmocka_unit_test(wrong_keys_are_refused),           cmocka_unit_test(identities_are_whole),
	};
	int failures;

	scratch_create(scratch);
	failures = cmocka_run_group_tests(tests, NULL, NULL);
	scratch_remove(scratch);
	return failures;
}

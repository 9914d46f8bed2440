/* SPDX-License-Identifier: MIT */
/* A capture's blocks, read back by a reader that shares no code with the writer. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "sim/pcapng.h"
#include "tests/cmocka.h"

static uint32_t word(const char *bytes, size_t at)
{
	const uint8_t *b = (const uint8_t *)bytes + at;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void the_checksum_is_the_standards(void **state)
{
	(void)state;
	assert_int_equal(cats_pcapng_crc24((const uint8_t *)"123456789", 9), 0xC25A56);
	assert_int_not_equal(cats_pcapng_crc24((const uint8_t *)"123456788", 9), 0xC25A56);
}

/* The n-th block of a type; fails unless all blocks before it are whole. */
static size_t find_block(const char *bytes, size_t size, uint32_t type, uint32_t n)
{
	for (size_t at = 0; at < size;) {
		const uint32_t length = word(bytes, at + 4);

		assert_true(length >= 12 && length % 4 == 0 && at + length <= size);
		assert_int_equal(word(bytes, at + length - 4), length);
		if (word(bytes, at) == type && n-- == 0)
			return at;
		at += length;
	}
	fail_msg("no such block");
	return 0;
}

static void blocks_are_whole_and_say_what_was_sent(void **state)
{
	const struct cats_transmission frame = {
		.number = 1, .sender = 1, .start = 1000000 * CATS_TIME_US + 1, .bytes = 5, .pdu = {2, 3, 1, 2, 3}};
	char *bytes = NULL;
	size_t size = 0, at;
	FILE *out = open_memstream(&bytes, &size);

	(void)state;
	assert_non_null(out);
	cats_pcapng_begin(out, 3);
	cats_pcapng_packet(out, &frame, 1, CATS_RECEIVED, 0);
	cats_pcapng_packet(out, &frame, 2, CATS_RECEIVED_BROKEN, -71.3);
	fclose(out);
	assert_int_equal(word(bytes, 0), 0x0A0D0D0A);
	assert_int_equal(word(bytes, 8), 0x1A2B3C4D);
	at = find_block(bytes, size, 1, 2);
	assert_int_equal(word(bytes, at + 8), 256);
	assert_memory_equal(bytes + at + 20, "node 2", 6);

	/* Interface, two halves of the time, two lengths, then 10 bytes of the radio's and the link layer's frame. */
	at = find_block(bytes, size, 6, 0);
	assert_int_equal(word(bytes, at + 8), 1);
	assert_int_equal(word(bytes, at + 16), 1000000015); /* 1 s and 15.6 ns */
	assert_int_equal(word(bytes, at + 20), 22);
	assert_int_equal(word(bytes, at + 24), 22);
	assert_int_equal((uint8_t)bytes[at + 28], CATS_PCAPNG_RF_CHANNEL);
	assert_int_equal(bytes[at + 29], 0);
	assert_true(word(bytes, at + 36) & 0x0800);
	assert_int_equal(word(bytes, at + 38), CATS_PCAPNG_ACCESS_ADDRESS);
	assert_memory_equal(bytes + at + 42, frame.pdu, 5);
	assert_int_equal(word(bytes, at + 47) & 0xFFFFFF, cats_pcapng_crc24(frame.pdu, 5));
	assert_int_equal(word(bytes, at + 52), 2 | 4 << 16);
	assert_int_equal(word(bytes, at + 56), 2); /* outbound */

	at = find_block(bytes, size, 6, 1);
	assert_int_equal(word(bytes, at + 8), 2);
	assert_int_equal(bytes[at + 29], -71);
	assert_false(word(bytes, at + 36) & 0x0800);
	assert_int_not_equal(word(bytes, at + 47) & 0xFFFFFF, cats_pcapng_crc24(frame.pdu, 5));
	assert_int_equal(word(bytes, at + 56), 1); /* inbound */
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checksum_is_the_standards),
		cmocka_unit_test(blocks_are_whole_and_say_what_was_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Frames byte by byte, against docs/SPEC-radio.md, RFC 3610's rules worked out by hand, and every kind of damage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "ports/host/aead.h"
#include "tests/cmocka.h"

static const uint8_t key[CATS_AEAD_KEY_BYTES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const struct cats_frame_moment moment = {.epoch = 7, .inference = 3, .unit = 0x1234, .sender = 5};

static struct cats_host_aead *host;
static struct cats_aead aead;

static int setup(void **state)
{
	(void)state;
	host = cats_host_aead_create(key);
	assert_non_null(host);
	aead = cats_host_aead_interface(host);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cats_host_aead_free(host);
	return 0;
}

/* The fenced block of the document whose first line is "```frame NAME": bytes in hexadecimal, comments after three
 * spaces. Returns how many. */
static uint32_t read_example(uint8_t *bytes, uint32_t room, const char *name)
{
	FILE *file = fopen(CATS_SPEC_RADIO, "r");
	char line[256], fence[64];
	uint32_t count = 0;
	bool inside = false;

	assert_non_null(file);
	snprintf(fence, sizeof fence, "```frame %s\n", name);
	while (fgets(line, sizeof line, file)) {
		if (strcmp(line, fence) == 0) {
			inside = true;
			continue;
		}
		if (inside && line[0] == '`')
			break;
		char *comment = strstr(line, "   ");
		if (comment)
			*comment = '\0';
		for (char *at = line; inside && *at && *at != '\n'; at += 2) {
			unsigned value;

			while (*at == ' ')
				at++;
			assert_int_equal(sscanf(at, "%2x", &value), 1);
			assert_true(count < room);
			bytes[count++] = (uint8_t)value;
		}
	}
	fclose(file);
	return count;
}

static void check_example(const char *name, enum cats_frame_kind kind, const uint8_t *plain, uint32_t plain_bytes)
{
	uint8_t frame[CATS_FRAME_BYTES_MAX], expected[CATS_FRAME_BYTES_MAX], opened[CATS_FRAME_BYTES_MAX];
	struct cats_frame_moment at = moment, parsed = moment;
	uint32_t length, opened_bytes;

	at.beacon = kind == CATS_FRAME_BEACON;
	length = cats_frame_seal(frame, &aead, &at, kind, plain, plain_bytes);
	assert_true(length > 0);
	if (read_example(expected, sizeof expected, name) != length || memcmp(frame, expected, length) != 0) {
		for (uint32_t i = 0; i < length; i++)
			printf("%02x ", frame[i]);
		fail_msg("%s is not the document's example", name);
	}
	assert_int_equal(cats_frame_parse(&parsed, &opened_bytes, frame, length), 0);
	assert_int_equal(opened_bytes, plain_bytes);
	assert_memory_equal(&parsed, &at, sizeof at);
	assert_int_equal(cats_frame_open(opened, &aead, &parsed, frame, opened_bytes), 0);
	assert_memory_equal(opened, plain, plain_bytes);
}

static void test_examples(void **state)
{
	static const uint8_t data[] = {0x01, 0x00, 0x02, 0x00, 0xaa, 0xbb, 0xcc, 0xdd};
	static const uint8_t beacon[] = {0x78, 0x56, 0x34, 0x12, 0x01, 0x00};

	(void)state;
	check_example("data", CATS_FRAME_DATA, data, sizeof data);
	check_example("beacon", CATS_FRAME_BEACON, beacon, sizeof beacon);
}

/* Bluetooth Core Specification, volume 6, part C, 1.2: an LE data packet encrypted with CCM as the chip's peripheral
 * does it (LL_START_ENC_RSP, first packet of the master), which fixes the order of every byte of nonce and key. */
static void test_published_vector(void **state)
{
	static const uint8_t session[16] = {0x99, 0xad, 0x1b, 0x52, 0x26, 0xa3, 0x7e, 0x3e,
					    0x05, 0x8e, 0x3b, 0x8e, 0x27, 0xc2, 0xc6, 0x66};
	static const uint8_t nonce[13] = {0, 0, 0, 0, 0x80, 0x24, 0xab, 0xdc, 0xba, 0xbe, 0xba, 0xaf, 0xde};
	static const uint8_t sealed[] = {0x9f, 0xcd, 0xa7, 0xf4, 0x48};
	uint8_t out[5], plain[1] = {0x06};
	struct cats_host_aead *other = cats_host_aead_create(session);
	const struct cats_aead cipher = cats_host_aead_interface(other);

	(void)state;
	assert_true(cipher.seal(cipher.context, out, nonce, 0x0f & 0xe3, plain, 1));
	assert_memory_equal(out, sealed, sizeof sealed);
	assert_true(cipher.open(cipher.context, out, nonce, 0x0f & 0xe3, sealed, 1));
	assert_int_equal(out[0], 0x06);
	cats_host_aead_free(other);
}

/* Any single difference in when, who or what is refused. */
static void test_everything_is_bound(void **state)
{
	const struct cats_frame_moment others[] = {
		{.epoch = 8, .inference = 3, .unit = 0x1234, .sender = 5},
		{.epoch = 7, .inference = 2, .unit = 0x1234, .sender = 5},
		{.epoch = 7, .inference = 3, .unit = 0x1235, .sender = 5},
		{.epoch = 7, .inference = 3, .unit = 0x1234, .sender = 4},
		{.epoch = 7, .inference = 3, .unit = 0x1234, .sender = 5, .beacon = true},
	};
	const uint8_t plain[20] = {1, 2, 3};
	uint8_t frame[CATS_FRAME_BYTES_MAX], opened[CATS_FRAME_BYTES_MAX];
	const uint32_t length = cats_frame_seal(frame, &aead, &moment, CATS_FRAME_DATA, plain, sizeof plain);

	(void)state;
	for (uint32_t i = 0; i < sizeof others / sizeof *others; i++) {
		uint8_t a[CATS_AEAD_NONCE_BYTES], b[CATS_AEAD_NONCE_BYTES];

		cats_frame_nonce(a, &moment);
		cats_frame_nonce(b, &others[i]);
		assert_memory_not_equal(a, b, sizeof a);
		if (!others[i].beacon)
			assert_int_equal(cats_frame_open(opened, &aead, &others[i], frame, sizeof plain),
					 CATS_FRAME_REFUSED_TAG);
	}
	/* Bits 2 to 7 of S0 are the sender, bound by the nonce; 0 and 1 are the kind, bound as associated data. */
	for (uint32_t bit = 16; bit < 8U * length; bit++) {
		frame[bit / 8U] = (uint8_t)(frame[bit / 8U] ^ 1U << bit % 8U);
		assert_int_equal(cats_frame_open(opened, &aead, &moment, frame, sizeof plain), CATS_FRAME_REFUSED_TAG);
		frame[bit / 8U] = (uint8_t)(frame[bit / 8U] ^ 1U << bit % 8U);
	}
	frame[0] ^= 1U;
	assert_int_equal(cats_frame_open(opened, &aead, &moment, frame, sizeof plain), CATS_FRAME_REFUSED_TAG);
	frame[0] ^= 1U;
	assert_int_equal(cats_frame_open(opened, &aead, &moment, frame, sizeof plain), 0);
}

static void test_lengths(void **state)
{
	uint8_t frame[CATS_FRAME_BYTES_MAX], plain[CATS_AEAD_PLAIN_MAX + 1U] = {0};
	struct cats_frame_moment parsed;
	uint32_t plain_bytes;

	(void)state;
	assert_int_equal(cats_frame_seal(frame, &aead, &moment, CATS_FRAME_DATA, plain, 0), 0);
	assert_int_equal(cats_frame_seal(frame, &aead, &moment, CATS_FRAME_DATA, plain, 252), 0);
	assert_int_equal(cats_frame_seal(frame, &aead, &moment, CATS_FRAME_DATA, plain, 251), 257);
	for (uint32_t bytes = 0; bytes <= 257; bytes++)
		if (bytes != 257)
			assert_true(cats_frame_parse(&parsed, &plain_bytes, frame, bytes) < 0);
	for (uint32_t kind = 0; kind < 4; kind++) {
		const uint32_t overhead = kind == CATS_FRAME_BEACON ? 18 : 6;

		frame[0] = (uint8_t)kind;
		for (uint32_t bytes = 2; bytes <= 257; bytes++) {
			frame[1] = (uint8_t)(bytes - 2U);
			assert_int_equal(cats_frame_parse(&parsed, &plain_bytes, frame, bytes),
					 bytes <= overhead ? CATS_FRAME_REFUSED_SHORT : 0);
			if (bytes > overhead)
				assert_int_equal(plain_bytes, bytes - overhead);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_published_vector),
		cmocka_unit_test(test_everything_is_bound),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: MIT */
/* Keys and addresses of a network. See network.h. */
#define _DEFAULT_SOURCE
#include "deploy/network.h"

#include <errno.h>
#include <mbedtls/aes.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/random.h"
#include "io/file.h"

#define KEY_FILE_MAX 4096U
#define ADVERTISING_ADDRESS 0x8E89BED6U
#define WHITE_SPACE " \t\r\n"

static uint32_t count_bits(uint32_t x)
{
	return (uint32_t)__builtin_popcount(x);
}

/* Bits that differ from the next higher one. */
static uint32_t transitions(uint32_t x)
{
	return (x ^ x >> 1) & 0x7FFFFFFFU;
}

/* Seven equal bits are six places without a transition in a row. */
static bool has_seven_equal(uint32_t x)
{
	const uint32_t same = ~transitions(x) & 0x7FFFFFFFU;

	return (same & same >> 1 & same >> 2 & same >> 3 & same >> 4 & same >> 5) != 0;
}

bool cats_network_address_good(uint32_t address)
{
	return !has_seven_equal(address) && count_bits(address ^ ADVERTISING_ADDRESS) > 1 &&
	       address != (address & 0xFFU) * 0x01010101U && count_bits(transitions(address)) <= 24 &&
	       count_bits(transitions(address) >> 26) >= 2;
}

/* From the key, so that who has the key has the address; by the cipher, so that the address tells nothing of the key.
 * CCM encrypts no block that begins like this one. */
static enum cats_status derive_address(struct cats_network *n, struct cats_error *error)
{
	uint8_t block[16] = {0xFF, 'a', 'd', 'd', 'r', 'e', 's', 's'}, secret[16];
	mbedtls_aes_context aes;
	int failed;

	mbedtls_aes_init(&aes);
	failed = mbedtls_aes_setkey_enc(&aes, n->key, 128);
	do {
		failed |= mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, block, secret);
		memcpy(&n->access_address, secret, sizeof n->access_address);
		block[15]++;
	} while (failed == 0 && block[15] != 0 && !cats_network_address_good(n->access_address));
	mbedtls_aes_free(&aes);
	mbedtls_platform_zeroize(secret, sizeof secret);
	if (failed != 0 || !cats_network_address_good(n->access_address))
		return cats_fail(error, CATS_ERR_MISMATCH, "the network's address cannot be made from its key");
	return CATS_OK;
}

static enum cats_status draw_key(uint8_t key[16], const uint64_t *seed, struct cats_error *error)
{
	if (seed == NULL) {
		if (getrandom(key, 16, 0) != 16)
			return cats_fail(error, CATS_ERR_IO, "the system's random source: %s; give --key",
					 strerror(errno));
		return CATS_OK;
	}
	for (uint32_t half = 0; half < 2; half++) {
		const uint64_t bits = cats_random_u64(cats_random_key(*seed, 1), half);

		memcpy(key + 8U * half, &bits, sizeof bits);
	}
	return CATS_OK;
}

enum cats_status cats_network_make(struct cats_network *out, uint8_t channel, const uint64_t *seed,
				   struct cats_error *error)
{
	enum cats_status status;

	*out = (struct cats_network){.channel = channel};
	status = draw_key(out->key, seed, error);
	return status < 0 ? status : derive_address(out, error);
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)((at - digits) % 16) : -1;
}

static enum cats_status parse_key(uint8_t key[16], const char *text, const char *path, struct cats_error *error)
{
	const char *first = text + strspn(text, WHITE_SPACE);
	const size_t count = strcspn(first, WHITE_SPACE);

	if (count != 32 || first[count + strspn(first + count, WHITE_SPACE)] != '\0')
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: key: must be 32 hexadecimal digits, 16 bytes, and nothing else", path);
	for (size_t i = 0; i < 16; i++) {
		const int high = digit(first[2 * i]), low = digit(first[2 * i + 1]);

		if (high < 0 || low < 0)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: key: digit %zu is not hexadecimal", path,
					 2 * i + (high < 0 ? 1 : 2));
		key[i] = (uint8_t)(high << 4 | low);
	}
	for (size_t i = 1; i < 16; i++)
		if (key[i] != key[0])
			return CATS_OK;
	return cats_fail(error, CATS_ERR_FORMAT, "%s: key: is one byte 16 times, which is no secret", path);
}

enum cats_status cats_network_read(struct cats_network *out, uint8_t channel, const char *path,
				   struct cats_error *error)
{
	uint8_t *text = NULL;
	size_t size = 0;
	enum cats_status status = cats_file_read(&text, &size, path, KEY_FILE_MAX, error);

	*out = (struct cats_network){.channel = channel};
	if (status < 0)
		return status;
	status = strlen((const char *)text) == size
			 ? parse_key(out->key, (const char *)text, path, error)
			 : cats_fail(error, CATS_ERR_FORMAT, "%s: key: must be 32 hexadecimal digits, not bytes", path);
	mbedtls_platform_zeroize(text, size);
	free(text);
	return status < 0 ? status : derive_address(out, error);
}

void cats_network_key_text(char text[CATS_NETWORK_KEY_TEXT], const struct cats_network *network)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i++) {
		text[2 * i] = digits[network->key[i] >> 4];
		text[2 * i + 1] = digits[network->key[i] & 15U];
	}
	memcpy(text + 32, "\n", 2);
}

struct cats_identity_page cats_network_identity(const struct cats_network *network, uint32_t node)
{
	struct cats_identity_page page = {
		.magic = CATS_IDENTITY_MAGIC,
		.version = CATS_IDENTITY_VERSION,
		.node = (uint16_t)node,
		.access_address = network->access_address,
		.channel = network->channel,
	};

	memcpy(page.key, network->key, sizeof page.key);
	page.crc32 = cats_identity_checksum(&page);
	return page;
}

/* SPDX-License-Identifier: MIT */
/* AES-CCM by Mbed TLS. See aead.h. */
#include "ports/host/aead.h"

#include <mbedtls/ccm.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>

struct cats_host_aead {
	mbedtls_ccm_context ccm;
};

struct cats_host_aead *cats_host_aead_create(const uint8_t key[CATS_AEAD_KEY_BYTES])
{
	struct cats_host_aead *aead = malloc(sizeof *aead);

	if (!aead)
		return NULL;
	mbedtls_ccm_init(&aead->ccm);
	if (mbedtls_ccm_setkey(&aead->ccm, MBEDTLS_CIPHER_ID_AES, key, 8U * CATS_AEAD_KEY_BYTES) != 0) {
		cats_host_aead_free(aead);
		return NULL;
	}
	return aead;
}

void cats_host_aead_free(struct cats_host_aead *aead)
{
	if (!aead)
		return;
	mbedtls_ccm_free(&aead->ccm);
	mbedtls_platform_zeroize(aead, sizeof *aead);
	free(aead);
}

static bool seal(void *context, uint8_t *sealed, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		 const uint8_t *plain, uint32_t bytes)
{
	struct cats_host_aead *aead = context;

	return mbedtls_ccm_encrypt_and_tag(&aead->ccm, bytes, nonce, CATS_AEAD_NONCE_BYTES, &header, 1, plain, sealed,
					   sealed + bytes, CATS_AEAD_TAG_BYTES) == 0;
}

static bool open(void *context, uint8_t *plain, const uint8_t nonce[CATS_AEAD_NONCE_BYTES], uint8_t header,
		 const uint8_t *sealed, uint32_t bytes)
{
	struct cats_host_aead *aead = context;

	return mbedtls_ccm_auth_decrypt(&aead->ccm, bytes, nonce, CATS_AEAD_NONCE_BYTES, &header, 1, sealed, plain,
					sealed + bytes, CATS_AEAD_TAG_BYTES) == 0;
}

struct cats_aead cats_host_aead_interface(struct cats_host_aead *aead)
{
	return (struct cats_aead){.seal = seal, .open = open, .context = aead};
}

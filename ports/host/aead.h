/* SPDX-License-Identifier: MIT */
/* net/aead.h on the host: Mbed TLS. */
#ifndef CATS_PORTS_HOST_AEAD_H
#define CATS_PORTS_HOST_AEAD_H

#include "core/status.h"
#include "net/aead.h"

/* Owned memory with the expanded key. One thread at a time. */
struct cats_host_aead;

/* NULL when memory or the library failed. */
CATS_MUST_CHECK struct cats_host_aead *cats_host_aead_create(const uint8_t key[CATS_AEAD_KEY_BYTES]);

/* Wipes the key. NULL is fine. */
void cats_host_aead_free(struct cats_host_aead *aead);

/* The interface; `aead` outlives it. */
struct cats_aead cats_host_aead_interface(struct cats_host_aead *aead);

#endif

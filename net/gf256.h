/* SPDX-License-Identifier: MIT */
/* Arithmetic in GF(256) = GF(2)[x] / (x^8 + x^4 + x^3 + x^2 + 1), generator x = 2. Freestanding. */
#ifndef CATS_NET_GF256_H
#define CATS_NET_GF256_H

#include <stdint.h>

uint8_t cats_gf256_multiply(uint8_t a, uint8_t b);

/* 1 / a. Requires a != 0. */
uint8_t cats_gf256_inverse(uint8_t a);

/* y += x. They must not overlap. Fastest where both lie at multiples of four. */
void cats_gf256_add(uint8_t *y, const uint8_t *x, uint32_t bytes);

/* y += c · x, elementwise. They must not overlap unless they are the same. */
void cats_gf256_add_scaled(uint8_t *y, const uint8_t *x, uint8_t c, uint32_t bytes);

/* y *= c. */
void cats_gf256_scale(uint8_t *y, uint8_t c, uint32_t bytes);

#endif

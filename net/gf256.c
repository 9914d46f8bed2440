/* SPDX-License-Identifier: MIT */
/* GF(256). See gf256.h. */
#include "net/gf256.h"

/* x^8 = x^4 + x^3 + x^2 + 1. */
#define REDUCTION 0x1dU

uint8_t cats_gf256_multiply(uint8_t a, uint8_t b)
{
	uint32_t product = 0, shifted = a;

	for (uint32_t left = b; left != 0; left >>= 1) {
		if (left & 1U)
			product ^= shifted;
		shifted = shifted << 1 ^ (shifted >> 7) * (0x100U | REDUCTION);
	}
	return (uint8_t)product;
}

uint8_t cats_gf256_inverse(uint8_t a)
{
	/* a^254 = a^(2 + 4 + … + 128): the multiplicative group has 255 elements. */
	uint8_t square = a, inverse = 1;

	for (uint32_t i = 0; i < 7; i++) {
		square = cats_gf256_multiply(square, square);
		inverse = cats_gf256_multiply(inverse, square);
	}
	return inverse;
}

/* Products of c with 0 … 255, each from half its index: 127 steps once, then one load a byte. */
static void products(uint8_t table[256], uint8_t c)
{
	table[0] = 0;
	table[1] = c;
	for (uint32_t i = 1; i < 128; i++) {
		const uint32_t twice = (uint32_t)table[i] << 1 ^ (uint32_t)(table[i] >> 7) * REDUCTION;

		table[2U * i] = (uint8_t)twice;
		table[2U * i + 1U] = (uint8_t)(twice ^ c);
	}
}

static void add(uint8_t *y, const uint8_t *x, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		y[i] = (uint8_t)(y[i] ^ x[i]);
}

void cats_gf256_add_scaled(uint8_t *y, const uint8_t *x, uint8_t c, uint32_t bytes)
{
	uint8_t table[256];

	if (c == 0)
		return;
	if (c == 1) {
		add(y, x, bytes);
		return;
	}
	products(table, c);
	for (uint32_t i = 0; i < bytes; i++)
		y[i] = (uint8_t)(y[i] ^ table[x[i]]);
}

void cats_gf256_scale(uint8_t *y, uint8_t c, uint32_t bytes)
{
	uint8_t table[256];

	products(table, c);
	for (uint32_t i = 0; i < bytes; i++)
		y[i] = table[y[i]];
}

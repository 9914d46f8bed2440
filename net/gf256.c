/* SPDX-License-Identifier: MIT */
/* GF(256). See gf256.h.
 *
 * Vectors are worked on a word at a time, at any alignment (one load or store on the Cortex-M4). Products by a constant
 * come from a table of 256 bytes that is made for each vector: entry 4 k + j is the sum of entries 4 k and j, so that
 * 64 words make it, each from one before. */
#include "net/gf256.h"

/* x^8 = x^4 + x^3 + x^2 + 1. */
#define REDUCTION 0x1dU

#define WORDS 64U

/* -ffreestanding makes of memcpy a call; of this, one instruction. */
static uint32_t load(const uint8_t *from)
{
	uint32_t word;

	__builtin_memcpy(&word, from, sizeof(word));
	return word;
}

static void store(uint8_t *to, uint32_t word)
{
	__builtin_memcpy(to, &word, sizeof(word));
}

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

static uint32_t twice(uint32_t a)
{
	return a << 1 ^ (a >> 7) * (0x100U | REDUCTION);
}

/* Products of c with 0 … 255, in the order of memory. */
static void products(uint32_t table[WORDS], uint32_t c)
{
	uint32_t step = twice(twice(c));

	table[0] = c << 8 | twice(c) << 16 | (twice(c) ^ c) << 24;
	table[1] = table[0] ^ step * 0x01010101U;
	step = twice(step);
	table[2] = table[0] ^ step * 0x01010101U;
	table[3] = table[1] ^ step * 0x01010101U;
	for (uint32_t done = 4; done < WORDS; done *= 2) {
		uint32_t all;

		step = twice(step);
		all = step * 0x01010101U;
		/* Four at a time: their loads and stores go together. */
		for (uint32_t k = 0; k < done; k += 4) {
			const uint32_t a = table[k], b = table[k + 1U], d = table[k + 2U], e = table[k + 3U];

			table[done + k] = a ^ all;
			table[done + k + 1U] = b ^ all;
			table[done + k + 2U] = d ^ all;
			table[done + k + 3U] = e ^ all;
		}
	}
}

/* 16 bytes at a time, both at multiples of four. */
#ifdef __ARM_FEATURE_DSP
static void add_blocks(uint8_t *y, const uint8_t *x, uint32_t blocks)
{
	/* 22 cycles each: what loads and stores of four words and four sums take. */
	__asm volatile("1:\n"
		       "ldmia %1!, {r4, r5, r6, r8}\n"
		       "ldmia %0, {r9, r10, r11, r12}\n"
		       "eor r4, r9\n"
		       "eor r5, r10\n"
		       "eor r6, r11\n"
		       "eor r8, r12\n"
		       "stmia %0!, {r4, r5, r6, r8}\n"
		       "subs %2, #1\n"
		       "bne 1b\n"
		       : "+r"(y), "+r"(x), "+r"(blocks)
		       :
		       : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "cc", "memory");
}
#else
static void add_blocks(uint8_t *y, const uint8_t *x, uint32_t blocks)
{
	for (uint32_t i = 0; i < 16U * blocks; i += 4U)
		store(y + i, load(y + i) ^ load(x + i));
}
#endif

void cats_gf256_add(uint8_t *y, const uint8_t *x, uint32_t bytes)
{
	const uint32_t blocks = ((uintptr_t)y | (uintptr_t)x) % 4U == 0 ? bytes / 16U : 0;

	if (blocks > 0)
		add_blocks(y, x, blocks);
	for (uint32_t i = 16U * blocks; i < bytes; i++)
		y[i] = (uint8_t)(y[i] ^ x[i]);
}

/* Four products. */
static uint32_t look_up(const uint8_t *table, uint32_t x)
{
	return table[x & 255U] | (uint32_t)table[x >> 8 & 255U] << 8 | (uint32_t)table[x >> 16 & 255U] << 16 |
	       (uint32_t)table[x >> 24] << 24;
}

void cats_gf256_add_scaled(uint8_t *y, const uint8_t *x, uint8_t c, uint32_t bytes)
{
	uint32_t words[WORDS];
	const uint8_t *table = (const uint8_t *)words;

	if (c == 0)
		return;
	if (c == 1) {
		cats_gf256_add(y, x, bytes);
		return;
	}
	products(words, c);
	for (; bytes >= 4; bytes -= 4, x += 4, y += 4)
		store(y, load(y) ^ look_up(table, load(x)));
	for (uint32_t i = 0; i < bytes; i++)
		y[i] = (uint8_t)(y[i] ^ table[x[i]]);
}

void cats_gf256_scale(uint8_t *y, uint8_t c, uint32_t bytes)
{
	uint32_t words[WORDS];
	const uint8_t *table = (const uint8_t *)words;

	products(words, c);
	for (; bytes >= 4; bytes -= 4, y += 4)
		store(y, look_up(table, load(y)));
	for (uint32_t i = 0; i < bytes; i++)
		y[i] = table[y[i]];
}

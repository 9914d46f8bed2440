/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers against constants computed outside the project, against SplitMix64 run as the
 * sequential generator that it was published as, and against what uniform bits must look like. */
#include "core/random.h"
#include "tests/cmocka.h"

struct known {
	uint64_t key, counter, value;
};

/* Computed with arbitrary-precision integers, reduced modulo 2^64 after every operation. */
static const struct known known_bits[] = {
	{0, 1, 0x48218226FF3CD4BFU},
	{1, 0, 0x83EC686C1600460AU},
	{1, 1, 0x5C52BD4054E958C9U},
	{0x0123456789ABCDEFU, 0x100000000U, 0x083F7E32C16A6C8AU},
	{UINT64_MAX, UINT64_MAX, 0xEECD27369F7EC29AU},
	{42, 1000000, 0x4A37F81A59B5CD19U},
};

static const struct known known_keys[] = {
	{0, 0, 0x9B88C3CDE6D7953DU},
	{0, 1, 0x7620A3D487E706DCU},
	{1, 0, 0x9822D2A888B3602BU},
	{7, 0x8000000000000000U, 0x2FC9981AB229509EU},
	{UINT64_MAX, UINT64_MAX, 0x9B080FC6D3CBE2CCU},
};

static void bits_are_the_known_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof known_bits / sizeof known_bits[0]; i++)
		assert_true(cats_random_u64(known_bits[i].key, known_bits[i].counter) == known_bits[i].value);
}

static void keys_are_the_known_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof known_keys / sizeof known_keys[0]; i++)
		assert_true(cats_random_key(known_keys[i].key, known_keys[i].counter) == known_keys[i].value);
	assert_true(cats_random_key(cats_random_key(cats_random_key(1, 2), 3), 4) == 0x72DC408CCC70A01BU);
}

/* Steele, Lea, Flood 2014, in the form of Vigna's splitmix64.c: state, then output. */
static uint64_t splitmix64(uint64_t *x)
{
	uint64_t z = (*x += 0x9E3779B97F4A7C15U);

	z ^= z >> 30;
	z *= 0xBF58476D1CE4E5B9U;
	z ^= z >> 27;
	z *= 0x94D049BB133111EBU;
	z ^= z >> 31;
	return z;
}

/* The value for (key, n) is one more output step on (the n-th output of SplitMix64 seeded with key) xor key. */
static void bits_are_splitmix64_twice(void **state)
{
	uint64_t published = 0;

	(void)state;
	assert_true(splitmix64(&published) == 0xE220A8397B1DCDAFU);
	assert_true(splitmix64(&published) == 0x6E789E6AA1B965F4U);
	for (uint64_t key = 0; key < 5; key++) {
		uint64_t sequence = key;

		for (uint64_t n = 1; n < 1000; n++) {
			uint64_t again = (splitmix64(&sequence) ^ key) - 0x9E3779B97F4A7C15U;

			assert_true(cats_random_u64(key, n) == splitmix64(&again));
		}
	}
}

typedef uint64_t draw_function(uint64_t counter);

static uint64_t by_counter(uint64_t counter)
{
	return cats_random_u64(12345, counter);
}

static uint64_t by_key(uint64_t counter)
{
	return cats_random_u64(cats_random_key(12345, counter), 0);
}

static uint64_t zeros(uint64_t counter)
{
	(void)counter;
	return 0;
}

static uint64_t counting(uint64_t counter)
{
	return counter;
}

static uint64_t stuck_bit(uint64_t counter)
{
	return by_counter(counter) | 0x100U;
}

/* 65,536 draws: each of the 64 bits is set 32,768 times, each pair of neighbouring draws' bits equal as often, and
 * each of 64 values of the upper bits is met 1,024 times, all within five standard deviations (128 and 31.75). */
static int looks_uniform(draw_function *draw)
{
	uint32_t set[64] = {0};
	uint32_t equal[64] = {0};
	uint32_t met[64] = {0};
	uint64_t previous = draw(UINT64_MAX);
	int good = 1;

	for (uint64_t i = 0; i < 65536; i++) {
		const uint64_t value = draw(i);
		const uint64_t same = ~(value ^ previous);

		for (unsigned bit = 0; bit < 64; bit++) {
			set[bit] += (uint32_t)(value >> bit & 1U);
			equal[bit] += (uint32_t)(same >> bit & 1U);
		}
		met[value >> 58]++;
		previous = value;
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		good &= set[bit] >= 32768 - 640 && set[bit] <= 32768 + 640;
		good &= equal[bit] >= 32768 - 640 && equal[bit] <= 32768 + 640;
		good &= met[bit] >= 1024 - 158 && met[bit] <= 1024 + 158;
	}
	return good;
}

static void bits_look_uniform(void **state)
{
	(void)state;
	assert_true(looks_uniform(by_counter));
	assert_true(looks_uniform(by_key));
	assert_false(looks_uniform(zeros));
	assert_false(looks_uniform(counting));
	assert_false(looks_uniform(stuck_bit));
}

/* v = floor(upper 32 bits * bound / 2^32), said without the division. */
static void below_scales_the_upper_bits(void **state)
{
	const uint32_t bounds[] = {1, 2, 3, 10, 60000, 0x80000000U, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
		uint32_t largest = 0;

		for (uint64_t n = 0; n < 10000; n++) {
			const uint64_t product = (cats_random_u64(9, n) >> 32) * bounds[i];
			const uint32_t value = cats_random_below(9, n, bounds[i]);

			assert_true(value < bounds[i]);
			assert_true((uint64_t)value << 32 <= product);
			assert_true(product - ((uint64_t)value << 32) < 0x100000000U);
			largest = value > largest ? value : largest;
		}
		assert_true(largest >= bounds[i] - bounds[i] / 100U - 1U); /* the whole range is used */
	}
}

static uint32_t events(uint64_t threshold_q32)
{
	uint32_t happened = 0;

	for (uint64_t n = 0; n < 65536; n++)
		happened += cats_random_event(77, n, threshold_q32) ? 1U : 0U;
	return happened;
}

static void events_happen_as_often_as_asked(void **state)
{
	const uint64_t one = (uint64_t)1 << 32;

	(void)state;
	assert_int_equal(events(0), 0);
	assert_int_equal(events(one), 65536);
	assert_in_range(events(one / 4U), 16384 - 554, 16384 + 554); /* five standard deviations of 110.9 */
	assert_in_range(events(one / 10U), 6554 - 384, 6554 + 384);  /* of 76.8 */
	assert_in_range(events(one / 10U * 9U), 58982 - 384, 58982 + 384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_the_known_ones),     cmocka_unit_test(keys_are_the_known_ones),
		cmocka_unit_test(bits_are_splitmix64_twice),   cmocka_unit_test(bits_look_uniform),
		cmocka_unit_test(below_scales_the_upper_bits), cmocka_unit_test(events_happen_as_often_as_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Packet arithmetic against cutting bytes one after the other, for every small case and at the extremes. */
#include "tests/cmocka.h"

#include "net/packet.h"

/* Puts tokens into packets as semantics.md says, byte by byte; returns the packets used. Notes each token's first
 * packet and how many it spans. */
static uint32_t cut(uint32_t *first, uint32_t *span, uint32_t columns, uint32_t tokens, uint32_t payload)
{
	uint32_t packets = 0;
	uint32_t room = 0;

	for (uint32_t t = 0; t < tokens; t++) {
		if (room < columns) { /* a token shares a packet only if it fits it whole */
			packets++;
			room = payload;
		}
		first[t] = packets - 1;
		span[t] = 1;
		for (uint32_t c = 0; c < columns; c++) {
			if (room == 0) {
				packets++;
				span[t]++;
				room = payload;
			}
			room--;
		}
		if (columns > payload)
			room = 0; /* the next token begins its own packets */
	}
	return packets;
}

static void test_every_small_case(void **state)
{
	(void)state;
	for (uint32_t payload = 1; payload <= 9; payload++)
		for (uint32_t columns = 1; columns <= 20; columns++)
			for (uint32_t tokens = 1; tokens <= 12; tokens++) {
				uint32_t first[12];
				uint32_t span[12];
				const uint32_t wanted = cut(first, span, columns, tokens, payload);
				const struct cats_packets got = cats_packets_of(columns, tokens, payload);

				assert_int_equal(got.count, wanted);
				for (uint32_t t = 0; t < tokens; t++) {
					assert_int_equal(cats_packet_first(&got, t), first[t]);
					assert_int_equal(got.packets_per_token, span[t]);
				}
			}
}

/* The figures of the model in the README: 26 tokens, 8 columns a device, 16 hidden units. */
static void test_real_sizes(void **state)
{
	struct cats_packets p = cats_packets_of(8, 26, CATS_PACKET_PAYLOAD_BYTES);

	(void)state;
	assert_int_equal(p.tokens_per_packet, 30);
	assert_int_equal(p.count, 1);
	p = cats_packets_of(16, 26, CATS_PACKET_PAYLOAD_BYTES);
	assert_int_equal(p.tokens_per_packet, 15);
	assert_int_equal(p.count, 2);
	assert_int_equal(cats_packet_first(&p, 14), 0);
	assert_int_equal(cats_packet_first(&p, 15), 1);
	p = cats_packets_of(240, 26, CATS_PACKET_PAYLOAD_BYTES);
	assert_int_equal(p.count, 26);
	p = cats_packets_of(241, 26, CATS_PACKET_PAYLOAD_BYTES);
	assert_int_equal(p.packets_per_token, 2);
	assert_int_equal(p.count, 52);
	assert_int_equal(cats_packet_first(&p, 25), 50);
}

static void test_nothing_sent(void **state)
{
	const struct cats_packets no_columns = cats_packets_of(0, 26, 240);
	const struct cats_packets no_tokens = cats_packets_of(8, 0, 240);

	(void)state;
	assert_int_equal(no_columns.count | no_columns.tokens_per_packet | no_columns.packets_per_token, 0);
	assert_int_equal(no_tokens.count | no_tokens.tokens_per_packet | no_tokens.packets_per_token, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_small_case),
		cmocka_unit_test(test_real_sizes),
		cmocka_unit_test(test_nothing_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

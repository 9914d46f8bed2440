/* SPDX-License-Identifier: MIT */
/* CCM and ECB: their bytes against ports/host, their time, and CCM beside RADIO. */
#include <string.h>

#include "core/random.h"
#include "emulator/ccm.h"
#include "ports/host/aead.h"
#include "tests/cmocka.h"
#include "tests/emulator/radio_fixture.h"

#define US UINT64_C(64)
#define BYTE (4U * US)
#define AES_BLOCK UINT64_C(461)
#define BYTE_TIME UINT64_C(57)
#define SEED UINT64_C(20251125)

#define CONFIGURATION 0x20011000U
#define IN 0x20011100U
#define OUT 0x20011300U
#define SCRATCH 0x20011500U

#define KSGEN CCM(0x000U, 1)
#define CRYPT CCM(0x004U, 1)
#define ENDKSGEN (CATS_CCM_BASE + 0x100U)
#define ENDCRYPT (CATS_CCM_BASE + 0x104U)
#define MICSTATUS (CATS_CCM_BASE + 0x400U)
#define ENCRYPT 0x01010000U
#define DECRYPT 0x01010001U
#define CCM_SHORT CCM(0x200U, 1)
#define CCM_SET_UP(mode, in, out)                                                                         \
	CCM(0x500U, 2), CCM(0x504U, mode), CCM(0x508U, CONFIGURATION), CCM(0x50CU, in), CCM(0x510U, out), \
		CCM(0x514U, SCRATCH), CCM_SHORT
#define NO_DIRECTION WRITE(CONFIGURATION + 24U, 0) /* RAM is painted otherwise */
#define PPI_ENABLE(bits) WRITE(CATS_PPI_BASE + 0x504U, bits)
#define PPI_READY_KSGEN (1U << 24)
#define PPI_ADDRESS_CRYPT (1U << 25)

/* One frame in both forms. */
struct sample {
	uint8_t key[16], nonce[13], header;
	uint32_t length; /* of the plaintext */
	uint8_t plain[251], sealed[255];
};

static void draw(struct sample *s, uint64_t number, uint32_t length)
{
	const uint64_t key = cats_random_key(SEED, number);
	struct cats_host_aead *aead;

	for (uint32_t i = 0; i < 16; i++)
		s->key[i] = (uint8_t)cats_random_u64(key, i);
	for (uint32_t i = 0; i < 13; i++)
		s->nonce[i] = (uint8_t)cats_random_u64(key, 20 + i);
	s->header = (uint8_t)cats_random_u64(key, 40);
	s->length = length;
	for (uint32_t i = 0; i < length; i++)
		s->plain[i] = (uint8_t)cats_random_u64(key, 50 + i);
	aead = cats_host_aead_create(s->key);
	assert_non_null(aead);
	assert_true(
		cats_host_aead_interface(aead).seal(aead, s->sealed, s->nonce, s->header & 0xE3U, s->plain, length));
	cats_host_aead_free(aead);
}

/* net/aead.h: of the nonce, 39 bits of counter, the direction, the IV. */
static void configure(struct radio_fixture *f, const struct sample *s)
{
	uint8_t bytes[33] = {0};

	memcpy(bytes, s->key, 16);
	memcpy(bytes + 16, s->nonce, 5);
	bytes[20] &= 0x7FU;
	bytes[24] = s->nonce[4] >> 7;
	memcpy(bytes + 25, s->nonce + 5, 8);
	radio_fixture_poke(f, CONFIGURATION, bytes, sizeof bytes);
}

static void put(struct radio_fixture *f, uint32_t at, uint8_t header, const uint8_t *payload, uint32_t length)
{
	radio_fixture_poke(f, at, (const uint8_t[]){header, (uint8_t)length, 0xAA}, 3);
	radio_fixture_poke(f, at + 3, payload, length);
}

static void expect_packet(struct radio_fixture *f, uint32_t at, uint8_t header, const uint8_t *payload, uint32_t length)
{
	const uint8_t head[3] = {header, (uint8_t)length, 0};

	assert_memory_equal(radio_fixture_peek(f, at, 3), head, 3);
	assert_memory_equal(radio_fixture_peek(f, at + 3, length), payload, length);
}

static void bytes_are_those_of_the_host(void **state)
{
	static const uint32_t lengths[] = {1, 2, 15, 16, 17, 27, 28, 100, 250, 251};
	struct radio_fixture f;
	struct sample s;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)SEED);
	radio_fixture_open(&f);
	for (uint32_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		draw(&s, i, lengths[i]);
		configure(&f, &s);
		put(&f, IN, s.header, s.plain, s.length);
		CHIP_RUN(&f.c, CCM_SET_UP(ENCRYPT, IN, OUT), WRITE(ENDCRYPT, 0), KSGEN, AWAIT(ENDCRYPT));
		expect_packet(&f, OUT, s.header, s.sealed, s.length + 4);
		CHIP_RUN(&f.c, CCM_SET_UP(DECRYPT, OUT, IN), WRITE(ENDCRYPT, 0), KSGEN, AWAIT(ENDCRYPT),
			 READ(MICSTATUS));
		expect_packet(&f, IN, s.header, s.plain, s.length);
		assert_int_equal(f.c.told.read[0], 1);
	}
	radio_fixture_close(&f);
}

/* One bit of ciphertext, tag, nonce, key or the authenticated part of the header; the rest of the header is free. */
static void a_changed_bit_is_noticed(void **state)
{
	struct radio_fixture f;
	struct sample s;

	(void)state;
	radio_fixture_open(&f);
	for (uint32_t i = 0; i < 8; i++) {
		draw(&s, i, 40);
		s.sealed[13] ^= i == 0 ? 1U : 0;
		s.sealed[43] ^= i == 1 ? 0x80U : 0;
		s.nonce[0] ^= i == 2 ? 1U : 0;
		s.nonce[4] ^= i == 3 ? 0x80U : 0;
		s.nonce[12] ^= i == 4 ? 1U : 0;
		s.key[15] ^= i == 5 ? 1U : 0;
		s.header ^= i == 6 ? 1U : i == 7 ? 0x1CU : 0;
		configure(&f, &s);
		put(&f, IN, s.header, s.sealed, 44);
		CHIP_RUN(&f.c, CCM_SET_UP(DECRYPT, IN, OUT), WRITE(ENDCRYPT, 0), KSGEN, AWAIT(ENDCRYPT),
			 READ(MICSTATUS));
		assert_int_equal(f.c.told.read[0], i == 7 ? 1 : 0);
	}
	radio_fixture_close(&f);
}

static void degenerate_packets_end(void **state)
{
	struct radio_fixture f;
	struct sample s;

	(void)state;
	radio_fixture_open(&f);
	draw(&s, 0, 1);
	configure(&f, &s);
	put(&f, IN, 0x02, s.plain, 0); /* empty: as it is */
	CHIP_RUN(&f.c, CCM_SET_UP(ENCRYPT, IN, OUT), KSGEN, AWAIT(ENDCRYPT));
	expect_packet(&f, OUT, 0x02, s.plain, 0);
	for (uint32_t length = 1; length <= 4; length++) { /* nothing but part of a tag, or a tag */
		put(&f, IN, 0x02, s.sealed, length);
		CHIP_RUN(&f.c, CCM_SET_UP(DECRYPT, IN, OUT), WRITE(ENDCRYPT, 0), KSGEN, AWAIT(ENDCRYPT),
			 READ(MICSTATUS));
		assert_int_equal(f.c.told.read[0], 0);
	}
	radio_fixture_close(&f);
}

/* When an event of CCM happens, while the processor sleeps. */
static uint64_t time_of(struct radio_fixture *f, uint32_t event)
{
	const uint64_t end = cats_chip_now(f->c.chip) + 5000 * US;
	uint64_t time = cats_chip_now(f->c.chip);

	while ((f->ccm->events >> event & 1U) == 0 && time < end)
		assert_false(chip_fixture_go_on(&f->c, ++time));
	assert_true(time < end);
	return time;
}

static void it_takes_its_time(void **state)
{
	struct radio_fixture f;
	struct sample s;
	uint64_t keys;

	(void)state;
	radio_fixture_open(&f);
	draw(&s, 0, 100);
	configure(&f, &s);
	put(&f, IN, s.header, s.plain, s.length);
	RADIO_SLEEPS(&f, CCM_SET_UP(ENCRYPT, IN, OUT), KSGEN, SLEEP);
	keys = time_of(&f, 0);
	assert_int_equal(f.ccm->events, 1);
	assert_int_equal(time_of(&f, 1) - keys, 2 * BYTE_TIME + 2 * AES_BLOCK + 99 * BYTE_TIME + 3 * AES_BLOCK);
	radio_fixture_close(&f);
}

static void it_may_keep_to_the_data_rate(void **state)
{
	struct radio_fixture f;
	struct sample s;
	uint64_t keys;

	(void)state;
	radio_fixture_open(&f);
	cats_ccm_keep_rate(f.ccm);
	draw(&s, 0, 100);
	configure(&f, &s);
	put(&f, IN, s.header, s.plain, s.length);
	RADIO_SLEEPS(&f, CCM_SET_UP(ENCRYPT, IN, OUT), KSGEN, SLEEP);
	keys = time_of(&f, 0);
	assert_int_equal(time_of(&f, 1) - keys, 2 * BYTE + 2 * AES_BLOCK + 99 * BYTE + 3 * AES_BLOCK);
	expect_packet(&f, OUT, s.header, s.sealed, s.length + 4);
	radio_fixture_close(&f);
}

/* ---- Beside RADIO ---- */

#define SENDS_SEALED HFXO, BLE_2M, PACKETPTR(PACKET), SHORTS(READY_START | END_DISABLE), CCM_SET_UP(ENCRYPT, IN, PACKET)

static void a_frame_is_sealed_while_it_is_sent(void **state)
{
	struct radio_fixture f;
	struct sample s;

	(void)state;
	radio_fixture_open(&f);
	draw(&s, 0, 251);
	configure(&f, &s);
	put(&f, IN, s.header, s.plain, s.length);
	RADIO_SLEEPS(&f, SENDS_SEALED, KSGEN, TXEN, SLEEP);
	assert_false(chip_fixture_go_on(&f.c, cats_chip_now(f.c.chip) + 1300 * US));
	assert_int_equal(f.sent_bytes, 257);
	assert_int_equal(f.sent[0], s.header);
	assert_int_equal(f.sent[1], 255);
	assert_memory_equal(f.sent + 2, s.sealed, 255);
	radio_fixture_close(&f);
}

static void a_frame_that_is_sealed_too_late_is_refused(void **state)
{
	const struct script_line lines[] = {SENDS_SEALED, PPI_ENABLE(PPI_READY_KSGEN), NO_DIRECTION, TXEN, SLEEP};

	(void)state;
	chip_fixture_refuses("RADIO: the byte at 0x20010000 is due on air before CCM has written it", lines,
			     sizeof lines / sizeof *lines);
}

/* From ADDRESS on it takes every byte as soon as it is there: 11 us after the frame's END it has ended. */
static void a_frame_is_opened_while_it_arrives(void **state)
{
	struct radio_fixture f;
	struct sample s;
	uint8_t pdu[257];
	uint64_t end;

	(void)state;
	radio_fixture_open(&f);
	draw(&s, 0, 251);
	configure(&f, &s);
	pdu[0] = s.header;
	pdu[1] = 255;
	memcpy(pdu + 2, s.sealed, 255);
	RADIO_SLEEPS(&f, HFXO, BLE_2M, PACKETPTR(PACKET), SHORTS(READY_START), CCM_SET_UP(DECRYPT, PACKET, OUT),
		     CCM(0x200U, 0), PPI_ENABLE(PPI_ADDRESS_CRYPT), KSGEN, RXEN, SLEEP);
	assert_false(chip_fixture_go_on(&f.c, cats_chip_now(f.c.chip) + 100 * US));
	f.heard = pdu;
	f.address = f.listened + 200 * US;
	cats_radio_look_up(f.radio);
	end = f.address + (257 + 3) * BYTE;
	assert_int_equal(time_of(&f, 1), end - 3 * BYTE + BYTE_TIME + 3 * AES_BLOCK);
	assert_true(f.radio->events & END);
	expect_packet(&f, OUT, s.header, s.plain, 251);
	radio_fixture_close(&f);
}

static void a_frame_that_is_opened_too_early_is_refused(void **state)
{
	const struct script_line lines[] = {HFXO,
					    BLE_2M,
					    PACKETPTR(PACKET),
					    SHORTS(READY_START),
					    CCM_SET_UP(DECRYPT, PACKET, OUT),
					    RXEN,
					    AWAIT(CATS_RADIO_BASE + 0x100U),
					    NO_DIRECTION,
					    KSGEN,
					    SLEEP};

	(void)state;
	chip_fixture_refuses("CCM: the byte at 0x20010000 is wanted before RADIO has begun to receive it", lines,
			     sizeof lines / sizeof *lines);
}

static void what_it_would_not_do_is_refused(void **state)
{
#define REFUSES(text, ...) CHIP_REFUSES("CCM: " text, WRITE(IN, 0x0500), __VA_ARGS__)
#define SET_UP CCM_SET_UP(ENCRYPT, IN, OUT), NO_DIRECTION
	(void)state;
	REFUSES("TASKS_KSGEN while ENABLE is not 2", KSGEN);
	REFUSES("ENABLE: 3: only 0 and 2", CCM(0x500U, 3));
	REFUSES("TASKS_CRYPT without a key stream of its own", SET_UP, CRYPT);
	REFUSES("TASKS_CRYPT without a key stream of its own", SET_UP, KSGEN, AWAIT(ENDCRYPT), CRYPT);
	REFUSES("TASKS_CRYPT while it is busy", SET_UP, KSGEN, CRYPT);
	REFUSES("TASKS_KSGEN while it is busy", SET_UP, KSGEN, AWAIT(ENDKSGEN), KSGEN);
	REFUSES("INPTR is written while it is busy", SET_UP, KSGEN, CCM(0x50CU, IN));
	REFUSES("MODE: 0x00010000: only extended length", SET_UP, CCM(0x504U, 0x00010000U), KSGEN);
	REFUSES("MODE: 0x01000000: only extended length at 2 Mbit/s", SET_UP, CCM(0x504U, 0x01000000U), KSGEN);
	REFUSES("MAXPACKETSIZE: 252 is not from 27 to 251", SET_UP, CCM(0x518U, 252), KSGEN);
	REFUSES("a packet of 28 bytes is longer than MAXPACKETSIZE 27", SET_UP, WRITE(IN, 28U << 8), CCM(0x518U, 27),
		KSGEN, SLEEP);
	REFUSES("a packet of 252 bytes is longer than MAXPACKETSIZE 251", SET_UP, WRITE(IN, 252U << 8), KSGEN, SLEEP);
	REFUSES("CNFPTR: 33 bytes at 0x2003ffe0 do not lie in RAM", SET_UP, CCM(0x508U, 0x2003FFE0U), KSGEN);
	REFUSES("CNFPTR: 0x02 in byte 24", SET_UP, WRITE(CONFIGURATION + 24U, 2), KSGEN);
	REFUSES("SCRATCHPTR: 267 bytes at 0x2003ff00 do not lie in RAM", SET_UP, CCM(0x514U, 0x2003FF00U), KSGEN);
	REFUSES("INPTR: 1 bytes at 0x00001000 do not lie in RAM", SET_UP, CCM(0x50CU, 0x1000U), KSGEN, SLEEP);
	REFUSES("OUTPTR: 1 bytes at 0x00001000 do not lie in RAM", SET_UP, CCM(0x510U, 0x1000U), KSGEN, SLEEP);
	REFUSES("a read of 0x408", READ(CATS_CCM_BASE + 0x408U));
	REFUSES("0x00000001 written to 0x00c", SET_UP, CCM(0x00CU, 1));
#undef REFUSES
}

/* ---- ECB ---- */

#define ECB(offset, value) WRITE(CATS_ECB_BASE + (offset), value)
#define ENDECB (CATS_ECB_BASE + 0x100U)
#define ERRORECB (CATS_ECB_BASE + 0x104U)

/* FIPS 197, appendix C.1. */
static void ecb_is_aes(void **state)
{
	static const uint8_t expected[16] = {0x69, 0xC4, 0xE0, 0xD8, 0x6A, 0x7B, 0x04, 0x30,
					     0xD8, 0xCD, 0xB7, 0x80, 0x70, 0xB4, 0xC5, 0x5A};
	struct radio_fixture f;
	uint8_t data[48] = {0};

	(void)state;
	for (uint32_t i = 0; i < 16; i++) {
		data[i] = (uint8_t)i;
		data[16 + i] = (uint8_t)(0x11 * i);
	}
	radio_fixture_open(&f);
	radio_fixture_poke(&f, IN, data, sizeof data);
	CHIP_RUN(&f.c, ECB(0x504U, IN), ECB(0x000U, 1), READ(ENDECB), AWAIT(ENDECB), READ(ERRORECB));
	assert_memory_equal(radio_fixture_peek(&f, IN + 32, 16), expected, 16);
	assert_int_equal(f.c.told.read[0], 0);
	assert_int_equal(f.c.told.read[1], 0);
	assert_in_range(f.c.ended - f.c.began, AES_BLOCK, AES_BLOCK + 400);
	radio_fixture_close(&f);
}

static void ecb_gives_way_to_ccm(void **state)
{
	struct radio_fixture f;
	struct sample s;

	(void)state;
	radio_fixture_open(&f);
	draw(&s, 0, 20);
	configure(&f, &s);
	put(&f, IN, s.header, s.plain, s.length);
	CHIP_RUN(&f.c, ECB(0x504U, SCRATCH), CCM_SET_UP(ENCRYPT, IN, OUT), ECB(0x000U, 1), KSGEN, READ(ERRORECB),
		 WRITE(ERRORECB, 0), ECB(0x000U, 1), READ(ERRORECB), AWAIT(ENDCRYPT), READ(ENDECB));
	assert_int_equal(f.c.told.read[0], 1);
	assert_int_equal(f.c.told.read[1], 1);
	assert_int_equal(f.c.told.read[2], 0);
	expect_packet(&f, OUT, s.header, s.sealed, s.length + 4);
	radio_fixture_close(&f);
	CHIP_REFUSES("ECB: ECBDATAPTR: 48 bytes at 0x00000000 do not lie in RAM", ECB(0x000U, 1));
	CHIP_REFUSES("ECB: a read of 0x508", READ(CATS_ECB_BASE + 0x508U));
	CHIP_REFUSES("ECB: TASKS_STARTECB while it is busy", ECB(0x504U, IN), ECB(0x000U, 1), ECB(0x000U, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_those_of_the_host),
		cmocka_unit_test(a_changed_bit_is_noticed),
		cmocka_unit_test(degenerate_packets_end),
		cmocka_unit_test(it_takes_its_time),
		cmocka_unit_test(it_may_keep_to_the_data_rate),
		cmocka_unit_test(a_frame_is_sealed_while_it_is_sent),
		cmocka_unit_test(a_frame_that_is_sealed_too_late_is_refused),
		cmocka_unit_test(a_frame_is_opened_while_it_arrives),
		cmocka_unit_test(a_frame_that_is_opened_too_early_is_refused),
		cmocka_unit_test(what_it_would_not_do_is_refused),
		cmocka_unit_test(ecb_is_aes),
		cmocka_unit_test(ecb_gives_way_to_ccm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Blocks of pcapng (draft-ietf-opsawg-pcapng). See pcapng.h. */
#include "sim/pcapng.h"

#include <string.h>

#define LINKTYPE_LE_LL_WITH_PHDR 256U
#define SECTION_HEADER 0x0A0D0D0AU
#define INTERFACE_DESCRIPTION 1U
#define ENHANCED_PACKET 6U
#define OPTION_END 0U
#define OPTION_IF_NAME 2U
#define OPTION_IF_TSRESOL 9U
#define OPTION_EPB_FLAGS 2U
#define NANOSECONDS 9U /* time stamps count 10^-9 s */
#define INBOUND 1U
#define OUTBOUND 2U

/* Of LE_LL_WITH_PHDR: dewhitened, signal power valid, reference access address valid, CRC checked, LE 2M PHY. */
#define FLAGS (0x0001U | 0x0002U | 0x0010U | 0x0400U | 0x4000U)
#define FLAG_CRC_VALID 0x0800U

#define BLOCK_BYTES_MAX 1024U

/* One block in the making. */
struct block {
	uint8_t bytes[BLOCK_BYTES_MAX];
	uint32_t length;
};

static void put(struct block *b, const void *bytes, uint32_t count)
{
	if (count > 0)
		memcpy(b->bytes + b->length, bytes, count);
	b->length += count;
}

static void put_number(struct block *b, uint64_t value, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		b->bytes[b->length++] = (uint8_t)(value >> (8 * i));
}

static void pad(struct block *b)
{
	while (b->length % 4)
		b->bytes[b->length++] = 0;
}

static void begin(struct block *b, uint32_t type)
{
	b->length = 0;
	put_number(b, type, 4);
	put_number(b, 0, 4); /* the length, when it is known */
}

static void end(FILE *out, struct block *b)
{
	const uint32_t length = b->length + 4;

	put_number(b, length, 4);
	for (uint32_t i = 0; i < 4; i++)
		b->bytes[4 + i] = (uint8_t)(length >> (8 * i));
	fwrite(b->bytes, 1, b->length, out);
}

static void put_option(struct block *b, uint32_t code, const void *value, uint32_t bytes)
{
	put_number(b, code, 2);
	put_number(b, bytes, 2);
	put(b, value, bytes);
	pad(b);
}

void cats_pcapng_begin(FILE *out, uint32_t nodes)
{
	struct block b;

	begin(&b, SECTION_HEADER);
	put_number(&b, 0x1A2B3C4D, 4);
	put_number(&b, 1, 2);
	put_number(&b, 0, 2);
	put_number(&b, UINT64_MAX, 8); /* length of the section: not said */
	end(out, &b);
	for (uint32_t i = 0; i < nodes; i++) {
		const uint8_t resolution = NANOSECONDS;
		char name[16];
		const int length = snprintf(name, sizeof name, "node %u", i);

		begin(&b, INTERFACE_DESCRIPTION);
		put_number(&b, LINKTYPE_LE_LL_WITH_PHDR, 2);
		put_number(&b, 0, 2);
		put_number(&b, 0, 4); /* no limit of length */
		put_option(&b, OPTION_IF_NAME, name, (uint32_t)length);
		put_option(&b, OPTION_IF_TSRESOL, &resolution, 1);
		put_option(&b, OPTION_END, NULL, 0);
		end(out, &b);
	}
}

uint32_t cats_pcapng_crc24(const uint8_t *pdu, uint32_t bytes)
{
	uint32_t crc = 0xAAAAAA; /* 0x555555 with its bits in the order of the air */

	for (uint32_t i = 0; i < bytes; i++) {
		crc ^= pdu[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1U ? crc >> 1 ^ 0xDA6000U : crc >> 1; /* 0x00065B likewise */
	}
	return crc;
}

static void put_frame(struct block *b, const struct cats_transmission *frame, enum cats_reception result, double dbm)
{
	const bool right = result == CATS_RECEIVED;
	const uint32_t crc = cats_pcapng_crc24(frame->pdu, frame->bytes);

	put_number(b, CATS_PCAPNG_RF_CHANNEL, 1);
	put_number(b, (uint8_t)(int8_t)(dbm < -127 ? -127 : dbm), 1);
	put_number(b, 0x80, 1); /* noise and address errors: not told */
	put_number(b, 0, 1);
	put_number(b, CATS_PCAPNG_ACCESS_ADDRESS, 4);
	put_number(b, FLAGS | (right ? FLAG_CRC_VALID : 0), 2);
	put_number(b, CATS_PCAPNG_ACCESS_ADDRESS, 4);
	put(b, frame->pdu, frame->bytes);
	put_number(b, right ? crc : ~crc, 3);
}

void cats_pcapng_packet(FILE *out, const struct cats_transmission *frame, uint32_t node, enum cats_reception result,
			double dbm)
{
	const uint64_t nanoseconds = (uint64_t)frame->start * 1000U / (uint64_t)CATS_TIME_US;
	const uint32_t length = 10 + 4 + frame->bytes + 3;
	const uint32_t direction = node == frame->sender ? OUTBOUND : INBOUND;
	struct block b;

	begin(&b, ENHANCED_PACKET);
	put_number(&b, node, 4);
	put_number(&b, nanoseconds >> 32, 4);
	put_number(&b, nanoseconds, 4);
	put_number(&b, length, 4);
	put_number(&b, length, 4);
	put_frame(&b, frame, result, dbm);
	pad(&b);
	put_option(&b, OPTION_EPB_FLAGS, (const uint8_t[4]){(uint8_t)direction}, 4);
	put_option(&b, OPTION_END, NULL, 0);
	end(out, &b);
}

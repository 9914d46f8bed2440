/* SPDX-License-Identifier: MIT */
/* Frames from the air: any bytes, at any time, at any stage of a gather, half of them with a right tag. Whatever comes,
 * the protocol stays inside its memory, keeps giving actions that do not lie in the past, and its account of packets is
 * the store's. The "cipher" here only adds up bytes: a fuzzer could not guess AES. */
#include <stdlib.h>
#include <string.h>

#include "net/protocol.h"

#define DEVICES 4U
#define SITES 3U
#define ROWS 8U

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct bench {
	uint8_t there[DEVICES][8];
	bool open;
};

static uint8_t sum_of(const uint8_t *nonce, uint8_t header, const uint8_t *bytes, uint32_t count)
{
	uint32_t sum = header;

	for (uint32_t i = 0; i < CATS_AEAD_NONCE_BYTES; i++)
		sum = 31U * sum + nonce[i];
	for (uint32_t i = 0; i < count; i++)
		sum = 31U * sum + bytes[i];
	return (uint8_t)(sum & 1U);
}

static bool seal(void *context, uint8_t *sealed, const uint8_t *nonce, uint8_t header, const uint8_t *plain,
		 uint32_t count)
{
	(void)context;
	memmove(sealed, plain, count);
	memset(sealed + count, sum_of(nonce, header, sealed, count), CATS_AEAD_TAG_BYTES);
	return true;
}

static bool open(void *context, uint8_t *plain, const uint8_t *nonce, uint8_t header, const uint8_t *sealed,
		 uint32_t count)
{
	(void)context;
	memmove(plain, sealed, count);
	return (sealed[count] & 1U) == sum_of(nonce, header, sealed, count);
}

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	(void)context;
	*out = (struct cats_net_site){.compute_us = 500, .tokens = 6, .payload_max = 16, .receivers = 15};
	if (number == 0) {
		out->token_bytes[1] = 5;
		out->receivers = 13;
	} else if (number == 1) {
		for (uint32_t i = 0; i < DEVICES; i++)
			out->token_bytes[i] = (uint16_t)(3U * i);
	} else {
		out->receivers = 2;
		out->token_bytes[0] = out->token_bytes[2] = 4;
	}
	return number < SITES;
}

static uint32_t read(void *context, uint8_t *payload, uint8_t sender, uint16_t packet)
{
	const struct bench *b = context;
	struct cats_net_layout layout;
	struct cats_net_site site;

	(void)b;
	(void)site_of(NULL, &site, 1);
	if (!cats_net_layout_of(&layout, &site, DEVICES) || sender >= DEVICES ||
	    layout.first[sender] + packet >= layout.first[sender + 1U])
		return 0;
	const uint32_t count = cats_net_packet_bytes(&layout, &site, (uint32_t)layout.first[sender] + packet);
	memset(payload, sender, count);
	return count;
}

static bool write(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t count)
{
	struct bench *b = context;

	if (sender >= DEVICES || packet >= 8U || count == 0 || count > 16U || b->there[sender][packet])
		abort();
	b->there[sender][packet] = payload[count - 1U] | 1U;
	return true;
}

static void step(struct cats_net *net, struct bench *b, uint64_t *now_us)
{
	struct cats_net_action action;

	for (uint32_t i = 0; i < 8; i++) {
		cats_net_next(&action, net, *now_us);
		if (action.kind == CATS_NET_EPOCH) {
			cats_net_epoch_stored(net, action.epoch);
		} else if (action.kind == CATS_NET_OPENED || action.kind == CATS_NET_ENDED) {
			memset(b->there, 0, sizeof b->there);
			cats_net_ready(net, action.kind == CATS_NET_OPENED ? 0 : (uint16_t)(action.site + 1U),
				       CATS_NET_ALL_OWN);
		} else if (action.kind == CATS_NET_TRANSMIT) {
			if (action.at_us < *now_us || action.frame_bytes < 3U ||
			    action.frame_bytes > CATS_FRAME_BYTES_MAX)
				abort();
			*now_us = action.at_us;
		} else if (action.kind != CATS_NET_CLOSED) {
			if (action.until_us <= *now_us)
				abort();
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct cats_repair_row rows[ROWS];
	static struct cats_net net;
	struct bench b = {.open = true};
	uint64_t now_us = 1000000;
	const struct cats_net_config config = {
		.self = 2,
		.devices = DEVICES,
		.source = 1,
		.sites = SITES,
		.plan = 0x41414141U,
		.site = site_of,
		.aead = {.seal = seal, .open = open},
		.store = {.read = read, .write = write, .context = &b},
		.rows = rows,
		.row_count = ROWS,
	};

	if (!cats_net_init(&net, &config))
		abort();
	/* Each record: 2 bytes of time in 8 µs, then a frame as long as its LENGTH says, or as there is. */
	while (size >= 4) {
		const uint32_t length = 2U + bytes[3];
		uint8_t frame[CATS_FRAME_BYTES_MAX];
		const uint32_t count = length < size - 2U ? length : (uint32_t)size - 2U;

		step(&net, &b, &now_us);
		now_us += 8U * ((uint64_t)bytes[0] | (uint64_t)bytes[1] << 8);
		memcpy(frame, bytes + 2, count);
		(void)!cats_net_receive(&net, now_us, frame, count);
		bytes += 2U + count;
		size -= 2U + count;
	}
	for (uint32_t i = 0; i < 40; i++) {
		step(&net, &b, &now_us);
		now_us += 1000;
	}
	return 0;
}

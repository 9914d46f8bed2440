/* SPDX-License-Identifier: MIT */
/* golden_shard_make SHARDS PACKETS: writes shards of small plans into one folder, and packets as fuzz_packet takes them
 * into another, to begin fuzzing from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

static void write(const char *folder, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	struct cats_error error = {0};

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	if (cats_file_write(path, bytes, size, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

/* Two packets of the first gather but one, between a repaired header and the end of the input's gather. */
static void write_packets(const char *folder, const struct cats_shards *shards)
{
	uint8_t records[600] = {1, 24}; /* 12 bytes of header, to be put right, and 12 of payload */
	size_t size = 26;

	records[size++] = 2; /* the input is over */
	records[size++] = 0;
	for (uint32_t i = 0; i < shards->devices; i++) {
		const struct cats_shard_header *h = cats_shards_header(shards, i);
		const struct cats_shard_site *site =
			(const struct cats_shard_site *)(const void *)(shards->bytes[i] + h->sites) + 1;
		const struct cats_message m = cats_message_of(site->tokens, site->kept, h->payload_max);

		if (m.packets == 0 || size + 256 > sizeof records)
			continue;
		const struct cats_packet_span span = cats_message_span(&m, 0);

		records[size] = 1;
		records[size + 1] = (uint8_t)(CATS_PACKET_HEADER_BYTES + span.count * span.bytes);
		records[size + 2 + 10] = (uint8_t)i;
		size += 2U + records[size + 1];
	}
	write(folder, "packets.bin", records, size);
}

int main(int argc, char **argv)
{
	static const struct {
		uint32_t fixture, device;
		enum cats_target target;
		const char *name;
	} wanted[] = {
		{0, 0, CATS_TARGET_PLAIN, "one-device.shard"},
		{2, 1, CATS_TARGET_NRF52840, "class-token.shard"},
		{4, 2, CATS_TARGET_NRF52840, "causal-rms.shard"},
		{5, 0, CATS_TARGET_NRF52840, "gelu-tiny-packets.shard"},
	};

	if (argc != 3)
		return 2;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		const struct fixture_case *of = fixture_cases + wanted[i].fixture;
		struct cats_shards shards;
		struct fixture f;

		fixture_open(&f, of, 1);
		fixture_shards(&shards, &f, of->config.devices, wanted[i].target);
		write(argv[1], wanted[i].name, shards.bytes[wanted[i].device], shards.sizes[wanted[i].device]);
		if (i == 1)
			write_packets(argv[2], &shards);
		cats_shards_free(&shards);
		fixture_close(&f);
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* See network_fixture.h. */
#include "tests/emulator/network_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "emulator/models.h"
#include "emulator/uarte.h"
#include "ports/nrf52840/layout.h"
#include "sim/times.h"
#include "tests/cmocka.h"

static struct cats_error error;

static void need(enum cats_status status)
{
	if (status < 0)
		fail_msg("%s", error.text);
}

static void hear(void *context, uint32_t chip, cats_time time, uint8_t byte)
{
	struct network *n = context;

	(void)time;
	assert_in_range(n->bytes[chip], 0, sizeof n->log[chip] - 2U);
	n->log[chip][n->bytes[chip]++] = (char)byte;
}

static void count_frame(void *context, const struct cats_transmission *frame)
{
	((struct network *)context)->frames[frame->sender]++;
}

void network_open(struct network *n, struct cats_elf *elf, uint32_t chips, uint32_t devices)
{
	network_open_mixed(n, elf, chips, devices, 0, elf);
}

void network_open_mixed(struct network *n, struct cats_elf *elf, uint32_t chips, uint32_t devices, uint32_t other,
			struct cats_elf *other_elf)
{
	assert_in_range(chips, 1, NETWORK_CHIPS);
	memset(n, 0, sizeof *n);
	n->count = chips;
	fixture_open(&n->model, &fixture_cases[1], 1);
	fixture_shards(&n->shards, &n->model, devices, CATS_TARGET_NRF52840);
	need(cats_times_write(&n->shards, &cats_kernels_nrf52840_c, &error));
	need(cats_topology_open(&n->topology, "full", chips, 1, &error));
	for (uint32_t i = 0; i < chips; i++)
		n->images[i] = i == other ? other_elf : elf;
	need(cats_chips_create(&n->chips,
			       &(struct cats_chips_options){.images = n->images,
							    .medium = {.topology = &n->topology, .seed = 1},
							    .drift_ppm = 40,
							    .power_on = 5 * NETWORK_MS,
							    .fast = true,
							    .observer = {.context = n, .sent = count_frame},
							    .serial = hear,
							    .context = n},
			       &error));
}

void network_close(struct network *n)
{
	cats_chips_free(n->chips);
	cats_shards_free(&n->shards);
	fixture_close(&n->model);
}

struct network_node network_node(const struct network *n, uint32_t number)
{
	return (struct network_node){.number = (uint16_t)number,
				     .key = 7,
				     .shard = n->shards.bytes[number],
				     .shard_bytes = n->shards.sizes[number]};
}

void network_flash(struct network *n, uint32_t chip, const struct network_node *node)
{
	struct cats_identity_page page = {.magic = CATS_IDENTITY_MAGIC,
					  .version = CATS_IDENTITY_VERSION,
					  .node = node->number,
					  .key = {node->key},
					  .access_address = 0x71764129U,
					  .channel = 11};
	struct cats_m4 *core = cats_chip_core(cats_chips_at(n->chips, chip));

	page.crc32 = cats_identity_checksum(&page);
	need(cats_m4_write(core, CATS_LAYOUT_IDENTITY, &page, sizeof page, &error));
	need(cats_m4_write(core, CATS_LAYOUT_SHARD, node->shard, node->shard_bytes, &error));
}

void network_flash_all(struct network *n)
{
	for (uint32_t i = 0; i < n->count; i++) {
		const struct network_node node = network_node(n, i);

		network_flash(n, i, &node);
	}
}

void network_run(struct network *n, cats_time duration)
{
	need(cats_chips_run(n->chips, cats_chips_time(n->chips) + duration, &error));
}

bool network_says(const struct network *n, uint32_t chip, const char *text)
{
	return strstr(n->log[chip] + n->seen[chip], text) != NULL;
}

const char *network_await(struct network *n, uint32_t chip, const char *text, cats_time patience)
{
	const cats_time until = cats_chips_time(n->chips) + patience;

	for (;;) {
		char *at = strstr(n->log[chip] + n->seen[chip], text);
		char *line = at ? strchr(at, '\n') : NULL;

		if (line != NULL) {
			n->seen[chip] = (size_t)(line + 1 - n->log[chip]);
			*line = '\0';
			return at + strlen(text);
		}
		if (cats_chips_time(n->chips) >= until)
			return NULL;
		network_run(n, NETWORK_MS);
	}
}

void network_feed(struct network *n)
{
	uint8_t bytes[1024] = {CATS_SERIAL_MARK};
	const uint32_t count = (uint32_t)n->model.input_count;
	const uint32_t crc = cats_checksum(0, n->model.input, count);

	assert_true(count + 7U <= sizeof bytes);
	bytes[1] = (uint8_t)count;
	bytes[2] = (uint8_t)(count >> 8);
	memcpy(bytes + 3, n->model.input, count);
	memcpy(bytes + 3 + count, &crc, sizeof crc);
	need(cats_uarte_receive(cats_chip_peripheral(cats_chips_at(n->chips, 0), CATS_UARTE0_BASE), bytes, count + 7U,
				&error));
}

const char *network_infer(struct network *n)
{
	const char *line;

	network_feed(n);
	line = network_await(n, 0, "result epoch", 1000 * NETWORK_MS);
	return line != NULL ? strstr(line, "share ") : NULL;
}

bool network_is_whole(const char *result)
{
	uint64_t arrived, expected;

	assert_int_equal(sscanf(result, "share %" SCNu64 "/%" SCNu64, &arrived, &expected), 2);
	assert_true(expected > 100);
	return arrived == expected;
}

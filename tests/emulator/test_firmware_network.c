/* SPDX-License-Identifier: MIT */
/* The firmware on several chips that hear each other: the demo's model on sixteen, byte for byte what the host
 * computes; and nodes that lose their power in the middle of an inference, which are in the next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/calibrate.h"
#include "deploy/flash_files.h"
#include "emulator/stage.h"
#include "io/file.h"
#include "io/ihex.h"
#include "plan/cut.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/emulator/network_fixture.h"
#include "tests/io/scratch.h"

#define DEVICES 16
#define NODES 4
#define MS (1000 * CATS_TIME_US)

static struct cats_elf image;
static struct cats_error error;

static void need(enum cats_status status)
{
	if (status < 0)
		fail_msg("%s", error.text);
}

static int load(void **state)
{
	(void)state;
	need(cats_elf_load(&image, IMAGES "/firmware.elf", &error));
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

/* ---- The demo's model ---- */

static void quantise(struct cats_integer *out, const struct cats_dataset *data)
{
	const struct cats_calibration_options options = {.samples = 4, .loss = 0.1};
	struct cats_calibration calibration;
	struct cats_model model;
	size_t samples;

	need(cats_model_load(&model, MODELS "/keep10", &error));
	need(cats_calibrate(&calibration, &samples, &model, data, "fashion-mnist", &options, &error));
	need(cats_quantise(out, &model, &calibration, "keep10", &error));
	cats_calibration_free(&calibration);
	cats_model_free(&model);
}

static void cut(struct cats_shards *shards, const struct cats_integer *integer)
{
	const struct cats_cut_options options = {.devices = DEVICES};
	uint8_t *blobs[DEVICES];
	size_t sizes[DEVICES];

	for (uint32_t j = 0; j < DEVICES; j++) {
		struct cats_cut one;

		need(cats_cut(&one, integer, &options, j, &error));
		blobs[j] = one.shard;
		sizes[j] = one.bytes;
	}
	need(cats_shards_take(shards, blobs, sizes, DEVICES, "keep10", &error));
	need(cats_times_write(shards, &cats_kernels_nrf52840_c, &error));
}

/* Outputs of the host's runtime that differ from the chips'. */
static uint32_t differing(const struct cats_stage_report *report, const struct cats_shards *shards,
			  const struct cats_fleet_input *input)
{
	struct cats_fleet_report expected;
	struct cats_fleet *fleet;
	uint32_t count = 0;

	need(cats_fleet_create(&fleet, shards, &(struct cats_fleet_options){0}, &error));
	need(cats_fleet_run(&expected, fleet, input, 0, &error));
	for (uint32_t i = 0; i < report->rows * report->columns; i++) {
		int32_t value;

		assert_int_equal(
			cats_node_result(&value, cats_fleet_node(fleet, 0), i / report->columns, i % report->columns),
			1);
		count += report->there[i] == 0 || report->outputs[i] != value;
	}
	cats_fleet_free(fleet);
	return count;
}

static void sixteen_chips_compute_what_the_host_does(void **state)
{
	uint8_t pixels[784] = {0};
	const struct cats_fleet_input input = {.bytes = pixels, .count = sizeof pixels};
	struct cats_stage_report report;
	struct cats_topology topology;
	struct cats_integer integer;
	struct cats_dataset data;
	struct cats_shards shards;
	struct cats_stage *stage;

	(void)state;
	for (uint32_t i = 0; i < sizeof pixels; i++)
		pixels[i] = (uint8_t)(i * i >> 5);
	need(cats_dataset_open(&data, "fashion-mnist:test", &(struct cats_dataset_options){0}, &error));
	quantise(&integer, &data);
	cut(&shards, &integer);
	need(cats_topology_open(&topology, "full", DEVICES, 1, &error));
	need(cats_stage_create(&stage,
			       &(struct cats_stage_options){.firmware = &image,
							    .shards = &shards,
							    .topology = &topology,
							    .drift_ppm = 40,
							    .seed = 1,
							    .fast = true},
			       &error));
	need(cats_stage_infer(&report, stage, &input, &error));
	assert_true(report.has_result);
	assert_int_equal(report.rows, 1);
	assert_int_equal(report.columns, 10);
	assert_int_equal(report.resets, 0);
	assert_true(report.expected > 50000);
	assert_int_equal(report.arrived, report.expected);
	assert_int_equal(differing(&report, &shards, &input), 0);
	/* Another input's outputs are others. */
	pixels[300] ^= 0x80U;
	assert_true(differing(&report, &shards, &input) > 5);
	for (uint32_t j = 0; j < DEVICES; j++) {
		const struct cats_stage_memory memory = cats_stage_memory(stage, j);

		/* A third of each stack is left at least. */
		assert_in_range(memory.thread_stack_bytes, 100, memory.thread_stack_room * 2U / 3U);
		assert_in_range(memory.interrupt_stack_bytes, 100, memory.interrupt_stack_room * 2U / 3U);
	}
	cats_stage_free(stage);
	cats_shards_free(&shards);
	cats_integer_free(&integer);
	cats_dataset_free(&data);
}

/* ---- What they are flashed with ---- */

static uint8_t *read_hex(const char *folder, uint32_t node)
{
	uint8_t *flash = malloc(CATS_LAYOUT_FLASH_BYTES);
	char path[SCRATCH_PATH_BYTES + 16];
	size_t size;
	uint8_t *text;

	assert_non_null(flash);
	memset(flash, 0xFF, CATS_LAYOUT_FLASH_BYTES);
	snprintf(path, sizeof path, "%s/node-%02u.hex", folder, node);
	need(cats_file_read(&text, &size, path, 1U << 24, &error));
	need(cats_ihex_parse(flash, CATS_LAYOUT_FLASH_BYTES, (const char *)text, size, path, &error));
	free(text);
	return flash;
}

/* Every byte of flash of every emulated node is what a .hex of `cats firmware` puts there, erased ones too. */
static void emulated_flash_is_that_of_the_hex(void **state)
{
	static char scratch[SCRATCH_PATH_BYTES];
	const struct cats_stage_options options = {.firmware = &image, .seed = 9, .fast = true};
	struct cats_stage_options filled = options;
	struct cats_firmware firmware;
	struct cats_network network;
	struct cats_shards shards;
	struct cats_topology topology;
	struct cats_stage *stage;
	struct fixture model;
	const char *folder;

	(void)state;
	scratch_create(scratch);
	folder = scratch_file(scratch, "flash");
	fixture_open(&model, &fixture_cases[1], 1);
	fixture_shards(&shards, &model, NODES, CATS_TARGET_NRF52840);
	need(cats_times_write(&shards, &cats_kernels_nrf52840_c, &error));
	need(cats_firmware_load(&firmware, IMAGES "/firmware.elf", &error));
	need(cats_network_make(&network, CATS_NETWORK_CHANNEL, &options.seed, &error));
	need(cats_flash_files_write(folder, &firmware, &shards, &network, false, &error));
	need(cats_topology_open(&topology, "full", NODES, 1, &error));
	filled.shards = &shards;
	filled.topology = &topology;
	need(cats_stage_create(&stage, &filled, &error));
	for (uint32_t j = 0; j < NODES; j++) {
		uint8_t *flash = read_hex(folder, j);
		const uint8_t *emulated = cats_m4_memory(cats_chip_core(cats_chips_at(cats_stage_chips(stage), j)), 0,
							 CATS_LAYOUT_FLASH_BYTES);

		assert_memory_equal(emulated, flash, CATS_LAYOUT_FLASH_BYTES);
		assert_int_equal(emulated[CATS_LAYOUT_IDENTITY + 6U], j);
		free(flash);
	}
	cats_stage_free(stage);
	cats_firmware_free(&firmware);
	cats_shards_free(&shards);
	fixture_close(&model);
	scratch_remove(scratch);
}

/* ---- Power that goes ---- */

/* An inference that is to be whole. */
static void infer(struct network *n, char result[256])
{
	const char *line = network_infer(n);

	if (line == NULL)
		fail_msg("no result; the source had said:\n%s", n->log[0] + n->seen[0]);
	if (!network_is_whole(line))
		fail_msg("not everything arrived: %s", line);
	snprintf(result, 256, "%s", line);
}

static void cut_power(struct network *n, uint32_t node)
{
	cats_chips_cut_power(n->chips, node);
	network_run(n, MS);
	n->seen[node] = n->bytes[node];
	cats_chips_give_power(n->chips, node);
}

static void a_node_without_power_is_in_the_next_inference(void **state)
{
	static struct network n;
	char first[256], result[256];
	uint32_t cuts = 0;

	(void)state;
	network_open(&n, &image, NODES, NODES);
	network_flash_all(&n);
	for (uint32_t i = 0; i < NODES; i++)
		assert_non_null(network_await(&n, i, "node: plan", 1000 * MS));
	infer(&n, first);
	for (cats_time after = 1 * MS; after < 60 * MS; after += 7 * MS, cuts++) {
		const uint32_t node = cuts % NODES;

		network_feed(&n);
		network_run(&n, after);
		cut_power(&n, node);
		assert_non_null(network_await(&n, node, "reset by power", 100 * MS));
		assert_non_null(network_await(&n, node, "node: plan", 1000 * MS));
		/* What became of that inference is as it may be; of the source's nothing became. */
		if (node != 0)
			assert_non_null(network_await(&n, 0, "result epoch", 1000 * MS));
		network_run(&n, 50 * MS);
		infer(&n, result);
		assert_string_equal(result, first);
	}
	assert_true(cuts > 2U * NODES);
	network_close(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixteen_chips_compute_what_the_host_does),
		cmocka_unit_test(emulated_flash_is_that_of_the_hex),
		cmocka_unit_test(a_node_without_power_is_in_the_next_inference),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

/* SPDX-License-Identifier: MIT */
/* The firmware on several chips that hear each other: the demo's model on sixteen, byte for byte what the host
 * computes; and nodes that lose their power in the middle of an inference, which are in the next. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/calibrate.h"
#include "emulator/stage.h"
#include "emulator/uarte.h"
#include "plan/cut.h"
#include "ports/nrf52840/layout.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define DEVICES 16
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

/* ---- Power that goes ---- */

#define NODES 4

/* Four chips, and what they have said. */
struct site {
	struct cats_chips *chips;
	struct fixture model;
	struct cats_shards shards;
	struct cats_topology topology;
	const struct cats_elf *images[NODES];
	char log[NODES][1U << 16];
	size_t bytes[NODES], seen[NODES];
};

static void hear(void *context, uint32_t chip, cats_time time, uint8_t byte)
{
	struct site *s = context;

	(void)time;
	assert_in_range(s->bytes[chip], 0, sizeof s->log[chip] - 2U);
	s->log[chip][s->bytes[chip]++] = (char)byte;
}

static void flash(struct site *s, uint32_t node)
{
	struct cats_identity_page page = {.magic = CATS_IDENTITY_MAGIC,
					  .version = CATS_IDENTITY_VERSION,
					  .node = (uint16_t)node,
					  .key = {7},
					  .access_address = 0x71764129U,
					  .channel = 11};
	struct cats_m4 *core = cats_chip_core(cats_chips_at(s->chips, node));

	page.crc32 = cats_identity_checksum(&page);
	need(cats_m4_write(core, CATS_LAYOUT_IDENTITY, &page, sizeof page, &error));
	need(cats_m4_write(core, CATS_LAYOUT_SHARD, s->shards.bytes[node], s->shards.sizes[node], &error));
}

/* The node says a line with `text` in so long: the rest of the line, or NULL. */
static const char *await(struct site *s, uint32_t node, const char *text, cats_time patience)
{
	const cats_time until = cats_chips_time(s->chips) + patience;

	for (;;) {
		char *at = strstr(s->log[node] + s->seen[node], text);
		char *line = at ? strchr(at, '\n') : NULL;

		if (line != NULL) {
			s->seen[node] = (size_t)(line + 1 - s->log[node]);
			*line = '\0';
			return at + strlen(text);
		}
		if (cats_chips_time(s->chips) >= until)
			return NULL;
		need(cats_chips_run(s->chips, cats_chips_time(s->chips) + MS, &error));
	}
}

static void open_site(struct site *s)
{
	memset(s, 0, sizeof *s);
	fixture_open(&s->model, &fixture_cases[1], 1);
	fixture_shards(&s->shards, &s->model, NODES, CATS_TARGET_NRF52840);
	need(cats_times_write(&s->shards, &cats_kernels_nrf52840_c, &error));
	need(cats_topology_open(&s->topology, "full", NODES, 1, &error));
	for (uint32_t i = 0; i < NODES; i++)
		s->images[i] = &image;
	need(cats_chips_create(&s->chips,
			       &(struct cats_chips_options){.images = s->images,
							    .medium = {.topology = &s->topology, .seed = 1},
							    .drift_ppm = 40,
							    .power_on = 5 * MS,
							    .fast = true,
							    .serial = hear,
							    .context = s},
			       &error));
	for (uint32_t i = 0; i < NODES; i++)
		flash(s, i);
	for (uint32_t i = 0; i < NODES; i++)
		assert_non_null(await(s, i, "node: plan", 1000 * MS));
}

static void close_site(struct site *s)
{
	cats_chips_free(s->chips);
	cats_shards_free(&s->shards);
	fixture_close(&s->model);
}

static void feed(struct site *s)
{
	uint8_t bytes[1024] = {CATS_SERIAL_MARK};
	const uint32_t count = (uint32_t)s->model.input_count;
	const uint32_t crc = cats_checksum(0, s->model.input, count);

	assert_true(count + 7U <= sizeof bytes);
	bytes[1] = (uint8_t)count;
	bytes[2] = (uint8_t)(count >> 8);
	memcpy(bytes + 3, s->model.input, count);
	memcpy(bytes + 3 + count, &crc, sizeof crc);
	need(cats_uarte_receive(cats_chip_peripheral(cats_chips_at(s->chips, 0), CATS_UARTE0_BASE), bytes, count + 7U,
				&error));
}

/* Share and outputs of an inference that is to be whole. */
static void infer(struct site *s, char result[256])
{
	const char *line;
	uint64_t arrived, expected;

	feed(s);
	line = await(s, 0, "result epoch", 1000 * MS);
	if (line == NULL)
		fail_msg("no result; the source had said:\n%s", s->log[0] + s->seen[0]);
	line = strstr(line, "share ");
	assert_non_null(line);
	assert_int_equal(sscanf(line, "share %" SCNu64 "/%" SCNu64, &arrived, &expected), 2);
	assert_true(expected > 100);
	if (arrived != expected)
		fail_msg("only %" PRIu64 " of %" PRIu64 " values arrived", arrived, expected);
	snprintf(result, 256, "%s", line);
}

static void cut_power(struct site *s, uint32_t node)
{
	cats_chips_cut_power(s->chips, node);
	need(cats_chips_run(s->chips, cats_chips_time(s->chips) + MS, &error));
	s->seen[node] = s->bytes[node];
	cats_chips_give_power(s->chips, node);
}

static void a_node_without_power_is_in_the_next_inference(void **state)
{
	static struct site s;
	char first[256], result[256];
	uint32_t cuts = 0;

	(void)state;
	open_site(&s);
	infer(&s, first);
	for (cats_time after = 1 * MS; after < 60 * MS; after += 7 * MS, cuts++) {
		const uint32_t node = cuts % NODES;

		feed(&s);
		need(cats_chips_run(s.chips, cats_chips_time(s.chips) + after, &error));
		cut_power(&s, node);
		assert_non_null(await(&s, node, "reset by power", 100 * MS));
		assert_non_null(await(&s, node, "node: plan", 1000 * MS));
		/* What became of that inference is as it may be; of the source's nothing became. */
		if (node != 0)
			assert_non_null(await(&s, 0, "result epoch", 1000 * MS));
		need(cats_chips_run(s.chips, cats_chips_time(s.chips) + 50 * MS, &error));
		infer(&s, result);
		assert_string_equal(result, first);
	}
	assert_true(cuts > 2U * NODES);
	close_site(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixteen_chips_compute_what_the_host_does),
		cmocka_unit_test(a_node_without_power_is_in_the_next_inference),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

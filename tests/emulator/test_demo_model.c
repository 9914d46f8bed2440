/* SPDX-License-Identifier: MIT */
/* The demo's models, one cut for sixteen devices, one of which runs on the emulated Cortex-M4, one whole on one device:
 * real images, every site's bytes equal to the host's, a stack within what core/runtime.h promises. */
#include <stdio.h>
#include <stdlib.h>

#include "deploy/calibrate.h"
#include "plan/cut.h"
#include "tests/cmocka.h"
#include "tests/emulator/mixed.h"

#define DEVICES 16
#define IMAGES_COMPARED 100U
#define STACK_PROMISED_BYTES 1024 /* core/runtime.h */
#define STACK_IMAGE_BYTES 64      /* main and serve of ports/m4/node.c, below core/'s */

static struct cats_elf image;
static struct cats_dataset data;
static struct cats_integer integer;
static struct cats_error error;

static void need(enum cats_status status)
{
	if (status < 0)
		fail_msg("%s", error.text);
}

/* A few samples are enough: how good the scales are is not what is tested here. */
static void quantise(struct cats_integer *out, const char *path, const char *name)
{
	const struct cats_calibration_options options = {.samples = 4, .loss = 0.1};
	struct cats_calibration calibration;
	struct cats_model model;
	size_t samples;

	need(cats_model_load(&model, path, &error));
	need(cats_calibrate(&calibration, &samples, &model, &data, "fashion-mnist", &options, &error));
	need(cats_quantise(out, &model, &calibration, name, &error));
	cats_calibration_free(&calibration);
	cats_model_free(&model);
}

static int open_all(void **state)
{
	(void)state;
	need(cats_elf_load(&image, IMAGES "/node.elf", &error));
	need(cats_dataset_open(&data, "fashion-mnist:test", &(struct cats_dataset_options){0}, &error));
	quantise(&integer, MODELS "/keep10", "keep10");
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	cats_integer_free(&integer);
	cats_dataset_free(&data);
	cats_elf_free(&image);
	return 0;
}

static void cut(struct cats_shards *shards, const struct cats_integer *model, const char *name, uint32_t D)
{
	const struct cats_cut_options options = {.devices = D};
	uint8_t *blobs[CATS_DEVICES_MAX];
	size_t sizes[CATS_DEVICES_MAX];

	for (uint32_t j = 0; j < D; j++) {
		struct cats_cut one;

		need(cats_cut(&one, model, &options, j, &error));
		blobs[j] = one.shard;
		sizes[j] = one.bytes;
	}
	need(cats_shards_take(shards, blobs, sizes, D, name, &error));
}

static void devices_equal_the_host(void **state)
{
	struct cats_shards shards;
	uint32_t stack = 0;

	(void)state;
	cut(&shards, &integer, "keep10", DEVICES);
	for (uint32_t k = 0; k < DEVICES; k += 3) {
		const size_t pixels = (size_t)data.height * data.width;
		const struct cats_fleet_input input = {.bytes = data.pixels + k * pixels, .count = pixels};
		const struct mixed mixed = {.shards = &shards, .emulated = k, .kernels = k / 3U % 2U};
		struct mixed_report report;

		mixed_run(&report, &mixed, &image, &input, k + 1U);
		if (report.differing_bytes > 0)
			fail_msg("device %u: %s", k, report.first);
		assert_int_equal(report.emulated_class, report.host_class);
		assert_true(report.nonzero_bytes * 4 > report.compared_bytes);
		if (report.stack_bytes > stack)
			stack = report.stack_bytes;
	}
	print_message("stack: at most %u bytes\n", stack);
	assert_in_range(stack, 1, STACK_PROMISED_BYTES + STACK_IMAGE_BYTES);
	cats_shards_free(&shards);
}

static void one_device_equals_the_host(void **state)
{
	const size_t pixels = (size_t)data.height * data.width;
	const struct cats_fleet_input input = {.bytes = data.pixels + 7 * pixels, .count = pixels};
	struct cats_integer full;
	struct cats_shards shards;
	struct mixed_report report;

	(void)state;
	quantise(&full, MODELS "/full", "full");
	cut(&shards, &full, "full", 1);
	mixed_run(&report, &(struct mixed){.shards = &shards, .kernels = 1}, &image, &input, 1);
	if (report.differing_bytes > 0)
		fail_msg("%s", report.first);
	assert_int_equal(report.emulated_class, report.host_class);
	assert_true(report.compared_bytes > 10000 && report.nonzero_bytes * 4 > report.compared_bytes);
	cats_shards_free(&shards);
	cats_integer_free(&full);
}

/* Image after image, device after device, with the kernels that a device uses. */
static void a_hundred_images_equal_the_host(void **state)
{
	const size_t pixels = (size_t)data.height * data.width;
	uint32_t classes = 0;
	struct cats_shards shards;

	(void)state;
	cut(&shards, &integer, "keep10", DEVICES);
	for (uint32_t i = 0; i < IMAGES_COMPARED; i++) {
		const struct cats_fleet_input input = {.bytes = data.pixels + i * pixels, .count = pixels};
		const struct mixed mixed = {.shards = &shards, .emulated = i % DEVICES, .kernels = 1, .fast = true};
		struct mixed_report report;

		mixed_run(&report, &mixed, &image, &input, i + 1U);
		if (report.differing_bytes > 0)
			fail_msg("image %u, device %u: %s", i, i % DEVICES, report.first);
		assert_int_equal(report.emulated_class, report.host_class);
		classes |= report.host_class >= 0 ? 1U << report.host_class : 0;
	}
	assert_true((classes & (classes - 1U)) != 0); /* not one class for all */
	cats_shards_free(&shards);
}

/* CATS_UNIT_CYCLES_MAX of core/runtime.h, counted on the emulated core. */
static void steps_keep_to_their_budget(void **state)
{
	const size_t pixels = (size_t)data.height * data.width;
	const struct cats_fleet_input input = {.bytes = data.pixels, .count = pixels};
	struct cats_shards shards;
	struct mixed mixed = {.shards = &shards, .budget = CATS_UNIT_CYCLES_MAX};
	struct mixed_report report;

	(void)state;
	cut(&shards, &integer, "keep10", DEVICES);
	for (; mixed.kernels < 2; mixed.kernels++) {
		mixed_run(&report, &mixed, &image, &input, 1);
		print_message("kernels %u: %llu steps, the largest of %llu cycles; %llu cycles, estimated %llu\n",
			      mixed.kernels, (unsigned long long)report.steps,
			      (unsigned long long)report.largest_step_cycles, (unsigned long long)report.cycles,
			      (unsigned long long)report.estimated_cycles);
		assert_in_range(report.largest_step_cycles, CATS_UNIT_CYCLES_MAX / 2U, CATS_UNIT_CYCLES_MAX);
		/* What simulators take for computation errs to the safe side, and not by much. */
		assert_in_range(report.estimated_cycles, report.cycles, report.cycles * 6U / 5U);
	}
	cats_shards_free(&shards);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_equal_the_host),
		cmocka_unit_test(one_device_equals_the_host),
		cmocka_unit_test(a_hundred_images_equal_the_host),
		cmocka_unit_test(steps_keep_to_their_budget),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

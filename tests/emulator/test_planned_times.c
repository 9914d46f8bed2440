/* SPDX-License-Identifier: MIT */
/* The times of a plan hold on chips: with hundreds of packets a gather every node is ready when a gather begins, no
 * frame is made too late, and what is lost is repaired. */
#include <inttypes.h>
#include <stdio.h>

#include "emulator/stage.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

static struct cats_error error;

static void need(enum cats_status status)
{
	if (status < 0)
		fail_msg("%s", error.text);
}

/* 256 small packets a gather: much to be counted, little to be computed. */
static const struct fixture_case many_packets = {
	"many packets",
	{.devices = 8,
	 .d_model = 128,
	 .n_heads = 8,
	 .d_ff = 128,
	 .n_layers = 1,
	 .n_patches = 64,
	 .d_in = 16,
	 .n_out = 4,
	 .norm_eps = 1e-5,
	 .pool = CATS_POOL_MEAN},
	100,
	0,
	32,
};

static void assert_in_time(const struct cats_stage *stage, uint32_t devices, bool lossy)
{
	for (uint32_t j = 0; j < devices; j++) {
		const struct cats_said_slack slack = cats_stage_slack(stage, j);

		assert_int_equal(slack.unready, 0);
		/* While a combination is taken apart a frame may be left out. */
		assert_true(lossy || slack.missed == 0);
		for (uint32_t i = 0; i < CATS_SLACKS; i++)
			if (slack.least_us[i] < 0 || slack.least_us[i] == INT32_MAX)
				fail_msg("node %u, %s: %" PRId32 " us", j, cats_slack_names[i], slack.least_us[i]);
	}
}

/* Every node is ready when a gather begins, no frame is made too late, and what is lost is repaired. */
static void hundreds_of_packets_keep_their_times(void **state)
{
	const uint32_t devices = many_packets.config.devices;
	struct cats_stage_report report;
	struct cats_topology topology;
	struct cats_shards shards;
	struct cats_stage *stage;
	struct fixture model;
	struct cats_elf image;

	(void)state;
	need(cats_elf_load(&image, IMAGES "/firmware.elf", &error));
	fixture_open(&model, &many_packets, 1);
	fixture_shards(&shards, &model, devices, CATS_TARGET_NRF52840);
	need(cats_times_write(&shards, &cats_kernels_nrf52840_c, &error));
	need(cats_topology_open(&topology, "full", devices, 1, &error));
	for (uint32_t loss = 0; loss <= 2; loss += 2) {
		need(cats_stage_create(&stage,
				       &(struct cats_stage_options){.firmware = &image,
								    .shards = &shards,
								    .topology = &topology,
								    .link_loss = 0.01 * loss,
								    .drift_ppm = 40,
								    .seed = 1,
								    .fast = true},
				       &error));
		need(cats_stage_infer(&report, stage,
				      &(struct cats_fleet_input){.values = model.input, .count = model.input_count},
				      &error));
		assert_true(report.has_result);
		assert_true(report.expected > 3 * 8 * 64 * 112);
		assert_int_equal(report.arrived, report.expected);
		assert_in_time(stage, devices, loss > 0);
		cats_stage_free(stage);
	}
	cats_shards_free(&shards);
	cats_elf_free(&image);
	fixture_close(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(hundreds_of_packets_keep_their_times)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

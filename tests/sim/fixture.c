/* SPDX-License-Identifier: MIT */
/* Random integer models. See fixture.h. */
#include "tests/sim/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "core/random.h"
#include "plan/quantise.h"
#include "sim/play.h"
#include "sim/times.h"
#include "tests/cmocka.h"

#define BASE \
	.d_model = 24, .n_heads = 4, .d_ff = 40, .n_layers = 2, .n_patches = 9, .d_in = 10, .n_out = 5, .norm_eps = 1e-5

const struct fixture_case fixture_cases[] = {
	{"one device", {BASE, .devices = 1, .pool = CATS_POOL_MEAN}, 100, 0, 240},
	{"mean pooling, GELU", {BASE, .devices = 4, .activation = CATS_GELU, .pool = CATS_POOL_MEAN}, 100, 0, 240},
	{"class token, ReLU", {BASE, .devices = 5, .cls_token = true, .pool = CATS_POOL_CLS}, 60, 0, 240},
	{"class token, mean pooling, sink everyone",
	 {BASE, .devices = 6, .cls_token = true, .pool = CATS_POOL_MEAN},
	 40,
	 CATS_SINK_ALL,
	 64},
	{"causal, no pooling, RMS",
	 {BASE, .devices = 4, .causal = true, .norm = CATS_NORM_RMS, .pool = CATS_POOL_NONE},
	 50,
	 0,
	 32},
	{"causal, GELU, tiny packets",
	 {BASE, .devices = 3, .causal = true, .activation = CATS_GELU, .pool = CATS_POOL_NONE},
	 80,
	 0,
	 4},
	{"more devices than heads and outputs", {BASE, .devices = 7, .pool = CATS_POOL_MEAN}, 30, 0, 8},
	{"one column each", {BASE, .devices = 24, .pool = CATS_POOL_MEAN}, 50, 0, 12},
	{"RMS, class token, GELU",
	 {BASE, .devices = 2, .cls_token = true, .norm = CATS_NORM_RMS, .activation = CATS_GELU, .pool = CATS_POOL_CLS},
	 100,
	 0,
	 16},
	{"odd widths",
	 {.devices = 5,
	  .d_model = 35,
	  .n_heads = 5,
	  .d_ff = 83,
	  .n_layers = 1,
	  .n_patches = 18,
	  .d_in = 13,
	  .n_out = 3,
	  .norm_eps = 1e-3,
	  .pool = CATS_POOL_MEAN},
	 70,
	 0,
	 236},
	{"an image, overlapping patches",
	 {.devices = 8,
	  .d_model = 64,
	  .n_heads = 8,
	  .d_ff = 96,
	  .n_layers = 2,
	  .n_patches = 25,
	  .d_in = 64,
	  .n_out = 10,
	  .norm_eps = 1e-5,
	  .cls_token = true,
	  .pool = CATS_POOL_CLS,
	  .image = {.height = 28, .width = 28, .patch = 8, .stride = 5, .mean = 0.3, .std = 0.4}},
	 50,
	 0,
	 240},
};
const uint32_t fixture_case_count = sizeof fixture_cases / sizeof fixture_cases[0];

static double uniform(uint64_t key, uint64_t i)
{
	return (double)(cats_random_u64(key, i) >> 11) * 0x1p-53 * 2 - 1;
}

static void succeed(enum cats_status status, const struct cats_error *error)
{
	if (status < 0)
		fail_msg("%s", error->text);
}

/* Weights larger than a trainer's start, biases and gains of all signs, so that everything matters. */
static void make_model(struct cats_model *model, const struct fixture_case *of, uint64_t seed)
{
	struct cats_error error = {0};

	succeed(cats_config_check(&of->config, of->name, &error), &error);
	succeed(cats_model_create(model, &of->config, &error), &error);
	cats_model_initialise(model, seed);
	for (size_t i = 0; i < model->weight_count; i++)
		model->weights[i] = model->weights[i] * 1.5F + 0.1F * (float)uniform(cats_random_key(seed, 7), i);
	for (uint32_t site = 0; site < cats_config_sites(&of->config); site++)
		for (uint32_t c = 0; c < cats_site_columns(&of->config, site); c++)
			model->keep[site][c] =
				cats_random_below(cats_random_key(seed, 100 + site), c, 100) < of->keep_percent;
}

static void calibrate(struct cats_calibration *calibration, const struct cats_model *model, float *patches,
		      uint64_t seed)
{
	const struct cats_config *c = &model->config;
	const size_t count = (size_t)c->n_patches * c->d_in;
	struct cats_error error = {0};

	succeed(cats_seen_create(&calibration->clean, c, &error), &error);
	succeed(cats_seen_create(&calibration->lossy, c, &error), &error);
	for (uint64_t s = 0; s < 4; s++) {
		for (size_t i = 0; i < count; i++)
			patches[i] = (float)uniform(cats_random_key(seed, 200 + s), i) * 2;
		succeed(cats_observe(&calibration->clean, NULL, model, c->devices, patches, NULL, &error), &error);
		succeed(cats_observe(&calibration->lossy, NULL, model, c->devices, patches, NULL, &error), &error);
	}
}

void fixture_open(struct fixture *f, const struct fixture_case *of, uint64_t seed)
{
	const struct cats_input_shape shape = cats_input_shape_of(&of->config);
	float *patches = malloc((size_t)of->config.n_patches * of->config.d_in * sizeof *patches);
	struct cats_calibration calibration;
	struct cats_model model;
	struct cats_error error = {0};

	assert_non_null(patches);
	*f = (struct fixture){.of = of, .input_count = (size_t)shape.rows * shape.columns};
	make_model(&model, of, seed);
	calibrate(&calibration, &model, patches, seed);
	succeed(cats_quantise(&f->integer, &model, &calibration, of->name, &error), &error);
	f->integer.id = cats_random_key(seed, 9);
	f->input = malloc(f->input_count);
	assert_non_null(f->input);
	for (size_t i = 0; i < f->input_count; i++)
		f->input[i] = (int8_t)((int32_t)cats_random_below(cats_random_key(seed, 300), i, 255) - 127);
	free(patches);
	cats_seen_free(&calibration.clean);
	cats_seen_free(&calibration.lossy);
	cats_model_free(&model);
}

void fixture_close(struct fixture *f)
{
	cats_integer_free(&f->integer);
	free(f->input);
}

static void cut_shards(struct cats_shards *out, const struct fixture *f, uint32_t D, enum cats_target target,
		       bool without_overlap)
{
	const struct cats_cut_options options = {
		.devices = D,
		.target = target,
		.sink = f->of->sink,
		.payload_max = f->of->payload_max,
		.without_overlap = without_overlap,
	};
	uint8_t *blobs[CATS_DEVICES_MAX];
	size_t sizes[CATS_DEVICES_MAX];
	struct cats_error error = {0};

	for (uint32_t j = 0; j < D; j++) {
		struct cats_cut cut;

		succeed(cats_cut(&cut, &f->integer, &options, j, &error), &error);
		blobs[j] = cut.shard;
		sizes[j] = cut.bytes;
	}
	succeed(cats_shards_take(out, blobs, sizes, D, f->of->name, &error), &error);
	succeed(cats_times_write(out, cats_play_kernels(target), &error), &error);
}

void fixture_shards(struct cats_shards *out, const struct fixture *f, uint32_t D, enum cats_target target)
{
	cut_shards(out, f, D, target, false);
}

void fixture_shards_without_overlap(struct cats_shards *out, const struct fixture *f, uint32_t D,
				    enum cats_target target)
{
	cut_shards(out, f, D, target, true);
}

/* Columns that device i sends at a site. */
static uint32_t sent_columns(const struct fixture *f, uint32_t D, uint32_t site, uint32_t i)
{
	const struct cats_run own = cats_integer_site_own(&f->integer.config, site, D, i);
	uint32_t count = 0;

	for (uint32_t c = own.first; c < own.first + own.count; c++)
		count += cats_integer_kept(&f->integer, site, c) ? 1U : 0U;
	return count;
}

static void fill_mask(uint8_t *mask, const struct fixture *f, uint32_t D, uint32_t site, const struct cats_loss *loss,
		      uint64_t number)
{
	const uint32_t tokens = cats_integer_site_tokens(&f->integer.config, site);
	const bool last = site + 1U == cats_integer_sites(&f->integer.config);
	const uint64_t key = cats_loss_key(loss, number, site);

	for (uint32_t i = 0; i < D; i++) {
		const struct cats_message message =
			cats_message_of(tokens, sent_columns(f, D, site, i) * (last ? 4U : 1U), f->of->payload_max);

		for (uint32_t j = 0; j < D; j++)
			for (uint32_t t = 0; t < tokens; t++) {
				const uint32_t first = message.parts > 1 ? t * message.parts : t / message.group;
				uint8_t *to = mask + ((size_t)i * D + j) * tokens + t;

				*to = 1;
				for (uint32_t p = first; i != j && p < first + message.parts; p++)
					if (cats_loss_drops(loss, key, i, j, p))
						*to = 0;
			}
	}
}

void fixture_reference(struct cats_trace *out, const struct fixture *f, uint32_t D, const struct cats_loss *loss,
		       uint64_t number)
{
	const uint32_t sites = cats_integer_sites(&f->integer.config);
	uint8_t **masks = calloc(sites, sizeof *masks);
	const struct cats_reference_input in = {f->input, D, (const uint8_t *const *)masks};
	struct cats_error error = {0};

	assert_non_null(masks);
	for (uint32_t site = 0; cats_loss_any_q32(loss) && site < sites; site++) {
		masks[site] = malloc((size_t)D * D * cats_integer_site_tokens(&f->integer.config, site));
		assert_non_null(masks[site]);
		fill_mask(masks[site], f, D, site, loss, number);
	}
	succeed(cats_trace_create(out, &f->integer, &error), &error);
	succeed(cats_reference_run(out, &f->integer, &in, &error), &error);
	for (uint32_t site = 0; site < sites; site++)
		free(masks[site]);
	free(masks);
}

void fixture_stages_add_up(const struct cats_play_report *report, uint32_t devices)
{
	const struct cats_stages *stages = report->stages;

	assert_int_equal(stages->sites, report->sites);
	assert_true(stages->opened[0] >= report->start);
	assert_int_equal(stages->opened[stages->sites], report->end);
	for (uint32_t site = 0; site < stages->sites; site++)
		assert_true(stages->opened[site + 1] > stages->opened[site] &&
			    stages->opened[site + 1] - stages->opened[site] >= report->gather[site]);
	for (int d = 0; d < CATS_DRAWS; d++) {
		const cats_time in_stages = stages->spent[stages->sites][d] - stages->spent[0][d];
		cats_time all = 0;

		for (uint32_t j = 0; j < devices; j++)
			all += report->spent[j][d];
		assert_true(in_stages <= all);
		if (d == CATS_DRAW_BASE)
			assert_int_equal(all - in_stages, (cats_time)devices * (stages->opened[0] - report->start));
	}
}

/* SPDX-License-Identifier: MIT */
/* Writes the integer golden files: golden_int_make FOLDER VECTOR… . Run by hand when the arithmetic changes; the files
 * are committed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/plan/fixture.h"
#include "tests/plan/integer_golden.h"

static const char *folder;
static char **vectors;

static void write_files(struct fixture *f, const char *name)
{
	struct integer_golden g = {
		.model = f->integer, .devices = f->model.config.devices, .input = f->input, .received = f->received};
	struct cats_error error = {0};
	char path[512];

	fixture_reference(&g.trace, f, g.devices, true);
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	if (integer_golden_save(&g, path, &error) < 0)
		fail_msg("%s", error.text);
	printf("%-50s saturated %llu\n", name, (unsigned long long)g.trace.saturated);
	cats_trace_free(&g.trace);
}

static void make_from_vectors(void **state)
{
	(void)state;
	for (char **path = vectors; *path; path++) {
		const char *file = strrchr(*path, '/');
		char name[128];
		struct fixture f;

		(void)snprintf(name, sizeof name, "%s", file ? file + 1 : *path);
		*strstr(name, ".safetensors") = '\0';
		fixture_open(&f, *path);
		write_files(&f, name);
		fixture_free(&f);
	}
}

static void scale_all(int32_t *multipliers, size_t count, int32_t by)
{
	for (size_t i = 0; i < count; i++)
		multipliers[i] = multipliers[i] > INT32_MAX / by ? INT32_MAX : multipliers[i] * by;
}

/* A model whose every range is too small: each clamp and saturation does its work. */
static void make_saturating(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f, vectors[1]);
	for (uint32_t l = 0; l < f.model.config.n_layers; l++) {
		struct cats_int_layer *layer = &f.integer.layers[l];

		scale_all(layer->quantise, 2, 3);
		scale_all(layer->qkv.multipliers, layer->qkv.outputs, 3);
		scale_all(layer->up.multipliers, layer->up.outputs, 3);
		scale_all(layer->o.multipliers, layer->o.outputs, 9);
		scale_all(layer->down.multipliers, layer->down.outputs, 9);
		scale_all(layer->score, f.model.config.n_heads, 60);
		scale_all(layer->value, f.model.config.n_heads, 3);
	}
	scale_all(f.integer.head.multipliers, f.integer.head.outputs, 1 << 14);
	write_files(&f, "saturating");
	fixture_free(&f);
}

/* What the vectors leave out: images with overlapping patches, lost inputs and results, tiny keep shares that leave
 * devices with nothing to send, and no columns at all to normalise but one's own. */
static void make_more(void **state)
{
	const struct cats_config image = {.devices = 4,
					  .d_model = 24,
					  .n_heads = 4,
					  .d_ff = 40,
					  .n_layers = 2,
					  .n_patches = 9,
					  .d_in = 36,
					  .n_out = 10,
					  .activation = CATS_GELU,
					  .norm = CATS_NORM_LAYER,
					  .norm_eps = 1e-5,
					  .cls_token = true,
					  .pool = CATS_POOL_CLS,
					  .image = {12, 12, 6, 3, 0.3, 0.35}};
	struct cats_config mean = image, rms = image, forecast = image;
	struct fixture f;

	(void)state;
	fixture_make(&f, &image, 0.5, 0.1, 11);
	write_files(&f, "image_cls_keep50_loss10_d4");
	fixture_free(&f);
	mean.devices = 16;
	mean.pool = CATS_POOL_MEAN;
	mean.cls_token = false;
	mean.activation = CATS_RELU;
	fixture_make(&f, &mean, 0.1, 0.3, 12);
	write_files(&f, "image_mean_relu_keep10_loss30_d16");
	fixture_free(&f);
	rms.devices = 3;
	rms.norm = CATS_NORM_RMS;
	rms.causal = true;
	fixture_make(&f, &rms, 0.7, 0.2, 13);
	write_files(&f, "image_cls_rms_causal_keep70_loss20_d3");
	fixture_free(&f);
	forecast.image = (struct cats_image_config){0};
	forecast.d_in = 7;
	forecast.pool = CATS_POOL_NONE;
	forecast.devices = 7;
	forecast.n_heads = 6;
	forecast.causal = true;
	fixture_make(&f, &forecast, 1, 0.5, 14);
	write_files(&f, "forecast_cls_causal_loss50_d7");
	fixture_free(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(make_from_vectors), cmocka_unit_test(make_saturating),
					   cmocka_unit_test(make_more)};

	if (argc < 4)
		return 2;
	folder = argv[1];
	vectors = argv + 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

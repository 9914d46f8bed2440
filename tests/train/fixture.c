/* SPDX-License-Identifier: MIT */
/* See fixture.h. */
#define _XOPEN_SOURCE 700
#include "tests/train/fixture.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/random.h"
#include "io/file.h"
#include "io/safetensors.h"

#define PATCHES 4U
#define INPUTS 6U
#define CLASSES 3U

static void must(enum cats_status status, const struct cats_error *error)
{
	if (status < 0) {
		fprintf(stderr, "fixture: %s\n", error->text);
		abort();
	}
}

struct cats_config cats_fixture_config(uint32_t devices)
{
	return (struct cats_config){
		.devices = devices,
		.d_model = 16,
		.n_heads = 4,
		.d_ff = 24,
		.n_layers = 1,
		.n_patches = PATCHES,
		.d_in = INPUTS,
		.n_out = CLASSES,
		.norm_eps = 1e-5,
		.cls_token = true,
		.pool = CATS_POOL_CLS,
	};
}

static float noise(uint64_t key, uint64_t counter)
{
	return (float)((double)(cats_random_u64(key, counter) >> 11) * 0x1p-52 - 1.0);
}

struct cats_dataset cats_fixture_data(uint32_t samples, uint64_t seed)
{
	const size_t values = (size_t)PATCHES * INPUTS;
	struct cats_dataset data = {
		.kind = CATS_DATASET_TENSORS,
		.samples = samples,
		.classes = CLASSES,
		.patches = PATCHES,
		.inputs_per_patch = INPUTS,
	};

	data.labels = calloc(samples, sizeof(*data.labels));
	data.inputs = calloc(samples * values, sizeof(*data.inputs));
	if (data.labels == NULL || data.inputs == NULL)
		abort();
	for (uint32_t s = 0; s < samples; s++) {
		data.labels[s] = cats_random_below(cats_random_key(seed, 1), s, CLASSES);
		for (size_t i = 0; i < values; i++)
			data.inputs[s * values + i] = noise(cats_random_key(77, data.labels[s]), i) +
						      0.7F * noise(cats_random_key(seed, 2), s * values + i);
	}
	return data;
}

void cats_fixture_data_free(struct cats_dataset *data)
{
	free(data->labels);
	free(data->inputs);
}

void cats_fixture_write(const char *path, uint32_t samples, uint64_t seed)
{
	struct cats_dataset data = cats_fixture_data(samples, seed);
	struct cats_error error = {0};
	const struct cats_tensor tensors[] = {
		{.name = "inputs",
		 .dtype = CATS_F32,
		 .dims = 3,
		 .shape = {samples, PATCHES, INPUTS},
		 .count = (size_t)samples * PATCHES * INPUTS,
		 .data = data.inputs},
		{.name = "labels",
		 .dtype = CATS_I32,
		 .dims = 1,
		 .shape = {samples},
		 .count = samples,
		 .data = data.labels},
	};

	must(cats_safetensors_write(path, tensors, 2, NULL, 0, &error), &error);
	cats_fixture_data_free(&data);
}

static void write_config(const char *path, const struct cats_config *config)
{
	struct cats_error error = {0};
	char *text = cats_config_format(config);

	if (text == NULL)
		abort();
	must(cats_file_write(path, text, strlen(text), &error), &error);
	free(text);
}

void cats_fixture_write_config(const char *path, uint32_t devices)
{
	const struct cats_config config = cats_fixture_config(devices);

	write_config(path, &config);
}

struct cats_config cats_fixture_series_config(uint32_t devices)
{
	struct cats_config config = cats_fixture_config(devices);

	config.cls_token = false;
	config.causal = true;
	config.pool = CATS_POOL_NONE;
	config.n_out = 9;
	config.series = (struct cats_series_config){
		.context = PATCHES * INPUTS, .patch = INPUTS, .horizon = 9, .epsilon = 1e-5};
	return config;
}

void cats_fixture_write_series_config(const char *path, uint32_t devices)
{
	const struct cats_config config = cats_fixture_series_config(devices);

	write_config(path, &config);
}

void cats_fixture_write_series(const char *path, uint32_t rows, uint64_t seed)
{
	const uint64_t key = cats_random_key(seed, 3);
	struct cats_error error = {0};
	const size_t most = 64; /* bytes a row */
	char *text = calloc(rows + 1U, most);
	size_t used = 0;

	if (text == NULL)
		abort();
	used += (size_t)sprintf(text, "date,wave,noise\n");
	for (uint32_t r = 0; r < rows; r++)
		used += (size_t)snprintf(text + used, most, "2021-%02u-%02u %02u:00:00,%.5f,%.5f\n", 1U + r / 672U,
					 1U + r / 24U % 28U, r % 24U,
					 5 + 3 * sin(r * 0.5236) + 0.3 * (double)noise(key, 2ULL * r),
					 (double)noise(key, 2ULL * r + 1U));
	must(cats_file_write(path, text, used, &error), &error);
	free(text);
}

void cats_fixture_folder(char path[256], const char *name)
{
	snprintf(path, 256, "%s-XXXXXX", name);
	if (mkdtemp(path) == NULL)
		abort();
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *where)
{
	(void)found;
	(void)type;
	(void)where;
	return remove(path);
}

void cats_fixture_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

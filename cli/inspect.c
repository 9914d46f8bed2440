/* SPDX-License-Identifier: MIT */
/* cats inspect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/inspect_plan.h"
#include "deploy/plan.h"
#include "io/dataset.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "model/model.h"

struct arguments {
	struct cats_common common;
	const char *file;
};

static const struct argp_option option_list[] = {CATS_COMMON_OPTIONS, {0}};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	if (key == ARGP_KEY_ARG && a->file == NULL) {
		a->file = text;
		return 0;
	}
	if (key == ARGP_KEY_ARG)
		argp_error(state, "\"%s\": only one FILE", text);
	if (key == ARGP_KEY_END && a->file == NULL)
		argp_error(state, "FILE is needed");
	return key == ARGP_KEY_END ? 0 : ARGP_ERR_UNKNOWN;
}

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void add_config(cJSON *object, const struct cats_config *config)
{
	char *text = cats_config_format(config);

	cJSON_AddItemToObject(object, "config", text != NULL ? cJSON_Parse(text) : NULL);
	free(text);
}

/* "kept": {SITE: [columns kept by device 0, 1, …]} */
static void add_kept(cJSON *object, const struct cats_model *model)
{
	const struct cats_config *config = &model->config;
	cJSON *kept = cJSON_AddObjectToObject(object, "kept");

	for (uint32_t site = 0; site < cats_config_sites(config); site++) {
		char name[CATS_SITE_NAME_BYTES];
		cJSON *devices;

		cats_site_name(name, config, site);
		devices = cJSON_AddArrayToObject(kept, name);
		for (uint32_t j = 0; j < config->devices; j++) {
			const struct cats_run own = cats_site_own(config, site, config->devices, j);
			uint32_t count = 0;

			for (uint32_t c = own.first; c < own.first + own.count; c++)
				count += model->keep[site][c];
			cJSON_AddItemToArray(devices, cJSON_CreateNumber(count));
		}
	}
}

/* What train.json says, if there is one: metrics and the options of the training. */
static void add_training(cJSON *object, const char *directory)
{
	char path[4096];
	uint8_t *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "%s/train.json", directory);
	if (cats_file_read(&text, &size, path, 1U << 24, NULL) < 0)
		return;
	cJSON_AddItemToObject(object, "training", cJSON_ParseWithLength((const char *)text, size));
	free(text);
}

static enum cats_status inspect_model(cJSON *object, const char *directory, struct cats_error *error)
{
	struct cats_model model = {0};
	const enum cats_status status = cats_model_load(&model, directory, error);

	if (status < 0)
		return status;
	cJSON_AddStringToObject(object, "kind", "model");
	cJSON_AddNumberToObject(object, "parameters", (double)model.weight_count);
	cJSON_AddNumberToObject(object, "macs", (double)cats_model_macs(&model));
	cJSON_AddNumberToObject(object, "air_values", (double)cats_model_air_values(&model));
	add_config(object, &model.config);
	add_kept(object, &model);
	add_training(object, directory);
	cats_model_free(&model);
	return CATS_OK;
}

static enum cats_status inspect_config(cJSON *object, const char *path, struct cats_error *error)
{
	struct cats_config config;
	struct cats_model model = {0};
	uint8_t *text = NULL;
	size_t size;
	enum cats_status status = cats_file_read(&text, &size, path, 1U << 20, error);

	if (status < 0)
		return status;
	status = cats_config_parse(&config, (const char *)text, size, path, error);
	free(text);
	if (status == CATS_OK)
		status = cats_model_create(&model, &config, error);
	if (status < 0)
		return status;
	cJSON_AddStringToObject(object, "kind", "config");
	cJSON_AddNumberToObject(object, "parameters", (double)model.weight_count);
	cJSON_AddNumberToObject(object, "macs", (double)cats_model_macs(&model));
	cJSON_AddNumberToObject(object, "air_values", (double)cats_model_air_values(&model));
	add_config(object, &config);
	cats_model_free(&model);
	return CATS_OK;
}

static enum cats_status inspect_tensors(cJSON *object, const char *path, struct cats_error *error)
{
	struct cats_safetensors file = {0};
	const enum cats_status status = cats_safetensors_read(&file, path, error);

	if (status < 0)
		return status;
	const char *format = cats_safetensors_metadata(&file, "format");

	if (format != NULL && strcmp(format, "cats-integer") == 0) {
		cats_safetensors_free(&file);
		return cats_inspect_integer(object, path, error);
	}
	cJSON_AddStringToObject(object, "kind", "safetensors");
	cJSON *metadata = cJSON_AddObjectToObject(object, "metadata");
	cJSON *tensors = cJSON_AddObjectToObject(object, "tensors");

	for (size_t i = 0; i < file.metadata_count; i++)
		cJSON_AddStringToObject(metadata, file.metadata[i].key, file.metadata[i].value);
	for (size_t i = 0; i < file.tensor_count; i++) {
		cJSON *tensor = cJSON_AddObjectToObject(tensors, file.tensors[i].name);
		cJSON *shape;

		cJSON_AddStringToObject(tensor, "dtype", cats_dtype_name(file.tensors[i].dtype));
		shape = cJSON_AddArrayToObject(tensor, "shape");
		for (uint32_t d = 0; d < file.tensors[i].dims; d++)
			cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)file.tensors[i].shape[d]));
	}
	cats_safetensors_free(&file);
	return CATS_OK;
}

static enum cats_status inspect_data(cJSON *object, const char *spec, struct cats_error *error)
{
	const struct cats_dataset_options options = {.fallback = CATS_SPLIT_ALL};
	struct cats_dataset data = {0};
	char crc[9];
	const enum cats_status status = cats_dataset_open(&data, spec, &options, error);

	if (status < 0)
		return status;
	snprintf(crc, sizeof(crc), "%08x", data.crc32);
	cJSON_AddStringToObject(object, "kind",
				data.kind == CATS_DATASET_IMAGES   ? "images"
				: data.kind == CATS_DATASET_SERIES ? "series"
								   : "tensors");
	cJSON_AddNumberToObject(object, "samples", (double)data.samples);
	cJSON_AddStringToObject(object, "crc32", crc);
	if (data.kind == CATS_DATASET_IMAGES) {
		cJSON_AddNumberToObject(object, "height", data.height);
		cJSON_AddNumberToObject(object, "width", data.width);
	} else if (data.kind == CATS_DATASET_TENSORS) {
		cJSON_AddNumberToObject(object, "patches", data.patches);
		cJSON_AddNumberToObject(object, "inputs_per_patch", data.inputs_per_patch);
	} else {
		cJSON *columns = cJSON_AddArrayToObject(object, "columns");

		for (uint32_t c = 0; c < data.columns; c++)
			cJSON_AddItemToArray(columns, cJSON_CreateString(data.column_names[c]));
	}
	if (data.labels != NULL)
		cJSON_AddNumberToObject(object, "classes", data.classes);
	if (data.targets != NULL)
		cJSON_AddNumberToObject(object, "targets_per_sample", data.targets_per_sample);
	cats_dataset_free(&data);
	return CATS_OK;
}

/* A plan.json is the plan of the directory that it lies in. */
static enum cats_status inspect_plan_file(cJSON *object, const char *path, struct cats_error *error)
{
	const char *slash = strrchr(path, '/');
	char directory[4096];

	if (slash == NULL)
		return cats_inspect_plan(object, ".", error);
	if ((size_t)(slash - path) >= sizeof(directory))
		return cats_fail(error, CATS_ERR_USAGE, "%s: the path is too long", path);
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	return cats_inspect_plan(object, slash == path ? "/" : directory, error);
}

static enum cats_status inspect(cJSON *object, const char *file, struct cats_error *error)
{
	struct stat found;

	if (stat(file, &found) != 0 && strchr(file, ':') == NULL && strcmp(file, "fashion-mnist") != 0)
		return cats_fail(error, CATS_ERR_IO, "%s: there is no such file or folder", file);
	if (stat(file, &found) != 0)
		return inspect_data(object, file, error);
	if (S_ISDIR(found.st_mode) && cats_plan_is_there(file))
		return cats_inspect_plan(object, file, error);
	if (S_ISDIR(found.st_mode))
		return inspect_model(object, file, error);
	if (ends_with(file, ".shard"))
		return cats_inspect_shard(object, file, error);
	if (ends_with(file, ".hex"))
		return cats_inspect_flash(object, file, error);
	if (ends_with(file, ".safetensors"))
		return inspect_tensors(object, file, error);
	if (strcmp(file, "plan.json") == 0 || ends_with(file, "/plan.json"))
		return inspect_plan_file(object, file, error);
	if (ends_with(file, ".json"))
		return inspect_config(object, file, error);
	return cats_fail(
		error, CATS_ERR_FORMAT,
		"%s: is neither the directory of a model or plan nor a .safetensors, .shard, .hex or .json file; "
		"data are named as for "
		"--data",
		file);
}

int cats_command_inspect(int argc, char **argv)
{
	static const struct argp argp = {
		option_list,
		parse,
		"FILE",
		"Says what is in the directory of a model or plan (or its plan.json), a shard, "
		"an integer model, a node's .hex, a config.json, a .safetensors file, or DATA as given to --data.",
		NULL,
		NULL,
		NULL};
	struct arguments a = {0};
	struct cats_error error = {0};
	cJSON *object;
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	object = cJSON_CreateObject();
	status = inspect(object, a.file, &error);
	if (status == CATS_OK)
		return cats_print_result(object, &a.common);
	cJSON_Delete(object);
	return cats_report_failure(status, &error);
}

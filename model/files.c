/* SPDX-License-Identifier: MIT */
/* A model's directory: config.json, model.safetensors and the card, read strictly and replaced together. Knows nothing
 * of training. See model.h and docs/SPEC.md. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/directory.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "model/model.h"

#define CONFIG_FILE "config.json"
#define OLD_CONFIG_FILE "config.json.replaced"
#define TENSORS_FILE "model.safetensors"
#define CARD_FILE "README.md"

#define FORMAT_KEY "format"
#define FORMAT_NAME "cats-model"
#define VERSION_KEY "format_version"
#define VERSION "1"
#define CONFIG_KEY "config"             /* the text of config.json */
#define TENSORS_CRC_KEY "tensors_crc32" /* of all tensors' data, in the order of the file */
#define CRC_TEXT_BYTES 9                /* 8 lower-case hexadecimal digits and a zero */

#define KEEP_PREFIX "keep/"
#define KEEP_NAME_BYTES (sizeof KEEP_PREFIX + CATS_SITE_NAME_BYTES)

static void keep_name(char name[KEEP_NAME_BYTES], const struct cats_config *config, uint32_t site)
{
	char site_name[CATS_SITE_NAME_BYTES];

	cats_site_name(site_name, config, site);
	(void)snprintf(name, KEEP_NAME_BYTES, KEEP_PREFIX "%s", site_name);
}

static void format_crc(char text[CRC_TEXT_BYTES], uint32_t crc)
{
	(void)snprintf(text, CRC_TEXT_BYTES, "%08x", crc);
}

static uint32_t crc_tensors(const struct cats_tensor *tensors, size_t count)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < count; i++)
		crc = cats_crc32(crc, tensors[i].data, tensors[i].count * cats_dtype_bytes(tensors[i].dtype));
	return crc;
}

/* A file of tensors from elsewhere may have no metadata; those that are there must be right. */
static enum cats_status check_metadata(const struct cats_safetensors *file, const char *name, struct cats_error *error)
{
	const char *format = cats_safetensors_metadata(file, FORMAT_KEY);
	const char *version = cats_safetensors_metadata(file, VERSION_KEY);
	const char *tensors_crc = cats_safetensors_metadata(file, TENSORS_CRC_KEY);
	char actual[CRC_TEXT_BYTES];

	/* Other programs write the name of a framework ("pt") under the same key. */
	if (version && format && strcmp(format, FORMAT_NAME) == 0 && strcmp(version, VERSION) != 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: " VERSION_KEY ": '%.20s', only " VERSION " is known; use a newer program", name,
				 version);
	format_crc(actual, crc_tensors(file->tensors, file->tensor_count));
	if (tensors_crc && strcmp(tensors_crc, actual) != 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: " TENSORS_CRC_KEY ": %.20s, but the data have %s: the file is damaged; fetch or "
				 "save it again",
				 name, tensors_crc, actual);
	return CATS_OK;
}

static bool same_config(const struct cats_config *a, const struct cats_config *b)
{
	char *text_a = cats_config_format(a);
	char *text_b = cats_config_format(b);
	const bool same = text_a && text_b && strcmp(text_a, text_b) == 0;

	free(text_a);
	free(text_b);
	return same;
}

/* The config from config.json, or from the copy of it beside the tensors; where both are there, they must agree, unless
 * that file is only a replacement for the copy. */
static enum cats_status read_config(struct cats_config *out, const struct cats_model_bytes *config,
				    const struct cats_safetensors *file, const char *name, struct cats_error *error)
{
	const char *copy = cats_safetensors_metadata(file, CONFIG_KEY);
	struct cats_config copied;

	if (config && !(copy && config->yields)) {
		const enum cats_status status =
			cats_config_parse(out, config->bytes, config->size, config->name, error);
		if (status != CATS_OK || !copy)
			return status;
	}
	if (!copy)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: " CONFIG_KEY ": there is no " CONFIG_FILE
				 " beside it and no copy inside; add the file",
				 name);
	char copy_name[PATH_MAX + sizeof CONFIG_KEY + 4];
	(void)snprintf(copy_name, sizeof copy_name, "%s: " CONFIG_KEY, name);
	const enum cats_status status = cats_config_parse(&copied, copy, strlen(copy), copy_name, error);
	if (status != CATS_OK)
		return status;
	if (config && !config->yields && !same_config(out, &copied))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: differs from the config that the weights in %s were saved with; put the old one "
				 "back, or remove it to use the copy saved with them",
				 config->name, name);
	*out = copied;
	return CATS_OK;
}

static void format_shape(char *text, size_t bytes, const uint64_t *shape, uint32_t dims)
{
	size_t used = (size_t)snprintf(text, bytes, "[");

	for (uint32_t i = 0; i < dims && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%ju", i ? ", " : "", (uintmax_t)shape[i]);
	if (used < bytes)
		(void)snprintf(text + used, bytes - used, "]");
}

/* The tensor `name` of the given type and shape; *out is NULL on error. */
static enum cats_status find_tensor(const struct cats_tensor **out, const struct cats_safetensors *file,
				    const char *name, const struct cats_tensor *expected, struct cats_error *error)
{
	const struct cats_tensor *tensor = cats_safetensors_find(file, expected->name);
	char has[96];
	char needs[96];

	*out = NULL;
	if (!tensor)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: tensor '%s': is missing, the config needs it; give the config of these weights",
				 name, expected->name);
	if (tensor->dtype != expected->dtype)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': dtype: is %s, must be %s; convert it", name,
				 expected->name, cats_dtype_name(tensor->dtype), cats_dtype_name(expected->dtype));
	if (tensor->dims != expected->dims ||
	    memcmp(tensor->shape, expected->shape, expected->dims * sizeof *tensor->shape) != 0) {
		format_shape(has, sizeof has, tensor->shape, tensor->dims);
		format_shape(needs, sizeof needs, expected->shape, expected->dims);
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: tensor '%s': shape: is %s, the config gives %s; give the config of these weights",
				 name, expected->name, has, needs);
	}
	*out = tensor;
	return CATS_OK;
}

static struct cats_tensor describe_weight(const struct cats_model *model, uint32_t index)
{
	const struct cats_weight *weight = &model->tensors[index];
	struct cats_tensor tensor = {
		.dtype = CATS_F32,
		.dims = weight->vector ? 1 : 2,
		.shape = {weight->rows, weight->vector ? 0 : weight->columns},
		.count = (size_t)weight->rows * weight->columns,
		.data = model->weights + weight->offset,
	};

	(void)snprintf(tensor.name, sizeof tensor.name, "%s", weight->name);
	return tensor;
}

static struct cats_tensor describe_keep(const struct cats_model *model, uint32_t site)
{
	const uint32_t columns = cats_site_columns(&model->config, site);
	struct cats_tensor tensor = {
		.dtype = CATS_U8, .dims = 1, .shape = {columns}, .count = columns, .data = model->keep[site]};

	keep_name(tensor.name, &model->config, site);
	return tensor;
}

/* The position of the first value that is NaN or infinite, or `count`. */
static size_t first_not_finite(const float *values, size_t count)
{
	size_t i = 0;

	while (i < count && isfinite(values[i]))
		i++;
	return i;
}

static enum cats_status fail_not_finite(const struct cats_tensor *tensor, size_t position, const char *name,
					struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_FORMAT,
			 "%s: tensor '%s': element %zu is not a finite number; train again at a lower learning rate",
			 name, tensor->name, position);
}

static enum cats_status read_weight(struct cats_model *model, uint32_t index, const struct cats_safetensors *file,
				    const char *name, struct cats_error *error)
{
	const struct cats_tensor expected = describe_weight(model, index);
	const struct cats_tensor *tensor;
	const enum cats_status status = find_tensor(&tensor, file, name, &expected, error);

	if (status != CATS_OK)
		return status;
	const size_t bad = first_not_finite(tensor->data, tensor->count);
	if (bad < tensor->count)
		return fail_not_finite(tensor, bad, name, error);
	memcpy(model->weights + model->tensors[index].offset, tensor->data, tensor->count * sizeof *model->weights);
	return CATS_OK;
}

static enum cats_status read_keep(struct cats_model *model, uint32_t site, const struct cats_safetensors *file,
				  const char *name, struct cats_error *error)
{
	const struct cats_tensor expected = describe_keep(model, site);
	const struct cats_tensor *tensor;
	const enum cats_status status = find_tensor(&tensor, file, name, &expected, error);

	if (status != CATS_OK)
		return status;
	memcpy(model->keep[site], tensor->data, tensor->count);
	for (size_t i = 0; i < tensor->count; i++)
		if (model->keep[site][i] > 1)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor '%s': element %zu is %u, a keep list holds 0 and 1; correct it",
					 name, tensor->name, i, model->keep[site][i]);
	return CATS_OK;
}

static bool has_keep_lists(const struct cats_safetensors *file)
{
	for (size_t i = 0; i < file->tensor_count; i++)
		if (strncmp(file->tensors[i].name, KEEP_PREFIX, strlen(KEEP_PREFIX)) == 0)
			return true;
	return false;
}

static bool is_known(const struct cats_model *model, const char *name)
{
	char keep[KEEP_NAME_BYTES];

	for (uint32_t i = 0; i < model->tensor_count; i++)
		if (strcmp(model->tensors[i].name, name) == 0)
			return true;
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++) {
		keep_name(keep, &model->config, site);
		if (strcmp(keep, name) == 0)
			return true;
	}
	return false;
}

static enum cats_status read_tensors(struct cats_model *model, const struct cats_safetensors *file, const char *name,
				     struct cats_error *error)
{
	const uint32_t sites = has_keep_lists(file) ? cats_config_sites(&model->config) : 0;
	enum cats_status status = CATS_OK;

	for (uint32_t i = 0; i < model->tensor_count && status == CATS_OK; i++)
		status = read_weight(model, i, file, name, error);
	for (uint32_t site = 0; site < sites && status == CATS_OK; site++)
		status = read_keep(model, site, file, name, error);
	if (status != CATS_OK || file->tensor_count == (size_t)model->tensor_count + sites)
		return status;
	for (size_t i = 0; i < file->tensor_count; i++)
		if (!is_known(model, file->tensors[i].name))
			return cats_fail(
				error, CATS_ERR_MISMATCH,
				"%s: tensor '%s': the config has no place for it; give the config of these weights",
				name, file->tensors[i].name);
	return CATS_OK;
}

enum cats_status cats_model_parse(struct cats_model *out, const struct cats_model_bytes *config,
				  const struct cats_model_bytes *tensors, struct cats_error *error)
{
	struct cats_config parsed;
	struct cats_safetensors file;

	*out = (struct cats_model){0};
	enum cats_status status = cats_safetensors_parse(&file, tensors->bytes, tensors->size, tensors->name, error);
	if (status != CATS_OK)
		return status;
	status = check_metadata(&file, tensors->name, error);
	if (status == CATS_OK)
		status = read_config(&parsed, config, &file, tensors->name, error);
	if (status == CATS_OK)
		status = cats_model_create(out, &parsed, error);
	if (status == CATS_OK)
		status = read_tensors(out, &file, tensors->name, error);
	cats_safetensors_free(&file);
	if (status != CATS_OK)
		cats_model_free(out);
	return status;
}

static enum cats_status read_part(struct cats_model_bytes *out, char path[PATH_MAX], const char *directory,
				  const char *file, size_t limit, struct cats_error *error)
{
	uint8_t *bytes = NULL;
	enum cats_status status = cats_path_join(path, directory, file, error);

	*out = (struct cats_model_bytes){.name = path};
	if (status == CATS_OK)
		status = cats_file_read(&bytes, &out->size, path, limit, error);
	out->bytes = bytes;
	return status;
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

/* Where config.json is missing, a save that died may have left the old one under its other name. Neither is there:
 * out->bytes stays NULL. */
static enum cats_status read_either_config(struct cats_model_bytes *out, char path[PATH_MAX], const char *directory,
					   struct cats_error *error)
{
	static const char *const names[] = {CONFIG_FILE, OLD_CONFIG_FILE};
	enum cats_status status = CATS_OK;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		status = read_part(out, path, directory, names[i], CATS_CONFIG_MAX_BYTES, error);
		out->yields = i > 0;
		if (status != CATS_ERR_IO || !is_missing(path))
			return status;
	}
	return CATS_OK;
}

/* Who gives something else where a model is needed is told what it is. The name of a plan's file is all that is known
 * of plans here. */
static enum cats_status check_place(const char *directory, struct cats_error *error)
{
	char tensors[PATH_MAX];
	char plan[PATH_MAX];

	if (cats_file_is_regular(directory))
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: is a file: a model is a directory, give that",
				 directory);
	enum cats_status status = cats_path_join(tensors, directory, TENSORS_FILE, error);
	if (status == CATS_OK)
		status = cats_path_join(plan, directory, "plan.json", error);
	if (status == CATS_OK && is_missing(tensors) && cats_file_is_regular(plan))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: has no " TENSORS_FILE ", it is a plan: give the model that it was made of",
				 directory);
	return status;
}

enum cats_status cats_model_load(struct cats_model *out, const char *directory, struct cats_error *error)
{
	char config_path[PATH_MAX];
	char tensors_path[PATH_MAX];
	struct cats_model_bytes config = {0};
	struct cats_model_bytes tensors;

	*out = (struct cats_model){0};
	enum cats_status status = check_place(directory, error);
	if (status < 0)
		return status;
	status = read_part(&tensors, tensors_path, directory, TENSORS_FILE, CATS_SAFETENSORS_MAX_BYTES, error);
	if (status == CATS_OK)
		status = read_either_config(&config, config_path, directory, error);
	if (status == CATS_OK)
		status = cats_model_parse(out, config.bytes ? &config : NULL, &tensors, error);
	free((void *)config.bytes);
	free((void *)tensors.bytes);
	return status;
}

static enum cats_status check_finite(const struct cats_tensor *tensors, uint32_t count, const char *path,
				     struct cats_error *error)
{
	for (uint32_t i = 0; i < count; i++) {
		const size_t bad = first_not_finite(tensors[i].data, tensors[i].count);
		if (bad < tensors[i].count)
			return fail_not_finite(&tensors[i], bad, path, error);
	}
	return CATS_OK;
}

static enum cats_status stage_tensors(const struct cats_model *model, char *config_text, const char *path,
				      struct cats_error *error)
{
	const uint32_t sites = cats_config_sites(&model->config);
	const uint32_t count = model->tensor_count + sites;
	char tensors_crc[CRC_TEXT_BYTES];
	struct cats_metadata metadata[] = {
		{.key = FORMAT_KEY, .value = FORMAT_NAME},
		{.key = VERSION_KEY, .value = VERSION},
		{.key = CONFIG_KEY, .value = config_text},
		{.key = TENSORS_CRC_KEY, .value = tensors_crc},
	};
	struct cats_tensor *tensors = malloc(count * sizeof *tensors);

	if (!tensors)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its header", path);
	for (uint32_t i = 0; i < model->tensor_count; i++)
		tensors[i] = describe_weight(model, i);
	for (uint32_t site = 0; site < sites; site++)
		tensors[model->tensor_count + site] = describe_keep(model, site);
	enum cats_status status = check_finite(tensors, model->tensor_count, path, error);
	if (status == CATS_OK) {
		format_crc(tensors_crc, crc_tensors(tensors, count));
		status = cats_safetensors_stage(path, tensors, count, metadata, sizeof metadata / sizeof *metadata,
						error);
	}
	free(tensors);
	return status;
}

static enum cats_status stage_text(const char *text, const char *path, struct cats_error *error)
{
	const struct cats_file_part part = {.bytes = text, .size = strlen(text)};

	return cats_file_stage(path, &part, 1, error);
}

/* The files' paths. */
struct paths {
	char config[PATH_MAX], old_config[PATH_MAX], tensors[PATH_MAX], card[PATH_MAX];
};

static enum cats_status stage_all(const struct cats_model *model, char *config_text, const char *card,
				  const struct paths *paths, struct cats_error *error)
{
	enum cats_status status = stage_tensors(model, config_text, paths->tensors, error);

	if (status == CATS_OK)
		status = stage_text(config_text, paths->config, error);
	if (status == CATS_OK && card)
		status = stage_text(card, paths->card, error);
	return status;
}

/* The directory is one model at every moment: the old tensors with the config inside them or, if they are from
 * elsewhere and hold none, with the old config under its other name; then the new tensors with the config inside them.
 * config.json is absent while it could belong to the other. */
static enum cats_status commit_all(const char *card, const struct paths *paths, struct cats_error *error)
{
	enum cats_status status = cats_file_move(paths->old_config, paths->config, error);

	if (status == CATS_OK)
		status = cats_file_commit(paths->tensors, error);
	if (status == CATS_OK)
		status = cats_file_commit(paths->config, error);
	if (status == CATS_OK)
		status = cats_file_remove(paths->old_config, error);
	if (status == CATS_OK && card)
		status = cats_file_commit(paths->card, error);
	return status;
}

enum cats_status cats_model_save(const struct cats_model *model, const char *directory, const char *card,
				 struct cats_error *error)
{
	struct paths paths;
	enum cats_status status = cats_directory_make(directory, error);

	if (status == CATS_OK)
		status = cats_path_join(paths.config, directory, CONFIG_FILE, error);
	if (status == CATS_OK)
		status = cats_path_join(paths.old_config, directory, OLD_CONFIG_FILE, error);
	if (status == CATS_OK)
		status = cats_path_join(paths.tensors, directory, TENSORS_FILE, error);
	if (status == CATS_OK)
		status = cats_path_join(paths.card, directory, CARD_FILE, error);
	if (status != CATS_OK)
		return status;

	char *config_text = cats_config_format(&model->config);
	if (!config_text)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its text", paths.config);
	status = stage_all(model, config_text, card, &paths, error);
	if (status == CATS_OK)
		status = commit_all(card, &paths, error);
	if (status != CATS_OK) {
		cats_file_discard(paths.config);
		cats_file_discard(paths.tensors);
		cats_file_discard(paths.card);
	}
	free(config_text);
	return status;
}

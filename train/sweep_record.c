/* SPDX-License-Identifier: MIT */
/* Finished evaluations of a sweep, as JSON. See sweep_record.h. */
#include "train/sweep_record.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "io/json.h"

#define FORMAT "cats-sweep"
#define VERSION 1
#define LIMIT_BYTES ((size_t)64 << 20) /* some 200,000 evaluations */
#define METRIC_BYTES 16
#define MAX_SAMPLES (1ULL << 53)

struct cats_sweep_record {
	char *path;
	cJSON *root;
};

static enum cats_status no_memory(const char *path, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
}

static cJSON *evaluations_of(const cJSON *root)
{
	return cJSON_GetObjectItemCaseSensitive(root, "evaluations");
}

static bool is_evaluation(const cJSON *item)
{
	const cJSON *metric = cJSON_GetObjectItemCaseSensitive(item, "metric");
	uint64_t samples;

	return cJSON_IsObject(item) && cJSON_GetArraySize(item) == 3 && cJSON_IsString(metric) &&
	       strlen(metric->valuestring) < METRIC_BYTES &&
	       cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(item, "value")) &&
	       cats_json_integer(&samples, cJSON_GetObjectItemCaseSensitive(item, "samples"), MAX_SAMPLES) == 0 &&
	       samples > 0;
}

static enum cats_status check(const cJSON *root, const char *path, struct cats_error *error)
{
	const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format");
	const cJSON *item;
	uint64_t version;

	if (!cJSON_IsString(format) || strcmp(format->valuestring, FORMAT) != 0)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: format: is not \"" FORMAT "\": name another file, it would be overwritten", path);
	if (cats_json_integer(&version, cJSON_GetObjectItemCaseSensitive(root, "format_version"), UINT32_MAX) != 0 ||
	    version != VERSION)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: format_version: only %d is known; use a newer program",
				 path, VERSION);
	if (!cJSON_IsObject(evaluations_of(root)) || cJSON_GetArraySize(root) != 3)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: must have an object \"evaluations\" and nothing else; remove the file", path);
	for (item = evaluations_of(root)->child; item != NULL; item = item->next)
		if (!is_evaluation(item))
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: \"%.100s\": must have a metric, a value and samples, and nothing else; "
					 "remove the file",
					 path, item->string);
	return CATS_OK;
}

static cJSON *new_root(void)
{
	cJSON *root = cJSON_CreateObject();

	if (cJSON_AddStringToObject(root, "format", FORMAT) == NULL ||
	    cJSON_AddNumberToObject(root, "format_version", VERSION) == NULL ||
	    cJSON_AddObjectToObject(root, "evaluations") == NULL) {
		cJSON_Delete(root);
		return NULL;
	}
	return root;
}

/* Takes the tree over, also on failure. */
static enum cats_status make(struct cats_sweep_record **out, cJSON *root, const char *path, struct cats_error *error)
{
	struct cats_sweep_record *record = calloc(1, sizeof(*record));

	*out = NULL;
	if (record != NULL)
		*record = (struct cats_sweep_record){.path = strdup(path), .root = root};
	else
		cJSON_Delete(root);
	if (record == NULL || record->path == NULL || root == NULL) {
		cats_sweep_record_free(record);
		return no_memory(path, error);
	}
	*out = record;
	return CATS_OK;
}

enum cats_status cats_sweep_record_parse(struct cats_sweep_record **out, const char *text, size_t size,
					 const char *path, struct cats_error *error)
{
	cJSON *root;
	enum cats_status status = cats_json_parse(&root, text, size, path, error);

	*out = NULL;
	if (status == CATS_OK)
		status = check(root, path, error);
	if (status == CATS_OK)
		return make(out, root, path, error);
	cJSON_Delete(root);
	return status;
}

enum cats_status cats_sweep_record_open(struct cats_sweep_record **out, const char *path, struct cats_error *error)
{
	uint8_t *text = NULL;
	size_t size;
	enum cats_status status;

	if (access(path, F_OK) != 0 && errno == ENOENT)
		return make(out, new_root(), path, error);
	*out = NULL;
	status = cats_file_read(&text, &size, path, LIMIT_BYTES, error);
	if (status == CATS_OK)
		status = cats_sweep_record_parse(out, (const char *)text, size, path, error);
	free(text);
	return status;
}

void cats_sweep_record_free(struct cats_sweep_record *record)
{
	if (record == NULL)
		return;
	free(record->path);
	cJSON_Delete(record->root);
	free(record);
}

enum cats_status cats_sweep_key(char key[CATS_SWEEP_KEY_BYTES], const struct cats_model *model,
				const struct cats_dataset *data, const struct cats_evaluation_options *options,
				struct cats_error *error)
{
	const struct cats_loss_spec *loss = &options->loss;
	char *config = cats_config_format(&model->config);
	char losses[160] = "nothing lost";
	uint32_t crc;

	if (config == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "sweep: out of memory");
	crc = cats_crc32(0, config, strlen(config));
	free(config);
	crc = cats_crc32(crc, model->weights, model->weight_count * sizeof(float));
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		crc = cats_crc32(crc, model->keep[site], cats_site_columns(&model->config, site));
	if (cats_loss_any(loss))
		snprintf(losses, sizeof(losses), "lost link %.17g receiver %.17g sender %.17g per %s of %u, seed %llu",
			 loss->link, loss->receiver, loss->sender, loss->per_packet ? "packet" : "message",
			 loss->payload_bytes, (unsigned long long)options->seed);
	snprintf(key, CATS_SWEEP_KEY_BYTES, "model %08x, data %08x, samples %zu of %zu, %s", crc, data->crc32,
		 options->limit != 0 && options->limit < data->samples ? options->limit : data->samples, data->samples,
		 losses);
	return CATS_OK;
}

bool cats_sweep_record_find(struct cats_evaluation *out, const struct cats_sweep_record *record, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(evaluations_of(record->root), key);

	if (item == NULL)
		return false;
	*out = (struct cats_evaluation){
		.metric = cJSON_GetObjectItemCaseSensitive(item, "metric")->valuestring,
		.value = cJSON_GetObjectItemCaseSensitive(item, "value")->valuedouble,
		.samples = (size_t)cJSON_GetObjectItemCaseSensitive(item, "samples")->valuedouble,
	};
	return true;
}

enum cats_status cats_sweep_record_add(struct cats_sweep_record *record, const char *key,
				       const struct cats_evaluation *evaluation, struct cats_error *error)
{
	cJSON *item = cJSON_AddObjectToObject(evaluations_of(record->root), key);
	enum cats_status status;
	char *text;

	if (cJSON_AddStringToObject(item, "metric", evaluation->metric) == NULL ||
	    cJSON_AddNumberToObject(item, "value", evaluation->value) == NULL ||
	    cJSON_AddNumberToObject(item, "samples", (double)evaluation->samples) == NULL)
		return no_memory(record->path, error);
	text = cJSON_Print(record->root);
	if (text == NULL)
		return no_memory(record->path, error);
	status = cats_file_write(record->path, text, strlen(text), error);
	cJSON_free(text);
	return status;
}

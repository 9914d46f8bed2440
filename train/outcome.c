/* SPDX-License-Identifier: MIT */
/* What a finished training leaves: the model's directory, its card, its record. See session.h. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "train/session.h"

#define PATH_BYTES 4096
#define RECORD_LIMIT (16U << 20)

/* The last part of a path, and how long it is without a final slash. */
static const char *last_name(int *length, const char *path)
{
	size_t end = strlen(path);
	size_t begin;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	*length = (int)(end - begin);
	return path + begin;
}

static void print_results(FILE *out, const struct cats_session *s, const struct cats_train_result *r)
{
	const bool forecasts = s->model.config.pool == CATS_POOL_NONE;
	const char *second = forecasts ? "of the last token alone" : "loss";

	fprintf(out, "\n## Results\n\n| split | samples | %s | %s |\n| --- | --- | --- | --- |\n", r->metric, second);
	fprintf(out, "| validation | %zu | %.4f | %.4f |\n", s->val.samples, r->val_value,
		forecasts ? r->val_last : r->val_loss);
	if (r->has_test)
		fprintf(out, "| test | %zu | %.4f | %.4f |\n", s->test.samples, r->test_value,
			forecasts ? r->test_last : r->test_loss);
}

/* The card is written into memory first: the file is then whole or absent. */
static enum cats_status print_card(FILE *out, const struct cats_session *s, const struct cats_model *model,
				   const struct cats_train_result *result)
{
	const struct cats_config *c = &model->config;
	int length;
	const char *name = last_name(&length, s->options->out);

	fprintf(out, "---\nlibrary_name: cats\nlicense: mit\n---\n# %.*s\n\n", length, name);
	fprintf(out, "A transformer for CATS, %u layers of width %u (%u heads, feed-forward %u), for %u device%s.\n\n",
		c->n_layers, c->d_model, c->n_heads, c->d_ff, c->devices, c->devices == 1 ? "" : "s");
	fprintf(out, "| | |\n| --- | --- |\n");
	fprintf(out, "| parameters | %zu |\n", model->weight_count);
	fprintf(out, "| multiply-accumulates an inference | %llu |\n", (unsigned long long)cats_model_macs(model));
	fprintf(out, "| values on air an inference | %llu |\n", (unsigned long long)cats_model_air_values(model));
	if (s->options->command != NULL)
		fprintf(out, "\n## Command\n\n    %s\n", s->options->command);
	print_results(out, s, result);
	fprintf(out, "\nThe weights are those of epoch %u of %u (%s). %s\n", result->best_epoch, result->epochs,
		s->options->keep_last ? "the last" : "the best on validation",
		result->has_test ? "Nothing was chosen by the test samples."
				 : "The data have no test samples of their own.");
	fprintf(out, "\n## Made from\n\n| | |\n| --- | --- |\n");
	for (size_t i = 0; i < s->fingerprint_count; i++)
		if (strcmp(s->fingerprint[i].key, "config") != 0)
			fprintf(out, "| %s | %s |\n", s->fingerprint[i].key, s->fingerprint[i].value);
	if (s->options->init != NULL)
		fprintf(out, "| started from | %s |\n", s->options->init);
	return CATS_OK;
}

static cJSON *record_of(const struct cats_session *session, const struct cats_train_result *result)
{
	cJSON *record = cJSON_CreateObject();
	cJSON *options = cJSON_AddObjectToObject(record, "options");

	for (size_t i = 0; i < session->fingerprint_count; i++)
		cJSON_AddStringToObject(options, session->fingerprint[i].key, session->fingerprint[i].value);
	cJSON_AddNumberToObject(record, "epochs", result->epochs);
	cJSON_AddNumberToObject(record, "best_epoch", result->best_epoch);
	cJSON_AddNumberToObject(record, "train_loss", result->train_loss);
	cJSON_AddStringToObject(record, "metric", result->metric);
	cJSON_AddNumberToObject(record, "val_value", result->val_value);
	cJSON_AddNumberToObject(record, "val_loss", result->val_loss);
	cJSON_AddNumberToObject(record, "val_last", result->val_last);
	if (result->has_test) {
		cJSON_AddNumberToObject(record, "test_value", result->test_value);
		cJSON_AddNumberToObject(record, "test_loss", result->test_loss);
		cJSON_AddNumberToObject(record, "test_last", result->test_last);
	}
	cJSON_AddNumberToObject(record, "seconds", result->seconds);
	return record;
}

static enum cats_status write_record(const struct cats_session *session, const struct cats_train_result *result,
				     struct cats_error *error)
{
	char path[PATH_BYTES];
	cJSON *record = record_of(session, result);
	char *text = cJSON_Print(record);
	enum cats_status status;

	snprintf(path, sizeof(path), "%s/train.json", session->options->out);
	status = text == NULL ? cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path)
			      : cats_file_write(path, text, strlen(text), error);
	cJSON_free(text);
	cJSON_Delete(record);
	return status;
}

enum cats_status cats_outcome_save(const struct cats_session *session, const struct cats_model *model,
				   const struct cats_train_result *result, struct cats_error *error)
{
	char *card = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&card, &size);
	enum cats_status status = CATS_OK;

	if (stream == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "model card: out of memory");
	status = print_card(stream, session, model, result);
	if (fclose(stream) != 0)
		status = cats_fail(error, CATS_ERR_MEMORY, "model card: out of memory");
	if (status == CATS_OK)
		status = cats_model_save(model, session->options->out, card, error);
	free(card);
	return status == CATS_OK ? write_record(session, result, error) : status;
}

static bool take_number(double *out, const cJSON *record, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, key);

	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
		return false;
	*out = item->valuedouble;
	return true;
}

static bool take_result(struct cats_train_result *result, const cJSON *record)
{
	const cJSON *metric = cJSON_GetObjectItemCaseSensitive(record, "metric");
	double epochs;
	double best_epoch;

	if (!cJSON_IsString(metric) || strlen(metric->valuestring) >= sizeof(result->metric) ||
	    !take_number(&epochs, record, "epochs") || !take_number(&best_epoch, record, "best_epoch") ||
	    !(epochs >= 0 && epochs <= UINT32_MAX && best_epoch >= 0 && best_epoch <= UINT32_MAX) ||
	    !take_number(&result->train_loss, record, "train_loss") ||
	    !take_number(&result->val_value, record, "val_value") ||
	    !take_number(&result->val_loss, record, "val_loss") || !take_number(&result->seconds, record, "seconds"))
		return false;
	strcpy(result->metric, metric->valuestring);
	result->epochs = (uint32_t)epochs;
	result->best_epoch = (uint32_t)best_epoch;
	result->has_test = take_number(&result->test_value, record, "test_value") &&
			   take_number(&result->test_loss, record, "test_loss");
	/* Records of before there were forecasts have neither; theirs are 0. */
	(void)take_number(&result->val_last, record, "val_last");
	(void)take_number(&result->test_last, record, "test_last");
	return true;
}

static enum cats_status compare_options(const struct cats_session *session, const cJSON *options, const char *path,
					struct cats_error *error)
{
	const size_t count = (size_t)cJSON_GetArraySize(options);
	struct cats_metadata *saved = calloc(count + 1, sizeof(*saved));
	const cJSON *item;
	size_t n = 0;
	enum cats_status status;

	if (saved == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	cJSON_ArrayForEach(item, options) if (cJSON_IsString(item) && item->string != NULL) saved[n++] =
		(struct cats_metadata){item->string, item->valuestring};
	status = cats_session_compare(session, saved, n, path, error);
	free(saved);
	return status;
}

enum cats_status cats_outcome_load(struct cats_train_result *result, const struct cats_session *session,
				   struct cats_error *error)
{
	char path[PATH_BYTES];
	uint8_t *text = NULL;
	size_t size;
	cJSON *record;
	enum cats_status status;

	snprintf(path, sizeof(path), "%s/train.json", session->options->out);
	status = cats_file_read(&text, &size, path, RECORD_LIMIT, error);
	if (status < 0)
		return status;
	record = cJSON_ParseWithLength((const char *)text, size);
	free(text);
	*result = (struct cats_train_result){.resumed = true};
	if (!cJSON_IsObject(record) || !take_result(result, record))
		status = cats_fail(error, CATS_ERR_FORMAT,
				   "%s: not the record of a finished training: use --force to begin anew", path);
	else
		status = compare_options(session, cJSON_GetObjectItemCaseSensitive(record, "options"), path, error);
	cJSON_Delete(record);
	return status;
}

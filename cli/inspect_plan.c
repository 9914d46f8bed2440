/* SPDX-License-Identifier: MIT */
/* cats inspect, for what cats plan writes. See inspect_plan.h. */
#include "cli/inspect_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy/plan.h"
#include "io/file.h"

#define SHARD_BYTES_MAX ((size_t)64 << 20)

static void add_hexadecimal(cJSON *object, const char *key, uint64_t value)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, value);
	cJSON_AddStringToObject(object, key, text);
}

enum cats_status cats_inspect_plan(cJSON *object, const char *directory, struct cats_error *error)
{
	struct cats_plan plan;
	const enum cats_status status = cats_plan_load(&plan, directory, error);

	if (status < 0)
		return status;
	char path[4096];
	uint8_t *text = NULL;
	size_t size = 0;

	cJSON_AddStringToObject(object, "kind", "plan");
	snprintf(path, sizeof(path), "%s/plan.json", directory);
	if (cats_file_read(&text, &size, path, (size_t)1 << 20, error) == CATS_OK) {
		cJSON *facts = cJSON_ParseWithLength((const char *)text, size), *item;

		while (facts != NULL && (item = facts->child) != NULL) {
			cJSON_DetachItemViaPointer(facts, item);
			cJSON_AddItemToObject(object, item->string, item);
		}
		cJSON_Delete(facts);
	}
	free(text);
	cats_plan_free(&plan);
	return CATS_OK;
}

static const char *op_name(uint8_t code)
{
	static const char *const names[] = {"?",         "gather",           "embed",
					    "quantise",  "statistics",       "norm_product",
					    "attention", "residual_product", "end"};

	return code <= CATS_OP_END ? names[code] : names[0];
}

/* "name, outputs x columns x rows" as far as an op has them. */
static cJSON *describe_op(const struct cats_op *op)
{
	cJSON *item = cJSON_CreateObject();

	cJSON_AddStringToObject(item, "op", op_name(op->code));
	if (op->site != CATS_NO_SITE)
		cJSON_AddNumberToObject(item, "site", op->site);
	if (op->code == CATS_OP_EMBED) {
		cJSON_AddNumberToObject(item, "outputs", op->embed.outputs);
		cJSON_AddNumberToObject(item, "columns", op->embed.columns);
		cJSON_AddNumberToObject(item, "rows", op->embed.patches);
	} else if (op->code == CATS_OP_NORM_PRODUCT) {
		cJSON_AddNumberToObject(item, "outputs", op->norm_product.outputs);
		cJSON_AddNumberToObject(item, "columns", op->norm_product.columns);
		cJSON_AddNumberToObject(item, "rows", op->norm_product.rows);
	} else if (op->code == CATS_OP_RESIDUAL_PRODUCT) {
		cJSON_AddNumberToObject(item, "outputs", op->residual_product.outputs);
		cJSON_AddNumberToObject(item, "columns", op->residual_product.columns);
		cJSON_AddNumberToObject(item, "rows", op->residual_product.rows);
	} else if (op->code == CATS_OP_ATTENTION) {
		cJSON_AddNumberToObject(item, "heads", op->attention.heads);
		cJSON_AddNumberToObject(item, "width", op->attention.head_width);
		cJSON_AddNumberToObject(item, "keys", op->attention.keys);
		cJSON_AddNumberToObject(item, "rows", op->attention.queries);
	}
	return item;
}

static cJSON *describe_site(const struct cats_shard_site *site)
{
	cJSON *item = cJSON_CreateObject();

	cJSON_AddNumberToObject(item, "site", site->site);
	cJSON_AddNumberToObject(item, "tokens", site->tokens);
	cJSON_AddNumberToObject(item, "columns", site->columns);
	cJSON_AddNumberToObject(item, "sent_columns", site->kept);
	cJSON_AddNumberToObject(item, "bytes_a_column", site->column_bytes);
	cJSON_AddNumberToObject(item, "compute_us", site->compute_us);
	cJSON_AddNumberToObject(item, "deadline_us", site->deadline_us);
	return item;
}

void cats_inspect_shard_bytes(cJSON *object, const struct cats_shard *shard)
{
	const struct cats_shard_header *h = shard->header;

	cJSON_AddStringToObject(object, "kind", "shard");
	cJSON_AddNumberToObject(object, "version", h->version);
	cJSON_AddStringToObject(object, "target", h->target == CATS_TARGET_NRF52840 ? "nrf52840" : "plain");
	add_hexadecimal(object, "model_id", h->model_id);
	add_hexadecimal(object, "plan_id", h->plan_id);
	cJSON_AddNumberToObject(object, "device", h->device);
	cJSON_AddNumberToObject(object, "devices", h->devices);
	cJSON_AddNumberToObject(object, "source", h->source);
	if (h->sink == CATS_SINK_ALL)
		cJSON_AddStringToObject(object, "sink", "all");
	else
		cJSON_AddNumberToObject(object, "sink", h->sink);
	cJSON_AddNumberToObject(object, "tokens", h->tokens);
	cJSON_AddNumberToObject(object, "layers", h->layers);
	cJSON_AddNumberToObject(object, "outputs", h->outputs);
	cJSON_AddNumberToObject(object, "payload_max", h->payload_max);
	cJSON_AddNumberToObject(object, "bytes", h->bytes);
	cJSON_AddNumberToObject(object, "arena_bytes", h->arena_bytes);
	cJSON_AddNumberToObject(object, "macs", (double)h->macs);
	cJSON_AddNumberToObject(object, "sent_bytes", h->sent_bytes);
	cJSON *sites = cJSON_AddArrayToObject(object, "sites");
	cJSON *ops = cJSON_AddArrayToObject(object, "ops");

	for (uint32_t i = 0; i < h->site_count; i++)
		cJSON_AddItemToArray(sites, describe_site(shard->sites + i));
	for (uint32_t i = 0; i < h->op_count; i++)
		cJSON_AddItemToArray(ops, describe_op(shard->ops + i));
}

enum cats_status cats_inspect_shard(cJSON *object, const char *path, struct cats_error *error)
{
	struct cats_shard shard;
	uint8_t *bytes = NULL;
	size_t size = 0;
	uint32_t where = 0;
	enum cats_status status = cats_file_read(&bytes, &size, path, SHARD_BYTES_MAX, error);
	const int refusal = status == CATS_OK ? cats_shard_open(&shard, bytes, size, &where) : 0;

	if (refusal != 0)
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: at byte %u: %s (%s)", path, where,
				   cats_refusal_text(refusal), cats_refusal_name(refusal));
	if (status == CATS_OK)
		cats_inspect_shard_bytes(object, &shard);
	free(bytes);
	return status;
}

static void add_config(cJSON *object, const struct cats_config *config)
{
	char *text = cats_config_format(config);

	cJSON_AddItemToObject(object, "config", text != NULL ? cJSON_Parse(text) : NULL);
	free(text);
}

static void add_scales(cJSON *object, const struct cats_integer *m)
{
	cJSON *scales = cJSON_AddObjectToObject(object, "scales");

	cJSON_AddNumberToObject(scales, "input", *m->scale_input);
	cJSON_AddNumberToObject(scales, "residual", *m->scale_residual);
	cJSON_AddNumberToObject(scales, "result", *m->scale_result);
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++) {
		char name[CATS_SITE_NAME_BYTES];

		cats_site_name(name, &m->config, site);
		cJSON_AddNumberToObject(scales, name, m->scale_site[site]);
	}
}

enum cats_status cats_inspect_integer(cJSON *object, const char *path, struct cats_error *error)
{
	struct cats_integer m;
	const enum cats_status status = cats_integer_load(&m, path, error);

	if (status < 0)
		return status;
	cJSON_AddStringToObject(object, "kind", "integer model");
	add_hexadecimal(object, "model_id", m.id);
	cJSON_AddBoolToObject(object, "pruned", cats_integer_prunes(&m));
	add_config(object, &m.config);
	add_scales(object, &m);
	cats_integer_free(&m);
	return CATS_OK;
}

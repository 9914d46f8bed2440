/* SPDX-License-Identifier: MIT */
/* A plan's directory. See plan.h. */
#include "deploy/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "deploy/plan_json.h"
#include "io/directory.h"
#include "io/file.h"
#include "ports/nrf52840/layout.h"
#include "sim/play.h"
#include "sim/times.h"

#define PLAN_NAME "plan.json"
#define INTEGER_NAME "integer.safetensors"
#define PLAN_BYTES_MAX ((size_t)1 << 20)
#define SHARD_BYTES_MAX ((size_t)64 << 20)

static const struct cats_target_limits targets[] = {
	{"nrf52840", CATS_TARGET_NRF52840, CATS_LAYOUT_FLASH_BYTES, CATS_LAYOUT_RAM_BYTES, CATS_LAYOUT_FLASH_RESERVED,
	 CATS_LAYOUT_RAM_RESERVED},
};

const struct cats_target_limits *cats_target_find(const char *name)
{
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	return NULL;
}

const struct cats_target_limits *cats_target_of(enum cats_target target)
{
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
		if (targets[i].target == target)
			return &targets[i];
	return NULL;
}

static uint64_t over(uint64_t value, uint64_t limit)
{
	return value > limit ? value - limit : 0;
}

void cats_plan_facts_total(struct cats_plan_facts *f)
{
	uint64_t flash = 0, ram = 0;

	f->parameters = f->macs = f->air_bytes = 0;
	for (uint32_t j = 0; j < f->device_count; j++) {
		const struct cats_plan_device *d = &f->devices[j];

		flash = d->flash_bytes > flash ? d->flash_bytes : flash;
		ram = d->ram_bytes > ram ? d->ram_bytes : ram;
		f->parameters += d->parameters;
		f->macs += d->macs;
		f->air_bytes += d->sent_bytes;
	}
	f->excess_flash_bytes = over(flash, f->limits->flash_bytes);
	f->excess_ram_bytes = over(ram, f->limits->ram_bytes);
}

/* Names that a plan's directory may hold: what is written here, also what a process that died left. */
static bool belongs(const char *name)
{
	unsigned device;
	int end = 0;

	if (strncmp(name, PLAN_NAME, strlen(PLAN_NAME)) == 0)
		name += strlen(PLAN_NAME);
	else if (strncmp(name, INTEGER_NAME, strlen(INTEGER_NAME)) == 0)
		name += strlen(INTEGER_NAME);
	else if (sscanf(name, "node-%2u.shard%n", &device, &end) == 1 && end > 0)
		name += end;
	else
		return false;
	return *name == '\0' || strncmp(name, ".tmp-", 5) == 0;
}

enum cats_status cats_plan_may_write(const char *directory, bool replace, struct cats_error *error)
{
	return cats_directory_may_write(directory, replace, belongs, error);
}

static void note_device(struct cats_plan_facts *facts, const struct cats_cut *cut,
			const struct cats_target_limits *limits, uint32_t j)
{

	facts->devices[j] = (struct cats_plan_device){
		.shard_bytes = cut->bytes,
		.arena_bytes = cut->arena_bytes,
		.sent_bytes = cut->sent_bytes,
		.flash_bytes = (uint64_t)cut->bytes + limits->firmware_flash_bytes,
		.ram_bytes = (uint64_t)cut->arena_bytes + limits->firmware_ram_bytes,
		.macs = cut->macs,
		.parameters = cut->parameters,
	};
	facts->device_count = j + 1;
}

static bool is_stopped(const struct cats_plan_request *request)
{
	return request->stop != NULL && *request->stop != 0;
}

static enum cats_status cut_device(struct cats_cut *out, const struct cats_integer *m,
				   const struct cats_plan_request *request, uint32_t j, struct cats_error *error)
{
	if (is_stopped(request))
		return cats_fail(error, CATS_ERR_INTERRUPTED, "plan: interrupted, nothing was written");
	return cats_cut(out, m, &request->cut, j, error);
}

enum cats_status cats_plan_cut(struct cats_shards *out, struct cats_plan_facts *facts, const struct cats_integer *m,
			       const struct cats_plan_request *request, struct cats_error *error)
{
	uint8_t *blobs[CATS_DEVICES_MAX] = {0};
	size_t sizes[CATS_DEVICES_MAX] = {0};
	const uint32_t D = request->cut.devices;
	enum cats_status status = CATS_OK;
	struct cats_cut cut;

	*out = (struct cats_shards){0};
	for (uint32_t j = 0; j < D && (status = cut_device(&cut, m, request, j, error)) == CATS_OK; j++) {
		blobs[j] = cut.shard;
		sizes[j] = cut.bytes;
		note_device(facts, &cut, request->limits, j);
		if (request->progress != NULL)
			request->progress(request->context, j + 1, D);
	}
	if (status < 0) {
		for (uint32_t j = 0; j < CATS_DEVICES_MAX; j++)
			free(blobs[j]);
		return status;
	}
	status = cats_shards_take(out, blobs, sizes, D, "plan", error);
	if (status == CATS_OK)
		status = cats_times_write(out, cats_play_kernels(request->limits->target), error);
	if (status < 0 && out->bytes != NULL)
		cats_shards_free(out);
	for (uint32_t j = 0; status == CATS_OK && j < D; j++)
		facts->devices[j].crc32 = cats_shards_header(out, j)->crc32;
	return status;
}

static enum cats_status write_shard(const struct cats_shards *shards, uint32_t j, const char *draft,
				    struct cats_error *error)
{
	char name[32], path[PATH_MAX];
	enum cats_status status;

	(void)snprintf(name, sizeof name, "node-%02u.shard", j);
	status = cats_path_join(path, draft, name, error);
	return status < 0 ? status : cats_file_write(path, shards->bytes[j], shards->sizes[j], error);
}

static enum cats_status write_shards(struct cats_plan_facts *facts, const char *draft, const struct cats_integer *m,
				     const struct cats_plan_request *request, struct cats_error *error)
{
	struct cats_shards shards;
	enum cats_status status = cats_plan_cut(&shards, facts, m, request, error);

	if (status < 0)
		return status;
	for (uint32_t j = 0; status == CATS_OK && j < shards.devices; j++)
		status = write_shard(&shards, j, draft, error);
	cats_shards_free(&shards);
	return status;
}

static enum cats_status write_facts(struct cats_plan_facts *facts, const char *draft, struct cats_error *error)
{
	char path[PATH_MAX];
	enum cats_status status = cats_path_join(path, draft, PLAN_NAME, error);

	cats_plan_facts_total(facts);
	char *text = cats_plan_facts_format(facts);

	if (status == CATS_OK && text == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	if (status == CATS_OK)
		status = cats_file_write(path, text, strlen(text), error);
	free(text);
	return status;
}

static enum cats_status write_files(struct cats_plan_facts *facts, const char *draft, struct cats_integer *m,
				    const struct cats_plan_request *request, struct cats_error *error)
{
	char path[PATH_MAX];
	enum cats_status status = cats_path_join(path, draft, INTEGER_NAME, error);

	if (status == CATS_OK)
		status = cats_integer_save(m, path, error);
	if (status < 0)
		return status;
	*facts = (struct cats_plan_facts){
		.limits = request->limits,
		.model_id = m->id,
		.plan_id = cats_plan_id(m, &request->cut),
		.source = request->cut.source,
		.sink = request->cut.sink,
		.payload_max = request->cut.payload_max != 0 ? request->cut.payload_max : CATS_PAYLOAD_MAX,
		.without_overlap = request->cut.without_overlap,
		.calibration = request->calibration,
	};
	status = write_shards(facts, draft, m, request, error);
	return status < 0 ? status : write_facts(facts, draft, error);
}

enum cats_status cats_plan_write(struct cats_plan_facts *facts, const char *directory, struct cats_integer *m,
				 const struct cats_plan_request *request, struct cats_error *error)
{
	char draft[PATH_MAX];
	enum cats_status status = cats_plan_may_write(directory, request->replace, error);

	if (status == CATS_OK)
		status = cats_directory_draft(draft, directory, error);
	if (status < 0)
		return status;
	status = write_files(facts, draft, m, request, error);
	if (status == CATS_OK && is_stopped(request))
		status = cats_fail(error, CATS_ERR_INTERRUPTED, "plan: interrupted, nothing was written");
	if (status == CATS_OK)
		status = cats_directory_publish(draft, directory, request->replace, error);
	if (status < 0)
		cats_directory_discard(draft);
	return status;
}

bool cats_plan_is_there(const char *directory)
{
	char path[PATH_MAX];
	struct stat found;

	return cats_path_join(path, directory, PLAN_NAME, NULL) == CATS_OK && stat(path, &found) == 0;
}

static bool is_model(const char *directory)
{
	char path[PATH_MAX];
	struct stat found;

	return cats_path_join(path, directory, "config.json", NULL) == CATS_OK && stat(path, &found) == 0;
}

static enum cats_status load_facts(struct cats_plan_facts *out, const char *directory, struct cats_error *error)
{
	char path[PATH_MAX];
	uint8_t *text = NULL;
	size_t size = 0;
	enum cats_status status = cats_path_join(path, directory, PLAN_NAME, error);

	if (status == CATS_OK && cats_file_is_regular(directory))
		status = cats_fail(error, CATS_ERR_MISMATCH, "%s: is a file: a plan is a directory, give that",
				   directory);
	if (status == CATS_OK && !cats_plan_is_there(directory) && is_model(directory))
		status = cats_fail(error, CATS_ERR_MISMATCH,
				   "%s: has no " PLAN_NAME ", it is a model: make a plan of it with cats plan",
				   directory);
	if (status == CATS_OK)
		status = cats_file_read(&text, &size, path, PLAN_BYTES_MAX, error);
	if (status == CATS_OK)
		status = cats_plan_facts_parse(out, (const char *)text, size, path, error);
	free(text);
	return status;
}

static enum cats_status refuse_device(const char *directory, uint32_t j, const char *what, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "%s/node-%02u.shard: its %s is not what " PLAN_NAME " says; plan again", directory, j, what);
}

/* Shards against plan.json. */
static enum cats_status check_shards(const struct cats_plan *plan, const char *directory, struct cats_error *error)
{
	const struct cats_plan_facts *f = &plan->facts;

	if (plan->shards.devices != f->device_count)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: " PLAN_NAME " lists %u devices, the shards are of %u; plan again", directory,
				 f->device_count, plan->shards.devices);
	for (uint32_t j = 0; j < f->device_count; j++) {
		const struct cats_shard_header *h = cats_shards_header(&plan->shards, j);
		const struct cats_plan_device *d = &f->devices[j];

		if (h->model_id != f->model_id)
			return refuse_device(directory, j, "model", error);
		if (h->plan_id != f->plan_id)
			return refuse_device(directory, j, "plan", error);
		if (h->target != f->limits->target)
			return refuse_device(directory, j, "target", error);
		if (h->crc32 != d->crc32 || h->bytes != d->shard_bytes)
			return refuse_device(directory, j, "checksum", error);
		if (h->arena_bytes != d->arena_bytes || h->macs != d->macs || h->sent_bytes != d->sent_bytes)
			return refuse_device(directory, j, "arena or cost", error);
	}
	return CATS_OK;
}

/* The integer model against plan.json: the plan's id is a function of both. */
static enum cats_status check_integer(const struct cats_plan *plan, const char *directory, struct cats_error *error)
{
	const struct cats_plan_facts *f = &plan->facts;
	const struct cats_cut_options cut = {
		.devices = f->device_count,
		.target = f->limits->target,
		.source = f->source,
		.sink = f->sink,
		.payload_max = f->payload_max,
		.without_overlap = f->without_overlap,
	};

	if (plan->integer.id != f->model_id)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s/" INTEGER_NAME ": is not the model of " PLAN_NAME " (model_id); plan again",
				 directory);
	if (cats_plan_id(&plan->integer, &cut) != f->plan_id)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s/" PLAN_NAME ": plan_id is not that of its model and options; plan again",
				 directory);
	return CATS_OK;
}

static enum cats_status load_model(struct cats_plan *out, const char *directory, struct cats_error *error)
{
	char path[PATH_MAX];
	enum cats_status status = cats_path_join(path, directory, INTEGER_NAME, error);

	*out = (struct cats_plan){0};
	if (status == CATS_OK)
		status = load_facts(&out->facts, directory, error);
	if (status == CATS_OK)
		status = cats_integer_load(&out->integer, path, error);
	if (status == CATS_OK)
		status = check_integer(out, directory, error);
	return status;
}

enum cats_status cats_plan_load(struct cats_plan *out, const char *directory, struct cats_error *error)
{
	enum cats_status status = load_model(out, directory, error);

	if (status == CATS_OK)
		status = cats_shards_load(&out->shards, directory, error);
	if (status == CATS_OK)
		status = check_shards(out, directory, error);
	if (status < 0)
		cats_plan_free(out);
	return status;
}

/* The shard of device j, its checksum put right. */
static enum cats_status read_damaged(uint8_t **bytes, size_t *size, bool *damaged, const char *directory, uint32_t j,
				     struct cats_error *error)
{
	char name[32], path[PATH_MAX];
	enum cats_status status;

	(void)snprintf(name, sizeof name, "node-%02u.shard", j);
	status = cats_path_join(path, directory, name, error);
	if (status == CATS_OK)
		status = cats_file_read(bytes, size, path, SHARD_BYTES_MAX, error);
	if (status < 0 || *size < sizeof(struct cats_shard_header))
		return status;
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)*bytes;
	const uint32_t crc32 = cats_shard_checksum(*bytes, *size);

	*damaged = h->crc32 != crc32;
	h->crc32 = crc32;
	return CATS_OK;
}

enum cats_status cats_plan_load_damaged(struct cats_plan *out, const char *directory, struct cats_error *error)
{
	uint8_t *blobs[CATS_DEVICES_MAX] = {0};
	size_t sizes[CATS_DEVICES_MAX] = {0};
	enum cats_status status = load_model(out, directory, error);

	for (uint32_t j = 0; status == CATS_OK && j < out->facts.device_count; j++)
		status = read_damaged(&blobs[j], &sizes[j], &out->damaged[j], directory, j, error);
	if (status == CATS_OK)
		status = cats_shards_take(&out->shards, blobs, sizes, out->facts.device_count, directory, error);
	else
		for (uint32_t j = 0; j < CATS_DEVICES_MAX; j++)
			free(blobs[j]);
	if (status < 0)
		cats_plan_free(out);
	return status;
}

void cats_plan_free(struct cats_plan *plan)
{
	if (plan->integer.layers != NULL)
		cats_integer_free(&plan->integer);
	if (plan->shards.bytes != NULL)
		cats_shards_free(&plan->shards);
	*plan = (struct cats_plan){0};
}

/* SPDX-License-Identifier: MIT */
/* plan.json. See plan_json.h and docs/SPEC.md. */
#include "deploy/plan_json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

#define FORMAT_NAME "cats-plan"
#define FORMAT_VERSION 1
#define INTEGER_MAX ((uint64_t)1 << 53)

/* Numbers of plan.json by name, in its order; one list for writing and reading. */
#define DEVICE_NUMBERS(X) X(flash_bytes) X(ram_bytes) X(macs) X(parameters) X(sent_bytes) X(shard_bytes) X(arena_bytes)

static void add_hexadecimal(cJSON *object, const char *key, uint64_t value, int digits)
{
	char text[17];

	(void)snprintf(text, sizeof text, "%0*" PRIx64, digits, value);
	cJSON_AddStringToObject(object, key, text);
}

static void add_number(cJSON *object, const char *key, uint64_t value)
{
	cJSON_AddNumberToObject(object, key, (double)value);
}

static void add_saturation(cJSON *object, const char *key, const struct cats_saturation *s, const char *worst)
{
	cJSON *saturation = cJSON_AddObjectToObject(object, key);

	cJSON_AddNumberToObject(saturation, "mean", s->mean);
	cJSON_AddNumberToObject(saturation, "worst", s->worst);
	cJSON_AddStringToObject(saturation, "worst_site", worst);
}

static void add_calibration(cJSON *object, const struct cats_plan_calibration *c)
{
	cJSON *calibration = cJSON_AddObjectToObject(object, "calibration");
	char seed[24];

	add_number(calibration, "samples", c->samples);
	add_hexadecimal(calibration, "data_crc32", c->data_crc32, 8);
	cJSON_AddNumberToObject(calibration, "message_loss", c->loss);
	(void)snprintf(seed, sizeof seed, "%" PRIu64, c->seed); /* may be beyond what JSON's numbers hold */
	cJSON_AddStringToObject(calibration, "seed", seed);
	add_saturation(calibration, "saturation", &c->clean, c->worst_clean);
	add_saturation(calibration, "saturation_lossy", &c->lossy, c->worst_lossy);
}

static void add_limits(cJSON *object, const struct cats_plan_facts *f)
{
	cJSON *limits = cJSON_AddObjectToObject(object, "limits");

	add_number(limits, "flash_bytes", f->limits->flash_bytes);
	add_number(limits, "ram_bytes", f->limits->ram_bytes);
	add_number(limits, "firmware_flash_bytes", f->limits->firmware_flash_bytes);
	add_number(limits, "firmware_ram_bytes", f->limits->firmware_ram_bytes);
	cJSON *excess = cJSON_AddObjectToObject(object, "excess");

	add_number(excess, "flash_bytes", f->excess_flash_bytes);
	add_number(excess, "ram_bytes", f->excess_ram_bytes);
}

static void add_devices(cJSON *object, const struct cats_plan_facts *f)
{
	cJSON *devices = cJSON_AddArrayToObject(object, "devices");

	for (uint32_t j = 0; j < f->device_count; j++) {
		cJSON *device = cJSON_CreateObject();

#define ADD(name) add_number(device, #name, f->devices[j].name);
		DEVICE_NUMBERS(ADD)
#undef ADD
		add_hexadecimal(device, "crc32", f->devices[j].crc32, 8);
		cJSON_AddItemToArray(devices, device);
	}
}

char *cats_plan_facts_format(const struct cats_plan_facts *f)
{
	cJSON *object = cJSON_CreateObject();
	char *text = NULL;

	cJSON_AddStringToObject(object, "format", FORMAT_NAME);
	cJSON_AddNumberToObject(object, "version", FORMAT_VERSION);
	add_hexadecimal(object, "model_id", f->model_id, 16);
	add_hexadecimal(object, "plan_id", f->plan_id, 16);
	cJSON_AddStringToObject(object, "target", f->limits->name);
	add_number(object, "source", f->source);
	if (f->sink == CATS_SINK_ALL)
		cJSON_AddStringToObject(object, "sink", "all");
	else
		add_number(object, "sink", f->sink);
	add_number(object, "payload_max", f->payload_max);
	cJSON_AddBoolToObject(object, "overlap", !f->without_overlap);
	cJSON_AddBoolToObject(object, "fits", cats_plan_fits(f));
	add_limits(object, f);
	add_number(object, "parameters", f->parameters);
	add_number(object, "macs", f->macs);
	add_number(object, "air_bytes", f->air_bytes);
	add_calibration(object, &f->calibration);
	add_devices(object, f);
	char *printed = cJSON_Print(object);
	const size_t length = printed ? strlen(printed) : 0;

	text = printed ? malloc(length + 2) : NULL;
	if (text) {
		memcpy(text, printed, length);
		memcpy(text + length, "\n", 2);
	}
	cJSON_free(printed);
	cJSON_Delete(object);
	return text;
}

/* A reading under way; the first refusal stays. */
struct reading {
	const char *name;
	enum cats_status status;
	struct cats_error *error;
};

static void refuse(struct reading *r, const char *key, const char *rule)
{
	if (r->status == CATS_OK)
		r->status = cats_fail(r->error, CATS_ERR_FORMAT, "%s: %s: %s; plan again", r->name, key, rule);
}

static uint64_t number(struct reading *r, const cJSON *object, const char *key, uint64_t most)
{
	uint64_t value = 0;

	if (cats_json_integer(&value, cJSON_GetObjectItemCaseSensitive(object, key), most) != 0)
		refuse(r, key, "is missing or not a whole number in its range");
	return value;
}

static const char *text_of(struct reading *r, const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (cJSON_IsString(item))
		return item->valuestring;
	refuse(r, key, "is missing or not text");
	return "";
}

static uint64_t hexadecimal(struct reading *r, const cJSON *object, const char *key, size_t digits)
{
	const char *text = text_of(r, object, key);

	if (strlen(text) != digits || strspn(text, "0123456789abcdef") != digits)
		refuse(r, key, "is not a lower-case hexadecimal number of the right length");
	return strtoull(text, NULL, 16);
}

static void read_devices(struct reading *r, struct cats_plan_facts *out, const cJSON *object)
{
	const cJSON *devices = cJSON_GetObjectItemCaseSensitive(object, "devices"), *device;
	const int count = cJSON_IsArray(devices) ? cJSON_GetArraySize(devices) : 0;

	if (count < 1 || count > (int)CATS_DEVICES_MAX) {
		refuse(r, "devices", "is not an array of 1 to 64");
		return;
	}
	cJSON_ArrayForEach(device, devices)
	{
		struct cats_plan_device *d = &out->devices[out->device_count++];
		uint64_t shard_bytes, arena_bytes, sent_bytes;

		shard_bytes = number(r, device, "shard_bytes", UINT32_MAX);
		arena_bytes = number(r, device, "arena_bytes", UINT32_MAX);
		sent_bytes = number(r, device, "sent_bytes", UINT32_MAX);
		d->shard_bytes = (uint32_t)shard_bytes;
		d->arena_bytes = (uint32_t)arena_bytes;
		d->sent_bytes = (uint32_t)sent_bytes;
		d->flash_bytes = number(r, device, "flash_bytes", INTEGER_MAX);
		d->ram_bytes = number(r, device, "ram_bytes", INTEGER_MAX);
		d->macs = number(r, device, "macs", INTEGER_MAX);
		d->parameters = number(r, device, "parameters", INTEGER_MAX);
		d->crc32 = (uint32_t)hexadecimal(r, device, "crc32", 8);
	}
}

static void read_all(struct reading *r, struct cats_plan_facts *out, const cJSON *object)
{
	const cJSON *sink = cJSON_GetObjectItemCaseSensitive(object, "sink");
	const cJSON *overlap = cJSON_GetObjectItemCaseSensitive(object, "overlap");

	if (strcmp(text_of(r, object, "format"), FORMAT_NAME) != 0)
		refuse(r, "format", "is not " FORMAT_NAME);
	if (number(r, object, "version", UINT32_MAX) != FORMAT_VERSION)
		refuse(r, "version", "is not the one that this program reads");
	out->limits = cats_target_find(text_of(r, object, "target"));
	if (out->limits == NULL)
		refuse(r, "target", "is unknown");
	out->model_id = hexadecimal(r, object, "model_id", 16);
	out->plan_id = hexadecimal(r, object, "plan_id", 16);
	out->payload_max = (uint32_t)number(r, object, "payload_max", CATS_PAYLOAD_MAX);
	if (!cJSON_IsBool(overlap))
		refuse(r, "overlap", "is neither true nor false");
	out->without_overlap = !cJSON_IsTrue(overlap);
	read_devices(r, out, object);
	out->source = (uint32_t)number(r, object, "source", out->device_count - 1U);
	if (cJSON_IsString(sink) && strcmp(sink->valuestring, "all") == 0)
		out->sink = CATS_SINK_ALL;
	else
		out->sink = (uint32_t)number(r, object, "sink", out->device_count - 1U);
}

enum cats_status cats_plan_facts_parse(struct cats_plan_facts *out, const char *text, size_t size, const char *name,
				       struct cats_error *error)
{
	struct reading r = {name, CATS_OK, error};
	cJSON *object = NULL;

	*out = (struct cats_plan_facts){0};
	r.status = cats_json_parse(&object, text, size, name, error);
	if (r.status == CATS_OK)
		read_all(&r, out, object);
	if (r.status == CATS_OK)
		cats_plan_facts_total(out);
	cJSON_Delete(object);
	return r.status;
}

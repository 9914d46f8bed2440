/* SPDX-License-Identifier: MIT */
/* cats capacity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "deploy/plan.h"
#include "io/file.h"
#include "plan/capacity.h"
#include "report/table.h"

#define DEPTH_MAX 64U

struct arguments {
	struct cats_common common;
	const char *config, *out;
	const struct cats_target_limits *limits;
	uint32_t devices, hidden, depth;
	double keep;
};

enum own_option {
	OPT_CONFIG = CATS_OPTION_OWN,
	OPT_DEVICES,
	OPT_KEEP,
	OPT_HIDDEN,
	OPT_DEPTH,
	OPT_TARGET,
	OPT_OUT,
};

static const struct argp_option option_list[] = {
	{"config", OPT_CONFIG, "FILE", 0, "A model's config.json: everything but d_model, d_ff and n_layers", 1},
	{"devices", OPT_DEVICES, "D", 0, "Devices (1)", 1},
	{"keep", OPT_KEEP, "R", 0, "Share of the columns that are broadcast (1)", 1},
	{"hidden", OPT_HIDDEN, "N", 0, "d_ff is N times d_model (2)", 1},
	{"depth", OPT_DEPTH, "L", 0, "Try 1 to L layers (16)", 1},
	{"target", OPT_TARGET, "NAME", 0, "What the devices are: nrf52840 (default)", 1},
	{"out", OPT_OUT, "FILE", 0, "Write the largest encoder's config.json", 1},
	CATS_COMMON_OPTIONS,
	{0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_CONFIG:
		a->config = text;
		return 0;
	case OPT_DEVICES:
		a->devices = (uint32_t)cats_argument_count(state, "--devices", text, 1, CATS_DEVICES_MAX);
		return 0;
	case OPT_KEEP:
		a->keep = cats_argument_number(state, "--keep", text, 0, 1);
		if (a->keep == 0)
			argp_error(state, "--keep: must be above 0");
		return 0;
	case OPT_HIDDEN:
		a->hidden = (uint32_t)cats_argument_count(state, "--hidden", text, 1, 16);
		return 0;
	case OPT_DEPTH:
		a->depth = (uint32_t)cats_argument_count(state, "--depth", text, 1, DEPTH_MAX);
		return 0;
	case OPT_TARGET:
		a->limits = cats_target_find(text);
		if (a->limits == NULL)
			argp_error(state, "--target: \"%s\" is unknown: nrf52840 is known", text);
		return 0;
	case OPT_OUT:
		a->out = text;
		return 0;
	case ARGP_KEY_END:
		if (a->config == NULL)
			argp_error(state, "--config is needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static enum cats_status read_shape(struct cats_config *shape, const struct arguments *a, struct cats_error *error)
{
	uint8_t *text = NULL;
	size_t size = 0;
	enum cats_status status = cats_file_read(&text, &size, a->config, CATS_CONFIG_MAX_BYTES, error);

	if (status == CATS_OK)
		status = cats_config_parse(shape, (const char *)text, size, a->config, error);
	free(text);
	shape->devices = a->devices;
	return status;
}

/* Depths from 1 until none fits. Returns how many are in `found`. */
static enum cats_status search(struct cats_capacity *found, uint32_t *count, const struct arguments *a,
			       struct cats_error *error)
{
	struct cats_capacity_request request = {
		.hidden = a->hidden,
		.keep = a->keep,
		.target = a->limits->target,
		.shard_bytes = a->limits->flash_bytes - a->limits->firmware_flash_bytes,
		.arena_bytes = a->limits->ram_bytes - a->limits->firmware_ram_bytes,
	};
	const volatile int *stop = cats_catch_signals();
	enum cats_status status = read_shape(&request.shape, a, error);

	*count = 0;
	while (status == CATS_OK && *count < a->depth) {
		char note[32];

		snprintf(note, sizeof(note), "%u of %u depths", *count, a->depth);
		cats_bar(&a->common, "capacity", (double)*count / a->depth, note);
		if (*stop != 0)
			return cats_fail(error, CATS_ERR_INTERRUPTED, "capacity: interrupted");
		status = cats_capacity(&found[*count], &request, *count + 1, error);
		if (status == CATS_OK && found[*count].config.d_model == 0)
			break;
		*count += status == CATS_OK ? 1 : 0;
	}
	if (status == CATS_OK && *count == 0)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: not even one layer of the smallest width fits %u %s; use fewer tokens, inputs "
				 "or outputs",
				 a->config, a->devices, a->limits->name);
	return status;
}

static const char *bound_name(enum cats_capacity_bound bound)
{
	static const char *const names[] = {"flash", "RAM", "format"};

	return names[bound];
}

static double filled(const struct cats_capacity *c, const struct cats_target_limits *limits)
{
	return (double)c->shard_bytes / (limits->flash_bytes - limits->firmware_flash_bytes);
}

static cJSON *describe(const struct cats_capacity *c, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "n_layers", c->config.n_layers);
	cJSON_AddNumberToObject(object, "d_model", c->config.d_model);
	cJSON_AddNumberToObject(object, "d_ff", c->config.d_ff);
	cJSON_AddNumberToObject(object, "parameters", (double)c->parameters);
	cJSON_AddNumberToObject(object, "dense_parameters", (double)c->dense);
	cJSON_AddNumberToObject(object, "shard_bytes", c->shard_bytes);
	cJSON_AddNumberToObject(object, "shard_share", filled(c, a->limits));
	cJSON_AddNumberToObject(object, "arena_bytes", c->arena_bytes);
	cJSON_AddStringToObject(object, "bound", bound_name(c->bound));
	return object;
}

static int print_json(const struct cats_capacity *found, uint32_t count, const struct cats_capacity *best,
		      const struct arguments *a)
{
	cJSON *object = describe(best, a), *depths = cJSON_AddArrayToObject(object, "depths");

	for (uint32_t i = 0; i < count; i++)
		cJSON_AddItemToArray(depths, describe(&found[i], a));
	cJSON_AddNumberToObject(object, "devices", a->devices);
	cJSON_AddNumberToObject(object, "keep", a->keep);
	return cats_print_result(object, &a->common);
}

static int print(const struct cats_capacity *found, uint32_t count, const struct cats_capacity *best,
		 const struct arguments *a)
{
	static const char *const header[] = {"layers",     "d_model",     "d_ff",        "stored parameters",
					     "dense ones", "shard bytes", "arena bytes", "more lacks"};
	enum { COLUMNS = sizeof header / sizeof header[0] };
	char texts[DEPTH_MAX][COLUMNS][24];
	const char *cells[DEPTH_MAX * COLUMNS];

	for (uint32_t i = 0; i < count; i++) {
		const struct cats_capacity *c = &found[i];
		const unsigned long long values[COLUMNS - 1] = {c->config.n_layers, c->config.d_model, c->config.d_ff,
								c->parameters,      c->dense,          c->shard_bytes,
								c->arena_bytes};

		for (size_t k = 0; k < COLUMNS; k++) {
			if (k + 1 < COLUMNS)
				snprintf(texts[i][k], sizeof texts[i][k], "%llu", values[k]);
			cells[i * COLUMNS + k] = k + 1 < COLUMNS ? texts[i][k] : bound_name(c->bound);
		}
	}
	char *text = cats_table_format(
		&(struct cats_table){.header = header, .columns = COLUMNS, .cells = cells, .rows = count},
		CATS_TABLE_TERMINAL);

	printf("%s", text != NULL ? text : "");
	free(text);
	printf("most parameters: %u layers of %u, %llu stored on %u device%s, %.1f %% of the flash for shards\n",
	       best->config.n_layers, best->config.d_model, (unsigned long long)best->parameters, a->devices,
	       a->devices == 1 ? "" : "s", 100 * filled(best, a->limits));
	return cats_finish_output();
}

static enum cats_status write_config(const struct cats_config *config, const char *path, struct cats_error *error)
{
	char *text = cats_config_format(config);
	enum cats_status status = text != NULL ? cats_file_write(path, text, strlen(text), error)
					       : cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);

	free(text);
	return status;
}

int cats_command_capacity(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 NULL,
					 "The largest encoder that fits devices, for each depth: the widest in steps "
					 "of 16, whatever columns it keeps, and which has most parameters.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {
		.limits = cats_target_find("nrf52840"), .devices = 1, .hidden = 2, .depth = 16, .keep = 1};
	struct cats_capacity found[DEPTH_MAX], *best = found;
	struct cats_error error = {0};
	uint32_t count = 0;
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	status = search(found, &count, &a, &error);
	cats_bar_clear(&a.common);
	for (uint32_t i = 1; status == CATS_OK && i < count; i++)
		best = found[i].parameters > best->parameters ? &found[i] : best;
	if (status == CATS_OK && a.out != NULL)
		status = write_config(&best->config, a.out, &error);
	if (status < 0)
		return cats_report_failure(status, &error);
	return a.common.json ? print_json(found, count, best, &a) : print(found, count, best, &a);
}

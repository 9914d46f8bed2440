/* SPDX-License-Identifier: MIT */
/* cats firmware. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "deploy/flash_files.h"
#include "report/table.h"

struct arguments {
	struct cats_common common;
	const char *plan, *out, *firmware, *key;
	uint8_t channel;
	bool force, seeded;
};

enum own_option { OPT_OUT = CATS_OPTION_OWN, OPT_FIRMWARE, OPT_KEY, OPT_CHANNEL, OPT_FORCE };

static const struct argp_option option_list[] = {
	{"out", OPT_OUT, "DIR", 0, "Where node-00.hex … go, with the key and how to flash", 1},
	{"firmware", OPT_FIRMWARE, "FILE", 0, "The firmware's ELF (images/firmware.elf beside the program)", 1},
	{"key", OPT_KEY, "FILE", 0,
	 "The network's key, 32 hexadecimal digits (a new one from the system's random source)", 1},
	{"channel", OPT_CHANNEL, "N", 0, "Radio channel, 0 to 36: 2404 to 2478 MHz (36)", 1},
	{"force", OPT_FORCE, NULL, 0, "Replaces DIR", 1},
	{"json", CATS_OPTION_JSON, NULL, 0, "One JSON object on stdout instead of a table", 90},
	{"quiet", CATS_OPTION_QUIET, NULL, 0, "No progress on stderr", 90},
	{"seed", CATS_OPTION_SEED, "S", 0, "Makes the key from a number, for tests alone: anybody can make it again",
	 90},
	{0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state)) {
		a->seeded |= key == CATS_OPTION_SEED;
		return 0;
	}
	switch (key) {
	case OPT_OUT:
		a->out = text;
		return 0;
	case OPT_FIRMWARE:
		a->firmware = text;
		return 0;
	case OPT_KEY:
		a->key = text;
		return 0;
	case OPT_CHANNEL:
		a->channel = (uint8_t)cats_argument_count(state, "--channel", text, 0, CATS_IDENTITY_CHANNEL_MAX);
		return 0;
	case OPT_FORCE:
		a->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->plan != NULL)
			argp_error(state, "\"%s\": only one PLAN", text);
		a->plan = text;
		return 0;
	case ARGP_KEY_END:
		if (a->plan == NULL || a->out == NULL)
			argp_error(state, "PLAN and --out are needed");
		if (a->key != NULL && a->seeded)
			argp_error(state, "--key and --seed: only one of them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* One line of the memory table. */
struct region {
	const char *memory, *name;
	uint32_t first, used, size;
};

enum { REGIONS = 8 };

/* Of shards and arenas the largest. */
static void list_regions(struct region regions[REGIONS], const struct cats_firmware *firmware,
			 const struct cats_shards *shards)
{
	uint32_t shard = 0, arena = 0;

	for (uint32_t j = 0; j < shards->devices; j++) {
		const struct cats_shard_header *h = cats_shards_header(shards, j);

		shard = h->bytes > shard ? h->bytes : shard;
		arena = h->arena_bytes > arena ? h->arena_bytes : arena;
	}
	const uint32_t epochs = CATS_LAYOUT_EPOCH_PAGES * CATS_LAYOUT_PAGE_BYTES;
	const uint32_t flash = firmware->size + shard + epochs + CATS_LAYOUT_IDENTITY_BYTES;
	const struct region all[REGIONS] = {
		{"flash", "firmware", CATS_LAYOUT_FIRMWARE, firmware->size, CATS_LAYOUT_FIRMWARE_BYTES},
		{"flash", "shard", CATS_LAYOUT_SHARD, shard, CATS_LAYOUT_SHARD_BYTES},
		{"flash", "epochs", CATS_LAYOUT_EPOCHS, epochs, epochs},
		{"flash", "identity", CATS_LAYOUT_IDENTITY, sizeof(struct cats_identity_page),
		 CATS_LAYOUT_IDENTITY_BYTES},
		{"flash", "all", CATS_LAYOUT_FLASH, flash, CATS_LAYOUT_FLASH_BYTES},
		{"RAM", "firmware", CATS_LAYOUT_RAM, firmware->ram_bytes, CATS_LAYOUT_RAM_FIXED_BYTES},
		{"RAM", "arena", CATS_LAYOUT_ARENA, arena, CATS_LAYOUT_ARENA_BYTES},
		{"RAM", "all", CATS_LAYOUT_RAM, firmware->ram_bytes + arena, CATS_LAYOUT_RAM_BYTES},
	};

	memcpy(regions, all, sizeof all);
}

static double percent(const struct region *r)
{
	return 100.0 * r->used / r->size;
}

static void print_table(const struct region regions[REGIONS])
{
	static const char *const header[] = {"memory", "region", "from", "used", "size", "%"};
	enum { COLUMNS = sizeof header / sizeof header[0] };
	char texts[REGIONS][COLUMNS][16];
	const char *cells[REGIONS * COLUMNS];

	for (size_t i = 0; i < REGIONS; i++) {
		const struct region *r = &regions[i];

		snprintf(texts[i][2], sizeof texts[i][2], "0x%08X", r->first);
		snprintf(texts[i][3], sizeof texts[i][3], "%u", r->used);
		snprintf(texts[i][4], sizeof texts[i][4], "%u", r->size);
		snprintf(texts[i][5], sizeof texts[i][5], "%.1f", percent(r));
		cells[i * COLUMNS] = r->memory;
		cells[i * COLUMNS + 1] = r->name;
		for (size_t c = 2; c < COLUMNS; c++)
			cells[i * COLUMNS + c] = texts[i][c];
	}
	char *text = cats_table_format(
		&(struct cats_table){.header = header, .columns = COLUMNS, .cells = cells, .rows = REGIONS},
		CATS_TABLE_TERMINAL);

	printf("%s", text != NULL ? text : "");
	free(text);
}

static const char *origin(const struct arguments *a)
{
	return a->key != NULL ? "file" : a->seeded ? "seed" : "generated";
}

static cJSON *describe(const struct region regions[REGIONS], const struct cats_shards *shards,
		       const struct cats_network *network, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();
	char address[16];

	cJSON_AddNumberToObject(object, "nodes", shards->devices);
	cJSON_AddStringToObject(object, "key", origin(a));
	snprintf(address, sizeof address, "%08x", network->access_address);
	cJSON_AddStringToObject(object, "access_address", address);
	cJSON_AddNumberToObject(object, "channel", network->channel);
	cJSON *list = cJSON_AddArrayToObject(object, "regions");

	for (size_t i = 0; i < REGIONS; i++) {
		cJSON *item = cJSON_CreateObject();

		cJSON_AddStringToObject(item, "memory", regions[i].memory);
		cJSON_AddStringToObject(item, "region", regions[i].name);
		cJSON_AddNumberToObject(item, "from", regions[i].first);
		cJSON_AddNumberToObject(item, "used", regions[i].used);
		cJSON_AddNumberToObject(item, "size", regions[i].size);
		cJSON_AddNumberToObject(item, "percent", (double)(int64_t)(percent(&regions[i]) * 10 + 0.5) / 10);
		cJSON_AddItemToArray(list, item);
	}
	return object;
}

static int print(const struct cats_firmware *firmware, const struct cats_shards *shards,
		 const struct cats_network *network, const struct arguments *a)
{
	struct region regions[REGIONS];

	list_regions(regions, firmware, shards);
	if (a->common.json)
		return cats_print_result(describe(regions, shards, network, a), &a->common);
	print_table(regions);
	printf("shard and arena: the largest of %u. %s: node-00.hex to node-%02u.hex, network.key, README.md with the "
	       "commands to flash them\n",
	       shards->devices, a->out, shards->devices - 1U);
	if (a->seeded)
		printf("the key is made from a seed: anybody can make it again, so it is for tests alone\n");
	return cats_finish_output();
}

static enum cats_status read_firmware(struct cats_firmware *out, const struct arguments *a, struct cats_error *error)
{
	char path[CATS_FIRMWARE_PATH_BYTES];
	enum cats_status status = CATS_OK;

	if (a->firmware != NULL)
		return cats_firmware_load(out, a->firmware, error);
	status = cats_firmware_default(path, error);
	return status < 0 ? status : cats_firmware_load(out, path, error);
}

static enum cats_status find_network(struct cats_network *out, const struct arguments *a, struct cats_error *error)
{
	if (a->key != NULL)
		return cats_network_read(out, a->channel, a->key, error);
	return cats_network_make(out, a->channel, a->seeded ? &a->common.seed : NULL, error);
}

int cats_command_firmware(int argc, char **argv)
{
	static const struct argp argp = {
		option_list,
		parse,
		"PLAN",
		"Puts the firmware, each node's shard and its identity into one file a node to "
		"flash, and says how much of the memory that takes.",
		NULL,
		NULL,
		NULL};
	struct arguments a = {.channel = CATS_NETWORK_CHANNEL};
	struct cats_plan plan = {0};
	struct cats_firmware firmware = {0};
	struct cats_network network;
	struct cats_error error = {0};
	enum cats_status status;
	int result;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_flash_files_may_write(a.out, a.force, &error);
	if (status == CATS_OK)
		status = cats_plan_load(&plan, a.plan, &error);
	if (status == CATS_OK)
		status = cats_firmware_check(&plan, a.plan, &error);
	if (status == CATS_OK)
		status = read_firmware(&firmware, &a, &error);
	if (status == CATS_OK)
		status = find_network(&network, &a, &error);
	if (status == CATS_OK)
		status = cats_flash_files_write(a.out, &firmware, &plan.shards, &network, a.force, &error);
	result = status < 0 ? cats_report_failure(status, &error) : print(&firmware, &plan.shards, &network, &a);
	cats_firmware_free(&firmware);
	cats_plan_free(&plan);
	return result;
}

/* SPDX-License-Identifier: MIT */
/* Writing what nodes are flashed with. See flash_files.h. */
#include "deploy/flash_files.h"

#include <limits.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/directory.h"
#include "io/file.h"
#include "io/ihex.h"

#define KEY_NAME "network.key"
#define README_NAME "README.md"
#define README_NODE_BYTES 600U /* of README.md, for each node: three commands */
#define README_TEXT_BYTES 4000U

static bool belongs(const char *name)
{
	unsigned node;
	int end = 0;

	if (sscanf(name, "node-%2u.hex%n", &node, &end) == 1 && end > 0)
		name += end;
	else if (strncmp(name, KEY_NAME, strlen(KEY_NAME)) == 0)
		name += strlen(KEY_NAME);
	else if (strncmp(name, README_NAME, strlen(README_NAME)) == 0)
		name += strlen(README_NAME);
	else
		return false;
	return *name == '\0' || strncmp(name, ".tmp-", 5) == 0;
}

enum cats_status cats_flash_files_may_write(const char *directory, bool replace, struct cats_error *error)
{
	return cats_directory_may_write(directory, replace, belongs, error);
}

/* The log of epochs is left out: a node that has one goes on with it. */
static enum cats_status write_node(const char *draft, const uint8_t *flash, const struct cats_firmware *firmware,
				   const struct cats_shards *shards, uint32_t node, struct cats_error *error)
{
	const struct cats_ihex_range ranges[] = {
		{CATS_LAYOUT_FIRMWARE, firmware->size, flash + CATS_LAYOUT_FIRMWARE},
		{CATS_LAYOUT_SHARD, (uint32_t)shards->sizes[node], flash + CATS_LAYOUT_SHARD},
		{CATS_LAYOUT_IDENTITY, sizeof(struct cats_identity_page), flash + CATS_LAYOUT_IDENTITY},
	};
	char name[32], path[PATH_MAX];
	enum cats_status status;
	size_t length = 0;
	char *text;

	(void)snprintf(name, sizeof name, "node-%02u.hex", node);
	status = cats_path_join(path, draft, name, error);
	if (status < 0)
		return status;
	text = cats_ihex_format(&length, ranges, sizeof ranges / sizeof ranges[0]);
	status = text != NULL ? cats_file_write_private(path, text, length, error)
			      : cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	if (text != NULL)
		mbedtls_platform_zeroize(text, length);
	free(text);
	return status;
}

static enum cats_status write_nodes(const char *draft, const struct cats_firmware *firmware,
				    const struct cats_shards *shards, const struct cats_network *network,
				    struct cats_error *error)
{
	uint8_t *flash = malloc(CATS_LAYOUT_FLASH_BYTES);
	enum cats_status status = CATS_OK;

	if (flash == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", draft);
	for (uint32_t j = 0; status == CATS_OK && j < shards->devices; j++) {
		cats_firmware_compose(flash, firmware, shards, j, network);
		status = write_node(draft, flash, firmware, shards, j, error);
	}
	mbedtls_platform_zeroize(flash + CATS_LAYOUT_IDENTITY, CATS_LAYOUT_IDENTITY_BYTES);
	free(flash);
	return status;
}

static enum cats_status write_key(const char *draft, const struct cats_network *network, struct cats_error *error)
{
	char text[CATS_NETWORK_KEY_TEXT], path[PATH_MAX];
	enum cats_status status = cats_path_join(path, draft, KEY_NAME, error);

	cats_network_key_text(text, network);
	if (status == CATS_OK)
		status = cats_file_write_private(path, text, strlen(text), error);
	mbedtls_platform_zeroize(text, sizeof text);
	return status;
}

static const char intro[] =
	"# %u nodes to flash\n"
	"\n"
	"`node-00.hex` … hold firmware, shard and identity, and with that the network's key, as `network.key` does: "
	"whoever has\n"
	"one of these files belongs to the network. Keep them to yourself.\n"
	"\n"
	"Replace `SERIAL-00` … by the serial numbers of the debug probes. All commands erase only what they write: a "
	"node's log of\n"
	"epochs stays. With this key it must: a node that forgot which epochs it took part in could use a nonce twice. "
	"Whoever\n"
	"erases a whole chip makes a new key (`cats firmware` without `--key`) and flashes all nodes.\n";

/* Appends to text[size], which has room: see README_TEXT_BYTES and README_NODE_BYTES. */
#define APPEND(text, size, used, ...) ((used) += (size_t)snprintf((text) + (used), (size) - (used), __VA_ARGS__))

static void describe(char *text, size_t size, uint32_t devices)
{
	size_t used = 0;

	APPEND(text, size, used, intro, devices);
	APPEND(text, size, used, "\n## pyOCD\n\n");
	for (uint32_t j = 0; j < devices; j++)
		APPEND(text, size, used,
		       "    pyocd load --target nrf52840 --uid SERIAL-%02u --erase sector node-%02u.hex\n", j, j);
	APPEND(text, size, used,
	       "\n## OpenOCD\n\nFrom 0.12 on. For probes other than a J-Link another file of `interface/`.\n\n");
	for (uint32_t j = 0; j < devices; j++)
		APPEND(text, size, used,
		       "    openocd -f interface/jlink.cfg -c \"adapter serial SERIAL-%02u; transport select swd\" "
		       "-f target/nrf52.cfg -c \"program node-%02u.hex verify reset exit\"\n",
		       j, j);
	APPEND(text, size, used, "\n## nRF Util\n\n");
	for (uint32_t j = 0; j < devices; j++)
		APPEND(text, size, used,
		       "    nrfutil device program --serial-number SERIAL-%02u --firmware node-%02u.hex --options "
		       "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE,verify=VERIFY_READ,reset=RESET_SYSTEM\n",
		       j, j);
}

static enum cats_status write_readme(const char *draft, uint32_t devices, struct cats_error *error)
{
	const size_t size = README_TEXT_BYTES + (size_t)devices * README_NODE_BYTES;
	char path[PATH_MAX];
	char *text = malloc(size);
	enum cats_status status = cats_path_join(path, draft, README_NAME, error);

	if (status == CATS_OK && text == NULL)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	if (status == CATS_OK) {
		describe(text, size, devices);
		status = cats_file_write(path, text, strlen(text), error);
	}
	free(text);
	return status;
}

enum cats_status cats_flash_files_write(const char *directory, const struct cats_firmware *firmware,
					const struct cats_shards *shards, const struct cats_network *network,
					bool replace, struct cats_error *error)
{
	char draft[PATH_MAX];
	enum cats_status status = cats_flash_files_may_write(directory, replace, error);

	if (status == CATS_OK)
		status = cats_directory_draft(draft, directory, error);
	if (status < 0)
		return status;
	status = write_nodes(draft, firmware, shards, network, error);
	if (status == CATS_OK)
		status = write_key(draft, network, error);
	if (status == CATS_OK)
		status = write_readme(draft, shards->devices, error);
	if (status == CATS_OK)
		status = cats_directory_publish(draft, directory, replace, error);
	if (status < 0)
		cats_directory_discard(draft);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* cats inspect, for what cats firmware writes. See inspect_plan.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/inspect_plan.h"
#include "deploy/firmware.h"
#include "io/file.h"
#include "io/ihex.h"

/* Of 1 MiB: 44 characters for each 16 bytes, and room for shorter records. */
#define HEX_BYTES_MAX ((size_t)8 << 20)
#define ERASED 0xFF

static uint32_t word(const uint8_t *flash, uint32_t at)
{
	uint32_t value;

	memcpy(&value, flash + at, sizeof(value));
	return value;
}

static enum cats_status describe_firmware(cJSON *object, const uint8_t *flash, const char *path,
					  struct cats_error *error)
{
	uint32_t size = CATS_LAYOUT_FIRMWARE_BYTES;

	if (word(flash, CATS_FIRMWARE_MARK) != CATS_FIRMWARE_MAGIC)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: firmware: no node's: \"CATF\" is not at 0x%02X", path,
				 CATS_FIRMWARE_MARK);
	if (!cats_firmware_is_whole(flash))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: firmware: its checksum does not match its bytes", path);
	while (flash[size - 1] == ERASED)
		size--;
	cJSON_AddNumberToObject(object, "firmware_bytes", size);
	cJSON_AddNumberToObject(object, "layout", word(flash, CATS_FIRMWARE_MARK + 4U));
	return CATS_OK;
}

static enum cats_status describe_identity(cJSON *object, uint16_t *node, const uint8_t *flash, const char *path,
					  struct cats_error *error)
{
	static const char *const faults[] = {
		[CATS_IDENTITY_MISSING] = "there is none",
		[CATS_IDENTITY_OTHER] = "is of another version",
		[CATS_IDENTITY_CHECKSUM] = "its checksum does not match its bytes",
		[CATS_IDENTITY_RANGE] = "a number is outside its range",
	};
	struct cats_identity_page page;
	enum cats_identity_fault fault;
	char address[16];

	memcpy(&page, flash + CATS_LAYOUT_IDENTITY, sizeof(page));
	fault = cats_identity_check(&page);
	if (fault != CATS_IDENTITY_GOOD)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: identity page: %s", path, faults[fault]);
	*node = page.node;
	snprintf(address, sizeof(address), "%08x", page.access_address);
	cJSON_AddNumberToObject(object, "node", page.node);
	cJSON_AddStringToObject(object, "access_address", address);
	cJSON_AddNumberToObject(object, "channel", page.channel);
	return CATS_OK;
}

static enum cats_status open_shard(struct cats_shard *shard, const uint8_t *flash, uint16_t node, const char *path,
				   struct cats_error *error)
{
	const uint32_t bytes = word(flash, CATS_LAYOUT_SHARD + (uint32_t)offsetof(struct cats_shard_header, bytes));
	const size_t room = bytes < CATS_LAYOUT_SHARD_BYTES ? bytes : CATS_LAYOUT_SHARD_BYTES;
	uint32_t where;
	const int refusal = cats_shard_open(shard, flash + CATS_LAYOUT_SHARD, room, &where);

	if (refusal != 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: shard: at byte %u: %s (%s)", path, where,
				 cats_refusal_text(refusal), cats_refusal_name(refusal));
	if (shard->header->device != node)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: node %u has the shard of device %u", path, node,
				 shard->header->device);
	return CATS_OK;
}

enum cats_status cats_inspect_flash(cJSON *object, const char *path, struct cats_error *error)
{
	uint8_t *text = NULL, *flash = malloc(CATS_LAYOUT_FLASH_BYTES);
	size_t size = 0;
	struct cats_shard shard;
	uint16_t node = 0;
	enum cats_status status = flash != NULL ? cats_file_read(&text, &size, path, HEX_BYTES_MAX, error)
						: cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);

	cJSON_AddStringToObject(object, "kind", "flash of a node");
	if (status == CATS_OK) {
		memset(flash, ERASED, CATS_LAYOUT_FLASH_BYTES);
		status = cats_ihex_parse(flash, CATS_LAYOUT_FLASH_BYTES, (const char *)text, size, path, error);
	}
	if (status == CATS_OK)
		status = describe_firmware(object, flash, path, error);
	if (status == CATS_OK)
		status = describe_identity(object, &node, flash, path, error);
	if (status == CATS_OK)
		status = open_shard(&shard, flash, node, path, error);
	if (status == CATS_OK)
		cats_inspect_shard_bytes(cJSON_AddObjectToObject(object, "shard"), &shard);
	free(text);
	free(flash);
	return status;
}

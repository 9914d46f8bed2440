/* SPDX-License-Identifier: MIT */
/* What is in a node's flash: firmware, shard and identity page, each at its place (ports/nrf52840/layout.h), checked to
 * fit and to belong together. Host only. */
#ifndef CATS_DEPLOY_FIRMWARE_H
#define CATS_DEPLOY_FIRMWARE_H

#include "deploy/network.h"
#include "deploy/plan.h"
#include "io/elf.h"

/* The firmware as it is in flash. Owned memory. */
struct cats_firmware {
	uint8_t *bytes; /* [size], from address 0 on */
	uint32_t size;
	uint32_t ram_bytes; /* that it keeps of RAM: stacks, data, state; without symbols in the file, all it may */
	char *name;         /* of the file, for errors */
};

/* Reads an ELF. Refuses what is not an executable for the Cortex-M4 (CATS_ERR_FORMAT) and what was not linked for the
 * layout (CATS_ERR_MISMATCH): bytes outside the 64 KiB, a stack or data outside the 16 KiB, a reset handler elsewhere.
 */
CATS_MUST_CHECK enum cats_status cats_firmware_load(struct cats_firmware *out, const char *path,
						    struct cats_error *error);
/* The same from an ELF that has been read. */
CATS_MUST_CHECK enum cats_status cats_firmware_take(struct cats_firmware *out, const struct cats_elf *elf,
						    struct cats_error *error);
void cats_firmware_free(struct cats_firmware *firmware);

#define CATS_FIRMWARE_PATH_BYTES 4096U

/* images/firmware.elf of the folder that the program that is running lies in. */
CATS_MUST_CHECK enum cats_status cats_firmware_default(char path[CATS_FIRMWARE_PATH_BYTES], struct cats_error *error);

/* A node's whole flash, [CATS_LAYOUT_FLASH_BYTES]: erased, then firmware, the shard of that device, and its identity.
 * Requires a shard that fits. */
void cats_firmware_compose(uint8_t *flash, const struct cats_firmware *firmware, const struct cats_shards *shards,
			   uint32_t node, const struct cats_network *network);

/* Whether each of the plan's shards and arenas fits its place, is for this target and has its gathers' times: what
 * compose requires. The error (CATS_ERR_MISMATCH) says by how much one does not, and what would make it fit. */
CATS_MUST_CHECK enum cats_status cats_firmware_check(const struct cats_plan *plan, const char *directory,
						     struct cats_error *error);

#endif

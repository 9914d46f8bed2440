/* SPDX-License-Identifier: MIT */
/* A directory of what a plan's nodes are flashed with: a .hex each, the key, how to flash (docs/SPEC.md, "Firmware of a
 * plan"). Host only. */
#ifndef CATS_DEPLOY_FLASH_FILES_H
#define CATS_DEPLOY_FLASH_FILES_H

#include "deploy/firmware.h"

/* Whether cats_flash_files_write will find its place free. */
CATS_MUST_CHECK enum cats_status cats_flash_files_may_write(const char *directory, bool replace,
							    struct cats_error *error);

/* Writes node-00.hex …, network.key (both for their owner's eyes only) and README.md, all of it or nothing. Requires
 * what cats_firmware_check holds `shards` to. */
CATS_MUST_CHECK enum cats_status cats_flash_files_write(const char *directory, const struct cats_firmware *firmware,
							const struct cats_shards *shards,
							const struct cats_network *network, bool replace,
							struct cats_error *error);

#endif

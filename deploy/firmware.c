/* SPDX-License-Identifier: MIT */
/* Composing a node's flash. See firmware.h. */
#include "deploy/firmware.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/fit.h"

#define DEFAULT_IMAGE "images/firmware.elf"
#define ERASED 0xFF

static enum cats_status refuse(const char *name, const char *what, uint32_t address, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "%s: %s 0x%08X: it is no firmware for a node's layout (ports/nrf52840/layout.h)", name, what,
			 address);
}

static enum cats_status copy_segments(struct cats_firmware *out, const struct cats_elf *elf, struct cats_error *error)
{
	for (size_t i = 0; i < elf->segment_count; i++) {
		const struct cats_elf_segment *s = elf->segments + i;
		const uint64_t end = (uint64_t)s->address + s->size;

		if (s->address >= CATS_LAYOUT_FLASH_BYTES)
			return refuse(out->name, "has bytes outside the flash, at", s->address, error);
		if (end > CATS_LAYOUT_FIRMWARE_BYTES)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: ends %llu bytes behind the %d of flash for firmware; build it smaller, "
					 "or link it for a node's layout",
					 out->name, (unsigned long long)(end - CATS_LAYOUT_FIRMWARE_BYTES),
					 CATS_LAYOUT_FIRMWARE_BYTES);
		memcpy(out->bytes + s->address, s->bytes, s->size);
		out->size = end > out->size ? (uint32_t)end : out->size;
	}
	return CATS_OK;
}

static uint32_t word(const struct cats_firmware *f, uint32_t at)
{
	uint32_t value;

	memcpy(&value, f->bytes + at, sizeof value);
	return value;
}

static enum cats_status check_vectors(const struct cats_firmware *f, struct cats_error *error)
{
	const uint32_t stack = word(f, 0), reset = word(f, 4);

	if (word(f, CATS_FIRMWARE_MARK) != CATS_FIRMWARE_MAGIC ||
	    word(f, CATS_FIRMWARE_MARK + 4U) != CATS_LAYOUT_VERSION)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: its vectors do not say that it is the firmware of a node of layout %u; give the "
				 "firmware.elf of this build",
				 f->name, CATS_LAYOUT_VERSION);
	if (stack <= CATS_LAYOUT_RAM || stack > CATS_LAYOUT_ARENA || stack % 8U != 0)
		return refuse(f->name, "its stack begins at", stack, error);
	if (reset % 2U == 0 || reset >= f->size)
		return refuse(f->name, "its reset handler is at", reset, error);
	if (!cats_firmware_is_whole(f->bytes) ||
	    word(f, CATS_FIRMWARE_CHECK_AT) + sizeof(struct cats_firmware_check) != f->size)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: its checksum does not match its bytes: give the firmware.elf of this build",
				 f->name);
	return CATS_OK;
}

static enum cats_status check_ram(struct cats_firmware *out, const struct cats_elf *elf, struct cats_error *error)
{
	const struct cats_elf_symbol *end = cats_elf_find(elf, "__bss_end");

	out->ram_bytes = CATS_LAYOUT_RAM_FIXED_BYTES;
	if (end == NULL)
		return CATS_OK;
	if (end->address < CATS_LAYOUT_RAM || end->address > CATS_LAYOUT_ARENA)
		return refuse(out->name, "its data end at", end->address, error);
	out->ram_bytes = end->address - CATS_LAYOUT_RAM;
	return CATS_OK;
}

enum cats_status cats_firmware_take(struct cats_firmware *out, const struct cats_elf *elf, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	*out = (struct cats_firmware){.name = strdup(elf->name), .bytes = malloc(CATS_LAYOUT_FIRMWARE_BYTES)};
	if (!out->name || !out->bytes)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", elf->name);
	else
		memset(out->bytes, ERASED, CATS_LAYOUT_FIRMWARE_BYTES);
	if (status == CATS_OK)
		status = copy_segments(out, elf, error);
	if (status == CATS_OK)
		status = check_vectors(out, error);
	if (status == CATS_OK)
		status = check_ram(out, elf, error);
	if (status < 0)
		cats_firmware_free(out);
	return status;
}

enum cats_status cats_firmware_load(struct cats_firmware *out, const char *path, struct cats_error *error)
{
	struct cats_elf elf;
	enum cats_status status = cats_elf_load(&elf, path, error);

	*out = (struct cats_firmware){0};
	if (status == CATS_OK)
		status = cats_firmware_take(out, &elf, error);
	cats_elf_free(&elf);
	return status;
}

void cats_firmware_free(struct cats_firmware *f)
{
	free(f->bytes);
	free(f->name);
	*f = (struct cats_firmware){0};
}

enum cats_status cats_firmware_default(char path[CATS_FIRMWARE_PATH_BYTES], struct cats_error *error)
{
	const ssize_t length = readlink("/proc/self/exe", path, CATS_FIRMWARE_PATH_BYTES - 1);
	char *slash;

	if (length < 0)
		return cats_fail(error, CATS_ERR_IO, "/proc/self/exe: %s; give --firmware", strerror(errno));
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash + 1 - path) + sizeof DEFAULT_IMAGE > CATS_FIRMWARE_PATH_BYTES)
		return cats_fail(error, CATS_ERR_IO, "%.200s: the path is too long; give --firmware", path);
	memcpy(slash + 1, DEFAULT_IMAGE, sizeof DEFAULT_IMAGE);
	if (access(path, R_OK) != 0)
		return cats_fail(error, CATS_ERR_IO,
				 "%s: no firmware there (%s): build with gcc-arm-none-eabi, or give --firmware", path,
				 strerror(errno));
	return CATS_OK;
}

void cats_firmware_compose(uint8_t *flash, const struct cats_firmware *firmware, const struct cats_shards *shards,
			   uint32_t node, const struct cats_network *network)
{
	const struct cats_identity_page identity = cats_network_identity(network, node);

	memset(flash, ERASED, CATS_LAYOUT_FLASH_BYTES);
	memcpy(flash + CATS_LAYOUT_FIRMWARE, firmware->bytes, firmware->size);
	memcpy(flash + CATS_LAYOUT_SHARD, shards->bytes[node], shards->sizes[node]);
	memcpy(flash + CATS_LAYOUT_IDENTITY, &identity, sizeof identity);
}

static bool is_timed(const struct cats_shard_header *h)
{
	const struct cats_shard_site *sites =
		(const struct cats_shard_site *)(const void *)((const uint8_t *)h + h->sites);

	return sites->deadline_us != 0;
}

static enum cats_status refuse_size(const struct cats_plan *plan, const char *directory, struct cats_error *error)
{
	char advice[CATS_FIT_ADVICE_BYTES];

	cats_fit_advice(advice, &plan->facts, &plan->integer);
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "%s: does not fit: the largest device lacks %llu bytes of flash and %llu of RAM; %s",
			 directory, (unsigned long long)plan->facts.excess_flash_bytes,
			 (unsigned long long)plan->facts.excess_ram_bytes, advice);
}

enum cats_status cats_firmware_check(const struct cats_plan *plan, const char *directory, struct cats_error *error)
{
	const struct cats_shards *shards = &plan->shards;

	for (uint32_t j = 0; j < shards->devices; j++) {
		const struct cats_shard_header *h = cats_shards_header(shards, j);

		if (h->target != CATS_TARGET_NRF52840)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s/node-%02u.shard: is packed for another target; plan again", directory, j);
		if (shards->sizes[j] > CATS_LAYOUT_SHARD_BYTES || h->arena_bytes > CATS_LAYOUT_ARENA_BYTES)
			return refuse_size(plan, directory, error);
		if (!is_timed(h))
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s/node-%02u.shard: lacks the times of gathers, for a site has more packets "
					 "than the gather protocol carries; plan again with longer packets (--payload)",
					 directory, j);
	}
	return CATS_OK;
}

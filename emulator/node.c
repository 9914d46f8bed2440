/* SPDX-License-Identifier: MIT */
/* The host's side of the mailbox. See node.h and ports/m4/mailbox.h. */
#include "emulator/node.h"

#include <stdlib.h>
#include <string.h>

#include "ports/m4/host.h"
#include "ports/m4/mailbox.h"

#define DESCRIPTION_BYTES 640
#define KERNELS_NAME_BYTES 32 /* at most, with its 0 */

struct cats_m4_node {
	struct cats_m4 *m4;
	const char *name;
	uint32_t mailbox; /* address */
	struct cats_mailbox box;
	uint32_t arena_bytes;
	uint32_t input_room;
	uint32_t kernels;
	uint64_t instructions, cycles; /* of the latest call */
};

static enum cats_status find(uint32_t *address, const struct cats_elf *image, const char *name,
			     struct cats_error *error)
{
	const struct cats_elf_symbol *symbol = cats_elf_find(image, name);

	if (!symbol)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: no symbol %s: it is not node.elf", image->name, name);
	*address = symbol->address;
	return CATS_OK;
}

/* Lets the image run until it has answered. */
static enum cats_status await(struct cats_m4_node *n, struct cats_error *error)
{
	const uint64_t instructions = cats_m4_instructions(n->m4), cycles = cats_m4_cycles(n->m4);
	const struct cats_m4_stopped stopped = cats_m4_run(n->m4, CATS_M4_CALL_CYCLES);
	char text[DESCRIPTION_BYTES];

	n->instructions = cats_m4_instructions(n->m4) - instructions;
	n->cycles = cats_m4_cycles(n->m4) - cycles;
	if (stopped.stop == CATS_M4_BREAKPOINT && stopped.breakpoint == CATS_HOST_SERVE) {
		memcpy(&n->box, cats_m4_memory(n->m4, n->mailbox, sizeof n->box), sizeof n->box);
		return CATS_OK;
	}
	cats_m4_describe(text, sizeof text, n->m4, &stopped);
	return cats_fail(error, CATS_ERR_MISMATCH, "%s", text);
}

static enum cats_status call(struct cats_m4_node *n, enum cats_mailbox_call what, struct cats_error *error)
{
	enum cats_status status;

	n->box.call = what;
	status = cats_m4_write(n->m4, n->mailbox, &n->box, sizeof n->box, error);
	return status == CATS_OK ? await(n, error) : status;
}

static enum cats_status place_shard(struct cats_m4_node *n, const struct cats_elf *image, const void *shard,
				    size_t bytes, struct cats_error *error)
{
	enum cats_status status = find(&n->box.shard, image, "__free_flash", error);

	if (status != CATS_OK)
		return status;
	if (bytes < sizeof(struct cats_shard_header) || bytes > CATS_M4_FLASH_BYTES - n->box.shard)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: a shard of %zu bytes: flash has %u left behind the image", image->name, bytes,
				 CATS_M4_FLASH_BYTES - n->box.shard);
	n->box.shard_bytes = (uint32_t)bytes;
	return cats_m4_write(n->m4, n->box.shard, shard, bytes, error);
}

/* The arena, and behind it what is left for an input. */
static enum cats_status place_arena(struct cats_m4_node *n, const struct cats_elf *image, const void *shard,
				    uint32_t short_bytes, struct cats_error *error)
{
	struct cats_shard_header header;
	uint32_t room = CATS_M4_RAM + CATS_M4_RAM_BYTES;
	enum cats_status status = find(&n->box.arena, image, "__free_ram", error);

	if (status != CATS_OK)
		return status;
	memcpy(&header, shard, sizeof header);
	room -= n->box.arena;
	if (header.arena_bytes > room)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: an arena of %u bytes: RAM has %u left beside the image",
				 image->name, header.arena_bytes, room);
	n->arena_bytes = header.arena_bytes;
	n->box.arena_bytes = header.arena_bytes - short_bytes;
	n->box.input = n->box.arena + header.arena_bytes;
	n->input_room = room - header.arena_bytes;
	return CATS_OK;
}

enum cats_status cats_m4_node_create(struct cats_m4_node **out, const struct cats_elf *image, const void *shard,
				     size_t shard_bytes, const struct cats_m4_node_options *options,
				     struct cats_error *error)
{
	struct cats_m4_node *n = calloc(1, sizeof *n);
	enum cats_status status;

	*out = NULL;
	if (!n)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for a node", image->name);
	n->name = image->name;
	n->kernels = options->kernels;
	status = find(&n->mailbox, image, "cats_mailbox", error);
	if (status == CATS_OK)
		status = cats_m4_create(&n->m4, image, &options->core, error);
	if (status == CATS_OK)
		status = await(n, error);
	if (status == CATS_OK && n->box.version != CATS_MAILBOX_VERSION)
		status = cats_fail(error, CATS_ERR_MISMATCH, "%s: its mailbox is of version %u, not %u", image->name,
				   n->box.version, CATS_MAILBOX_VERSION);
	if (status == CATS_OK)
		status = place_shard(n, image, shard, shard_bytes, error);
	if (status == CATS_OK)
		status = place_arena(n, image, shard, options->arena_short_bytes, error);
	if (status != CATS_OK) {
		cats_m4_node_free(n);
		return status;
	}
	*out = n;
	return CATS_OK;
}

void cats_m4_node_free(struct cats_m4_node *n)
{
	if (!n)
		return;
	cats_m4_free(n->m4);
	free(n);
}

/* A call whose answer is the mailbox's result. */
static enum cats_status ask(int *result, struct cats_m4_node *n, enum cats_mailbox_call what, struct cats_error *error)
{
	const enum cats_status status = call(n, what, error);

	*result = n->box.result;
	return status;
}

enum cats_status cats_m4_node_init(int *result, struct cats_m4_node *n, uint16_t device, struct cats_error *error)
{
	n->box.device = device;
	n->box.kernels = n->kernels;
	return ask(result, n, CATS_MAILBOX_INIT, error);
}

enum cats_status cats_m4_node_start(struct cats_m4_node *n, uint16_t number, struct cats_error *error)
{
	n->box.number = number;
	return call(n, CATS_MAILBOX_START, error);
}

static enum cats_status input(int *result, struct cats_m4_node *n, const void *bytes, size_t count,
			      enum cats_mailbox_call what, struct cats_error *error)
{
	enum cats_status status;

	if (count > n->input_room)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: an input of %zu bytes: RAM has %u left", n->name, count,
				 n->input_room);
	status = cats_m4_write(n->m4, n->box.input, bytes, count, error);
	n->box.input_bytes = (uint32_t)count;
	return status == CATS_OK ? ask(result, n, what, error) : status;
}

enum cats_status cats_m4_node_input(int *result, struct cats_m4_node *n, const int8_t *values, size_t count,
				    struct cats_error *error)
{
	return input(result, n, values, count, CATS_MAILBOX_INPUT, error);
}

enum cats_status cats_m4_node_input_bytes(int *result, struct cats_m4_node *n, const uint8_t *bytes, size_t count,
					  struct cats_error *error)
{
	return input(result, n, bytes, count, CATS_MAILBOX_INPUT_BYTES, error);
}

enum cats_status cats_m4_node_step(int *result, struct cats_m4_node *n, uint32_t budget, struct cats_error *error)
{
	n->box.budget = budget;
	return ask(result, n, CATS_MAILBOX_STEP, error);
}

enum cats_status cats_m4_node_next_packet(uint32_t *length, struct cats_m4_node *n,
					  uint8_t packet[CATS_PACKET_BYTES_MAX], struct cats_error *error)
{
	const enum cats_status status = call(n, CATS_MAILBOX_NEXT_PACKET, error);

	*length = 0;
	if (status != CATS_OK)
		return status;
	if (n->box.packet_bytes > CATS_PACKET_BYTES_MAX)
		return cats_fail(error, CATS_ERR_MISMATCH, "%s: a packet of %u bytes", n->name, n->box.packet_bytes);
	*length = n->box.packet_bytes;
	memcpy(packet, n->box.packet, *length);
	return CATS_OK;
}

enum cats_status cats_m4_node_receive(int *result, struct cats_m4_node *n, const uint8_t *packet, size_t length,
				      struct cats_error *error)
{
	if (length > CATS_PACKET_BYTES_MAX)
		return cats_fail(error, CATS_ERR_USAGE, "%s: a packet of %zu bytes does not fit the mailbox", n->name,
				 length);
	memcpy(n->box.packet, packet, length);
	n->box.packet_bytes = (uint32_t)length;
	return ask(result, n, CATS_MAILBOX_RECEIVE, error);
}

enum cats_status cats_m4_node_end_gather(int *result, struct cats_m4_node *n, struct cats_error *error)
{
	return ask(result, n, CATS_MAILBOX_END_GATHER, error);
}

enum cats_status cats_m4_node_result(int *result, int32_t *value, struct cats_m4_node *n, uint32_t row, uint32_t column,
				     struct cats_error *error)
{
	enum cats_status status;

	n->box.row = row;
	n->box.column = column;
	status = ask(result, n, CATS_MAILBOX_RESULT, error);
	*value = n->box.value;
	return status;
}

enum cats_status cats_m4_node_class(int *result, struct cats_m4_node *n, struct cats_error *error)
{
	return ask(result, n, CATS_MAILBOX_CLASS, error);
}

uint16_t cats_m4_node_open_site(const struct cats_m4_node *n)
{
	return (uint16_t)n->box.open_site;
}

uint32_t cats_m4_node_macs(const struct cats_m4_node *n)
{
	return n->box.macs;
}

struct cats_share cats_m4_node_share(const struct cats_m4_node *n)
{
	return (struct cats_share){n->box.expected, n->box.arrived};
}

const uint8_t *cats_m4_node_arena(const struct cats_m4_node *n)
{
	return cats_m4_memory(n->m4, n->box.arena, n->arena_bytes);
}

uint64_t cats_m4_node_instructions(const struct cats_m4_node *n)
{
	return n->instructions;
}

uint64_t cats_m4_node_cycles(const struct cats_m4_node *n)
{
	return n->cycles;
}

uint32_t cats_m4_node_estimated_cycles(const struct cats_m4_node *n)
{
	return n->box.estimated_cycles;
}

uint32_t cats_m4_node_kernel_tables(const struct cats_m4_node *n)
{
	return n->box.kernel_tables;
}

const char *cats_m4_node_kernels_name(const struct cats_m4_node *n)
{
	const char *name = (const char *)cats_m4_memory(n->m4, n->box.kernels_name, KERNELS_NAME_BYTES);

	return name && memchr(name, 0, KERNELS_NAME_BYTES) ? name : "?";
}

struct cats_m4 *cats_m4_node_core(struct cats_m4_node *n)
{
	return n->m4;
}

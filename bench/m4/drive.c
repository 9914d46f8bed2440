/* SPDX-License-Identifier: MIT */
/* Driving one device. See drive.h. */
#include "bench/m4/drive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/message.h"
#include "core/random.h"
#include "emulator/profile.h"

const char *const m4_op_names[M4_OPS] = {
	"cats_op_embed",     "cats_op_quantise",         "cats_op_stats",  "cats_op_norm_product",
	"cats_op_attention", "cats_op_residual_product", "cats_op_gather",
};

struct run {
	struct cats_m4_node *node;
	struct cats_shard shard;
	uint64_t key, next; /* of what the others say */
	struct m4_counts *out;
	uint32_t budget;
};

static enum cats_status accept(int refusal, enum cats_status status, struct cats_error *error)
{
	if (status == CATS_OK && refusal < 0)
		return cats_fail(error, CATS_ERR_MISMATCH, "the emulated node refuses: %s", cats_refusal_text(refusal));
	return status;
}

static uint32_t symbol(const struct cats_elf *image, const char *name, bool size)
{
	const struct cats_elf_symbol *s = cats_elf_find(image, name);

	return !s ? 0 : size ? s->size : s->address;
}

static void fill(uint8_t *bytes, size_t count, struct run *r)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)((int32_t)cats_random_below(r->key, r->next++, 255) - 127);
}

static void add(struct m4_count *to, uint64_t instructions, uint64_t cycles)
{
	to->instructions += instructions;
	to->cycles += cycles;
}

static void add_call(struct m4_count *to, const struct run *r)
{
	add(to, cats_m4_node_instructions(r->node), cats_m4_node_cycles(r->node));
}

static enum cats_status begin(struct run *r, struct cats_error *error)
{
	const struct cats_shard_site *site = r->shard.sites;
	const size_t count = (size_t)site->tokens * site->columns;
	uint8_t *input = malloc(count + 1U);
	enum cats_status status;
	int refusal = 0;

	if (!input)
		return cats_fail(error, CATS_ERR_MEMORY, "out of memory for an input");
	fill(input, count, r);
	status = cats_m4_node_start(r->node, 1, error);
	if (status == CATS_OK && r->shard.header->device == r->shard.header->source)
		status = cats_m4_node_input(&refusal, r->node, (const int8_t *)input, count, error);
	free(input);
	return accept(refusal, status, error);
}

/* Steps to the next gather or the end. */
static enum cats_status step(int *state, struct run *r, struct cats_error *error)
{
	struct m4_counts *out = r->out;

	do {
		const enum cats_status status = accept(
			*state, cats_m4_node_step(state, r->node, r->budget ? r->budget : UINT32_MAX, error), error);

		if (status != CATS_OK)
			return status;
		out->steps++;
		add_call(&out->all, r);
		if (cats_m4_node_cycles(r->node) > out->largest_step_cycles)
			out->largest_step_cycles = cats_m4_node_cycles(r->node);
	} while (*state == CATS_NODE_WORKING);
	return accept(*state, CATS_OK, error);
}

static void collect(const struct run *r, uint32_t site)
{
	for (uint32_t i = 0; i < M4_OPS; i++) {
		const struct cats_m4_profile_line line = cats_m4_profile_of(cats_m4_node_core(r->node), m4_op_names[i]);

		add(&r->out->op[site][i], line.total_instructions, line.total_cycles);
	}
	cats_m4_profile_clear(cats_m4_node_core(r->node));
}

static enum cats_status receive(struct run *r, uint32_t sender, const struct cats_shard_site *site,
				struct cats_error *error)
{
	const struct cats_shard_header *h = r->shard.header;
	const struct cats_message message = cats_message_of(
		site->tokens, cats_shard_senders(&r->shard, site)[sender].columns * site->column_bytes, h->payload_max);
	struct cats_packet_header header = {
		.plan = (uint32_t)h->plan_id,
		.inference = 1,
		.site = site->site,
		.sender = (uint8_t)sender,
		.version = CATS_PACKET_VERSION,
	};
	uint8_t packet[CATS_PACKET_BYTES_MAX];
	enum cats_status status = CATS_OK;

	for (uint32_t p = 0; status == CATS_OK && p < message.packets; p++) {
		const struct cats_packet_span span = cats_message_span(&message, p);
		const size_t bytes = (size_t)span.count * span.bytes;
		int refusal = 0;

		header.packet = (uint16_t)p;
		memcpy(packet, &header, sizeof header);
		fill(packet + sizeof header, bytes, r);
		status = cats_m4_node_receive(&refusal, r->node, packet, sizeof header + bytes, error);
		status = accept(refusal, status, error);
		add_call(&r->out->packets, r);
	}
	return status;
}

/* Sends what the node has to say to nobody, and lets all others be heard. */
static enum cats_status exchange(struct run *r, const struct cats_shard_site *site, struct cats_error *error)
{
	enum cats_status status = CATS_OK;
	uint8_t packet[CATS_PACKET_BYTES_MAX];
	uint32_t length = 1;
	int refusal = 0;

	while (status == CATS_OK && length > 0) {
		status = cats_m4_node_next_packet(&length, r->node, packet, error);
		add_call(&r->out->packets, r);
	}
	for (uint32_t i = 0; status == CATS_OK && i < r->shard.header->devices; i++)
		if (i != r->shard.header->device && cats_shard_senders(&r->shard, site)[i].columns > 0)
			status = receive(r, i, site, error);
	if (status == CATS_OK)
		status = cats_m4_node_end_gather(&refusal, r->node, error);
	add_call(&r->out->packets, r);
	return accept(refusal, status, error);
}

static enum cats_status infer(struct run *r, struct cats_error *error)
{
	enum cats_status status = begin(r, error);
	uint32_t site = 0;
	int state = CATS_NODE_WORKING;

	cats_m4_profile_clear(cats_m4_node_core(r->node));
	while (status == CATS_OK) {
		status = step(&state, r, error);
		collect(r, site);
		if (status != CATS_OK || state == CATS_NODE_DONE)
			break;
		site = cats_m4_node_open_site(r->node);
		status = exchange(r, r->shard.sites + site, error);
		cats_m4_profile_clear(cats_m4_node_core(r->node));
	}
	return status;
}

enum cats_status m4_drive(struct m4_counts *out, uint32_t *kernel_tables, const struct m4_drive *drive,
			  struct cats_error *error)
{
	const uint32_t bottom = symbol(drive->image, "__stack_bottom", false);
	struct run r = {.key = cats_random_key(1, 0), .out = out, .budget = drive->budget};
	enum cats_status status;
	uint32_t where;
	int refusal = cats_shard_open(&r.shard, drive->shard, drive->shard_bytes, &where);

	*out = (struct m4_counts){.node_bytes = symbol(drive->image, "node", true),
				  .image_bytes = symbol(drive->image, "__image_end", false)};
	if (refusal < 0 || r.shard.header->site_count > M4_SITES_MAX)
		return cats_fail(error, CATS_ERR_FORMAT, "shard: %s", cats_refusal_text(refusal));
	status = cats_m4_node_create(&r.node, drive->image, drive->shard, drive->shard_bytes,
				     &(struct cats_m4_node_options){.kernels = drive->kernels}, error);
	if (status == CATS_OK)
		status = cats_m4_node_init(&refusal, r.node, r.shard.header->device, error);
	status = accept(refusal, status, error);
	if (status == CATS_OK) {
		cats_m4_stack_paint(cats_m4_node_core(r.node), bottom);
		status = infer(&r, error);
		*kernel_tables = cats_m4_node_kernel_tables(r.node);
		snprintf(out->kernels, sizeof out->kernels, "%s", cats_m4_node_kernels_name(r.node));
		out->sites = r.shard.header->site_count;
		out->macs = cats_m4_node_macs(r.node);
		out->stack_bytes = cats_m4_stack_used(cats_m4_node_core(r.node), bottom,
						      symbol(drive->image, "__stack_top", false));
	}
	cats_m4_node_free(r.node);
	return status;
}

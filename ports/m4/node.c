/* SPDX-License-Identifier: MIT */
/* The image node.elf: one node of core/, driven through its mailbox (ports/m4/mailbox.h). */
#include <stddef.h>

#include "ports/m4/host.h"
#include "ports/m4/mailbox.h"

extern struct cats_mailbox cats_mailbox; /* the host finds it by its name */
struct cats_mailbox cats_mailbox;
static struct cats_node node;

/* Slowest first. */
static const struct cats_kernels *const tables[] = {&cats_kernels_nrf52840_c, &cats_kernels_m4};
#define TABLES (sizeof tables / sizeof tables[0])

static const void *pointer(uint32_t address)
{
	return (const void *)address;
}

static int32_t init(struct cats_mailbox *m)
{
	const struct cats_node_config config = {
		.shard = pointer(m->shard),
		.shard_bytes = m->shard_bytes,
		.arena = (void *)m->arena,
		.arena_bytes = m->arena_bytes,
		.identity = {.device = (uint16_t)m->device},
		.kernels = tables[m->kernels < TABLES ? m->kernels : TABLES - 1U],
	};

	m->kernels_name = (uint32_t)config.kernels->name;
	return cats_node_init(&node, &config, &m->where);
}

/* A packet's length, or a refusal. */
static int32_t packet(struct cats_mailbox *m)
{
	const int length = cats_node_packet(&node, (uint16_t)m->number, m->packet);

	m->packet_bytes = length > 0 ? (uint32_t)length : 0;
	return length;
}

static int32_t serve(struct cats_mailbox *m)
{
	switch (m->call) {
	case CATS_MAILBOX_INIT:
		return init(m);
	case CATS_MAILBOX_START:
		cats_node_start(&node, (uint16_t)m->number);
		return 0;
	case CATS_MAILBOX_INPUT:
		return cats_node_input(&node, pointer(m->input), m->input_bytes);
	case CATS_MAILBOX_INPUT_BYTES:
		return cats_node_input_bytes(&node, pointer(m->input), m->input_bytes);
	case CATS_MAILBOX_STEP:
		return cats_node_step(&node, m->budget);
	case CATS_MAILBOX_NEXT_PACKET:
		m->packet_bytes = cats_node_next_packet(&node, m->packet);
		return 0;
	case CATS_MAILBOX_PACKET:
		return packet(m);
	case CATS_MAILBOX_RECEIVE:
		return cats_node_receive(&node, m->packet, m->packet_bytes);
	case CATS_MAILBOX_END_GATHER:
		return cats_node_end_gather(&node);
	case CATS_MAILBOX_RESULT:
		return cats_node_result(&m->value, &node, m->row, m->column);
	case CATS_MAILBOX_CLASS:
		return cats_node_class(&node);
	default:
		return INT32_MIN;
	}
}

static void answer(struct cats_mailbox *m)
{
	const struct cats_share share = cats_node_share(&node);

	m->open_site = cats_node_open_site(&node);
	m->macs = (uint32_t)cats_node_macs(&node);
	m->estimated_cycles = (uint32_t)cats_node_cycles(&node);
	m->expected = (uint32_t)share.expected;
	m->arrived = (uint32_t)share.arrived;
	m->call = CATS_MAILBOX_NONE;
}

int main(void)
{
	cats_mailbox.version = CATS_MAILBOX_VERSION;
	cats_mailbox.kernel_tables = TABLES;
	for (;;) {
		CATS_HOST_CALL(CATS_HOST_SERVE, &cats_mailbox);
		cats_mailbox.result = serve(&cats_mailbox);
		answer(&cats_mailbox);
	}
}

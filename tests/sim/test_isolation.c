/* SPDX-License-Identifier: MIT */
/* While one node computes, sends or receives, the memory of every other node (its state, its arena and its shard)
 * cannot be touched: the operating system would end the test. What is between nodes is the bytes of packets. The result
 * is the reference's all the same. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

/* One node's memory: whole pages, node first, then arena, then shard. */
struct cell {
	uint8_t *pages;
	size_t bytes;
	struct cats_node *node;
};

struct world {
	struct cell cells[CATS_DEVICES_MAX];
	uint32_t D;
};

static size_t in_pages(size_t bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static void shut(struct cell *c)
{
	assert_int_equal(mprotect(c->pages, c->bytes, PROT_NONE), 0);
}

static struct cats_node *open_cell(struct cell *c)
{
	assert_int_equal(mprotect(c->pages, c->bytes, PROT_READ | PROT_WRITE), 0);
	return c->node;
}

static void create_cell(struct cell *c, const struct cats_shards *shards, uint32_t j)
{
	const size_t node_bytes = in_pages(sizeof(struct cats_node));
	const size_t arena_bytes = in_pages(cats_shards_header(shards, j)->arena_bytes);

	c->bytes = node_bytes + arena_bytes + in_pages(shards->sizes[j]);
	c->pages = mmap(NULL, c->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(c->pages != MAP_FAILED);
	memcpy(c->pages + node_bytes + arena_bytes, shards->bytes[j], shards->sizes[j]);
	const struct cats_node_config config = {
		.shard = c->pages + node_bytes + arena_bytes,
		.shard_bytes = shards->sizes[j],
		.arena = c->pages + node_bytes,
		.arena_bytes = cats_shards_header(shards, j)->arena_bytes,
		.identity = {.device = (uint16_t)j},
	};

	c->node = (struct cats_node *)(void *)c->pages;
	assert_int_equal(cats_node_init(c->node, &config, NULL), 0);
	shut(c);
}

/* Everyone computes until it waits or is done; returns the site that is open, or CATS_NO_SITE. */
static uint16_t step_all(struct world *w)
{
	uint16_t site = CATS_NO_SITE;

	for (uint32_t j = 0; j < w->D; j++) {
		struct cats_node *node = open_cell(&w->cells[j]);
		int state;

		do
			state = cats_node_step(node, CATS_UNIT_CYCLES_MAX);
		while (state == CATS_NODE_WORKING);
		assert_true(state == CATS_NODE_GATHER || state == CATS_NODE_DONE);
		if (cats_node_open_site(node) < site)
			site = cats_node_open_site(node);
		shut(&w->cells[j]);
	}
	return site;
}

static void deliver(struct world *w, uint32_t sender, uint16_t site, const uint8_t *packet, uint32_t length)
{
	for (uint32_t j = 0; j < w->D; j++) {
		struct cats_node *node = open_cell(&w->cells[j]);

		if (j != sender && cats_node_open_site(node) == site) {
			const int refusal = cats_node_receive(node, packet, length);

			assert_true(refusal == 0 || refusal == CATS_REFUSED_PACKET_SENDER);
		}
		shut(&w->cells[j]);
	}
}

static void exchange(struct world *w, uint16_t site)
{
	uint8_t packet[CATS_PACKET_BYTES_MAX];

	for (uint32_t i = 0; i < w->D; i++) {
		uint32_t length = 1;

		while (length > 0) {
			struct cats_node *node = open_cell(&w->cells[i]);

			length = cats_node_open_site(node) == site ? cats_node_next_packet(node, packet) : 0;
			shut(&w->cells[i]);
			if (length > 0)
				deliver(w, i, site, packet, length);
		}
	}
	for (uint32_t j = 0; j < w->D; j++) {
		struct cats_node *node = open_cell(&w->cells[j]);

		if (cats_node_open_site(node) == site)
			assert_int_equal(cats_node_end_gather(node), 0);
		shut(&w->cells[j]);
	}
}

static void infer(struct world *w, const struct fixture *f)
{
	uint16_t site;

	for (uint32_t j = 0; j < w->D; j++) {
		struct cats_node *node = open_cell(&w->cells[j]);

		cats_node_start(node, 7);
		if (j == 0)
			assert_int_equal(cats_node_input(node, f->input, f->input_count), 0);
		shut(&w->cells[j]);
	}
	while ((site = step_all(w)) != CATS_NO_SITE)
		exchange(w, site);
}

static void nodes_never_touch_each_other(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		const struct cats_loss nothing = {0};
		struct world w = {.D = fixture_cases[i].config.devices};
		struct cats_shards shards;
		struct cats_trace trace;
		struct fixture f;

		fixture_open(&f, fixture_cases + i, 3);
		fixture_shards(&shards, &f, w.D, CATS_TARGET_NRF52840);
		for (uint32_t j = 0; j < w.D; j++)
			create_cell(&w.cells[j], &shards, j);
		cats_shards_free(&shards);
		infer(&w, &f);
		fixture_reference(&trace, &f, w.D, &nothing, 0);
		struct cats_node *sink = open_cell(&w.cells[0]);
		const uint32_t n_out = f.integer.config.n_out;

		for (uint32_t o = 0; o < n_out; o++) {
			int32_t value;

			assert_int_equal(cats_node_result(&value, sink, 0, o), 1);
			assert_int_equal(value, trace.logits[o]);
		}
		for (uint32_t j = 0; j < w.D; j++)
			munmap(w.cells[j].pages, w.cells[j].bytes);
		cats_trace_free(&trace);
		fixture_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_never_touch_each_other)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

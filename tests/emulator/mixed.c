/* SPDX-License-Identifier: MIT */
/* One emulated node among others. See mixed.h. */
#include "tests/emulator/mixed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"

struct run {
	const struct mixed *mixed;
	struct mixed_report *report;
	uint32_t D, sites;
	uint8_t **views;         /* [site·D + device]: what the host's fleet had there, or NULL */
	struct cats_shard *open; /* of each device, for its site table */
	struct cats_node *nodes; /* the emulated one's is not used */
	uint8_t **arenas;
	struct cats_m4_node *m4;
	uint32_t stack_bottom, stack_top;
	struct cats_error error;
};

static void need(enum cats_status status, const struct run *r)
{
	if (status < 0)
		fail_msg("%s", r->error.text);
}

static void accept(int refusal)
{
	if (refusal < 0)
		fail_msg("%s", cats_refusal_text(refusal));
}

static size_t view_bytes(const struct cats_shard_site *site)
{
	return (size_t)site->tokens * site->stride;
}

/* Keeps all views of a site. */
static void record(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct run *r = context;

	for (uint32_t j = 0; j < r->D; j++) {
		const struct cats_node *node = cats_fleet_node(fleet, j);
		const struct cats_shard_site *at = node->shard.sites + site;
		uint8_t **view = r->views + (size_t)site * r->D + j;

		if (cats_node_open_site(node) != site)
			continue;
		*view = malloc(view_bytes(at) + 1U);
		assert_non_null(*view);
		memcpy(*view, node->arena + at->view, view_bytes(at));
	}
}

static struct cats_fleet *run_host(struct run *r, const struct cats_fleet_input *input, uint64_t number)
{
	const struct cats_fleet_options options = {.loss = r->mixed->loss, .observe = record, .context = r};
	struct cats_fleet_report report;
	struct cats_fleet *fleet;

	need(cats_fleet_create(&fleet, r->mixed->shards, &options, &r->error), r);
	need(cats_fleet_run(&report, fleet, input, number, &r->error), r);
	return fleet;
}

static uint32_t symbol(const struct cats_elf *image, const char *name)
{
	const struct cats_elf_symbol *s = cats_elf_find(image, name);

	assert_non_null(s);
	return s->address;
}

static void create_emulated(struct run *r, const struct cats_elf *image)
{
	const struct cats_shards *shards = r->mixed->shards;
	const struct cats_m4_node_options options = {.core.fast = r->mixed->fast, .kernels = r->mixed->kernels};
	const uint32_t k = r->mixed->emulated;
	int refusal;

	need(cats_m4_node_create(&r->m4, image, shards->bytes[k], shards->sizes[k], &options, &r->error), r);
	r->stack_bottom = symbol(image, "__stack_bottom");
	r->stack_top = symbol(image, "__stack_top");
	need(cats_m4_node_init(&refusal, r->m4, (uint16_t)k, &r->error), r);
	accept(refusal);
}

/* Flips one bit in flash behind the node's back. */
static void damage(struct run *r, const struct cats_elf *image)
{
	const uint32_t bit = r->mixed->damage - 1U, address = symbol(image, "__free_flash") + bit / 8U;
	struct cats_m4 *core = cats_m4_node_core(r->m4);
	uint8_t byte;

	if (r->mixed->damage == 0)
		return;
	byte = (uint8_t)(*cats_m4_memory(core, address, 1) ^ 1U << bit % 8U);
	need(cats_m4_write(core, address, &byte, 1, &r->error), r);
}

static void create_host_node(struct run *r, uint32_t j)
{
	const struct cats_shards *shards = r->mixed->shards;
	const size_t bytes = cats_shards_header(shards, j)->arena_bytes;
	struct cats_node_config config = {
		.shard = shards->bytes[j],
		.shard_bytes = shards->sizes[j],
		.arena_bytes = bytes,
		.identity = {.device = (uint16_t)j},
	};

	r->arenas[j] = aligned_alloc(64, (bytes + 127U) / 64U * 64U);
	assert_non_null(r->arenas[j]);
	config.arena = r->arenas[j];
	accept(cats_node_init(&r->nodes[j], &config, NULL));
}

static bool is_emulated(const struct run *r, uint32_t j)
{
	return j == r->mixed->emulated;
}

static uint16_t open_site(const struct run *r, uint32_t j)
{
	return is_emulated(r, j) ? cats_m4_node_open_site(r->m4) : cats_node_open_site(&r->nodes[j]);
}

static void start(struct run *r, const struct cats_fleet_input *input, uint64_t number)
{
	const uint16_t source = cats_shards_header(r->mixed->shards, 0)->source;
	int refusal = 0;

	need(cats_m4_node_start(r->m4, (uint16_t)number, &r->error), r);
	for (uint32_t j = 0; j < r->D; j++)
		if (!is_emulated(r, j))
			cats_node_start(&r->nodes[j], (uint16_t)number);
	if (!is_emulated(r, source))
		refusal = input->bytes ? cats_node_input_bytes(&r->nodes[source], input->bytes, input->count)
				       : cats_node_input(&r->nodes[source], input->values, input->count);
	else if (input->bytes)
		need(cats_m4_node_input_bytes(&refusal, r->m4, input->bytes, input->count, &r->error), r);
	else
		need(cats_m4_node_input(&refusal, r->m4, input->values, input->count, &r->error), r);
	accept(refusal);
}

static void step_emulated(struct run *r)
{
	const uint32_t budget = r->mixed->budget ? r->mixed->budget : UINT32_MAX;
	struct mixed_report *report = r->report;
	int state;

	do {
		need(cats_m4_node_step(&state, r->m4, budget, &r->error), r);
		accept(state);
		report->steps++;
		report->instructions += cats_m4_node_instructions(r->m4);
		report->cycles += cats_m4_node_cycles(r->m4);
		report->estimated_cycles = cats_m4_node_estimated_cycles(r->m4);
		if (cats_m4_node_cycles(r->m4) > report->largest_step_cycles)
			report->largest_step_cycles = cats_m4_node_cycles(r->m4);
	} while (state == CATS_NODE_WORKING);
}

static uint16_t step_all(struct run *r)
{
	uint16_t first = CATS_NO_SITE;

	for (uint32_t j = 0; j < r->D; j++) {
		int state = CATS_NODE_WORKING;

		if (is_emulated(r, j))
			step_emulated(r);
		while (!is_emulated(r, j) && state == CATS_NODE_WORKING)
			state = cats_node_step(&r->nodes[j], UINT32_MAX);
		accept(state);
		if (open_site(r, j) < first)
			first = open_site(r, j);
	}
	return first;
}

static uint32_t next_packet(struct run *r, uint32_t j, uint8_t packet[CATS_PACKET_BYTES_MAX])
{
	uint32_t length;

	if (!is_emulated(r, j))
		return cats_node_next_packet(&r->nodes[j], packet);
	need(cats_m4_node_next_packet(&length, r->m4, packet, &r->error), r);
	return length;
}

static void receive(struct run *r, uint32_t j, const uint8_t *packet, uint32_t length)
{
	int refusal;

	if (is_emulated(r, j))
		need(cats_m4_node_receive(&refusal, r->m4, packet, length, &r->error), r);
	else
		refusal = cats_node_receive(&r->nodes[j], packet, length);
	if (refusal != CATS_REFUSED_PACKET_SENDER)
		accept(refusal);
}

static void exchange(struct run *r, uint16_t site, uint64_t number)
{
	const struct cats_loss *loss = &r->mixed->loss;
	const uint64_t key = cats_loss_key(loss, number, site);
	uint8_t packet[CATS_PACKET_BYTES_MAX];

	for (uint32_t i = 0; i < r->D; i++) {
		uint32_t length, p = 0;

		while (open_site(r, i) == site && (length = next_packet(r, i, packet)) > 0) {
			for (uint32_t j = 0; j < r->D; j++)
				if (j != i && open_site(r, j) == site &&
				    !(cats_loss_any_q32(loss) && cats_loss_drops(loss, key, i, j, p)))
					receive(r, j, packet, length);
			p++;
		}
	}
}

static void note(struct mixed_report *report, uint32_t j, uint32_t site, size_t at, uint32_t stride, uint8_t got,
		 uint8_t expected)
{
	if (report->differing_bytes++ == 0)
		snprintf(report->first, sizeof report->first, "node %u, site %u, token %zu, byte %zu: %u instead of %u",
			 j, site, at / stride, at % stride, got, expected);
}

static void compare(struct run *r, uint16_t site)
{
	for (uint32_t j = 0; j < r->D; j++) {
		const struct cats_shard_site *at = r->open[j].sites + site;
		const uint8_t *arena = is_emulated(r, j) ? cats_m4_node_arena(r->m4) : r->arenas[j];
		const uint8_t *got = arena + at->view, *expected = r->views[(size_t)site * r->D + j];

		if (open_site(r, j) != site)
			continue;
		assert_non_null(expected);
		for (size_t i = 0; i < view_bytes(at); i++) {
			r->report->compared_bytes++;
			r->report->nonzero_bytes += expected[i] != 0 ? 1U : 0U;
			if (got[i] != expected[i])
				note(r->report, j, site, i, at->stride, got[i], expected[i]);
		}
	}
}

static void end_gathers(struct run *r, uint16_t site)
{
	for (uint32_t j = 0; j < r->D; j++) {
		int refusal;

		if (open_site(r, j) != site)
			continue;
		if (is_emulated(r, j))
			need(cats_m4_node_end_gather(&refusal, r->m4, &r->error), r);
		else
			refusal = cats_node_end_gather(&r->nodes[j]);
		accept(refusal);
	}
}

static bool is_sink(const struct run *r)
{
	const uint16_t sink = cats_shards_header(r->mixed->shards, 0)->sink;

	return sink == CATS_SINK_ALL || is_emulated(r, sink);
}

/* What a device can say of the result: each value, or that it did not arrive, or that it has none. */
static void compare_results(struct run *r, const struct cats_fleet *fleet)
{
	const struct cats_shard_header *h = cats_shards_header(r->mixed->shards, r->mixed->emulated);
	const struct cats_node *host = cats_fleet_node(fleet, r->mixed->emulated);
	const uint32_t rows = host->shard.sites[h->site_count - 1U].tokens;
	const struct cats_share share = cats_m4_node_share(r->m4);

	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t column = 0; column < h->outputs; column++) {
			int32_t expected, got;
			const int there = cats_node_result(&expected, host, row, column);
			int result;

			need(cats_m4_node_result(&result, &got, r->m4, row, column, &r->error), r);
			assert_int_equal(result, there);
			if (got != expected)
				note(r->report, r->mixed->emulated, h->site_count, column, h->outputs, (uint8_t)got,
				     (uint8_t)expected);
		}
	assert_true(share.expected == cats_node_share(host).expected && share.arrived == cats_node_share(host).arrived);
	assert_true(cats_m4_node_macs(r->m4) == cats_node_macs(host));
	r->report->host_class = r->report->emulated_class = -1;
	if (!is_sink(r))
		return;
	r->report->host_class = cats_node_class(host);
	need(cats_m4_node_class(&r->report->emulated_class, r->m4, &r->error), r);
}

static void run_mixed(struct run *r, const struct cats_elf *image, const struct cats_fleet_input *input,
		      uint64_t number)
{
	create_emulated(r, image);
	damage(r, image);
	for (uint32_t j = 0; j < r->D; j++)
		if (!is_emulated(r, j))
			create_host_node(r, j);
	start(r, input, number);
	for (uint16_t site = step_all(r); site != CATS_NO_SITE; site = step_all(r)) {
		exchange(r, site, number);
		compare(r, site);
		end_gathers(r, site);
	}
	r->report->stack_bytes = cats_m4_stack_used(cats_m4_node_core(r->m4), r->stack_bottom, r->stack_top);
}

static void open_shards(struct run *r)
{
	uint32_t where;

	for (uint32_t j = 0; j < r->D; j++)
		accept(cats_shard_open(&r->open[j], r->mixed->shards->bytes[j], r->mixed->shards->sizes[j], &where));
	r->sites = r->open[0].header->site_count;
}

void mixed_run(struct mixed_report *report, const struct mixed *mixed, const struct cats_elf *image,
	       const struct cats_fleet_input *input, uint64_t number)
{
	struct run r = {.mixed = mixed, .report = report, .D = mixed->shards->devices};
	struct cats_fleet *fleet;

	*report = (struct mixed_report){0};
	r.open = calloc(r.D, sizeof *r.open);
	r.nodes = calloc(r.D, sizeof *r.nodes);
	r.arenas = calloc(r.D, sizeof *r.arenas);
	assert_true(r.open && r.nodes && r.arenas);
	open_shards(&r);
	r.views = calloc((size_t)r.sites * r.D, sizeof *r.views);
	assert_non_null(r.views);
	fleet = run_host(&r, input, number);
	run_mixed(&r, image, input, number);
	compare_results(&r, fleet);
	cats_fleet_free(fleet);
	cats_m4_node_free(r.m4);
	for (size_t i = 0; i < (size_t)r.sites * r.D; i++)
		free(r.views[i]);
	for (uint32_t j = 0; j < r.D; j++)
		free(r.arenas[j]);
	free(r.views);
	free(r.open);
	free(r.nodes);
	free(r.arenas);
}

/* SPDX-License-Identifier: MIT */
/* Power that goes at any instruction of an inference on emulated chips: of its computing, its frames, its epoch's
 * writing, or of the start-up after another cut; the source's, the sink's, or a node's between them. The node comes
 * back by itself and says what it was; what the others make of that inference is what the host's runtime makes of the
 * packets that they say they lack; the next inference is whole; no nonce seals two texts.
 *
 * usage: test_power_cut [SEED CUTS]: so many, in networks of sixteen cuts whose seeds follow each other */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checksum.h"
#include "core/random.h"
#include "emulator/ccm.h"
#include "emulator/models.h"
#include "emulator/stage.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define NODES 3U
#define SOURCE 0U
#define SINK (NODES - 1U)
#define OUTAGE (1000 * CATS_TIME_US)
#define BLOCK 16U /* cuts that one network lives through */

static uint64_t seed = 1; /* of the block */
static uint32_t cuts = 24;
static bool tells; /* how far it is */

static struct cats_elf image;
static struct cats_error error;

static void need(enum cats_status status)
{
	if (status < 0)
		fail_msg("%s", error.text);
}

/* ---- What was sealed ---- */

#define SEALS 65536U /* a power of two, more than a block's */

struct seal {
	uint8_t key[16], nonce[13];
	bool used;
	uint32_t text; /* checksum of what it sealed */
};

struct seals {
	struct seal slots[SEALS];
	uint32_t count;
	uint32_t again; /* nonces that sealed another text too */
};

static void note_packet(void *context, const struct cats_ccm_packet *p, uint64_t time)
{
	struct seals *seals = context;
	const uint32_t text = cats_checksum(cats_checksum(0, &p->header, 1), p->plain, p->bytes);
	uint32_t at = cats_checksum(cats_checksum(0, p->key, 16), p->nonce, 13) % SEALS;

	(void)time;
	if (!p->sealed)
		return;
	while (seals->slots[at].used &&
	       (memcmp(seals->slots[at].nonce, p->nonce, 13) != 0 || memcmp(seals->slots[at].key, p->key, 16) != 0))
		at = (at + 1U) % SEALS;
	if (seals->slots[at].used) {
		seals->again += seals->slots[at].text != text;
		return;
	}
	seals->slots[at] = (struct seal){.used = true, .text = text};
	memcpy(seals->slots[at].key, p->key, 16);
	memcpy(seals->slots[at].nonce, p->nonce, 13);
	seals->count++;
	assert_true(seals->count < SEALS / 2U);
}

static void note(struct seals *seals, uint8_t key_byte, uint8_t nonce_byte, uint8_t header, const char *text)
{
	const uint8_t key[16] = {key_byte}, nonce[13] = {nonce_byte};
	struct cats_ccm_packet packet = {.key = key,
					 .nonce = nonce,
					 .header = header,
					 .plain = (const uint8_t *)text,
					 .bytes = (uint32_t)strlen(text)};

	note_packet(seals, &packet, 0); /* opened: of no interest */
	packet.sealed = true;
	note_packet(seals, &packet, 0);
}

static void a_nonce_that_seals_two_texts_is_noticed(void **state)
{
	static struct seals seals;

	(void)state;
	note(&seals, 1, 3, 0, "one");
	note(&seals, 1, 3, 0, "one");
	note(&seals, 1, 4, 0, "two");
	note(&seals, 2, 3, 0, "two");
	assert_int_equal(seals.count, 3);
	assert_int_equal(seals.again, 0);
	note(&seals, 1, 3, 0, "two");
	assert_int_equal(seals.again, 1);
	note(&seals, 1, 3, 1, "one");
	assert_int_equal(seals.again, 2);
}

/* ---- A network ---- */

struct net {
	struct fixture_case of;
	struct fixture model;
	struct cats_shards shards;
	struct cats_topology topology;
	struct cats_stage *stage;
	struct cats_fleet *fleet;
	struct cats_fleet_input input;
	const struct cats_stage_report *report; /* whose lacks the fleet has too */
	struct seals seals;
	/* Lines since the latest cut. */
	uint32_t boots[NODES], joins[NODES];
	uint64_t boot_instructions[NODES], instructions[NODES]; /* of a start, of an inference that is whole */
};

static void hear(void *context, const struct cats_log_line *line)
{
	struct net *n = context;

	if (strstr(line->text, "boot: ") == line->text) {
		n->boots[line->node]++;
		if (line->whole && strstr(line->text, "reset by power") == NULL)
			fail_msg("node %u: %s", line->node, line->text);
	} else if (strstr(line->text, "node: plan") == line->text) {
		n->joins[line->node]++;
	} else if (strstr(line->text, "fault") == line->text) {
		fail_msg("node %u: %s", line->node, line->text);
	}
}

static bool loses(void *context, uint32_t site, uint32_t sender, uint32_t receiver, uint32_t packet)
{
	const struct cats_stage_report *r = ((struct net *)context)->report;

	for (size_t i = 0; i < r->lack_count; i++)
		if (r->lacks[i].site == site && r->lacks[i].sender == sender && r->lacks[i].receiver == receiver &&
		    r->lacks[i].packet == packet)
			return true;
	return false;
}

/* Outputs that are not what the host's runtime makes of the packets that arrived. */
static uint32_t differing(struct net *n, const struct cats_stage_report *report)
{
	struct cats_fleet_report host;
	uint32_t count = 0;

	n->report = report;
	need(cats_fleet_run(&host, n->fleet, &n->input, 0, &error));
	for (uint32_t i = 0; i < report->rows * report->columns; i++) {
		int32_t value = 0;
		const bool there = cats_node_result(&value, cats_fleet_sink(n->fleet), i / report->columns,
						    i % report->columns) == 1;

		count += there != (report->there[i] != 0) || (there && value != report->outputs[i]);
	}
	return count;
}

static struct cats_m4 *core(const struct net *n, uint32_t node)
{
	return cats_chip_core(cats_chips_at(cats_stage_chips(n->stage), node));
}

static struct cats_stage_report infer(struct net *n)
{
	struct cats_stage_report report;

	need(cats_stage_infer(&report, n->stage, &n->input, &error));
	for (uint32_t j = 0; j < NODES; j++)
		assert_true(cats_chip_sleeps(cats_chips_at(cats_stage_chips(n->stage), j)));
	return report;
}

/* An inference in which nothing happens. */
static void infer_whole(struct net *n)
{
	const struct cats_stage_report report = infer(n);

	if (!report.has_result || report.arrived != report.expected || report.lack_count != 0)
		fail_msg("%s, %" PRIu64 " of %" PRIu64 " values, %zu lacks",
			 report.has_result ? "a result" : "no result", report.arrived, report.expected,
			 report.lack_count);
	assert_int_equal(report.resets, 0);
	assert_int_equal(differing(n, &report), 0);
	for (uint32_t j = 0; j < NODES; j++)
		n->instructions[j] = report.instructions[j];
}

static void open_net(struct net *n, uint64_t own_seed)
{
	memset(n, 0, sizeof *n);
	n->of = fixture_cases[1];
	n->of.config.devices = NODES;
	n->of.config.n_heads = NODES;
	n->of.sink = SINK;
	fixture_open(&n->model, &n->of, own_seed);
	fixture_shards(&n->shards, &n->model, NODES, CATS_TARGET_NRF52840);
	need(cats_times_write(&n->shards, &cats_kernels_nrf52840_c, &error));
	need(cats_topology_open(&n->topology, "full", NODES, 1, &error));
	need(cats_fleet_create(
		&n->fleet, &n->shards,
		&(struct cats_fleet_options){.kernels = &cats_kernels_nrf52840_c, .lose = loses, .context = n},
		&error));
	n->input = (struct cats_fleet_input){.values = n->model.input, .count = n->model.input_count};
	need(cats_stage_create(&n->stage,
			       &(struct cats_stage_options){.firmware = &image,
							    .shards = &n->shards,
							    .topology = &n->topology,
							    .drift_ppm = 40,
							    .seed = own_seed,
							    .fast = true,
							    .observer = {.context = n},
							    .line = hear},
			       &error));
	for (uint32_t j = 0; j < NODES; j++) {
		cats_ccm_watch(cats_chip_peripheral(cats_chips_at(cats_stage_chips(n->stage), j), CATS_CCM_BASE),
			       &(struct cats_ccm_watch){&n->seals, note_packet});
		n->boot_instructions[j] = cats_m4_instructions(core(n, j));
	}
	infer_whole(n);
}

static void close_net(struct net *n)
{
	cats_stage_free(n->stage);
	cats_fleet_free(n->fleet);
	cats_shards_free(&n->shards);
	fixture_close(&n->model);
}

/* ---- Cuts ---- */

struct cut {
	uint32_t node;
	bool in_boot; /* else in the inference */
	uint64_t instructions;
};

/* The square makes more of them early, where the epoch is written. */
static struct cut draw(const struct net *n, uint64_t key)
{
	struct cut cut = {.node = (uint32_t)cats_random_below(key, 0, NODES),
			  .in_boot = cats_random_below(key, 1, 4) == 0};
	const uint64_t whole = (cut.in_boot ? n->boot_instructions : n->instructions)[cut.node];
	const double u = (double)(cats_random_u64(key, 2) >> 11) * 0x1p-53;

	cut.instructions = (uint64_t)(u * (cut.in_boot ? 1 : u) * (double)whole);
	return cut;
}

static void suffer(struct net *n, const struct cut *cut)
{
	struct cats_chips *chips = cats_stage_chips(n->stage);
	struct cats_stage_report report;
	uint32_t inferences = 0;

	memset(n->boots, 0, sizeof n->boots);
	memset(n->joins, 0, sizeof n->joins);
	if (cut->in_boot) {
		cats_chips_cut_power(chips, cut->node);
		cats_chips_give_power(chips, cut->node);
	}
	cats_chips_cut_power_after(chips, cut->node, cats_m4_instructions(core(n, cut->node)) + cut->instructions,
				   OUTAGE);
	do /* an inference may take less than the one before */
		report = infer(n);
	while (report.resets == 0 && ++inferences < 3);
	assert_int_equal(report.resets, 1);
	assert_in_range(n->boots[cut->node], 1, cut->in_boot ? 2 : 1);
	assert_in_range(n->joins[cut->node], 1, cut->in_boot ? 2 : 1);
	assert_true(report.has_result || cut->node != 1U);
	if (report.has_result)
		assert_int_equal(differing(n, &report), 0);
}

/* What is being done, for whoever wants to see it fail once more. */
static struct {
	bool under_way;
	uint32_t number;
	struct cut cut;
} now;

static int tell_where(void **state)
{
	(void)state;
	if (now.under_way)
		print_error("seed %" PRIu64 ", cut %u: node %u, instruction %" PRIu64 " of its %s\n", seed, now.number,
			    now.cut.node, now.cut.instructions, now.cut.in_boot ? "start" : "inference");
	return 0;
}

/* `count` cuts of one network. */
static void suffer_block(uint32_t count)
{
	static struct net n;
	uint32_t again;

	open_net(&n, seed);
	now.under_way = true;
	for (now.number = 0; now.number < count; now.number++) {
		now.cut = draw(&n, cats_random_key(seed, 1000U + now.number));
		suffer(&n, &now.cut);
		infer_whole(&n);
	}
	again = n.seals.again;
	assert_true(n.seals.count > count);
	close_net(&n);
	assert_int_equal(again, 0);
	now.under_way = false;
}

static void wherever_power_goes_the_next_inference_is_whole(void **state)
{
	const uint64_t first = seed;

	(void)state;
	for (uint32_t done = 0; done < cuts; done += BLOCK, seed++) {
		suffer_block(cuts - done < BLOCK ? cuts - done : BLOCK);
		if (tells)
			print_message("%u of %u cuts\n", done + BLOCK < cuts ? done + BLOCK : cuts, cuts);
	}
	print_message("%u cuts, seeds %" PRIu64 " to %" PRIu64 "\n", cuts, first, seed - 1U);
}

static int load(void **state)
{
	(void)state;
	need(cats_elf_load(&image, IMAGES "/firmware.elf", &error));
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_nonce_that_seals_two_texts_is_noticed),
		cmocka_unit_test_teardown(wherever_power_goes_the_next_inference_is_whole, tell_where),
	};

	if (count == 3) {
		seed = strtoull(arguments[1], NULL, 10);
		cuts = (uint32_t)strtoul(arguments[2], NULL, 10);
		tells = true;
	}
	return cmocka_run_group_tests(tests, load, unload);
}

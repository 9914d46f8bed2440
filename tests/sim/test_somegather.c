/* SPDX-License-Identifier: MIT */
/* The gather protocol on the simulated radio: results are the fleet's, whatever is lost everyone ends, and what a node
 * says that it has is what was sent. */
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "sim/somegather.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

static uint64_t seed;

/* One fixture's plan, played. */
struct stage {
	struct fixture f;
	struct cats_shards shards;
	struct cats_topology topology;
	struct cats_play_options options;
	struct cats_somegather *play;
	struct cats_fleet *fleet; /* of the same shards: what is right */
};

static void raise_stage(struct stage *s, const struct fixture_case *of)
{
	const struct cats_fleet_options fleet = {.kernels = &cats_kernels_plain};
	const uint32_t D = of->config.devices;
	struct cats_error error = {0};

	fixture_open(&s->f, of, seed);
	fixture_shards(&s->shards, &s->f, D, CATS_TARGET_PLAIN);
	s->topology.nodes = D;
	for (uint32_t i = 0; i < D * D; i++)
		s->topology.path_db[i] = i / D == i % D ? CATS_NO_PATH_DB : 50;
	s->options.kernels = &cats_kernels_plain;
	s->options.topology = &s->topology;
	s->options.drift_ppm = CATS_CLOCK_DRIFT_PPM_MAX;
	s->options.seed = seed;
	if (cats_somegather_create(&s->play, &s->shards, &s->options, &error) < 0 ||
	    cats_fleet_create(&s->fleet, &s->shards, &fleet, &error) < 0)
		fail_msg("%s: %s", of->name, error.text);
}

/* The same plan from the beginning. */
static void begin_again(struct stage *s)
{
	struct cats_error error = {0};

	cats_somegather_free(s->play);
	if (cats_somegather_create(&s->play, &s->shards, &s->options, &error) < 0)
		fail_msg("%s", error.text);
}

static void strike_stage(struct stage *s)
{
	cats_somegather_free(s->play);
	cats_fleet_free(s->fleet);
	cats_shards_free(&s->shards);
	fixture_close(&s->f);
}

static struct cats_fleet_input input_of(const struct stage *s)
{
	return (struct cats_fleet_input){.values = s->f.input, .count = s->f.input_count};
}

static struct cats_play_report infer(struct stage *s)
{
	const struct cats_fleet_input input = input_of(s);
	struct cats_play_report report;
	struct cats_error error = {0};

	if (cats_somegather_infer(&report, s->play, &input, &error) < 0)
		fail_msg("%s: %s", s->f.of->name, error.text);
	return report;
}

static const struct fixture_case *case_named(const char *name)
{
	for (uint32_t i = 0; i < fixture_case_count; i++)
		if (strcmp(fixture_cases[i].name, name) == 0)
			return fixture_cases + i;
	fail_msg("no case \"%s\"", name);
	return NULL;
}

static void assert_right(const struct stage *s, const struct cats_play_report *report)
{
	const struct cats_config *c = &s->f.of->config;
	const uint32_t rows = cats_integer_site_tokens(c, cats_integer_sites(c) - 1U);
	const struct cats_fleet_input input = input_of(s);
	struct cats_fleet_report expected;

	assert_int_equal(cats_fleet_run(&expected, s->fleet, &input, 0, NULL), CATS_OK);
	assert_int_equal(report->expected, expected.expected);
	if (report->arrived != expected.expected)
		fail_msg("%s: %llu of %llu values arrived", s->f.of->name, (unsigned long long)report->arrived,
			 (unsigned long long)expected.expected);
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t column = 0; column < c->n_out; column++) {
			int32_t x, y;

			assert_int_equal(cats_node_result(&x, report->sink, row, column), 1);
			assert_int_equal(cats_node_result(&y, cats_fleet_sink(s->fleet), row, column), 1);
			assert_int_equal(x, y);
		}
}

static void with_nothing_lost_every_kind_is_the_fleet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		struct stage s = {0};

		raise_stage(&s, fixture_cases + i);
		for (int again = 0; again < 2; again++) {
			const struct cats_play_report report = infer(&s);

			assert_right(&s, &report);
			fixture_stages_add_up(&report, s.shards.devices);
			assert_true(report.latency > 0 && report.latency <= report.end - report.start);
			assert_int_equal(report.refused, 0);
		}
		strike_stage(&s);
	}
}

/* Loses the k-th frame at everyone. */
static bool lose_one(void *context, const struct cats_transmission *frame, uint32_t receiver)
{
	const uint64_t *k = context;

	(void)receiver;
	return frame->number == *k;
}

static void any_frame_may_be_lost(void **state)
{
	const struct fixture_case *of = case_named("RMS, class token, GELU");
	uint64_t k = 0;
	uint64_t frames;
	struct stage s = {.options = {.lose = lose_one, .context = &k}};

	(void)state;
	raise_stage(&s, of);
	frames = infer(&s).frames;
	assert_true(frames > 50);
	for (k = 1; k <= frames; k++) {
		struct cats_play_report report;

		begin_again(&s);
		report = infer(&s);
		assert_true(report.arrived <= report.expected);
		if (report.arrived == report.expected)
			assert_right(&s, &report);
		/* Whatever became of this one, the next is complete. */
		report = infer(&s);
		assert_right(&s, &report);
	}
	strike_stage(&s);
}

static void heavy_loss_ends_and_passes(void **state)
{
	struct stage s = {.options = {.link_loss = 0.3}};
	uint64_t arrived = 0, expected = 0;

	(void)state;
	raise_stage(&s, case_named("class token, ReLU"));
	for (int i = 0; i < 5; i++) {
		const struct cats_play_report report = infer(&s);

		arrived += report.arrived;
		expected += report.expected;
	}
	assert_true(arrived <= expected);
	assert_true(10 * arrived > 9 * expected);
	strike_stage(&s);
}

/* A node other than the source suffers something in inference 1, which takes 31 ms; 0 and 2 are complete, unless the
 * node is gone for good. */
static void check_fault(struct stage *s, struct cats_fault *fault)
{
	struct cats_play_report report;

	begin_again(s);
	report = infer(s);
	assert_right(s, &report);
	report = infer(s);
	assert_true(report.arrived <= report.expected);
	assert_true(cats_node_class(report.sink) >= 0);
	report = infer(s);
	if (fault->kind != CATS_FAULT_KILL)
		assert_right(s, &report);
	assert_true(fault->kind != CATS_FAULT_KILL || report.arrived < report.expected);
}

static void nodes_may_vanish_return_or_stand_still(void **state)
{
	struct cats_fault fault = {.inference = 1, .lasting = 10000 * CATS_TIME_US};
	struct stage s = {.options = {.faults = &fault, .fault_count = 1}};

	(void)state;
	raise_stage(&s, case_named("class token, ReLU"));
	for (fault.node = 1; fault.node < 5; fault.node += 3)
		for (fault.after = 0; fault.after < 30000 * CATS_TIME_US; fault.after += 1700 * CATS_TIME_US)
			for (fault.kind = CATS_FAULT_KILL; fault.kind <= CATS_FAULT_FREEZE; fault.kind++)
				check_fault(&s, &fault);
	strike_stage(&s);
}

/* A sink that dies before it takes part has no result of this inference, and none of the one before. */
static void a_dead_sink_has_no_older_result(void **state)
{
	struct fixture_case of = *case_named("class token, ReLU");
	struct cats_fault fault = {.inference = 1, .node = 2, .kind = CATS_FAULT_KILL};
	struct stage s = {.options = {.faults = &fault, .fault_count = 1}};
	struct cats_play_report report;
	int32_t value;

	(void)state;
	of.sink = fault.node;
	raise_stage(&s, &of);
	report = infer(&s);
	assert_right(&s, &report);
	for (int i = 0; i < 2; i++) {
		report = infer(&s);
		assert_int_equal(cats_node_result(&value, report.sink, 0, 0), CATS_REFUSED_CALL_NOT_DONE);
		assert_true(cats_node_class(report.sink) < 0);
		assert_int_equal(report.latency, report.end - report.start);
	}
	strike_stage(&s);
}

/* Turns the bits of all that belongs to a node, or turns them back. */
static void invert(const struct cats_somegather_memory *memory)
{
	uint8_t *structs = memory->structs, *arena = memory->arena;

	for (size_t i = 0; i < memory->struct_bytes; i++)
		structs[i] = (uint8_t)~structs[i];
	for (size_t i = 0; i < memory->arena_bytes; i++)
		arena[i] = (uint8_t)~arena[i];
}

/* While one node has its turn the others' memory is not what it was. */
struct poison {
	struct stage *stage;
	struct cats_somegather_memory memory[CATS_DEVICES_MAX];
	uint64_t turns;
};

static void poison_others(void *context, uint32_t node, bool begins)
{
	struct poison *p = context;

	for (uint32_t j = 0; j < p->stage->shards.devices && p->memory[j].structs != NULL; j++)
		if (j != node)
			invert(&p->memory[j]);
	p->turns += begins ? 1U : 0U;
}

static void nodes_know_each_other_by_radio_only(void **state)
{
	struct stage s = {.options = {.link_loss = 0.1}};
	struct poison poison = {.stage = &s};
	struct cats_play_report free_of_it[2], report;

	(void)state;
	raise_stage(&s, case_named("class token, ReLU"));
	free_of_it[0] = infer(&s);
	free_of_it[1] = infer(&s);
	s.options.turn = poison_others;
	s.options.context = &poison;
	begin_again(&s);
	for (uint32_t j = 0; j < s.shards.devices; j++)
		poison.memory[j] = cats_somegather_memory(s.play, j);
	for (int i = 0; i < 2; i++) {
		report = infer(&s);
		assert_int_equal(report.latency, free_of_it[i].latency);
		assert_int_equal(report.frames, free_of_it[i].frames);
		assert_int_equal(report.arrived, free_of_it[i].arrived);
	}
	assert_true(poison.turns > 500);
	strike_stage(&s);
}

static struct cats_play_report run_once(uint64_t with_seed, cats_time *latency)
{
	struct stage s = {.options = {.link_loss = 0.1, .burst_share = 0.01}};
	struct cats_play_report report;
	const uint64_t kept = seed;

	seed = with_seed;
	raise_stage(&s, case_named("class token, ReLU"));
	report = infer(&s);
	*latency = report.latency;
	strike_stage(&s);
	seed = kept;
	return report;
}

static void a_seed_fixes_the_run(void **state)
{
	cats_time once, again, other;
	const struct cats_play_report a = run_once(seed, &once), b = run_once(seed, &again);

	(void)state;
	(void)run_once(seed + 1, &other);
	assert_int_equal(once, again);
	assert_int_equal(a.frames, b.frames);
	assert_int_equal(a.arrived, b.arrived);
	assert_int_not_equal(once, other);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_nothing_lost_every_kind_is_the_fleet),
		cmocka_unit_test(any_frame_may_be_lost),
		cmocka_unit_test(heavy_loss_ends_and_passes),
		cmocka_unit_test(nodes_may_vanish_return_or_stand_still),
		cmocka_unit_test(a_dead_sink_has_no_older_result),
		cmocka_unit_test(nodes_know_each_other_by_radio_only),
		cmocka_unit_test(a_seed_fixes_the_run),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The bare schedule: its slots by hand, and its results those of the fleet that loses the same packets. */
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "sim/bare.h"
#include "sim/times.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

#define US CATS_TIME_US

static uint64_t seed;

/* One fixture's plan, played. */
struct stage {
	struct fixture f;
	struct cats_shards shards;
	struct cats_topology topology;
	struct cats_play_options options;
	struct cats_bare *bare;
};

static void raise_stage(struct stage *s, const struct fixture_case *of, double link_loss, uint32_t drift_ppm)
{
	const uint32_t D = of->config.devices;
	struct cats_error error = {0};

	fixture_open(&s->f, of, seed);
	fixture_shards(&s->shards, &s->f, D, CATS_TARGET_PLAIN);
	assert_int_equal(cats_topology_open(&s->topology, "full", D, seed, &error), CATS_OK);
	/* So near to each other that nothing but link_loss or `lose` loses a frame. */
	for (uint32_t i = 0; i < D * D; i++)
		s->topology.path_db[i] = i / D == i % D ? CATS_NO_PATH_DB : 50;
	s->options.kernels = &cats_kernels_plain;
	s->options.topology = &s->topology;
	s->options.link_loss = link_loss;
	s->options.drift_ppm = drift_ppm;
	s->options.seed = seed;
	if (cats_bare_create(&s->bare, &s->shards, &s->options, &error) < 0)
		fail_msg("%s", error.text);
}

static void strike_stage(struct stage *s)
{
	cats_bare_free(s->bare);
	cats_shards_free(&s->shards);
	fixture_close(&s->f);
}

static void infer(struct cats_play_report *report, struct stage *s, uint16_t number)
{
	const struct cats_fleet_input input = {.values = s->f.input, .count = s->f.input_count};
	struct cats_error error = {0};

	if (cats_bare_infer(report, s->bare, &input, number, &error) < 0)
		fail_msg("%s: %s", s->f.of->name, error.text);
}

static const struct fixture_case *case_named(const char *name)
{
	for (uint32_t i = 0; i < fixture_case_count; i++)
		if (strcmp(fixture_cases[i].name, name) == 0)
			return fixture_cases + i;
	fail_msg("no case \"%s\"", name);
	return NULL;
}

/* Two devices, 9 patches of 10 values, class token, F = 24, M = 40, 2 layers, 5 classes, everything kept, packets of at
 * most 16 bytes behind a header of 12. What travels, as (packets, bytes of each):
 *	input: 9 rows of 10 values, one a packet: 9 of 22.
 *	0.attn_in … ffn_in, 1.attn_in: from each of the two, 10 tokens of 12 values, one a packet: 20 of 24.
 *	0.ffn_out: 10 tokens of 20 values, two packets each: from each of the two 10 of 28 and 10 of 16.
 *	1.attn_out, 1.ffn_in, head_in: row 0 alone: 2 of 24. 1.ffn_out: 2 of 28 and 2 of 16.
 *	out: the second device's 2 classes of 4 bytes: 1 of 20. */
static void slots_and_latency_are_the_arithmetic(void **state)
{
	static const struct {
		uint32_t count, bytes, more_count, more_bytes;
	} sites[11] = {{9, 22, 0, 0}, {20, 24, 0, 0}, {20, 24, 0, 0}, {20, 24, 0, 0}, {20, 28, 20, 16}, {20, 24, 0, 0},
		       {2, 24, 0, 0}, {2, 24, 0, 0},  {2, 28, 2, 16}, {2, 24, 0, 0},  {1, 20, 0, 0}};
	struct stage s = {0};
	struct cats_play_report report;
	const struct cats_bare_schedule *schedule;
	uint64_t cycles[11];
	cats_time total = 0, air = 0;
	uint32_t slots = 0;

	(void)state;
	raise_stage(&s, case_named("RMS, class token, GELU"), 0, 0);
	schedule = cats_bare_schedule(s.bare);
	assert_int_equal(schedule->sites, 11);
	assert_int_equal(cats_times_measure(cycles, &s.shards, &cats_kernels_plain, CATS_TIMES_WORST_Q32, NULL),
			 CATS_OK);
	for (uint32_t i = 0; i < 11; i++) {
		const uint32_t count = sites[i].count + sites[i].more_count;
		const cats_time site_air = (cats_time)(sites[i].count * (11 + sites[i].bytes) +
						       sites[i].more_count * (11 + sites[i].more_bytes)) *
					   4 * US;
		const cats_time length = site_air + count * (46 * US + 2 * schedule->guard);

		assert_int_equal(schedule->close[i] - schedule->open[i], length);
		total += (cats_time)cycles[i] + schedule->guard + length;
		air += site_air;
		slots += count;
	}
	infer(&report, &s, 1);
	fixture_stages_add_up(&report, 2);
	for (uint32_t i = 0; i < 11; i++)
		assert_true(report.stages->opened[i] - report.start <= schedule->open[i] + total * 80 / 1000000 &&
			    report.stages->opened[i + 1] - report.start > schedule->open[i]);
	assert_int_equal(report.slots, slots);
	assert_int_equal(report.frames, slots);
	assert_int_equal(report.air, air);
	/* The result is there some cycles after the last gather closes. */
	assert_in_range(report.latency, total, total + 2000);
	/* Clocks of ±40 ppm part by 80 ppm of all that, and a microsecond of ramp-up. */
	assert_in_range(schedule->guard, US + total * 80 / 1000000, US + total * 80 / 1000000 + 2);
	strike_stage(&s);
}

/* Loses what the fleet's loss says: the frame carries the packet with its header. */
static bool lose_as_the_fleet(void *context, const struct cats_transmission *frame, uint32_t receiver)
{
	const struct cats_loss *loss = context;
	struct cats_packet_header header;

	memcpy(&header, frame->pdu + CATS_RADIO_HEADER_BYTES, sizeof header);
	return cats_loss_drops(loss, cats_loss_key(loss, header.inference, header.site), header.sender, receiver,
			       header.packet);
}

static void assert_same_result(const struct cats_node *a, const struct cats_node *b, const struct cats_config *c)
{
	const uint32_t rows = cats_integer_site_tokens(c, cats_integer_sites(c) - 1U);

	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t column = 0; column < c->n_out; column++) {
			int32_t x, y;

			assert_int_equal(cats_node_result(&x, a, row, column), cats_node_result(&y, b, row, column));
			assert_int_equal(x, y);
		}
}

static void check_against_fleet(const struct fixture_case *of, double p, uint32_t drift_ppm)
{
	struct cats_loss loss = {.link_q32 = cats_loss_threshold(p), .per_packet = true, .seed = seed};
	struct cats_fleet_options options = {.kernels = &cats_kernels_plain, .loss = loss};
	struct stage s = {.options = {.lose = lose_as_the_fleet, .context = &loss}};
	struct cats_fleet_report expected;
	struct cats_play_report report;
	struct cats_fleet *fleet;

	raise_stage(&s, of, 0, drift_ppm);
	assert_int_equal(cats_fleet_create(&fleet, &s.shards, &options, NULL), CATS_OK);
	for (uint16_t number = 1; number <= 2; number++) {
		const struct cats_fleet_input input = {.values = s.f.input, .count = s.f.input_count};

		assert_int_equal(cats_fleet_run(&expected, fleet, &input, number, NULL), CATS_OK);
		infer(&report, &s, number);
		assert_int_equal(report.expected, expected.expected);
		assert_int_equal(report.arrived, expected.arrived);
		assert_int_equal(report.frames, expected.packets);
		assert_int_equal(report.air_bytes, expected.air_bytes + 11 * expected.packets);
		assert_same_result(report.sink, cats_fleet_sink(fleet), &of->config);
		assert_true(report.latency > 0 && report.latency <= report.end - report.start);
	}
	cats_fleet_free(fleet);
	strike_stage(&s);
}

static void every_kind_computes_as_the_fleet(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		check_against_fleet(fixture_cases + i, 0, 0);
		check_against_fleet(fixture_cases + i, 0.2, CATS_CLOCK_DRIFT_PPM_MAX);
	}
}

/* Everything that an observer is told, as a number. */
struct digest {
	uint64_t value, told;
};

static void add(struct digest *d, uint64_t what)
{
	d->value = cats_random_key(d->value, what);
	d->told++;
}

static void digest_span(void *context, uint32_t node, enum cats_draw draw, cats_time from, cats_time to)
{
	add(context, (uint64_t)node * CATS_DRAWS + draw);
	add(context, (uint64_t)from);
	add(context, (uint64_t)to);
}

static void digest_heard(void *context, const struct cats_transmission *frame, uint32_t receiver,
			 enum cats_reception result, double dbm)
{
	(void)dbm;
	add(context, frame->number * 1000 + receiver * 10 + result);
}

static struct digest run_digest(uint64_t with_seed)
{
	struct digest digest = {0};
	struct stage s = {.options = {.observer = {.context = &digest, .span = digest_span, .heard = digest_heard}}};
	struct cats_play_report report;
	const uint64_t kept = seed;

	seed = with_seed;
	raise_stage(&s, case_named("class token, ReLU"), 0.1, 40);
	infer(&report, &s, 1);
	infer(&report, &s, 2);
	assert_true(report.arrived < report.expected);
	strike_stage(&s);
	seed = kept;
	return digest;
}

static void a_seed_fixes_every_event(void **state)
{
	const struct digest once = run_digest(seed), again = run_digest(seed), other = run_digest(seed + 1);

	(void)state;
	assert_true(once.told > 1000);
	assert_true(once.value == again.value && once.told == again.told);
	assert_true(once.value != other.value);
}

static void energy_and_time_add_up(void **state)
{
	struct stage s = {0};
	struct cats_play_report report;
	cats_time sending = 0;

	(void)state;
	raise_stage(&s, case_named("class token, ReLU"), 0.1, 40);
	infer(&report, &s, 1);
	for (uint32_t j = 0; j < s.shards.devices; j++) {
		const cats_time *spent = report.spent[j];

		assert_int_equal(spent[CATS_DRAW_BASE], report.end - report.start);
		assert_true(spent[CATS_DRAW_CPU] > 0 && spent[CATS_DRAW_HEAR] > 0);
		assert_true(spent[CATS_DRAW_CPU] + spent[CATS_DRAW_HEAR] + spent[CATS_DRAW_SEND] <=
			    spent[CATS_DRAW_BASE]);
		sending += spent[CATS_DRAW_SEND];
	}
	assert_int_equal(sending, report.air + (cats_time)report.frames * CATS_RADIO_TX_RAMP);
	assert_true(report.waiting < report.latency);
	strike_stage(&s);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_and_latency_are_the_arithmetic),
		cmocka_unit_test(every_kind_computes_as_the_fleet),
		cmocka_unit_test(a_seed_fixes_every_event),
		cmocka_unit_test(energy_and_time_add_up),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The runtime on many nodes equals the plain reference at every site, for every kind of model, with anything lost, any
 * kernels and any budget. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

static uint64_t seed;

/* What the observer holds against the reference. */
struct expectation {
	const struct fixture *fixture;
	const struct cats_trace *trace;
	uint32_t D;
	uint64_t compared, nonzero;
};

static void compare_node(struct expectation *e, const struct cats_node *node, uint32_t site)
{
	const struct cats_config *c = &e->fixture->integer.config;
	const struct cats_shard_site *at = node->shard.sites + site;
	const uint32_t j = node->shard.header->device;
	const struct cats_run own = cats_integer_site_own(c, site, e->D, j);
	const uint32_t columns = cats_integer_site_columns(c, site);
	const struct cats_shard_sender *sender = cats_shard_senders(&node->shard, at) + j;

	assert_int_equal(sender->columns, own.count);
	for (uint32_t t = 0; t < at->tokens; t++)
		for (uint32_t o = 0; o < own.count; o++) {
			const int8_t got = (int8_t)node->arena[at->view + t * at->stride + sender->first + o];
			const int8_t expected = e->trace->sites[site][(size_t)t * columns + own.first + o];

			if (got != expected)
				fail_msg("%s: D %u: node %u, site %u, token %u, column %u: %d instead of %d",
					 e->fixture->of->name, e->D, j, site, t, own.first + o, got, expected);
			e->compared++;
			e->nonzero += got != 0 ? 1U : 0U;
		}
}

static void compare_site(void *context, const struct cats_fleet *fleet, uint32_t site)
{
	struct expectation *e = context;

	if (site + 1U == cats_integer_sites(&e->fixture->integer.config))
		return;
	for (uint32_t j = 0; j < cats_fleet_devices(fleet); j++)
		if (cats_node_open_site(cats_fleet_node(fleet, j)) == site)
			compare_node(e, cats_fleet_node(fleet, j), site);
}

static void compare_result(const struct expectation *e, const struct cats_node *sink)
{
	const struct cats_config *c = &e->fixture->integer.config;
	const uint32_t rows = cats_integer_site_tokens(c, cats_integer_sites(c) - 1U);

	for (uint32_t t = 0; t < rows; t++)
		for (uint32_t o = 0; o < c->n_out; o++) {
			const size_t at = (size_t)t * c->n_out + o;
			int32_t value;

			assert_int_equal(cats_node_result(&value, sink, t, o), e->trace->arrived[at]);
			if (e->trace->arrived[at])
				assert_int_equal(value, e->trace->logits[at]);
		}
	assert_int_equal(cats_node_class(sink), cats_trace_class(e->trace, &e->fixture->integer, 0));
}

struct way {
	struct cats_kernels kernels;
	uint32_t budget;
	struct cats_loss loss;
};

static uint64_t planned_macs(const struct cats_shards *shards)
{
	uint64_t macs = 0;

	for (uint32_t j = 0; j < shards->devices; j++)
		macs += cats_shards_header(shards, j)->macs;
	return macs;
}

static uint64_t planned_bytes(const struct cats_shards *shards)
{
	uint64_t bytes = 0;

	for (uint32_t j = 0; j < shards->devices; j++)
		bytes += cats_shards_header(shards, j)->sent_bytes;
	return bytes;
}

static void check_way(const struct fixture *f, uint32_t D, const struct way *way)
{
	struct cats_shards shards;
	struct cats_trace trace;
	struct expectation e = {.fixture = f, .trace = &trace, .D = D};
	const struct cats_fleet_options options = {
		.kernels = &way->kernels,
		.budget = way->budget,
		.loss = way->loss,
		.observe = compare_site,
		.context = &e,
	};
	const struct cats_fleet_input input = {.values = f->input, .count = f->input_count};
	struct cats_fleet_report report;
	struct cats_fleet *fleet;
	struct cats_error error = {0};

	fixture_shards(&shards, f, D, way->kernels.target);
	assert_int_equal(cats_fleet_create(&fleet, &shards, &options, &error), CATS_OK);
	for (uint64_t number = 1; number <= 2; number++) {
		fixture_reference(&trace, f, D, &way->loss, number);
		if (cats_fleet_run(&report, fleet, &input, number, &error) < 0)
			fail_msg("%s", error.text);
		compare_result(&e, cats_fleet_sink(fleet));
		cats_trace_free(&trace);
		assert_int_equal(report.macs, planned_macs(&shards));
		assert_int_equal(report.air_bytes, planned_bytes(&shards));
		assert_true(report.arrived <= report.expected);
		assert_true(D == 1 ? report.expected == 0 : report.expected > 0);
		assert_true(cats_loss_any_q32(&way->loss) || report.arrived == report.expected);
	}
	assert_true(e.nonzero * 3 > e.compared);
	cats_fleet_free(fleet);
	cats_shards_free(&shards);
}

/* Every table of kernels that runs here, from plain C on. */
static uint32_t kernels(struct cats_kernels table[5])
{
	uint32_t count = 0;

	table[count++] = cats_kernels_plain;
	table[count++] = cats_kernels_nrf52840_c;
	count += cats_kernels_host(&table[count], "sse2") ? 1U : 0U;
	count += cats_kernels_host(&table[count], "avx2") ? 1U : 0U;
	count += cats_kernels_host(&table[count], "avx512") ? 1U : 0U;
	return count;
}

static void every_kind_equals_the_reference(void **state)
{
	struct cats_kernels table[5];
	const uint32_t count = kernels(table);

	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		struct fixture f;

		fixture_open(&f, fixture_cases + i, seed + i);
		for (uint32_t k = 0; k < count; k++)
			for (uint32_t lossy = 0; lossy < 3; lossy++) {
				const double p = lossy * 0.15;
				const struct way way = {
					.kernels = table[k],
					.budget = k == 0 ? 1 + lossy * 5000 : 0,
					.loss = {.link_q32 = cats_loss_threshold(p),
						 .sender_q32 = cats_loss_threshold(p / 4),
						 .receiver_q32 = cats_loss_threshold(p / 8),
						 .per_packet = lossy == 2,
						 .seed = seed},
				};

				check_way(&f, f.of->config.devices, &way);
			}
		fixture_close(&f);
	}
}

static void everything_kept_is_the_same_for_any_devices(void **state)
{
	struct cats_kernels table[5];
	const uint32_t count = kernels(table);

	(void)state;
	for (uint32_t i = 0; i < fixture_case_count; i++) {
		struct fixture_case all = fixture_cases[i];
		struct fixture f;

		all.keep_percent = 100;
		fixture_open(&f, &all, seed + i);
		for (uint32_t D = 1; D <= 16; D++) {
			const struct way way = {.kernels = table[D % count]};

			check_way(&f, D, &way);
		}
		fixture_close(&f);
	}
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_equals_the_reference),
		cmocka_unit_test(everything_kept_is_the_same_for_any_devices),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

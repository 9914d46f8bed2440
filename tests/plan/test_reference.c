/* SPDX-License-Identifier: MIT */
/* The reference against the committed integer golden files, and that they notice what they must. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/plan/fixture.h"
#include "tests/plan/integer_golden.h"

static void run(struct cats_trace *trace, const struct integer_golden *g)
{
	const struct cats_reference_input in = {g->input, g->devices, (const uint8_t *const *)g->received};
	struct cats_error error = {0};

	assert_int_equal(cats_trace_create(trace, &g->model, &error), CATS_OK);
	assert_int_equal(cats_reference_run(trace, &g->model, &in, &error), CATS_OK);
}

static void load(struct integer_golden *g, const char *name)
{
	struct cats_error error = {0};
	char path[512];

	(void)snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
	if (integer_golden_load(g, path, &error) < 0)
		fail_msg("%s", error.text);
}

static void test_golden_files(void **state)
{
	DIR *directory = opendir(GOLDEN);
	int files = 0;

	(void)state;
	assert_non_null(directory);
	for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
		struct integer_golden g;
		struct cats_trace trace;
		char name[256], *end;

		(void)snprintf(name, sizeof name, "%s", entry->d_name);
		end = strstr(name, ".model.safetensors");
		if (!end)
			continue;
		*end = '\0';
		load(&g, name);
		run(&trace, &g);
		assert_true(fixture_same(&trace, &g.trace, &g.model.config));
		assert_memory_equal(trace.arrived, g.trace.arrived,
				    (size_t)cats_integer_site_tokens(&g.model.config, trace.site_count) *
					    g.model.config.n_out);
		cats_trace_free(&trace);
		integer_golden_free(&g);
		files++;
	}
	closedir(directory);
	assert_true(files >= 17);
}

static bool same_values(const struct integer_golden *g)
{
	const struct cats_config *c = &g->model.config;
	struct cats_trace trace;
	bool same;

	run(&trace, g);
	same = fixture_same(&trace, &g->trace, c);
	cats_trace_free(&trace);
	return same;
}

/* A weight off by one, a lost row of the input, a lost message: each must show. */
static void test_golden_files_can_fail(void **state)
{
	struct integer_golden g;

	(void)state;
	load(&g, "loss10_d4");
	assert_true(same_values(&g));
	g.model.layers[0].up.weights[5] ^= 1;
	assert_false(same_values(&g));
	g.model.layers[0].up.weights[5] ^= 1;
	g.model.layers[1].epsilon[0] += 1 << 16;
	assert_false(same_values(&g));
	g.model.layers[1].epsilon[0] -= 1 << 16;
	g.input[13] = (int8_t)(g.input[13] ^ 64);
	assert_false(same_values(&g));
	g.input[13] = (int8_t)(g.input[13] ^ 64);
	memset(g.received[1], 0, (size_t)g.devices * g.devices * cats_integer_site_tokens(&g.model.config, 1));
	assert_false(same_values(&g));
	integer_golden_free(&g);
}

static void test_files_are_checked(void **state)
{
	struct cats_error error = {0};
	struct integer_golden g;

	(void)state;
	load(&g, "dense_d4");
	g.model.layers[1].down.multipliers[3] = -1;
	assert_int_equal(cats_integer_check(&g.model, "m", &error), CATS_ERR_FORMAT);
	assert_non_null(strstr(error.text, "layers.1.ffn.down"));
	g.model.layers[1].down.multipliers[3] = 1;
	g.model.layers[1].down.bias[3] = 1 << 23;
	assert_int_equal(cats_integer_check(&g.model, "m", &error), CATS_ERR_FORMAT);
	g.model.layers[1].down.bias[3] = 0;
	assert_int_equal(cats_integer_check(&g.model, "m", &error), CATS_OK);
	g.model.layers[0].qkv.weights[7] = -128;
	assert_int_equal(cats_integer_check(&g.model, "m", &error), CATS_ERR_FORMAT);
	integer_golden_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_files),
		cmocka_unit_test(test_golden_files_can_fail),
		cmocka_unit_test(test_files_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A sweep that is stopped at any evaluation and continued gives the cells of one that was not; the file of finished
 * evaluations is read strictly, and nothing is taken from it that was evaluated otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "tests/cmocka.h"
#include "tests/io/golden_files.h"
#include "tests/train/fixture.h"
#include "train/sweep.h"

#define RATES 3
#define KINDS 2
#define CELLS (2 * KINDS * RATES)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char folder[256];
static char path[300];
static struct cats_dataset data;
static struct cats_sweep_entry entries[2];
static const char *const kinds[KINDS] = {"link", "all"};
static const double rates[RATES] = {0, 0.2, 0.5};

static int set_up(void **state)
{
	(void)state;
	cats_fixture_folder(folder, "test-sweep");
	snprintf(path, sizeof(path), "%s/cells.json", folder);
	data = cats_fixture_data(60, 1);
	for (uint32_t i = 0; i < 2; i++) {
		const struct cats_config config = cats_fixture_config(2 + 2 * i);

		assert_int_equal(cats_model_create(&entries[i].model, &config, NULL), CATS_OK);
		cats_model_initialise(&entries[i].model, i);
		entries[i].label = "a model";
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cats_fixture_data_free(&data);
	for (size_t i = 0; i < 2; i++)
		cats_model_free(&entries[i].model);
	cats_fixture_remove(folder);
	return 0;
}

static struct cats_sweep make_sweep(struct cats_sweep_record *record)
{
	return (struct cats_sweep){.entries = entries,
				   .entry_count = 2,
				   .kinds = kinds,
				   .kind_count = KINDS,
				   .rates = rates,
				   .rate_count = RATES,
				   .seeds = 2,
				   .seed = 7,
				   .record = record};
}

/* Stops a sweep after so many evaluations. */
struct watch {
	size_t stop_after;
	volatile int stop;
};

static void count_down(void *context, size_t done, size_t of)
{
	struct watch *watch = context;

	(void)of;
	watch->stop = done >= watch->stop_after;
}

static enum cats_status sweep(struct cats_sweep_cell *cells, const char *file, size_t stop_after)
{
	struct watch watch = {.stop_after = stop_after};
	const struct cats_evaluation_options options = {
		.threads = 1, .progress = count_down, .context = &watch, .stop = &watch.stop};
	struct cats_sweep_record *record = NULL;
	struct cats_error error = {0};
	const char *metric;
	size_t samples;

	if (file != NULL && cats_sweep_record_open(&record, file, &error) != CATS_OK)
		fail_msg("%s", error.text);

	const struct cats_sweep s = make_sweep(record);
	const enum cats_status status = cats_sweep_run(cells, &metric, &samples, &s, &data, "data", &options, &error);

	if (status == CATS_OK) {
		assert_string_equal(metric, "accuracy");
		assert_int_equal(samples, 60);
	}
	cats_sweep_record_free(record);
	return status;
}

static void test_continues(void **state)
{
	struct cats_sweep_cell whole[CELLS];
	struct cats_sweep_cell continued[CELLS];
	const struct cats_sweep all = make_sweep(NULL);
	const size_t evaluations = cats_sweep_evaluations(&all);

	(void)state;
	assert_int_equal(evaluations, 2 * (1 + KINDS * (RATES - 1) * 2));
	assert_int_equal(sweep(whole, NULL, evaluations), CATS_OK);
	for (size_t after = 1; after < evaluations; after++) {
		assert_int_equal(sweep(continued, path, after), CATS_ERR_INTERRUPTED);
		/* What is there already is recalled without evaluating: then even a sweep that stops at once ends. */
		if (after == evaluations / 2)
			assert_int_equal(sweep(continued, path, 0), CATS_ERR_INTERRUPTED);
	}
	assert_int_equal(sweep(continued, path, evaluations), CATS_OK);
	assert_memory_equal(continued, whole, sizeof(whole));
	memset(continued, 0, sizeof(continued));
	assert_int_equal(sweep(continued, path, 1), CATS_OK);
	assert_memory_equal(continued, whole, sizeof(whole));
	assert_int_equal(cats_file_remove(path, NULL), CATS_OK);
}

/* A value that is in the file is taken from there; the same file says nothing of other weights. */
static void test_recalls(void **state)
{
	struct cats_sweep_cell cells[CELLS];
	struct cats_sweep_record *record;
	char key[CATS_SWEEP_KEY_BYTES];
	const struct cats_evaluation_options options = {.threads = 1, .seed = 7};
	const struct cats_evaluation made_up = {.metric = "accuracy", .value = 0.123456789012345678, .samples = 60};

	(void)state;
	assert_int_equal(cats_sweep_record_open(&record, path, NULL), CATS_OK);
	assert_int_equal(cats_sweep_key(key, &entries[1].model, &data, &options, NULL), CATS_OK);
	assert_int_equal(cats_sweep_record_add(record, key, &made_up, NULL), CATS_OK);
	cats_sweep_record_free(record);
	assert_int_equal(sweep(cells, path, 1000), CATS_OK);
	assert_true(cells[0].mean != made_up.value);
	assert_true(cells[KINDS * RATES].mean == made_up.value);
	entries[1].model.keep[0][0] = 0;
	assert_int_equal(sweep(cells, path, 1000), CATS_OK);
	assert_true(cells[KINDS * RATES].mean != made_up.value);
	entries[1].model.keep[0][0] = 1;
	assert_int_equal(cats_file_remove(path, NULL), CATS_OK);
}

static void test_keys_differ(void **state)
{
	enum { VARIANTS = 12 };
	char keys[VARIANTS][CATS_SWEEP_KEY_BYTES];

	(void)state;
	for (int i = 0; i < VARIANTS; i++) {
		struct cats_model model = entries[0].model;
		struct cats_dataset other = data;
		struct cats_evaluation_options options = {.seed = 7, .loss = {.link = 0.1}};
		float *weight = &model.weights[model.weight_count - 1];
		const float before = *weight;

		*weight += i == 1 ? 1.0F : 0.0F;
		model.config.devices = i == 2 ? 4 : model.config.devices;
		other.crc32 += i == 3;
		options.limit = i == 4 ? 59 : 0;
		options.seed = i == 5 ? 8 : 7;
		options.loss.link = i == 6 ? 0.2 : i == 11 ? 0 : 0.1;
		options.loss.receiver = i == 7 ? 0.1 : 0;
		options.loss.sender = i == 8 ? 0.1 : 0;
		options.loss.per_packet = i == 9;
		options.loss.payload_bytes = i == 10 ? 20 : 0;
		assert_int_equal(cats_sweep_key(keys[i], &model, &other, &options, NULL), CATS_OK);
		*weight = before;
		for (int k = 0; k < i; k++)
			assert_string_not_equal(keys[i], keys[k]);
	}
}

static enum cats_status read_record(const char *file, struct cats_error *error)
{
	struct cats_sweep_record *record;
	const enum cats_status status = cats_sweep_record_open(&record, file, error);

	if (status != CATS_OK)
		assert_null(record);
	cats_sweep_record_free(record);
	return status;
}

static void test_golden(void **state)
{
	static const struct golden_rule rules[] = {
		{"format", "format: is not \"cats-sweep\""},
		{"no-format", "format: is not \"cats-sweep\""},
		{"newer-version", "format_version: only 1 is known"},
		{"evaluations", "must have an object \"evaluations\""},
		{"unknown-key", "must have an object \"evaluations\" and nothing else"},
		{"value-text", "\"b\": must have a metric, a value and samples"},
		{"value-infinite", "value: a number beyond the range of doubles"},
		{"samples-zero", "\"b\": must have a metric, a value and samples"},
		{"samples-missing", "\"b\": must have a metric, a value and samples"},
		{"metric-long", "\"b\": must have a metric, a value and samples"},
		{"evaluation-twice", "a: the key is there twice"},
		{"truncated", "not valid JSON"},
	};

	(void)state;
	check_golden_files(CATS_GOLDEN_FOLDER "/sweep", ".json", read_record, rules, COUNT(rules));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_continues),
		cmocka_unit_test(test_recalls),
		cmocka_unit_test(test_keys_differ),
		cmocka_unit_test(test_golden),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

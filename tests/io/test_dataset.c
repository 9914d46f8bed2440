/* SPDX-License-Identifier: MIT */
/* What --data names: specifications, splits, checksums, and Fashion-MNIST as the package ships it. */
#include "io/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/csv.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "tests/cmocka.h"
#include "tests/io/scratch.h"

#define SAMPLES 120U

static char folder[SCRATCH_PATH_BYTES];

/* Images of 2 x 3 bytes, each made of its number, and labels number mod 7. */
static void write_idx(void)
{
	uint8_t images[16 + SAMPLES * 6] = {0, 0, 8, 3, 0, 0, 0, SAMPLES, 0, 0, 0, 2, 0, 0, 0, 3};
	uint8_t labels[8 + SAMPLES] = {0, 0, 8, 1, 0, 0, 0, SAMPLES};

	for (size_t i = 0; i < SAMPLES; i++) {
		memset(images + 16 + 6 * i, (int)i, 6);
		labels[8 + i] = (uint8_t)(i % 7);
	}
	assert_int_equal(cats_file_write(scratch_file(folder, "images"), images, sizeof images, NULL), CATS_OK);
	assert_int_equal(cats_file_write(scratch_file(folder, "labels"), labels, sizeof labels, NULL), CATS_OK);
	assert_int_equal(cats_file_write(scratch_file(folder, "few"), "\0\0\x08\x01\0\0\0\x02\1\1", 10, NULL), CATS_OK);
}

static void write_csv(void)
{
	char text[4096];
	size_t used = (size_t)snprintf(text, sizeof text, "when,x,y\n");

	for (int i = 0; i < 10; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "day %d,%d,%d\n", i, i, 100 + i);
	assert_int_equal(cats_file_write(scratch_file(folder, "t.csv"), text, used, NULL), CATS_OK);
}

/* inputs [6, 2, 3], element k is k / 8; labels or targets [6, 2]. */
static void write_tensors(const char *name, bool labels, bool targets, int32_t first_label, float first_input)
{
	float inputs[36];
	float wanted[12];
	int32_t classes[6] = {first_label, 1, 2, 3, 0, 1};
	struct cats_tensor tensors[3] = {
		{.name = "inputs", .dtype = CATS_F32, .dims = 3, .shape = {6, 2, 3}, .count = 36, .data = inputs}};
	size_t count = 1;

	for (int i = 0; i < 36; i++)
		inputs[i] = (float)i / 8;
	for (int i = 0; i < 12; i++)
		wanted[i] = (float)-i;
	inputs[0] = first_input;
	if (labels)
		tensors[count++] = (struct cats_tensor){
			.name = "labels", .dtype = CATS_I32, .dims = 1, .shape = {6}, .count = 6, .data = classes};
	if (targets)
		tensors[count++] = (struct cats_tensor){
			.name = "targets", .dtype = CATS_F32, .dims = 2, .shape = {6, 2}, .count = 12, .data = wanted};
	assert_int_equal(cats_safetensors_write(scratch_file(folder, name), tensors, count, NULL, 0, NULL), CATS_OK);
}

static int set_up(void **state)
{
	(void)state;
	scratch_create(folder);
	write_idx();
	write_csv();
	write_tensors("labels.safetensors", true, false, 0, 0);
	write_tensors("targets.safetensors", false, true, 0, 0);
	write_tensors("both.safetensors", true, true, 0, 0);
	write_tensors("neither.safetensors", false, false, 0, 0);
	write_tensors("negative.safetensors", true, false, -1, 0);
	write_tensors("infinite.safetensors", true, false, 0, 1.0F / 0.0F);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

/* '@' in a specification stands for the folder. */
static void expand(char out[1024], const char *spec)
{
	size_t used = 0;

	for (; *spec; spec++)
		used += (size_t)snprintf(out + used, 1024 - used, *spec == '@' ? "%s" : "%.1s",
					 *spec == '@' ? folder : spec);
}

static void open_data(struct cats_dataset *out, const char *spec, uint64_t seed, enum cats_split fallback)
{
	const struct cats_dataset_options options = {.seed = seed, .fallback = fallback};
	struct cats_error error = {0};
	char expanded[1024];

	expand(expanded, spec);
	if (cats_dataset_open(out, expanded, &options, &error) != CATS_OK)
		fail_msg("%s: %s", spec, error.text);
}

#define IMAGES "idx:@/images,@/labels"

static void test_images(void **state)
{
	struct cats_dataset all;

	(void)state;
	open_data(&all, IMAGES, 1, CATS_SPLIT_ALL);
	assert_int_equal(all.kind, CATS_DATASET_IMAGES);
	assert_int_equal(all.samples, SAMPLES);
	assert_int_equal(all.height, 2);
	assert_int_equal(all.width, 3);
	assert_int_equal(all.classes, 7);
	for (size_t i = 0; i < SAMPLES; i++) {
		assert_int_equal(all.pixels[6 * i], i);
		assert_int_equal(all.pixels[6 * i + 5], i);
		assert_int_equal(all.labels[i], i % 7);
	}
	cats_dataset_free(&all);
	assert_null(all.pixels);
}

/* Marks the samples that a split has; checks that each came whole, with its label, and in order. */
static uint32_t mark(uint8_t marks[SAMPLES], const char *spec, uint64_t seed, size_t expected)
{
	struct cats_dataset d;
	int last = -1;

	open_data(&d, spec, seed, CATS_SPLIT_ALL);
	assert_int_equal(d.samples, expected);
	assert_int_equal(d.classes, 7);
	for (size_t i = 0; i < d.samples; i++) {
		const int number = d.pixels[6 * i];
		assert_true(number > last);
		last = number;
		assert_int_equal(d.pixels[6 * i + 5], number);
		assert_int_equal(d.labels[i], number % 7);
		marks[number]++;
	}
	const uint32_t crc = d.crc32;
	cats_dataset_free(&d);
	return crc;
}

static void test_image_splits(void **state)
{
	uint8_t marks[SAMPLES] = {0};
	uint8_t first[SAMPLES] = {0};
	uint8_t other[SAMPLES] = {0};
	uint8_t ones[SAMPLES];

	(void)state;
	memset(ones, 1, sizeof ones);
	(void)mark(marks, IMAGES ":train", 1, 110);
	(void)mark(marks, IMAGES ":val", 1, 10);
	assert_memory_equal(marks, ones, sizeof ones); /* disjoint, and everything */
	const uint32_t crc = mark(first, IMAGES ":val", 1, 10);
	assert_int_equal(mark((uint8_t[SAMPLES]){0}, IMAGES ":val", 1, 10), crc);
	assert_int_not_equal(mark(other, IMAGES ":val", 2, 10), crc);
	assert_memory_not_equal(first, other, sizeof first);
	assert_int_not_equal(first[0] + first[1] + first[2] + first[3] + first[4] + first[5] + first[6] + first[7] +
				     first[8] + first[9],
			     10); /* not simply the first ten */
	assert_int_not_equal(mark((uint8_t[SAMPLES]){0}, IMAGES ":test", 1, SAMPLES), crc);
}

static void test_fallback_and_share(void **state)
{
	const struct cats_dataset_options half = {.val_share = 0.5, .fallback = CATS_SPLIT_VAL};
	struct cats_dataset d;
	char spec[1024];

	(void)state;
	open_data(&d, IMAGES, 1, CATS_SPLIT_VAL);
	assert_int_equal(d.samples, 10);
	cats_dataset_free(&d);
	open_data(&d, IMAGES ":train", 1, CATS_SPLIT_VAL);
	assert_int_equal(d.samples, 110);
	cats_dataset_free(&d);
	expand(spec, IMAGES);
	assert_int_equal(cats_dataset_open(&d, spec, &half, NULL), CATS_OK);
	assert_int_equal(d.samples, 60);
	cats_dataset_free(&d);
	assert_int_equal(cats_dataset_open(&d, spec, NULL, NULL), CATS_OK);
	assert_int_equal(d.samples, SAMPLES);
	cats_dataset_free(&d);
}

static void check_series(const char *spec, size_t rows, float first_x)
{
	struct cats_dataset d;

	open_data(&d, spec, 1, CATS_SPLIT_ALL);
	assert_int_equal(d.kind, CATS_DATASET_SERIES);
	assert_int_equal(d.columns, 2);
	assert_string_equal(d.column_names[0], "x");
	assert_string_equal(d.column_names[1], "y");
	assert_int_equal(d.samples, rows);
	for (size_t i = 0; i < rows; i++) {
		assert_true(d.values[2 * i] == first_x + (float)i);
		assert_true(d.values[2 * i + 1] == 100 + first_x + (float)i);
	}
	cats_dataset_free(&d);
}

static void test_series(void **state)
{
	struct cats_dataset d;

	(void)state;
	check_series("csv:@/t.csv", 10, 0);
	check_series("csv:@/t.csv:train", 6, 0);
	check_series("csv:@/t.csv:val", 2, 6);
	check_series("csv:@/t.csv:test", 2, 8);
	open_data(&d, "csv:@/t.csv,column=y:test", 1, CATS_SPLIT_ALL);
	assert_int_equal(d.columns, 1);
	assert_string_equal(d.column_names[0], "y");
	assert_true(d.values[0] == 108.0F && d.values[1] == 109.0F);
	cats_dataset_free(&d);
	open_data(&d, "csv:@/t.csv,column=y,column=x", 1, CATS_SPLIT_ALL);
	assert_string_equal(d.column_names[1], "x");
	assert_true(d.values[18] == 109.0F && d.values[19] == 9.0F);
	cats_dataset_free(&d);
	open_data(&d, "csv:@/t.csv,column=y;x", 1, CATS_SPLIT_ALL);
	assert_int_equal(d.columns, 2);
	assert_true(d.values[18] == 109.0F && d.values[19] == 9.0F);
	cats_dataset_free(&d);
}

/* Opens t.csv, whose columns are x = 0 … 9 and y = 100 + x, cut into windows. */
static void open_windows(struct cats_dataset *d, const char *name, uint32_t window, uint32_t stride)
{
	const struct cats_dataset_options options = {.window = window, .stride = stride};
	struct cats_error error = {0};
	char spec[1024];

	expand(spec, name);
	if (cats_dataset_open(d, spec, &options, &error) != CATS_OK)
		fail_msg("%s", error.text);
}

/* Training rows are 0 … 5: mean 2.5, variance 35 / 12. A window's first value tells which rows it has. */
static void check_windows(const char *name, uint32_t window, uint32_t stride, const float *firsts, size_t count)
{
	struct cats_dataset d;

	open_windows(&d, name, window, stride);
	assert_int_equal(d.samples, count);
	assert_null(d.values);
	for (uint32_t c = 0; c < d.columns; c++)
		assert_true(fabs(d.scales[c].deviation - sqrt(35.0 / 12)) < 1e-12);
	for (size_t s = 0; s < count; s++)
		for (uint32_t i = 0; i < window; i++) {
			const double x = firsts[s % (count / d.columns)] + (float)i;

			assert_true(fabs((double)cats_dataset_window(&d, s)[i] - (x - 2.5) / sqrt(35.0 / 12)) < 1e-6);
		}
	cats_dataset_free(&d);
}

static void test_windows(void **state)
{
	struct cats_dataset d;

	(void)state;
	check_windows("csv:@/t.csv,column=x:train", 4, 1, (const float[]){0, 1, 2}, 3);
	check_windows("csv:@/t.csv,column=y;x:train", 4, 2, (const float[]){0, 2}, 4);
	check_windows("csv:@/t.csv:train", 6, 0, (const float[]){0}, 2);
	check_windows("csv:@/t.csv:val", 2, 5, (const float[]){6}, 2);
	check_windows("csv:@/t.csv:test", 2, 1, (const float[]){8}, 2);
	check_windows("csv:@/t.csv", 9, 1, (const float[]){0, 1}, 4);
	open_windows(&d, "csv:@/t.csv,column=y;x", 9, 1);
	assert_string_equal(d.column_names[0], "y");
	assert_true(d.scales[0].mean == 102.5 && d.scales[1].mean == 2.5);
	cats_dataset_free(&d);
}

static void test_windows_refused(void **state)
{
	static const struct {
		const char *text, *rule;
	} cases[] = {
		{"a,b\n1,2\n2,3\n3,1\n4,2\n5,3\n", "split 'val' has 1 of its 5 rows, but a window"},
		{"a,b\n1,7\n2,7\n3,7\n4,7\n5,7\n6,7\n7,8\n8,9\n9,9\n9,9\n", "column 'b': is constant (7) over"},
		{"a,b\n1,1e-30\n2,0\n3,0\n4,0\n5,0\n6,0\n7,3e38\n8,9\n9,9\n9,9\n",
		 "column 'b': row 7: 3e+38 is too far"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct cats_dataset_options options = {.window = 2};
		struct cats_dataset d;
		struct cats_error error = {0};
		char spec[1024];

		assert_int_equal(
			cats_file_write(scratch_file(folder, "w.csv"), cases[i].text, strlen(cases[i].text), NULL),
			CATS_OK);
		expand(spec, "csv:@/w.csv:val");
		assert_true(cats_dataset_open(&d, spec, &options, &error) < 0);
		assert_null(d.series);
		assert_null(d.scales);
		if (!strstr(error.text, cases[i].rule))
			fail_msg("must say '%s', but says '%s'", cases[i].rule, error.text);
		assert_non_null(strchr(error.text, ';'));
	}
}

static void test_tensors(void **state)
{
	struct cats_dataset d;

	(void)state;
	open_data(&d, "tensors:@/labels.safetensors", 1, CATS_SPLIT_ALL);
	assert_int_equal(d.kind, CATS_DATASET_TENSORS);
	assert_int_equal(d.samples, 6);
	assert_int_equal(d.patches, 2);
	assert_int_equal(d.inputs_per_patch, 3);
	assert_int_equal(d.classes, 4);
	assert_int_equal(d.labels[3], 3);
	assert_true(d.inputs[35] == 35.0F / 8);
	assert_null(d.targets);
	cats_dataset_free(&d);

	open_data(&d, "tensors:@/targets.safetensors", 1, CATS_SPLIT_ALL);
	assert_int_equal(d.targets_per_sample, 2);
	assert_true(d.targets[11] == -11.0F);
	assert_null(d.labels);
	cats_dataset_free(&d);

	open_data(&d, "tensors:@/targets.safetensors:val", 1, CATS_SPLIT_ALL); /* 6 / 12, rounded */
	assert_int_equal(d.samples, 1);
	assert_true(d.targets[1] == d.targets[0] - 1.0F);      /* of one sample … */
	assert_true(d.inputs[1] == d.inputs[0] + 0.125F);      /* … whole … */
	assert_true(d.inputs[0] * 8 == -d.targets[0] / 2 * 6); /* … and the same */
	cats_dataset_free(&d);
}

static void test_refused(void **state)
{
	static const struct {
		const char *spec, *rule;
	} cases[] = {
		{"", "must be fashion-mnist, idx:IMAGES,LABELS"},
		{"mnist", "must be fashion-mnist, idx:IMAGES,LABELS"},
		{"fashion-mnist:dev", "must be fashion-mnist, idx:IMAGES,LABELS"},
		{"idx:@/images", "must be idx:IMAGES,LABELS"},
		{"idx:@/images,", "must be idx:IMAGES,LABELS"},
		{"idx:,@/labels", "must be idx:IMAGES,LABELS"},
		{"idx:@/images,@/labels,@/labels", "must be idx:IMAGES,LABELS"},
		{"idx:@/labels,@/images", "dimensions: 1, expected 3; are images and labels in the right order?"},
		{"idx:@/images,@/few", "has 2 labels, "},
		{"idx:@/nobody,@/labels", "nobody: cannot open"},
		{"idx:@/images,@/nobody", "nobody: cannot open"},
		{"csv:@/nobody", "nobody: cannot open"},
		{"csv:@/t.csv,column=z", "header: there is no column 'z'; name one"},
		{"csv:@/t.csv,column=", "header: there is no column ''"},
		{"csv:@/t.csv,column=x,column=x", "column 'x' is asked for twice"},
		{"csv:@/t.csv,column=when", "line 2: column 'when': 'day 0' is not a number"},
		{"tensors:@/both.safetensors", "must have either a tensor 'labels' or a tensor 'targets'; remove one"},
		{"tensors:@/neither.safetensors", "must have either a tensor 'labels' or a tensor 'targets'; add one"},
		{"tensors:@/negative.safetensors", "tensor 'labels': element 0 is outside 0 to 65535"},
		{"tensors:@/infinite.safetensors", "tensor 'inputs': holds a value that is not finite"},
		{"tensors:@", "is a directory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct cats_dataset d;
		struct cats_error error = {0};
		char spec[1024] = "";
		expand(spec, cases[i].spec);
		assert_true(cats_dataset_open(&d, spec, NULL, &error) < 0);
		assert_null(d.pixels);
		assert_null(d.values);
		if (!strstr(error.text, cases[i].rule))
			fail_msg("%s: must say '%s', but says '%s'", cases[i].spec, cases[i].rule, error.text);
	}
}

static void test_options_refused(void **state)
{
	static const double shares[] = {-0.1, 1.0, 0.0 / 0.0, 0.001 /* of 120: no sample */};
	struct cats_dataset d;
	char spec[1024];
	char huge[5001];

	(void)state;
	expand(spec, IMAGES ":val");
	for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
		const struct cats_dataset_options options = {.val_share = shares[i]};
		struct cats_error error = {0};
		assert_int_equal(cats_dataset_open(&d, spec, &options, &error), CATS_ERR_USAGE);
		assert_non_null(strstr(error.text, "validation share"));
	}
	memset(huge, 'x', sizeof huge - 1);
	huge[sizeof huge - 1] = '\0';
	assert_int_equal(cats_dataset_open(&d, huge, NULL, NULL), CATS_ERR_USAGE);
}

static void test_crc_sees_everything(void **state)
{
	struct cats_dataset a;
	struct cats_dataset b;

	(void)state;
	open_data(&a, "csv:@/t.csv,column=x", 1, CATS_SPLIT_ALL);
	open_data(&b, "csv:@/t.csv,column=x", 2, CATS_SPLIT_ALL);
	assert_int_equal(a.crc32, b.crc32); /* the content is the same, whatever the seed */
	cats_dataset_free(&b);
	assert_int_equal(cats_file_write(scratch_file(folder, "z.csv"), "z\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", 22, NULL),
			 CATS_OK);
	open_data(&b, "csv:@/z.csv", 1, CATS_SPLIT_ALL);
	assert_memory_equal(a.values, b.values, 10 * sizeof *a.values);
	assert_int_not_equal(a.crc32, b.crc32); /* another name */
	cats_dataset_free(&a);
	cats_dataset_free(&b);
}

static void check_fashion_mnist(const char *spec, size_t samples, const uint32_t *first_labels)
{
	struct cats_dataset d;
	size_t counts[10] = {0};
	uint64_t sum = 0;

	open_data(&d, spec, 1, CATS_SPLIT_ALL);
	assert_int_equal(d.samples, samples);
	assert_int_equal(d.height, 28);
	assert_int_equal(d.width, 28);
	assert_int_equal(d.classes, 10);
	for (size_t i = 0; i < samples; i++)
		counts[d.labels[i]]++;
	for (size_t i = 0; i < samples * 784; i++)
		sum += d.pixels[i];
	const double mean = (double)sum / (double)(samples * 784) / 255;
	assert_true(mean > 0.28 && mean < 0.29); /* published: 0.2860 for the training images */
	if (first_labels) {
		for (size_t i = 0; i < 10; i++) {
			assert_int_equal(counts[i], samples / 10);
			assert_int_equal(d.labels[i], first_labels[i]);
		}
	}
	cats_dataset_free(&d);
}

static void test_fashion_mnist(void **state)
{
	static const uint32_t train[] = {9, 0, 0, 3, 0, 2, 7, 2, 5, 5}; /* as the data set's authors show them */
	static const uint32_t test[] = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7};

	(void)state;
	if (access(CATS_FASHION_MNIST_DIR, F_OK) != 0)
		skip();
	check_fashion_mnist("fashion-mnist", 60000, train);
	check_fashion_mnist("fashion-mnist:test", 10000, test);
	check_fashion_mnist("fashion-mnist:train", 55000, NULL);
	check_fashion_mnist("fashion-mnist:val", 5000, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_image_splits),
		cmocka_unit_test(test_fallback_and_share),
		cmocka_unit_test(test_series),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_windows_refused),
		cmocka_unit_test(test_tensors),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_options_refused),
		cmocka_unit_test(test_crc_sees_everything),
		cmocka_unit_test(test_fashion_mnist),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

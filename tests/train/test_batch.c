/* SPDX-License-Identifier: MIT */
/* Patches pixel by pixel, and augmentation as a pure function of key and sample. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/batch.h"

/* 7 x 9 images, patches of 3 every 2 pixels: 3 down, 4 across. */
#define H 7U
#define W 9U
#define COUNT 40U

static uint8_t pixels[COUNT * H * W];
static uint32_t labels[COUNT];
static const struct cats_config config = {
	.devices = 1,
	.d_model = 4,
	.n_heads = 1,
	.d_ff = 4,
	.n_layers = 1,
	.n_patches = 12,
	.d_in = 9,
	.n_out = 3,
	.norm_eps = 1e-5,
	.pool = CATS_POOL_MEAN,
	.image = {.height = H, .width = W, .patch = 3, .stride = 2, .mean = 0.25, .std = 0.5},
};
static struct cats_dataset data = {
	.kind = CATS_DATASET_IMAGES,
	.samples = COUNT,
	.height = H,
	.width = W,
	.pixels = pixels,
	.labels = labels,
	.classes = 3,
};

static int fill_pixels(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pixels); i++)
		pixels[i] = (uint8_t)(1 + cats_random_below(3, i, 255)); /* never 0, which is what a shift brings in */
	return 0;
}

static float *fill(const struct cats_feed *feed, const uint32_t *samples, uint32_t B, uint64_t key)
{
	float *input = malloc((size_t)12 * 9 * B * sizeof(float));
	void *scratch = malloc(cats_feed_scratch_bytes(feed->config, B));

	cats_feed_fill(input, scratch, feed, samples, B, key);
	free(scratch);
	return input;
}

static float standard(uint8_t byte)
{
	return (float)((byte / 255.0 - 0.25) / 0.5);
}

static void test_patches(void **state)
{
	const struct cats_feed feed = {.data = &data, .config = &config};
	const uint32_t samples[3] = {4, 0, 39};
	float *input = fill(&feed, samples, 3, 1);

	(void)state;
	for (uint32_t y = 0; y < 3; y++)
		for (uint32_t x = 0; x < 4; x++)
			for (uint32_t i = 0; i < 9; i++)
				for (uint32_t s = 0; s < 3; s++) {
					const size_t pixel =
						(size_t)samples[s] * H * W + (2 * y + i / 3) * W + 2 * x + i % 3;

					assert_true(input[(i * 12 + y * 4 + x) * 3 + s] == standard(pixels[pixel]));
				}
	free(input);
}

/* One patch as large as the image gives the augmented image back. */
static const struct cats_config whole = {
	.n_patches = 1, .d_in = 49, .image = {.height = 7, .width = 7, .patch = 7, .stride = 1, .mean = 0, .std = 1}};

static void test_shift_and_flip(void **state)
{
	static uint8_t image[49];
	static uint32_t label;
	const struct cats_dataset one = {
		.kind = CATS_DATASET_IMAGES, .samples = 1, .height = 7, .width = 7, .pixels = image, .labels = &label};
	const struct cats_feed feed = {.data = &one, .config = &whole, .augment = {.shift = 2, .flip = true}};
	const uint32_t sample = 0;
	uint32_t seen[2][5][5] = {0};

	(void)state;
	for (uint32_t i = 0; i < 49; i++)
		image[i] = (uint8_t)(i + 1);
	for (uint64_t key = 0; key < 1000; key++) {
		float input[49];
		uint8_t scratch[49 * 5];
		uint32_t matches = 0;

		cats_feed_fill(input, memset(scratch, 0, sizeof(scratch)), &feed, &sample, 1, key);
		for (int flip = 0; flip < 2; flip++)
			for (int dy = -2; dy <= 2; dy++)
				for (int dx = -2; dx <= 2; dx++) {
					bool same = true;

					for (int y = 0; y < 7; y++)
						for (int x = 0; x < 7; x++) {
							const int from_y = y - dy;
							const int from_x = (flip != 0 ? 6 - x : x) - dx;
							const bool in =
								from_y >= 0 && from_y < 7 && from_x >= 0 && from_x < 7;
							const float wanted =
								in ? (float)(image[from_y * 7 + from_x] / 255.0) : 0.0F;

							same = same && input[y * 7 + x] == wanted;
						}
					matches += same;
					seen[flip][dy + 2][dx + 2] += same;
				}
		assert_int_equal(matches, 1);
	}
	for (int i = 0; i < 50; i++)
		assert_in_range(((uint32_t *)seen)[i], 5, 45); /* 20 expected of each of the 50 */
}

static void test_erase(void **state)
{
	const struct cats_feed feed = {.data = &data, .config = &config, .augment = {.erase = 0.5}};
	const struct cats_feed plain = {.data = &data, .config = &config};
	uint32_t samples[COUNT];
	uint32_t changed = 0;

	(void)state;
	for (uint32_t s = 0; s < COUNT; s++)
		samples[s] = s;
	for (uint64_t key = 0; key < 25; key++) {
		float *erased = fill(&feed, samples, COUNT, key);
		float *before = fill(&plain, samples, COUNT, key);

		for (uint32_t s = 0; s < COUNT; s++) {
			bool differs = false;

			for (uint32_t e = 0; e < 12 * 9; e++)
				differs = differs || erased[e * COUNT + s] != before[e * COUNT + s];
			changed += differs;
		}
		free(erased);
		free(before);
	}
	assert_in_range(changed, 400, 600); /* 500 expected of 1000, standard deviation 16 */
}

/* A sample looks the same in any batch, and different under another key. */
static void test_pure(void **state)
{
	const struct cats_feed feed = {
		.data = &data, .config = &config, .augment = {.shift = 1, .flip = true, .erase = 0.5}};
	const uint32_t samples[5] = {7, 30, 2, 11, 5};
	float *batch = fill(&feed, samples, 5, 42);
	float *other = fill(&feed, samples, 5, 43);

	(void)state;
	assert_memory_not_equal(batch, other, 12 * 9 * 5 * sizeof(float));
	for (uint32_t s = 0; s < 5; s++) {
		float *alone = fill(&feed, &samples[s], 1, 42);

		for (uint32_t e = 0; e < 12 * 9; e++)
			assert_true(alone[e] == batch[e * 5 + s]);
		free(alone);
	}
	free(batch);
	free(other);
}

static void test_refusals(void **state)
{
	struct cats_dataset other = data;
	struct cats_config none = config;
	struct cats_error error = {0};
	const struct cats_feed good = {.data = &data, .config = &config};
	const struct cats_feed bad = {.data = &other, .config = &config};
	const struct cats_feed imageless = {.data = &data, .config = &none};

	(void)state;
	assert_int_equal(cats_feed_check(&good, "d", &error), CATS_OK);
	other.width = 8;
	assert_int_equal(cats_feed_check(&bad, "d", &error), CATS_ERR_MISMATCH);
	other = data;
	other.classes = 4;
	assert_int_equal(cats_feed_check(&bad, "d", &error), CATS_ERR_MISMATCH);
	other = data;
	other.kind = CATS_DATASET_SERIES;
	assert_int_equal(cats_feed_check(&bad, "d", &error), CATS_ERR_MISMATCH);
	memset(&none.image, 0, sizeof(none.image));
	assert_int_equal(cats_feed_check(&imageless, "d", &error), CATS_ERR_MISMATCH);
	none.series = (struct cats_series_config){.context = 8, .patch = 4, .horizon = 4, .epsilon = 1e-5};
	other.window = 11;
	const struct cats_feed wide = {.data = &other, .config = &none};
	assert_int_equal(cats_feed_check(&wide, "d", &error), CATS_ERR_MISMATCH);
	assert_non_null(strstr(error.text, "windows of 11 values, but the config's series needs 12"));
}

/* A window by its own mean and deviation, patch after patch; targets follow each patch; put back, both are the series.
 */
static void test_series(void **state)
{
	static const char *const names[] = {"a"};
	const struct cats_config forecaster = {
		.n_patches = 3,
		.d_in = 2,
		.n_out = 4,
		.causal = true,
		.pool = CATS_POOL_NONE,
		.series = {.context = 6, .patch = 2, .horizon = 4, .epsilon = 1e-5},
	};
	float values[24];
	const struct cats_dataset series = {
		.kind = CATS_DATASET_SERIES,
		.columns = 2,
		.column_names = (char **)(uintptr_t)names,
		.rows = 12,
		.window = 10,
		.stride = 2,
		.samples = 4,
		.series = values,
	};
	const struct cats_feed feed = {.data = &series, .config = &forecaster};
	const uint32_t samples[3] = {3, 0, 1}; /* column 1 from row 2; column 0 from rows 0 and 2 */
	const size_t begin[3] = {14, 0, 2};
	struct cats_error error = {0};
	float input[18];
	float window[6];

	(void)state;
	for (int i = 0; i < 24; i++)
		values[i] = (float)((i * i + 3 * i) % 11);
	assert_int_equal(cats_feed_window(&forecaster), 10);
	assert_int_equal(cats_feed_check(&feed, "d", &error), CATS_OK);
	assert_int_equal(cats_feed_scratch_bytes(&forecaster, 3), sizeof(window));
	cats_feed_fill(input, window, &feed, samples, 3, 0);
	for (uint32_t s = 0; s < 3; s++) {
		const struct cats_wanted target = cats_feed_wanted(&feed, samples[s]);
		double sum = 0;
		double squares = 0;

		for (uint32_t p = 0; p < 3; p++) {
			for (uint32_t i = 0; i < 2; i++) {
				const float x = input[(i * 3 + p) * 3 + s];

				sum += (double)x;
				squares += (double)x * (double)x;
				assert_true(fabsf(x * target.deviation + target.mean - values[begin[s] + p * 2 + i]) <
					    1e-5F);
			}
			for (uint32_t o = 0; o < 4; o++)
				assert_true(target.values[p * target.stride + o] == values[begin[s] + 2 * (p + 1) + o]);
		}
		assert_true(fabs(sum) < 1e-5 && fabs(squares - 6) < 1e-3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patches), cmocka_unit_test(test_shift_and_flip), cmocka_unit_test(test_erase),
		cmocka_unit_test(test_pure),    cmocka_unit_test(test_refusals),       cmocka_unit_test(test_series),
	};

	return cmocka_run_group_tests(tests, fill_pixels, NULL);
}

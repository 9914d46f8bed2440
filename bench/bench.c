/* SPDX-License-Identifier: MIT */
/* Training rates of the full model against what OpenBLAS reaches on a large product, in one run on the same cores.
 * Random weights and synthetic images: no files needed. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/random.h"
#include "train/engine.h"
#include "train/optimiser.h"
#include "train/select.h"

#define REPEATS 7
#define STEPS 3 /* training steps timed as one */
#define BATCH 128U
#define SAMPLES 1024U

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), ascending);
	return values[count / 2];
}

static void die(const char *what)
{
	fprintf(stderr, "cats-bench: %s\n", what);
	exit(1);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		die("out of memory");
	return memory;
}

/* FLOP/s of n x n x n products, one at a time on each thread. */
static double measure_products(uint32_t threads, int n)
{
	const size_t elements = (size_t)n * (size_t)n;
	float *memory = allocate(3 * elements * threads, sizeof(float));
	double seconds[REPEATS];

	for (size_t i = 0; i < 3 * elements * threads; i++)
		memory[i] = (float)(i % 17) - 8.0F;
	openblas_set_num_threads(1);
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		const double begun = now_seconds();

#pragma omp parallel for num_threads((int)threads) schedule(static, 1)
		for (uint32_t t = 0; t < threads; t++) {
			float *a = memory + 3 * elements * t;

			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0F, a, n, a + elements, n,
				    0.0F, a + 2 * elements, n);
		}
		if (repeat >= 0)
			seconds[repeat] = now_seconds() - begun;
	}
	free(memory);
	return 2.0 * (double)n * (double)elements * threads / median(seconds, REPEATS);
}

static struct cats_dataset synthetic_images(void)
{
	struct cats_dataset data = {
		.kind = CATS_DATASET_IMAGES, .samples = SAMPLES, .height = 28, .width = 28, .classes = 10};

	data.pixels = allocate(SAMPLES, 28 * 28);
	data.labels = allocate(SAMPLES, sizeof(uint32_t));
	for (size_t i = 0; i < (size_t)SAMPLES * 28 * 28; i++)
		data.pixels[i] = (uint8_t)(cats_random_u64(1, i) >> 56);
	for (uint32_t i = 0; i < SAMPLES; i++)
		data.labels[i] = i % 10U;
	return data;
}

static struct cats_config full_model(uint32_t devices)
{
	return (struct cats_config){
		.devices = devices,
		.d_model = 128,
		.n_heads = 16,
		.d_ff = 256,
		.n_layers = 4,
		.n_patches = 25,
		.d_in = 64,
		.n_out = 10,
		.activation = CATS_RELU,
		.norm = CATS_NORM_LAYER,
		.norm_eps = 1e-5,
		.cls_token = true,
		.pool = CATS_POOL_CLS,
		.image = {.height = 28, .width = 28, .patch = 8, .stride = 5, .mean = 0.286, .std = 0.353},
	};
}

struct row {
	const char *label;
	uint32_t devices;
	double keep, message_dropout;
	/* measured */
	double samples_per_second, forward_per_second, macs, optimiser_seconds;
	size_t bytes;
};

/* One training as cats train does it, but for reading, validating and writing. */
struct bench {
	struct cats_model model;
	struct cats_dataset data;
	struct cats_engine *engine;
	struct cats_feed feed;
	float *gradient, *m, *v;
	uint32_t indices[SAMPLES];
};

static void open_bench(struct bench *b, const struct row *row, uint32_t threads)
{
	const struct cats_config config = full_model(row->devices);
	struct cats_error error = {0};

	b->data = synthetic_images();
	b->feed = (struct cats_feed){&b->data, &b->model.config, {.shift = 2, .flip = true}};
	if (cats_model_create(&b->model, &config, &error) < 0)
		die(error.text);
	cats_model_initialise(&b->model, 1);

	const struct cats_engine_options options = {
		.batch = BATCH,
		.threads = threads,
		.gradients = true,
		.loss = {.link = row->message_dropout},
	};
	const struct cats_selection selection = {.share = row->keep};

	if (cats_select(&b->model, &selection, &error) < 0 ||
	    cats_select_clear(&b->model, (float *const[]){b->model.weights}, 1, &error) < 0 ||
	    cats_engine_create(&b->engine, &b->model, &options, &error) < 0)
		die(error.text);
	b->gradient = allocate(b->model.weight_count, sizeof(float));
	b->m = allocate(b->model.weight_count, sizeof(float));
	b->v = allocate(b->model.weight_count, sizeof(float));
	for (uint32_t i = 0; i < SAMPLES; i++)
		b->indices[i] = i;
}

static void close_bench(struct bench *b)
{
	cats_engine_free(b->engine);
	cats_model_free(&b->model);
	free(b->data.pixels);
	free(b->data.labels);
	free(b->gradient);
	free(b->m);
	free(b->v);
}

static double run_step(struct bench *b, uint64_t step, uint32_t threads, bool train)
{
	const struct cats_adamw adamw = {.weight_decay = 0.05, .clip = 1};
	const struct cats_engine_job job = {
		.feed = &b->feed, .samples = b->indices + step * BATCH % SAMPLES, .count = BATCH, .key = step};
	struct cats_engine_result result;

	cats_engine_run(b->engine, &result, train ? b->gradient : NULL, b->model.weights, &job);
	if (!train)
		return 0;

	const double begun = now_seconds();
	const double norm = cats_norm(b->gradient, b->model.weight_count, (int)threads);

	cats_adamw_step(&b->model, b->m, b->v, b->gradient, norm, &adamw, 1e-4, step + 1, (int)threads);
	return now_seconds() - begun;
}

static void measure(struct row *row, uint32_t threads)
{
	struct bench bench;
	double seconds[2][REPEATS];
	double optimiser[REPEATS];
	uint64_t step = 0;

	open_bench(&bench, row, threads);
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		for (int train = 0; train < 2; train++) {
			const double begun = now_seconds();
			double in_optimiser = 0;

			for (int n = 0; n < STEPS; n++)
				in_optimiser += run_step(&bench, step++, threads, train != 0);
			if (repeat < 0)
				continue;
			seconds[train][repeat] = now_seconds() - begun;
			optimiser[repeat] = in_optimiser;
		}
	}
	row->forward_per_second = BATCH * STEPS / median(seconds[0], REPEATS);
	row->samples_per_second = BATCH * STEPS / median(seconds[1], REPEATS);
	row->optimiser_seconds = median(optimiser, REPEATS) / STEPS;
	row->macs = (double)cats_model_macs(&bench.model);
	row->bytes = cats_engine_bytes(bench.engine);
	close_bench(&bench);
}

static void print_rows(const struct row *rows, size_t count, double peak)
{
	printf("| model | M MAC / sample | forward samples/s | training samples/s | GFLOP/s | of the large product | "
	       "optimiser %% | engine MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];
		/* Backward makes two products for each of forward's. */
		const double rate = 6.0 * r->macs * r->samples_per_second;

		printf("| %s | %.2f | %.0f | %.0f | %.1f | %.2f | %.1f | %.1f |\n", r->label, r->macs * 1e-6,
		       r->forward_per_second, r->samples_per_second, rate * 1e-9, rate / peak,
		       100.0 * r->optimiser_seconds * r->samples_per_second / BATCH, (double)r->bytes / 1048576.0);
	}
}

int main(int argc, char **argv)
{
	const uint32_t threads = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2U;
	struct row rows[] = {
		{.label = "1 device", .devices = 1, .keep = 1},
		{.label = "16 devices, keep 1", .devices = 16, .keep = 1},
		{.label = "16 devices, keep 0.25", .devices = 16, .keep = 0.25},
		{.label = "16 devices, keep 0.10", .devices = 16, .keep = 0.1},
		{.label = "16 devices, keep 0.25, message dropout 0.1",
		 .devices = 16,
		 .keep = 0.25,
		 .message_dropout = 0.1},
		{.label = "16 devices, keep 0.10, message dropout 0.1",
		 .devices = 16,
		 .keep = 0.1,
		 .message_dropout = 0.1},
	};
	const size_t count = sizeof(rows) / sizeof(rows[0]);
	struct rusage usage;
	double before;
	double after;

	if (threads < 1 || threads > 256) {
		fprintf(stderr, "usage: cats-bench [THREADS]\n");
		return 2;
	}
	before = measure_products(threads, 1024);
	for (size_t i = 0; i < count; i++)
		measure(&rows[i], threads);
	after = measure_products(threads, 1024);
	getrusage(RUSAGE_SELF, &usage);
	printf("%u threads; large products (1024 x 1024 x 1024, a single-threaded OpenBLAS a thread): %.1f GFLOP/s "
	       "before, %.1f after\n\n",
	       threads, before * 1e-9, after * 1e-9);
	print_rows(rows, count, before > after ? before : after);
	printf("\npeak memory %.1f MiB\n", (double)usage.ru_maxrss / 1024.0);
	return 0;
}

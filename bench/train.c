/* SPDX-License-Identifier: MIT */
/* Training rates of the paper's forecaster, for bench/train: one step is forward, backward, clipping and AdamW on a
 * batch of random windows that are in memory. Prints one JSON object a line.
 *
 * usage: cats-bench-train THREADS SECONDS BATCH VARIANT...     (variants: dense, views, limits; see main) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "model/lanes.h"
#include "model/product.h"
#include "train/engine.h"
#include "train/optimiser.h"
#include "train/select.h"

#define KEEP 0.1
#define DEVICES 16U

static double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "cats-bench-train: %s\n", what);
	exit(1);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		die("out of memory");
	return memory;
}

/* examples/ett.json: arXiv 2605.15694's size. */
static struct cats_config paper_config(uint32_t devices)
{
	return (struct cats_config){
		.devices = devices,
		.d_model = 128,
		.n_heads = 16,
		.d_ff = 128,
		.n_layers = 6,
		.n_patches = 32,
		.d_in = 16,
		.n_out = 96,
		.norm_eps = 1e-5,
		.causal = true,
		.pool = CATS_POOL_NONE,
		.series = {.context = 512, .patch = 16, .horizon = 96, .epsilon = 1e-5},
	};
}

struct bench {
	struct cats_model model;
	struct cats_dataset data;
	struct cats_engine *engine;
	float *gradient, *m, *v;
	uint32_t *samples;
	uint32_t batch, threads;
	uint64_t steps;
};

/* `batch` windows that do not overlap, of one column of noise. */
static struct cats_dataset noise(const struct cats_config *config, uint32_t batch)
{
	const uint32_t window = cats_feed_window(config);
	struct cats_dataset data = {
		.kind = CATS_DATASET_SERIES,
		.samples = batch,
		.columns = 1,
		.window = window,
		.stride = window,
		.rows = (size_t)window * batch,
	};

	data.series = allocate(data.rows, sizeof(float));
	for (size_t i = 0; i < data.rows; i++)
		data.series[i] = (float)((double)(cats_random_u64(1, i) >> 11) * 0x1p-51 - 2.0);
	return data;
}

static void open_bench(struct bench *b, uint32_t devices, double keep)
{
	const struct cats_config config = paper_config(devices);
	const struct cats_engine_options options = {.batch = b->batch, .threads = b->threads, .gradients = true};
	const struct cats_selection selection = {.share = keep};
	struct cats_error error = {0};

	b->data = noise(&config, b->batch);
	if (cats_model_create(&b->model, &config, &error) < 0)
		die(error.text);
	cats_model_initialise(&b->model, 1);
	if (cats_select(&b->model, &selection, &error) < 0 ||
	    cats_select_clear(&b->model, (float *const[]){b->model.weights}, 1, &error) < 0 ||
	    cats_engine_create(&b->engine, &b->model, &options, &error) < 0)
		die(error.text);
	b->gradient = allocate(b->model.weight_count, sizeof(float));
	b->m = allocate(b->model.weight_count, sizeof(float));
	b->v = allocate(b->model.weight_count, sizeof(float));
	b->samples = allocate(b->batch, sizeof(uint32_t));
	for (uint32_t i = 0; i < b->batch; i++)
		b->samples[i] = i;
}

static void close_bench(struct bench *b)
{
	cats_engine_free(b->engine);
	cats_model_free(&b->model);
	free(b->data.series);
	free(b->gradient);
	free(b->m);
	free(b->v);
	free(b->samples);
}

static void step(struct bench *b)
{
	const struct cats_adamw adamw = {.weight_decay = 0.05, .clip = 1};
	const struct cats_feed feed = {.data = &b->data, .config = &b->model.config};
	const struct cats_engine_job job = {.feed = &feed, .samples = b->samples, .count = b->batch, .key = b->steps};
	struct cats_engine_result result;

	cats_engine_run(b->engine, &result, b->gradient, b->model.weights, &job);
	const double norm = cats_norm(b->gradient, b->model.weight_count, (int)b->threads);

	cats_adamw_step(&b->model, b->m, b->v, b->gradient, norm, &adamw, 1e-4, ++b->steps, (int)b->threads);
}

static void measure(const char *variant, uint32_t threads, double seconds, uint32_t batch, uint32_t devices,
		    double keep)
{
	struct bench b = {.threads = threads, .batch = batch};

	open_bench(&b, devices, keep);
	step(&b);
	const double begun = seconds_of(CLOCK_MONOTONIC), begun_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	const uint64_t first = b.steps;

	while (seconds_of(CLOCK_MONOTONIC) - begun < seconds)
		step(&b);
	const double samples = (double)(b.steps - first) * batch;

	printf("{\"who\": \"cats\", \"variant\": \"%s\", \"batch\": %u, \"rate\": %.3f, \"cpu_rate\": %.3f, "
	       "\"macs\": %llu}\n",
	       variant, batch, samples / (seconds_of(CLOCK_MONOTONIC) - begun),
	       samples / (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu),
	       (unsigned long long)cats_model_macs(&b.model));
	close_bench(&b);
}

#define SUMS 12       /* more than a processor needs to keep its multipliers busy */
#define ROUNDS 262144 /* between two looks at the clock: about 1 ms */

/* The better of a rate and that of work which began at `begun`. */
static double better(double best, double flops, double begun)
{
	const double rate = 1e-9 * flops / (seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begun);

	return rate > best ? rate : best;
}

/* GFLOP/s of one thread's registers, in the best of many short turns: sums that wait for nothing from memory. */
static double registers_rate(double seconds)
{
	const double end = seconds_of(CLOCK_PROCESS_CPUTIME_ID) + seconds;
	lanes sum[SUMS] = {{0}}, factor = (lanes){0} + 0.5F;
	volatile float kept = 0;
	double best = 0, begun;

	while ((begun = seconds_of(CLOCK_PROCESS_CPUTIME_ID)) < end) {
		for (int round = 0; round < ROUNDS; round++)
			UNROLLED for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * factor + factor;
		best = better(best, 2.0 * ROUNDS * SUMS * LANES, begun);
	}
	for (int i = 0; i < SUMS; i++)
		kept = kept + sum[i][0];
	return best;
}

/* Likewise the model's product for q, k and v of 16 samples, operands in the caches. */
static double product_rate(double seconds)
{
	enum { rows = 384, columns = 128, width = 512, stride = width + LANES };
	const double end = seconds_of(CLOCK_PROCESS_CPUTIME_ID) + seconds;
	float *weight = allocate((size_t)rows * columns, sizeof *weight);
	float *x = allocate((size_t)columns * stride, sizeof *x), *y = allocate((size_t)rows * stride, sizeof *y);
	double best = 0, begun;

	while ((begun = seconds_of(CLOCK_PROCESS_CPUTIME_ID)) < end) {
		cats_product((struct cats_submatrix){y, stride}, false, NULL,
			     (struct cats_factor){weight, columns, false}, (struct cats_submatrix){x, stride}, rows,
			     columns, width);
		best = better(best, 2.0 * rows * columns * width, begun);
	}
	free(weight);
	free(x);
	free(y);
	return best;
}

int main(int argc, char **argv)
{
	const uint32_t threads = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	const double seconds = argc > 2 ? strtod(argv[2], NULL) : 0;
	const uint32_t batch = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;

	if (argc < 5 || threads < 1 || threads > 256 || !(seconds > 0) || batch < 1 || batch > 65536) {
		fprintf(stderr, "usage: cats-bench-train THREADS SECONDS BATCH dense|views|limits...\n");
		return 2;
	}
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "dense") == 0)
			measure(argv[i], threads, seconds, batch, 1, 1);
		else if (strcmp(argv[i], "views") == 0)
			measure(argv[i], threads, seconds, batch, DEVICES, KEEP);
		else if (strcmp(argv[i], "limits") == 0)
			printf("{\"registers_gflops\": %.1f, \"product_gflops\": %.1f}\n", registers_rate(seconds),
			       product_rate(seconds));
		else
			die("a variant is dense, views or limits");
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Training rates of the full model against what OpenBLAS reaches on a large product, in one run on the same cores.
 * Random weights and synthetic images: no files needed. */
#include <cblas.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/phases.h"
#include "core/random.h"
#include "io/file.h"
#include "train/engine.h"
#include "train/optimiser.h"
#include "train/select.h"
#include "train/trainer.h"

#define REPEATS 7
#define STEPS 3 /* training steps timed as one */
#define BATCH 128U
#define SAMPLES 1024U
#define MEMORY_EPOCHS 16
#define MEMORY_SETTLED 8 /* epochs after which the allocator has its caches */
#define MEMORY_SAMPLES 256U

/* FLOP/s of n x n x n products, one at a time on each thread. */
static double measure_products(uint32_t threads, int n)
{
	const size_t elements = (size_t)n * (size_t)n;
	float *memory = cats_allocate(3 * elements * threads, sizeof(float));
	double seconds[REPEATS];

	for (size_t i = 0; i < 3 * elements * threads; i++)
		memory[i] = (float)(i % 17) - 8.0F;
	openblas_set_num_threads(1);
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		const double begun = cats_now_seconds();

#pragma omp parallel for num_threads((int)threads) schedule(static, 1)
		for (uint32_t t = 0; t < threads; t++) {
			float *a = memory + 3 * elements * t;

			cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0F, a, n, a + elements, n,
				    0.0F, a + 2 * elements, n);
		}
		if (repeat >= 0)
			seconds[repeat] = cats_now_seconds() - begun;
	}
	free(memory);
	return 2.0 * (double)n * (double)elements * threads / cats_median(seconds, REPEATS);
}

static struct cats_dataset synthetic_images(void)
{
	struct cats_dataset data = {
		.kind = CATS_DATASET_IMAGES, .samples = SAMPLES, .height = 28, .width = 28, .classes = 10};

	data.pixels = cats_allocate(SAMPLES, 28 * 28);
	data.labels = cats_allocate(SAMPLES, sizeof(uint32_t));
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
	double samples_per_second, forward_per_second, macs;
	double phases[CATS_PHASES]; /* shares of a training step on one thread, medians */
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
		cats_die(error.text);
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
		cats_die(error.text);
	b->gradient = cats_allocate(b->model.weight_count, sizeof(float));
	b->m = cats_allocate(b->model.weight_count, sizeof(float));
	b->v = cats_allocate(b->model.weight_count, sizeof(float));
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

static void run_step(struct bench *b, uint64_t step, uint32_t threads, bool train)
{
	const struct cats_adamw adamw = {.weight_decay = 0.05, .clip = 1};
	const struct cats_engine_job job = {
		.feed = &b->feed, .samples = b->indices + step * BATCH % SAMPLES, .count = BATCH, .key = step};
	struct cats_engine_result result;

	cats_engine_run(b->engine, &result, train ? b->gradient : NULL, b->model.weights, &job);
	if (!train)
		return;

	cats_phase_begin(CATS_PHASE_OPTIMISER);
	const double norm = cats_norm(b->gradient, b->model.weight_count, (int)threads);

	cats_adamw_step(&b->model, b->m, b->v, b->gradient, norm, &adamw, 1e-4, step + 1, (int)threads);
	cats_phase_end(CATS_PHASE_OPTIMISER);
}

/* A run of its own on one thread, so that reading the clock in every kernel slows no rate down. */
static void measure_phases(struct row *row)
{
	struct bench bench;
	double shares[CATS_PHASES][REPEATS];

	open_bench(&bench, row, 1);
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		double seconds[CATS_PHASES];
		double rest;
		const double begun = cats_now_seconds();

		cats_phases_start();
		run_step(&bench, (uint64_t)(repeat + 1), 1, true);
		cats_phases_stop(seconds);

		const double whole = cats_now_seconds() - begun;

		rest = whole;
		for (int p = 0; p < CATS_PHASE_OTHER; p++)
			rest -= seconds[p];
		seconds[CATS_PHASE_OTHER] = rest;
		for (int p = 0; repeat >= 0 && p < CATS_PHASES; p++)
			shares[p][repeat] = seconds[p] / whole;
	}
	for (int p = 0; p < CATS_PHASES; p++)
		row->phases[p] = cats_median(shares[p], REPEATS);
	close_bench(&bench);
}

static void measure(struct row *row, uint32_t threads)
{
	struct bench bench;
	double seconds[2][REPEATS];
	uint64_t step = 0;

	open_bench(&bench, row, threads);
	for (int repeat = -1; repeat < REPEATS; repeat++) {
		for (int train = 0; train < 2; train++) {
			const double begun = cats_now_seconds();

			for (int n = 0; n < STEPS; n++)
				run_step(&bench, step++, threads, train != 0);
			if (repeat >= 0)
				seconds[train][repeat] = cats_now_seconds() - begun;
		}
	}
	row->forward_per_second = BATCH * STEPS / cats_median(seconds[0], REPEATS);
	row->samples_per_second = BATCH * STEPS / cats_median(seconds[1], REPEATS);
	row->macs = (double)cats_model_macs(&bench.model);
	row->bytes = cats_engine_bytes(bench.engine);
	close_bench(&bench);
}

/* ---- memory over the epochs of a real training ---- */

struct memory {
	long resident[MEMORY_EPOCHS]; /* bytes of the process at the end of each epoch */
};

static long resident_bytes(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static void note_memory(void *context, const struct cats_train_progress *progress)
{
	struct memory *memory = context;

	if (!progress->epoch_done)
		return;
	memory->resident[progress->epoch - 1] = resident_bytes();
}

static void write_or_die(const char *path, const void *bytes, size_t size)
{
	struct cats_error error = {0};

	if (cats_file_write(path, bytes, size, &error) < 0)
		cats_die(error.text);
}

static void put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The synthetic images as IDX files and the model's config.json, in the current folder. */
static void write_files(void)
{
	const size_t pixels = (size_t)MEMORY_SAMPLES * 28 * 28;
	const struct cats_config config = full_model(16);
	struct cats_dataset data = synthetic_images();
	uint8_t *bytes = cats_allocate(16 + pixels, 1);
	char *text = cats_config_format(&config);

	put_u32(bytes, 0x803);
	put_u32(bytes + 4, MEMORY_SAMPLES);
	put_u32(bytes + 8, 28);
	put_u32(bytes + 12, 28);
	memcpy(bytes + 16, data.pixels, pixels);
	write_or_die("images", bytes, 16 + pixels);
	put_u32(bytes, 0x801);
	for (uint32_t i = 0; i < MEMORY_SAMPLES; i++)
		bytes[8 + i] = (uint8_t)data.labels[i];
	write_or_die("labels", bytes, 8 + MEMORY_SAMPLES);
	if (text == NULL)
		cats_die("out of memory");
	write_or_die("config.json", text, strlen(text));
	free(text);
	free(bytes);
	free(data.pixels);
	free(data.labels);
}

static void remove_files(const char *folder)
{
	static const char *const files[] = {"images",           "labels",
					    "config.json",      "model/config.json",
					    "model/README.md",  "model/model.safetensors",
					    "model/train.json", "model/curve.csv"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	rmdir("model");
	if (chdir("/") != 0 || rmdir(folder) != 0)
		fprintf(stderr, "cats-bench: %s: not empty, left behind\n", folder);
}

/* cats_train itself, reading and writing files, validating, with keep lists and message dropout. */
static void measure_memory(struct memory *memory, uint32_t threads)
{
	char folder[] = "/tmp/cats-bench-XXXXXX";
	struct cats_train_options options = cats_train_defaults();
	struct cats_train_result result;
	struct cats_error error = {0};

	if (mkdtemp(folder) == NULL || chdir(folder) != 0)
		cats_die("no temporary folder under /tmp");
	write_files();
	options.data = "idx:images,labels";
	options.config = "config.json";
	options.out = "model";
	options.epochs = MEMORY_EPOCHS;
	options.keep = 0.25;
	options.messages.link = 0.1;
	options.threads = threads;
	options.report = note_memory;
	options.context = memory;

	const enum cats_status status = cats_train(&result, &options, &error);

	remove_files(folder);
	if (status < 0)
		cats_die(error.text);
}

/* ---- output ---- */

struct figures {
	uint32_t threads;
	double before, after; /* FLOP/s of large products at the beginning and at the end */
	struct row *rows;
	size_t count;
	struct memory memory;
	double peak_bytes;
};

/* Backward makes two products for each of forward's. */
static double flops(const struct row *row)
{
	return 6.0 * row->macs * row->samples_per_second;
}

static double large_product(const struct figures *f)
{
	return f->before > f->after ? f->before : f->after;
}

/* Resident bytes, not allocated ones: malloc counts what it keeps for reuse as allocated. */
static long growth(const struct memory *m)
{
	return m->resident[MEMORY_EPOCHS - 1] - m->resident[MEMORY_SETTLED - 1];
}

static void print_table(const struct figures *f)
{
	printf("%u threads; large products (1024 x 1024 x 1024, a single-threaded OpenBLAS a thread): %.1f GFLOP/s "
	       "before, %.1f after\n\n",
	       f->threads, f->before * 1e-9, f->after * 1e-9);
	printf("| model | M MAC / sample | forward samples/s | training samples/s | GFLOP/s | of the large product | "
	       "engine MiB |\n| --- | --- | --- | --- | --- | --- | --- |\n");
	for (size_t i = 0; i < f->count; i++) {
		const struct row *r = &f->rows[i];

		printf("| %s | %.2f | %.0f | %.0f | %.1f | %.2f | %.1f |\n", r->label, r->macs * 1e-6,
		       r->forward_per_second, r->samples_per_second, flops(r) * 1e-9, flops(r) / large_product(f),
		       (double)r->bytes / 1048576.0);
	}
	printf("\nWhere a training step goes, in %% (one thread):\n\n| model |");
	for (int p = 0; p < CATS_PHASES; p++)
		printf(" %s |", cats_phase_name((enum cats_phase)p));
	printf("\n| --- |");
	for (int p = 0; p < CATS_PHASES; p++)
		printf(" --- |");
	for (size_t i = 0; i < f->count; i++) {
		printf("\n| %s |", f->rows[i].label);
		for (int p = 0; p < CATS_PHASES; p++)
			printf(" %.1f |", 100 * f->rows[i].phases[p]);
	}
	printf("\n\nmemory of a training: %.1f MiB after %d epochs, %+ld bytes after %d; peak of all of the above %.1f "
	       "MiB\n",
	       (double)f->memory.resident[MEMORY_SETTLED - 1] / 1048576.0, MEMORY_SETTLED, growth(&f->memory),
	       MEMORY_EPOCHS, f->peak_bytes / 1048576.0);
}

static void print_json(const struct figures *f)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *rows;
	cJSON *memory;
	char *text;

	cJSON_AddNumberToObject(object, "threads", f->threads);
	cJSON_AddNumberToObject(object, "large_product_flops_before", f->before);
	cJSON_AddNumberToObject(object, "large_product_flops_after", f->after);
	rows = cJSON_AddArrayToObject(object, "rows");
	for (size_t i = 0; i < f->count; i++) {
		const struct row *r = &f->rows[i];
		cJSON *row = cJSON_CreateObject();
		cJSON *phases;

		cJSON_AddItemToArray(rows, row);
		cJSON_AddStringToObject(row, "label", r->label);
		cJSON_AddNumberToObject(row, "devices", r->devices);
		cJSON_AddNumberToObject(row, "keep", r->keep);
		cJSON_AddNumberToObject(row, "message_dropout", r->message_dropout);
		cJSON_AddNumberToObject(row, "macs", r->macs);
		cJSON_AddNumberToObject(row, "forward_samples_per_second", r->forward_per_second);
		cJSON_AddNumberToObject(row, "training_samples_per_second", r->samples_per_second);
		cJSON_AddNumberToObject(row, "flops", flops(r));
		cJSON_AddNumberToObject(row, "share_of_large_product", flops(r) / large_product(f));
		cJSON_AddNumberToObject(row, "engine_bytes", (double)r->bytes);
		phases = cJSON_AddObjectToObject(row, "phases");
		for (int p = 0; p < CATS_PHASES; p++)
			cJSON_AddNumberToObject(phases, cats_phase_name((enum cats_phase)p), r->phases[p]);
	}
	memory = cJSON_AddArrayToObject(object, "resident_bytes_after_epoch");
	for (int e = 0; e < MEMORY_EPOCHS; e++)
		cJSON_AddItemToArray(memory, cJSON_CreateNumber((double)f->memory.resident[e]));
	cJSON_AddNumberToObject(object, "growth_bytes", (double)growth(&f->memory));
	cJSON_AddNumberToObject(object, "peak_bytes", f->peak_bytes);
	text = cJSON_PrintUnformatted(object);
	if (text == NULL)
		cats_die("out of memory");
	printf("%s\n", text);
	cJSON_free(text);
	cJSON_Delete(object);
}

int main(int argc, char **argv)
{
	const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	const char *count = argc > 1 + json ? argv[1 + json] : "2";
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
	struct figures f = {
		.threads = (uint32_t)strtoul(count, NULL, 10), .rows = rows, .count = sizeof(rows) / sizeof(rows[0])};
	struct rusage usage;

	if (argc > 2 + json || f.threads < 1 || f.threads > 256) {
		fprintf(stderr, "usage: cats-bench [--json] [THREADS]\n");
		return 2;
	}
	f.before = measure_products(f.threads, 1024);
	for (size_t i = 0; i < f.count; i++) {
		measure(&rows[i], f.threads);
		measure_phases(&rows[i]);
	}
	f.after = measure_products(f.threads, 1024);
	measure_memory(&f.memory, f.threads);
	getrusage(RUSAGE_SELF, &usage);
	f.peak_bytes = (double)usage.ru_maxrss * 1024.0;
	if (json)
		print_json(&f);
	else
		print_table(&f);
	return 0;
}

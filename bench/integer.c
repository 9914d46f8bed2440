/* SPDX-License-Identifier: MIT */
/* Integer inference on the host: rates of whole inferences, of one device and of sixteen that exchange their packets,
 * against what the processor's registers reach in the same run; where the time goes; every product's rate. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/limits.h"
#include "bench/measure.h"
#include "bench/op_clock.h"
#include "core/random.h"
#include "deploy/calibrate.h"
#include "plan/cut.h"
#include "sim/fleet.h"

#define REPEATS 9
#define SECONDS 0.1 /* of one timed run, about */
#define CLOCKED_INFERENCES 51
#define CALIBRATION_SAMPLES 64U
#define IMAGES 64U
#define ROWS_MAX 16
#define KERNELS_MAX 4

/* One model cut for some devices. */
struct row {
	const char *model;
	double keep; /* share of the gather sites' columns */
	uint32_t devices;
	struct cats_shards shards;
	uint8_t *images;
	size_t image_bytes;
	uint64_t macs;
	uint32_t runs; /* inferences of one timed run */
	/* measured */
	double alone[REPEATS];                   /* seconds an inference, of one thread's processor time */
	double together[REPEATS], wall[REPEATS]; /* the same on all threads: of their processor time, on the wall */
	struct cats_op_clock clock;              /* seconds of one inference */
};

struct bench {
	struct cats_kernels kernels;
	uint32_t threads;
	double limit_before, limit_after; /* MAC/s of one thread */
	struct row rows[ROWS_MAX];
	uint32_t count;
};

static uint8_t pixel(uint64_t i)
{
	return (uint8_t)(cats_random_u64(1, i) >> 56);
}

static struct cats_dataset synthetic_images(const struct cats_config *config)
{
	const size_t size = (size_t)config->image.height * config->image.width;
	struct cats_dataset data = {
		.kind = CATS_DATASET_IMAGES,
		.samples = CALIBRATION_SAMPLES,
		.height = config->image.height,
		.width = config->image.width,
		.classes = config->n_out,
	};

	data.pixels = cats_allocate(CALIBRATION_SAMPLES, size);
	data.labels = cats_allocate(CALIBRATION_SAMPLES, sizeof(uint32_t));
	for (size_t i = 0; i < CALIBRATION_SAMPLES * size; i++)
		data.pixels[i] = pixel(i);
	return data;
}

/* How the scales come out does not matter for speed; what the columns and devices are does. */
static void quantise(struct cats_integer *m, struct cats_model *model, const char *name)
{
	const struct cats_calibration_options options = {.samples = CALIBRATION_SAMPLES, .loss = 0.1};
	struct cats_calibration seen;
	struct cats_error error = {0};
	struct cats_dataset data;
	size_t samples;

	if (cats_model_load(model, name, &error) < 0)
		cats_die(error.text);
	if (model->config.image.height == 0)
		cats_die("only models of images are measured");
	data = synthetic_images(&model->config);
	if (cats_calibrate(&seen, &samples, model, &data, "synthetic images", &options, &error) < 0 ||
	    cats_quantise(m, model, &seen, name, &error) < 0)
		cats_die(error.text);
	cats_calibration_free(&seen);
	cats_dataset_free(&data);
}

static double kept_share(const struct cats_integer *m)
{
	uint64_t kept = 0, all = 0;

	for (uint32_t site = 1; site + 1U < cats_integer_sites(&m->config); site++)
		for (uint32_t c = 0; c < cats_integer_site_columns(&m->config, site); c++) {
			kept += cats_integer_kept(m, site, c) ? 1U : 0U;
			all++;
		}
	return (double)kept / (double)all;
}

static void cut(struct row *row, const struct cats_integer *m, const char *name, uint32_t devices)
{
	const struct cats_cut_options options = {.devices = devices, .target = CATS_TARGET_PLAIN};
	uint8_t *blobs[CATS_DEVICES_MAX];
	size_t sizes[CATS_DEVICES_MAX];
	struct cats_error error = {0};

	*row = (struct row){.model = name,
			    .keep = kept_share(m),
			    .devices = devices,
			    .image_bytes = (size_t)m->config.image.height * m->config.image.width};
	row->images = cats_allocate(IMAGES, row->image_bytes);
	for (size_t i = 0; i < IMAGES * row->image_bytes; i++)
		row->images[i] = pixel(i);
	for (uint32_t j = 0; j < devices; j++) {
		struct cats_cut one;

		if (cats_cut(&one, m, &options, j, &error) < 0)
			cats_die(error.text);
		blobs[j] = one.shard;
		sizes[j] = one.bytes;
		row->macs += one.macs;
	}
	if (cats_shards_take(&row->shards, blobs, sizes, devices, name, &error) < 0)
		cats_die(error.text);
}

/* A model that broadcasts everything is cut for one device and for sixteen, another for its own number. */
static void add_model(struct bench *b, const char *name)
{
	struct cats_integer m;
	struct cats_model model;

	if (b->count + 2 > ROWS_MAX)
		cats_die("too many models");
	quantise(&m, &model, name);
	if (kept_share(&m) == 1) {
		cut(&b->rows[b->count++], &m, name, 1);
		cut(&b->rows[b->count++], &m, name, 16);
	} else {
		cut(&b->rows[b->count++], &m, name, m.config.devices);
	}
	cats_integer_free(&m);
	cats_model_free(&model);
}

static struct cats_fleet *open_fleet(const struct bench *b, const struct row *row)
{
	const struct cats_fleet_options options = {.kernels = &b->kernels};
	struct cats_fleet *fleet;
	struct cats_error error = {0};

	if (cats_fleet_create(&fleet, &row->shards, &options, &error) < 0)
		cats_die(error.text);
	return fleet;
}

static void run(struct cats_fleet *fleet, const struct row *row, uint32_t inferences)
{
	struct cats_error error = {0};

	for (uint32_t i = 0; i < inferences; i++) {
		const struct cats_fleet_input input = {.bytes = row->images + i % IMAGES * row->image_bytes,
						       .count = row->image_bytes};
		struct cats_fleet_report report;

		if (cats_fleet_run(&report, fleet, &input, i, &error) < 0)
			cats_die(error.text);
		if (report.macs != row->macs)
			cats_die("the nodes executed other multiply-accumulates than planned");
	}
}

static double run_alone(const struct bench *b, const struct row *row, uint32_t inferences)
{
	struct cats_fleet *fleet = open_fleet(b, row);
	double begun;

	run(fleet, row, 2);
	begun = cats_thread_seconds();
	run(fleet, row, inferences);
	begun = cats_thread_seconds() - begun;
	cats_fleet_free(fleet);
	return begun / inferences;
}

static void run_together(const struct bench *b, struct row *row, int repeat)
{
	struct cats_fleet *fleets[CATS_DEVICES_MAX];
	double seconds = 0, begun;

	for (uint32_t t = 0; t < b->threads; t++) {
		fleets[t] = open_fleet(b, row);
		run(fleets[t], row, 2);
	}
	begun = cats_now_seconds();
#pragma omp parallel for num_threads((int)b->threads) schedule(static, 1) reduction(+ : seconds)
	for (uint32_t t = 0; t < b->threads; t++) {
		const double own = cats_thread_seconds();

		run(fleets[t], row, row->runs);
		seconds += cats_thread_seconds() - own;
	}
	row->wall[repeat] = (cats_now_seconds() - begun) / row->runs / b->threads;
	row->together[repeat] = seconds / row->runs / b->threads / b->threads;
	for (uint32_t t = 0; t < b->threads; t++)
		cats_fleet_free(fleets[t]);
}

/* Each figure is the median over some inferences: what another program takes meanwhile hits few of them. */
static void clock_ops(const struct bench *b, struct row *row)
{
	static struct cats_op_clock clocks[CLOCKED_INFERENCES];
	struct cats_fleet *fleet = open_fleet(b, row);
	double values[CLOCKED_INFERENCES];

	run(fleet, row, 2);
	for (int i = 0; i < CLOCKED_INFERENCES; i++) {
		cats_op_clock_start();
		run(fleet, row, 1);
		cats_op_clock_stop(&clocks[i]);
	}
	row->clock = clocks[0];
	for (uint32_t code = 0; code < CATS_OP_END; code++) {
		for (int i = 0; i < CLOCKED_INFERENCES; i++)
			values[i] = clocks[i].ops[code];
		row->clock.ops[code] = cats_median(values, CLOCKED_INFERENCES);
	}
	for (uint32_t s = 0; s < row->clock.shape_count; s++) {
		for (int i = 0; i < CLOCKED_INFERENCES; i++)
			values[i] = clocks[i].shapes[s].seconds;
		row->clock.shapes[s].seconds = cats_median(values, CLOCKED_INFERENCES);
	}
	cats_fleet_free(fleet);
}

/* Rows take turns, so that a slow moment hits all alike. */
static void measure(struct bench *b)
{
	b->limit_before = cats_limit_macs(b->kernels.name);
	for (uint32_t i = 0; i < b->count; i++)
		b->rows[i].runs = 1U + (uint32_t)(SECONDS / run_alone(b, &b->rows[i], 3));
	for (int repeat = 0; repeat < REPEATS; repeat++)
		for (uint32_t i = 0; i < b->count; i++) {
			b->rows[i].alone[repeat] = run_alone(b, &b->rows[i], b->rows[i].runs);
			run_together(b, &b->rows[i], repeat);
		}
	for (uint32_t i = 0; i < b->count; i++)
		clock_ops(b, &b->rows[i]);
	b->limit_after = cats_limit_macs(b->kernels.name);
}

/* ---- output ---- */

static double limit(const struct bench *b)
{
	return b->limit_before > b->limit_after ? b->limit_before : b->limit_after;
}

static double median_of(const double values[REPEATS])
{
	double sorted[REPEATS];

	memcpy(sorted, values, sizeof(sorted));
	return cats_median(sorted, REPEATS);
}

/* Of the row's cost to that of the same model on one device, turn by turn; 0 when there is no such row. */
static double cost_ratio(const struct bench *b, const struct row *row)
{
	double ratios[REPEATS];

	for (uint32_t i = 0; i < b->count; i++) {
		if (strcmp(b->rows[i].model, row->model) != 0 || b->rows[i].devices != 1)
			continue;
		for (int repeat = 0; repeat < REPEATS; repeat++)
			ratios[repeat] = row->alone[repeat] / b->rows[i].alone[repeat];
		return cats_median(ratios, REPEATS);
	}
	return 0;
}

static void print_rates(const struct bench *b)
{
	printf("kernels %s; registers alone: %.1f G MAC/s before, %.1f after, one thread\n\n", b->kernels.name,
	       b->limit_before * 1e-9, b->limit_after * 1e-9);
	printf("| model | devices | keep | M MAC | us, one thread | G MAC/s | of the registers | to one device | "
	       "%u threads, G MAC/s | the same on the wall |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
	       b->threads);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct row *r = &b->rows[i];
		const double alone = median_of(r->alone), giga = (double)r->macs * 1e-9;

		printf("| %s | %u | %.2f | %.2f | %.1f | %.2f | %.3f | %.2f | %.2f | %.2f |\n", r->model, r->devices,
		       r->keep, giga * 1e3, alone * 1e6, giga / alone, giga * 1e9 / alone / limit(b), cost_ratio(b, r),
		       giga / median_of(r->together), giga / median_of(r->wall));
	}
	printf("\nRates count processor time; on the wall is what is left on a machine that others use too.\n");
}

static void print_shares(const struct bench *b)
{
	printf("\nMicroseconds of an inference (one thread, clocks included in the first):\n\n| model | devices |");
	for (uint32_t code = 0; code < CATS_OP_END; code++)
		printf(" %s |", cats_op_name(code));
	printf("\n| --- | --- |");
	for (uint32_t code = 0; code < CATS_OP_END; code++)
		printf(" --- |");
	for (uint32_t i = 0; i < b->count; i++) {
		printf("\n| %s | %u |", b->rows[i].model, b->rows[i].devices);
		for (uint32_t code = 0; code < CATS_OP_END; code++)
			printf(" %.1f |", b->rows[i].clock.ops[code] * 1e6);
	}
	printf("\n");
}

static double shape_rate(const struct cats_clocked_shape *s)
{
	return (double)s->calls * s->outputs * s->columns * s->rows / s->seconds;
}

static void print_shapes(const struct bench *b)
{
	printf("\nProducts where everything is kept (--json has all), requantisation included:\n\n"
	       "| model | devices | kind | K | N | T | G MAC/s | of the registers |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < b->count; i++)
		for (uint32_t s = 0; b->rows[i].keep == 1 && s < b->rows[i].clock.shape_count; s++) {
			const struct cats_clocked_shape *shape = &b->rows[i].clock.shapes[s];

			printf("| %s | %u | %s | %u | %u | %u | %.2f | %.3f |\n", b->rows[i].model, b->rows[i].devices,
			       cats_op_name(shape->code), shape->columns, shape->outputs, shape->rows,
			       shape_rate(shape) * 1e-9, shape_rate(shape) / limit(b));
		}
}

static void add_clock(cJSON *row, const struct cats_op_clock *clock)
{
	cJSON *ops = cJSON_AddObjectToObject(row, "seconds_by_op");
	cJSON *shapes = cJSON_AddArrayToObject(row, "products");

	for (uint32_t code = 0; code < CATS_OP_END; code++)
		cJSON_AddNumberToObject(ops, cats_op_name(code), clock->ops[code]);
	for (uint32_t s = 0; s < clock->shape_count; s++) {
		cJSON *shape = cJSON_CreateObject();

		cJSON_AddItemToArray(shapes, shape);
		cJSON_AddStringToObject(shape, "kind", cats_op_name(clock->shapes[s].code));
		cJSON_AddNumberToObject(shape, "columns", clock->shapes[s].columns);
		cJSON_AddNumberToObject(shape, "outputs", clock->shapes[s].outputs);
		cJSON_AddNumberToObject(shape, "rows", clock->shapes[s].rows);
		cJSON_AddNumberToObject(shape, "macs_per_second", shape_rate(&clock->shapes[s]));
	}
}

static void print_json(const struct bench *b)
{
	cJSON *object = cJSON_CreateObject(), *rows;
	char *text;

	cJSON_AddStringToObject(object, "kernels", b->kernels.name);
	cJSON_AddNumberToObject(object, "threads", b->threads);
	cJSON_AddNumberToObject(object, "limit_before", b->limit_before);
	cJSON_AddNumberToObject(object, "limit_after", b->limit_after);
	rows = cJSON_AddArrayToObject(object, "rows");
	for (uint32_t i = 0; i < b->count; i++) {
		const struct row *r = &b->rows[i];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddItemToArray(rows, row);
		cJSON_AddStringToObject(row, "model", r->model);
		cJSON_AddNumberToObject(row, "devices", r->devices);
		cJSON_AddNumberToObject(row, "keep", r->keep);
		cJSON_AddNumberToObject(row, "macs", (double)r->macs);
		cJSON_AddNumberToObject(row, "seconds", median_of(r->alone));
		cJSON_AddNumberToObject(row, "cost_to_one_device", cost_ratio(b, r));
		cJSON_AddNumberToObject(row, "macs_per_second", (double)r->macs / median_of(r->alone));
		cJSON_AddNumberToObject(row, "macs_per_second_all_threads", (double)r->macs / median_of(r->together));
		cJSON_AddNumberToObject(row, "macs_per_second_on_the_wall", (double)r->macs / median_of(r->wall));
		add_clock(row, &r->clock);
	}
	text = cJSON_PrintUnformatted(object);
	if (text == NULL)
		cats_die("out of memory");
	printf("%s\n", text);
	cJSON_free(text);
	cJSON_Delete(object);
}

static int usage(void)
{
	fprintf(stderr, "usage: cats-bench-integer [--json] [--kernels NAME] [--threads N] [MODEL ...]\n"
			"models: models/full models/keep25 models/keep10 unless others are named\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const char *const models[] = {"models/full", "models/keep25", "models/keep10"};
	static struct bench b = {.threads = 2};
	const char *kernels = NULL;
	bool json = false;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--kernels") == 0 && i + 1 < argc)
			kernels = argv[++i];
		else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
			b.threads = (uint32_t)strtoul(argv[++i], NULL, 10);
		else
			return usage();
	}
	if (b.threads < 1 || b.threads > CATS_DEVICES_MAX)
		return usage();
	if (!cats_kernels_host(&b.kernels, kernels))
		cats_die("this processor has no such kernels");
	for (size_t m = 0; i == argc && m < sizeof(models) / sizeof(models[0]); m++)
		add_model(&b, models[m]);
	for (; i < argc; i++)
		add_model(&b, argv[i]);
	measure(&b);
	if (json) {
		print_json(&b);
	} else {
		print_rates(&b);
		print_shares(&b);
		print_shapes(&b);
	}
	for (uint32_t r = 0; r < b.count; r++) {
		cats_shards_free(&b.rows[r].shards);
		free(b.rows[r].images);
	}
	return 0;
}

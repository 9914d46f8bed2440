/* SPDX-License-Identifier: MIT */
/* cats plan. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "deploy/calibrate.h"
#include "deploy/fit.h"
#include "deploy/plan.h"
#include "report/table.h"
#include "train/batch.h"

struct arguments {
	struct cats_common common;
	const char *model, *out, *calibrate;
	const struct cats_target_limits *limits;
	uint32_t devices, payload;
	bool sink_all, force, without_overlap;
	uint64_t samples;
	double loss;
};

enum own_option {
	OPT_DEVICES = CATS_OPTION_OWN,
	OPT_TARGET,
	OPT_CALIBRATE,
	OPT_SAMPLES,
	OPT_LOSS,
	OPT_OUT,
	OPT_PAYLOAD,
	OPT_SINK,
	OPT_OVERLAP,
	OPT_FORCE,
};

static const struct argp_option option_list[] = {
	{"devices", OPT_DEVICES, "D", 0, "Devices (as the model says); others only if it broadcasts everything", 1},
	{"target", OPT_TARGET, "NAME", 0, "What the devices are: nrf52840 (default)", 1},
	{"calibrate", OPT_CALIBRATE, "DATA", 0, "Samples that show the range of every value, as for cats train", 1},
	{"samples", OPT_SAMPLES, "N", 0, "So many of them, evenly spread (256)", 1},
	{"calibration-loss", OPT_LOSS, "P", 0, "Messages lost in the lossy half of the calibration (0.1)", 1},
	{"out", OPT_OUT, "PLAN", 0, "The plan's directory", 1},
	{"payload", OPT_PAYLOAD, "BYTES", 0, "Of a packet, a multiple of 4 (240)", 1},
	{"sink", OPT_SINK, "WHO", 0, "Who gets the result: source (default) or all", 1},
	{"overlap", OPT_OVERLAP, "HOW", 0,
	 "Whether gathers begin while their last packets are computed: on (default) or off", 1},
	{"force", OPT_FORCE, NULL, 0, "Replace a plan that is there", 1},
	CATS_COMMON_OPTIONS,
	{0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_DEVICES:
		a->devices = (uint32_t)cats_argument_count(state, "--devices", text, 1, CATS_DEVICES_MAX);
		return 0;
	case OPT_TARGET:
		a->limits = cats_target_find(text);
		if (a->limits == NULL)
			argp_error(state, "--target: \"%s\" is unknown: nrf52840 is known", text);
		return 0;
	case OPT_CALIBRATE:
		a->calibrate = text;
		return 0;
	case OPT_SAMPLES:
		a->samples = cats_argument_count(state, "--samples", text, 1, 1000000);
		return 0;
	case OPT_LOSS:
		a->loss = cats_argument_number(state, "--calibration-loss", text, 0, 1);
		return 0;
	case OPT_OUT:
		a->out = text;
		return 0;
	case OPT_PAYLOAD:
		a->payload = (uint32_t)cats_argument_count(state, "--payload", text, 4, CATS_PAYLOAD_MAX);
		if (a->payload % 4 != 0)
			argp_error(state, "--payload: %u is not a multiple of 4", a->payload);
		return 0;
	case OPT_SINK:
		if (strcmp(text, "source") != 0 && strcmp(text, "all") != 0)
			argp_error(state, "--sink: \"%s\" is neither source nor all", text);
		a->sink_all = strcmp(text, "all") == 0;
		return 0;
	case OPT_OVERLAP:
		if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
			argp_error(state, "--overlap: \"%s\" is neither on nor off", text);
		a->without_overlap = strcmp(text, "off") == 0;
		return 0;
	case OPT_FORCE:
		a->force = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model != NULL)
			argp_error(state, "\"%s\": only one MODEL", text);
		a->model = text;
		return 0;
	case ARGP_KEY_END:
		if (a->model == NULL || a->calibrate == NULL || a->out == NULL)
			argp_error(state, "MODEL, --calibrate and --out are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void show_samples(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof(note), "calibration: %zu of %zu samples", done, of);
	cats_bar(&a->common, "plan", 0.8 * (double)done / (double)of, note);
}

static void show_devices(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof(note), "shard %zu of %zu", done, of);
	cats_bar(&a->common, "plan", 0.8 + 0.2 * (double)done / (double)of, note);
}

static void note_calibration(struct cats_plan_calibration *to, const struct cats_integer *m,
			     const struct cats_calibration *seen)
{
	to->clean = cats_saturation_of(m, &seen->clean);
	to->lossy = cats_saturation_of(m, &seen->lossy);
	cats_site_name(to->worst_clean, &m->config, to->clean.worst_site);
	cats_site_name(to->worst_lossy, &m->config, to->lossy.worst_site);
}

/* From the model to integers; `to` says how. */
static enum cats_status quantise(struct cats_integer *m, struct cats_plan_calibration *to, struct cats_model *model,
				 const struct arguments *a, struct cats_error *error)
{
	const struct cats_dataset_options wanted = {.fallback = CATS_SPLIT_TRAIN,
						    .window = cats_feed_window(&model->config)};
	const struct cats_calibration_options options = {
		.samples = a->samples,
		.loss = a->loss,
		.seed = a->common.seed,
		.crew = {.threads = a->common.threads,
			 .progress = show_samples,
			 .context = (void *)(uintptr_t)a,
			 .stop = cats_catch_signals()},
	};
	struct cats_calibration seen = {0};
	struct cats_dataset data = {0};
	size_t samples = 0;
	enum cats_status status = cats_dataset_open(&data, a->calibrate, &wanted, error);

	if (status == CATS_OK)
		status = cats_calibrate(&seen, &samples, model, &data, a->calibrate, &options, error);
	if (status == CATS_OK)
		status = cats_quantise(m, model, &seen, a->model, error);
	if (status == CATS_OK) {
		*to = (struct cats_plan_calibration){
			.samples = samples, .seed = a->common.seed, .data_crc32 = data.crc32, .loss = a->loss};
		note_calibration(to, m, &seen);
	}
	cats_calibration_free(&seen);
	cats_dataset_free(&data);
	return status;
}

/* What would make it fit: "" when it does. */
static enum cats_status run(struct cats_plan_facts *facts, char advice[CATS_FIT_ADVICE_BYTES], struct cats_model *model,
			    const struct arguments *a, struct cats_error *error)
{
	const uint32_t devices = a->devices != 0 ? a->devices : model->config.devices;
	struct cats_plan_request request = {
		.limits = a->limits,
		.cut = {.devices = devices,
			.target = a->limits->target,
			.sink = a->sink_all ? CATS_SINK_ALL : 0,
			.payload_max = a->payload,
			.without_overlap = a->without_overlap},
		.replace = a->force,
		.progress = show_devices,
		.context = (void *)(uintptr_t)a,
		.stop = cats_catch_signals(),
	};
	const uint32_t own_devices = model->config.devices;
	struct cats_integer m = {0};
	enum cats_status status = cats_plan_may_write(a->out, a->force, error);

	/* Refuses now what cutting would refuse after the calibration. */
	if (status == CATS_OK)
		status = cats_model_set_devices(model, devices, a->model, error);
	if (status < 0)
		return status;
	model->config.devices = own_devices;
	status = quantise(&m, &request.calibration, model, a, error);
	if (status < 0)
		return status;
	status = cats_plan_write(facts, a->out, &m, &request, error);
	if (status == CATS_OK && !cats_plan_fits(facts))
		cats_fit_advice(advice, facts, &m);
	cats_integer_free(&m);
	return status;
}

static void print_devices(const struct cats_plan_facts *f)
{
	static const char *const header[] = {"device", "flash bytes", "RAM bytes", "MACs", "sent bytes"};
	enum { COLUMNS = sizeof header / sizeof header[0] };
	char texts[CATS_DEVICES_MAX][COLUMNS][24];
	const char *cells[CATS_DEVICES_MAX * COLUMNS];

	for (uint32_t j = 0; j < f->device_count; j++) {
		const unsigned long long values[COLUMNS] = {j, f->devices[j].flash_bytes, f->devices[j].ram_bytes,
							    f->devices[j].macs, f->devices[j].sent_bytes};

		for (size_t c = 0; c < COLUMNS; c++) {
			snprintf(texts[j][c], sizeof texts[j][c], "%llu", values[c]);
			cells[j * COLUMNS + c] = texts[j][c];
		}
	}
	char *text = cats_table_format(
		&(struct cats_table){.header = header, .columns = COLUMNS, .cells = cells, .rows = f->device_count},
		CATS_TABLE_TERMINAL);

	printf("%s", text != NULL ? text : "");
	free(text);
}

static void print_fit(const struct cats_plan_facts *f, const char *advice)
{
	const struct cats_target_limits *l = f->limits;

	if (cats_plan_fits(f))
		printf("fits %s: yes", l->name);
	else
		printf("fits %s: no, the largest device lacks %llu bytes of flash and %llu of RAM; %s", l->name,
		       (unsigned long long)f->excess_flash_bytes, (unsigned long long)f->excess_ram_bytes, advice);
	printf(" (of %u and %u bytes the firmware's %u and %u are counted above)\n", l->flash_bytes, l->ram_bytes,
	       l->firmware_flash_bytes, l->firmware_ram_bytes);
}

static int print(const struct cats_plan_facts *f, const char *advice, const struct arguments *a)
{
	char *text;

	if (a->common.json) {
		text = cats_plan_facts_format(f);
		cJSON *object = text != NULL ? cJSON_Parse(text) : NULL;

		free(text);
		if (advice[0] != '\0')
			cJSON_AddStringToObject(object, "advice", advice);
		return cats_print_result(object, &a->common);
	}
	print_devices(f);
	printf("parameters %llu, MACs %llu, bytes on air %llu an inference\n", (unsigned long long)f->parameters,
	       (unsigned long long)f->macs, (unsigned long long)f->air_bytes);
	printf("saturated at the sites: %.4f %% with nothing lost, %.4f %% at a loss of %g\n",
	       100 * f->calibration.clean.mean, 100 * f->calibration.lossy.mean, f->calibration.loss);
	print_fit(f, advice);
	return cats_finish_output();
}

int cats_command_plan(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "MODEL",
					 "Quantises a model to integers and cuts it for its devices: one shard each, "
					 "and what they cost. Calibrates on DATA's training samples.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.limits = cats_target_find("nrf52840"), .loss = CATS_CALIBRATION_LOSS};
	struct cats_model model = {0};
	struct cats_plan_facts facts;
	char advice[CATS_FIT_ADVICE_BYTES] = "";
	struct cats_error error = {0};
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_model_load(&model, a.model, &error);
	if (status < 0)
		return cats_report_failure(status, &error);
	status = run(&facts, advice, &model, &a, &error);
	cats_bar_clear(&a.common);
	cats_model_free(&model);
	return status < 0 ? cats_report_failure(status, &error) : print(&facts, advice, &a);
}

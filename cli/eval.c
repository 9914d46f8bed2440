/* SPDX-License-Identifier: MIT */
/* cats eval. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "train/batch.h"
#include "train/evaluate.h"

struct arguments {
	struct cats_common common;
	const char *model, *data;
	uint64_t limit, split_seed;
	uint32_t devices, stride;
	double message_loss, val_share;
	const char *kind;
	struct cats_loss_spec loss;
};

enum own_option {
	OPT_DATA = CATS_OPTION_OWN,
	OPT_LIMIT,
	OPT_DEVICES,
	OPT_LOSS,
	OPT_KIND,
	OPT_UNIT,
	OPT_PAYLOAD,
	OPT_SPLIT_SEED,
	OPT_VAL_SHARE,
	OPT_STRIDE,
};

static const struct argp_option option_list[] = {
	{"data", OPT_DATA, "DATA", 0,
	 "fashion-mnist, idx:IMAGES,LABELS, csv:FILE[,column=NAME[;NAME…]] or tensors:FILE; :train, :val, :test select",
	 1},
	{"limit", OPT_LIMIT, "N", 0, "The first N samples only", 1},
	{"devices", OPT_DEVICES, "D", 0, "Devices (as the model says); others only if it broadcasts everything", 1},
	{"message-loss", OPT_LOSS, "P", 0, "Lose messages with this probability (0)", 1},
	{"loss-kind", OPT_KIND, "KINDS", 0, "Of link,receiver,sender (link)", 1},
	{"loss-unit", OPT_UNIT, "UNIT", 0, "Drawn per message (default) or packet", 1},
	{"payload", OPT_PAYLOAD, "BYTES", 0, "Of a packet (240)", 1},
	{"split-seed", OPT_SPLIT_SEED, "S", 0, "Of the validation cut (0)", 1},
	{"val-share", OPT_VAL_SHARE, "X", 0, "Share of samples cut off for validation (1/12)", 1},
	{"stride", OPT_STRIDE, "N", 0, "Of a series: from one window to the next (1)", 1},
	CATS_COMMON_OPTIONS,
	{0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct cats_error error = {0};

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_DATA:
		a->data = text;
		return 0;
	case OPT_LIMIT:
		a->limit = cats_argument_count(state, "--limit", text, 1, SIZE_MAX);
		return 0;
	case OPT_DEVICES:
		a->devices = (uint32_t)cats_argument_count(state, "--devices", text, 1, 64);
		return 0;
	case OPT_LOSS:
		a->message_loss = cats_argument_number(state, "--message-loss", text, 0, 1);
		return 0;
	case OPT_KIND:
		a->kind = text;
		return 0;
	case OPT_UNIT:
		if (strcmp(text, "message") != 0 && strcmp(text, "packet") != 0)
			argp_error(state, "--loss-unit: \"%s\" is neither message nor packet", text);
		a->loss.per_packet = strcmp(text, "packet") == 0;
		return 0;
	case OPT_PAYLOAD:
		a->loss.payload_bytes = (uint32_t)cats_argument_count(state, "--payload", text, 1, 65536);
		return 0;
	case OPT_SPLIT_SEED:
		a->split_seed = cats_argument_count(state, "--split-seed", text, 0, UINT64_MAX);
		return 0;
	case OPT_VAL_SHARE:
		a->val_share = cats_argument_number(state, "--val-share", text, 1e-6, 0.9);
		return 0;
	case OPT_STRIDE:
		a->stride = (uint32_t)cats_argument_count(state, "--stride", text, 1, 1U << 20);
		return 0;
	case ARGP_KEY_ARG:
		if (a->model != NULL)
			argp_error(state, "\"%s\": only one MODEL", text);
		a->model = text;
		return 0;
	case ARGP_KEY_END:
		if (a->model == NULL || a->data == NULL)
			argp_error(state, "MODEL and --data are needed");
		if (cats_loss_kinds(&a->loss, a->kind, a->message_loss, &error) < 0)
			argp_error(state, "--loss-kind: %s", error.text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void show(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof(note), "%zu of %zu samples", done, of);
	cats_bar(&a->common, "eval", (double)done / (double)of, note);
}

static cJSON *describe(const struct cats_evaluation *result, const struct cats_model *model, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "metric", result->metric);
	cJSON_AddNumberToObject(object, "value", result->value);
	cJSON_AddNumberToObject(object, "loss", result->loss);
	if (result->last > 0)
		cJSON_AddNumberToObject(object, "last_token", result->last);
	cJSON_AddNumberToObject(object, "samples", (double)result->samples);
	cJSON_AddNumberToObject(object, "devices", model->config.devices);
	cJSON_AddNumberToObject(object, "message_loss", a->message_loss);
	cJSON_AddStringToObject(object, "loss_kind", a->kind);
	cJSON_AddStringToObject(object, "loss_unit", a->loss.per_packet ? "packet" : "message");
	cJSON_AddNumberToObject(object, "air_values", (double)cats_model_air_values(model));
	cJSON_AddNumberToObject(object, "macs", (double)cats_model_macs(model));
	return object;
}

static enum cats_status run(struct cats_evaluation *result, struct cats_model *model, const struct arguments *a,
			    struct cats_error *error)
{
	const struct cats_dataset_options wanted = {
		.seed = a->split_seed,
		.val_share = a->val_share,
		.fallback = CATS_SPLIT_TEST,
		.window = cats_feed_window(&model->config),
		.stride = a->stride,
	};
	const struct cats_evaluation_options options = {
		.limit = a->limit,
		.threads = a->common.threads,
		.loss = a->loss,
		.seed = a->common.seed,
		.progress = show,
		.context = (void *)(uintptr_t)a,
		.stop = cats_catch_signals(),
	};
	struct cats_dataset data = {0};
	enum cats_status status = CATS_OK;

	if (a->devices > 0)
		status = cats_model_set_devices(model, a->devices, a->model, error);
	if (status == CATS_OK)
		status = cats_dataset_open(&data, a->data, &wanted, error);
	if (status == CATS_OK)
		status = cats_evaluate(result, model, &data, a->data, &options, error);
	cats_dataset_free(&data);
	return status;
}

int cats_command_eval(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "MODEL",
					 "Evaluates a model in float32, as its devices compute it. Without a split, "
					 "DATA's test samples are used.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.kind = "link"};
	struct cats_model model = {0};
	struct cats_evaluation result;
	struct cats_error error = {0};
	cJSON *object;
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_model_load(&model, a.model, &error);
	if (status < 0)
		return cats_report_failure(status, &error);
	status = run(&result, &model, &a, &error);
	cats_bar_clear(&a.common);
	object = status == CATS_OK ? describe(&result, &model, &a) : NULL;
	cats_model_free(&model);
	if (status < 0)
		return cats_report_failure(status, &error);
	return cats_print_result(object, &a.common);
}

/* SPDX-License-Identifier: MIT */
/* cats train. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "train/trainer.h"

struct arguments {
	struct cats_common common;
	struct cats_train_options train;
	double message_dropout;
	const char *dropout_kind;
	bool stand_in_given;
	double bar_shown; /* seconds of training when the bar was last drawn */
};

enum own_option {
	OPT_DATA = CATS_OPTION_OWN,
	OPT_CONFIG,
	OPT_INIT,
	OPT_OUT,
	OPT_LIMIT,
	OPT_DEVICES,
	OPT_KEEP,
	OPT_CRITERION,
	OPT_STAND_IN,
	OPT_KEEP_EPOCHS,
	OPT_MESSAGE_DROPOUT,
	OPT_DROPOUT_KIND,
	OPT_DROPOUT_UNIT,
	OPT_PAYLOAD,
	OPT_EPOCHS,
	OPT_BATCH,
	OPT_LR,
	OPT_LR_FLOOR,
	OPT_WARMUP,
	OPT_DECAY,
	OPT_CLIP,
	OPT_DROPOUT,
	OPT_SMOOTHING,
	OPT_AUGMENT,
	OPT_STRIDE,
	OPT_EMA,
	OPT_KEPT_EPOCH,
	OPT_SPLIT_SEED,
	OPT_VAL_SHARE,
	OPT_CHECKPOINT,
	OPT_RESUME,
	OPT_FORCE,
};

static const struct argp_option option_list[] = {
	{NULL, 0, NULL, 0, "What and where", 1},
	{"data", OPT_DATA, "DATA", 0,
	 "fashion-mnist, idx:IMAGES,LABELS, csv:FILE[,column=NAME[;NAME…]] or tensors:FILE", 1},
	{"limit", OPT_LIMIT, "N", 0, "Train on the first N training samples only (all)", 1},
	{"config", OPT_CONFIG, "FILE", 0, "Start from random weights of this config.json", 1},
	{"init", OPT_INIT, "MODEL", 0, "Start from this model", 1},
	{"out", OPT_OUT, "MODEL", 0, "Directory to make", 1},
	{"resume", OPT_RESUME, NULL, 0, "Continue what --out holds, if it holds something", 1},
	{"force", OPT_FORCE, NULL, 0, "Overwrite what --out holds", 1},
	{NULL, 0, NULL, 0, "Devices and messages", 2},
	{"devices", OPT_DEVICES, "D", 0, "Devices (as the config says)", 2},
	{"keep", OPT_KEEP, "R", 0, "Share of columns that are broadcast, chosen from the starting weights (all)", 2},
	{"keep-criterion", OPT_CRITERION, "NAME", 0,
	 "magnitude (default, for either task: see docs/RESULTS.md), taylor or random", 2},
	{"stand-in", OPT_STAND_IN, "NAME", 0,
	 "For columns left out: zero, their mean in the readers' biases (default with --init, unless chosen "
	 "gradually), or "
	 "rescale the readers' weights",
	 2},
	{"keep-epochs", OPT_KEEP_EPOCHS, "N", 0, "Reach --keep gradually, over N epochs (0: at once)", 2},
	{"message-dropout", OPT_MESSAGE_DROPOUT, "P", 0, "Lose messages with this probability while training (0)", 2},
	{"dropout-kind", OPT_DROPOUT_KIND, "KINDS", 0, "Of link,receiver,sender (link)", 2},
	{"dropout-unit", OPT_DROPOUT_UNIT, "UNIT", 0, "Drawn per message (default) or packet", 2},
	{"payload", OPT_PAYLOAD, "BYTES", 0, "Of a packet (240)", 2},
	{NULL, 0, NULL, 0, "Optimisation", 3},
	{"epochs", OPT_EPOCHS, "N", 0, "Passes over the training samples (30)", 3},
	{"batch", OPT_BATCH, "N", 0, "Samples a step (128)", 3},
	{"lr", OPT_LR, "X", 0, "Peak learning rate (0.001)", 3},
	{"lr-floor", OPT_LR_FLOOR, "X", 0, "Final share of the peak learning rate (0.01)", 3},
	{"warmup-epochs", OPT_WARMUP, "X", 0, "Linear warm-up (1)", 3},
	{"weight-decay", OPT_DECAY, "X", 0, "Of linear weights (0.05)", 3},
	{"clip", OPT_CLIP, "X", 0, "Largest norm of the gradient (1), 0 for none", 3},
	{"dropout", OPT_DROPOUT, "P", 0, "Of activations (0)", 3},
	{"label-smoothing", OPT_SMOOTHING, "X", 0, "Share of each target that is spread over all classes (0)", 3},
	{"augment", OPT_AUGMENT, "LIST", 0, "Of shift=PIXELS,flip,erase=PROBABILITY (none)", 3},
	{"stride", OPT_STRIDE, "N", 0, "Of a series: from one training or validation window to the next (1)", 3},
	{"ema", OPT_EMA, "X", 0, "Validate and keep a running average of the weights with this decay (none)", 3},
	{"kept-epoch", OPT_KEPT_EPOCH, "WHICH", 0, "best on validation (default) or last", 3},
	{"split-seed", OPT_SPLIT_SEED, "S", 0, "Of the validation cut (0)", 3},
	{"val-share", OPT_VAL_SHARE, "X", 0, "Share of samples cut off for validation (1/12)", 3},
	{"checkpoint-seconds", OPT_CHECKPOINT, "X", 0, "Most seconds between checkpoints (60)", 3},
	CATS_COMMON_OPTIONS,
	{0},
};

static void parse_augment(struct cats_augmentation *augment, const char *list, const struct argp_state *state)
{
	char text[128];
	char *rest = text;
	const char *item;

	if (strlen(list) >= sizeof(text))
		argp_error(state, "--augment: the list is too long");
	strncpy(text, list, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while ((item = strsep(&rest, ",")) != NULL) {
		if (strncmp(item, "shift=", 6) == 0)
			augment->shift = (uint32_t)cats_argument_count(state, "--augment shift", item + 6, 0, 1000);
		else if (strncmp(item, "erase=", 6) == 0)
			augment->erase = cats_argument_number(state, "--augment erase", item + 6, 0, 1);
		else if (strcmp(item, "flip") == 0)
			augment->flip = true;
		else if (strcmp(item, "none") != 0)
			argp_error(state, "--augment: \"%s\" is none of shift=PIXELS, flip, erase=PROBABILITY", item);
	}
}

static bool one_of(const struct argp_state *state, const char *option, const char *text, const char *no,
		   const char *yes)
{
	if (strcmp(text, no) != 0 && strcmp(text, yes) != 0)
		argp_error(state, "%s: \"%s\" is neither %s nor %s", option, text, no, yes);
	return strcmp(text, yes) == 0;
}

static error_t parse_what(int key, char *text, struct argp_state *state)
{
	struct cats_train_options *o = &((struct arguments *)state->input)->train;

	switch (key) {
	case OPT_DATA:
		o->data = text;
		return 0;
	case OPT_LIMIT:
		o->limit = cats_argument_count(state, "--limit", text, 1, SIZE_MAX);
		return 0;
	case OPT_CONFIG:
		o->config = text;
		return 0;
	case OPT_INIT:
		o->init = text;
		return 0;
	case OPT_OUT:
		o->out = text;
		return 0;
	case OPT_RESUME:
		o->resume = true;
		return 0;
	case OPT_FORCE:
		o->force = true;
		return 0;
	case OPT_SPLIT_SEED:
		o->split_seed = cats_argument_count(state, "--split-seed", text, 0, UINT64_MAX);
		return 0;
	case OPT_VAL_SHARE:
		o->val_share = cats_argument_number(state, "--val-share", text, 1e-6, 0.9);
		return 0;
	case OPT_CHECKPOINT:
		o->checkpoint_seconds = cats_argument_number(state, "--checkpoint-seconds", text, 1e-9, 86400);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_devices(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct cats_train_options *o = &a->train;
	struct cats_error error = {0};

	switch (key) {
	case OPT_DEVICES:
		o->devices = (uint32_t)cats_argument_count(state, "--devices", text, 1, 64);
		return 0;
	case OPT_KEEP:
		o->keep = cats_argument_number(state, "--keep", text, 1e-6, 1);
		return 0;
	case OPT_CRITERION:
		if (cats_criterion_parse(&o->criterion, text, &error) < 0)
			argp_error(state, "--keep-criterion: %s", error.text);
		return 0;
	case OPT_STAND_IN:
		a->stand_in_given = true;
		if (cats_stand_in_parse(&o->stand_in, text, &error) < 0)
			argp_error(state, "--stand-in: %s", error.text);
		return 0;
	case OPT_KEEP_EPOCHS:
		o->keep_epochs = (uint32_t)cats_argument_count(state, "--keep-epochs", text, 0, 100000);
		return 0;
	case OPT_MESSAGE_DROPOUT:
		a->message_dropout = cats_argument_number(state, "--message-dropout", text, 0, 1);
		return 0;
	case OPT_DROPOUT_KIND:
		a->dropout_kind = text;
		return 0;
	case OPT_DROPOUT_UNIT:
		o->messages.per_packet = one_of(state, "--dropout-unit", text, "message", "packet");
		return 0;
	case OPT_PAYLOAD:
		o->messages.payload_bytes = (uint32_t)cats_argument_count(state, "--payload", text, 1, 65536);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_optimisation(int key, char *text, struct argp_state *state)
{
	struct cats_train_options *o = &((struct arguments *)state->input)->train;

	switch (key) {
	case OPT_EPOCHS:
		o->epochs = (uint32_t)cats_argument_count(state, "--epochs", text, 1, 100000);
		return 0;
	case OPT_BATCH:
		o->batch = (uint32_t)cats_argument_count(state, "--batch", text, 1, 65536);
		return 0;
	case OPT_LR:
		o->rate = cats_argument_number(state, "--lr", text, 1e-12, 1e30);
		return 0;
	case OPT_LR_FLOOR:
		o->rate_floor = cats_argument_number(state, "--lr-floor", text, 0, 1);
		return 0;
	case OPT_WARMUP:
		o->warmup_epochs = cats_argument_number(state, "--warmup-epochs", text, 0, 100000);
		return 0;
	case OPT_DECAY:
		o->adamw.weight_decay = cats_argument_number(state, "--weight-decay", text, 0, 1e6);
		return 0;
	case OPT_CLIP:
		o->adamw.clip = cats_argument_number(state, "--clip", text, 0, 1e30);
		return 0;
	case OPT_DROPOUT:
		o->dropout = cats_argument_number(state, "--dropout", text, 0, 0.99);
		return 0;
	case OPT_SMOOTHING:
		o->label_smoothing = cats_argument_number(state, "--label-smoothing", text, 0, 0.99);
		return 0;
	case OPT_AUGMENT:
		parse_augment(&o->augment, text, state);
		return 0;
	case OPT_STRIDE:
		o->stride = (uint32_t)cats_argument_count(state, "--stride", text, 1, 1U << 20);
		return 0;
	case OPT_EMA:
		o->average = cats_argument_number(state, "--ema", text, 0, 0.999999);
		return 0;
	case OPT_KEPT_EPOCH:
		o->keep_last = one_of(state, "--kept-epoch", text, "best", "last");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void finish_options(struct arguments *a, const struct argp_state *state)
{
	struct cats_train_options *o = &a->train;
	struct cats_error error = {0};

	if (o->data == NULL || o->out == NULL)
		argp_error(state, "--data and --out are needed");
	if (o->out[0] == '\0')
		argp_error(state, "--out: \"\" is no path of a directory");
	if ((o->config == NULL) == (o->init == NULL))
		argp_error(state, "one of --config and --init is needed");
	if (o->resume && o->force)
		argp_error(state, "--resume and --force contradict each other");
	if (o->warmup_epochs > o->epochs)
		argp_error(state, "--warmup-epochs must not be above --epochs");
	if (o->keep_epochs > 0 && o->keep == 0)
		argp_error(state, "--keep-epochs needs --keep");
	if (o->keep_epochs >= o->epochs)
		argp_error(state, "--keep-epochs must be below --epochs");
	/* A trained model's columns have a mean that its readers count on; random weights' have none yet. */
	if (!a->stand_in_given && o->init != NULL && o->keep > 0 && o->keep_epochs == 0)
		o->stand_in = CATS_STAND_IN_MEAN;
	if (cats_loss_kinds(&o->messages, a->dropout_kind, a->message_dropout, &error) < 0)
		argp_error(state, "--dropout-kind: %s", error.text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (key == ARGP_KEY_ARG)
		argp_error(state, "\"%s\": everything is given by options", text);
	if (key == ARGP_KEY_END) {
		finish_options(a, state);
		return 0;
	}
	if (cats_common_option(&a->common, key, text, state) || parse_what(key, text, state) == 0 ||
	    parse_devices(key, text, state) == 0)
		return 0;
	return parse_optimisation(key, text, state);
}

static void show(void *context, const struct cats_train_progress *p)
{
	struct arguments *a = context;
	char label[64];
	char note[160];

	if (p->epoch_done && !a->common.quiet) {
		cats_bar_clear(&a->common);
		fprintf(stderr,
			"epoch %u/%u  lr %.2e  train loss %.4f  val loss %.4f  val %.4f%s  %.0f s  %.0f samples/s\n",
			p->epoch, p->epochs, p->rate, p->train_loss, p->val_loss, p->val_metric, p->best ? " *" : "  ",
			p->seconds, p->samples_per_second);
	} else if (p->seconds - a->bar_shown > 0.2) {
		a->bar_shown = p->seconds;
		snprintf(label, sizeof(label), "epoch %u/%u", p->epoch, p->epochs);
		snprintf(note, sizeof(note), "loss %.4f  %.0f samples/s", p->train_loss, p->samples_per_second);
		cats_bar(&a->common, label, (double)p->batch / (double)p->batches, note);
	}
}

/* The command as given, for the model card; words are not quoted. */
static char *join(int argc, char **argv)
{
	size_t length = sizeof("cats");
	char *text;

	for (int i = 0; i < argc; i++)
		length += strlen(argv[i]) + 1;
	text = malloc(length);
	if (text == NULL)
		return NULL;
	strcpy(text, "cats");
	for (int i = 0; i < argc; i++) {
		strcat(text, " ");
		strcat(text, argv[i]);
	}
	return text;
}

static cJSON *describe(const struct cats_train_result *r)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddNumberToObject(object, "epochs", r->epochs);
	cJSON_AddNumberToObject(object, "best_epoch", r->best_epoch);
	cJSON_AddNumberToObject(object, "train_loss", r->train_loss);
	cJSON_AddStringToObject(object, "metric", r->metric);
	cJSON_AddStringToObject(object, "split", r->has_test ? "test" : "validation");
	cJSON_AddNumberToObject(object, "value", r->has_test ? r->test_value : r->val_value);
	cJSON_AddNumberToObject(object, "validation_value", r->val_value);
	if (r->val_last > 0) {
		cJSON_AddNumberToObject(object, "last_token", r->has_test ? r->test_last : r->val_last);
		cJSON_AddNumberToObject(object, "validation_last_token", r->val_last);
	}
	cJSON_AddNumberToObject(object, "seconds", r->seconds);
	return object;
}

int cats_command_train(int argc, char **argv)
{
	static const struct argp argp = {
		option_list,
		parse,
		NULL,
		"Trains a model on DATA. Epochs are judged on validation samples cut from the training samples; test "
		"samples, where DATA has them, are used once, at the end.",
		NULL,
		NULL,
		NULL};
	char *command = join(argc, argv);
	struct arguments a = {.train = cats_train_defaults(), .dropout_kind = "link"};
	struct cats_train_result result;
	struct cats_error error = {0};
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	a.train.command = command;
	a.train.seed = a.common.seed;
	a.train.threads = a.common.threads;
	a.train.report = show;
	a.train.context = &a;
	a.train.stop = cats_catch_signals();
	status = cats_train(&result, &a.train, &error);
	cats_bar_clear(&a.common);
	free(command);
	if (status < 0)
		return cats_report_failure(status, &error);
	return cats_print_result(describe(&result), &a.common);
}

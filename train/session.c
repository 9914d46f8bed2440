/* SPDX-License-Identifier: MIT */
/* Setting a training up. See session.h. */
#include "train/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/file.h"

/* Largest config file that is read. */
#define CONFIG_LIMIT (1U << 20)

static enum cats_status no_memory(struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_MEMORY, "training: out of memory");
}

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static enum cats_status open_data(struct cats_session *session, struct cats_error *error)
{
	const struct cats_train_options *options = session->options;
	char spec[sizeof(session->data_name) + 8];
	struct cats_dataset_options wanted = {
		.seed = options->split_seed,
		.val_share = options->val_share,
		.window = cats_feed_window(&session->model.config),
		.stride = options->stride,
	};
	enum cats_status status;

	if (ends_with(options->data, ":val") || ends_with(options->data, ":test"))
		return cats_fail(error, CATS_ERR_USAGE, "%s: training takes data without a split: it makes its own",
				 options->data);
	if (strlen(options->data) >= sizeof(session->data_name))
		return cats_fail(error, CATS_ERR_USAGE, "data: the name is too long");
	strcpy(session->data_name, options->data);
	if (ends_with(session->data_name, ":train"))
		session->data_name[strlen(session->data_name) - strlen(":train")] = '\0';

	snprintf(spec, sizeof(spec), "%s:train", session->data_name);
	status = cats_dataset_open(&session->train, spec, &wanted, error);
	if (status < 0)
		return status;
	if (options->limit > 0 && options->limit < session->train.samples)
		session->train.samples = (size_t)options->limit;
	snprintf(spec, sizeof(spec), "%s:val", session->data_name);
	status = cats_dataset_open(&session->val, spec, &wanted, error);
	if (status < 0)
		return status;
	/* Only here are test samples others than those that were trained on. */
	session->has_test =
		strcmp(session->data_name, "fashion-mnist") == 0 || session->train.kind == CATS_DATASET_SERIES;
	if (!session->has_test)
		return CATS_OK;
	wanted.stride = 0;
	snprintf(spec, sizeof(spec), "%s:test", session->data_name);
	return cats_dataset_open(&session->test, spec, &wanted, error);
}

static enum cats_status new_model(struct cats_session *session, struct cats_error *error)
{
	const struct cats_train_options *options = session->options;
	struct cats_config config;
	uint8_t *text = NULL;
	size_t size;
	enum cats_status status = cats_file_read(&text, &size, options->config, CONFIG_LIMIT, error);

	if (status < 0)
		return status;
	status = cats_config_parse(&config, (const char *)text, size, options->config, error);
	free(text);
	if (status < 0)
		return status;
	if (options->devices != 0)
		config.devices = options->devices;
	status = cats_config_check(&config, options->config, error);
	if (status < 0)
		return status;
	status = cats_model_create(&session->model, &config, error);
	if (status < 0)
		return status;
	cats_model_initialise(&session->model, options->seed);
	return CATS_OK;
}

static enum cats_status load_model(struct cats_session *session, struct cats_error *error)
{
	const struct cats_train_options *options = session->options;
	struct cats_model *model = &session->model;
	enum cats_status status = cats_model_load(model, options->init, error);

	if (status < 0)
		return status;
	if (options->keep > 0)
		for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
			memset(model->keep[site], 1, cats_site_columns(&model->config, site));
	return options->devices == 0 ? CATS_OK : cats_model_set_devices(model, options->devices, options->init, error);
}

static enum cats_status add(struct cats_session *session, struct cats_error *error, const char *key, const char *format,
			    ...) __attribute__((format(printf, 4, 5)));

static enum cats_status add(struct cats_session *session, struct cats_error *error, const char *key, const char *format,
			    ...)
{
	struct cats_metadata *grown = realloc(session->fingerprint, (session->fingerprint_count + 1) * sizeof(*grown));
	va_list arguments;
	int length;

	if (grown == NULL)
		return no_memory(error);
	session->fingerprint = grown;
	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);

	struct cats_metadata *entry = &grown[session->fingerprint_count];

	entry->key = malloc(strlen(key) + 1);
	entry->value = malloc((size_t)length + 1);
	session->fingerprint_count++;
	if (entry->key == NULL || entry->value == NULL)
		return no_memory(error);
	strcpy(entry->key, key);
	va_start(arguments, format);
	vsnprintf(entry->value, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return CATS_OK;
}

static enum cats_status make_fingerprint(struct cats_session *s, struct cats_error *error)
{
	const struct cats_train_options *o = s->options;
	const struct cats_loss_spec *loss = &o->messages;
	const struct cats_augmentation *a = &o->augment;
	char *config = cats_config_format(&s->model.config);
	const uint32_t weights = cats_crc32(0, s->model.weights, s->model.weight_count * sizeof(float));
	bool failed = config == NULL;
	char first[48] = "";

	if (o->limit > 0)
		snprintf(first, sizeof(first), ", the first %zu of train", s->train.samples);
	/* The first that differs is the one that is named: data, config and seed before the weights that follow. */
	failed = failed || add(s, error, "config", "%s", config) < 0;
	if (s->train.kind == CATS_DATASET_SERIES)
		failed = failed || add(s, error, "stride", "%u", s->train.stride) < 0;
	failed = failed || add(s, error, "data", "%s train crc32 %08x, validation crc32 %08x%s", s->data_name,
			       s->train.crc32, s->val.crc32, first) < 0;
	failed = failed || add(s, error, "seed", "%llu", (unsigned long long)o->seed) < 0;
	failed = failed || add(s, error, "initial weights", "crc32 %08x", weights) < 0;
	failed = failed || add(s, error, "keep", "%.9g by %s over %u epochs", o->keep,
			       cats_criterion_name(o->criterion), o->keep_epochs) < 0;
	if (o->stand_in != CATS_STAND_IN_ZERO) /* records of before there were others have none */
		failed = failed || add(s, error, "stand-in", "%s", cats_stand_in_name(o->stand_in)) < 0;
	failed = failed ||
		 add(s, error, "message dropout", "link %.9g, receiver %.9g, sender %.9g per %s of %u", loss->link,
		     loss->receiver, loss->sender, loss->per_packet ? "packet" : "message", loss->payload_bytes) < 0;
	failed = failed || add(s, error, "epochs", "%u", o->epochs) < 0;
	failed = failed || add(s, error, "batch", "%u", o->batch) < 0;
	failed = failed || add(s, error, "learning rate", "%.9g, floor %.9g", o->rate, o->rate_floor) < 0;
	failed = failed || add(s, error, "warm-up epochs", "%.9g", o->warmup_epochs) < 0;
	failed = failed || add(s, error, "weight decay", "%.9g", o->adamw.weight_decay) < 0;
	failed = failed ||
		 add(s, error, "AdamW", "%.9g %.9g %.9g", o->adamw.beta1, o->adamw.beta2, o->adamw.epsilon) < 0;
	failed = failed || add(s, error, "clip", "%.9g", o->adamw.clip) < 0;
	failed = failed || add(s, error, "dropout", "%.9g", o->dropout) < 0;
	failed = failed || add(s, error, "label smoothing", "%.9g", o->label_smoothing) < 0;
	failed = failed ||
		 add(s, error, "augment", "shift=%u%s,erase=%.9g", a->shift, a->flip ? ",flip" : "", a->erase) < 0;
	failed = failed || add(s, error, "average of weights", "%.9g", o->average) < 0;
	failed = failed || add(s, error, "kept epoch", "%s", o->keep_last ? "last" : "best on validation") < 0;
	free(config);
	return failed ? no_memory(error) : CATS_OK;
}

static enum cats_status allocate(struct cats_session *session, struct cats_error *error)
{
	const size_t count = session->model.weight_count;

	session->gradient = calloc(count, sizeof(float));
	session->m = calloc(count, sizeof(float));
	session->v = calloc(count, sizeof(float));
	session->best = calloc(count, sizeof(float));
	session->order = calloc(session->train.samples, sizeof(uint32_t));
	session->curve = calloc(1, 1);
	if (session->options->average > 0)
		session->average = calloc(count, sizeof(float));
	if (session->gradient == NULL || session->m == NULL || session->v == NULL || session->best == NULL ||
	    session->order == NULL || session->curve == NULL ||
	    (session->options->average > 0 && session->average == NULL))
		return no_memory(error);
	if (session->average != NULL)
		memcpy(session->average, session->model.weights, count * sizeof(float));
	session->state.initial_loss = -1;
	return cats_session_curve(session, "epoch,step,lr,train_loss,val_loss,val_metric,seconds\n", error);
}

/* One device sends nothing: what thins messages out would silently do nothing. */
static enum cats_status check_devices(const struct cats_session *session, struct cats_error *error)
{
	const struct cats_train_options *o = session->options;

	if (session->model.config.devices > 1)
		return CATS_OK;
	if (o->keep > 0 && o->keep < 1)
		return cats_fail(error, CATS_ERR_USAGE,
				 "keep: %g on one device, which sends nothing: give --devices, or leave --keep out",
				 o->keep);
	if (cats_loss_any(&o->messages))
		return cats_fail(error, CATS_ERR_USAGE,
				 "message dropout: on one device, which hears nothing: give --devices, or leave "
				 "--message-dropout out");
	return CATS_OK;
}

enum cats_status cats_session_open(struct cats_session *session, const struct cats_train_options *options,
				   struct cats_error *error)
{
	enum cats_status status;

	*session = (struct cats_session){.options = options};
	status = options->init != NULL ? load_model(session, error) : new_model(session, error);
	if (status == CATS_OK)
		status = check_devices(session, error);
	if (status == CATS_OK)
		status = open_data(session, error);
	if (status == CATS_OK) {
		const struct cats_feed train = {&session->train, &session->model.config, options->augment};
		const struct cats_feed val = {.data = &session->val, .config = &session->model.config};

		status = cats_feed_check(&train, session->data_name, error);
		if (status == CATS_OK)
			status = cats_feed_check(&val, session->data_name, error);
	}
	if (status == CATS_OK)
		status = allocate(session, error);
	return status == CATS_OK ? make_fingerprint(session, error) : status;
}

void cats_session_free(struct cats_session *session)
{
	cats_engine_free(session->engine);
	cats_dataset_free(&session->train);
	cats_dataset_free(&session->val);
	cats_dataset_free(&session->test);
	cats_model_free(&session->model);
	free(session->gradient);
	free(session->m);
	free(session->v);
	free(session->average);
	free(session->best);
	free(session->order);
	free(session->curve);
	for (size_t i = 0; i < session->fingerprint_count; i++) {
		free(session->fingerprint[i].key);
		free(session->fingerprint[i].value);
	}
	free(session->fingerprint);
}

enum cats_status cats_session_curve(struct cats_session *session, const char *line, struct cats_error *error)
{
	const size_t length = strlen(session->curve);
	char *grown = realloc(session->curve, length + strlen(line) + 1);

	if (grown == NULL)
		return no_memory(error);
	strcpy(grown + length, line);
	session->curve = grown;
	return CATS_OK;
}

static bool exists(const char *directory, const char *file)
{
	char path[4096];
	struct stat found;

	return snprintf(path, sizeof(path), "%s/%s", directory, file) < (int)sizeof(path) && stat(path, &found) == 0;
}

enum cats_status cats_session_begin(enum cats_begin *begin, const struct cats_train_options *options,
				    struct cats_error *error)
{
	const bool unfinished = exists(options->out, "checkpoint/state.safetensors");
	const bool finished = exists(options->out, "model.safetensors");

	*begin = CATS_BEGIN_NEW;
	if (options->force || (!unfinished && !finished))
		return CATS_OK;
	if (options->resume && !unfinished && !exists(options->out, "train.json"))
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: holds a model, but nothing that says how it was trained: name another --out, or "
				 "--force to overwrite it",
				 options->out);
	if (options->resume) {
		*begin = unfinished ? CATS_BEGIN_RESUME : CATS_BEGIN_FINISHED;
		return CATS_OK;
	}
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "%s: holds %s: --resume to continue it, --force to overwrite it, or name another --out",
			 options->out, unfinished ? "an unfinished training" : "a finished model");
}

/* One line of a formatted config.json on one line of an error: no indentation, no comma, blanks for tabs. */
#define LINE_BYTES 80
static void copy_line(char out[LINE_BYTES], const char *text)
{
	size_t length = 0;

	text += strspn(text, " \t");
	for (; length < LINE_BYTES - 1 && text[length] != '\0' && text[length] != '\n'; length++)
		out[length] = text[length] == '\t' ? ' ' : text[length];
	while (length > 0 && out[length - 1] == ',')
		length--;
	out[length] = '\0';
}

static enum cats_status config_differs(const char *then, const char *now, const char *path, struct cats_error *error)
{
	char was[LINE_BYTES];
	char is[LINE_BYTES];
	size_t same = 0;

	while (then[same] != '\0' && then[same] == now[same])
		same++;
	while (same > 0 && then[same - 1] != '\n')
		same--;
	copy_line(was, then + same);
	copy_line(is, now + same);
	return cats_fail(error, CATS_ERR_MISMATCH,
			 "%s: config: was begun with %s, not %s: use the same, or --force to begin anew", path, was,
			 is);
}

enum cats_status cats_session_compare(const struct cats_session *session, const struct cats_metadata *saved,
				      size_t saved_count, const char *path, struct cats_error *error)
{
	for (size_t i = 0; i < session->fingerprint_count; i++) {
		const struct cats_metadata *now = &session->fingerprint[i];
		const char *then = NULL;

		for (size_t k = 0; k < saved_count && then == NULL; k++)
			if (strcmp(saved[k].key, now->key) == 0)
				then = saved[k].value;
		if (then != NULL && strcmp(then, now->value) == 0)
			continue;
		if (strcmp(now->key, "config") == 0 && then != NULL)
			return config_differs(then, now->value, path, error);
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: %s: was begun with \"%s\", not \"%s\": use the same, or --force to begin anew",
				 path, now->key, then != NULL ? then : "nothing", now->value);
	}
	return CATS_OK;
}

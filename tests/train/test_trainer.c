/* SPDX-License-Identifier: MIT */
/* Whole trainings on a tiny task: it is learnt, threads and interruptions leave no trace, what does not belong
 * together is refused, divergence stops. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"
#include "io/safetensors.h"
#include "model/pass.h"
#include "tests/cmocka.h"
#include "tests/train/fixture.h"
#include "train/trainer.h"

#define SAMPLES 240U /* 220 for training, 20 for validation: 14 batches of 16 */

static char folder[256];
static char data_spec[320], config_path[300];

static int set_up(void **state)
{
	char path[300];

	(void)state;
	cats_fixture_folder(folder, "test-trainer");
	snprintf(path, sizeof(path), "%s/data.safetensors", folder);
	cats_fixture_write(path, SAMPLES, 1);
	snprintf(data_spec, sizeof(data_spec), "tensors:%s", path);
	snprintf(config_path, sizeof(config_path), "%s/config.json", folder);
	cats_fixture_write_config(config_path, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cats_fixture_remove(folder);
	return 0;
}

static struct cats_train_options small_options(char out[300], const char *name)
{
	struct cats_train_options options = cats_train_defaults();

	snprintf(out, 300, "%s/%s", folder, name);
	options.data = data_spec;
	options.config = config_path;
	options.out = out;
	options.epochs = 3;
	options.batch = 16;
	options.rate = 3e-3;
	options.dropout = 0.1;
	options.average = 0.9;
	options.threads = 1;
	return options;
}

/* The same on four devices that keep half, with messages lost. */
static struct cats_train_options distributed_options(char out[300], const char *name)
{
	struct cats_train_options options = small_options(out, name);

	options.devices = 4;
	options.keep = 0.5;
	options.keep_epochs = 1;
	options.messages =
		(struct cats_loss_spec){.link = 0.1, .receiver = 0.05, .per_packet = true, .payload_bytes = 8};
	return options;
}

static void read_file(uint8_t **bytes, size_t *size, const char *directory, const char *file)
{
	char path[1200];
	struct cats_error error = {0};

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	if (cats_file_read(bytes, size, path, 1U << 26, &error) < 0)
		fail_msg("%s", error.text);
}

static bool exists(const char *directory, const char *file)
{
	char path[1200];
	struct stat found;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return stat(path, &found) == 0;
}

static void same_file(const char *a, const char *b, const char *file)
{
	uint8_t *bytes[2];
	size_t size[2];

	read_file(&bytes[0], &size[0], a, file);
	read_file(&bytes[1], &size[1], b, file);
	assert_int_equal(size[0], size[1]);
	assert_memory_equal(bytes[0], bytes[1], size[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void train(struct cats_train_result *result, const struct cats_train_options *options)
{
	struct cats_error error = {0};

	if (cats_train(result, options, &error) != CATS_OK)
		fail_msg("%s", error.text);
}

static void test_learns(void **state)
{
	struct cats_train_result result;
	char out[300];
	struct cats_train_options options = small_options(out, "learns");

	(void)state;
	options.epochs = 15;
	options.average = 0;
	train(&result, &options);
	assert_string_equal(result.metric, "accuracy");
	assert_int_equal(result.epochs, 15);
	assert_false(result.has_test);
	if (!(result.val_value >= 0.9) || !(result.train_loss < 0.5))
		fail_msg("accuracy %g, loss %g", result.val_value, result.train_loss);
	assert_true(exists(out, "model.safetensors") && exists(out, "README.md") && exists(out, "curve.csv"));
	assert_false(exists(out, "checkpoint"));
}

static void test_threads(void **state)
{
	struct cats_train_result result;
	char out[3][300];

	(void)state;
	for (uint32_t t = 0; t < 3; t++) {
		char name[32];

		snprintf(name, sizeof(name), "threads-%u", t + 1);
		struct cats_train_options options = distributed_options(out[t], name);

		options.threads = t + 1;
		train(&result, &options);
		if (t > 0)
			same_file(out[0], out[t], "model.safetensors");
	}
}

/* Stops after every `after` batches or epochs' ends. */
struct stopper {
	volatile int stop;
	uint32_t after, seen;
};

static void count_and_stop(void *context, const struct cats_train_progress *progress)
{
	struct stopper *stopper = context;

	(void)progress;
	if (++stopper->seen == stopper->after)
		stopper->stop = 1;
}

/* A training cut short again and again (also within epochs, at their ends, while ramping keep) ends as if it had not
 * been. */
static void test_resume(void **state)
{
	static const uint32_t pieces[] = {1, 4, 14, 15, 29};
	struct cats_train_result whole_result;
	char whole[300];
	struct cats_train_options options = distributed_options(whole, "whole");

	(void)state;
	train(&whole_result, &options);
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		char cut[300];
		char name[32];
		struct cats_train_result result;
		enum cats_status status;
		uint32_t runs = 0;

		snprintf(name, sizeof(name), "cut-%u", pieces[p]);
		options = distributed_options(cut, name);
		options.resume = true;
		options.report = count_and_stop;
		do {
			struct stopper stopper = {.after = pieces[p]};
			struct cats_error error = {0};

			options.context = &stopper;
			options.stop = &stopper.stop;
			options.threads = 1 + runs % 2;
			status = cats_train(&result, &options, &error);
			if (status < 0 && status != CATS_ERR_INTERRUPTED)
				fail_msg("%s", error.text);
			if (status == CATS_ERR_INTERRUPTED)
				assert_non_null(strstr(error.text, "--resume"));
			assert_true(++runs < 100);
		} while (status != CATS_OK);
		assert_true(runs > 1);
		same_file(whole, cut, "model.safetensors");
		same_file(whole, cut, "config.json");
		assert_true(result.train_loss == whole_result.train_loss);
		assert_true(result.val_loss == whole_result.val_loss);
		assert_int_equal(result.best_epoch, whole_result.best_epoch);
		/* resuming what is finished gives its result again */
		options.stop = NULL;
		options.report = NULL;
		train(&result, &options);
		assert_true(result.resumed && result.val_value == whole_result.val_value);
	}
}

static void expect_refusal(const struct cats_train_options *options, const char *word)
{
	struct cats_train_result result;
	struct cats_error error = {0};

	assert_int_equal(cats_train(&result, options, &error), CATS_ERR_MISMATCH);
	if (strstr(error.text, word) == NULL)
		fail_msg("\"%s\" does not name \"%s\"", error.text, word);
}

static void test_wrong_resume(void **state)
{
	char out[300];
	char path[300];
	char spec[320];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct stopper stopper = {.after = 5};
	struct cats_train_options options = small_options(out, "wrong");
	struct cats_train_options other;

	(void)state;
	options.report = count_and_stop;
	options.context = &stopper;
	options.stop = &stopper.stop;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_INTERRUPTED);
	options.report = NULL;
	options.stop = NULL;
	expect_refusal(&options, "--resume"); /* neither resume nor force */
	options.resume = true;
	other = options;
	other.seed = 1;
	expect_refusal(&other, "seed");
	other = options;
	other.rate = 1e-3;
	expect_refusal(&other, "learning rate");
	other = options;
	other.devices = 2;
	expect_refusal(&other, "\"devices\": 1"); /* which of the config's fields */
	other = options;
	other.epochs = 4;
	expect_refusal(&other, "epochs");
	snprintf(path, sizeof(path), "%s/other.safetensors", folder);
	cats_fixture_write(path, SAMPLES, 2);
	snprintf(spec, sizeof(spec), "tensors:%s", path);
	other = options;
	other.data = spec;
	expect_refusal(&other, "data");
	train(&result, &options);
	other.data = options.data;
	other.batch = 20;
	expect_refusal(&other, "batch"); /* also once it is finished */
	options.resume = false;
	expect_refusal(&options, "finished");
	options.force = true;
	options.epochs = 1;
	train(&result, &options);
	assert_int_equal(result.epochs, 1);
}

/* A checkpoint with any byte changed or cut off is refused or harmless, never a crash. */
static void test_damaged_checkpoint(void **state)
{
	char out[300];
	char path[1200];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct stopper stopper = {.after = 5};
	struct cats_train_options options = small_options(out, "damaged");
	uint8_t *bytes;
	size_t size;

	(void)state;
	options.report = count_and_stop;
	options.context = &stopper;
	options.stop = &stopper.stop;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_INTERRUPTED);
	read_file(&bytes, &size, out, "checkpoint/state.safetensors");
	snprintf(path, sizeof(path), "%s/checkpoint/state.safetensors", out);
	options.resume = true;
	for (size_t cut = 0; cut < size; cut += size / 9 + 1) {
		stopper = (struct stopper){.after = 1};
		assert_int_equal(cats_file_write(path, bytes, cut, &error), CATS_OK);
		assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_FORMAT);
	}
	for (size_t at = 0; at < 3000 && at < size; at += 61) {
		stopper = (struct stopper){.after = 1};
		bytes[at] ^= 0x11;
		assert_int_equal(cats_file_write(path, bytes, size, &error), CATS_OK);
		assert_true(cats_train(&result, &options, &error) < 0);
		bytes[at] ^= 0x11;
	}
	/* the last bit of a number, which is as good a number as before */
	for (size_t from_end = 1; from_end < size / 2; from_end += size / 7) {
		stopper = (struct stopper){.after = 1};
		bytes[size - from_end] ^= 0x01;
		assert_int_equal(cats_file_write(path, bytes, size, &error), CATS_OK);
		assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_FORMAT);
		bytes[size - from_end] ^= 0x01;
	}
	free(bytes);
}

/* What a killed run left half-written is gone once a run has finished; a stranger's file is not. */
static void test_leftovers(void **state)
{
	char out[300];
	char path[1200];
	struct cats_error error = {0};
	struct cats_train_result result;
	struct cats_train_options options = small_options(out, "leftovers");

	(void)state;
	options.epochs = 1;
	snprintf(path, sizeof(path), "%s/checkpoint", out);
	assert_int_equal(cats_directory_make(path, &error), CATS_OK);
	static const char *const files[] = {"checkpoint/state.safetensors.tmp-1", "model.safetensors.tmp-1",
					    "my.tmp-1"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", out, files[i]);
		assert_int_equal(cats_file_write(path, "half", 4, &error), CATS_OK);
	}
	train(&result, &options);
	assert_false(exists(out, "checkpoint") || exists(out, files[1]));
	assert_true(exists(out, files[2]));
}

/* Two trainings in one directory: the second is refused and changes nothing. */
static void test_two_at_once(void **state)
{
	char out[300];
	struct cats_train_result result;
	struct cats_train_options options = small_options(out, "shared");
	struct cats_error error = {0};
	int lock;

	(void)state;
	assert_int_equal(cats_directory_make(out, NULL), CATS_OK);
	assert_int_equal(cats_directory_lock(&lock, out, NULL), CATS_OK);
	for (int force = 0; force < 2; force++) {
		options.force = force != 0;
		assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_IO);
		assert_non_null(strstr(error.text, "another process is at work there"));
	}
	assert_false(exists(out, "checkpoint"));
	cats_directory_unlock(lock);
	train(&result, &options);
	/* A finished training is only read. */
	assert_int_equal(cats_directory_lock(&lock, out, NULL), CATS_OK);
	options.force = false;
	options.resume = true;
	train(&result, &options);
	cats_directory_unlock(lock);
}

/* Of how many steps before it the loss was far up. */
static void expect_good_checkpoint(const char *out)
{
	struct cats_safetensors file;
	struct cats_error error = {0};
	char path[1200];

	snprintf(path, sizeof(path), "%s/checkpoint/state.safetensors", out);
	assert_int_equal(cats_safetensors_read(&file, path, &error), CATS_OK);
	assert_non_null(strstr(cats_safetensors_metadata(&file, "state"), " bad_steps=0 "));
	cats_safetensors_free(&file);
}

static void test_divergence(void **state)
{
	char out[300];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct cats_train_options options = small_options(out, "diverges");

	(void)state;
	options.rate = 1e25;
	options.adamw.clip = 0;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_DIVERGED);
	assert_non_null(strstr(error.text, "checkpoint"));
	assert_false(exists(out, "model.safetensors"));
	assert_true(exists(out, "checkpoint/state.safetensors"));
	/* finite, but far above what guessing costs, for long */
	options = small_options(out, "wanders");
	options.rate = 30;
	options.rate_floor = 1;
	options.epochs = 60;
	options.average = 0;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_DIVERGED);
	/* finite again, and over before a hundred steps are */
	options = small_options(out, "short");
	options.rate = 30;
	options.rate_floor = 1;
	options.warmup_epochs = 0;
	options.epochs = 2;
	options.average = 0;
	options.checkpoint_seconds = 1e-9; /* after each step that is not one of divergence */
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_DIVERGED);
	assert_false(exists(out, "model.safetensors"));
	expect_good_checkpoint(out);
}

/* Fine-tuning starts from the model, and its pruned columns carry no weights. */
static void test_init(void **state)
{
	char full[300];
	char tuned[300];
	char again[300];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct cats_train_options options = small_options(full, "full");
	struct cats_model model;

	(void)state;
	options.epochs = 8;
	train(&result, &options);
	const double before = result.val_loss;

	options = small_options(tuned, "tuned");
	options.config = NULL;
	options.init = full;
	options.devices = 4;
	options.keep = 0.5;
	options.epochs = 2;
	options.rate = 1e-3;
	train(&result, &options);
	assert_true(result.val_loss < before + 0.3);
	assert_int_equal(cats_model_load(&model, tuned, &error), CATS_OK);
	assert_int_equal(model.config.devices, 4);
	for (uint32_t site = 0; site < cats_config_sites(&model.config); site++)
		assert_int_equal(cats_model_kept(&model, site), cats_site_columns(&model.config, site) / 2);
	cats_model_free(&model);
	/* keep lists of four devices mean nothing to two, unless new ones are chosen */
	options = small_options(again, "again");
	options.config = NULL;
	options.init = tuned;
	options.devices = 2;
	options.epochs = 1;
	expect_refusal(&options, "4 devices");
	options.keep = 0.75;
	train(&result, &options);
}

/* Weights that no device multiplies any more stay 0, whatever moments they had when their columns were cut. */
static void test_cut_weights_stay_away(void **state)
{
	char out[300];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct cats_train_options options = distributed_options(out, "cut-weights");
	struct cats_views *views = NULL;
	struct cats_model model;
	size_t dead = 0;

	(void)state;
	train(&result, &options);
	assert_int_equal(cats_model_load(&model, out, &error), CATS_OK);
	assert_int_equal(cats_views_create(&views, &model, &error), CATS_OK);
	uint8_t *live = malloc(model.weight_count);

	assert_non_null(live);
	cats_views_live(live, views);
	for (size_t i = 0; i < model.weight_count; i++) {
		assert_true(live[i] != 0 || model.weights[i] == 0);
		dead += live[i] == 0;
	}
	assert_true(dead > model.weight_count / 8);
	free(live);
	cats_views_free(views);
	cats_model_free(&model);
}

#define TRAINED 220U

/* The loss of each step, of two epochs whose steps have one sample each. */
struct losses {
	double sum, of[2][TRAINED];
};

static void note_loss(void *context, const struct cats_train_progress *progress)
{
	struct losses *l = context;

	if (progress->epoch_done) {
		l->sum = 0;
		return;
	}
	const double sum = progress->train_loss * (double)progress->batch;

	l->of[progress->epoch - 1][progress->batch - 1] = sum - l->sum;
	l->sum = sum;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Steps whose loss is another in the second epoch than in the first. */
static uint32_t other_losses(const struct losses *l)
{
	uint32_t count = 0;

	for (uint32_t k = 0; k < TRAINED; k++)
		count += fabs(l->of[0][k] - l->of[1][k]) > 1e-6;
	return count;
}

static struct losses losses_of(struct cats_train_options options)
{
	struct losses losses = {0};
	struct cats_train_result result;

	options.epochs = 2;
	options.batch = 1;
	options.rate = 1e-12; /* the weights stay: a sample's loss changes with what is drawn for it alone */
	options.average = 0;
	options.report = note_loss;
	options.context = &losses;
	train(&result, &options);
	return losses;
}

/* Each epoch has an order of its own, and draws of its own. */
static void test_draws_of_epochs(void **state)
{
	char out[300];
	struct cats_train_options options = small_options(out, "draws");

	(void)state;
	for (uint32_t kind = 0; kind < 3; kind++) {
		struct losses l;

		snprintf(out, sizeof(out), "%s/draws-%u", folder, kind);
		options.dropout = kind == 1 ? 0.5 : 0;
		options.devices = kind == 2 ? 4 : 0;
		options.messages.link = kind == 2 ? 0.5 : 0;
		l = losses_of(options);
		assert_true(other_losses(&l) > TRAINED / 2);
		qsort(l.of[0], TRAINED, sizeof(double), ascending);
		qsort(l.of[1], TRAINED, sizeof(double), ascending);
		if (kind == 0)
			assert_int_equal(other_losses(&l), 0);
		else
			assert_true(other_losses(&l) > TRAINED / 2);
	}
}

static void test_usage(void **state)
{
	char out[300];
	struct cats_train_result result;
	struct cats_error error = {0};
	struct cats_train_options options;

	(void)state;
#define REFUSES(field, value)                  \
	options = small_options(out, "never"); \
	options.field = value;                 \
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_USAGE)
	REFUSES(epochs, 0);
	REFUSES(batch, 0);
	REFUSES(rate, 0);
	REFUSES(rate, (double)NAN);
	REFUSES(keep, 1.5);
	REFUSES(keep, -0.5);
	REFUSES(keep, 0.5); /* one device keeps nothing from anyone */
	REFUSES(messages.link, 0.1);
	REFUSES(dropout, 1);
	REFUSES(keep_epochs, 1); /* without keep */
	REFUSES(warmup_epochs, 4);
	REFUSES(init, "x");
#undef REFUSES
	options = small_options(out, "never");
	options.devices = 4;
	options.keep = 0.5;
	options.keep_epochs = options.epochs;
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_USAGE);
	options = small_options(out, "never");
	options.devices = 17; /* F is 16 */
	assert_int_equal(cats_train(&result, &options, &error), CATS_ERR_FORMAT);
	assert_false(exists(folder, "never"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learns),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_wrong_resume),
		cmocka_unit_test(test_damaged_checkpoint),
		cmocka_unit_test(test_leftovers),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_divergence),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_cut_weights_stay_away),
		cmocka_unit_test(test_draws_of_epochs),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

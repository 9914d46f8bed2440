/* SPDX-License-Identifier: MIT */
/* The training loop. See trainer.h. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/random.h"
#include "io/file.h"
#include "train/evaluate.h"
#include "train/session.h"

/* A loss this many times the initial one (or that of guessing), for so many steps in a row, is not coming back. */
#define DIVERGED_FACTOR 3.0
#define DIVERGED_STEPS 100U

/* What the seed is divided into. */
enum purpose { FOR_ORDER, FOR_BATCHES, FOR_SELECTION };

/* Wall-clock times of this run. */
struct clocks {
	double begun, last, checkpoint;
	uint64_t samples;
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static struct cats_feed train_feed(const struct cats_session *s)
{
	return (struct cats_feed){&s->train, &s->model.config, s->options->augment};
}

static enum cats_status make_engine(struct cats_session *s, struct cats_error *error)
{
	const struct cats_engine_options options = {
		.batch = s->options->batch > CATS_EVALUATION_BATCH ? s->options->batch : CATS_EVALUATION_BATCH,
		.threads = s->options->threads,
		.gradients = true,
		.loss = s->options->messages,
	};

	return cats_engine_create(&s->engine, &s->model, &options, error);
}

/* The share to keep from this epoch on: all at first, cubically down to the wanted share (Zhu & Gupta 2017). */
static double share_at(const struct cats_train_options *options, uint64_t epoch)
{
	if (epoch >= options->keep_epochs)
		return options->keep;
	const double left = 1.0 - (double)epoch / options->keep_epochs;

	return options->keep + (1.0 - options->keep) * left * left * left;
}

static bool keeps_all(const struct cats_model *model)
{
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		if (cats_model_kept(model, site) < cats_site_columns(&model->config, site))
			return false;
	return true;
}

static enum cats_status select_columns(struct cats_session *s, struct cats_error *error)
{
	const struct cats_train_options *o = s->options;
	const struct cats_feed feed = train_feed(s);
	/* A training resumed before its first step has its stand-ins already. */
	const bool fresh = o->stand_in != CATS_STAND_IN_ZERO && keeps_all(&s->model);
	float *const arrays[] = {s->model.weights, s->m, s->v, s->average};
	const struct cats_selection selection = {
		.criterion = o->criterion,
		.share = share_at(o, s->state.epoch),
		.seed = cats_random_key(o->seed, FOR_SELECTION),
		.feed = &feed,
		.threads = o->threads,
	};
	const struct cats_stand_in_options stand_in = {.kind = o->stand_in, .feed = &feed};
	enum cats_status status = cats_select(&s->model, &selection, error);

	if (status == CATS_OK && fresh)
		status = cats_stand_in_apply(&s->model, &stand_in, error);
	if (status == CATS_OK && fresh && s->average != NULL)
		memcpy(s->average, s->model.weights, s->model.weight_count * sizeof(float));
	if (status == CATS_OK)
		status = cats_select_clear(&s->model, arrays, sizeof(arrays) / sizeof(arrays[0]), error);
	s->state.initial_loss = -1;
	s->state.bad_steps = 0;
	return status;
}

/* A permutation that depends on seed and epoch alone (Fisher-Yates). */
static void shuffle(struct cats_session *s)
{
	const uint64_t key = cats_random_key(cats_random_key(s->options->seed, FOR_ORDER), s->state.epoch);
	const uint32_t samples = (uint32_t)s->train.samples;

	for (uint32_t i = 0; i < samples; i++)
		s->order[i] = i;
	for (uint32_t i = samples; i > 1; i--) {
		const uint32_t k = cats_random_below(key, i, i);
		const uint32_t swapped = s->order[i - 1];

		s->order[i - 1] = s->order[k];
		s->order[k] = swapped;
	}
}

static uint64_t batches_of(const struct cats_session *s)
{
	return (s->train.samples + s->options->batch - 1U) / s->options->batch;
}

static enum cats_status diverged(const struct cats_session *s, const char *what, double value, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_DIVERGED,
			 "%s: training diverged in epoch %llu, step %llu (%s %g): stopped; checkpoint/ holds the last "
			 "good state; begin anew with --force and a lower --lr",
			 s->options->out, (unsigned long long)s->state.epoch + 1, (unsigned long long)s->state.step,
			 what, value);
}

static enum cats_status save_checkpoint(struct cats_session *s, struct clocks *clocks, struct cats_error *error)
{
	const double norm = cats_norm(s->model.weights, s->model.weight_count, 1);

	if (!isfinite(norm))
		return diverged(s, "norm of the weights", norm, error);
	if (s->state.bad_steps > 0)
		return CATS_OK; /* a state that may be diverging never replaces a good one */
	clocks->checkpoint = now_seconds();
	return cats_checkpoint_save(s, error);
}

/* Guessing costs log(n_out), or the targets' mean square: a loss below that needs no alarm, however good the first
 * batch was. */
static double guessing_loss(const struct cats_session *s)
{
	const size_t targets = s->train.samples * s->train.targets_per_sample;
	double squares = 0;

	if (s->train.labels != NULL)
		return log((double)s->model.config.n_out);
	if (s->train.kind == CATS_DATASET_SERIES)
		return 1; /* the variance of what is standardised */
	for (size_t i = 0; i < targets; i++)
		squares += (double)s->train.targets[i] * (double)s->train.targets[i];
	return squares / (double)targets;
}

static double alarm_loss(const struct cats_session *s)
{
	return DIVERGED_FACTOR * (s->state.initial_loss > s->guess ? s->state.initial_loss : s->guess);
}

static enum cats_status watch(struct cats_session *s, double loss, double norm, struct cats_error *error)
{
	if (!isfinite(loss))
		return diverged(s, "loss", loss, error);
	if (!isfinite(norm))
		return diverged(s, "norm of the gradient", norm, error);
	if (s->state.initial_loss < 0)
		s->state.initial_loss = loss;
	s->state.bad_steps = loss > alarm_loss(s) ? s->state.bad_steps + 1 : 0;
	if (s->state.bad_steps >= DIVERGED_STEPS)
		return diverged(s, "loss", loss, error);
	return CATS_OK;
}

static struct cats_schedule schedule_of(const struct cats_session *s)
{
	const double batches = (double)batches_of(s);

	return (struct cats_schedule){
		.peak = s->options->rate,
		.floor_share = s->options->rate_floor,
		.warmup_steps = (uint64_t)(s->options->warmup_epochs * batches + 0.5),
		.steps = (uint64_t)batches * s->options->epochs,
	};
}

static enum cats_status train_batch(struct cats_session *s, struct cats_error *error)
{
	const struct cats_train_options *o = s->options;
	const struct cats_schedule schedule = schedule_of(s);
	const int threads = (int)cats_engine_threads(s->engine);
	const size_t first = (size_t)s->state.batch * o->batch;
	const size_t left = s->train.samples - first;
	const struct cats_feed feed = train_feed(s);
	const struct cats_engine_job job = {
		.feed = &feed,
		.samples = s->order + first,
		.count = left < o->batch ? left : o->batch,
		.key = cats_random_key(cats_random_key(o->seed, FOR_BATCHES), s->state.epoch),
		.dropout = o->dropout,
		.label_smoothing = o->label_smoothing,
	};
	struct cats_engine_result result;

	cats_engine_run(s->engine, &result, s->gradient, s->model.weights, &job);

	const double norm = cats_norm(s->gradient, s->model.weight_count, threads);
	const enum cats_status status = watch(s, result.loss, norm, error);

	if (status < 0)
		return status;
	s->state.step++;
	cats_adamw_step(&s->model, s->m, s->v, s->gradient, norm, &o->adamw,
			cats_schedule_rate(&schedule, s->state.step), s->state.step, threads);
	if (s->average != NULL) {
		/* Early on, the average forgets the random start faster. */
		const double early = (1.0 + (double)s->state.step) / (10.0 + (double)s->state.step);

		cats_average(s->average, s->model.weights, s->model.weight_count,
			     early < o->average ? early : o->average, threads);
	}
	s->state.batch++;
	s->state.epoch_loss += result.loss * (double)job.count;
	s->state.epoch_samples += job.count;
	return CATS_OK;
}

static void report(struct cats_session *s, struct clocks *clocks, const struct cats_evaluation *validation, bool best)
{
	const struct cats_schedule schedule = schedule_of(s);
	const double now = now_seconds();

	s->state.seconds += now - clocks->last;
	clocks->last = now;
	if (s->options->report == NULL)
		return;

	struct cats_train_progress progress = {
		.epoch = (uint32_t)s->state.epoch + 1U,
		.epochs = s->options->epochs,
		.batch = s->state.batch,
		.batches = batches_of(s),
		.rate = cats_schedule_rate(&schedule, s->state.step),
		.train_loss = s->state.epoch_loss / (double)s->state.epoch_samples,
		.seconds = s->state.seconds,
		.samples_per_second = (double)clocks->samples / (now - clocks->begun),
		.epoch_done = validation != NULL,
		.best = best,
	};

	if (validation != NULL) {
		progress.val_loss = validation->loss;
		progress.val_metric = validation->value;
	}
	s->options->report(s->options->context, &progress);
}

static enum cats_status evaluate(struct cats_evaluation *out, struct cats_session *s, const float *weights,
				 const struct cats_dataset *data, struct cats_error *error)
{
	const struct cats_evaluation_options options = {.stop = s->options->stop};

	return cats_evaluate_on(out, s->engine, &s->model, weights, data, &options, error);
}

static bool improves(const struct cats_train_state *state, const struct cats_evaluation *validation)
{
	const bool higher_is_better = validation->metric[0] == 'a';

	if (!state->has_best)
		return true;
	if (validation->value == state->best_value)
		return validation->loss < state->best_loss;
	return higher_is_better == (validation->value > state->best_value);
}

/* Validation, the best weights, a line of the curve; then the next epoch is the one in progress. */
static enum cats_status finish_epoch(struct cats_session *s, struct clocks *clocks, struct cats_error *error)
{
	struct cats_train_state *state = &s->state;
	const struct cats_schedule schedule = schedule_of(s);
	float *weights = s->average != NULL ? s->average : s->model.weights;
	const double mean = state->epoch_loss / (double)state->epoch_samples;
	struct cats_evaluation validation;
	char text[256];
	enum cats_status status;

	/* DIVERGED_STEPS may be more than a short training has. */
	if (state->bad_steps > 0 && mean > alarm_loss(s))
		return diverged(s, "mean loss", mean, error);
	status = evaluate(&validation, s, weights, &s->val, error);

	if (status < 0)
		return status;
	/* Before the keep lists have their final size, no model is a candidate. */
	if (!isfinite(validation.loss))
		return diverged(s, "loss on validation samples", validation.loss, error);
	const bool candidate = s->options->keep == 0 || state->epoch >= s->options->keep_epochs;
	const bool best = candidate && (s->options->keep_last || improves(state, &validation));

	if (best) {
		memcpy(s->best, weights, s->model.weight_count * sizeof(float));
		state->has_best = true;
		state->best_epoch = state->epoch + 1;
		state->best_value = validation.value;
		state->best_loss = validation.loss;
	}
	state->last_loss = mean;
	report(s, clocks, &validation, best);
	snprintf(text, sizeof(text), "%llu,%llu,%.8g,%.8g,%.8g,%.8g,%.1f\n", (unsigned long long)state->epoch + 1,
		 (unsigned long long)state->step, cats_schedule_rate(&schedule, state->step), state->last_loss,
		 validation.loss, validation.value, state->seconds);
	status = cats_session_curve(s, text, error);
	if (status < 0)
		return status;
	snprintf(text, sizeof(text), "%s/curve.csv", s->options->out);
	state->epoch++;
	state->batch = 0;
	state->epoch_loss = 0;
	state->epoch_samples = 0;
	status = cats_file_write(text, s->curve, strlen(s->curve), error);
	return status == CATS_OK ? save_checkpoint(s, clocks, error) : status;
}

static bool stopped(const struct cats_session *s)
{
	return s->options->stop != NULL && *s->options->stop != 0;
}

static enum cats_status train_epoch(struct cats_session *s, struct clocks *clocks, struct cats_error *error)
{
	const double interval = s->options->checkpoint_seconds > 0 ? s->options->checkpoint_seconds : 60;
	enum cats_status status = CATS_OK;

	if (s->state.batch == 0 && s->options->keep > 0 && s->state.epoch <= s->options->keep_epochs) {
		status = select_columns(s, error);
		cats_engine_free(s->engine);
		s->engine = NULL;
	}
	if (status == CATS_OK && s->engine == NULL)
		status = make_engine(s, error);
	if (status == CATS_OK && s->state.step == 0)
		status = save_checkpoint(s, clocks, error);
	shuffle(s);
	while (status == CATS_OK && s->state.batch < batches_of(s) && !stopped(s)) {
		const uint64_t before = s->state.epoch_samples;

		status = train_batch(s, error);
		if (status < 0)
			break;
		clocks->samples += s->state.epoch_samples - before;
		report(s, clocks, NULL, false);
		if (now_seconds() - clocks->checkpoint > interval)
			status = save_checkpoint(s, clocks, error);
	}
	return status;
}

static enum cats_status interrupted(struct cats_session *s, struct clocks *clocks, struct cats_error *error)
{
	const bool saves = s->state.bad_steps == 0;
	const enum cats_status status = save_checkpoint(s, clocks, error);

	if (status < 0)
		return status;
	return cats_fail(error, CATS_ERR_INTERRUPTED,
			 "%s: interrupted in epoch %llu after batch %llu: %s; the same command with --resume continues",
			 s->options->out, (unsigned long long)s->state.epoch + 1, (unsigned long long)s->state.batch,
			 saves ? "what was done is saved" : "the loss was far up, so an earlier checkpoint is kept");
}

static enum cats_status finish(struct cats_train_result *result, struct cats_session *s, struct cats_error *error)
{
	struct cats_evaluation validation;
	struct cats_evaluation test = {0};
	struct cats_model model = s->model;
	enum cats_status status = s->engine == NULL ? make_engine(s, error) : CATS_OK;

	model.weights = s->best;
	if (status == CATS_OK)
		status = evaluate(&validation, s, s->best, &s->val, error);
	if (status == CATS_OK && s->has_test)
		status = evaluate(&test, s, s->best, &s->test, error);
	if (status < 0)
		return status;
	*result = (struct cats_train_result){
		.epochs = s->options->epochs,
		.best_epoch = (uint32_t)s->state.best_epoch,
		.train_loss = s->state.last_loss,
		.val_value = validation.value,
		.val_loss = validation.loss,
		.val_last = validation.last,
		.has_test = s->has_test,
		.test_value = test.value,
		.test_loss = test.loss,
		.test_last = test.last,
		.seconds = s->state.seconds,
	};
	snprintf(result->metric, sizeof(result->metric), "%s", validation.metric);
	status = cats_outcome_save(s, &model, result, error);
	if (status == CATS_OK)
		cats_checkpoint_remove(s->options);
	return status;
}

static enum cats_status run(struct cats_train_result *result, struct cats_session *s, struct cats_error *error)
{
	struct clocks clocks = {.begun = now_seconds()};
	enum cats_status status = CATS_OK;

	clocks.last = clocks.checkpoint = clocks.begun;
	s->guess = guessing_loss(s);
	while (status == CATS_OK && s->state.epoch < s->options->epochs) {
		status = train_epoch(s, &clocks, error);
		if (status == CATS_OK && !stopped(s))
			status = finish_epoch(s, &clocks, error);
		if (stopped(s) && (status == CATS_OK || status == CATS_ERR_INTERRUPTED))
			return interrupted(s, &clocks, error);
	}
	if (status == CATS_OK)
		status = finish(result, s, error);
	return status == CATS_ERR_INTERRUPTED ? interrupted(s, &clocks, error) : status;
}

/* Two trainings in one directory would take each other's checkpoints away. What is there is looked at again once nobody
 * else can change it. */
static enum cats_status claim(int *lock, enum cats_begin *begin, const struct cats_train_options *options,
			      struct cats_error *error)
{
	enum cats_status status = cats_directory_make(options->out, error);

	if (status == CATS_OK)
		status = cats_directory_lock(lock, options->out, error);
	return status == CATS_OK ? cats_session_begin(begin, options, error) : status;
}

enum cats_status cats_train(struct cats_train_result *result, const struct cats_train_options *options,
			    struct cats_error *error)
{
	struct cats_session session = {.options = options};
	enum cats_begin begin = CATS_BEGIN_NEW;
	int lock = -1;
	enum cats_status status = cats_train_check(options, error);

	if (status == CATS_OK)
		status = cats_session_begin(&begin, options, error);
	if (status == CATS_OK)
		status = cats_session_open(&session, options, error);
	if (status == CATS_OK && begin != CATS_BEGIN_FINISHED)
		status = claim(&lock, &begin, options, error);
	if (status == CATS_OK && begin == CATS_BEGIN_FINISHED) {
		status = cats_outcome_load(result, &session, error);
	} else if (status == CATS_OK) {
		if (begin == CATS_BEGIN_RESUME)
			status = cats_checkpoint_load(&session, error);
		if (status == CATS_OK)
			status = run(result, &session, error);
		result->resumed = begin == CATS_BEGIN_RESUME;
	}
	cats_directory_unlock(lock);
	cats_session_free(&session);
	return status;
}

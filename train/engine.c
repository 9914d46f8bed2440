/* SPDX-License-Identifier: MIT */
/* Batches on threads. See engine.h. */
#include "train/engine.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "train/objective.h"
#include "train/threads.h"

/* What a batch's key is divided into. */
enum purpose { FOR_AUGMENTATION, FOR_DROPOUT, FOR_MESSAGES };

/* One thread's own memory. */
struct worker {
	struct cats_pass *pass;
	float *input;                /* [d_in, P, chunk] */
	void *scratch;               /* of cats_feed_fill */
	float *d_output;             /* [n_out, rows, chunk] */
	uint8_t *masks;              /* [sites] masks one after the other */
	uint64_t *ids;               /* [chunk] */
	uint32_t *labels;            /* [chunk] */
	struct cats_wanted *targets; /* [chunk] */
	const uint8_t **received;    /* [sites] */
};

struct cats_engine {
	struct cats_engine_options options;
	const struct cats_config *config;
	struct cats_views *views;
	struct cats_loss_plan *messages; /* NULL: nothing is lost */
	size_t weight_count, packed_count;
	uint32_t rows, sites; /* of the output; gather sites */
	struct worker *workers;
	float *packed; /* [packed_count] */
	float *lanes;  /* [CATS_ENGINE_LANES, packed_count] */
	/* One loss and one flag a sample, so that sums can be made in the order of samples. */
	double *losses;   /* [options.batch] */
	double *lasts;    /* [options.batch] */
	uint8_t *correct; /* [options.batch] */
	size_t bytes;
};

static void *allocate(struct cats_engine *engine, size_t count, size_t size)
{
	/* At least one element, so that NULL always means out of memory. */
	void *memory = calloc(count > 0 ? count : 1U, size);

	engine->bytes += count * size;
	return memory;
}

static enum cats_status create_worker(struct cats_engine *engine, struct worker *worker, struct cats_error *error)
{
	const struct cats_config *config = engine->config;
	const uint32_t chunk = engine->options.chunk;
	const size_t outputs = (size_t)config->n_out * engine->rows;
	enum cats_status status =
		cats_pass_create(&worker->pass, engine->views, chunk, engine->options.gradients, error);

	if (status < 0)
		return status;
	engine->bytes += cats_pass_bytes(worker->pass);
	worker->input = allocate(engine, (size_t)config->d_in * config->n_patches * chunk, sizeof(float));
	worker->scratch = allocate(engine, cats_feed_scratch_bytes(config, chunk), 1);
	worker->d_output = allocate(engine, outputs * chunk, sizeof(float));
	worker->ids = allocate(engine, chunk, sizeof(uint64_t));
	worker->labels = allocate(engine, chunk, sizeof(uint32_t));
	worker->targets = allocate(engine, chunk, sizeof(struct cats_wanted));
	worker->received = allocate(engine, engine->sites, sizeof(uint8_t *));
	worker->masks = allocate(
		engine, engine->messages != NULL ? engine->sites * cats_loss_mask_bytes(engine->messages, chunk) : 0,
		1);
	if (worker->input == NULL || worker->scratch == NULL || worker->d_output == NULL || worker->ids == NULL ||
	    worker->labels == NULL || worker->targets == NULL || worker->received == NULL || worker->masks == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "training: out of memory for a thread: use fewer --threads");
	return CATS_OK;
}

static enum cats_status create_parts(struct cats_engine *engine, const struct cats_model *model,
				     struct cats_error *error)
{
	const struct cats_engine_options *options = &engine->options;
	enum cats_status status = cats_views_create(&engine->views, model, error);

	if (status < 0)
		return status;
	if (cats_loss_any(&options->loss) && model->config.devices > 1) {
		status = cats_loss_plan_create(&engine->messages, model, &options->loss, error);
		if (status < 0)
			return status;
	}
	engine->packed_count = cats_views_packed_count(engine->views);
	engine->packed = allocate(engine, engine->packed_count, sizeof(float));
	engine->lanes =
		allocate(engine, options->gradients ? CATS_ENGINE_LANES * engine->packed_count : 0, sizeof(float));
	engine->losses = allocate(engine, options->batch, sizeof(double));
	engine->lasts = allocate(engine, options->batch, sizeof(double));
	engine->correct = allocate(engine, options->batch, 1);
	engine->workers = allocate(engine, options->threads, sizeof(struct worker));
	if (engine->packed == NULL || engine->lanes == NULL || engine->losses == NULL || engine->lasts == NULL ||
	    engine->correct == NULL || engine->workers == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "training: out of memory for gradients");
	for (uint32_t t = 0; t < options->threads; t++) {
		status = create_worker(engine, &engine->workers[t], error);
		if (status < 0)
			return status;
	}
	return CATS_OK;
}

enum cats_status cats_engine_create(struct cats_engine **out, const struct cats_model *model,
				    const struct cats_engine_options *options, struct cats_error *error)
{
	struct cats_engine *engine = calloc(1, sizeof(*engine));
	enum cats_status status;

	*out = NULL;
	if (engine == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "training: out of memory");
	openblas_set_num_threads(1); /* threads are ours: each runs its own products, so that sums keep their order */
	engine->options = *options;
	if (engine->options.threads == 0)
		engine->options.threads = (uint32_t)cats_threads_available();
	if (engine->options.chunk == 0)
		engine->options.chunk = 16;
	engine->config = &model->config;
	engine->weight_count = model->weight_count;
	engine->rows = model->config.pool == CATS_POOL_NONE ? cats_config_tokens(&model->config) : 1U;
	engine->sites = cats_config_sites(&model->config);
	status = create_parts(engine, model, error);
	if (status < 0) {
		cats_engine_free(engine);
		return status;
	}
	*out = engine;
	return CATS_OK;
}

static void free_worker(struct worker *worker)
{
	cats_pass_free(worker->pass);
	free(worker->input);
	free(worker->scratch);
	free(worker->d_output);
	free(worker->masks);
	free(worker->ids);
	free(worker->labels);
	free(worker->targets);
	free(worker->received);
}

void cats_engine_free(struct cats_engine *engine)
{
	if (engine == NULL)
		return;
	for (uint32_t t = 0; engine->workers != NULL && t < engine->options.threads; t++)
		free_worker(&engine->workers[t]);
	free(engine->workers);
	free(engine->packed);
	free(engine->lanes);
	free(engine->losses);
	free(engine->lasts);
	free(engine->correct);
	cats_loss_plan_free(engine->messages);
	cats_views_free(engine->views);
	free(engine);
}

size_t cats_engine_bytes(const struct cats_engine *engine)
{
	return engine->bytes;
}

uint32_t cats_engine_threads(const struct cats_engine *engine)
{
	return engine->options.threads;
}

void cats_engine_live(const struct cats_engine *engine, uint8_t *live)
{
	cats_views_live(live, engine->views);
}

static void draw_messages(struct cats_engine *engine, struct worker *worker, const uint32_t *samples, uint32_t B,
			  uint64_t key)
{
	const size_t bytes = cats_loss_mask_bytes(engine->messages, B);

	for (uint32_t site = 0; site < engine->sites; site++) {
		uint8_t *mask = worker->masks + site * bytes;

		cats_loss_mask(mask, engine->messages, site, samples, B, key);
		worker->received[site] = mask;
	}
}

/* Losses of a chunk, and in worker->d_output their derivatives for a mean over the whole batch. */
static void measure(struct cats_engine *engine, struct worker *worker, const float *output,
		    const struct cats_engine_job *job, size_t first, uint32_t B, bool derive)
{
	const struct cats_dataset *data = job->feed->data;
	const double scale = 1.0 / (double)job->count;
	float *d_output = derive ? worker->d_output : NULL;
	double *losses = engine->losses + first;

	for (uint32_t s = 0; s < B; s++) {
		if (data->labels != NULL)
			worker->labels[s] = data->labels[job->samples[first + s]];
		else
			worker->targets[s] = cats_feed_wanted(job->feed, job->samples[first + s]);
	}
	if (data->labels != NULL)
		cats_cross_entropy(losses, engine->correct + first, d_output, output, worker->labels,
				   engine->config->n_out, B, job->label_smoothing, scale);
	else
		cats_squared_error(losses, engine->lasts + first, d_output, output, worker->targets,
				   engine->config->n_out, engine->rows, B, scale);
}

static void copy_outputs(struct cats_engine *engine, float *outputs, const float *output, uint32_t B)
{
	const size_t n_out = engine->config->n_out;
	const size_t rows = engine->rows;

	for (size_t s = 0; s < B; s++)
		for (size_t r = 0; r < rows; r++)
			for (size_t o = 0; o < n_out; o++)
				outputs[(s * rows + r) * n_out + o] = output[(o * rows + r) * B + s];
}

/* Samples first … first + B - 1 of the job; their gradient is added to lane (NULL: none). */
static void run_chunk(struct cats_engine *engine, struct worker *worker, float *lane, const struct cats_engine_job *job,
		      size_t first, uint32_t B)
{
	const uint32_t *samples = job->samples + first;
	struct cats_pass_input in = {
		.batch = B,
		.input = worker->input,
		.dropout = job->dropout,
		.dropout_key = cats_random_key(job->key, FOR_DROPOUT),
		.sample_ids = worker->ids,
	};

	for (uint32_t s = 0; s < B; s++)
		worker->ids[s] = samples[s];
	cats_feed_fill(worker->input, worker->scratch, job->feed, samples, B,
		       cats_random_key(job->key, FOR_AUGMENTATION));
	if (engine->messages != NULL && !job->lossless) {
		draw_messages(engine, worker, samples, B, cats_random_key(job->key, FOR_MESSAGES));
		in.received = worker->received;
	}
	cats_pass_forward(worker->pass, engine->packed, &in);

	const float *output = cats_pass_output(worker->pass);

	measure(engine, worker, output, job, first, B, lane != NULL);
	if (job->outputs != NULL)
		copy_outputs(engine, job->outputs + first * engine->rows * engine->config->n_out, output, B);
	if (lane != NULL)
		cats_pass_backward(worker->pass, lane, engine->packed, &in, worker->d_output);
}

/* Lane 0 becomes the sum of all lanes that hold something, added in order; elements are independent. */
static void add_lanes(struct cats_engine *engine, size_t lanes)
{
	const size_t count = engine->packed_count;
	float *restrict sum = engine->lanes;

	/* Blocks that stay in cache while the lanes pass by. */
#pragma omp parallel for num_threads((int)engine->options.threads) schedule(static)
	for (size_t first = 0; first < count; first += 4096) {
		const size_t last = first + 4096 < count ? first + 4096 : count;

		for (size_t lane = 1; lane < lanes; lane++) {
			const float *restrict add = engine->lanes + lane * count;

			for (size_t i = first; i < last; i++)
				sum[i] += add[i];
		}
	}
}

void cats_engine_run(struct cats_engine *engine, struct cats_engine_result *result, float *gradient,
		     const float *weights, const struct cats_engine_job *job)
{
	const size_t chunk = engine->options.chunk;
	const size_t chunks = (job->count + chunk - 1U) / chunk;
	const size_t lanes = chunks < CATS_ENGINE_LANES ? chunks : CATS_ENGINE_LANES;
	/* Without gradients nothing is shared, and every chunk is a unit of work of its own. */
	const size_t units = gradient != NULL ? lanes : chunks;

	*result = (struct cats_engine_result){.loss = 0};
	cats_views_pack(engine->packed, engine->views, weights);
#pragma omp parallel for num_threads((int)engine->options.threads) schedule(dynamic, 1)
	for (size_t unit = 0; unit < units; unit++) {
		struct worker *worker = &engine->workers[cats_thread_index()];
		float *lane = gradient != NULL ? engine->lanes + unit * engine->packed_count : NULL;

		if (lane != NULL)
			memset(lane, 0, engine->packed_count * sizeof(float));
		for (size_t c = unit; c < chunks; c += units) {
			const size_t left = job->count - c * chunk;

			run_chunk(engine, worker, lane, job, c * chunk, (uint32_t)(left < chunk ? left : chunk));
		}
	}
	for (size_t s = 0; s < job->count; s++) {
		result->loss += engine->losses[s];
		result->correct += engine->correct[s];
		result->last += engine->lasts[s];
	}
	result->loss /= (double)job->count;
	result->last /= (double)job->count;
	if (gradient != NULL) {
		add_lanes(engine, lanes);
		memset(gradient, 0, engine->weight_count * sizeof(float));
		cats_views_unpack_add(gradient, engine->views, engine->lanes);
	}
}

/* SPDX-License-Identifier: MIT */
/* The optimiser. See optimiser.h. */
#include "train/optimiser.h"

#include <math.h>
#include <stdlib.h>

/* Elements that one thread takes at a time; sums of blocks are added in block order, whoever made them. */
#define BLOCK 4096U

double cats_schedule_rate(const struct cats_schedule *schedule, uint64_t step)
{
	const double pi = 3.14159265358979323846;
	const double floor = schedule->peak * schedule->floor_share;

	if (step < schedule->warmup_steps)
		return schedule->peak * (double)step / (double)schedule->warmup_steps;
	if (step >= schedule->steps)
		return floor;
	const double done =
		(double)(step - schedule->warmup_steps) / (double)(schedule->steps - schedule->warmup_steps);

	return floor + (schedule->peak - floor) * 0.5 * (1.0 + cos(pi * done));
}

/* Eight partial sums, so that the loop vectorises without reordering anything. */
static double block_squares(const float *values, size_t count)
{
	double sums[8] = {0};
	size_t i = 0;

	for (; i + 8 <= count; i += 8)
		for (size_t k = 0; k < 8; k++)
			sums[k] += (double)values[i + k] * (double)values[i + k];
	for (; i < count; i++)
		sums[0] += (double)values[i] * (double)values[i];
	return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

double cats_norm(const float *values, size_t count, int threads)
{
	/* 64 runs of whole blocks; a run's sum does not depend on who computes it. */
	enum { RUNS = 64 };
	double runs[RUNS] = {0};
	const size_t blocks = (count + BLOCK - 1U) / BLOCK;
	double sum = 0;

	(void)threads; /* unused without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static)
	for (int run = 0; run < RUNS; run++) {
		for (size_t block = (size_t)run; block < blocks; block += RUNS) {
			const size_t first = block * BLOCK;

			runs[run] += block_squares(values + first, count - first < BLOCK ? count - first : BLOCK);
		}
	}
	for (int run = 0; run < RUNS; run++)
		sum += runs[run];
	return sqrt(sum);
}

struct update {
	float scale; /* of the gradient, from clipping */
	float beta1, beta2;
	float rate;    /* over the first moment's bias correction */
	float root;    /* 1 / sqrt of the second moment's bias correction */
	float epsilon; /* added to the root of the second moment */
	float keep;    /* 1 - rate * decay */
};

static void update_block(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t count,
			 const struct update *u)
{
	const struct update c = *u;

	for (size_t i = 0; i < count; i++) {
		const float gradient = g[i] * c.scale;
		const float first = c.beta1 * m[i] + (1.0F - c.beta1) * gradient;
		const float second = c.beta2 * v[i] + (1.0F - c.beta2) * gradient * gradient;

		m[i] = first;
		v[i] = second;
		w[i] = w[i] * c.keep - c.rate * first / (sqrtf(second) * c.root + c.epsilon);
	}
}

static bool decays(const struct cats_model *model, uint32_t tensor)
{
	return !model->tensors[tensor].vector && tensor != model->pos && tensor != model->cls;
}

void cats_adamw_step(struct cats_model *model, float *m, float *v, const float *gradient, double gradient_norm,
		     const struct cats_adamw *options, double rate, uint64_t step, int threads)
{
	const double beta1 = options->beta1 > 0 ? options->beta1 : 0.9;
	const double beta2 = options->beta2 > 0 ? options->beta2 : 0.999;
	const bool clips = options->clip > 0 && gradient_norm > options->clip;
	const struct update update = {
		.scale = (float)(clips ? options->clip / gradient_norm : 1.0),
		.beta1 = (float)beta1,
		.beta2 = (float)beta2,
		.rate = (float)(rate / (1.0 - pow(beta1, (double)step))),
		.root = (float)(1.0 / sqrt(1.0 - pow(beta2, (double)step))),
		.epsilon = (float)(options->epsilon > 0 ? options->epsilon : 1e-8),
		.keep = (float)(1.0 - rate * options->weight_decay),
	};

	(void)threads; /* unused without OpenMP */
	/* One region for all tensors: their blocks are independent, and nobody has to wait in between. */
#pragma omp parallel num_threads(threads)
	for (uint32_t t = 0; t < model->tensor_count; t++) {
		const struct cats_weight *tensor = &model->tensors[t];
		const size_t count = (size_t)tensor->rows * tensor->columns;
		struct update of_tensor = update;

		if (!decays(model, t))
			of_tensor.keep = 1.0F;
#pragma omp for schedule(static) nowait
		for (size_t first = 0; first < count; first += BLOCK) {
			const size_t at = tensor->offset + first;

			update_block(model->weights + at, m + at, v + at, gradient + at,
				     count - first < BLOCK ? count - first : BLOCK, &of_tensor);
		}
	}
}

void cats_average(float *average, const float *weights, size_t count, double decay, int threads)
{
	const float share = (float)(1.0 - decay);

	(void)threads; /* unused without OpenMP */
#pragma omp parallel for num_threads(threads) schedule(static)
	for (size_t first = 0; first < count; first += BLOCK) {
		const size_t last = count - first < BLOCK ? count : first + BLOCK;

		for (size_t i = first; i < last; i++)
			average[i] += share * (weights[i] - average[i]);
	}
}

/* SPDX-License-Identifier: MIT */
/* AdamW with decoupled decay, clipping by the global norm, and the learning rate's schedule. Knows tensors and
 * gradients, nothing of how they came about. */
#ifndef CATS_TRAIN_OPTIMISER_H
#define CATS_TRAIN_OPTIMISER_H

#include "model/model.h"

struct cats_adamw {
	double beta1, beta2, epsilon; /* 0 means 0.9, 0.999, 1e-8 */
	double weight_decay;
	double clip; /* largest norm of the whole gradient; 0 = none */
};

/* Learning rate at a step: linear from 0 over the warm-up (reaching `peak` at step = warmup_steps), then a cosine
 * down to floor_share * peak at `steps` (Loshchilov & Hutter 2017). step counts from 1. */
struct cats_schedule {
	double peak, floor_share;
	uint64_t warmup_steps, steps;
};
double cats_schedule_rate(const struct cats_schedule *schedule, uint64_t step);

/* sqrt of the sum of squares, in double, in an order that does not depend on threads; not finite if any value isn't. */
double cats_norm(const float *values, size_t count, int threads);

/* One step on model->weights: moments m and v as the gradient; step counts from 1. Linear weights decay, vectors
 * (biases, gains), pos and cls do not. gradient_norm as from cats_norm. A weight whose gradient has always been 0
 * and that is 0 stays 0. */
void cats_adamw_step(struct cats_model *model, float *m, float *v, const float *gradient, double gradient_norm,
		     const struct cats_adamw *options, double rate, uint64_t step, int threads);

/* average += (1 - decay) * (weights - average) */
void cats_average(float *average, const float *weights, size_t count, double decay, int threads);

#endif

/* SPDX-License-Identifier: MIT */
/* Small float models with an input, receipts and the integer model made from them: from the golden vectors, or made up
 * from a seed. */
#ifndef CATS_TESTS_PLAN_FIXTURE_H
#define CATS_TESTS_PLAN_FIXTURE_H

#include "plan/quantise.h"
#include "plan/reference.h"

/* Owned memory; free with fixture_free. */
struct fixture {
	struct cats_model model;
	float *patches;           /* [P, d_in] */
	float *expected;          /* the golden vector's output, or NULL */
	uint8_t **received;       /* [sites on air] -> [D, D, tokens], also of input and out */
	uint8_t **float_received; /* [float sites] -> [D, D, T]: the same for the observer */
	struct cats_calibration calibration;
	struct cats_integer integer;
	int8_t *input;
};

/* The golden vector in that file. Nothing is lost at `input` and `out`. Fails the test on any error. */
void fixture_open(struct fixture *f, const char *path);

/* Weights, input, keep lists (each column kept with probability `keep`) and receipts (each token of each message lost
 * with probability `loss`, at all sites) from a seed. The config may be of an image. */
void fixture_make(struct fixture *f, const struct cats_config *config, double keep, double loss, uint64_t seed);

void fixture_free(struct fixture *f);

/* Runs the reference on D devices; `lossy` uses the receipts (D must be the config's then). */
void fixture_reference(struct cats_trace *trace, const struct fixture *f, uint32_t D, bool lossy);

/* Values in the result. */
size_t fixture_results(const struct fixture *f);

bool fixture_keeps_all(const struct fixture *f);

/* Whether all sites, residuals and logits are equal. */
bool fixture_same(const struct cats_trace *a, const struct cats_trace *b, const struct cats_config *c);

#endif

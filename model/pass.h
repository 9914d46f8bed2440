/* SPDX-License-Identifier: MIT */
/* The float model, forward and backward, as D devices compute it: each device multiplies only the columns that are
 * available to it. One pass works on a chunk of B samples; passes share nothing, so threads run one each. Host only. */
#ifndef CATS_MODEL_PASS_H
#define CATS_MODEL_PASS_H

#include "model/model.h"
#include "model/real.h"

#define cats_views_create CATS_REAL_NAME(cats_views_create)
#define cats_views_free CATS_REAL_NAME(cats_views_free)
#define cats_views_packed_count CATS_REAL_NAME(cats_views_packed_count)
#define cats_views_pack CATS_REAL_NAME(cats_views_pack)
#define cats_views_unpack_add CATS_REAL_NAME(cats_views_unpack_add)
#define cats_views_live CATS_REAL_NAME(cats_views_live)
#define cats_pass_create CATS_REAL_NAME(cats_pass_create)
#define cats_pass_free CATS_REAL_NAME(cats_pass_free)
#define cats_pass_bytes CATS_REAL_NAME(cats_pass_bytes)
#define cats_pass_forward CATS_REAL_NAME(cats_pass_forward)
#define cats_pass_output CATS_REAL_NAME(cats_pass_output)
#define cats_pass_backward CATS_REAL_NAME(cats_pass_backward)
#define cats_pass_trace CATS_REAL_NAME(cats_pass_trace)
#define cats_pass_add_inputs CATS_REAL_NAME(cats_pass_add_inputs)

/* How a model is seen by each of its config.devices devices: available columns per site, and the packed order of the
 * weights that devices hold. Immutable once created; shared by threads. Independent of the weights' values. */
struct cats_views;

CATS_MUST_CHECK enum cats_status cats_views_create(struct cats_views **out, const struct cats_model *model,
						   struct cats_error *error);
void cats_views_free(struct cats_views *views);

/* Packed weights: every device's matrices, cut to its rows and available columns. Replicated entries (gains and
 * biases of norms) appear once a device. */
size_t cats_views_packed_count(const struct cats_views *views);
void cats_views_pack(cats_real *packed, const struct cats_views *views, const cats_real *weights);
/* gradient[weight_count] += the sum over devices of packed gradients. */
void cats_views_unpack_add(cats_real *gradient, const struct cats_views *views, const cats_real *packed);
/* live[weight_count] = 1 where some device holds the weight, 0 where no device can ever use it. */
void cats_views_live(uint8_t *live, const struct cats_views *views);

/* Workspace for up to max_batch samples; `keep_for_backward` also stores what the backward pass needs. */
struct cats_pass;
CATS_MUST_CHECK enum cats_status cats_pass_create(struct cats_pass **out, const struct cats_views *views,
						  uint32_t max_batch, bool keep_for_backward, struct cats_error *error);
void cats_pass_free(struct cats_pass *pass);
size_t cats_pass_bytes(const struct cats_pass *pass); /* what it has allocated */

/* Samples are the innermost dimension everywhere: element (…, sample) of an array [a, b, B] is at (i·b + j)·B + sample.
 */
struct cats_pass_input {
	uint32_t batch;         /* B, 1 … max_batch */
	const cats_real *input; /* [d_in, P, B] */
	/* received[site] is NULL (all received) or [D sender, D receiver, tokens, B] bytes of 0 or 1, where tokens is T
	 * for every site (rows that do not travel are ignored). The diagonal is ignored. `received` itself may be NULL.
	 */
	const uint8_t *const *received;
	double dropout; /* probability, applied to the output of embedding, o and down (inverted dropout); 0 = off */
	uint64_t dropout_key;       /* sample s draws from cats_random_key(dropout_key, sample_ids[s]) */
	const uint64_t *sample_ids; /* [B], needed when dropout > 0 */
	bool all_rows;              /* also compute rows that class-token pooling does not need, and keep traces */
};

/* Computes the outputs, kept in the pass until the next call. `packed` from cats_views_pack. */
void cats_pass_forward(struct cats_pass *pass, const cats_real *packed, const struct cats_pass_input *in);

/* [n_out, rows, B], rows = 1, or T for pool none. Valid until the next forward. */
const cats_real *cats_pass_output(const struct cats_pass *pass);

/* packed_gradient += d loss / d packed, given d_output (shape of the output) for the samples of the last forward,
 * which must have been made with keep_for_backward. `packed` and `in` as in that call. */
void cats_pass_backward(struct cats_pass *pass, cats_real *packed_gradient, const cats_real *packed,
			const struct cats_pass_input *in, const cats_real *d_output);

/* sums[columns of the site] += share times, over the samples of the last forward, the mean over the site's tokens of
 * what its readers multiply (normalised where the site is). Of views for one device, without messages lost; needs
 * keep_for_backward. `packed` as in that call. */
void cats_pass_add_inputs(double *sums, const struct cats_pass *pass, const cats_real *packed, uint32_t site,
			  double share);

/* The residual stream [F, T, B] after the embedding (layer 0) or after layer n (n = 1 … n_layers). Needs
 * keep_for_backward and all_rows. */
const cats_real *cats_pass_trace(const struct cats_pass *pass, uint32_t layer);

#endif

/* SPDX-License-Identifier: MIT */
/* The plain reference of the integer arithmetic: section 1 of docs/SPEC-integer.md written down line by line, slow and
 * obvious, for any number of devices, keep lists and receipts. Shares no code with core/'s kernels and knows neither
 * shards nor packets. Host only. */
#ifndef CATS_PLAN_REFERENCE_H
#define CATS_PLAN_REFERENCE_H

#include "plan/integer.h"

/* What one inference is given. */
struct cats_reference_input {
	const int8_t *input; /* [rows, columns] of cats_input_shape_of */
	uint32_t devices;    /* D; must be the config's where a keep list is below "all". Device 0 is source and sink */
	/* received[site] is NULL (all received) or [D sender, D receiver, tokens of the site] of 0 or 1; sites as on
	 * air. The diagonal is ignored. `received` itself may be NULL. */
	const uint8_t *const *received;
};

/* What one inference gives: each value from the device that owns its column. Owned memory. */
struct cats_trace {
	int8_t **sites;     /* [2 + 4 L]: input, gathers … head_in; each [tokens, columns of the site] */
	int16_t *residual;  /* [2 L + 1, T, F]: after the embedding, after each attention, after each feed-forward */
	int32_t *logits;    /* [rows, n_out], rows as in `out` */
	uint8_t *arrived;   /* [rows, n_out]: 1 where the sink has the logit */
	uint64_t saturated; /* values that a site's clamp changed, own columns, all sites but `input` */
	uint32_t site_count;
};

CATS_MUST_CHECK enum cats_status cats_trace_create(struct cats_trace *out, const struct cats_integer *m,
						   struct cats_error *error);
void cats_trace_free(struct cats_trace *trace);

/* Runs one inference. Errors: out of memory. Rows that class-token pooling leaves out keep the residual that they had.
 */
CATS_MUST_CHECK enum cats_status cats_reference_run(struct cats_trace *out, const struct cats_integer *m,
						    const struct cats_reference_input *in, struct cats_error *error);

/* The largest logit of a row that arrived, the lowest index among equals; -1 when none did. */
int32_t cats_trace_class(const struct cats_trace *trace, const struct cats_integer *m, uint32_t row);

#endif

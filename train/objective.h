/* SPDX-License-Identifier: MIT */
/* What training minimises: cross-entropy of labels or squared error of targets, on the outputs of a chunk. */
#ifndef CATS_TRAIN_OBJECTIVE_H
#define CATS_TRAIN_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* output and d_output [n_out, rows, B] as in model/pass.h. For each of B samples: loss[s], and correct[s] = 1 when the
 * label has the largest output. d_output (NULL: not wanted) = scale * d loss / d output. */

/* rows = 1; labels[B] < n_out. With smoothing e the wanted distribution is 1 - e + e / n_out at the label and e / n_out
 * elsewhere (Szegedy et al. 2016). */
void cats_cross_entropy(double *loss, uint8_t *correct, float *d_output, const float *output, const uint32_t *labels,
			uint32_t n_out, uint32_t B, double smoothing, double scale);

/* targets[s] points at [rows, n_out]; the loss is the mean over rows and columns. correct is 0. */
void cats_squared_error(double *loss, uint8_t *correct, float *d_output, const float *output,
			const float *const *targets, uint32_t n_out, uint32_t rows, uint32_t B, double scale);

#endif

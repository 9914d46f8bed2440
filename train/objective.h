/* SPDX-License-Identifier: MIT */
/* What training minimises: cross-entropy of labels or squared error of targets, on the outputs of a chunk. */
#ifndef CATS_TRAIN_OBJECTIVE_H
#define CATS_TRAIN_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* output and d_output [n_out, rows, B] as in model/pass.h. For each of B samples: loss[s].
 * d_output (NULL: not wanted) = scale * d loss / d output. */

/* rows = 1; labels[B] < n_out. correct[s] = 1 when the label has the largest output. With smoothing e the wanted
 * distribution is 1 - e + e / n_out at the label and e / n_out elsewhere (Szegedy et al. 2016). */
void cats_cross_entropy(double *loss, uint8_t *correct, float *d_output, const float *output, const uint32_t *labels,
			uint32_t n_out, uint32_t B, double smoothing, double scale);

/* What one sample should give: row r of the output, times deviation plus mean, is wanted to be n_out values from
 * values[r * stride] on. */
struct cats_wanted {
	const float *values;
	size_t stride;
	float mean, deviation;
};

/* targets[B]. loss[s] is the mean over rows and columns, last[s] that of the last row alone. */
void cats_squared_error(double *loss, double *last, float *d_output, const float *output,
			const struct cats_wanted *targets, uint32_t n_out, uint32_t rows, uint32_t B, double scale);

#endif

/* SPDX-License-Identifier: MIT */
/* Losses and their derivatives. See objective.h. */
#include "train/objective.h"

#include <math.h>

static uint32_t largest(const float *output, uint32_t n_out, uint32_t B)
{
	uint32_t best = 0;

	for (uint32_t o = 1; o < n_out; o++)
		if (output[(size_t)o * B] > output[(size_t)best * B])
			best = o;
	return best;
}

/* In double: the sums are short, and log(sum) of a confident sample loses its digits in float. */
void cats_cross_entropy(double *loss, uint8_t *correct, float *d_output, const float *output, const uint32_t *labels,
			uint32_t n_out, uint32_t B, double smoothing, double scale)
{
	const double elsewhere = smoothing / n_out;

	for (uint32_t s = 0; s < B; s++) {
		const float *z = output + s;
		const uint32_t best = largest(z, n_out, B);
		const double top = z[(size_t)best * B];
		double sum = 0;
		double wanted = (1.0 - smoothing) * z[(size_t)labels[s] * B];

		for (uint32_t o = 0; o < n_out; o++) {
			sum += exp(z[(size_t)o * B] - top);
			wanted += elsewhere * z[(size_t)o * B];
		}
		loss[s] = top + log(sum) - wanted;
		correct[s] = best == labels[s];
		for (uint32_t o = 0; d_output != NULL && o < n_out; o++) {
			const double target = elsewhere + (o == labels[s] ? 1.0 - smoothing : 0.0);

			d_output[(size_t)o * B + s] = (float)(scale * (exp(z[(size_t)o * B] - top) / sum - target));
		}
	}
}

/* Element (o, r) of all samples: their squared differences are added to sum[B]. */
static void add_squares(double *sum, float *d_output, const float *output, const struct cats_wanted *targets, size_t o,
			size_t r, uint32_t B, double scale)
{
	for (uint32_t s = 0; s < B; s++) {
		const struct cats_wanted *t = &targets[s];
		const double difference = (double)output[s] * (double)t->deviation + (double)t->mean -
					  (double)t->values[r * t->stride + o];

		sum[s] += difference * difference;
		if (d_output != NULL)
			d_output[s] = (float)(scale * 2.0 * (double)t->deviation * difference);
	}
}

void cats_squared_error(double *loss, double *last, float *d_output, const float *output,
			const struct cats_wanted *targets, uint32_t n_out, uint32_t rows, uint32_t B, double scale)
{
	const double mean = 1.0 / ((double)n_out * rows);

	for (uint32_t s = 0; s < B; s++)
		loss[s] = last[s] = 0;
	for (size_t o = 0; o < n_out; o++)
		for (size_t r = 0; r < rows; r++) {
			const size_t at = (o * rows + r) * B;

			add_squares(r + 1U == rows ? last : loss, d_output != NULL ? d_output + at : NULL, output + at,
				    targets, o, r, B, scale * mean);
		}
	for (uint32_t s = 0; s < B; s++) {
		loss[s] = (loss[s] + last[s]) * mean;
		last[s] /= n_out;
	}
}

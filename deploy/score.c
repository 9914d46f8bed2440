/* SPDX-License-Identifier: MIT */
/* Scores. See score.h. */
#include "deploy/score.h"

struct shape {
	uint32_t rows, columns;
};

static struct shape shape_of(const struct cats_integer *m)
{
	const uint32_t out_site = cats_integer_sites(&m->config) - 1U;

	return (struct shape){cats_integer_site_tokens(&m->config, out_site), m->config.n_out};
}

const char *cats_score_metric(const struct cats_dataset *data)
{
	return data->labels != NULL ? "accuracy" : "mse";
}

uint32_t cats_score_results(const struct cats_integer *m)
{
	const struct shape shape = shape_of(m);

	return shape.rows * shape.columns;
}

static void squared_error(struct cats_score *score, const struct cats_node *sink, const struct shape *shape,
			  const struct cats_wanted *wanted, double scale)
{
	double sum = 0;

	for (uint32_t row = 0; row < shape->rows; row++) {
		score->last = 0;
		for (uint32_t column = 0; column < shape->columns; column++) {
			int32_t value;

			if (cats_node_result(&value, sink, row, column) != 1)
				score->missing++;
			const double error = value * scale + (double)wanted->mean -
					     (double)wanted->values[row * wanted->stride + column];

			score->last += error * error;
		}
		sum += score->last;
	}
	score->value = sum / ((double)shape->rows * shape->columns);
	score->last /= shape->columns;
}

static void hit(struct cats_score *score, const struct cats_node *sink, uint32_t classes, uint32_t label)
{
	for (uint32_t column = 0; column < classes; column++) {
		int32_t value;

		if (cats_node_result(&value, sink, 0, column) != 1)
			score->missing++;
	}
	score->value = cats_node_class(sink) == (int)label ? 1 : 0;
}

struct cats_score cats_score(const struct cats_node *sink, const struct cats_integer *m,
			     const struct cats_samples *samples, uint32_t sample)
{
	const struct shape shape = shape_of(m);
	struct cats_score score = {0};

	if (samples->feed.data->labels != NULL) {
		hit(&score, sink, shape.columns, samples->feed.data->labels[sample]);
	} else {
		const struct cats_wanted wanted = cats_feed_wanted(&samples->feed, sample);

		squared_error(&score, sink, &shape, &wanted, *m->scale_result * (double)wanted.deviation);
		if (m->config.pool != CATS_POOL_NONE)
			score.last = 0;
	}
	return score;
}

/* SPDX-License-Identifier: MIT */
/* Random integer models. See shapes.h. */
#include "bench/m4/shapes.h"

#include <math.h>
#include <string.h>

#include "core/random.h"

/* Where values should lie: int8 activations about ACTIVATION, the residual about RESIDUAL. */
#define ACTIVATION 40.0
#define RESIDUAL 3000.0
#define SEED 4U

struct draw {
	uint64_t key, next;
};

/* -most … most */
static int32_t draw(struct draw *d, int32_t most)
{
	return (int32_t)cats_random_below(d->key, d->next++, 2U * (uint32_t)most + 1U) - most;
}

/* A real multiplier of a·2^shift as section 1.1 stores it. */
static int32_t multiplier(double real, int shift)
{
	const double m = floor(ldexp(real, 32 - shift) + 0.5);

	return m < 1 ? 1 : m > 2147483647.0 ? INT32_MAX : (int32_t)m;
}

/* Weights that keep the row sums below 16,000 (section 1.12 allows 33,025); returns the accumulators' usual size for
 * activations of the usual one. */
static double fill_weights(struct cats_int_product *p, struct draw *d)
{
	const int32_t most = (int32_t)fmin(127, 16000.0 / p->columns * 2.0);

	for (size_t i = 0; i < (size_t)p->outputs * p->columns; i++)
		p->weights[i] = (int8_t)draw(d, most);
	return ACTIVATION * most / sqrt(3) * sqrt(p->columns);
}

/* embed, o, down: into the residual. */
static void fill_residual_product(struct cats_int_product *p, struct draw *d)
{
	const double usual = fill_weights(p, d);

	for (uint32_t o = 0; o < p->outputs; o++)
		p->multipliers[o] = multiplier(RESIDUAL / usual, 8);
}

/* q, k, v, up, head: rho is about 2^26 / ACTIVATION, and the result R(256·acc, R(rho, m)). */
static void fill_norm_product(struct cats_int_product *p, double result, struct draw *d)
{
	const double usual = fill_weights(p, d), rho = ldexp(1 / ACTIVATION, 26);

	for (uint32_t o = 0; o < p->outputs; o++) {
		p->multipliers[o] = multiplier(ldexp(result / usual, 24) / rho, 0);
		p->bias[o] = 256 * draw(d, (int32_t)result / 4);
	}
	for (size_t i = 0; p->beta && i < (size_t)p->outputs * p->columns; i++)
		p->beta[i] = draw(d, 256);
}

static void fill_layer(struct cats_int_layer *layer, const struct cats_config *c, struct draw *d)
{
	const double products = ACTIVATION * ACTIVATION * sqrt(c->d_model / c->n_heads);

	fill_norm_product(&layer->qkv, ACTIVATION, d);
	fill_residual_product(&layer->o, d);
	fill_norm_product(&layer->up, ACTIVATION, d);
	fill_residual_product(&layer->down, d);
	for (uint32_t h = 0; h < c->n_heads; h++) {
		layer->score[h] = multiplier(92 / products, 8); /* one nat is the usual difference */
		layer->value[h] = 1 << 19;                      /* m_v of equal scales (section 1.8) */
	}
	for (uint32_t i = 0; i < 2; i++) {
		layer->quantise[i] = multiplier(ACTIVATION / RESIDUAL, 0);
		layer->epsilon[i] = 256;
	}
}

static void fill(struct cats_integer *m)
{
	struct draw d = {.key = cats_random_key(SEED, 0)};

	fill_residual_product(&m->embed, &d);
	for (size_t i = 0; i < (size_t)m->config.n_patches * m->config.d_model; i++)
		m->pos[i] = draw(&d, (int32_t)RESIDUAL);
	for (uint32_t l = 0; l < m->config.n_layers; l++)
		fill_layer(m->layers + l, &m->config, &d);
	fill_norm_product(&m->head, 1000, &d);
	*m->scale_input = *m->scale_residual = *m->scale_result = 1;
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++)
		m->scale_site[site] = 1;
	m->head_quantise[0] = multiplier(ACTIVATION / RESIDUAL, 0);
	m->head_epsilon[0] = 256;
}

/* All that device 0 owns, and the first ones of the others. */
static void fill_keep(struct cats_integer *m, const struct m4_shape *shape)
{
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++) {
		const uint32_t columns = cats_site_columns(&m->config, site);
		const uint32_t own = cats_partition_run(columns, shape->devices, 0).count;
		const uint32_t kept = shape->columns > own && shape->columns < columns ? shape->columns : columns;

		memset(m->keep[site] + kept, 0, columns - kept);
	}
}

enum cats_status m4_shape_make(struct cats_integer *model, struct cats_cut *cut, const struct m4_shape *shape,
			       struct cats_error *error)
{
	const struct cats_config config = {
		.devices = shape->devices,
		.d_model = shape->features,
		.n_heads = shape->heads,
		.d_ff = shape->hidden,
		.n_layers = 1,
		.n_patches = shape->tokens,
		.d_in = 32,
		.n_out = 10,
		.norm_eps = 1e-5,
		.causal = shape->causal,
		.pool = CATS_POOL_MEAN,
	};
	/* Gathers wait, so that each op is counted by itself. */
	const struct cats_cut_options options = {.devices = shape->devices, .without_overlap = true};
	enum cats_status status = cats_config_check(&config, shape->name, error);

	if (status == CATS_OK)
		status = cats_integer_create(model, &config, shape->name, error);
	if (status != CATS_OK)
		return status;
	fill(model);
	if (shape->columns != 0)
		fill_keep(model, shape);
	status = cats_integer_check(model, shape->name, error);
	if (status == CATS_OK)
		status = cats_cut(cut, model, &options, 0, error);
	if (status != CATS_OK)
		cats_integer_free(model);
	return status;
}

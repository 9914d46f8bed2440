/* SPDX-License-Identifier: MIT */
/* A model in memory: the places of its weights, their first values, and what its keep lists cost. Touches no file. See
 * model.h. */
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

enum {
	BEFORE_LAYERS = 4, /* embed.weight, embed.bias, pos, cls */
	AFTER_LAYERS = 4,  /* norm.weight, norm.bias, head.weight, head.bias */
};

/* Appends one tensor; returns its index. columns = 0 says that it is a vector. */
static uint32_t append(struct cats_model *model, const char *name, uint32_t rows, uint32_t columns)
{
	struct cats_weight *tensor = &model->tensors[model->tensor_count];

	(void)snprintf(tensor->name, sizeof tensor->name, "%s", name);
	tensor->rows = rows;
	tensor->columns = columns ? columns : 1;
	tensor->vector = columns == 0;
	tensor->offset = model->weight_count;
	model->weight_count += (size_t)rows * tensor->columns;
	return model->tensor_count++;
}

static uint32_t append_in_layer(struct cats_model *model, uint32_t layer, const char *name, uint32_t rows,
				uint32_t columns)
{
	char full[sizeof model->tensors->name];

	(void)snprintf(full, sizeof full, "layers.%u.%s", layer, name);
	return append(model, full, rows, columns);
}

static void append_layer(struct cats_model *model, uint32_t layer)
{
	const uint32_t F = model->config.d_model;
	const uint32_t M = model->config.d_ff;
	const struct {
		const char *name;
		uint32_t rows, columns;
	} places[CATS_LAYER_WEIGHTS] = {
		[CATS_Q_WEIGHT] = {"attn.q.weight", F, F},      [CATS_Q_BIAS] = {"attn.q.bias", F, 0},
		[CATS_K_WEIGHT] = {"attn.k.weight", F, F},      [CATS_K_BIAS] = {"attn.k.bias", F, 0},
		[CATS_V_WEIGHT] = {"attn.v.weight", F, F},      [CATS_V_BIAS] = {"attn.v.bias", F, 0},
		[CATS_O_WEIGHT] = {"attn.o.weight", F, F},      [CATS_O_BIAS] = {"attn.o.bias", F, 0},
		[CATS_UP_WEIGHT] = {"ffn.up.weight", M, F},     [CATS_UP_BIAS] = {"ffn.up.bias", M, 0},
		[CATS_DOWN_WEIGHT] = {"ffn.down.weight", F, M}, [CATS_DOWN_BIAS] = {"ffn.down.bias", F, 0},
		[CATS_NORM1_WEIGHT] = {"norm1.weight", F, 0},   [CATS_NORM1_BIAS] = {"norm1.bias", F, 0},
		[CATS_NORM2_WEIGHT] = {"norm2.weight", F, 0},   [CATS_NORM2_BIAS] = {"norm2.bias", F, 0},
	};

	for (uint32_t i = 0; i < CATS_LAYER_WEIGHTS; i++) {
		const bool norm_bias = i == CATS_NORM1_BIAS || i == CATS_NORM2_BIAS;
		if (norm_bias && model->config.norm == CATS_NORM_RMS)
			model->layers[layer][i] = CATS_NO_WEIGHT;
		else
			model->layers[layer][i] =
				append_in_layer(model, layer, places[i].name, places[i].rows, places[i].columns);
	}
}

static void append_all(struct cats_model *model)
{
	const struct cats_config *c = &model->config;
	const uint32_t F = c->d_model;

	model->embed_weight = append(model, "embed.weight", F, c->d_in);
	model->embed_bias = append(model, "embed.bias", F, 0);
	model->pos = append(model, "pos", cats_config_tokens(c), F);
	model->cls = c->cls_token ? append(model, "cls", F, 0) : CATS_NO_WEIGHT;
	for (uint32_t layer = 0; layer < c->n_layers; layer++)
		append_layer(model, layer);
	model->norm_weight = append(model, "norm.weight", F, 0);
	model->norm_bias = c->norm == CATS_NORM_LAYER ? append(model, "norm.bias", F, 0) : CATS_NO_WEIGHT;
	model->head_weight = append(model, "head.weight", c->n_out, F);
	model->head_bias = append(model, "head.bias", c->n_out, 0);
}

/* One block for all sites' lists, owned by the first. */
static bool create_keep(struct cats_model *model)
{
	const uint32_t sites = cats_config_sites(&model->config);
	size_t columns = 0;

	for (uint32_t site = 0; site < sites; site++)
		columns += cats_site_columns(&model->config, site);
	uint8_t *all = malloc(columns);
	model->keep = calloc(sites, sizeof *model->keep);
	if (!all || !model->keep) {
		free(all);
		return false;
	}
	memset(all, 1, columns);
	for (uint32_t site = 0; site < sites; site++) {
		model->keep[site] = all;
		all += cats_site_columns(&model->config, site);
	}
	return true;
}

enum cats_status cats_model_create(struct cats_model *out, const struct cats_config *config, struct cats_error *error)
{
	const size_t tensors = BEFORE_LAYERS + (size_t)config->n_layers * CATS_LAYER_WEIGHTS + AFTER_LAYERS;

	*out = (struct cats_model){.config = *config};
	out->tensors = calloc(tensors, sizeof *out->tensors);
	out->layers = calloc(config->n_layers, sizeof *out->layers);
	bool ok = out->tensors && out->layers;
	if (ok) {
		append_all(out);
		out->weights = calloc(out->weight_count, sizeof *out->weights);
		ok = out->weights && create_keep(out);
	}
	if (!ok) {
		cats_model_free(out);
		return cats_fail(error, CATS_ERR_MEMORY, "model: no memory for %ju weights; use a smaller model",
				 (uintmax_t)cats_config_weights(config));
	}
	return CATS_OK;
}

void cats_model_free(struct cats_model *model)
{
	if (model->keep)
		free(model->keep[0]);
	free(model->keep);
	free(model->weights);
	free(model->layers);
	free(model->tensors);
	*model = (struct cats_model){0};
}

/* Draw `counter` of the standard normal distribution cut at ±2: Box and Muller (1958), again while outside. */
static double truncated_normal(uint64_t key, uint64_t counter)
{
	const uint64_t draws = cats_random_key(key, counter);

	for (uint64_t attempt = 0;; attempt += 2) {
		const double unit = 0x1p-53;
		const double u = ((double)(cats_random_u64(draws, attempt) >> 11) + 0.5) * unit; /* in (0, 1) */
		const double v = (double)(cats_random_u64(draws, attempt + 1) >> 11) * unit;
		const double z = sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
		if (fabs(z) <= 2.0)
			return z;
	}
}

static void initialise_tensor(struct cats_model *model, uint32_t index, uint64_t seed, double deviation)
{
	const struct cats_weight *tensor = &model->tensors[index];
	const size_t count = (size_t)tensor->rows * tensor->columns;
	const uint64_t key = cats_random_key(seed, index);
	float *values = model->weights + tensor->offset;

	for (size_t i = 0; i < count; i++)
		values[i] = (float)(deviation * truncated_normal(key, i));
}

static void initialise_linear(struct cats_model *model, uint32_t index, uint64_t seed, double divisor)
{
	initialise_tensor(model, index, seed, 1.0 / (sqrt(model->tensors[index].columns) * divisor));
}

static void fill_ones(struct cats_model *model, uint32_t index)
{
	const struct cats_weight *tensor = &model->tensors[index];

	for (uint32_t i = 0; i < tensor->rows; i++)
		model->weights[tensor->offset + i] = 1.0F;
}

void cats_model_initialise(struct cats_model *model, uint64_t seed)
{
	static const enum cats_layer_weight inner[] = {CATS_Q_WEIGHT, CATS_K_WEIGHT, CATS_V_WEIGHT, CATS_UP_WEIGHT};
	const double residual = sqrt(2.0 * model->config.n_layers);

	memset(model->weights, 0, model->weight_count * sizeof *model->weights);
	initialise_linear(model, model->embed_weight, seed, 1.0);
	initialise_tensor(model, model->pos, seed, 0.02);
	if (model->cls != CATS_NO_WEIGHT)
		initialise_tensor(model, model->cls, seed, 0.02);
	for (uint32_t layer = 0; layer < model->config.n_layers; layer++) {
		const uint32_t *tensors = model->layers[layer];
		for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
			initialise_linear(model, tensors[inner[i]], seed, 1.0);
		initialise_linear(model, tensors[CATS_O_WEIGHT], seed, residual);
		initialise_linear(model, tensors[CATS_DOWN_WEIGHT], seed, residual);
		fill_ones(model, tensors[CATS_NORM1_WEIGHT]);
		fill_ones(model, tensors[CATS_NORM2_WEIGHT]);
	}
	fill_ones(model, model->norm_weight);
	initialise_linear(model, model->head_weight, seed, 1.0);
}

uint32_t cats_model_kept(const struct cats_model *model, uint32_t site)
{
	const uint32_t columns = cats_site_columns(&model->config, site);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < columns; i++)
		kept += model->keep[site][i];
	return kept;
}

enum cats_status cats_model_set_devices(struct cats_model *model, uint32_t devices, const char *name,
					struct cats_error *error)
{
	struct cats_config config = model->config;
	enum cats_status status;

	if (devices == config.devices)
		return CATS_OK;
	for (uint32_t site = 0; site < cats_config_sites(&config); site++)
		if (cats_model_kept(model, site) != cats_site_columns(&config, site))
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: its keep lists belong to %u devices, not %u: use it on %u", name,
					 config.devices, devices, config.devices);
	config.devices = devices;
	status = cats_config_check(&config, name, error);
	if (status >= 0)
		model->config = config;
	return status;
}

/* Columns that device j has at a site: all of its own, and what the others keep. */
static uint64_t available(const struct cats_model *model, uint32_t site, uint32_t j)
{
	const struct cats_run own = cats_site_own(&model->config, site, model->config.devices, j);
	uint64_t columns = cats_model_kept(model, site) + own.count;

	for (uint32_t i = own.first; i < own.first + own.count; i++)
		columns -= model->keep[site][i];
	return columns;
}

/* Query-key pairs of one head when `rows` rows ask T keys. */
static uint64_t attention_pairs(const struct cats_config *c, uint64_t rows)
{
	return c->causal ? rows * (rows + 1) / 2 : rows * cats_config_tokens(c);
}

static uint64_t layer_macs(const struct cats_model *model, uint32_t layer, uint32_t j)
{
	const struct cats_config *c = &model->config;
	const uint32_t site = layer * 4;
	const uint64_t T = cats_config_tokens(c);
	const uint64_t rows = cats_site_tokens(c, site + CATS_ATTN_OUT);
	const uint64_t heads = cats_site_own(c, site + CATS_ATTN_OUT, c->devices, j).count; /* columns of own heads */
	const uint64_t features = cats_site_own(c, site + CATS_ATTN_IN, c->devices, j).count;
	const uint64_t hidden = cats_site_own(c, site + CATS_FFN_OUT, c->devices, j).count;
	const uint64_t qkv = (rows + 2 * T) * heads * available(model, site + CATS_ATTN_IN, j);
	const uint64_t scores_and_values = 2 * heads * attention_pairs(c, rows);

	return qkv + scores_and_values + rows * features * available(model, site + CATS_ATTN_OUT, j) +
	       rows * hidden * available(model, site + CATS_FFN_IN, j) +
	       rows * features * available(model, site + CATS_FFN_OUT, j);
}

uint64_t cats_model_macs(const struct cats_model *model)
{
	const struct cats_config *c = &model->config;
	const uint32_t head_in = c->n_layers * 4;
	uint64_t macs = (uint64_t)c->n_patches * c->d_model * c->d_in;

	for (uint32_t j = 0; j < c->devices; j++) {
		for (uint32_t layer = 0; layer < c->n_layers; layer++)
			macs += layer_macs(model, layer, j);
		macs += (uint64_t)cats_site_tokens(c, head_in) * cats_partition_run(c->n_out, c->devices, j).count *
			available(model, head_in, j);
	}
	return macs;
}

uint64_t cats_model_air_values(const struct cats_model *model)
{
	uint64_t values = 0;

	if (model->config.devices == 1)
		return 0;
	for (uint32_t site = 0; site < cats_config_sites(&model->config); site++)
		values += (uint64_t)cats_model_kept(model, site) * cats_site_tokens(&model->config, site);
	return values;
}

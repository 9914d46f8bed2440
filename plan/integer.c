/* SPDX-License-Identifier: MIT */
/* The integer model in memory and in its file. See integer.h. */
#include "plan/integer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "io/safetensors.h"

#define FORMAT_NAME "cats-integer"
#define FORMAT_VERSION "1"
#define FILE_LIMIT ((size_t)1 << 31)

/* One tensor of the model: what it is called in the file, its shape, and which pointer holds it. */
struct place {
	char name[CATS_TENSOR_NAME_MAX + 1];
	enum cats_dtype dtype;
	uint64_t rows, columns; /* columns 0: one-dimensional */
	void *pointer;          /* the address of a pointer of the element's type */
};

/* Does one thing to one tensor; a negative result ends the walk. */
typedef enum cats_status (*visit)(const struct place *place, void *context);

struct walk {
	visit visit;
	void *context;
	enum cats_status status;
};

static void see(struct walk *w, const char *prefix, const char *name, enum cats_dtype dtype, uint64_t rows,
		uint64_t columns, void *pointer)
{
	struct place place = {.dtype = dtype, .rows = rows, .columns = columns, .pointer = pointer};

	if (w->status < 0)
		return;
	(void)snprintf(place.name, sizeof place.name, "%s%s", prefix, name);
	w->status = w->visit(&place, w->context);
}

#define SEE(prefix, name, dtype, rows, columns, pointer) see(w, prefix, name, dtype, rows, columns, &(pointer))

static void see_product(struct walk *w, const char *prefix, const char *name, struct cats_int_product *p, bool has_beta)
{
	char path[CATS_TENSOR_NAME_MAX - 16];

	(void)snprintf(path, sizeof path, "%s%s.", prefix, name);
	SEE(path, "weight", CATS_I8, p->outputs, p->columns, p->weights);
	SEE(path, "multiplier", CATS_I32, p->outputs, 0, p->multipliers);
	SEE(path, "bias", CATS_I32, p->outputs, 0, p->bias);
	if (has_beta)
		SEE(path, "beta", CATS_I32, p->outputs, p->columns, p->beta);
}

static void see_layer(struct walk *w, struct cats_integer *m, uint32_t index)
{
	const struct cats_config *c = &m->config;
	struct cats_int_layer *layer = &m->layers[index];
	const bool beta = c->norm == CATS_NORM_LAYER;
	char prefix[32];

	(void)snprintf(prefix, sizeof prefix, "layers.%u.", index);
	see_product(w, prefix, "attn.qkv", &layer->qkv, beta);
	see_product(w, prefix, "attn.o", &layer->o, false);
	see_product(w, prefix, "ffn.up", &layer->up, beta);
	see_product(w, prefix, "ffn.down", &layer->down, false);
	SEE(prefix, "attn.score_multiplier", CATS_I32, c->n_heads, 0, layer->score);
	SEE(prefix, "attn.value_multiplier", CATS_I32, c->n_heads, 0, layer->value);
	SEE(prefix, "quantise_multiplier", CATS_I32, 2, 0, layer->quantise);
	SEE(prefix, "epsilon", CATS_I32, 2, 0, layer->epsilon);
	if (c->activation == CATS_GELU)
		SEE(prefix, "ffn.table", CATS_I8, 256, 0, layer->table);
}

/* Every tensor in the order of the file. */
static enum cats_status each_tensor(struct cats_integer *m, visit visit, void *context)
{
	const struct cats_config *c = &m->config;
	struct walk walk = {visit, context, CATS_OK}, *w = &walk;

	SEE("", "scale.input", CATS_F64, 1, 0, m->scale_input);
	SEE("", "scale.residual", CATS_F64, 1, 0, m->scale_residual);
	SEE("", "scale.result", CATS_F64, 1, 0, m->scale_result);
	SEE("", "scale.site", CATS_F64, cats_config_sites(c), 0, m->scale_site);
	SEE("", "exp_table", CATS_I32, CATS_EXP_ENTRIES, 0, m->exp_table);
	SEE("", "pos", CATS_I32, cats_config_tokens(c), c->d_model, m->pos);
	see_product(w, "", "embed", &m->embed, false);
	for (uint32_t layer = 0; layer < c->n_layers; layer++)
		see_layer(w, m, layer);
	see_product(w, "", "head", &m->head, c->norm == CATS_NORM_LAYER);
	SEE("", "head.quantise_multiplier", CATS_I32, 1, 0, m->head_quantise);
	SEE("", "head.epsilon", CATS_I32, 1, 0, m->head_epsilon);
	if (c->image.patch)
		SEE("", "input_table", CATS_I8, 256, 0, m->input_table);
	for (uint32_t site = 0; site < cats_config_sites(c); site++) {
		char name[CATS_SITE_NAME_BYTES];

		cats_site_name(name, c, site);
		SEE("keep/", name, CATS_U8, cats_site_columns(c, site), 0, m->keep[site]);
	}
	return walk.status;
}

static size_t place_count(const struct place *place)
{
	return (size_t)(place->rows * (place->columns ? place->columns : 1));
}

/* All object pointers have one representation here; their types differ, hence the copies. */
static void *get(const struct place *place)
{
	void *data;

	memcpy(&data, place->pointer, sizeof data);
	return data;
}

static void set(const struct place *place, void *data)
{
	memcpy(place->pointer, &data, sizeof data);
}

static enum cats_status allocate(const struct place *place, void *context)
{
	(void)context;
	void *data = calloc(place_count(place), cats_dtype_bytes(place->dtype));

	set(place, data);
	return data ? CATS_OK : CATS_ERR_MEMORY;
}

static enum cats_status release(const struct place *place, void *context)
{
	(void)context;
	free(get(place));
	set(place, NULL);
	return CATS_OK;
}

static void set_shapes(struct cats_integer *m)
{
	const struct cats_config *c = &m->config;
	const uint32_t F = c->d_model;

	m->embed.outputs = F;
	m->embed.columns = c->d_in;
	m->head.outputs = c->n_out;
	m->head.columns = F;
	for (uint32_t i = 0; i < c->n_layers; i++) {
		struct cats_int_layer *layer = &m->layers[i];

		layer->qkv.outputs = 3 * F;
		layer->o.outputs = layer->down.outputs = F;
		layer->up.outputs = layer->down.columns = c->d_ff;
		layer->qkv.columns = layer->o.columns = layer->up.columns = F;
	}
}

/* The bounds of section 1.12 that are the configuration's. */
static enum cats_status check_config(const struct cats_config *c, const char *name, struct cats_error *error)
{
	const struct {
		const char *field;
		uint32_t value, most;
	} limits[] = {
		{"n_patches (with the class token)", cats_config_tokens(c), CATS_TOKENS_MAX},
		{"d_model", c->d_model, CATS_FEATURES_MAX},
		{"d_in", c->d_in, CATS_FEATURES_MAX},
		{"d_ff", c->d_ff, CATS_HIDDEN_MAX},
		{"d_model / n_heads", c->d_model / c->n_heads, CATS_HEAD_WIDTH_MAX},
		{"n_out", c->n_out, CATS_FEATURES_MAX},
		{"devices", c->devices, CATS_DEVICES_MAX},
		{"image.width", c->image.width, CATS_FEATURES_MAX},
		{"image.height", c->image.height, CATS_FEATURES_MAX},
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (limits[i].value > limits[i].most)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: %s: %u, but integer inference takes at most %u; use a smaller model",
					 name, limits[i].field, limits[i].value, limits[i].most);
	return CATS_OK;
}

enum cats_status cats_integer_create(struct cats_integer *out, const struct cats_config *config, const char *name,
				     struct cats_error *error)
{
	enum cats_status status = check_config(config, name, error);

	*out = (struct cats_integer){.config = *config};
	if (status < 0)
		return status;
	out->layers = calloc(config->n_layers, sizeof *out->layers);
	out->keep = calloc(cats_config_sites(config), sizeof *out->keep);
	status = out->layers && out->keep ? CATS_OK : CATS_ERR_MEMORY;
	if (status == CATS_OK) {
		set_shapes(out);
		status = each_tensor(out, allocate, NULL);
	}
	if (status < 0) {
		cats_integer_free(out);
		return cats_fail(error, status, "%s: out of memory for its integer model", name);
	}
	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		out->exp_table[i] = (int32_t)floor(32767.0 * exp(-(double)i / 92.0) + 0.5);
	for (uint32_t site = 0; site < cats_config_sites(config); site++)
		memset(out->keep[site], 1, cats_site_columns(config, site));
	return CATS_OK;
}

void cats_integer_free(struct cats_integer *m)
{
	if (m->layers && m->keep)
		(void)each_tensor(m, release, NULL);
	free(m->layers);
	free(m->keep);
	*m = (struct cats_integer){0};
}

void cats_integer_site_name(char name[CATS_SITE_NAME_BYTES], const struct cats_config *c, uint32_t site)
{
	if (site == 0)
		memcpy(name, "input", sizeof "input");
	else if (site > cats_config_sites(c))
		memcpy(name, "out", sizeof "out");
	else
		cats_site_name(name, c, site - 1);
}

struct cats_input_shape cats_input_shape_of(const struct cats_config *config)
{
	const struct cats_image_config *image = &config->image;

	if (image->patch == 0)
		return (struct cats_input_shape){.rows = config->n_patches,
						 .columns = config->d_in,
						 .window_rows = 1,
						 .window_columns = config->d_in,
						 .step_rows = 1,
						 .step_columns = config->d_in,
						 .across = 1};
	return (struct cats_input_shape){.rows = image->height,
					 .columns = image->width,
					 .window_rows = image->patch,
					 .window_columns = image->patch,
					 .step_rows = image->stride,
					 .step_columns = image->stride,
					 .across = (image->width - image->patch) / image->stride + 1};
}

uint32_t cats_integer_site_tokens(const struct cats_config *c, uint32_t site)
{
	if (site == 0)
		return cats_input_shape_of(c).rows;
	if (site > cats_config_sites(c))
		return c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1;
	return cats_site_tokens(c, site - 1);
}

uint32_t cats_integer_site_columns(const struct cats_config *c, uint32_t site)
{
	if (site == 0)
		return cats_input_shape_of(c).columns;
	return site > cats_config_sites(c) ? c->n_out : cats_site_columns(c, site - 1);
}

struct cats_run cats_integer_site_own(const struct cats_config *c, uint32_t site, uint32_t D, uint32_t j)
{
	if (site == 0)
		return (struct cats_run){.first = 0, .count = j == 0 ? cats_input_shape_of(c).columns : 0};
	if (site > cats_config_sites(c))
		return cats_partition_run(c->n_out, D, j);
	return cats_site_own(c, site - 1, D, j);
}

bool cats_integer_kept(const struct cats_integer *m, uint32_t site, uint32_t column)
{
	return site == 0 || site > cats_config_sites(&m->config) || m->keep[site - 1][column];
}

bool cats_integer_prunes(const struct cats_integer *m)
{
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++)
		if (memchr(m->keep[site], 0, cats_site_columns(&m->config, site)) != NULL)
			return true;
	return false;
}

static enum cats_status check_multipliers(const struct cats_int_product *p, const char *what, const char *name,
					  struct cats_error *error)
{
	for (uint32_t o = 0; o < p->outputs; o++)
		if (p->multipliers[o] < 0)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s.multiplier[%u]: is negative", name, what, o);
	return CATS_OK;
}

/* Sum of absolute weights of a row; -128, which no packing can hold, makes it past every bound. */
static int64_t row_magnitude(const struct cats_int_product *p, uint32_t row)
{
	const int8_t *w = p->weights + (size_t)row * p->columns;
	int64_t sum = 0;

	for (uint32_t k = 0; k < p->columns; k++)
		sum += w[k] == -128 ? (int64_t)1 << 32 : abs(w[k]);
	return sum;
}

static enum cats_status check_product(const struct cats_int_product *p, const char *what, const char *name,
				      struct cats_error *error)
{
	for (uint32_t o = 0; o < p->outputs; o++) {
		const int64_t reach = 127 * row_magnitude(p, o) + llabs(p->bias[o]);

		if (reach >= 1 << 23)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: %s: row %u: 127 sum|w| + |bias| is %lld, but must be below 2^23", name,
					 what, o, (long long)reach);
	}
	return check_multipliers(p, what, name, error);
}

static enum cats_status check_norm_product(const struct cats_int_product *p, const char *what, const char *name,
					   struct cats_error *error)
{
	for (uint32_t o = 0; o < p->outputs; o++) {
		const int64_t weights = row_magnitude(p, o);
		int64_t bias = llabs(p->bias[o]);

		for (uint32_t k = 0; p->beta && k < p->columns; k++)
			bias += llabs(p->beta[(size_t)o * p->columns + k]);
		if (weights > 33025)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: row %u: sum|w| is %lld, at most 33025 may be",
					 name, what, o, (long long)weights);
		if (bias > 1 << 30)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: %s: row %u: |b| + sum|beta| is %lld, at most 2^30 may be", name, what, o,
					 (long long)bias);
	}
	return check_multipliers(p, what, name, error);
}

static enum cats_status check_layer(const struct cats_integer *m, uint32_t index, const char *name,
				    struct cats_error *error)
{
	const struct cats_int_layer *layer = &m->layers[index];
	char what[48];
	enum cats_status status;

	(void)snprintf(what, sizeof what, "layers.%u.attn.qkv", index);
	status = check_norm_product(&layer->qkv, what, name, error);
	(void)snprintf(what, sizeof what, "layers.%u.attn.o", index);
	if (status == CATS_OK)
		status = check_product(&layer->o, what, name, error);
	(void)snprintf(what, sizeof what, "layers.%u.ffn.up", index);
	if (status == CATS_OK)
		status = check_norm_product(&layer->up, what, name, error);
	(void)snprintf(what, sizeof what, "layers.%u.ffn.down", index);
	if (status == CATS_OK)
		status = check_product(&layer->down, what, name, error);
	for (uint32_t h = 0; status == CATS_OK && h < m->config.n_heads; h++)
		if (layer->score[h] < 0 || layer->value[h] < 0)
			status = cats_fail(error, CATS_ERR_FORMAT,
					   "%s: layers.%u.attn: head %u: a multiplier is negative", name, index, h);
	for (int i = 0; status == CATS_OK && i < 2; i++)
		if (layer->quantise[i] < 0 || (uint32_t)layer->epsilon[i] < 256)
			status = cats_fail(error, CATS_ERR_FORMAT,
					   "%s: layers.%u: norm %d: multiplier or epsilon out of range", name, index,
					   i + 1);
	return status;
}

static enum cats_status check_tables(const struct cats_integer *m, const char *name, struct cats_error *error)
{
	const size_t positions = (size_t)cats_config_tokens(&m->config) * m->config.d_model;

	if (m->exp_table[0] != 32767)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: exp_table[0]: must be 32767", name);
	for (uint32_t i = 0; i < CATS_EXP_ENTRIES; i++)
		if (m->exp_table[i] < 0 || m->exp_table[i] > 32767)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: exp_table[%u]: must be 0 to 32767", name, i);
	for (size_t i = 0; i < positions; i++)
		if (m->pos[i] < INT16_MIN || m->pos[i] > INT16_MAX)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: pos: element %zu is not an int16", name, i);
	for (int i = 0; m->input_table && i < 256; i++)
		if (m->input_table[i] == -128)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: input_table[%d]: must be -127 to 127", name, i);
	for (uint32_t l = 0; l < m->config.n_layers; l++)
		for (int i = 0; m->layers[l].table && i < 256; i++)
			if (m->layers[l].table[i] == -128)
				return cats_fail(error, CATS_ERR_FORMAT,
						 "%s: layers.%u.ffn.table[%d]: must be -127 to 127", name, l, i);
	return CATS_OK;
}

static enum cats_status check_keep(const struct cats_integer *m, const char *name, struct cats_error *error)
{
	for (uint32_t site = 0; site < cats_config_sites(&m->config); site++)
		for (uint32_t k = 0; k < cats_site_columns(&m->config, site); k++)
			if (m->keep[site][k] > 1)
				return cats_fail(error, CATS_ERR_FORMAT, "%s: keep list %u: must be 0 or 1", name,
						 site);
	return CATS_OK;
}

enum cats_status cats_integer_check(const struct cats_integer *m, const char *name, struct cats_error *error)
{
	enum cats_status status = check_tables(m, name, error);

	if (status == CATS_OK)
		status = check_keep(m, name, error);
	if (status == CATS_OK)
		status = check_product(&m->embed, "embed", name, error);
	for (uint32_t l = 0; status == CATS_OK && l < m->config.n_layers; l++)
		status = check_layer(m, l, name, error);
	if (status == CATS_OK)
		status = check_norm_product(&m->head, "head", name, error);
	if (status == CATS_OK && (*m->head_quantise < 0 || (uint32_t)*m->head_epsilon < 256))
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: head: multiplier or epsilon out of range", name);
	if (status == CATS_OK && !(*m->scale_input > 0 && isfinite(*m->scale_input)))
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: scale.input: must be above 0", name);
	return status;
}

uint64_t cats_fnv1a(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ b[i]) * 0x100000001b3U;
	return hash;
}

static enum cats_status set_id(struct cats_integer *m, const char *path, struct cats_error *error)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	const enum cats_status status = cats_file_read(&bytes, &size, path, FILE_LIMIT, error);

	if (status == CATS_OK)
		m->id = cats_fnv1a(CATS_FNV_START, bytes, size);
	free(bytes);
	return status;
}

struct listing {
	struct cats_tensor *tensors; /* NULL: only count */
	size_t count;
};

static enum cats_status list(const struct place *place, void *context)
{
	struct listing *l = context;

	if (l->tensors) {
		struct cats_tensor *t = &l->tensors[l->count];

		*t = (struct cats_tensor){.dtype = place->dtype,
					  .dims = place->columns ? 2 : 1,
					  .shape = {place->rows, place->columns},
					  .count = place_count(place),
					  .data = get(place)};
		memcpy(t->name, place->name, sizeof t->name);
	}
	l->count++;
	return CATS_OK;
}

enum cats_status cats_integer_save(struct cats_integer *m, const char *path, struct cats_error *error)
{
	struct listing count = {0}, l = {0};
	char *config = cats_config_format(&m->config);
	char format[] = "format", format_name[] = FORMAT_NAME, version[] = "version", number[] = FORMAT_VERSION,
	     key[] = "config";
	const struct cats_metadata metadata[] = {{format, format_name}, {version, number}, {key, config}};
	enum cats_status status = CATS_ERR_MEMORY;

	(void)each_tensor(m, list, &count);
	l.tensors = calloc(count.count, sizeof *l.tensors);
	if (l.tensors && config) {
		(void)each_tensor(m, list, &l);
		status = cats_safetensors_write(path, l.tensors, l.count, metadata, 3, error);
	} else {
		(void)cats_fail(error, status, "%s: out of memory", path);
	}
	free(config);
	free(l.tensors);
	return status < 0 ? status : set_id(m, path, error);
}

struct loading {
	const struct cats_safetensors *file;
	const char *path;
	size_t used;
	struct cats_error *error;
};

static enum cats_status load_tensor(const struct place *place, void *context)
{
	struct loading *l = context;
	const struct cats_tensor *t = cats_safetensors_find(l->file, place->name);

	if (!t)
		return cats_fail(l->error, CATS_ERR_FORMAT, "%s: %s: is missing", l->path, place->name);
	if (t->dtype != place->dtype || t->dims != (place->columns ? 2U : 1U) || t->shape[0] != place->rows ||
	    (place->columns && t->shape[1] != place->columns))
		return cats_fail(l->error, CATS_ERR_FORMAT, "%s: %s: has another type or shape than its config says",
				 l->path, place->name);
	memcpy(get(place), t->data, t->count * cats_dtype_bytes(t->dtype));
	l->used++;
	return CATS_OK;
}

static enum cats_status load_tensors(struct cats_integer *out, const struct cats_safetensors *file, const char *path,
				     struct cats_error *error)
{
	struct loading l = {file, path, 0, error};
	const enum cats_status status = each_tensor(out, load_tensor, &l);

	if (status == CATS_OK && l.used != file->tensor_count)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: has %zu tensors, its config asks for %zu", path,
				 file->tensor_count, l.used);
	return status;
}

static enum cats_status load_file(struct cats_integer *out, const struct cats_safetensors *file, const char *path,
				  struct cats_error *error)
{
	const char *format = cats_safetensors_metadata(file, "format");
	const char *version = cats_safetensors_metadata(file, "version");
	const char *text = cats_safetensors_metadata(file, "config");
	struct cats_config config;
	enum cats_status status;

	if (!format || strcmp(format, FORMAT_NAME) != 0 || !text)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: __metadata__: is not an integer model", path);
	if (!version || strcmp(version, FORMAT_VERSION) != 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: version: must be %s; plan again with this program", path,
				 FORMAT_VERSION);
	status = cats_config_parse(&config, text, strlen(text), path, error);
	if (status == CATS_OK)
		status = cats_integer_create(out, &config, path, error);
	if (status == CATS_OK)
		status = load_tensors(out, file, path, error);
	if (status == CATS_OK)
		status = cats_integer_check(out, path, error);
	return status;
}

enum cats_status cats_integer_parse(struct cats_integer *out, const void *bytes, size_t size, const char *name,
				    struct cats_error *error)
{
	struct cats_safetensors file = {0};
	enum cats_status status = cats_safetensors_parse(&file, bytes, size, name, error);

	*out = (struct cats_integer){0};
	if (status == CATS_OK)
		status = load_file(out, &file, name, error);
	cats_safetensors_free(&file);
	if (status < 0)
		cats_integer_free(out);
	else
		out->id = cats_fnv1a(CATS_FNV_START, bytes, size);
	return status;
}

enum cats_status cats_integer_load(struct cats_integer *out, const char *path, struct cats_error *error)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	enum cats_status status = cats_file_read(&bytes, &size, path, FILE_LIMIT, error);

	*out = (struct cats_integer){0};
	if (status == CATS_OK)
		status = cats_integer_parse(out, bytes, size, path, error);
	free(bytes);
	return status;
}

void cats_integer_quantise_image(int8_t *q, const struct cats_integer *m, const uint8_t *pixels)
{
	const struct cats_input_shape shape = cats_input_shape_of(&m->config);
	const size_t count = (size_t)shape.rows * shape.columns;

	for (size_t i = 0; i < count; i++)
		q[i] = m->input_table[pixels[i]];
}

void cats_integer_quantise_values(int8_t *q, const struct cats_integer *m, const float *values)
{
	const struct cats_input_shape shape = cats_input_shape_of(&m->config);
	const size_t count = (size_t)shape.rows * shape.columns;

	for (size_t i = 0; i < count; i++) {
		const double scaled = floor((double)values[i] / *m->scale_input + 0.5);

		q[i] = (int8_t)(scaled > 127.0 ? 127 : scaled < -127.0 ? -127 : scaled == scaled ? scaled : 0);
	}
}

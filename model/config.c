/* SPDX-License-Identifier: MIT */
/* The rules of a configuration, config.json, and the arithmetic of sites. Touches no file. See config.h. */
#include "model/config.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

#define FORMAT_NAME "cats"
#define FORMAT_VERSION 1

enum field_type { FIELD_INTEGER, FIELD_REAL, FIELD_BOOL, FIELD_CHOICE };

/* One key of config.json: where its value lies in its struct, and what may stand there. */
struct field {
	const char *key;
	size_t offset;
	enum field_type type;
	double low, high;           /* FIELD_INTEGER, FIELD_REAL: inclusive range */
	const char *const *choices; /* FIELD_CHOICE: names in the order of the enum, NULL-terminated */
};

static const char *const activations[] = {"relu", "gelu", NULL};
static const char *const norms[] = {"layer", "rms", NULL};
static const char *const pools[] = {"mean", "cls", "none", NULL};

#define AT(member) offsetof(struct cats_config, member)
static const struct field config_fields[] = {
	{"devices", AT(devices), FIELD_INTEGER, 1, CATS_MAX_DEVICES, NULL},
	{"d_model", AT(d_model), FIELD_INTEGER, 1, CATS_MAX_D_MODEL, NULL},
	{"n_heads", AT(n_heads), FIELD_INTEGER, 1, CATS_MAX_D_MODEL, NULL},
	{"d_ff", AT(d_ff), FIELD_INTEGER, 1, CATS_MAX_D_FF, NULL},
	{"n_layers", AT(n_layers), FIELD_INTEGER, 1, CATS_MAX_LAYERS, NULL},
	{"n_patches", AT(n_patches), FIELD_INTEGER, 1, CATS_MAX_PATCHES, NULL},
	{"d_in", AT(d_in), FIELD_INTEGER, 1, CATS_MAX_D_IN, NULL},
	{"n_out", AT(n_out), FIELD_INTEGER, 1, CATS_MAX_N_OUT, NULL},
	{"activation", AT(activation), FIELD_CHOICE, 0, 0, activations},
	{"norm", AT(norm), FIELD_CHOICE, 0, 0, norms},
	{"norm_eps", AT(norm_eps), FIELD_REAL, CATS_MIN_NORM_EPS, 1.0, NULL},
	{"causal", AT(causal), FIELD_BOOL, 0, 0, NULL},
	{"cls_token", AT(cls_token), FIELD_BOOL, 0, 0, NULL},
	{"pool", AT(pool), FIELD_CHOICE, 0, 0, pools},
};
#undef AT
#define CONFIG_FIELDS (sizeof config_fields / sizeof config_fields[0])

#define AT(member) offsetof(struct cats_image_config, member)
static const struct field image_fields[] = {
	{"height", AT(height), FIELD_INTEGER, 1, CATS_MAX_IMAGE_SIDE, NULL},
	{"width", AT(width), FIELD_INTEGER, 1, CATS_MAX_IMAGE_SIDE, NULL},
	{"patch", AT(patch), FIELD_INTEGER, 1, CATS_MAX_IMAGE_SIDE, NULL},
	{"stride", AT(stride), FIELD_INTEGER, 1, CATS_MAX_IMAGE_SIDE, NULL},
	{"mean", AT(mean), FIELD_REAL, -1e6, 1e6, NULL},
	{"std", AT(std), FIELD_REAL, 1e-6, 1e6, NULL},
};
#undef AT
#define IMAGE_FIELDS (sizeof image_fields / sizeof image_fields[0])

#define AT(member) offsetof(struct cats_series_config, member)
static const struct field series_fields[] = {
	{"context", AT(context), FIELD_INTEGER, 1, CATS_MAX_CONTEXT, NULL},
	{"patch", AT(patch), FIELD_INTEGER, 1, CATS_MAX_D_IN, NULL},
	{"horizon", AT(horizon), FIELD_INTEGER, 1, CATS_MAX_N_OUT, NULL},
	{"epsilon", AT(epsilon), FIELD_REAL, CATS_MIN_NORM_EPS, 1.0, NULL},
};
#undef AT
#define SERIES_FIELDS (sizeof series_fields / sizeof series_fields[0])

/* Every enum of the struct has the representation of this one; its fields are read and written through it. */
typedef enum cats_activation choice;
_Static_assert(sizeof(choice) == sizeof(enum cats_norm) && sizeof(choice) == sizeof(enum cats_pool) &&
		       sizeof(choice) == sizeof(uint32_t),
	       "enums of one size");

static uint32_t load_u32(const void *base, const struct field *field)
{
	uint32_t value;

	memcpy(&value, (const char *)base + field->offset, sizeof value);
	return value;
}

static double load_real(const void *base, const struct field *field)
{
	double value;

	memcpy(&value, (const char *)base + field->offset, sizeof value);
	return value;
}

static bool load_bool(const void *base, const struct field *field)
{
	bool value;

	memcpy(&value, (const char *)base + field->offset, sizeof value);
	return value;
}

static uint32_t choice_count(const struct field *field)
{
	uint32_t count = 0;

	while (field->choices[count])
		count++;
	return count;
}

static enum cats_status fail_range(struct cats_error *error, const struct field *field, const char *prefix,
				   const char *name)
{
	if (field->type == FIELD_INTEGER)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: must be an integer from %.0f to %.0f", name, prefix,
				 field->key, field->low, field->high);
	return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: must be a number from %g to %g", name, prefix, field->key,
			 field->low, field->high);
}

static enum cats_status check_ranges(const void *base, const struct field *fields, size_t count, const char *prefix,
				     const char *name, struct cats_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const struct field *field = &fields[i];
		double value = field->low;
		if (field->type == FIELD_INTEGER)
			value = load_u32(base, field);
		else if (field->type == FIELD_REAL)
			value = load_real(base, field);
		else if (field->type == FIELD_CHOICE && load_u32(base, field) >= choice_count(field))
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: is not one of its values", name, prefix,
					 field->key);
		if (!(value >= field->low && value <= field->high)) /* also refuses NaN */
			return fail_range(error, field, prefix, name);
	}
	return CATS_OK;
}

static bool has_image(const struct cats_config *config)
{
	const struct cats_image_config *image = &config->image;

	return image->height || image->width || image->patch || image->stride || image->mean != 0.0 ||
	       image->std != 0.0;
}

static enum cats_status check_image(const struct cats_config *config, const char *name, struct cats_error *error)
{
	const struct cats_image_config *image = &config->image;
	const enum cats_status status = check_ranges(image, image_fields, IMAGE_FIELDS, "image.", name, error);

	if (status != CATS_OK)
		return status;
	if (image->patch > image->height || image->patch > image->width)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: image.patch: %u is more than the image's height %u or width %u; lower it", name,
				 image->patch, image->height, image->width);
	const uint32_t down = (image->height - image->patch) / image->stride + 1;
	const uint32_t across = (image->width - image->patch) / image->stride + 1;
	if (config->n_patches != down * across)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: n_patches: %u, but image gives %u x %u = %u; write that",
				 name, config->n_patches, down, across, down * across);
	if (config->d_in != image->patch * image->patch)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: d_in: %u, but image.patch gives %u x %u = %u; write that",
				 name, config->d_in, image->patch, image->patch, image->patch * image->patch);
	return CATS_OK;
}

static bool has_series(const struct cats_config *config)
{
	const struct cats_series_config *series = &config->series;

	return series->context || series->patch || series->horizon || series->epsilon != 0.0;
}

/* A token that saw a later one would see what it forecasts. */
static enum cats_status check_series(const struct cats_config *config, const char *name, struct cats_error *error)
{
	const struct cats_series_config *series = &config->series;
	const enum cats_status status = check_ranges(series, series_fields, SERIES_FIELDS, "series.", name, error);

	if (status != CATS_OK)
		return status;
	if (has_image(config))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: series: the input is an image already; remove one", name);
	if (!config->causal || config->cls_token || config->pool != CATS_POOL_NONE)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: series: needs causal true, cls_token false and pool \"none\": every token "
				 "forecasts what follows it",
				 name);
	if (series->context % series->patch != 0 || config->n_patches != series->context / series->patch)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: n_patches: %u, but series.context %u must be that many of series.patch %u", name,
				 config->n_patches, series->context, series->patch);
	if (config->d_in != series->patch)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: d_in: %u, but series.patch is %u; write that", name,
				 config->d_in, series->patch);
	if (config->n_out != series->horizon)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: n_out: %u, but series.horizon is %u; write that", name,
				 config->n_out, series->horizon);
	return CATS_OK;
}

uint64_t cats_config_weights(const struct cats_config *c)
{
	const uint64_t F = c->d_model;
	const uint64_t M = c->d_ff;
	const uint64_t norm = c->norm == CATS_NORM_LAYER ? 2 * F : F;
	const uint64_t layer = 4 * (F * F + F) + (M * F + M) + (F * M + F) + 2 * norm;

	return F * c->d_in + F + cats_config_tokens(c) * F + (c->cls_token ? F : 0) + c->n_layers * layer + norm +
	       c->n_out * F + c->n_out;
}

enum cats_status cats_config_check(const struct cats_config *c, const char *name, struct cats_error *error)
{
	const enum cats_status status = check_ranges(c, config_fields, CONFIG_FIELDS, "", name, error);

	if (status != CATS_OK)
		return status;
	if (c->d_model % c->n_heads != 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: d_model: %u is not a multiple of n_heads, %u; change one",
				 name, c->d_model, c->n_heads);
	if (c->devices > c->d_model)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: devices: %u is more than d_model, %u: each owns a column; use fewer devices",
				 name, c->devices, c->d_model);
	if (c->devices > c->d_ff)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: devices: %u is more than d_ff, %u: each owns a hidden unit; use fewer devices",
				 name, c->devices, c->d_ff);
	if (c->pool == CATS_POOL_CLS && !c->cls_token)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: pool: \"cls\" needs a class token; set cls_token to true",
				 name);
	if (cats_config_weights(c) > CATS_MODEL_MAX_WEIGHTS)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: d_model: the sizes give %ju weights, at most %ju are accepted; lower them", name,
				 (uintmax_t)cats_config_weights(c), (uintmax_t)CATS_MODEL_MAX_WEIGHTS);
	if (has_series(c))
		return check_series(c, name, error);
	return has_image(c) ? check_image(c, name, error) : CATS_OK;
}

static enum cats_status parse_choice(uint32_t *out, const struct field *field, const cJSON *item, const char *prefix,
				     const char *name, struct cats_error *error)
{
	char known[64] = "";

	for (uint32_t i = 0; field->choices[i]; i++) {
		if (cJSON_IsString(item) && strcmp(item->valuestring, field->choices[i]) == 0) {
			*out = i;
			return CATS_OK;
		}
		const size_t used = strlen(known);
		(void)snprintf(known + used, sizeof known - used, "%s\"%s\"", i ? ", " : "", field->choices[i]);
	}
	return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: must be one of %s", name, prefix, field->key, known);
}

static enum cats_status parse_field(void *base, const struct field *field, const cJSON *item, const char *prefix,
				    const char *name, struct cats_error *error)
{
	char *place = (char *)base + field->offset;
	uint64_t integer;
	uint32_t value = 0;

	switch (field->type) {
	case FIELD_INTEGER:
		if (cats_json_integer(&integer, item, (uint64_t)field->high) != 0)
			return fail_range(error, field, prefix, name);
		value = (uint32_t)integer;
		memcpy(place, &value, sizeof value);
		return CATS_OK;
	case FIELD_REAL:
		if (!cJSON_IsNumber(item))
			return fail_range(error, field, prefix, name);
		memcpy(place, &item->valuedouble, sizeof item->valuedouble);
		return CATS_OK;
	case FIELD_BOOL:
		if (!cJSON_IsBool(item))
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: must be true or false", name, prefix,
					 field->key);
		memcpy(place, &(bool){cJSON_IsTrue(item)}, sizeof(bool));
		return CATS_OK;
	case FIELD_CHOICE:
	default:
		if (parse_choice(&value, field, item, prefix, name, error) != CATS_OK)
			return CATS_ERR_FORMAT;
		memcpy(place, &value, sizeof value);
		return CATS_OK;
	}
}

/* Keys outside `fields` that the outer object may have. */
static bool is_other_key(const char *key)
{
	return strcmp(key, "model_type") == 0 || strcmp(key, "format_version") == 0 || strcmp(key, "image") == 0 ||
	       strcmp(key, "series") == 0;
}

static enum cats_status parse_object(void *base, const struct field *fields, size_t count, const cJSON *object,
				     const char *prefix, const char *name, struct cats_error *error)
{
	const bool outer = prefix[0] == '\0';

	for (const cJSON *item = object->child; item; item = item->next) {
		size_t i = 0;
		while (i < count && strcmp(item->string, fields[i].key) != 0)
			i++;
		if (i == count && !(outer && is_other_key(item->string)))
			return cats_fail(
				error, CATS_ERR_FORMAT,
				"%s: %s%.100s: unknown key of a model's configuration; remove it or correct its name",
				name, prefix, item->string);
	}
	for (size_t i = 0; i < count; i++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, fields[i].key);
		if (!item)
			return cats_fail(error, CATS_ERR_FORMAT, "%s: %s%s: the key is missing; add it", name, prefix,
					 fields[i].key);
		const enum cats_status status = parse_field(base, &fields[i], item, prefix, name, error);
		if (status != CATS_OK)
			return status;
	}
	return CATS_OK;
}

/* An object inside the outer one, if it is there: `key` without its value, `prefix` with the dot. */
static enum cats_status parse_inner(void *base, const struct field *fields, size_t count, const cJSON *tree,
				    const char *key, const char *prefix, const char *name, struct cats_error *error)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(tree, key);

	if (!object)
		return CATS_OK;
	if (!cJSON_IsObject(object))
		return cats_fail(error, CATS_ERR_FORMAT, "%s: %s: must be an object", name, key);
	const enum cats_status status = parse_object(base, fields, count, object, prefix, name, error);
	/* An object of zeros would pass for none. */
	return status == CATS_OK ? check_ranges(base, fields, count, prefix, name, error) : status;
}

static enum cats_status parse_tree(struct cats_config *out, const cJSON *tree, const char *name,
				   struct cats_error *error)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(tree, "model_type");
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(tree, "format_version");

	if (type && (!cJSON_IsString(type) || strcmp(type->valuestring, FORMAT_NAME) != 0))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: model_type: must be \"%s\"; is it a model of another kind?", name, FORMAT_NAME);
	if (version && (!cJSON_IsNumber(version) || version->valuedouble != FORMAT_VERSION))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: format_version: must be %d, the only one this program reads; use a newer program",
				 name, FORMAT_VERSION);
	enum cats_status status = parse_object(out, config_fields, CONFIG_FIELDS, tree, "", name, error);
	if (status == CATS_OK)
		status = parse_inner(&out->image, image_fields, IMAGE_FIELDS, tree, "image", "image.", name, error);
	if (status == CATS_OK)
		status =
			parse_inner(&out->series, series_fields, SERIES_FIELDS, tree, "series", "series.", name, error);
	return status;
}

enum cats_status cats_config_parse(struct cats_config *out, const char *text, size_t size, const char *name,
				   struct cats_error *error)
{
	cJSON *tree;

	*out = (struct cats_config){0};
	if (size > CATS_CONFIG_MAX_BYTES)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: is %zu bytes long, at most %zu are accepted", name, size,
				 CATS_CONFIG_MAX_BYTES);
	enum cats_status status = cats_json_parse(&tree, text, size, name, error);
	if (status != CATS_OK)
		return status;
	status = parse_tree(out, tree, name, error);
	cJSON_Delete(tree);
	return status == CATS_OK ? cats_config_check(out, name, error) : status;
}

/* The shortest of the usual precisions that reads back as the same double. cJSON's own is content with a neighbour. */
static const cJSON *add_real(cJSON *object, const char *key, double value)
{
	char text[32];
	int digits = 15;

	do
		(void)snprintf(text, sizeof text, "%.*g", digits, value);
	while (strtod(text, NULL) != value && ++digits <= 17);
	return cJSON_AddRawToObject(object, key, text);
}

static bool format_fields(cJSON *object, const void *base, const struct field *fields, size_t count)
{
	bool ok = object != NULL;

	for (size_t i = 0; i < count && ok; i++) {
		const struct field *field = &fields[i];
		const cJSON *item = NULL;
		if (field->type == FIELD_INTEGER)
			item = cJSON_AddNumberToObject(object, field->key, load_u32(base, field));
		else if (field->type == FIELD_REAL)
			item = add_real(object, field->key, load_real(base, field));
		else if (field->type == FIELD_BOOL)
			item = cJSON_AddBoolToObject(object, field->key, load_bool(base, field));
		else
			item = cJSON_AddStringToObject(object, field->key, field->choices[load_u32(base, field)]);
		ok = item != NULL;
	}
	return ok;
}

/* The printed text in memory of malloc, with the final newline that text files end with. */
static char *print_tree(const cJSON *tree)
{
	char *printed = cJSON_Print(tree);
	char *text = printed ? malloc(strlen(printed) + 2) : NULL;

	if (text)
		(void)sprintf(text, "%s\n", printed);
	cJSON_free(printed);
	return text;
}

char *cats_config_format(const struct cats_config *config)
{
	cJSON *tree = cJSON_CreateObject();
	bool ok = tree && cJSON_AddStringToObject(tree, "model_type", FORMAT_NAME) &&
		  cJSON_AddNumberToObject(tree, "format_version", FORMAT_VERSION) &&
		  format_fields(tree, config, config_fields, CONFIG_FIELDS);

	if (ok && has_image(config))
		ok = format_fields(cJSON_AddObjectToObject(tree, "image"), &config->image, image_fields, IMAGE_FIELDS);
	if (ok && has_series(config))
		ok = format_fields(cJSON_AddObjectToObject(tree, "series"), &config->series, series_fields,
				   SERIES_FIELDS);
	char *text = ok ? print_tree(tree) : NULL;
	cJSON_Delete(tree);
	return text;
}

struct cats_run cats_site_own(const struct cats_config *c, uint32_t site, uint32_t D, uint32_t j)
{
	if (cats_site_kind_of(c, site) != CATS_ATTN_OUT)
		return cats_partition_run(cats_site_columns(c, site), D, j);

	const uint32_t head_width = c->d_model / c->n_heads;
	const struct cats_run heads = cats_partition_run(c->n_heads, D, j);
	return (struct cats_run){.first = heads.first * head_width, .count = heads.count * head_width};
}

uint32_t cats_site_tokens(const struct cats_config *c, uint32_t site)
{
	const bool last = site / 4U + 1U == c->n_layers;
	const enum cats_site_kind kind = cats_site_kind_of(c, site);

	if (c->pool == CATS_POOL_CLS && (kind == CATS_HEAD_IN || (last && kind != CATS_ATTN_IN)))
		return 1;
	return cats_config_tokens(c);
}

void cats_site_name(char name[CATS_SITE_NAME_BYTES], const struct cats_config *c, uint32_t site)
{
	static const char *const kinds[] = {"attn_in", "attn_out", "ffn_in", "ffn_out"};
	const enum cats_site_kind kind = cats_site_kind_of(c, site);

	if (kind == CATS_HEAD_IN)
		(void)snprintf(name, CATS_SITE_NAME_BYTES, "head_in");
	else
		(void)snprintf(name, CATS_SITE_NAME_BYTES, "%u.%s", site / 4U, kinds[kind]);
}

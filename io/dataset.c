/* SPDX-License-Identifier: MIT */
/* From the text after --data to samples in memory: which reader, which split. Knows no model. See dataset.h. */
#include "io/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/csv.h"
#include "io/file.h"
#include "io/idx.h"
#include "io/safetensors.h"
#include "io/series.h"

#define MAX_SPEC_BYTES 4096
#define MAX_LABEL 65535U               /* more classes than any model here has outputs */
#define DEFAULT_VAL_SHARE (1.0 / 12.0) /* 5,000 of 60,000 */
#define SPLIT_LABEL 0x53504c4954U      /* of the split's random key: "SPLIT" */

static const char *const split_names[] = {
	[CATS_SPLIT_TRAIN] = "train", [CATS_SPLIT_VAL] = "val", [CATS_SPLIT_TEST] = "test"};

/* What the text says, its pieces pointing into a copy of it. */
struct request {
	char text[MAX_SPEC_BYTES];
	char *rest; /* after the kind and its colon, without the split */
	enum cats_split split;
	uint64_t seed;
	double val_share;
	uint32_t window, stride;
};

static enum cats_status fail_memory(struct cats_error *error, const char *name)
{
	return cats_fail(error, CATS_ERR_MEMORY, "%s: no memory for its samples; take fewer", name);
}

/* "…:val" -> "…", and the split. */
static void cut_split(struct request *request)
{
	char *colon = strrchr(request->text, ':');

	for (size_t i = CATS_SPLIT_TRAIN; colon && i <= CATS_SPLIT_TEST; i++)
		if (strcmp(colon + 1, split_names[i]) == 0) {
			request->split = (enum cats_split)i;
			*colon = '\0';
			return;
		}
}

static enum cats_status read_request(struct request *request, const char *spec,
				     const struct cats_dataset_options *options, struct cats_error *error)
{
	const size_t length = strlen(spec);

	if (length >= MAX_SPEC_BYTES)
		return cats_fail(error, CATS_ERR_USAGE, "data '%.60s…': is longer than %d bytes", spec,
				 MAX_SPEC_BYTES - 1);
	memcpy(request->text, spec, length + 1);
	request->seed = options ? options->seed : 0;
	request->split = options ? options->fallback : CATS_SPLIT_ALL;
	request->val_share = options && options->val_share != 0.0 ? options->val_share : DEFAULT_VAL_SHARE;
	if (!(request->val_share > 0.0 && request->val_share < 1.0))
		return cats_fail(error, CATS_ERR_USAGE, "data '%.200s': the validation share must be between 0 and 1",
				 spec);
	if (options) {
		request->window = options->window;
		request->stride = options->stride;
	}
	cut_split(request);
	return CATS_OK;
}

/* Samples in [0, n) that validation takes: the first of a seeded permutation (Fisher and Yates, Durstenfeld's form).
 */
static uint8_t *draw_validation(size_t n, size_t val_count, uint64_t seed)
{
	const uint64_t key = cats_random_key(seed, SPLIT_LABEL);
	uint32_t *order = malloc(n * sizeof *order);
	uint8_t *is_val = calloc(n, 1);

	if (!order || !is_val) {
		free(order);
		free(is_val);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t i = 0; i < val_count; i++) {
		const size_t other = i + cats_random_below(key, i, (uint32_t)(n - i));
		const uint32_t swap = order[i];
		order[i] = order[other];
		order[other] = swap;
		is_val[order[i]] = 1;
	}
	free(order);
	return is_val;
}

static void move_sample(void *array, size_t to, size_t from, size_t bytes)
{
	if (array && to != from)
		memcpy((uint8_t *)array + to * bytes, (const uint8_t *)array + from * bytes, bytes);
}

/* Keeps the samples whose mark equals `wanted`, in their order. */
static void keep_marked(struct cats_dataset *d, const uint8_t *marks, uint8_t wanted)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->samples; i++) {
		if (marks[i] != wanted)
			continue;
		move_sample(d->pixels, kept, i, (size_t)d->height * d->width);
		move_sample(d->labels, kept, i, sizeof *d->labels);
		move_sample(d->inputs, kept, i, (size_t)d->patches * d->inputs_per_patch * sizeof *d->inputs);
		move_sample(d->targets, kept, i, d->targets_per_sample * sizeof *d->targets);
		kept++;
	}
	d->samples = kept;
}

/* Cuts :train or :val out of all samples. */
static enum cats_status cut_by_seed(struct cats_dataset *d, const struct request *request, struct cats_error *error)
{
	const size_t n = d->samples;
	const size_t val_count = (size_t)floor((double)n * request->val_share + 0.5);

	if (n > UINT32_MAX || val_count == 0 || val_count >= n)
		return cats_fail(error, CATS_ERR_USAGE,
				 "data '%.200s': %zu samples cannot be cut into train and val at a validation share of "
				 "%g; change it",
				 request->text, n, request->val_share);
	uint8_t *is_val = draw_validation(n, val_count, request->seed);
	if (!is_val)
		return fail_memory(error, request->text);
	keep_marked(d, is_val, request->split == CATS_SPLIT_VAL);
	free(is_val);
	return CATS_OK;
}

static enum cats_status read_images(struct cats_dataset *d, const char *images_path, const char *labels_path,
				    struct cats_error *error)
{
	struct cats_idx images;
	struct cats_idx labels;
	enum cats_status status = cats_idx_read(&images, 3, images_path, error);

	if (status != CATS_OK)
		return status;
	d->kind = CATS_DATASET_IMAGES;
	d->pixels = images.values; /* theirs now, also when something fails below */
	d->samples = images.shape[0];
	d->height = images.shape[1];
	d->width = images.shape[2];
	status = cats_idx_read(&labels, 1, labels_path, error);
	if (status != CATS_OK)
		return status;
	if (labels.count != d->samples)
		status = cats_fail(error, CATS_ERR_MISMATCH,
				   "%s: has %zu labels, %s has %zu images; give files that belong together",
				   labels_path, labels.count, images_path, d->samples);
	d->labels = malloc(d->samples * sizeof *d->labels);
	if (status == CATS_OK && !d->labels)
		status = fail_memory(error, labels_path);
	for (size_t i = 0; status == CATS_OK && i < d->samples; i++)
		d->labels[i] = labels.values[i];
	cats_idx_free(&labels);
	return status;
}

static enum cats_status open_fashion_mnist(struct cats_dataset *d, const struct request *request,
					   struct cats_error *error)
{
	static const char directory[] = CATS_FASHION_MNIST_DIR;
	const bool test = request->split == CATS_SPLIT_TEST;
	char images[sizeof directory + 40];
	char labels[sizeof directory + 40];

	(void)snprintf(images, sizeof images, "%s/%s-images-idx3-ubyte.gz", directory, test ? "t10k" : "train");
	(void)snprintf(labels, sizeof labels, "%s/%s-labels-idx1-ubyte.gz", directory, test ? "t10k" : "train");
	const enum cats_status status = read_images(d, images, labels, error);
	if (status == CATS_ERR_IO)
		return cats_fail(error, status,
				 "fashion-mnist: cannot read its files in %s; install the Debian package "
				 "dataset-fashion-mnist",
				 directory);
	return status;
}

static enum cats_status open_idx(struct cats_dataset *d, const struct request *request, struct cats_error *error)
{
	char *comma = strchr(request->rest, ',');

	if (!comma || comma == request->rest || comma[1] == '\0' || strchr(comma + 1, ','))
		return cats_fail(error, CATS_ERR_USAGE,
				 "data '%.200s': must be idx:IMAGES,LABELS, two paths without commas", request->text);
	*comma = '\0';
	return read_images(d, request->rest, comma + 1, error);
}

static enum cats_status cut_by_time(struct cats_dataset *d, const struct request *request, struct cats_error *error)
{
	const struct cats_rows rows = cats_series_rows(d->samples, request->split);

	memmove(d->values, d->values + rows.first * d->columns,
		(rows.end - rows.first) * d->columns * sizeof *d->values);
	d->samples = rows.end - rows.first;
	if (d->samples == 0)
		return cats_fail(error, CATS_ERR_USAGE, "%s: has too few rows to cut off its split '%s'", request->rest,
				 split_names[request->split]);
	return CATS_OK;
}

static enum cats_status take_series(struct cats_dataset *d, struct cats_csv *csv, const struct request *request,
				    struct cats_error *error)
{
	d->kind = CATS_DATASET_SERIES;
	d->columns = csv->columns;
	d->column_names = csv->names;
	if (request->window == 0) {
		d->samples = csv->rows;
		d->values = csv->values;
		return cut_by_time(d, request, error);
	}
	const enum cats_status status =
		cats_series_cut(d, csv, request->split, request->window, request->stride, request->rest, error);

	free(csv->values);
	return status;
}

/* Cuts "A;B,column=C" into names, in place. A text of MAX_SPEC_BYTES has no room for more than CATS_CSV_MAX_COLUMNS. */
static size_t cut_names(const char *wanted[CATS_CSV_MAX_COLUMNS], char *text)
{
	static const char option[] = ",column=";
	size_t count = 0;
	char *next;

	for (char *place = strstr(text, option); place; place = next) {
		char *name = place + sizeof option - 1;
		next = strstr(name, option);
		*place = '\0';
		if (next)
			*next = '\0';
		for (char *end = strchr(name, ';'); end; end = strchr(name, ';')) {
			*end = '\0';
			wanted[count++] = name;
			name = end + 1;
		}
		wanted[count++] = name;
	}
	return count;
}

static enum cats_status open_csv(struct cats_dataset *d, const struct request *request, struct cats_error *error)
{
	const char *wanted[CATS_CSV_MAX_COLUMNS];
	const size_t count = cut_names(wanted, request->rest);
	struct cats_csv csv;
	const enum cats_status status = cats_csv_read(&csv, wanted, count, request->rest, error);
	if (status != CATS_OK)
		return status;
	return take_series(d, &csv, request, error);
}

static bool all_finite(const float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(values[i]))
			return false;
	return true;
}

/* A copy of a float tensor of `dims` dimensions or more, whose first is `samples`. */
static enum cats_status copy_floats(float **out, const struct cats_tensor *tensor, const char *path,
				    struct cats_error *error)
{
	if (tensor->dtype != CATS_F32)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': dtype: is %s, must be F32; convert it", path,
				 tensor->name, cats_dtype_name(tensor->dtype));
	if (tensor->count == 0)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor '%s': shape: holds no value", path, tensor->name);
	if (!all_finite(tensor->data, tensor->count))
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor '%s': holds a value that is not finite; remove that sample", path,
				 tensor->name);
	*out = malloc(tensor->count * sizeof **out);
	if (!*out)
		return fail_memory(error, path);
	memcpy(*out, tensor->data, tensor->count * sizeof **out);
	return CATS_OK;
}

static enum cats_status copy_inputs(struct cats_dataset *d, const struct cats_tensor *inputs, const char *path,
				    struct cats_error *error)
{
	if (!inputs)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor 'inputs': is missing; add it", path);
	if (inputs->dims != 3 || inputs->shape[1] > UINT32_MAX || inputs->shape[2] > UINT32_MAX)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor 'inputs': shape: must be [samples, patches, values a patch]", path);
	d->samples = (size_t)inputs->shape[0];
	d->patches = (uint32_t)inputs->shape[1];
	d->inputs_per_patch = (uint32_t)inputs->shape[2];
	return copy_floats(&d->inputs, inputs, path, error);
}

/* Element i as a label, or a value above MAX_LABEL when it is none. */
static uint64_t label_at(const struct cats_tensor *labels, size_t i)
{
	if (labels->dtype == CATS_I64)
		return (uint64_t)((const int64_t *)labels->data)[i];
	if (labels->dtype == CATS_I32)
		return (uint64_t)((const int32_t *)labels->data)[i];
	return ((const uint8_t *)labels->data)[i];
}

static enum cats_status copy_labels(struct cats_dataset *d, const struct cats_tensor *labels, const char *path,
				    struct cats_error *error)
{
	if (labels->dtype != CATS_I64 && labels->dtype != CATS_I32 && labels->dtype != CATS_U8)
		return cats_fail(error, CATS_ERR_FORMAT, "%s: tensor 'labels': dtype: is %s, must be I64, I32 or U8",
				 path, cats_dtype_name(labels->dtype));
	if (labels->dims != 1 || labels->count != d->samples)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor 'labels': shape: must be [%zu], one for each input", path, d->samples);
	d->labels = malloc(d->samples * sizeof *d->labels);
	if (!d->labels)
		return fail_memory(error, path);
	for (size_t i = 0; i < d->samples; i++) {
		const uint64_t label = label_at(labels, i);
		if (label > MAX_LABEL)
			return cats_fail(error, CATS_ERR_FORMAT,
					 "%s: tensor 'labels': element %zu is outside 0 to %u; correct it", path, i,
					 MAX_LABEL);
		d->labels[i] = (uint32_t)label;
	}
	return CATS_OK;
}

static enum cats_status copy_targets(struct cats_dataset *d, const struct cats_tensor *targets, const char *path,
				     struct cats_error *error)
{
	if (targets->dims < 1 || targets->shape[0] != d->samples || targets->count / d->samples > UINT32_MAX)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: tensor 'targets': shape: must begin with %zu, one for each input", path,
				 d->samples);
	d->targets_per_sample = (uint32_t)(targets->count / d->samples);
	return copy_floats(&d->targets, targets, path, error);
}

static enum cats_status copy_tensors(struct cats_dataset *d, const struct cats_safetensors *file, const char *path,
				     struct cats_error *error)
{
	const struct cats_tensor *labels = cats_safetensors_find(file, "labels");
	const struct cats_tensor *targets = cats_safetensors_find(file, "targets");
	const enum cats_status status = copy_inputs(d, cats_safetensors_find(file, "inputs"), path, error);

	if (status != CATS_OK)
		return status;
	if (!labels == !targets)
		return cats_fail(error, CATS_ERR_FORMAT,
				 "%s: must have either a tensor 'labels' or a tensor 'targets'; %s", path,
				 labels ? "remove one" : "add one");
	return labels ? copy_labels(d, labels, path, error) : copy_targets(d, targets, path, error);
}

static enum cats_status open_tensors(struct cats_dataset *d, const struct request *request, struct cats_error *error)
{
	struct cats_safetensors file;
	enum cats_status status = cats_safetensors_read(&file, request->rest, error);

	if (status != CATS_OK)
		return status;
	d->kind = CATS_DATASET_TENSORS;
	status = copy_tensors(d, &file, request->rest, error);
	cats_safetensors_free(&file);
	return status;
}

static void count_classes(struct cats_dataset *d)
{
	for (size_t i = 0; d->labels && i < d->samples; i++)
		if (d->labels[i] >= d->classes)
			d->classes = d->labels[i] + 1;
}

static uint32_t crc_array(uint32_t crc, const void *array, size_t count, size_t bytes)
{
	return array ? cats_crc32(crc, array, count * bytes) : crc;
}

static uint32_t crc_content(const struct cats_dataset *d)
{
	const uint64_t sizes[] = {d->kind,    d->samples,       d->height,           d->width,
				  d->classes, d->patches,       d->inputs_per_patch, d->targets_per_sample,
				  d->columns, d->labels != NULL};
	uint32_t crc = cats_crc32(0, sizes, sizeof sizes);

	for (uint32_t i = 0; i < d->columns; i++)
		crc = cats_crc32(crc, d->column_names[i], strlen(d->column_names[i]) + 1);
	crc = crc_array(crc, d->pixels, d->samples * d->height * d->width, 1);
	crc = crc_array(crc, d->labels, d->samples, sizeof *d->labels);
	crc = crc_array(crc, d->inputs, d->samples * d->patches * d->inputs_per_patch, sizeof *d->inputs);
	crc = crc_array(crc, d->targets, d->samples * d->targets_per_sample, sizeof *d->targets);
	if (d->series) {
		const uint64_t cut[] = {d->rows, d->window, d->stride};

		crc = cats_crc32(crc, cut, sizeof cut);
		return crc_array(crc, d->series, d->rows * d->columns, sizeof *d->series);
	}
	return crc_array(crc, d->values, d->samples * d->columns, sizeof *d->values);
}

static bool strip(char **rest, char *text, const char *prefix)
{
	const size_t length = strlen(prefix);

	*rest = text + length;
	return strncmp(text, prefix, length) == 0;
}

static enum cats_status open_request(struct cats_dataset *d, struct request *request, struct cats_error *error)
{
	enum cats_status status;

	if (request->stride != 0 && strncmp(request->text, "csv:", 4) != 0)
		return cats_fail(error, CATS_ERR_USAGE,
				 "data '%.200s': a stride (%u) is of a series, and this is none; leave it out",
				 request->text, request->stride);
	if (strcmp(request->text, "fashion-mnist") == 0)
		status = open_fashion_mnist(d, request, error);
	else if (strip(&request->rest, request->text, "idx:"))
		status = open_idx(d, request, error);
	else if (strip(&request->rest, request->text, "csv:"))
		return open_csv(d, request, error);
	else if (strip(&request->rest, request->text, "tensors:"))
		status = open_tensors(d, request, error);
	else
		return cats_fail(
			error, CATS_ERR_USAGE,
			"data '%.200s': must be fashion-mnist, idx:IMAGES,LABELS, csv:FILE[,column=NAME[;NAME]] or "
			"tensors:FILE, with :train, :val or :test at the end if a split is wanted",
			request->text);
	if (status != CATS_OK)
		return status;
	count_classes(d);
	const bool cut = request->split == CATS_SPLIT_TRAIN || request->split == CATS_SPLIT_VAL;
	return cut ? cut_by_seed(d, request, error) : CATS_OK;
}

enum cats_status cats_dataset_open(struct cats_dataset *out, const char *spec,
				   const struct cats_dataset_options *options, struct cats_error *error)
{
	struct request request = {0};

	*out = (struct cats_dataset){0};
	enum cats_status status = read_request(&request, spec, options, error);
	if (status == CATS_OK)
		status = open_request(out, &request, error);
	if (status != CATS_OK) {
		cats_dataset_free(out);
		return status;
	}
	out->crc32 = crc_content(out);
	return CATS_OK;
}

void cats_dataset_free(struct cats_dataset *dataset)
{
	for (uint32_t i = 0; dataset->column_names && i < dataset->columns; i++)
		free(dataset->column_names[i]);
	free(dataset->column_names);
	free(dataset->pixels);
	free(dataset->labels);
	free(dataset->inputs);
	free(dataset->targets);
	free(dataset->values);
	free(dataset->series);
	free(dataset->scales);
	*dataset = (struct cats_dataset){0};
}

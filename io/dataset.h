/* SPDX-License-Identifier: MIT */
/* What the option --data names, read whole into memory: images with labels, series, or tensors. Host only. */
#ifndef CATS_IO_DATASET_H
#define CATS_IO_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

enum cats_dataset_kind {
	CATS_DATASET_IMAGES,  /* IDX or fashion-mnist: bytes and one label an image */
	CATS_DATASET_SERIES,  /* CSV: float columns over time, as they are or cut into windows */
	CATS_DATASET_TENSORS, /* safetensors with `inputs` [n, P, d_in] F32 and `labels` [n] I64/I32/U8 or `targets` F32
			       */
};

enum cats_split { CATS_SPLIT_ALL, CATS_SPLIT_TRAIN, CATS_SPLIT_VAL, CATS_SPLIT_TEST };

/* What a standardised column was: x = standardised * deviation + mean. */
struct cats_scale {
	double mean, deviation;
};

/* Owned memory; free with cats_dataset_free. Which pointers are set depends on kind. */
struct cats_dataset {
	enum cats_dataset_kind kind;
	size_t samples;                     /* images, rows or windows of the series, or tensors' first dimension */
	uint32_t height, width;             /* images */
	uint8_t *pixels;                    /* images: [samples, height, width] */
	uint32_t *labels;                   /* images, tensors with labels: [samples] */
	uint32_t classes;                   /* largest label + 1 */
	uint32_t patches, inputs_per_patch; /* tensors: P, d_in */
	float *inputs;                      /* tensors: [samples, P, d_in] */
	uint32_t targets_per_sample;        /* tensors with targets */
	float *targets;                     /* tensors: [samples, targets_per_sample] */
	uint32_t columns;                   /* series */
	char **column_names;                /* series: [columns] */
	float *values;                      /* series without windows: [samples, columns] */
	uint32_t window, stride;            /* series cut into windows: values a window, and from one to the next; */
	size_t rows;                        /* rows of the split, */
	float *series;                      /* [columns, rows], standardised by the training rows, and how: */
	struct cats_scale *scales;          /* [columns] */
	uint32_t crc32;                     /* of everything above: two datasets with equal content have equal crc32 */
};

struct cats_dataset_options {
	uint64_t seed;    /* of the validation cut; 0 is a seed like any other */
	double val_share; /* share of the training samples cut off for validation; 0 means 1/12 (5,000 of 60,000) */
	enum cats_split fallback; /* the split when `spec` names none */
	uint32_t window;          /* series: values of a sample, context and horizon; 0: rows are samples, as read */
	uint32_t stride;          /* series: from one window to the next; 0 means 1; refused for anything else */
};

/* spec: fashion-mnist | idx:IMAGES,LABELS | csv:FILE[,column=NAME[;NAME]...]... | tensors:FILE, each with an optional
 * :train, :val or :test at the end. fashion-mnist: train and val are cut from the 60,000 training images (a seeded
 * permutation), test is the 10,000 test images. idx and tensors: one file, :train and :val cut from it by the seed,
 * :test (or no split and fallback ALL or TEST) is the whole file as it is. csv: 60/20/20 in time order; windows
 * lie within their split, all of the first column before those of the second. Errors name file, field, rule and what to
 * do. */
CATS_MUST_CHECK enum cats_status cats_dataset_open(struct cats_dataset *out, const char *spec,
						   const struct cats_dataset_options *options,
						   struct cats_error *error);

/* The values of sample `sample` of a series cut into windows: [window]. */
static inline const float *cats_dataset_window(const struct cats_dataset *d, size_t sample)
{
	const size_t a_column = d->samples / d->columns;

	return d->series + sample / a_column * d->rows + sample % a_column * d->stride;
}

void cats_dataset_free(struct cats_dataset *dataset);

#endif

/* SPDX-License-Identifier: MIT */
/* Finished evaluations of a sweep in a file, by what was evaluated, so that none is made twice (docs/SPEC.md). */
#ifndef CATS_TRAIN_SWEEP_RECORD_H
#define CATS_TRAIN_SWEEP_RECORD_H

#include "train/evaluate.h"

/* Owned memory; free with cats_sweep_record_free. */
struct cats_sweep_record;

/* Reads the file; that there is none is no error, it is made when the first evaluation is added. */
CATS_MUST_CHECK enum cats_status cats_sweep_record_open(struct cats_sweep_record **out, const char *path,
							struct cats_error *error);
void cats_sweep_record_free(struct cats_sweep_record *record);

/* The same from bytes in memory; `path` is what errors call it and where additions go. */
CATS_MUST_CHECK enum cats_status cats_sweep_record_parse(struct cats_sweep_record **out, const char *text, size_t size,
							 const char *path, struct cats_error *error);

/* All that an evaluation depends on, as text: model (CRC-32 of config, weights and keep lists), data, samples, losses
 * and their seed. Not the type of processor, which may change the last bits of a sum. */
#define CATS_SWEEP_KEY_BYTES 320
CATS_MUST_CHECK enum cats_status cats_sweep_key(char key[CATS_SWEEP_KEY_BYTES], const struct cats_model *model,
						const struct cats_dataset *data,
						const struct cats_evaluation_options *options,
						struct cats_error *error);

/* Whether it is there; then metric, value and samples of *out are set, the metric's text being the record's. */
bool cats_sweep_record_find(struct cats_evaluation *out, const struct cats_sweep_record *record, const char *key);

/* Adds it and replaces the file. */
CATS_MUST_CHECK enum cats_status cats_sweep_record_add(struct cats_sweep_record *record, const char *key,
						       const struct cats_evaluation *evaluation,
						       struct cats_error *error);

#endif

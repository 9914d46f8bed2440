/* SPDX-License-Identifier: MIT */
/* What the trainer's tests share: a small model, synthetic data that can be learnt, a folder of their own. */
#ifndef CATS_TESTS_TRAIN_FIXTURE_H
#define CATS_TESTS_TRAIN_FIXTURE_H

#include "io/dataset.h"
#include "model/model.h"

/* F 16, H 4, M 24, 1 layer, 4 patches of 6 values, 3 classes, class token. */
struct cats_config cats_fixture_config(uint32_t devices);

/* In memory: each sample is the pattern of its class plus noise. Free with cats_fixture_data_free. */
struct cats_dataset cats_fixture_data(uint32_t samples, uint64_t seed);
void cats_fixture_data_free(struct cats_dataset *data);

/* The same written as a tensors file. Ends the program on failure, as does what follows. */
void cats_fixture_write(const char *path, uint32_t samples, uint64_t seed);
void cats_fixture_write_config(const char *path, uint32_t devices);

/* A forecaster, F 16, H 4, M 24, 1 layer: context 24 in 4 patches of 6, horizon 9; and a CSV of `rows` hours in the
 * columns date, wave and noise. */
struct cats_config cats_fixture_series_config(uint32_t devices);
void cats_fixture_write_series_config(const char *path, uint32_t devices);
void cats_fixture_write_series(const char *path, uint32_t rows, uint64_t seed);

/* A new folder under the current one; its removal with everything in it. */
void cats_fixture_folder(char path[256], const char *name);
void cats_fixture_remove(const char *path);

#endif

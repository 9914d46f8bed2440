/* SPDX-License-Identifier: MIT */
/* The forecast of one window of a series, by a model in float32 or by a plan's nodes in integers, nothing lost. Host
 * only. */
#ifndef CATS_DEPLOY_FORECAST_H
#define CATS_DEPLOY_FORECAST_H

#include "deploy/plan.h"
#include "io/dataset.h"

/* values[horizon] of token `token`, as standardised by the data's training rows: multiply by the column's deviation and
 * add its mean for the units of the file. `name` is the data's, for errors. */
CATS_MUST_CHECK enum cats_status cats_forecast_model(float *values, const struct cats_model *model,
						     const struct cats_dataset *data, const char *name, uint32_t sample,
						     uint32_t token, struct cats_error *error);

/* Unpacks the plan's shards for the host's kernels. */
CATS_MUST_CHECK enum cats_status cats_forecast_plan(float *values, struct cats_plan *plan,
						    const struct cats_dataset *data, const char *name, uint32_t sample,
						    uint32_t token, struct cats_error *error);

#endif

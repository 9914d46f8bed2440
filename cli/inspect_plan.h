/* SPDX-License-Identifier: MIT */
/* What cats inspect says of plans, shards and integer models. */
#ifndef CATS_CLI_INSPECT_PLAN_H
#define CATS_CLI_INSPECT_PLAN_H

#include "cli/cli.h"

/* Each adds "kind" and what is there to `object`, or refuses the file. */
CATS_MUST_CHECK enum cats_status cats_inspect_plan(cJSON *object, const char *directory, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_inspect_shard(cJSON *object, const char *path, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_inspect_integer(cJSON *object, const char *path, struct cats_error *error);

#endif

/* SPDX-License-Identifier: MIT */
/* What cats inspect says of plans, shards and integer models. */
#ifndef CATS_CLI_INSPECT_PLAN_H
#define CATS_CLI_INSPECT_PLAN_H

#include "cli/cli.h"
#include "core/shard.h"

/* Each adds "kind" and what is there to `object`, or refuses the file. */
CATS_MUST_CHECK enum cats_status cats_inspect_plan(cJSON *object, const char *directory, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_inspect_shard(cJSON *object, const char *path, struct cats_error *error);
void cats_inspect_shard_bytes(cJSON *object, const struct cats_shard *shard); /* that was opened */
/* Of a node's .hex, which holds a key: it is not told. */
CATS_MUST_CHECK enum cats_status cats_inspect_flash(cJSON *object, const char *path, struct cats_error *error);
CATS_MUST_CHECK enum cats_status cats_inspect_integer(cJSON *object, const char *path, struct cats_error *error);

#endif

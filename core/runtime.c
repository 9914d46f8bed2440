/* SPDX-License-Identifier: MIT */
/* The interpreter's loop, and a node's beginning and end. See runtime.h. */
#include "core/runtime.h"

#include <string.h>

#include "core/kernels/host.h"
#include "core/node.h"
#include "core/partition.h"

/* Of fetching an op, and of opening a gather. */
#define OP_CYCLES 100U
/* One part in so many of a step's budget is not given to its units: their costs are estimates, and over the many small
 * units of a small model they have been seen 8 % below what the emulated core counts. */
#define STEP_RESERVE 10U

static int check_identity(const struct cats_shard_header *h, const struct cats_identity *identity)
{
	if (identity->model_id != 0 && identity->model_id != h->model_id)
		return CATS_REFUSED_SHARD_MODEL;
	if (identity->plan_id != 0 && identity->plan_id != h->plan_id)
		return CATS_REFUSED_SHARD_PLAN;
	if (identity->device != h->device)
		return CATS_REFUSED_SHARD_DEVICE;
	return 0;
}

static int check_arena(const struct cats_shard_header *h, const struct cats_node_config *config)
{
	if ((uintptr_t)config->arena % 8U != 0)
		return CATS_REFUSED_ARENA_MISALIGNED;
	if (config->arena == NULL || config->arena_bytes < h->arena_bytes)
		return CATS_REFUSED_ARENA_SMALL;
	return 0;
}

int cats_node_init(struct cats_node *n, const struct cats_node_config *config, uint32_t *where)
{
	uint32_t offset = 0;
	int refusal;

	memset(n, 0, sizeof(*n));
	refusal = cats_shard_open(&n->shard, config->shard, config->shard_bytes, &offset);
	if (where != NULL)
		*where = offset;
	if (refusal == 0)
		refusal = check_identity(n->shard.header, &config->identity);
	if (refusal == 0)
		refusal = check_arena(n->shard.header, config);
	if (refusal != 0)
		return refusal;
	n->kernels = config->kernels;
	if (n->kernels == NULL)
		n->kernels = cats_kernels_for((enum cats_target)n->shard.header->target);
	if (n->kernels->target != (enum cats_target)n->shard.header->target)
		return CATS_REFUSED_SHARD_TARGET;
	n->arena = config->arena;
	n->state = CATS_NODE_IDLE;
	return 0;
}

void cats_node_start(struct cats_node *n, uint16_t number)
{
	n->inference = number;
	n->op = 0;
	n->entered = false;
	n->has_input = false;
	n->gather.open = false;
	n->gather.site = n->losses.site = CATS_NO_SITE;
	n->losses.senders = 0;
	n->share = (struct cats_share){0, 0};
	n->macs = 0;
	n->cycles = 0;
	n->state = CATS_NODE_WORKING;
}

/* The input may be written: returns its site, or NULL and the refusal. */
static const struct cats_shard_site *input_site(int *refusal, const struct cats_node *n, size_t count)
{
	const struct cats_shard_site *site = n->shard.sites;

	if (n->state == CATS_NODE_IDLE)
		*refusal = CATS_REFUSED_CALL_IDLE;
	else if (n->shard.header->source != n->shard.header->device)
		*refusal = CATS_REFUSED_CALL_NOT_SOURCE;
	else if (n->op != 0 || n->entered)
		*refusal = CATS_REFUSED_CALL_INPUT_LATE;
	else if (count != (size_t)site->tokens * site->columns)
		*refusal = CATS_REFUSED_CALL_INPUT_SIZE;
	else
		return site;
	return NULL;
}

int cats_node_input(struct cats_node *n, const int8_t *values, size_t count)
{
	int refusal = 0;
	const struct cats_shard_site *site = input_site(&refusal, n, count);

	if (site == NULL)
		return refusal;
	for (uint32_t row = 0; row < site->tokens; row++)
		memcpy((int8_t *)cats_node_arena(n, site->view) + (size_t)row * site->stride,
		       values + (size_t)row * site->columns, site->columns);
	n->has_input = true;
	return 0;
}

int cats_node_input_bytes(struct cats_node *n, const uint8_t *bytes, size_t count)
{
	const int8_t *table = cats_node_shard(n, n->shard.header->input_table);
	int refusal = 0;
	const struct cats_shard_site *site = input_site(&refusal, n, count);

	if (site == NULL)
		return refusal;
	if (n->shard.header->input_table == 0)
		return CATS_REFUSED_CALL_NO_TABLE;
	for (uint32_t row = 0; row < site->tokens; row++) {
		int8_t *to = (int8_t *)cats_node_arena(n, site->view) + (size_t)row * site->stride;
		const uint8_t *from = bytes + (size_t)row * site->columns;

		for (uint32_t i = 0; i < site->columns; i++)
			to[i] = table[from[i]];
	}
	n->has_input = true;
	return 0;
}

/* Whether the op, at its beginning, ran at once. */
static bool run_whole(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_host_kernels *host = n->kernels->host;

	return host != NULL && n->unlimited && (n->at.phase | n->at.row | n->at.output | n->at.column) == 0 &&
	       host->run(n, op);
}

static bool run(struct cats_node *n, const struct cats_op *op)
{
	if (run_whole(n, op))
		return true;
	switch (op->code) {
	case CATS_OP_OPEN:
		return cats_op_open(n, op);
	case CATS_OP_GATHER:
		return cats_op_gather(n, op);
	case CATS_OP_EMBED:
		return cats_op_embed(n, op);
	case CATS_OP_QUANTISE:
		return cats_op_quantise(n, op);
	case CATS_OP_STATS:
		return cats_op_stats(n, op);
	case CATS_OP_NORM_PRODUCT:
		return cats_op_norm_product(n, op);
	case CATS_OP_ATTENTION:
		return cats_op_attention(n, op);
	case CATS_OP_RESIDUAL_PRODUCT:
		return cats_op_residual_product(n, op);
	default:
		return false; /* END: the state is DONE before it runs */
	}
}

static bool enter(struct cats_node *n)
{
	if (n->entered)
		return true;
	if (!cats_node_afford(n, OP_CYCLES))
		return false;
	n->at.phase = n->at.row = n->at.output = n->at.column = 0;
	n->entered = true;
	return true;
}

int cats_node_step(struct cats_node *n, uint32_t budget)
{
	if (n->state == CATS_NODE_IDLE)
		return CATS_REFUSED_CALL_IDLE;
	if (n->shard.header->source == n->shard.header->device && !n->has_input)
		return CATS_REFUSED_CALL_NO_INPUT;
	n->budget = budget - budget / STEP_RESERVE;
	n->unlimited = budget == UINT32_MAX;
	n->worked = false;
	while (n->state == CATS_NODE_WORKING) {
		const struct cats_op *op = n->shard.ops + n->op;

		if (op->code == CATS_OP_END) {
			n->state = CATS_NODE_DONE;
			break;
		}
		if (!enter(n) || !run(n, op))
			break;
		n->op++;
		n->entered = false;
	}
	return n->state;
}

/* The result's site and the place of an output in this device's view, or a refusal. */
static int result_place(uint32_t *place, uint32_t *sender, const struct cats_node *n, uint32_t row, uint32_t column)
{
	const struct cats_shard_header *h = n->shard.header;
	const struct cats_shard_site *site = n->shard.sites + h->site_count - 1U;
	const struct cats_shard_sender *senders = cats_node_senders(n, site);
	uint32_t own_first = 0;

	if (n->state != CATS_NODE_DONE)
		return CATS_REFUSED_CALL_NOT_DONE;
	/* Outputs are cut as all columns are (core/partition.h), and a view has some runs or all of them. */
	if (site->columns != h->outputs)
		own_first = cats_partition_run(h->outputs, h->devices, h->device).first;
	if (row >= site->tokens || column < own_first || column - own_first >= site->columns)
		return CATS_REFUSED_CALL_NO_RESULT;
	*place = column - own_first;
	for (*sender = 0; *place - senders[*sender].first >= senders[*sender].columns; ++*sender)
		;
	return 0;
}

int cats_node_result(int32_t *value, const struct cats_node *n, uint32_t row, uint32_t column)
{
	const struct cats_shard_site *site = n->shard.sites + n->shard.header->site_count - 1U;
	uint32_t place, sender;
	const int refusal = result_place(&place, &sender, n, row, column);

	*value = 0;
	if (refusal != 0)
		return refusal;
	if (n->losses.site == site->site && (cats_node_lost(n, site, row) >> sender & 1U) != 0)
		return 0;
	*value = ((const int32_t *)cats_node_arena(n, site->view + row * site->stride))[place];
	return 1;
}

int cats_node_class(const struct cats_node *n)
{
	int32_t best = 0, value;
	int chosen = -1;

	for (uint32_t column = 0; column < n->shard.header->outputs; column++) {
		const int there = cats_node_result(&value, n, 0, column);

		if (there < 0)
			return there;
		if (there > 0 && (chosen < 0 || value > best)) {
			best = value;
			chosen = (int)column;
		}
	}
	return chosen;
}

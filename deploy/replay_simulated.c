/* SPDX-License-Identifier: MIT */
/* Simulated nodes beside those of a replay. See replay_simulated.h. */
#include "deploy/replay_simulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cats_replayed {
	const struct cats_plan *plan;
	struct cats_replay *replay;
	struct cats_lacks lacks;
	bool ended[CATS_DEVICES_MAX]; /* the last gather of the latest inference */
	enum cats_status status;      /* of what went wrong within a call back */
	struct cats_error error;
};

enum cats_status cats_replayed_create(struct cats_replayed **out, const struct cats_plan *plan,
				      struct cats_error *error)
{
	struct cats_replayed *r = calloc(1, sizeof *r);
	enum cats_status status;

	*out = NULL;
	if (r == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "replay: out of memory");
	r->plan = plan;
	status = cats_replay_create(&r->replay, plan, error);
	if (status < 0)
		cats_replayed_free(r);
	else
		*out = r;
	return status;
}

void cats_replayed_free(struct cats_replayed *r)
{
	if (r == NULL)
		return;
	cats_replay_free(r->replay);
	cats_lacks_free(&r->lacks);
	free(r);
}

void cats_replayed_gathered(void *context, uint32_t node, uint64_t moment, const struct cats_node *runtime)
{
	struct cats_replayed *r = context;

	if (moment > r->lacks.moment)
		memset(r->ended, 0, sizeof r->ended);
	if (r->status == CATS_OK)
		r->status = cats_lacks_add(&r->lacks, moment, runtime, &r->error);
	if (moment == r->lacks.moment)
		r->ended[node] = cats_node_open_site(runtime) + 1U == runtime->shard.header->site_count;
}

static void differ(struct cats_replay_outcome *out, uint64_t bytes, uint32_t node, const char *what, uint32_t at)
{
	if (out->different == 0)
		(void)snprintf(out->difference, sizeof out->difference, "node %u, %s %u", node, what, at);
	out->different += bytes;
}

static void compare_results(struct cats_replay_outcome *out, const struct cats_node *expected,
			    const struct cats_node *got)
{
	const struct cats_shard_header *h = expected->shard.header;
	const uint32_t rows = expected->shard.sites[h->site_count - 1U].tokens;

	for (uint32_t i = 0; i < rows * h->outputs; i++) {
		int32_t x = 0, y = 0;
		const int there = cats_node_result(&x, expected, i / h->outputs, i % h->outputs);

		out->compared += sizeof x;
		if (cats_node_result(&y, got, i / h->outputs, i % h->outputs) != there || x != y)
			differ(out, sizeof x, h->device, "output", i);
	}
	if (cats_node_share(expected).arrived != cats_node_share(got).arrived)
		differ(out, sizeof(uint64_t), h->device, "share", (uint32_t)cats_node_share(got).arrived);
}

/* A node that did not come to its end has other bytes: the next inference begins with the same on both sides. */
static void compare_arena(struct cats_replay_outcome *out, const struct cats_replayed *r, uint32_t node,
			  const struct cats_somegather_memory *memory)
{
	uint8_t *expected = cats_replay_node(r->replay, node)->arena;
	const uint8_t *got = memory->arena;

	if (!r->ended[node]) {
		memcpy(expected, got, memory->arena_bytes);
		return;
	}
	out->compared += memory->arena_bytes;
	for (uint32_t i = 0; i < memory->arena_bytes; i++)
		if (expected[i] != got[i])
			differ(out, 1, node, "arena byte", i);
}

enum cats_status cats_replayed_compare(struct cats_replay_outcome *out, struct cats_replayed *r,
				       struct cats_somegather *play, const struct cats_play_report *report,
				       const struct cats_fleet_input *input, uint64_t number, struct cats_error *error)
{
	const struct cats_node *sink = cats_replay_sink(r->replay);
	struct cats_finding finding;
	enum cats_status status = r->status < 0 ? cats_fail(error, r->status, "%s", r->error.text) : CATS_OK;

	*out = (struct cats_replay_outcome){0};
	if (status == CATS_OK)
		status = cats_replay_run(&finding, r->replay, input, number, r->lacks.list, r->lacks.count, error);
	if (status < 0)
		return status;
	out->compared = finding.compared;
	if (finding.different > 0)
		differ(out, finding.different, finding.first.node, "of the host itself, site", finding.first.site);
	/* A sink that was killed behind its last gather has no result to compare. */
	if (r->ended[sink->shard.header->device] && report->sink->state == CATS_NODE_DONE)
		compare_results(out, sink, report->sink);
	for (uint32_t j = 0; j < r->plan->shards.devices; j++) {
		const struct cats_somegather_memory memory = cats_somegather_memory(play, j);

		compare_arena(out, r, j, &memory);
	}
	return CATS_OK;
}

uint32_t cats_replayed_ended(const struct cats_replayed *r)
{
	uint32_t count = 0;

	for (uint32_t j = 0; j < r->plan->shards.devices; j++)
		count += r->ended[j];
	return count;
}

const struct cats_lacks *cats_replayed_lacks(const struct cats_replayed *r)
{
	return &r->lacks;
}

/* SPDX-License-Identifier: MIT */
/* Columns in the order in which a view holds them. See compare.h. */
#include "deploy/compare.h"

/* A place of a view, to be compared. */
struct place {
	uint32_t node, site, token, column;
};

static void compare(struct cats_comparison *c, const struct place *at, int32_t expected, int32_t got, uint32_t bytes)
{
	c->finding.compared += bytes;
	if (expected == got)
		return;
	if (c->finding.different == 0)
		c->finding.first = (struct cats_difference){.sample = c->sample,
							    .node = at->node,
							    .site = at->site,
							    .token = at->token,
							    .column = at->column,
							    .expected = expected,
							    .got = got};
	c->finding.different += bytes;
}

static bool arrived(const struct cats_comparison *c, const struct place *at, uint32_t sender)
{
	const struct cats_receipts *r = c->receipts;
	const uint32_t D = c->devices;
	const uint32_t tokens = cats_integer_site_tokens(&c->integer->config, at->site);

	return sender == at->node || r->at[at->site] == NULL ||
	       r->at[at->site][((size_t)sender * D + at->node) * tokens + at->token] != 0;
}

/* What node `at->node` holds of one sender's columns and one token; both are in ascending order. A token that takes
 * several packets and did not arrive is left out: what is there of it is cleared only when the node goes on. */
static void compare_token(struct cats_comparison *c, struct place *at, const struct cats_node *node, uint32_t sender)
{
	const struct cats_integer *m = c->integer;
	const struct cats_shard_site *site = node->shard.sites + at->site;
	const struct cats_shard_sender *columns = cats_shard_senders(&node->shard, site) + sender;
	const struct cats_run own = cats_integer_site_own(&m->config, at->site, c->devices, sender);
	const int8_t *view =
		(const int8_t *)node->arena + site->view + (size_t)at->token * site->stride + columns->first;
	const int8_t *trace =
		c->trace->sites[at->site] + (size_t)at->token * cats_integer_site_columns(&m->config, at->site);
	const bool there = arrived(c, at, sender);
	uint32_t next = 0;

	if (!there && columns->columns > node->shard.header->payload_max)
		return;
	for (at->column = own.first; at->column < own.first + own.count && next < columns->columns; at->column++)
		if (sender == at->node || cats_integer_kept(m, at->site, at->column))
			compare(c, at, there ? trace[at->column] : 0, view[next++], 1);
}

static void compare_node(struct cats_comparison *c, const struct cats_node *node, uint32_t site, bool own)
{
	const uint32_t device = node->shard.header->device;
	struct place at = {.node = device, .site = site};

	for (at.token = 0; at.token < node->shard.sites[site].tokens; at.token++)
		for (uint32_t sender = 0; sender < c->devices; sender++)
			if ((sender == device) == own)
				compare_token(c, &at, node, sender);
}

/* What a node computed itself comes before what others received of it, so that the first difference is where it arose.
 * Results are int32 and are asked for when all is done. */
void cats_compare_site(struct cats_comparison *c, const struct cats_fleet *fleet, uint32_t site)
{
	if (site + 1U == cats_integer_sites(&c->integer->config))
		return;
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t j = 0; j < c->devices; j++)
			if (cats_node_open_site(cats_fleet_node(fleet, j)) == site)
				compare_node(c, cats_fleet_node(fleet, j), site, pass == 0);
}

/* The device that computes a column. */
static uint32_t owner(const struct cats_comparison *c, uint32_t site, uint32_t column)
{
	uint32_t j = 0;

	for (; j + 1U < c->devices; j++) {
		const struct cats_run own = cats_integer_site_own(&c->integer->config, site, c->devices, j);

		if (column < own.first + own.count)
			break;
	}
	return j;
}

void cats_compare_results(struct cats_comparison *c, const struct cats_fleet *fleet)
{
	const struct cats_integer *m = c->integer;
	const struct cats_node *sink = cats_fleet_sink(fleet);
	struct place at = {.site = cats_integer_sites(&m->config) - 1U};

	for (at.token = 0; at.token < cats_integer_site_tokens(&m->config, at.site); at.token++)
		for (at.column = 0; at.column < m->config.n_out; at.column++) {
			const size_t index = (size_t)at.token * m->config.n_out + at.column;
			int32_t value;

			if (cats_node_result(&value, sink, at.token, at.column) != 1)
				value = INT32_MIN;
			at.node = owner(c, at.site, at.column);
			compare(c, &at, c->trace->arrived[index] ? c->trace->logits[index] : INT32_MIN, value,
				sizeof value);
		}
}

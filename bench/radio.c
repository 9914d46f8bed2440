/* SPDX-License-Identifier: MIT */
/* Two tables about the gather protocol, as Markdown on stdout; figures, never a test.
 *
 *	cats-bench-radio sites PLAN     a plan's gathers: packets, the air-time limit, the slots, the deadline
 *	cats-bench-radio rebirth        how soon a node that reboots is in step again, over moments of an inference
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/node.h"
#include "sim/ether.h"
#include "sim/fleet.h"

#define DEVICES 16U
#define GATHERS 6U
#define SITES (1U + GATHERS)
#define VICTIM 5U
#define MOMENTS 40U /* of each gather */
#define LIMIT_US 5000000U
#define PAUSE_NS 5000000U /* between inferences */
#define NEVER UINT64_MAX

/* ---- Sites ---- */

static void print_site(const struct cats_shard *shard, uint16_t number)
{
	const uint32_t devices = shard->header->devices;
	struct cats_net_site site = {0};
	struct cats_net_layout l;
	uint32_t bytes = 0;

	if (!cats_net_site_of_shard(&site, shard, number) || !cats_net_layout_of(&l, &site, devices))
		return;
	for (uint32_t i = 0; i < devices; i++)
		bytes += (uint32_t)site.tokens * site.token_bytes[i];
	const double limit = cats_net_site_limit_us(&site, devices);

	printf("| %u | %u | %u | %.2f | %.2f | %.2f | %.2f |", number, bytes, l.packets, limit / 1e3, l.slots_us / 1e3,
	       l.deadline_us / 1e3, l.deadline_us / limit);
	if (l.repairs > 0)
		printf(" %u unasked |\n", l.repairs);
	else
		printf(" asked for |\n");
}

static int print_sites(const char *plan)
{
	struct cats_error error = {0};
	struct cats_shards shards;
	struct cats_shard shard;
	uint32_t where;

	if (cats_shards_load(&shards, plan, &error) < 0) {
		fprintf(stderr, "cats-bench-radio: %s\n", error.text);
		return 1;
	}
	printf("| site | bytes | packets | limit (ms) | slots (ms) | deadline (ms) | times the limit | combinations |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	if (cats_shard_open(&shard, shards.bytes[0], shards.sizes[0], &where) == 0)
		for (uint16_t i = 0; i < shard.header->site_count; i++)
			print_site(&shard, i);
	cats_shards_free(&shards);
	return 0;
}

/* ---- Rebirth ---- */

struct rebirth {
	uint16_t site;    /* in whose gather it reboots, */
	double share;     /* after this share of its slots and repair */
	uint64_t reborn;  /* true time, ns; NEVER: not yet */
	uint64_t in_step; /* when it was in a gather again; NEVER: not yet */
};

static void watch(void *context, struct cats_ether *e, uint64_t now_ns)
{
	struct rebirth *r = context;
	struct cats_ether_node *n = &e->nodes[VICTIM];
	const uint64_t start_ns = n->results[r->site].start_ns;

	if (r->reborn == NEVER) {
		const double after_ns = r->share * 1.3e3 * n->net.layout.slots_us;

		if (n->net.phase == CATS_NET_PHASE_GATHER && n->net.site == r->site && start_ns != 0 &&
		    (double)now_ns >= (double)start_ns + after_ns) {
			cats_ether_reboot(e, VICTIM);
			r->reborn = now_ns;
		}
	} else if (r->in_step == NEVER && n->net.phase == CATS_NET_PHASE_GATHER) {
		r->in_step = now_ns;
	}
}

static void fill_sites(struct cats_net_site sites[SITES])
{
	for (uint32_t i = 0; i < SITES; i++) {
		sites[i] = (struct cats_net_site){
			.compute_us = 2000, .tokens = 64, .payload_max = 128, .receivers = 0xffff};
		for (uint32_t j = 0; j < DEVICES; j++)
			sites[i].token_bytes[j] = 2;
	}
	memset(sites[0].token_bytes, 0, sizeof sites[0].token_bytes);
	sites[0].token_bytes[0] = 4;
	sites[0].receivers = 0xfffe;
}

static bool is_complete(const struct cats_ether *e)
{
	for (uint32_t i = 0; i < DEVICES; i++)
		for (uint32_t s = 0; s < SITES; s++)
			if (!e->nodes[i].results[s].ended || !e->nodes[i].results[s].complete)
				return false;
	return true;
}

/* What one reboot led to. */
struct outcome {
	bool happened, same, complete; /* same: in step in that very inference */
	double wait_ms, opening_ms;    /* from the reboot; from the next inference's opening, when not the same */
};

static struct outcome reboot_once(uint16_t site, uint32_t moment, double loss)
{
	struct cats_net_site sites[SITES];
	struct rebirth r = {.site = SITES, .share = (moment + 0.5) / MOMENTS, .reborn = NEVER, .in_step = NEVER};
	struct outcome out = {0};

	fill_sites(sites);
	struct cats_ether *e =
		cats_ether_create(&(struct cats_ether_options){.devices = DEVICES,
							       .sites = SITES,
							       .site = sites,
							       .loss_q32 = (uint64_t)(loss * 4294967296.0),
							       .drift_ppm = 40,
							       .seed = 1000U * site + moment,
							       .tick = watch,
							       .context = &r});
	if (!e)
		return out;
	cats_ether_infer(e, LIMIT_US);
	/* The second is struck; it ends at the others long before the limit, which is not waited for. */
	r.site = site;
	cats_ether_run(e, e->now_ns + PAUSE_NS);
	cats_ether_infer(e, 400000U);
	out.happened = r.reborn != NEVER;
	out.same = r.in_step != NEVER;
	const uint64_t opening_ns = e->now_ns;
	cats_ether_infer(e, LIMIT_US);
	out.complete = is_complete(e);
	if (out.happened && r.in_step != NEVER) {
		out.wait_ms = (double)(r.in_step - r.reborn) / 1e6;
		out.opening_ms = out.same ? 0 : (double)(r.in_step - opening_ns) / 1e6;
	}
	cats_ether_free(e);
	return out;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_rebirths(uint16_t site, double loss)
{
	double after[MOMENTS];
	uint32_t count = 0, same = 0, complete = 0, happened = 0;

	for (uint32_t m = 0; m < MOMENTS; m++) {
		const struct outcome o = reboot_once(site, m, loss);

		happened += o.happened;
		same += o.happened && o.same;
		complete += o.happened && o.complete;
		if (o.happened && !o.same)
			after[count++] = o.opening_ms;
	}
	qsort(after, count, sizeof *after, by_value);
	printf("| %g %% | %u | %u | %u |", 100 * loss, site, happened, same);
	if (count > 0)
		printf(" %.1f | %.1f |", after[count / 2U], after[count - 1U]);
	else
		printf(" | |");
	printf(" %u of %u |\n", complete, happened);
	fflush(stdout);
}

static int print_all_rebirths(void)
{
	printf("Sixteen nodes, an input and six gathers of 2 kB; one node reboots at %u moments of each gather. When "
	       "it is in step "
	       "again: in the same\ninference, or so long after the next one's opening; and whether that next one is "
	       "complete at all nodes.\nMade by `build/cats-bench-radio rebirth`.\n\n"
	       "| link loss | reboots in gather | reboots | in step in the same inference | else after the next "
	       "opening, "
	       "median (ms) | most (ms) | next complete |\n"
	       "| --- | --- | --- | --- | --- | --- | --- |\n",
	       MOMENTS);
	for (uint16_t site = 0; site < SITES; site++)
		print_rebirths(site, 0);
	for (uint16_t site = 0; site < SITES; site++)
		print_rebirths(site, 0.01);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "sites") == 0)
		return print_sites(argv[2]);
	if (argc == 2 && strcmp(argv[1], "rebirth") == 0)
		return print_all_rebirths();
	fprintf(stderr, "usage: %s sites PLAN | rebirth\n", argv[0]);
	return 2;
}

/* SPDX-License-Identifier: MIT */
/* How near the gather protocol comes to the air-time limit, as a Markdown table on stdout. Simulated: everybody in
 * range, independent losses a link, clocks off by up to 40 ppm, headers, tags, statuses and decoding time counted,
 * AES-CCM for real. Figures, never a test; the same seeds give the same table. usage: cats-bench-gather [SEEDS]    (200
 * when left out) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/ether.h"

#define TOKENS 64U
#define GATHERS 4U /* in each inference, after its input */
#define SITES (1U + GATHERS)
#define INPUT_BYTES 96U
#define COMPUTE_US 2000U
#define LIMIT_US 5000000U
#define PAYLOAD 224U /* leaves 22 bytes of a combination for its packets' bits */
#define LISTED 8U

struct setting {
	uint32_t devices, kilobytes;
	double loss;
};

struct figures {
	double *ratios; /* [complete]: times the limit, ascending */
	uint32_t complete, gathers;
	uint64_t frames, coded;
	char failures[256];
	double cpu_s, virtual_s;
};

/* The least payload with which a message takes no more packets: combinations are as long as the longest packet. */
static uint16_t payload_for(uint32_t token_bytes)
{
	const uint32_t packets = cats_message_packets(TOKENS, token_bytes, PAYLOAD);
	uint32_t payload = PAYLOAD;

	while (payload > 4U && cats_message_packets(TOKENS, token_bytes, payload - 4U) == packets)
		payload -= 4U;
	return (uint16_t)payload;
}

static void fill_sites(struct cats_net_site sites[SITES], const struct setting *s)
{
	const uint64_t all = s->devices == 64U ? UINT64_MAX : (UINT64_C(1) << s->devices) - 1U;
	const uint16_t token_bytes = (uint16_t)(1024U * s->kilobytes / TOKENS / s->devices);

	memset(sites, 0, SITES * sizeof *sites);
	for (uint32_t i = 0; i < SITES; i++) {
		sites[i] = (struct cats_net_site){.compute_us = COMPUTE_US, .tokens = TOKENS, .receivers = all};
		sites[i].payload_max = payload_for(token_bytes);
		for (uint32_t j = 0; j < s->devices; j++)
			sites[i].token_bytes[j] = token_bytes;
	}
	memset(sites[0].token_bytes, 0, sizeof sites[0].token_bytes);
	sites[0].tokens = 1;
	sites[0].payload_max = INPUT_BYTES;
	sites[0].token_bytes[0] = INPUT_BYTES;
	sites[0].receivers = all & ~UINT64_C(1);
}

/* From the first node's beginning to the last node's end, in µs; 0 when a node lacks a packet. */
static double gather_us(const struct cats_ether *e, uint32_t site)
{
	uint64_t start_ns = UINT64_MAX, end_ns = 0;

	for (uint32_t i = 0; i < e->options.devices; i++) {
		const struct cats_ether_result *r = &e->nodes[i].results[site];

		if (!r->ended || !r->complete)
			return 0;
		start_ns = r->start_ns < start_ns ? r->start_ns : start_ns;
		end_ns = r->end_ns > end_ns ? r->end_ns : end_ns;
	}
	return (double)(end_ns - start_ns) / 1e3;
}

static void list_failure(struct figures *f, uint64_t seed, uint32_t site)
{
	const uint32_t failed = f->gathers - f->complete;
	const size_t used = strlen(f->failures);

	if (failed <= LISTED)
		snprintf(f->failures + used, sizeof f->failures - used, "%s%u.%u", failed > 1 ? ", " : "",
			 (unsigned)seed, site);
	else if (failed == LISTED + 1U)
		snprintf(f->failures + used, sizeof f->failures - used, ", …");
}

static int run_seed(struct figures *f, const struct setting *s, uint64_t seed)
{
	struct cats_net_site sites[SITES];

	fill_sites(sites, s);
	struct cats_ether *e =
		cats_ether_create(&(struct cats_ether_options){.devices = (uint8_t)s->devices,
							       .sites = SITES,
							       .site = sites,
							       .loss_q32 = (uint64_t)(s->loss * 4294967296.0),
							       .drift_ppm = 40,
							       .seed = seed});
	if (!e)
		return -1;
	cats_ether_infer(e, LIMIT_US);
	f->frames += e->frames;
	f->virtual_s += (double)e->now_ns / 1e9;
	for (uint32_t i = 0; i < s->devices; i++)
		f->coded += e->nodes[i].net.counters.coded_sent;
	for (uint32_t g = 1; g < SITES; g++) {
		const double us = gather_us(e, g);

		f->gathers++;
		if (us > 0)
			f->ratios[f->complete++] = us / cats_net_site_limit_us(&sites[g], s->devices);
		else
			list_failure(f, seed, g);
	}
	cats_ether_free(e);
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of all gathers, also those that are not complete: they are slower than any. NAN prints as "-". */
static void print_quantile(const struct figures *f, double share)
{
	const uint32_t at = (uint32_t)(share * (f->gathers - 1U) + 0.5);

	if (at < f->complete)
		printf(" %.3f |", f->ratios[at]);
	else
		printf(" - |");
}

static int print_row(const struct setting *s, uint32_t seeds)
{
	struct cats_net_site sites[SITES];
	struct figures f = {.ratios = malloc(seeds * GATHERS * sizeof *f.ratios)};
	const clock_t begun = clock();
	int status = f.ratios ? 0 : -1;

	for (uint32_t seed = 0; status == 0 && seed < seeds; seed++)
		status = run_seed(&f, s, seed);
	if (status == 0) {
		fill_sites(sites, s);
		qsort(f.ratios, f.complete, sizeof *f.ratios, by_value);
		printf("| %u | %u | %g %% | %.1f |", s->devices, s->kilobytes, 100.0 * s->loss,
		       cats_net_site_limit_us(&sites[1], s->devices) / 1e3);
		print_quantile(&f, 0.5);
		print_quantile(&f, 0.9);
		print_quantile(&f, 0.99);
		printf(" %u of %u | %.1f | %s |\n", f.complete, f.gathers, (double)f.coded / f.gathers, f.failures);
		fflush(stdout);
		fprintf(stderr, "%u nodes, %u kB, %g %%: %.2f s of processor time a simulated second\n", s->devices,
			s->kilobytes, 100.0 * s->loss, (double)(clock() - begun) / CLOCKS_PER_SEC / f.virtual_s);
	}
	free(f.ratios);
	return status;
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{16, 2, 0.001}, {16, 8, 0.001}, {16, 32, 0.001}, {16, 2, 0.05}, {16, 8, 0.05},
		{16, 32, 0.05}, {16, 2, 0.2},   {16, 8, 0.2},    {16, 32, 0.2}, {2, 8, 0.05},
		{4, 8, 0.05},   {8, 8, 0.05},   {32, 8, 0.05},   {64, 8, 0.05},
	};
	const uint32_t seeds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200U;

	if (argc > 2 || seeds == 0 || seeds > 100000U) {
		fprintf(stderr, "usage: %s [SEEDS]\n", argv[0]);
		return 2;
	}
	printf("Simulated gathers, %u seeds, %u gathers each; times are multiples of the limit, from the first node's\n"
	       "beginning to the last node's end; a gather that is not complete at every node counts as slower than "
	       "any.\n"
	       "Failures are seed.site. Made by `build/cats-bench-gather %u`.\n\n",
	       seeds, GATHERS, seeds);
	printf("| nodes | kB | link loss | limit, ms | median | p90 | p99 | complete | combinations | failures |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (uint32_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (print_row(&settings[i], seeds) != 0) {
			fprintf(stderr, "%s: out of memory\n", argv[0]);
			return 1;
		}
	return 0;
}

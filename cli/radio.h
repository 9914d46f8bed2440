/* SPDX-License-Identifier: MIT */
/* What the commands share that send a plan's packets by radio, simulated or between emulated chips: their options
 * (which samples, what the air is like, what is written down) and keys of their results. Host only. */
#ifndef CATS_CLI_RADIO_H
#define CATS_CLI_RADIO_H

#include "cli/cli.h"
#include "deploy/plan.h"
#include "deploy/recording.h"
#include "io/dataset.h"
#include "sim/clock.h"

enum cats_radio_option {
	CATS_OPTION_RADIO_DATA = CATS_OPTION_OWN + 0x200,
	CATS_OPTION_RADIO_LIMIT,
	CATS_OPTION_TOPOLOGY,
	CATS_OPTION_LINK_LOSS,
	CATS_OPTION_INTERFERENCE,
	CATS_OPTION_DRIFT,
	CATS_OPTION_FAULTS,
	CATS_OPTION_TRACE,
	CATS_OPTION_PCAPNG,
	CATS_OPTION_TIMELINE,
};

/* faults: what a script can do. first: "the first N samples", those that are traced. */
#define CATS_RADIO_OPTIONS(faults, first)                                                                            \
	{"data", CATS_OPTION_RADIO_DATA, "DATA", 0, "As for cats eval; without a split its test samples", 1},        \
		{"limit", CATS_OPTION_RADIO_LIMIT, "N", 0, "The first N samples only", 1},                           \
		{"topology", CATS_OPTION_TOPOLOGY, "WHERE", 0, "full (default), line:K, grid:RxC, or a file", 1},    \
		{"link-loss",                                                                                        \
		 CATS_OPTION_LINK_LOSS,                                                                              \
		 "P",                                                                                                \
		 0,                                                                                                  \
		 "Each frame is lost at each receiver with this probability (0)",                                    \
		 1},                                                                                                 \
		{"interference",                                                                                     \
		 CATS_OPTION_INTERFERENCE,                                                                           \
		 "P",                                                                                                \
		 0,                                                                                                  \
		 "Share of time with a strong interferer, in bursts of 0.5 ms (0)",                                  \
		 1},                                                                                                 \
		{"drift", CATS_OPTION_DRIFT, "PPM", 0, "Clocks are off by up to this, either way (40)", 1},          \
		{"faults", CATS_OPTION_FAULTS, "FILE", 0, faults, 1},                                                \
		{"trace", CATS_OPTION_TRACE, "FILE", 0, "Every transmission and reception of " first ", as CSV", 2}, \
		{"pcapng", CATS_OPTION_PCAPNG, "FILE", 0, "The same as a capture for Wireshark", 2},                 \
	{                                                                                                            \
		"timeline", CATS_OPTION_TIMELINE, "FILE", 0, "The first sample's inference as SVG, a row a node", 2  \
	}

/* What those options said; texts are argv's, NULL where nothing was said. Initialise with CATS_RADIO_DEFAULTS. */
struct cats_radio_arguments {
	const char *plan, *data, *topology, *faults, *trace, *pcapng, *timeline;
	uint64_t limit; /* 0: none */
	double link_loss, interference;
	uint32_t drift_ppm;
};
#define CATS_RADIO_DEFAULTS                           \
	{                                             \
		.drift_ppm = CATS_CLOCK_DRIFT_PPM_MAX \
	}

/* True when the key was one of them or the plan's name. */
bool cats_radio_argument(struct cats_radio_arguments *a, int key, char *text, const struct argp_state *state);

/* At the end of the arguments: all is there, and no file is asked for twice, among them the command's own. */
void cats_radio_arguments_check(const struct cats_radio_arguments *a, const struct cats_output *own, size_t own_count,
				const struct argp_state *state);

/* How the samples of a plan's model are asked for. */
struct cats_dataset_options cats_radio_arguments_data(const struct cats_plan *plan);

/* What to record; the title, which is written to `title`, speaks of so many `nodes`, say "emulated nRF52840". */
struct cats_recording_options cats_radio_arguments_recording(char title[256], const struct cats_radio_arguments *a,
							     const struct cats_plan *plan, const char *nodes);

/* "topology" and "link_loss", as keys of a result. */
void cats_radio_arguments_describe(cJSON *object, const struct cats_radio_arguments *a);

/* "latency_us", likewise: median, ninth decile and maximum. */
void cats_radio_add_latency(cJSON *object, double p50_us, double p90_us, double max_us);

#endif

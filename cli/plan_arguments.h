/* SPDX-License-Identifier: MIT */
/* Options of the commands that run a plan over data: which samples, and what is lost. */
#ifndef CATS_CLI_PLAN_ARGUMENTS_H
#define CATS_CLI_PLAN_ARGUMENTS_H

#include "cli/cli.h"
#include "io/dataset.h"
#include "model/config.h"
#include "sim/loss.h"
#include "train/loss_masks.h"

enum cats_plan_option {
	CATS_OPTION_DATA = CATS_OPTION_OWN + 0x100,
	CATS_OPTION_LIMIT,
	CATS_OPTION_MESSAGE_LOSS,
	CATS_OPTION_LOSS_KIND,
	CATS_OPTION_LOSS_UNIT,
	CATS_OPTION_LOSS_SITES,
	CATS_OPTION_STRIDE,
};

#define CATS_PLAN_OPTIONS                                                                                          \
	{"data", CATS_OPTION_DATA, "DATA", 0, "As for cats eval; without a split its test samples", 1},            \
		{"limit", CATS_OPTION_LIMIT, "N", 0, "The first N samples only", 1},                               \
		{"stride", CATS_OPTION_STRIDE, "N", 0, "Of a series: from one window to the next (1)", 1},         \
		{"message-loss", CATS_OPTION_MESSAGE_LOSS, "P", 0, "Lose messages with this probability (0)", 1},  \
		{"loss-kind", CATS_OPTION_LOSS_KIND, "KINDS", 0, "Of link,receiver,sender, or all (link)", 1},     \
		{"loss-unit", CATS_OPTION_LOSS_UNIT, "UNIT", 0, "Drawn per message (default) or packet", 1},       \
	{                                                                                                          \
		"loss-sites", CATS_OPTION_LOSS_SITES, "WHICH", 0,                                                  \
			"Lost at all sites (default), or at gathers only, as in training: not input and result", 1 \
	}

/* What those options said. Initialise .kind with "link". */
struct cats_plan_arguments {
	const char *plan, *data;
	uint64_t limit;
	uint32_t stride;
	double message_loss;
	const char *kind;
	struct cats_loss_spec loss;
	bool gathers_only;
};

/* True when the key was one of them, the plan's name or the end of the arguments, where it checks that all is there. */
bool cats_plan_argument(struct cats_plan_arguments *a, int key, char *text, const struct argp_state *state);

/* How the samples of a plan's model are asked for. */
struct cats_dataset_options cats_plan_arguments_data(const struct cats_plan_arguments *a,
						     const struct cats_config *config);

/* The loss of packets. */
struct cats_loss cats_plan_arguments_loss(const struct cats_plan_arguments *a, uint64_t seed);

#endif

/* SPDX-License-Identifier: MIT */
/* Options of the commands that run a plan. See plan_arguments.h. */
#include "cli/plan_arguments.h"

#include <string.h>

#include "train/batch.h"

static void finish(struct cats_plan_arguments *a, const struct argp_state *state)
{
	struct cats_error error = {0};

	if (a->plan == NULL || a->data == NULL)
		argp_error(state, "PLAN and --data are needed");
	if (cats_loss_kinds(&a->loss, a->kind, a->message_loss, &error) < 0)
		argp_error(state, "--loss-kind: %s", error.text);
}

bool cats_plan_argument(struct cats_plan_arguments *a, int key, char *text, const struct argp_state *state)
{
	switch (key) {
	case CATS_OPTION_DATA:
		a->data = text;
		return true;
	case CATS_OPTION_LIMIT:
		a->limit = cats_argument_count(state, "--limit", text, 1, UINT32_MAX);
		return true;
	case CATS_OPTION_STRIDE:
		a->stride = (uint32_t)cats_argument_count(state, "--stride", text, 1, 1U << 20);
		return true;
	case CATS_OPTION_MESSAGE_LOSS:
		a->message_loss = cats_argument_number(state, "--message-loss", text, 0, 1);
		return true;
	case CATS_OPTION_LOSS_KIND:
		a->kind = text;
		return true;
	case CATS_OPTION_LOSS_UNIT:
		if (strcmp(text, "message") != 0 && strcmp(text, "packet") != 0)
			argp_error(state, "--loss-unit: \"%s\" is neither message nor packet", text);
		a->loss.per_packet = strcmp(text, "packet") == 0;
		return true;
	case CATS_OPTION_LOSS_SITES:
		if (strcmp(text, "all") != 0 && strcmp(text, "gathers") != 0)
			argp_error(state, "--loss-sites: \"%s\" is neither all nor gathers", text);
		a->gathers_only = strcmp(text, "gathers") == 0;
		return true;
	case ARGP_KEY_ARG:
		if (a->plan != NULL)
			argp_error(state, "\"%s\": only one PLAN", text);
		a->plan = text;
		return true;
	case ARGP_KEY_END:
		finish(a, state);
		return true;
	default:
		return false;
	}
}

struct cats_loss cats_plan_arguments_loss(const struct cats_plan_arguments *a, uint64_t seed)
{
	return (struct cats_loss){
		.link_q32 = cats_loss_threshold(a->loss.link),
		.receiver_q32 = cats_loss_threshold(a->loss.receiver),
		.sender_q32 = cats_loss_threshold(a->loss.sender),
		.per_packet = a->loss.per_packet,
		.gathers_only = a->gathers_only,
		.seed = seed,
	};
}

struct cats_dataset_options cats_plan_arguments_data(const struct cats_plan_arguments *a,
						     const struct cats_config *config)
{
	return (struct cats_dataset_options){
		.fallback = CATS_SPLIT_TEST,
		.window = cats_feed_window(config),
		.stride = a->stride,
	};
}

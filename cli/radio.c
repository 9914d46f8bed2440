/* SPDX-License-Identifier: MIT */
/* What the commands that send by radio share. See radio.h. */
#include "cli/radio.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "train/batch.h"

bool cats_radio_argument(struct cats_radio_arguments *a, int key, char *text, const struct argp_state *state)
{
	switch (key) {
	case CATS_OPTION_RADIO_DATA:
		a->data = text;
		return true;
	case CATS_OPTION_RADIO_LIMIT:
		a->limit = cats_argument_count(state, "--limit", text, 1, UINT32_MAX);
		return true;
	case CATS_OPTION_TOPOLOGY:
		a->topology = text;
		return true;
	case CATS_OPTION_LINK_LOSS:
		a->link_loss = cats_argument_number(state, "--link-loss", text, 0, 1);
		return true;
	case CATS_OPTION_INTERFERENCE:
		a->interference = cats_argument_number(state, "--interference", text, 0, 1);
		return true;
	case CATS_OPTION_DRIFT:
		a->drift_ppm = (uint32_t)cats_argument_count(state, "--drift", text, 0, CATS_CLOCK_DRIFT_PPM_MAX);
		return true;
	case CATS_OPTION_FAULTS:
		a->faults = text;
		return true;
	case CATS_OPTION_TRACE:
		a->trace = text;
		return true;
	case CATS_OPTION_PCAPNG:
		a->pcapng = text;
		return true;
	case CATS_OPTION_TIMELINE:
		a->timeline = text;
		return true;
	case ARGP_KEY_ARG:
		if (a->plan != NULL)
			argp_error(state, "\"%s\": only one PLAN", text);
		a->plan = text;
		return true;
	default:
		return false;
	}
}

#define OWN_MOST 4U /* more than any command has */

void cats_radio_arguments_check(const struct cats_radio_arguments *a, const struct cats_output *own, size_t own_count,
				const struct argp_state *state)
{
	struct cats_output all[3 + OWN_MOST] = {
		{"--trace", a->trace},
		{"--pcapng", a->pcapng},
		{"--timeline", a->timeline},
	};

	assert(own_count <= OWN_MOST);
	for (size_t i = 0; i < own_count; i++)
		all[3 + i] = own[i];
	if (a->plan == NULL || a->data == NULL)
		argp_error(state, "PLAN and --data are needed");
	cats_arguments_distinct(state, all, 3 + own_count);
}

struct cats_dataset_options cats_radio_arguments_data(const struct cats_plan *plan)
{
	return (struct cats_dataset_options){
		.fallback = CATS_SPLIT_TEST,
		.window = cats_feed_window(&plan->integer.config),
	};
}

/* Of a path: what follows the last slash that something follows. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

struct cats_recording_options cats_radio_arguments_recording(char title[256], const struct cats_radio_arguments *a,
							     const struct cats_plan *plan, const char *nodes)
{
	snprintf(title, 256, "One inference of %u %s: %s, link loss %g %%", plan->facts.device_count, nodes,
		 last_part(a->plan), 100 * a->link_loss);
	return (struct cats_recording_options){
		.csv = a->trace,
		.pcapng = a->pcapng,
		.timeline = a->timeline,
		.title = title,
		.nodes = plan->facts.device_count,
		.config = &plan->integer.config,
	};
}

void cats_radio_arguments_describe(cJSON *object, const struct cats_radio_arguments *a)
{
	cJSON_AddStringToObject(object, "topology", a->topology != NULL ? a->topology : "full");
	cJSON_AddNumberToObject(object, "link_loss", a->link_loss);
}

void cats_radio_add_latency(cJSON *object, double p50_us, double p90_us, double max_us)
{
	cJSON *latency = cJSON_AddObjectToObject(object, "latency_us");

	cJSON_AddNumberToObject(latency, "p50", cats_rounded(p50_us, 1));
	cJSON_AddNumberToObject(latency, "p90", cats_rounded(p90_us, 1));
	cJSON_AddNumberToObject(latency, "max", cats_rounded(max_us, 1));
}

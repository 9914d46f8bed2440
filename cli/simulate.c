/* SPDX-License-Identifier: MIT */
/* cats simulate. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/radio.h"
#include "deploy/recording.h"
#include "deploy/simulate.h"

struct arguments {
	struct cats_common common;
	struct cats_radio_arguments radio;
	enum cats_protocol protocol;
	bool replay;
};

enum own_option { OPT_PROTOCOL = CATS_OPTION_OWN, OPT_REPLAY };

static const struct argp_option option_list[] = {
	CATS_RADIO_OPTIONS("Kill, reboot and freeze nodes as a script says", "the first 32 samples"),
	{"protocol", OPT_PROTOCOL, "NAME", 0, "somegather (default), or bare: each packet once, no repair", 1},
	{"replay", OPT_REPLAY, NULL, 0,
	 "Each sample once more in the host's runtime and the plain reference, with the packets missing that were "
	 "missing: all bytes must be the same",
	 1},
	CATS_COMMON_OPTIONS,
	{0},
};
_Static_assert(CATS_SIMULATION_BLOCK == 32, "option_list says so");

static enum cats_protocol protocol_of(const char *name)
{
	enum cats_protocol protocol = 0;

	while (protocol < CATS_PROTOCOLS && strcmp(name, cats_protocol_names[protocol]) != 0)
		protocol++;
	return protocol;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state) || cats_radio_argument(&a->radio, key, text, state))
		return 0;
	switch (key) {
	case OPT_PROTOCOL:
		a->protocol = protocol_of(text);
		if (a->protocol == CATS_PROTOCOLS)
			argp_error(state, "--protocol: \"%s\" is neither somegather nor bare", text);
		return 0;
	case OPT_REPLAY:
		a->replay = true;
		return 0;
	case ARGP_KEY_END:
		cats_radio_arguments_check(&a->radio, NULL, 0, state);
		if (a->replay && a->protocol != CATS_PROTOCOL_SOMEGATHER)
			argp_error(state, "--replay: needs the protocol somegather");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void show(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof(note), "%zu of %zu blocks of %u samples", done, of, CATS_SIMULATION_BLOCK);
	cats_bar(&a->common, "simulate", (double)done / (double)of, note);
}

/* values[sites] by the sites' names. */
static void add_sites(cJSON *object, const char *key, const double *values, double unit,
		      const struct cats_simulation_result *r, const struct cats_config *config)
{
	cJSON *sites = cJSON_AddObjectToObject(object, key);

	for (uint32_t site = 0; site < r->sites; site++) {
		char name[CATS_SITE_NAME_BYTES];

		cats_integer_site_name(name, config, site);
		cJSON_AddNumberToObject(sites, name, cats_rounded(values[site], unit));
	}
}

static void add_replay(cJSON *object, const struct cats_simulation_result *r)
{
	cJSON_AddBoolToObject(object, "identical", r->different_bytes == 0);
	cJSON_AddNumberToObject(object, "compared_bytes", (double)r->compared_bytes);
	if (r->different_bytes > 0) {
		cJSON_AddNumberToObject(object, "different_bytes", (double)r->different_bytes);
		cJSON_AddNumberToObject(object, "different_sample", (double)r->different_sample);
		cJSON_AddStringToObject(object, "difference", r->difference);
	}
}

static cJSON *describe(const struct cats_simulation_result *r, const struct cats_plan *plan, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "metric", r->metric);
	cJSON_AddNumberToObject(object, "value", r->value);
	cJSON_AddNumberToObject(object, "samples", (double)r->samples);
	cJSON_AddNumberToObject(object, "devices", r->devices);
	cJSON_AddStringToObject(object, "protocol", cats_protocol_names[a->protocol]);
	cats_radio_arguments_describe(object, &a->radio);
	cJSON_AddNumberToObject(object, "received_share",
				r->expected > 0 ? (double)r->arrived / (double)r->expected : 1);
	cJSON_AddNumberToObject(object, "missing_results", (double)r->missing);
	cats_radio_add_latency(object, r->latency_p50_us, r->latency_p90_us, r->latency_max_us);
	cJSON_AddNumberToObject(object, "radio_share", r->waiting_share);
	cJSON_AddNumberToObject(object, "computation_share", 1 - r->waiting_share);
	cJSON_AddNumberToObject(object, "air_us", cats_rounded(r->air_us, 1));
	cJSON_AddNumberToObject(object, "air_bytes", r->air_bytes);
	cJSON_AddNumberToObject(object, "frames", r->frames);
	cJSON_AddNumberToObject(object, "slots", r->slots);
	cJSON_AddNumberToObject(object, "refused_frames", (double)r->refused);
	add_sites(object, "gather_us", r->gather_us, 1, r, &plan->integer.config);
	add_sites(object, "stage_us", r->stage_us, 1, r, &plan->integer.config);
	add_sites(object, "stage_uj", r->stage_uj, 0.1, r, &plan->integer.config);
	cats_add_numbers(object, "energy_uj", r->energy_uj, r->devices, 0.1);
	cJSON_AddNumberToObject(object, "virtual_seconds", r->virtual_us * 1e-6);
	if (a->replay)
		add_replay(object, r);
	return object;
}

static enum cats_status simulate(struct cats_simulation_result *result, struct cats_plan *plan, struct arguments *a,
				 struct cats_recording *recording, struct cats_error *error)
{
	const struct cats_dataset_options wanted = cats_radio_arguments_data(plan);
	const struct cats_simulation_options options = {
		.protocol = a->protocol,
		.limit = a->radio.limit,
		.topology = a->radio.topology,
		.faults = a->radio.faults,
		.link_loss = a->radio.link_loss,
		.burst_share = a->radio.interference,
		.drift_ppm = a->radio.drift_ppm,
		.seed = a->common.seed,
		.replay = a->replay,
		.observer = cats_recording_observer(recording),
		.crew = {.threads = a->common.threads, .progress = show, .context = a, .stop = cats_catch_signals()},
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->radio.data, &wanted, error);

	if (status == CATS_OK)
		status = cats_simulate(result, plan, &data, a->radio.data, &options, error);
	cats_dataset_free(&data);
	return status;
}

static enum cats_status simulate_recorded(struct cats_simulation_result *result, struct cats_plan *plan,
					  struct arguments *a, struct cats_error *error)
{
	char title[256];
	const struct cats_recording_options options = cats_radio_arguments_recording(title, &a->radio, plan, "nodes");
	struct cats_recording *recording;
	enum cats_status status = cats_recording_create(&recording, &options, error);

	if (status == CATS_OK)
		status = simulate(result, plan, a, recording, error);
	if (status == CATS_OK)
		status = cats_recording_write(recording, error);
	cats_recording_free(recording);
	return status;
}

int cats_command_simulate(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "PLAN",
					 "Plays a plan over data on simulated radios and processors, in virtual time: "
					 "accuracy, latency, airtime and energy of the same run. Times of computation "
					 "are estimates for the plan's target, energies follow from them.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.radio = CATS_RADIO_DEFAULTS};
	struct cats_simulation_result result = {0};
	struct cats_plan plan = {0};
	struct cats_error error = {0};
	cJSON *object = NULL;
	enum cats_status status;
	int failed;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_plan_load(&plan, a.radio.plan, &error);
	if (status == CATS_OK)
		status = simulate_recorded(&result, &plan, &a, &error);
	cats_bar_clear(&a.common);
	if (status == CATS_OK)
		object = describe(&result, &plan, &a);
	cats_simulation_free(&result);
	cats_plan_free(&plan);
	if (status < 0)
		return cats_report_failure(status, &error);
	failed = cats_print_result(object, &a.common);
	if (result.different_bytes == 0)
		return failed;
	fprintf(stderr, "cats: %s: sample %zu is not what its replay computes: %s\n", a.radio.plan,
		result.different_sample, result.difference);
	return 1;
}

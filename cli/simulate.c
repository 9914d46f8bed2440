/* SPDX-License-Identifier: MIT */
/* cats simulate. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "deploy/recording.h"
#include "deploy/simulate.h"
#include "sim/clock.h"
#include "train/batch.h"

struct arguments {
	struct cats_common common;
	const char *plan, *data, *topology, *faults, *csv, *pcapng, *timeline;
	uint64_t limit;
	double link_loss, bursts;
	uint32_t drift_ppm;
	enum cats_protocol protocol;
	bool replay;
};

enum own_option {
	OPT_DATA = CATS_OPTION_OWN,
	OPT_LIMIT,
	OPT_TOPOLOGY,
	OPT_LINK_LOSS,
	OPT_INTERFERENCE,
	OPT_DRIFT,
	OPT_PROTOCOL,
	OPT_FAULTS,
	OPT_REPLAY,
	OPT_TRACE,
	OPT_PCAPNG,
	OPT_TIMELINE,
};

static const struct argp_option option_list[] = {
	{"data", OPT_DATA, "DATA", 0, "As for cats eval; without a split its test samples", 1},
	{"limit", OPT_LIMIT, "N", 0, "The first N samples only", 1},
	{"topology", OPT_TOPOLOGY, "WHERE", 0, "full (default), line:K, grid:RxC, or a file", 1},
	{"link-loss", OPT_LINK_LOSS, "P", 0, "Each frame is lost at each receiver with this probability (0)", 1},
	{"interference", OPT_INTERFERENCE, "P", 0, "Share of time with a strong interferer, in bursts of 0.5 ms (0)",
	 1},
	{"drift", OPT_DRIFT, "PPM", 0, "Clocks are off by up to this, either way (40)", 1},
	{"protocol", OPT_PROTOCOL, "NAME", 0, "somegather (default), or bare: each packet once, no repair", 1},
	{"faults", OPT_FAULTS, "FILE", 0, "Kill, reboot and freeze nodes as a script says", 1},
	{"replay", OPT_REPLAY, NULL, 0,
	 "Each sample once more in the host's runtime and the plain reference, with the packets missing that were "
	 "missing: all bytes must be the same",
	 1},
	{"trace", OPT_TRACE, "FILE", 0, "Every transmission and reception of the first 32 samples, as CSV", 2},
	{"pcapng", OPT_PCAPNG, "FILE", 0, "The same as a capture for Wireshark", 2},
	{"timeline", OPT_TIMELINE, "FILE", 0, "The first sample's inference as SVG, a row a node", 2},
	CATS_COMMON_OPTIONS,
	{0},
};

static enum cats_protocol protocol_of(const char *name)
{
	enum cats_protocol protocol = 0;

	while (protocol < CATS_PROTOCOLS && strcmp(name, cats_protocol_names[protocol]) != 0)
		protocol++;
	return protocol;
}

static bool same_file(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_DATA:
		a->data = text;
		return 0;
	case OPT_LIMIT:
		a->limit = cats_argument_count(state, "--limit", text, 1, SIZE_MAX);
		return 0;
	case OPT_TOPOLOGY:
		a->topology = text;
		return 0;
	case OPT_LINK_LOSS:
		a->link_loss = cats_argument_number(state, "--link-loss", text, 0, 1);
		return 0;
	case OPT_INTERFERENCE:
		a->bursts = cats_argument_number(state, "--interference", text, 0, 1);
		return 0;
	case OPT_DRIFT:
		a->drift_ppm = (uint32_t)cats_argument_count(state, "--drift", text, 0, CATS_CLOCK_DRIFT_PPM_MAX);
		return 0;
	case OPT_PROTOCOL:
		a->protocol = protocol_of(text);
		if (a->protocol == CATS_PROTOCOLS)
			argp_error(state, "--protocol: \"%s\" is neither somegather nor bare", text);
		return 0;
	case OPT_FAULTS:
		a->faults = text;
		return 0;
	case OPT_REPLAY:
		a->replay = true;
		return 0;
	case OPT_TRACE:
		a->csv = text;
		return 0;
	case OPT_PCAPNG:
		a->pcapng = text;
		return 0;
	case OPT_TIMELINE:
		a->timeline = text;
		return 0;
	case ARGP_KEY_ARG:
		if (a->plan != NULL)
			argp_error(state, "\"%s\": only one PLAN", text);
		a->plan = text;
		return 0;
	case ARGP_KEY_END:
		if (a->plan == NULL || a->data == NULL)
			argp_error(state, "PLAN and --data are needed");
		if (a->replay && a->protocol != CATS_PROTOCOL_SOMEGATHER)
			argp_error(state, "--replay: needs the protocol somegather");
		if (same_file(a->csv, a->pcapng) || same_file(a->csv, a->timeline) || same_file(a->pcapng, a->timeline))
			argp_error(state, "--trace, --pcapng and --timeline must be different files");
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

static double rounded(double x, double unit)
{
	return (double)(int64_t)(x / unit + 0.5) * unit;
}

static void add_latency(cJSON *object, const struct cats_simulation_result *r)
{
	cJSON *latency = cJSON_AddObjectToObject(object, "latency_us");

	cJSON_AddNumberToObject(latency, "p50", rounded(r->latency_p50_us, 1));
	cJSON_AddNumberToObject(latency, "p90", rounded(r->latency_p90_us, 1));
	cJSON_AddNumberToObject(latency, "max", rounded(r->latency_max_us, 1));
}

/* values[sites] by the sites' names. */
static void add_sites(cJSON *object, const char *key, const double *values, double unit,
		      const struct cats_simulation_result *r, const struct cats_config *config)
{
	cJSON *sites = cJSON_AddObjectToObject(object, key);

	for (uint32_t site = 0; site < r->sites; site++) {
		char name[CATS_SITE_NAME_BYTES];

		cats_integer_site_name(name, config, site);
		cJSON_AddNumberToObject(sites, name, rounded(values[site], unit));
	}
}

static void add_energy(cJSON *object, const struct cats_simulation_result *r)
{
	cJSON *energy = cJSON_AddArrayToObject(object, "energy_uj");

	for (uint32_t j = 0; j < r->devices; j++)
		cJSON_AddItemToArray(energy, cJSON_CreateNumber(rounded(r->energy_uj[j], 0.1)));
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
	cJSON_AddStringToObject(object, "topology", a->topology != NULL ? a->topology : "full");
	cJSON_AddNumberToObject(object, "link_loss", a->link_loss);
	cJSON_AddNumberToObject(object, "received_share",
				r->expected > 0 ? (double)r->arrived / (double)r->expected : 1);
	cJSON_AddNumberToObject(object, "missing_results", (double)r->missing);
	add_latency(object, r);
	cJSON_AddNumberToObject(object, "radio_share", r->waiting_share);
	cJSON_AddNumberToObject(object, "computation_share", 1 - r->waiting_share);
	cJSON_AddNumberToObject(object, "air_us", rounded(r->air_us, 1));
	cJSON_AddNumberToObject(object, "air_bytes", r->air_bytes);
	cJSON_AddNumberToObject(object, "frames", r->frames);
	cJSON_AddNumberToObject(object, "slots", r->slots);
	cJSON_AddNumberToObject(object, "refused_frames", (double)r->refused);
	add_sites(object, "gather_us", r->gather_us, 1, r, &plan->integer.config);
	add_sites(object, "stage_us", r->stage_us, 1, r, &plan->integer.config);
	add_sites(object, "stage_uj", r->stage_uj, 0.1, r, &plan->integer.config);
	add_energy(object, r);
	cJSON_AddNumberToObject(object, "virtual_seconds", r->virtual_us * 1e-6);
	if (a->replay)
		add_replay(object, r);
	return object;
}

static enum cats_status simulate(struct cats_simulation_result *result, struct cats_plan *plan, struct arguments *a,
				 struct cats_recording *recording, struct cats_error *error)
{
	const struct cats_dataset_options wanted = {.fallback = CATS_SPLIT_TEST,
						    .window = cats_feed_window(&plan->integer.config)};
	const struct cats_simulation_options options = {
		.protocol = a->protocol,
		.limit = a->limit,
		.topology = a->topology,
		.faults = a->faults,
		.link_loss = a->link_loss,
		.burst_share = a->bursts,
		.drift_ppm = a->drift_ppm,
		.seed = a->common.seed,
		.replay = a->replay,
		.observer = cats_recording_observer(recording),
		.crew = {.threads = a->common.threads, .progress = show, .context = a, .stop = cats_catch_signals()},
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->data, &wanted, error);

	if (status == CATS_OK)
		status = cats_simulate(result, plan, &data, a->data, &options, error);
	cats_dataset_free(&data);
	return status;
}

/* Of a path: what follows the last slash that something follows. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static enum cats_status simulate_recorded(struct cats_simulation_result *result, struct cats_plan *plan,
					  struct arguments *a, struct cats_error *error)
{
	char title[256];
	const struct cats_recording_options options = {
		.csv = a->csv,
		.pcapng = a->pcapng,
		.timeline = a->timeline,
		.title = title,
		.nodes = plan->facts.device_count,
		.config = &plan->integer.config,
	};
	struct cats_recording *recording;
	enum cats_status status = cats_recording_create(&recording, &options, error);

	snprintf(title, sizeof(title), "One inference of %u nodes: %s, link loss %g %%", options.nodes,
		 last_part(a->plan), 100 * a->link_loss);
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
	struct arguments a = {.drift_ppm = CATS_CLOCK_DRIFT_PPM_MAX};
	struct cats_simulation_result result = {0};
	struct cats_plan plan = {0};
	struct cats_error error = {0};
	cJSON *object = NULL;
	enum cats_status status;
	int failed;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_plan_load(&plan, a.plan, &error);
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
	fprintf(stderr, "cats: %s: sample %zu is not what its replay computes: %s\n", a.plan, result.different_sample,
		result.difference);
	return 1;
}

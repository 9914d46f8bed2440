/* SPDX-License-Identifier: MIT */
/* cats run. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/plan_arguments.h"
#include "deploy/run.h"

struct arguments {
	struct cats_common common;
	struct cats_plan_arguments plan;
};

static const struct argp_option option_list[] = {CATS_PLAN_OPTIONS, CATS_COMMON_OPTIONS, {0}};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state) || cats_plan_argument(&a->plan, key, text, state))
		return 0;
	return ARGP_ERR_UNKNOWN;
}

static void show(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	if (done % 16 != 0 && done != of)
		return;
	snprintf(note, sizeof(note), "%zu of %zu samples", done, of);
	cats_bar(&a->common, "run", (double)done / (double)of, note);
}

static cJSON *describe(const struct cats_run_result *r, const struct cats_plan *plan, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();
	const double samples = (double)r->samples;

	cJSON_AddStringToObject(object, "metric", r->metric);
	cJSON_AddNumberToObject(object, "value", r->value);
	if (r->last > 0)
		cJSON_AddNumberToObject(object, "last_token", r->last);
	cJSON_AddNumberToObject(object, "samples", samples);
	cJSON_AddNumberToObject(object, "devices", plan->facts.device_count);
	cJSON_AddNumberToObject(object, "air_bytes_per_inference", (double)r->report.air_bytes / samples);
	cJSON_AddNumberToObject(object, "packets_per_inference", (double)r->report.packets / samples);
	cJSON_AddNumberToObject(object, "macs_per_inference", (double)r->report.macs / samples);
	cJSON_AddNumberToObject(object, "received_share", cats_run_received_share(r));
	cJSON_AddNumberToObject(object, "missing_results", (double)r->missing);
	cJSON_AddNumberToObject(object, "message_loss", a->plan.message_loss);
	cJSON_AddStringToObject(object, "loss_kind", a->plan.kind);
	cJSON_AddStringToObject(object, "loss_unit", a->plan.loss.per_packet ? "packet" : "message");
	cJSON_AddStringToObject(object, "loss_sites", a->plan.gathers_only ? "gathers" : "all");
	return object;
}

static enum cats_status run(struct cats_run_result *result, struct cats_plan *plan, struct arguments *a,
			    struct cats_error *error)
{
	const struct cats_dataset_options wanted = cats_plan_arguments_data(&a->plan, &plan->integer.config);
	const struct cats_run_options options = {
		.limit = a->plan.limit,
		.loss = cats_plan_arguments_loss(&a->plan, a->common.seed),
		.crew = {.threads = a->common.threads, .progress = show, .context = a, .stop = cats_catch_signals()},
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->plan.data, &wanted, error);

	if (status == CATS_OK)
		status = cats_run(result, plan, &data, a->plan.data, &options, error);
	cats_dataset_free(&data);
	return status;
}

int cats_command_run(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "PLAN",
					 "Runs a plan over data in integers, on all of its devices in one process that "
					 "exchange messages, some of which are lost.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.plan = {.kind = "link"}};
	struct cats_plan plan = {0};
	struct cats_run_result result;
	struct cats_error error = {0};
	cJSON *object = NULL;
	enum cats_status status;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_plan_load(&plan, a.plan.plan, &error);
	if (status == CATS_OK)
		status = run(&result, &plan, &a, &error);
	cats_bar_clear(&a.common);
	if (status == CATS_OK)
		object = describe(&result, &plan, &a);
	cats_plan_free(&plan);
	return status < 0 ? cats_report_failure(status, &error) : cats_print_result(object, &a.common);
}

/* SPDX-License-Identifier: MIT */
/* cats verify. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/plan_arguments.h"
#include "deploy/verify.h"

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

	snprintf(note, sizeof(note), "%zu of %zu samples", done, of);
	cats_bar(&a->common, "verify", (double)done / (double)of, note);
}

/* The layer of a site as on air, or -1 at input, head_in and out. */
static int layer_of(const struct cats_config *c, uint32_t site)
{
	return site == 0 || site > 4 * c->n_layers ? -1 : (int)((site - 1) / 4);
}

static void add_difference(cJSON *object, const struct cats_difference *d, const struct cats_config *c)
{
	cJSON *first = cJSON_AddObjectToObject(object, "first_difference");
	char site[CATS_SITE_NAME_BYTES];

	cats_integer_site_name(site, c, d->site);
	cJSON_AddNumberToObject(first, "sample", (double)d->sample);
	cJSON_AddNumberToObject(first, "node", d->node);
	if (layer_of(c, d->site) >= 0)
		cJSON_AddNumberToObject(first, "layer", layer_of(c, d->site));
	else
		cJSON_AddNullToObject(first, "layer");
	cJSON_AddStringToObject(first, "site", site);
	cJSON_AddNumberToObject(first, "token", d->token);
	cJSON_AddNumberToObject(first, "column", d->column);
	cJSON_AddNumberToObject(first, "expected", d->expected);
	cJSON_AddNumberToObject(first, "got", d->got);
}

static cJSON *describe(const struct cats_verify_result *r, const struct cats_plan *plan)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *shards;

	cJSON_AddBoolToObject(object, "identical", r->identical);
	cJSON_AddNumberToObject(object, "compared_bytes", (double)r->compared_bytes);
	cJSON_AddNumberToObject(object, "different_bytes", (double)r->different_bytes);
	cJSON_AddNumberToObject(object, "samples", (double)r->samples);
	cJSON_AddNumberToObject(object, "devices", plan->facts.device_count);
	cJSON_AddNumberToObject(object, "reference_devices", r->reference_devices);
	if (r->different_bytes > 0)
		add_difference(object, &r->first, &plan->integer.config);
	shards = cJSON_AddArrayToObject(object, "damaged_shards");
	for (uint32_t j = 0; j < plan->facts.device_count; j++)
		if (plan->damaged[j])
			cJSON_AddItemToArray(shards, cJSON_CreateNumber(j));
	cJSON_AddBoolToObject(object, "shards_identical", r->shards_identical);
	if (!r->shards_identical) {
		cJSON_AddNumberToObject(object, "different_shard", r->shard);
		cJSON_AddNumberToObject(object, "different_shard_byte", r->shard_byte);
	}
	return object;
}

/* The line for people when something differs. */
static void complain(const struct cats_verify_result *r, const struct cats_plan *plan, const char *name)
{
	char site[CATS_SITE_NAME_BYTES];

	if (r->different_bytes > 0) {
		cats_integer_site_name(site, &plan->integer.config, r->first.site);
		fprintf(stderr,
			"cats: %s: sample %zu: node %u, site %s, token %u, column %u: %d instead of %d; plan again\n",
			name, r->first.sample, r->first.node, site, r->first.token, r->first.column, r->first.got,
			r->first.expected);
	} else {
		fprintf(stderr,
			"cats: %s/node-%02u.shard: byte %u is not what the integer model gives, yet no site showed it "
			"in %zu samples; plan again\n",
			name, r->shard, r->shard_byte, r->samples);
	}
}

static enum cats_status run(struct cats_verify_result *result, struct cats_plan *plan, struct arguments *a,
			    struct cats_error *error)
{
	const struct cats_dataset_options wanted = cats_plan_arguments_data(&a->plan, &plan->integer.config);
	const struct cats_verify_options options = {
		.limit = a->plan.limit,
		.loss = cats_plan_arguments_loss(&a->plan, a->common.seed),
		.crew = {.threads = a->common.threads, .progress = show, .context = a, .stop = cats_catch_signals()},
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->plan.data, &wanted, error);

	if (status == CATS_OK)
		status = cats_verify(result, plan, &data, a->plan.data, &options, error);
	cats_dataset_free(&data);
	return status;
}

int cats_command_verify(int argc, char **argv)
{
	static const struct argp argp = {
		option_list,
		parse,
		"PLAN",
		"Compares every byte that every device of a plan holds at every site with the plain reference: of one "
		"device, or where columns are left out or messages lost, of as many. Exit status 1 and the first place "
		"when one differs.",
		NULL,
		NULL,
		NULL};
	struct arguments a = {.plan = {.kind = "link"}};
	struct cats_plan plan = {0};
	struct cats_verify_result result;
	struct cats_error error = {0};
	enum cats_status status;
	int exit_status;

	cats_arguments(&argp, argc, argv, &a);
	status = cats_plan_load_damaged(&plan, a.plan.plan, &error);
	if (status == CATS_OK)
		status = run(&result, &plan, &a, &error);
	cats_bar_clear(&a.common);
	if (status < 0) {
		exit_status = cats_report_failure(status, &error);
	} else {
		exit_status = cats_print_result(describe(&result, &plan), &a.common);
		if (!result.identical) {
			complain(&result, &plan, a.plan.plan);
			exit_status = 1;
		}
	}
	cats_plan_free(&plan);
	return exit_status;
}

/* SPDX-License-Identifier: MIT */
/* Plans among the models of cats sweep. See sweep_plan.h. */
#include "cli/sweep_plan.h"

#include <stdlib.h>

#include "deploy/run.h"

bool cats_sweep_plan_is_there(const char *directory)
{
	return cats_plan_is_there(directory);
}

/* A plan evaluated in integers; losses at the gathers only, as the float models have them. */
static enum cats_status evaluate_plan(struct cats_evaluation *out, void *context, const struct cats_dataset *data,
				      const char *name, const struct cats_evaluation_options *options,
				      struct cats_error *error)
{
	const struct cats_run_options wanted = {
		.limit = options->limit,
		.loss = {.link_q32 = cats_loss_threshold(options->loss.link),
			 .receiver_q32 = cats_loss_threshold(options->loss.receiver),
			 .sender_q32 = cats_loss_threshold(options->loss.sender),
			 .per_packet = options->loss.per_packet,
			 .gathers_only = true,
			 .seed = options->seed},
		.crew = {.threads = options->threads, .stop = options->stop},
	};
	struct cats_run_result result;
	const enum cats_status status = cats_run(&result, context, data, name, &wanted, error);

	if (status == CATS_OK)
		*out = (struct cats_evaluation){
			.metric = result.metric, .value = result.value, .last = result.last, .samples = result.samples};
	return status;
}

enum cats_status cats_sweep_plan_load(struct cats_sweep_entry *entry, const char *directory, struct cats_error *error)
{
	struct cats_plan *plan = malloc(sizeof *plan);
	const enum cats_status status = plan != NULL
						? cats_plan_load(plan, directory, error)
						: cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", directory);

	if (status < 0) {
		free(plan);
		return status;
	}
	entry->model.config = plan->integer.config;
	entry->model.config.devices = plan->facts.device_count;
	entry->evaluate = evaluate_plan;
	entry->context = plan;
	return status;
}

void cats_sweep_plan_free(struct cats_sweep_entry *entry)
{
	cats_plan_free(entry->context);
	free(entry->context);
	*entry = (struct cats_sweep_entry){0};
}

struct cats_sweep_need cats_sweep_plan_need(const struct cats_sweep_entry *entry)
{
	const struct cats_plan *plan = entry->context;
	struct cats_sweep_need need = {0};

	if (plan == NULL)
		return need;
	for (uint32_t j = 0; j < plan->facts.device_count; j++) {
		const struct cats_plan_device *d = &plan->facts.devices[j];

		need.flash_bytes = d->flash_bytes > need.flash_bytes ? d->flash_bytes : need.flash_bytes;
		need.arena_bytes = d->arena_bytes > need.arena_bytes ? d->arena_bytes : need.arena_bytes;
	}
	need.fixed_bytes = plan->facts.limits->firmware_ram_bytes;
	need.air_bytes = plan->facts.air_bytes;
	return need;
}

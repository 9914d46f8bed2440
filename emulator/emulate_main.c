/* SPDX-License-Identifier: MIT */
/* The program `cats-emulate`, which `cats emulate` runs: a program of its own because of Unicorn's licence (m4.h). */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/radio.h"
#include "deploy/recording.h"
#include "emulator/emulate.h"

struct arguments {
	struct cats_common common;
	struct cats_radio_arguments radio;
	const char *firmware, *serial, *instructions;
	uint32_t node;
	bool strict, slow_ccm;
};

enum own_option {
	OPT_FIRMWARE = CATS_OPTION_OWN,
	OPT_STRICT,
	OPT_SLOW_CCM,
	OPT_SERIAL,
	OPT_INSTRUCTIONS,
	OPT_NODE,
};

static const struct argp_option option_list[] = {
	CATS_RADIO_OPTIONS("Kill and reboot nodes as a script says (as for cats simulate)", "the first 16 samples"),
	{"firmware", OPT_FIRMWARE, "FILE", 0, "The firmware's ELF (images/firmware.elf beside this program)", 1},
	{"strict", OPT_STRICT, NULL, 0, "Watch every access for alignment; several times slower", 1},
	{"slow-ccm", OPT_SLOW_CCM, NULL, 0, "CCM takes 4 us for every byte, as silicon may do", 1},
	{"serial", OPT_SERIAL, "FILE", 0, "What all nodes say over their serial lines in the first 16 samples", 2},
	{"instructions", OPT_INSTRUCTIONS, "FILE", 0,
	 "What --node executes for the first sample, instruction by instruction", 2},
	{"node", OPT_NODE, "N", 0, "Whose instructions (0)", 2},
	CATS_COMMON_OPTIONS,
	{0},
};
_Static_assert(CATS_EMULATION_BLOCK == 16, "option_list says so");

/* Beside those that simulations have. */
enum { OUTPUTS = 2 };

static void list_outputs(struct cats_output outputs[OUTPUTS], const struct arguments *a)
{
	outputs[0] = (struct cats_output){"--serial", a->serial};
	outputs[1] = (struct cats_output){"--instructions", a->instructions};
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct cats_output outputs[OUTPUTS];

	if (cats_common_option(&a->common, key, text, state) || cats_radio_argument(&a->radio, key, text, state))
		return 0;
	switch (key) {
	case OPT_FIRMWARE:
		a->firmware = text;
		return 0;
	case OPT_STRICT:
		a->strict = true;
		return 0;
	case OPT_SLOW_CCM:
		a->slow_ccm = true;
		return 0;
	case OPT_SERIAL:
		a->serial = text;
		return 0;
	case OPT_INSTRUCTIONS:
		a->instructions = text;
		return 0;
	case OPT_NODE:
		a->node = (uint32_t)cats_argument_count(state, "--node", text, 0, CATS_DEVICES_MAX - 1U);
		return 0;
	case ARGP_KEY_END:
		list_outputs(outputs, a);
		cats_radio_arguments_check(&a->radio, outputs, OUTPUTS, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void show(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof note, "%zu of %zu blocks of %u samples", done, of, CATS_EMULATION_BLOCK);
	cats_bar(&a->common, "emulate", (double)done / (double)of, note);
}

/* ---- What it prints ---- */

static void add_memory(cJSON *object, const struct cats_emulation_result *r)
{
	cJSON *stack = cJSON_AddArrayToObject(object, "stack_bytes");
	cJSON *interrupts = cJSON_AddArrayToObject(object, "interrupt_stack_bytes");
	cJSON *ram = cJSON_AddArrayToObject(object, "ram_bytes");
	cJSON *flash = cJSON_AddArrayToObject(object, "flash_bytes");

	for (uint32_t i = 0; i < r->devices; i++) {
		cJSON_AddItemToArray(stack, cJSON_CreateNumber(r->memory[i].thread_stack_bytes));
		cJSON_AddItemToArray(interrupts, cJSON_CreateNumber(r->memory[i].interrupt_stack_bytes));
		cJSON_AddItemToArray(ram, cJSON_CreateNumber(r->memory[i].ram_bytes));
		cJSON_AddItemToArray(flash, cJSON_CreateNumber(r->memory[i].flash_bytes));
	}
}

static void add_slack(cJSON *object, const struct cats_said_slack *s)
{
	cJSON *least = cJSON_AddObjectToObject(object, "least_slack_us");

	for (uint32_t i = 0; i < CATS_SLACKS; i++)
		if (s->least_us[i] != INT32_MAX)
			cJSON_AddNumberToObject(least, cats_slack_names[i], s->least_us[i]);
	cJSON_AddNumberToObject(object, "missed_transmissions", s->missed);
	cJSON_AddNumberToObject(object, "unready", s->unready);
}

static cJSON *describe(const struct cats_emulation_result *r, const struct arguments *a)
{
	cJSON *object = cJSON_CreateObject();

	cJSON_AddStringToObject(object, "metric", r->metric);
	cJSON_AddNumberToObject(object, "value", r->value);
	cJSON_AddNumberToObject(object, "samples", (double)r->samples);
	cJSON_AddNumberToObject(object, "devices", r->devices);
	cats_radio_arguments_describe(object, &a->radio);
	cJSON_AddNumberToObject(object, "received_share",
				r->expected > 0 ? (double)r->arrived / (double)r->expected : 1);
	cJSON_AddNumberToObject(object, "missing_results", (double)r->missing);
	cJSON_AddNumberToObject(object, "resets", (double)r->resets);
	cJSON_AddBoolToObject(object, "identical", r->different_bytes == 0);
	cJSON_AddNumberToObject(object, "compared_bytes", (double)r->compared_bytes);
	cJSON_AddNumberToObject(object, "different_bytes", (double)r->different_bytes);
	if (r->different_bytes > 0)
		cJSON_AddStringToObject(object, "difference", r->difference);
	cats_radio_add_latency(object, r->latency_p50_us, r->latency_p90_us, r->latency_max_us);
	cJSON_AddNumberToObject(object, "air_us", cats_rounded(r->air_us, 1));
	cJSON_AddNumberToObject(object, "frames", r->frames);
	cats_add_numbers(object, "instructions", r->instructions, r->devices, 1);
	cats_add_numbers(object, "cpu_us", r->cpu_us, r->devices, 1);
	cats_add_numbers(object, "send_us", r->send_us, r->devices, 1);
	cats_add_numbers(object, "receive_us", r->hear_us, r->devices, 1);
	cats_add_numbers(object, "energy_uj", r->energy_uj, r->devices, 0.1);
	add_memory(object, r);
	add_slack(object, &r->slack);
	cJSON_AddNumberToObject(object, "virtual_seconds", r->virtual_us * 1e-6);
	return object;
}

/* ---- What it does ---- */

static enum cats_status emulate(struct cats_emulation_result *result, const struct cats_plan *plan,
				const struct cats_elf *firmware, struct arguments *a, struct cats_recording *recording,
				struct cats_error *error)
{
	const struct cats_dataset_options wanted = cats_radio_arguments_data(plan);
	const struct cats_emulation_options options = {
		.limit = a->radio.limit,
		.topology = a->radio.topology,
		.faults = a->radio.faults,
		.link_loss = a->radio.link_loss,
		.burst_share = a->radio.interference,
		.drift_ppm = a->radio.drift_ppm,
		.seed = a->common.seed,
		.strict = a->strict,
		.ccm_keeps_rate = a->slow_ccm,
		.traced = a->node,
		.trace = a->instructions,
		.serial = a->serial,
		.observer = a->radio.trace || a->radio.pcapng || a->radio.timeline ? cats_recording_observer(recording)
										   : (struct cats_observer){0},
		.crew = {.threads = a->common.threads, .progress = show, .context = a, .stop = cats_catch_signals()},
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->radio.data, &wanted, error);

	if (status == CATS_OK && a->node >= plan->facts.device_count)
		status = cats_fail(error, CATS_ERR_USAGE, "--node %u: %s has nodes 0 to %u", a->node, a->radio.plan,
				   plan->facts.device_count - 1U);
	if (status == CATS_OK)
		status = cats_emulate(result, plan, firmware, &data, a->radio.data, &options, error);
	cats_dataset_free(&data);
	return status;
}

static enum cats_status emulate_recorded(struct cats_emulation_result *result, const struct cats_plan *plan,
					 const struct cats_elf *firmware, struct arguments *a, struct cats_error *error)
{
	char title[256];
	const struct cats_recording_options options =
		cats_radio_arguments_recording(title, &a->radio, plan, "emulated nRF52840");
	struct cats_recording *recording;
	enum cats_status status = cats_recording_create(&recording, &options, error);

	if (status == CATS_OK)
		status = emulate(result, plan, firmware, a, recording, error);
	if (status == CATS_OK)
		status = cats_recording_write(recording, error);
	cats_recording_free(recording);
	return status;
}

/* images/firmware.elf beside the program that runs. */
static enum cats_status find_firmware(char path[PATH_MAX], struct cats_error *error)
{
	static const char name[] = "images/firmware.elf";
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof name);

	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length <= 0)
		return cats_fail(error, CATS_ERR_IO, "--firmware: needed, as the program's own place is not known");
	memcpy(path + length, name, sizeof name);
	return CATS_OK;
}

static enum cats_status load_firmware(struct cats_elf *out, const struct arguments *a, struct cats_error *error)
{
	char path[PATH_MAX];
	enum cats_status status = a->firmware == NULL ? find_firmware(path, error) : CATS_OK;

	return status < 0 ? status : cats_elf_load(out, a->firmware != NULL ? a->firmware : path, error);
}

int main(int argc, char **argv)
{
	static char name[] = "emulate";
	static const struct argp argp = {option_list,
					 parse,
					 "PLAN",
					 "Runs the firmware on emulated nRF52840 that hear each other, one a device of "
					 "the plan: flashed, booted, "
					 "given the samples over the source's serial line. Instructions are exact; "
					 "times are estimated cycles at "
					 "64 MHz without wait states, energies follow from them.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.radio = CATS_RADIO_DEFAULTS};
	struct cats_emulation_result result = {0};
	struct cats_plan plan = {0};
	struct cats_elf firmware = {0};
	struct cats_error error = {0};
	struct cats_output outputs[OUTPUTS];
	cJSON *object = NULL;
	enum cats_status status;

	argv[0] = name;
	cats_arguments(&argp, argc, argv, &a);
	list_outputs(outputs, &a);
	status = cats_outputs_check(outputs, OUTPUTS, &error);
	if (status == CATS_OK)
		status = load_firmware(&firmware, &a, &error);
	if (status == CATS_OK)
		status = cats_plan_load(&plan, a.radio.plan, &error);
	if (status == CATS_OK)
		status = emulate_recorded(&result, &plan, &firmware, &a, &error);
	cats_bar_clear(&a.common);
	if (status == CATS_OK)
		object = describe(&result, &a);
	cats_emulation_free(&result);
	cats_plan_free(&plan);
	cats_elf_free(&firmware);
	return status < 0 ? cats_report_failure(status, &error) : cats_print_result(object, &a.common);
}

/* SPDX-License-Identifier: MIT */
/* cats-m4: runs an image on the emulated core, prints what it prints, counts what it executes.
 *
 * This program links Unicorn and is therefore, as a whole, under GPL-2.0; nothing else of CATS links this room. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/profile.h"
#include "emulator/trace.h"
#include "io/file.h"
#include "ports/m4/host.h"

#define LOADS_MAX 16
#define LOAD_BYTES_MAX (1U << 20)
#define TEXT_BYTES_MAX 1024

struct load {
	char *path;
	uint32_t address;
};

struct arguments {
	const char *image, *trace;
	struct load loads[LOADS_MAX];
	size_t load_count;
	uint64_t limit_cycles;
	bool fast, profile;
};

/* A region that has begun. */
struct region {
	char name[TEXT_BYTES_MAX];
	uint64_t instructions, cycles;
};

static void parse_load(struct arguments *a, char *text, struct argp_state *state)
{
	char *at = strrchr(text, '@'), *end = NULL;
	const unsigned long long address = at ? strtoull(at + 1, &end, 0) : 0;

	if (!at || at[1] == '\0' || *end != '\0' || address > UINT32_MAX)
		argp_error(state, "--load %s: must be FILE@ADDRESS", text);
	if (a->load_count == LOADS_MAX)
		argp_error(state, "--load: at most %d files", LOADS_MAX);
	*at = '\0';
	a->loads[a->load_count++] = (struct load){text, (uint32_t)address};
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	char *end;

	switch (key) {
	case 'l':
		parse_load(a, text, state);
		return 0;
	case 'c':
		a->limit_cycles = strtoull(text, &end, 10);
		if (*text < '0' || *text > '9' || *end != '\0')
			argp_error(state, "--limit %s: must be a count of cycles", text);
		return 0;
	case 'f':
		a->fast = true;
		return 0;
	case 'p':
		a->profile = true;
		return 0;
	case 't':
		a->trace = text;
		return 0;
	case ARGP_KEY_ARG:
		if (a->image)
			argp_error(state, "one image only");
		a->image = text;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no image given");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"load", 'l', "FILE@ADDRESS", 0, "Put a file into flash or RAM before reset; may be given again", 0},
	{"limit", 'c', "CYCLES", 0, "Fail after so many estimated cycles (no limit)", 0},
	{"fast", 'f', NULL, 0, "No check or cost of unaligned accesses, faults known to their basic block", 0},
	{"profile", 'p', NULL, 0, "Print instructions and cycles of each function", 0},
	{"trace", 't', "FILE", 0, "Write every instruction with the registers that it changes", 0},
	{0},
};

static enum cats_status load(struct cats_m4 *m4, const struct load *l, struct cats_error *error)
{
	uint8_t *bytes;
	size_t size;
	enum cats_status status = cats_file_read(&bytes, &size, l->path, LOAD_BYTES_MAX, error);

	if (status != CATS_OK)
		return status;
	status = cats_m4_write(m4, l->address, bytes, size, error);
	free(bytes);
	return status;
}

/* The text that r0 points to, or NULL. */
static const char *text_at_r0(const struct cats_m4 *m4)
{
	const uint32_t address = cats_m4_register(m4, 0);
	const uint8_t *at = NULL;

	for (uint32_t i = 0; i < TEXT_BYTES_MAX; i++) {
		at = cats_m4_memory(m4, address, i + 1U);
		if (!at || at[i] == 0)
			return (const char *)at;
	}
	return NULL;
}

static void end_region(const struct region *r, const struct cats_m4 *m4)
{
	printf("%-32s %12" PRIu64 " instructions %12" PRIu64 " cycles (estimate)\n", r->name,
	       cats_m4_instructions(m4) - r->instructions, cats_m4_cycles(m4) - r->cycles);
}

/* Serves one breakpoint. */
static enum cats_status serve(const struct cats_m4 *m4, uint8_t call, struct region *region, struct cats_error *error)
{
	const char *text = text_at_r0(m4);

	if (!text)
		return cats_fail(error, CATS_ERR_FORMAT, "breakpoint %u: r0 must point to a text of less than %d bytes",
				 call, TEXT_BYTES_MAX);
	if (call == CATS_HOST_PRINT) {
		fputs(text, stdout);
	} else if (call == CATS_HOST_BEGIN) {
		strcpy(region->name, text);
		region->instructions = cats_m4_instructions(m4);
		region->cycles = cats_m4_cycles(m4);
	} else if (call == CATS_HOST_END && strcmp(text, region->name) == 0) {
		end_region(region, m4);
	} else {
		return cats_fail(error, CATS_ERR_USAGE, "breakpoint %u \"%s\": nobody serves it here", call, text);
	}
	return CATS_OK;
}

/* Runs to the exit; *exit_status is the image's. */
static enum cats_status run(int *exit_status, struct cats_m4 *m4, const struct arguments *a, struct cats_error *error)
{
	struct region region = {.name = ""};
	char text[TEXT_BYTES_MAX];

	for (;;) {
		const uint64_t spent = cats_m4_cycles(m4);
		const uint64_t limit = a->limit_cycles > spent ? a->limit_cycles - spent : a->limit_cycles ? 1 : 0;
		const struct cats_m4_stopped stopped = cats_m4_run(m4, limit);
		enum cats_status status;

		if (stopped.stop != CATS_M4_BREAKPOINT) {
			cats_m4_describe(text, sizeof text, m4, &stopped);
			fflush(stdout);
			fprintf(stderr, "%s\n", text);
			return cats_fail(error, CATS_ERR_MISMATCH, "%s: it stopped before its end", a->image);
		}
		if (stopped.breakpoint == CATS_HOST_EXIT) {
			*exit_status = (int)cats_m4_register(m4, 0);
			return CATS_OK;
		}
		status = serve(m4, stopped.breakpoint, &region, error);
		if (status != CATS_OK)
			return status;
	}
}

/* As run, with what it executes written to a file. */
static enum cats_status run_traced(int *exit_status, struct cats_m4 *m4, const struct arguments *a,
				   struct cats_error *error)
{
	struct cats_trace *trace;
	enum cats_status status = cats_trace_begin(&trace, m4, a->trace, error), ended;

	if (status != CATS_OK)
		return status;
	status = run(exit_status, m4, a, error);
	ended = cats_trace_end(trace, status == CATS_OK ? error : NULL);
	return status == CATS_OK ? ended : status;
}

static enum cats_status print_profile(const struct cats_m4 *m4, struct cats_error *error)
{
	struct cats_m4_profile_line *lines;
	size_t count;
	const enum cats_status status = cats_m4_profile(&lines, &count, m4, error);

	if (status != CATS_OK)
		return status;
	printf("%-32s %9s %12s %12s %12s %12s\n", "function", "calls", "instructions", "cycles (est.)", "with callees",
	       "cycles (est.)");
	for (size_t i = 0; i < count; i++)
		printf("%-32s %9" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
		       lines[i].function, lines[i].calls, lines[i].instructions, lines[i].cycles,
		       lines[i].total_instructions, lines[i].total_cycles);
	free(lines);
	return CATS_OK;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options,
		parse,
		"IMAGE.elf",
		"Runs a bare-metal image on one emulated Cortex-M4 with the memory of an nRF52840.",
		0,
		0,
		0};
	struct arguments a = {0};
	struct cats_error error = {0};
	struct cats_elf elf = {0};
	struct cats_m4 *m4 = NULL;
	enum cats_status status;
	int exit_status = 1;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, 0, &a);
	status = cats_elf_load(&elf, a.image, &error);
	if (status == CATS_OK)
		status = cats_m4_create(&m4, &elf, &(struct cats_m4_options){.fast = a.fast}, &error);
	for (size_t i = 0; status == CATS_OK && i < a.load_count; i++)
		status = load(m4, a.loads + i, &error);
	if (status == CATS_OK)
		status = a.trace ? run_traced(&exit_status, m4, &a, &error) : run(&exit_status, m4, &a, &error);
	if (status == CATS_OK && a.profile)
		status = print_profile(m4, &error);
	if (status != CATS_OK)
		fprintf(stderr, "cats-m4: %s\n", error.text);
	else
		printf("%s: exit status %d after %" PRIu64 " instructions, %" PRIu64 " cycles (estimate)\n", a.image,
		       exit_status, cats_m4_instructions(m4), cats_m4_cycles(m4));
	cats_m4_free(m4);
	cats_elf_free(&elf);
	return status == CATS_OK ? exit_status : 1;
}

/* SPDX-License-Identifier: MIT */
/* What the commands of the program share: argument parsing, progress, output. The commands are thin: what they do
 * lies in the rooms below. */
#ifndef CATS_CLI_CLI_H
#define CATS_CLI_CLI_H

#include <argp.h>
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/error.h"

/* A command gets argv from its own name on and returns the exit status: 0, 1 (failed) or 2 (usage). */
int cats_command_train(int argc, char **argv);
int cats_command_eval(int argc, char **argv);
int cats_command_sweep(int argc, char **argv);
int cats_command_capacity(int argc, char **argv);
int cats_command_plan(int argc, char **argv);
int cats_command_run(int argc, char **argv);
int cats_command_verify(int argc, char **argv);
int cats_command_firmware(int argc, char **argv);
int cats_command_forecast(int argc, char **argv);
int cats_command_simulate(int argc, char **argv);
int cats_command_emulate(int argc, char **argv);
int cats_command_chart(int argc, char **argv);
int cats_command_inspect(int argc, char **argv);

/* argp_parse with this program's conventions: usage errors exit with 2. `argv[0]` becomes "cats NAME". */
void cats_arguments(const struct argp *argp, int argc, char **argv, void *into);

/* Values of options; a wrong one ends the program with status 2 and a line that names the option. */
double cats_argument_number(const struct argp_state *state, const char *option, const char *text, double least,
			    double most);
uint64_t cats_argument_count(const struct argp_state *state, const char *option, const char *text, uint64_t least,
			     uint64_t most);

/* Options that every command takes. */
enum cats_option {
	CATS_OPTION_JSON = 0x1000,
	CATS_OPTION_QUIET,
	CATS_OPTION_SEED,
	CATS_OPTION_THREADS,
	CATS_OPTION_OWN
};
#define CATS_COMMON_OPTIONS                                                                                           \
	{"json", CATS_OPTION_JSON, NULL, 0, "One JSON object on stdout instead of a table", 90},                      \
		{"quiet", CATS_OPTION_QUIET, NULL, 0, "No progress on stderr", 90},                                   \
		{"seed", CATS_OPTION_SEED, "S", 0, "Seed of every random draw (0)", 90},                              \
	{                                                                                                             \
		"threads", CATS_OPTION_THREADS, "N", 0, "Threads (as many as processors); never changes a result", 90 \
	}
struct cats_common {
	bool json, quiet;
	uint64_t seed;
	uint32_t threads;
};
/* True when the key was one of them. */
bool cats_common_option(struct cats_common *common, int key, const char *text, const struct argp_state *state);

/* Files that a command writes: two options with one path end the program with status 2, for one would overwrite the
 * other. A path may be NULL. */
struct cats_output {
	const char *option, *path;
};
void cats_arguments_distinct(const struct argp_state *state, const struct cats_output *outputs, size_t count);

/* Before the work: each can be written, as far as that shows (cats_file_may_write). */
CATS_MUST_CHECK enum cats_status cats_outputs_check(const struct cats_output *outputs, size_t count,
						    struct cats_error *error);

/* "cats: " and the error's line on stderr; the exit status that belongs to `status`. */
int cats_report_failure(enum cats_status status, const struct cats_error *error);

/* To a multiple of `unit`: figures are printed with the digits that mean something. */
double cats_rounded(double x, double unit);
void cats_add_numbers(cJSON *object, const char *key, const double *values, size_t count, double unit);

/* Prints an object's members as JSON or as a two-column table, frees it; returns the exit status. */
int cats_print_result(cJSON *object, const struct cats_common *common);

/* After the last output; the exit status: 1 and a line on stderr when it could not be written. */
int cats_finish_output(void);

/* A progress bar on stderr if that is a terminal, else nothing. */
void cats_bar(const struct cats_common *common, const char *label, double share, const char *note);
void cats_bar_clear(const struct cats_common *common);

/* SIGINT and SIGTERM set *cats_stop instead of ending the program; a second one ends it. */
const volatile int *cats_catch_signals(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Shared by the commands. See cli.h. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"

#define BAR_CELLS 24

void cats_arguments(const struct argp *argp, int argc, char **argv, void *into)
{
	char name[64];

	argp_err_exit_status = 2;
	snprintf(name, sizeof(name), "cats %s", argv[0]);
	argv[0] = name;
	/* Errors exit; what is left to return is a failure of argp itself. */
	const error_t failed = argp_parse(argp, argc, argv, 0, NULL, into);

	if (failed != 0) {
		fprintf(stderr, "cats: arguments: %s\n", strerror(failed));
		exit(2);
	}
}

double cats_argument_number(const struct argp_state *state, const char *option, const char *text, double least,
			    double most)
{
	char *end;
	const double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= least && value <= most))
		argp_error(state, "%s: \"%s\" is not a number from %g to %g", option, text, least, most);
	return value;
}

uint64_t cats_argument_count(const struct argp_state *state, const char *option, const char *text, uint64_t least,
			     uint64_t most)
{
	char *end;

	errno = 0;
	const unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < least || value > most)
		argp_error(state, "%s: \"%s\" is not a whole number from %llu to %llu", option, text,
			   (unsigned long long)least, (unsigned long long)most);
	return value;
}

bool cats_common_option(struct cats_common *common, int key, const char *text, const struct argp_state *state)
{
	switch (key) {
	case CATS_OPTION_JSON:
		common->json = true;
		return true;
	case CATS_OPTION_QUIET:
		common->quiet = true;
		return true;
	case CATS_OPTION_SEED:
		common->seed = cats_argument_count(state, "--seed", text, 0, UINT64_MAX);
		return true;
	case CATS_OPTION_THREADS:
		common->threads = (uint32_t)cats_argument_count(state, "--threads", text, 1, 256);
		return true;
	default:
		return false;
	}
}

void cats_arguments_distinct(const struct argp_state *state, const struct cats_output *outputs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (outputs[i].path != NULL && outputs[j].path != NULL &&
			    strcmp(outputs[i].path, outputs[j].path) == 0)
				argp_error(state, "%s and %s: \"%s\": they must be different files", outputs[j].option,
					   outputs[i].option, outputs[i].path);
}

enum cats_status cats_outputs_check(const struct cats_output *outputs, size_t count, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	for (size_t i = 0; status == CATS_OK && i < count; i++)
		if (outputs[i].path != NULL)
			status = cats_file_may_write(outputs[i].path, error);
	return status;
}

int cats_report_failure(enum cats_status status, const struct cats_error *error)
{
	fprintf(stderr, "cats: %s\n", error->text[0] != '\0' ? error->text : "failed");
	return status == CATS_ERR_USAGE ? 2 : 1;
}

double cats_rounded(double x, double unit)
{
	return (double)(int64_t)(x / unit + 0.5) * unit;
}

void cats_add_numbers(cJSON *object, const char *key, const double *values, size_t count, double unit)
{
	cJSON *list = cJSON_AddArrayToObject(object, key);

	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(cats_rounded(values[i], unit)));
}

static void print_value(const cJSON *item)
{
	char *text;

	if (cJSON_IsString(item)) {
		printf("%s\n", item->valuestring);
		return;
	}
	text = cJSON_PrintUnformatted(item);
	printf("%s\n", text != NULL ? text : "?");
	cJSON_free(text);
}

int cats_finish_output(void)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "cats: stdout: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

int cats_print_result(cJSON *object, const struct cats_common *common)
{
	const cJSON *item;

	if (common->json) {
		char *text = cJSON_PrintUnformatted(object);

		printf("%s\n", text != NULL ? text : "{}");
		cJSON_free(text);
	} else {
		cJSON_ArrayForEach(item, object)
		{
			printf("%-24s ", item->string);
			print_value(item);
		}
	}
	cJSON_Delete(object);
	return cats_finish_output();
}

static bool shows_bar(const struct cats_common *common)
{
	return !common->quiet && isatty(STDERR_FILENO) == 1;
}

void cats_bar(const struct cats_common *common, const char *label, double share, const char *note)
{
	char cells[BAR_CELLS + 1];

	if (!shows_bar(common))
		return;
	for (int i = 0; i < BAR_CELLS; i++)
		cells[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
	cells[BAR_CELLS] = '\0';
	fprintf(stderr, "\r\033[K%s [%s] %3.0f%% %s", label, cells, share * 100, note);
	fflush(stderr);
}

void cats_bar_clear(const struct cats_common *common)
{
	if (shows_bar(common))
		fprintf(stderr, "\r\033[K");
}

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

const volatile int *cats_catch_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	action.sa_flags = (int)SA_RESETHAND | SA_RESTART; /* a write under way is finished, not failed */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return &stop;
}

/* SPDX-License-Identifier: MIT */
/* The program `cats`: chooses the command. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"train", cats_command_train, "train a model, or fine-tune one for many devices"},
	{"eval", cats_command_eval, "accuracy of a model, with messages lost or not"},
	{"sweep", cats_command_sweep, "several models against message loss: table and chart"},
	{"capacity", cats_command_capacity, "the largest encoder that fits so many devices"},
	{"plan", cats_command_plan, "quantise a model and cut it into one shard a device"},
	{"run", cats_command_run, "run a plan over data: all devices in one process, messages lost or not"},
	{"verify", cats_command_verify, "compare every byte of a plan's devices with the plain reference"},
	{"forecast", cats_command_forecast, "what models and plans forecast for one window, as a chart"},
	{"simulate", cats_command_simulate, "play a plan on simulated radios and processors, in virtual time"},
	{"firmware", cats_command_firmware, "one file a node to flash: firmware, shard, identity"},
	{"emulate", cats_command_emulate, "run a plan's firmware on emulated nRF52840 that hear each other"},
	{"chart", cats_command_chart, "draw a column of several tables as lines"},
	{"inspect", cats_command_inspect, "what is in a model, a plan, a shard, a config, a tensor file or data"},
};

static void print_help(FILE *to)
{
	fprintf(to,
		"Usage: cats COMMAND [OPTION...]\nTransformers on many small devices that tell each other a share of "
		"what they know.\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "  %-10s %s\n  %-10s %s\n\n", "help", "this text", "version", "the program's version");
	fprintf(to, "cats COMMAND --help says more. Exit status: 0, 1 (failed) or 2 (usage).\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
		printf("cats %s\n", CATS_VERSION);
		return 0;
	}
	if (*name == '\0')
		print_help(stderr);
	else
		fprintf(stderr, "cats: \"%s\" is not a command: see cats help\n", name);
	return 2;
}

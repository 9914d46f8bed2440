/* SPDX-License-Identifier: MIT */
/* cats sweep: several models against message loss, as a table, Markdown, JSON, CSV and a chart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sweep_plan.h"
#include "io/file.h"
#include "report/chart.h"
#include "report/table.h"
#include "train/batch.h"
#include "train/sweep.h"

#define MAX_MODELS 8 /* as many as a chart has hues */
#define MAX_RATES 16
#define MAX_KINDS 4

struct arguments {
	struct cats_common common;
	char *models[MAX_MODELS]; /* LABEL=MODEL[@DEVICES] or LABEL=PLAN */
	size_t model_count;
	const char *data, *cells, *markdown, *csv, *json_file, *svg, *title;
	const char *kinds[MAX_KINDS];
	size_t kind_count;
	double rates[MAX_RATES];
	size_t rate_count;
	uint64_t limit;
	uint32_t seeds, stride;
};

enum own_option {
	OPT_DATA = CATS_OPTION_OWN,
	OPT_LIMIT,
	OPT_RATES,
	OPT_KINDS,
	OPT_SEEDS,
	OPT_CELLS,
	OPT_MARKDOWN,
	OPT_CSV,
	OPT_JSON_FILE,
	OPT_SVG,
	OPT_TITLE,
	OPT_STRIDE,
};

static const struct argp_option option_list[] = {
	{"data", OPT_DATA, "DATA", 0, "As for cats eval", 1},
	{"limit", OPT_LIMIT, "N", 0, "The first N samples only", 1},
	{"stride", OPT_STRIDE, "N", 0, "Of a series: from one window to the next (1)", 1},
	{"rates", OPT_RATES, "P,P…", 0, "Shares of messages lost (0,0.05,0.1,0.2)", 1},
	{"kinds", OPT_KINDS, "K,K…", 0, "Of link, receiver, sender, all (all: each of the three at that rate)", 1},
	{"seeds", OPT_SEEDS, "N", 0, "Draws of each loss, from --seed on (1)", 1},
	{"cells", OPT_CELLS, "FILE", 0,
	 "Keep finished evaluations of models in FILE and make none twice that it has: an interrupted sweep continues",
	 1},
	{"markdown", OPT_MARKDOWN, "FILE", 0, "Also write the table as Markdown", 2},
	{"csv", OPT_CSV, "FILE", 0, "Also write every cell as CSV", 2},
	{"json-file", OPT_JSON_FILE, "FILE", 0, "Also write what --json prints", 2},
	{"svg", OPT_SVG, "FILE", 0, "Also draw a chart, one panel a kind", 2},
	{"title", OPT_TITLE, "TEXT", 0, "Of the chart", 2},
	CATS_COMMON_OPTIONS,
	{0},
};

/* Cuts `text` at commas into at most `most` pieces, in place. */
static size_t split(const struct argp_state *state, const char *option, char *text, const char **pieces, size_t most)
{
	size_t count = 0;

	for (char *piece = strtok(text, ","); piece; piece = strtok(NULL, ",")) {
		if (count == most)
			argp_error(state, "%s: more than %zu values", option, most);
		pieces[count++] = piece;
	}
	if (count == 0)
		argp_error(state, "%s: no value", option);
	return count;
}

static void parse_kinds(struct arguments *a, char *text, const struct argp_state *state)
{
	a->kind_count = split(state, "--kinds", text, a->kinds, MAX_KINDS);
	for (size_t i = 0; i < a->kind_count; i++) {
		struct cats_loss_spec unused = {0};
		struct cats_error error = {0};

		if (cats_loss_kinds(&unused, a->kinds[i], 0, &error) < 0)
			argp_error(state, "--kinds: %s", error.text);
	}
}

static void parse_rates(struct arguments *a, char *text, const struct argp_state *state)
{
	const char *pieces[MAX_RATES];

	a->rate_count = split(state, "--rates", text, pieces, MAX_RATES);
	for (size_t i = 0; i < a->rate_count; i++) {
		a->rates[i] = cats_argument_number(state, "--rates", pieces[i], 0, 1);
		if (i > 0 && a->rates[i] <= a->rates[i - 1])
			argp_error(state, "--rates: %s: rates must ascend", pieces[i]);
	}
}

enum { OUTPUTS = 5 };

static void list_outputs(struct cats_output outputs[OUTPUTS], const struct arguments *a)
{
	outputs[0] = (struct cats_output){"--cells", a->cells};
	outputs[1] = (struct cats_output){"--markdown", a->markdown};
	outputs[2] = (struct cats_output){"--csv", a->csv};
	outputs[3] = (struct cats_output){"--json-file", a->json_file};
	outputs[4] = (struct cats_output){"--svg", a->svg};
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	struct cats_output outputs[OUTPUTS];

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_DATA:
		a->data = text;
		return 0;
	case OPT_LIMIT:
		a->limit = cats_argument_count(state, "--limit", text, 1, SIZE_MAX);
		return 0;
	case OPT_STRIDE:
		a->stride = (uint32_t)cats_argument_count(state, "--stride", text, 1, 1U << 20);
		return 0;
	case OPT_RATES:
		parse_rates(a, text, state);
		return 0;
	case OPT_KINDS:
		parse_kinds(a, text, state);
		return 0;
	case OPT_SEEDS:
		a->seeds = (uint32_t)cats_argument_count(state, "--seeds", text, 1, 1000);
		return 0;
	case OPT_CELLS:
		a->cells = text;
		return 0;
	case OPT_MARKDOWN:
		a->markdown = text;
		return 0;
	case OPT_CSV:
		a->csv = text;
		return 0;
	case OPT_JSON_FILE:
		a->json_file = text;
		return 0;
	case OPT_SVG:
		a->svg = text;
		return 0;
	case OPT_TITLE:
		a->title = text;
		return 0;
	case ARGP_KEY_ARG:
		if (a->model_count == MAX_MODELS)
			argp_error(state, "\"%s\": more than %d models", text, MAX_MODELS);
		a->models[a->model_count++] = text;
		return 0;
	case ARGP_KEY_END:
		if (a->model_count == 0 || !a->data)
			argp_error(state, "at least one MODEL or PLAN, and --data, are needed");
		list_outputs(outputs, a);
		cats_arguments_distinct(state, outputs, OUTPUTS);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void free_entry(struct cats_sweep_entry *entry)
{
	if (entry->context != NULL)
		cats_sweep_plan_free(entry);
	else
		cats_model_free(&entry->model);
}

/* LABEL=MODEL[@DEVICES]; without a label the directory is the label. Cuts the text in place. */
static enum cats_status load_entry(struct cats_sweep_entry *entry, char *text, struct cats_error *error)
{
	char *equals = strchr(text, '=');
	char *directory = equals ? equals + 1 : text;
	char *at = strrchr(directory, '@');
	char *end = NULL;
	unsigned long devices = 0;
	enum cats_status status;

	entry->label = text;
	if (equals)
		*equals = '\0';
	if (cats_sweep_plan_is_there(directory))
		return cats_sweep_plan_load(entry, directory, error);
	if (at) {
		devices = strtoul(at + 1, &end, 10);
		if (at[1] < '1' || at[1] > '9' || *end != '\0' || devices > CATS_MAX_DEVICES)
			return cats_fail(error, CATS_ERR_USAGE, "%s: devices after @ must be a number from 1 to %d",
					 directory, CATS_MAX_DEVICES);
		*at = '\0';
	}
	status = cats_model_load(&entry->model, directory, error);
	if (status >= 0 && devices > 0)
		status = cats_model_set_devices(&entry->model, (uint32_t)devices, directory, error);
	return status;
}

/* What was computed, for all the forms of output. */
struct outcome {
	const struct arguments *a;
	const struct cats_sweep *sweep;
	const struct cats_sweep_cell *cells;
	const char *metric;
	size_t samples;
};

static const struct cats_sweep_cell *cell_at(const struct outcome *o, size_t entry, size_t kind, size_t rate)
{
	return &o->cells[(entry * o->sweep->kind_count + kind) * o->sweep->rate_count + rate];
}

static bool is_accuracy(const struct outcome *o)
{
	return strcmp(o->metric, "accuracy") == 0;
}

/* Of a float model; 0 for a plan, which counts bytes. */
static uint64_t air_values(const struct cats_sweep_entry *entry)
{
	return entry->context != NULL ? 0 : cats_model_air_values(&entry->model);
}

static void add_costs(cJSON *row, const struct cats_sweep_entry *entry)
{
	const struct cats_sweep_need need = cats_sweep_plan_need(entry);

	cJSON_AddStringToObject(row, "numbers", entry->context ? "int8" : "float32");
	if (entry->context == NULL) {
		cJSON_AddNumberToObject(row, "air_values", (double)air_values(entry));
		return;
	}
	cJSON_AddNumberToObject(row, "flash_bytes", (double)need.flash_bytes);
	cJSON_AddNumberToObject(row, "arena_bytes", (double)need.arena_bytes);
	cJSON_AddNumberToObject(row, "fixed_ram_bytes", (double)need.fixed_bytes);
	cJSON_AddNumberToObject(row, "air_bytes", (double)need.air_bytes);
}

static cJSON *to_json(const struct outcome *o)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *rows = cJSON_AddArrayToObject(object, "rows");

	cJSON_AddStringToObject(object, "metric", o->metric);
	cJSON_AddNumberToObject(object, "samples", (double)o->samples);
	for (size_t e = 0; e < o->sweep->entry_count; e++)
		for (size_t k = 0; k < o->sweep->kind_count; k++)
			for (size_t r = 0; r < o->sweep->rate_count; r++) {
				const struct cats_sweep_cell *cell = cell_at(o, e, k, r);
				const struct cats_sweep_entry *entry = &o->sweep->entries[e];
				cJSON *row = cJSON_CreateObject();

				cJSON_AddItemToArray(rows, row);
				cJSON_AddStringToObject(row, "model", entry->label);
				cJSON_AddNumberToObject(row, "devices", entry->model.config.devices);
				cJSON_AddStringToObject(row, "loss_kind", o->sweep->kinds[k]);
				cJSON_AddNumberToObject(row, "message_loss", o->sweep->rates[r]);
				cJSON_AddNumberToObject(row, "value", cell->mean);
				cJSON_AddNumberToObject(row, "deviation", cell->deviation);
				cJSON_AddNumberToObject(row, "seeds", cell->seeds);
				add_costs(row, entry);
			}
	return object;
}

#define CELL_BYTES 64
#define LEAD_COLUMNS 8 /* before the rates, at most */

typedef char cell_text[CELL_BYTES];

static bool has_plans(const struct outcome *o)
{
	for (size_t e = 0; e < o->sweep->entry_count; e++)
		if (o->sweep->entries[e].context != NULL)
			return true;
	return false;
}

/* The columns before the rates: with plans among the entries, what their largest device needs. Returns how many. */
static size_t put_lead_names(cell_text *row, bool plans)
{
	static const char *const models[] = {"model", "devices", "values on air", "loss of"};
	static const char *const mixed[] = {"model",     "numbers",   "devices",      "flash",
					    "arena RAM", "fixed RAM", "bytes on air", "loss of"};
	const size_t count = plans ? sizeof mixed / sizeof mixed[0] : sizeof models / sizeof models[0];

	for (size_t i = 0; i < count; i++)
		snprintf(row[i], CELL_BYTES, "%s", plans ? mixed[i] : models[i]);
	return count;
}

static void put_lead(cell_text *row, const struct cats_sweep_entry *entry, const char *kind, bool plans)
{
	const struct cats_sweep_need need = cats_sweep_plan_need(entry);
	const uint64_t numbers[] = {need.flash_bytes, need.arena_bytes, need.fixed_bytes, need.air_bytes};
	size_t at = 0;

	snprintf(row[at++], CELL_BYTES, "%s", entry->label);
	if (plans)
		snprintf(row[at++], CELL_BYTES, "%s", entry->context ? "int8" : "float32");
	snprintf(row[at++], CELL_BYTES, "%u", entry->model.config.devices);
	for (size_t i = 0; plans && i < 4; i++, at++)
		if (entry->context != NULL)
			snprintf(row[at], CELL_BYTES, "%llu", (unsigned long long)numbers[i]);
	if (!plans)
		snprintf(row[at++], CELL_BYTES, "%llu", (unsigned long long)air_values(entry));
	snprintf(row[at], CELL_BYTES, "%s", kind);
}

static void put_value(char *text, const struct outcome *o, const struct cats_sweep_cell *cell)
{
	const double scale = is_accuracy(o) ? 100 : 1;

	if (cell->seeds > 1)
		snprintf(text, CELL_BYTES, is_accuracy(o) ? "%.2f ± %.2f" : "%.5f ± %.5f", scale * cell->mean,
			 scale * cell->deviation);
	else
		snprintf(text, CELL_BYTES, is_accuracy(o) ? "%.2f" : "%.5f", scale * cell->mean);
}

/* The table as text: a row a model and kind, a column a rate. */
static char *to_table(const struct outcome *o, enum cats_table_form form)
{
	const struct cats_sweep *s = o->sweep;
	const bool plans = has_plans(o);
	cell_text names[LEAD_COLUMNS];
	const size_t lead = put_lead_names(names, plans);
	const size_t rows = s->entry_count * s->kind_count, columns = lead + s->rate_count;
	cell_text *texts = calloc((rows + 1) * columns, sizeof *texts);
	const char **cells = calloc((rows + 1) * columns, sizeof *cells);
	char *text = NULL;

	if (texts && cells) {
		for (size_t i = 0; i < (rows + 1) * columns; i++)
			cells[i] = texts[i];
		(void)put_lead_names(texts, plans);
		for (size_t r = 0; r < s->rate_count; r++)
			snprintf(texts[lead + r], CELL_BYTES, "%g %% lost", 100 * s->rates[r]);
		for (size_t i = 0; i < rows; i++) {
			const size_t e = i / s->kind_count, k = i % s->kind_count;
			cell_text *row = texts + (i + 1) * columns;

			put_lead(row, &s->entries[e], s->kinds[k], plans);
			for (size_t r = 0; r < s->rate_count; r++)
				put_value(row[lead + r], o, cell_at(o, e, k, r));
		}
		text = cats_table_format(
			&(struct cats_table){
				.header = cells, .columns = columns, .cells = cells + columns, .rows = rows},
			form);
	}
	free(texts);
	free(cells);
	return text;
}

/* One line a cell. Labels are quoted; quotes in them doubled (RFC 4180). */
static char *to_csv(const struct outcome *o)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return NULL;
	fprintf(to, "model,devices,air_values,loss_kind,message_loss,metric,mean,deviation,seeds,samples,numbers,air_"
		    "bytes\n");
	for (size_t e = 0; e < o->sweep->entry_count; e++)
		for (size_t k = 0; k < o->sweep->kind_count; k++)
			for (size_t r = 0; r < o->sweep->rate_count; r++) {
				const struct cats_sweep_cell *cell = cell_at(o, e, k, r);
				const struct cats_sweep_entry *entry = &o->sweep->entries[e];

				fputc('"', to);
				for (const char *c = entry->label; *c; c++) {
					if (*c == '"')
						fputc('"', to);
					fputc(*c, to);
				}
				fprintf(to, "\",%u,%llu,%s,%g,%s,%.6f,%.6f,%u,%zu,%s,%llu\n",
					entry->model.config.devices, (unsigned long long)air_values(entry),
					o->sweep->kinds[k], o->sweep->rates[r], o->metric, cell->mean, cell->deviation,
					cell->seeds, o->samples, entry->context ? "int8" : "float32",
					(unsigned long long)cats_sweep_plan_need(entry).air_bytes);
			}
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* One line, as --json prints it; malloc'ed. */
static char *to_json_text(const struct outcome *o)
{
	cJSON *object = to_json(o);
	char *line = cJSON_PrintUnformatted(object);
	char *text = line ? malloc(strlen(line) + 2) : NULL;

	if (text)
		sprintf(text, "%s\n", line);
	cJSON_free(line);
	cJSON_Delete(object);
	return text;
}

static enum cats_status write_text(const char *path, char *text, struct cats_error *error)
{
	enum cats_status status;

	if (!text)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", path);
	status = cats_file_write(path, text, strlen(text), error);
	free(text);
	return status;
}

static enum cats_status write_chart(const struct outcome *o, struct cats_error *error)
{
	const struct cats_sweep *s = o->sweep;
	const double scale = is_accuracy(o) ? 100 : 1;
	struct cats_chart_panel panels[MAX_KINDS];
	struct cats_series series[MAX_KINDS][MAX_MODELS];
	static struct cats_point points[MAX_KINDS][MAX_MODELS][MAX_RATES];

	for (size_t k = 0; k < s->kind_count; k++) {
		for (size_t e = 0; e < s->entry_count; e++) {
			for (size_t r = 0; r < s->rate_count; r++) {
				const struct cats_sweep_cell *cell = cell_at(o, e, k, r);

				points[k][e][r] = (struct cats_point){100 * s->rates[r], scale * cell->mean,
								      scale * cell->deviation};
			}
			series[k][e] = (struct cats_series){
				.name = s->entries[e].label, .points = points[k][e], .count = s->rate_count};
		}
		panels[k] = (struct cats_chart_panel){
			.title = s->kind_count > 1 ? s->kinds[k] : NULL,
			.series = series[k],
			.series_count = s->entry_count,
		};
	}
	return cats_chart_write_svg(o->a->svg,
				    &(struct cats_chart){
					    .title = o->a->title,
					    .x_label = "messages lost (%)",
					    .y_label = is_accuracy(o) ? "accuracy (%)" : "mean squared error",
					    .panels = panels,
					    .panel_count = s->kind_count,
				    },
				    error);
}

static enum cats_status write_files(const struct outcome *o, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	if (o->a->markdown)
		status = write_text(o->a->markdown, to_table(o, CATS_TABLE_MARKDOWN), error);
	if (status >= 0 && o->a->csv)
		status = write_text(o->a->csv, to_csv(o), error);
	if (status >= 0 && o->a->json_file)
		status = write_text(o->a->json_file, to_json_text(o), error);
	if (status >= 0 && o->a->svg)
		status = write_chart(o, error);
	return status;
}

static int print(const struct outcome *o)
{
	char *text;

	if (o->a->common.json)
		return cats_print_result(to_json(o), &o->a->common);
	text = to_table(o, CATS_TABLE_TERMINAL);
	if (!text)
		return cats_report_failure(CATS_ERR_MEMORY, &(struct cats_error){"the table: out of memory"});
	printf("%s of %zu samples%s\n%s", o->metric, o->samples, is_accuracy(o) ? ", in %" : "", text);
	free(text);
	return cats_finish_output();
}

static void show(void *context, size_t done, size_t of)
{
	const struct arguments *a = context;
	char note[64];

	snprintf(note, sizeof(note), "evaluation %zu of %zu", done, of);
	cats_bar(&a->common, "sweep", (double)done / (double)of, note);
}

static enum cats_status run(struct outcome *o, struct cats_sweep_cell *cells, struct arguments *a,
			    struct cats_error *error)
{
	const struct cats_dataset_options wanted = {
		.fallback = CATS_SPLIT_TEST,
		.window = cats_feed_window(&o->sweep->entries[0].model.config),
		.stride = a->stride,
	};
	const struct cats_evaluation_options options = {
		.limit = a->limit,
		.threads = a->common.threads,
		.progress = show,
		.context = a,
		.stop = cats_catch_signals(),
	};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->data, &wanted, error);

	if (status >= 0) {
		show(a, 0, cats_sweep_evaluations(o->sweep));
		status = cats_sweep_run(cells, &o->metric, &o->samples, o->sweep, &data, a->data, &options, error);
	}
	cats_dataset_free(&data);
	cats_bar_clear(&a->common);
	if (status == CATS_ERR_INTERRUPTED && a->cells)
		return cats_fail(error, status,
				 "sweep: interrupted; finished evaluations are in %s: the same command continues",
				 a->cells);
	return status < 0 ? status : write_files(o, error);
}

int cats_command_sweep(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "[LABEL=]MODEL[@DEVICES]|PLAN...",
					 "Evaluates models in float32, as their devices compute them, and plans in "
					 "integers, against the loss of messages at the gathers.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {
		.kinds = {"all"}, .kind_count = 1, .rates = {0, 0.05, 0.1, 0.2}, .rate_count = 4, .seeds = 1};
	struct cats_sweep_entry entries[MAX_MODELS] = {0};
	static struct cats_sweep_cell cells[MAX_MODELS * MAX_KINDS * MAX_RATES];
	struct cats_error error = {0};
	struct cats_output outputs[OUTPUTS];
	enum cats_status status;
	int exit_status;

	cats_arguments(&argp, argc, argv, &a);
	list_outputs(outputs, &a);
	status = cats_outputs_check(outputs, OUTPUTS, &error);
	for (size_t i = 0; status >= 0 && i < a.model_count; i++)
		status = load_entry(&entries[i], a.models[i], &error);

	struct cats_sweep sweep = {
		.entries = entries,
		.entry_count = a.model_count,
		.kinds = a.kinds,
		.kind_count = a.kind_count,
		.rates = a.rates,
		.rate_count = a.rate_count,
		.seeds = a.seeds,
		.seed = a.common.seed,
	};
	struct outcome outcome = {.a = &a, .sweep = &sweep, .cells = cells};

	if (status >= 0 && a.cells)
		status = cats_sweep_record_open(&sweep.record, a.cells, &error);
	if (status >= 0)
		status = run(&outcome, cells, &a, &error);
	exit_status = status < 0 ? cats_report_failure(status, &error) : print(&outcome);
	for (size_t i = 0; i < a.model_count; i++)
		free_entry(&entries[i]);
	cats_sweep_record_free(sweep.record);
	return exit_status;
}

/* SPDX-License-Identifier: MIT */
/* cats forecast: what models and plans forecast for one window, beside what came. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/forecast_chart.h"
#include "deploy/forecast.h"
#include "io/file.h"
#include "train/batch.h"

#define MAX_FORECASTERS 4
#define LAST_TOKEN UINT32_MAX

struct arguments {
	struct cats_common common;
	const char *names[MAX_FORECASTERS]; /* models or plans */
	size_t count;
	const char *data, *svg, *csv;
	uint32_t sample, token, past; /* past: values shown of the context */
};

enum own_option { OPT_DATA = CATS_OPTION_OWN, OPT_SAMPLE, OPT_TOKEN, OPT_PAST, OPT_SVG, OPT_CSV };

static const struct argp_option option_list[] = {
	{"data", OPT_DATA, "DATA", 0, "csv:FILE,column=NAME; without a split its test windows", 1},
	{"sample", OPT_SAMPLE, "N", 0, "Which window, from 0 (0)", 1},
	{"token", OPT_TOKEN, "T", 0, "Whose forecast, from 0 (the last)", 1},
	{"past", OPT_PAST, "N", 0, "Values before the forecast that the chart shows (twice the horizon)", 2},
	{"svg", OPT_SVG, "FILE", 0, "Draw forecasts and truth", 2},
	{"csv", OPT_CSV, "FILE", 0, "Write them as a table", 2},
	CATS_COMMON_OPTIONS,
	{0},
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;

	if (cats_common_option(&a->common, key, text, state))
		return 0;
	switch (key) {
	case OPT_DATA:
		a->data = text;
		return 0;
	case OPT_SAMPLE:
		a->sample = (uint32_t)cats_argument_count(state, "--sample", text, 0, UINT32_MAX - 1);
		return 0;
	case OPT_TOKEN:
		a->token = (uint32_t)cats_argument_count(state, "--token", text, 0, CATS_MAX_PATCHES);
		return 0;
	case OPT_PAST:
		a->past = (uint32_t)cats_argument_count(state, "--past", text, 1, CATS_MAX_CONTEXT);
		return 0;
	case OPT_SVG:
		a->svg = text;
		return 0;
	case OPT_CSV:
		a->csv = text;
		return 0;
	case ARGP_KEY_ARG:
		if (a->count == MAX_FORECASTERS)
			argp_error(state, "\"%s\": more than %d models and plans", text, MAX_FORECASTERS);
		a->names[a->count++] = text;
		return 0;
	case ARGP_KEY_END:
		if (a->count == 0 || a->data == NULL)
			argp_error(state, "a MODEL or PLAN, and --data, are needed");
		cats_arguments_distinct(state, (const struct cats_output[]){{"--svg", a->svg}, {"--csv", a->csv}}, 2);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* One of MODEL and PLAN. */
struct forecaster {
	bool is_plan;
	struct cats_model model;
	struct cats_plan plan;
	float *values; /* [horizon], in the units of the file */
};

static const struct cats_config *config_of(const struct forecaster *f)
{
	return f->is_plan ? &f->plan.integer.config : &f->model.config;
}

static enum cats_status load(struct forecaster *f, const char *name, struct cats_error *error)
{
	enum cats_status status;

	f->is_plan = cats_plan_is_there(name);
	status = f->is_plan ? cats_plan_load(&f->plan, name, error) : cats_model_load(&f->model, name, error);
	if (status < 0)
		return status;
	f->values = calloc(config_of(f)->n_out, sizeof *f->values);
	return f->values != NULL ? CATS_OK : cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", name);
}

static void free_forecaster(struct forecaster *f)
{
	cats_plan_free(&f->plan);
	cats_model_free(&f->model);
	free(f->values);
}

/* What is drawn and written: the window's truth and the place of the forecast in it. */
struct scene {
	const struct arguments *a;
	const struct forecaster *forecasters;
	const float *truth;      /* the window, standardised */
	struct cats_scale units; /* of its column */
	const char *column;
	uint32_t first, shown, horizon; /* index of the first forecast value; values before and from it on */
};

static void to_units(double *out, const struct scene *s, const float *standardised, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = (double)standardised[i] * s->units.deviation + s->units.mean;
}

static enum cats_status draw(const struct scene *s, struct cats_error *error)
{
	const size_t most = (size_t)s->shown + s->horizon;
	double *values = calloc((1 + s->a->count) * most, sizeof *values);
	const double *forecasts[MAX_FORECASTERS];
	char title[128];

	if (values == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", s->a->svg);
	snprintf(title, sizeof title, "%.60s: window %u, forecast of token %u", s->column, s->a->sample, s->a->token);
	to_units(values, s, s->truth + s->first - s->shown, most);
	for (size_t f = 0; f < s->a->count; f++) {
		to_units(values + (f + 1) * most, s, s->forecasters[f].values, s->horizon);
		forecasts[f] = values + (f + 1) * most;
	}
	const enum cats_status status = cats_forecast_draw(s->a->svg,
							   &(struct cats_forecast_chart){
								   .title = title,
								   .column = s->column,
								   .truth = values,
								   .shown = s->shown,
								   .horizon = s->horizon,
								   .forecasts = forecasts,
								   .names = s->a->names,
								   .count = s->a->count,
							   },
							   error);
	free(values);
	return status;
}

static enum cats_status write_table(const struct scene *s, struct cats_error *error)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	enum cats_status status;

	if (to == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", s->a->csv);
	fputs("row,truth", to);
	for (size_t f = 0; f < s->a->count; f++)
		fprintf(to, ",forecast_%zu", f + 1);
	fputc('\n', to);
	for (uint32_t o = 0; o < s->horizon; o++) {
		double value;

		to_units(&value, s, &s->truth[s->first + o], 1);
		fprintf(to, "%u,%.9g", o, value);
		for (size_t f = 0; f < s->a->count; f++) {
			to_units(&value, s, &s->forecasters[f].values[o], 1);
			fprintf(to, ",%.9g", value);
		}
		fputc('\n', to);
	}
	status = fclose(to) != 0 ? cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", s->a->csv)
				 : cats_file_write(s->a->csv, text, size, error);
	free(text);
	return status;
}

static cJSON *describe(const struct scene *s)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *errors;

	cJSON_AddStringToObject(object, "column", s->column);
	cJSON_AddNumberToObject(object, "sample", s->a->sample);
	cJSON_AddNumberToObject(object, "token", s->a->token);
	cJSON_AddNumberToObject(object, "horizon", s->horizon);
	cJSON_AddStringToObject(object, "metric", "mse");
	errors = cJSON_AddObjectToObject(object, "errors");
	for (size_t f = 0; f < s->a->count; f++) {
		double sum = 0;

		for (uint32_t o = 0; o < s->horizon; o++) {
			const double error = (double)s->forecasters[f].values[o] - (double)s->truth[s->first + o];

			sum += error * error;
		}
		cJSON_AddNumberToObject(errors, s->a->names[f], sum / s->horizon);
	}
	return object;
}

static enum cats_status show(cJSON **object, const struct arguments *a, const struct forecaster *forecasters,
			     const struct cats_dataset *data, struct cats_error *error)
{
	const struct cats_series_config *series = &config_of(forecasters)->series;
	const size_t column = a->sample / (data->samples / data->columns);
	struct scene s = {
		.a = a,
		.forecasters = forecasters,
		.truth = cats_dataset_window(data, a->sample),
		.units = data->scales[column],
		.column = data->column_names[column],
		.first = (a->token + 1) * series->patch,
		.horizon = series->horizon,
	};
	enum cats_status status = CATS_OK;

	s.shown = a->past != 0 ? a->past : 2 * s.horizon;
	s.shown = s.shown > s.first ? s.first : s.shown;
	if (a->svg != NULL)
		status = draw(&s, error);
	if (status == CATS_OK && a->csv != NULL)
		status = write_table(&s, error);
	if (status == CATS_OK)
		*object = describe(&s);
	return status;
}

static bool same_series(const struct cats_series_config *a, const struct cats_series_config *b)
{
	return a->context == b->context && a->patch == b->patch && a->horizon == b->horizon;
}

static enum cats_status run(cJSON **object, struct arguments *a, struct forecaster *forecasters,
			    struct cats_error *error)
{
	const struct cats_config *first = config_of(forecasters);
	const struct cats_dataset_options wanted = {.fallback = CATS_SPLIT_TEST, .window = cats_feed_window(first)};
	struct cats_dataset data = {0};
	enum cats_status status = cats_dataset_open(&data, a->data, &wanted, error);

	if (a->token == LAST_TOKEN)
		a->token = first->n_patches - 1;
	for (size_t i = 0; status == CATS_OK && i < a->count; i++) {
		struct forecaster *f = &forecasters[i];

		if (!same_series(&config_of(f)->series, &first->series))
			status = cats_fail(
				error, CATS_ERR_MISMATCH,
				"%s: its series is another than that of %s: give models of one context, patch "
				"and horizon",
				a->names[i], a->names[0]);
		else if (f->is_plan)
			status = cats_forecast_plan(f->values, &f->plan, &data, a->data, a->sample, a->token, error);
		else
			status = cats_forecast_model(f->values, &f->model, &data, a->data, a->sample, a->token, error);
	}
	if (status == CATS_OK)
		status = show(object, a, forecasters, &data, error);
	cats_dataset_free(&data);
	return status;
}

int cats_command_forecast(int argc, char **argv)
{
	static const struct argp argp = {option_list,
					 parse,
					 "MODEL|PLAN...",
					 "Forecasts one window of a series by models (in float32) and plans (in "
					 "integers, on all devices), and draws them beside what came, in the units of "
					 "the file. Errors are of the standardised column.",
					 NULL,
					 NULL,
					 NULL};
	struct arguments a = {.token = LAST_TOKEN};
	struct forecaster forecasters[MAX_FORECASTERS] = {0};
	struct cats_error error = {0};
	enum cats_status status = CATS_OK;
	cJSON *object = NULL;

	cats_arguments(&argp, argc, argv, &a);
	for (size_t i = 0; status == CATS_OK && i < a.count; i++)
		status = load(&forecasters[i], a.names[i], &error);
	if (status == CATS_OK)
		status = run(&object, &a, forecasters, &error);
	for (size_t i = 0; i < a.count; i++)
		free_forecaster(&forecasters[i]);
	return status < 0 ? cats_report_failure(status, &error) : cats_print_result(object, &a.common);
}

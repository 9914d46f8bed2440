/* SPDX-License-Identifier: MIT */
/* vector_check FILE…: runs the float model on golden vectors and compares output, traces and gradients with what an
 * independent float64 program computed. Prints each relative error; exits 1 when one is past its tolerance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/pass.h"
#include "tests/model/golden.h"

/* ‖a - b‖ / ‖b‖, b the reference. */
static double relative_error(const float *a, const float *b, size_t count)
{
	double difference = 0, norm = 0;

	for (size_t i = 0; i < count; i++) {
		difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		norm += (double)b[i] * b[i];
	}
	return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static double norm_of(const float *a, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (double)a[i] * a[i];
	return sqrt(sum);
}

/* Prints one line and says whether it is within tolerance (NaN is not). */
static bool report(const char *name, double error, double tolerance)
{
	const bool good = error <= tolerance;

	printf("  %-34s %.2e  (at most %.1e)%s\n", name, error, tolerance, good ? "" : "  FAILED");
	return good;
}

/* What is compared, besides the golden file. Arrays are in the file's order. */
struct result {
	float *output;   /* [rows, n_out] */
	float *trace;    /* [n_layers + 1][T, F] */
	float *gradient; /* [weight_count] */
	double loss;
};

static void transpose(float *to, const float *from, size_t rows, size_t columns)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t k = 0; k < columns; k++)
			to[k * rows + r] = from[r * columns + k];
}

static size_t output_rows(const struct cats_config *c)
{
	return c->pool == CATS_POOL_NONE ? cats_config_tokens(c) : 1U;
}

/* Mean squared error over all outputs, and its gradient in the pass's order. */
static double squared_error(float *d_output, const float *output, const float *target, size_t rows, size_t n_out)
{
	const double count = (double)(rows * n_out);
	double sum = 0;

	for (size_t o = 0; o < n_out; o++)
		for (size_t r = 0; r < rows; r++) {
			const double d = (double)output[o * rows + r] - target[r * n_out + o];

			sum += d * d;
			d_output[o * rows + r] = (float)(2 * d / count);
		}
	return sum / count;
}

static enum cats_status compute(struct result *out, const struct golden *g, struct cats_error *error)
{
	const struct cats_config *c = &g->model.config;
	const size_t T = cats_config_tokens(c), F = c->d_model, rows = output_rows(c);
	const struct cats_pass_input in = {
		.batch = 1,
		.input = g->input,
		.received = (const uint8_t *const *)g->received,
		.all_rows = true,
	};
	struct cats_views *views = NULL;
	struct cats_pass *pass = NULL;
	const float *target = NULL;
	float *packed = NULL, *packed_gradient = NULL, *d_output = NULL;
	enum cats_status status = golden_tensor(&target, g, "target", rows * c->n_out, error);

	if (status >= 0)
		status = cats_views_create(&views, &g->model, error);
	if (status >= 0)
		status = cats_pass_create(&pass, views, 1, true, error);
	if (status >= 0) {
		packed = calloc(cats_views_packed_count(views), sizeof *packed);
		packed_gradient = calloc(cats_views_packed_count(views), sizeof *packed_gradient);
		d_output = calloc(rows * c->n_out, sizeof *d_output);
		if (!packed || !packed_gradient || !d_output)
			status = cats_fail(error, CATS_ERR_MEMORY, "vector_check: out of memory");
	}
	if (status >= 0) {
		cats_views_pack(packed, views, g->model.weights);
		cats_pass_forward(pass, packed, &in);
		transpose(out->output, cats_pass_output(pass), c->n_out, rows);
		for (uint32_t n = 0; n <= c->n_layers; n++)
			transpose(out->trace + n * T * F, cats_pass_trace(pass, n), F, T);
		out->loss = squared_error(d_output, cats_pass_output(pass), target, rows, c->n_out);
		cats_pass_backward(pass, packed_gradient, packed, &in, d_output);
		cats_views_unpack_add(out->gradient, views, packed_gradient);
	}
	free(packed);
	free(packed_gradient);
	free(d_output);
	cats_pass_free(pass);
	cats_views_free(views);
	return status;
}

/* semantics.md: a forward pass agrees to 1e-6 · sqrt(layers) · 3. */
static double forward_tolerance(uint32_t layers)
{
	return 3e-6 * sqrt(layers > 0 ? (double)layers : 1.0);
}

#define GRADIENT_TOLERANCE 1e-5 /* semantics.md, "Golden vectors" */
#define ZERO_TOLERANCE 1e-6     /* there too: the gradient of k's bias, relative to that of k's weight */

static enum cats_status compare_gradients(bool *good, const struct golden *g, const struct result *r,
					  struct cats_error *error)
{
	for (uint32_t i = 0; i < g->model.tensor_count; i++) {
		const struct cats_weight *w = &g->model.tensors[i];
		const size_t count = (size_t)w->rows * w->columns;
		const float *expected = NULL;
		char name[64];

		snprintf(name, sizeof name, "grad/%s", w->name);
		if (golden_tensor(&expected, g, name, count, error) < 0)
			return CATS_ERR_FORMAT;
		if (strstr(w->name, "attn.k.bias")) {
			const struct cats_weight *k = w - 1; /* its weight stands before it */
			const double scale = norm_of(r->gradient + k->offset, (size_t)k->rows * k->columns);

			*good &= report(name, norm_of(r->gradient + w->offset, count) / scale, ZERO_TOLERANCE);
		} else {
			*good &= report(name, relative_error(r->gradient + w->offset, expected, count),
					GRADIENT_TOLERANCE);
		}
	}
	return CATS_OK;
}

static enum cats_status compare(bool *good, const struct golden *g, const struct result *r, struct cats_error *error)
{
	const struct cats_config *c = &g->model.config;
	const size_t T = cats_config_tokens(c), F = c->d_model;
	const float *expected = NULL;

	for (uint32_t n = 0; n <= c->n_layers; n++) {
		char name[32] = "trace/embed";

		if (n > 0)
			snprintf(name, sizeof name, "trace/layer%u", n - 1);
		if (golden_tensor(&expected, g, name, T * F, error) < 0)
			return CATS_ERR_FORMAT;
		*good &= report(name, relative_error(r->trace + n * T * F, expected, T * F), forward_tolerance(n));
	}
	if (golden_tensor(&expected, g, "output", output_rows(c) * c->n_out, error) < 0)
		return CATS_ERR_FORMAT;
	*good &= report("output", relative_error(r->output, expected, output_rows(c) * c->n_out),
			forward_tolerance(c->n_layers));
	if (golden_tensor(&expected, g, "loss", 1, error) < 0)
		return CATS_ERR_FORMAT;
	/* The loss is quadratic in output - target: twice the output's relative error, and its own rounding. */
	*good &= report("loss", fabs(r->loss - expected[0]) / fabs((double)expected[0]),
			2 * forward_tolerance(c->n_layers));
	return compare_gradients(good, g, r, error);
}

static enum cats_status check_file(bool *good, const char *path, struct cats_error *error)
{
	struct golden g;
	struct result r = {0};
	enum cats_status status = golden_read(&g, path, error);

	if (status < 0)
		return status;
	r.output = calloc(output_rows(&g.model.config) * g.model.config.n_out, sizeof *r.output);
	r.trace = calloc((g.model.config.n_layers + 1U) * (size_t)cats_config_tokens(&g.model.config) *
				 g.model.config.d_model,
			 sizeof *r.trace);
	r.gradient = calloc(g.model.weight_count, sizeof *r.gradient);
	if (r.output && r.trace && r.gradient)
		status = compute(&r, &g, error);
	else
		status = cats_fail(error, CATS_ERR_MEMORY, "vector_check: out of memory");
	if (status >= 0)
		status = compare(good, &g, &r, error);
	free(r.output);
	free(r.trace);
	free(r.gradient);
	golden_free(&g);
	return status;
}

int main(int argc, char **argv)
{
	bool all_good = true;

	if (argc < 2) {
		fprintf(stderr, "usage: vector_check FILE.safetensors...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		struct cats_error error = {0};
		bool good = true;

		printf("%s\n", argv[i]);
		if (check_file(&good, argv[i], &error) < 0) {
			fprintf(stderr, "vector_check: %s\n", error.text);
			good = false;
		}
		all_good &= good;
	}
	return all_good ? 0 : 1;
}

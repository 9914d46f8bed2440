/* SPDX-License-Identifier: MIT */
/* cats-bench-m4: what the layers of a device take on the emulated Cortex-M4, beside what others were measured at, as
 * Markdown. Executed instructions are exact; cycles are an estimate (emulator/thumb.h). Links Unicorn (emulator/m4.h).
 *
 * A layer is one op of the runtime from its entry to its return, in steps without a budget: what it reads has been
 * gathered, its weights lie packed in the shard. Its figure includes the interpreter's loops, not only the kernel. */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/m4/drive.h"
#include "bench/m4/protocol.h"
#include "bench/m4/shapes.h"
#include "deploy/calibrate.h"
#include "io/file.h"
#include "report/table.h"

#define CELL_BYTES 96
#define COLUMNS 8U
#define TEXT_BYTES (1U << 16)
#define TERMS 4
#define TABLES_MAX 4U

/* What a layer is measured in. */
enum { S128, S167, S512, S8, BLOCK, S128_CAUSAL, S8_CAUSAL, SHAPES };

static const struct m4_shape shapes[SHAPES] = {
	[S128] = {"128 columns, 32 own", 0, 128, 4, 128, 4, 0, false},
	[S167] = {"167 of 512 columns, 32 own", 0, 512, 16, 512, 16, 167, false},
	[S512] = {"512 columns, 32 own", 0, 512, 16, 512, 16, 0, false},
	[S8] = {"128 columns, 8 own", 0, 128, 16, 128, 16, 0, false},
	[BLOCK] = {"167 of 512 columns, 128 own", 0, 512, 16, 512, 4, 167, false},
	[S128_CAUSAL] = {"128 columns, 32 own, causal", 0, 128, 4, 128, 4, 0, true},
	[S8_CAUSAL] = {"128 columns, 8 own, causal", 0, 128, 16, 128, 16, 0, true},
};

/* Sites of a model with one layer, docs/SPEC-integer.md, 2.1. */
enum { ATTN_IN = 1, ATTN_OUT, FFN_IN };

struct term {
	uint32_t shape, site, op;
	bool minus;
};

/* Thousands, as the sources give them; 0: not known. */
struct thousands {
	uint32_t instructions, cycles;
};

/* `macs_row` and `macs_pair`: multiply-accumulates a token, and a (query, key) pair. */
struct layer {
	const char *name;
	struct term terms[TERMS];
	uint32_t term_count;
	uint32_t macs_row, macs_pair;
	uint32_t goal; /* thousands of instructions, T = 64 */
	struct thousands best,
		reference; /* CMSIS-NN's fastest call; the call that the published firmware makes. T = 64 */
};

/* The others' figures were counted by emulation in the same way, built with gcc 12.2 -O3 for the same processor:
 * "best CMSIS-NN" is arm_nn_mat_mult_nt_t_s8, for softmax arm_softmax_s8; "reference" converts to float and back. */
static const struct layer layers[] = {
	{"product, K 128, N 32",
	 {{S128, ATTN_OUT, M4_RESIDUAL_PRODUCT, false}},
	 1,
	 128 * 32,
	 0,
	 225,
	 {455, 541},
	 {611, 762}},
	{"product, K 167, N 32",
	 {{S167, ATTN_OUT, M4_RESIDUAL_PRODUCT, false}},
	 1,
	 167 * 32,
	 0,
	 290,
	 {592, 822},
	 {778, 1122}},
	{"product, K 512, N 32",
	 {{S512, ATTN_OUT, M4_RESIDUAL_PRODUCT, false}},
	 1,
	 512 * 32,
	 0,
	 850,
	 {1610, 1905},
	 {2086, 2581}},
	{"product, K 128, N 8",
	 {{S8, ATTN_OUT, M4_RESIDUAL_PRODUCT, false}},
	 1,
	 128 * 8,
	 0,
	 68,
	 {114, 135},
	 {156, 196}},
	{"q, k, v of a normalised input, K 128, N 3 × 8",
	 {{S8, ATTN_IN, M4_NORM_PRODUCT, false}},
	 1,
	 128 * 24,
	 0,
	 0,
	 {0},
	 {0}},
	{"attention, one head, d = 32", {{S128, ATTN_IN, M4_ATTENTION, false}}, 1, 0, 64, 280, {0}, {1932, 3170}},
	{"attention, one head, d = 8", {{S8, ATTN_IN, M4_ATTENTION, false}}, 1, 0, 16, 115, {0}, {791, 1372}},
	{"attention, causal, d = 32", {{S128_CAUSAL, ATTN_IN, M4_ATTENTION, false}}, 1, 0, 0, 0, {0}, {0}},
	{"attention, causal, d = 8", {{S8_CAUSAL, ATTN_IN, M4_ATTENTION, false}}, 1, 0, 0, 0, {0}, {0}},
	{"statistics of a normalisation over 167 columns", {{S167, ATTN_IN, M4_STATS, false}}, 1, 0, 0, 0, {0}, {0}},
	{"normalisation of 167 columns: statistics, and what it adds to a product of N 32",
	 {{S167, ATTN_IN, M4_STATS, false},
	  {S167, FFN_IN, M4_NORM_PRODUCT, false},
	  {S167, ATTN_OUT, M4_RESIDUAL_PRODUCT, true}},
	 3,
	 0,
	 0,
	 60,
	 {0},
	 {675, 1095}},
	{"quantising the residual, N 32", {{S128, ATTN_OUT, M4_QUANTISE, false}}, 1, 0, 0, 0, {0}, {0}},
	{"attention block, K 167, 4 heads of 32, N 128",
	 {{BLOCK, ATTN_IN, M4_STATS, false},
	  {BLOCK, ATTN_IN, M4_NORM_PRODUCT, false},
	  {BLOCK, ATTN_IN, M4_ATTENTION, false},
	  {BLOCK, ATTN_OUT, M4_RESIDUAL_PRODUCT, false}},
	 4,
	 4 * 167 * 128,
	 4 * 64,
	 0,
	 {0},
	 {21200, 32000}},
};
#define LAYERS (sizeof layers / sizeof layers[0])

static const uint32_t tokens[] = {64, 25, 49, 99};
#define TOKENS (sizeof tokens / sizeof tokens[0])

struct arguments {
	const char *image, *protocol, *data, *models, *markdown;
};

/* Text that grows at its end; a full one stays full. */
struct text {
	char bytes[TEXT_BYTES];
	size_t length;
};

static void append(struct text *t, const char *more)
{
	const size_t size = strlen(more);

	if (t->length + size < TEXT_BYTES) {
		memcpy(t->bytes + t->length, more, size + 1U);
		t->length += size;
	}
}

static enum cats_status append_table(struct text *t, const char *const *header, char (*cells)[CELL_BYTES], size_t rows,
				     size_t columns, struct cats_error *error)
{
	const char **pointers = malloc(rows * columns * sizeof *pointers);
	const struct cats_table table = {header, columns, pointers, rows};
	char *formatted = NULL;

	for (size_t i = 0; pointers && i < rows * columns; i++)
		pointers[i] = cells[i];
	if (pointers)
		formatted = cats_table_format(&table, CATS_TABLE_MARKDOWN);
	free(pointers);
	if (!formatted)
		return cats_fail(error, CATS_ERR_MEMORY, "out of memory for a table");
	append(t, formatted);
	append(t, "\n");
	free(formatted);
	return CATS_OK;
}

static enum cats_status measure(struct m4_counts counts[SHAPES], uint32_t *tables, const struct cats_elf *image,
				uint32_t kernels, uint32_t T, struct cats_error *error)
{
	enum cats_status status = CATS_OK;

	for (uint32_t i = 0; status == CATS_OK && i < SHAPES; i++) {
		struct m4_shape shape = shapes[i];
		struct cats_integer model;
		struct cats_cut cut;

		shape.tokens = T;
		status = m4_shape_make(&model, &cut, &shape, error);
		if (status != CATS_OK)
			break;
		status = m4_drive(
			counts + i, tables,
			&(struct m4_drive){
				.image = image, .shard = cut.shard, .shard_bytes = cut.bytes, .kernels = kernels},
			error);
		free(cut.shard);
		cats_integer_free(&model);
	}
	return status;
}

static struct m4_count sum(const struct m4_counts counts[SHAPES], const struct layer *layer)
{
	struct m4_count total = {0, 0};

	for (uint32_t i = 0; i < layer->term_count; i++) {
		const struct term *t = layer->terms + i;
		const struct m4_count *c = &counts[t->shape].op[t->site][t->op];

		total.instructions += t->minus ? 0 - c->instructions : c->instructions;
		total.cycles += t->minus ? 0 - c->cycles : c->cycles;
	}
	return total;
}

static void put_thousands(char cell[CELL_BYTES], struct thousands of, uint32_t T)
{
	if (T == 64 && of.instructions > 0)
		snprintf(cell, CELL_BYTES, "%u k / %u k", of.instructions, of.cycles);
}

static void put_layer(char (*row)[CELL_BYTES], const struct layer *layer, const struct m4_count *c, uint32_t T)
{
	const uint64_t macs = (uint64_t)layer->macs_row * T + (uint64_t)layer->macs_pair * T * T;

	snprintf(row[0], CELL_BYTES, "%s", layer->name);
	snprintf(row[1], CELL_BYTES, "%u", T);
	snprintf(row[2], CELL_BYTES, "%" PRIu64, c->instructions);
	snprintf(row[3], CELL_BYTES, "%" PRIu64, c->cycles);
	if (macs > 0)
		snprintf(row[4], CELL_BYTES, "%.2f", (double)c->cycles / (double)macs);
	if (T == 64 && layer->goal > 0)
		snprintf(row[5], CELL_BYTES, "%u k", layer->goal);
	put_thousands(row[6], layer->best, T);
	put_thousands(row[7], layer->reference, T);
}

/* All layers with one table of kernels. */
static enum cats_status layers_section(struct text *text, uint32_t *tables, const struct cats_elf *image,
				       uint32_t kernels, struct cats_error *error)
{
	static const char *const header[COLUMNS] = {"layer",
						    "T",
						    "instructions",
						    "cycles (estimate)",
						    "cycles a MAC (estimate)",
						    "goal, instructions",
						    "best CMSIS-NN",
						    "reference firmware"};
	static char cells[TOKENS * LAYERS * COLUMNS][CELL_BYTES];
	struct m4_counts *counts = calloc(SHAPES, sizeof *counts);
	enum cats_status status = CATS_OK;
	char title[CELL_BYTES];

	if (!counts)
		return cats_fail(error, CATS_ERR_MEMORY, "out of memory for counts");
	memset(cells, 0, sizeof cells);
	for (size_t t = 0; status == CATS_OK && t < TOKENS; t++) {
		status = measure(counts, tables, image, kernels, tokens[t], error);
		for (size_t i = 0; status == CATS_OK && i < LAYERS; i++) {
			const struct m4_count c = sum(counts, layers + i);

			put_layer(cells + (t * LAYERS + i) * COLUMNS, layers + i, &c, tokens[t]);
		}
	}
	snprintf(title, sizeof title, "## Layers, kernels \"%s\"\n\n", counts[0].kernels);
	free(counts);
	append(text, title);
	return status == CATS_OK ? append_table(text, header, cells, TOKENS * LAYERS, COLUMNS, error) : status;
}

/* A model of the demo on one of `devices`. */
struct demo {
	const char *name;
	uint32_t devices;
};
static const struct demo demos[] = {{"full", 1}, {"full", 16}, {"keep25", 16}, {"keep10", 16}};
#define DEMOS (sizeof demos / sizeof demos[0])

static enum cats_status make_demo(struct cats_cut *cut, const struct arguments *a, const struct demo *demo,
				  uint32_t device, struct cats_error *error)
{
	const struct cats_calibration_options options = {.samples = 64};
	struct cats_calibration calibration;
	struct cats_dataset data;
	struct cats_model model;
	struct cats_integer integer;
	char path[4096];
	size_t samples;
	enum cats_status status;

	snprintf(path, sizeof path, "%s/%s", a->models, demo->name);
	status = cats_dataset_open(&data, a->data, &(struct cats_dataset_options){0}, error);
	if (status != CATS_OK)
		return status;
	status = cats_model_load(&model, path, error);
	if (status == CATS_OK) {
		status = cats_calibrate(&calibration, &samples, &model, &data, a->data, &options, error);
		if (status == CATS_OK) {
			status = cats_quantise(&integer, &model, &calibration, demo->name, error);
			cats_calibration_free(&calibration);
		}
		cats_model_free(&model);
	}
	cats_dataset_free(&data);
	if (status != CATS_OK)
		return status;
	status = cats_cut(cut, &integer, &(struct cats_cut_options){.devices = demo->devices}, device, error);
	cats_integer_free(&integer);
	return status;
}

#define DEMO_COLUMNS (M4_OPS + 6U)

static void put_demo(char (*row)[CELL_BYTES], const struct demo *demo, const struct m4_counts *c)
{
	snprintf(row[0], CELL_BYTES, "%s, device 0 of %u", demo->name, demo->devices);
	snprintf(row[1], CELL_BYTES, "%s", c->kernels);
	snprintf(row[2], CELL_BYTES, "%" PRIu64, c->macs);
	snprintf(row[3], CELL_BYTES, "%" PRIu64 " / %" PRIu64, c->all.instructions, c->all.cycles);
	for (uint32_t i = 0; i < M4_OPS; i++) {
		struct m4_count op = {0, 0};

		for (uint32_t site = 0; site < c->sites; site++) {
			op.instructions += c->op[site][i].instructions;
			op.cycles += c->op[site][i].cycles;
		}
		snprintf(row[4 + i], CELL_BYTES, "%" PRIu64 " / %" PRIu64, op.instructions, op.cycles);
	}
	snprintf(row[4 + M4_OPS], CELL_BYTES, "%" PRIu64 " / %" PRIu64, c->packets.instructions, c->packets.cycles);
}

/* The same inference in steps. */
static void put_steps(char cell[CELL_BYTES], const struct m4_counts *c)
{
	snprintf(cell, CELL_BYTES, "%" PRIu64 ", largest %" PRIu64 ", %" PRIu64 " / %" PRIu64 " in all", c->steps,
		 c->largest_step_cycles, c->all.instructions, c->all.cycles);
}

static enum cats_status demo_section(struct text *text, struct m4_counts *counts, const struct arguments *a,
				     const struct cats_elf *image, uint32_t tables, struct cats_error *error)
{
	static const char *const header[DEMO_COLUMNS] = {"model",
							 "kernels",
							 "MAC",
							 "one inference",
							 "embed",
							 "quantise",
							 "statistics",
							 "normalised products",
							 "attention",
							 "products into the residual",
							 "opening gathers",
							 "packets",
							 "in steps of 20,000 cycles"};
	static char cells[DEMOS * TABLES_MAX * DEMO_COLUMNS][CELL_BYTES];
	enum cats_status status = CATS_OK;
	size_t row = 0;

	for (size_t i = 0; status == CATS_OK && i < DEMOS; i++) {
		struct cats_cut cut;

		status = make_demo(&cut, a, demos + i, 0, error);
		if (status != CATS_OK)
			break;
		for (uint32_t k = 0; status == CATS_OK && k < tables; k++, row++) {
			struct m4_drive drive = {
				.image = image, .shard = cut.shard, .shard_bytes = cut.bytes, .kernels = k};

			status = m4_drive(counts, &tables, &drive, error);
			put_demo(cells + row * DEMO_COLUMNS, demos + i, counts);
			drive.budget = CATS_UNIT_CYCLES_MAX;
			if (status == CATS_OK)
				status = m4_drive(counts, &tables, &drive, error);
			put_steps(cells[row * DEMO_COLUMNS + DEMO_COLUMNS - 1U], counts);
		}
		free(cut.shard);
	}
	append(text, "## The demo's models, one inference on one device\n\n"
		     "Executed instructions / estimated cycles.\n\n");
	return status == CATS_OK ? append_table(text, header, cells, row, DEMO_COLUMNS, error) : status;
}

static enum cats_status protocol_rows(struct text *text, const struct arguments *a, const struct cats_elf *image,
				      const struct demo *demo, struct cats_error *error)
{
	static const char *const header[] = {"call", "calls", "cycles, mean (estimate)", "cycles, most (estimate)"};
	static char cells[M4_REGIONS_MAX * 4U][CELL_BYTES];
	struct m4_regions regions;
	struct cats_cut cut;
	char title[CELL_BYTES];
	enum cats_status status = make_demo(&cut, a, demo, 1, error);

	if (status != CATS_OK)
		return status;
	status = m4_protocol(&regions, image, cut.shard, cut.bytes, error);
	free(cut.shard);
	for (uint32_t i = 0; status == CATS_OK && i < regions.count; i++) {
		const struct m4_region *r = regions.region + i;

		snprintf(cells[4U * i], CELL_BYTES, "%s", r->name);
		snprintf(cells[4U * i + 1U], CELL_BYTES, "%u", r->calls);
		snprintf(cells[4U * i + 2U], CELL_BYTES, "%" PRIu64, r->cycles / r->calls);
		snprintf(cells[4U * i + 3U], CELL_BYTES, "%" PRIu64, r->most);
	}
	snprintf(title, sizeof title, "%s, device 1 of %u:\n\n", demo->name, demo->devices);
	append(text, title);
	return status == CATS_OK ? append_table(text, header, cells, regions.count, 4, error) : status;
}

/* All calls of one inference, the others made up; ciphers are not in it. */
static enum cats_status protocol_section(struct text *text, const struct arguments *a, struct cats_error *error)
{
	static const struct demo of[] = {{"full", 16}, {"keep10", 16}};
	struct cats_elf image = {0};
	enum cats_status status = cats_elf_load(&image, a->protocol, error);

	append(text,
	       "## The gather protocol, one inference of one node\n\n"
	       "What calls of net/protocol.h take, by what they are about; every eighth packet of the others is lost. "
	       "Without\nciphers, which a peripheral does.\n\n");
	for (size_t i = 0; status == CATS_OK && i < sizeof of / sizeof of[0]; i++)
		status = protocol_rows(text, a, &image, of + i, error);
	cats_elf_free(&image);
	return status;
}

static const char preface[] =
	"# The runtime on the emulated Cortex-M4\n\n"
	"Written by `build/cats-bench-m4 --markdown docs/results/m4-kernels.md`. Executed instructions are counted one "
	"by one;\n"
	"cycles are an estimate by the Technical Reference Manual's rules without wait states, never measured on "
	"silicon.\n"
	"A layer is one op of the runtime from entry to return, interpreter included, over all T tokens. Pairs are\n"
	"instructions / estimated cycles. CMSIS-NN's and the reference firmware's figures were counted in the same "
	"way\n"
	"(T = 64, gcc 12.2, -O3): best CMSIS-NN is `arm_nn_mat_mult_nt_t_s8`, the reference is the call that the "
	"published\n"
	"firmware makes. Their attention block and ours differ in layout; it is the same K, heads and N.\n\n";

static enum cats_status bench(struct text *text, const struct arguments *a, const struct cats_elf *image,
			      struct cats_error *error)
{
	struct m4_counts *counts = calloc(1, sizeof *counts);
	enum cats_status status = CATS_OK;
	uint32_t tables = 1;
	char line[256];

	if (!counts)
		return cats_fail(error, CATS_ERR_MEMORY, "out of memory for counts");
	append(text, preface);
	for (uint32_t k = 0; status == CATS_OK && k < tables && k < TABLES_MAX; k++) {
		fprintf(stderr, "layers, table of kernels %u\n", k);
		status = layers_section(text, &tables, image, k, error);
	}
	if (status == CATS_OK) {
		fprintf(stderr, "models\n");
		status = demo_section(text, counts, a, image, tables < TABLES_MAX ? tables : TABLES_MAX, error);
	}
	if (status == CATS_OK) {
		fprintf(stderr, "protocol\n");
		status = protocol_section(text, a, error);
	}
	snprintf(line, sizeof line,
		 "## Memory\n\n- flash of the image with core/, kernels, mailbox and start-up, without a shard: %u "
		 "bytes\n"
		 "- RAM of a node beside its arena: %u bytes\n- stack, deepest in the last inference above: %u bytes\n",
		 counts->image_bytes, counts->node_bytes, counts->stack_bytes);
	append(text, line);
	free(counts);
	return status;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'i':
		a->image = value;
		return 0;
	case 'p':
		a->protocol = value;
		return 0;
	case 'd':
		a->data = value;
		return 0;
	case 'M':
		a->models = value;
		return 0;
	case 'm':
		a->markdown = value;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument %s", value);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"image", 'i', "FILE", 0, "The image node.elf (build/images/node.elf)", 0},
	{"protocol", 'p', "FILE", 0, "The image protocol.elf (build/images/protocol.elf)", 0},
	{"data", 'd', "DATA", 0, "What the demo's models are calibrated on (fashion-mnist:train)", 0},
	{"models", 'M', "DIRECTORY", 0, "Where the demo's models are (models)", 0},
	{"markdown", 'm', "FILE", 0, "Also write the tables to this file", 0},
	{0},
};

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse, NULL, "Measures the runtime's layers on the emulated Cortex-M4.", 0, 0, 0};
	static struct text text;
	struct arguments a = {"build/images/node.elf", "build/images/protocol.elf", "fashion-mnist:train", "models",
			      NULL};
	struct cats_error error = {0};
	struct cats_elf image = {0};
	enum cats_status status;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, 0, &a);
	status = cats_elf_load(&image, a.image, &error);
	if (status == CATS_OK)
		status = bench(&text, &a, &image, &error);
	if (status == CATS_OK && a.markdown)
		status = cats_file_write(a.markdown, text.bytes, text.length, &error);
	cats_elf_free(&image);
	if (status != CATS_OK) {
		fprintf(stderr, "cats-bench-m4: %s\n", error.text);
		return 1;
	}
	fputs(text.bytes, stdout);
	return 0;
}

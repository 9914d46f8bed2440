/* SPDX-License-Identifier: MIT */
/* Rules and files of path losses. See topology.h. */
#include "sim/topology.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "io/file.h"
#include "sim/lines.h"

#define FULL_SIDE_M 5.0
#define LINE_REACH_M 10.0 /* the farthest neighbour on a line */
#define GRID_STEP_M 5.0

/* What is known before path losses are made. */
struct layout {
	uint32_t nodes;
	bool placed[CATS_DEVICES_MAX];
	double x[CATS_DEVICES_MAX], y[CATS_DEVICES_MAX]; /* metres */
	double exponent, shadowing_db;
	uint64_t key;
};

/* What a line of a file says of a pair of nodes. */
enum pair { BY_POSITION, GIVEN, CUT };

static double uniform(uint64_t key, uint64_t counter)
{
	return (double)(cats_random_u64(key, counter) >> 11) * 0x1p-53;
}

/* The sum of twelve uniform values less six: mean 0, deviation 1, nothing beyond 6, and no library function in it that
 * could differ between machines. */
static double normal(uint64_t key)
{
	double sum = -6;

	for (uint64_t i = 0; i < 12; i++)
		sum += uniform(key, i);
	return sum;
}

static void set_path(struct cats_topology *t, uint32_t i, uint32_t j, double db)
{
	t->path_db[i * t->nodes + j] = db;
	t->path_db[j * t->nodes + i] = db;
}

static double path_by_position(const struct layout *l, uint32_t i, uint32_t j)
{
	const double metres = fmax(hypot(l->x[i] - l->x[j], l->y[i] - l->y[j]), 0.1);
	const uint64_t key = cats_random_key(cats_random_key(l->key, i < j ? i : j), i < j ? j : i);

	return CATS_PATH_LOSS_1M_DB + 10 * l->exponent * log10(metres) + l->shadowing_db * normal(key);
}

static struct layout layout_of(uint32_t nodes, uint64_t seed)
{
	return (struct layout){
		.nodes = nodes,
		.exponent = CATS_PATH_EXPONENT,
		.shadowing_db = CATS_SHADOWING_DB,
		.key = cats_random_key(seed, 1),
	};
}

/* A rule's network: whoever `hears` says; unlike a file's, it is connected by its making. */
static void fill(struct cats_topology *t, const struct layout *l, bool (*hears)(uint32_t i, uint32_t j, uint32_t n),
		 uint32_t n)
{
	t->nodes = l->nodes;
	for (uint32_t i = 0; i < l->nodes; i++)
		for (uint32_t j = i; j < l->nodes; j++)
			set_path(t, i, j, i != j && hears(i, j, n) ? path_by_position(l, i, j) : CATS_NO_PATH_DB);
}

static bool all_hear(uint32_t i, uint32_t j, uint32_t n)
{
	(void)i, (void)j, (void)n;
	return true;
}

static bool line_hears(uint32_t i, uint32_t j, uint32_t reach)
{
	return j - i <= reach;
}

static bool grid_hears(uint32_t i, uint32_t j, uint32_t columns)
{
	return j - i == columns || (j - i == 1 && j % columns != 0);
}

static void make_full(struct cats_topology *t, uint32_t nodes, uint64_t seed)
{
	struct layout l = layout_of(nodes, seed);

	for (uint32_t i = 0; i < nodes; i++) {
		l.x[i] = FULL_SIDE_M * uniform(cats_random_key(seed, 2), 2 * i);
		l.y[i] = FULL_SIDE_M * uniform(cats_random_key(seed, 2), 2 * i + 1);
	}
	fill(t, &l, all_hear, 0);
}

static void make_line(struct cats_topology *t, uint32_t nodes, uint32_t reach, uint64_t seed)
{
	struct layout l = layout_of(nodes, seed);

	for (uint32_t i = 0; i < nodes; i++)
		l.x[i] = LINE_REACH_M / reach * i;
	fill(t, &l, line_hears, reach);
}

static void make_grid(struct cats_topology *t, uint32_t rows, uint32_t columns, uint64_t seed)
{
	struct layout l = layout_of(rows * columns, seed);

	for (uint32_t i = 0; i < l.nodes; i++) {
		l.x[i] = GRID_STEP_M * (i % columns);
		l.y[i] = GRID_STEP_M * (i / columns);
	}
	fill(t, &l, grid_hears, columns);
}

/* Whole numbers 1 … 64 between `separator`s, to the end of the text: how many, 0 when it is not that. */
static uint32_t read_counts(uint32_t counts[2], const char *text, char separator)
{
	uint32_t read = 0;

	for (; read < 2; text++) {
		char *end;
		const unsigned long value = strtoul(text, &end, 10);

		if (*text < '0' || *text > '9' || value < 1 || value > CATS_DEVICES_MAX)
			return 0;
		counts[read++] = (uint32_t)value;
		if (*end == '\0')
			return read;
		if (*end != separator)
			return 0;
		text = end;
	}
	return 0;
}

static enum cats_status open_line(struct cats_topology *out, const char *spec, uint32_t nodes, uint64_t seed,
				  struct cats_error *error)
{
	uint32_t reach[2];

	if (read_counts(reach, spec + strlen("line:"), '\0') != 1)
		return cats_fail(error, CATS_ERR_USAGE,
				 "topology \"%s\": line:K with K, the neighbours heard on either side, from 1 to %u",
				 spec, CATS_DEVICES_MAX);
	make_line(out, nodes, reach[0], seed);
	return CATS_OK;
}

static enum cats_status open_grid(struct cats_topology *out, const char *spec, uint32_t nodes, uint64_t seed,
				  struct cats_error *error)
{
	uint32_t shape[2];

	if (read_counts(shape, spec + strlen("grid:"), 'x') != 2)
		return cats_fail(error, CATS_ERR_USAGE, "topology \"%s\": grid:RxC with R and C from 1 to %u", spec,
				 CATS_DEVICES_MAX);
	if (shape[0] * shape[1] != nodes)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "topology \"%s\": has %u nodes, the plan has %u devices: choose R x C = %u", spec,
				 shape[0] * shape[1], nodes, nodes);
	make_grid(out, shape[0], shape[1], seed);
	return CATS_OK;
}

enum cats_status cats_topology_open(struct cats_topology *out, const char *spec, uint32_t nodes, uint64_t seed,
				    struct cats_error *error)
{
	uint8_t *text;
	size_t size;
	enum cats_status status;

	if (strcmp(spec, "full") == 0) {
		make_full(out, nodes, seed);
		return CATS_OK;
	}
	if (strncmp(spec, "line:", 5) == 0)
		return open_line(out, spec, nodes, seed, error);
	if (strncmp(spec, "grid:", 5) == 0)
		return open_grid(out, spec, nodes, seed, error);
	status = cats_file_read(&text, &size, spec, CATS_LINES_MAX_BYTES, error);
	if (status < 0)
		return status;
	status = cats_topology_parse(out, (char *)text, size, spec, nodes, seed, error);
	free(text);
	return status;
}

/* The file at work. */
struct parser {
	struct cats_topology *out;
	struct layout layout;
	enum pair pairs[CATS_DEVICES_MAX * CATS_DEVICES_MAX];
	bool counted, any_placed;
	struct cats_lines lines;
};

static enum cats_status read_node(uint32_t *out, const struct parser *p, const char *word)
{
	return cats_lines_count(out, &p->lines, word, p->layout.nodes, "a node");
}

static enum cats_status parse_nodes(struct parser *p, char *const *words)
{
	double count;
	const enum cats_status status = cats_lines_number(&count, &p->lines, words[1], 1, CATS_DEVICES_MAX);

	if (status < 0)
		return status;
	if (count != p->layout.nodes)
		return cats_fail(p->lines.error, CATS_ERR_MISMATCH, "%s: line %u: %s nodes, the plan has %u devices",
				 p->lines.name, p->lines.line, words[1], p->layout.nodes);
	if (p->counted)
		return cats_lines_refuse(&p->lines, "\"nodes\" is there twice");
	p->counted = true;
	return CATS_OK;
}

static enum cats_status parse_node(struct parser *p, char *const *words)
{
	uint32_t i = 0;
	enum cats_status status = read_node(&i, p, words[1]);

	if (status == CATS_OK && p->layout.placed[i])
		return cats_lines_refuse(&p->lines, "the node has a position already");
	if (status == CATS_OK)
		status = cats_lines_number(&p->layout.x[i], &p->lines, words[2], -1e4, 1e4);
	if (status == CATS_OK)
		status = cats_lines_number(&p->layout.y[i], &p->lines, words[3], -1e4, 1e4);
	if (status < 0)
		return status;
	p->layout.placed[i] = true;
	p->any_placed = true;
	return CATS_OK;
}

static enum cats_status parse_pair(uint32_t *i, uint32_t *j, struct parser *p, char *const *words, enum pair kind)
{
	enum cats_status status = read_node(i, p, words[1]);

	if (status == CATS_OK)
		status = read_node(j, p, words[2]);
	if (status < 0)
		return status;
	if (*i == *j)
		return cats_lines_refuse(&p->lines, "a node and itself");
	if (p->pairs[*i * p->layout.nodes + *j] != BY_POSITION)
		return cats_lines_refuse(&p->lines, "these two nodes have a line already");
	p->pairs[*i * p->layout.nodes + *j] = kind;
	p->pairs[*j * p->layout.nodes + *i] = kind;
	return CATS_OK;
}

static enum cats_status parse_link(struct parser *p, char *const *words)
{
	uint32_t i = 0, j = 0;
	double db = 0;
	enum cats_status status = parse_pair(&i, &j, p, words, GIVEN);

	if (status == CATS_OK)
		status = cats_lines_number(&db, &p->lines, words[3], 0, 200);
	if (status == CATS_OK)
		set_path(p->out, i, j, db);
	return status;
}

static enum cats_status parse_cut(struct parser *p, char *const *words)
{
	uint32_t i = 0, j = 0;

	return parse_pair(&i, &j, p, words, CUT);
}

static enum cats_status parse_exponent(struct parser *p, char *const *words)
{
	return cats_lines_number(&p->layout.exponent, &p->lines, words[1], 1, 6);
}

static enum cats_status parse_shadowing(struct parser *p, char *const *words)
{
	return cats_lines_number(&p->layout.shadowing_db, &p->lines, words[1], 0, 20);
}

static const struct directive {
	const char *name;
	uint32_t words;
	enum cats_status (*parse)(struct parser *p, char *const *words);
	const char *form;
} directives[] = {
	{"nodes", 2, parse_nodes, "nodes COUNT"},      {"node", 4, parse_node, "node I X Y, in metres"},
	{"link", 4, parse_link, "link I J DB"},        {"cut", 3, parse_cut, "cut I J"},
	{"exponent", 2, parse_exponent, "exponent X"}, {"shadowing", 2, parse_shadowing, "shadowing DB"},
};

static enum cats_status take(void *context, char *const *words, uint32_t count)
{
	struct parser *p = context;

	if (!p->counted && strcmp(words[0], "nodes") != 0)
		return cats_lines_refuse(&p->lines, "the first line is \"nodes COUNT\"");
	for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
		if (strcmp(words[0], directives[i].name) != 0)
			continue;
		if (count != directives[i].words)
			return cats_lines_refuse(&p->lines, directives[i].form);
		return directives[i].parse(p, words);
	}
	return cats_fail(p->lines.error, CATS_ERR_FORMAT,
			 "%s: line %u: \"%s\": none of nodes, node, link, cut, exponent, shadowing", p->lines.name,
			 p->lines.line, words[0]);
}

/* Losses of the pairs that no line gives. */
static enum cats_status place(struct parser *p)
{
	const uint32_t n = p->layout.nodes;

	for (uint32_t i = 0; p->any_placed && i < n; i++)
		if (!p->layout.placed[i])
			return cats_fail(p->lines.error, CATS_ERR_FORMAT,
					 "%s: node %u has no position: either all nodes have one or none",
					 p->lines.name, i);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = i; j < n; j++) {
			const enum pair kind = p->pairs[i * n + j];

			if (i != j && kind == BY_POSITION && p->any_placed)
				set_path(p->out, i, j, path_by_position(&p->layout, i, j));
			else if (i == j || kind != GIVEN)
				set_path(p->out, i, j, CATS_NO_PATH_DB);
		}
	return CATS_OK;
}

static bool hear_each_other(const struct cats_topology *t, uint32_t i, uint32_t j)
{
	return CATS_TRANSMIT_DBM - t->path_db[i * t->nodes + j] >= CATS_SENSITIVITY_DBM;
}

/* The first node that node 0 cannot reach by any number of hops, or `nodes`. */
static uint32_t first_unreached(const struct cats_topology *t)
{
	bool reached[CATS_DEVICES_MAX] = {true}, grew = true;
	uint32_t first = 0;

	while (grew) {
		grew = false;
		for (uint32_t i = 0; i < t->nodes; i++)
			for (uint32_t j = 0; reached[i] && j < t->nodes; j++)
				if (!reached[j] && hear_each_other(t, i, j))
					reached[j] = grew = true;
	}
	while (first < t->nodes && reached[first])
		first++;
	return first;
}

enum cats_status cats_topology_parse(struct cats_topology *out, char *text, size_t size, const char *name,
				     uint32_t nodes, uint64_t seed, struct cats_error *error)
{
	struct parser *p = calloc(1, sizeof *p);
	enum cats_status status;
	uint32_t unreached;

	if (p == NULL)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", name);
	out->nodes = nodes;
	p->out = out;
	p->layout = layout_of(nodes, seed);
	p->lines = (struct cats_lines){.name = name, .error = error};
	status = cats_lines_read(&p->lines, text, size, take, p);
	if (status == CATS_OK && !p->counted)
		status = cats_fail(error, CATS_ERR_FORMAT, "%s: is empty: the first line is \"nodes COUNT\"", name);
	if (status == CATS_OK)
		status = place(p);
	free(p);
	if (status < 0)
		return status;
	unreached = first_unreached(out);
	if (unreached < nodes)
		return cats_fail(error, CATS_ERR_MISMATCH,
				 "%s: the network is not connected: node %u cannot be reached from node 0 over links "
				 "of at most %.0f dB",
				 name, unreached, CATS_TRANSMIT_DBM - CATS_SENSITIVITY_DBM);
	return CATS_OK;
}

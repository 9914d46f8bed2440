/* SPDX-License-Identifier: MIT */
/* The ops on rows and products: embedding, quantisation, statistics, products (docs/SPEC-integer.md, 1.4 … 1.7, 1.9).
 * Each works in units of at most CATS_UNIT_CYCLES_MAX and goes on where it stopped. Freestanding. */
#include <string.h>

#include "core/integer.h"
#include "core/node.h"
#include "core/statistics.h"

/* Values that one unit sums, quantises or copies: 12 cycles each. */
#define UNIT_VALUES 1024U
/* Of a token's statistics, but for the sums: root, two divisions, 64-bit products. */
#define STATS_CYCLES 200U
/* Of finding a row of the residual and its place in the view. */
#define ROW_CYCLES 30U
/* Of testing whether a token arrived from one sender that lost packets. */
#define ARRIVED_CYCLES 240U

static const int8_t *view_row(const struct cats_node *n, const struct cats_shard_site *site, uint32_t row)
{
	return (const int8_t *)cats_node_arena(n, site->view + row * site->stride);
}

/* Of a token's availability, when senders lost packets. */
static uint32_t arrival_cycles(const struct cats_node *n)
{
	return n->losses.senders == 0 ? 0 : ARRIVED_CYCLES * (uint32_t)__builtin_popcountll(n->losses.senders);
}

static uint32_t value_cycles(const struct cats_node *n, uint32_t count)
{
	return 40U + n->kernels->costs.value * count;
}

/* Row `row`; at.column counts. */
static bool quantise_row(struct cats_node *n, const struct cats_op *op, uint32_t row)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const uint32_t first = cats_node_senders(n, site)[n->shard.header->device].first;
	const uint32_t N = op->quantise.outputs;
	const int16_t *residual = (const int16_t *)cats_node_arena(n, op->quantise.residual) + (size_t)row * N;
	int8_t *to = (int8_t *)cats_node_arena(n, site->view + row * site->stride + first);

	while (n->at.column < N) {
		const uint32_t count = cats_least(N - n->at.column, UNIT_VALUES);

		if (!cats_node_afford(n, ROW_CYCLES + value_cycles(n, count)))
			return false;
		n->kernels->quantise(to + n->at.column, residual + n->at.column, op->quantise.multiplier, count);
		n->at.column += count;
	}
	n->at.column = 0;
	return true;
}

bool cats_op_quantise(struct cats_node *n, const struct cats_op *op)
{
	for (; n->at.row < op->quantise.rows; n->at.row++)
		if (!quantise_row(n, op, n->at.row))
			return false;
	return true;
}

static uint32_t available_columns(const struct cats_node *n, const struct cats_shard_site *site, uint32_t row)
{
	uint32_t count = site->columns;

	for (uint64_t lost = n->losses.senders == 0 ? 0 : cats_node_lost(n, site, row); lost != 0; lost &= lost - 1U)
		count -= cats_node_senders(n, site)[__builtin_ctzll(lost)].columns;
	return count;
}

bool cats_op_stats(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	struct cats_stats *stats = cats_node_arena(n, op->stats.stats);
	const uint32_t arrivals = arrival_cycles(n);
	int32_t *sums = n->at.acc; /* S, Q so far */

	for (; n->at.row < op->stats.rows; n->at.row++, n->at.column = 0) {
		while (n->at.column < site->columns) {
			const uint32_t count = cats_least(site->columns - n->at.column, UNIT_VALUES);
			int32_t S, Q;

			if (!cats_node_afford(n, 40U + n->kernels->costs.summed * count))
				return false;
			n->kernels->sums(&S, &Q, view_row(n, site, n->at.row) + n->at.column, count);
			sums[0] = n->at.column == 0 ? S : sums[0] + S;
			sums[1] = n->at.column == 0 ? Q : sums[1] + Q;
			n->at.column += count;
		}
		if (!cats_node_afford(n, STATS_CYCLES + arrivals))
			return false;
		stats[n->at.row] =
			cats_statistics_of(available_columns(n, site, n->at.row), op->flags & CATS_OP_RMS ? 0 : sums[0],
					   sums[1], op->stats.epsilon, n->kernels->root);
	}
	return true;
}

/* A product at work: a panel of rows of x times all rows of a weight matrix. */
struct product {
	struct cats_panel panel;
	struct cats_weights_view weights;
	uint32_t outputs, columns;    /* N, K */
	uint32_t tile_outputs;        /* of a tile, even */
	uint32_t chunk;               /* columns of a call, a multiple of 64 */
	uint32_t row_cycles;          /* of finishing a row of a tile, beyond what each output costs */
	uint32_t output_cycles;       /* of finishing an output */
	uint32_t panel_output_cycles; /* of finishing it, once for all rows of the panel */
};

/* What is done for each panel in turn (at.phase), after what an op does once. */
enum { ONCE, PREPARE, WIDEN, TILES, QUANTISE };

static uint32_t sum_cycles(const struct cats_kernel_costs *costs, uint32_t columns)
{
	return costs->sum + columns * costs->mac_q4 / 16U;
}

/* A tile has as many outputs as make a unit with all columns, 2 at least; if these make more, their columns are cut. */
static void cut_product(struct product *p, const struct cats_kernel_costs *costs)
{
	const uint32_t sums = CATS_UNIT_WORK / sum_cycles(costs, p->columns) / CATS_TILE_ROWS;

	p->tile_outputs = cats_least(sums & ~1U, CATS_TILE_OUTPUTS);
	p->chunk = cats_round4(p->columns);
	if (sums < 2) {
		p->tile_outputs = 2;
		p->chunk = (CATS_UNIT_WORK / (2U * CATS_TILE_ROWS) - costs->sum) * 16U / costs->mac_q4 & ~63U;
	}
}

static struct product product_of(const struct cats_node *n, uint32_t scratch, uint32_t weights, uint32_t N, uint32_t K,
				 uint32_t row_cycles)
{
	struct product p;

	p.panel.widened = cats_node_arena(n, scratch);
	p.weights = (struct cats_weights_view){cats_node_shard(n, weights), cats_round4(K)};
	p.outputs = N;
	p.columns = K;
	p.row_cycles = row_cycles;
	p.output_cycles = n->kernels->costs.output;
	p.panel_output_cycles = 0;
	cut_product(&p, &n->kernels->costs);
	return p;
}

/* Whether or not there is something to do, so that kernels of a host can stand for a device's. All of a panel's rows
 * are widened, whether or not there is something in them. */
static bool widen(struct cats_node *n, const struct product *p)
{
	const uint32_t cycles = n->kernels->costs.widened * CATS_TILE_ROWS;

	while (cycles > 0 && n->at.column < p->columns) {
		const uint32_t columns = cats_least(p->columns - n->at.column, UNIT_VALUES);

		if (!cats_node_afford(n, 220U + cycles * columns))
			return false;
		if (n->kernels->widen != NULL)
			n->kernels->widen(&p->panel, n->at.column, columns);
		n->at.column += columns;
	}
	n->at.column = 0;
	return true;
}

/* Accumulates the tile at at.output, a chunk of columns at a time. */
static bool accumulate(struct cats_node *n, const struct product *p, uint32_t outputs)
{
	while (n->at.column < p->columns) {
		const uint32_t columns = cats_least(p->columns - n->at.column, p->chunk);
		const uint32_t sums = p->panel.rows * outputs;
		/* Kernels that widen a panel work on all of its rows, whether or not there is something in them. */
		const uint32_t worked = n->kernels->costs.widened > 0 ? CATS_TILE_ROWS * outputs : sums;

		if (!cats_node_afford(n, 120U + worked * sum_cycles(&n->kernels->costs, columns)))
			return false;
		n->kernels->products(n->at.acc, &p->panel, &p->weights, n->at.output, outputs, n->at.column, columns);
		n->at.column += columns;
		n->macs += sums * columns;
	}
	return true;
}

/* Makes outputs at.output … of the panel from at.acc. */
typedef void finish_tile(struct cats_node *n, const struct cats_op *op, uint32_t rows, uint32_t outputs);

/* Everything of a panel from WIDEN on. */
static bool run_panel(struct cats_node *n, const struct cats_op *op, const struct product *p, finish_tile *finish)
{
	if (n->at.phase == WIDEN) {
		if (!widen(n, p))
			return false;
		n->at.phase = TILES;
	}
	while (n->at.output < p->outputs) {
		const uint32_t outputs = cats_least(p->outputs - n->at.output, p->tile_outputs);

		if (!accumulate(n, p, outputs) ||
		    !cats_node_afford(n, 160U + p->panel.rows * (p->row_cycles + outputs * p->output_cycles) +
						 outputs * p->panel_output_cycles))
			return false;
		finish(n, op, p->panel.rows, outputs);
		n->at.output += outputs;
		n->at.column = 0;
	}
	n->at.output = 0;
	return true;
}

static void finish_embed(struct cats_node *n, const struct cats_op *op, uint32_t rows, uint32_t outputs)
{
	const int32_t *multipliers = cats_node_shard(n, op->embed.multipliers);
	const int16_t *pos = cats_node_shard(n, op->embed.pos);
	int16_t *residual = cats_node_arena(n, op->embed.residual);
	const size_t N = op->embed.outputs, at = (op->embed.first_token + n->at.row) * N + n->at.output;

	for (uint32_t r = 0; r < rows; r++)
		memcpy(residual + at + r * N, pos + at + r * N, outputs * sizeof(*pos));
	n->kernels->finish_residual(residual + at, N, n->at.acc, NULL, multipliers + n->at.output, rows, outputs);
}

/* Row 0 of the residual, with a class token. */
static bool embed_class_token(struct cats_node *n, const struct cats_op *op)
{
	const int16_t *pos = cats_node_shard(n, op->embed.pos);
	int16_t *residual = cats_node_arena(n, op->embed.residual);

	while (n->at.column < op->embed.outputs) {
		const uint32_t count = cats_least(op->embed.outputs - n->at.column, UNIT_VALUES);

		if (!cats_node_afford(n, value_cycles(n, count)))
			return false;
		memcpy(residual + n->at.column, pos + n->at.column, count * sizeof(*pos));
		n->at.column += count;
	}
	n->at.column = 0;
	return true;
}

/* The windows of patches at.row … are copied into rows of the scratch; at.output counts windows, at.column their rows.
 * Both are 0 again at the end. */
static bool copy_windows(struct cats_node *n, const struct cats_op *op, uint32_t rows, int8_t *scratch)
{
	const struct cats_shard_site *site = n->shard.sites;
	const uint32_t K4 = cats_round4(op->embed.columns), width = op->embed.window_columns;

	for (; n->at.output < rows; n->at.output++, n->at.column = 0) {
		const uint32_t p = n->at.row + n->at.output;
		const uint32_t top = p / op->embed.across * op->embed.step_rows;
		const uint32_t left = p % op->embed.across * op->embed.step_columns;
		int8_t *window = scratch + (size_t)n->at.output * K4;

		for (; n->at.column < op->embed.window_rows; n->at.column++) {
			if (!cats_node_afford(n, 130U + 4U * width))
				return false;
			memcpy(window + (size_t)n->at.column * width, view_row(n, site, top + n->at.column) + left,
			       width);
		}
		memset(window + op->embed.columns, 0, K4 - op->embed.columns);
	}
	n->at.output = 0;
	return true;
}

bool cats_op_embed(struct cats_node *n, const struct cats_op *op)
{
	uint8_t *scratch = cats_node_arena(n, op->embed.scratch);
	int8_t *windows = (int8_t *)scratch + cats_scratch_panel(op->embed.columns);
	struct product p =
		product_of(n, op->embed.scratch, op->embed.weights, op->embed.outputs, op->embed.columns, 80);

	p.panel.x = windows;
	p.panel.stride = cats_round4(op->embed.columns);
	if (n->at.phase == ONCE) {
		if (op->embed.first_token == 1 && !embed_class_token(n, op))
			return false;
		n->at.phase = PREPARE;
	}
	for (; n->at.row < op->embed.patches; n->at.row += p.panel.rows, n->at.phase = PREPARE) {
		p.panel.rows = cats_least(op->embed.patches - n->at.row, CATS_TILE_ROWS);
		if (n->at.phase == PREPARE) {
			if (!copy_windows(n, op, p.panel.rows, windows))
				return false;
			n->at.phase = WIDEN;
		}
		if (!run_panel(n, op, &p, finish_embed))
			return false;
	}
	return true;
}

static void finish_residual(struct cats_node *n, const struct cats_op *op, uint32_t rows, uint32_t outputs)
{
	const int32_t *multipliers = cats_node_shard(n, op->residual_product.multipliers);
	const int32_t *bias = cats_node_shard(n, op->residual_product.bias);
	const size_t N = op->residual_product.outputs;
	int16_t *residual = cats_node_arena(n, op->residual_product.residual);

	n->kernels->finish_residual(residual + n->at.row * N + n->at.output, N, n->at.acc, bias + n->at.output,
				    multipliers + n->at.output, rows, outputs);
}

/* Quantises a panel's rows for the gather that is open; at.output counts them. */
static bool quantise_panel(struct cats_node *n, const struct cats_op *quantise, uint32_t rows)
{
	n->at.phase = QUANTISE;
	for (; n->at.output < rows; n->at.output++)
		if (!quantise_row(n, quantise, n->at.row + n->at.output))
			return false;
	n->at.output = 0;
	cats_node_note_rows(n, n->at.row + rows);
	return true;
}

/* While the next gather is open already, QUANTISE goes along row by row, and is done when this is. */
bool cats_op_residual_product(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const bool quantises = n->gather.open;
	struct product p = product_of(n, op->residual_product.scratch, op->residual_product.weights,
				      op->residual_product.outputs, op->residual_product.columns, 10);

	p.panel.stride = site->stride;
	for (; n->at.row < op->residual_product.rows; n->at.row += p.panel.rows, n->at.phase = PREPARE) {
		p.panel.x = view_row(n, site, n->at.row);
		p.panel.rows = cats_least(op->residual_product.rows - n->at.row, CATS_TILE_ROWS);
		if (n->at.phase < WIDEN)
			n->at.phase = WIDEN;
		if (n->at.phase < QUANTISE && !run_panel(n, op, &p, finish_residual))
			return false;
		if (quantises && !quantise_panel(n, op + 1, p.panel.rows))
			return false;
	}
	n->op = (uint16_t)(n->op + (quantises ? 1U : 0U));
	return true;
}

/* Takes sender number `message` (of those with a message) out of Ws and B of outputs first … */
static void subtract_pairs(int32_t *weight_sums, int32_t *biases, const struct cats_node *n, const struct cats_op *op,
			   uint32_t message, uint32_t outputs)
{
	const size_t at = ((size_t)message * op->norm_product.outputs + n->at.output) * 2U;
	const int32_t *wide = (const int32_t *)cats_node_shard(n, op->norm_product.pairs) + at;
	const int16_t *narrow = (const int16_t *)cats_node_shard(n, op->norm_product.pairs) + at;
	const bool is_wide = (op->flags & CATS_OP_WIDE_PAIRS) != 0;

	for (uint32_t o = 0; o < outputs; o++) {
		weight_sums[o] = cats_wrap_subtract(weight_sums[o], is_wide ? wide[2U * o] : narrow[2U * o]);
		biases[o] = cats_wrap_subtract(biases[o], is_wide ? wide[2U * o + 1U] : narrow[2U * o + 1U]);
	}
}

/* Ws and B of the scratch, from at.output on. */
static int32_t *scratch_sums(const struct cats_node *n, const struct cats_op *op)
{
	return (int32_t *)cats_node_arena(n, op->norm_product.scratch + cats_scratch_panel(op->norm_product.columns)) +
	       n->at.output;
}

static bool sums_are_ready(const struct cats_node *n, uint64_t lost, uint32_t outputs)
{
	return n->at.sums_lost == lost && n->at.sums_ready >= n->at.output + outputs;
}

/* Whether a tile's sums go to the scratch, where the next panel's rows find them: those of the panel's last rows do. */
static bool claim_scratch(struct cats_node *n, uint64_t lost, uint32_t outputs)
{
	if (n->at.output == 0) {
		n->at.sums_lost = lost;
		n->at.sums_ready = 0;
	}
	if (n->at.sums_lost != lost || n->at.sums_ready != n->at.output)
		return false;
	n->at.sums_ready += outputs;
	return true;
}

static void take_out(int32_t *weight_sums, int32_t *biases, const struct cats_node *n, const struct cats_op *op,
		     uint64_t lost, uint32_t outputs)
{
	const struct cats_shard_sender *senders = cats_node_senders(n, n->shard.sites + op->site);
	uint32_t message = 0;

	for (uint32_t i = 0; lost >> i != 0; i++) {
		if (lost >> i & 1U)
			subtract_pairs(weight_sums, biases, n, op, message, outputs);
		message += senders[i].columns > 0 && i != n->shard.header->device ? 1U : 0U;
		if (i == CATS_DEVICES_MAX - 1U)
			break;
	}
}

/* Of rows that lost these senders: their shares leave Ws and B. `own` is a tile's room for both; `last`: the panel ends
 * with these rows. */
static void without_lost(struct cats_finish *norm, int32_t own[2][CATS_TILE_OUTPUTS], struct cats_node *n,
			 const struct cats_op *op, uint64_t lost, uint32_t outputs, bool last)
{
	int32_t *weight_sums = scratch_sums(n, op), *biases = weight_sums + op->norm_product.outputs;

	if (!sums_are_ready(n, lost, outputs)) {
		if (!last || !claim_scratch(n, lost, outputs)) {
			weight_sums = own[0];
			biases = own[1];
		}
		memcpy(weight_sums, norm->weight_sums, outputs * sizeof(*weight_sums));
		memcpy(biases, norm->biases, outputs * sizeof(*biases));
		take_out(weight_sums, biases, n, op, lost, outputs);
	}
	norm->weight_sums = weight_sums;
	norm->biases = biases;
}

/* Where row `row` of the output begins, from at.output on. */
static void *norm_output(const struct cats_node *n, const struct cats_op *op, uint32_t row)
{
	const uint32_t place = op->flags & CATS_OP_ADD_ROWS ? 0 : row * op->norm_product.output_stride;
	const uint32_t bytes = op->norm_product.kind == CATS_OUTPUT_LOGIT ? 4U : 1U;

	return cats_node_arena(n, op->norm_product.output + place + n->at.output * bytes);
}

/* Rows first … first + rows - 1 of the tile, which lost the same senders; `last`: the panel ends with them. */
static void finish_norm_rows(struct cats_node *n, const struct cats_op *op, uint32_t first, uint32_t rows,
			     uint32_t outputs, bool last)
{
	const struct cats_stats *stats = cats_node_arena(n, op->norm_product.stats);
	const uint32_t output = n->at.output;
	const bool rms = (op->flags & CATS_OP_RMS) != 0, add = (op->flags & CATS_OP_ADD_ROWS) != 0;
	int32_t sums[2][CATS_TILE_OUTPUTS];
	struct cats_finish norm = {
		.stats = stats + n->at.row + first,
		.multipliers = (const int32_t *)cats_node_shard(n, op->norm_product.multipliers) + output,
		.biases = (const int32_t *)cats_node_shard(n, op->norm_product.biases) + output,
		.kind = (enum cats_output_kind)op->norm_product.kind,
		.low = op->norm_product.low,
		.high = op->norm_product.high,
		.table = cats_node_shard(n, op->norm_product.table),
		.add = add,
	};

	if (!rms)
		norm.weight_sums = (const int32_t *)cats_node_shard(n, op->norm_product.weight_sums) + output;
	if (!rms && n->at.row_lost[first] != 0)
		without_lost(&norm, sums, n, op, n->at.row_lost[first], outputs, last);
	n->kernels->finish_norm(norm_output(n, op, n->at.row + first), add ? 0 : op->norm_product.output_stride, &norm,
				n->at.acc, first, rows, outputs);
}

static void finish_norm(struct cats_node *n, const struct cats_op *op, uint32_t rows, uint32_t outputs)
{
	uint32_t first = 0;

	if (op->flags & CATS_OP_ADD_ROWS && n->at.row == 0)
		memset(norm_output(n, op, 0), 0, outputs * sizeof(int32_t));
	for (uint32_t r = 1; r <= rows; r++)
		if (r == rows || n->at.row_lost[r] != n->at.row_lost[first]) {
			finish_norm_rows(n, op, first, r - first, outputs, r == rows);
			first = r;
		}
}

/* Which senders each row of the panel at at.row lacks. */
static void find_lost(struct cats_node *n, const struct cats_shard_site *site, uint32_t rows)
{
	for (uint32_t r = 0; r < rows; r++)
		n->at.row_lost[r] = n->losses.senders == 0 ? 0 : cats_node_lost(n, site, n->at.row + r);
}

/* How often a lost sender's pair leaves an output's Ws and B: once for each run of rows that lost the same senders, and
 * not at all where the sums are there from the panel before. */
static uint32_t lost_pairs(const struct cats_node *n, const struct cats_op *op, uint32_t rows)
{
	uint32_t pairs = 0;
	bool uniform = true;

	if (n->charges_most)
		return rows * (n->losses.senders == 0 ? 0 : (uint32_t)__builtin_popcountll(n->losses.senders));
	for (uint32_t r = 0; r < rows; r++)
		if (r == 0 || n->at.row_lost[r] != n->at.row_lost[r - 1U]) {
			pairs += (uint32_t)__builtin_popcountll(n->at.row_lost[r]);
			uniform &= r == 0;
		}
	return uniform && n->at.sums_lost == n->at.row_lost[0] && n->at.sums_ready == op->norm_product.outputs ? 0
													       : pairs;
}

/* Cycles of that for one output; and fewer outputs a tile when they are many. */
#define PAIR_CYCLES 30U

static void make_room_for_lost(struct product *p, uint32_t pairs)
{
	const uint32_t fit = CATS_UNIT_CYCLES_MAX / 2U / (PAIR_CYCLES * pairs) & ~1U;

	p->tile_outputs = fit < 2 ? 2 : cats_least(fit, p->tile_outputs);
	p->panel_output_cycles = PAIR_CYCLES * pairs;
}

bool cats_op_norm_product(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;
	const uint32_t senders = n->losses.senders == 0 ? 0 : (uint32_t)__builtin_popcountll(n->losses.senders);
	const struct product whole = product_of(n, op->norm_product.scratch, op->norm_product.weights,
						op->norm_product.outputs, op->norm_product.columns, 60);
	struct product p;
	uint32_t pairs;

	if (n->at.phase == ONCE) {
		n->at.sums_ready = 0;
		n->at.phase = PREPARE;
	}
	for (; n->at.row < op->norm_product.rows; n->at.row += p.panel.rows, n->at.phase = PREPARE) {
		p = whole;
		p.panel.stride = site->stride;
		p.panel.x = view_row(n, site, n->at.row);
		p.panel.rows = cats_least(op->norm_product.rows - n->at.row, CATS_TILE_ROWS);
		if (n->at.phase < WIDEN) {
			if (!cats_node_afford(n, 140U + ARRIVED_CYCLES * CATS_TILE_ROWS * senders))
				return false;
			find_lost(n, site, p.panel.rows);
			n->at.phase = WIDEN;
		}
		/* Rows that lost different senders are finished apart. */
		if (senders > 0 || p.panel.rows < CATS_TILE_ROWS)
			p.output_cycles = n->kernels->costs.output_apart;
		pairs = (op->flags & CATS_OP_RMS) != 0 ? 0 : lost_pairs(n, op, p.panel.rows);
		if (pairs > 0)
			make_room_for_lost(&p, pairs);
		if (!run_panel(n, op, &p, finish_norm))
			return false;
		cats_node_note_rows(n, n->at.row + p.panel.rows);
	}
	return true;
}

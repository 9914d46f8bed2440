/* SPDX-License-Identifier: MIT */
/* Ops behind a clock. See op_clock.h; bench/CMakeLists.txt names the wrapped functions to the linker. An op is some
 * hundred nanoseconds, so the clock is the processor's counter, and what reading it costs is taken off. */
#include "bench/op_clock.h"

#include <string.h>

#include "bench/measure.h"
#include "core/kernels/host.h"
#include "core/node.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#define TICKS() ((double)__rdtsc())
#else
#define TICKS() (1e9 * cats_now_seconds())
#endif

#define READINGS 1001

static int timing;
static struct cats_op_clock sums; /* in ticks, until the stop */
static double begun_seconds, begun_ticks, own_ticks;

const char *cats_op_name(uint32_t code)
{
	static const char *const names[CATS_OP_END] = {
		[0] = "packets and the loop",      [CATS_OP_GATHER] = "gathers",
		[CATS_OP_EMBED] = "embedding",     [CATS_OP_QUANTISE] = "quantisation",
		[CATS_OP_STATS] = "statistics",    [CATS_OP_NORM_PRODUCT] = "products of normalised rows",
		[CATS_OP_ATTENTION] = "attention", [CATS_OP_RESIDUAL_PRODUCT] = "products into the residual",
	};

	return names[code];
}

/* Of two readings with nothing between them. */
static double reading_ticks(void)
{
	double ticks[READINGS];

	for (int i = 0; i < READINGS; i++) {
		const double begun = TICKS();

		ticks[i] = TICKS() - begun;
	}
	return cats_median(ticks, READINGS);
}

void cats_op_clock_start(void)
{
	memset(&sums, 0, sizeof(sums));
	own_ticks = reading_ticks();
	timing = 1;
	begun_seconds = cats_now_seconds();
	begun_ticks = TICKS();
}

void cats_op_clock_stop(struct cats_op_clock *out)
{
	const double ticks = TICKS() - begun_ticks, tick = (cats_now_seconds() - begun_seconds) / ticks;

	timing = 0;
	*out = sums;
	out->ops[0] = ticks * tick;
	for (uint32_t code = 1; code < CATS_OP_END; code++) {
		out->ops[code] *= tick;
		out->ops[0] -= out->ops[code];
	}
	for (uint32_t i = 0; i < out->shape_count; i++)
		out->shapes[i].seconds *= tick;
}

static struct cats_clocked_shape shape_of(const struct cats_op *op)
{
	struct cats_clocked_shape shape = {.code = op->code};

	if (op->code == CATS_OP_EMBED) {
		shape.outputs = op->embed.outputs;
		shape.columns = op->embed.columns;
		shape.rows = op->embed.patches;
	} else if (op->code == CATS_OP_NORM_PRODUCT) {
		shape.outputs = op->norm_product.outputs;
		shape.columns = op->norm_product.columns;
		shape.rows = op->norm_product.rows;
	} else if (op->code == CATS_OP_RESIDUAL_PRODUCT) {
		shape.outputs = op->residual_product.outputs;
		shape.columns = op->residual_product.columns;
		shape.rows = op->residual_product.rows;
	}
	return shape;
}

static void note(const struct cats_op *op, double ticks)
{
	const struct cats_clocked_shape shape = shape_of(op);
	uint32_t i = 0;

	sums.ops[op->code] += ticks;
	if (shape.rows == 0)
		return;
	while (i < sums.shape_count && (sums.shapes[i].code != shape.code || sums.shapes[i].outputs != shape.outputs ||
					sums.shapes[i].columns != shape.columns || sums.shapes[i].rows != shape.rows))
		i++;
	if (i == CATS_CLOCKED_SHAPES)
		return;
	if (i == sums.shape_count)
		sums.shapes[sums.shape_count++] = shape;
	sums.shapes[i].calls++;
	sums.shapes[i].seconds += ticks;
}

/* WRAP(name): the wrapper and the declaration of the real one. */
#define WRAP(name)                                                         \
	bool __real_##name(struct cats_node *n, const struct cats_op *op); \
	bool __wrap_##name(struct cats_node *n, const struct cats_op *op); \
	bool __wrap_##name(struct cats_node *n, const struct cats_op *op)  \
	{                                                                  \
		double begun;                                              \
		bool done;                                                 \
                                                                           \
		if (timing == 0)                                           \
			return __real_##name(n, op);                       \
		begun = TICKS();                                           \
		done = __real_##name(n, op);                               \
		note(op, TICKS() - begun - own_ticks);                     \
		return done;                                               \
	}

WRAP(cats_op_gather)
WRAP(cats_op_embed)
WRAP(cats_op_quantise)
WRAP(cats_op_stats)
WRAP(cats_op_norm_product)
WRAP(cats_op_attention)
WRAP(cats_op_residual_product)
WRAP(cats_host_run)

/* SPDX-License-Identifier: MIT */
/* Kernels behind a clock. See phases.h; bench/CMakeLists.txt names the wrapped functions to the linker. */
#include "bench/phases.h"

#include <string.h>

#include "bench/measure.h"
#include "model/product.h"
#include "train/batch.h"
#include "train/loss_masks.h"

static int timing;
static double sums[CATS_PHASES];
static double begun;

const char *cats_phase_name(enum cats_phase phase)
{
	static const char *const names[CATS_PHASES] = {
		[CATS_PHASE_PRODUCTS] = "products",   [CATS_PHASE_NORMS] = "gathers and norms",
		[CATS_PHASE_ATTENTION] = "attention", [CATS_PHASE_INPUT] = "input and masks",
		[CATS_PHASE_PACKING] = "packing",     [CATS_PHASE_OPTIMISER] = "optimiser",
		[CATS_PHASE_OTHER] = "other",
	};

	return names[phase];
}

void cats_phases_start(void)
{
	memset(sums, 0, sizeof(sums));
	timing = 1;
}

void cats_phases_stop(double *seconds)
{
	timing = 0;
	memcpy(seconds, sums, sizeof(sums));
}

void cats_phase_begin(enum cats_phase phase)
{
	(void)phase;
	if (timing != 0)
		begun = cats_now_seconds();
}

void cats_phase_end(enum cats_phase phase)
{
	if (timing != 0)
		sums[phase] += cats_now_seconds() - begun;
}

/* WRAP(phase, name, parameters, arguments): the wrapper and the declaration of the real one. */
#define WRAP(phase, name, parameters, arguments) \
	void __real_##name parameters;           \
	void __wrap_##name parameters;           \
	void __wrap_##name parameters            \
	{                                        \
		cats_phase_begin(phase);         \
		__real_##name arguments;         \
		cats_phase_end(phase);           \
	}

WRAP(CATS_PHASE_PRODUCTS, cats_product,
     (struct cats_submatrix y, bool add, const cats_real *start, struct cats_factor a, struct cats_submatrix x,
      uint32_t rows, uint32_t columns, size_t width),
     (y, add, start, a, x, rows, columns, width))
WRAP(CATS_PHASE_PRODUCTS, cats_product_outer,
     (cats_real * d, struct cats_submatrix a, struct cats_submatrix x, uint32_t rows, uint32_t columns, size_t width),
     (d, a, x, rows, columns, width))
WRAP(CATS_PHASE_NORMS, cats_norm_forward,
     (struct cats_submatrix y, struct cats_submatrix xhat, cats_real *rstd, const struct cats_reception *at,
      struct cats_submatrix x, const cats_real *gain, const cats_real *bias, enum cats_norm norm, cats_real eps,
      size_t width),
     (y, xhat, rstd, at, x, gain, bias, norm, eps, width))
WRAP(CATS_PHASE_NORMS, cats_norm_replay,
     (struct cats_submatrix y, struct cats_submatrix xhat, const struct cats_reception *at, const cats_real *gain,
      const cats_real *bias, enum cats_norm norm, size_t width),
     (y, xhat, at, gain, bias, norm, width))
WRAP(CATS_PHASE_NORMS, cats_norm_backward,
     (struct cats_submatrix dx, cats_real *d_gain, cats_real *d_bias, struct cats_submatrix dy,
      struct cats_submatrix xhat, const cats_real *rstd, const struct cats_reception *at, const cats_real *gain,
      enum cats_norm norm, size_t width),
     (dx, d_gain, d_bias, dy, xhat, rstd, at, gain, norm, width))
WRAP(CATS_PHASE_NORMS, cats_gather,
     (struct cats_submatrix view, const struct cats_reception *at, struct cats_submatrix x, size_t width),
     (view, at, x, width))
WRAP(CATS_PHASE_NORMS, cats_scatter_add,
     (struct cats_submatrix dx, struct cats_submatrix view, const struct cats_reception *at, size_t width),
     (dx, view, at, width))
WRAP(CATS_PHASE_ATTENTION, cats_attention_forward,
     (struct cats_submatrix o, cats_real *p, struct cats_submatrix q, struct cats_submatrix k, struct cats_submatrix v,
      const struct cats_head *head),
     (o, p, q, k, v, head))
WRAP(CATS_PHASE_ATTENTION, cats_attention_backward,
     (struct cats_submatrix dq, struct cats_submatrix dk, struct cats_submatrix dv, struct cats_submatrix d_o,
      const cats_real *p, struct cats_submatrix q, struct cats_submatrix k, struct cats_submatrix v,
      const struct cats_head *head, cats_real *ds),
     (dq, dk, dv, d_o, p, q, k, v, head, ds))
WRAP(CATS_PHASE_INPUT, cats_feed_fill,
     (float *input, void *scratch, const struct cats_feed *feed, const uint32_t *samples, uint32_t B, uint64_t key),
     (input, scratch, feed, samples, B, key))
WRAP(CATS_PHASE_INPUT, cats_loss_mask,
     (uint8_t * received, const struct cats_loss_plan *plan, uint32_t site, const uint32_t *samples, uint32_t B,
      uint64_t key),
     (received, plan, site, samples, B, key))
WRAP(CATS_PHASE_PACKING, cats_views_pack,
     (cats_real * packed, const struct cats_views *views, const cats_real *weights), (packed, views, weights))
WRAP(CATS_PHASE_PACKING, cats_views_unpack_add,
     (cats_real * gradient, const struct cats_views *views, const cats_real *packed), (gradient, views, packed))

/* SPDX-License-Identifier: MIT */
/* Where the time of a training step goes: the linker leads every call of a kernel through a clock (--wrap), so that the
 * kernels themselves know nothing of it. For one thread at a time. */
#ifndef CATS_BENCH_PHASES_H
#define CATS_BENCH_PHASES_H

enum cats_phase {
	CATS_PHASE_PRODUCTS,  /* cblas_sgemm */
	CATS_PHASE_NORMS,     /* gathers, scatters and normalisation */
	CATS_PHASE_ATTENTION, /* scores, softmax, weighted sums */
	CATS_PHASE_INPUT,     /* augmentation, patches, receipt masks */
	CATS_PHASE_PACKING,   /* weights to devices, gradients back */
	CATS_PHASE_OPTIMISER,
	CATS_PHASE_OTHER, /* biases, activations, residual sums, lanes, loss: what remains */
	CATS_PHASES
};

const char *cats_phase_name(enum cats_phase phase);

/* Between these two, calls are timed; seconds[CATS_PHASES] receives the sums, 0 for CATS_PHASE_OTHER. */
void cats_phases_start(void);
void cats_phases_stop(double *seconds);

/* For what no wrapper covers. Phases do not nest. */
void cats_phase_begin(enum cats_phase phase);
void cats_phase_end(enum cats_phase phase);

#endif

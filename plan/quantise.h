/* SPDX-License-Identifier: MIT */
/* From a float model and what was seen in it to the integer model: static scales, int8 weights with one scale a row,
 * folded normalisation, tables (docs/SPEC-integer.md). Independent of the number of devices. Host only. */
#ifndef CATS_PLAN_QUANTISE_H
#define CATS_PLAN_QUANTISE_H

#include "plan/integer.h"
#include "plan/observe.h"

/* What calibration saw, without and with messages lost. Ranges are chosen for both together. */
struct cats_calibration {
	struct cats_seen clean, lossy;
};

/* Share of values beyond their site's range; `worst_site` (float numbering) has the largest share. */
struct cats_saturation {
	double mean, worst;
	uint32_t worst_site;
};

CATS_MUST_CHECK enum cats_status cats_quantise(struct cats_integer *out, const struct cats_model *model,
					       const struct cats_calibration *calibration, const char *name,
					       struct cats_error *error);

struct cats_saturation cats_saturation_of(const struct cats_integer *m, const struct cats_seen *seen);

#endif

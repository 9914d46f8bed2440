/* SPDX-License-Identifier: MIT */
/* How much an error of each gathered column costs the products that read it: the weight with which calibration counts
 * its values. Host only. */
#ifndef CATS_PLAN_IMPORTANCE_H
#define CATS_PLAN_IMPORTANCE_H

#include "model/model.h"

/* site[s][c], float sites: the sum of squares of the weights, times the normalisation's squared gain, with which
 * devices that see column c multiply it: all of them if it is kept, else its owner alone; over the site's mean. Owned
 * memory. */
struct cats_importance {
	uint32_t sites;
	float **site;
};

/* As the model's config.devices devices see it. */
CATS_MUST_CHECK enum cats_status cats_importance_create(struct cats_importance *out, const struct cats_model *model,
							struct cats_error *error);
void cats_importance_free(struct cats_importance *importance);

#endif

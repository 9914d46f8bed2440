/* SPDX-License-Identifier: MIT */
/* Calibration: what the float model's values are on training samples, with nothing lost and with messages lost, from
 * which quantisation chooses its scales. Independent of the number of threads and of devices planned for. Host only. */
#ifndef CATS_DEPLOY_CALIBRATE_H
#define CATS_DEPLOY_CALIBRATE_H

#include "deploy/crew.h"
#include "io/dataset.h"
#include "plan/quantise.h"

#define CATS_CALIBRATION_SAMPLES 256U
#define CATS_CALIBRATION_LOSS 0.1
/* A model that broadcasts everything is observed losing messages as so many devices, or as few as it can be cut for. */
#define CATS_CALIBRATION_DEVICES 16U

struct cats_calibration_options {
	size_t samples; /* spread evenly over the data; 0: CATS_CALIBRATION_SAMPLES; all where there are fewer */
	double loss;    /* probability of each kind, link, receiver and sender, in the lossy half; 0: none is made */
	uint64_t seed;  /* of the losses */
	struct cats_crew crew;
};

/* Owned memory: cats_calibration_free. `name` is the data's, for errors. */
CATS_MUST_CHECK enum cats_status cats_calibrate(struct cats_calibration *out, size_t *samples, struct cats_model *model,
						const struct cats_dataset *data, const char *name,
						const struct cats_calibration_options *options,
						struct cats_error *error);
void cats_calibration_free(struct cats_calibration *calibration);

#endif

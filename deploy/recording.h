/* SPDX-License-Identifier: MIT */
/* What happened on the simulated air, for people and other programs: every transmission and reception as CSV and as a
 * capture for Wireshark, the first inference as a timeline (docs/SPEC-simulation.md). Host only. */
#ifndef CATS_DEPLOY_RECORDING_H
#define CATS_DEPLOY_RECORDING_H

#include "model/config.h"
#include "sim/world.h"

struct cats_recording;

/* Paths of files to be; NULL: not wanted. */
struct cats_recording_options {
	const char *csv, *pcapng, *timeline;
	const char *title; /* of the timeline */
	uint32_t nodes;
	const struct cats_config *config; /* names the sites; outlives the recording */
};

/* CATS_ERR_IO at once where a file could not be written in the end. */
CATS_MUST_CHECK enum cats_status cats_recording_create(struct cats_recording **out,
						       const struct cats_recording_options *options,
						       struct cats_error *error);
void cats_recording_free(struct cats_recording *recording);

struct cats_observer cats_recording_observer(struct cats_recording *recording);

/* Writes the files, each whole or not at all. */
CATS_MUST_CHECK enum cats_status cats_recording_write(struct cats_recording *recording, struct cats_error *error);

#endif

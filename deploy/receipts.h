/* SPDX-License-Identifier: MIT */
/* Which tokens arrive where when sim/loss.h drops packets, in the form that the plain reference takes. Host only. */
#ifndef CATS_DEPLOY_RECEIPTS_H
#define CATS_DEPLOY_RECEIPTS_H

#include "plan/integer.h"
#include "sim/loss.h"

/* Owned memory. */
struct cats_receipts {
	uint32_t sites;
	uint8_t **at; /* [sites], each NULL (all arrive) or [D sender, D receiver, tokens] of 0 or 1 */
};

/* Of inference `number` on D devices, device 0 being source and sink. */
CATS_MUST_CHECK enum cats_status cats_receipts_create(struct cats_receipts *out, const struct cats_integer *m,
						      uint32_t D, uint32_t payload_max, const struct cats_loss *loss,
						      uint64_t number, struct cats_error *error);
void cats_receipts_free(struct cats_receipts *receipts);

#endif

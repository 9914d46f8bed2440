/* SPDX-License-Identifier: MIT */
/* Which messages arrive: receipt masks drawn for message dropout in training and for message loss in evaluation
 * (semantics, "Message dropout"). A pure function of its key, the sample and the site. */
#ifndef CATS_TRAIN_LOSS_MASKS_H
#define CATS_TRAIN_LOSS_MASKS_H

#include "model/model.h"

/* received = link and receiver and sender, each lost with its own probability in [0, 1]. All zero: nothing is lost. */
struct cats_loss_spec {
	double link;            /* each (sender, receiver) pair */
	double receiver;        /* a device hears nobody */
	double sender;          /* nobody hears a device */
	bool per_packet;        /* drawn anew for each packet of the message, else once for the message */
	uint32_t payload_bytes; /* of a packet; 0 means CATS_PACKET_PAYLOAD_BYTES */
};

static inline bool cats_loss_any(const struct cats_loss_spec *spec)
{
	return spec->link > 0 || spec->receiver > 0 || spec->sender > 0;
}

/* Sets the probability of each kind named in `kinds` ("link,receiver,sender" or some of them, or "all") to p. */
CATS_MUST_CHECK enum cats_status cats_loss_kinds(struct cats_loss_spec *spec, const char *kinds, double p,
						 struct cats_error *error);

/* Packets, and so the masks, depend on how many columns each sender keeps. Owned memory; read-only once made. */
struct cats_loss_plan;
CATS_MUST_CHECK enum cats_status cats_loss_plan_create(struct cats_loss_plan **out, const struct cats_model *model,
						       const struct cats_loss_spec *spec, struct cats_error *error);
void cats_loss_plan_free(struct cats_loss_plan *plan);

/* Bytes of one site's mask for B samples: D * D * T * B. */
size_t cats_loss_mask_bytes(const struct cats_loss_plan *plan, uint32_t B);

/* received[D sender, D receiver, T, B] of one site for samples[B], 0 or 1, from cats_random_key(key, samples[s]). Rows
 * that do not travel, the diagonal and what a sender without kept columns "sends" are 1. Packet n of a receiver or
 * sender event is the n-th packet of every message that the device hears or sends at this site. */
void cats_loss_mask(uint8_t *received, const struct cats_loss_plan *plan, uint32_t site, const uint32_t *samples,
		    uint32_t B, uint64_t key);

#endif

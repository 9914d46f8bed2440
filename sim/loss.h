/* SPDX-License-Identifier: MIT */
/* Which packets get lost: a pure function of seed, inference, site, sender, receiver and packet. Integers only. */
#ifndef CATS_SIM_LOSS_H
#define CATS_SIM_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/* A packet arrives unless its link, its receiver or its sender fails, each drawn apart with probability q32 / 2^32
 * (semantics, "Message dropout"). */
struct cats_loss {
	uint64_t link_q32;     /* each (sender, receiver) pair */
	uint64_t receiver_q32; /* a device hears nobody */
	uint64_t sender_q32;   /* nobody hears a device */
	bool per_packet;       /* drawn anew for each packet of a message, else once for the message */
	bool gathers_only;     /* nothing is lost at `input` and `out` */
	uint64_t seed;
};

static inline bool cats_loss_any_q32(const struct cats_loss *loss)
{
	return loss->link_q32 > 0 || loss->receiver_q32 > 0 || loss->sender_q32 > 0;
}

/* p in [0, 1] as a threshold of cats_random_event. */
uint64_t cats_loss_threshold(double p);

/* The key of one site of one inference. */
uint64_t cats_loss_key(const struct cats_loss *loss, uint64_t inference, uint32_t site);

/* Whether a packet is lost on its way; `key` is its site's. */
bool cats_loss_drops(const struct cats_loss *loss, uint64_t key, uint32_t sender, uint32_t receiver, uint32_t packet);

#endif

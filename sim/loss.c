/* SPDX-License-Identifier: MIT */
/* Loss of packets. See loss.h. */
#include "sim/loss.h"

#include "core/random.h"

uint64_t cats_loss_threshold(double p)
{
	return (uint64_t)(p * 4294967296.0 + 0.5);
}

uint64_t cats_loss_key(const struct cats_loss *loss, uint64_t inference, uint32_t site)
{
	return cats_random_key(cats_random_key(loss->seed, inference), site);
}

/* What is drawn: three kinds of failures, apart. */
enum { LINK, RECEIVER, SENDER };

static bool fails(uint64_t key, uint64_t kind, uint64_t who, uint64_t packet, uint64_t threshold)
{
	return threshold > 0 && cats_random_event(key, kind << 56 | packet << 32 | who, threshold);
}

bool cats_loss_drops(const struct cats_loss *loss, uint64_t key, uint32_t sender, uint32_t receiver, uint32_t packet)
{
	const uint64_t number = loss->per_packet ? packet : 0;

	return fails(key, LINK, (uint64_t)sender << 16 | receiver, number, loss->link_q32) ||
	       fails(key, RECEIVER, receiver, number, loss->receiver_q32) ||
	       fails(key, SENDER, sender, number, loss->sender_q32);
}

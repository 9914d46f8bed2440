/* SPDX-License-Identifier: MIT */
/* The simplest medium that the gather protocol can be tried on: everybody is in range of everybody, frames that overlap
 * are lost, links lose frames at random, every node has its own drifting clock, its own key and its own store of
 * packets whose bytes are known beforehand. No plan, no energy, no path loss. Host only. */
#ifndef CATS_SIM_ETHER_H
#define CATS_SIM_ETHER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/protocol.h"
#include "ports/host/aead.h"

#define CATS_ETHER_ROWS 48U

struct cats_ether;

/* One frame on the air, as a receiver is about to get it; a script may change it. */
struct cats_ether_frame {
	uint64_t number; /* of the transmission, from 0 */
	uint8_t sender;  /* who really sent it; 255: a script */
	uint64_t start_ns, end_ns;
	uint32_t length;
	uint8_t bytes[CATS_FRAME_BYTES_MAX];
};

struct cats_ether_options {
	uint8_t devices, source;
	uint16_t sites;
	const struct cats_net_site *site; /* [sites] */
	uint64_t loss_q32;                /* of each link and frame */
	int32_t drift_ppm;                /* clocks are off by up to this, drawn; of either sign */
	bool extreme;                     /* exactly ±drift_ppm, in turns */
	uint64_t seed;                    /* any */
	uint32_t compute_us;              /* that every node needs before each gather; 0: half of the site's */
	bool poison;                      /* while a node's protocol runs, all other nodes' memory is garbage */
	uint16_t rows;                    /* for coded packets, at most CATS_ETHER_ROWS; 0: so many */
	uint64_t strangers;               /* bit i: node i has another key */
	uint64_t others;                  /* bit i: node i has another plan */
	/* Called for every receiver in range: false loses the frame. May change it. NULL: every frame passes. */
	bool (*pass)(void *context, struct cats_ether *ether, struct cats_ether_frame *frame, uint8_t receiver);
	/* Called before every event, with true time in ns. NULL: nothing. */
	void (*tick)(void *context, struct cats_ether *ether, uint64_t now_ns);
	void *context;
};

/* How one gather went at one node. */
struct cats_ether_result {
	bool ended, complete; /* complete: all packets of all senders that it wants */
	uint64_t start_ns;    /* as the node saw it */
	uint64_t end_ns;      /* when it could go on */
	uint32_t missing;     /* packets */
};

struct cats_ether_node {
	struct cats_net net;
	struct cats_repair_row rows[CATS_ETHER_ROWS];
	struct cats_host_aead *aead;
	struct cats_ether *ether;
	uint8_t self;
	bool dead, deaf, mute; /* set by scripts: no radio at all; hears nothing; nobody hears it */
	uint64_t frozen_until_ns;
	int64_t drift_ppb;
	uint64_t clock_offset_us;
	uint32_t flash_epoch;
	struct cats_net_action action;
	uint64_t wake_ns;
	uint64_t radio_on_ns; /* receiver is on from then; UINT64_MAX: off */
	uint64_t busy_ns;     /* own transmission: until then, ramp-up back included */
	uint64_t ready_ns;    /* when the runtime opens its next gather; UINT64_MAX: never */
	uint16_t running;     /* site that the runtime has open, or is computing for */
	bool open;            /* the runtime has a gather open */
	uint32_t epoch, inference;
	uint32_t closed;      /* inferences that ended here */
	uint32_t wrong_bytes; /* packets accepted that were not sent in that gather: must stay 0 */
	uint32_t wrong_has;   /* packets reported as received that are not there, or the other way: must stay 0 */
	uint32_t late;        /* actions given later than the protocol may: must stay 0 */
	uint8_t *view;        /* [sites][packets] of one byte: whether the packet is there */
	struct cats_ether_result *results; /* [sites], of the latest inference */
};

struct cats_ether {
	struct cats_ether_options options;
	struct cats_net_layout *layouts; /* [sites] */
	struct cats_ether_node *shadow;  /* [devices], with `poison` */
	struct cats_ether_node *nodes;   /* [devices] */
	uint64_t now_ns;
	uint64_t frames; /* transmissions so far */
	uint64_t collisions;
	uint64_t losing;  /* draws made */
	uint32_t flights; /* on the air */
	struct cats_ether_frame flight[2U * CATS_NET_DEVICES_MAX];
	bool collided[2U * CATS_NET_DEVICES_MAX];
};

/* NULL when memory ran out or the protocol refused the sites. */
CATS_MUST_CHECK struct cats_ether *cats_ether_create(const struct cats_ether_options *options);
void cats_ether_free(struct cats_ether *ether);

/* The source opens an inference; runs until every living node has ended all its gathers, or until limit_us of true time
 * have passed. Returns the number of nodes that ended. */
uint32_t cats_ether_infer(struct cats_ether *ether, uint64_t limit_us);

/* Runs until true time `until_ns`. */
void cats_ether_run(struct cats_ether *ether, uint64_t until_ns);

/* A node loses everything but its flash, and begins anew. */
void cats_ether_reboot(struct cats_ether *ether, uint8_t node);

/* Puts a frame on the air now that no node sent. */
void cats_ether_inject(struct cats_ether *ether, const uint8_t *bytes, uint32_t length);

/* The payload that `sender` sends as `packet` of `site` in an inference. */
void cats_ether_payload(uint8_t *payload, const struct cats_ether *ether, uint32_t epoch, uint32_t inference,
			uint16_t site, uint8_t sender, uint16_t packet, uint32_t bytes);

#endif

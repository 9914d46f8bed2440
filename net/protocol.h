/* SPDX-License-Identifier: MIT */
/* The gather protocol: one node's part in an inference over the air, as a state machine. It does no I/O and reads no
 * clock: it is told the time and what was received, and says what to do next. docs/DESIGN.md, "The gather protocol",
 * has the why; docs/SPEC-radio.md the bytes. Freestanding; the caller owns all memory.
 *
 * A driver (simulator, emulator, firmware) of one node is this loop:
 *
 *	cats_net_init(&net, &config);
 *	for (;;) {
 *		cats_net_next(&action, &net, now);
 *		switch (action.kind) {
 *		case CATS_NET_EPOCH:    write action.epoch to flash; cats_net_epoch_stored(&net, action.epoch); break;
 *		case CATS_NET_OPENED:   cats_node_start(node, (uint16_t)action.inference); begin to compute; break;
 *		case CATS_NET_ENDED:    cats_node_end_gather(node); go on computing; break;
 *		case CATS_NET_CLOSED:   the inference is over for this node's radio; break;
 *		case CATS_NET_TRANSMIT: first bit of action.frame on the air at action.at_us; then ask at once; break;
 *		case CATS_NET_LISTEN:   receive until action.until_us or a frame, whichever is first; then next; break;
 *		case CATS_NET_SLEEP:    radio off until action.until_us; then next; break;
 *		}
 *	}
 *
 * Meanwhile, whenever they happen:
 *
 *	cats_net_open(&net, now, at)      on the source, when an input is there
 *	cats_net_ready(&net, site, own)   when the runtime has a gather open (cats_node_open_site gives the site), and
 *					  whenever more of the own packets are there (cats_node_own_packets)
 *	cats_net_receive(&net, …)         for every frame whose CRC is right
 *
 * and after each of them cats_net_next again, because the action may have changed. An action replaces the one before
 * it; only a TRANSMIT that was given stays until at_us (asking earlier is harmless: it is given again, the same bytes).
 * From at_us on, while the frame is on the air, the driver asks for what comes after it: that may be another TRANSMIT,
 * which begins a gap of 48 µs after the first ends. While a TRANSMIT is to come the receiver stays on until its ramp-up
 * (40 µs before at_us) needs the radio; after it the receiver is on again 40 µs after its end, if the action is LISTEN
 * or a TRANSMIT that leaves time for it.
 * A frame that is being received at until_us is received to its end.
 *
 * Time. `now_us` and every other time is the node's own clock, whole microseconds, never running backwards, not
 * necessarily the same on two nodes, each within ±40 ppm of true time. A received frame's time is that of its FIRST BIT
 * (the nRF52840 captures the end of the address: 24 less), to ±1 µs. A node computes, sleeps and transmits by its own
 * clock and corrects its idea of the network's time by each frame's.
 *
 * Lead. A TRANSMIT is given at least lead_us before at_us, provided that cats_net_next is called when the action before
 * said (until_us), or up to CATS_NET_LATE_US later; a slot for which that is too late is left out. What a frame says is
 * what was known then: a transmission never waits for the reception before it. A combination is given earlier by what
 * its making takes on the chip (cats_repair_make_us), other frames no earlier than needed. A packet is read as long
 * before its slot, so a site's compute_us holds CATS_NET_BETWEEN_US beside the worst case of computing. Without that
 * the first sender of a short gather is not ready and misses its slot. What a node sends last it may still compute when
 * the gather begins (sim/times.h).
 *
 * Several hops. All nodes must hear each other today. What a later version needs is there: status frames say who was
 * heard, coded frames say what they are made of, and any node may send any packet on.
 *
 * Nothing waits for ever: a gather ends when every receiver has said that it has everything, or at its deadline;
 * cats_net_ready for a site that is over leads to ENDED at once. A node that is late (computing) loses messages, and
 * its own go out in the repair phase if there is time. */
#ifndef CATS_NET_PROTOCOL_H
#define CATS_NET_PROTOCOL_H

#include "net/aead.h"
#include "net/frame.h"
#include "net/repair.h"
#include "net/site.h"

/* Default lead, µs: the status of the frame before last can be in a frame. Sealing by the CCM peripheral happens on
 * the fly, so that the lead is an interrupt (5), the choice and building of a frame (70), arming the timer (5 and 8
 * before its moment), and the ramp-up (40). */
#define CATS_NET_LEAD_US 128U

/* The caller may be so late: what a frame's reception takes. When it is later, by LATE at most, a slot is still tried:
 * an easy frame may be made in time. */
#define CATS_NET_SLACK_US 24U
#define CATS_NET_LATE_US 40U

/* What the protocol takes of a node's processor from a gather's end until the runtime has the next open: the frame
 * before the end, the end, the opening (200, and a turn that was under way), a line of the log (200). Measured on
 * emulated chips. */
#define CATS_NET_TURN_US 450U

/* What a site's compute_us holds beside the worst case of computing: that, and what "Lead" says. */
#define CATS_NET_BETWEEN_US (CATS_NET_TURN_US + CATS_NET_LEAD_US + CATS_NET_SLACK_US + CATS_AIR_UNIT_US)

#define CATS_NET_OPENINGS 3U /* beacons with which the source opens an inference */

struct cats_net_config {
	uint8_t self, devices, source; /* devices 1 … 64 */
	uint16_t sites;                /* of an inference; number 0 is `input` */
	uint32_t plan;                 /* low 32 bits of the plan's id: frames of another plan are refused */
	uint32_t epoch;                /* from flash: the highest that cats_net_epoch_stored was told of, 0 if none */
	uint32_t lead_us;              /* 0: CATS_NET_LEAD_US */
	/* Fills *out, which is all zero: false when there is no such site. The same on all nodes. */
	bool (*site)(void *context, struct cats_net_site *out, uint16_t number);
	void *context; /* of site */
	struct cats_aead aead;
	struct cats_net_store store; /* called from inside cats_net_receive, _ready and _next only */
	/* Rows for coded packets that wait for more (net/repair.h): this node's alone. Fewer rows cost air time only.
	 */
	struct cats_repair_row *rows;
	uint16_t row_count; /* 0 … 64 */
};

enum cats_net_kind {
	CATS_NET_LISTEN,
	CATS_NET_TRANSMIT,
	CATS_NET_SLEEP,
	CATS_NET_EPOCH,  /* store `epoch` in flash before anything else; asks again until cats_net_epoch_stored */
	CATS_NET_OPENED, /* inference `inference` of `epoch` began, at local time at_us; what ran before is abandoned */
	CATS_NET_ENDED,  /* the gather of `site` is over; it was agreed (or the deadline) at local time at_us */
	CATS_NET_CLOSED, /* the last site is over */
};

struct cats_net_action {
	enum cats_net_kind kind;
	uint64_t at_us, until_us; /* local time; at_us is <= now where the thing to do is "now" */
	const uint8_t *frame;     /* TRANSMIT: sealed, S0 first; valid until the transmission's end */
	uint32_t frame_bytes;     /* 2 + LENGTH */
	uint32_t epoch, inference;
	uint16_t site;
	/* LISTEN: the frames that the schedule has next, 0 … 2 of them, for decryption on the fly. Others may come. */
	uint8_t expects;
	struct cats_frame_moment expected[2];
	uint64_t expected_us[2]; /* local time of the first bit */
};

/* Counted since cats_net_init, for reports and tests. */
struct cats_net_counters {
	uint32_t sent, received; /* frames; received: authentic and of use or known already */
	uint32_t refused;
	uint32_t coded_sent, decoded;        /* combinations sent, packets regained from combinations */
	uint32_t coding_cycles;              /* spent on combinations, on a Cortex-M4; an estimate */
	uint32_t early, deadline, overtaken; /* how gathers ended: agreed; by time; others were further on */
	/* The least from the runtime's having a gather open until it must: when the gather's first frame is to be made,
	 * lead and slack before its beginning, or has come, where the node only receives. Negative: so late; INT32_MAX:
	 * there was none. And how many gathers it was late for, and own packets that were not there for their slot. */
	int32_t least_ready_us;
	uint32_t unready;
};

/* Private, but for `counters`. */
struct cats_net;

/* Everything is set up; nothing is known of the network. False when the configuration is outside its ranges (devices,
 * self, source, sites, row_count, a missing function), or a site cannot be: more packets than there is room for, a
 * deadline before the last of its slots. */
CATS_MUST_CHECK bool cats_net_init(struct cats_net *net, const struct cats_net_config *config);

/* On the source: opens the next inference at local time at_us or as soon as possible afterwards. What is running is
 * abandoned. False on another node. */
CATS_MUST_CHECK bool cats_net_open(struct cats_net *net, uint64_t now_us, uint64_t at_us);

void cats_net_epoch_stored(struct cats_net *net, uint32_t epoch);

/* The runtime has the gather of `site` open: others' packets may be written, and the first `own` of its own read; any
 * larger number is all. A packet that is not there lead_us and the slack before its slot is left out, and counted. */
#define CATS_NET_ALL_OWN UINT16_MAX
void cats_net_ready(struct cats_net *net, uint16_t site, uint32_t own);

/* A frame (S0, LENGTH, …) whose first bit was at local time start_us. 0 when it was authentic, fresh and for this
 * inference; otherwise an enum cats_frame_refusal, and neither packets nor clock changed. */
CATS_MUST_CHECK int cats_net_receive(struct cats_net *net, uint64_t start_us, const uint8_t *frame, uint32_t bytes);

void cats_net_next(struct cats_net_action *action, struct cats_net *net, uint64_t now_us);

/* Whether packet `packet` of `sender` of the latest gather is known to have arrived (or is the node's own). */
bool cats_net_has(const struct cats_net *net, uint8_t sender, uint16_t packet);

/* Devices (bits) that this node takes for dead in this inference. */
uint64_t cats_net_dead(const struct cats_net *net);

/* Bytes of frame, GF(256) and bookkeeping are in here; about 2 KiB. */
#include "net/protocol_state.h"

#endif

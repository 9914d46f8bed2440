/* SPDX-License-Identifier: MIT */
/* The protocol's face: what to do next. See protocol.h. */
#include "net/protocol.h"

#include <string.h>

#include "net/protocol_private.h"

/* Awake before a gather: the caller's lateness, a call of this (80), a ramp-up, rounding; and then what two clocks can
 * have run apart. */
#define WAKE_US (CATS_NET_SLACK_US + 80U + 40U + CATS_AIR_UNIT_US)

/* Of the processor, to enter an inference: 140 on emulated chips. */
#define BEGINNING_US 200U

/* A combination is begun earlier than its making takes, where that is possible: three frames may come meanwhile, each
 * of which is taken in and the protocol asked anew (about 90 on the chip). Not where slots are shorter: the
 * packets of several would be missing in it. */
#define MEANWHILE_US 280U

/* A device that died again before anybody heard it has used its epoch up. A flash page of 1024 words and 10,000
 * erasures then lasts 3.3 · 10^8 inferences, ten years of one a second. */
#define RETRY_INFERENCES 32U

bool cats_net_init(struct cats_net *n, const struct cats_net_config *config)
{
	memset(n, 0, sizeof(*n));
	n->config = *config;
	n->counters.least_ready_us = INT32_MAX;
	if (config->devices == 0 || config->devices > CATS_NET_DEVICES_MAX || config->self >= config->devices ||
	    config->source >= config->devices || config->sites == 0 || config->row_count > 64U ||
	    (config->row_count > 0 && config->rows == NULL) || config->site == NULL || config->aead.seal == NULL ||
	    config->aead.open == NULL || config->store.read == NULL || config->store.write == NULL ||
	    config->epoch == UINT32_MAX || config->lead_us > 10000U)
		return false;
	for (uint32_t i = 0; i < config->sites; i++) {
		memset(&n->desc, 0, sizeof(n->desc));
		if (!config->site(config->context, &n->desc, (uint16_t)i) ||
		    !cats_net_layout_of(&n->layout, &n->desc, config->devices) ||
		    n->layout.deadline_us < n->layout.slots_us)
			return false;
	}
	if (n->config.lead_us == 0)
		n->config.lead_us = CATS_NET_LEAD_US;
	n->site = n->told = config->sites;
	n->epoch = n->stored_epoch = n->wanted_epoch = config->epoch;
	/* What this node did in another life in this epoch it does not know: it takes part from the next one on. */
	n->inference = UINT32_MAX;
	n->new_epoch = true;
	return true;
}

bool cats_net_open(struct cats_net *n, uint64_t now_us, uint64_t at_us)
{
	if (n->config.self != n->config.source)
		return false;
	n->want_open = true;
	n->reopened = false;
	n->open_at_us = at_us > now_us ? at_us : now_us;
	return true;
}

void cats_net_epoch_stored(struct cats_net *n, uint32_t epoch)
{
	if (epoch > n->stored_epoch)
		n->stored_epoch = epoch;
}

void cats_net_ready(struct cats_net *n, uint16_t site, uint32_t own)
{
	/* Between a new opening and its OPENED the driver still speaks of the old inference. */
	if (n->tell_opened || site >= n->config.sites)
		return;
	n->ready = (uint16_t)(site + 1U);
	n->own_ready = (uint16_t)(own < CATS_NET_ALL_OWN ? own : CATS_NET_ALL_OWN);
	cats_net_update_storing(n);
}

/* Devices that are silent and may have been reborn: those wait for an epoch in which they did not live before. Each
 * gets one when it falls silent, and another every so often. */
static uint64_t missing(const struct cats_net *n)
{
	const uint64_t given = n->inference % RETRY_INFERENCES == 0 ? 0 : n->given;

	return cats_net_all(n) & ~n->present & ~given;
}

static void open_inference(struct cats_net *n, uint64_t at_us)
{
	const bool fresh = n->wanted_epoch > n->epoch;

	if (fresh && n->present != 0)
		n->given |= ~n->present;
	n->want_open = false;
	n->new_epoch = false;
	n->roster = n->present;
	cats_net_begin(n, n->wanted_epoch, fresh ? 1U : n->inference + 1U, at_us, at_us);
}

static bool is_sending_allowed(const struct cats_net *n)
{
	return n->stored_epoch >= n->epoch;
}

static void expect(struct cats_net_action *a, const struct cats_net *n, int64_t now)
{
	uint32_t from_us = now > 0 ? (uint32_t)now : 0;

	for (a->expects = 0; a->expects < 2U; a->expects++) {
		const struct cats_net_slot slot = cats_net_find_slot(n, from_us);

		if (slot.at_us == CATS_NET_NEVER || slot.owner == n->config.self)
			return;
		a->expected[a->expects] = (struct cats_frame_moment){
			.epoch = n->epoch,
			.inference = n->inference,
			.unit = slot.at_us / CATS_AIR_UNIT_US,
			.sender = slot.owner,
			.beacon = n->part == CATS_NET_DECIDE,
		};
		a->expected_us[a->expects] = n->base_us + slot.at_us;
		from_us = slot.at_us + 1U;
	}
}

static void listen(struct cats_net_action *a, struct cats_net *n, uint64_t now_us, uint64_t until_us)
{
	a->kind = CATS_NET_LISTEN;
	a->at_us = now_us;
	a->until_us = until_us > now_us ? until_us : now_us + 1U;
	if (n->phase == CATS_NET_PHASE_GATHER && n->layout.packets > 0)
		expect(a, n, cats_net_time(n, now_us));
}

static void transmit(struct cats_net_action *a, struct cats_net *n)
{
	a->kind = CATS_NET_TRANSMIT;
	a->at_us = n->pending_us;
	a->frame = n->frame[n->which];
	a->frame_bytes = n->pending_bytes;
}

/* What has to be told the driver comes before all else. */
static bool tell(struct cats_net_action *a, struct cats_net *n)
{
	a->epoch = n->epoch;
	a->inference = n->inference;
	if (n->wanted_epoch > n->stored_epoch) {
		a->kind = CATS_NET_EPOCH;
		a->epoch = n->wanted_epoch;
	} else if (n->tell_opened) {
		n->tell_opened = false;
		a->kind = CATS_NET_OPENED;
		a->at_us = n->base_us;
	} else if (n->told < n->site && n->ready > n->told) {
		a->kind = CATS_NET_ENDED;
		a->at_us = n->base_us + n->last_end_us;
		a->site = n->told++;
		cats_net_update_storing(n);
	} else if (n->tell_closed && n->told == n->config.sites) {
		n->tell_closed = false;
		a->kind = CATS_NET_CLOSED;
	} else {
		return false;
	}
	return true;
}

/* The source's beacons before the first gather, each in its own slot: the next one's time, or NEVER. */
static uint32_t next_opening_us(struct cats_net *n, int64_t from_us)
{
	if (n->config.self != n->config.source || n->site != 0)
		return CATS_NET_NEVER;
	while (n->openings < CATS_NET_OPENINGS && n->openings * (int64_t)cats_net_opening_us() < from_us)
		n->openings++;
	return n->openings < CATS_NET_OPENINGS ? n->openings * cats_net_opening_us() : CATS_NET_NEVER;
}

/* Builds the frame of a slot that is due; false when nothing is to be said in it. */
static bool give(struct cats_net_action *a, struct cats_net *n, const struct cats_net_slot *slot, bool opening)
{
	n->sent_us = slot->at_us;
	if (!is_sending_allowed(n) || !(opening ? cats_net_build_opening(n, n->openings++) : cats_net_build(n, slot)))
		return false;
	n->pending = true;
	n->pending_us = n->base_us + slot->at_us;
	n->counters.sent++;
	transmit(a, n);
	return true;
}

/* The own next slot, and whether it is an opening. */
static struct cats_net_slot own_slot(struct cats_net *n, int64_t now, bool *opening)
{
	int64_t from_us = now + (int64_t)n->config.lead_us - (int64_t)CATS_NET_LATE_US;
	struct cats_net_slot slot;

	if (n->sent_us != CATS_NET_NEVER && from_us <= (int64_t)n->sent_us)
		from_us = (int64_t)n->sent_us + 1;
	if (from_us < 0)
		from_us = 0;
	*opening = true;
	slot = (struct cats_net_slot){.at_us = next_opening_us(n, from_us)};
	if (slot.at_us != CATS_NET_NEVER)
		return slot;
	*opening = false;
	return cats_net_find_own_slot(n, (uint32_t)from_us);
}

static uint32_t begin_making_us(const struct cats_net *n)
{
	return cats_net_make_us(n) + (cats_net_slot_us(n, CATS_NET_REPAIR) < MEANWHILE_US ? 0 : MEANWHILE_US);
}

/* No other packet is likely to come before the own one is made. */
static bool is_near(const struct cats_net *n, const struct cats_net_slot *slot, int64_t now)
{
	return slot->at_us != CATS_NET_NEVER && slot->part == CATS_NET_SLOTS && n->storing &&
	       (int64_t)slot->at_us - now < 2 * (int64_t)cats_net_data_slot_us(n, slot->owner, slot->index);
}

static void act(struct cats_net_action *a, struct cats_net *n, uint64_t now_us)
{
	const uint32_t ahead = n->config.lead_us + CATS_NET_SLACK_US;
	const int64_t now = cats_net_time(n, now_us);
	int64_t wake = n->deadline_us;
	bool opening;

	for (;;) {
		const struct cats_net_slot slot = own_slot(n, now, &opening);
		const uint32_t make_us = slot.part == CATS_NET_REPAIR ? begin_making_us(n) : 0;

		if (slot.at_us == CATS_NET_NEVER || (int64_t)slot.at_us - ahead - make_us > now) {
			if (slot.at_us != CATS_NET_NEVER)
				wake = (int64_t)slot.at_us - ahead - make_us;
			if (is_near(n, &slot, now))
				cats_net_prepare(n, &slot);
			break;
		}
		if (give(a, n, &slot, opening))
			return;
	}
	if ((int64_t)cats_net_wake_us(n) - ahead < wake)
		wake = (int64_t)cats_net_wake_us(n) - ahead;
	if ((int64_t)n->deadline_us < wake)
		wake = n->deadline_us;
	if (n->want_open && (int64_t)(n->open_at_us - n->base_us) - ahead < wake)
		wake = (int64_t)(n->open_at_us - n->base_us) - ahead;
	listen(a, n, now_us, n->base_us + (uint64_t)wake);
	/* Before the first slot there is nothing to hear, but for a second opening after the first gather. */
	const int64_t drift = cats_net_drift_us(now_us - n->synced_us);
	const int64_t awake = (int64_t)n->start_us - WAKE_US - drift;

	if (n->agreed && n->site != 1U && now < awake) {
		a->kind = CATS_NET_SLEEP;
		a->expects = 0;
		a->until_us = n->base_us + (uint64_t)(awake < wake ? awake : wake);
	}
}

/* The source opens the inference anew when someone that was there before did not answer to its first gather. Not at
 * once: a frame that began before that gather's deadline may still be on the air, and would cover all openings. */
static void reopen(struct cats_net *n, uint64_t now_us)
{
	if (n->config.self != n->config.source || n->site != 1U || n->reopened || n->phase != CATS_NET_PHASE_GATHER ||
	    (n->roster & missing(n)) == 0)
		return;
	n->want_open = n->reopened = n->new_epoch = true;
	n->open_at_us = now_us + (n->agreed ? 0 : cats_air_frame_us(CATS_AIR_LENGTH_MAX));
}

static void advance(struct cats_net *n, uint64_t now_us)
{
	const uint16_t site = n->site;

	cats_net_advance(n, cats_net_time(n, now_us));
	if (n->site != site)
		reopen(n, now_us);
	if (!n->want_open || now_us + n->config.lead_us + CATS_NET_SLACK_US < n->open_at_us)
		return;
	/* At the beginning nobody has been heard, and the epoch is new. */
	if ((n->present != 0 && missing(n) != 0) || n->inference >= UINT32_MAX - 1U)
		n->new_epoch = true;
	n->wanted_epoch = n->epoch + (n->new_epoch ? 1U : 0U);
	/* Flash may take its time: an inference begins when its epoch is there, and late enough for the first beacon to
	 * be made after what the beginning itself takes. */
	if (n->stored_epoch >= n->wanted_epoch)
		open_inference(n, now_us + n->config.lead_us + CATS_NET_SLACK_US + BEGINNING_US);
}

void cats_net_next(struct cats_net_action *a, struct cats_net *n, uint64_t now_us)
{
	*a = (struct cats_net_action){.kind = CATS_NET_LISTEN, .at_us = now_us};
	if (n->pending && now_us < n->pending_us) {
		transmit(a, n);
		return;
	}
	n->pending = false;
	advance(n, now_us);
	if (n->storing)
		cats_net_note_ready(n, cats_net_time(n, now_us));
	if (tell(a, n))
		return;
	if (n->phase == CATS_NET_PHASE_GATHER)
		act(a, n, now_us);
	else
		listen(a, n, now_us, n->want_open ? n->open_at_us - n->config.lead_us - CATS_NET_SLACK_US : UINT64_MAX);
}

bool cats_net_has(const struct cats_net *n, uint8_t sender, uint16_t packet)
{
	const uint32_t k = (uint32_t)n->layout.first[sender] + packet;

	return k < n->layout.first[sender + 1U] && cats_repair_has(&n->repair, k);
}

uint64_t cats_net_dead(const struct cats_net *n)
{
	return n->dead;
}

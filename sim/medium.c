/* SPDX-License-Identifier: MIT */
/* The channel. See medium.h. */
#include "sim/medium.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"

/* Longer than any frame (1.064 ms) and its receivers' delay. */
#define REMEMBERED (2000 * CATS_TIME_US)

/* What the keys of draws are for. */
enum { DRAW_CAPTURE = 1, DRAW_LINK, DRAW_BURST };

struct ear {
	bool on;
	cats_time since;
	const struct cats_transmission *taken; /* NULL: free */
};

struct cats_medium {
	uint32_t nodes;
	double *power_mw; /* [sender · nodes + receiver] */
	double noise_mw, burst_mw;
	uint64_t link_loss_q32, burst_q32;
	uint64_t capture_key, link_key, burst_key;
	bool (*lose)(void *context, const struct cats_transmission *frame, uint32_t receiver);
	void *context;
	struct ear ears[CATS_DEVICES_MAX];
	/* In the order of their starts; the first ended longest ago. */
	struct cats_transmission **recent;
	size_t recent_count, recent_capacity;
	uint64_t sent;
};

static double mw_of(double dbm)
{
	return pow(10, dbm / 10);
}

static uint64_t threshold(double p)
{
	return (uint64_t)(p * 4294967296.0 + 0.5);
}

enum cats_status cats_medium_create(struct cats_medium **out, const struct cats_medium_options *options,
				    struct cats_error *error)
{
	const struct cats_topology *t = options->topology;
	struct cats_medium *m = calloc(1, sizeof *m);

	*out = m;
	if (m != NULL)
		m->power_mw = calloc((size_t)t->nodes * t->nodes, sizeof *m->power_mw);
	if (m == NULL || m->power_mw == NULL) {
		free(m);
		*out = NULL;
		return cats_fail(error, CATS_ERR_MEMORY, "medium: out of memory");
	}
	m->nodes = t->nodes;
	for (uint32_t i = 0; i < t->nodes * t->nodes; i++)
		if (t->path_db[i] < CATS_NO_PATH_DB)
			m->power_mw[i] = mw_of(CATS_TRANSMIT_DBM - t->path_db[i]);
	m->noise_mw = mw_of(CATS_NOISE_DBM);
	m->burst_mw = mw_of(CATS_BURST_DBM);
	m->link_loss_q32 = threshold(options->link_loss);
	m->burst_q32 = threshold(options->burst_share);
	m->capture_key = cats_random_key(options->seed, DRAW_CAPTURE);
	m->link_key = cats_random_key(options->seed, DRAW_LINK);
	m->burst_key = cats_random_key(options->seed, DRAW_BURST);
	m->lose = options->lose;
	m->context = options->context;
	return CATS_OK;
}

void cats_medium_free(struct cats_medium *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->recent_capacity; i++)
		free(m->recent[i]);
	free(m->recent);
	free(m->power_mw);
	free(m);
}

void cats_medium_listen(struct cats_medium *m, uint32_t node, cats_time now)
{
	m->ears[node] = (struct ear){.on = true, .since = now};
}

void cats_medium_deafen(struct cats_medium *m, uint32_t node)
{
	m->ears[node] = (struct ear){0};
}

bool cats_medium_listens(const struct cats_medium *m, uint32_t node, cats_time since)
{
	return m->ears[node].on && m->ears[node].since <= since;
}

const struct cats_transmission *cats_medium_receiving(const struct cats_medium *m, uint32_t node)
{
	return m->ears[node].taken;
}

/* A place for one more transmission, behind all others: that of one long over, or a new one. */
static struct cats_transmission *place(struct cats_medium *m, cats_time now)
{
	if (m->recent_count > 0 && m->recent[0]->end + REMEMBERED < now) {
		struct cats_transmission *over = m->recent[0];

		memmove(m->recent, m->recent + 1, (m->recent_count - 1) * sizeof *m->recent);
		m->recent[m->recent_count - 1] = over;
		return over;
	}
	if (m->recent_count == m->recent_capacity) {
		const size_t capacity = m->recent_capacity + 16;
		struct cats_transmission **grown = realloc(m->recent, capacity * sizeof(*grown));

		if (grown == NULL)
			return NULL;
		m->recent = grown;
		for (; m->recent_capacity < capacity; m->recent_capacity++)
			grown[m->recent_capacity] = NULL;
	}
	if (m->recent[m->recent_count] == NULL)
		m->recent[m->recent_count] = malloc(sizeof(struct cats_transmission));
	return m->recent[m->recent_count] == NULL ? NULL : m->recent[m->recent_count++];
}

struct cats_transmission *cats_medium_begin(struct cats_medium *m, uint32_t sender, cats_time now)
{
	struct cats_transmission *frame = place(m, now);

	if (frame == NULL)
		return NULL;
	cats_medium_deafen(m, sender);
	frame->number = ++m->sent;
	frame->sender = sender;
	frame->start = now;
	frame->end = now + cats_radio_air(0);
	frame->bytes = 0;
	return frame;
}

const struct cats_transmission *cats_medium_send(struct cats_medium *m, uint32_t sender, cats_time now,
						 const uint8_t *pdu, uint32_t bytes)
{
	struct cats_transmission *frame = cats_medium_begin(m, sender, now);

	if (frame == NULL)
		return NULL;
	frame->end = now + cats_radio_air(bytes - CATS_RADIO_HEADER_BYTES);
	frame->bytes = bytes;
	memcpy(frame->pdu, pdu, bytes);
	return frame;
}

static bool overlaps(const struct cats_transmission *other, cats_time from, cats_time to)
{
	return other->start < to && other->end > from;
}

/* Whether an interferer from outside is there at some time in [from, to). */
static bool bursts(const struct cats_medium *m, cats_time from, cats_time to)
{
	for (cats_time k = from / CATS_BURST; m->burst_q32 > 0 && k * CATS_BURST < to; k++)
		if (cats_random_event(m->burst_key, (uint64_t)k, m->burst_q32))
			return true;
	return false;
}

/* Everything that disturbs a frame from its start to `to`, as if it were all there at once: at worst right. */
static double disturbance_mw(const struct cats_medium *m, const struct cats_transmission *frame, uint32_t receiver,
			     cats_time to)
{
	double sum = m->noise_mw + (bursts(m, frame->start, to) ? m->burst_mw : 0);

	for (size_t i = m->recent_count; i-- > 0;) {
		const struct cats_transmission *other = m->recent[i];

		if (other != frame && overlaps(other, frame->start, to))
			sum += m->power_mw[other->sender * m->nodes + receiver];
	}
	return sum;
}

/* The frame's one draw at this receiver against what disturbs it until `to`. */
static bool captures(const struct cats_medium *m, const struct cats_transmission *frame, uint32_t receiver,
		     cats_time to)
{
	const double signal_mw = m->power_mw[frame->sender * m->nodes + receiver];
	double ratio_db, p;

	if (signal_mw == 0)
		return false;
	ratio_db = 10 * log10(signal_mw / disturbance_mw(m, frame, receiver, to));
	p = 1 / (1 + exp((CATS_CAPTURE_DB - ratio_db) / CATS_CAPTURE_SLOPE_DB));
	return cats_random_event(cats_random_key(m->capture_key, frame->number), receiver, threshold(p));
}

bool cats_medium_address(struct cats_medium *m, const struct cats_transmission *frame, uint32_t receiver)
{
	struct ear *ear = &m->ears[receiver];
	const cats_time address = frame->start + (cats_time)CATS_RADIO_ADDRESS_BYTES * CATS_RADIO_BYTE;

	if (!cats_medium_listens(m, receiver, frame->start) || ear->taken != NULL || receiver == frame->sender)
		return false;
	if (m->lose != NULL && m->lose(m->context, frame, receiver))
		return false;
	if (cats_random_event(cats_random_key(m->link_key, frame->number), receiver, m->link_loss_q32) ||
	    !captures(m, frame, receiver, address))
		return false;
	ear->taken = frame;
	return true;
}

enum cats_reception cats_medium_end(struct cats_medium *m, const struct cats_transmission *frame, uint32_t receiver)
{
	struct ear *ear = &m->ears[receiver];

	if (ear->taken != frame)
		return CATS_NOT_RECEIVED;
	ear->taken = NULL;
	return captures(m, frame, receiver, frame->end) ? CATS_RECEIVED : CATS_RECEIVED_BROKEN;
}

double cats_medium_power_dbm(const struct cats_medium *m, uint32_t sender, uint32_t receiver)
{
	const double mw = m->power_mw[sender * m->nodes + receiver];

	return mw > 0 ? 10 * log10(mw) : -1000;
}

/* SPDX-License-Identifier: MIT */
/* Receipt masks. See loss_masks.h. */
#include "train/loss_masks.h"

#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "net/packet.h"

/* Streams of one (sample, site). */
enum stream { STREAM_LINK, STREAM_RECEIVER, STREAM_SENDER, STREAMS };

/* Samples whose keys are held at once, devices there can be, packets whose draws are shared. */
#define GROUP 32U
#define DEVICES 64U
#define SHARED_PACKETS 4U

struct cats_loss_plan {
	uint32_t devices;
	uint32_t tokens; /* T */
	uint64_t threshold[STREAMS];
	uint32_t *travelling;         /* [sites] tokens that travel */
	struct cats_packets *packets; /* [sites, D]; with one packet for all tokens when drawn per message */
};

enum cats_status cats_loss_kinds(struct cats_loss_spec *spec, const char *kinds, double p, struct cats_error *error)
{
	const char *at = kinds;

	if (!(p >= 0 && p <= 1))
		return cats_fail(error, CATS_ERR_USAGE, "message loss: %g is not a probability: give 0 … 1", p);
	while (*at != '\0') {
		const size_t length = strcspn(at, ",");
		const bool all = length == 3 && strncmp(at, "all", 3) == 0;
		const bool link = length == 4 && strncmp(at, "link", 4) == 0;
		const bool receiver = length == 8 && strncmp(at, "receiver", 8) == 0;
		const bool sender = length == 6 && strncmp(at, "sender", 6) == 0;

		if (!all && !link && !receiver && !sender)
			break;
		if (all || link)
			spec->link = p;
		if (all || receiver)
			spec->receiver = p;
		if (all || sender)
			spec->sender = p;
		at += length;
		if (*at == '\0')
			return CATS_OK;
		at++;
	}
	return cats_fail(error, CATS_ERR_USAGE, "kinds of loss: \"%s\" is not a list of link, receiver, sender", kinds);
}

static struct cats_packets packets_of(const struct cats_model *model, const struct cats_loss_spec *spec, uint32_t site,
				      uint32_t sender)
{
	const uint32_t payload = spec->payload_bytes != 0 ? spec->payload_bytes : CATS_PACKET_PAYLOAD_BYTES;
	const uint32_t tokens = cats_site_tokens(&model->config, site);
	const struct cats_run own = cats_site_own(&model->config, site, model->config.devices, sender);
	uint32_t kept = 0;

	for (uint32_t c = own.first; c < own.first + own.count; c++)
		kept += model->keep[site][c];
	if (kept != 0 && !spec->per_packet)
		return (struct cats_packets){.tokens_per_packet = tokens, .packets_per_token = 1, .count = 1};
	return cats_packets_of(kept, tokens, payload);
}

enum cats_status cats_loss_plan_create(struct cats_loss_plan **out, const struct cats_model *model,
				       const struct cats_loss_spec *spec, struct cats_error *error)
{
	const uint32_t D = model->config.devices;
	const uint32_t sites = cats_config_sites(&model->config);
	struct cats_loss_plan *plan = calloc(1, sizeof(*plan));

	*out = NULL;
	if (plan != NULL) {
		plan->travelling = calloc(sites, sizeof(*plan->travelling));
		plan->packets = calloc((size_t)sites * D, sizeof(*plan->packets));
	}
	if (plan == NULL || plan->travelling == NULL || plan->packets == NULL) {
		cats_loss_plan_free(plan);
		return cats_fail(error, CATS_ERR_MEMORY, "message loss: out of memory");
	}
	plan->devices = D;
	plan->tokens = cats_config_tokens(&model->config);
	plan->threshold[STREAM_LINK] = (uint64_t)(spec->link * 0x1p32);
	plan->threshold[STREAM_RECEIVER] = (uint64_t)(spec->receiver * 0x1p32);
	plan->threshold[STREAM_SENDER] = (uint64_t)(spec->sender * 0x1p32);
	for (uint32_t site = 0; site < sites; site++) {
		plan->travelling[site] = cats_site_tokens(&model->config, site);
		for (uint32_t i = 0; i < D; i++)
			plan->packets[(size_t)site * D + i] = packets_of(model, spec, site, i);
	}
	*out = plan;
	return CATS_OK;
}

void cats_loss_plan_free(struct cats_loss_plan *plan)
{
	if (plan == NULL)
		return;
	free(plan->travelling);
	free(plan->packets);
	free(plan);
}

size_t cats_loss_mask_bytes(const struct cats_loss_plan *plan, uint32_t B)
{
	return (size_t)plan->devices * plan->devices * plan->tokens * B;
}

/* arrived[s] &= no event of this stream at `counter`, for each of B samples. */
static void draw(uint8_t *arrived, const uint64_t *keys, uint32_t B, uint64_t counter, uint64_t threshold)
{
	if (threshold == 0)
		return;
	for (uint32_t s = 0; s < B; s++)
		arrived[s] &= (uint8_t)(cats_random_event(keys[s], counter, threshold) == 0);
}

/* Counters of different packets, senders and receivers differ: i, j < 64. */
static uint64_t counter_of(uint32_t packet, uint32_t i, uint32_t j)
{
	return (uint64_t)packet << 12 | i << 6 | j;
}

/* Keys of a group of samples at one site, and what they draw for a device's first packets, which all messages that the
 * device hears (or sends) share. */
struct group {
	uint32_t B;
	uint64_t keys[STREAMS][GROUP];
	uint8_t hears[SHARED_PACKETS][DEVICES][GROUP], sends[SHARED_PACKETS][DEVICES][GROUP];
};

static void begin_group(struct group *g, const struct cats_loss_plan *plan, uint32_t site, const uint32_t *samples,
			uint64_t key)
{
	uint32_t packets = 0;

	for (uint32_t s = 0; s < g->B; s++) {
		const uint64_t of_site = cats_random_key(cats_random_key(key, samples[s]), site);

		for (uint32_t k = 0; k < STREAMS; k++)
			g->keys[k][s] = cats_random_key(of_site, k);
	}
	for (uint32_t i = 0; i < plan->devices; i++)
		if (plan->packets[(size_t)site * plan->devices + i].count > packets)
			packets = plan->packets[(size_t)site * plan->devices + i].count;
	for (uint32_t n = 0; n < packets && n < SHARED_PACKETS; n++) {
		for (uint32_t j = 0; j < plan->devices; j++) {
			memset(g->hears[n][j], 1, g->B);
			memset(g->sends[n][j], 1, g->B);
			draw(g->hears[n][j], g->keys[STREAM_RECEIVER], g->B, counter_of(n, 0, j),
			     plan->threshold[STREAM_RECEIVER]);
			draw(g->sends[n][j], g->keys[STREAM_SENDER], g->B, counter_of(n, 0, j),
			     plan->threshold[STREAM_SENDER]);
		}
	}
}

/* row[s] &= packet n from i reached j. */
static void add_packet(uint8_t *row, const struct group *g, const struct cats_loss_plan *plan, uint32_t n, uint32_t i,
		       uint32_t j)
{
	draw(row, g->keys[STREAM_LINK], g->B, counter_of(n, i, j), plan->threshold[STREAM_LINK]);
	if (n < SHARED_PACKETS) {
		for (uint32_t s = 0; s < g->B; s++)
			row[s] &= g->hears[n][j][s] & g->sends[n][i][s];
	} else {
		draw(row, g->keys[STREAM_RECEIVER], g->B, counter_of(n, 0, j), plan->threshold[STREAM_RECEIVER]);
		draw(row, g->keys[STREAM_SENDER], g->B, counter_of(n, 0, i), plan->threshold[STREAM_SENDER]);
	}
}

/* One message, sender i to receiver j: rows[travelling tokens, stride], for the group's samples. */
static void fill_message(uint8_t *rows, size_t stride, const struct group *g, const struct cats_loss_plan *plan,
			 uint32_t site, uint32_t i, uint32_t j)
{
	const struct cats_packets *packets = &plan->packets[(size_t)site * plan->devices + i];
	uint32_t left = 0; /* tokens in the packet of the row above that are still to come */

	for (uint32_t t = 0; t < plan->travelling[site]; t++, left--) {
		uint8_t *row = rows + t * stride;

		if (left > 0) {
			memcpy(row, row - stride, g->B);
			continue;
		}
		left = packets->tokens_per_packet;
		const uint32_t first = cats_packet_first(packets, t);

		for (uint32_t n = first; n < first + packets->packets_per_token; n++)
			add_packet(row, g, plan, n, i, j);
	}
}

void cats_loss_mask(uint8_t *received, const struct cats_loss_plan *plan, uint32_t site, const uint32_t *samples,
		    uint32_t B, uint64_t key)
{
	const uint32_t D = plan->devices;
	const size_t message = (size_t)plan->tokens * B;
	struct group group;

	memset(received, 1, cats_loss_mask_bytes(plan, B));
	for (uint32_t first = 0; first < B; first += GROUP) {
		group.B = B - first < GROUP ? B - first : GROUP;
		begin_group(&group, plan, site, samples + first, key);
		for (uint32_t i = 0; i < D; i++) {
			if (plan->packets[(size_t)site * D + i].count == 0)
				continue;
			for (uint32_t j = 0; j < D; j++)
				if (j != i)
					fill_message(received + ((size_t)i * D + j) * message + first, B, &group, plan,
						     site, i, j);
		}
	}
}

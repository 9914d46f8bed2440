/* SPDX-License-Identifier: MIT */
/* Receipts. See receipts.h. */
#include "deploy/receipts.h"

#include <stdlib.h>

#include "core/message.h"

static uint32_t sent_columns(const struct cats_integer *m, uint32_t D, uint32_t site, uint32_t sender)
{
	const struct cats_run own = cats_integer_site_own(&m->config, site, D, sender);
	uint32_t count = 0;

	for (uint32_t c = own.first; c < own.first + own.count; c++)
		count += cats_integer_kept(m, site, c) ? 1U : 0U;
	return count;
}

/* One place of the losses: a site of an inference. */
struct place {
	const struct cats_loss *loss;
	uint64_t key;
	uint32_t sender, receiver;
};

static uint8_t arrives(const struct place *at, const struct cats_message *message, uint32_t token)
{
	const uint32_t first = message->parts > 1 ? token * message->parts : token / message->group;

	for (uint32_t p = first; p < first + message->parts; p++)
		if (cats_loss_drops(at->loss, at->key, at->sender, at->receiver, p))
			return 0;
	return 1;
}

static void fill(uint8_t *mask, const struct cats_integer *m, uint32_t D, uint32_t site, uint32_t payload_max,
		 const struct cats_loss *loss, uint64_t number)
{
	const uint32_t tokens = cats_integer_site_tokens(&m->config, site);
	const uint32_t column_bytes = site + 1U == cats_integer_sites(&m->config) ? 4U : 1U;
	struct place at = {.loss = loss, .key = cats_loss_key(loss, number, site)};

	for (at.sender = 0; at.sender < D; at.sender++) {
		const struct cats_message message =
			cats_message_of(tokens, sent_columns(m, D, site, at.sender) * column_bytes, payload_max);

		for (at.receiver = 0; at.receiver < D; at.receiver++)
			for (uint32_t t = 0; t < tokens; t++)
				mask[((size_t)at.sender * D + at.receiver) * tokens + t] =
					at.sender == at.receiver || message.packets == 0 ? 1
											 : arrives(&at, &message, t);
	}
}

enum cats_status cats_receipts_create(struct cats_receipts *out, const struct cats_integer *m, uint32_t D,
				      uint32_t payload_max, const struct cats_loss *loss, uint64_t number,
				      struct cats_error *error)
{
	const uint32_t sites = cats_integer_sites(&m->config);

	*out = (struct cats_receipts){.sites = sites, .at = calloc(sites, sizeof *out->at)};
	for (uint32_t site = 0; out->at && cats_loss_any_q32(loss) && site < sites; site++) {
		if (loss->gathers_only && (site == 0 || site + 1U == sites))
			continue;
		out->at[site] = malloc((size_t)D * D * cats_integer_site_tokens(&m->config, site));
		if (!out->at[site]) {
			cats_receipts_free(out);
			break;
		}
		fill(out->at[site], m, D, site, payload_max, loss, number);
	}
	return out->at ? CATS_OK : cats_fail(error, CATS_ERR_MEMORY, "receipts: out of memory");
}

void cats_receipts_free(struct cats_receipts *r)
{
	for (uint32_t site = 0; r->at && site < r->sites; site++)
		free(r->at[site]);
	free(r->at);
	*r = (struct cats_receipts){0};
}

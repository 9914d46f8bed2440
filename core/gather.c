/* SPDX-License-Identifier: MIT */
/* SomeGather on one device: what it sends, what it takes, what it lacks (docs/SPEC-integer.md, 2). Freestanding.
 *
 * A received token is copied to where its sender's columns lie in the view, so a view is ready when a gather ends but
 * for tokens of which only a part arrived, which are set to 0. */
#include <string.h>

#include "core/kernels/host.h"
#include "core/node.h"

/* Bytes that one unit of work sets to 0, at four cycles each (newlib's small memset). */
#define ZERO_BYTES 2048U
/* Of passing by what in a row is the node's own. */
#define OWN_CYCLES 20U
#define ZERO_CYCLES(bytes) (4U * (bytes) + 40U)

/* Of clearing a sender's receipt, of counting its packets (two divisions), and of finding out whether a token of one
 * that lost packets arrived. */
#define SENDER_CYCLES 100U
#define COUNT_CYCLES 60U
#define SETTLE_CYCLES 320U

enum phase { RECEIPTS, ZERO, WAIT, LOSSES };

static bool is_own(const struct cats_node *n, uint32_t sender)
{
	return sender == n->shard.header->device;
}

uint64_t cats_node_lost(const struct cats_node *n, const struct cats_shard_site *site, uint32_t t)
{
	const struct cats_shard_sender *senders = cats_node_senders(n, site);
	uint64_t lost = 0;

	for (uint64_t left = n->losses.senders; left != 0; left &= left - 1U) {
		const uint32_t i = (uint32_t)__builtin_ctzll(left);
		const uint32_t *receipt = (const uint32_t *)cats_node_arena(n, site->receipt) + i * n->losses.words;
		const struct cats_message message = cats_node_message(n, site, senders[i].columns);

		if (!cats_message_arrived(&message, receipt, t))
			lost |= UINT64_C(1) << i;
	}
	return lost;
}

/* How a message of so many columns is cut. Most senders of a site have equally many, and the division costs. */
static const struct cats_message *message_of(struct cats_node *n, const struct cats_shard_site *site, uint32_t columns)
{
	if (n->gather.message_columns != columns) {
		n->gather.message = cats_node_message(n, site, columns);
		n->gather.message_columns = columns;
	}
	return &n->gather.message;
}

/* Receipt bits of sender at.row are cleared, and what it will send is counted. */
static void clear_receipt(struct cats_node *n, const struct cats_shard_site *site, uint32_t sender)
{
	const struct cats_shard_sender *from = cats_node_senders(n, site) + sender;
	const uint32_t columns = is_own(n, sender) ? 0 : from->columns;
	const uint32_t packets = columns == 0 ? 0 : message_of(n, site, columns)->packets;
	uint32_t *receipt = cats_node_receipt(n, site, sender);

	for (uint32_t i = 0; i < n->gather.words; i++)
		receipt[i] = 0;
	n->gather.left[sender] = (uint16_t)packets;
	n->gather.missing += packets;
	n->share.expected += (uint64_t)site->tokens * columns;
}

static bool clear_receipts(struct cats_node *n, const struct cats_shard_site *site)
{
	const uint32_t D = n->shard.header->devices;

	if (n->at.row == 0) {
		n->gather.message_columns = site->kept;
		n->gather.message = cats_node_message(n, site, site->kept);
		n->gather.site = site->site;
		n->gather.words = cats_shard_receipt_words(&n->shard, site);
		n->gather.own = (uint16_t)n->gather.message.packets;
		n->gather.own_group = (uint16_t)n->gather.message.group;
		n->gather.own_parts = (uint16_t)n->gather.message.parts;
		n->gather.next = 0;
		n->gather.ready = 0;
		n->gather.missing = 0;
	}
	for (; n->at.row < D; n->at.row++) {
		const uint32_t counted = n->at.row == 0 ? D : 1U; /* words are those of the longest message */

		if (!cats_node_afford(n, SENDER_CYCLES + COUNT_CYCLES * counted + ZERO_CYCLES(4U * n->gather.words)))
			return false;
		clear_receipt(n, site, n->at.row);
	}
	return true;
}

/* All of a row but the own columns, a piece at a time; at.column counts bytes. */
static bool zero_row(struct cats_node *n, const struct cats_shard_site *site, uint32_t row)
{
	const struct cats_shard_sender *own = cats_node_senders(n, site) + n->shard.header->device;
	const uint32_t first = (uint32_t)own->first * site->column_bytes;
	const uint32_t bytes = (uint32_t)own->columns * site->column_bytes;
	uint8_t *view = cats_node_arena(n, site->view + row * site->stride);

	while (n->at.column < site->stride) {
		uint32_t end = bytes > 0 && n->at.column < first ? first : site->stride;

		if (bytes > 0 && n->at.column == first) {
			if (!cats_node_afford(n, OWN_CYCLES))
				return false;
			n->at.column = first + bytes;
			continue;
		}
		end = cats_least(end, n->at.column + ZERO_BYTES);
		if (!cats_node_afford(n, ZERO_CYCLES(end - n->at.column)))
			return false;
		memset(view + n->at.column, 0, end - n->at.column);
		n->at.column = end;
	}
	n->at.column = 0;
	return true;
}

static bool zero_view(struct cats_node *n, const struct cats_shard_site *site)
{
	if (n->unlimited && n->kernels->host != NULL) {
		n->kernels->host->clear(n, site);
		return true;
	}
	for (; n->at.row < site->tokens; n->at.row++)
		if (!zero_row(n, site, n->at.row))
			return false;
	return true;
}

/* Token at.row of sender at.output, which lost packets: its columns count as arrived, or a part that arrived is set to
 * 0 a piece at a time. */
static bool settle_token(struct cats_node *n, const struct cats_shard_site *site)
{
	const struct cats_shard_sender *sender = cats_node_senders(n, site) + n->at.output;
	const struct cats_message message = *message_of(n, site, sender->columns);
	uint8_t *columns = (uint8_t *)cats_node_arena(n, site->view + n->at.row * site->stride) +
			   sender->first * site->column_bytes;

	if (n->at.column == 0) {
		if (!cats_node_afford(n, SETTLE_CYCLES + 8U * message.parts))
			return false;
		if (cats_message_arrived(&message, cats_node_receipt(n, site, n->at.output), n->at.row)) {
			n->share.arrived += sender->columns;
			return true;
		}
		if (message.parts == 1)
			return true;
	}
	while (n->at.column < message.token_bytes) {
		const uint32_t bytes = cats_least(message.token_bytes - n->at.column, ZERO_BYTES);

		if (n->at.column > 0 && !cats_node_afford(n, ZERO_CYCLES(bytes)))
			return false;
		memset(columns + n->at.column, 0, bytes);
		n->at.column += bytes;
	}
	return true;
}

/* Moves at.output on to a sender that lost packets, unless it is at one; false behind the last. */
static bool next_lost(struct cats_node *n)
{
	const uint64_t left = n->at.output < CATS_DEVICES_MAX ? n->losses.senders >> n->at.output : 0;

	if (left == 0)
		return false;
	n->at.output += (uint32_t)__builtin_ctzll(left);
	return true;
}

static bool settle_losses(struct cats_node *n, const struct cats_shard_site *site)
{
	if (n->losses.senders == 0)
		return true;
	for (; n->at.row < site->tokens; n->at.row++, n->at.output = 0)
		while (next_lost(n)) {
			if (!settle_token(n, site))
				return false;
			n->at.output++;
			n->at.column = 0;
		}
	return true;
}

static void go_to(struct cats_node *n, enum phase phase)
{
	n->at.phase = phase;
	n->at.row = n->at.output = n->at.column = 0;
}

/* The caller is to look: the step ends before its next unit of work. */
static void end_step(struct cats_node *n)
{
	n->budget = n->unlimited ? n->budget : 0;
	n->worked = true;
}

void cats_node_note_rows(struct cats_node *n, uint32_t rows)
{
	uint32_t ready;

	if (!n->gather.open)
		return;
	/* The last packet may have fewer tokens; GATHER, which comes at once, makes it ready. */
	ready = rows / n->gather.own_group * n->gather.own_parts;
	if (ready > n->gather.ready && ready <= n->gather.own) {
		n->gather.ready = (uint16_t)ready;
		end_step(n);
	}
}

/* Until the gather may take packets. */
static bool open_gather(struct cats_node *n, const struct cats_shard_site *site)
{
	if (n->at.phase == RECEIPTS) {
		if (!clear_receipts(n, site))
			return false;
		go_to(n, ZERO);
	}
	if (!zero_view(n, site))
		return false;
	n->gather.open = true;
	return true;
}

bool cats_op_open(struct cats_node *n, const struct cats_op *op)
{
	if (!open_gather(n, n->shard.sites + op->site))
		return false;
	end_step(n);
	return true;
}

bool cats_op_gather(struct cats_node *n, const struct cats_op *op)
{
	const struct cats_shard_site *site = n->shard.sites + op->site;

	if (n->at.phase == LOSSES)
		return settle_losses(n, site);
	if (!n->gather.open && !open_gather(n, site))
		return false;
	go_to(n, WAIT);
	n->gather.ready = n->gather.own;
	n->state = CATS_NODE_GATHER;
	return false;
}

bool cats_node_gather_complete(const struct cats_node *n)
{
	return n->gather.open && n->gather.missing == 0;
}

uint32_t cats_node_own_packets(const struct cats_node *n)
{
	return n->gather.open ? n->gather.ready : 0;
}

uint16_t cats_node_open_site(const struct cats_node *n)
{
	return n->gather.open ? n->gather.site : CATS_NO_SITE;
}

int cats_node_end_gather(struct cats_node *n)
{
	const struct cats_shard_site *site = n->shard.sites + n->gather.site;

	if (!n->gather.open)
		return CATS_REFUSED_CALL_NO_GATHER;
	if (n->state != CATS_NODE_GATHER)
		return CATS_REFUSED_CALL_COMPUTING;
	n->losses.site = n->gather.site;
	n->losses.words = n->gather.words;
	n->losses.senders = 0;
	for (uint32_t i = 0; i < n->shard.header->devices; i++) {
		if (n->gather.left[i] > 0)
			n->losses.senders |= UINT64_C(1) << i;
		else if (!is_own(n, i))
			n->share.arrived += (uint64_t)site->tokens * cats_node_senders(n, site)[i].columns;
	}
	n->gather.open = false;
	n->state = CATS_NODE_WORKING;
	go_to(n, LOSSES);
	return 0;
}

/* The usual sizes have loops of their own. */
void cats_copy_rows(uint8_t *to, size_t to_stride, const uint8_t *from, size_t from_stride, uint32_t bytes,
		    uint32_t count)
{
	if (bytes == 8) {
		for (; count > 0; count--, to += to_stride, from += from_stride)
			__builtin_memcpy(to, from, 8);
	} else if (bytes == 16) {
		for (; count > 0; count--, to += to_stride, from += from_stride)
			__builtin_memcpy(to, from, 16);
	} else {
		for (; count > 0; count--, to += to_stride, from += from_stride)
			cats_copy_few(to, from, bytes);
	}
}

/* Four at a time, for a node has little time to make a packet; on its own, for the registers. */
__attribute__((noinline)) static void pick_bytes(uint8_t *to, const uint8_t *row, const uint16_t *kept, uint32_t count)
{
	for (; count >= 4; count -= 4, to += 4, kept += 4) {
		const uint32_t i = kept[0], j = kept[1], k = kept[2], l = kept[3];

		to[0] = row[i];
		to[1] = row[j];
		to[2] = row[k];
		to[3] = row[l];
	}
	for (; count > 0; count--)
		*to++ = row[*kept++];
}

/* One token of the own message, kept columns only, from byte first_byte on. */
static void pick_kept(uint8_t *to, const uint8_t *row, const uint16_t *kept, uint32_t column_bytes,
		      const struct cats_packet_span *span)
{
	if (column_bytes == 1) {
		pick_bytes(to, row, kept + span->first_byte, span->bytes);
		return;
	}
	for (uint32_t i = 0; i < span->bytes; i++) {
		const uint32_t byte = span->first_byte + i;

		to[i] = row[kept[byte / column_bytes] * column_bytes + byte % column_bytes];
	}
}

static void copy_own(uint8_t *to, const struct cats_node *n, const struct cats_shard_site *site,
		     const struct cats_packet_span *span)
{
	const struct cats_shard_sender *own = cats_node_senders(n, site) + n->shard.header->device;
	const uint8_t *row = (const uint8_t *)cats_node_arena(n, site->view + span->first_token * site->stride) +
			     own->first * site->column_bytes;

	if (site->kept_list == 0) {
		cats_copy_rows(to, span->bytes, row + span->first_byte, site->stride, span->bytes, span->count);
		return;
	}
	for (uint32_t i = 0; i < span->count; i++)
		pick_kept(to + i * span->bytes, row + (size_t)i * site->stride, cats_node_shard(n, site->kept_list),
			  site->column_bytes, span);
}

int cats_node_packet(const struct cats_node *n, uint16_t number, uint8_t *packet)
{
	const struct cats_shard_site *site = n->shard.sites + n->gather.site;
	const struct cats_packet_header header = {
		.plan = (uint32_t)n->shard.header->plan_id,
		.inference = n->inference,
		.site = n->gather.site,
		.packet = number,
		.sender = (uint8_t)n->shard.header->device,
		.version = CATS_PACKET_VERSION,
	};
	struct cats_message message;
	struct cats_packet_span span;

	if (!n->gather.open)
		return CATS_REFUSED_CALL_NO_GATHER;
	if (number >= n->gather.own)
		return CATS_REFUSED_PACKET_NUMBER;
	if (number >= n->gather.ready)
		return CATS_REFUSED_PACKET_EARLY;
	message = cats_node_message(n, site, site->kept);
	span = cats_message_span(&message, number);
	memcpy(packet, &header, sizeof(header));
	copy_own(packet + sizeof(header), n, site, &span);
	return (int)(sizeof(header) + span.count * span.bytes);
}

/* The message of which packet `number` of `sender` is here, with its columns; false when it is not. */
static bool find_here(struct cats_message *message, const struct cats_node *n, uint8_t sender, uint16_t number)
{
	const struct cats_shard_site *site = n->shard.sites + n->gather.site;

	if (!n->gather.open || sender >= n->shard.header->devices)
		return false;
	*message =
		cats_node_message(n, site, is_own(n, sender) ? site->kept : cats_node_senders(n, site)[sender].columns);
	if (is_own(n, sender))
		return number < n->gather.ready;
	return number < message->packets &&
	       (cats_node_receipt(n, site, sender)[number / 32U] >> number % 32U & 1U) != 0;
}

bool cats_node_has(const struct cats_node *n, uint8_t sender, uint16_t number)
{
	struct cats_message message;

	return find_here(&message, n, sender, number);
}

uint32_t cats_node_payload(const struct cats_node *n, uint8_t sender, uint16_t number, uint8_t *payload)
{
	const struct cats_shard_site *site = n->shard.sites + n->gather.site;
	const struct cats_shard_sender *from;
	struct cats_message message;
	struct cats_packet_span span;

	if (!find_here(&message, n, sender, number))
		return 0;
	from = cats_node_senders(n, site) + sender;
	span = cats_message_span(&message, number);
	if (is_own(n, sender))
		copy_own(payload, n, site, &span);
	else
		cats_copy_rows(payload, span.bytes,
			       (const uint8_t *)cats_node_arena(n, site->view + span.first_token * site->stride) +
				       from->first * site->column_bytes + span.first_byte,
			       site->stride, span.bytes, span.count);
	return span.count * span.bytes;
}

uint32_t cats_node_next_packet(struct cats_node *n, uint8_t *packet)
{
	int length;

	if (!n->gather.open || n->gather.next >= n->gather.ready)
		return 0;
	length = cats_node_packet(n, n->gather.next, packet);
	n->gather.next++;
	return (uint32_t)length;
}

/* Who sent it and for when: everything that does not depend on its length. */
static int check_packet(const struct cats_node *n, const struct cats_packet_header *header)
{
	if (header->version != CATS_PACKET_VERSION)
		return CATS_REFUSED_PACKET_VERSION;
	if (header->plan != (uint32_t)n->shard.header->plan_id)
		return CATS_REFUSED_PACKET_PLAN;
	if (header->inference != n->inference)
		return CATS_REFUSED_PACKET_INFERENCE;
	if (!n->gather.open || header->site != n->gather.site)
		return CATS_REFUSED_PACKET_SITE;
	if (is_own(n, header->sender))
		return CATS_REFUSED_PACKET_OWN;
	if (header->sender >= n->shard.header->devices ||
	    cats_node_senders(n, n->shard.sites + header->site)[header->sender].columns == 0)
		return CATS_REFUSED_PACKET_SENDER;
	return 0;
}

int cats_node_receive(struct cats_node *n, const uint8_t *packet, size_t length)
{
	const uint8_t *payload = packet + sizeof(struct cats_packet_header);
	struct cats_packet_header header;
	const struct cats_shard_site *site;
	const struct cats_shard_sender *sender;
	const struct cats_message *message;
	struct cats_packet_span span;
	uint32_t *receipt;
	int refusal;

	if (length < sizeof(header))
		return CATS_REFUSED_PACKET_SHORT;
	if (length > sizeof(header) + n->shard.header->payload_max)
		return CATS_REFUSED_PACKET_LONG;
	memcpy(&header, packet, sizeof(header));
	refusal = check_packet(n, &header);
	if (refusal != 0)
		return refusal;
	site = n->shard.sites + header.site;
	sender = cats_node_senders(n, site) + header.sender;
	message = message_of(n, site, sender->columns);
	if (header.packet >= message->packets)
		return CATS_REFUSED_PACKET_NUMBER;
	span = cats_message_span(message, header.packet);
	if (length != sizeof(header) + (size_t)span.count * span.bytes)
		return CATS_REFUSED_PACKET_LENGTH;
	receipt = cats_node_receipt(n, site, header.sender) + header.packet / 32U;
	if (*receipt >> header.packet % 32U & 1U)
		return CATS_REFUSED_PACKET_DUPLICATE;
	*receipt |= 1U << header.packet % 32U;
	n->gather.left[header.sender]--;
	n->gather.missing--;
	cats_copy_rows((uint8_t *)cats_node_arena(n, site->view + span.first_token * site->stride) +
			       sender->first * site->column_bytes + span.first_byte,
		       site->stride, payload, span.bytes, span.bytes, span.count);
	return 0;
}

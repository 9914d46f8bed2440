/* SPDX-License-Identifier: MIT */
/* What the gather protocol takes: one node of a plan, whose shard the host has put at SHARD, with all others made up.
 * Frames carry no cipher, which is a peripheral's work. Every eighth packet of the others is lost, so that there is
 * something to repair. Regions are the calls of net/protocol.h by what they were about; "gf256" is the arithmetic. */
#include <string.h>

#include "core/random.h"
#include "net/gf256.h"
#include "net/node.h"
#include "net/protocol_private.h"
#include "ports/m4/host.h"

#define SHARD 0x80000U
#define ARENA_BYTES (64U << 10)
#define ROWS 16U
#define LOST_EVERY 8U
#define COMPUTE_US 2000U
#define VECTOR_BYTES 224U

static struct cats_node node;
static struct cats_net net;
static struct cats_repair_row rows[ROWS];
static uint8_t arena[ARENA_BYTES] __attribute__((aligned(8)));
static uint64_t now_us = 1000, draws;

static bool seal(void *context, uint8_t *sealed, const uint8_t *nonce, uint8_t header, const uint8_t *plain,
		 uint32_t bytes)
{
	(void)context;
	(void)nonce;
	(void)header;
	memcpy(sealed, plain, bytes);
	return true;
}

static bool open(void *context, uint8_t *plain, const uint8_t *nonce, uint8_t header, const uint8_t *sealed,
		 uint32_t bytes)
{
	return seal(context, plain, nonce, header, sealed, bytes);
}

static const struct cats_aead aead = {.seal = seal, .open = open};

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	(void)context;
	out->compute_us = COMPUTE_US;
	return cats_net_site_of_shard(out, &node.shard, number);
}

static void fill(uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)cats_random_u64(1, draws++);
}

static bool init(void)
{
	const struct cats_shard_header *header = (const struct cats_shard_header *)SHARD;
	const struct cats_node_config config = {
		.shard = header,
		.shard_bytes = header->bytes,
		.arena = arena,
		.arena_bytes = sizeof arena,
		.identity = {.device = header->device},
		.kernels = &cats_kernels_m4,
	};
	struct cats_net_config protocol = {
		.self = (uint8_t)header->device,
		.devices = (uint8_t)header->devices,
		.source = (uint8_t)header->source,
		.sites = header->site_count,
		.plan = (uint32_t)header->plan_id,
		.site = site_of,
		.aead = aead,
		.rows = rows,
		.row_count = ROWS,
	};
	uint32_t where;

	if (cats_node_init(&node, &config, &where) < 0)
		return false;
	protocol.store = cats_net_store_of_node(&node);
	return cats_net_init(&net, &protocol);
}

static void receive(const char *what, const struct cats_frame_moment *moment, enum cats_frame_kind kind, uint64_t at_us,
		    const uint8_t *plain, uint32_t bytes)
{
	static uint8_t frame[CATS_FRAME_BYTES_MAX];
	const uint32_t length = cats_frame_seal(frame, &aead, moment, kind, plain, bytes);
	int refusal;

	now_us = at_us + cats_air_frame_us(length - 2U);
	cats_host_begin(what);
	refusal = cats_net_receive(&net, at_us, frame, length);
	cats_host_end(what);
	if (refusal != 0)
		cats_host_exit(2);
}

static void open_inference(void)
{
	const struct cats_frame_moment moment = {
		.epoch = 1, .inference = 1, .sender = net.config.source, .beacon = true};
	uint8_t plain[CATS_NET_BEACON_BYTES] = {[4] = CATS_FRAME_VERSION};

	memcpy(plain, &net.config.plan, 4);
	receive("receive: an opening", &moment, CATS_FRAME_BEACON, now_us, plain, sizeof plain);
}

static void send_data(const struct cats_net_action *a, const struct cats_net_slot *slot)
{
	uint8_t plain[CATS_AEAD_PLAIN_MAX];
	const uint32_t bytes =
		cats_net_packet_bytes(&net.layout, &net.desc, (uint32_t)net.layout.first[slot->owner] + slot->index);

	fill(plain, CATS_NET_DATA_BYTES + bytes);
	plain[0] = (uint8_t)net.site;
	plain[1] = (uint8_t)slot->index;
	plain[2] = CATS_NET_UNDECIDED;
	plain[3] = 1;
	receive("receive: a packet", &a->expected[0], CATS_FRAME_DATA, a->expected_us[0], plain,
		CATS_NET_DATA_BYTES + bytes);
}

/* A combination of all packets of the generation. */
static void send_coded(const struct cats_net_action *a, const struct cats_net_slot *slot)
{
	uint8_t plain[CATS_AEAD_PLAIN_MAX];
	const uint32_t g = slot->index % net.layout.generations, size = cats_repair_size(&net.layout, g);
	const uint32_t bits = cats_net_bits_bytes(&net);

	fill(plain, CATS_NET_CODED_BYTES + bits + net.layout.payload);
	plain[0] = (uint8_t)net.site;
	plain[1] = net.block;
	plain[2] = (uint8_t)slot->index;
	plain[3] = net.repairs;
	plain[4] = (uint8_t)g;
	for (uint32_t i = 0; i < 8U * bits; i++)
		plain[CATS_NET_CODED_BYTES + i / 8U] =
			(uint8_t)((plain[CATS_NET_CODED_BYTES + i / 8U] & ~(1U << i % 8U)) | (i < size ? 1U : 0U)
												     << i % 8U);
	receive(cats_repair_has_all(&net.repair) ? "receive: a combination, nothing lacking" : "receive: a combination",
		&a->expected[0], CATS_FRAME_CODED, a->expected_us[0], plain,
		CATS_NET_CODED_BYTES + bits + net.layout.payload);
}

/* Says that its sender has everything, and that someone lacks two packets of each generation. */
static uint32_t put_status(uint8_t *plain, const struct cats_net_slot *slot)
{
	const uint32_t set = cats_net_set_bytes(&net);
	const uint64_t sender = cats_net_bit(slot->owner);

	memset(plain, 0, cats_net_status_bytes(&net));
	plain[0] = (uint8_t)net.site;
	plain[1] = (uint8_t)(net.block | (net.part == CATS_NET_DECIDE ? CATS_NET_DECISION_BIT : 0U));
	plain[2] = net.block > 0 ? CATS_NET_UNDECIDED : 3;
	memcpy(plain + CATS_NET_STATUS_BYTES, &sender, set);
	memcpy(plain + CATS_NET_STATUS_BYTES + set, &sender, set);
	for (uint32_t g = 0; g < net.layout.generations; g++)
		plain[CATS_NET_STATUS_BYTES + 3U * set + g] = 2;
	return cats_net_status_bytes(&net);
}

static void send_status(const struct cats_net_action *a, const struct cats_net_slot *slot)
{
	uint8_t plain[CATS_AEAD_PLAIN_MAX];
	uint32_t bytes = 0;

	if (a->expected[0].beacon) {
		memcpy(plain, &net.config.plan, 4);
		plain[4] = CATS_FRAME_VERSION;
		plain[5] = CATS_NET_BEACON_STATUS;
		bytes = CATS_NET_BEACON_BYTES;
	}
	bytes += put_status(plain + bytes, slot);
	receive("receive: a status", &a->expected[0], a->expected[0].beacon ? CATS_FRAME_BEACON : CATS_FRAME_STATUS,
		a->expected_us[0], plain, bytes);
}

/* The frame that the schedule has next, from whoever is to send it. */
static void send_expected(const struct cats_net_action *a)
{
	static uint32_t packets;
	const uint32_t at_us = (uint32_t)(a->expected_us[0] - net.base_us);
	const struct cats_net_slot slot = cats_net_find_slot(&net, at_us);

	if (net.part == CATS_NET_SLOTS && packets++ % LOST_EVERY == LOST_EVERY - 1U)
		now_us = a->expected_us[0] + 100U;
	else if (net.part == CATS_NET_SLOTS)
		send_data(a, &slot);
	else if (net.part == CATS_NET_REPAIR)
		send_coded(a, &slot);
	else
		send_status(a, &slot);
}

static void compute(void)
{
	int state = CATS_NODE_WORKING;

	while (state == CATS_NODE_WORKING)
		state = cats_node_step(&node, UINT32_MAX);
	if (state < 0)
		cats_host_exit(3);
	if (state != CATS_NODE_GATHER)
		return;
	cats_host_begin("a gather is ready");
	cats_net_ready(&net, cats_node_open_site(&node), CATS_NET_ALL_OWN);
	cats_host_end("a gather is ready");
}

/* What the next call of cats_net_next is about to do, as far as the schedule tells. */
static const char *about(void)
{
	static const char *const builds[] = {"next: a packet is sent", "next: a combination is sent",
					     "next: a status is sent", "next: a decision is sent"};
	const int64_t from_us = cats_net_time(&net, now_us) + net.config.lead_us;
	struct cats_net_slot slot;

	if (net.phase != CATS_NET_PHASE_GATHER || net.pending || from_us < 0)
		return "next: listen";
	if ((int64_t)cats_net_wake_us(&net) <= from_us + (int64_t)CATS_NET_SLACK_US)
		return net.part == CATS_NET_DECIDE ? "next: a block or a gather ends" : "next: a part ends";
	slot = cats_net_find_own_slot(&net, (uint32_t)from_us);
	if (slot.at_us != CATS_NET_NEVER && (int64_t)slot.at_us <= from_us + (int64_t)CATS_NET_SLACK_US)
		return builds[net.part];
	return "next: listen";
}

/* False when the inference is over. */
static bool act(void)
{
	struct cats_net_action a;
	const char *what = about();

	cats_host_begin(what);
	cats_net_next(&a, &net, now_us);
	cats_host_end(what);
	switch (a.kind) {
	case CATS_NET_EPOCH:
		cats_net_epoch_stored(&net, a.epoch);
		break;
	case CATS_NET_OPENED:
		cats_node_start(&node, (uint16_t)a.inference);
		compute();
		break;
	case CATS_NET_ENDED:
		if (cats_node_end_gather(&node) < 0)
			cats_host_exit(4);
		compute();
		break;
	case CATS_NET_TRANSMIT:
		now_us = a.at_us + 1U;
		break;
	case CATS_NET_LISTEN:
		if (a.expects && a.expected_us[0] >= now_us && a.expected_us[0] < a.until_us + CATS_NET_LEAD_US)
			send_expected(&a);
		else
			now_us = a.until_us;
		break;
	case CATS_NET_SLEEP:
		now_us = a.until_us;
		break;
	case CATS_NET_CLOSED:
		return false;
	}
	return true;
}

static void arithmetic(void)
{
	static uint8_t x[VECTOR_BYTES + 1U] CATS_REPAIR_WORDS, y[VECTOR_BYTES] CATS_REPAIR_WORDS;

	fill(x, sizeof x);
	cats_host_begin("gf256: y += c x, 224 bytes");
	cats_gf256_add_scaled(y, x, 0x53, VECTOR_BYTES);
	cats_host_end("gf256: y += c x, 224 bytes");
	cats_host_begin("gf256: y += x, 224 bytes");
	cats_gf256_add_scaled(y, x, 1, VECTOR_BYTES);
	cats_host_end("gf256: y += x, 224 bytes");
	cats_host_begin("gf256: y += x, 224 bytes, x unaligned");
	cats_gf256_add_scaled(y, x + 1, 1, VECTOR_BYTES);
	cats_host_end("gf256: y += x, 224 bytes, x unaligned");
	cats_host_begin("gf256: y *= c, 224 bytes");
	cats_gf256_scale(y, 0x53, VECTOR_BYTES);
	cats_host_end("gf256: y *= c, 224 bytes");
}

int main(void)
{
	arithmetic();
	if (!init())
		return 1;
	open_inference();
	while (act())
		;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What a node refuses, each by its name: shards that are damaged or another's, arenas, packets, calls out of turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/partition.h"
#include "core/random.h"
#include "tests/cmocka.h"
#include "tests/sim/fixture.h"

static uint64_t seed;

/* Two nodes of the plan of a class-token model, and their memory. */
struct pair {
	struct fixture fixture;
	struct cats_shards shards;
	struct cats_node nodes[2];
	void *arenas[2];
};

static struct cats_node_config config_of(const struct pair *p, uint32_t j)
{
	const struct cats_shard_header *h = cats_shards_header(&p->shards, j);

	return (struct cats_node_config){
		.shard = p->shards.bytes[j],
		.shard_bytes = p->shards.sizes[j],
		.arena = p->arenas[j],
		.arena_bytes = h->arena_bytes,
		.identity = {.device = (uint16_t)j, .model_id = h->model_id, .plan_id = h->plan_id},
	};
}

static void open_pair(struct pair *p)
{
	const struct fixture_case *of = fixture_cases + 2;

	fixture_open(&p->fixture, of, seed);
	fixture_shards(&p->shards, &p->fixture, of->config.devices, CATS_TARGET_NRF52840);
	for (uint32_t j = 0; j < 2; j++) {
		p->arenas[j] = aligned_alloc(8, cats_shards_header(&p->shards, j)->arena_bytes + 8U);
		assert_non_null(p->arenas[j]);
		const struct cats_node_config config = config_of(p, j);

		assert_int_equal(cats_node_init(&p->nodes[j], &config, NULL), 0);
	}
}

static void close_pair(struct pair *p)
{
	free(p->arenas[0]);
	free(p->arenas[1]);
	cats_shards_free(&p->shards);
	fixture_close(&p->fixture);
}

static void expect_init(struct cats_node_config config, int refusal)
{
	struct cats_node node;
	uint32_t where;

	assert_string_equal(cats_refusal_name(cats_node_init(&node, &config, &where)), cats_refusal_name(refusal));
}

static void arenas(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	struct cats_node_config config = config_of(&p, 0);

	config.arena_bytes--;
	expect_init(config, CATS_REFUSED_ARENA_SMALL);
	config.arena_bytes++;
	config.arena = (uint8_t *)config.arena + 4;
	expect_init(config, CATS_REFUSED_ARENA_MISALIGNED);
	config.arena = NULL;
	expect_init(config, CATS_REFUSED_ARENA_SMALL);
	close_pair(&p);
}

static void identities(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	struct cats_node_config config = config_of(&p, 0);

	config.identity.device = 1;
	expect_init(config, CATS_REFUSED_SHARD_DEVICE);
	config = config_of(&p, 0);
	config.identity.model_id++;
	expect_init(config, CATS_REFUSED_SHARD_MODEL);
	config = config_of(&p, 0);
	config.identity.plan_id++;
	expect_init(config, CATS_REFUSED_SHARD_PLAN);
	config = config_of(&p, 0);
	config.kernels = &cats_kernels_plain;
	expect_init(config, CATS_REFUSED_SHARD_TARGET);
	close_pair(&p);
}

/* A header field of a copy is changed, and its checksum put right. */
static void expect_header(const struct pair *p, size_t offset, uint16_t value, int refusal)
{
	struct cats_node_config config = config_of(p, 0);
	uint8_t *copy = malloc(config.shard_bytes);
	uint32_t crc;

	assert_non_null(copy);
	memcpy(copy, config.shard, config.shard_bytes);
	memcpy(copy + offset, &value, sizeof value);
	crc = cats_shard_checksum(copy, config.shard_bytes);
	memcpy(copy + offsetof(struct cats_shard_header, crc32), &crc, sizeof crc);
	config.shard = copy;
	expect_init(config, refusal);
	free(copy);
}

static void headers(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	const uint16_t odd_offset = (uint16_t)(cats_shards_header(&p.shards, 0)->ops + 2U);
	struct cats_node_config config = config_of(&p, 0);

	expect_header(&p, offsetof(struct cats_shard_header, magic), 1, CATS_REFUSED_SHARD_MAGIC);
	expect_header(&p, offsetof(struct cats_shard_header, version), 1, CATS_REFUSED_SHARD_VERSION);
	expect_header(&p, offsetof(struct cats_shard_header, target), 3, CATS_REFUSED_SHARD_TARGET);
	expect_header(&p, offsetof(struct cats_shard_header, devices), 0, CATS_REFUSED_SHARD_HEADER);
	expect_header(&p, offsetof(struct cats_shard_header, devices), 65, CATS_REFUSED_SHARD_HEADER);
	expect_header(&p, offsetof(struct cats_shard_header, source), 64, CATS_REFUSED_SHARD_HEADER);
	expect_header(&p, offsetof(struct cats_shard_header, payload_max), 10, CATS_REFUSED_SHARD_HEADER);
	expect_header(&p, offsetof(struct cats_shard_header, reserved), 1, CATS_REFUSED_SHARD_RESERVED);
	expect_header(&p, offsetof(struct cats_shard_header, ops), odd_offset, CATS_REFUSED_SHARD_OFFSET);
	config.shard = (const uint8_t *)config.shard + 1;
	expect_init(config, CATS_REFUSED_SHARD_MISALIGNED);
	close_pair(&p);
}

/* Times of one site of a copy are changed, and its checksum put right. */
static int open_with_times(const struct pair *p, uint32_t site, uint32_t compute_us, uint32_t deadline_us)
{
	const size_t size = p->shards.sizes[1];
	uint8_t *copy = malloc(size);
	struct cats_shard shard;
	uint32_t where;
	int refusal;

	assert_non_null(copy);
	memcpy(copy, p->shards.bytes[1], size);
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)copy;
	struct cats_shard_site *sites = (struct cats_shard_site *)(void *)(copy + h->sites);

	sites[site].compute_us = compute_us;
	sites[site].deadline_us = deadline_us;
	h->crc32 = cats_shard_checksum(copy, size);
	refusal = cats_shard_open(&shard, copy, size, &where);
	free(copy);
	return refusal;
}

static void times_of_gathers(void **state)
{
	struct pair p;
	uint32_t sum = 0;

	(void)state;
	open_pair(&p);
	const struct cats_shard *shard = &p.nodes[1].shard;
	const uint32_t last = shard->header->site_count - 1U;

	assert_true(cats_shard_is_timed(shard));
	for (uint32_t i = 0; i < last; i++)
		sum += shard->sites[i].compute_us + shard->sites[i].deadline_us;
	assert_int_equal(open_with_times(&p, 0, 1, 1), 0);
	assert_int_equal(open_with_times(&p, 0, 0, 0), CATS_REFUSED_SHARD_TIMES);
	assert_int_equal(open_with_times(&p, last, 0, 0), CATS_REFUSED_SHARD_TIMES);
	assert_int_equal(open_with_times(&p, last, 0, 1), CATS_REFUSED_SHARD_TIMES);
	assert_int_equal(open_with_times(&p, last, 1, 0), CATS_REFUSED_SHARD_TIMES);
	assert_int_equal(open_with_times(&p, last, 1, CATS_SHARD_TIMES_MAX_US - sum - 1U), 0);
	assert_int_equal(open_with_times(&p, last, 1, CATS_SHARD_TIMES_MAX_US - sum), CATS_REFUSED_SHARD_TIMES);
	assert_int_equal(open_with_times(&p, last, UINT32_MAX, UINT32_MAX), CATS_REFUSED_SHARD_TIMES);
	close_pair(&p);
}

/* A copy of node 1's shard that may be changed; its checksum is put right when it is opened. */
struct copy {
	uint8_t *bytes;
	size_t size;
	const struct cats_shard_header *header;
	struct cats_shard_site *sites;
};

static struct copy copy_of(const struct pair *p)
{
	struct copy c = {.size = p->shards.sizes[1]};

	c.bytes = malloc(c.size);
	assert_non_null(c.bytes);
	memcpy(c.bytes, p->shards.bytes[1], c.size);
	c.header = (const struct cats_shard_header *)(const void *)c.bytes;
	c.sites = (struct cats_shard_site *)(void *)(c.bytes + c.header->sites);
	return c;
}

static struct cats_op *find_op(const struct copy *c, int code)
{
	struct cats_op *op = (struct cats_op *)(void *)(c->bytes + c->header->ops);

	while (op->code != code)
		op++;
	return op;
}

static void expect_copy(struct copy *c, int refusal)
{
	const uint32_t crc = cats_shard_checksum(c->bytes, c->size);
	struct cats_shard shard;
	uint32_t where;

	memcpy(c->bytes + offsetof(struct cats_shard_header, crc32), &crc, sizeof crc);
	assert_string_equal(cats_refusal_name(cats_shard_open(&shard, c->bytes, c->size, &where)),
			    cats_refusal_name(refusal));
	free(c->bytes);
}

static void keep_lists(void **state)
{
	struct pair p;
	uint16_t *kept;

	(void)state;
	open_pair(&p);
	for (int change = -1; change <= 1; change++) {
		struct copy c = copy_of(&p);
		uint32_t site = 0;

		while (c.sites[site].kept < 2 || c.sites[site].kept_list == 0)
			site++;
		kept = (uint16_t *)(void *)(c.bytes + c.sites[site].kept_list);
		if (change == 0)
			kept[1] = kept[0];
		else if (change > 0)
			kept[c.sites[site].kept - 1U] = UINT16_MAX;
		expect_copy(&c, change < 0 ? 0 : CATS_REFUSED_SHARD_KEPT);
	}
	close_pair(&p);
}

/* What an op makes lies where its scratch is: two ranges next to each other in the list of them. */
static void overlaps(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	struct copy c = copy_of(&p);
	struct cats_op *op = find_op(&c, CATS_OP_EMBED);

	op->embed.residual = op->embed.scratch;
	expect_copy(&c, CATS_REFUSED_SHARD_OP_OVERLAP);
	close_pair(&p);
}

/* A row of the input has padding: no window reaches into it. */
static void windows(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p);
	struct copy c = copy_of(&p);
	struct cats_op *op = find_op(&c, CATS_OP_EMBED);

	assert_int_equal(op->embed.window_rows, 1);
	assert_int_equal(op->embed.window_columns, c.sites[0].columns);
	assert_true(c.sites[0].stride > c.sites[0].columns);
	op->embed.window_columns++;
	op->embed.columns++;
	expect_copy(&c, CATS_REFUSED_SHARD_OP_FIELD);
	close_pair(&p);
}

static void every_truncation_and_flip(void **state)
{
	struct pair p;
	struct cats_shard shard;
	uint32_t where;

	(void)state;
	open_pair(&p);
	uint8_t *bytes = p.shards.bytes[1];
	const size_t size = p.shards.sizes[1];

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(cats_shard_open(&shard, bytes, cut, &where), CATS_REFUSED_SHARD_SHORT);
	uint8_t *longer = calloc(1, size + 4);

	assert_non_null(longer);
	memcpy(longer, bytes, size);
	assert_int_equal(cats_shard_open(&shard, longer, size + 4, &where), CATS_REFUSED_SHARD_LONG);
	free(longer);
	/* Every bit of what says where things are, and of each other byte one. */
	for (size_t byte = 0; byte < size; byte++)
		for (uint32_t bit = 0; bit < 8; bit += byte < 400 ? 1 : 8) {
			bytes[byte] ^= (uint8_t)(1U << bit);
			assert_true(cats_shard_open(&shard, bytes, size, &where) < 0);
			bytes[byte] ^= (uint8_t)(1U << bit);
		}
	assert_int_equal(cats_shard_open(&shard, bytes, size, &where), 0);
	close_pair(&p);
}

/* Runs a node through, hearing nobody. */
static void run_through(struct cats_node *node, const struct fixture *f)
{
	int state = CATS_NODE_WORKING;

	cats_node_start(node, 1);
	if (node->shard.header->device == node->shard.header->source &&
	    cats_node_input(node, f->input, f->input_count) != 0)
		return;
	for (uint32_t steps = 0; steps < 2000 && (state == CATS_NODE_WORKING || state == CATS_NODE_GATHER); steps++) {
		state = cats_node_step(node, 1000000);
		if (state == CATS_NODE_GATHER)
			assert_int_equal(cats_node_end_gather(node), 0);
	}
}

/* A flipped bit under a right checksum: refused, or it runs within its memory (the sanitizers watch). */
static void flips_with_a_right_checksum(void **state)
{
	struct pair p;
	uint32_t refused = 0;

	(void)state;
	open_pair(&p);
	uint8_t *bytes = p.shards.bytes[1];
	const size_t size = p.shards.sizes[1];
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)bytes;

	for (uint32_t i = 0; i < 600; i++) {
		struct cats_node node;
		const struct cats_node_config config = config_of(&p, 1);
		/* Half of the flips hit header, sites and ops. */
		const uint32_t ops_at = h->ops,
			       reach = i % 2 ? (uint32_t)size : (uint32_t)size - ops_at + 96U + 32U * h->site_count;
		const uint32_t draw = cats_random_below(cats_random_key(seed, 600), i, reach);
		const uint32_t at = i % 2 == 0 && draw >= 96U + 32U * h->site_count
					    ? draw - 96U - 32U * h->site_count + ops_at
					    : draw;
		const uint8_t flip = (uint8_t)(1U << i % 8);
		const uint32_t crc = h->crc32;

		bytes[at] ^= flip;
		h->crc32 = cats_shard_checksum(bytes, size);
		if (cats_node_init(&node, &config, NULL) < 0)
			refused++;
		else
			run_through(&node, &p.fixture);
		bytes[at] ^= flip;
		h->crc32 = crc;
	}
	assert_true(refused > 100);
	close_pair(&p);
}

static void expect_receive(struct cats_node *node, const uint8_t *packet, size_t length, int refusal)
{
	assert_string_equal(cats_refusal_name(cats_node_receive(node, packet, length)), cats_refusal_name(refusal));
}

/* A copy of the packet with one header field changed. */
static void expect_changed(struct cats_node *node, const uint8_t *packet, uint32_t length, size_t offset, int value,
			   int refusal)
{
	uint8_t copy[CATS_PACKET_BYTES_MAX];

	memcpy(copy, packet, length);
	copy[offset] = (uint8_t)(copy[offset] + value);
	expect_receive(node, copy, length, refusal);
}

/* The first number that no packet of the message has: without a payload, and with that of any other. */
static void expect_no_packet(struct cats_node *to, struct cats_node *from)
{
	uint8_t packet[CATS_PACKET_BYTES_MAX];
	uint16_t count = 0;

	while (cats_node_packet(from, count, packet) > 0)
		count++;
	assert_int_equal(cats_node_packet(from, count, packet), CATS_REFUSED_PACKET_NUMBER);
	const uint32_t length = (uint32_t)cats_node_packet(from, 0, packet);

	memcpy(packet + offsetof(struct cats_packet_header, packet), &count, sizeof count);
	expect_receive(to, packet, CATS_PACKET_HEADER_BYTES, CATS_REFUSED_PACKET_NUMBER);
	expect_receive(to, packet, length, CATS_REFUSED_PACKET_NUMBER);
}

static void packets(void **state)
{
	uint8_t packet[CATS_PACKET_BYTES_MAX + 1] = {0};
	struct pair p;

	(void)state;
	open_pair(&p);
	struct cats_node *from = &p.nodes[0], *to = &p.nodes[1];

	expect_receive(to, packet, 12, CATS_REFUSED_PACKET_VERSION);
	cats_node_start(from, 5);
	cats_node_start(to, 5);
	assert_int_equal(cats_node_input(from, p.fixture.input, p.fixture.input_count), 0);
	assert_int_equal(cats_node_step(from, UINT32_MAX), CATS_NODE_GATHER);
	assert_int_equal(cats_node_step(to, UINT32_MAX), CATS_NODE_GATHER);
	const uint32_t length = cats_node_next_packet(from, packet);

	assert_true(length > CATS_PACKET_HEADER_BYTES);
	for (uint32_t cut = 0; cut < CATS_PACKET_HEADER_BYTES; cut++)
		expect_receive(to, packet, cut, CATS_REFUSED_PACKET_SHORT);
	expect_receive(to, packet, CATS_PACKET_BYTES_MAX + 1, CATS_REFUSED_PACKET_LONG);
	for (uint32_t cut = CATS_PACKET_HEADER_BYTES; cut < length; cut++)
		expect_receive(to, packet, cut, CATS_REFUSED_PACKET_LENGTH);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, version), 1,
		       CATS_REFUSED_PACKET_VERSION);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, plan), 1, CATS_REFUSED_PACKET_PLAN);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, inference), 1,
		       CATS_REFUSED_PACKET_INFERENCE);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, site), 1, CATS_REFUSED_PACKET_SITE);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, sender), 2, CATS_REFUSED_PACKET_SENDER);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, sender), 70, CATS_REFUSED_PACKET_SENDER);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, sender), 1, CATS_REFUSED_PACKET_OWN);
	expect_changed(to, packet, length, offsetof(struct cats_packet_header, packet), 100,
		       CATS_REFUSED_PACKET_NUMBER);
	expect_no_packet(to, from);
	expect_receive(to, packet, length, 0);
	expect_receive(to, packet, length, CATS_REFUSED_PACKET_DUPLICATE);
	assert_int_equal(cats_node_end_gather(to), 0);
	expect_receive(to, packet, length, CATS_REFUSED_PACKET_SITE);
	close_pair(&p);
}

static void calls(void **state)
{
	struct pair p;
	int32_t value;

	(void)state;
	open_pair(&p);
	struct cats_node *source = &p.nodes[0], *other = &p.nodes[1];

	assert_int_equal(cats_node_step(other, 1), CATS_REFUSED_CALL_IDLE);
	assert_int_equal(cats_node_end_gather(other), CATS_REFUSED_CALL_NO_GATHER);
	assert_int_equal(cats_node_input(source, p.fixture.input, p.fixture.input_count), CATS_REFUSED_CALL_IDLE);
	cats_node_start(source, 1);
	cats_node_start(other, 1);
	assert_int_equal(cats_node_step(source, 1), CATS_REFUSED_CALL_NO_INPUT);
	assert_int_equal(cats_node_input(other, p.fixture.input, p.fixture.input_count), CATS_REFUSED_CALL_NOT_SOURCE);
	assert_int_equal(cats_node_input(source, p.fixture.input, p.fixture.input_count - 1),
			 CATS_REFUSED_CALL_INPUT_SIZE);
	assert_int_equal(cats_node_input_bytes(source, (const uint8_t *)p.fixture.input, p.fixture.input_count),
			 CATS_REFUSED_CALL_NO_TABLE);
	assert_int_equal(cats_node_result(&value, source, 0, 0), CATS_REFUSED_CALL_NOT_DONE);
	run_through(other, &p.fixture);
	assert_int_equal(cats_node_result(&value, other, 0, 0), CATS_REFUSED_CALL_NO_RESULT);
	close_pair(&p);
}

/* A program that ends before the result's gather, which no plan has: what another site lost is not read as the result's
 * loss, whose receipts are elsewhere and of another size. */
static void result_without_its_gather(void **state)
{
	struct pair p;
	struct cats_node node;
	int32_t value;

	(void)state;
	open_pair(&p);
	struct cats_shard_header *h = (struct cats_shard_header *)(void *)p.shards.bytes[0];
	struct cats_op *op = (struct cats_op *)(void *)(p.shards.bytes[0] + h->ops);
	const uint32_t last = h->site_count - 1U, other = 1;
	const struct cats_node_config config = config_of(&p, 0);

	while (op->code != CATS_OP_GATHER || op->site != last - 1U)
		op++;
	op[1] = (struct cats_op){.code = CATS_OP_END, .site = CATS_NO_SITE};
	h->op_count = (uint16_t)(op + 2 - (struct cats_op *)(void *)(p.shards.bytes[0] + h->ops));
	h->crc32 = cats_shard_checksum(p.shards.bytes[0], p.shards.sizes[0]);
	assert_int_equal(cats_node_init(&node, &config, NULL), 0);
	memset(config.arena, 0, config.arena_bytes);
	run_through(&node, &p.fixture);
	assert_int_equal(node.losses.site, last - 1U);
	assert_true((node.losses.senders >> other & 1U) != 0);
	assert_int_equal(cats_node_result(&value, &node, 0, cats_partition_run(h->outputs, h->devices, other).first),
			 1);
	close_pair(&p);
}

int main(void)
{
	const char *text = getenv("CATS_TEST_SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arenas),     cmocka_unit_test(identities),
		cmocka_unit_test(headers),    cmocka_unit_test(times_of_gathers),
		cmocka_unit_test(keep_lists), cmocka_unit_test(overlaps),
		cmocka_unit_test(windows),    cmocka_unit_test(every_truncation_and_flip),
		cmocka_unit_test(packets),    cmocka_unit_test(flips_with_a_right_checksum),
		cmocka_unit_test(calls),      cmocka_unit_test(result_without_its_gather),
	};

	seed = text != NULL ? strtoull(text, NULL, 0) : 1;
	print_message("seed %llu (CATS_TEST_SEED)\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

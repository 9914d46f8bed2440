/* SPDX-License-Identifier: MIT */
/* Chips that do not belong together: two with one number, one with another key, another plan's shard, another model's,
 * another version's. The others go on; whoever notices says what it is; nobody hangs, and nothing wrong is computed
 * with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cmocka.h"
#include "tests/emulator/network_fixture.h"

#define NODES 4U
#define MS NETWORK_MS

static struct cats_elf image, other_version;
static struct network net;
static char truth[256]; /* what a network in which all is well says of the input */

static void load_image(struct cats_elf *elf, const char *path)
{
	struct cats_error error = {0};

	if (cats_elf_load(elf, path, &error) < 0)
		fail_msg("%s", error.text);
}

static void await_joining(uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		if (network_await(&net, i, "node: plan", 1000 * MS) == NULL)
			fail_msg("chip %u did not join:\n%s", i, net.log[i]);
}

/* So many inferences, with pauses for the log; each ends. */
static void infer(uint32_t count, char result[256])
{
	for (uint32_t i = 0; i < count; i++) {
		const char *line = network_infer(&net);

		if (line == NULL)
			fail_msg("no result; chip 0 had said:\n%s", net.log[0] + net.seen[0]);
		else
			snprintf(result, 256, "%s", line);
		network_run(&net, 200 * MS);
	}
}

/* Nobody was reset or has waited since it joined. */
static void nobody_fell(void)
{
	for (uint32_t i = 0; i < net.count; i++)
		assert_false(network_says(&net, i, "boot: "));
}

static void the_true_result(void **state)
{
	(void)state;
	network_open(&net, &image, NODES, NODES);
	network_flash_all(&net);
	await_joining(0, NODES);
	infer(3, truth);
	assert_true(network_is_whole(truth));
	for (uint32_t i = 0; i < NODES; i++) {
		assert_false(network_says(&net, i, "another"));
		assert_true(net.frames[i] > 0);
	}
	network_close(&net);
}

/* Outputs that are there and are not what they should be; all of them in *count. */
static uint32_t wrong_outputs(uint32_t *there, const char *result)
{
	const char *a = strstr(result, "outputs"), *b = strstr(truth, "outputs");
	uint32_t wrong = 0;

	*there = 0;
	assert_non_null(a);
	assert_non_null(b);
	for (;;) {
		a = strchr(a, ' ');
		b = strchr(b, ' ');
		if (a == NULL || b == NULL)
			break;
		a++, b++;
		if (*a == '-' && (a[1] == ' ' || a[1] == '\0' || a[1] == '\r'))
			continue;
		*there += 1U;
		wrong += strtol(a, NULL, 10) != strtol(b, NULL, 10);
	}
	assert_true(a == NULL && b == NULL);
	return wrong;
}

static void outputs_are_compared(void **state)
{
	char changed[256];
	uint32_t there;

	(void)state;
	assert_int_equal(wrong_outputs(&there, truth), 0);
	assert_int_equal(there, 5);
	snprintf(changed, sizeof changed, "share 1/2 outputs 0 0 0 0 0");
	assert_true(wrong_outputs(&there, changed) > 3);
	snprintf(changed, sizeof changed, "share 1/2 outputs - - 0 - -");
	assert_int_equal(wrong_outputs(&there, changed), 1);
	assert_int_equal(there, 1);
}

/* The twin of node 1 is chip 4. Both compute the same, and send it at the same time. */
static void two_nodes_with_one_number(void **state)
{
	char result[256];
	uint32_t there;

	(void)state;
	network_open(&net, &image, NODES + 1U, NODES);
	for (uint32_t i = 0; i <= NODES; i++) {
		const struct network_node node = network_node(&net, i < NODES ? i : 1);

		network_flash(&net, i, &node);
	}
	await_joining(0, NODES + 1U);
	infer(6, result);
	assert_int_equal(wrong_outputs(&there, result), 0);
	assert_true(there > 2);
	assert_true(network_says(&net, 1, " 1: another node has this node's number: frames"));
	assert_true(network_says(&net, 4, " 1: another node has this node's number: frames"));
	for (uint32_t i = 0; i < NODES; i++)
		assert_true(i == 1 || !network_says(&net, i, "another"));
	nobody_fell();
	network_close(&net);
}

/* A second source, which nobody gives an input. */
static void two_sources(void **state)
{
	char result[256];

	(void)state;
	network_open(&net, &image, NODES + 1U, NODES);
	for (uint32_t i = 0; i <= NODES; i++) {
		const struct network_node node = network_node(&net, i % NODES);

		network_flash(&net, i, &node);
	}
	await_joining(0, NODES + 1U);
	infer(3, result);
	assert_string_equal(result, truth);
	assert_true(network_says(&net, 4, " 0: another node has this node's number: frames"));
	assert_int_equal(net.frames[4], 0);
	nobody_fell();
	network_close(&net);
}

/* Chip `odd` is not one of the others': it says `text` and sends nothing; they say nothing of it, but lack its part. If
 * it is the source, it is alone. */
static void one_is_odd(uint32_t odd, const struct network_node *as, const char *text)
{
	char result[256];

	for (uint32_t i = 0; i < NODES; i++) {
		const struct network_node node = i == odd ? *as : network_node(&net, i);

		network_flash(&net, i, &node);
	}
	await_joining(0, NODES);
	infer(3, result);
	assert_false(network_is_whole(result));
	for (uint32_t i = 0; i < NODES; i++) {
		const bool alone = odd == 0 || i == odd;

		assert_int_equal(network_says(&net, i, text), alone && i != 0);
		assert_int_equal(net.frames[i] == 0, alone && i != 0);
		assert_false(network_says(&net, i, "another node has"));
	}
	nobody_fell();
}

static const char *const another_key = "frames whose tag is wrong (another key, or noise): ";
static const char *const another_plan = "frames of another plan or version: ";

static void a_node_with_another_key(void **state)
{
	(void)state;
	for (uint32_t odd = 0; odd < NODES; odd += NODES - 1U) {
		struct network_node node;

		network_open(&net, &image, NODES, NODES);
		node = network_node(&net, odd);
		node.key ^= 1U;
		one_is_odd(odd, &node, another_key);
		network_close(&net);
	}
}

/* Also of another model: a plan's number is drawn for each. */
static void a_node_of_another_plan(void **state)
{
	(void)state;
	for (uint32_t odd = 0; odd < NODES; odd += NODES - 1U) {
		struct network_node node;
		uint8_t *shard;

		network_open(&net, &image, NODES, NODES);
		node = network_node(&net, odd);
		shard = malloc(node.shard_bytes);
		assert_non_null(shard);
		memcpy(shard, node.shard, node.shard_bytes);
		((struct cats_shard_header *)(void *)shard)->plan_id ^= 1U;
		((struct cats_shard_header *)(void *)shard)->crc32 = cats_shard_checksum(shard, node.shard_bytes);
		node.shard = shard;
		one_is_odd(odd, &node, another_plan);
		free(shard);
		network_close(&net);
	}
}

static void a_node_of_another_version(void **state)
{
	(void)state;
	for (uint32_t odd = 0; odd < NODES; odd += NODES - 1U) {
		struct network_node node;

		network_open_mixed(&net, &image, NODES, NODES, odd, &other_version);
		node = network_node(&net, odd);
		one_is_odd(odd, &node, another_plan);
		network_close(&net);
	}
}

static int load(void **state)
{
	(void)state;
	load_image(&image, IMAGES "/firmware.elf");
	load_image(&other_version, IMAGES "/other_version.elf");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	cats_elf_free(&other_version);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_true_result),           cmocka_unit_test(outputs_are_compared),
		cmocka_unit_test(two_nodes_with_one_number), cmocka_unit_test(two_sources),
		cmocka_unit_test(a_node_with_another_key),   cmocka_unit_test(a_node_of_another_plan),
		cmocka_unit_test(a_node_of_another_version),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

/* SPDX-License-Identifier: MIT */
/* Several chips that run firmware.elf and hear each other, each flashed as a test wants it, and what they say. */
#ifndef CATS_TESTS_EMULATOR_NETWORK_FIXTURE_H
#define CATS_TESTS_EMULATOR_NETWORK_FIXTURE_H

#include "emulator/chips.h"
#include "tests/sim/fixture.h"

#define NETWORK_CHIPS 5U
#define NETWORK_MS (1000 * CATS_TIME_US)

struct network {
	struct cats_chips *chips;
	struct cats_topology topology;
	const struct cats_elf *images[NETWORK_CHIPS];
	uint32_t count; /* chips */
	/* A small model on as many devices as was asked for; device 0 is source and sink. */
	struct fixture model;
	struct cats_shards shards;
	char log[NETWORK_CHIPS][1U << 16];                /* all that a chip said, ending with a 0 */
	size_t bytes[NETWORK_CHIPS], seen[NETWORK_CHIPS]; /* what network_await has passed */
	uint64_t frames[NETWORK_CHIPS];
};

/* What a chip is flashed with. */
struct network_node {
	uint16_t number;
	uint8_t key; /* its first byte; the others are 0 */
	const uint8_t *shard;
	size_t shard_bytes;
};

/* Chips with the firmware alone, and a plan for `devices`. `elf` outlives it. */
void network_open(struct network *n, struct cats_elf *elf, uint32_t chips, uint32_t devices);
/* The same, but one chip has another program. */
void network_open_mixed(struct network *n, struct cats_elf *elf, uint32_t chips, uint32_t devices, uint32_t other,
			struct cats_elf *other_elf);
void network_close(struct network *n);

/* Node `number` as it should be. */
struct network_node network_node(const struct network *n, uint32_t number);
void network_flash(struct network *n, uint32_t chip, const struct network_node *node);
/* All chips, each as the node of its number. */
void network_flash_all(struct network *n);

void network_run(struct network *n, cats_time duration);
/* The chip says a line with `text` within so long: the rest of the line, or NULL. Those before it are passed. */
const char *network_await(struct network *n, uint32_t chip, const char *text, cats_time patience);
/* Whether the chip has said so since then. */
bool network_says(const struct network *n, uint32_t chip, const char *text);

/* Sends chip 0 an input over its serial line. */
void network_feed(struct network *n);
/* Feeds, and awaits chip 0's result, from "share" on; NULL: there was none within a second. */
const char *network_infer(struct network *n);
/* Whether a result says that everything arrived. */
bool network_is_whole(const char *result);

#endif

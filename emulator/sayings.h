/* SPDX-License-Identifier: MIT */
/* What the firmware's lines say, behind the words that they begin with (ports/nrf52840/node.c writes them). Every byte
 * is checked. Host only. */
#ifndef CATS_EMULATOR_SAYINGS_H
#define CATS_EMULATOR_SAYINGS_H

#include <stdbool.h>
#include <stdint.h>

struct cats_said_result {
	uint32_t epoch, inference;
	int32_t class_; /* -1: none */
	uint64_t arrived, expected;
};

/* "result" is followed by " epoch 1 inference 3 class 5 share 17/20 outputs 1 -2 - / 3 4 5": rows apart by strokes, "-"
 * for what did not arrive (0 in `there`), no class where the model does not classify. outputs and there: [rows,
 * columns]. False: it is not of that form. */
bool cats_said_result(struct cats_said_result *out, int32_t *outputs, uint8_t *there, uint32_t rows, uint32_t columns,
		      const char *text);

/* What was left, µs, in the worst case so far, of each thing that must be done by some time; INT32_MAX: it never came
 * up. */
enum cats_slack {
	CATS_SLACK_NEXT_BUFFER,
	CATS_SLACK_BEFORE_SENDING,
	CATS_SLACK_AFTER_SENDING,
	CATS_SLACK_ARMING,
	CATS_SLACK_READY,
	CATS_SLACKS
};
struct cats_said_slack {
	int32_t least_us[CATS_SLACKS];
	uint32_t missed;  /* transmissions armed too late */
	uint32_t unready; /* gathers that began before the node was ready, packets not computed for their slot */
};
extern const char *const cats_slack_names[CATS_SLACKS]; /* as the firmware says */

void cats_slack_clear(struct cats_said_slack *out);
/* The lesser of each, and the sums of what is counted. */
void cats_slack_add(struct cats_said_slack *least, const struct cats_said_slack *other);

/* "least slack, us:" is followed by " next buffer 17 before sending 38 after sending - arming 9 ready -3 missed 0
 * unready 1" and more that does not matter here. */
bool cats_said_slack(struct cats_said_slack *out, const char *text);

/* "lacks at site" is followed by " 3: 5.0 5.2": the site, then senders and their packets. Each moves *text on; false:
 * it is not of that form, or (packets) there is none left, and then *text is at the end. */
bool cats_said_site(uint32_t *site, const char **text);
bool cats_said_packet(uint16_t *sender, uint16_t *packet, const char **text);

#endif

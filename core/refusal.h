/* SPDX-License-Identifier: MIT */
/* Why bytes from outside (a shard, an arena, a packet) or a call are refused: one number and one line each.
 * Freestanding. */
#ifndef CATS_CORE_REFUSAL_H
#define CATS_CORE_REFUSAL_H

/* Negative, and apart from enum cats_status. The list is also the order of the texts. */
#define CATS_REFUSALS(X)                                                                                               \
	X(SHARD_MISALIGNED, "the shard does not start at a multiple of 4")                                             \
	X(SHARD_SHORT, "the shard is shorter than its header says")                                                    \
	X(SHARD_LONG, "the shard is longer than its header says")                                                      \
	X(SHARD_MAGIC, "not a shard: it does not begin with CATS")                                                     \
	X(SHARD_VERSION, "a shard of another format version")                                                          \
	X(SHARD_CHECKSUM, "the shard's checksum does not match its bytes")                                             \
	X(SHARD_TARGET, "the shard's weights are packed for another target")                                           \
	X(SHARD_DEVICE, "the shard belongs to another device")                                                         \
	X(SHARD_MODEL, "the shard belongs to another model")                                                           \
	X(SHARD_PLAN, "the shard belongs to another plan")                                                             \
	X(SHARD_HEADER, "a number in the shard's header is outside its range")                                         \
	X(SHARD_RESERVED, "a field that must be 0 is not")                                                             \
	X(SHARD_OFFSET, "an offset in the shard is not a multiple of 4 inside it, or what it names runs past the end") \
	X(SHARD_ARENA, "an arena range is misaligned or runs past the arena")                                          \
	X(SHARD_EXP_TABLE, "the exp table is not the specified one")                                                   \
	X(SHARD_SITE, "a number in a site is outside its range")                                                       \
	X(SHARD_SENDERS, "a site's sender table does not add up to its view")                                          \
	X(SHARD_KEPT, "a site's kept list is not ascending inside the own columns")                                    \
	X(SHARD_PACKETS, "a site has more packets than packet numbers")                                                \
	X(SHARD_TIMES, "the times of gathers are at some sites only, or too long all together")                        \
	X(SHARD_OP_CODE, "an unknown op, or END elsewhere than at the end")                                            \
	X(SHARD_OP_ORDER, "an op uses a site whose gather is not the latest, or gathers are not ascending")            \
	X(SHARD_OP_OPEN, "an OPEN without the op that fills the own columns and the GATHER behind it")                 \
	X(SHARD_OP_FIELD, "a number in an op is outside its range or not the site's")                                  \
	X(SHARD_OP_SCRATCH, "an op has less scratch than it needs")                                                    \
	X(SHARD_OP_OVERLAP, "what an op writes overlaps what it uses")                                                 \
	X(ARENA_MISALIGNED, "the arena does not start at a multiple of 8")                                             \
	X(ARENA_SMALL, "the arena is smaller than the shard needs")                                                    \
	X(PACKET_SHORT, "the packet is too short")                                                                     \
	X(PACKET_LONG, "the packet is longer than any")                                                                \
	X(PACKET_VERSION, "a packet of another version")                                                               \
	X(PACKET_PLAN, "a packet of another plan")                                                                     \
	X(PACKET_INFERENCE, "a packet of another inference")                                                           \
	X(PACKET_SITE, "a packet for a site that is not open")                                                         \
	X(PACKET_SENDER, "a packet from a sender that has no message here")                                            \
	X(PACKET_OWN, "a packet from this device itself")                                                              \
	X(PACKET_NUMBER, "a packet number that its sender's message does not reach")                                   \
	X(PACKET_EARLY, "an own packet whose values are not computed yet")                                             \
	X(PACKET_LENGTH, "a packet whose length is not that of its number")                                            \
	X(PACKET_DUPLICATE, "a packet that has arrived before")                                                        \
	X(CALL_IDLE, "no inference was started")                                                                       \
	X(CALL_NO_GATHER, "no gather is open")                                                                         \
	X(CALL_COMPUTING, "the gather cannot end before the own columns are there")                                    \
	X(CALL_NOT_SOURCE, "this device is not the source of inputs")                                                  \
	X(CALL_INPUT_SIZE, "the input has another size than the plan's")                                               \
	X(CALL_INPUT_LATE, "the input must come between the start and the first step")                                 \
	X(CALL_NO_INPUT, "the source was stepped without an input")                                                    \
	X(CALL_NO_TABLE, "the shard has no table for bytes: give int8 inputs")                                         \
	X(CALL_NOT_DONE, "the inference is not done")                                                                  \
	X(CALL_NO_RESULT, "this device does not hold that result")

#define CATS_REFUSAL_COUNT(name, text) CATS_REFUSAL_NUMBER_##name,
enum cats_refusal_number { CATS_REFUSALS(CATS_REFUSAL_COUNT) CATS_REFUSAL_NUMBERS };
#undef CATS_REFUSAL_COUNT

#define CATS_REFUSAL_FIRST (-100)
#define CATS_REFUSAL_NAME(name, text) CATS_REFUSED_##name = CATS_REFUSAL_FIRST - CATS_REFUSAL_NUMBER_##name,
enum cats_refusal { CATS_REFUSALS(CATS_REFUSAL_NAME) CATS_REFUSED_NOTHING = 0 };
#undef CATS_REFUSAL_NAME

/* One line without a full stop, for any number: others are "not a refusal". */
const char *cats_refusal_text(int refusal);

/* The name, as SHARD_SHORT. */
const char *cats_refusal_name(int refusal);

#endif

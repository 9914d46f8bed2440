/* SPDX-License-Identifier: MIT */
/* The bytes of a shard and of a packet as structs (docs/SPEC-integer.md, sections 2 and 3), and the arithmetic on them
 * that planner and runtime share. Little-endian targets only: the structs are read in place. Freestanding. */
#ifndef CATS_CORE_SHARD_H
#define CATS_CORE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define CATS_SHARD_MAGIC 0x53544143U /* "CATS" read as a little-endian u32 */
#define CATS_SHARD_VERSION 3U
#define CATS_SINK_ALL 65535U
#define CATS_PACKET_VERSION 1U
#define CATS_PACKET_HEADER_BYTES 12U
#define CATS_PAYLOAD_MAX 240U /* largest and default payload_max */

#define CATS_TOKENS_MAX 512U
#define CATS_DEVICES_MAX 64U
#define CATS_HEAD_WIDTH_MAX 256U
#define CATS_FEATURES_MAX 4096U /* F and d_in */
#define CATS_HIDDEN_MAX 16384U

#define CATS_EXP_ENTRIES 1024U

/* All gathers of an inference, to their deadlines: 35 minutes, so that times within one fit 31 bits. */
#define CATS_SHARD_TIMES_MAX_US 0x7FFFFFFFU

enum cats_target { CATS_TARGET_PLAIN = 1, CATS_TARGET_NRF52840 = 2 };

#define CATS_SHARD_CLASSIFIES 1U /* header.flags */

struct cats_shard_header {
	uint32_t magic;
	uint16_t version;
	uint16_t target; /* enum cats_target */
	uint32_t bytes;
	uint32_t crc32;
	uint64_t model_id;
	uint64_t plan_id;
	uint16_t device;
	uint16_t devices;
	uint16_t source;
	uint16_t sink;
	uint16_t tokens;
	uint16_t layers;
	uint16_t payload_max;
	uint16_t flags;
	uint32_t arena_bytes;
	uint32_t ops; /* offset */
	uint16_t op_count;
	uint16_t site_count;
	uint32_t sites;        /* offset */
	uint32_t exp_table;    /* offset, int16[1024] */
	uint32_t input_table;  /* offset, int8[256], or 0 */
	uint32_t result_scale; /* float32 bits */
	uint32_t outputs;      /* n_out */
	uint64_t macs;         /* of one inference, nothing lost */
	uint32_t sent_bytes;   /* packets with headers, one inference */
	uint32_t reserved;     /* 0 */
};

struct cats_shard_site {
	uint16_t site;
	uint8_t column_bytes; /* 1 or 4 */
	uint8_t reserved0;    /* 0 */
	uint16_t tokens;
	uint16_t columns;   /* of this device's view */
	uint32_t view;      /* arena */
	uint32_t stride;    /* bytes */
	uint32_t senders;   /* offset, struct cats_shard_sender[D] */
	uint32_t kept_list; /* offset, uint16_t[kept], or 0: all own columns */
	uint16_t kept;      /* columns that this device sends */
	uint16_t reserved1; /* 0 */
	uint32_t receipt;   /* arena, uint32_t[D][words] */
	/* The same in all shards of a plan; both 0 at every site where they were not measured (cats_shard_is_timed). */
	uint32_t compute_us;  /* from the gather before, or the beginning, to this one's beginning */
	uint32_t deadline_us; /* from its beginning until everybody goes on */
};

struct cats_shard_sender {
	uint16_t first;   /* column in the view */
	uint16_t columns; /* 0: no message */
};

enum cats_op_code {
	CATS_OP_GATHER = 1,
	CATS_OP_EMBED,
	CATS_OP_QUANTISE,
	CATS_OP_STATS,
	CATS_OP_NORM_PRODUCT,
	CATS_OP_ATTENTION,
	CATS_OP_RESIDUAL_PRODUCT,
	CATS_OP_END,
	CATS_OP_OPEN,
};

enum cats_op_flag {
	CATS_OP_RMS = 1,        /* STATS, NORM_PRODUCT */
	CATS_OP_WIDE_PAIRS = 2, /* NORM_PRODUCT: int32 pairs */
	CATS_OP_ADD_ROWS = 4,   /* NORM_PRODUCT, kind 2 */
	CATS_OP_CAUSAL = 1,     /* ATTENTION */
};

enum cats_output_kind { CATS_OUTPUT_INT8, CATS_OUTPUT_TABLE, CATS_OUTPUT_LOGIT };

#define CATS_NO_SITE 65535U /* op.site of ATTENTION and END */

/* Offsets into the shard and into the arena are told apart by their comment. */
struct cats_op {
	uint8_t code;
	uint8_t flags;
	uint16_t site;
	union {
		uint32_t words[15]; /* words[0] is word 1 of the document */
		struct {
			uint32_t outputs, columns;            /* N, K */
			uint32_t weights, multipliers, pos;   /* shard */
			uint32_t residual;                    /* arena */
			uint16_t window_rows, window_columns; /* elements */
			uint16_t step_rows, step_columns;
			uint32_t across; /* windows side by side */
			uint32_t first_token;
			uint32_t patches;
			uint32_t unused[2];
			uint32_t scratch, scratch_bytes; /* arena */
		} embed;
		struct {
			uint32_t outputs, rows;
			uint32_t residual; /* arena */
			int32_t multiplier;
		} quantise;
		struct {
			uint32_t rows;
			uint32_t epsilon; /* e */
			uint32_t stats;   /* arena, struct cats_stats[rows] */
		} stats;
		struct {
			uint32_t outputs, columns, rows;
			uint32_t weights, multipliers;         /* shard */
			uint32_t weight_sums, biases, pairs;   /* shard: Ws, B, pairs of each sender */
			uint32_t stats, output, output_stride; /* arena, arena, bytes */
			uint8_t kind;                          /* enum cats_output_kind */
			int8_t low, high;
			uint8_t unused;
			uint32_t table;                  /* shard */
			uint32_t scratch, scratch_bytes; /* arena */
		} norm_product;
		struct {
			uint32_t heads, head_width, keys, queries;
			uint32_t q, q_stride, k, v, kv_stride;         /* arena, bytes */
			uint32_t score_multipliers, value_multipliers; /* shard */
			uint32_t output, output_stride;                /* arena, bytes */
			uint32_t scratch, scratch_bytes;               /* arena */
		} attention;
		struct {
			uint32_t outputs, columns, rows;
			uint32_t weights, multipliers, bias; /* shard */
			uint32_t residual;                   /* arena */
			uint32_t unused[6];
			uint32_t scratch, scratch_bytes; /* arena */
		} residual_product;
	};
};

/* One token's statistics in the arena (section 1.6). */
struct cats_stats {
	int32_t mu, rho;
};

struct cats_packet_header {
	uint32_t plan;
	uint16_t inference;
	uint16_t site;
	uint16_t packet;
	uint8_t sender;
	uint8_t version;
};

_Static_assert(sizeof(struct cats_shard_header) == 96, "section 3.1");
_Static_assert(sizeof(struct cats_shard_site) == 40, "section 3.2");
_Static_assert(sizeof(struct cats_shard_sender) == 4, "section 3.2");
_Static_assert(sizeof(struct cats_op) == 64, "section 3.4");
_Static_assert(sizeof(struct cats_packet_header) == CATS_PACKET_HEADER_BYTES, "section 2.2");
#if defined(__BYTE_ORDER__)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shards are read in place");
#endif

/* Rounds up to a multiple of four; for values up to 2^32 - 4. */
static inline uint32_t cats_round4(uint32_t x)
{
	return (x + 3U) & ~3U;
}

/* Packets of a message of `tokens` tokens of `token_bytes` bytes (section 2.1). 0 when token_bytes is 0. */
static inline uint32_t cats_message_packets(uint32_t tokens, uint32_t token_bytes, uint32_t payload_max)
{
	if (token_bytes == 0)
		return 0;
	if (token_bytes > payload_max)
		return tokens * ((token_bytes + payload_max - 1U) / payload_max);
	const uint32_t per_packet = payload_max / token_bytes;
	return (tokens + per_packet - 1U) / per_packet;
}

/* Scratch that the ops get (section 3.6), in bytes. N outputs, K columns. */
static inline uint32_t cats_scratch_panel(uint32_t K)
{
	return 8U * cats_round4(K);
}

static inline uint32_t cats_scratch_embed(uint32_t K)
{
	return cats_scratch_panel(K) + 4U * cats_round4(K);
}

static inline uint32_t cats_scratch_norm_product(uint32_t N, uint32_t K)
{
	return cats_scratch_panel(K) + 8U * N;
}

static inline uint32_t cats_scratch_attention(uint32_t keys, uint32_t head_width)
{
	const uint32_t t4 = cats_round4(keys), d4 = cats_round4(head_width);

	return cats_scratch_panel(head_width) + 3U * t4 * d4 + 8U * t4;
}

/* Bytes of a packed weight matrix (section 3.5). */
static inline uint32_t cats_weights_bytes(enum cats_target target, uint32_t N, uint32_t K)
{
	return (target == CATS_TARGET_NRF52840 ? (N + 1U) & ~1U : N) * cats_round4(K);
}

/* A shard whose bytes were checked: everything that an inference will read or write lies inside the shard or the arena,
 * whatever the numbers in it are. Not checked are the bounds of accumulators, which only change results. */
struct cats_shard {
	const uint8_t *bytes;
	const struct cats_shard_header *header; /* the same address */
	const struct cats_shard_site *sites;    /* [header->site_count] */
	const struct cats_op *ops;              /* [header->op_count] */
};

/* Checks `size` bytes at `bytes`, which must stay where they are, unchanged, while `out` is used. Returns 0 or an enum
 * cats_refusal of the kind SHARD_; then *where is the offset of the header field, site or op that is refused. */
CATS_MUST_CHECK int cats_shard_open(struct cats_shard *out, const void *bytes, size_t size, uint32_t *where);

/* The CRC-32 that the header must hold. Requires size >= 96. */
uint32_t cats_shard_checksum(const void *bytes, size_t size);

/* Whether the gathers' times are there, without which there is no network. */
static inline bool cats_shard_is_timed(const struct cats_shard *shard)
{
	return shard->sites->deadline_us != 0;
}

/* Senders of a site, [header->devices]; those with columns > 0 other than the device itself have a message. */
static inline const struct cats_shard_sender *cats_shard_senders(const struct cats_shard *shard,
								 const struct cats_shard_site *site)
{
	return (const struct cats_shard_sender *)(const void *)(shard->bytes + site->senders);
}

/* Words of receipt bits of each sender; 0 when nothing is received. */
uint32_t cats_shard_receipt_words(const struct cats_shard *shard, const struct cats_shard_site *site);

#endif

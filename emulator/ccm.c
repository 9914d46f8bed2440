/* SPDX-License-Identifier: MIT */
/* CCM. See ccm.h. */
#include "emulator/ccm.h"

#include <mbedtls/ccm.h>
#include <string.h>

#include "emulator/models.h"
#include "emulator/radio.h"
#include "net/aead.h"

#define AES_BLOCK 461U                   /* 7.2 us */
#define KEYS_TIME (4U * AES_BLOCK)       /* of the key stream's first blocks */
#define HEAD_TIME (2U * AES_BLOCK)       /* CBC-MAC of what is before the payload */
#define BYTE_TIME (2U * AES_BLOCK / 16U) /* one block of CBC-MAC and one of key stream for 16 bytes */
#define RATE_TIME 256U                   /* of a byte at 2 Mbit/s */
#define TAIL_TIME (3U * AES_BLOCK)

enum task { TASK_KSGEN, TASK_CRYPT, TASK_STOP };
static const char *const task_names[] = {"TASKS_KSGEN", "TASKS_CRYPT", "TASKS_STOP"};
enum event { EVENT_ENDKSGEN, EVENT_ENDCRYPT };

#define SHORT_ENDKSGEN_CRYPT 1U
static const struct cats_short shorts[] = {{0, EVENT_ENDKSGEN, TASK_CRYPT}};

#define MICSTATUS 0x400U
#define ENABLE 0x500U
#define ENABLED 2U

enum setting { MODE, CNFPTR, INPTR, OUTPTR, SCRATCHPTR, MAXPACKETSIZE, SETTINGS };
static const char *const setting_names[SETTINGS] = {"MODE", "CNFPTR", "INPTR", "OUTPTR", "SCRATCHPTR", "MAXPACKETSIZE"};
#define FIRST_SETTING 0x504U
#define MODE_DECRYPT 1U
#define MODE_2M_EXTENDED 0x01010000U

/* At CNFPTR. */
#define KEY_BYTES CATS_AEAD_KEY_BYTES
#define COUNTER 16U
#define DIRECTION 24U
#define IV 25U
#define CONFIGURATION_BYTES 33U

/* A packet: header, length, a byte of no meaning, payload, tag if it is sealed. */
#define HEAD_BYTES 3U
#define TAG_BYTES CATS_AEAD_TAG_BYTES
#define PACKET_MAX 0xFBU
#define PACKET_MIN 0x1BU
#define AUTHENTICATED 0xE3U /* of the header */

#define SCRATCH_HEAD 16U
#define SCRATCH_MIN 43U
#define SCRATCH_PAINT 0x5CU /* nobody else may use it, so that it does not matter */

enum state { IDLE, MAKES_KEYS, HAS_KEYS, CRYPTS };
enum step { STEP_KEYS, STEP_HEADER, STEP_LENGTH, STEP_PAYLOAD, STEP_TAIL };

struct ccm {
	struct cats_peripheral p;
	bool keeps_rate;
	struct cats_ccm_watch watch;
	bool enabled, passed;
	uint32_t settings[SETTINGS];
	enum state state;
	enum step step;
	uint32_t done;            /* bytes of the payload, and of the tag that is to be checked */
	uint32_t length;          /* of the payload, without tag */
	bool decrypts, cut_short; /* cut_short: it has no place for a tag */
	uint8_t key[KEY_BYTES], nonce[CATS_AEAD_NONCE_BYTES], header;
	uint8_t stream[PACKET_MAX], plain[PACKET_MAX], tag[TAG_BYTES];
};

static struct ccm *of(struct cats_peripheral *p)
{
	return (struct ccm *)p;
}

void cats_ccm_keep_rate(struct cats_peripheral *ccm)
{
	of(ccm)->keeps_rate = true;
}

void cats_ccm_watch(struct cats_peripheral *ccm, const struct cats_ccm_watch *watch)
{
	of(ccm)->watch = *watch;
}

static uint64_t byte_time(const struct ccm *c)
{
	return c->keeps_rate ? RATE_TIME : BYTE_TIME;
}

static bool is_busy(const struct ccm *c)
{
	return c->state == MAKES_KEYS || c->state == CRYPTS;
}

static void stop(struct ccm *c)
{
	c->state = IDLE;
	cats_peripheral_due(&c->p, CATS_NEVER);
}

static void fail(struct ccm *c)
{
	cats_peripheral_refuse(&c->p, "Mbed TLS failed");
}

/* Mbed TLS's AES-CCM with the nonce and key at hand. False: it failed. */
static bool seal(const struct ccm *c, uint8_t *sealed, uint8_t tag[TAG_BYTES], const uint8_t *plain, uint32_t bytes)
{
	const uint8_t header = c->header & AUTHENTICATED;
	mbedtls_ccm_context ccm;
	bool good;

	mbedtls_ccm_init(&ccm);
	good = mbedtls_ccm_setkey(&ccm, MBEDTLS_CIPHER_ID_AES, c->key, 8U * KEY_BYTES) == 0 &&
	       mbedtls_ccm_encrypt_and_tag(&ccm, bytes, c->nonce, sizeof c->nonce, &header, 1, plain, sealed, tag,
					   TAG_BYTES) == 0;
	mbedtls_ccm_free(&ccm);
	return good;
}

/* ---- Keys ---- */

static bool take_configuration(struct ccm *c)
{
	const uint8_t *from = cats_peripheral_ram(&c->p, "CNFPTR", c->settings[CNFPTR], CONFIGURATION_BYTES);

	if (!from)
		return false;
	if (from[DIRECTION] > 1) {
		cats_peripheral_refuse(&c->p, "CNFPTR: 0x%02x in byte 24, of which only bit 0 may be set",
				       from[DIRECTION]);
		return false;
	}
	memcpy(c->key, from, KEY_BYTES);
	memcpy(c->nonce, from + COUNTER, 5);
	c->nonce[4] = (uint8_t)((c->nonce[4] & 0x7FU) | (uint32_t)from[DIRECTION] << 7);
	memcpy(c->nonce + 5, from + IV, 8);
	return true;
}

/* What is there is lost. */
static bool take_scratch(struct ccm *c)
{
	const uint32_t wanted = SCRATCH_HEAD + c->settings[MAXPACKETSIZE];
	const uint32_t bytes = wanted > SCRATCH_MIN ? wanted : SCRATCH_MIN;
	uint8_t *scratch = cats_peripheral_ram(&c->p, "SCRATCHPTR", c->settings[SCRATCHPTR], bytes);

	if (scratch)
		memset(scratch, SCRATCH_PAINT, bytes);
	return scratch != NULL;
}

static bool configured(struct ccm *c)
{
	if ((c->settings[MODE] & ~MODE_DECRYPT) != MODE_2M_EXTENDED)
		cats_peripheral_refuse(&c->p, "MODE: 0x%08x: only extended length at 2 Mbit/s is modelled",
				       c->settings[MODE]);
	else if (c->settings[MAXPACKETSIZE] < PACKET_MIN || c->settings[MAXPACKETSIZE] > PACKET_MAX)
		cats_peripheral_refuse(&c->p, "MAXPACKETSIZE: %u is not from 27 to 251", c->settings[MAXPACKETSIZE]);
	else
		return true;
	return false;
}

static void generate(struct ccm *c)
{
	static const uint8_t zeros[PACKET_MAX] = {0};
	uint8_t tag[TAG_BYTES];

	if (!configured(c) || !take_configuration(c) || !take_scratch(c))
		return;
	if (!seal(c, c->stream, tag, zeros, PACKET_MAX)) {
		fail(c);
		return;
	}
	c->state = MAKES_KEYS;
	c->step = STEP_KEYS;
	cats_peripheral_due(&c->p, cats_peripheral_now(&c->p) + KEYS_TIME);
}

/* ---- Packets ---- */

/* The next byte of the input is taken `after` from now, or so long after RADIO has written it. */
static void await(struct ccm *c, enum step step, uint32_t offset, uint64_t after)
{
	const struct cats_peripheral *radio = cats_chip_peripheral(c->p.chip, CATS_RADIO_BASE);
	const uint32_t address = c->settings[INPTR] + offset;
	const uint64_t written = cats_radio_writes_at(radio, address), now = cats_peripheral_now(&c->p);

	if (written == CATS_NEVER) {
		cats_peripheral_refuse(&c->p, "the byte at 0x%08x is wanted before RADIO has begun to receive it",
				       address);
		return;
	}
	c->step = step;
	cats_peripheral_due(&c->p, (written > now ? written : now) + after);
}

static void crypt(struct ccm *c)
{
	if (c->state != HAS_KEYS) {
		cats_peripheral_refuse(&c->p, "TASKS_CRYPT without a key stream of its own");
		return;
	}
	if (!configured(c))
		return;
	c->decrypts = (c->settings[MODE] & MODE_DECRYPT) != 0;
	c->state = CRYPTS;
	c->done = 0;
	await(c, STEP_HEADER, 0, byte_time(c));
}

static uint8_t *input(struct ccm *c, uint32_t offset)
{
	return cats_peripheral_ram(&c->p, "INPTR", c->settings[INPTR] + offset, 1);
}

static void output(struct ccm *c, uint32_t offset, uint8_t value)
{
	uint8_t *to = cats_peripheral_ram(&c->p, "OUTPTR", c->settings[OUTPTR] + offset, 1);

	if (to)
		*to = value;
}

static void end(struct ccm *c)
{
	stop(c);
	cats_peripheral_event(&c->p, EVENT_ENDCRYPT);
}

static void take_header(struct ccm *c)
{
	const uint8_t *byte = input(c, 0);

	if (!byte)
		return;
	c->header = *byte;
	output(c, 0, *byte);
	await(c, STEP_LENGTH, 1, byte_time(c));
}

/* Bytes of the input that are taken behind the head. */
static uint32_t wanted(const struct ccm *c)
{
	return c->length + (c->decrypts && !c->cut_short ? TAG_BYTES : 0);
}

static void take_length(struct ccm *c)
{
	const uint8_t *byte = input(c, 1);

	if (!byte)
		return;
	c->cut_short = c->decrypts && *byte < TAG_BYTES;
	c->length = c->cut_short ? 0 : *byte - (c->decrypts ? TAG_BYTES : 0);
	if (c->length > c->settings[MAXPACKETSIZE]) {
		cats_peripheral_refuse(&c->p, "a packet of %u bytes is longer than MAXPACKETSIZE %u", c->length,
				       c->settings[MAXPACKETSIZE]);
		return;
	}
	output(c, 1, (uint8_t)(c->decrypts || *byte == 0 ? c->length : c->length + TAG_BYTES));
	output(c, 2, 0);
	if (*byte == 0)
		end(c); /* an empty packet has no tag, either way */
	else if (wanted(c) > 0)
		await(c, STEP_PAYLOAD, HEAD_BYTES, HEAD_TIME);
	else {
		c->step = STEP_TAIL;
		cats_peripheral_due(&c->p, cats_peripheral_now(&c->p) + TAIL_TIME);
	}
}

static void take_payload(struct ccm *c)
{
	const uint8_t *byte = input(c, HEAD_BYTES + c->done);
	uint8_t turned;

	if (!byte)
		return;
	if (c->done >= c->length) {
		c->tag[c->done - c->length] = *byte;
	} else {
		turned = *byte ^ c->stream[c->done];
		c->plain[c->done] = c->decrypts ? turned : *byte;
		output(c, HEAD_BYTES + c->done, turned);
	}
	c->done++;
	if (c->done < wanted(c)) {
		await(c, STEP_PAYLOAD, HEAD_BYTES + c->done, byte_time(c));
	} else {
		c->step = STEP_TAIL;
		cats_peripheral_due(&c->p, cats_peripheral_now(&c->p) + TAIL_TIME);
	}
}

static void tell(struct ccm *c)
{
	const struct cats_ccm_packet packet = {
		.sealed = !c->decrypts,
		.key = c->key,
		.nonce = c->nonce,
		.header = c->header & AUTHENTICATED,
		.plain = c->plain,
		.bytes = c->length,
	};

	if (c->watch.packet && (packet.sealed || c->passed))
		c->watch.packet(c->watch.context, &packet, cats_peripheral_now(&c->p));
}

static void finish(struct ccm *c)
{
	uint8_t sealed[PACKET_MAX], tag[TAG_BYTES];

	if (!seal(c, sealed, tag, c->plain, c->length)) {
		fail(c);
		return;
	}
	if (c->decrypts)
		c->passed = !c->cut_short && memcmp(tag, c->tag, TAG_BYTES) == 0;
	else
		for (uint32_t i = 0; i < TAG_BYTES; i++)
			output(c, HEAD_BYTES + c->length + i, tag[i]);
	tell(c);
	end(c);
}

static void advance(struct cats_peripheral *p)
{
	struct ccm *c = of(p);

	cats_peripheral_due(p, CATS_NEVER);
	switch (c->step) {
	case STEP_KEYS:
		c->state = HAS_KEYS;
		cats_peripheral_event(p, EVENT_ENDKSGEN);
		break;
	case STEP_HEADER:
		take_header(c);
		break;
	case STEP_LENGTH:
		take_length(c);
		break;
	case STEP_PAYLOAD:
		take_payload(c);
		break;
	case STEP_TAIL:
		finish(c);
		break;
	}
}

/* The output, of which nothing is written while keys are made for it, and how much of it otherwise. */
bool cats_ccm_owes(struct cats_chip *chip, uint32_t address)
{
	const struct ccm *c = of(cats_chip_peripheral(chip, CATS_CCM_BASE));
	const uint32_t offset = address - c->settings[OUTPTR];
	const uint32_t last = HEAD_BYTES + c->length + (c->decrypts ? 0 : TAG_BYTES);

	if (c->state == MAKES_KEYS)
		return (c->p.shorts & SHORT_ENDKSGEN_CRYPT) != 0 && offset < HEAD_BYTES + PACKET_MAX + TAG_BYTES;
	if (c->state != CRYPTS)
		return false;
	if (c->step == STEP_HEADER || c->step == STEP_LENGTH)
		return offset >= (c->step == STEP_LENGTH ? 1U : 0) && offset < HEAD_BYTES + PACKET_MAX + TAG_BYTES;
	return offset >= HEAD_BYTES + (c->done < c->length ? c->done : c->length) && offset < last;
}

bool cats_ccm_is_busy(struct cats_chip *chip)
{
	return is_busy(of(cats_chip_peripheral(chip, CATS_CCM_BASE)));
}

/* ---- Tasks and registers ---- */

static void on_task(struct cats_peripheral *p, uint32_t task)
{
	struct ccm *c = of(p);

	if (!c->enabled)
		cats_peripheral_refuse(p, "%s while ENABLE is not 2", task_names[task]);
	else if (task == TASK_STOP)
		stop(c);
	else if (is_busy(c))
		cats_peripheral_refuse(p, "%s while it is busy", task_names[task]);
	else if (task == TASK_KSGEN)
		generate(c);
	else
		crypt(c);
	if (is_busy(c))
		cats_ecb_interrupt(p->chip);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct ccm *c = of(p);

	(void)cause;
	c->enabled = c->passed = false;
	memset(c->settings, 0, sizeof c->settings);
	c->settings[MODE] = MODE_DECRYPT;
	c->settings[MAXPACKETSIZE] = PACKET_MAX;
	stop(c);
}

static bool on_read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct ccm *c = of(p);
	const uint32_t i = (offset - FIRST_SETTING) / 4U;

	if (offset == MICSTATUS)
		*value = c->passed ? 1 : 0;
	else if (offset == ENABLE)
		*value = c->enabled ? ENABLED : 0;
	else if (offset >= FIRST_SETTING && i < SETTINGS)
		*value = c->settings[i];
	else
		return false;
	return true;
}

static bool write_enable(struct ccm *c, uint32_t value)
{
	if (value != 0 && value != ENABLED)
		cats_peripheral_refuse(&c->p, "ENABLE: %u: only 0 and 2 are modelled", value);
	c->enabled = value == ENABLED;
	if (!c->enabled)
		stop(c);
	return true;
}

static bool on_write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct ccm *c = of(p);
	const uint32_t i = (offset - FIRST_SETTING) / 4U;

	if (offset == ENABLE)
		return write_enable(c, value);
	if (offset < FIRST_SETTING || i >= SETTINGS)
		return false;
	if (is_busy(c))
		cats_peripheral_refuse(p, "%s is written while it is busy", setting_names[i]);
	c->settings[i] = value;
	return true;
}

const struct cats_peripheral_model cats_ccm_model = {
	.tasks = 1U << TASK_KSGEN | 1U << TASK_CRYPT | 1U << TASK_STOP,
	.events = 1U << EVENT_ENDKSGEN | 1U << EVENT_ENDCRYPT,
	.shorts = shorts,
	.short_count = sizeof shorts / sizeof *shorts,
	.bytes = sizeof(struct ccm),
	.reset = reset,
	.task = on_task,
	.read = on_read,
	.write = on_write,
	.advance = advance,
};

/* SPDX-License-Identifier: MIT */
/* ECB. See ccm.h. */
#include <mbedtls/aes.h>
#include <string.h>

#include "emulator/ccm.h"
#include "emulator/models.h"

#define AES_BLOCK 461U /* 7.2 us */
#define BLOCK_BYTES 16U

enum task { TASK_STARTECB, TASK_STOPECB };
enum event { EVENT_ENDECB, EVENT_ERRORECB };

#define ECBDATAPTR 0x504U

struct ecb {
	struct cats_peripheral p;
	uint32_t pointer, at;
	bool busy;
};

static struct ecb *of(struct cats_peripheral *p)
{
	return (struct ecb *)p;
}

static void stop(struct ecb *e)
{
	e->busy = false;
	cats_peripheral_due(&e->p, CATS_NEVER);
}

void cats_ecb_interrupt(struct cats_chip *chip)
{
	struct ecb *e = of(cats_chip_peripheral(chip, CATS_ECB_BASE));

	if (!e->busy)
		return;
	stop(e);
	cats_peripheral_event(&e->p, EVENT_ERRORECB);
}

/* Key, clear text, cipher text. */
static uint8_t *data(struct ecb *e)
{
	return cats_peripheral_ram(&e->p, "ECBDATAPTR", e->at, 3U * BLOCK_BYTES);
}

static void start(struct ecb *e)
{
	e->at = e->pointer;
	if (!data(e))
		return;
	if (e->busy)
		cats_peripheral_refuse(&e->p, "TASKS_STARTECB while it is busy");
	if (cats_ccm_is_busy(e->p.chip)) {
		cats_peripheral_event(&e->p, EVENT_ERRORECB);
		return;
	}
	e->busy = true;
	cats_peripheral_due(&e->p, cats_peripheral_now(&e->p) + AES_BLOCK);
}

static void on_task(struct cats_peripheral *p, uint32_t task)
{
	if (task == TASK_STARTECB)
		start(of(p));
	else
		cats_ecb_interrupt(p->chip);
}

static void advance(struct cats_peripheral *p)
{
	struct ecb *e = of(p);
	uint8_t *bytes = data(e);
	mbedtls_aes_context aes;

	stop(e);
	if (!bytes)
		return;
	mbedtls_aes_init(&aes);
	if (mbedtls_aes_setkey_enc(&aes, bytes, 8U * BLOCK_BYTES) != 0 ||
	    mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, bytes + BLOCK_BYTES, bytes + 2U * BLOCK_BYTES) != 0)
		cats_peripheral_refuse(p, "Mbed TLS failed");
	mbedtls_aes_free(&aes);
	cats_peripheral_event(p, EVENT_ENDECB);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	(void)cause;
	of(p)->pointer = 0;
	stop(of(p));
}

static bool on_read(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	*value = of(p)->pointer;
	return offset == ECBDATAPTR;
}

static bool on_write(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	if (offset != ECBDATAPTR)
		return false;
	of(p)->pointer = value;
	return true;
}

const struct cats_peripheral_model cats_ecb_model = {
	.tasks = 1U << TASK_STARTECB | 1U << TASK_STOPECB,
	.events = 1U << EVENT_ENDECB | 1U << EVENT_ERRORECB,
	.bytes = sizeof(struct ecb),
	.reset = reset,
	.task = on_task,
	.read = on_read,
	.write = on_write,
	.advance = advance,
};

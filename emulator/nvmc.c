/* SPDX-License-Identifier: MIT */
/* NVMC and the memory it writes: flash and UICR; FICR beside them (nRF52840 Product Specification 1.7, 4.3 … 4.5). The
 * processor, which executes from flash, stands still while it is written or erased. Partial erasure and erasing all are
 * not modelled. */
#include "emulator/nvmc.h"

#include <string.h>

#include "emulator/core.h"
#include "emulator/models.h"

#define READY 0x400U
#define CONFIG 0x504U
#define ERASEPAGE 0x508U
#define ERASEUICR 0x514U
#define ICACHECNF 0x540U
enum { CONFIG_READ, CONFIG_WRITE, CONFIG_ERASE };
#define ICACHE_ENABLED 1U

#define WORD_CYCLES (41U * CATS_CYCLES_PER_US)
#define PAGE_CYCLES (85000U * CATS_CYCLES_PER_US)
#define PAGE 4096U
#define PAGE_WORDS (PAGE / 4U)
#define UICR_BASE 0x10001000U
#define WORDS (CATS_M4_FLASH_BYTES / 4U)

/* How often a word may be written before its page is erased: n_WRITE. */
#define WRITES_MAX 2U

/* What is being written: words from `at` on, and what they were before. */
struct operation {
	uint32_t at, count;
	uint32_t before[PAGE_WORDS];
};

struct nvmc {
	struct cats_peripheral p;
	uint32_t config, cache;
	uint64_t ready_at;
	struct operation latest;
	uint8_t writes[WORDS + PAGE_WORDS]; /* of each word since its erasure; UICR is behind flash */
	uint32_t uicr[PAGE_WORDS];
	bool erased_once;
};

/* Where a word lies, or NULL. */
static uint8_t *word_at(struct nvmc *n, uint32_t address)
{
	if (address < CATS_M4_FLASH_BYTES)
		return cats_chip_core(n->p.chip)->flash + address;
	return address - UICR_BASE < PAGE ? (uint8_t *)n->uicr + (address - UICR_BASE) : NULL;
}

static uint8_t *writes_at(struct nvmc *n, uint32_t address)
{
	return n->writes + (address < CATS_M4_FLASH_BYTES ? address / 4U : WORDS + (address - UICR_BASE) / 4U);
}

/* Power that goes while a word is written or erased leaves some of its bits as they were. */
static void tear(struct nvmc *n)
{
	for (uint32_t i = 0; i < n->latest.count; i++) {
		uint8_t *word = word_at(n, n->latest.at + 4U * i);
		const uint32_t done = (uint32_t)cats_peripheral_random(&n->p);
		uint32_t now;

		memcpy(&now, word, 4);
		now = (now & done) | (n->latest.before[i] & ~done);
		memcpy(word, &now, 4);
	}
	cats_m4_flash_changed(cats_chip_core(n->p.chip), n->latest.at, 4U * n->latest.count);
}

static void reset(struct cats_peripheral *p, enum cats_reset cause)
{
	struct nvmc *n = (struct nvmc *)p;

	if (!n->erased_once)
		memset(n->uicr, 0xFF, sizeof n->uicr);
	n->erased_once = true;
	if (cause == CATS_RESET_POWER && n->ready_at > cats_peripheral_now(p))
		tear(n);
	n->config = n->cache = 0;
	n->ready_at = 0;
}

/* `count` words are about to change, which takes `cycles`. */
static void begin(struct nvmc *n, uint32_t at, uint32_t count, uint64_t cycles)
{
	const uint64_t now = cats_peripheral_now(&n->p);

	n->latest.at = at;
	n->latest.count = count;
	memcpy(n->latest.before, word_at(n, at), 4U * count);
	n->ready_at = (n->ready_at > now ? n->ready_at : now) + cycles;
	cats_m4_stall(cats_chip_core(n->p.chip), n->ready_at);
}

static void erase(struct nvmc *n, uint32_t address)
{
	if (n->config != CONFIG_ERASE) {
		cats_peripheral_refuse(&n->p, "an erasure while CONFIG is %u", n->config);
		return;
	}
	if (address % PAGE != 0 || !word_at(n, address)) {
		cats_peripheral_refuse(&n->p, "ERASEPAGE: no page begins at 0x%08x", address);
		return;
	}
	begin(n, address, PAGE_WORDS, PAGE_CYCLES);
	memset(word_at(n, address), 0xFF, PAGE);
	memset(writes_at(n, address), 0, PAGE_WORDS);
	if (address < CATS_M4_FLASH_BYTES)
		cats_m4_flash_changed(cats_chip_core(n->p.chip), address, PAGE);
}

bool cats_nvmc_store(uint32_t *stored, struct cats_peripheral *p, uint32_t address, uint32_t bytes, uint32_t value)
{
	struct nvmc *n = (struct nvmc *)p;
	uint8_t *word = word_at(n, address & ~3U);

	if (n->config != CONFIG_WRITE)
		cats_chip_fault(p, "a write to 0x%08x while CONFIG is %u", address, n->config);
	else if (bytes != 4 || address % 4U != 0)
		cats_chip_fault(p, "a write of %u bytes to 0x%08x, where only whole words are written", bytes, address);
	else if (*writes_at(n, address) == WRITES_MAX)
		cats_peripheral_refuse(p, "the word at 0x%08x is written more than %u times since its page was erased",
				       address, WRITES_MAX);
	else {
		begin(n, address, 1, WORD_CYCLES);
		*writes_at(n, address) += 1U;
		*stored = value & n->latest.before[0];
		memcpy(word, stored, 4);
		return true;
	}
	return false;
}

static bool read_register(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct nvmc *n = (const struct nvmc *)p;

	if (offset == READY)
		*value = n->ready_at <= cats_peripheral_now(p);
	else if (offset == CONFIG)
		*value = n->config;
	else if (offset == ICACHECNF)
		*value = n->cache;
	else
		return false;
	return true;
}

static bool write_register(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	struct nvmc *n = (struct nvmc *)p;

	if (offset == CONFIG && value <= CONFIG_ERASE)
		n->config = value;
	else if (offset == ICACHECNF && value <= ICACHE_ENABLED)
		n->cache = value;
	else if (offset == ERASEPAGE && value < CATS_M4_FLASH_BYTES)
		erase(n, value);
	else if (offset == ERASEUICR && value == 1)
		erase(n, UICR_BASE);
	else
		return false;
	return true;
}

const struct cats_peripheral_model cats_nvmc_model = {
	.bytes = sizeof(struct nvmc),
	.reset = reset,
	.read = read_register,
	.write = write_register,
};

/* ---- FICR and UICR, as peripherals without tasks ---- */

struct information {
	struct cats_peripheral p;
	uint64_t device_id, device_address; /* drawn once */
};

static void draw(struct cats_peripheral *p, enum cats_reset cause)
{
	struct information *i = (struct information *)p;

	(void)cause;
	if (i->device_id == 0) {
		i->device_id = cats_peripheral_random(p) | 1U;
		i->device_address = cats_peripheral_random(p) & UINT64_C(0xFFFFFFFFFFFF);
	}
}

/* Beside it: 0x130 and 0x134 are the part and the index of its revision, as errata are told by. */
static const uint32_t constants[][2] = {
	{0x010, PAGE},
	{0x014, CATS_M4_FLASH_BYTES / PAGE},
	{0x0A0, 1},
	{0x100, 0x52840},
	{0x104, 0x41414430}, /* "AAD0" */
	{0x108, 0x2004},
	{0x10C, CATS_M4_RAM_BYTES >> 10},
	{0x110, CATS_M4_FLASH_BYTES >> 10},
	{0x130, 8},
	{0x134, 3},
};

static bool read_information(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	const struct information *i = (const struct information *)p;
	const uint64_t wide = offset < 0x0A0U ? i->device_id : i->device_address;

	for (size_t k = 0; k < sizeof constants / sizeof constants[0]; k++)
		if (constants[k][0] == offset) {
			*value = constants[k][1];
			return true;
		}
	if (offset != 0x060U && offset != 0x064U && offset != 0x0A4U && offset != 0x0A8U)
		return false;
	*value = (uint32_t)(offset == 0x060U || offset == 0x0A4U ? wide : wide >> 32);
	return true;
}

const struct cats_peripheral_model cats_ficr_model = {
	.bytes = sizeof(struct information),
	.reset = draw,
	.read = read_information,
};

static struct nvmc *nvmc_of(const struct cats_peripheral *p)
{
	return (struct nvmc *)cats_chip_peripheral(p->chip, CATS_NVMC_BASE);
}

static bool read_user(uint32_t *value, struct cats_peripheral *p, uint32_t offset)
{
	*value = nvmc_of(p)->uicr[offset / 4U];
	return true;
}

static bool write_user(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	uint32_t stored;

	(void)cats_nvmc_store(&stored, &nvmc_of(p)->p, UICR_BASE + offset, 4, value);
	return true;
}

const struct cats_peripheral_model cats_uicr_model = {
	.bytes = sizeof(struct cats_peripheral),
	.read = read_user,
	.write = write_user,
};

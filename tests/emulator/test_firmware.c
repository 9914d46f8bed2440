/* SPDX-License-Identifier: MIT */
/* The firmware on one chip: what it says and does when something is missing or goes wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/shard.h"
#include "emulator/exceptions.h"
#include "emulator/models.h"
#include "emulator/uarte.h"
#include "net/node.h"
#include "net/protocol.h"
#include "ports/host/aead.h"
#include "tests/cmocka.h"
#include "tests/emulator/firmware_fixture.h"

static struct cats_elf image;

static int load(void **state)
{
	(void)state;
	firmware_load(&image);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	cats_elf_free(&image);
	return 0;
}

static void without_identity_it_waits_and_says_so(void **state)
{
	struct firmware f;

	(void)state;
	firmware_open(&f, &image);
	firmware_await(&f, "?: boot: cats 0.1.0 reset by power", 20 * FIRMWARE_MS);
	firmware_await(&f, "?: waiting: identity page: there is none", 20 * FIRMWARE_MS);
	firmware_await(&f, "?: waiting: identity page: there is none", 11000 * FIRMWARE_MS);
	assert_false(firmware_says(&f, "boot"));
	firmware_close(&f);
}

static void without_shard_it_waits_and_says_so(void **state)
{
	struct firmware f;

	(void)state;
	firmware_open(&f, &image);
	firmware_identify(&f, 5);
	firmware_await(&f, "5: waiting: shard: not a shard", 500 * FIRMWARE_MS);
	firmware_close(&f);
}

static void boot(struct firmware *f, uint16_t node)
{
	firmware_open(f, &image);
	firmware_identify(f, node);
	firmware_plant(f, 3, node);
	firmware_await(f, "node: plan", 1000 * FIRMWARE_MS);
	firmware_run(f, 10 * FIRMWARE_MS);
}

/* Flips bits of a byte of flash that is not the firmware's. */
static void damage(struct firmware *f, uint32_t address)
{
	const uint8_t byte = *cats_m4_memory(cats_chip_core(f->chip), address, 1) ^ 0x10U;

	firmware_flash(f, address, &byte, 1);
}

static void poke(struct firmware *f, uint32_t address, uint32_t word)
{
	firmware_flash(f, address, &word, sizeof word);
}

static void a_damaged_page_is_named(void **state)
{
	struct firmware f;

	(void)state;
	boot(&f, 1);
	damage(&f, CATS_LAYOUT_SHARD + 1000U);
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	firmware_await(&f, "?: boot: cats 0.1.0 reset by pin", 20 * FIRMWARE_MS);
	firmware_await(&f, "1: waiting: shard: the shard's checksum does not match its bytes", 1000 * FIRMWARE_MS);
	damage(&f, CATS_LAYOUT_SHARD + 1000U);
	damage(&f, CATS_LAYOUT_IDENTITY + 10U);
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	firmware_await(&f, "?: waiting: identity page: its checksum does not match its bytes", 1000 * FIRMWARE_MS);
	damage(&f, CATS_LAYOUT_IDENTITY + 10U);
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	firmware_await(&f, "1: node: plan", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

/* Node 0's shard of three, from a chip. */
static size_t take_shard(uint8_t shard[1U << 16])
{
	struct firmware f;
	size_t bytes;

	firmware_open(&f, &image);
	bytes = firmware_plant(&f, 3, 0);
	assert_in_range(bytes, 1000, 1U << 16);
	memcpy(shard, cats_m4_memory(cats_chip_core(f.chip), CATS_LAYOUT_SHARD, bytes), bytes);
	firmware_close(&f);
	return bytes;
}

/* The node says why it does not take this shard, and sends nothing, whatever it is asked for. */
static void open_refused(struct firmware *f, const uint8_t *shard, size_t bytes, const char *why)
{
	char line[128];

	firmware_open_fast(f, &image, bytes);
	firmware_identify(f, 0);
	firmware_flash(f, CATS_LAYOUT_SHARD, shard, bytes);
	snprintf(line, sizeof line, "0: waiting: shard: %s", why);
	firmware_await(f, line, 1000 * FIRMWARE_MS);
	f->input_bytes = 90;
	firmware_feed(f);
	firmware_run(f, 100 * FIRMWARE_MS);
	assert_false(firmware_says(f, "result"));
	assert_int_equal(f->frames, 0);
}

static void refuse(uint8_t *shard, size_t bytes, const char *why)
{
	const uint32_t crc = cats_shard_checksum(shard, bytes);
	struct firmware f;

	memcpy(shard + offsetof(struct cats_shard_header, crc32), &crc, sizeof crc);
	open_refused(&f, shard, bytes, why);
	firmware_close(&f);
}

/* Whole and with a checksum that is right, but not for this firmware. */
static void a_shard_of_another_kind_is_refused(void **state)
{
	static const struct {
		uint32_t at;
		uint16_t value;
		const char *why;
	} kinds[] = {
		{offsetof(struct cats_shard_header, version), CATS_SHARD_VERSION + 1U,
		 "a shard of another format version"},
		{offsetof(struct cats_shard_header, target), CATS_TARGET_PLAIN,
		 "the shard's weights are packed for another target"},
		{offsetof(struct cats_shard_header, target), 99, "the shard's weights are packed for another target"},
		{offsetof(struct cats_shard_header, devices), 1, "a site's sender table does not add up to its view"},
		{offsetof(struct cats_shard_header, sink), 77, "a number in the shard's header is outside its range"},
	};
	static uint8_t shard[1U << 16], other[1U << 16];
	const size_t bytes = take_shard(shard);

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		memcpy(other, shard, bytes);
		memcpy(other + kinds[i].at, &kinds[i].value, sizeof kinds[i].value);
		refuse(other, bytes, kinds[i].why);
	}
}

static void a_shard_without_times_is_refused(void **state)
{
	static uint8_t shard[1U << 16];
	const size_t bytes = take_shard(shard);
	struct cats_shard_header header;

	(void)state;
	memcpy(&header, shard, sizeof header);
	for (uint32_t i = 0; i < header.site_count; i++) {
		struct cats_shard_site site;
		uint8_t *at = shard + header.sites + i * sizeof site;

		memcpy(&site, at, sizeof site);
		site.compute_us = site.deadline_us = 0;
		memcpy(at, &site, sizeof site);
	}
	refuse(shard, bytes, "it has no times of gathers");
}

static void a_shard_of_another_device_is_refused(void **state)
{
	struct firmware f;

	(void)state;
	firmware_open(&f, &image);
	firmware_identify(&f, 2);
	firmware_plant(&f, 3, 1);
	firmware_await(&f, "2: waiting: shard: the shard belongs to another device", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

/* Flashing was broken off: the rest of the shard is erased still. */
static void refuse_prefix(size_t prefix, const uint8_t *shard, size_t bytes)
{
	struct firmware f;

	open_refused(&f, shard, prefix, "");
	firmware_flash(&f, CATS_LAYOUT_SHARD, shard, bytes);
	cats_chip_reset(f.chip, CATS_RESET_PIN);
	firmware_await(&f, "0: node: plan", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

static void a_shard_half_flashed_is_refused(void **state)
{
	static uint8_t shard[1U << 16];
	const size_t bytes = take_shard(shard);

	(void)state;
	/* Few bytes, few less than all, and strides of words, pages and anything. */
	for (size_t prefix = 1; prefix < 300; prefix += 1 + prefix * 2 / 3)
		refuse_prefix(prefix, shard, bytes);
	for (size_t prefix = 1009; prefix < bytes; prefix += 4019)
		refuse_prefix(prefix, shard, bytes);
	for (size_t missing = 1; missing < 1000; missing *= 10)
		if (shard[bytes - missing] != 0xFFU)
			refuse_prefix(bytes - missing, shard, bytes);
}

/* Sends the core astray, wherever it is; it must come back by itself and say what it was. */
static void comes_back(struct firmware *f, const char *reset, const char *why)
{
	firmware_await(f, reset, 3000 * FIRMWARE_MS);
	if (why != NULL)
		firmware_await(f, why, 100 * FIRMWARE_MS);
	firmware_await(f, "node: plan", 1000 * FIRMWARE_MS);
	firmware_run(f, 2000 * FIRMWARE_MS);
	assert_false(firmware_says(f, "boot"));
}

static void a_hard_fault_is_logged_by_the_next_life(void **state)
{
	struct firmware f;

	(void)state;
	boot(&f, 1);
	/* Erased flash is no code. */
	cats_m4_set_register(cats_chip_core(f.chip), 15, 0x000F0001U);
	comes_back(&f, "boot: cats 0.1.0 reset by software", "fault: hard fault pc 000f0000");
	/* Once: the life after that has none to tell of. */
	const size_t told = f.bytes;

	cats_chip_reset(f.chip, CATS_RESET_PIN);
	firmware_await(&f, "reset by pin", 100 * FIRMWARE_MS);
	firmware_await(&f, "node: plan", 1000 * FIRMWARE_MS);
	assert_null(strstr(f.log + told, "fault"));
	firmware_close(&f);
}

/* Those that only a defect can cause, for there is nothing that would: all end in one handler. */
static void an_exception_without_a_handler_is_named(void **state)
{
	static const struct {
		enum cats_m4_exception number;
		const char *line;
	} exceptions[] = {
		{CATS_M4_EXCEPTION_NMI, "fault: NMI pc "},
		{CATS_M4_EXCEPTION_SVC, "fault: an exception without a handler pc "},
		{CATS_M4_EXCEPTION_SYSTICK, "fault: an exception without a handler pc "},
	};
	struct firmware f;

	(void)state;
	boot(&f, 1);
	for (size_t i = 0; i < sizeof exceptions / sizeof *exceptions; i++) {
		char number[32];

		cats_m4_exceptions_pend(cats_chip_core(f.chip), exceptions[i].number);
		snprintf(number, sizeof number, " exception %d after_us ", exceptions[i].number);
		firmware_await(&f, "boot: cats 0.1.0 reset by software", 3000 * FIRMWARE_MS);
		firmware_run(&f, 50 * FIRMWARE_MS);
		assert_true(firmware_says(&f, number));
		comes_back(&f, exceptions[i].line, NULL);
	}
	firmware_close(&f);
}

/* A fault in the handler of faults: nothing can be put down, but the chip resets, and says how. */
static void a_lockup_is_named(void **state)
{
	static const uint8_t undefined[] = {0x00, 0xDE};
	struct firmware f;
	uint8_t *flash;

	(void)state;
	boot(&f, 1);
	flash = malloc(CATS_LAYOUT_FLASH_BYTES);
	assert_non_null(flash);
	memcpy(flash, cats_m4_memory(cats_chip_core(f.chip), 0, CATS_LAYOUT_FLASH_BYTES), CATS_LAYOUT_FLASH_BYTES);
	memcpy(flash + firmware_symbol(&f, "cats_fault_handle"), undefined, sizeof undefined);
	cats_m4_flash(cats_chip_core(f.chip), flash);
	free(flash);
	cats_m4_set_register(cats_chip_core(f.chip), 15, 0x000F0001U);
	firmware_await(&f, "boot: cats 0.1.0 reset by lockup", 3000 * FIRMWARE_MS);
	firmware_close(&f);
}

/* Power can go at any of a fault's instructions, the one that asks for the reset among them. */
static void a_fault_can_be_stopped_anywhere(void **state)
{
	const uint32_t steps = 1000;
	struct firmware f;

	(void)state;
	boot(&f, 1);
	cats_m4_set_register(cats_chip_core(f.chip), 15, 0x000F0001U);
	for (uint32_t i = 0; i < steps; i++) {
		const uint64_t before = cats_m4_instructions(cats_chip_core(f.chip));
		const struct cats_m4_stopped stopped =
			cats_chip_run_instructions(f.chip, cats_chip_now(f.chip) + 1000 * FIRMWARE_MS, 1);

		assert_int_equal(stopped.stop, CATS_M4_INSTRUCTIONS);
		/* At most four are skipped by one IT. */
		assert_in_range(cats_m4_instructions(cats_chip_core(f.chip)) - before, 1, 5);
	}
	comes_back(&f, "boot: cats 0.1.0 reset by software", "fault: hard fault pc 000f0000");
	firmware_close(&f);
}

static void a_stack_that_overflows_is_named(void **state)
{
	struct firmware f;

	(void)state;
	boot(&f, 1);
	cats_m4_set_register(cats_chip_core(f.chip), 13, firmware_symbol(&f, "__thread_stack_bottom") + 16U);
	comes_back(&f, "boot: cats 0.1.0 reset by software", "fault: the stack overflowed");
	poke(&f, firmware_symbol(&f, "__interrupt_stack_bottom"), 0);
	comes_back(&f, "boot: cats 0.1.0 reset by software", "fault: the interrupts' stack overflowed");
	firmware_close(&f);
}

/* An address of flash with "b ." */
static uint32_t endless_loop(const struct firmware *f)
{
	const uint8_t *flash = cats_m4_memory(cats_chip_core(f->chip), 0, CATS_LAYOUT_FIRMWARE_BYTES);

	for (uint32_t at = 0x200; at < CATS_LAYOUT_FIRMWARE_BYTES; at += 2U)
		if (flash[at] == 0xFEU && flash[at + 1U] == 0xE7U)
			return at;
	fail_msg("the firmware has no endless loop to fall into");
	return 0;
}

static void a_loop_ends_by_the_watchdog(void **state)
{
	struct firmware f;

	(void)state;
	boot(&f, 1);
	cats_m4_set_register(cats_chip_core(f.chip), 15, endless_loop(&f) | 1U);
	comes_back(&f, "boot: cats 0.1.0 reset by watchdog", NULL);
	firmware_close(&f);
}

/* Lets the source open an inference, and cuts the power after so many instructions. */
static void cut_after(struct firmware *f, uint64_t instructions)
{
	const uint64_t until = cats_chip_now(f->chip) + 10000 * FIRMWARE_MS;
	struct cats_m4_stopped stopped;

	firmware_feed(f);
	stopped = cats_chip_run_instructions(f->chip, until, instructions);
	assert_true(stopped.stop == CATS_M4_INSTRUCTIONS || stopped.stop == CATS_M4_LIMIT);
	cats_chip_reset(f->chip, CATS_RESET_POWER);
	firmware_await(f, "node: plan", 1000 * FIRMWARE_MS);
	firmware_run(f, 10 * FIRMWARE_MS);
}

/* Where the interesting part lies: instructions from the input's first byte until the first frame is on air. */
static uint64_t instructions_to_first_frame(void)
{
	struct firmware f;
	uint64_t before;

	boot(&f, 0);
	before = cats_m4_instructions(cats_chip_core(f.chip));
	firmware_feed(&f);
	while (f.frames == 0)
		firmware_run(&f, 10 * FIRMWARE_US);
	before = cats_m4_instructions(cats_chip_core(f.chip)) - before;
	firmware_close(&f);
	return before;
}

/* Whenever the power goes until the first frame of an epoch is sent (test_epoch_cut has every instruction of its
 * writing): an epoch in which something was sent is known afterwards, none is lost that was known before, and the next
 * is opened. */
static void no_epoch_is_used_twice(void **state)
{
	const uint64_t whole = instructions_to_first_frame();
	uint32_t stored = 0, cuts = 0;
	struct firmware f;

	(void)state;
	boot(&f, 0);
	for (uint64_t cut = 50; cut < whole + 1000U; cut += whole / 50U, cuts++) {
		const uint32_t before = firmware_epoch(&f);

		f.frames = 0;
		cut_after(&f, cut);
		assert_in_range(firmware_epoch(&f), before, before + 1U);
		assert_true(firmware_epoch(&f) == before + 1U || f.frames == 0);
		stored += firmware_epoch(&f) - before;
	}
	assert_in_range(stored, 5, cuts - 5U);
	firmware_feed(&f);
	firmware_await(&f, "result epoch", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

/* A word of flash that does not take what is written: the epoch goes into the next, before anything is sent in it. */
static void an_epoch_that_is_not_written_is_not_used(void **state)
{
	struct firmware f;

	(void)state;
	boot(&f, 0);
	poke(&f, CATS_LAYOUT_EPOCHS, 0); /* since it was looked at */
	firmware_feed(&f);
	firmware_await(&f, "flash: the epoch could not be written", 1000 * FIRMWARE_MS);
	firmware_await(&f, "result epoch 1", 1000 * FIRMWARE_MS);
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	firmware_await(&f, "node: plan", 1000 * FIRMWARE_MS);
	assert_int_equal(firmware_epoch(&f), 1);
	firmware_close(&f);
}

/* The first page is full: the second is erased, and then has the highest. */
static void a_full_page_of_epochs_goes_over_to_the_other(void **state)
{
	struct firmware f;

	(void)state;
	firmware_open(&f, &image);
	firmware_identify(&f, 0);
	firmware_plant(&f, 3, 0);
	for (uint32_t i = 0; i < CATS_EPOCH_RECORDS; i++) {
		const struct cats_epoch_record record = {i + 1U, ~(i + 1U)}, older = {1, ~1U};

		firmware_flash(&f, CATS_LAYOUT_EPOCHS + i * (uint32_t)sizeof record, &record, sizeof record);
		firmware_flash(&f, CATS_LAYOUT_EPOCHS + CATS_LAYOUT_PAGE_BYTES + i * (uint32_t)sizeof older, &older,
			       sizeof older);
	}
	firmware_await(&f, "epoch 512", 1000 * FIRMWARE_MS);
	/* In the middle of the 85 ms of erasing. */
	firmware_feed(&f);
	firmware_run(&f, 40 * FIRMWARE_MS);
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	firmware_await(&f, "epoch 512", 1000 * FIRMWARE_MS);
	firmware_feed(&f);
	firmware_await(&f, "result epoch 513", 1000 * FIRMWARE_MS);
	cats_chip_reset(f.chip, CATS_RESET_POWER);
	firmware_await(&f, "epoch 513", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

static void inputs_are_checked(void **state)
{
	static const uint8_t junk[] = {0, 'x', 'I', 3, 0, 1, 2, 3, 9, 9, 9, 9};
	struct cats_error error = {0};
	struct firmware f;

	(void)state;
	boot(&f, 0);
	assert_int_equal(cats_uarte_receive(cats_chip_peripheral(f.chip, CATS_UARTE0_BASE), junk, sizeof junk, &error),
			 CATS_OK);
	firmware_await(&f, "input refused: its checksum is wrong, of 3 bytes", 500 * FIRMWARE_MS);
	firmware_feed(&f);
	firmware_await(&f, "result epoch 1", 1000 * FIRMWARE_MS);
	firmware_close(&f);
}

/* ---- A source that is no chip, of which node 1 of 3 hears every frame ---- */

struct source {
	struct firmware f;
	struct cats_host_aead *aead;
	struct cats_shard shard; /* node 1's */
	struct cats_net net;
	uint32_t forged; /* kinds of frames whose last bit is flipped, a bit each */
	uint32_t forgeries;
	uint8_t frame[CATS_FRAME_BYTES_MAX];
	uint64_t address, end_us; /* of the frame on air */
};

static uint64_t next_address(void *context)
{
	return ((struct source *)context)->address;
}

static bool take_address(void *context, double *dbm)
{
	((struct source *)context)->address = CATS_NEVER;
	*dbm = -50;
	return true;
}

static uint8_t take_byte(void *context, uint32_t index)
{
	return ((struct source *)context)->frame[index];
}

static bool has_right_crc(void *context)
{
	(void)context;
	return true;
}

/* A frame that began before is not heard. */
static void listen(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	struct source *s = context;

	(void)tuning;
	if (s->address != CATS_NEVER && s->address < at + CATS_AIR_ADDRESS_US * CATS_CYCLES_PER_US)
		s->address = CATS_NEVER;
}

static void nothing(void *context, uint64_t at, const struct cats_tuning *tuning)
{
	(void)context, (void)at, (void)tuning;
}

static void no_byte(void *context, uint8_t value)
{
	(void)context, (void)value;
}

static void no_end(void *context, uint64_t at, bool cut)
{
	(void)context, (void)at, (void)cut;
}

static void no_deafness(void *context)
{
	(void)context;
}

static void no_power(void *context, uint64_t at, enum cats_radio_power power)
{
	(void)context, (void)at, (void)power;
}

static bool site_of(void *context, struct cats_net_site *out, uint16_t number)
{
	return cats_net_site_of_shard(out, &((struct source *)context)->shard, number);
}

static uint32_t read_zeros(void *context, uint8_t *payload, uint8_t sender, uint16_t packet)
{
	const struct source *s = context;
	const uint32_t bytes =
		cats_net_packet_bytes(&s->net.layout, &s->net.desc, (uint32_t)s->net.layout.first[sender] + packet);

	memset(payload, 0, bytes);
	return sender == 0 ? bytes : 0;
}

static bool write_nothing(void *context, uint8_t sender, uint16_t packet, const uint8_t *payload, uint32_t bytes)
{
	(void)context, (void)sender, (void)packet, (void)payload, (void)bytes;
	return false;
}

static void open_source(struct source *s)
{
	static const struct cats_air air = {NULL,         nothing,      no_byte,   no_end,        listen,  no_deafness,
					    next_address, take_address, take_byte, has_right_crc, no_power};
	struct cats_net_config config = {
		.devices = 3,
		.site = site_of,
		.context = s,
		.store = {.read = read_zeros, .write = write_nothing, .context = s},
	};
	uint32_t where;

	memset(s, 0, sizeof *s);
	boot(&s->f, 1);
	s->f.air = air;
	s->f.air.context = s;
	s->address = CATS_NEVER;
	const struct cats_identity_page *page =
		(const void *)cats_m4_memory(cats_chip_core(s->f.chip), CATS_LAYOUT_IDENTITY, sizeof *page);
	const struct cats_shard_header *h =
		(const void *)cats_m4_memory(cats_chip_core(s->f.chip), CATS_LAYOUT_SHARD, sizeof *h);

	assert_int_equal(cats_shard_open(&s->shard, h, h->bytes, &where), 0);
	s->aead = cats_host_aead_create(page->key);
	assert_non_null(s->aead);
	config.aead = cats_host_aead_interface(s->aead);
	config.sites = h->site_count;
	config.plan = (uint32_t)h->plan_id;
	assert_true(cats_net_init(&s->net, &config));
}

static void close_source(struct source *s)
{
	cats_host_aead_free(s->aead);
	firmware_close(&s->f);
}

static uint64_t source_us(const struct source *s)
{
	return cats_chip_now(s->f.chip) / CATS_CYCLES_PER_US;
}

static void run_to(struct source *s, uint64_t us)
{
	if (us > source_us(s))
		firmware_run(&s->f, (us - source_us(s)) * CATS_CYCLES_PER_US);
}

/* The receiver's ADDRESS event comes 5 us after the address. */
static void put_on_air(struct source *s, const struct cats_net_action *a)
{
	run_to(s, s->end_us);
	memcpy(s->frame, a->frame, a->frame_bytes);
	if ((s->forged >> cats_frame_kind_of(s->frame[0]) & 1U) != 0) {
		s->frame[a->frame_bytes - 1U] ^= 0x80U;
		s->forgeries++;
	}
	s->end_us = a->at_us + cats_air_frame_us(a->frame_bytes - 2U) + 6U;
	run_to(s, a->at_us);
	s->address = (a->at_us + CATS_AIR_ADDRESS_US + 5U) * CATS_CYCLES_PER_US;
	cats_radio_look_up(cats_chip_peripheral(s->f.chip, CATS_RADIO_BASE));
	run_to(s, a->at_us + 1U);
}

/* The source opens an inference and sends its input; for so long. */
static void open_inference(struct source *s, uint64_t us)
{
	const uint64_t until_us = source_us(s) + us;
	struct cats_net_action a;

	assert_true(cats_net_open(&s->net, source_us(s), source_us(s) + 1000U));
	while (source_us(s) < until_us) {
		cats_net_next(&a, &s->net, source_us(s));
		if (a.kind == CATS_NET_EPOCH)
			cats_net_epoch_stored(&s->net, a.epoch);
		else if (a.kind == CATS_NET_OPENED)
			cats_net_ready(&s->net, 0, CATS_NET_ALL_OWN);
		else if (a.kind == CATS_NET_TRANSMIT)
			put_on_air(s, &a);
		else if (a.kind == CATS_NET_LISTEN || a.kind == CATS_NET_SLEEP)
			run_to(s, a.until_us < until_us ? a.until_us : until_us);
	}
}

/* What is not authentic changes nothing, whether it was decrypted while it arrived (a packet) or afterwards (the rest):
 * of frames as they are the node has its input; with packets forged, and combinations, it lacks it; with beacons forged
 * it does not even know of the inference. */
static void forged_frames_change_nothing(void **state)
{
	static const struct {
		uint32_t forged;
		bool begins, has_input;
	} cases[] = {
		{0, true, true},
		{1U << CATS_FRAME_DATA | 1U << CATS_FRAME_CODED, true, false},
		{1U << CATS_FRAME_BEACON, false, false},
	};
	static struct source s;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		open_source(&s);
		s.forged = cases[i].forged;
		open_inference(&s, 400000);
		assert_true((s.forgeries > 0) == (s.forged != 0));
		assert_int_equal(firmware_says(&s.f, "tag is wrong"), s.forged != 0);
		assert_int_equal(firmware_says(&s.f, "lacks at site 1"), cases[i].begins);
		assert_int_equal(firmware_says(&s.f, "lacks at site 0"), cases[i].begins && !cases[i].has_input);
		assert_int_equal(firmware_says(&s.f, "flown 0"), !cases[i].begins);
		close_source(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_identity_it_waits_and_says_so),
		cmocka_unit_test(without_shard_it_waits_and_says_so),
		cmocka_unit_test(a_damaged_page_is_named),
		cmocka_unit_test(a_shard_of_another_device_is_refused),
		cmocka_unit_test(a_shard_of_another_kind_is_refused),
		cmocka_unit_test(a_shard_without_times_is_refused),
		cmocka_unit_test(a_shard_half_flashed_is_refused),
		cmocka_unit_test(a_hard_fault_is_logged_by_the_next_life),
		cmocka_unit_test(an_exception_without_a_handler_is_named),
		cmocka_unit_test(a_lockup_is_named),
		cmocka_unit_test(a_fault_can_be_stopped_anywhere),
		cmocka_unit_test(a_stack_that_overflows_is_named),
		cmocka_unit_test(a_loop_ends_by_the_watchdog),
		cmocka_unit_test(no_epoch_is_used_twice),
		cmocka_unit_test(an_epoch_that_is_not_written_is_not_used),
		cmocka_unit_test(a_full_page_of_epochs_goes_over_to_the_other),
		cmocka_unit_test(inputs_are_checked),
		cmocka_unit_test(forged_frames_change_nothing),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

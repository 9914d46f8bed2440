/* SPDX-License-Identifier: MIT */
/* The firmware: what a node is, whether it has what it needs, and then its work. One image for all nodes. */
#include <stddef.h>

#include "core/runtime.h"
#include "ports/nrf52840/ccm.h"
#include "ports/nrf52840/clock.h"
#include "ports/nrf52840/epoch.h"
#include "ports/nrf52840/fault.h"
#include "ports/nrf52840/interrupts.h"
#include "ports/nrf52840/layout.h"
#include "ports/nrf52840/node.h"
#include "ports/nrf52840/radio.h"
#include "ports/nrf52840/serial.h"
#include "ports/nrf52840/station.h"
#include "ports/nrf52840/text.h"
#include "ports/nrf52840/watchdog.h"

/* A node that waits to be flashed says so again. */
#define REPEAT_US 10000000U
#define NAP_US 250000U

/* Of the linker script: where flash begins. */
extern const uint8_t __firmware[];

static struct cats_node node;

static const struct cats_identity_page *identity(void)
{
	return (const struct cats_identity_page *)(uintptr_t)CATS_LAYOUT_IDENTITY;
}

static const struct cats_shard_header *shard(void)
{
	return (const struct cats_shard_header *)(uintptr_t)CATS_LAYOUT_SHARD;
}

static uint8_t *arena(void)
{
	return (uint8_t *)(uintptr_t)CATS_LAYOUT_ARENA;
}

/* RESETREAS adds up until it is cleared; after power came it is 0. Erratum 136: beside the pin others may be wrong. */
static const char *cause_of_reset(void)
{
	const uint32_t reasons = POWER_RESETREAS;

	POWER_RESETREAS = reasons;
	if ((reasons & RESETREAS_RESETPIN) != 0)
		return "pin";
	if ((reasons & RESETREAS_DOG) != 0)
		return "watchdog";
	if ((reasons & RESETREAS_LOCKUP) != 0)
		return "lockup";
	if ((reasons & RESETREAS_SREQ) != 0)
		return "software";
	return reasons == 0 ? "power" : "other";
}

static void log_boot(void)
{
	cats_log_begin("boot: cats " CATS_VERSION " reset by ");
	cats_log_text(cause_of_reset());
	cats_log_end();
	cats_fault_report();
}

static void nap(void)
{
	const uint64_t until_us = cats_clock_now_us() + NAP_US;

	cats_clock_wake_at(until_us);
	while (cats_clock_now_us() < until_us)
		__asm volatile("wfi");
	cats_watchdog_feed(CATS_WATCHDOG_THREAD);
	cats_watchdog_feed(CATS_WATCHDOG_PROTOCOL);
}

/* Alive, without a part in the network, until somebody flashes what is missing. */
static _Noreturn void wait_for(const char *what, const char *why, uint32_t where)
{
	for (;;) {
		cats_log_begin("waiting: ");
		cats_log_text(what);
		cats_log_text(": ");
		cats_log_text(why);
		if (where != 0)
			cats_log_field("at byte", where);
		cats_log_end();
		for (uint32_t i = 0; i < REPEAT_US / NAP_US; i++)
			nap();
	}
}

/* What has run until here is not known to be right either; but nothing of it can send. */
static void check_firmware(void)
{
	if (!cats_firmware_is_whole(__firmware))
		wait_for("firmware", "its checksum does not match its bytes: flash it again", 0);
}

static void check_identity(void)
{
	static const char *const why[] = {
		[CATS_IDENTITY_MISSING] = "there is none",
		[CATS_IDENTITY_OTHER] = "it is of another version",
		[CATS_IDENTITY_CHECKSUM] = "its checksum does not match its bytes",
		[CATS_IDENTITY_RANGE] = "a number in it is outside its range",
	};
	const enum cats_identity_fault fault = cats_identity_check(identity());

	if (fault != CATS_IDENTITY_GOOD)
		wait_for("identity page", why[fault], 0);
	cats_log_as(identity()->node);
}

static void check_shard(void)
{
	const struct cats_node_config config = {
		.shard = shard(),
		.shard_bytes = shard()->magic == CATS_SHARD_MAGIC && shard()->bytes < CATS_LAYOUT_SHARD_BYTES
				       ? shard()->bytes
				       : CATS_LAYOUT_SHARD_BYTES,
		.arena = arena(),
		.arena_bytes = CATS_LAYOUT_ARENA_BYTES,
		.identity = {.device = identity()->node},
		.kernels = &cats_kernels_m4,
	};
	uint32_t where = 0;
	const int refusal = cats_node_init(&node, &config, &where);

	if (refusal != 0)
		wait_for("shard", cats_refusal_text(refusal), where);
	if (!cats_shard_is_timed(&node.shard))
		wait_for("shard", "it has no times of gathers", 0);
}

static void log_node(uint32_t epoch)
{
	const struct cats_shard_header *h = shard();

	cats_log_begin("node: plan ");
	cats_log_hex((uint32_t)(h->plan_id >> 32));
	cats_log_hex((uint32_t)h->plan_id);
	cats_log_field("devices", h->devices);
	cats_log_field("shard", h->bytes);
	cats_log_field("arena", h->arena_bytes);
	cats_log_field("epoch", epoch);
	cats_log_end();
}

static void join(void)
{
	const struct cats_radio_settings settings = {
		.address = identity()->access_address,
		.frequency_mhz = cats_identity_frequency_mhz(identity()->channel),
		.channel = identity()->channel,
	};
	const struct cats_station_options options = {
		.shard = &node.shard,
		.node = &node,
		.aead = cats_ccm_aead(),
		.epoch = cats_epoch_read(),
	};

	log_node(options.epoch);
	cats_ccm_start(identity()->key, (uint8_t)identity()->node);
	if (!cats_station_init(&options))
		wait_for("shard", "the gather protocol cannot carry this plan: a site has too many packets", 0);
	cats_radio_start(&settings);
}

int main(void)
{
	const uint32_t arena_bytes = CATS_LAYOUT_ARENA_BYTES;

	cats_watchdog_start();
	NVMC_ICACHECNF = 1;
	cats_interrupts_protocol_level();
	cats_clock_start();
	cats_serial_start();
	log_boot();
	check_firmware();
	check_identity();
	check_shard();
	join();
	cats_firmware_run(&node, arena() + shard()->arena_bytes, arena_bytes - shard()->arena_bytes);
}

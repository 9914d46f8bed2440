/* SPDX-License-Identifier: MIT */
/* What a peripheral of an emulated nRF52840 is. All of them share one treatment of tasks, events, interrupts, shortcuts
 * and PPI, which is here; a model adds what its tasks do, its other registers and when it next does something by
 * itself. Private to emulator/; nRF52840 Product Specification 1.7, chapter 6.1.
 *
 * Time is in cycles of the chip's own 64 MHz clock since it was created. A model's functions are called with
 * cats_peripheral_now being the exact moment: that of the event for `advance` and for tasks from the PPI, the end of
 * the running basic block for what the processor does.
 *
 * Registers, unless a model takes an offset over:
 *	0x000 + 4i	task i: writing 1 runs it; everything else is refused
 *	0x100 + 4i	event i: reads 0 or 1; writing 0 clears it, anything else is refused
 *	0x200		SHORTS: bits without a shortcut are refused
 *	0x304, 0x308	INTENSET, INTENCLR: bits without an event are refused
 * The interrupt is a level: high while any enabled event is 1. When the processor clears the last, it goes low as much
 * later as the PPI takes, or when the processor next reads a register; a handler that returns before is entered again.
 *
 * An event runs its shortcuts' tasks at once, within cats_peripheral_event, and those of its PPI channels
 * CATS_PPI_CYCLES later. Refusing stops the chip with the peripheral's name and a sentence; it goes on no more. */
#ifndef CATS_EMULATOR_PERIPHERAL_H
#define CATS_EMULATOR_PERIPHERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CATS_NEVER UINT64_MAX
#define CATS_CYCLES_PER_US 64U
#define CATS_PPI_CYCLES 4U /* one cycle of the peripherals' 16 MHz */

struct cats_chip;
struct cats_peripheral;

enum cats_reset {
	CATS_RESET_POWER, /* nothing but flash and UICR is kept */
	CATS_RESET_PIN,
	CATS_RESET_WATCHDOG,
	CATS_RESET_SOFT, /* AIRCR.SYSRESETREQ */
	CATS_RESET_LOCKUP,
};

/* SHORTS bit `bit` connects event `event` to task `task`: indices of their registers. */
struct cats_short {
	uint8_t bit, event, task;
};

struct cats_peripheral_model {
	uint32_t tasks, events; /* bit i: there is one at 0x000 + 4i, 0x100 + 4i */
	const struct cats_short *shorts;
	size_t short_count;
	size_t bytes; /* of the model's struct, whose first member is the cats_peripheral */

	/* Any of them may be NULL. */
	void (*reset)(struct cats_peripheral *p, enum cats_reset cause); /* events, shorts, inten, next are reset */
	void (*task)(struct cats_peripheral *p, uint32_t task);
	/* Registers beside those above; false: there is none, which is refused. They come first: a model may take over
	 * any offset. */
	bool (*read)(uint32_t *value, struct cats_peripheral *p, uint32_t offset);
	bool (*write)(struct cats_peripheral *p, uint32_t offset, uint32_t value);
	/* The time given to cats_peripheral_due latest has come, and is forgotten. */
	void (*advance)(struct cats_peripheral *p);
	/* Before the struct is freed. */
	void (*free)(struct cats_peripheral *p);
};

/* One of a chip's. A model's struct begins with it. */
struct cats_peripheral {
	const struct cats_peripheral_model *model;
	struct cats_chip *chip;
	const char *name; /* "TIMER0" */
	uint32_t base;
	uint32_t irq;
	uint32_t variant; /* what distinguishes those of one model, for it to say */
	uint32_t events;  /* bit i: event i is 1 */
	uint32_t inten, shorts;
	uint64_t next; /* when `advance` is due; written by cats_peripheral_due only */
};

/* The moment. */
uint64_t cats_peripheral_now(const struct cats_peripheral *p);

/* `advance` is called at that time, which is not before now, and for no time set before. */
void cats_peripheral_due(struct cats_peripheral *p, uint64_t time);

/* Event i happens. */
void cats_peripheral_event(struct cats_peripheral *p, uint32_t event);

/* The chip stops: what silicon would not do, or what nobody has modelled. */
void cats_peripheral_refuse(struct cats_peripheral *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory for EasyDMA: `bytes` of RAM at `address`, as the host has it; else it is refused under the register's name,
 * and the answer is NULL. Zero bytes need only begin in RAM. */
uint8_t *cats_peripheral_ram(struct cats_peripheral *p, const char *pointer_register, uint32_t address, uint32_t bytes);

/* Whether the crystal oscillator of 64 MHz runs (CLOCK's HFCLKSTART, and its start-up has passed). */
bool cats_peripheral_crystal_runs(const struct cats_peripheral *p);

/* A number for which the peripheral has no better source: the chip's own stream, by its seed. */
uint64_t cats_peripheral_random(struct cats_peripheral *p);

#endif

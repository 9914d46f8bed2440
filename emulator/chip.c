/* SPDX-License-Identifier: MIT */
/* A chip: its bus, what all peripherals share, its time and its resets. See chip.h and peripheral.h. */
#include "emulator/chip.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/core.h"
#include "emulator/models.h"
#include "emulator/nvmc.h"

#define TASKS 0x000U
#define EVENTS 0x100U
#define SHORTS 0x200U
#define INTENSET 0x304U
#define INTENCLR 0x308U
#define PAGE_BYTES 0x1000U

#define PENDING_TASKS 64U /* a power of two; of events less than CATS_PPI_CYCLES ago */
#define TEXT_BYTES 256

/* A task that the PPI will trigger. */
struct pending_task {
	uint64_t time;
	struct cats_peripheral *target;
	uint32_t task;
};

struct cats_chip {
	struct cats_m4 *m4;
	struct cats_m4_bus bus;
	struct cats_chip_host host;
	struct cats_peripheral **peripherals; /* cats_peripheral_count of them */
	uint64_t time;                        /* of what happens at this moment */
	uint64_t next;                        /* the earliest of all peripherals' and pending tasks; 0: look */
	struct pending_task pending[PENDING_TASKS];
	uint32_t first_pending, last_pending; /* count up; the place is the rest */
	uint64_t random;
	/* Interrupts whose events the processor has cleared: low from `falls_at` on, or as soon as it reads a register,
	 * which the write must reach before. */
	uint64_t falling, falls_at;
	enum cats_reset cause; /* of a reset that a peripheral asked for */
	char refusal[TEXT_BYTES];
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint64_t cats_peripheral_random(struct cats_peripheral *p)
{
	return random_next(&p->chip->random);
}

uint64_t cats_peripheral_now(const struct cats_peripheral *p)
{
	return p->chip->time;
}

/* The first refusal is the one that is told. */
static void refuse(struct cats_peripheral *p, const char *format, va_list arguments)
{
	struct cats_chip *chip = p->chip;

	if (chip->refusal[0] == '\0') {
		const int at = snprintf(chip->refusal, TEXT_BYTES, "%s: ", p->name);

		vsnprintf(chip->refusal + at, TEXT_BYTES - (size_t)at, format, arguments);
	}
	cats_m4_raise(chip->m4, CATS_M4_FAULT_PERIPHERAL, p->base);
}

void cats_peripheral_refuse(struct cats_peripheral *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	refuse(p, format, arguments);
	va_end(arguments);
}

void cats_chip_fault(struct cats_peripheral *p, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!p->chip->m4->handles_faults)
		refuse(p, format, arguments);
	va_end(arguments);
}

uint8_t *cats_peripheral_ram(struct cats_peripheral *p, const char *pointer_register, uint32_t address, uint32_t bytes)
{
	if (address - CATS_M4_RAM < CATS_M4_RAM_BYTES && bytes <= CATS_M4_RAM_BYTES - (address - CATS_M4_RAM))
		return p->chip->m4->ram + (address - CATS_M4_RAM);
	cats_peripheral_refuse(p, "%s: %u bytes at 0x%08x do not lie in RAM, and EasyDMA reaches nothing else",
			       pointer_register, bytes, address);
	return NULL;
}

void cats_peripheral_due(struct cats_peripheral *p, uint64_t time)
{
	p->next = time;
	p->chip->next = 0;
	p->chip->m4->attention = 0;
}

/* ---- Events ---- */

/* Interrupts that were to go low do. */
static void fall(struct cats_chip *chip)
{
	for (; chip->falling != 0; chip->falling &= chip->falling - 1U)
		cats_m4_exceptions_line(chip->m4, (uint32_t)__builtin_ctzll(chip->falling), false);
}

static void update_interrupt(struct cats_peripheral *p)
{
	struct cats_m4 *m4 = p->chip->m4;
	const uint32_t number = CATS_M4_EXCEPTION_INTERRUPT + p->irq;

	if (p->irq == CATS_NO_IRQ)
		return;
	if ((p->chip->falling >> number & 1U) != 0)
		cats_m4_exceptions_line(m4, number, false);
	p->chip->falling &= ~(UINT64_C(1) << number);
	cats_m4_exceptions_line(m4, number, (p->events & p->inten) != 0);
}

/* After a write of the processor. */
static void update_interrupt_late(struct cats_peripheral *p)
{
	struct cats_chip *chip = p->chip;
	const uint64_t bit = p->irq != CATS_NO_IRQ ? UINT64_C(1) << (CATS_M4_EXCEPTION_INTERRUPT + p->irq) : 0;

	if ((chip->m4->exceptions.lines & bit) == 0 || (p->events & p->inten) != 0) {
		update_interrupt(p);
	} else {
		chip->falling |= bit;
		chip->falls_at = chip->time + CATS_PPI_CYCLES;
	}
}

static bool is_event(const struct cats_peripheral *p, uint32_t offset)
{
	return offset - EVENTS < 0x80U && (p->model->events >> (offset - EVENTS) / 4U & 1U) != 0;
}

static bool has_task(const struct cats_peripheral *p, uint32_t task)
{
	return task < 32U && (p->model->tasks >> task & 1U) != 0;
}

static void run_task(struct cats_peripheral *p, uint32_t task)
{
	if (!has_task(p, task))
		cats_peripheral_refuse(p, "there is no task at 0x%03x", TASKS + 4U * task);
	else if (p->model->task)
		p->model->task(p, task);
}

bool cats_chip_has(struct cats_chip *chip, uint32_t address, bool event)
{
	const struct cats_peripheral *p = cats_chip_peripheral(chip, address & ~(PAGE_BYTES - 1U));
	const uint32_t offset = address % PAGE_BYTES;

	if (!p || offset % 4U != 0)
		return false;
	return event ? is_event(p, offset) : has_task(p, (offset - TASKS) / 4U);
}

void cats_chip_trigger(struct cats_chip *chip, uint32_t address)
{
	struct pending_task *t = chip->pending + chip->last_pending % PENDING_TASKS;
	struct cats_peripheral *target = cats_chip_peripheral(chip, address & ~(PAGE_BYTES - 1U));
	struct cats_peripheral *ppi = cats_chip_peripheral(chip, CATS_PPI_BASE);

	if (!cats_chip_has(chip, address, false)) {
		cats_peripheral_refuse(ppi, "a channel leads to 0x%08x, where no modelled task is", address);
	} else if (chip->last_pending - chip->first_pending == PENDING_TASKS) {
		cats_peripheral_refuse(ppi, "more than %u tasks within %u cycles", PENDING_TASKS, CATS_PPI_CYCLES);
	} else {
		*t = (struct pending_task){chip->time + CATS_PPI_CYCLES, target, address % PAGE_BYTES / 4U};
		chip->last_pending++;
		chip->next = 0;
		chip->m4->attention = 0;
	}
}

void cats_peripheral_event(struct cats_peripheral *p, uint32_t event)
{
	cats_chip_event(p, event, true);
}

void cats_chip_event(struct cats_peripheral *p, uint32_t event, bool routed)
{
	p->events |= 1U << event;
	update_interrupt(p);
	if (routed)
		cats_ppi_route(cats_chip_peripheral(p->chip, CATS_PPI_BASE), p->base + EVENTS + 4U * event);
	for (size_t i = 0; i < p->model->short_count; i++)
		if (p->model->shorts[i].event == event && (p->shorts >> p->model->shorts[i].bit & 1U) != 0)
			run_task(p, p->model->shorts[i].task);
}

const struct cats_chip_host *cats_chip_host(const struct cats_peripheral *p)
{
	return &p->chip->host;
}

/* ---- Time ---- */

static uint64_t earliest(const struct cats_chip *chip)
{
	uint64_t next = CATS_NEVER;

	if (chip->first_pending != chip->last_pending)
		next = chip->pending[chip->first_pending % PENDING_TASKS].time;
	for (uint32_t i = 0; i < cats_peripheral_count; i++)
		if (chip->peripherals[i]->next < next)
			next = chip->peripherals[i]->next;
	return next;
}

static uint64_t next_event(void *context)
{
	struct cats_chip *chip = context;

	if (chip->next == 0)
		chip->next = earliest(chip);
	return chip->next;
}

/* One thing that is due at this moment: what peripherals do by themselves, in the order of their addresses, then tasks
 * from the PPI in the order of their events. */
static void happen(struct cats_chip *chip)
{
	const struct pending_task *t = chip->pending + chip->first_pending % PENDING_TASKS;

	for (uint32_t i = 0; i < cats_peripheral_count; i++) {
		struct cats_peripheral *p = chip->peripherals[i];

		if (p->next <= chip->time) {
			p->next = CATS_NEVER;
			p->model->advance(p);
			return;
		}
	}
	chip->first_pending++;
	run_task(t->target, t->task);
}

static void advance_to(struct cats_chip *chip, uint64_t time)
{
	while (next_event(chip) <= time && chip->m4->fault == CATS_M4_NO_FAULT && !chip->m4->reset_requested) {
		if (chip->next > chip->time)
			chip->time = chip->next;
		chip->next = 0;
		happen(chip);
	}
	if (time > chip->time)
		chip->time = time;
}

static void advance(void *context)
{
	struct cats_chip *chip = context;

	advance_to(chip, cats_m4_now(chip->m4));
	if (chip->time >= chip->falls_at)
		fall(chip);
}

/* ---- Registers ---- */

struct cats_peripheral *cats_chip_peripheral(struct cats_chip *chip, uint32_t base)
{
	for (uint32_t i = 0; i < cats_peripheral_count; i++)
		if (chip->peripherals[i]->base == base)
			return chip->peripherals[i];
	return NULL;
}

static uint32_t shorts_of(const struct cats_peripheral_model *model)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < model->short_count; i++)
		bits |= 1U << model->shorts[i].bit;
	return bits;
}

static bool read_shared(uint32_t *value, const struct cats_peripheral *p, uint32_t offset)
{
	if (is_event(p, offset))
		*value = p->events >> (offset - EVENTS) / 4U & 1U;
	else if (offset == SHORTS && p->model->short_count > 0)
		*value = p->shorts;
	else if ((offset == INTENSET || offset == INTENCLR) && p->model->events != 0)
		*value = p->inten;
	else
		return false;
	return true;
}

static bool write_task(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	if (!has_task(p, offset / 4U))
		return false;
	if (value == 1)
		run_task(p, offset / 4U);
	else
		cats_peripheral_refuse(p, "0x%08x written to the task at 0x%03x, which is triggered by 1", value,
				       offset);
	return true;
}

static bool write_event(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	if (!is_event(p, offset))
		return false;
	if (value != 0)
		cats_peripheral_refuse(p, "0x%08x written to the event at 0x%03x, which is cleared by 0", value,
				       offset);
	p->events &= ~(1U << (offset - EVENTS) / 4U);
	return true;
}

static bool write_bits(struct cats_peripheral *p, uint32_t offset, uint32_t value)
{
	const uint32_t bits = offset == SHORTS ? shorts_of(p->model) : p->model->events;

	if (bits == 0 || (offset != SHORTS && offset != INTENSET && offset != INTENCLR))
		return false;
	if ((value & ~bits) != 0 && !(offset == INTENCLR && value == UINT32_MAX))
		cats_peripheral_refuse(p, "0x%08x written to 0x%03x, where only 0x%08x is modelled", value, offset,
				       bits);
	if (offset == SHORTS)
		p->shorts = value & bits;
	else if (offset == INTENSET)
		p->inten |= value;
	else
		p->inten &= ~value;
	return true;
}

/* The peripheral of an access, or NULL when that is refused. */
static struct cats_peripheral *accessed(struct cats_chip *chip, uint32_t address, uint32_t bytes)
{
	struct cats_peripheral *p = cats_chip_peripheral(chip, address & ~(PAGE_BYTES - 1U));

	advance(chip);
	if (chip->refusal[0] != '\0')
		return NULL;
	if (!p) {
		snprintf(chip->refusal, TEXT_BYTES, "no peripheral is modelled at 0x%08x", address);
		cats_m4_raise(chip->m4, CATS_M4_FAULT_PERIPHERAL, address);
	} else if (bytes != 4 || address % 4U != 0) {
		cats_peripheral_refuse(p, "an access of %u bytes to 0x%03x: registers are whole words", bytes,
				       address % PAGE_BYTES);
		p = NULL;
	}
	return p;
}

static uint32_t bus_read(void *context, uint32_t address, uint32_t bytes)
{
	struct cats_peripheral *p = accessed(context, address, bytes);
	const uint32_t offset = address % PAGE_BYTES;
	uint32_t value = 0;

	if (p)
		fall(p->chip);
	if (p && !(p->model->read && p->model->read(&value, p, offset)) && !read_shared(&value, p, offset))
		cats_peripheral_refuse(p, "a read of 0x%03x, which is not modelled", offset);
	return value;
}

static void bus_write(void *context, uint32_t address, uint32_t bytes, uint32_t value)
{
	struct cats_peripheral *p = accessed(context, address, bytes);
	const uint32_t offset = address % PAGE_BYTES;

	if (!p)
		return;
	if (!(p->model->write && p->model->write(p, offset, value)) && !write_task(p, offset, value) &&
	    !write_event(p, offset, value) && !write_bits(p, offset, value))
		cats_peripheral_refuse(p, "0x%08x written to 0x%03x, which is not modelled", value, offset);
	update_interrupt_late(p);
}

static bool write_flash(void *context, uint32_t *stored, uint32_t address, uint32_t bytes, uint32_t value)
{
	struct cats_chip *chip = context;

	advance(chip);
	return cats_nvmc_store(stored, cats_chip_peripheral(chip, CATS_NVMC_BASE), address, bytes, value);
}

/* ---- A chip ---- */

static void reset_peripherals(struct cats_chip *chip, enum cats_reset cause)
{
	for (uint32_t i = 0; i < cats_peripheral_count; i++) {
		struct cats_peripheral *p = chip->peripherals[i];

		p->events = p->inten = p->shorts = 0;
		p->next = CATS_NEVER;
		if (p->model->reset)
			p->model->reset(p, cause);
	}
	chip->first_pending = chip->last_pending = 0;
	chip->falling = 0;
	chip->next = 0;
}

void cats_chip_reset(struct cats_chip *chip, enum cats_reset cause)
{
	if (chip->refusal[0] != '\0')
		return;
	if (chip->host.reset)
		chip->host.reset(chip->host.context, chip->time, cause);
	if (cause == CATS_RESET_POWER)
		memset(chip->m4->ram, CATS_M4_PAINT, CATS_M4_RAM_BYTES);
	reset_peripherals(chip, cause);
	cats_m4_restart(chip->m4);
}

static enum cats_status create_peripherals(struct cats_chip *chip, struct cats_error *error)
{
	chip->peripherals = calloc(cats_peripheral_count, sizeof(struct cats_peripheral *));
	for (uint32_t i = 0; chip->peripherals && i < cats_peripheral_count; i++) {
		struct cats_peripheral *p = calloc(1, cats_peripherals[i].model->bytes);

		chip->peripherals[i] = p;
		if (!p)
			return cats_fail(error, CATS_ERR_MEMORY, "out of memory for a chip's peripherals");
		*p = cats_peripherals[i];
		p->chip = chip;
	}
	return chip->peripherals ? CATS_OK
				 : cats_fail(error, CATS_ERR_MEMORY, "out of memory for a chip's peripherals");
}

enum cats_status cats_chip_create(struct cats_chip **out, const struct cats_elf *elf,
				  const struct cats_chip_options *options, struct cats_error *error)
{
	struct cats_chip *chip = calloc(1, sizeof *chip);
	enum cats_status status;

	*out = NULL;
	if (!chip)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for a chip", elf->name);
	chip->bus = (struct cats_m4_bus){chip, bus_read, bus_write, write_flash, advance, next_event};
	chip->host = options->host;
	chip->random = options->seed;
	status = create_peripherals(chip, error);
	if (status == CATS_OK)
		status = cats_m4_create(&chip->m4, elf,
					&(struct cats_m4_options){.fast = options->fast,
								  .handles_faults = options->handles_faults,
								  .bus = &chip->bus},
					error);
	if (status != CATS_OK) {
		cats_chip_free(chip);
		return status;
	}
	reset_peripherals(chip, CATS_RESET_POWER);
	*out = chip;
	return CATS_OK;
}

void cats_chip_free(struct cats_chip *chip)
{
	if (!chip)
		return;
	for (uint32_t i = 0; chip->peripherals && i < cats_peripheral_count; i++) {
		struct cats_peripheral *p = chip->peripherals[i];

		if (p && p->model->free)
			p->model->free(p);
		free(p);
	}
	free(chip->peripherals);
	cats_m4_free(chip->m4);
	free(chip);
}

void cats_chip_ask_reset(struct cats_chip *chip, enum cats_reset cause)
{
	chip->cause = cause;
	chip->m4->reset_requested = true;
	chip->m4->attention = 0;
}

struct cats_m4_stopped cats_chip_run(struct cats_chip *chip, uint64_t until)
{
	return cats_chip_run_instructions(chip, until, UINT64_MAX - chip->m4->instructions);
}

struct cats_m4_stopped cats_chip_run_instructions(struct cats_chip *chip, uint64_t until, uint64_t instructions)
{
	const uint64_t last = chip->m4->instructions + instructions;
	struct cats_m4_stopped stopped = {.stop = CATS_M4_LIMIT, .pc = chip->m4->pc};

	while (cats_m4_now(chip->m4) < until) {
		chip->cause = CATS_RESET_SOFT;
		stopped = cats_m4_run_instructions(chip->m4, until - cats_m4_now(chip->m4),
						   last > chip->m4->instructions ? last - chip->m4->instructions : 0);
		if (stopped.stop != CATS_M4_RESET && stopped.stop != CATS_M4_LOCKUP)
			break;
		cats_chip_reset(chip, stopped.stop == CATS_M4_RESET ? chip->cause : CATS_RESET_LOCKUP);
	}
	if (chip->m4->fault == CATS_M4_NO_FAULT)
		advance(chip);
	return stopped;
}

uint64_t cats_chip_now(const struct cats_chip *chip)
{
	return cats_m4_now(chip->m4);
}

uint64_t cats_chip_next(const struct cats_chip *chip)
{
	const struct cats_m4 *m4 = chip->m4;

	return cats_m4_sleeps(m4) ? cats_m4_next(m4) : cats_m4_now(m4);
}

bool cats_chip_sleeps(const struct cats_chip *chip)
{
	return cats_m4_sleeps(chip->m4);
}

struct cats_m4 *cats_chip_core(struct cats_chip *chip)
{
	return chip->m4;
}

void cats_chip_describe(char *text, size_t size, const struct cats_chip *chip, const struct cats_m4_stopped *stopped)
{
	const int at = chip->refusal[0] != '\0' ? snprintf(text, size, "%s\n", chip->refusal) : 0;

	if (at >= 0 && (size_t)at < size)
		cats_m4_describe(text + at, size - (size_t)at, chip->m4, stopped);
}

/* SPDX-License-Identifier: MIT */
/* An emulated core on Unicorn. See m4.h.
 *
 * Unicorn (2.0.1) calls back before each translated block. There the block's instructions are added up, so counting is
 * exact and costs little. What it was seen to do and this file builds on: a stop asked for in that callback happens
 * before the block runs, yet leaves a stale pc behind (the block's address is remembered instead); registers are exact
 * when a memory access fails, the pc only where every instruction has a callback (strict); WFI ends emulation without
 * an error; WFE is invalid to it; BKPT, SVC and exception returns are reported as interrupts with an exact pc. */
#include "emulator/m4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/core.h"
#include "emulator/thumb.h"

#define NO_INTERRUPT UINT32_MAX
#define NO_END 0xFFFFFFFFU              /* an address that never executes */
#define PRIVATE_PERIPHERALS 0xE0000000U /* the core's own, up to the end of memory */
#define HALFWORD_WFE 0xBF20U
#define HALFWORD_SEV 0xBF40U
#define XPSR_THUMB (1U << 24)

/* Interrupts as Unicorn numbers them. */
enum { INTERRUPT_SVC = 2, INTERRUPT_DATA = 4, INTERRUPT_BREAKPOINT = 7, INTERRUPT_RETURN = 8 };

uint32_t cats_m4_get(const struct cats_m4 *m4, int which)
{
	uint32_t value = 0;

	uc_reg_read(m4->uc, which, &value);
	return value;
}

void cats_m4_put(struct cats_m4 *m4, int which, uint32_t value)
{
	uc_reg_write(m4->uc, which, &value);
}

static uint16_t halfword(const struct cats_m4 *m4, uint32_t address)
{
	uint16_t value = 0xFFFF;

	if (address <= CATS_M4_FLASH_BYTES - 2U)
		memcpy(&value, m4->flash + address, 2);
	return value;
}

void cats_m4_go_on(struct cats_m4 *m4, uint32_t pc)
{
	m4->pc = pc;
	m4->sequential = pc;
}

void cats_m4_raise(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t address)
{
	if (m4->fault == CATS_M4_NO_FAULT) {
		m4->fault = fault;
		m4->fault_address = address;
	}
	uc_emu_stop(m4->uc);
}

static struct cats_thumb decode(const struct cats_m4 *m4, uint32_t address)
{
	return cats_thumb_decode(halfword(m4, address), halfword(m4, address + 2U));
}

/* Instructions from an address up to another. */
static uint32_t count_instructions(const struct cats_m4 *m4, uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (; from < to; count++)
		from += cats_thumb_bytes(halfword(m4, from));
	return count;
}

/* Of what comes so many instructions behind one. */
static uint32_t address_after(const struct cats_m4 *m4, uint32_t from, uint64_t instructions)
{
	for (; instructions > 0; instructions--)
		from += cats_thumb_bytes(halfword(m4, from));
	return from;
}

/* What a block consists of. */
static void examine(const struct cats_m4 *m4, struct cats_m4_block *block)
{
	struct cats_thumb_chain chain = {0};

	for (uint32_t at = block->address; at < block->address + block->bytes;) {
		const struct cats_thumb t = decode(m4, at);

		block->instructions++;
		block->cycles += cats_thumb_cycles(&chain, &t);
		block->uses_fpu |= t.fpu;
		block->sends_event |= t.bytes == 2 && halfword(m4, at) == HALFWORD_SEV;
		block->calls = t.call; /* in the end: whether the last one does */
		at += t.bytes;
	}
}

static struct cats_m4_block *add_block(struct cats_m4 *m4, uint32_t address, uint32_t bytes)
{
	struct cats_m4_block *block;

	if (m4->block_count == m4->block_room) {
		const uint32_t room = m4->block_room == 0 ? 1024U : 2U * m4->block_room;
		struct cats_m4_block *grown = realloc(m4->blocks, room * sizeof *grown);

		if (!grown)
			return NULL;
		m4->blocks = grown;
		m4->block_room = room;
	}
	block = m4->blocks + m4->block_count++;
	*block = (struct cats_m4_block){.address = address, .bytes = bytes, .next = m4->block_at[address / 2U]};
	examine(m4, block);
	block->slot = cats_m4_profile_slot(m4, address);
	m4->block_at[address / 2U] = m4->block_count;
	m4->has_code[address / CATS_M4_PAGE] = m4->has_code[(address + bytes - 1U) / CATS_M4_PAGE] = true;
	return block;
}

static struct cats_m4_block *find_block(struct cats_m4 *m4, uint32_t address, uint32_t bytes)
{
	for (uint32_t i = m4->block_at[address / 2U]; i > 0; i = m4->blocks[i - 1U].next)
		if (m4->blocks[i - 1U].bytes == bytes)
			return m4->blocks + i - 1U;
	return add_block(m4, address, bytes);
}

/* The block that is running, or NULL. */
static const struct cats_m4_block *running(const struct cats_m4 *m4)
{
	return m4->running > 0 ? m4->blocks + m4->running - 1U : NULL;
}

/* Adds up what a block that is about to run will have done. */
static void account(struct cats_m4 *m4, const struct cats_m4_block *block)
{
	const struct cats_m4_block *before = running(m4);
	struct cats_m4_counters *c = m4->profile.counters + block->slot;
	uint64_t cycles = block->cycles;

	if (block->address != m4->sequential) {
		if (before)
			cats_m4_profile_jump(m4, before, block);
		cycles += CATS_THUMB_REFILL_CYCLES;
	}
	if (block->uses_fpu)
		cycles += cats_m4_exceptions_use_fpu(m4);
	c->instructions += block->instructions;
	c->cycles += cycles;
	m4->instructions += block->instructions;
	m4->cycles += cycles;
	m4->event |= block->sends_event;
	m4->running = (uint32_t)(block - m4->blocks) + 1U;
	m4->sequential = block->address + block->bytes;
}

void cats_m4_advance(struct cats_m4 *m4)
{
	cats_m4_exceptions_advance(m4);
	if (m4->bus)
		m4->bus->advance(m4->bus->context);
}

uint64_t cats_m4_next(const struct cats_m4 *m4)
{
	const uint64_t own = cats_m4_exceptions_next(m4), outside = m4->bus ? m4->bus->next(m4->bus->context) : own;

	return own < outside ? own : outside;
}

/* Whether the run is over or an exception is due; else when to ask again. */
static bool must_pause(struct cats_m4 *m4)
{
	const struct cats_m4_exceptions *x = &m4->exceptions;

	cats_m4_advance(m4);
	if (m4->stalled > cats_m4_now(m4) || m4->changed_to > 0)
		return true;
	if (cats_m4_now(m4) >= m4->limit || cats_m4_exceptions_due(m4) != 0 || m4->reset_requested)
		return true;
	m4->attention = cats_m4_next(m4) < m4->limit ? cats_m4_next(m4) : m4->limit;
	if ((x->pending & x->enabled) != 0)
		m4->attention = 0; /* what masks it may go away at any instruction */
	return false;
}

static void put_words_right(struct cats_m4 *m4)
{
	for (uint32_t i = 0; i < m4->word_count; i++)
		memcpy(m4->flash + m4->words[i].address, &m4->words[i].value, 4);
	m4->word_count = 0;
}

void cats_m4_stall(struct cats_m4 *m4, uint64_t until)
{
	m4->stalled = until;
	m4->attention = 0;
}

void cats_m4_flash_changed(struct cats_m4 *m4, uint32_t address, uint32_t bytes)
{
	if (m4->changed_to == 0 || address < m4->changed_from)
		m4->changed_from = address;
	if (address + bytes > m4->changed_to)
		m4->changed_to = address + bytes;
	m4->attention = 0;
}

/* Forgets what has been translated and examined of flash that changed. */
static void forget_changed(struct cats_m4 *m4)
{
	if (m4->changed_to == 0)
		return;
	uc_ctl_remove_cache(m4->uc, m4->changed_from, m4->changed_to);
	memset(m4->block_at + m4->changed_from / 2U, 0,
	       (m4->changed_to - m4->changed_from) / 2U * sizeof *m4->block_at);
	m4->changed_to = 0;
}

/* All instructions that the run may execute have been. */
static bool is_cut(const struct cats_m4 *m4)
{
	return m4->instructions >= m4->cut;
}

static void on_block(uc_engine *uc, uint64_t address64, uint32_t bytes, void *context)
{
	struct cats_m4 *m4 = context;
	const uint32_t address = (uint32_t)address64;
	struct cats_m4_block *block;

	if (m4->word_count > 0)
		put_words_right(m4);
	if (cats_m4_now(m4) >= m4->attention && must_pause(m4)) {
		m4->paused = true;
		m4->pc = address;
		uc_emu_stop(uc);
		return;
	}
	block = find_block(m4, address, bytes);
	if (!block) {
		cats_m4_raise(m4, CATS_M4_FAULT_EMULATOR, address);
		return;
	}
	if (block->uses_fpu && m4->cpacr != CATS_M4_CPACR_FPU) {
		cats_m4_raise(m4, CATS_M4_FAULT_FPU, address);
		return;
	}
	if (!m4->stepping && (is_cut(m4) || block->instructions > m4->cut - m4->instructions)) {
		m4->step_in = (uint32_t)(block - m4->blocks) + 1U;
		m4->paused = true;
		m4->pc = address;
		uc_emu_stop(uc);
		return;
	}
	account(m4, block);
	m4->stepping = false; /* only this one */
}

/* It is not called before an instruction whose condition fails. */
static void on_step(uc_engine *uc, uint64_t address, uint32_t bytes, void *context)
{
	struct cats_m4 *m4 = context;

	(void)bytes;
	if (address < m4->step_to)
		return;
	m4->stepped = true;
	m4->pc = (uint32_t)address;
	uc_emu_stop(uc);
}

static void on_instruction(uc_engine *uc, uint64_t address, uint32_t bytes, void *context)
{
	(void)uc;
	(void)bytes;
	((struct cats_m4 *)context)->last_pc = (uint32_t)address;
}

static void on_unaligned(struct cats_m4 *m4, uint32_t address, uint32_t bytes)
{
	uint32_t penalty;

	if (decode(m4, m4->last_pc).must_align) {
		if (address % 4U != 0)
			cats_m4_raise(m4, CATS_M4_FAULT_UNALIGNED, address);
		return;
	}
	penalty = bytes == 4 && address % 2U != 0 ? 2U : 1U;
	m4->cycles += penalty;
	m4->profile.counters[running(m4)->slot].cycles += penalty;
}

static void on_access(uc_engine *uc, uc_mem_type type, uint64_t address, int bytes, int64_t value, void *context)
{
	(void)uc;
	(void)type;
	(void)value;
	if ((address & ((uint32_t)bytes - 1U)) != 0)
		on_unaligned(context, (uint32_t)address, (uint32_t)bytes);
}

/* Whether the bus takes a write to flash. */
static bool write_flash(struct cats_m4 *m4, uint32_t address, uint32_t bytes, uint32_t value)
{
	struct cats_m4_word word = {.address = address};

	if (!m4->bus || !m4->bus->write_flash(m4->bus->context, &word.value, address, bytes, value))
		return false;
	if (m4->word_count == CATS_M4_WORDS)
		return false;
	m4->words[m4->word_count++] = word;
	if (m4->has_code[address / CATS_M4_PAGE])
		cats_m4_flash_changed(m4, address & ~(CATS_M4_PAGE - 1U), CATS_M4_PAGE);
	return true;
}

static bool on_invalid(uc_engine *uc, uc_mem_type type, uint64_t address, int bytes, int64_t value, void *context)
{
	struct cats_m4 *m4 = context;
	enum cats_m4_fault fault = CATS_M4_FAULT_READ;

	(void)uc;
	if (type == UC_MEM_WRITE_PROT && address < CATS_M4_FLASH_BYTES &&
	    write_flash(m4, (uint32_t)address, (uint32_t)bytes, (uint32_t)value))
		return true;
	if (type == UC_MEM_WRITE_UNMAPPED)
		fault = CATS_M4_FAULT_WRITE;
	else if (type == UC_MEM_WRITE_PROT)
		fault = CATS_M4_FAULT_FLASH;
	else if (type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT)
		fault = CATS_M4_FAULT_FETCH;
	if (fault != CATS_M4_FAULT_FETCH && address >= PRIVATE_PERIPHERALS)
		fault = CATS_M4_FAULT_REGISTER;
	if (m4->fault == CATS_M4_NO_FAULT) {
		m4->fault = fault;
		m4->fault_address = (uint32_t)address;
	}
	return false;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *context)
{
	((struct cats_m4 *)context)->interrupt = number;
	uc_emu_stop(uc);
}

static uint64_t on_system_read(uc_engine *uc, uint64_t offset, unsigned bytes, void *context)
{
	(void)uc;
	return cats_m4_system_read(context, (uint32_t)offset, bytes);
}

static void on_system_write(uc_engine *uc, uint64_t offset, unsigned bytes, uint64_t value, void *context)
{
	(void)uc;
	cats_m4_system_write(context, (uint32_t)offset, bytes, (uint32_t)value);
}

static uint64_t on_bus_read(uc_engine *uc, uint64_t offset, unsigned bytes, void *context)
{
	const struct cats_m4_window *w = context;
	const struct cats_m4_bus *bus = w->m4->bus;

	(void)uc;
	return bus->read(bus->context, w->base + (uint32_t)offset, bytes);
}

static void on_bus_write(uc_engine *uc, uint64_t offset, unsigned bytes, uint64_t value, void *context)
{
	const struct cats_m4_window *w = context;
	const struct cats_m4_bus *bus = w->m4->bus;

	(void)uc;
	bus->write(bus->context, w->base + (uint32_t)offset, bytes, (uint32_t)value);
}

/* Unicorn takes callbacks as object pointers, which ISO C does not convert functions to. */
static uc_err hook_range(uc_hook *handle, struct cats_m4 *m4, int types, cats_m4_callback function, void *context,
			 uint32_t first, uint32_t last)
{
	void *pointer;

	_Static_assert(sizeof pointer == sizeof function, "functions and objects have pointers of one size");
	memcpy(&pointer, &function, sizeof pointer);
	return uc_hook_add(m4->uc, handle, types, pointer, context, (uint64_t)first, (uint64_t)last);
}

uc_err cats_m4_hook_instructions(uc_hook *handle, struct cats_m4 *m4, cats_m4_callback function, void *context)
{
	cats_m4_flash_changed(m4, 0, CATS_M4_FLASH_BYTES);
	return hook_range(handle, m4, UC_HOOK_CODE, function, context, 1, 0);
}

void cats_m4_unhook_instructions(struct cats_m4 *m4, uc_hook handle)
{
	uc_hook_del(m4->uc, handle);
	cats_m4_flash_changed(m4, 0, CATS_M4_FLASH_BYTES);
}

static uc_err hook(struct cats_m4 *m4, int types, cats_m4_callback function)
{
	uc_hook handle;

	return hook_range(&handle, m4, types, function, m4, 1, 0); /* everywhere */
}

static uc_err hook_all(struct cats_m4 *m4)
{
	uc_err e = hook(m4, UC_HOOK_BLOCK, (cats_m4_callback)on_block);

	if (e == UC_ERR_OK)
		e = hook(m4, UC_HOOK_INTR, (cats_m4_callback)on_interrupt);
	if (e == UC_ERR_OK)
		e = hook(m4, UC_HOOK_MEM_INVALID, (cats_m4_callback)on_invalid);
	if (e == UC_ERR_OK && m4->strict)
		e = hook(m4, UC_HOOK_CODE, (cats_m4_callback)on_instruction);
	if (e == UC_ERR_OK && m4->strict)
		e = hook(m4, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (cats_m4_callback)on_access);
	return e;
}

/* Information and user registers; the peripherals; the pins. */
static uc_err map_bus(struct cats_m4 *m4)
{
	static const uint32_t bases[CATS_M4_WINDOWS] = {0x10000000U, 0x40000000U, 0x50000000U};
	static const uint32_t bytes[CATS_M4_WINDOWS] = {0x2000U, 0x30000U, 0x1000U};
	uc_err e = UC_ERR_OK;

	for (uint32_t i = 0; i < CATS_M4_WINDOWS && e == UC_ERR_OK; i++) {
		m4->windows[i] = (struct cats_m4_window){m4, bases[i], bytes[i]};
		e = uc_mmio_map(m4->uc, bases[i], bytes[i], on_bus_read, m4->windows + i, on_bus_write,
				m4->windows + i);
	}
	return e;
}

static uc_err open_engine(struct cats_m4 *m4)
{
	uc_err e = uc_open(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS, &m4->uc);

	if (e != UC_ERR_OK) {
		m4->uc = NULL;
		return e;
	}
	e = uc_ctl_set_cpu_model(m4->uc, UC_CPU_ARM_CORTEX_M4);
	if (e == UC_ERR_OK)
		e = uc_mem_map_ptr(m4->uc, CATS_M4_FLASH, CATS_M4_FLASH_BYTES, UC_PROT_READ | UC_PROT_EXEC, m4->flash);
	if (e == UC_ERR_OK)
		e = uc_mem_map_ptr(m4->uc, CATS_M4_RAM, CATS_M4_RAM_BYTES, UC_PROT_READ | UC_PROT_WRITE, m4->ram);
	if (e == UC_ERR_OK)
		e = uc_mmio_map(m4->uc, CATS_M4_SYSTEM, CATS_M4_SYSTEM_BYTES, on_system_read, m4, on_system_write, m4);
	if (e == UC_ERR_OK && m4->bus)
		e = map_bus(m4);
	return e == UC_ERR_OK ? hook_all(m4) : e;
}

/* The executable into erased flash. */
static enum cats_status flash(struct cats_m4 *m4, struct cats_error *error)
{
	memset(m4->flash, 0xFF, CATS_M4_FLASH_BYTES);
	for (size_t i = 0; i < m4->elf->segment_count; i++) {
		const struct cats_elf_segment *s = m4->elf->segments + i;

		if (s->address >= CATS_M4_FLASH_BYTES || s->size > CATS_M4_FLASH_BYTES - s->address)
			return cats_fail(error, CATS_ERR_MISMATCH,
					 "%s: %u bytes at 0x%08x do not lie in flash: link it for the nRF52840",
					 m4->elf->name, s->size, s->address);
		memcpy(m4->flash + s->address, s->bytes, s->size);
	}
	return CATS_OK;
}

/* ARMv7-M manual, B1.5.5. The exclusive monitor and what is unknown out of reset stay as they were. */
void cats_m4_restart(struct cats_m4 *m4)
{
	static const int cleared[] = {UC_ARM_REG_CONTROL, UC_ARM_REG_PRIMASK, UC_ARM_REG_FAULTMASK,
				      UC_ARM_REG_BASEPRI, UC_ARM_REG_PSP,     UC_ARM_REG_FPSCR};
	uint32_t vector[2];

	memcpy(vector, m4->flash, sizeof vector);
	cats_m4_put(m4, UC_ARM_REG_XPSR, XPSR_THUMB);
	for (size_t i = 0; i < sizeof cleared / sizeof cleared[0]; i++)
		cats_m4_put(m4, cleared[i], 0);
	cats_m4_put(m4, UC_ARM_REG_SP, vector[0] & ~3U);
	cats_m4_put(m4, UC_ARM_REG_LR, UINT32_MAX);
	m4->cpacr = 0;
	m4->sleeping = m4->dozing = m4->event = false;
	m4->stalled = 0;
	m4->reset_requested = false;
	m4->running = 0;
	m4->profile.depth = 0;
	m4->stopped = (struct cats_m4_stopped){0};
	cats_m4_go_on(m4, vector[1] & ~1U);
	cats_m4_exceptions_reset(m4);
	if (vector[1] % 2U == 0)
		m4->fault = CATS_M4_FAULT_ARM;
}

enum cats_status cats_m4_create(struct cats_m4 **out, const struct cats_elf *elf, const struct cats_m4_options *options,
				struct cats_error *error)
{
	struct cats_m4 *m4 = calloc(1, sizeof *m4);
	enum cats_status status;
	uc_err e;

	*out = NULL;
	if (m4) {
		m4->elf = elf;
		m4->bus = options->bus;
		m4->handles_faults = options->handles_faults;
		m4->strict = !options->fast;
		m4->flash = aligned_alloc(CATS_M4_PAGE, CATS_M4_FLASH_BYTES);
		m4->ram = aligned_alloc(CATS_M4_PAGE, CATS_M4_RAM_BYTES);
		m4->block_at = calloc(CATS_M4_FLASH_BYTES / 2U, sizeof *m4->block_at);
	}
	if (!m4 || !m4->flash || !m4->ram || !m4->block_at) {
		cats_m4_free(m4);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for a core", elf->name);
	}
	memset(m4->ram, CATS_M4_PAINT, CATS_M4_RAM_BYTES);
	status = flash(m4, error);
	if (status == CATS_OK)
		status = cats_m4_profile_create(m4, error);
	e = status == CATS_OK ? open_engine(m4) : UC_ERR_OK;
	if (e != UC_ERR_OK)
		status = cats_fail(error, CATS_ERR_MEMORY, "%s: Unicorn: %s", elf->name, uc_strerror(e));
	if (status != CATS_OK) {
		cats_m4_free(m4);
		return status;
	}
	cats_m4_restart(m4);
	*out = m4;
	return CATS_OK;
}

void cats_m4_free(struct cats_m4 *m4)
{
	if (!m4)
		return;
	if (m4->uc)
		uc_close(m4->uc);
	free(m4->flash);
	free(m4->ram);
	free(m4->blocks);
	free(m4->block_at);
	free(m4->profile.counters);
	free(m4);
}

/* The instruction that faulted and those behind it in its block did not run. */
static void uncount(struct cats_m4 *m4, uint32_t pc)
{
	const struct cats_m4_block *b = running(m4);

	uint32_t count;

	if (!b || pc < b->address || pc >= b->address + b->bytes)
		return;
	count = count_instructions(m4, pc, b->address + b->bytes);
	m4->instructions -= count;
	m4->profile.counters[b->slot].instructions -= count;
}

static void stop(struct cats_m4 *m4, enum cats_m4_stop why, uint32_t pc)
{
	m4->stopped = (struct cats_m4_stopped){.stop = why, .pc = pc};
}

/* What silicon knows as a fault, and not only the emulator. */
static bool is_silicons(enum cats_m4_fault fault)
{
	return fault != CATS_M4_FAULT_REGISTER && fault != CATS_M4_FAULT_PERIPHERAL && fault != CATS_M4_FAULT_EMULATOR;
}

/* A fault enters its handler, if the core does such things and it can; else the run ends: false. */
static bool take_fault(struct cats_m4 *m4, enum cats_m4_fault fault, uint32_t pc, uint32_t address)
{
	uncount(m4, pc);
	cats_m4_go_on(m4, pc);
	if (m4->handles_faults && is_silicons(fault)) {
		m4->fault = CATS_M4_NO_FAULT;
		if (cats_m4_exceptions_fault(m4, fault, address))
			return true;
		m4->fault = CATS_M4_NO_FAULT;
		stop(m4, CATS_M4_LOCKUP, pc);
		return false;
	}
	m4->stopped = (struct cats_m4_stopped){.stop = CATS_M4_FAULT, .fault = fault, .pc = pc, .address = address};
	return false;
}

/* Where the latest instruction was, as well as it is known. */
static uint32_t where(const struct cats_m4 *m4)
{
	return m4->strict || m4->running == 0 ? m4->last_pc : running(m4)->address;
}

static void stop_at_breakpoint(struct cats_m4 *m4, uint32_t pc)
{
	m4->stopped =
		(struct cats_m4_stopped){.stop = CATS_M4_BREAKPOINT, .breakpoint = (uint8_t)halfword(m4, pc), .pc = pc};
	cats_m4_go_on(m4, pc + 2U);
}

/* A supervisor call is taken at once or not at all. */
static bool call_supervisor(struct cats_m4 *m4, uint32_t pc)
{
	cats_m4_go_on(m4, pc);
	cats_m4_exceptions_pend(m4, CATS_M4_EXCEPTION_SVC);
	if (cats_m4_exceptions_due(m4) == CATS_M4_EXCEPTION_SVC)
		return cats_m4_exceptions_enter(m4, CATS_M4_EXCEPTION_SVC);
	m4->pc = pc - 2U;
	cats_m4_raise(m4, CATS_M4_FAULT_EXCEPTION, CATS_M4_EXCEPTION_SVC);
	return false;
}

/* False: the run ends. */
static bool serve_interrupt(struct cats_m4 *m4)
{
	const uint32_t pc = cats_m4_get(m4, UC_ARM_REG_PC);

	switch (m4->interrupt) {
	case INTERRUPT_BREAKPOINT:
		stop_at_breakpoint(m4, pc);
		return false;
	case INTERRUPT_RETURN:
		m4->pc = m4->sequential - 2U; /* of BX or POP, should it fail */
		return cats_m4_exceptions_return(m4, pc | 1U);
	case INTERRUPT_SVC:
		return call_supervisor(m4, pc);
	case INTERRUPT_DATA: /* LDREX and STREX, whose alignment Unicorn does check */
		return take_fault(m4, CATS_M4_FAULT_UNALIGNED, pc, 0);
	default:
		return take_fault(m4, CATS_M4_FAULT_EXCEPTION, pc, m4->interrupt);
	}
}

/* Whether it is the instruction at the fault's address that did not run, instead of the latest. */
static bool faults_before(enum cats_m4_fault fault)
{
	return fault == CATS_M4_FAULT_FETCH || fault == CATS_M4_FAULT_FPU || fault == CATS_M4_FAULT_ARM;
}

static bool take_error(struct cats_m4 *m4, uc_err e)
{
	const uint32_t pc = cats_m4_get(m4, UC_ARM_REG_PC);

	if (m4->fault != CATS_M4_NO_FAULT)
		return take_fault(m4, m4->fault, faults_before(m4->fault) ? m4->fault_address : where(m4),
				  m4->fault_address);
	if (e == UC_ERR_INSN_INVALID && m4->running > 0 && m4->sequential == pc &&
	    halfword(m4, pc - 2U) == HALFWORD_WFE) {
		cats_m4_go_on(m4, pc);
		m4->sleeping = m4->dozing = true;
		return true;
	}
	if (e == UC_ERR_INSN_INVALID && (cats_m4_get(m4, UC_ARM_REG_XPSR) & XPSR_THUMB) == 0)
		return take_fault(m4, CATS_M4_FAULT_ARM, pc, pc);
	return take_fault(m4, e == UC_ERR_INSN_INVALID ? CATS_M4_FAULT_UNDEFINED : CATS_M4_FAULT_EMULATOR, pc, pc);
}

/* Why the run ends before anything else is executed; false: it does not. */
static bool must_end(struct cats_m4 *m4)
{
	if (m4->fault == CATS_M4_NO_FAULT && m4->reset_requested)
		stop(m4, CATS_M4_RESET, m4->pc);
	return m4->fault != CATS_M4_NO_FAULT || m4->reset_requested;
}

/* Lets time pass until the core may go on; false: that is not before the run's end. */
static bool wait_in_stall(struct cats_m4 *m4)
{
	forget_changed(m4);
	if (is_cut(m4)) {
		stop(m4, CATS_M4_INSTRUCTIONS, m4->pc);
		return false;
	}
	while (cats_m4_now(m4) < m4->stalled) {
		uint64_t next;

		cats_m4_advance(m4);
		if (must_end(m4))
			return false;
		if (cats_m4_now(m4) >= m4->limit) {
			stop(m4, CATS_M4_LIMIT, m4->pc);
			return false;
		}
		next = cats_m4_next(m4) < m4->stalled ? cats_m4_next(m4) : m4->stalled;
		m4->slept += (next < m4->limit ? next : m4->limit) - cats_m4_now(m4);
	}
	return true;
}

/* WFE goes on when something has happened since the one before, or will
 * interrupt it. */
bool cats_m4_sleeps(const struct cats_m4 *m4)
{
	if (!m4->sleeping || !m4->dozing)
		return m4->sleeping && !cats_m4_exceptions_wake(m4);
	return !m4->event && cats_m4_exceptions_due(m4) == 0;
}

/* Lets time pass until something wakes the core; false: nothing does before the run's end, or ever. */
static bool wait_in_sleep(struct cats_m4 *m4)
{
	while (m4->sleeping) {
		uint64_t next;

		cats_m4_advance(m4);
		next = cats_m4_next(m4);
		if (must_end(m4))
			return false;
		if (!cats_m4_sleeps(m4)) {
			m4->event &= !m4->dozing; /* taken */
			m4->sleeping = m4->dozing = false;
		} else if (next <= m4->limit && next != UINT64_MAX) {
			m4->slept += next - cats_m4_now(m4);
		} else {
			if (m4->limit == UINT64_MAX) {
				stop(m4, CATS_M4_WAITING, m4->pc - 2U);
				return false;
			}
			m4->slept += m4->limit > cats_m4_now(m4) ? m4->limit - cats_m4_now(m4) : 0;
			stop(m4, CATS_M4_LIMIT, m4->pc);
			return false;
		}
	}
	return true;
}

/* Between two slices: a due exception is entered. False: the run ends. */
static bool serve_pause(struct cats_m4 *m4)
{
	const uint32_t due = cats_m4_exceptions_due(m4), step_in = m4->step_in;

	m4->step_in = 0;
	if (is_cut(m4)) {
		stop(m4, CATS_M4_INSTRUCTIONS, m4->pc);
		return false;
	}
	if (due != 0)
		return cats_m4_exceptions_enter(m4, due);
	if (cats_m4_now(m4) < m4->limit) {
		m4->step_in = step_in;
		return true;
	}
	stop(m4, CATS_M4_LIMIT, m4->pc);
	return false;
}

/* As uc_emu_start, but stops within the next block, before the instruction that is one too many. For that the block is
 * translated anew, with a callback an instruction, and once more without afterwards. */
static uc_err step(struct cats_m4 *m4)
{
	const struct cats_m4_block *b = m4->blocks + m4->step_in - 1U;
	const uint32_t from = b->address, to = b->address + b->bytes;
	uc_hook handle;
	uc_err e;

	m4->step_in = 0;
	m4->step_to = address_after(m4, b->address, m4->cut - m4->instructions);
	uc_ctl_remove_cache(m4->uc, from, to);
	e = hook_range(&handle, m4, UC_HOOK_CODE, (cats_m4_callback)on_step, m4, from, to - 1U);
	if (e != UC_ERR_OK)
		return e;
	m4->stepping = true;
	e = uc_emu_start(m4->uc, m4->pc | 1U, NO_END, 0, 0);
	m4->stepping = false;
	uc_hook_del(m4->uc, handle);
	uc_ctl_remove_cache(m4->uc, from, to);
	return e;
}

/* One call of the emulator and what it asks for. False: the run ends. */
static bool slice(struct cats_m4 *m4)
{
	uc_err e;

	m4->paused = m4->stepped = false;
	m4->interrupt = NO_INTERRUPT;
	e = m4->step_in != 0 ? step(m4) : uc_emu_start(m4->uc, m4->pc | 1U, NO_END, 0, 0);
	put_words_right(m4);
	if (m4->fault != CATS_M4_NO_FAULT || e != UC_ERR_OK) {
		return take_error(m4, e);
	}
	if (m4->stepped) {
		uncount(m4, m4->pc);
		stop(m4, CATS_M4_INSTRUCTIONS, m4->pc);
		return false;
	}
	if (m4->reset_requested) {
		stop(m4, CATS_M4_RESET, where(m4));
		return false;
	}
	if (m4->interrupt != NO_INTERRUPT)
		return serve_interrupt(m4);
	if (m4->paused)
		return serve_pause(m4);
	cats_m4_go_on(m4, cats_m4_get(m4, UC_ARM_REG_PC));
	m4->sleeping = true;
	if (!is_cut(m4))
		return true;
	stop(m4, CATS_M4_INSTRUCTIONS, m4->pc); /* WFI was the last one */
	return false;
}

struct cats_m4_stopped cats_m4_run(struct cats_m4 *m4, uint64_t limit_cycles)
{
	return cats_m4_run_instructions(m4, limit_cycles, UINT64_MAX - m4->instructions);
}

/* What ended a run for ever. */
static bool is_final(const struct cats_m4_stopped *stopped)
{
	return stopped->fault != CATS_M4_NO_FAULT || stopped->stop == CATS_M4_RESET || stopped->stop == CATS_M4_LOCKUP;
}

struct cats_m4_stopped cats_m4_run_instructions(struct cats_m4 *m4, uint64_t limit_cycles, uint64_t instructions)
{
	if (is_final(&m4->stopped))
		return m4->stopped;
	m4->cut = m4->instructions + instructions;
	m4->limit = limit_cycles == 0 ? UINT64_MAX : cats_m4_now(m4) + limit_cycles;
	m4->attention = 0;
	do
		while (wait_in_stall(m4) && wait_in_sleep(m4) && slice(m4))
			;
	while (m4->fault != CATS_M4_NO_FAULT && m4->stopped.fault == CATS_M4_NO_FAULT && /* at an exception's ends */
	       take_fault(m4, m4->fault, m4->pc, m4->fault_address));
	return m4->stopped;
}

void cats_m4_interrupt(struct cats_m4 *m4, uint32_t number)
{
	if (number < CATS_M4_INTERRUPTS)
		cats_m4_exceptions_pend(m4, CATS_M4_EXCEPTION_INTERRUPT + number);
}

/* The host's memory behind `size` bytes of the core's, or NULL. */
static uint8_t *behind(const struct cats_m4 *m4, uint32_t address, size_t size)
{
	if (address < CATS_M4_FLASH_BYTES && size <= CATS_M4_FLASH_BYTES - address)
		return m4->flash + address;
	if (address - CATS_M4_RAM < CATS_M4_RAM_BYTES && size <= CATS_M4_RAM_BYTES - (address - CATS_M4_RAM))
		return m4->ram + (address - CATS_M4_RAM);
	return NULL;
}

bool cats_m4_poke(struct cats_m4 *m4, uint32_t address, const void *bytes, size_t size)
{
	uint8_t *to = address >= CATS_M4_RAM ? behind(m4, address, size) : NULL;

	if (to)
		memcpy(to, bytes, size);
	return to != NULL;
}

static bool occupied(const struct cats_m4 *m4, uint32_t address, size_t size)
{
	for (size_t i = 0; i < m4->elf->segment_count; i++) {
		const struct cats_elf_segment *s = m4->elf->segments + i;

		if (address < s->address + s->size && s->address < address + size)
			return true;
	}
	return false;
}

enum cats_status cats_m4_write(struct cats_m4 *m4, uint32_t address, const void *bytes, size_t size,
			       struct cats_error *error)
{
	uint8_t *to = behind(m4, address, size);

	if (!to)
		return cats_fail(error, CATS_ERR_USAGE, "%zu bytes at 0x%08x lie neither in flash nor in RAM", size,
				 address);
	if (occupied(m4, address, size))
		return cats_fail(error, CATS_ERR_USAGE, "%zu bytes at 0x%08x would overwrite %s in flash", size,
				 address, m4->elf->name);
	memcpy(to, bytes, size);
	return CATS_OK;
}

void cats_m4_flash(struct cats_m4 *m4, const uint8_t *bytes)
{
	memcpy(m4->flash, bytes, CATS_M4_FLASH_BYTES);
	cats_m4_flash_changed(m4, 0, CATS_M4_FLASH_BYTES);
}

const uint8_t *cats_m4_memory(const struct cats_m4 *m4, uint32_t address, size_t size)
{
	return behind(m4, address, size);
}

/* Unicorn's numbers are in order only from r0 to r12. */
static int register_id(uint32_t number)
{
	if (number <= 12)
		return UC_ARM_REG_R0 + (int)number;
	return number == 13 ? UC_ARM_REG_SP : UC_ARM_REG_LR;
}

uint32_t cats_m4_register(const struct cats_m4 *m4, uint32_t number)
{
	return number == 15 ? m4->pc : cats_m4_get(m4, register_id(number));
}

void cats_m4_set_register(struct cats_m4 *m4, uint32_t number, uint32_t value)
{
	if (number == 15)
		cats_m4_go_on(m4, value & ~1U);
	else
		cats_m4_put(m4, register_id(number), value);
}

uint64_t cats_m4_instructions(const struct cats_m4 *m4)
{
	return m4->instructions;
}

uint64_t cats_m4_cycles(const struct cats_m4 *m4)
{
	return m4->cycles;
}

uint64_t cats_m4_time_cycles(const struct cats_m4 *m4)
{
	return cats_m4_now(m4);
}

void cats_m4_stack_paint(struct cats_m4 *m4, uint32_t bottom)
{
	const uint32_t sp = cats_m4_get(m4, UC_ARM_REG_SP);
	uint8_t *from = sp > bottom ? behind(m4, bottom, sp - bottom) : NULL;

	if (from)
		memset(from, CATS_M4_PAINT, sp - bottom);
}

uint32_t cats_m4_stack_used(const struct cats_m4 *m4, uint32_t bottom, uint32_t top)
{
	const uint8_t *bytes = top > bottom ? behind(m4, bottom, top - bottom) : NULL;
	uint32_t untouched = 0;

	while (bytes && untouched < top - bottom && bytes[untouched] == CATS_M4_PAINT)
		untouched++;
	return bytes ? (top - bottom) - untouched / 4U * 4U : 0;
}

const char *cats_m4_fault_text(enum cats_m4_fault fault)
{
	static const char *const texts[] = {
		[CATS_M4_NO_FAULT] = "no fault",
		[CATS_M4_FAULT_READ] = "a read where nothing is",
		[CATS_M4_FAULT_WRITE] = "a write where nothing is",
		[CATS_M4_FAULT_FLASH] = "a write to flash",
		[CATS_M4_FAULT_FETCH] = "execution outside flash",
		[CATS_M4_FAULT_ARM] = "a branch to an address without the Thumb bit",
		[CATS_M4_FAULT_UNALIGNED] = "an unaligned access by an instruction that needs it aligned",
		[CATS_M4_FAULT_UNDEFINED] = "an undefined instruction",
		[CATS_M4_FAULT_FPU] = "a floating-point instruction while CPACR forbids it",
		[CATS_M4_FAULT_REGISTER] = "a system register that is not modelled",
		[CATS_M4_FAULT_EXCEPTION] = "an exception that cannot be entered or left like this",
		[CATS_M4_FAULT_PERIPHERAL] = "a peripheral refuses it",
		[CATS_M4_FAULT_EMULATOR] = "the emulator refused to go on",
	};

	return texts[fault];
}

static const char *stop_text(const struct cats_m4_stopped *stopped)
{
	switch (stopped->stop) {
	case CATS_M4_LIMIT:
		return "the limit of cycles";
	case CATS_M4_BREAKPOINT:
		return "a breakpoint";
	case CATS_M4_INSTRUCTIONS:
		return "the limit of instructions";
	case CATS_M4_LOCKUP:
		return "lockup: a fault in a handler of faults";
	case CATS_M4_WAITING:
		return "WFI, and nothing to wait for";
	case CATS_M4_RESET:
		return "a request for a reset";
	default:
		return cats_m4_fault_text(stopped->fault);
	}
}

void cats_m4_describe(char *text, size_t size, const struct cats_m4 *m4, const struct cats_m4_stopped *stopped)
{
	const struct cats_elf_symbol *f = cats_elf_function_at(m4->elf, stopped->pc);
	int at = snprintf(text, size, "%s: %s (address 0x%08x) at 0x%08x in %s+%u", m4->elf->name, stop_text(stopped),
			  stopped->address, stopped->pc, f ? f->name : "?", f ? stopped->pc - f->address : 0);

	for (uint32_t i = 0; i < 16 && at > 0 && (size_t)at < size; i++)
		at += snprintf(text + at, size - (size_t)at, "%sr%-2u 0x%08x", i % 4U == 0 ? "\n  " : "  ", i,
			       cats_m4_register(m4, i));
	if (at > 0 && (size_t)at < size)
		snprintf(text + at, size - (size_t)at, "\n  xpsr 0x%08x, %llu instructions",
			 cats_m4_get(m4, UC_ARM_REG_XPSR), (unsigned long long)m4->instructions);
}

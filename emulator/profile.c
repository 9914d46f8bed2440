/* SPDX-License-Identifier: MIT */
/* The profile. See profile.h. */
#include "emulator/profile.h"

#include <stdlib.h>
#include <string.h>

#include "emulator/core.h"

enum cats_status cats_m4_profile_create(struct cats_m4 *m4, struct cats_error *error)
{
	m4->profile.counters = calloc(m4->elf->symbol_count + 1U, sizeof *m4->profile.counters);
	if (!m4->profile.counters)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its profile", m4->elf->name);
	return CATS_OK;
}

uint32_t cats_m4_profile_slot(const struct cats_m4 *m4, uint32_t address)
{
	const struct cats_elf_symbol *function = cats_elf_function_at(m4->elf, address);

	return (uint32_t)(function ? (size_t)(function - m4->elf->symbols) : m4->elf->symbol_count);
}

static void push(struct cats_m4 *m4, uint32_t slot, uint32_t returns_to)
{
	struct cats_m4_profile_state *p = &m4->profile;

	p->counters[slot].calls++;
	if (p->depth < CATS_M4_PROFILE_DEPTH)
		p->frames[p->depth++] = (struct cats_m4_frame){slot, returns_to, m4->instructions, m4->cycles};
}

static void pop(struct cats_m4 *m4)
{
	struct cats_m4_profile_state *p = &m4->profile;
	const struct cats_m4_frame *frame = p->frames + --p->depth;
	struct cats_m4_counters *c = p->counters + frame->slot;

	c->total_instructions += m4->instructions - frame->instructions;
	c->total_cycles += m4->cycles - frame->cycles;
}

void cats_m4_profile_jump(struct cats_m4 *m4, const struct cats_m4_block *from, const struct cats_m4_block *to)
{
	struct cats_m4_profile_state *p = &m4->profile;
	const bool starts = to->slot < m4->elf->symbol_count && m4->elf->symbols[to->slot].address == to->address;
	bool returned = false;

	while (!from->calls && p->depth > 0 && p->frames[p->depth - 1U].returns_to == to->address) {
		pop(m4);
		returned = true;
	}
	if (starts && from->calls)
		push(m4, to->slot, from->address + from->bytes);
	else if (starts && !returned && from->slot != to->slot)
		push(m4, to->slot, p->depth > 0 ? p->frames[p->depth - 1U].returns_to : 0);
}

static struct cats_m4_profile_line line(const struct cats_m4 *m4, size_t slot)
{
	const struct cats_m4_counters *c = m4->profile.counters + slot;

	return (struct cats_m4_profile_line){
		.function = slot < m4->elf->symbol_count ? m4->elf->symbols[slot].name : "?",
		.calls = c->calls,
		.instructions = c->instructions,
		.cycles = c->cycles,
		.total_instructions = c->total_instructions,
		.total_cycles = c->total_cycles,
	};
}

static int most_first(const void *a, const void *b)
{
	const struct cats_m4_profile_line *x = a, *y = b;

	if (x->instructions != y->instructions)
		return x->instructions > y->instructions ? -1 : 1;
	return strcmp(x->function, y->function);
}

enum cats_status cats_m4_profile(struct cats_m4_profile_line **lines, size_t *count, const struct cats_m4 *m4,
				 struct cats_error *error)
{
	*count = 0;
	*lines = malloc((m4->elf->symbol_count + 1U) * sizeof **lines);
	if (!*lines)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its profile", m4->elf->name);
	for (size_t slot = 0; slot <= m4->elf->symbol_count; slot++)
		if (m4->profile.counters[slot].instructions > 0)
			(*lines)[(*count)++] = line(m4, slot);
	qsort(*lines, *count, sizeof **lines, most_first);
	return CATS_OK;
}

struct cats_m4_profile_line cats_m4_profile_of(const struct cats_m4 *m4, const char *function)
{
	const struct cats_elf_symbol *symbol = cats_elf_find(m4->elf, function);

	if (!symbol)
		return (struct cats_m4_profile_line){.function = function};
	return line(m4, cats_m4_profile_slot(m4, symbol->address));
}

void cats_m4_profile_clear(struct cats_m4 *m4)
{
	memset(m4->profile.counters, 0, (m4->elf->symbol_count + 1U) * sizeof *m4->profile.counters);
	for (uint32_t i = 0; i < m4->profile.depth; i++) {
		m4->profile.frames[i].instructions = m4->instructions;
		m4->profile.frames[i].cycles = m4->cycles;
	}
}

/* SPDX-License-Identifier: MIT */
/* A trace. See trace.h. */
#include "emulator/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulator/core.h"

#define REGISTERS 16U /* r0 … lr, and xpsr in place of the pc */

struct cats_trace {
	struct cats_m4 *m4;
	FILE *file;
	char *path;
	uc_hook hook;
	uint32_t address; /* of the instruction that has been executed and not been told */
	bool any;
	uint32_t registers[REGISTERS]; /* before it */
};

static const char *const names[REGISTERS] = {"r0", "r1", "r2",  "r3",  "r4",  "r5", "r6", "r7",
					     "r8", "r9", "r10", "r11", "r12", "sp", "lr", "xpsr"};

static void read_registers(uint32_t values[REGISTERS], const struct cats_m4 *m4)
{
	for (uint32_t i = 0; i < REGISTERS - 1U; i++)
		values[i] = cats_m4_register(m4, i);
	values[REGISTERS - 1U] = cats_m4_get(m4, UC_ARM_REG_XPSR);
}

/* The instruction before this one: what it has changed shows now. */
static void tell(struct cats_trace *t)
{
	const struct cats_elf_symbol *f = cats_elf_function_at(t->m4->elf, t->address);
	uint32_t now[REGISTERS];

	read_registers(now, t->m4);
	if (t->any) {
		fprintf(t->file, "%" PRIu64 " 0x%08" PRIx32 " %s+%" PRIu32, cats_m4_now(t->m4), t->address,
			f ? f->name : "?", f ? t->address - f->address : 0);
		for (uint32_t i = 0; i < REGISTERS; i++)
			if (now[i] != t->registers[i])
				fprintf(t->file, " %s %08" PRIx32, names[i], now[i]);
		fputc('\n', t->file);
	}
	memcpy(t->registers, now, sizeof now);
}

static void on_traced(uc_engine *uc, uint64_t address, uint32_t bytes, void *context)
{
	struct cats_trace *t = context;

	(void)uc;
	(void)bytes;
	tell(t);
	t->address = (uint32_t)address;
	t->any = true;
}

enum cats_status cats_trace_begin(struct cats_trace **out, struct cats_m4 *m4, const char *path,
				  struct cats_error *error)
{
	struct cats_trace *t = calloc(1, sizeof *t);

	*out = NULL;
	if (!t || !(t->path = strdup(path))) {
		free(t);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for a trace", path);
	}
	t->m4 = m4;
	t->file = fopen(path, "w");
	if (!t->file || cats_m4_hook_instructions(&t->hook, m4, (cats_m4_callback)on_traced, t) != UC_ERR_OK) {
		const int why = errno;

		if (t->file)
			fclose(t->file);
		free(t->path);
		free(t);
		return cats_fail(error, CATS_ERR_IO, "%s: no trace: %s", path, strerror(why));
	}
	*out = t;
	return CATS_OK;
}

enum cats_status cats_trace_end(struct cats_trace *t, struct cats_error *error)
{
	enum cats_status status = CATS_OK;
	bool failed;

	if (!t)
		return CATS_OK;
	tell(t);
	cats_m4_unhook_instructions(t->m4, t->hook);
	failed = ferror(t->file) != 0;
	if (fclose(t->file) != 0 || failed)
		status = cats_fail(error, CATS_ERR_IO, "%s: not all of the trace could be written", t->path);
	free(t->path);
	free(t);
	return status;
}

/* SPDX-License-Identifier: MIT */
/* Reading executables. See elf.h. The numbers are those of the System V ABI and its ARM supplement. */
#define _POSIX_C_SOURCE 200809L
#include "io/elf.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"

#define FILE_BYTES_MAX (64U << 20)
#define HEADER_BYTES 52U
#define PROGRAM_HEADER_BYTES 32U
#define SECTION_HEADER_BYTES 40U
#define SYMBOL_BYTES 16U
#define TYPE_EXECUTABLE 2U
#define MACHINE_ARM 40U
#define SEGMENT_LOAD 1U
#define SECTION_SYMBOLS 2U
#define SYMBOL_NO_TYPE 0U
#define SYMBOL_OBJECT 1U
#define SYMBOL_FUNCTION 2U
#define SECTION_UNDEFINED 0U

/* A stretch of the file. */
struct span {
	const uint8_t *at;
	size_t size;
};

static uint32_t u16(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at)
{
	return u16(at) | u16(at + 2) << 16;
}

/* `count` entries of `each` bytes at `offset`, if they lie inside the file. */
static bool table(struct span *out, struct span file, uint32_t offset, uint32_t count, uint32_t each)
{
	if (offset > file.size || count > (file.size - offset) / each)
		return false;
	*out = (struct span){file.at + offset, (size_t)count * each};
	return true;
}

static enum cats_status refuse(const char *name, const char *field, const char *rule, struct cats_error *error)
{
	return cats_fail(error, CATS_ERR_FORMAT, "%s: ELF: %s: %s", name, field, rule);
}

static enum cats_status check_header(struct span file, const char *name, struct cats_error *error)
{
	static const uint8_t identity[7] = {0x7F, 'E', 'L', 'F', 1, 1, 1};

	if (file.size < HEADER_BYTES)
		return refuse(name, "header", "the file is shorter than its 52 bytes", error);
	if (memcmp(file.at, identity, sizeof identity) != 0)
		return refuse(name, "e_ident", "must be that of a 32-bit little-endian ELF, version 1", error);
	if (u16(file.at + 16) != TYPE_EXECUTABLE)
		return refuse(name, "e_type", "must be 2, an executable: link it first", error);
	if (u16(file.at + 18) != MACHINE_ARM)
		return refuse(name, "e_machine", "must be 40, ARM", error);
	if (u16(file.at + 42) != PROGRAM_HEADER_BYTES)
		return refuse(name, "e_phentsize", "must be 32", error);
	if (u16(file.at + 48) != 0 && u16(file.at + 46) != SECTION_HEADER_BYTES)
		return refuse(name, "e_shentsize", "must be 40", error);
	return CATS_OK;
}

static enum cats_status read_segments(struct cats_elf *out, struct span file, struct cats_error *error)
{
	const uint32_t count = u16(file.at + 44);
	struct span headers, bytes;

	if (!table(&headers, file, u32(file.at + 28), count, PROGRAM_HEADER_BYTES))
		return refuse(out->name, "program headers", "must lie inside the file", error);
	out->segments = calloc(count + 1U, sizeof *out->segments);
	if (!out->segments)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its segments", out->name);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *h = headers.at + (size_t)i * PROGRAM_HEADER_BYTES;

		if (u32(h) != SEGMENT_LOAD || u32(h + 16) == 0)
			continue;
		if (!table(&bytes, file, u32(h + 4), u32(h + 16), 1))
			return refuse(out->name, "segment", "its bytes must lie inside the file", error);
		out->segments[out->segment_count++] = (struct cats_elf_segment){u32(h + 12), u32(h + 16), bytes.at};
	}
	if (out->segment_count == 0)
		return refuse(out->name, "program headers", "nothing is to be loaded", error);
	return CATS_OK;
}

/* Whether a symbol is of use; mapping symbols ($t, $d) and those of files and sections are not. */
static bool wanted(const uint8_t *symbol, const char *name)
{
	const uint32_t type = symbol[12] & 15U;

	return name[0] != '\0' && name[0] != '$' && u16(symbol + 14) != SECTION_UNDEFINED &&
	       (type == SYMBOL_NO_TYPE || type == SYMBOL_OBJECT || type == SYMBOL_FUNCTION);
}

static int by_address(const void *a, const void *b)
{
	const struct cats_elf_symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return strcmp(x->name, y->name);
}

static enum cats_status read_symbol_table(struct cats_elf *out, struct span symbols, struct span names,
					  struct cats_error *error)
{
	const size_t count = symbols.size / SYMBOL_BYTES;

	if (names.size == 0 || names.at[names.size - 1] != 0)
		return refuse(out->name, "string table", "must end with a 0", error);
	out->symbols = calloc(count + 1U, sizeof *out->symbols);
	if (!out->symbols)
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory for its symbols", out->name);
	for (size_t i = 0; i < count; i++) {
		const uint8_t *s = symbols.at + i * SYMBOL_BYTES;
		const bool function = (s[12] & 15U) == SYMBOL_FUNCTION;

		if (u32(s) >= names.size)
			return refuse(out->name, "symbol", "its name must lie inside the string table", error);
		if (!wanted(s, (const char *)names.at + u32(s)))
			continue;
		out->symbols[out->symbol_count++] = (struct cats_elf_symbol){
			.name = (const char *)names.at + u32(s),
			.address = function ? u32(s + 4) & ~1U : u32(s + 4),
			.size = u32(s + 8),
			.function = function,
		};
	}
	qsort(out->symbols, out->symbol_count, sizeof *out->symbols, by_address);
	return CATS_OK;
}

/* A stripped file has no symbols and is none the worse. */
static enum cats_status read_symbols(struct cats_elf *out, struct span file, struct cats_error *error)
{
	const uint32_t count = u16(file.at + 48);
	struct span sections, symbols, names;

	if (!table(&sections, file, u32(file.at + 32), count, SECTION_HEADER_BYTES))
		return refuse(out->name, "section headers", "must lie inside the file", error);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *h = sections.at + (size_t)i * SECTION_HEADER_BYTES, *strings;

		if (u32(h + 4) != SECTION_SYMBOLS)
			continue;
		if (u32(h + 24) >= count)
			return refuse(out->name, "symbol table", "must name a section of strings", error);
		strings = sections.at + (size_t)u32(h + 24) * SECTION_HEADER_BYTES;
		if (!table(&symbols, file, u32(h + 16), u32(h + 20), 1) ||
		    !table(&names, file, u32(strings + 16), u32(strings + 20), 1))
			return refuse(out->name, "symbol table", "must lie inside the file, and its strings too",
				      error);
		return read_symbol_table(out, symbols, names, error);
	}
	return CATS_OK;
}

enum cats_status cats_elf_take(struct cats_elf *out, uint8_t *bytes, size_t size, const char *name,
			       struct cats_error *error)
{
	const struct span file = {bytes, size};
	enum cats_status status;

	*out = (struct cats_elf){.bytes = bytes, .name = strdup(name)};
	if (!out->name) {
		cats_elf_free(out);
		return cats_fail(error, CATS_ERR_MEMORY, "%s: out of memory", name);
	}
	status = check_header(file, name, error);
	if (status == CATS_OK)
		status = read_segments(out, file, error);
	if (status == CATS_OK)
		status = read_symbols(out, file, error);
	if (status != CATS_OK)
		cats_elf_free(out);
	return status;
}

enum cats_status cats_elf_load(struct cats_elf *out, const char *path, struct cats_error *error)
{
	uint8_t *bytes;
	size_t size;
	const enum cats_status status = cats_file_read(&bytes, &size, path, FILE_BYTES_MAX, error);

	*out = (struct cats_elf){0};
	return status == CATS_OK ? cats_elf_take(out, bytes, size, path, error) : status;
}

void cats_elf_free(struct cats_elf *elf)
{
	free(elf->segments);
	free(elf->symbols);
	free(elf->bytes);
	free(elf->name);
	*elf = (struct cats_elf){0};
}

const struct cats_elf_symbol *cats_elf_find(const struct cats_elf *elf, const char *name)
{
	for (size_t i = 0; i < elf->symbol_count; i++)
		if (strcmp(elf->symbols[i].name, name) == 0)
			return elf->symbols + i;
	return NULL;
}

const struct cats_elf_symbol *cats_elf_function_at(const struct cats_elf *elf, uint32_t address)
{
	size_t low = 0, high = elf->symbol_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2U;

		if (elf->symbols[middle].address <= address)
			low = middle + 1U;
		else
			high = middle;
	}
	while (low-- > 0) {
		const struct cats_elf_symbol *s = elf->symbols + low;

		if (s->function)
			return s->size == 0 || address - s->address < s->size ? s : NULL;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
/* One table of results, in the three forms that readers want: aligned for a terminal, Markdown, JSON. Depends on cJSON
 * only. Host only. */
#ifndef CATS_REPORT_TABLE_H
#define CATS_REPORT_TABLE_H

#include <stddef.h>

enum cats_table_form {
	CATS_TABLE_TERMINAL, /* columns aligned with blanks, a rule under the header */
	CATS_TABLE_MARKDOWN, /* GitHub's pipe table */
	CATS_TABLE_JSON,     /* an array of objects, header to cell; a cell that is a decimal number becomes one */
};

/* The caller's texts, UTF-8. A column whose cells all begin as numbers do (sign or digit; empty cells are ignored) is
 * aligned to the right. */
struct cats_table {
	const char *const *header; /* [columns] */
	size_t columns;
	const char *const *cells; /* [rows, columns], row-major; NULL is an empty cell */
	size_t rows;
};

/* Returns malloc'ed text that ends with a newline; NULL: out of memory. Control characters become '?'. */
char *cats_table_format(const struct cats_table *table, enum cats_table_form form);

#endif

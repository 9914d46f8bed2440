/* SPDX-License-Identifier: MIT */
/* cmocka with the headers that it needs before it. */
#ifndef CATS_TESTS_CMOCKA_H
#define CATS_TESTS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif

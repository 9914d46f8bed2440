/* SPDX-License-Identifier: MIT */
/* What a device's code must not do: call the C library's input and output. The check of symbols has to find it. */
#include <stdio.h>

int cats_test_hosted(void);

int cats_test_hosted(void)
{
	return puts("hosted");
}

/* SPDX-License-Identifier: MIT */
/* What a device's code must not do: keep state between calls. The check of symbols has to find it. */
int cats_test_stateful(void);

int cats_test_stateful(void)
{
	static int calls;

	return ++calls;
}

/* SPDX-License-Identifier: MIT */
/* The smallest image: shows that .data, .bss, the floating-point unit and the way to the host work. */
#include <stdint.h>

#include "ports/m4/host.h"

static volatile uint32_t from_flash = 7;
static volatile uint32_t zeroed;
static volatile float factor = 1.5F;

int main(void)
{
	cats_host_begin("product");
	zeroed += (uint32_t)((float)from_flash * factor);
	cats_host_end("product");
	cats_host_print("hello\n");
	return zeroed == 10 ? 0 : 1;
}

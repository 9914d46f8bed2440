/* SPDX-License-Identifier: MIT */
/* Thread mode of a node that has all it needs: the runtime, the log, inputs and epochs. */
#ifndef CATS_PORTS_NRF52840_NODE_H
#define CATS_PORTS_NRF52840_NODE_H

#include "core/runtime.h"

/* `node` was initialised; `spare` is the RAM behind its arena, where the source keeps the input at hand. */
_Noreturn void cats_firmware_run(struct cats_node *node, uint8_t *spare, uint32_t spare_bytes);

#endif

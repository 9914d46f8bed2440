/* SPDX-License-Identifier: MIT */
/* What the chip asks of its NVMC. Private to emulator/. */
#ifndef CATS_EMULATOR_NVMC_H
#define CATS_EMULATOR_NVMC_H

#include "emulator/peripheral.h"

#define CATS_NVMC_BASE 0x4001E000U

extern const struct cats_peripheral_model cats_nvmc_model;
extern const struct cats_peripheral_model cats_ficr_model;
extern const struct cats_peripheral_model cats_uicr_model;

/* The processor writes to flash. True: it has, and *stored is what is there now; false: the run ends, or a fault is
 * due. */
bool cats_nvmc_store(uint32_t *stored, struct cats_peripheral *nvmc, uint32_t address, uint32_t bytes, uint32_t value);

#endif

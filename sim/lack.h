/* SPDX-License-Identifier: MIT */
/* A packet of `sender` that `receiver` lacked when it ended the gather of a site. */
#ifndef CATS_SIM_LACK_H
#define CATS_SIM_LACK_H

#include <stdint.h>

struct cats_lack {
	uint16_t site, receiver, sender, packet;
};

#endif

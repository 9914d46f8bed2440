/* SPDX-License-Identifier: MIT */
/* CRC-32, four bits at a time. See checksum.h. */
#include "core/checksum.h"

/* Remainders of the 4-bit values times x^28, for the reflected polynomial 0xEDB88320. */
static const uint32_t remainders[16] = {
	0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
	0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
};

uint32_t cats_checksum(uint32_t crc, const void *bytes, size_t size)
{
	const uint8_t *b = bytes;

	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= b[i];
		crc = (crc >> 4) ^ remainders[crc & 15U];
		crc = (crc >> 4) ^ remainders[crc & 15U];
	}
	return ~crc;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * crc32c() for userspace, a byte at a time from a table. The tests hold it
 * against an implementation of their own, bit by bit.
 */
#include "nvme-tcp-user.h"

static u32 table[256];

__attribute__((constructor)) static void crc32c_init(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 v = i;

		for (int bit = 0; bit < 8; bit++)
			v = v >> 1 ^ (v & 1 ? 0x82f63b78 : 0);
		table[i] = v;
	}
}

u32 crc32c(u32 crc, const void *p, size_t n)
{
	const u8 *b = p;

	while (n--)
		crc = crc >> 8 ^ table[(u8)(crc ^ *b++)];
	return crc;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before 6.14 crc32c() asks the crypto layer, which costs several times what the
 * few bytes of a header do. x86 has an instruction for eight of them, and it needs
 * no FPU.
 */
#ifndef NVME_TCP_COMPAT_CRC_H
#define NVME_TCP_COMPAT_CRC_H

#include <linux/crc32c.h>

#include "features.h"

#if defined(HAVE_CRC32C_IMPL) && defined(CONFIG_X86_64)
#include <asm/cpufeature.h>

/* @len: a multiple of 8, as that of every header with a digest is */
static inline u32 compat_crc32c_header(u32 seed, const u8 *p, u32 len)
{
	u64 crc = seed;

	if (!static_cpu_has(X86_FEATURE_XMM4_2))
		return crc32c(seed, p, len);
	for (; len; len -= 8, p += 8)
		asm("crc32q %1, %0" : "+r" (crc) : "rm" (*(const u64 *)p));
	return crc;
}
#else
#define compat_crc32c_header crc32c
#endif

#endif

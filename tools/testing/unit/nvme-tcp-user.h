/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine takes from the kernel, for userspace: fixed-width integers,
 * a few macros and crc32c(). The unit tests, the fuzzer and the model checker
 * compile the engine's unchanged source with this.
 */
#ifndef NVME_TCP_USER_H
#define NVME_TCP_USER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

#define EXPORT_SYMBOL_GPL(s)	_Static_assert(1, "")

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#define min_t(t, a, b)	({ t a_ = (a); t b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(t, a, b)	({ t a_ = (a); t b_ = (b); a_ > b_ ? a_ : b_; })
#define min(a, b)	min_t(__typeof__((a) + (b)), a, b)
#define clamp_t(t, v, lo, hi)	({ t v_ = max_t(t, v, lo); min_t(t, v_, hi); })
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

/* The kernel's convention: no inversion on the way in or out */
u32 crc32c(u32 crc, const void *p, size_t n);

#endif

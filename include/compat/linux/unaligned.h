/* SPDX-License-Identifier: GPL-2.0-only */
/* Reached only where the kernel has no <linux/unaligned.h> of its own. */
#include <asm/unaligned.h>

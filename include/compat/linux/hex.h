/* SPDX-License-Identifier: GPL-2.0-only */
/* Reached only where the kernel has no <linux/hex.h> of its own. */
#include <linux/kernel.h>

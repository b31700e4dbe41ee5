// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine as a kernel module: what the host's and the target's transport
 * link against. There is nothing to set up and nothing to tear down.
 */
#include <linux/module.h>

MODULE_DESCRIPTION("NVMe/TCP protocol engine");
MODULE_LICENSE("GPL");

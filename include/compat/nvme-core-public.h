/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The public headers that the NVMe core's private declarations build on. What
 * these declare is never generated (scripts/gen-core-headers).
 */
#ifndef NVME_CORE_PUBLIC_H
#define NVME_CORE_PUBLIC_H

#include <linux/types.h>
#include <linux/nvme.h>
#include <linux/cdev.h>
#include <linux/pci.h>
#include <linux/kref.h>
#include <linux/key.h>
#include <linux/blk-mq.h>
#include <linux/sed-opal.h>
#include <linux/fault-inject.h>
#include <linux/rcupdate.h>
#include <linux/srcu.h>
#include <linux/wait.h>
#include <linux/t10-pi.h>
#include <linux/ratelimit_types.h>
#include <linux/xarray.h>
#include <linux/in.h>
#include <linux/inet.h>

#endif

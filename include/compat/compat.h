/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Older kernels. The code proper is written against the newest kernel's API;
 * what an older one lacks is made up for here, and only here. Each shim hangs
 * on a HAVE_xxx that the build finds out by looking (include/compat/features,
 * scripts/kfeatures), not on a version number. Shims of one topic go into a
 * file of their own, compat-TOPIC.h, included below.
 */
#ifndef NVME_TCP_COMPAT_H
#define NVME_TCP_COMPAT_H

#include "features.h"

#include "compat-bdev.h"
#include "compat-net.h"

#endif

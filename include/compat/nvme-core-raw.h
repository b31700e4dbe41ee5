/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The NVMe core's private declarations as they are, for nvme-core-abi.h and
 * for the probe alone: from the tree being built in, or else generated.
 */
#ifndef NVME_CORE_RAW_H
#define NVME_CORE_RAW_H

#ifdef NVME_CORE_IN_TREE
#include "nvme.h"
#include "fabrics.h"
#else
#include "nvme-core-gen.h"
#endif

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Never compiled, only preprocessed: where scripts/kfeatures looks for what
 * include/compat/core-features asks.
 */
#include "nvme-core-raw.h"

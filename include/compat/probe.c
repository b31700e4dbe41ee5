// SPDX-License-Identifier: GPL-2.0-only
/*
 * Never compiled, only preprocessed: the public headers that scripts/kfeatures
 * looks for features in and that scripts/gen-core-headers takes as given. Add
 * the header that declares what you test for in include/compat/features.
 */
#include "nvme-core-public.h"

#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/blk-integrity.h>
#include <linux/bvec.h>
#include <linux/configfs.h>
#include <linux/crc32c.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/idr.h>
#include <linux/kthread.h>
#include <linux/llist.h>
#include <linux/mempool.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/net.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/percpu-refcount.h>
#include <linux/pr.h>
#include <linux/random.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/scatterlist.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/tracepoint.h>
#include <linux/uio.h>
#include <linux/uuid.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <net/busy_poll.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/tls.h>
#include <crypto/hash.h>

/* Not in every kernel that we support. */
#if __has_include(<linux/cleanup.h>)
#include <linux/cleanup.h>
#endif
#if __has_include(<linux/nvme-keyring.h>)
#include <linux/key.h>
#include <linux/nvme-keyring.h>
#endif
#if __has_include(<linux/unaligned.h>)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif
#if __has_include(<net/handshake.h>)
#include <net/handshake.h>
#endif
#if __has_include(<net/tls_prot.h>)
#include <net/tls_prot.h>
#endif
#if __has_include(<net/proto_memory.h>)
#include <net/proto_memory.h>
#endif
#if __has_include(<linux/skbuff_ref.h>)
#include <linux/skbuff_ref.h>
#endif

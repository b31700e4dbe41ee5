/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a namespace is made of: a block device or a file.
 */
#ifndef TARGET_BACKEND_H
#define TARGET_BACKEND_H

#include <linux/blk_types.h>

#include "target.h"

struct tgt_io_stats {
	u64 sectors[2];		/* of 512 bytes; by READ and WRITE */
	u64 ios[2];
};

/**
 * struct tgt_backend - how I/O commands reach what is behind a namespace
 * @name: for logs
 * @close: closes it; no request is in flight; may sleep
 * @size: bytes that there are now; may sleep
 * @rw: Read or Write of the pages of @req at byte @pos; ends the request
 * @flush: ends the request when what was written is safe
 * @discard: deallocates the ranges of a Dataset Management command, all of
 *	which were found to be inside the namespace; ends the request
 * @zero: makes [pos, pos + len) read as zeroes, and deallocates it if @unmap;
 *	with @fua it is safe when the request ends. Ends the request.
 * @read: reads into kernel memory and waits; 0 or -errno
 * @sync: flushes and waits; 0 or -errno
 * @has_cache: whether there is anything to flush; any context
 * @identify: fills in what the backend knows of Identify Namespace
 * @stats: what the device was asked for; NULL: not known
 *
 * All but has_cache() are called in process context and may sleep. Offsets and
 * lengths are multiples of the logical block and were found in range.
 */
struct tgt_backend {
	const char *name;
	void (*close)(struct tgt_ns *ns);
	loff_t (*size)(struct tgt_ns *ns);
	void (*rw)(struct tgt_req *req, loff_t pos, bool write);
	void (*flush)(struct tgt_req *req);
	void (*discard)(struct tgt_req *req);
	void (*zero)(struct tgt_req *req, loff_t pos, u64 len, bool unmap,
		     bool fua);
	int (*read)(struct tgt_ns *ns, void *buf, loff_t pos, u32 len);
	int (*sync)(struct tgt_ns *ns);
	bool (*has_cache)(const struct tgt_ns *ns);
	void (*identify)(struct tgt_ns *ns, struct nvme_id_ns *id);
	void (*stats)(struct tgt_ns *ns, struct tgt_io_stats *st);
};

/* bdev.c: named for the direct call on the hot path */
void tgt_bdev_rw(struct tgt_req *req, loff_t pos, bool write);

/* file.c; may sleep */
int tgt_file_open(struct tgt_ns *ns);

/* io.c */

/* Runs @fn for the request on the command workqueue; any context. */
void tgt_defer(struct tgt_req *req, work_func_t fn);

/* The status of what the block layer or a file system reports; any context. */
u16 tgt_blk_status(struct tgt_req *req, blk_status_t sts);
u16 tgt_errno_status(struct tgt_req *req, int err);

unsigned int tgt_dsm_ranges(const struct tgt_req *req);
/* Range @nr of a Dataset Management command, judged; in bytes. */
u16 tgt_dsm_range(struct tgt_req *req, unsigned int nr, loff_t *pos, u64 *len);

static inline bool tgt_wants_fua(const struct tgt_req *req)
{
	return req->sqe.rw.control & cpu_to_le16(NVME_RW_FUA);
}

#endif

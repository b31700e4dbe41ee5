// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NVM command set: what each command asks for, judged against the
 * namespace, and handed to the namespace's backend (bdev.c, file.c).
 */
#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/indirect_call_wrapper.h>
#include <linux/slab.h>

#include "backend.h"
#include "admin.h"

enum { COMPARE_CHUNK = SZ_64K };	/* bounds a Compare's or Verify's memory */

/**
 * tgt_defer() - go on with a request in a worker
 * @req: the request
 * @fn: gets &req->work
 *
 * For what would block for long, as a queue executes its commands one after
 * the other. The work item is free to be used from tgt_req_execute() on.
 *
 * Context: any.
 */
void tgt_defer(struct tgt_req *req, work_func_t fn)
{
	INIT_WORK(&req->work, fn);
	queue_work(tgt_cmd_wq, &req->work);
}

/* What the errors of block devices mean; @write where it is another for writes */
static const struct {
	u16 status;
	u16 write;
} blk_errors[] = {
#define STS(name) ((__force u8)BLK_STS_##name)
	[STS(NOTSUPP)]		= { NVME_SC_INVALID_FIELD | NVME_STATUS_DNR },
	[STS(TIMEOUT)]		= { NVME_SC_INTERNAL },
	[STS(NOSPC)]		= { NVME_SC_CAP_EXCEEDED | NVME_STATUS_DNR },
	[STS(TRANSPORT)]	= { NVME_SC_INTERNAL },
	[STS(TARGET)]		= { NVME_SC_INTERNAL | NVME_STATUS_DNR },
	[STS(RESV_CONFLICT)]	= { NVME_SC_RESERVATION_CONFLICT |
				    NVME_STATUS_DNR },
	[STS(MEDIUM)]		= { NVME_SC_READ_ERROR | NVME_STATUS_DNR,
				    NVME_SC_WRITE_FAULT | NVME_STATUS_DNR },
	[STS(PROTECTION)]	= { NVME_SC_GUARD_CHECK | NVME_STATUS_DNR },
	/* The device is short of something that a later try may find. */
	[STS(RESOURCE)]		= { NVME_SC_CMD_INTERRUPTED },
	[STS(DEV_RESOURCE)]	= { NVME_SC_CMD_INTERRUPTED },
	[STS(DM_REQUEUE)]	= { NVME_SC_CMD_INTERRUPTED },
	[STS(AGAIN)]		= { NVME_SC_CMD_INTERRUPTED },
	[STS(ZONE_OPEN_RESOURCE)] = { NVME_SC_ZONE_TOO_MANY_OPEN |
				      NVME_STATUS_DNR },
	[STS(ZONE_ACTIVE_RESOURCE)] = { NVME_SC_ZONE_TOO_MANY_ACTIVE |
					NVME_STATUS_DNR },
	[STS(OFFLINE)]		= { NVME_SC_INTERNAL | NVME_STATUS_DNR },
	[STS(INVAL)]		= { NVME_SC_INVALID_FIELD | NVME_STATUS_DNR },
	[STS(IOERR)]		= { NVME_SC_INTERNAL | NVME_STATUS_DNR },
#undef STS
};

/**
 * tgt_blk_status() - the NVMe status of what the block layer reports
 * @req: the command, for its direction and its first LBA
 * @sts: how it ended
 *
 * Context: any.
 * Return: the status; 0 for BLK_STS_OK.
 */
u16 tgt_blk_status(struct tgt_req *req, blk_status_t sts)
{
	unsigned int nr = (__force u8)sts;
	u16 sc = 0;

	if (likely(sts == BLK_STS_OK))
		return 0;
	if (nr < ARRAY_SIZE(blk_errors)) {
		sc = blk_errors[nr].status;
		if (blk_errors[nr].write && req->cmd->flags & TGT_C_WRITE)
			sc = blk_errors[nr].write;
	}
	if (!sc)
		sc = NVME_SC_INTERNAL | NVME_STATUS_DNR;
	if (sts == BLK_STS_MEDIUM)
		req->error_slba = le64_to_cpu(req->sqe.rw.slba);
	return sc;
}

/**
 * tgt_errno_status() - the NVMe status of a negative errno
 * @req: the command
 * @err: 0 or -errno
 *
 * Context: any.
 * Return: the status.
 */
u16 tgt_errno_status(struct tgt_req *req, int err)
{
	return tgt_blk_status(req, errno_to_blk_status(err));
}

/*
 * The blocks [slba, slba + nlb) as bytes, if the namespace has them all. The
 * size may change under us: a command beyond the new one fails in the backend.
 */
static u16 span(struct tgt_req *req, u64 slba, u64 nlb, loff_t *pos, u64 *len)
{
	const struct tgt_ns *ns = req->ns;
	u64 blocks = (u64)READ_ONCE(ns->size) >> ns->lba_shift;

	if (unlikely(slba > blocks || nlb > blocks - slba)) {
		req->error_slba = slba;
		return tgt_fault(req, offsetof(struct nvme_rw_command, slba),
				 NVME_SC_LBA_RANGE);
	}
	*pos = slba << ns->lba_shift;
	*len = nlb << ns->lba_shift;
	return 0;
}

/* SLBA and NLB are at the same place in all commands but DSM. */
static u16 rw_span(struct tgt_req *req, loff_t *pos, u64 *len)
{
	return span(req, le64_to_cpu(req->sqe.rw.slba),
		    (u64)le16_to_cpu(req->sqe.rw.length) + 1, pos, len);
}

static u32 rw_len(const struct tgt_req *req)
{
	u64 len = ((u64)le16_to_cpu(req->sqe.rw.length) + 1) <<
		  req->ns->lba_shift;

	return min_t(u64, len, U32_MAX);
}

static __always_inline void do_rw(struct tgt_req *req, bool write)
{
	const struct tgt_backend *be = req->ns->backend;
	loff_t pos;
	u64 len;
	u16 status;

	status = rw_span(req, &pos, &len);
	if (unlikely(status)) {
		tgt_req_done(req, status);
		return;
	}
	INDIRECT_CALL_1(be->rw, tgt_bdev_rw, req, pos, write);
}

static void run_write(struct tgt_req *req)
{
	do_rw(req, true);
}

/* A Read with FUA returns what is on the medium: what is in the cache first. */
static void read_fua_work(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);
	int err = req->ns->backend->sync(req->ns);

	if (err)
		tgt_req_done(req, tgt_errno_status(req, err));
	else
		do_rw(req, false);
}

static void run_read(struct tgt_req *req)
{
	if (unlikely(tgt_wants_fua(req)) &&
	    req->ns->backend->has_cache(req->ns))
		tgt_defer(req, read_fua_work);
	else
		do_rw(req, false);
}

static void run_flush(struct tgt_req *req)
{
	if (req->ns->backend->has_cache(req->ns))
		req->ns->backend->flush(req);
	else
		tgt_req_done(req, 0);
}

/* ---- Compare, Verify ----------------------------------------------------- */

/* Whether the host's data at @off is that of @buf. */
static bool same_data(const struct tgt_req *req, u32 off, const void *buf,
		      u32 len)
{
	struct bvec_iter it, start = { .bi_size = req->len };
	struct bio_vec bv;

	bvec_iter_advance(req->bvec, &start, off);
	start.bi_size = len;
	for_each_bvec(bv, req->bvec, it, start) {
		void *p = bvec_kmap_local(&bv);
		bool same = !memcmp(p, buf, bv.bv_len);

		kunmap_local(p);
		if (!same)
			return false;
		buf += bv.bv_len;
	}
	return true;
}

/* Reads the blocks piece by piece; with data, compares them. */
static u16 read_back(struct tgt_req *req, void *buf, u32 chunk, bool compare)
{
	struct tgt_ns *ns = req->ns;
	loff_t pos;
	u64 len, off;
	u16 status;

	status = rw_span(req, &pos, &len);
	if (status)
		return status;
	if (tgt_wants_fua(req) && ns->backend->has_cache(ns)) {
		status = tgt_errno_status(req, ns->backend->sync(ns));
		if (status)
			return status;
	}
	for (off = 0; off < len; off += chunk) {
		u32 part = min_t(u64, chunk, len - off);
		int err = ns->backend->read(ns, buf, pos + off, part);

		if (err == -EIO || err == -ENODATA) {
			req->error_slba = (pos + off) >> ns->lba_shift;
			return NVME_SC_READ_ERROR | NVME_STATUS_DNR;
		}
		if (err)
			return tgt_errno_status(req, err);
		if (compare && !same_data(req, off, buf, part)) {
			req->error_slba = (pos + off) >> ns->lba_shift;
			return NVME_SC_COMPARE_FAILED | NVME_STATUS_DNR;
		}
		cond_resched();
	}
	return 0;
}

static void read_back_work(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);
	u32 block = 1U << req->ns->lba_shift;
	u32 chunk = max_t(u32, COMPARE_CHUNK, block);
	void *buf;
	u16 status;

	buf = kmalloc(chunk, GFP_NOIO | __GFP_NOWARN | __GFP_NORETRY);
	if (!buf) {
		chunk = max_t(u32, PAGE_SIZE, block);
		buf = kmalloc(chunk, GFP_NOIO | __GFP_NOWARN);
	}
	if (buf)
		status = read_back(req, buf, chunk,
				   req->dir == TGT_TO_TARGET);
	else
		status = NVME_SC_CMD_INTERRUPTED;
	kfree(buf);
	tgt_req_done(req, status);
}

static void run_read_back(struct tgt_req *req)
{
	tgt_defer(req, read_back_work);
}

/* ---- Dataset Management, Write Zeroes ------------------------------------ */

unsigned int tgt_dsm_ranges(const struct tgt_req *req)
{
	return (le32_to_cpu(req->sqe.dsm.nr) & 0xff) + 1;
}

/* Some hosts, Linux among them, always send room for every range there may be. */
static u32 dsm_len(const struct tgt_req *req)
{
	const u32 size = sizeof(struct nvme_dsm_range);

	return clamp_t(u32, req->sgl_len, tgt_dsm_ranges(req) * size,
		       NVME_DSM_MAX_RANGES * size);
}

/**
 * tgt_dsm_range() - one range of a Dataset Management command
 * @req: the command; its data has arrived
 * @nr: which, below tgt_dsm_ranges()
 * @pos: set to the first byte
 * @len: set to the length in bytes; may be 0
 *
 * Context: any.
 * Return: 0 or the status.
 */
u16 tgt_dsm_range(struct tgt_req *req, unsigned int nr, loff_t *pos, u64 *len)
{
	struct nvme_dsm_range r;
	u16 status;

	status = tgt_copy_from_host(req, nr * sizeof(r), &r, sizeof(r));
	if (status)
		return status;
	status = span(req, le64_to_cpu(r.slba), le32_to_cpu(r.nlb), pos, len);
	/* The fault is in the data, not in the SQE. */
	req->error_loc = 0xffff;
	return status;
}

static void run_dsm(struct tgt_req *req)
{
	unsigned int i, nr = tgt_dsm_ranges(req);
	u16 status = 0;
	loff_t pos;
	u64 len;

	/* All ranges are judged before the first is carried out. */
	for (i = 0; i < nr && !status; i++)
		status = tgt_dsm_range(req, i, &pos, &len);
	/* IDR and IDW are hints that nothing behind us could use. */
	if (status || !(req->sqe.dsm.attributes & cpu_to_le32(NVME_DSMGMT_AD)))
		tgt_req_done(req, status);
	else
		req->ns->backend->discard(req);
}

static void run_write_zeroes(struct tgt_req *req)
{
	bool unmap = req->sqe.rw.control & cpu_to_le16(TGT_RW_DEAC);
	loff_t pos;
	u64 len;
	u16 status;

	status = rw_span(req, &pos, &len);
	if (status)
		tgt_req_done(req, status);
	else
		req->ns->backend->zero(req, pos, len, unmap,
				       tgt_wants_fua(req));
}

/* ---- the command set ----------------------------------------------------- */

const struct tgt_cmd tgt_io_cmds[] = {
	{
		.opcode		= nvme_cmd_flush,
		.flags		= TGT_C_IO | TGT_C_NS,
		.name		= "Flush",
		.run		= run_flush,
	}, {
		.opcode		= nvme_cmd_write,
		.flags		= TGT_C_IO | TGT_C_NS | TGT_C_WRITE,
		.dir		= TGT_TO_TARGET,
		.effects	= NVME_CMD_EFFECTS_LBCC,
		.name		= "Write",
		.len		= rw_len,
		.run		= run_write,
	}, {
		.opcode		= nvme_cmd_read,
		.flags		= TGT_C_IO | TGT_C_NS,
		.dir		= TGT_TO_HOST,
		.name		= "Read",
		.len		= rw_len,
		.run		= run_read,
	}, {
		.opcode		= nvme_cmd_compare,
		.flags		= TGT_C_IO | TGT_C_NS,
		.dir		= TGT_TO_TARGET,
		.name		= "Compare",
		.len		= rw_len,
		.run		= run_read_back,
	}, {
		.opcode		= nvme_cmd_write_zeroes,
		.flags		= TGT_C_IO | TGT_C_NS | TGT_C_WRITE,
		.effects	= NVME_CMD_EFFECTS_LBCC,
		.name		= "Write Zeroes",
		.run		= run_write_zeroes,
	}, {
		.opcode		= nvme_cmd_dsm,
		.flags		= TGT_C_IO | TGT_C_NS | TGT_C_WRITE,
		.dir		= TGT_TO_TARGET,
		.effects	= NVME_CMD_EFFECTS_LBCC,
		.name		= "Dataset Management",
		.len		= dsm_len,
		.run		= run_dsm,
	}, {
		.opcode		= nvme_cmd_verify,
		.flags		= TGT_C_IO | TGT_C_NS,
		.name		= "Verify",
		.run		= run_read_back,
	},
};

const unsigned int tgt_nr_io_cmds = ARRAY_SIZE(tgt_io_cmds);

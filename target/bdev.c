// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces on block devices.
 *
 * A command is one bio, embedded in the request, over the pages that the
 * transport received into or will send from: nothing is allocated and nothing
 * copied. The block layer splits it where the device wants smaller ones.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/part_stat.h>

#include "backend.h"
#include "nvme-defs.h"

/*
 * The bio of every asynchronous command ends here, in whatever context the
 * driver completes in.
 */
static void bio_done(struct bio *bio)
{
	struct tgt_req *req = bio->bi_private;
	u16 status = 0;

	if (unlikely(bio->bi_status))
		status = tgt_blk_status(req, bio->bi_status);
	bio_uninit(bio);
	tgt_req_done(req, status);
}

void tgt_bdev_rw(struct tgt_req *req, loff_t pos, bool write)
{
	struct bio *bio = &req->inline_bio;
	blk_opf_t opf = REQ_OP_READ;

	if (write) {
		opf = REQ_OP_WRITE | REQ_SYNC | REQ_IDLE;
		if (tgt_wants_fua(req))
			opf |= REQ_FUA;
	}
	if (req->sqe.rw.control & cpu_to_le16(NVME_RW_LR))
		opf |= REQ_FAILFAST_DEV;
	/* Nor need the block layer look for one to merge it with */
	if (req->alone)
		opf |= REQ_NOMERGE;

	bio_init(bio, req->ns->bdev, req->bvec, req->nr_bvec, opf);
	bio->bi_vcnt = req->nr_bvec;
	bio->bi_iter.bi_size = req->len;
	bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	bio->bi_private = req;
	bio->bi_end_io = bio_done;
	submit_bio(bio);
}

static void bdev_flush(struct tgt_req *req)
{
	struct bio *bio = &req->inline_bio;

	bio_init(bio, req->ns->bdev, NULL, 0,
		 REQ_OP_WRITE | REQ_SYNC | REQ_PREFLUSH);
	bio->bi_private = req;
	bio->bi_end_io = bio_done;
	submit_bio(bio);
}

/* ---- chains of bios that the block layer makes --------------------------- */

static void flush_after_work(struct work_struct *work)
{
	bdev_flush(container_of(work, struct tgt_req, work));
}

/* The last of a chain; it is submitted last and ends after all others. */
static void chain_done(struct bio *bio)
{
	struct tgt_req *req = bio->bi_private;
	u16 status = tgt_blk_status(req, bio->bi_status);

	bio_put(bio);
	tgt_req_done(req, status);
}

static void chain_done_fua(struct bio *bio)
{
	struct tgt_req *req = bio->bi_private;
	u16 status = tgt_blk_status(req, bio->bi_status);

	bio_put(bio);
	/* Nothing may be submitted from here. */
	if (status)
		tgt_req_done(req, status);
	else
		tgt_defer(req, flush_after_work);
}

/* A device that will not discard keeps the data, as it is free to. */
static void discard_done(struct bio *bio)
{
	if (bio->bi_status == BLK_STS_NOTSUPP)
		bio->bi_status = BLK_STS_OK;
	chain_done(bio);
}

/*
 * Sends the chain off, of which all but @bio are on their way. Where making it
 * failed half way, the request still has to wait for that half.
 */
static void submit_chain(struct tgt_req *req, struct bio *bio, int err,
			 bio_end_io_t *done)
{
	if (!bio) {
		tgt_req_done(req, tgt_errno_status(req, err));
		return;
	}
	bio->bi_private = req;
	bio->bi_end_io = done;
	if (err) {
		bio->bi_status = errno_to_blk_status(err);
		bio_endio(bio);
	} else {
		submit_bio(bio);
	}
}

/*
 * GFP_NOIO here and below: the host may be this very machine, writing back to
 * free the memory that we would wait for.
 */
static void bdev_discard(struct tgt_req *req)
{
	struct block_device *bdev = req->ns->bdev;
	unsigned int i, nr = tgt_dsm_ranges(req);
	struct bio *bio = NULL;
	int err = 0;

	if (!bdev_max_discard_sectors(bdev)) {
		tgt_req_done(req, 0);
		return;
	}
	for (i = 0; i < nr && !err; i++) {
		loff_t pos;
		u64 len;

		/* The namespace may have shrunk since. */
		if (tgt_dsm_range(req, i, &pos, &len))
			err = -EINVAL;
		else if (len)
			__blkdev_issue_discard(bdev, pos >> SECTOR_SHIFT,
					       len >> SECTOR_SHIFT, GFP_NOIO,
					       &bio);
	}
	if (err || bio)
		submit_chain(req, bio, err, discard_done);
	else
		tgt_req_done(req, 0);
}

static void bdev_zero(struct tgt_req *req, loff_t pos, u64 len, bool unmap,
		      bool fua)
{
	struct block_device *bdev = req->ns->bdev;
	struct bio *bio = NULL;
	int err;

	err = __blkdev_issue_zeroout(bdev, pos >> SECTOR_SHIFT,
				     len >> SECTOR_SHIFT, GFP_NOIO, &bio,
				     unmap ? 0 : BLKDEV_ZERO_NOUNMAP);
	submit_chain(req, bio, err,
		     fua && bdev_write_cache(bdev) ? chain_done_fua :
						     chain_done);
}

/* ---- what waits ---------------------------------------------------------- */

static int bdev_read(struct tgt_ns *ns, void *buf, loff_t pos, u32 len)
{
	struct bio_vec bvec;
	struct bio bio;
	int err;

	bio_init(&bio, ns->bdev, &bvec, 1, REQ_OP_READ);
	__bio_add_page(&bio, virt_to_page(buf), len, offset_in_page(buf));
	bio.bi_iter.bi_sector = pos >> SECTOR_SHIFT;
	err = submit_bio_wait(&bio);
	bio_uninit(&bio);
	return err;
}

static int bdev_sync(struct tgt_ns *ns)
{
	return blkdev_issue_flush(ns->bdev);
}

/* ---- what the device is like --------------------------------------------- */

static bool bdev_has_cache(const struct tgt_ns *ns)
{
	return bdev_write_cache(ns->bdev);
}

static loff_t bdev_size(struct tgt_ns *ns)
{
	return bdev_nr_bytes(ns->bdev);
}

/* @bytes in logical blocks, 0's based as most fields want it; 0: none. */
static __le16 blocks0(const struct tgt_ns *ns, u64 bytes)
{
	u64 n = bytes >> ns->lba_shift;

	return cpu_to_le16(n ? min_t(u64, n, U16_MAX + 1ULL) - 1 : 0);
}

static void bdev_identify(struct tgt_ns *ns, struct nvme_id_ns *id)
{
	struct block_device *bdev = ns->bdev;
	u32 phys = bdev_physical_block_size(bdev);
	u64 chunk = bdev_get_queue(bdev)->limits.chunk_sectors;

	id->nsfeat |= TGT_NSFEAT_OPTPERF;
	id->npwg = blocks0(ns, max_t(u32, bdev_io_min(bdev), phys));
	id->npwa = blocks0(ns, phys);
	id->npdg = blocks0(ns, bdev_discard_granularity(bdev));
	id->npda = id->npdg;
	id->nows = blocks0(ns, bdev_io_opt(bdev));
	chunk = (chunk << SECTOR_SHIFT) >> ns->lba_shift;
	if (chunk <= U16_MAX)
		id->noiob = cpu_to_le16(chunk);

	/*
	 * A device writes its physical block whole, wherever a block of that
	 * size lies; hosts take their physical block size from here. A partition
	 * may begin within one.
	 */
	if (phys > 1U << ns->lba_shift &&
	    !(bdev_alignment_offset(bdev) & (phys - 1))) {
		id->nsfeat |= NVME_NS_FEAT_ATOMICS;
		id->nawun = blocks0(ns, phys);
		id->nawupf = id->nawun;
		id->nabsn = id->nawun;
		id->nabspf = id->nawun;
	}
	if (bdev_write_zeroes_sectors(bdev))
		id->dlfeat = TGT_DLFEAT_READS_ZERO | TGT_DLFEAT_WZ_DEAC;
}

static void bdev_stats(struct tgt_ns *ns, struct tgt_io_stats *st)
{
	struct block_device *bdev = ns->bdev;

	st->ios[READ] = part_stat_read(bdev, ios[STAT_READ]);
	st->ios[WRITE] = part_stat_read(bdev, ios[STAT_WRITE]);
	st->sectors[READ] = part_stat_read(bdev, sectors[STAT_READ]);
	st->sectors[WRITE] = part_stat_read(bdev, sectors[STAT_WRITE]);
}

static void bdev_close(struct tgt_ns *ns)
{
	bdev_fput(ns->bdev_file);
	ns->bdev_file = NULL;
	ns->bdev = NULL;
}

static const struct tgt_backend bdev_backend = {
	.name		= "bdev",
	.close		= bdev_close,
	.size		= bdev_size,
	.rw		= tgt_bdev_rw,
	.flush		= bdev_flush,
	.discard	= bdev_discard,
	.zero		= bdev_zero,
	.read		= bdev_read,
	.sync		= bdev_sync,
	.has_cache	= bdev_has_cache,
	.identify	= bdev_identify,
	.stats		= bdev_stats,
};

/*
 * The device is not claimed: it may be in use here, or behind another
 * namespace, as with the distribution's target.
 */
static int open_bdev(struct tgt_ns *ns)
{
	struct file *file;

	ns->ro_backing = false;
	file = bdev_file_open_by_path(ns->path, BLK_OPEN_READ | BLK_OPEN_WRITE,
				      NULL, NULL);
	if (file == ERR_PTR(-EACCES) || file == ERR_PTR(-EROFS)) {
		file = bdev_file_open_by_path(ns->path, BLK_OPEN_READ, NULL,
					      NULL);
		ns->ro_backing = true;
	}
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (bdev_is_zoned(file_bdev(file))) {
		pr_err("%s is zoned, which is not supported\n", ns->path);
		bdev_fput(file);
		return -EOPNOTSUPP;
	}

	ns->bdev_file = file;
	ns->bdev = file_bdev(file);
	ns->lba_shift = ilog2(bdev_logical_block_size(ns->bdev));
	ns->rotational = bdev_rot(ns->bdev);
	ns->backend = &bdev_backend;
	return 0;
}

/* ---- for the core, whatever is behind the namespace ---------------------- */

/**
 * tgt_bdev_open() - open what device_path names, a device or a file
 * @ns: disabled; path and buffered_io are set. Size, block size and so on are
 *	set here.
 *
 * A block device with buffered_io is used as a file: through the page cache.
 *
 * Context: process, may sleep.
 * Return: 0 or -errno, with the reason logged.
 */
int tgt_bdev_open(struct tgt_ns *ns)
{
	int err = ns->buffered_io ? -ENOTBLK : open_bdev(ns);

	if (err == -ENOTBLK)
		err = tgt_file_open(ns);
	if (err) {
		pr_err("cannot open %s: error %d\n", ns->path, err);
		return err;
	}
	if (ns->ro_backing)
		ns->readonly = true;
	ns->size = ns->backend->size(ns);
	return 0;
}

/**
 * tgt_bdev_close() - close what tgt_bdev_open() opened
 * @ns: disabled, with no request in flight; nothing happens if it is closed
 *
 * Context: process, may sleep.
 */
void tgt_bdev_close(struct tgt_ns *ns)
{
	if (!ns->backend)
		return;
	ns->backend->close(ns);
	ns->backend = NULL;
	if (ns->ro_backing)
		ns->readonly = false;
	ns->ro_backing = false;
}

/**
 * tgt_bdev_revalidate() - look at the size again
 * @ns: kept open by the caller; nothing happens if it is closed
 *
 * Context: process, may sleep. Of callers at the same time, each may find the
 * change.
 * Return: true if it has changed; the hosts are then to be told.
 */
bool tgt_bdev_revalidate(struct tgt_ns *ns)
{
	loff_t size;

	if (!ns->backend)
		return false;
	size = ns->backend->size(ns);
	if (size == ns->size)
		return false;
	WRITE_ONCE(ns->size, size);
	return true;
}

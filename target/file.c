// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces on files: regular files, or block devices through the page cache
 * (buffered_io).
 *
 * Direct I/O is submitted by the queue's own context and completes from
 * wherever the file system says so. What would wait there - buffered I/O that
 * is not in the page cache, fsync, fallocate - waits in a worker.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/uio.h>

#include "backend.h"
#include "nvme-defs.h"

enum {
	FILE_SHIFT_MAX	= 12,		/* of the block size for a regular file */
	ZERO_VECS	= 16,		/* pages a write of zeroes */
};

static struct inode *inode_of(const struct tgt_ns *ns)
{
	return ns->file->f_mapping->host;
}

/* ---- Read, Write --------------------------------------------------------- */

static void rw_work(struct work_struct *work);

/* @ret: what the file system returned, now or through ki_complete() */
static void rw_end(struct tgt_req *req, long ret)
{
	u16 status = 0;

	if (ret < 0)
		status = tgt_errno_status(req, ret);
	else if (ret != req->len)
		/* The file was cut, or its file system is full. */
		status = tgt_errno_status(req, -EIO);
	tgt_req_done(req, status);
}

static void end_write(struct kiocb *iocb)
{
	if ((iocb->ki_flags & IOCB_WRITE) &&
	    S_ISREG(file_inode(iocb->ki_filp)->i_mode))
		kiocb_end_write(iocb);
}

static void rw_complete(struct kiocb *iocb, long ret)
{
	end_write(iocb);
	rw_end(container_of(iocb, struct tgt_req, iocb), ret);
}

/* Returns what the file system does; -EIOCBQUEUED: rw_complete() follows. */
static ssize_t rw_submit(struct tgt_req *req, loff_t pos, bool write, int flags)
{
	struct file *file = req->ns->file;
	struct kiocb *iocb = &req->iocb;
	struct iov_iter iter;
	ssize_t ret;

	init_sync_kiocb(iocb, file);
	iocb->ki_pos = pos;
	iocb->ki_complete = rw_complete;
	iocb->ki_flags |= flags;
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, req->bvec,
		      req->nr_bvec, req->len);
	if (!write)
		return vfs_iocb_iter_read(file, iocb, &iter);

	iocb->ki_flags |= IOCB_WRITE;
	if (tgt_wants_fua(req))
		iocb->ki_flags |= IOCB_DSYNC;
	if (S_ISREG(file_inode(file)->i_mode))
		kiocb_start_write(iocb);
	ret = vfs_iocb_iter_write(file, iocb, &iter);
	if (ret != -EIOCBQUEUED)
		end_write(iocb);
	return ret;
}

static void file_rw(struct tgt_req *req, loff_t pos, bool write)
{
	struct tgt_ns *ns = req->ns;
	ssize_t ret;

	if (!(ns->file->f_flags & O_DIRECT)) {
		/* What the page cache has needs no worker. */
		if (write || !(ns->file->f_mode & FMODE_NOWAIT)) {
			tgt_defer(req, rw_work);
			return;
		}
		ret = rw_submit(req, pos, false, IOCB_NOWAIT);
		/* Once it is queued, the request may be gone. */
		if (ret != -EIOCBQUEUED && ret != req->len) {
			tgt_defer(req, rw_work);
			return;
		}
	} else {
		ret = rw_submit(req, pos, write, 0);
	}
	if (ret != -EIOCBQUEUED)
		rw_end(req, ret);
}

static void rw_work(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);
	loff_t pos = le64_to_cpu(req->sqe.rw.slba) << req->ns->lba_shift;
	ssize_t ret;

	ret = rw_submit(req, pos, req->dir == TGT_TO_TARGET, 0);
	if (ret != -EIOCBQUEUED)
		rw_end(req, ret);
}

/* ---- what waits ---------------------------------------------------------- */

static int file_sync(struct tgt_ns *ns)
{
	return vfs_fsync(ns->file, 1);
}

static int file_read(struct tgt_ns *ns, void *buf, loff_t pos, u32 len)
{
	struct bio_vec bv;
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	bvec_set_page(&bv, virt_to_page(buf), len, offset_in_page(buf));
	iov_iter_bvec(&iter, ITER_DEST, &bv, 1, len);
	init_sync_kiocb(&iocb, ns->file);
	iocb.ki_pos = pos;
	ret = vfs_iocb_iter_read(ns->file, &iocb, &iter);
	if (ret < 0)
		return ret;
	return ret == len ? 0 : -EIO;
}

static void flush_work_fn(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);

	tgt_req_done(req, tgt_errno_status(req, file_sync(req->ns)));
}

static void file_flush(struct tgt_req *req)
{
	tgt_defer(req, flush_work_fn);
}

static void discard_work(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);
	unsigned int i, nr = tgt_dsm_ranges(req);
	int err = 0;
	u16 status = 0;
	loff_t pos;
	u64 len;

	for (i = 0; i < nr && !err && !status; i++) {
		status = tgt_dsm_range(req, i, &pos, &len);
		if (!status && len)
			err = vfs_fallocate(req->ns->file,
					    FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, pos, len);
		cond_resched();
	}
	/* A file system that has no holes keeps the data, as it is free to. */
	if (err == -EOPNOTSUPP)
		err = 0;
	tgt_req_done(req, status ?: tgt_errno_status(req, err));
}

static void file_discard(struct tgt_req *req)
{
	tgt_defer(req, discard_work);
}

/* For file systems that cannot zero a range otherwise. */
static int write_zeroes(struct file *file, loff_t pos, u64 len)
{
	struct bio_vec bv[ZERO_VECS];
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;
	int i;

	for (i = 0; i < ZERO_VECS; i++)
		bvec_set_page(&bv[i], ZERO_PAGE(0), PAGE_SIZE, 0);
	while (len) {
		size_t n = min_t(u64, len, ZERO_VECS * PAGE_SIZE);

		init_sync_kiocb(&iocb, file);
		iocb.ki_pos = pos;
		iocb.ki_flags |= IOCB_WRITE;
		iov_iter_bvec(&iter, ITER_SOURCE, bv, ZERO_VECS, n);
		if (S_ISREG(file_inode(file)->i_mode))
			kiocb_start_write(&iocb);
		ret = vfs_iocb_iter_write(file, &iocb, &iter);
		end_write(&iocb);
		if (ret < 0)
			return ret;
		if (!ret)
			return -EIO;
		pos += ret;
		len -= ret;
		cond_resched();
	}
	return 0;
}

static void zero_work(struct work_struct *work)
{
	struct tgt_req *req = container_of(work, struct tgt_req, work);
	struct tgt_ns *ns = req->ns;
	loff_t pos = le64_to_cpu(req->sqe.rw.slba) << ns->lba_shift;
	u64 len = ((u64)le16_to_cpu(req->sqe.rw.length) + 1) << ns->lba_shift;
	bool unmap = req->sqe.rw.control & cpu_to_le16(TGT_RW_DEAC);
	int err;

	err = vfs_fallocate(ns->file, FALLOC_FL_KEEP_SIZE |
			    (unmap ? FALLOC_FL_PUNCH_HOLE :
				     FALLOC_FL_ZERO_RANGE), pos, len);
	if (err == -EOPNOTSUPP)
		err = write_zeroes(ns->file, pos, len);
	if (!err && tgt_wants_fua(req))
		err = file_sync(ns);
	tgt_req_done(req, tgt_errno_status(req, err));
}

static void file_zero(struct tgt_req *req, loff_t pos, u64 len, bool unmap,
		      bool fua)
{
	tgt_defer(req, zero_work);
}

/* ---- what the file is like ----------------------------------------------- */

static bool file_has_cache(const struct tgt_ns *ns)
{
	return true;
}

static loff_t file_size(struct tgt_ns *ns)
{
	return i_size_read(inode_of(ns));
}

static void file_identify(struct tgt_ns *ns, struct nvme_id_ns *id)
{
	struct inode *inode = inode_of(ns);
	bool holes = S_ISBLK(inode->i_mode) ?
		     bdev_write_zeroes_sectors(I_BDEV(inode)) > 0 :
		     !!ns->file->f_op->fallocate;

	if (holes)
		id->dlfeat = TGT_DLFEAT_READS_ZERO | TGT_DLFEAT_WZ_DEAC;
}

static void file_close(struct tgt_ns *ns)
{
	if (!ns->ro_backing)
		vfs_fsync(ns->file, 0);
	fput(ns->file);
	ns->file = NULL;
}

static const struct tgt_backend file_backend = {
	.name		= "file",
	.close		= file_close,
	.size		= file_size,
	.rw		= file_rw,
	.flush		= file_flush,
	.discard	= file_discard,
	.zero		= file_zero,
	.read		= file_read,
	.sync		= file_sync,
	.has_cache	= file_has_cache,
	.identify	= file_identify,
};

static struct file *open_path(struct tgt_ns *ns, int flags)
{
	struct file *file;

	flags |= O_LARGEFILE;
	ns->ro_backing = false;
	file = filp_open(ns->path, O_RDWR | flags, 0);
	if (file == ERR_PTR(-EACCES) || file == ERR_PTR(-EROFS) ||
	    file == ERR_PTR(-EPERM)) {
		file = filp_open(ns->path, O_RDONLY | flags, 0);
		ns->ro_backing = true;
	}
	return file;
}

/**
 * tgt_file_open() - open what device_path names as a file
 * @ns: disabled; path and buffered_io are set. Block size, ro_backing and
 *	backend are set here.
 *
 * Context: process, may sleep.
 * Return: 0 or -errno; -EINVAL for what is neither file nor block device.
 */
int tgt_file_open(struct tgt_ns *ns)
{
	struct inode *inode;
	struct file *file;

	file = open_path(ns, ns->buffered_io ? 0 : O_DIRECT);
	if (file == ERR_PTR(-EINVAL) && !ns->buffered_io) {
		file = open_path(ns, 0);
		if (!IS_ERR(file))
			pr_info("%s: its file system has no direct I/O, using the page cache\n",
				ns->path);
	}
	if (IS_ERR(file))
		return PTR_ERR(file);

	inode = file->f_mapping->host;
	if (S_ISBLK(inode->i_mode)) {
		if (bdev_is_zoned(I_BDEV(inode))) {
			pr_err("%s is zoned, which is not supported\n", ns->path);
			fput(file);
			return -EOPNOTSUPP;
		}
		ns->lba_shift = ilog2(bdev_logical_block_size(I_BDEV(inode)));
		ns->rotational = bdev_rot(I_BDEV(inode));
		/* Most drivers let it be opened for writing all the same. */
		if (bdev_read_only(I_BDEV(inode)))
			ns->ro_backing = true;
	} else if (S_ISREG(inode->i_mode)) {
		ns->lba_shift = clamp_t(u8, inode->i_blkbits, SECTOR_SHIFT,
					FILE_SHIFT_MAX);
		ns->rotational = false;
	} else {
		fput(file);
		return -EINVAL;
	}
	ns->file = file;
	ns->backend = &file_backend;
	return 0;
}

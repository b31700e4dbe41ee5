/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opening block devices, and block layer helpers that older kernels lack.
 */
#ifndef COMPAT_BDEV_H
#define COMPAT_BDEV_H

#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/slab.h>

/* What ->queue_rqs() gets a pointer to, for rq_list_peek() and rq_list_pop() */
#ifdef HAVE_QUEUE_RQS_LIST
typedef struct rq_list compat_rq_list;
#else
typedef struct request *compat_rq_list;
#endif

#ifndef HAVE_BDEV_FILE_OPEN_BY_PATH
/*
 * An open block device was not a file yet, and closing one needs the mode that
 * it was opened with: a stand-in for struct file carries both. It is never
 * dereferenced as a file.
 */
#define BLK_OPEN_READ		FMODE_READ
#define BLK_OPEN_WRITE		FMODE_WRITE
#define BLK_OPEN_EXCL		FMODE_EXCL

typedef fmode_t blk_mode_t;

struct compat_bdev_file {
	struct block_device *bdev;
	fmode_t mode;
};

struct blk_holder_ops;

static inline struct file *
bdev_file_open_by_path(const char *path, blk_mode_t mode, void *holder,
		       const struct blk_holder_ops *hops)
{
	struct compat_bdev_file *bf = kmalloc(sizeof(*bf), GFP_KERNEL);
	struct block_device *bdev;

	if (!bf)
		return ERR_PTR(-ENOMEM);
	if (holder)
		mode |= FMODE_EXCL;
	bdev = blkdev_get_by_path(path, mode, holder);
	if (IS_ERR(bdev)) {
		kfree(bf);
		return ERR_CAST(bdev);
	}
	bf->bdev = bdev;
	bf->mode = mode;
	return (struct file *)bf;
}

static inline struct block_device *file_bdev(struct file *file)
{
	return ((struct compat_bdev_file *)file)->bdev;
}

static inline void bdev_fput(struct file *file)
{
	struct compat_bdev_file *bf = (struct compat_bdev_file *)file;

	blkdev_put(bf->bdev, bf->mode);
	kfree(bf);
}
#endif

#ifndef HAVE_ISSUE_DISCARD_VOID
/* What is left undone is no error: who discards has asked whether one can. */
static inline void
compat_issue_discard(struct block_device *bdev, sector_t sector,
		     sector_t nr_sects, gfp_t gfp_mask, struct bio **biop)
{
	(void)!__blkdev_issue_discard(bdev, sector, nr_sects, gfp_mask, biop);
}

#define __blkdev_issue_discard	compat_issue_discard
#endif

/* The NUMA node that blk_mq_ops.init_request() is given. */
#ifdef HAVE_INIT_REQUEST_INT_NODE
typedef int compat_node_t;
#else
typedef unsigned int compat_node_t;
#endif

#ifndef HAVE_BDEV_ROT
static inline bool bdev_rot(struct block_device *bdev)
{
	return !bdev_nonrot(bdev);
}
#endif

/* Macros, so that no feature test is needed. */
#ifndef BLK_STS_RESV_CONFLICT
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif
#ifndef BLK_STS_INVAL
#define BLK_STS_INVAL		((__force blk_status_t)19)
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the admin command set share.
 */
#ifndef TARGET_ADMIN_H
#define TARGET_ADMIN_H

#include "target.h"
#include "nvme-defs.h"

/* Where in the SQE the error log says that the fault lies: CDW10, 11, ... */
#define TGT_CDW(n)	((n) * 4)

/**
 * tgt_fault() - a command that will not do better when it is repeated
 * @req: the command
 * @byte: the offending byte of the SQE
 * @sc: NVME_SC_*
 *
 * Context: any.
 * Return: the status.
 */
static inline u16 tgt_fault(struct tgt_req *req, u16 byte, u16 sc)
{
	req->error_loc = byte;
	return sc | NVME_STATUS_DNR;
}

/**
 * struct tgt_view - the part of a data structure that the host asked for
 * @req: where it goes
 * @from: first byte wanted
 * @pos: bytes of the whole that were put so far
 * @status: of the copies
 *
 * Log pages and Identify data structures are put from their first byte to
 * their last, in pieces of any size; the view clips each piece to the window
 * [@from, @from + req->len). So offset, length and the end of the buffer are
 * judged here and nowhere else, and a page may be larger than any allocation.
 */
struct tgt_view {
	struct tgt_req *req;
	u64 from;
	u64 pos;
	u16 status;
};

void tgt_view_init(struct tgt_view *v, struct tgt_req *req, u64 from);
void tgt_view_put(struct tgt_view *v, const void *data, u32 len);
u16 tgt_view_end(struct tgt_view *v);

/* Finds the namespace that the command names, into req->ns; may not sleep. */
u16 tgt_admin_ns(struct tgt_req *req);

/* identify.c */
void tgt_identify(struct tgt_req *req);

/* log.c */
u32 tgt_log_len(const struct tgt_req *req);
void tgt_get_log(struct tgt_req *req);

/* features.c */
u32 tgt_get_features_len(const struct tgt_req *req);
u32 tgt_set_features_len(const struct tgt_req *req);
void tgt_get_features(struct tgt_req *req);
void tgt_set_features(struct tgt_req *req);
u32 tgt_feature_effects(u8 kind, u8 fid);	/* a dword of log page 12h */

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a command through the core: found and judged on arrival, run in
 * process context, ended once. Nothing here locks, allocates or sleeps.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/highmem.h>
#include <linux/module.h>

#include "target.h"

enum { SET_FABRICS, SET_ADMIN, SET_IO, SETS };

/* Opcode to row + 1 of its table; 0: not supported */
static u8 rows[SETS][256];

static const struct tgt_cmd *set_table(int set, unsigned int *nr)
{
	switch (set) {
	case SET_FABRICS:
		*nr = tgt_nr_fabrics_cmds;
		return tgt_fabrics_cmds;
	case SET_ADMIN:
		*nr = tgt_nr_admin_cmds;
		return tgt_admin_cmds;
	default:
		*nr = tgt_nr_io_cmds;
		return tgt_io_cmds;
	}
}

/**
 * tgt_req_init - index the command sets
 *
 * Context: module init.
 * Return: 0, or -EINVAL when a table has two rows for one opcode.
 */
int tgt_req_init(void)
{
	const struct tgt_cmd *t;
	unsigned int set, i, nr;

	for (set = 0; set < SETS; set++) {
		t = set_table(set, &nr);
		for (i = 0; i < nr; i++) {
			if (WARN(rows[set][t[i].opcode] || i >= 255,
				 "nvmet: two rows for %s\n", t[i].name))
				return -EINVAL;
			rows[set][t[i].opcode] = i + 1;
		}
	}
	return 0;
}

static u16 fail(struct tgt_req *req, u16 loc, u16 status)
{
	req->error_loc = loc;
	return status | NVME_STATUS_DNR;
}

/* Where a namespace's ANA group stands on this port (Base 2.1, 8.1.1). */
static u16 ana_status(const struct tgt_port *port, u32 grpid)
{
	switch (READ_ONCE(port->ana_state[grpid])) {
	case NVME_ANA_OPTIMIZED:
	case NVME_ANA_NONOPTIMIZED:
		return 0;
	case NVME_ANA_INACCESSIBLE:
		return NVME_SC_ANA_INACCESSIBLE;
	case NVME_ANA_PERSISTENT_LOSS:
		return NVME_SC_ANA_PERSISTENT_LOSS;
	default:
		return NVME_SC_ANA_TRANSITION;
	}
}

static u16 find_ns(struct tgt_queue *q, struct tgt_ctrl *ctrl,
		   struct tgt_req *req)
{
	u32 nsid = le32_to_cpu(req->sqe.common.nsid);
	u16 status;

	if ((req->cmd->flags & TGT_C_NS_OPT) && (!nsid || nsid == NVME_NSID_ALL))
		return 0;

	req->ns = tgt_ns_get(ctrl->subsys, nsid);
	if (unlikely(!req->ns)) {
		/* Base 2.1, 3.2.1.5: an invalid NSID, or an inactive one */
		if (!nsid || nsid > READ_ONCE(ctrl->subsys->max_nsid))
			return fail(req, offsetof(struct nvme_common_command, nsid),
				    NVME_SC_INVALID_NS);
		return fail(req, offsetof(struct nvme_common_command, nsid),
			    NVME_SC_INVALID_FIELD);
	}

	if (!q->qid)
		return 0;
	status = ana_status(q->port, req->ns->anagrpid);
	if (unlikely(status))
		return status;
	if (unlikely((req->cmd->flags & TGT_C_WRITE) && req->ns->readonly))
		return fail(req, 0xffff, NVME_SC_NS_WRITE_PROTECTED);
	return 0;
}

/* Fabrics 3.3: Connect comes first and once; properties are the admin queue's. */
static u16 judge_fabrics(struct tgt_queue *q, struct tgt_ctrl *ctrl,
			 struct tgt_req *req)
{
	const u16 fctype = offsetof(struct nvmf_common_command, fctype);

	if (req->cmd->opcode == nvme_fabrics_type_connect) {
		if (q->connect_seen)
			return fail(req, fctype, NVME_SC_CMD_SEQ_ERROR);
		/* Cleared by tgt_req_done() if it fails, whoever refuses it. */
		WRITE_ONCE(q->connect_seen, true);
		return 0;
	}
	if (!ctrl)
		return fail(req, fctype, NVME_SC_CMD_SEQ_ERROR);
	if (q->qid)
		return fail(req, fctype, NVME_SC_INVALID_OPCODE);
	return 0;
}

static u16 judge(struct tgt_queue *q, struct tgt_ctrl *ctrl,
		 struct tgt_req *req)
{
	const u16 flags = offsetof(struct nvme_common_command, flags);

	if (unlikely(!ctrl))
		return fail(req, 0, NVME_SC_CMD_SEQ_ERROR);
	if (unlikely(!(req->cmd->flags & ctrl->kind)))
		return fail(req, 0, NVME_SC_INVALID_OPCODE);
	if (unlikely(!(READ_ONCE(ctrl->csts) & NVME_CSTS_RDY) &&
		     !(req->cmd->flags & TGT_C_NOT_READY)))
		return fail(req, 0, NVME_SC_CMD_SEQ_ERROR);
	/* No fused operations; SGLs, as Fabrics demands */
	if (unlikely(req->sqe.common.flags != NVME_CMD_SGL_METABUF))
		return fail(req, flags, NVME_SC_INVALID_FIELD);
	if (req->cmd->flags & (TGT_C_NS | TGT_C_NS_OPT))
		return find_ns(q, ctrl, req);
	return 0;
}

/**
 * tgt_req_begin - judge a command that has arrived
 * @q: the queue it came in on
 * @req: with queue, sqe and sgl_len set
 *
 * Finds its row, its namespace and how many bytes it moves which way. A
 * transport ends a command that this refuses with tgt_req_done(), once the data
 * that came along is out of the way.
 *
 * Context: the queue's receive context, one call at a time; softirq is fine.
 * Return: 0 with dir and len set, or an NVMe status.
 */
u16 tgt_req_begin(struct tgt_queue *q, struct tgt_req *req)
{
	const struct nvme_common_command *c = &req->sqe.common;
	/* Pairs with attach() in ctrl.c: qid, size and ctrl go together. */
	struct tgt_ctrl *ctrl = smp_load_acquire(&q->ctrl);
	unsigned int set, nr;
	u16 status;
	u8 op, row;
	u32 len;

	req->cqe.result.u64 = 0;
	req->cmd = NULL;
	req->ns = NULL;
	req->dir = TGT_NODATA;
	req->len = 0;
	req->error_loc = 0xffff;
	req->error_slba = 0;
	q->commands++;

	op = c->opcode;
	if (unlikely(op == nvme_fabrics_command)) {
		set = SET_FABRICS;
		op = req->sqe.fabrics.fctype;
	} else {
		set = q->qid ? SET_IO : SET_ADMIN;
	}
	row = rows[set][op];
	if (unlikely(!row))
		return fail(req, set == SET_FABRICS ?
			    offsetof(struct nvmf_common_command, fctype) : 0,
			    NVME_SC_INVALID_OPCODE);
	req->cmd = set_table(set, &nr) + row - 1;

	if (unlikely(set == SET_FABRICS))
		status = judge_fabrics(q, ctrl, req);
	else
		status = judge(q, ctrl, req);
	/* TBKAS: any command is a sign of life. */
	if (ctrl && !READ_ONCE(ctrl->ka_seen))
		WRITE_ONCE(ctrl->ka_seen, true);
	if (unlikely(status))
		return status;

	len = req->cmd->len ? req->cmd->len(req) : 0;
	if (unlikely(len != req->sgl_len))
		return fail(req, offsetof(struct nvme_common_command, dptr) + 8,
			    NVME_SC_SGL_INVALID_DATA);
	if (unlikely(ctrl && len > ctrl->max_len))
		return fail(req, 0xffff, NVME_SC_INVALID_FIELD);
	req->len = len;
	req->dir = len ? req->cmd->dir : TGT_NODATA;
	return 0;
}
EXPORT_SYMBOL_GPL(tgt_req_begin);

/**
 * tgt_req_execute - run a command that tgt_req_begin() accepted
 * @req: its data, if it goes to the target, has arrived; memory for @req->len
 *	bytes is in @req->bvec
 *
 * Context: process, may sleep, no lock held. The command may be done, and
 * @req in its next life, on return.
 */
void tgt_req_execute(struct tgt_req *req)
{
	req->cmd->run(req);
}
EXPORT_SYMBOL_GPL(tgt_req_execute);

/* Several CPUs complete at once; each takes the next value. */
static u16 next_sqhd(struct tgt_queue *q)
{
	u32 old, new;

	if (q->sqhd_disabled || unlikely(!q->size))
		return q->sqhd_disabled ? 0xffff : 0;
	old = READ_ONCE(q->sqhd);
	do {
		new = old + 1 < q->size ? old + 1 : 0;
	} while (!try_cmpxchg(&q->sqhd, &old, new));
	return new;
}

/**
 * tgt_req_done - end a command
 * @req: begun; not touched any more after this
 * @status: NVMe status field without the phase bit
 *
 * Context: any.
 */
void tgt_req_done(struct tgt_req *req, u16 status)
{
	struct tgt_queue *q = req->queue;

	if (unlikely(status) && READ_ONCE(q->ctrl)) {
		/* The error log has the field at fault, where there is one. */
		if (req->error_loc != 0xffff)
			status |= NVME_STATUS_MORE;
		tgt_err_log_add(req, status);
	} else if (unlikely(status)) {
		/* A Connect has failed, and another may follow; or it came too early. */
		WRITE_ONCE(q->connect_seen, false);
	}
	if (req->ns) {
		tgt_ns_put(req->ns);
		req->ns = NULL;
	}
	req->cqe.sq_head = cpu_to_le16(next_sqhd(q));
	req->cqe.sq_id = cpu_to_le16(q->qid);
	req->cqe.command_id = req->sqe.common.command_id;
	req->cqe.status = cpu_to_le16(status << 1);
	q->ops->respond(req);
}
EXPORT_SYMBOL_GPL(tgt_req_done);

enum copy_op { COPY_TO_PAGES, COPY_FROM_PAGES, ZERO_PAGES };

/*
 * One walk for all three. A bio_vec may span pages of a compound page, and
 * pages may be in high memory: one kmap a page.
 */
static u16 copy(struct tgt_req *req, u32 off, void *buf, u32 len,
		enum copy_op op)
{
	const struct bio_vec *bv = req->bvec;
	u32 in, n;
	void *p;

	if (len > req->len || off > req->len - len)
		return NVME_SC_SGL_INVALID_DATA | NVME_STATUS_DNR;

	for (; len && off >= bv->bv_len; bv++)
		off -= bv->bv_len;
	while (len) {
		in = bv->bv_offset + off;
		n = min3(len, bv->bv_len - off, (u32)PAGE_SIZE - offset_in_page(in));
		p = kmap_local_page(bv->bv_page + (in >> PAGE_SHIFT));
		p += offset_in_page(in);
		switch (op) {
		case COPY_TO_PAGES:
			memcpy(p, buf, n);
			buf += n;
			break;
		case COPY_FROM_PAGES:
			memcpy(buf, p, n);
			buf += n;
			break;
		case ZERO_PAGES:
			memset(p, 0, n);
			break;
		}
		kunmap_local(p);
		len -= n;
		off += n;
		if (off == bv->bv_len) {
			off = 0;
			bv++;
		}
	}
	return 0;
}

/**
 * tgt_copy_to_host - fill a part of a command's data
 * @req: a command whose data goes to the host
 * @off: where in its data, in bytes
 * @buf: what
 * @len: how much
 *
 * Context: any.
 * Return: 0, or an NVMe status when it lies outside the command's data.
 */
u16 tgt_copy_to_host(struct tgt_req *req, u32 off, const void *buf, u32 len)
{
	return copy(req, off, (void *)buf, len, COPY_TO_PAGES);
}

/**
 * tgt_copy_from_host - read a part of a command's data
 * @req: a command whose data came from the host
 * @off: where in its data, in bytes
 * @buf: where to
 * @len: how much
 *
 * Context: any.
 * Return: 0, or an NVMe status when it lies outside the command's data.
 */
u16 tgt_copy_from_host(struct tgt_req *req, u32 off, void *buf, u32 len)
{
	return copy(req, off, buf, len, COPY_FROM_PAGES);
}

/**
 * tgt_zero_to_host - zero a part of a command's data
 * @req: a command whose data goes to the host
 * @off: where in its data, in bytes
 * @len: how much
 *
 * Context: any.
 * Return: 0, or an NVMe status when it lies outside the command's data.
 */
u16 tgt_zero_to_host(struct tgt_req *req, u32 off, u32 len)
{
	return copy(req, off, NULL, len, ZERO_PAGES);
}

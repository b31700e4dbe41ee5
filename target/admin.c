// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin command set: its table, the commands that fit on a page, and the
 * view through which the data structures of the others reach the host.
 */
#include <linux/minmax.h>

#include "admin.h"

/**
 * tgt_view_init() - begin to put a data structure
 * @v: the view
 * @req: its data goes to the host
 * @from: the first byte that the host wants
 */
void tgt_view_init(struct tgt_view *v, struct tgt_req *req, u64 from)
{
	*v = (struct tgt_view){ .req = req, .from = from };
}

/**
 * tgt_view_put() - put the next bytes of a data structure
 * @v: the view
 * @data: the bytes; NULL: zeroes
 * @len: how many
 *
 * What lies outside the window is not looked at.
 *
 * Context: any.
 */
void tgt_view_put(struct tgt_view *v, const void *data, u32 len)
{
	u64 start = max(v->pos, v->from);
	u64 end = min(v->pos + len, v->from + v->req->len);
	u16 status;

	if (start < end) {
		u32 to = start - v->from, n = end - start;

		if (data)
			status = tgt_copy_to_host(v->req, to,
						  data + (start - v->pos), n);
		else
			status = tgt_zero_to_host(v->req, to, n);
		if (status && !v->status)
			v->status = status;
	}
	v->pos += len;
}

/**
 * tgt_view_end() - the data structure ends here
 * @v: the view
 *
 * Zeroes what the host asked for beyond the end.
 *
 * Context: any.
 * Return: the status of the command: that of the copies, or Invalid Field where
 * the window lies wholly beyond the end.
 */
u16 tgt_view_end(struct tgt_view *v)
{
	u64 end = v->from + v->req->len;

	if (v->from > v->pos)
		return tgt_fault(v->req, TGT_CDW(12), NVME_SC_INVALID_FIELD);
	if (end > v->pos)
		tgt_view_put(v, NULL, end - v->pos);
	return v->status;
}

/**
 * tgt_admin_ns() - find the namespace of an admin command
 * @req: the command; req->ns is set, and put when the command ends
 *
 * For commands that only some of their variants need a namespace for.
 *
 * Context: any.
 * Return: 0 or the status.
 */
u16 tgt_admin_ns(struct tgt_req *req)
{
	struct tgt_subsys *subsys = req->queue->ctrl->subsys;
	u32 nsid = le32_to_cpu(req->sqe.common.nsid);

	if (nsid && nsid <= READ_ONCE(subsys->max_nsid)) {
		req->ns = tgt_ns_get(subsys, nsid);
		if (req->ns)
			return 0;
		/* Base 2.1, 3.2.1.5: an inactive NSID */
		return tgt_fault(req, offsetof(struct nvme_common_command, nsid),
				 NVME_SC_INVALID_FIELD);
	}
	return tgt_fault(req, offsetof(struct nvme_common_command, nsid),
			 NVME_SC_INVALID_NS);
}

/*
 * What can be aborted is what waits for an event. All else is with the backing
 * device already, which cannot take it back.
 */
static void run_abort(struct tgt_req *req)
{
	bool aborted = !req->sqe.abort.sqid &&
		       tgt_aer_abort(req->queue->ctrl, req->sqe.abort.cid);

	/* Dword 0, bit 0: not aborted */
	req->cqe.result.u32 = cpu_to_le32(!aborted);
	tgt_req_done(req, 0);
}

/* The timer was told when the command arrived, as by any other. */
static void run_keep_alive(struct tgt_req *req)
{
	u16 status = 0;

	if (!READ_ONCE(req->queue->ctrl->kato))
		status = tgt_fault(req, 0, NVME_SC_KA_TIMEOUT_INVALID);
	tgt_req_done(req, status);
}

static u32 identify_len(const struct tgt_req *req)
{
	return NVME_IDENTIFY_DATA_SIZE;
}

const struct tgt_cmd tgt_admin_cmds[] = {
	{
		.opcode		= nvme_admin_get_log_page,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.dir		= TGT_TO_HOST,
		.name		= "Get Log Page",
		.len		= tgt_log_len,
		.run		= tgt_get_log,
	}, {
		.opcode		= nvme_admin_identify,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.dir		= TGT_TO_HOST,
		.name		= "Identify",
		.len		= identify_len,
		.run		= tgt_identify,
	}, {
		.opcode		= nvme_admin_abort_cmd,
		.flags		= TGT_C_IO,
		.name		= "Abort",
		.run		= run_abort,
	}, {
		.opcode		= nvme_admin_set_features,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.dir		= TGT_TO_TARGET,
		.name		= "Set Features",
		.len		= tgt_set_features_len,
		.run		= tgt_set_features,
	}, {
		.opcode		= nvme_admin_get_features,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.dir		= TGT_TO_HOST,
		.name		= "Get Features",
		.len		= tgt_get_features_len,
		.run		= tgt_get_features,
	}, {
		.opcode		= nvme_admin_async_event,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.name		= "Asynchronous Event Request",
		.run		= tgt_aer_park,
	}, {
		.opcode		= nvme_admin_keep_alive,
		.flags		= TGT_C_IO | TGT_C_DISC,
		.name		= "Keep Alive",
		.run		= run_keep_alive,
	},
};

const unsigned int tgt_nr_admin_cmds = ARRAY_SIZE(tgt_admin_cmds);

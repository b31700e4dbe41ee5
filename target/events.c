// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous events, and the logs that answer them: changed namespaces and
 * errors (Base 2.1, 5.1.2 and 5.1.12.1).
 *
 * An event goes out in a parked AER when there is one, else it waits for the
 * next. Once out it is masked until the host reads its log page: until then
 * the page says more than another event could.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "target.h"

static const struct event {
	u8 type;
	u8 info;
	u8 lid;
	u32 cfg;	/* bit of Feature 0Bh that asks for it; 0: always sent */
} events[TGT_EVENTS] = {
	[TGT_EV_NS_CHANGED] = {
		NVME_AER_NOTICE, NVME_AER_NOTICE_NS_CHANGED,
		NVME_LOG_CHANGED_NS, NVME_AEN_CFG_NS_ATTR
	},
	[TGT_EV_ANA_CHANGED] = {
		NVME_AER_NOTICE, NVME_AER_NOTICE_ANA,
		NVME_LOG_ANA, NVME_AEN_CFG_ANA_CHANGE
	},
	[TGT_EV_DISC_CHANGED] = {
		NVME_AER_NOTICE, NVME_AER_NOTICE_DISC_CHANGED,
		NVME_LOG_DISC, NVME_AEN_CFG_DISC_CHANGE
	},
	[TGT_EV_ERROR] = {
		NVME_AER_ERROR, NVME_AER_ERROR_PERSIST_INT_ERR,
		NVME_LOG_ERROR, 0
	},
};

static void send(struct tgt_req *req, enum tgt_event ev)
{
	const struct event *e = &events[ev];

	req->cqe.result.u32 = cpu_to_le32(e->type | e->info << 8 | e->lid << 16);
	tgt_req_done(req, 0);
}

/* A parked AER to send, or NULL. */
static struct tgt_req *take_aer(struct tgt_ctrl *ctrl)
{
	struct tgt_req *req;

	lockdep_assert_held(&ctrl->aer_lock);
	req = list_first_entry_or_null(&ctrl->aers, struct tgt_req, entry);
	if (req) {
		list_del(&req->entry);
		ctrl->nr_aers--;
	}
	return req;
}

/**
 * tgt_event - tell a controller's host
 * @ctrl: whose
 * @ev: what
 *
 * Context: any; no aer_lock held.
 */
void tgt_event(struct tgt_ctrl *ctrl, enum tgt_event ev)
{
	struct tgt_req *req = NULL;
	unsigned long flags;

	spin_lock_irqsave(&ctrl->aer_lock, flags);
	if (events[ev].cfg && !(ctrl->aen_enabled & events[ev].cfg))
		goto out;
	if (ctrl->aen_masked & BIT(ev))
		goto out;
	req = take_aer(ctrl);
	if (req)
		ctrl->aen_masked |= BIT(ev);
	else
		ctrl->aen_pending |= BIT(ev);
out:
	spin_unlock_irqrestore(&ctrl->aer_lock, flags);
	if (req)
		send(req, ev);
}

/**
 * tgt_subsys_event - tell the hosts of a subsystem's controllers
 * @subsys: with lock held
 * @port: only controllers on this port; NULL: all
 * @ev: what
 *
 * Context: process.
 */
void tgt_subsys_event(struct tgt_subsys *subsys, const struct tgt_port *port,
		      enum tgt_event ev)
{
	struct tgt_ctrl *ctrl;

	lockdep_assert_held(&subsys->lock);
	list_for_each_entry(ctrl, &subsys->ctrls, entry)
		if (!port || ctrl->port == port)
			tgt_event(ctrl, ev);
}

/**
 * tgt_event_log_read - a host reads a log page: unmask what it answers
 * @ctrl: whose
 * @lid: which
 *
 * Context: any; no aer_lock held.
 */
void tgt_event_log_read(struct tgt_ctrl *ctrl, u8 lid)
{
	unsigned long flags;
	int ev;

	spin_lock_irqsave(&ctrl->aer_lock, flags);
	for (ev = 0; ev < TGT_EVENTS; ev++) {
		if (events[ev].lid == lid) {
			ctrl->aen_masked &= ~BIT(ev);
			/* What was to be told is being read. */
			ctrl->aen_pending &= ~BIT(ev);
		}
	}
	spin_unlock_irqrestore(&ctrl->aer_lock, flags);
}

/**
 * tgt_aer_park - Asynchronous Event Request
 * @req: done at once when an event waits, else with the next
 *
 * Context: process.
 */
void tgt_aer_park(struct tgt_req *req)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	u16 status = 0;
	int ev = -1;

	spin_lock_irq(&ctrl->aer_lock);
	if (ctrl->dead || req->queue->stopped) {
		status = NVME_SC_ABORT_QUEUE;
	} else if (ctrl->aen_pending) {
		ev = __ffs(ctrl->aen_pending);
		ctrl->aen_pending &= ~BIT(ev);
		ctrl->aen_masked |= BIT(ev);
	} else if (ctrl->nr_aers >= TGT_MAX_AER) {
		status = NVME_SC_ASYNC_LIMIT | NVME_STATUS_DNR;
	} else {
		list_add_tail(&req->entry, &ctrl->aers);
		ctrl->nr_aers++;
		spin_unlock_irq(&ctrl->aer_lock);
		return;
	}
	spin_unlock_irq(&ctrl->aer_lock);
	if (ev >= 0)
		send(req, ev);
	else
		tgt_req_done(req, status);
}

/**
 * tgt_aer_abort_all - end all parked AERs
 * @ctrl: whose; dead, or being reset
 *
 * Context: process.
 */
void tgt_aer_abort_all(struct tgt_ctrl *ctrl)
{
	struct tgt_req *req;

	for (;;) {
		spin_lock_irq(&ctrl->aer_lock);
		req = take_aer(ctrl);
		spin_unlock_irq(&ctrl->aer_lock);
		if (!req)
			return;
		tgt_req_done(req, NVME_SC_ABORT_QUEUE);
	}
}

/**
 * tgt_aer_abort - Abort of a parked AER
 * @ctrl: whose
 * @cid: command identifier, as in the SQE
 *
 * Context: process.
 * Return: whether there was one; it has been ended.
 */
bool tgt_aer_abort(struct tgt_ctrl *ctrl, u16 cid)
{
	struct tgt_req *req;
	bool found = false;

	spin_lock_irq(&ctrl->aer_lock);
	list_for_each_entry(req, &ctrl->aers, entry) {
		if (req->sqe.common.command_id == cid) {
			list_del(&req->entry);
			ctrl->nr_aers--;
			found = true;
			break;
		}
	}
	spin_unlock_irq(&ctrl->aer_lock);
	if (found)
		tgt_req_done(req, NVME_SC_ABORT_REQ | NVME_STATUS_DNR);
	return found;
}

/* Base 2.1, 5.1.12.1.5: more than 1,024 and the list is ffffffffh alone. */
static void add_changed(struct tgt_ctrl *ctrl, u32 nsid)
{
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&ctrl->aer_lock, flags);
	if (ctrl->nr_changed == ~0U)
		goto out;
	for (i = 0; i < ctrl->nr_changed; i++)
		if (ctrl->changed_ns[i] == cpu_to_le32(nsid))
			goto out;
	if (i == TGT_MAX_CHANGED) {
		ctrl->changed_ns[0] = cpu_to_le32(NVME_NSID_ALL);
		ctrl->nr_changed = ~0U;
	} else {
		ctrl->changed_ns[i] = cpu_to_le32(nsid);
		ctrl->nr_changed++;
	}
out:
	spin_unlock_irqrestore(&ctrl->aer_lock, flags);
}

/**
 * tgt_ns_changed - tell the hosts that a namespace came, went or changed
 * @subsys: with lock held
 * @nsid: which
 *
 * Context: process.
 */
void tgt_ns_changed(struct tgt_subsys *subsys, u32 nsid)
{
	struct tgt_ctrl *ctrl;

	lockdep_assert_held(&subsys->lock);
	list_for_each_entry(ctrl, &subsys->ctrls, entry) {
		add_changed(ctrl, nsid);
		tgt_event(ctrl, TGT_EV_NS_CHANGED);
	}
}

/**
 * tgt_err_log_add - log a failed command
 * @req: the command, with error_loc and error_slba as far as they are known
 * @status: what it ends with
 *
 * Context: any.
 */
void tgt_err_log_add(struct tgt_req *req, u16 status)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	struct nvme_error_slot *e;
	unsigned long flags;

	spin_lock_irqsave(&ctrl->aer_lock, flags);
	e = &ctrl->err_log[ctrl->err_count++ % TGT_ERR_LOG];
	memset(e, 0, sizeof(*e));
	e->error_count = cpu_to_le64(ctrl->err_count);
	e->sqid = cpu_to_le16(req->queue->qid);
	e->cmdid = cpu_to_le16((__force u16)req->sqe.common.command_id);
	e->status_field = cpu_to_le16(status << 1);
	e->param_error_location = cpu_to_le16(req->error_loc);
	e->lba = cpu_to_le64(req->error_slba);
	e->nsid = req->sqe.common.nsid;
	spin_unlock_irqrestore(&ctrl->aer_lock, flags);
}

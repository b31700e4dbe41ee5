// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block layer's side: a request becomes a command, a command's answer
 * completes the request.
 */
#include "host.h"

/* The first byte of a request's data; it has some. */
static void nth_cursor_start(struct nth_cursor *cur, struct request *rq)
{
	if (rq->rq_flags & RQF_SPECIAL_PAYLOAD) {
		cur->bvec = &rq->special_vec;
		cur->it = (struct bvec_iter){ .bi_size = rq->special_vec.bv_len };
		cur->next = NULL;
		return;
	}
	cur->bvec = rq->bio->bi_io_vec;
	cur->it = rq->bio->bi_iter;
	cur->next = rq->bio->bi_next;
	if (unlikely(!cur->it.bi_size) && cur->next)
		nth_cursor_next(cur);
}

/**
 * nth_cursor_next - go on to the next bio that has data
 * @cur: cursor at the end of a bio that has a successor
 *
 * Context: any.
 */
void nth_cursor_next(struct nth_cursor *cur)
{
	do {
		struct bio *bio = cur->next;

		cur->bvec = bio->bi_io_vec;
		cur->it = bio->bi_iter;
		cur->next = bio->bi_next;
	} while (!cur->it.bi_size && cur->next);
}

static void nth_complete_batch(struct io_comp_batch *iob)
{
	struct request *rq;

	rq_list_for_each(&iob->req_list, rq)
		nvme_complete_batch_req(rq);
	blk_mq_end_request_batch(iob);
}

/* It was somebody's guest, or counted: there is room for another. */
static void nth_cmd_leave(struct nth_cmd *cmd)
{
	if (cmd->special == NTH_GUEST)
		WRITE_ONCE(cmd->q->guest, NULL);
	else
		atomic_dec(&cmd->q->inflight);
}

static void nth_cmd_complete(struct nth_cmd *cmd, struct io_comp_batch *iob)
{
	struct request *rq;

	if (unlikely(nth_is_aer(cmd))) {
		nvme_complete_async_event(&cmd->q->ctrl->ctrl, cmd->status,
					  &cmd->result);
		return;
	}

	if (unlikely(cmd->special))
		nth_cmd_leave(cmd);
	rq = nth_rq(cmd);
	if (nvme_try_complete_req(rq, cmd->status, cmd->result))
		return;
	if (!blk_mq_add_to_batch(rq, iob, nvme_req(rq)->status != 0,
				 nth_complete_batch))
		nvme_complete_rq(rq);
}

/**
 * nth_cmd_put - drop a hold of a command; the last one completes it
 * @cmd: command; not to be touched afterwards
 * @iob: a batch of completions to add it to, or NULL
 *
 * Context: any but hard interrupts.
 */
void nth_cmd_put(struct nth_cmd *cmd, struct io_comp_batch *iob)
{
	if (atomic_dec_and_test(&cmd->holds))
		nth_cmd_complete(cmd, iob);
}

/**
 * nth_find_cmd - the outstanding command with a CID from the wire
 * @q: queue that it came in on
 * @cid: CID or CCCID, any value
 *
 * Context: the receiver's.
 * Return: the command, or NULL: there is none, it is not on its way, or it has
 * been answered already. Not on its way is also what waits for room in the
 * socket: who guesses its CID must not have data of it sent before it.
 */
struct nth_cmd *nth_find_cmd(struct nth_queue *q, u16 cid)
{
	struct nth_cmd *cmd;
	struct request *rq;

	if (unlikely(nvme_is_aen_req(q->qid, cid))) {
		cmd = &q->ctrl->aer;
		if (cid != cmd->sqe.common.command_id ||
		    !atomic_read(&cmd->holds))
			return NULL;
	} else {
		rq = nvme_find_rq(q->tags, cid);
		if (likely(rq && blk_mq_rq_state(rq) == MQ_RQ_IN_FLIGHT)) {
			cmd = blk_mq_rq_to_pdu(rq);
			if (unlikely(cmd->q != q))
				return NULL;
		} else {
			cmd = READ_ONCE(q->guest);
			if (!cmd || cid != cmd->sqe.common.command_id)
				return NULL;
		}
	}
	/* Pairs with nth_begin_cmd(): what the sender has written first is seen */
	return likely(smp_load_acquire(&cmd->due)) ? cmd : NULL;
}

static void nth_cmd_start(struct nth_cmd *cmd, struct nth_queue *q,
			  enum nvme_tcp_dir dir, u32 len)
{
	cmd->q = q;
	cmd->in_capsule = 0;
	cmd->due = false;
	cmd->answered = false;
	cmd->bad_ddgst = false;
	cmd->special = 0;
	cmd->r2t_first = 0;
	cmd->r2ts = 0;
	INIT_LIST_HEAD(&cmd->grant);
	nvme_tcp_xfer_start(&cmd->xfer, dir, len);
	/* All NVMe/TCP commands describe their data by SGL: PSDT 01b */
	cmd->sqe.common.flags |= NVME_CMD_SGL_METABUF;
}

static void nth_map_data(struct nth_cmd *cmd, struct nth_queue *q,
			 struct request *rq)
{
	u32 len = blk_rq_nr_phys_segments(rq) ? blk_rq_payload_bytes(rq) : 0;
	u32 room = nvme_is_fabrics(&cmd->sqe) ? NVME_TCP_ADMIN_INCAPSULE :
						q->in_capsule;
	bool write = rq_data_dir(rq) == WRITE;

	nth_cmd_start(cmd, q, !len ? NVME_TCP_NODATA :
		      write ? NVME_TCP_H2C : NVME_TCP_C2H, len);
	if (!len)
		return;
	nth_cursor_start(&cmd->data, rq);
	if (write && len <= room)
		cmd->in_capsule = len;
}

static void nth_send(struct nth_cmd *cmd, struct nth_queue *q, struct request *rq,
		     bool last)
{
	atomic_set(&cmd->holds, 2);
	nvme_start_request(rq);

	/* From here on the answer may complete it at any time. */
	nth_tx_submit(q, cmd);
	if (last)
		nth_tx_run(q, NTH_TX_SUBMITTER);
}

static blk_status_t nth_queue_as_guest(struct nth_queue *heir, struct nvme_ns *ns,
				       struct request *rq)
{
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);
	blk_status_t ret;

	if (!test_bit(NTH_Q_LIVE, &heir->flags))
		return nvme_fail_nonready_command(&heir->ctrl->ctrl, rq);
	/* If it was cancelled nobody has said so; from here on it can be found. */
	WRITE_ONCE(cmd->due, false);
	if (cmpxchg(&heir->guest, NULL, cmd))
		return BLK_STS_RESOURCE;
	ret = nvme_setup_cmd(ns, rq);
	if (ret) {
		WRITE_ONCE(heir->guest, NULL);
		return ret;
	}
	/* Reserved tags come first: it is tag 0, with the request's own count. */
	cmd->sqe.common.command_id &= ~(u16)nvme_tag_from_cid(U16_MAX);
	nth_map_data(cmd, heir, rq);
	cmd->special = NTH_GUEST;
	nth_send(cmd, heir, rq, true);
	return BLK_STS_OK;
}

/*
 * The controller has come back with smaller queues, and blk-mq has as many tags as
 * ever: what is too much waits for an answer to the others. An entry is left for a
 * guest.
 */
static blk_status_t nth_queue_short(struct nth_queue *q, struct nvme_ns *ns,
				    struct request *rq, bool last)
{
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);
	blk_status_t ret;

	if (!atomic_add_unless(&q->inflight, 1, max(q->ctrl->ctrl.sqsize - 1, 1)))
		return BLK_STS_RESOURCE;
	ret = nvme_setup_cmd(ns, rq);
	if (ret) {
		atomic_dec(&q->inflight);
		return ret;
	}
	nth_map_data(cmd, q, rq);
	cmd->special = NTH_COUNTED;
	nth_send(cmd, q, rq, last);
	return BLK_STS_OK;
}

static blk_status_t nth_queue_rq(struct blk_mq_hw_ctx *hctx,
				 const struct blk_mq_queue_data *bd)
{
	struct nth_queue *q = hctx->driver_data;
	struct nvme_ctrl *ctrl = &q->ctrl->ctrl;
	struct request *rq = bd->rq;
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);
	blk_status_t ret;

	if (!nvme_check_ready(ctrl, rq, test_bit(NTH_Q_LIVE, &q->flags))) {
		struct nth_queue *heir = READ_ONCE(q->heir);

		if (unlikely(heir))
			return nth_queue_as_guest(heir, hctx->queue->queuedata, rq);
		return nvme_fail_nonready_command(ctrl, rq);
	}

	if (unlikely(test_bit(NTH_Q_SHORT, &q->flags)))
		return nth_queue_short(q, hctx->queue->queuedata, rq, bd->last);
	ret = nvme_setup_cmd(hctx->queue->queuedata, rq);
	if (unlikely(ret))
		return ret;

	nth_map_data(cmd, q, rq);
	nth_send(cmd, q, rq, bd->last);
	return BLK_STS_OK;
}

/*
 * All that a plug has gathered, without the block layer's way of issuing each
 * alone. What is not as it should be stays on the list, and with it what comes
 * after: nth_queue_rq() is asked for these.
 */
static void nth_queue_rqs(compat_rq_list *list)
{
	struct nth_queue *filled = NULL;
	struct request *rq;

	while ((rq = rq_list_peek(list))) {
		struct nth_queue *q = rq->mq_hctx->driver_data;

		if (unlikely(!nvme_check_ready(&q->ctrl->ctrl, rq,
					       test_bit(NTH_Q_LIVE, &q->flags)) ||
			     test_bit(NTH_Q_SHORT, &q->flags)))
			break;
		/* Older kernels leave it to whoever issues: nth_find_cmd() */
		rq->mq_hctx->tags->rqs[rq->tag] = rq;
		if (unlikely(nvme_setup_cmd(rq->q->queuedata, rq)))
			break;
		rq_list_pop(list);
		if (unlikely(filled && filled != q))
			nth_tx_run(filled, NTH_TX_SUBMITTER);
		filled = q;
		nth_map_data(blk_mq_rq_to_pdu(rq), q, rq);
		nth_send(blk_mq_rq_to_pdu(rq), q, rq, false);
	}
	if (likely(filled))
		nth_tx_run(filled, NTH_TX_SUBMITTER);
}

static void nth_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct nth_queue *q = hctx->driver_data;

	if (nth_tx_pending(q))
		nth_tx_run(q, NTH_TX_SUBMITTER);
}

/**
 * nth_submit_async_event - send the Asynchronous Event Request
 * @nctrl: live controller
 *
 * The core sends one at a time and waits for its completion before the next.
 * The command's tag lies behind those of the admin queue's requests, so that
 * its answer can be told from theirs.
 *
 * Context: may sleep.
 */
void nth_submit_async_event(struct nvme_ctrl *nctrl)
{
	struct nth_ctrl *ctrl = nth_ctrl(nctrl);
	struct nth_queue *q = ctrl->queues[0];
	struct nth_cmd *cmd = &ctrl->aer;

	if (!test_bit(NTH_Q_LIVE, &q->flags) ||
	    atomic_cmpxchg(&cmd->holds, 0, 2))
		return;

	memset(&cmd->sqe, 0, sizeof(cmd->sqe));
	cmd->sqe.common.opcode = nvme_admin_async_event;
	cmd->sqe.common.command_id = NVME_AQ_BLK_MQ_DEPTH;
	nth_cmd_start(cmd, q, NVME_TCP_NODATA, 0);
	nth_tx_submit(q, cmd);
	nth_tx_run(q, NTH_TX_SUBMITTER);
}

/*
 * May sleep. While the controller is live a timeout means that the connection
 * or the peer is in trouble: recovery gives all commands back. Otherwise
 * somebody who brings the controller up or down is waiting for this command,
 * and it is for us to end that wait.
 */
static enum blk_eh_timer_return nth_timeout(struct request *rq)
{
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct nth_queue *q = cmd->q;
	struct nth_ctrl *ctrl = q->ctrl;
	enum blk_eh_timer_return ret = BLK_EH_DONE;

	dev_warn_ratelimited(ctrl->ctrl.device,
			     "queue %d: command %#06x (opcode %#04x, fctype %#04x) timed out: %u bytes, %u moved%s\n",
			     q->qid, cmd->sqe.common.command_id,
			     cmd->sqe.common.opcode, cmd->sqe.fabrics.fctype,
			     cmd->xfer.len, cmd->xfer.done,
			     cmd->answered ? ", answered" : "");

	if (nvme_ctrl_state(&ctrl->ctrl) == NVME_CTRL_LIVE) {
		nth_ctrl_error(ctrl);
		return BLK_EH_RESET_TIMER;
	}

	nth_queue_down(q);
	mutex_lock(&q->down_lock);
	mutex_lock(&ctrl->cancel_lock);
	/* It may have been cancelled meanwhile, and sent anew: then it is not ours. */
	if (cmd->q != q || test_bit(NTH_Q_UP, &q->flags))
		ret = BLK_EH_RESET_TIMER;
	else
		nvmf_complete_timed_out_request(rq);
	mutex_unlock(&ctrl->cancel_lock);
	mutex_unlock(&q->down_lock);
	return ret;
}

static int nth_init_request(struct blk_mq_tag_set *set, struct request *rq,
			    unsigned int hctx_idx, compat_node_t numa_node)
{
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);
	struct nth_ctrl *ctrl = nth_ctrl(set->driver_data);

	nvme_req(rq)->ctrl = &ctrl->ctrl;
	nvme_req(rq)->cmd = &cmd->sqe;
	INIT_LIST_HEAD(&cmd->grant);
	cmd->q = ctrl->queues[set == &ctrl->io_set ? hctx_idx + 1 : 0];
	return 0;
}

static int nth_init_admin_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			       unsigned int hctx_idx)
{
	hctx->driver_data = nth_ctrl(data)->queues[0];
	return 0;
}

static int nth_init_io_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			    unsigned int hctx_idx)
{
	hctx->driver_data = nth_ctrl(data)->queues[hctx_idx + 1];
	return 0;
}

const struct blk_mq_ops nth_admin_ops = {
	.queue_rq	= nth_queue_rq,
	.commit_rqs	= nth_commit_rqs,
	.complete	= nvme_complete_rq,
	.init_request	= nth_init_request,
	.init_hctx	= nth_init_admin_hctx,
	.timeout	= nth_timeout,
};

const struct blk_mq_ops nth_io_ops = {
	.queue_rq	= nth_queue_rq,
	.queue_rqs	= nth_queue_rqs,
	.commit_rqs	= nth_commit_rqs,
	.complete	= nvme_complete_rq,
	.init_request	= nth_init_request,
	.init_hctx	= nth_init_io_hctx,
	.map_queues	= nth_map_queues,
	.timeout	= nth_timeout,
	.poll		= nth_poll,
};

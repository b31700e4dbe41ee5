// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queues of a controller together: how many of which kind, brought up and taken
 * down, their commands cancelled. See struct nth_ctrl for who may do what when.
 */
#include "host.h"

/* --- giving up on commands ------------------------------------------------ */

static bool nth_cancel_if_on(struct request *rq, void *data)
{
	struct nth_queue *q = data;
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);

	return cmd->q != q || nvme_cancel_request(rq, &q->ctrl->ctrl);
}

/**
 * nth_cancel_queue - complete all commands of a queue that is down
 * @q: queue
 *
 * They are retried, or not, as the core sees fit. If the queue has come up again
 * since, they are another connection's, and not ours to end.
 *
 * Context: error_work; may sleep.
 */
void nth_cancel_queue(struct nth_queue *q)
{
	struct nth_ctrl *ctrl = q->ctrl;
	struct blk_mq_tag_set *set = q->qid ? &ctrl->io_set : &ctrl->admin_set;

	/* No command is on its way while the hardware queues are made anew. */
	if (!mutex_trylock(&ctrl->resize_lock))
		return;
	mutex_lock(&q->down_lock);
	mutex_lock(&ctrl->cancel_lock);
	if (q->tags && !test_bit(NTH_Q_UP, &q->flags)) {
		blk_mq_tagset_busy_iter(set, nth_cancel_if_on, q);
		blk_mq_tagset_wait_completed_request(set);
	}
	mutex_unlock(&ctrl->cancel_lock);
	mutex_unlock(&q->down_lock);
	mutex_unlock(&ctrl->resize_lock);
}

static void nth_cancel_all(struct nth_ctrl *ctrl, void (*cancel)(struct nvme_ctrl *))
{
	mutex_lock(&ctrl->cancel_lock);
	cancel(&ctrl->ctrl);
	mutex_unlock(&ctrl->cancel_lock);
}

/* Before the tag set goes: nth_cancel_queue() must not look at it any more. */
static void nth_forget_tags(struct nth_ctrl *ctrl, unsigned int from, unsigned int to)
{
	unsigned int qid;

	mutex_lock(&ctrl->cancel_lock);
	for (qid = from; qid < to; qid++)
		if (ctrl->queues[qid])
			ctrl->queues[qid]->tags = NULL;
	mutex_unlock(&ctrl->cancel_lock);
}

/* --- the admin queue ------------------------------------------------------ */

/**
 * nth_admin_down - take the admin queue down, and give its commands back
 * @ctrl: controller
 * @remove: for good
 *
 * Context: of who brings the controller up or down; may sleep.
 */
void nth_admin_down(struct nth_ctrl *ctrl, bool remove)
{
	nvme_quiesce_admin_queue(&ctrl->ctrl);
	nth_queue_down(ctrl->queues[0]);
	nth_cancel_all(ctrl, nvme_cancel_admin_tagset);
	/* What waits there now fails, or is told to come again. */
	nvme_unquiesce_admin_queue(&ctrl->ctrl);
	if (remove) {
		nth_forget_tags(ctrl, 0, 1);
		nvme_remove_admin_tag_set(&ctrl->ctrl);
		ctrl->ctrl.admin_tagset = NULL;
	}
}

/* What the controller says of itself, as far as it matters to a transport */
static int nth_check_caps(struct nth_ctrl *ctrl)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	struct nvmf_ctrl_options *opts = nctrl->opts;

	if (nctrl->icdoff) {
		dev_err(nctrl->device,
			"ICDOFF is %u: NVMe/TCP requires 0, this controller cannot be used\n",
			nctrl->icdoff);
		return -EOPNOTSUPP;
	}
	/* Identify Controller, SGLS, bits 1:0: SGLs are supported */
	if (!(nctrl->sgls & GENMASK(1, 0))) {
		dev_err(nctrl->device,
			"no SGL support: NVMe/TCP requires it, this controller cannot be used\n");
		return -EOPNOTSUPP;
	}
	if (nctrl->maxcmd && nctrl->sqsize + 1 > nctrl->maxcmd) {
		dev_warn(nctrl->device, "queue_size %u: the controller takes %u\n",
			 nctrl->sqsize + 1, nctrl->maxcmd);
		nctrl->sqsize = nctrl->maxcmd - 1;
	} else if (opts->queue_size > nctrl->sqsize + 1) {
		dev_warn(nctrl->device, "queue_size %zu: the controller takes %u\n",
			 opts->queue_size, nctrl->sqsize + 1);
	}
	if (nctrl->sqsize < ctrl->sqsize)
		dev_warn(nctrl->device,
			 "queues of %u entries now, not of %u: fewer commands at a time\n",
			 nctrl->sqsize + 1, ctrl->sqsize + 1);
	return 0;
}

static int nth_admin_connect(struct nth_ctrl *ctrl)
{
	int ret = nth_queue_up(ctrl->queues[0]);

	return ret ?: nvmf_connect_admin_queue(&ctrl->ctrl);
}

/**
 * nth_admin_up - connect the admin queue, and enable the controller
 * @ctrl: controller
 * @first: it is being created
 *
 * Context: of who brings the controller up; may sleep.
 * Return: 0, a negative errno or an NVMe status; then it is down.
 */
int nth_admin_up(struct nth_ctrl *ctrl, bool first)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	struct nth_queue *q = ctrl->queues[0];
	int ret;

	if (first) {
		ret = nvme_alloc_admin_tag_set(nctrl, &ctrl->admin_set,
					       &nth_admin_ops,
					       sizeof(struct nth_cmd));
		if (ret)
			return ret;
	}

	q->tags = ctrl->admin_set.tags[0];
	q->in_capsule = NVME_TCP_ADMIN_INCAPSULE;
	ret = nth_admin_connect(ctrl);
	/* Who does without SQ flow control says so; who takes the bit amiss is old. */
	if (ret > 0 && (ret & 0x7ff) == NVME_SC_INVALID_FIELD &&
	    nctrl->opts->disable_sqflow) {
		nctrl->opts->disable_sqflow = false;
		nth_queue_down(q);
		ret = nth_admin_connect(ctrl);
	}
	if (ret)
		goto down;
	set_bit(NTH_Q_LIVE, &q->flags);

	/* The last time it may have been less. */
	nctrl->sqsize = ctrl->sqsize ?: nctrl->opts->queue_size - 1;
	ret = nvme_enable_ctrl(nctrl);
	if (!ret)
		ret = nvme_init_ctrl_finish(nctrl, false);
	if (!ret)
		ret = nth_check_caps(ctrl);
	if (!ret)
		return 0;
down:
	ret = nth_queue_why(q, ret);
	nvme_stop_keep_alive(nctrl);
	nth_admin_down(ctrl, first);
	return ret;
}

/* --- the I/O queues ------------------------------------------------------- */

/*
 * How many queues of each kind, of @nr. With write queues asked for, the
 * default ones are for writes and reads get nr_io_queues of their own, first;
 * poll queues get what is left.
 */
static void nth_io_plan(struct nth_ctrl *ctrl, unsigned int nr)
{
	struct nvmf_ctrl_options *opts = ctrl->ctrl.opts;
	unsigned int *n = ctrl->io_queues;

	memset(n, 0, sizeof(ctrl->io_queues));
	if (opts->nr_write_queues && opts->nr_io_queues < nr) {
		n[HCTX_TYPE_READ] = opts->nr_io_queues;
		nr -= n[HCTX_TYPE_READ];
		n[HCTX_TYPE_DEFAULT] = min(opts->nr_write_queues, nr);
	} else {
		n[HCTX_TYPE_DEFAULT] = min(opts->nr_io_queues, nr);
	}
	nr -= n[HCTX_TYPE_DEFAULT];
	n[HCTX_TYPE_POLL] = min(opts->nr_poll_queues, nr);
}

/* blk-mq without memory for as many as were planned goes back to what it had. */
static const unsigned int *nth_planned(struct nth_ctrl *ctrl, unsigned int nr)
{
	const unsigned int *n = ctrl->io_queues;

	if (n[HCTX_TYPE_DEFAULT] + n[HCTX_TYPE_READ] + n[HCTX_TYPE_POLL] > nr)
		nth_io_plan(ctrl, nr);
	return n;
}

/**
 * nth_map_queues - struct blk_mq_ops
 * @set: the I/O queues'
 *
 * Queues come in the order default, read, poll; without read queues of their
 * own, reads share the default ones.
 *
 * Context: of who brings the controller up.
 */
void nth_map_queues(struct blk_mq_tag_set *set)
{
	struct nth_ctrl *ctrl = nth_ctrl(set->driver_data);
	const unsigned int *n = nth_planned(ctrl, set->nr_hw_queues);
	const struct {
		unsigned int nr, offset;
	} plan[HCTX_MAX_TYPES] = {
		[HCTX_TYPE_DEFAULT] = { n[HCTX_TYPE_DEFAULT], 0 },
		[HCTX_TYPE_READ] = {
			n[HCTX_TYPE_READ] ?: n[HCTX_TYPE_DEFAULT],
			n[HCTX_TYPE_READ] ? n[HCTX_TYPE_DEFAULT] : 0,
		},
		[HCTX_TYPE_POLL] = {
			n[HCTX_TYPE_POLL],
			n[HCTX_TYPE_DEFAULT] + n[HCTX_TYPE_READ],
		},
	};
	unsigned int type;

	for (type = 0; type < set->nr_maps; type++) {
		set->map[type].nr_queues = plan[type].nr;
		set->map[type].queue_offset = plan[type].offset;
		if (plan[type].nr)
			blk_mq_map_queues(&set->map[type]);
	}

	dev_info(ctrl->ctrl.device, "mapped %u/%u/%u default/read/poll queues.\n",
		 n[HCTX_TYPE_DEFAULT], n[HCTX_TYPE_READ], n[HCTX_TYPE_POLL]);
}

/* Once blk-mq's map is as it shall be: each queue's kind and worker's CPU */
static void nth_io_place(struct nth_ctrl *ctrl)
{
	unsigned int type, cpu, i, qid = 1;

	for (type = 0; type < HCTX_MAX_TYPES; type++) {
		for (i = 0; i < ctrl->io_queues[type]; i++, qid++) {
			struct nth_queue *q = ctrl->queues[qid];

			WRITE_ONCE(q->type, type);
			q->cpu = WORK_CPU_UNBOUND;
			for_each_online_cpu(cpu) {
				if (ctrl->io_set.map[type].mq_map[cpu] != qid - 1)
					continue;
				q->cpu = cpu;
				break;
			}
		}
	}
}

/**
 * nth_io_down - take the I/O queues down, and give their commands back
 * @ctrl: controller; it may have none
 * @remove: for good. Else they stay quiesced
 *
 * Context: of who brings the controller up or down; may sleep.
 */
void nth_io_down(struct nth_ctrl *ctrl, bool remove)
{
	unsigned int qid;

	if (!ctrl->ctrl.tagset)
		return;
	nvme_quiesce_io_queues(&ctrl->ctrl);
	for (qid = 1; qid < ctrl->max_queues; qid++)
		if (ctrl->queues[qid])
			nth_queue_down(ctrl->queues[qid]);
	nth_cancel_all(ctrl, nvme_cancel_tagset);
	if (!remove)
		return;
	nvme_unquiesce_io_queues(&ctrl->ctrl);
	nth_forget_tags(ctrl, 1, ctrl->max_queues);
	nvme_remove_io_tag_set(&ctrl->ctrl);
	ctrl->ctrl.tagset = NULL;
}

/* Queues @from .. @to - 1 */
static int nth_io_connect(struct nth_ctrl *ctrl, unsigned int from, unsigned int to)
{
	u32 ioccsz = ctrl->ctrl.ioccsz * 16;
	unsigned int qid;
	int ret;

	for (qid = from; qid < to; qid++) {
		struct nth_queue *q = ctrl->queues[qid];

		q->tags = ctrl->io_set.tags[qid - 1];
		q->in_capsule = ioccsz > NVME_TCP_SQE_SIZE ?
				ioccsz - NVME_TCP_SQE_SIZE : 0;
		ret = nth_queue_up(q);
		if (ret)
			return ret;
		ret = nvmf_connect_io_queue(&ctrl->ctrl, qid);
		if (ret)
			return nth_queue_why(q, ret);
		if (ctrl->ctrl.sqsize < ctrl->sqsize)
			set_bit(NTH_Q_SHORT, &q->flags);
		set_bit(NTH_Q_LIVE, &q->flags);
	}
	return 0;
}

static int nth_io_alloc(struct nth_ctrl *ctrl, unsigned int nr)
{
	unsigned int qid;

	for (qid = 1; qid <= nr; qid++) {
		if (!ctrl->queues[qid])
			ctrl->queues[qid] = nth_queue_alloc(ctrl, qid);
		if (!ctrl->queues[qid])
			return -ENOMEM;
	}
	return 0;
}

/* Queues behind the first @nr have heirs among these from now on, or none. */
static void nth_io_bequeath(struct nth_ctrl *ctrl, unsigned int nr, bool on)
{
	unsigned int qid;

	for (qid = nr + 1; qid <= ctrl->io_set.nr_hw_queues; qid++)
		WRITE_ONCE(ctrl->queues[qid]->heir,
			   on ? ctrl->queues[1 + (qid - 1) % nr] : NULL);
}

/*
 * The controller gives another number of queues than before. What was begun
 * on the old ones has to end on them, or on their heirs; those that are still
 * there work already. Then the hardware queues are made anew.
 */
static int nth_io_resize(struct nth_ctrl *ctrl, unsigned int nr)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	int ret = 0;

	dev_info(nctrl->device, "%u I/O queues instead of %u\n", nr,
		 ctrl->io_set.nr_hw_queues);
	nth_io_bequeath(ctrl, nr, true);
	nvme_start_freeze(nctrl);
	nvme_unquiesce_io_queues(nctrl);
	if (!nvme_wait_freeze_timeout(nctrl))
		ret = -ETIMEDOUT;
	nth_io_bequeath(ctrl, nr, false);
	if (!ret) {
		mutex_lock(&ctrl->resize_lock);
		blk_mq_update_nr_hw_queues(&ctrl->io_set, nr);
		mutex_unlock(&ctrl->resize_lock);
	}
	nvme_unfreeze(nctrl);
	if (ret)
		dev_err(nctrl->device, "commands begun before do not come to an end\n");
	else if (ctrl->io_set.nr_hw_queues != nr)
		ret = -ENOMEM;
	return ret;
}

/**
 * nth_io_up - connect as many I/O queues as the controller gives us
 * @ctrl: controller whose admin queue is up
 * @first: it is being created
 *
 * Context: of who brings the controller up; may sleep.
 * Return: 0, a negative errno or an NVMe status; then they are down.
 */
int nth_io_up(struct nth_ctrl *ctrl, bool first)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	unsigned int nr_maps = nctrl->opts->nr_poll_queues ? HCTX_MAX_TYPES : 2;
	unsigned int qid, was;
	int nr, ret;

	/* CPUs may have come since; there is room for as many as there were. */
	nr = min(nvmf_nr_io_queues(nctrl->opts), ctrl->max_queues - 1);
	ret = nvme_set_queue_count(nctrl, &nr);
	if (ret)
		return ret;
	if (!nr) {
		dev_err(nctrl->device, "the controller has no I/O queues for us\n");
		return -ENODEV;
	}
	ret = nth_io_alloc(ctrl, nr);
	if (ret)
		return ret;
	nth_io_plan(ctrl, nr);
	nr = ctrl->io_queues[HCTX_TYPE_DEFAULT] +
	     ctrl->io_queues[HCTX_TYPE_READ] + ctrl->io_queues[HCTX_TYPE_POLL];
	nctrl->queue_count = nr + 1;

	if (first) {
		dev_info(nctrl->device, "creating %d I/O queues.\n", nr);
		ret = nvme_alloc_io_tag_set(nctrl, &ctrl->io_set, &nth_io_ops,
					    nr_maps, sizeof(struct nth_cmd));
		if (ret)
			return ret;
		ctrl->sqsize = nctrl->sqsize;
		/* With one queue too: what sorts and merges is the target's device. */
		ctrl->io_set.flags |= BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	}
	was = ctrl->io_set.nr_hw_queues;

	/* Nobody polls while there are commands of an older map. */
	for (qid = 1; qid < ctrl->max_queues; qid++)
		if (ctrl->queues[qid] && was != nr)
			ctrl->queues[qid]->type = HCTX_TYPE_DEFAULT;
	if (was == nr)
		nth_io_place(ctrl);
	ret = nth_io_connect(ctrl, 1, min_t(unsigned int, was, nr) + 1);
	if (!ret && was != nr) {
		ret = nth_io_resize(ctrl, nr);
		if (!ret) {
			nth_io_place(ctrl);
			ret = nth_io_connect(ctrl, was + 1, nr + 1);
		}
	}
	if (ret)
		nth_io_down(ctrl, first);
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A controller's life: created, brought up, reset, recovered, deleted.
 * See struct nth_ctrl for who may do what when.
 */
#include <linux/inet.h>
#include <linux/netdevice.h>
#include <linux/nsproxy.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "host.h"

static LIST_HEAD(nth_ctrls);
static DEFINE_MUTEX(nth_ctrls_lock);
static DECLARE_WAIT_QUEUE_HEAD(nth_ctrls_gone);

/* --- giving up on commands ------------------------------------------------ */

static bool nth_cancel_if_on(struct request *rq, void *data)
{
	struct nth_queue *q = data;
	struct nth_cmd *cmd = blk_mq_rq_to_pdu(rq);

	return cmd->q != q || nvme_cancel_request(rq, &q->ctrl->ctrl);
}

/*
 * All commands of a queue that is down are completed, to be retried or not. If it
 * has come up again since, they are another connection's, and not ours to end.
 */
static void nth_cancel_queue(struct nth_queue *q)
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

static void nth_admin_down(struct nth_ctrl *ctrl, bool remove)
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
	return 0;
}

static int nth_admin_connect(struct nth_ctrl *ctrl)
{
	int ret = nth_queue_up(ctrl->queues[0]);

	return ret ?: nvmf_connect_admin_queue(&ctrl->ctrl);
}

static int nth_admin_up(struct nth_ctrl *ctrl, bool first)
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

/**
 * nth_io_plan - how many queues of each kind
 * @ctrl: controller; its io_queues[] are filled
 * @nr: of how many
 *
 * With write queues asked for, the default ones are for writes and reads get
 * nr_io_queues of their own, first; poll queues get what is left.
 *
 * Context: of who brings the controller up.
 */
void nth_io_plan(struct nth_ctrl *ctrl, unsigned int nr)
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

static void nth_io_down(struct nth_ctrl *ctrl, bool remove)
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

static int nth_io_up(struct nth_ctrl *ctrl, bool first)
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

/* --- the whole controller ------------------------------------------------- */

static void nth_down(struct nth_ctrl *ctrl, bool shutdown)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;

	nvme_stop_keep_alive(nctrl);
	nth_io_down(ctrl, shutdown);
	nvme_quiesce_admin_queue(nctrl);
	if (test_bit(NTH_Q_LIVE, &ctrl->queues[0]->flags))
		nvme_disable_ctrl(nctrl, shutdown);
	nth_admin_down(ctrl, shutdown);
}

static int nth_up(struct nth_ctrl *ctrl, bool first)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	unsigned int qid;
	int ret;

	ret = nth_admin_up(ctrl, first);
	if (ret)
		return ret;
	if (ctrl->max_queues > 1) {
		ret = nth_io_up(ctrl, first);
		if (ret)
			goto down;
	}

	if (!nvme_change_ctrl_state(nctrl, NVME_CTRL_LIVE)) {
		/* Deleted meanwhile; a new one nobody knows of yet. */
		WARN_ON_ONCE(first);
		ret = -EINTR;
		goto down;
	}
	nvme_start_ctrl(nctrl);

	/* What failed before the state was LIVE was not cause for recovery. */
	for (qid = 0; qid < nctrl->queue_count; qid++) {
		if (test_bit(NTH_Q_FAILED, &ctrl->queues[qid]->flags)) {
			nth_ctrl_error(ctrl);
			break;
		}
	}
	return 0;
down:
	ret = nth_queue_why(ctrl->queues[0], ret);
	nvme_stop_keep_alive(nctrl);
	nth_io_down(ctrl, first);
	nth_admin_down(ctrl, first);
	return ret;
}

static void nth_reconnect_or_remove(struct nth_ctrl *ctrl, int status)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;

	/* From here on the core decides what fails fast and what waits. */
	nvme_unquiesce_io_queues(nctrl);
	if (nvme_ctrl_state(nctrl) != NVME_CTRL_CONNECTING)
		return;
	if (nvmf_should_reconnect(nctrl, status)) {
		dev_info(nctrl->device, "Reconnecting in %u seconds...\n",
			 nctrl->opts->reconnect_delay);
		queue_delayed_work(nvme_wq, &ctrl->reconnect_work,
				   nctrl->opts->reconnect_delay * HZ);
		return;
	}
	dev_err(nctrl->device, "Removing controller after %d attempts (%d); see ctrl_loss_tmo\n",
		nctrl->nr_reconnects, status);
	nvme_delete_ctrl(nctrl);
}

static void nth_reconnect_work(struct work_struct *work)
{
	struct nth_ctrl *ctrl = container_of(to_delayed_work(work),
					     struct nth_ctrl, reconnect_work);
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	int ret;

	nctrl->nr_reconnects++;
	ret = nth_up(ctrl, false);
	if (ret) {
		dev_info(nctrl->device, "Failed reconnect attempt %d: %d\n",
			 nctrl->nr_reconnects, ret);
		nth_reconnect_or_remove(ctrl, ret);
		return;
	}
	dev_info(nctrl->device, "Successfully reconnected (%d attempts)\n",
		 nctrl->nr_reconnects);
	nctrl->nr_reconnects = 0;
}

static void nth_recover(struct nth_ctrl *ctrl)
{
	struct nvme_ctrl *nctrl = &ctrl->ctrl;

	ctrl->recoveries++;
	flush_work(&nctrl->async_event_work);
	nth_io_down(ctrl, false);
	/* What waits fails, or is told to come again, as below. */
	nvme_unquiesce_io_queues(nctrl);
	nth_admin_down(ctrl, false);
	/* Some cores wait here for a keep alive that is on its way: it has ended now. */
	nvme_stop_keep_alive(nctrl);

	/* It fails when the controller is being deleted. */
	if (nvme_change_ctrl_state(nctrl, NVME_CTRL_CONNECTING))
		nth_reconnect_or_remove(ctrl, -ECONNRESET);
}

static void nth_error_work(struct work_struct *work)
{
	struct nth_ctrl *ctrl = container_of(work, struct nth_ctrl, error_work);
	bool all = test_and_clear_bit(NTH_C_RECOVER, &ctrl->flags);
	unsigned int qid;

	/*
	 * Who deletes the controller waits for this first, but may have come when
	 * the state was changed and the work was not yet queued. It is his then.
	 */
	if (all && nvme_ctrl_state(&ctrl->ctrl) == NVME_CTRL_RESETTING) {
		nth_recover(ctrl);
		return;
	}
	/*
	 * Somebody is bringing the controller up or down, and may be waiting
	 * for a command on a connection that has failed, or was down already.
	 */
	for (qid = 0; qid < ctrl->max_queues; qid++) {
		struct nth_queue *q = READ_ONCE(ctrl->queues[qid]);

		if (!q)
			continue;
		if (all)
			nth_queue_down(q);
		else
			nth_queue_down_failed(q);
		nth_cancel_queue(q);
	}
}

/**
 * nth_ctrl_error - a connection has failed, or a command came to one that is down
 * @ctrl: controller
 *
 * A live controller is recovered; whoever is bringing one up or down is told.
 *
 * Context: any.
 */
void nth_ctrl_error(struct nth_ctrl *ctrl)
{
	if (nvme_change_ctrl_state(&ctrl->ctrl, NVME_CTRL_RESETTING)) {
		dev_warn(&ctrl->ctrl.ctrl_device, "starting error recovery\n");
		set_bit(NTH_C_RECOVER, &ctrl->flags);
	}
	queue_work(nvme_reset_wq, &ctrl->error_work);
}

static void nth_reset_work(struct work_struct *work)
{
	struct nth_ctrl *ctrl = container_of(work, struct nth_ctrl,
					     ctrl.reset_work);
	struct nvme_ctrl *nctrl = &ctrl->ctrl;
	int ret;

	/* Deleted already? As in nth_error_work(). */
	if (nvme_ctrl_state(nctrl) != NVME_CTRL_RESETTING)
		return;
	ctrl->resets++;
	nvme_stop_ctrl(nctrl);
	nth_down(ctrl, false);
	if (!nvme_change_ctrl_state(nctrl, NVME_CTRL_CONNECTING)) {
		/* Who removes the namespaces waits for what they have begun. */
		nvme_unquiesce_io_queues(nctrl);
		return;
	}
	ret = nth_up(ctrl, false);
	if (ret) {
		nctrl->nr_reconnects++;
		nth_reconnect_or_remove(ctrl, ret);
	}
}

/* --- what the core calls --------------------------------------------------- */

static void nth_stop_ctrl(struct nvme_ctrl *nctrl)
{
	flush_work(&nth_ctrl(nctrl)->error_work);
	cancel_delayed_work_sync(&nth_ctrl(nctrl)->reconnect_work);
}

static void nth_delete_ctrl(struct nvme_ctrl *nctrl)
{
	struct nth_ctrl *ctrl = nth_ctrl(nctrl);

	/* The tag sets are gone when the last attempt to create them failed. */
	if (nctrl->admin_tagset)
		nth_down(ctrl, true);
	/* All queues are down, so nothing queues it anew. */
	flush_work(&ctrl->error_work);
	nth_debugfs_remove(ctrl);
}

static void nth_ctrl_free(struct nth_ctrl *ctrl)
{
	unsigned int qid;

	if (ctrl->queues)
		for (qid = 0; qid < ctrl->max_queues; qid++)
			nth_queue_free(ctrl->queues[qid]);
	kfree(ctrl->queues);
	if (ctrl->net)
		put_net(ctrl->net);
	kfree(ctrl);
}

static void nth_free_ctrl(struct nvme_ctrl *nctrl)
{
	struct nth_ctrl *ctrl = nth_ctrl(nctrl);

	/* No options: creation has failed, and they are the core's to free. */
	if (nctrl->opts)
		nvmf_free_options(nctrl->opts);

	mutex_lock(&nth_ctrls_lock);
	list_del(&ctrl->entry);
	nth_ctrl_free(ctrl);
	/* Under the lock: who waits for this is the module's exit. */
	wake_up(&nth_ctrls_gone);
	mutex_unlock(&nth_ctrls_lock);
}

static int nth_get_address(struct nvme_ctrl *nctrl, char *buf, int size)
{
	struct nth_queue *q = nth_ctrl(nctrl)->queues[0];
	int len = nvmf_get_address(nctrl, buf, size);

	if (!test_bit(NTH_Q_UP, &q->flags) || !len)
		return len;
	/* Over the newline, and the null byte that is counted with some */
	return len - 1 + scnprintf(buf + len - 1, size - len + 1,
				   "%ssrc_addr=%pISc\n", len > 1 ? "," : "",
				   &q->local);
}

static const struct nvme_ctrl_ops nth_ctrl_ops = {
	.name			= "tcp",
	.module			= THIS_MODULE,
	.flags			= NVME_F_FABRICS | NVME_F_BLOCKING,
	.reg_read32		= nvmf_reg_read32,
	.reg_read64		= nvmf_reg_read64,
	.reg_write32		= nvmf_reg_write32,
	.free_ctrl		= nth_free_ctrl,
	.submit_async_event	= nth_submit_async_event,
	.delete_ctrl		= nth_delete_ctrl,
	.stop_ctrl		= nth_stop_ctrl,
	.get_address		= nth_get_address,
	NVMF_OPS_NEWER
};

/* --- creation -------------------------------------------------------------- */

static int nth_parse_addresses(struct nth_ctrl *ctrl, struct nvmf_ctrl_options *opts)
{
	struct net_device *dev;
	int ret;

	if (!(opts->mask & NVMF_OPT_TRSVCID)) {
		opts->trsvcid = kasprintf(GFP_KERNEL, "%d",
					  opts->discovery_nqn ?
					  NVME_TCP_PORT_DISC : NVME_TCP_PORT_IO);
		if (!opts->trsvcid)
			return -ENOMEM;
		opts->mask |= NVMF_OPT_TRSVCID;
	}

	ret = inet_pton_with_scope(ctrl->net, AF_UNSPEC, opts->traddr,
				   opts->trsvcid, &ctrl->addr);
	if (ret) {
		pr_err("traddr=%s,trsvcid=%s is not an IP address and a port\n",
		       opts->traddr, opts->trsvcid);
		return ret;
	}
	if (opts->mask & NVMF_OPT_HOST_TRADDR) {
		ret = inet_pton_with_scope(ctrl->net, ctrl->addr.ss_family,
					   opts->host_traddr, NULL, &ctrl->src);
		if (ret) {
			pr_err("host_traddr=%s is not an address of traddr's family\n",
			       opts->host_traddr);
			return ret;
		}
	}
	if (opts->mask & NVMF_OPT_HOST_IFACE) {
		dev = dev_get_by_name(ctrl->net, opts->host_iface);
		if (!dev) {
			pr_err("host_iface=%s: no such interface\n", opts->host_iface);
			return -ENODEV;
		}
		dev_put(dev);
	}
	return 0;
}

static bool nth_ctrl_exists(struct nvmf_ctrl_options *opts)
{
	struct nth_ctrl *ctrl;
	bool found = false;

	mutex_lock(&nth_ctrls_lock);
	list_for_each_entry(ctrl, &nth_ctrls, entry) {
		/* Those whose creation has failed have none. */
		if (ctrl->ctrl.opts && nvmf_ip_options_match(&ctrl->ctrl, opts)) {
			found = true;
			break;
		}
	}
	mutex_unlock(&nth_ctrls_lock);
	return found;
}

static struct nth_ctrl *nth_ctrl_alloc(struct nvmf_ctrl_options *opts)
{
	struct nth_ctrl *ctrl = kzalloc(sizeof(*ctrl), GFP_KERNEL);

	if (!ctrl)
		return NULL;
	ctrl->ctrl.opts = opts;
	ctrl->ctrl.numa_node = NUMA_NO_NODE;
	ctrl->ctrl.sqsize = opts->queue_size - 1;
	ctrl->ctrl.kato = opts->kato;
	ctrl->net = get_net(current->nsproxy->net_ns);
	ctrl->max_queues = 1 + min(opts->nr_io_queues, nr_cpu_ids) +
			   min(opts->nr_write_queues, nr_cpu_ids) +
			   min(opts->nr_poll_queues, nr_cpu_ids);
	ctrl->ctrl.queue_count = ctrl->max_queues;
	INIT_LIST_HEAD(&ctrl->entry);
	mutex_init(&ctrl->cancel_lock);
	mutex_init(&ctrl->resize_lock);
	INIT_WORK(&ctrl->error_work, nth_error_work);
	INIT_DELAYED_WORK(&ctrl->reconnect_work, nth_reconnect_work);
	INIT_WORK(&ctrl->ctrl.reset_work, nth_reset_work);

	ctrl->queues = kcalloc(ctrl->max_queues, sizeof(*ctrl->queues),
			       GFP_KERNEL);
	if (ctrl->queues)
		ctrl->queues[0] = nth_queue_alloc(ctrl, 0);
	if (!ctrl->queues || !ctrl->queues[0]) {
		nth_ctrl_free(ctrl);
		return NULL;
	}
	ctrl->aer.q = ctrl->queues[0];
	return ctrl;
}

/**
 * nth_ctrl_create - nvmf_transport_ops' ->create_ctrl()
 * @dev: parent
 * @opts: options; the caller's again when an error is returned
 *
 * Context: may sleep; killable.
 * Return: the controller, live, with a reference for the caller, or an error.
 */
struct nvme_ctrl *nth_ctrl_create(struct device *dev,
				  struct nvmf_ctrl_options *opts)
{
	struct nvme_ctrl *nctrl;
	struct nth_ctrl *ctrl;
	int ret;

	ctrl = nth_ctrl_alloc(opts);
	if (!ctrl)
		return ERR_PTR(-ENOMEM);
	nctrl = &ctrl->ctrl;

	ret = nth_parse_addresses(ctrl, opts);
	if (ret)
		goto free;
	if (!opts->duplicate_connect && nth_ctrl_exists(opts)) {
		ret = -EALREADY;
		goto free;
	}
	/*
	 * A queue has no more commands than the controller has entries for, so
	 * flow control holds nothing back here; without it a read needs no
	 * CapsuleResp.
	 */
	opts->disable_sqflow = true;
	ret = nvme_init_ctrl(nctrl, dev, &nth_ctrl_ops, 0);
	if (ret)
		goto free;
	mutex_lock(&nth_ctrls_lock);
	list_add_tail(&ctrl->entry, &nth_ctrls);
	mutex_unlock(&nth_ctrls_lock);

	ret = nvme_add_ctrl(nctrl);
	if (ret)
		goto put;
	nth_debugfs_add(ctrl);

	if (!nvme_change_ctrl_state(nctrl, NVME_CTRL_CONNECTING)) {
		WARN_ON_ONCE(1);
		ret = -EINTR;
		goto uninit;
	}
	ret = nth_up(ctrl, true);
	if (ret)
		goto uninit;

	dev_info(nctrl->device, "new ctrl: NQN \"%s\", addr %pISpc, hostnqn: %s\n",
		 nvmf_ctrl_subsysnqn(nctrl), &ctrl->addr, opts->host->nqn);
	return nctrl;

uninit:
	flush_work(&ctrl->error_work);
	nth_debugfs_remove(ctrl);
	nvme_uninit_ctrl(nctrl);
put:
	mutex_lock(&nth_ctrls_lock);
	nctrl->opts = NULL;
	mutex_unlock(&nth_ctrls_lock);
	nvme_put_ctrl(nctrl);
	/* A status of the controller's, where an errno is expected */
	return ERR_PTR(ret > 0 ? -EIO : ret);
free:
	nth_ctrl_free(ctrl);
	return ERR_PTR(ret);
}

static bool nth_ctrls_empty(void)
{
	bool empty;

	mutex_lock(&nth_ctrls_lock);
	empty = list_empty(&nth_ctrls);
	mutex_unlock(&nth_ctrls_lock);
	return empty;
}

/**
 * nth_ctrl_delete_all - delete all controllers and wait until they are gone
 *
 * A process that keeps /dev/nvme-fabrics open after a connect has a reference
 * to the controller; then this takes until it closes it, and the log says so.
 *
 * Context: may sleep; no controllers can be created any more.
 */
void nth_ctrl_delete_all(void)
{
	struct nth_ctrl *ctrl;

	mutex_lock(&nth_ctrls_lock);
	list_for_each_entry(ctrl, &nth_ctrls, entry)
		nvme_delete_ctrl(&ctrl->ctrl);
	mutex_unlock(&nth_ctrls_lock);
	flush_workqueue(nvme_delete_wq);

	while (!wait_event_timeout(nth_ctrls_gone, nth_ctrls_empty(), 10 * HZ))
		pr_warn("a controller is still in use: close /dev/nvme-fabrics\n");
}

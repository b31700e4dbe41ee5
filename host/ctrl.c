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

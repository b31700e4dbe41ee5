// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controllers: made by Connect, enabled and disabled by properties, kept alive
 * by commands, ended with their admin queue.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>

#include "target.h"
#include "objects.h"

enum { FATAL_STARTED };

/* CAP (Base 2.1, 3.1.4.1) */
enum {
	CAP_CQR		= 1 << 16,
	CAP_TO_SHIFT	= 24,		/* in units of 500 ms */
	CAP_TO		= 15,
	CAP_CSS_SHIFT	= 37,
};

static void close_queues(struct tgt_ctrl *ctrl, u16 from)
{
	u16 i;

	lockdep_assert_held(&ctrl->lock);
	for (i = from; i <= TGT_MAX_QID; i++)
		if (ctrl->queues[i])
			ctrl->queues[i]->ops->close(ctrl->queues[i]);
}

static void fatal_work(struct work_struct *work)
{
	struct tgt_ctrl *ctrl = container_of(work, struct tgt_ctrl, fatal_work);

	mutex_lock(&ctrl->lock);
	/*
	 * RDY stays: what still arrives must not be refused for good, the host
	 * retries it elsewhere once the connection is gone.
	 */
	WRITE_ONCE(ctrl->csts, ctrl->csts | NVME_CSTS_CFS);
	close_queues(ctrl, 0);
	mutex_unlock(&ctrl->lock);
	tgt_ctrl_put(ctrl);
}

/*
 * tgt_ctrl_fatal - give a controller up: set CFS, close its connections
 * @ctrl: the caller has a reference, its own or that of a queue
 *
 * Context: any; returns at once, a work item does it.
 */
static void tgt_ctrl_fatal(struct tgt_ctrl *ctrl)
{
	if (test_and_set_bit(FATAL_STARTED, &ctrl->fatal))
		return;
	kref_get(&ctrl->ref);
	queue_work(tgt_wq, &ctrl->fatal_work);
}

/* ---- keep alive ---------------------------------------------------------- */

/*
 * What silence the controller suffers, in ms: KATO, rounded up to KAS (Base 2.1,
 * Feature 0Fh), or for a discovery controller that was given none, a time of our
 * own (3.1.3.3).
 */
static u32 patience(const struct tgt_ctrl *ctrl)
{
	if (!ctrl->kato && tgt_ctrl_is_disc(ctrl))
		return TGT_DISC_IDLE_MS;
	return roundup(ctrl->kato, TGT_KAS * 100);
}

/*
 * Traffic based (Base 2.1, 3.9.2): a tick that finds a command since the last
 * one starts anew, so that silence of KATO to twice that is noticed.
 */
static void ka_tick(struct work_struct *work)
{
	struct tgt_ctrl *ctrl = container_of(to_delayed_work(work),
					     struct tgt_ctrl, ka_work);
	u32 ms = patience(ctrl);

	if (!ms)
		return;
	if (READ_ONCE(ctrl->ka_seen)) {
		WRITE_ONCE(ctrl->ka_seen, false);
		queue_delayed_work(tgt_wq, &ctrl->ka_work, msecs_to_jiffies(ms));
		return;
	}
	pr_err("ctrl %u keep-alive timer (%u seconds) expired!\n",
	       ctrl->cntlid, DIV_ROUND_UP(ms, 1000));
	tgt_ctrl_fatal(ctrl);
}

/**
 * tgt_ctrl_set_kato - change a controller's Keep Alive Timeout
 * @ctrl: with a queue that is alive
 * @ms: in milliseconds; 0: none
 *
 * Context: process, may sleep; ctrl->lock not held.
 */
void tgt_ctrl_set_kato(struct tgt_ctrl *ctrl, u32 ms)
{
	mutex_lock(&ctrl->lock);
	WRITE_ONCE(ctrl->kato, ms);
	ms = patience(ctrl);
	/* ka_tick() never takes ctrl->lock: waiting for it is safe. */
	if (!ctrl->dead && ms)
		mod_delayed_work(tgt_wq, &ctrl->ka_work, msecs_to_jiffies(ms));
	else
		cancel_delayed_work_sync(&ctrl->ka_work);
	mutex_unlock(&ctrl->lock);
}

/* ---- life and death ------------------------------------------------------ */

static void ctrl_free(struct kref *ref)
{
	struct tgt_ctrl *ctrl = container_of(ref, struct tgt_ctrl, ref);
	struct tgt_subsys *subsys = ctrl->subsys;

	tgt_debugfs_ctrl_del(ctrl);
	ida_free(&subsys->cntlids, ctrl->cntlid);
	mutex_destroy(&ctrl->lock);
	kvfree(ctrl);
	tgt_subsys_put(subsys);
}

/**
 * tgt_ctrl_put - drop a reference
 * @ctrl: not touched any more after this
 *
 * Context: process, may sleep; neither subsys->lock nor ctrl->lock held.
 */
void tgt_ctrl_put(struct tgt_ctrl *ctrl)
{
	kref_put(&ctrl->ref, ctrl_free);
}

/**
 * tgt_ctrl_find - a controller by its number
 * @subsys: the subsystem that it belongs to
 * @cntlid: its number
 *
 * Context: process, may sleep; takes subsys->lock.
 * Return: the controller with a reference, or NULL.
 */
struct tgt_ctrl *tgt_ctrl_find(struct tgt_subsys *subsys, u16 cntlid)
{
	struct tgt_ctrl *ctrl, *found = NULL;

	mutex_lock(&subsys->lock);
	list_for_each_entry(ctrl, &subsys->ctrls, entry) {
		if (ctrl->cntlid == cntlid && kref_get_unless_zero(&ctrl->ref)) {
			found = ctrl;
			break;
		}
	}
	mutex_unlock(&subsys->lock);
	return found;
}

/**
 * tgt_subsys_close_ctrls - close the connections of some controllers
 * @subsys: whose controllers
 * @match: which
 * @arg: for @match
 *
 * What is closed ends later, in the transport.
 *
 * Context: process, may sleep; takes subsys->lock, in which @match runs.
 */
void tgt_subsys_close_ctrls(struct tgt_subsys *subsys,
			    bool (*match)(struct tgt_ctrl *c, const void *arg),
			    const void *arg)
{
	struct tgt_ctrl *ctrl;

	mutex_lock(&subsys->lock);
	list_for_each_entry(ctrl, &subsys->ctrls, entry) {
		if (!match(ctrl, arg))
			continue;
		mutex_lock(&ctrl->lock);
		close_queues(ctrl, 0);
		mutex_unlock(&ctrl->lock);
	}
	mutex_unlock(&subsys->lock);
}

/* From here the receive context finds the controller. */
static void attach(struct tgt_queue *q, struct tgt_ctrl *ctrl, u16 qid,
		   u16 sqsize)
{
	lockdep_assert_held(&ctrl->lock);
	ctrl->queues[qid] = q;
	q->qid = qid;
	q->size = sqsize + 1;
	/* Pairs with tgt_req_begin(). */
	smp_store_release(&q->ctrl, ctrl);
}

static u64 make_cap(u16 queue_size)
{
	u64 css = NVME_CAP_CSS_NVM | NVME_CAP_CSS_CSI;

	return (u64)(queue_size - 1) | CAP_CQR | CAP_TO << CAP_TO_SHIFT |
	       css << CAP_CSS_SHIFT;
}

static u16 new_cntlid(struct tgt_ctrl *ctrl, struct tgt_subsys *subsys)
{
	int id = ida_alloc_range(&subsys->cntlids, READ_ONCE(subsys->cntlid_min),
				 READ_ONCE(subsys->cntlid_max), GFP_KERNEL);

	if (id < 0) {
		pr_warn_ratelimited("no controller is free in subsystem %s (attr_cntlid_min, attr_cntlid_max)\n",
				    subsys->nqn);
		return NVME_SC_CONNECT_CTRL_BUSY;
	}
	ctrl->cntlid = id;
	return 0;
}

/**
 * tgt_ctrl_create - make a controller for a Connect on queue 0
 * @q: the queue; becomes the controller's admin queue
 * @subsys: its subsystem; the controller takes a reference of its own
 * @hostnqn: the host; at most NVMF_NQN_SIZE bytes long
 * @hostid: its identifier
 * @kato: Keep Alive Timeout in ms; 0: none
 * @sqsize: entries of the queue, 0's based
 *
 * Context: process, may sleep; tgt_config_sem held for reading.
 * Return: 0, or the status of the Connect; Connect Invalid Parameters means
 * @sqsize.
 */
u16 tgt_ctrl_create(struct tgt_queue *q, struct tgt_subsys *subsys,
		    const char *hostnqn, const uuid_t *hostid, u32 kato,
		    u16 sqsize)
{
	u8 kind = subsys->type == NVME_NQN_NVME ? TGT_C_IO : TGT_C_DISC;
	u16 size = tgt_port_queue_size(q->port);
	struct tgt_ctrl *ctrl;
	u16 status;

	if (kind == TGT_C_DISC)
		size = min_t(u16, size, TGT_DISC_QSIZE);
	lockdep_assert_held_read(&tgt_config_sem);
	/* ASQSZ of the discovery log is a promise, whatever the port's limit. */
	if (sqsize >= max_t(u16, size, NVME_AQ_DEPTH))
		return NVME_SC_CONNECT_INVALID_PARAM | NVME_STATUS_DNR;

	ctrl = kvzalloc(sizeof(*ctrl), GFP_KERNEL | __GFP_NOWARN);
	if (!ctrl)
		return NVME_SC_INTERNAL;
	status = new_cntlid(ctrl, subsys);
	if (status) {
		kvfree(ctrl);
		return status;
	}

	kref_init(&ctrl->ref);
	kref_get(&subsys->ref);
	ctrl->subsys = subsys;
	ctrl->port = q->port;
	ctrl->kind = kind;
	ctrl->queue_size = size;
	ctrl->cap = make_cap(size);
	ctrl->max_len = 4096U << tgt_port_mdts(q->port);
	ctrl->kato = kato;
	ctrl->ka_seen = true;
	strscpy(ctrl->hostnqn, hostnqn, sizeof(ctrl->hostnqn));
	uuid_copy(&ctrl->hostid, hostid);
	mutex_init(&ctrl->lock);
	spin_lock_init(&ctrl->aer_lock);
	INIT_LIST_HEAD(&ctrl->aers);
	INIT_DELAYED_WORK(&ctrl->ka_work, ka_tick);
	INIT_WORK(&ctrl->fatal_work, fatal_work);

	mutex_lock(&subsys->lock);
	ctrl->nr_queues = tgt_ctrl_is_disc(ctrl) ? 0 : subsys->qid_max;
	subsys->discovered = true;
	list_add_tail(&ctrl->entry, &subsys->ctrls);
	mutex_lock(&ctrl->lock);
	attach(q, ctrl, 0, sqsize);
	if (patience(ctrl))
		queue_delayed_work(tgt_wq, &ctrl->ka_work,
				   msecs_to_jiffies(patience(ctrl)));
	mutex_unlock(&ctrl->lock);
	tgt_debugfs_ctrl_add(ctrl);
	mutex_unlock(&subsys->lock);

	pr_info("creating %s controller %u for subsystem %s for NQN %s.\n",
		tgt_ctrl_is_disc(ctrl) ? "discovery" : "nvm", ctrl->cntlid,
		subsys->nqn, ctrl->hostnqn);
	return 0;
}

/**
 * tgt_ctrl_add_queue - make a connection an I/O queue of a controller
 * @q: the queue
 * @ctrl: the caller has a reference; the queue takes one of its own
 * @qid: 1 to ctrl->nr_queues
 * @sqsize: entries of the queue, 0's based, below ctrl->queue_size
 *
 * Context: process, may sleep; takes ctrl->lock.
 * Return: 0, or the status of the Connect.
 */
u16 tgt_ctrl_add_queue(struct tgt_queue *q, struct tgt_ctrl *ctrl, u16 qid,
		       u16 sqsize)
{
	u16 status = NVME_SC_CMD_SEQ_ERROR | NVME_STATUS_DNR;

	mutex_lock(&ctrl->lock);
	if (ctrl->dead || !(ctrl->csts & NVME_CSTS_RDY)) {
		pr_warn_ratelimited("connect of queue %u to controller %u, which is not ready\n",
				    qid, ctrl->cntlid);
	} else if (ctrl->queues[qid]) {
		pr_warn_ratelimited("queue %u of controller %u is connected already\n",
				    qid, ctrl->cntlid);
	} else {
		kref_get(&ctrl->ref);
		attach(q, ctrl, qid, sqsize);
		/* Its Connect is a command to the controller as any other. */
		WRITE_ONCE(ctrl->ka_seen, true);
		status = 0;
	}
	mutex_unlock(&ctrl->lock);
	return status;
}

/* The controller forgets the queue; the admin queue's end is its own. */
static void detach(struct tgt_queue *q)
{
	struct tgt_ctrl *ctrl = q->ctrl;
	bool admin = false;

	mutex_lock(&ctrl->lock);
	if (ctrl->queues[q->qid] == q) {
		ctrl->queues[q->qid] = NULL;
		admin = !q->qid;
	}
	if (admin) {
		spin_lock_irq(&ctrl->aer_lock);
		ctrl->dead = true;
		spin_unlock_irq(&ctrl->aer_lock);
		close_queues(ctrl, 1);
	}
	mutex_unlock(&ctrl->lock);
	if (!admin)
		return;

	mutex_lock(&ctrl->subsys->lock);
	list_del_init(&ctrl->entry);
	mutex_unlock(&ctrl->subsys->lock);
	cancel_delayed_work_sync(&ctrl->ka_work);
	tgt_aer_abort_all(ctrl);
}

/**
 * tgt_queue_init - start the core's half of a connection
 * @q: zeroed
 * @t: the transport
 * @port: the port that the connection came in on
 *
 * Context: any.
 */
void tgt_queue_init(struct tgt_queue *q, const struct tgt_transport *t,
		    struct tgt_port *port)
{
	q->ops = t;
	q->port = port;
}
EXPORT_SYMBOL_GPL(tgt_queue_init);

/**
 * tgt_queue_stop - the end of a connection, first part
 * @q: no tgt_req_begin() runs on it, now or later
 *
 * Ends what waits for events; the other requests end by themselves. Of an
 * admin queue, closes the controller's other queues.
 *
 * Context: process, may sleep.
 */
void tgt_queue_stop(struct tgt_queue *q)
{
	q->stopped = true;
	if (q->ctrl)
		detach(q);
}
EXPORT_SYMBOL_GPL(tgt_queue_stop);

/**
 * tgt_queue_exit - the end of a connection, last part
 * @q: stopped, and every request that it began is done
 *
 * Context: process, may sleep.
 */
void tgt_queue_exit(struct tgt_queue *q)
{
	struct tgt_ctrl *ctrl = q->ctrl;

	if (!ctrl)
		return;
	/* A Connect may have been under way in tgt_queue_stop(). */
	detach(q);
	q->ctrl = NULL;
	tgt_ctrl_put(ctrl);
}
EXPORT_SYMBOL_GPL(tgt_queue_exit);

/* ---- CC and CSTS (Base 2.1, 3.1.4.5 and 3.1.4.6) ------------------------- */

static u32 field(u32 cc, u32 shift, u32 bits)
{
	return cc >> shift & (BIT(bits) - 1);
}

static bool cc_legal(const struct tgt_ctrl *ctrl, u32 cc)
{
	u32 css = cc & NVME_CC_CSS_MASK;

	if (field(cc, NVME_CC_MPS_SHIFT, 4) || field(cc, NVME_CC_AMS_SHIFT, 3))
		return false;
	if (css != NVME_CC_CSS_NVM && css != NVME_CC_CSS_CSI)
		return false;
	/* A discovery controller has no I/O queues: any entry size will do. */
	return tgt_ctrl_is_disc(ctrl) ||
	       (field(cc, NVME_CC_IOSQES_SHIFT, 4) == NVME_NVM_IOSQES &&
		field(cc, NVME_CC_IOCQES_SHIFT, 4) == NVME_NVM_IOCQES);
}

static void enable(struct tgt_ctrl *ctrl, u32 cc)
{
	if (cc_legal(ctrl, cc)) {
		WRITE_ONCE(ctrl->csts, NVME_CSTS_RDY);
		return;
	}
	pr_warn_ratelimited("controller %u of %s: host %s enables it with an invalid CC %#x\n",
			    ctrl->cntlid, ctrl->subsys->nqn, ctrl->hostnqn, cc);
	WRITE_ONCE(ctrl->csts, NVME_CSTS_CFS);
}

/* A Controller Level Reset: only the admin queue and the properties survive. */
static void reset(struct tgt_ctrl *ctrl)
{
	WRITE_ONCE(ctrl->csts, 0);
	close_queues(ctrl, 1);
	/* Forgotten, so that their numbers are free for the next Connects. */
	memset(&ctrl->queues[1], 0, sizeof(ctrl->queues) - sizeof(ctrl->queues[0]));
	ctrl->nr_queues = tgt_ctrl_is_disc(ctrl) ? 0 : ctrl->subsys->qid_max;
	spin_lock_irq(&ctrl->aer_lock);
	ctrl->aen_enabled = 0;
	ctrl->aen_masked = 0;
	ctrl->aen_pending = 0;
	ctrl->nr_changed = 0;
	spin_unlock_irq(&ctrl->aer_lock);
}

/**
 * tgt_ctrl_write_cc - Property Set of Controller Configuration
 * @ctrl: the caller runs on its admin queue
 * @cc: the new value
 *
 * Context: process, may sleep; takes ctrl->lock.
 */
void tgt_ctrl_write_cc(struct tgt_ctrl *ctrl, u32 cc)
{
	bool was_enabled, now_reset;
	u32 old;

	mutex_lock(&ctrl->lock);
	old = ctrl->cc;
	WRITE_ONCE(ctrl->cc, cc);
	was_enabled = old & NVME_CC_ENABLE;
	now_reset = was_enabled && !(cc & NVME_CC_ENABLE);

	if (!was_enabled && (cc & NVME_CC_ENABLE) && !ctrl->dead)
		enable(ctrl, cc);
	else if (now_reset)
		reset(ctrl);

	/* Data is where Flush put it: a shutdown has nothing left to do. */
	if (cc & NVME_CC_SHN_MASK)
		WRITE_ONCE(ctrl->csts, (ctrl->csts & ~NVME_CSTS_SHST_MASK) |
			   NVME_CSTS_SHST_CMPLT);
	else if (old & NVME_CC_SHN_MASK)
		WRITE_ONCE(ctrl->csts, ctrl->csts & ~NVME_CSTS_SHST_MASK);
	mutex_unlock(&ctrl->lock);

	if (now_reset)
		tgt_aer_abort_all(ctrl);
}

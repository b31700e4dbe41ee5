// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue: allocated, up, down. See struct nth_queue for the order of things.
 */
#include <linux/net.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <net/sock.h>

#include "host.h"

/**
 * nth_queue_kick - have the worker look after a queue
 * @q: queue
 *
 * Context: any.
 */
void nth_queue_kick(struct nth_queue *q)
{
	queue_delayed_work_on(q->cpu, nth_wq, &q->work, 0);
}

/**
 * nth_queue_fail - the connection is broken
 * @q: queue
 * @error: negative errno, for the log
 *
 * The first call counts. The worker does what is to be done about it.
 *
 * Context: any.
 */
void nth_queue_fail(struct nth_queue *q, int error)
{
	if (test_bit(NTH_Q_FAILED, &q->flags))
		return;
	q->error = error;
	/* Who sees FAILED sees the error */
	smp_mb__before_atomic();
	if (test_and_set_bit(NTH_Q_FAILED, &q->flags))
		return;
	q->failures++;
	complete(&q->wait);
	nth_queue_kick(q);
}

/**
 * nth_queue_why - why a command of the core's failed
 * @q: queue that it was sent on
 * @ret: what the core says
 *
 * It makes -EINTR of a command that is cancelled. Nobody has sent a signal: whoever
 * gets that tries again at once, as one is to, and does so for ever.
 *
 * Context: any.
 * Return: @ret, or why the connection broke.
 */
int nth_queue_why(const struct nth_queue *q, int ret)
{
	if (ret == -EINTR && test_bit(NTH_Q_FAILED, &q->flags))
		return q->error;
	return ret;
}

/*
 * Sends H2CTermReq, if one is due, and lets the peer read it before the close
 * takes it from under it. Of the worker and of who takes the queue down,
 * whoever comes first.
 *
 * Context: holds NTH_Q_SENDING, callbacks attached; sleeps NTH_TERM_TIMEOUT at most.
 */
static void nth_queue_terminate(struct nth_queue *q)
{
	unsigned int ticks = NTH_TERM_TIMEOUT * NTH_TERM_TICKS;
	int ret;

	if (!test_and_clear_bit(NTH_Q_TERM, &q->flags))
		return;
	/* A full socket is tried again until the peer has read. */
	do {
		ret = nth_tx_term(q);
	} while ((!ret || ret == -EAGAIN) && ticks-- &&
		 !wait_event_timeout(q->closed,
				     q->sock->sk->sk_state != TCP_ESTABLISHED,
				     HZ / NTH_TERM_TICKS));
}

static void nth_queue_failed(struct nth_queue *q)
{
	/* Where somebody is sending, it is left to who takes the queue down. */
	if (nth_tx_lock(q)) {
		nth_queue_terminate(q);
		nth_tx_unlock(q);
	}
	/* Who brings it up sees NTH_Q_FAILED; there is no news for others. */
	if (q->conn.phase != NVME_TCP_PHASE_IC)
		dev_warn(q->ctrl->ctrl.device, "queue %d: connection lost: %d\n",
			 q->qid, q->error);
	nth_ctrl_error(q->ctrl);
}

/* What softirq and submitters could not finish */
static void nth_queue_work(struct work_struct *work)
{
	struct nth_queue *q = container_of(to_delayed_work(work),
					   struct nth_queue, work);
	unsigned int noreclaim = memalloc_noreclaim_save();
	int round = NTH_WORK_ROUNDS;
	bool more = true;

	/* Until it is up all but reading is for who brings it up, and so is an error. */
	if (unlikely(!test_bit(NTH_Q_UP, &q->flags)) && test_bit(NTH_Q_TLS, &q->flags) &&
	    test_and_clear_bit(NTH_Q_RX_MORE, &q->flags) && nth_rx_work(q)) {
		set_bit(NTH_Q_RX_MORE, &q->flags);
		nth_queue_kick(q);
	}
	while (more && round-- && test_bit(NTH_Q_UP, &q->flags)) {
		more = false;
		if (test_bit(NTH_Q_FAILED, &q->flags)) {
			nth_queue_failed(q);
			break;
		}
		if (test_and_clear_bit(NTH_Q_RX_MORE, &q->flags)) {
			if (nth_rx_work(q)) {
				set_bit(NTH_Q_RX_MORE, &q->flags);
				more = true;
			}
		}
		if (nth_tx_run(q, NTH_TX_WORKER))
			more = true;
	}
	if (more && test_bit(NTH_Q_UP, &q->flags))
		nth_queue_kick(q);
	memalloc_noreclaim_restore(noreclaim);
}

/**
 * nth_queue_alloc - a queue that is down
 * @ctrl: controller
 * @qid: 0: admin
 *
 * Context: may sleep.
 * Return: the queue or NULL.
 */
struct nth_queue *nth_queue_alloc(struct nth_ctrl *ctrl, int qid)
{
	struct nth_queue *q;

	q = kzalloc_node(sizeof(*q), GFP_KERNEL, ctrl->ctrl.numa_node);
	if (!q)
		return NULL;
	q->ctrl = ctrl;
	q->qid = qid;
	q->cpu = WORK_CPU_UNBOUND;
	q->flags = BIT(NTH_Q_SENDING);
	mutex_init(&q->down_lock);
	init_completion(&q->wait);
	init_waitqueue_head(&q->closed);
	INIT_DELAYED_WORK(&q->work, nth_queue_work);
	if (nth_tx_init(&q->tx, ctrl->ctrl.numa_node)) {
		nth_queue_free(q);
		return NULL;
	}
	return q;
}

/**
 * nth_queue_free - free a queue
 * @q: queue that is down, or NULL
 *
 * Context: may sleep.
 */
void nth_queue_free(struct nth_queue *q)
{
	if (!q)
		return;
	cancel_delayed_work_sync(&q->work);
	nth_tx_exit(&q->tx);
	kfree(q);
}

static int nth_queue_exchange_ic(struct nth_queue *q)
{
	struct nvmf_ctrl_options *opts = q->ctrl->ctrl.opts;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	u8 icreq[NVME_TCP_BUILD_MAX];
	struct kvec kv = { .iov_base = icreq };
	int ret;

	kv.iov_len = nvme_tcp_build_icreq(&q->conn, icreq);
	reinit_completion(&q->wait);
	ret = kernel_sendmsg(q->sock, &msg, &kv, 1, kv.iov_len);
	if (ret < 0)
		return ret;
	/* The send buffer of a fresh connection has room for more than that. */
	if (ret != kv.iov_len)
		return -EIO;

	ret = test_bit(NTH_Q_FAILED, &q->flags);
	if (!ret)
		ret = wait_for_completion_killable_timeout(&q->wait,
							   secs_to_jiffies(NTH_IC_TIMEOUT));
	if (ret < 0)
		return ret;
	if (test_bit(NTH_Q_FAILED, &q->flags))
		return q->error;
	if (!ret) {
		dev_err(q->ctrl->ctrl.device,
			"queue %d: no ICResp from %pISpc within %d s; is that an NVMe/TCP port?\n",
			q->qid, &q->ctrl->addr, NTH_IC_TIMEOUT);
		return -ETIMEDOUT;
	}

	if (opts->hdr_digest != q->conn.hdgst || opts->data_digest != q->conn.ddgst) {
		dev_err(q->ctrl->ctrl.device,
			"queue %d: the controller refuses the %s digest; connect without it\n",
			q->qid, opts->hdr_digest != q->conn.hdgst ? "header" : "data");
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * nth_queue_up - connect a queue, up to and including ICReq and ICResp
 * @q: queue that is down; q->tags, type, cpu and in_capsule are set
 *
 * Fabrics Connect is the next thing to be sent, by the core.
 *
 * Context: may sleep, for NTH_CONNECT_TIMEOUT + NTH_IC_TIMEOUT at most, and with TLS
 * for NVME_TCP_TLS_TIMEOUT_MS more.
 * Return: 0, or a negative errno and the queue is down.
 */
int nth_queue_up(struct nth_queue *q)
{
	const struct nvme_tcp_params params = {
		.hdgst	= q->ctrl->ctrl.opts->hdr_digest,
		.ddgst	= q->ctrl->ctrl.opts->data_digest,
		.maxr2t	= NTH_MAXR2T,
	};
	/* Everything but UP and the two bit locks, of which SENDING is ours */
	static const u8 stale[] = {
		NTH_Q_LIVE, NTH_Q_FAILED, NTH_Q_SPACE, NTH_Q_RX_MORE,
		NTH_Q_TERM, NTH_Q_TERM_SENT, NTH_Q_SHORT, NTH_Q_TLS,
	};
	unsigned int flag;
	int ret;

	mutex_lock(&q->down_lock);
	nvme_tcp_conn_init(&q->conn, NVME_TCP_HOST, &params);
	q->rx_cmd = NULL;
	q->answers = 0;
	q->tx.sent_cmds = 0;
	/* What came when the queue was down already has been cancelled since. */
	init_llist_head(&q->tx.submitted);
	WRITE_ONCE(q->guest, NULL);
	atomic_set(&q->inflight, 0);
	if (!q->qid) {
		q->ctrl->aer.due = false;
		atomic_set(&q->ctrl->aer.holds, 0);
	}
	q->error = 0;
	for (flag = 0; flag < ARRAY_SIZE(stale); flag++)
		clear_bit(stale[flag], &q->flags);
	q->connects++;

	ret = nth_sock_open(q);
	if (!ret)
		ret = nth_queue_exchange_ic(q);
	if (!ret) {
		set_bit(NTH_Q_UP, &q->flags);
		clear_bit_unlock(NTH_Q_SENDING, &q->flags);
		/* What came in between found nobody to look after it, or sees UP */
		smp_mb__after_atomic();
		if (test_bit(NTH_Q_FAILED, &q->flags) ||
		    test_bit(NTH_Q_RX_MORE, &q->flags))
			nth_queue_kick(q);
	} else if (q->sock) {
		nth_queue_terminate(q);
		nth_sock_detach(q);
		cancel_delayed_work_sync(&q->work);
		clear_bit(NTH_Q_RX_MORE, &q->flags);
		nth_sock_close(q);
	}
	mutex_unlock(&q->down_lock);
	return ret;
}

static void nth_queue_take_down(struct nth_queue *q)
{
	clear_bit(NTH_Q_LIVE, &q->flags);
	if (!test_and_clear_bit(NTH_Q_UP, &q->flags))
		return;

	set_bit(NTH_Q_STOPPING, &q->flags);
	/* Pairs with nth_unlock_bit(): it wakes us, or we find the bit clear */
	smp_mb__after_atomic();
	wait_on_bit_lock(&q->flags, NTH_Q_SENDING, TASK_UNINTERRUPTIBLE);
	/* While the socket can still say that the peer has closed it */
	nth_queue_terminate(q);
	nth_sock_detach(q);
	wait_on_bit(&q->flags, NTH_Q_POLLING, TASK_UNINTERRUPTIBLE);
	clear_bit(NTH_Q_STOPPING, &q->flags);
	cancel_delayed_work_sync(&q->work);
	/* Who still kicks the worker finds nothing to read. */
	clear_bit(NTH_Q_RX_MORE, &q->flags);

	q->rx_cmd = NULL;
	nth_tx_drain(q);
	nth_sock_close(q);
}

/**
 * nth_queue_down - end a queue's connection
 * @q: queue in any state
 *
 * When it returns, no context refers to a command of this queue.
 *
 * Context: may sleep; not the queue's own worker. Any number of callers.
 */
void nth_queue_down(struct nth_queue *q)
{
	mutex_lock(&q->down_lock);
	nth_queue_take_down(q);
	mutex_unlock(&q->down_lock);
}

/**
 * nth_queue_down_failed - the same, if the connection has failed
 * @q: queue in any state
 *
 * Context: as nth_queue_down().
 */
void nth_queue_down_failed(struct nth_queue *q)
{
	mutex_lock(&q->down_lock);
	if (test_bit(NTH_Q_FAILED, &q->flags))
		nth_queue_take_down(q);
	mutex_unlock(&q->down_lock);
}

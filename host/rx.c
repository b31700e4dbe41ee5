// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving: from the skbs in the socket's queue through the engine, which
 * says what the bytes are, straight to the pages of the requests.
 */
#include <linux/crc32c.h>
#include <linux/highmem.h>
#include <net/busy_poll.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nvme-tcp-skb.h"
#include "nvme-tcp-tls.h"
#include "host.h"

/* Payload goes where the cursor points. @n is within what the command wants. */
static void nth_store(struct nth_cursor *cur, const u8 *buf, u32 n)
{
	while (n) {
		struct bio_vec bv = bvec_iter_bvec(cur->bvec, cur->it);
		u32 len = min(n, bv.bv_len);

		memcpy_to_page(bv.bv_page, bv.bv_offset, buf, len);
		nth_cursor_advance(cur, len);
		buf += len;
		n -= len;
	}
}

/* The peer has had its say; the sender may still be at work on the command. */
static void nth_answer(struct nth_queue *q, struct nth_cmd *cmd, __le16 status,
		       union nvme_result result)
{
	/* 0: successful, 1: phase tag of a CQE, reserved in a capsule */
	if (unlikely(cmd->bad_ddgst) && !(le16_to_cpu(status) >> 1))
		status = cpu_to_le16(NVME_SC_TRANSIENT_TR_ERR << 1);
	cmd->status = status;
	cmd->result = result;
	WRITE_ONCE(cmd->answered, true);
	WRITE_ONCE(cmd->due, false);
	q->completed++;
	WRITE_ONCE(q->answers, q->answers + 1);
	nth_cmd_put(cmd, q->iob);
}

/* --- one function for each PDU that a controller sends ------------------- */

static int nth_rx_icresp(struct nth_queue *q)
{
	complete(&q->wait);
	return 0;
}

static bool nth_is_connect(struct nth_cmd *cmd)
{
	return nvme_is_fabrics(&cmd->sqe) &&
	       cmd->sqe.fabrics.fctype == nvme_fabrics_type_connect;
}

static int nth_rx_rsp(struct nth_queue *q)
{
	struct nvme_tcp_conn *c = &q->conn;
	const u8 *cqe = c->hdr + NVME_TCP_RSP_CQE;
	struct nth_cmd *cmd = nth_find_cmd(q, c->pdu.cccid);
	union nvme_result result;
	__le16 status;
	int ret;

	q->rx_count[NTH_RX_RSPS]++;
	ret = nvme_tcp_host_rsp(c, cmd ? &cmd->xfer : NULL);
	if (ret < 0)
		return ret;

	memcpy(&result, cqe + offsetof(struct nvme_completion, result), sizeof(result));
	memcpy(&status, cqe + offsetof(struct nvme_completion, status), sizeof(status));
	if (ret)
		status = cpu_to_le16(NVME_SC_DATA_XFER_ERROR << 1);

	/* Authentication follows before nvmf_connect_*_queue() returns. */
	if (unlikely(c->phase == NVME_TCP_PHASE_CONNECT) &&
	    nth_is_connect(cmd) && !(le16_to_cpu(status) >> 1))
		nvme_tcp_conn_live(c);

	nth_answer(q, cmd, status, result);
	return 0;
}

static int nth_rx_c2h_data(struct nth_queue *q)
{
	struct nth_cmd *cmd = nth_find_cmd(q, q->conn.pdu.cccid);

	q->rx_count[NTH_RX_C2H_DATAS]++;
	q->rx_cmd = cmd;
	return nvme_tcp_host_c2h_data(&q->conn, cmd ? &cmd->xfer : NULL);
}

static int nth_rx_r2t(struct nth_queue *q)
{
	struct nvme_tcp_conn *c = &q->conn;
	struct nth_cmd *cmd = nth_find_cmd(q, c->pdu.cccid);
	struct nvme_tcp_r2t r2t;
	int ret;

	q->rx_count[NTH_RX_R2TS]++;
	if (!cmd)
		return nvme_tcp_host_r2t(c, NULL, &r2t);

	spin_lock_bh(&q->tx.grant_lock);
	ret = nvme_tcp_host_r2t(c, &cmd->xfer, &r2t);
	if (!ret && WARN_ON_ONCE(cmd->r2ts == NTH_MAXR2T))
		ret = nvme_tcp_rx_refuse(c, NVME_TCP_FES_LIMIT, 0, "R2T");
	if (!ret) {
		cmd->r2t[(cmd->r2t_first + cmd->r2ts++) % NTH_MAXR2T] = r2t;
		if (list_empty(&cmd->grant)) {
			atomic_inc(&cmd->holds);
			list_add_tail(&cmd->grant, &q->tx.grants);
		}
	}
	spin_unlock_bh(&q->tx.grant_lock);
	return ret;
}

static int nth_rx_term(struct nth_queue *q)
{
	const struct nvme_tcp_pdu *pdu = &q->conn.pdu;

	dev_err(q->ctrl->ctrl.device,
		"queue %d: the controller ended the connection: %s (FES %#x), FEI %#x\n",
		q->qid, nvme_tcp_fes_name(pdu->fes, NVME_TCP_CTRL), pdu->fes,
		pdu->fei);
	nth_queue_fail(q, -ECONNABORTED);
	return 0;
}

/* The phase table lets no other types through. */
static int nth_rx_header(struct nth_queue *q)
{
	switch (q->conn.pdu.type) {
	case NVME_TCP_RSP:
		return nth_rx_rsp(q);
	case NVME_TCP_C2H_DATA:
		return nth_rx_c2h_data(q);
	case NVME_TCP_R2T:
		return nth_rx_r2t(q);
	case NVME_TCP_C2H_TERM:
		return nth_rx_term(q);
	default:
		return nth_rx_icresp(q);
	}
}

/* All of a PDU is here. Only C2HData has something left to do. */
static void nth_rx_done(struct nth_queue *q)
{
	struct nth_cmd *cmd = q->rx_cmd;

	if (q->conn.pdu.type != NVME_TCP_C2H_DATA)
		return;
	q->rx_cmd = NULL;
	if (unlikely(!q->conn.ddgst_ok)) {
		cmd->bad_ddgst = true;
		q->rx_count[NTH_RX_DDGST_ERRORS]++;
		dev_warn_ratelimited(q->ctrl->ctrl.device,
				     "queue %d: data digest error in command %#06x, to be retried\n",
				     q->qid, cmd->sqe.common.command_id);
	}
	if (cmd->xfer.success) {
		q->rx_count[NTH_RX_SUCCESSES]++;
		nth_answer(q, cmd, 0, (union nvme_result){ });
	}
}

static int nth_rx_broken(struct nth_queue *q)
{
	const struct nvme_tcp_conn *c = &q->conn;

	/* No FES: it is over because a TermReq came, which said why. */
	if (c->err.fes) {
		dev_err(q->ctrl->ctrl.device,
			"queue %d: protocol error of the controller: %s, %s (FES %#x), FEI %#x\n",
			q->qid, c->err.what ?: "",
			nvme_tcp_fes_name(c->err.fes, NVME_TCP_CTRL),
			c->err.fes, c->err.fei);
		set_bit(NTH_Q_TERM, &q->flags);
	}
	nth_queue_fail(q, -EPROTO);
	return -EPROTO;
}

/* Bytes that follow each other in memory. An error: the connection is dead. */
static int nth_rx_bytes(struct nth_queue *q, const u8 *buf, size_t len)
{
	struct nvme_tcp_conn *c = &q->conn;

	for (;;) {
		enum nvme_tcp_ev ev;
		size_t used;
		u32 n, crc;

		ev = nvme_tcp_rx_feed(c, buf, len, &used);
		buf += used;
		len -= used;

		switch (ev) {
		case NVME_TCP_EV_MORE:
			return 0;
		case NVME_TCP_EV_HEADER:
			if (nth_rx_header(q))
				return nth_rx_broken(q);
			if (!len && c->data_left)
				return 0;
			break;
		case NVME_TCP_EV_DATA:
			n = min_t(size_t, len, c->data_left);
			crc = c->want_ddgst ? crc32c(c->crc, buf, n) : 0;
			nth_store(&q->rx_cmd->data, buf, n);
			nvme_tcp_rx_take(c, n, crc);
			buf += n;
			len -= n;
			if (c->data_left)
				return 0;
			break;
		case NVME_TCP_EV_DONE:
			nth_rx_done(q);
			if (!len)
				return 0;
			break;
		case NVME_TCP_EV_ERROR:
			return nth_rx_broken(q);
		}
	}
}

static size_t nth_rx_piece(void *ctx, const u8 *buf, size_t len)
{
	return nth_rx_bytes(ctx, buf, len) ? 0 : len;
}

static __always_inline bool nth_rx_skb(struct nth_queue *q, struct sk_buff *skb,
				       unsigned int off, size_t len)
{
	q->rx_count[NTH_RX_BYTES] += len;
	q->rx_budget -= min(q->rx_budget, len);
	return nvme_tcp_skb_walk(skb, off, len, nth_rx_piece, q) == len;
}

static int nth_rx_actor(read_descriptor_t *desc, struct sk_buff *skb,
			unsigned int off, size_t len)
{
	struct nth_queue *q = desc->arg.data;
	bool ok = nth_rx_skb(q, skb, off, len);

	/* Nor need TCP look once more for what is not there. */
	if (!ok || !q->rx_budget || skb_queue_is_last(&q->sock->sk->sk_receive_queue, skb))
		desc->count = 0;
	return len;
}

static noinline_for_stack void nth_rx_sock(struct nth_queue *q)
{
	read_descriptor_t desc = { .arg.data = q, .count = 1 };

	tcp_read_sock(q->sock->sk, &desc, nth_rx_actor);
}

/* What a pass does first, and what last but for serving R2Ts */
static __always_inline void nth_rx_begin(struct nth_queue *q, struct io_comp_batch *iob,
					 size_t budget)
{
	q->rx_budget = budget;
	q->completed = 0;
	q->iob = iob ?: &q->own_iob;
}

static __always_inline void nth_rx_end(struct nth_queue *q)
{
	q->iob = NULL;
	if (q->own_iob.complete) {
		q->own_iob.complete(&q->own_iob);
		q->own_iob = (struct io_comp_batch){ };
	}
}

static __always_inline bool nth_rx_over_budget(struct nth_queue *q)
{
	if (q->rx_budget)
		return false;
	q->rx_count[NTH_RX_OVER_BUDGETS]++;
	return true;
}

/**
 * nth_rx_run - read what the socket has, within a budget
 * @q: queue that is up
 * @iob: collects completions, for the caller to end; NULL: they are collected
 *	and ended here
 * @budget: bytes; the skb that uses them up is read to its end
 *
 * Context: the caller owns the socket: softirq with the socket's spinlock, or
 * process context between lock_sock() and release_sock().
 * Return: true when the budget ran out and there may be more.
 */
bool nth_rx_run(struct nth_queue *q, struct io_comp_batch *iob, size_t budget)
{
	struct sock *sk = q->sock->sk;
	struct sk_buff *skb;
	u32 off;

	if (unlikely(q->conn.phase == NVME_TCP_PHASE_DEAD))
		return false;

	nth_rx_begin(q, iob, budget);
	skb = nvme_tcp_skb_lone(sk, &off);
	if (likely(skb)) {
		u32 len = skb->len - off;

		nth_rx_skb(q, skb, off, len);
		tcp_read_done(sk, len);
	} else {
		nth_rx_sock(q);
	}
	nth_rx_end(q);

	/* R2Ts are served at once, while the socket is ours. */
	if (!list_empty(&q->tx.grants)) {
		/* Whoever is sending sees them when it has let go, or we find it so */
		smp_mb__before_atomic();
		nth_tx_run(q, NTH_TX_RECEIVER);
	}
	return nth_rx_over_budget(q);
}

/* A record costs its share of a pass, however little there is in it. */
static int nth_rx_tls_actor(read_descriptor_t *desc, struct sk_buff *skb,
			    unsigned int off, size_t len)
{
	struct nth_queue *q = desc->arg.data;

	if (!nth_rx_skb(q, skb, off, len))
		desc->count = 0;
	q->rx_budget -= min_t(size_t, q->rx_budget, NVME_TCP_TLS_RECORD);
	if (!q->rx_budget)
		desc->count = 0;
	return len;
}

/* The same with TLS. The worker, who calls, serves R2Ts next. */
static bool nth_rx_tls(struct nth_queue *q)
{
	read_descriptor_t desc = { .arg.data = q, .count = 1 };
	int ret;

	if (unlikely(q->conn.phase == NVME_TCP_PHASE_DEAD))
		return false;

	nth_rx_begin(q, NULL, NTH_RX_BUDGET);
	WRITE_ONCE(q->tls_reader, current);
	ret = nvme_tcp_tls_read(q->sock, &desc, nth_rx_tls_actor);
	WRITE_ONCE(q->tls_reader, NULL);
	nth_rx_end(q);
	if (ret)
		nth_queue_fail(q, ret);
	return nth_rx_over_budget(q);
}

/**
 * nth_rx_work - read what is for the worker to read
 * @q: queue whose socket has our callbacks
 *
 * Context: the queue's worker.
 * Return: true when there may be more.
 */
bool nth_rx_work(struct nth_queue *q)
{
	struct sock *sk = q->sock->sk;
	bool more;

	q->rx_count[NTH_RX_WORKERS]++;
	if (test_bit(NTH_Q_TLS, &q->flags))
		return nth_rx_tls(q);
	lock_sock(sk);
	more = nth_rx_run(q, NULL, NTH_RX_BUDGET);
	release_sock(sk);
	return more;
}

/**
 * nth_poll - blk-mq's ->poll(): look for completions of polled commands
 * @hctx: hardware queue of type HCTX_TYPE_POLL
 * @iob: the caller's batch of completions
 *
 * Context: process context; does not sleep.
 * Return: how many commands were answered.
 */
int nth_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct nth_queue *q = hctx->driver_data;
	struct sock *sk;
	int found = 0;

	/* One poller reads for all; nth_queue_down() waits for it. */
	if (test_and_set_bit_lock(NTH_Q_POLLING, &q->flags))
		return 0;
	/* UP is cleared before the lock is waited for */
	smp_mb__after_atomic();
	if (!test_bit(NTH_Q_UP, &q->flags) || unlikely(test_bit(NTH_Q_TLS, &q->flags)))
		goto out;

	sk = q->sock->sk;
	if (skb_queue_empty_lockless(&sk->sk_receive_queue)) {
		if (sk_can_busy_loop(sk))
			sk_busy_loop(sk, true);
		if (skb_queue_empty_lockless(&sk->sk_receive_queue))
			goto out;
	}
	/* As softirq would: pollers hold rcu_read_lock() and must not sleep. */
	local_bh_disable();
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk)) {
		q->rx_count[NTH_RX_POLLS]++;
		nth_rx_run(q, iob, NTH_RX_BUDGET);
		found = q->completed;
	}
	bh_unlock_sock(sk);
	local_bh_enable();
out:
	nth_unlock_bit(q, NTH_Q_POLLING);
	return found;
}

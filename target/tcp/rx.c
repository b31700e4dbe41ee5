// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: from skbs through the engine to slots.
 *
 * Everything here runs under the socket lock, in one of two ways:
 *
 *  softirq	from data_ready, called with the socket's spinlock held. Only
 *		when nobody owns the socket; tcp_read_sock() is fine then.
 *		An owner's backlog is processed with the socket still owned, so
 *		data_ready from there leaves the bytes to the worker.
 *  worker	with lock_sock(). With TLS it is the worker alone, and the socket
 *		is owned by the TLS layer for it.
 *
 * The actor never sleeps in either. A slot that cannot have its memory at once
 * stalls the receiver, and the worker sees to it between two reads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <net/tcp.h>

#include "nvme-tcp-skb.h"
#include "tcp.h"

/* NVMe status of a descriptor that the engine could not follow */
static const u16 tt_capsule_status[] = {
	[NVME_TCP_CAPSULE_INLINE]	= 0,
	[NVME_TCP_CAPSULE_TRANSPORT]	= 0,
	[NVME_TCP_CAPSULE_BAD_TYPE]	= NVME_SC_SGL_INVALID_TYPE | NVME_STATUS_DNR,
	[NVME_TCP_CAPSULE_BAD_OFFSET]	= NVME_SC_SGL_INVALID_OFFSET | NVME_STATUS_DNR,
	[NVME_TCP_CAPSULE_BAD_LENGTH]	= NVME_SC_SGL_INVALID_DATA | NVME_STATUS_DNR,
};

/* May @slot's data come, and where to? Returns an NVMe status. */
static u16 tt_rx_judge(struct tt_conn *conn, struct tt_slot *slot)
{
	const struct nvme_tcp_pdu *pdu = &conn->eng.pdu;
	struct tgt_req *req = &slot->req;
	u16 status;

	status = tgt_req_begin(&conn->q, req);
	if (status)
		return status;
	status = tt_capsule_status[pdu->capsule];
	if (status || !req->len)
		return status;

	if (req->len > TT_DATA_MAX)
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	if (req->len > pdu->len)
		return NVME_SC_SGL_INVALID_DATA | NVME_STATUS_DNR;
	if (pdu->capsule != NVME_TCP_CAPSULE_INLINE)
		return 0;
	/* A capsule carries data one way only, and all of it. */
	if (req->dir != TGT_TO_TARGET)
		return NVME_SC_SGL_INVALID_TYPE | NVME_STATUS_DNR;
	if (req->len != pdu->data_len)
		return NVME_SC_SGL_INVALID_DATA | NVME_STATUS_DNR;
	slot->inline_data = true;
	return 0;
}

/* A CapsuleCmd's header is there. */
static int tt_rx_cmd(struct tt_conn *conn)
{
	struct nvme_tcp_conn *eng = &conn->eng;
	struct tt_rx *rx = &conn->rx;
	struct tt_slot *slot = tt_slot_get(conn);

	if (!slot)
		return nvme_tcp_rx_refuse(eng, NVME_TCP_FES_SEQ, 0,
					  "more commands than the queue has entries");

	memcpy(&slot->req.sqe, eng->hdr + NVME_TCP_CMD_SQE, NVME_TCP_SQE_SIZE);
	slot->req.queue = &conn->q;
	slot->req.sgl_len = eng->pdu.len;
	slot->req.bvec = NULL;
	slot->req.nr_bvec = 0;
	slot->req.alone = false;
	slot->cid = eng->pdu.cccid;
	slot->inline_data = false;
	slot->have_data = false;
	slot->xfer.dir = NVME_TCP_NODATA;

	atomic_inc(&conn->inflight);
	slot->state = TT_RECV;
	slot->status = tt_rx_judge(conn, slot);

	rx->slot = slot;
	rx->sink = !slot->inline_data || slot->status;
	if (!rx->sink && tt_slot_alloc(slot, slot->req.len, GFP_ATOMIC)) {
		rx->stalled = true;
		rx->stall_end = jiffies + msecs_to_jiffies(TT_STARVE_MS);
		conn->stats.rx_stalls++;
	}
	return 0;
}

/* An H2CData's header is there. The TTAG is judged by slot, state and R2T. */
static int tt_rx_h2c_data(struct tt_conn *conn)
{
	struct nvme_tcp_conn *eng = &conn->eng;
	struct tt_rx *rx = &conn->rx;
	unsigned int idx = eng->pdu.ttag & (TT_SLOTS_MAX - 1);
	struct nvme_tcp_xfer *x = NULL;
	struct nvme_tcp_r2t *r = NULL;
	struct tt_slot *slot = NULL;
	int ret;

	if (idx < conn->nslots)
		slot = &conn->slots[idx];
	/* Pairs with tt_slot_state() and tt_tx_r2ts() in the worker. */
	if (slot && smp_load_acquire(&slot->state) == TT_R2T &&
	    /* Pairs with tt_tx_r2ts(): the ring's entry is filled. */
	    smp_load_acquire(&slot->r2t_built) != slot->r2t_done) {
		/* A command's R2Ts are answered in their order. */
		r = &slot->r2t[slot->r2t_done % TT_R2TS];
		if (r->ttag == eng->pdu.ttag)
			x = &slot->xfer;
		else
			r = NULL;
	}

	ret = nvme_tcp_ctrl_h2c_data(eng, x, r, x ? slot->cid : 0, &rx->r2t_done);
	if (ret)
		return ret;
	rx->slot = slot;
	rx->sink = false;
	return 0;
}

static int tt_rx_term(struct tt_conn *conn)
{
	const struct nvme_tcp_pdu *pdu = &conn->eng.pdu;

	pr_warn_ratelimited("%pISpc: the host ends queue %u: %s (FES %#x, FEI %#x)\n",
			    &conn->peer, conn->q.qid,
			    nvme_tcp_fes_name(pdu->fes, NVME_TCP_CTRL),
			    pdu->fes, pdu->fei);
	tt_conn_end(conn);
	return 0;
}

static int tt_rx_header(struct tt_conn *conn)
{
	u8 type = conn->eng.pdu.type;

	conn->stats.rx_pdus[type]++;
	conn->rx.slot = NULL;
	conn->rx.sink = true;

	switch (type) {
	case NVME_TCP_CMD:
		return tt_rx_cmd(conn);
	case NVME_TCP_H2C_DATA:
		return tt_rx_h2c_data(conn);
	case NVME_TCP_ICREQ:
		/* Pairs with tt_tx_icresp(): what was agreed is there. */
		smp_mb__before_atomic();
		set_bit(TT_ICRESP, &conn->flags);
		tt_conn_kick(conn);
		return 0;
	case NVME_TCP_H2C_TERM:
		return tt_rx_term(conn);
	}
	/* The engine's tables let nothing else pass. */
	return nvme_tcp_rx_refuse(&conn->eng, NVME_TCP_FES_HDR, NVME_TCP_CH_TYPE,
				  "PDU-Type");
}

/* A PDU is complete. */
static void tt_rx_done(struct tt_conn *conn)
{
	struct tt_rx *rx = &conn->rx;
	struct tt_slot *slot = rx->slot;

	rx->slot = NULL;
	if (!slot)
		return;
	if (unlikely(!conn->eng.ddgst_ok)) {
		conn->stats.ddgst_errors++;
		if (!slot->status)
			slot->status = NVME_SC_TRANSIENT_TR_ERR;
	}

	if (conn->eng.pdu.type == NVME_TCP_H2C_DATA) {
		if (!rx->r2t_done)
			return;
		/* Pairs with tt_tx_r2ts(): the ring's entry is free. */
		smp_store_release(&slot->r2t_done, slot->r2t_done + 1);
		if (slot->xfer.done < slot->xfer.len) {
			tt_slot_want_r2t(slot);
			return;
		}
		slot->have_data = true;
	} else {
		slot->have_data = slot->inline_data;
	}

	if (slot->status)
		tt_slot_fail(slot, slot->status);
	else
		tt_slot_ready(slot);
}

/*
 * In steps which the digest leaves in the cache for the copy, and of which the
 * compiler knows that they are small: it then copies in place, by words, where
 * the kernel's memcpy() has a loop for processors without FSRM.
 */
static u32 tt_rx_copy(struct tt_slot *slot, const u8 *p, u32 n, u32 crc, bool digest)
{
	const struct bio_vec *bv;

	while (n) {
		u32 k;

		bv = &slot->bvec[slot->cur];
		k = min3(n, bv->bv_len - slot->cur_off, (u32)TT_RX_COPY);
		if (digest)
			crc = crc32c(crc, p, k);
		memcpy(page_address(bv->bv_page) + slot->cur_off, p, k);
		slot->cur_off += k;
		if (slot->cur_off == bv->bv_len) {
			slot->cur++;
			slot->cur_off = 0;
		}
		p += k;
		n -= k;
	}
	return crc;
}

static u32 tt_rx_payload(struct tt_conn *conn, const u8 *p, size_t len)
{
	struct nvme_tcp_conn *eng = &conn->eng;
	struct tt_rx *rx = &conn->rx;
	u32 n = min_t(size_t, len, eng->data_left);
	u32 crc = eng->crc;

	if (!rx->sink)
		crc = tt_rx_copy(rx->slot, p, n, crc, eng->want_ddgst);
	else if (eng->want_ddgst)
		crc = crc32c(crc, p, n);
	nvme_tcp_rx_take(eng, n, crc);
	return n;
}

/* Some bytes of the stream. Returns how many are used up: all, or it stalls. */
static size_t tt_rx_bytes(void *ctx, const u8 *p, size_t len)
{
	struct tt_conn *conn = ctx;
	struct nvme_tcp_conn *eng = &conn->eng;
	size_t at = 0, used;

	for (;;) {
		if (unlikely(conn->flags & (BIT(TT_TERM) | BIT(TT_CLOSING))))
			return len;
		if (unlikely(conn->rx.stalled))
			return at;

		switch (nvme_tcp_rx_feed(eng, p + at, len - at, &used)) {
		case NVME_TCP_EV_MORE:
			return at + used;
		case NVME_TCP_EV_HEADER:
			at += used;
			if (tt_rx_header(conn))
				tt_conn_fatal(conn);
			else if (at == len && eng->data_left)
				return at;
			break;
		case NVME_TCP_EV_DATA:
			at += used;
			at += tt_rx_payload(conn, p + at, len - at);
			if (eng->data_left)
				return at;
			break;
		case NVME_TCP_EV_DONE:
			at += used;
			tt_rx_done(conn);
			if (at == len)
				return at;
			break;
		case NVME_TCP_EV_ERROR:
			tt_conn_fatal(conn);
			return len;
		}
	}
}

static __always_inline size_t tt_rx_skb(struct tt_conn *conn, struct sk_buff *skb,
					unsigned int offset, size_t len)
{
	struct tt_rx *rx = &conn->rx;
	size_t at;

	at = nvme_tcp_skb_walk(skb, offset, len, tt_rx_bytes, conn);

	conn->stats.rx_bytes += at;
	rx->budget -= min_t(size_t, at, rx->budget);
	return at;
}

static int tt_rx_actor(read_descriptor_t *desc, struct sk_buff *skb,
		       unsigned int offset, size_t len)
{
	struct tt_conn *conn = desc->arg.data;
	struct tt_rx *rx = &conn->rx;
	size_t at = tt_rx_skb(conn, skb, offset, len);

	/* Nor need TCP look once more for what is not there. */
	if (!rx->budget || rx->stalled ||
	    skb_queue_is_last(&conn->sock->sk->sk_receive_queue, skb))
		desc->count = 0;
	return at;
}

static noinline_for_stack void tt_rx_sock(struct tt_conn *conn)
{
	read_descriptor_t desc = { .arg.data = conn, .count = 1 };

	tcp_read_sock(conn->sock->sk, &desc, tt_rx_actor);
}

/* Returns whether there may be more. */
static bool tt_rx_read(struct tt_conn *conn, unsigned int budget)
{
	struct sock *sk = conn->sock->sk;
	struct sk_buff *skb;
	u32 off;

	conn->rx.budget = budget;
	skb = nvme_tcp_skb_lone(sk, &off);
	if (likely(skb))
		tcp_read_done(sk, tt_rx_skb(conn, skb, off, skb->len - off));
	else
		tt_rx_sock(conn);
	return !conn->rx.budget || conn->rx.stalled;
}

/**
 * tt_rx_softirq - receive where the packet has arrived
 * @conn: connection
 *
 * Context: softirq, the socket's spinlock held and the socket not owned.
 */
void tt_rx_softirq(struct tt_conn *conn)
{
	unsigned int budget = READ_ONCE(tt_softirq_budget);

	if (!conn->rx.stalled && budget &&
	    !nvme_tcp_skb_gather(conn->sock->sk, conn->eng.data_left)) {
		conn->stats.rx_softirq++;
		if (!tt_rx_read(conn, budget) && likely(!test_bit(TT_QUIET, &conn->flags)))
			return;
	}
	set_bit(TT_RX_KICK, &conn->flags);
	tt_conn_kick(conn);
}

/*
 * The stalled slot's memory. Until there is some the bytes wait in the socket,
 * and its window tells the host; in the end the payload goes nowhere.
 */
static void tt_rx_unstall(struct tt_conn *conn)
{
	struct tt_rx *rx = &conn->rx;
	struct tt_slot *slot = rx->slot;

	if (tt_slot_alloc(slot, slot->req.len, GFP_KERNEL)) {
		if (time_before(jiffies, rx->stall_end)) {
			/* See tt_slot_starve(). */
			tt_slots_trim_locked(conn);
			queue_delayed_work(tt_wq, &conn->retry, msecs_to_jiffies(TT_RETRY_MS));
			return;
		}
		slot->status = NVME_SC_TRANSIENT_TR_ERR;
		rx->sink = true;
	}
	rx->stalled = false;
}

/* A record costs its share of a pass, however little there is in it. */
static int tt_rx_tls_actor(read_descriptor_t *desc, struct sk_buff *skb,
			   unsigned int offset, size_t len)
{
	struct tt_conn *conn = desc->arg.data;
	struct tt_rx *rx = &conn->rx;
	size_t at = tt_rx_skb(conn, skb, offset, len);

	rx->budget -= min_t(unsigned int, NVME_TCP_TLS_RECORD, rx->budget);
	if (!rx->budget || rx->stalled)
		desc->count = 0;
	return at;
}

/* The same as tt_rx_work() with TLS, or before it is known whether there is. */
static noinline_for_stack void tt_rx_tls(struct tt_conn *conn)
{
	read_descriptor_t desc = { .arg.data = conn, .count = 1 };
	struct tt_rx *rx = &conn->rx;
	int ret;

	if (test_bit(TT_HELLO, &conn->flags)) {
		tt_tls_work(conn);
		return;
	}

	conn->stats.rx_worker++;
	if (unlikely(rx->stalled)) {
		lock_sock(conn->sock->sk);
		tt_rx_unstall(conn);
		release_sock(conn->sock->sk);
		if (rx->stalled)
			return;
	}
	rx->budget = TT_RX_BUDGET;
	ret = nvme_tcp_tls_read(conn->sock, &desc, tt_rx_tls_actor);
	if (ret) {
		if (ret != -ECONNRESET)
			pr_warn_ratelimited("%pISpc: queue %u: TLS: error %d, closing\n",
					    &conn->peer, conn->q.qid, ret);
		tt_conn_end(conn);
	} else if (!rx->budget || rx->stalled) {
		set_bit(TT_RX_KICK, &conn->flags);
	}
}

/**
 * tt_rx_work - receive what softirq has left
 * @conn: connection
 *
 * Context: worker; may sleep.
 */
void tt_rx_work(struct tt_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	if (!test_bit(TT_RX_KICK, &conn->flags))
		return;
	clear_bit(TT_RX_KICK, &conn->flags);
	/* Bytes that come after this set it again; those before are seen below. */
	smp_mb__after_atomic();

	if (unlikely(conn->flags & (BIT(TT_HELLO) | BIT(TT_TLS)))) {
		tt_rx_tls(conn);
		return;
	}
	conn->stats.rx_worker++;
	lock_sock(sk);
	if (unlikely(conn->rx.stalled))
		tt_rx_unstall(conn);
	if (!conn->rx.stalled && tt_rx_read(conn, TT_RX_BUDGET))
		set_bit(TT_RX_KICK, &conn->flags);
	release_sock(sk);
}

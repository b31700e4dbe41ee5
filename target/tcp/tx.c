// SPDX-License-Identifier: GPL-2.0-only
/*
 * Send: from done slots to one sendmsg per batch.
 *
 * A batch is an array of bvecs. Headers are built one after the other in pages
 * of their own, so that those of consecutive PDUs are one bvec; data pages go
 * by reference. Each bvec owns one reference to its page, put when its last
 * byte has been taken by TCP, which has its own by then (or a copy, where the
 * kernel does not splice).
 *
 * A new batch is filled when the last one has left; a partial send resumes at
 * the byte. All of this is the worker's.
 */
#include <linux/mm.h>
#include <net/tcp.h>

#include "tcp.h"

/* --- the batch ------------------------------------------------------------ */

/* Two more bvecs: a header and what follows it */
static bool tt_tx_room(const struct tt_tx *tx)
{
	return tx->nr + 2 <= TT_BATCH;
}

static bool tt_tx_hdr_fits(const struct tt_tx *tx)
{
	return tx->hdr && tx->hdr_off + NVME_TCP_BUILD_MAX <= PAGE_SIZE << TT_HDR_ORDER;
}

static noinline u8 *tt_tx_hdr_new(struct tt_tx *tx)
{
	if (tx->hdr) {
		/* Nobody else looks at it any more? From the start, then. */
		if (page_count(tx->hdr) != 1) {
			put_page(tx->hdr);
			tx->hdr = NULL;
		}
		tx->hdr_off = 0;
	}
	if (!tx->hdr) {
		tx->hdr = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_NOWARN,
				      TT_HDR_ORDER);
		if (!tx->hdr)
			return NULL;
	}
	return page_address(tx->hdr);
}

/* Memory for the next PDU header: NVME_TCP_BUILD_MAX bytes, or NULL. */
static inline u8 *tt_tx_hdr(struct tt_tx *tx)
{
	if (likely(tt_tx_hdr_fits(tx)))
		return page_address(tx->hdr) + tx->hdr_off;
	return tt_tx_hdr_new(tx);
}

/* @n bytes were written where tt_tx_hdr() said. */
static void tt_tx_hdr_add(struct tt_tx *tx, unsigned int n)
{
	struct bio_vec *bv = tx->nr > tx->first ? &tx->bv[tx->nr - 1] : NULL;

	if (bv && bv->bv_page == tx->hdr &&
	    bv->bv_offset + bv->bv_len == tx->hdr_off) {
		bv->bv_len += n;
	} else {
		get_page(tx->hdr);
		bvec_set_page(&tx->bv[tx->nr++], tx->hdr, n, tx->hdr_off);
	}
	tx->hdr_off += n;
	tx->bytes += n;
}

/* TCP has taken @n bytes of the batch. */
static void tt_tx_advance(struct tt_tx *tx, size_t n)
{
	tx->bytes -= n;
	while (n) {
		struct bio_vec *bv = &tx->bv[tx->first];

		if (n < bv->bv_len) {
			bv->bv_offset += n;
			bv->bv_len -= n;
			return;
		}
		n -= bv->bv_len;
		put_page(bv->bv_page);
		tx->first++;
	}
	if (tx->first == tx->nr) {
		tx->first = 0;
		tx->nr = 0;
	}
}

/* --- PDUs ----------------------------------------------------------------- */

static bool tt_tx_icresp(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	u8 *p = tt_tx_hdr(tx);

	if (!p)
		return false;
	clear_bit(TT_ICRESP, &conn->flags);
	/* Pairs with tt_rx_header(), which has set it */
	smp_mb__after_atomic();
	tt_tx_hdr_add(tx, nvme_tcp_build_icresp(&conn->eng, p));
	conn->stats.tx_pdus[NVME_TCP_ICRESP]++;
	return true;
}

/* The receiver is at rest: it discards. */
static bool tt_tx_term(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	unsigned int n;
	u8 *p = tt_tx_hdr(tx);

	if (!p)
		return false;
	set_bit(TT_TERM_BUILT, &conn->flags);
	/* Pairs with tt_conn_fatal(): its test_and_set_bit() of TT_TERM is a barrier. */
	smp_mb__after_atomic();
	n = nvme_tcp_build_term(&conn->eng, p);
	if (n) {
		tt_tx_hdr_add(tx, n);
		conn->stats.tx_pdus[NVME_TCP_C2H_TERM]++;
	}
	return true;
}

/* The R2Ts that @slot may have now. */
static bool tt_tx_r2ts(struct tt_conn *conn, struct tt_slot *slot)
{
	struct tt_tx *tx = &conn->tx;
	struct nvme_tcp_r2t *r;
	u8 *p;

	/* Pairs with tt_rx_done(): a ring entry is free once it is through with it. */
	while ((u8)(slot->r2t_built - smp_load_acquire(&slot->r2t_done)) < TT_R2TS) {
		if (!tt_tx_room(tx))
			return false;
		p = tt_tx_hdr(tx);
		if (!p)
			return false;
		r = &slot->r2t[slot->r2t_built % TT_R2TS];
		if (!nvme_tcp_ctrl_next_r2t(&conn->eng, &slot->xfer,
					    slot->idx | slot->tag_seq << TT_IDX_BITS,
					    READ_ONCE(tt_r2t_size) & ~3U, r))
			return true;
		slot->tag_seq++;
		tt_tx_hdr_add(tx, nvme_tcp_build_r2t(&conn->eng, p, slot->cid, r));
		conn->stats.tx_pdus[NVME_TCP_R2T]++;
		/* From here on an H2CData for it is believed. */
		smp_store_release(&slot->r2t_built, slot->r2t_built + 1);
	}
	return true;
}

/* Returns false when something has to wait for the next batch. */
static bool tt_tx_all_r2ts(struct tt_conn *conn)
{
	struct llist_node *list = llist_reverse_order(llist_del_all(&conn->r2tq));
	struct tt_slot *slot, *next;
	bool ok = true;

	llist_for_each_entry_safe(slot, next, list, r2t_node) {
		clear_bit(0, &slot->r2t_queued);
		/* Who finds the bit set from here on has queued too late to miss. */
		smp_mb__after_atomic();
		/*
		 * A slot may have been queued once too often, and be about
		 * another command's business by now.
		 */
		if (smp_load_acquire(&slot->state) != TT_R2T)
			continue;
		if (ok)
			ok = tt_tx_r2ts(conn, slot);
		if (!ok)
			tt_slot_want_r2t(slot);
	}
	return ok;
}

static bool tt_tx_rsp(struct tt_conn *conn, struct tt_slot *slot)
{
	struct tt_tx *tx = &conn->tx;
	u8 *p = tt_tx_hdr(tx);

	if (!p)
		return false;
	tt_tx_hdr_add(tx, nvme_tcp_build_rsp(&conn->eng, p, &slot->req.cqe));
	conn->stats.tx_pdus[NVME_TCP_RSP]++;
	tt_slot_put(slot);
	return true;
}

/* What is left of tx->slot's data, as far as the batch has room. */
static bool tt_tx_slot_data(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	struct tt_slot *slot = tx->slot;
	u8 *p;

	while (tx->slot_left) {
		struct bio_vec *bv = &slot->bvec[tx->slot_bv];

		if (!tt_tx_room(tx))
			return false;
		if (tx->slot_digest)
			tx->crc = crc32c(tx->crc, page_address(bv->bv_page), bv->bv_len);
		get_page(bv->bv_page);
		tx->bv[tx->nr++] = *bv;
		tx->bytes += bv->bv_len;
		tx->slot_left -= bv->bv_len;
		tx->slot_bv++;
	}

	if (!tt_tx_room(tx))
		return false;
	if (tx->slot_digest) {
		p = tt_tx_hdr(tx);
		if (!p)
			return false;
		nvme_tcp_build_ddgst(tx->crc, p);
		tt_tx_hdr_add(tx, NVME_TCP_DGST_SIZE);
		tx->slot_digest = false;
	}
	if (tx->slot_rsp) {
		if (!tt_tx_rsp(conn, slot))
			return false;
	} else {
		tt_slot_put(slot);
	}
	tx->slot = NULL;
	return true;
}

/*
 * Begin to answer a command. C2HData with SUCCESS spares the response where
 * the host needs nothing from it: no SQHD, no status, nothing in DW0 and 1.
 */
static bool tt_tx_slot(struct tt_conn *conn, struct tt_slot *slot)
{
	struct tt_tx *tx = &conn->tx;
	struct tgt_req *req = &slot->req;
	u8 flags = NVME_TCP_F_LAST;
	bool ok = !(le16_to_cpu(req->cqe.status) >> 1);
	u8 *p;

	/* Until then a Connect is the only command that can succeed. */
	if (unlikely(!test_bit(TT_LIVE, &conn->flags)) && ok && tt_conn_go_live(conn))
		return false;

	if (!ok || req->dir != TGT_TO_HOST || !req->len)
		return tt_tx_rsp(conn, slot);

	p = tt_tx_hdr(tx);
	if (!p)
		return false;
	tx->slot = slot;
	tx->slot_bv = 0;
	tx->slot_left = req->len;
	tx->slot_rsp = !conn->q.sqhd_disabled || req->cqe.result.u64;
	tx->slot_digest = conn->eng.ddgst;
	tx->crc = nvme_tcp_crc_init();
	if (!tx->slot_rsp)
		flags |= NVME_TCP_F_SUCCESS;
	tt_tx_hdr_add(tx, nvme_tcp_build_c2h_data(&conn->eng, p, slot->cid, 0,
						  req->len, flags));
	conn->stats.tx_pdus[NVME_TCP_C2H_DATA]++;
	return true;
}

/* Next of the done slots, oldest first; NULL: none. */
static struct tt_slot *tt_tx_peek(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;

	if (!tx->queue && !llist_empty(&conn->done)) {
		tx->queue = llist_del_all(&conn->done);
		if (tx->queue->next)
			tx->queue = llist_reverse_order(tx->queue);
	}
	return tx->queue ? llist_entry(tx->queue, struct tt_slot, node) : NULL;
}

/* Gather what is due. Returns false when more is due than has gone in. */
static bool tt_tx_fill(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	struct tt_slot *slot;

	/* A PDU that was begun comes first, whatever happened meanwhile. */
	if (tx->slot && !tt_tx_slot_data(conn))
		return false;
	if (unlikely(test_bit(TT_TERM, &conn->flags)))
		return test_bit(TT_TERM_BUILT, &conn->flags) || tt_tx_term(conn);
	if (unlikely(test_bit(TT_ICRESP, &conn->flags)) && !tt_tx_icresp(conn))
		return false;
	if (!llist_empty(&conn->r2tq) && !tt_tx_all_r2ts(conn))
		return false;

	while ((slot = tt_tx_peek(conn))) {
		struct llist_node *next = slot->node.next;

		if (!tt_tx_room(tx) || !tt_tx_slot(conn, slot))
			return false;
		tx->queue = next;
		if (tx->slot && !tt_tx_slot_data(conn))
			return false;
	}
	return true;
}

/* --- the socket ----------------------------------------------------------- */

/*
 * A little is sent as from a softirq: with the spinlock alone, which spares
 * owning the socket. Returns false when that is not to be; where it was for lack
 * of memory, there may be some for who can wait.
 */
static bool tt_tx_quick(struct sock *sk, struct msghdr *msg, size_t bytes, int *ret)
{
	const gfp_t gfp = sk->sk_allocation;

	*ret = 0;
	local_bh_disable();
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk)) {
		sk->sk_allocation = GFP_ATOMIC | __GFP_NOWARN;
		*ret = tcp_sendmsg_locked(sk, msg, bytes);
		sk->sk_allocation = gfp;
	}
	bh_unlock_sock(sk);
	local_bh_enable();
	return *ret > 0;
}

static int tt_tx_send(struct tt_conn *conn, struct msghdr *msg, size_t bytes)
{
	struct sock *sk = conn->sock->sk;
	int ret;

	if (unlikely(test_bit(TT_TLS, &conn->flags))) {
		nvme_tcp_tls_part(msg);
		return sock_sendmsg(conn->sock, msg);
	}
	if (bytes <= TT_SEND_QUICK && tt_tx_quick(sk, msg, bytes, &ret))
		return ret;
	lock_sock(sk);
	ret = tcp_sendmsg_locked(sk, msg, bytes);
	release_sock(sk);
	return ret;
}

/* Returns 1 when the whole batch is out, 0 when the socket is full, -errno. */
static int tt_tx_flush(struct tt_conn *conn, bool more)
{
	struct tt_tx *tx = &conn->tx;
	struct sock *sk = conn->sock->sk;
	int ret;

	tx->msg.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_SPLICE_PAGES;
	if (more)
		tx->msg.msg_flags |= MSG_MORE;
	while (tx->bytes) {
		iov_iter_bvec(&tx->msg.msg_iter, ITER_SOURCE, &tx->bv[tx->first],
			      tx->nr - tx->first, tx->bytes);
		clear_bit(TT_SPACE, &conn->flags);
		ret = tt_tx_send(conn, &tx->msg, tx->bytes);
		conn->stats.sends++;
		if (ret == -EAGAIN || ret == -ENOMEM || ret == -ENOBUFS) {
			conn->stats.send_full++;
			/* Nothing is on its way, so no ACK will restart us; or none is asked to. */
			if (ret != -EAGAIN || !READ_ONCE(sk->sk_wmem_queued))
				queue_delayed_work(tt_wq, &conn->retry,
						   msecs_to_jiffies(TT_RETRY_MS));
			return 0;
		}
		if (ret <= 0)
			return ret ?: -EPIPE;
		conn->stats.tx_bytes += ret;
		tt_tx_advance(tx, ret);
	}
	return 1;
}

/* What should have followed the last batch has come to nothing: its tail shall leave. */
static noinline void tt_tx_uncork(struct tt_conn *conn)
{
	conn->tx.msg.msg_flags &= ~MSG_MORE;
	/* That it is set already does not matter: this pushes. */
	tcp_sock_set_nodelay(conn->sock->sk);
}

/**
 * tt_tx_work - answer what is done
 * @conn: connection
 *
 * Context: worker; may sleep, though not for the peer.
 * Return: whether there is more that could be sent at once.
 */
bool tt_tx_work(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	/* Behind what a full socket left there may be anything. */
	bool rest = tx->bytes, more = false;
	int ret;

	if (!rest)
		more = !tt_tx_fill(conn);
	if (!tx->bytes) {
		if (more)	/* no memory for a header */
			queue_delayed_work(tt_wq, &conn->retry,
					   msecs_to_jiffies(TT_RETRY_MS));
		else if (unlikely(tx->msg.msg_flags & MSG_MORE))
			tt_tx_uncork(conn);
	} else {
		ret = tt_tx_flush(conn, more);
		if (ret < 0) {
			tt_conn_end(conn);
			return false;
		}
		if (!ret)
			return false;
		/* What was sent may have given memory back to those who wait. */
		if (!test_bit(TT_TERM_BUILT, &conn->flags))
			return rest || more || !list_empty(&conn->starving);
	}

	/*
	 * The TermReq is out: no more from us, and a while for the peer's FIN.
	 * Once: the shutdown calls state_change, which has us look again.
	 */
	if (unlikely(test_bit(TT_TERM_BUILT, &conn->flags)) && !tx->bytes &&
	    !test_and_set_bit(TT_TERM_SENT, &conn->flags)) {
		if (test_bit(TT_TLS, &conn->flags))
			nvme_tcp_tls_bye(conn->sock);
		kernel_sock_shutdown(conn->sock, SHUT_WR);
	}
	return false;
}

/* The end of the connection; its batch was never sent. */
void tt_tx_free(struct tt_conn *conn)
{
	struct tt_tx *tx = &conn->tx;
	unsigned int i;

	for (i = tx->first; i < tx->nr; i++)
		put_page(tx->bv[i].bv_page);
	if (tx->hdr)
		put_page(tx->hdr);
}

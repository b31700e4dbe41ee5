// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: PDUs are laid out in a batch, headers and page references in one
 * array of bio_vecs, and a batch is one sendmsg, if the socket takes it all.
 */
#include <linux/crc32c.h>
#include <linux/highmem.h>
#include <linux/net.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nvme-tcp-tls.h"
#include "host.h"

/**
 * nth_tx_init - get the memory that a queue sends from
 * @tx: zeroed
 * @node: NUMA node
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM; nth_tx_exit() is due in both cases.
 */
int nth_tx_init(struct nth_tx *tx, int node)
{
	unsigned int i;

	spin_lock_init(&tx->grant_lock);
	INIT_LIST_HEAD(&tx->grants);
	tx->spare = alloc_pages_node(node, GFP_KERNEL, 0);
	if (!tx->spare)
		return -ENOMEM;
	for (i = 0; i < NTH_ARENA_PAGES; i++) {
		tx->arena[i] = alloc_pages_node(node, GFP_KERNEL, 0);
		if (!tx->arena[i])
			return -ENOMEM;
	}
	tx->page = tx->arena[0];
	return 0;
}

/**
 * nth_tx_exit - give back what nth_tx_init() got
 * @tx: not in use any more; the network may still refer to the pages
 *
 * Context: any.
 */
void nth_tx_exit(struct nth_tx *tx)
{
	unsigned int i;

	for (i = 0; i < NTH_ARENA_PAGES; i++)
		if (tx->arena[i])
			put_page(tx->arena[i]);
	if (tx->spare)
		put_page(tx->spare);
}

/* --- memory for headers -------------------------------------------------- */

static bool nth_arena_room(const struct nth_tx *tx)
{
	return PAGE_SIZE - tx->page_off >= NTH_ARENA_ROOM;
}

/* Before a batch. A page is free when we are the only ones who refer to it. */
static void nth_arena_open(struct nth_tx *tx)
{
	unsigned int i;

	if (likely(tx->page != tx->spare && nth_arena_room(tx)))
		goto out;

	for (i = 0; i < NTH_ARENA_PAGES; i++) {
		struct page **at;

		tx->arena_at = (tx->arena_at + 1) % NTH_ARENA_PAGES;
		at = &tx->arena[tx->arena_at];
		if (page_count(*at) != 1) {
			struct page *page;

			page = alloc_page(GFP_ATOMIC | __GFP_NOWARN);
			if (!page)
				continue;
			put_page(*at);
			*at = page;
		}
		tx->page = *at;
		tx->page_off = 0;
		goto out;
	}
	tx->page = tx->spare;
	tx->page_off = 0;
out:
	tx->batch_off = tx->page_off;
}

/* After a batch: what was copied by the network can be written to again. */
static void nth_arena_close(struct nth_tx *tx)
{
	if (tx->how != NTH_SPLICE)
		tx->page_off = tx->batch_off;
}

static void *nth_arena_at(const struct nth_tx *tx)
{
	return page_address(tx->page) + tx->page_off;
}

/* --- laying out a batch -------------------------------------------------- */

static __always_inline void nth_batch_add(struct nth_tx *tx, struct page *page, u32 off,
					  u32 len)
{
	struct bio_vec *last = tx->nr_bv ? &tx->bv[tx->nr_bv - 1] : NULL;

	tx->bytes += len;
	if (last && last->bv_page == page &&
	    last->bv_offset + last->bv_len == off) {
		last->bv_len += len;
		return;
	}
	tx->bv[tx->nr_bv++] = (struct bio_vec){
		.bv_page = page,
		.bv_offset = off,
		.bv_len = len,
	};
}

/* @len bytes have been written at nth_arena_at() */
static __always_inline void nth_batch_add_header(struct nth_tx *tx, u32 len)
{
	nth_batch_add(tx, tx->page, tx->page_off, len);
	tx->page_off += len;
}

/* Slab pages and such have no reference count that the network could hold. */
static enum nth_how nth_piece_how(const struct bio_vec *bv, u32 len)
{
	struct page *page = bv->bv_page + bv->bv_offset / PAGE_SIZE;
	u32 off = bv->bv_offset % PAGE_SIZE;
	unsigned int i, n = DIV_ROUND_UP(off + len, PAGE_SIZE);

	for (i = 0; i < n; i++)
		if (!sendpage_ok(page + i))
			return NTH_COPY;
	return len <= NTH_COPY_MAX ? NTH_EITHER : NTH_SPLICE;
}

static u32 nth_piece_crc(u32 crc, const struct bio_vec *bv, u32 len)
{
	struct page *page = bv->bv_page + bv->bv_offset / PAGE_SIZE;
	u32 off = bv->bv_offset % PAGE_SIZE;

	while (len) {
		u32 n = min_t(u32, len, PAGE_SIZE - off);
		void *p = kmap_local_page(page);

		crc = crc32c(crc, p + off, n);
		kunmap_local(p);
		page++;
		off = 0;
		len -= n;
	}
	return crc;
}

/* The payload of the current PDU. True when all of it is in the batch. */
static bool nth_batch_add_data(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;
	struct nth_cmd *cmd = tx->cur;

	while (tx->cur_left) {
		struct bio_vec bv = nth_cursor_piece(&cmd->data);
		u32 len = min(bv.bv_len, tx->cur_left);
		enum nth_how how;

		if (tx->nr_bv == NTH_BATCH_BVECS || tx->bytes >= NTH_BATCH_BYTES)
			return false;
		len = min_t(u32, len, NTH_BATCH_BYTES);
		how = nth_piece_how(&bv, len);
		if (how != NTH_EITHER) {
			if (tx->page == tx->spare)
				how = NTH_COPY;
			if (tx->how != NTH_EITHER && tx->how != how)
				return false;
			tx->how = how;
		}
		if (tx->cur_ddgst)
			tx->cur_crc = nth_piece_crc(tx->cur_crc, &bv, len);
		nth_batch_add(tx, bv.bv_page, bv.bv_offset, len);
		nth_cursor_advance(&cmd->data, len);
		tx->cur_left -= len;
	}

	if (tx->cur_ddgst) {
		if (!nth_arena_room(tx) || tx->nr_bv == NTH_BATCH_BVECS)
			return false;
		nvme_tcp_build_ddgst(tx->cur_crc, nth_arena_at(tx));
		nth_batch_add_header(tx, NVME_TCP_DGST_SIZE);
		tx->cur_ddgst = false;
	}
	return true;
}

static void nth_begin_payload(struct nth_queue *q, u32 len)
{
	q->tx.cur_left = len;
	q->tx.cur_ddgst = len && q->conn.ddgst;
	q->tx.cur_crc = nvme_tcp_crc_init();
}

static bool nth_begin_cmd(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;
	struct llist_node *node;
	struct nth_cmd *cmd;

	node = tx->next_sub;
	if (!node) {
		if (llist_empty(&tx->submitted))
			return false;
		node = llist_del_all(&tx->submitted);
		if (node->next)
			node = llist_reverse_order(node);
	}
	cmd = llist_entry(node, struct nth_cmd, sub);
	tx->next_sub = node->next;

	tx->cur = cmd;
	nth_begin_payload(q, cmd->in_capsule);
	nth_batch_add_header(tx, nvme_tcp_build_cmd(&q->conn, nth_arena_at(tx),
						    &cmd->sqe, cmd->in_capsule,
						    cmd->xfer.len));
	if (cmd->in_capsule)
		nvme_tcp_xfer_moved(&cmd->xfer, cmd->in_capsule);
	/* Pairs with nth_find_cmd(): a peer that guesses the CID may answer now */
	smp_store_release(&cmd->due, true);
	tx->sent_cmds++;
	tx->count[NTH_TX_CMDS]++;
	return true;
}

/*
 * The next H2CData of the command that has waited longest. A command that is
 * answered wants no more data: the peer may have forgotten its TTAGs, and data
 * for these would be an error.
 */
static bool nth_begin_h2c_data(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;
	struct nvme_tcp_r2t *r2t;
	struct nth_cmd *cmd;
	u32 off = 0, len = 0;
	bool last = false;
	u16 ttag = 0;
	bool drop;

	do {
		spin_lock_bh(&tx->grant_lock);
		cmd = list_first_entry_or_null(&tx->grants, struct nth_cmd, grant);
		if (!cmd) {
			spin_unlock_bh(&tx->grant_lock);
			return false;
		}
		drop = cmd->answered;
		if (drop) {
			list_del_init(&cmd->grant);
			cmd->r2ts = 0;
		} else {
			r2t = &cmd->r2t[cmd->r2t_first];
			ttag = r2t->ttag;
			len = nvme_tcp_host_next_h2c(&q->conn, &cmd->xfer, r2t,
						     &off, &last);
			if (last) {
				cmd->r2t_first = (cmd->r2t_first + 1) % NTH_MAXR2T;
				cmd->r2ts--;
			}
			/* The list's hold becomes the PDU's, or there are two. */
			if (!cmd->r2ts) {
				list_del_init(&cmd->grant);
			} else {
				list_move_tail(&cmd->grant, &tx->grants);
				atomic_inc(&cmd->holds);
			}
		}
		spin_unlock_bh(&tx->grant_lock);
		if (drop)
			nth_cmd_put(cmd, NULL);
	} while (drop);

	tx->cur = cmd;
	nth_begin_payload(q, len);
	nth_batch_add_header(tx, nvme_tcp_build_h2c_data(&q->conn, nth_arena_at(tx),
							 cmd->sqe.common.command_id,
							 ttag, off, len, last));
	tx->count[NTH_TX_H2C_DATAS]++;
	return true;
}

/* Commands and data take turns, so that neither waits for all of the other. */
static bool nth_begin_pdu(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;

	/* Who adds to the grants looks for a sender afterwards. */
	if (!list_empty(&tx->grants)) {
		tx->grant_turn = !tx->grant_turn;
		if (tx->grant_turn && nth_begin_h2c_data(q))
			return true;
	}
	if (nth_begin_cmd(q))
		return true;
	return !list_empty(&tx->grants) && nth_begin_h2c_data(q);
}

/**
 * nth_tx_pending - is there something to send?
 * @q: queue
 *
 * Context: any. The batch and the PDU being laid out are looked at without
 * NTH_Q_SENDING: their owner sees to them, this is for who comes after it.
 * Return: true if there is.
 */
bool nth_tx_pending(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;

	return !llist_empty(&tx->submitted) || READ_ONCE(tx->next_sub) ||
	       !list_empty(&tx->grants) || READ_ONCE(tx->cur) ||
	       READ_ONCE(tx->bytes);
}

/*
 * Lay out a batch, with new PDUs or only what is left of the one that has been
 * begun. False: there is nothing to send.
 */
static bool nth_batch_fill(struct nth_queue *q, bool new_pdus)
{
	struct nth_tx *tx = &q->tx;

	tx->how = NTH_EITHER;
	tx->nr_bv = 0;
	tx->nr_pdu = 0;
	tx->first_pdu = 0;
	tx->bytes = 0;
	tx->sent = 0;
	nth_arena_open(tx);

	while (tx->nr_pdu < NTH_BATCH_PDUS) {
		if (!tx->cur) {
			if (!new_pdus || tx->nr_bv == NTH_BATCH_BVECS ||
			    tx->bytes >= NTH_BATCH_BYTES || !nth_arena_room(tx))
				break;
			if (!nth_begin_pdu(q))
				break;
		}
		if (!nth_batch_add_data(q))
			break;
		tx->pdu[tx->nr_pdu].cmd = tx->cur;
		tx->pdu[tx->nr_pdu++].end = tx->bytes;
		tx->cur = NULL;
	}
	if (!tx->bytes)
		return false;
	tx->more = tx->cur || tx->next_sub || !llist_empty(&tx->submitted) ||
		   !list_empty(&tx->grants);
	tx->count[NTH_TX_BATCHES]++;
	return true;
}

/* --- sending a batch ----------------------------------------------------- */

/*
 * Where one command at a time is sent it goes as from a softirq: with the spinlock
 * alone, which spares owning the socket. Where they gather that is no gain, as it
 * changes when softirqs run; so it takes some in a row that found all others
 * answered.
 */
static bool nth_send_quick(struct nth_queue *q, struct sock *sk, size_t len, int *ret)
{
	bool done = false;

	if (q->tx.sent_cmds - READ_ONCE(q->answers) != 1) {
		q->tx.lone = 0;
		return false;
	}
	if (len > NTH_SEND_QUICK || ++q->tx.lone < NTH_LONE)
		return false;
	q->tx.lone = NTH_LONE;
	local_bh_disable();
	bh_lock_sock(sk);
	if (!sock_owned_by_user(sk)) {
		*ret = tcp_sendmsg_locked(sk, &q->tx.msg, len);
		done = true;
	}
	bh_unlock_sock(sk);
	local_bh_enable();
	return done;
}

static int nth_sendmsg(struct nth_queue *q, size_t len, enum nth_tx_from from)
{
	struct msghdr *msg = &q->tx.msg;
	struct sock *sk = q->sock->sk;
	int ret;

	if (from == NTH_TX_RECEIVER)
		return tcp_sendmsg_locked(sk, msg, len);
	if (unlikely(test_bit(NTH_Q_TLS, &q->flags))) {
		nvme_tcp_tls_part(msg);
		ret = sock_sendmsg(q->sock, msg);
		/* No memory for a record, or a signal while another was sent: for a while only */
		if (ret == -ENOMEM || ret == -EINTR) {
			/* It has not been asked to say when there is room again. */
			set_bit(SOCK_NOSPACE, &q->sock->flags);
			ret = -EAGAIN;
		}
		return ret;
	}
	if (nth_send_quick(q, sk, len, &ret))
		return ret;
	lock_sock(sk);
	ret = tcp_sendmsg_locked(sk, msg, len);
	release_sock(sk);
	return ret;
}

/* 0: the batch is gone. -EAGAIN: the socket is full. Else it is broken. */
static int nth_batch_send(struct nth_queue *q, enum nth_tx_from from)
{
	struct nth_tx *tx = &q->tx;

	while (tx->sent < tx->bytes) {
		unsigned int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
		int ret;

		if (tx->how == NTH_SPLICE)
			flags |= MSG_SPLICE_PAGES;
		if (tx->more)
			flags |= MSG_MORE;
		tx->msg.msg_flags = flags;
		iov_iter_bvec(&tx->msg.msg_iter, ITER_SOURCE, tx->bv, tx->nr_bv,
			      tx->bytes);
		if (tx->sent)
			iov_iter_advance(&tx->msg.msg_iter, tx->sent);
		ret = nth_sendmsg(q, tx->bytes - tx->sent, from);
		tx->count[NTH_TX_SENDMSGS]++;
		if (ret <= 0)
			return ret ?: -EAGAIN;

		tx->sent += ret;
		tx->count[NTH_TX_BYTES] += ret;
		while (tx->first_pdu < tx->nr_pdu &&
		       tx->pdu[tx->first_pdu].end <= tx->sent)
			nth_cmd_put(tx->pdu[tx->first_pdu++].cmd, NULL);
	}
	nth_arena_close(tx);
	tx->bytes = 0;
	tx->sent = 0;
	return 0;
}

/*
 * The last batch told TCP that more follows, for data that nobody wants any more by
 * now: the command was answered. Its tail would wait for a timer of TCP's.
 */
static void nth_uncork(struct nth_queue *q, enum nth_tx_from from)
{
	if (from == NTH_TX_WORKER) {
		q->tx.more = false;
		tcp_sock_set_nodelay(q->sock->sk);
	} else {
		nth_queue_kick(q);
	}
}

/**
 * nth_tx_run - send what there is to send
 * @q: queue
 * @from: who calls, and so whether the socket is owned already
 *
 * Returns at once when somebody else is at it, who will send ours too. When the
 * queue is down nobody is: then error_work gives back what came too late.
 *
 * Context: see enum nth_tx_from.
 * Return: true when there is more to do and it is for the caller to see that
 * it gets done: the budget is used up.
 */
bool nth_tx_run(struct nth_queue *q, enum nth_tx_from from)
{
	struct nth_tx *tx = &q->tx;
	unsigned int budget = NTH_TX_BUDGET;
	unsigned int retries = NTH_TX_RETRIES;
	int ret;

	do {
		bool stalled = false;

		if (!nth_tx_lock(q)) {
			/* Who took the queue down has the lock, and looks for no more. */
			if (unlikely(!test_bit(NTH_Q_UP, &q->flags)))
				nth_ctrl_error(q->ctrl);
			return false;
		}
		do {
			if (test_bit(NTH_Q_SPACE, &q->flags))
				clear_bit(NTH_Q_SPACE, &q->flags);
			ret = 0;
			/* After an error nothing but H2CTermReq is in place. */
			if (unlikely(test_bit(NTH_Q_FAILED, &q->flags)))
				break;
			if (!tx->bytes && !nth_batch_fill(q, true)) {
				if (unlikely(tx->more))
					nth_uncork(q, from);
				break;
			}
			tx->count[NTH_TX_BY + from]++;
			ret = nth_batch_send(q, from);
		} while (!ret && --budget && tx->more);

		/*
		 * write_space will come, or came while we held the lock. It
		 * does not when it was memory that lacked and not room in the
		 * socket: then time is all that helps.
		 */
		if (ret == -EAGAIN) {
			stalled = sk_stream_is_writeable(q->sock->sk);
			tx->count[NTH_TX_AGAINS]++;
		} else if (ret) {
			nth_queue_fail(q, ret);
		}
		nth_tx_unlock(q);

		if (ret == -EAGAIN && test_bit(NTH_Q_SPACE, &q->flags)) {
			if (retries--)
				continue;
			/* It found the lock taken, and will not come again. */
			stalled = true;
		}
		/* Not on q->cpu: it may be offline since, and timers there do not run. */
		if (stalled)
			queue_delayed_work(nth_wq, &q->work, 1);
		if (ret || unlikely(test_bit(NTH_Q_FAILED, &q->flags)))
			return false;
	} while (budget && nth_tx_pending(q));

	if (!budget && nth_tx_pending(q)) {
		if (from != NTH_TX_WORKER)
			nth_queue_kick(q);
		return true;
	}
	return false;
}

/**
 * nth_tx_drain - forget all that is to be sent
 * @q: queue that is going down; NTH_Q_SENDING is held, nobody receives
 *
 * Commands that were answered and only waited for their PDU to leave are
 * completed by this; the others remain for the core to cancel.
 *
 * Context: may sleep.
 */
void nth_tx_drain(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;
	struct nth_cmd *cmd, *next;
	struct llist_node *list;

	while (tx->first_pdu < tx->nr_pdu)
		nth_cmd_put(tx->pdu[tx->first_pdu++].cmd, NULL);
	tx->bytes = 0;
	tx->sent = 0;
	tx->more = false;
	if (tx->cur)
		nth_cmd_put(tx->cur, NULL);
	tx->cur = NULL;

	list = tx->next_sub;
	tx->next_sub = NULL;
	llist_for_each_entry_safe(cmd, next, list, sub)
		nth_cmd_put(cmd, NULL);
	list = llist_del_all(&tx->submitted);
	llist_for_each_entry_safe(cmd, next, list, sub)
		nth_cmd_put(cmd, NULL);

	list_for_each_entry_safe(cmd, next, &tx->grants, grant) {
		list_del_init(&cmd->grant);
		nth_cmd_put(cmd, NULL);
	}
}

/**
 * nth_tx_term - send H2CTermReq, once
 * @q: queue with conn.err set
 *
 * It must not cut a PDU in two: what has been begun goes first.
 *
 * Context: holds NTH_Q_SENDING; may sleep.
 * Return: 0 when it is gone; -EAGAIN when the socket is full; another negative
 * errno of the socket.
 */
int nth_tx_term(struct nth_queue *q)
{
	struct nth_tx *tx = &q->tx;
	int ret;

	do {
		if (!tx->bytes && !nth_batch_fill(q, false)) {
			if (test_and_set_bit(NTH_Q_TERM_SENT, &q->flags))
				return 0;
			nth_batch_add_header(tx, nvme_tcp_build_term(&q->conn, nth_arena_at(tx)));
			tx->how = NTH_COPY;
		}
		tx->more = false;
		ret = nth_batch_send(q, NTH_TX_WORKER);
	} while (!ret);
	return ret;
}

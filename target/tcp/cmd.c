// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: their memory, their way from the wire to the core and back.
 *
 * Memory is taken in pieces of up to 1 << TT_CHUNK_ORDER pages, charged
 * against one limit for the module: all of a command's or nothing, since two
 * that each hold half of what they need would wait for one another. What a
 * command may hold is bounded by its length, which the core has held against
 * MDTS; how many there are, by the queue's size. A free slot keeps up to
 * TT_SLOT_CACHE bytes, so that small commands allocate nothing in the steady
 * state, as long as a quarter of the limit is enough for everybody: what idle
 * connections keep must not starve the others.
 *
 * Pages are given to TCP by reference, and must not change until the last byte
 * of them is acknowledged. The slot keeps its own reference: where that is the
 * only one when the next command comes, nobody else has the page and it serves
 * again, which spares finding and zeroing another; else the slot lets go of it.
 */
#include <linux/blkdev.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <linux/slab.h>

#include "tcp.h"

enum {
	TT_MEM_BATCH	= 4 << 20,	/* what a CPU counts for itself */
};

unsigned long tt_mem_limit;
static unsigned long tt_mem_default;
static struct percpu_counter tt_mem;

int tt_mem_init(void)
{
	tt_mem_default = (totalram_pages() / 4) << PAGE_SHIFT;
	return percpu_counter_init(&tt_mem, 0, GFP_KERNEL);
}

void tt_mem_exit(void)
{
	WARN_ON_ONCE(percpu_counter_sum(&tt_mem));
	percpu_counter_destroy(&tt_mem);
}

static s64 tt_mem_max(void)
{
	return min_t(u64, READ_ONCE(tt_mem_limit) ?: tt_mem_default, S64_MAX);
}

/* For debugfs: exact, slow. */
s64 tt_mem_used(s64 *limit)
{
	*limit = tt_mem_max();
	return percpu_counter_sum(&tt_mem);
}

/**
 * tt_mem_uncharge - data memory was given back
 * @conn: by this connection
 * @bytes: how much
 *
 * Context: any.
 */
void tt_mem_uncharge(struct tt_conn *conn, u32 bytes)
{
	atomic_long_sub(bytes, &conn->mem);
	percpu_counter_add_batch(&tt_mem, -(s64)bytes, TT_MEM_BATCH);
}

/* Exact near the mark, where it matters; else it sums nothing up. */
static bool tt_mem_above(s64 mark)
{
	return __percpu_counter_compare(&tt_mem, mark, TT_MEM_BATCH) > 0;
}

/*
 * While memory is plenty a connection may have what it asks for. From half the
 * limit on, one that has more than its share waits, so that a host which is
 * slow to send or to read what it asked for does not starve the others.
 */
static bool tt_mem_charge(struct tt_conn *conn, u32 bytes)
{
	s64 limit = tt_mem_max();

	if (tt_mem_above(limit - bytes))
		return false;
	if (atomic_long_read(&conn->mem) > limit / TT_SHARE && tt_mem_above(limit / 2))
		return false;
	atomic_long_add(bytes, &conn->mem);
	percpu_counter_add_batch(&tt_mem, bytes, TT_MEM_BATCH);
	return true;
}

/* --- a slot's memory ------------------------------------------------------ */

/* Room for one more piece in slot->bvec */
static bool tt_slot_grow(struct tt_slot *slot, u32 left, gfp_t gfp)
{
	unsigned int max;
	struct bio_vec *bv;

	if (slot->nr_have < slot->max_bvec)
		return true;

	/* Enough for the worst case, single pages, so this happens once. */
	max = slot->nr_have + DIV_ROUND_UP(left, PAGE_SIZE);
	bv = kmalloc_array(max, sizeof(*bv), gfp | __GFP_NOWARN);
	if (!bv)
		return false;
	memcpy(bv, slot->bvec, slot->nr_have * sizeof(*bv));
	if (slot->bvec != slot->small)
		kfree(slot->bvec);
	slot->bvec = bv;
	slot->max_bvec = max;
	return true;
}

/* A piece for the next @left bytes; the large ones must come easily. */
static struct page *tt_piece(u32 left, gfp_t gfp)
{
	unsigned int order = 0;
	struct page *page;

	if (left > PAGE_SIZE)
		order = min_t(unsigned int, ilog2(left >> PAGE_SHIFT), TT_CHUNK_ORDER);
	if (order) {
		page = alloc_pages(((gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP |
				    __GFP_NOWARN | __GFP_NORETRY), order);
		if (page)
			return page;
	}
	return alloc_page(gfp | __GFP_NOWARN);
}

/* Gives back the pages that the slot still has; any context. */
void tt_slot_drop_pages(struct tt_slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr_have; i++)
		put_page(slot->bvec[i].bv_page);
	if (slot->mem)
		tt_mem_uncharge(slot->conn, slot->mem);
	slot->nr_have = 0;
	slot->mem = 0;
}

/* Let go of what TCP still has. */
static void tt_slot_sift(struct tt_slot *slot)
{
	unsigned int i = 0;
	u32 gone = 0;

	while (i < slot->nr_have) {
		struct page *page = slot->bvec[i].bv_page;

		if (page_ref_count(page) == 1) {
			i++;
			continue;
		}
		gone += page_size(page);
		put_page(page);
		slot->bvec[i] = slot->bvec[--slot->nr_have];
	}
	if (gone) {
		slot->mem -= gone;
		tt_mem_uncharge(slot->conn, gone);
	}
}

/**
 * tt_slot_alloc - give a slot's request its data memory
 * @slot: owned by the caller
 * @len: bytes, at most TT_DATA_MAX
 * @gfp: GFP_ATOMIC in softirq
 *
 * On failure the slot holds nothing.
 *
 * Return: 0; -ENOMEM; -EDQUOT when the module's limit is reached.
 */
int tt_slot_alloc(struct tt_slot *slot, u32 len, gfp_t gfp)
{
	struct tgt_req *req = &slot->req;
	u32 size = PAGE_ALIGN(len);
	unsigned int i;
	u32 at = 0, n;

	/* As a rule the one piece that it has will do. */
	if (likely(slot->nr_have == 1 && len <= slot->mem &&
		   page_ref_count(slot->bvec->bv_page) == 1)) {
		slot->bvec->bv_offset = 0;
		slot->bvec->bv_len = len;
		i = 1;
		goto done;
	}

	tt_slot_sift(slot);
	/* Pieces are never larger than what is left to be found. */
	if (size > slot->mem) {
		if (!tt_mem_charge(slot->conn, size - slot->mem)) {
			tt_slot_drop_pages(slot);
			return -EDQUOT;
		}
		slot->mem = size;
	}

	for (i = 0; at < len; i++, at += n) {
		u32 left = len - at;

		if (i == slot->nr_have) {
			struct page *page = NULL;

			if (tt_slot_grow(slot, left, gfp))
				page = tt_piece(left, gfp);
			if (!page) {
				tt_slot_drop_pages(slot);
				return -ENOMEM;
			}
			slot->bvec[i].bv_page = page;
			slot->nr_have++;
		}
		n = min_t(u32, left, page_size(slot->bvec[i].bv_page));
		slot->bvec[i].bv_offset = 0;
		slot->bvec[i].bv_len = n;
	}

done:
	req->bvec = slot->bvec;
	req->nr_bvec = i;
	slot->cur = 0;
	slot->cur_off = 0;
	return 0;
}

/* The end of the slot. */
void tt_slot_free_mem(struct tt_slot *slot)
{
	tt_slot_drop_pages(slot);
	if (slot->bvec != slot->small)
		kfree(slot->bvec);
	slot->bvec = slot->small;
	slot->max_bvec = TT_SLOT_BVECS;
}

/* --- slots ---------------------------------------------------------------- */

void tt_slot_init(struct tt_conn *conn, struct tt_slot *slot, u16 idx)
{
	slot->conn = conn;
	slot->idx = idx;
	slot->bvec = slot->small;
	slot->max_bvec = TT_SLOT_BVECS;
	slot->state = TT_FREE;
	INIT_LIST_HEAD(&slot->starving);
}

/*
 * A free slot, or NULL: the host has more commands out than the queue has
 * entries. There is no third case: tt_slot_put() comes before the response.
 *
 * Context: rx.
 */
struct tt_slot *tt_slot_get(struct tt_conn *conn)
{
	struct llist_node *node;
	struct llist_node **list = &conn->used;

	if (!*list && !llist_empty(&conn->freed))
		*list = llist_del_all(&conn->freed);
	/* Those that are warm, and have memory, first */
	if (!*list)
		list = &conn->free;
	node = *list;
	if (!node)
		return NULL;
	*list = node->next;
	return llist_entry(node, struct tt_slot, node);
}

/**
 * tt_slot_put - the command is over
 * @slot: owned by the worker
 *
 * To be called before the last byte of the response may reach the peer, which
 * is then free to send another command.
 *
 * Context: worker.
 */
void tt_slot_put(struct tt_slot *slot)
{
	struct tt_conn *conn = slot->conn;

	/* The Connect's is not in conn->slots, where its TTAGs would be sought. */
	bool over = slot == &conn->first && conn->slots != slot;

	if (slot->mem && (slot->mem > TT_SLOT_CACHE || over ||
			  tt_mem_above(tt_mem_max() / 4)))
		tt_slot_drop_pages(slot);
	if (slot->bvec != slot->small)
		tt_slot_free_mem(slot);
	tt_slot_state(slot, TT_FREE);
	if (likely(!over))
		llist_add(&slot->node, &conn->freed);
}

/**
 * tt_slots_trim_locked - free slots shall keep no memory
 * @conn: connection
 *
 * Context: rx.
 */
void tt_slots_trim_locked(struct tt_conn *conn)
{
	struct llist_node *node, *next;

	for (node = llist_del_all(&conn->freed); node; node = next) {
		next = node->next;
		node->next = conn->used;
		conn->used = node;
	}
	for (node = conn->used; node; node = node->next)
		tt_slot_drop_pages(llist_entry(node, struct tt_slot, node));
}

/**
 * tt_slots_trim - the same for who has no part in receiving
 * @conn: connection, on the list or with its worker or its watch running
 *
 * Context: may sleep.
 */
void tt_slots_trim(struct tt_conn *conn)
{
	lock_sock(conn->sock->sk);
	tt_slots_trim_locked(conn);
	release_sock(conn->sock->sk);
}

/**
 * tt_mem_shrink - the limit may have become lower
 *
 * What free slots keep was little of the old one, and may be all of the new one.
 *
 * Context: may sleep.
 */
void tt_mem_shrink(void)
{
	struct tt_conn *conn;

	mutex_lock(&tt_conns_lock);
	list_for_each_entry(conn, &tt_conns, entry)
		tt_slots_trim(conn);
	mutex_unlock(&tt_conns_lock);
}

/**
 * tt_slot_ready - the worker's turn
 * @slot: owned by the caller, who has no more business with it
 *
 * Context: rx.
 */
void tt_slot_ready(struct tt_slot *slot)
{
	struct tt_conn *conn = slot->conn;

	tt_slot_state(slot, TT_READY);
	if (llist_add(&slot->node, &conn->ready))
		tt_conn_kick(conn);
}

/**
 * tt_slot_fail - end a command that the core shall not execute
 * @slot: owned by the caller; its request has begun
 * @status: NVME_SC_*
 *
 * Context: any.
 */
void tt_slot_fail(struct tt_slot *slot, u16 status)
{
	tt_slot_state(slot, TT_CORE);
	tgt_req_done(&slot->req, status);
}

/**
 * tt_slot_want_r2t - R2Ts of this slot may be due
 * @slot: in state R2T
 *
 * Context: rx, worker.
 */
void tt_slot_want_r2t(struct tt_slot *slot)
{
	struct tt_conn *conn = slot->conn;

	if (!test_and_set_bit(0, &slot->r2t_queued) &&
	    llist_add(&slot->r2t_node, &conn->r2tq))
		tt_conn_kick(conn);
}

/**
 * tt_transport_respond - the core is through with a request
 * @req: its CQE is complete
 *
 * Context: any.
 */
void tt_transport_respond(struct tgt_req *req)
{
	struct tt_slot *slot = container_of(req, struct tt_slot, req);
	struct tt_conn *conn = slot->conn;

	tt_slot_state(slot, TT_DONE);
	/* As a rule there is nothing to tell: see tt_conn_kick(). */
	if (llist_add(&slot->node, &conn->done) && READ_ONCE(conn->worker) != current)
		tt_conn_kick(conn);
	/* The slot is the worker's now, and after this the connection may go. */
	tt_conn_put(conn);
}

/* --- execution ------------------------------------------------------------ */

/* No memory, or no more allowed: later, or never. Returns false when it waits. */
static bool tt_slot_starve(struct tt_slot *slot)
{
	struct tt_conn *conn = slot->conn;

	if (list_empty(&slot->starving)) {
		/* What its free slots keep may be what it has too much of. */
		if (list_empty(&conn->starving))
			tt_slots_trim(conn);
		slot->starve_end = jiffies + msecs_to_jiffies(TT_STARVE_MS);
		conn->stats.starved++;
		list_add_tail(&slot->starving, &conn->starving);
	} else if (time_after(jiffies, slot->starve_end)) {
		list_del_init(&slot->starving);
		tt_slot_fail(slot, NVME_SC_TRANSIENT_TR_ERR);
		return true;
	}
	queue_delayed_work(tt_wq, &conn->retry, msecs_to_jiffies(TT_RETRY_MS));
	return false;
}

/* Those that wait for memory get it in the order in which they came. */
static bool tt_slot_may_alloc(struct tt_slot *slot)
{
	struct list_head *starving = &slot->conn->starving;

	return list_empty(starving) || starving->next == &slot->starving;
}

static void tt_slot_sated(struct tt_slot *slot)
{
	if (unlikely(!list_empty(&slot->starving)))
		list_del_init(&slot->starving);
}

/* Returns false when the slot waits for memory. */
static bool tt_slot_start(struct tt_slot *slot)
{
	struct tt_conn *conn = slot->conn;
	struct tgt_req *req = &slot->req;

	if (unlikely(conn->flags & (BIT(TT_CLOSING) | BIT(TT_TERM)))) {
		tt_slot_sated(slot);
		tt_slot_fail(slot, NVME_SC_ABORT_QUEUE);
		return true;
	}

	if (req->len && !slot->have_data) {
		if (!tt_slot_may_alloc(slot) ||
		    tt_slot_alloc(slot, req->len, GFP_KERNEL))
			return tt_slot_starve(slot);
		if (req->dir == TGT_TO_TARGET) {
			/* Data are asked for once Connect is over; its own come with it. */
			if (unlikely(!test_bit(TT_LIVE, &conn->flags))) {
				tt_slot_sated(slot);
				tt_slot_fail(slot, NVME_SC_SGL_INVALID_TYPE | NVME_STATUS_DNR);
				return true;
			}
			nvme_tcp_xfer_start(&slot->xfer, NVME_TCP_H2C, req->len);
			slot->r2t_built = 0;
			slot->r2t_done = 0;
			tt_slot_sated(slot);
			tt_slot_state(slot, TT_R2T);
			tt_slot_want_r2t(slot);
			return true;
		}
	}
	tt_slot_sated(slot);
	tt_slot_state(slot, TT_CORE);
	tgt_req_execute(req);
	return true;
}

/**
 * tt_run_ready - execute what has arrived
 * @conn: connection
 *
 * Context: worker; may sleep.
 */
void tt_run_ready(struct tt_conn *conn)
{
	struct llist_node *list = NULL;
	struct tt_slot *slot, *next;
	unsigned int n = 0;
	bool alone = false;

	if (!llist_empty(&conn->ready))
		list = llist_del_all(&conn->ready);
	else if (list_empty(&conn->starving))
		return;

	if (list) {
		conn->stats.batches++;
		/* One of those in flight is the open connection itself. */
		alone = !list->next && atomic_read(&conn->inflight) == 2;
		if (list->next)
			list = llist_reverse_order(list);
		else
			llist_entry(list, struct tt_slot, node)->req.alone = alone;
	}

	blk_start_plug(&conn->plug);
	list_for_each_entry_safe(slot, next, &conn->starving, starving)
		if (!tt_slot_start(slot))
			break;
	llist_for_each_entry_safe(slot, next, list, node) {
		tt_slot_start(slot);
		n++;
	}
	blk_finish_plug(&conn->plug);
	if (n)
		tt_conn_weigh(conn, alone ? 0 : n);
}

/**
 * tt_abort_waiting - complete what the core has not been given
 * @conn: closing; neither rx nor the worker runs
 *
 * Context: process.
 */
void tt_abort_waiting(struct tt_conn *conn)
{
	unsigned int i;

	/* Their slots are in state READY and so found below. */
	llist_del_all(&conn->ready);

	for (i = 0; i < conn->nslots; i++) {
		struct tt_slot *slot = &conn->slots[i];
		/* Pairs with tt_slot_state() of whoever had it last. */
		u8 state = smp_load_acquire(&slot->state);

		if (state == TT_RECV || state == TT_READY || state == TT_R2T)
			tt_slot_fail(slot, NVME_SC_ABORT_QUEUE);
	}
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target's TCP transport: what its files share.
 *
 * A connection in one paragraph
 * -----------------------------
 * Bytes enter in the socket's data_ready callback, in softirq when no one owns
 * the socket, up to a budget; else, and beyond it, in the connection's worker
 * (rx.c). The engine judges them. A capsule takes a slot; payload is copied
 * from the skb to the slot's pages. A command whose data is there, or that
 * needs an R2T or memory first, goes on conn->ready; the worker (conn.c) runs
 * what is there in one go. The core's respond() puts the slot on conn->done;
 * the worker turns all that is there into one batch of PDUs, one bvec array,
 * one sendmsg (tx.c).
 *
 * Who owns what
 * -------------
 *  rx context	whoever holds the socket lock: softirq with the bare spinlock
 *		and no owner, or process context through lock_sock(). Owns the
 *		receive half of the engine, conn->rx, conn->used and ->free, the
 *		slot table, and every slot in state RECV or R2T.
 *  worker	conn->work, ->alone_work or ->stay_work (stay.c), whichever has set
 *		conn->worker: never more than one at a time. Owns conn->tx, what it took from
 *		conn->ready, ->done and ->r2tq, the starving slots, and every
 *		slot in state READY or DONE.
 *  core	slots in state CORE.
 *
 *  The lists between them are llists: any number put, one takes. A slot is on
 *  at most one of ready, done and freed; its R2T node is apart.
 *
 * References and teardown
 * -----------------------
 *  conn->inflight counts requests that began and are not done, plus one for the
 *  open connection, and one for a TLS handshake (tls.c). Who takes it to zero, by
 *  tt_conn_put(), queues the end of the connection, and does not touch it after that.
 *
 *  Anyone may call tt_conn_end(); the first one queues conn->end_work on a
 *  workqueue of its own, never the worker's. It is the only way out:
 *   1. the socket's callbacks are put back under the socket lock, so no
 *	callback is running or will run: no softirq receive, no kick from there
 *   2. the socket is shut down, the worker is cancelled, one that stays is woken
 *	and waited for, and then the timers are cancelled, which it arms: a
 *	late kick makes it look at TT_CLOSING and leave. No rx, no tx. Nobody
 *	stays from now on: only a worker at work asks for that.
 *	A handshake is cancelled: none begins without the worker. That drops its
 *	count, unless tt_tls_done() has been called or is just about to be, by the
 *	daemon, who has our socket's file open as well. It kicks the worker, to no
 *	avail, and drops the count itself. The daemon may keep the file for longer
 *	than we do: there is nothing of ours on the socket then.
 *   3. tgt_queue_stop(): parked AERs come back as aborted
 *   4. slots that wait for data, memory or the worker are completed as aborted
 *   5. the open connection's count is dropped. Nobody waits for the rest, which
 *	the block device bounds: ended_work follows the last of them, as else a
 *	device that does not answer would take all that a workqueue runs at a time
 *   6. the worker is cancelled again, since responders have kicked it
 *   7. tgt_queue_exit(), memory, the socket; the port's count goes down
 *  tt_unlisten() waits for that count; the module's exit drains the workqueue.
 */
#ifndef TARGET_TCP_H
#define TARGET_TCP_H

#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/llist.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "nvme-tcp-pdu.h"
#include "nvme-tcp-tls.h"
#define TGT_API __weak
#include "../target.h"

enum tt_limits {
	TT_CHUNK_ORDER	= 3,		/* largest piece of data memory, in pages */
	TT_SLOT_BVECS	= 8,		/* pieces without an array of their own */
	TT_SLOT_CACHE	= 128 << 10,	/* bytes a free slot may keep */
	TT_DATA_MAX	= 16 << 20,	/* bytes of one command, whatever the core says */
	TT_BATCH	= 96,		/* bvecs of one sendmsg */
	TT_R2TS		= 8,		/* R2Ts of one command in flight; power of 2 */
	TT_IDX_BITS	= 11,		/* of the TTAG; the rest tells R2Ts apart */
	TT_SLOTS_MAX	= 1 << TT_IDX_BITS,
	TT_HDR_ORDER	= 1,		/* of the memory that PDU headers are built in */
	TT_ROUNDS	= 16,		/* of the worker before others get the CPU */
	TT_TRIAL	= 256,		/* batches of commands; see tt_conn_weigh() */
	TT_COMPANY	= 64,		/* commands of a trial that are not few */
	TT_ALONE	= 1024,		/* batches until the next trial */
	TT_PAUSE	= HZ / 8,	/* ... which there is after one at once */
	TT_STAYERS	= 64,		/* workers that stay, of all connections; see stay.c */
	TT_STAY_AFTER	= 64,		/* batches without a pause until one does */
	TT_STAY_RUNS	= 32,		/* ... and what it wants to see */
	TT_STAY_TICK	= HZ / 8,	/* ... in that time */
	TT_SOCK_RESERVE	= 16 << 10,	/* bytes that its socket then keeps charged */
	TT_SEND_QUICK	= 8 << 10,	/* bytes of a sendmsg that interrupts wait for */
	TT_RX_BUDGET	= 1 << 20,	/* bytes per round */
	TT_RX_COPY	= 8 << 10,	/* bytes of one memcpy */
	TT_TLS_RECORD	= 22,		/* ContentType of a handshake; no PDU begins so */
	TT_LINGER_MS	= 2000,		/* for the peer's FIN after a TermReq */
	TT_RETRY_MS	= 20,
	TT_END_WARN_MS	= 30000,	/* how often commands are named that keep a connection */
	TT_STARVE_MS	= 5000,		/* a command waits so long for memory */
	TT_SHARE	= 16,		/* a connection's part of memory in short supply */
};

/* conn->flags */
enum tt_flag {
	TT_CLOSING,		/* tt_conn_end() was called */
	TT_TERM,		/* a TermReq is due or sent; input is discarded */
	TT_TERM_BUILT,
	TT_TERM_SENT,		/* ... and our end is shut down */
	TT_EOF,			/* the peer will send nothing more */
	TT_RX_KICK,		/* there may be bytes that softirq left */
	TT_ICRESP,		/* an ICResp is due */
	TT_SPACE,		/* write_space came since the last sendmsg */
	TT_LIVE,		/* Connect succeeded, slots are there */
	TT_QUIET,		/* nobody watches: see tt_conn_watch() */
	TT_STAY,		/* conn->stay_work is queued or runs: see stay.c */
	TT_HELLO,		/* is it TLS? Nothing is received yet: see tls.c */
	TT_TLS,			/* it is; the worker alone reads and sends */
};

/* With TT_HELLO; from left to right, once each */
enum tt_tls_state {
	TT_TLS_FIRST,		/* the first byte is to be seen */
	TT_TLS_DUE,		/* a handshake is to begin */
	TT_TLS_SHAKING,
	TT_TLS_SHAKEN,		/* it is over; released */
};

enum tt_slot_state {
	TT_FREE,
	TT_RECV,		/* its capsule is arriving */
	TT_READY,		/* the worker shall look at it */
	TT_R2T,			/* R2Ts are out, data is arriving */
	TT_CORE,		/* the core executes it */
	TT_DONE,		/* the core is through: to be answered */
};

struct tt_conn;

/**
 * struct tt_slot - one command
 * @req: the core's part
 * @conn: its connection
 * @node: on conn->ready, ->done, ->freed or ->free
 * @r2t_node: on conn->r2tq while @r2t_queued; outlives the command harmlessly
 * @starving: on conn->starving
 * @starve_end: jiffies when it stops waiting for memory
 * @r2t_queued: bit 0: @r2t_node is on conn->r2tq
 * @xfer: the engine's view of host to controller data
 * @r2t: ring; [done, built) are out
 * @r2t_built: written by the worker, released
 * @r2t_done: written by the rx context, released
 * @tag_seq: makes the next TTAG differ from the last ones of this slot
 * @bvec: the pieces of memory; @small until that is too small
 * @small: see @bvec
 * @nr_have: pieces held
 * @max_bvec: room in @bvec
 * @mem: bytes held
 * @cur: piece that the next payload byte goes to
 * @cur_off: and where in it
 * @idx: in conn->slots
 * @cid: as on the wire
 * @status: decided by the transport, NVME_SC_*; 0: none
 * @state: enum tt_slot_state; released when the owner changes
 * @inline_data: the data is in the capsule
 * @have_data: all of the data has arrived
 */
struct tt_slot {
	struct tgt_req req;
	struct tt_conn *conn;
	struct llist_node node;
	struct llist_node r2t_node;
	struct list_head starving;
	unsigned long starve_end;
	unsigned long r2t_queued;
	struct nvme_tcp_xfer xfer;
	struct nvme_tcp_r2t r2t[TT_R2TS];
	u8 r2t_built;
	u8 r2t_done;
	u8 tag_seq;
	struct bio_vec *bvec;
	unsigned int nr_have;
	unsigned int max_bvec;
	u32 mem;
	unsigned int cur;
	u32 cur_off;
	u16 idx;
	u16 cid;
	u16 status;
	u8 state;
	bool inline_data;
	bool have_data;
	struct bio_vec small[TT_SLOT_BVECS];
};

/* Receive, under the socket lock */
struct tt_rx {
	struct tt_slot *slot;	/* the PDU's command; NULL: none */
	bool sink;		/* the PDU's payload goes nowhere */
	bool stalled;		/* @slot needs memory that softirq did not get */
	unsigned long stall_end; /* jiffies when it stops waiting for it */
	bool r2t_done;		/* this H2CData satisfies its R2T */
	unsigned int budget;	/* bytes that this pass may still read */
};

/* Send; the worker's alone */
struct tt_tx {
	struct bio_vec bv[TT_BATCH];	/* each holds one reference to its page */
	unsigned int first;		/* [first, nr) are to be sent */
	unsigned int nr;
	size_t bytes;
	struct llist_node *queue;	/* done slots, oldest first */
	struct tt_slot *slot;		/* its data is partly in the batch */
	unsigned int slot_bv;
	u32 slot_left;
	u32 crc;
	bool slot_digest;		/* a data digest is due after the data */
	bool slot_rsp;			/* a CapsuleResp follows the data */
	struct msghdr msg;
	struct page *hdr;		/* where headers are built */
	unsigned int hdr_off;
};

/* rx_* in rx context, tx_* and runs by the worker: no atomics */
struct tt_stats {
	u64 rx_pdus[NVME_TCP_TYPES];
	u64 tx_pdus[NVME_TCP_TYPES];
	u64 rx_bytes;
	u64 tx_bytes;
	u64 rx_softirq;		/* receives there */
	u64 rx_worker;
	u64 rx_stalls;		/* for want of memory */
	u64 ddgst_errors;
	u64 sends;
	u64 send_full;		/* ... that the socket did not take whole */
	u64 runs;		/* wakeups of the worker */
	u64 stays;		/* times that a worker stayed */
	u64 batches;		/* times the worker found commands ready */
	u64 starved;
};

struct tt_conn {
	struct nvme_tcp_conn eng;
	struct tgt_queue q;
	struct socket *sock;
	unsigned long flags;
	int cpu;			/* where its packets arrive */
	bool alone;			/* the worker's priority: see tt_conn_weigh() */
	unsigned long weighed_at;	/* jiffies */
	unsigned int weighed;
	unsigned int company;
	struct task_struct *worker;	/* while it runs; either of: */
	struct work_struct work;
	struct work_struct alone_work;	/* no item may change its workqueue */

	struct task_struct *stays;	/* runs stay_work; under RCU */
	struct work_struct stay_work;	/* see stay.c */
	struct timer_list stay_timer;
	unsigned int eager;		/* worker: batches since a pause */
	bool stay_ticked;

	struct {			/* see tls.c */
		u8 state;		/* enum tt_tls_state */
		int status;		/* the handshake's */
		s32 peer;		/* serial of the key that it used */
		char *identity;		/* that of q.psk_hostnqn */
	} tls;

	struct tt_rx rx;
	struct llist_node *used;	/* rx context: free, of those once freed */
	struct llist_node *free;	/* rx context: free, and never used yet */
	struct tt_slot *slots;
	unsigned int nslots;

	struct llist_head freed ____cacheline_aligned_in_smp;
	struct llist_head ready;
	struct llist_head done;
	struct llist_head r2tq;
	atomic_t inflight;
	atomic_long_t mem;		/* bytes of data memory that its slots hold */

	struct list_head starving;	/* worker */
	struct blk_plug plug;		/* worker; on a stack it would be zeroed for nothing */
	struct tt_tx tx;

	struct tt_stats stats;
	struct tt_slot first;		/* all there is until Connect succeeds */

	struct tt_port *tp;
	struct list_head entry;		/* tt_conns, under tt_conns_lock */
	struct delayed_work watch;	/* see tt_conn_watch() */
	u64 watch_rx;			/* bytes at the last look */
	u64 watch_tx;
	struct delayed_work retry;	/* memory */
	struct work_struct end_work;	/* the two halves of the end, and between them ... */
	struct work_struct ended_work;
	struct delayed_work linger;	/* ... says what is waited for */
	void (*old_data_ready)(struct sock *sk);
	void (*old_write_space)(struct sock *sk);
	void (*old_state_change)(struct sock *sk);
	void (*old_error_report)(struct sock *sk);	/* with TLS */
	struct sockaddr_storage peer;
	struct sockaddr_storage local;
};

/* Be the worker. False: another of the items is, and looks once more when it is through. */
static inline bool tt_conn_claim(struct tt_conn *conn)
{
	return !cmpxchg(&conn->worker, NULL, current);
}

/*
 * What was the worker's may be another item's. Whoever releases has to look once
 * more, behind a full barrier: others may have looked at conn->worker after they
 * added something.
 */
static inline void tt_conn_release(struct tt_conn *conn)
{
	/* Pairs with tt_conn_claim() */
	smp_store_release(&conn->worker, NULL);
}

/* A listener */
struct tt_port {
	struct tgt_port *port;
	struct socket *sock;
	struct delayed_work accept_work;
	void (*old_data_ready)(struct sock *sk);
	unsigned int nr_conns;		/* under tt_conns_lock */
	bool tls;			/* hosts may use TLS */
	bool tls_required;		/* ... and others are sent away */
	struct sockaddr_storage addr;
};

/* main.c */
extern const struct tgt_transport *tt_transport;
extern struct workqueue_struct *tt_wq;		/* all but the end; per CPU */
extern struct workqueue_struct *tt_alone_wq;	/* conn->alone_work; high priority */
extern struct workqueue_struct *tt_stay_wq;	/* conn->stay_work; */
extern struct workqueue_struct *tt_stay_alone_wq; /* ... it too, of high priority */
extern struct workqueue_struct *tt_end_wq;	/* conn->end_work and what follows */
extern wait_queue_head_t tt_idle;
extern unsigned int tt_connect_timeout;
extern unsigned int tt_data_timeout;
extern unsigned int tt_max_conns;
extern unsigned int tt_max_port_conns;
extern unsigned int tt_maxh2cdata;
extern unsigned int tt_r2t_size;
extern unsigned int tt_softirq_budget;
extern int tt_backlog;
extern int tt_priority;

/* listen.c; process context */
int tt_listen(struct tgt_port *port);
void tt_unlisten(struct tgt_port *port);
void tt_unadmit(struct tt_port *tp);

/* Drop a count of conn->inflight. Context: any. */
static inline void tt_conn_put(struct tt_conn *conn)
{
	if (atomic_dec_and_test(&conn->inflight))
		queue_work(tt_end_wq, &conn->ended_work);
}

/* conn.c */
extern struct mutex tt_conns_lock;
extern struct list_head tt_conns;
int tt_conn_open(struct tt_port *tp, struct socket *sock);
void tt_conn_end(struct tt_conn *conn);
void tt_conn_kick(struct tt_conn *conn);
void tt_conn_weigh(struct tt_conn *conn, unsigned int company);
bool tt_conn_more(struct tt_conn *conn);
bool tt_conn_round(struct tt_conn *conn);
void tt_conn_fatal(struct tt_conn *conn);
int tt_conn_go_live(struct tt_conn *conn);
void tt_conn_put_callbacks(struct tt_conn *conn);
void tt_conn_take_plain(struct tt_conn *conn);
int tt_conn_take_tls(struct tt_conn *conn);
void tt_transport_close(struct tgt_queue *q);
void tt_transport_traddr(struct tgt_queue *q, char *buf, size_t size);
void tt_transport_host_traddr(struct tgt_queue *q, char *buf, size_t size);

/* stay.c */
void tt_stay_init(struct tt_conn *conn);
void tt_stay(struct tt_conn *conn);
void tt_stay_end(struct tt_conn *conn);

/* tls.c */
#if NVME_TCP_HAS_TLS
void tt_tls_work(struct tt_conn *conn);
void tt_tls_end(struct tt_conn *conn);
#else
/* No port has TLS. */
static inline void tt_tls_work(struct tt_conn *conn) { }
static inline void tt_tls_end(struct tt_conn *conn) { }
#endif

/* rx.c */
void tt_rx_softirq(struct tt_conn *conn);
void tt_rx_work(struct tt_conn *conn);

/* tx.c */
bool tt_tx_work(struct tt_conn *conn);
void tt_tx_free(struct tt_conn *conn);

/* cmd.c */
int tt_mem_init(void);
void tt_mem_exit(void);
s64 tt_mem_used(s64 *limit);
void tt_mem_uncharge(struct tt_conn *conn, u32 bytes);
extern unsigned long tt_mem_limit;
void tt_slot_init(struct tt_conn *conn, struct tt_slot *slot, u16 idx);
struct tt_slot *tt_slot_get(struct tt_conn *conn);
void tt_slot_put(struct tt_slot *slot);
void tt_slots_trim_locked(struct tt_conn *conn);
void tt_slots_trim(struct tt_conn *conn);
void tt_mem_shrink(void);
int tt_slot_alloc(struct tt_slot *slot, u32 len, gfp_t gfp);
void tt_slot_drop_pages(struct tt_slot *slot);
void tt_slot_free_mem(struct tt_slot *slot);
void tt_slot_ready(struct tt_slot *slot);
void tt_slot_fail(struct tt_slot *slot, u16 status);
void tt_slot_want_r2t(struct tt_slot *slot);
void tt_run_ready(struct tt_conn *conn);
void tt_abort_waiting(struct tt_conn *conn);
void tt_transport_respond(struct tgt_req *req);

/* debugfs.c */
void tt_debugfs_init(void);
void tt_debugfs_exit(void);

static inline struct tt_conn *tt_conn_of(struct tgt_queue *q)
{
	return container_of(q, struct tt_conn, q);
}

/* The owner changes: what was written to the slot is there before the state. */
static inline void tt_slot_state(struct tt_slot *slot, enum tt_slot_state state)
{
	/* Pairs with the smp_load_acquire() of each reader of another context. */
	smp_store_release(&slot->state, state);
}

#endif

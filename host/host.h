/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe over TCP host: one controller is one nth_ctrl, one connection (an NVMe
 * queue, a blk-mq hardware queue) is one nth_queue, one command is one nth_cmd
 * in the request's private data. What the bytes mean is the protocol engine's
 * business (nvme-tcp-pdu.h); here are sockets, memory and blk-mq.
 */
#ifndef NTH_HOST_H
#define NTH_HOST_H

#include <linux/bio.h>
#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "nvme-core-abi.h"
#include "nvme-tcp-pdu.h"

struct dentry;
struct net;
struct sock;
struct socket;

enum nth_limits {
	/* R2Ts that the controller may have outstanding per command */
	NTH_MAXR2T		= 4,

	/* One sendmsg: that many pieces, PDUs, and bytes before it is closed */
	NTH_BATCH_BVECS		= 64,
	NTH_BATCH_PDUS		= 32,
	NTH_BATCH_BYTES		= 256 * 1024,
	/* Bytes of a sendmsg that interrupts may wait for */
	NTH_SEND_QUICK		= 8 * 1024,
	/* Commands that are each sent alone, until one at a time is the rule */
	NTH_LONE		= 64,
	/* Payload up to this size is copied along rather than referenced */
	NTH_COPY_MAX		= 256,

	/* Memory that headers are built in: pages a queue, room a PDU needs */
	NTH_ARENA_PAGES		= 4,
	NTH_ARENA_ROOM		= NVME_TCP_BUILD_MAX + NVME_TCP_DGST_SIZE,

	/* Bytes that a socket keeps charged, of what it once was for */
	NTH_SOCK_RESERVE	= 16 * 1024,

	/* Bytes that one data_ready may process before a worker takes over */
	NTH_RX_BUDGET		= 256 * 1024,
	/* Batches that one context may send before a worker takes over */
	NTH_TX_BUDGET		= 16,
	/* Times that a full socket is tried again at once when it may have room */
	NTH_TX_RETRIES		= 3,
	/* Rounds of the worker before it lets others have the CPU */
	NTH_WORK_ROUNDS		= 8,

	/* Seconds: TCP connection, ICResp, and the peer's close after TermReq */
	NTH_CONNECT_TIMEOUT	= 10,
	NTH_IC_TIMEOUT		= 10,
	NTH_TERM_TIMEOUT	= 3,
	/* Looks at a full socket within each of them */
	NTH_TERM_TICKS		= 20,
};

/* Where a command's data is, and how far the transfer has come */
struct nth_cursor {
	const struct bio_vec *bvec;
	struct bvec_iter it;
	struct bio *next;		/* the bio after this one, or NULL */
};

/* What sets few commands apart, for who completes them; 0: nothing */
enum nth_special {
	NTH_GUEST = 1,			/* see struct nth_queue */
	NTH_COUNTED,			/* one of q->inflight */
};

/*
 * struct nth_cmd - a command, in the request's private data
 *
 * It is in use by up to three parties: the peer, who owes an answer; a list
 * that it waits on to be sent; and the batch that holds one of its PDUs and
 * may still be in sendmsg when the answer comes. Each of these has a hold;
 * whoever drops the last (nth_cmd_put()) completes the request. After its put
 * a party must not look at the command again.
 *
 *	queue_rq	2: the answer, and the list of submitted commands
 *	R2T		+1 when the command goes on the list of grants
 *	sender		the list's hold goes over to the PDU that it lays out
 *	CapsuleResp	-1; C2HData with SUCCESS likewise
 *
 * A request that is cancelled is completed by the core whatever the holds say;
 * that is why nth_queue_down(), which stops both halves and empties the lists,
 * comes first.
 */
struct nth_cmd {
	struct nvme_request nr;		/* first: the core looks for it here */
	struct nvme_command sqe;
	struct nth_queue *q;
	atomic_t holds;

	/* set before submission */
	u32 in_capsule;			/* bytes of data that go in the capsule */
	struct llist_node sub;		/* on q->tx.submitted */

	/* sender's, then receiver's: its capsule has been begun, and is not answered */
	bool due;

	/* receiver's */
	bool answered;			/* the sender may look, and give up */
	bool bad_ddgst;
	u8 special;			/* enum nth_special */
	__le16 status;			/* as in a CQE */
	union nvme_result result;

	/* the engine keeps receiver and sender apart in it */
	struct nvme_tcp_xfer xfer;

	/* protected by q->tx.grant_lock */
	struct list_head grant;		/* on q->tx.grants while r2ts is not 0 */
	struct nvme_tcp_r2t r2t[NTH_MAXR2T];
	u8 r2t_first;
	u8 r2ts;

	/* sender's when H2C, receiver's when C2H */
	struct nth_cursor data;
};

/* Who sends */
enum nth_tx_from {
	NTH_TX_SUBMITTER,		/* may sleep */
	NTH_TX_WORKER,			/* may sleep */
	NTH_TX_RECEIVER,		/* TCP called us: owns the socket; any context */
	NTH_TX_FROMS,
};

/* Counters, by who writes them; named in debugfs.c */
enum nth_tx_count {
	NTH_TX_CMDS,
	NTH_TX_H2C_DATAS,
	NTH_TX_BYTES,
	NTH_TX_SENDMSGS,
	NTH_TX_BATCHES,
	NTH_TX_AGAINS,			/* the socket was full */
	NTH_TX_BY,			/* batches sent, whole or not, by whom */
	NTH_TX_COUNTS = NTH_TX_BY + NTH_TX_FROMS,
};

enum nth_rx_count {
	NTH_RX_RSPS,
	NTH_RX_C2H_DATAS,
	NTH_RX_R2TS,
	NTH_RX_BYTES,
	NTH_RX_SOFTIRQS,		/* passes, by where */
	NTH_RX_WORKERS,
	NTH_RX_POLLS,
	NTH_RX_OVER_BUDGETS,
	NTH_RX_SUCCESSES,		/* commands without a CapsuleResp */
	NTH_RX_DDGST_ERRORS,
	NTH_RX_COUNTS,
};

/* The bytes of a batch that one sendmsg shall take, and what it carries */
struct nth_tx {
	/*
	 * Submitted commands and, behind grant_lock, those with R2Ts to serve.
	 * Everything else belongs to whoever holds NTH_Q_SENDING.
	 */
	struct llist_head submitted;
	spinlock_t grant_lock;		/* grants, and the r2t[] of commands */
	struct list_head grants;

	struct llist_node *next_sub;	/* taken off submitted, in order */
	bool grant_turn;

	/* the PDU that is being laid out: it may be longer than a batch */
	struct nth_cmd *cur;
	u32 cur_left;			/* payload bytes to go */
	u32 cur_crc;
	bool cur_ddgst;

	/* the batch: laid out once, then sent until sent == bytes */
	enum nth_how {
		NTH_EITHER,		/* little enough to copy, safe to refer to */
		NTH_COPY,		/* has pages that must not be referred to */
		NTH_SPLICE,		/* page references */
	} how;
	unsigned int nr_bv;
	unsigned int nr_pdu;
	unsigned int first_pdu;
	u32 bytes;
	u32 sent;
	bool more;			/* another batch will follow at once */
	u32 sent_cmds;			/* of this connection; wraps */
	unsigned int lone;		/* see nth_send_quick() */
	struct msghdr msg;
	struct bio_vec bv[NTH_BATCH_BVECS];
	struct {
		struct nth_cmd *cmd;
		u32 end;		/* offset in the batch behind the PDU */
	} pdu[NTH_BATCH_PDUS];

	/*
	 * Headers are built in pages that the network may go on referring to
	 * after sendmsg; a page is written to again from the start only when
	 * nobody does. The spare is never sent by reference: it is used when
	 * there is no memory.
	 */
	struct page *arena[NTH_ARENA_PAGES];
	struct page *spare;
	struct page *page;		/* the one in use */
	unsigned int arena_at;
	u32 page_off;			/* first free byte */
	u32 batch_off;			/* where this batch began */

	u64 count[NTH_TX_COUNTS];
};

enum nth_queue_flags {
	NTH_Q_UP,		/* has a socket with our callbacks */
	NTH_Q_LIVE,		/* Fabrics Connect has succeeded */
	NTH_Q_FAILED,		/* to be taken down; q->error says why */
	NTH_Q_STOPPING,		/* somebody waits for the two bits below */
	NTH_Q_SENDING,		/* bit lock: the sender's state */
	NTH_Q_POLLING,		/* bit lock: a ->poll() may use the socket */
	NTH_Q_SPACE,		/* write_space came since the last look */
	NTH_Q_RX_MORE,		/* the worker is to read */
	NTH_Q_TERM,		/* H2CTermReq is due (see conn.err) */
	NTH_Q_TERM_SENT,	/* It is in the batch, or has been */
	NTH_Q_SHORT,		/* fewer entries than blk-mq has tags: they are counted */
	NTH_Q_TLS,		/* the kernel's TLS layer is in between: see tls.c */
};

/*
 * struct nth_queue - one connection
 *
 * Life: allocated when the controller first needs it, freed with the
 * controller. In between it goes up (socket, ICReq, ICResp) and down any
 * number of times. down_lock serializes the two.
 *
 * Receiving (conn's receive half, rx_cmd, rx counters) is done by whoever owns
 * the socket: sk_data_ready and ->poll() with the socket's spinlock held, the
 * worker between lock_sock() and release_sock().
 *
 * Sending (tx) is done by whoever has set NTH_Q_SENDING, a lock that is only
 * ever tried. Who fails to get it is sure that the holder looks for work once
 * more after letting go. The holder may sleep in lock_sock().
 *
 * Taking down, nth_queue_down(), in this order:
 *  1. LIVE and UP are cleared: no new commands, no new polls
 *  2. the socket's callbacks are restored under its lock: nobody
 *     receives in softirq, nobody queues the worker any more
 *  3. the worker is cancelled
 *  4. SENDING is acquired and kept, POLLING is waited for: sendmsg and reads
 *     do not block, so both come soon
 *  5. lists and batch are emptied
 *  6. the socket is released; what it still refers to is dropped with a RST
 * After that no context refers to a command of this queue and the requests
 * can be cancelled.
 *
 * Heirs and guests: when the controller gives fewer queues than it did before
 * a reconnect, blk-mq still has requests bound to queues that are no more, and
 * will not make its map anew before these have ended. Meanwhile such a queue
 * has an heir, a live one which sends these commands, one at a time, with the
 * one CID that no request of its own uses: the tag reserved for Connect.
 */
struct nth_queue {
	struct nth_ctrl *ctrl;
	struct socket *sock;
	unsigned long flags;		/* enum nth_queue_flags */
	int qid;
	int cpu;			/* the worker's */
	enum hctx_type type;
	u32 in_capsule;			/* bytes of data a capsule may carry */
	struct blk_mq_tags *tags;	/* of the hardware queue; NULL: no tag set */

	struct nth_tx tx ____cacheline_aligned_in_smp;

	/* receiver's */
	struct nvme_tcp_conn conn ____cacheline_aligned_in_smp;
	struct nth_cmd *rx_cmd;		/* whose C2HData is arriving */
	size_t rx_budget;		/* bytes that this pass may still read */
	struct io_comp_batch *iob;	/* of this pass, or NULL */
	struct io_comp_batch own_iob;	/* empty between passes */
	unsigned int completed;		/* in this pass */
	u32 answers;			/* of this connection; wraps */
	u64 rx_count[NTH_RX_COUNTS];

	atomic_t inflight;		/* commands, with NTH_Q_SHORT */
	struct nth_queue *heir;		/* of a queue that is no more */
	struct nth_cmd *guest;		/* of an heir: cmpxchg from NULL, and back */

	struct delayed_work work;
	struct mutex down_lock;		/* going up, going down; outside of cancel_lock */
	struct completion wait;		/* connected, ICResp, or failed */
	int error;			/* valid with NTH_Q_FAILED */
	wait_queue_head_t closed;	/* after H2CTermReq */

	struct task_struct *tls_reader;	/* while the worker reads */

	/* the socket's own callbacks */
	void (*data_ready)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*error_report)(struct sock *sk);	/* with TLS */

	/* for debugfs: the last connection's */
	struct sockaddr_storage local;
	u64 connects;
	u64 failures;
};

/*
 * struct nth_ctrl - one controller
 *
 * References: the core's (nvme_get_ctrl / nvme_put_ctrl); free_ctrl, called
 * with the last, frees queues and this. On nth_ctrls from creation until then.
 *
 * The core's state says who may touch the connections:
 *	NEW, CONNECTING		the creator, reset_work or reconnect_work
 *	RESETTING		reset_work or, with NTH_C_RECOVER, error_work
 *	DELETING		delete_work, which has waited for the others
 *	LIVE			nobody; a failure is what leads to RESETTING
 * In every state nth_queue_down() and cancelling requests may happen from a
 * timeout or from error_work as well; cancel_lock keeps a request from being
 * cancelled twice, and these two cancel under the queue's down_lock as well, lest
 * it has come up again.
 */
struct nth_ctrl {
	struct nvme_ctrl ctrl;
	struct list_head entry;		/* on nth_ctrls */
	unsigned long flags;		/* enum nth_ctrl_flags */

	struct net *net;
	struct sockaddr_storage addr;
	struct sockaddr_storage src;

	struct nth_queue **queues;	/* [0] is the admin queue */
	unsigned int max_queues;
	unsigned int io_queues[HCTX_MAX_TYPES];
	u16 sqsize;			/* 0-based, when io_set was made: its tags stay as many */

	struct blk_mq_tag_set admin_set;
	struct blk_mq_tag_set io_set;
	struct nth_cmd aer;		/* of no request; see nth_submit_async_event() */

	struct mutex cancel_lock;	/* no request is cancelled twice */
	struct mutex resize_lock;	/* error_work does not walk tags that are replaced */
	struct work_struct error_work;
	struct delayed_work reconnect_work;

	struct dentry *debugfs;
	u64 resets;
	u64 recoveries;
};

enum nth_ctrl_flags {
	NTH_C_RECOVER,			/* error_work is to do a full recovery */
};

static inline struct nth_ctrl *nth_ctrl(struct nvme_ctrl *ctrl)
{
	return container_of(ctrl, struct nth_ctrl, ctrl);
}

static inline struct request *nth_rq(struct nth_cmd *cmd)
{
	return blk_mq_rq_from_pdu(cmd);
}

static inline bool nth_is_aer(const struct nth_cmd *cmd)
{
	return cmd == &cmd->q->ctrl->aer;
}

static inline bool nth_tx_lock(struct nth_queue *q)
{
	return !test_and_set_bit_lock(NTH_Q_SENDING, &q->flags);
}

static inline void nth_unlock_bit(struct nth_queue *q, enum nth_queue_flags bit)
{
	clear_bit_unlock(bit, &q->flags);
	/* Pairs with who adds work and then fails to get the lock */
	smp_mb__after_atomic();
	if (unlikely(test_bit(NTH_Q_STOPPING, &q->flags)))
		wake_up_bit(&q->flags, bit);
}

static inline void nth_tx_unlock(struct nth_queue *q)
{
	nth_unlock_bit(q, NTH_Q_SENDING);
}

/* Whether opts->tls can be there at all is the kernel's to say. */
static inline bool nth_tls_wanted(const struct nth_ctrl *ctrl)
{
#ifdef HAVE_NVMF_OPT_TLS
	return ctrl->ctrl.opts->tls || ctrl->ctrl.opts->tls_key;
#else
	return false;
#endif
}

static inline bool nth_polled(const struct nth_queue *q)
{
	return q->type == HCTX_TYPE_POLL;
}

/* main.c */
extern struct workqueue_struct *nth_wq;
extern unsigned int nth_so_priority;

/* ctrl.c */
struct nvme_ctrl *nth_ctrl_create(struct device *dev,
				  struct nvmf_ctrl_options *opts);
void nth_ctrl_delete_all(void);
void nth_ctrl_error(struct nth_ctrl *ctrl);

/* bringup.c */
void nth_cancel_queue(struct nth_queue *q);
int nth_admin_up(struct nth_ctrl *ctrl, bool first);
void nth_admin_down(struct nth_ctrl *ctrl, bool remove);
int nth_io_up(struct nth_ctrl *ctrl, bool first);
void nth_io_down(struct nth_ctrl *ctrl, bool remove);
void nth_map_queues(struct blk_mq_tag_set *set);

/* queue.c */
struct nth_queue *nth_queue_alloc(struct nth_ctrl *ctrl, int qid);
void nth_queue_free(struct nth_queue *q);
int nth_queue_up(struct nth_queue *q);
void nth_queue_down(struct nth_queue *q);
void nth_queue_down_failed(struct nth_queue *q);
void nth_queue_fail(struct nth_queue *q, int error);
int nth_queue_why(const struct nth_queue *q, int ret);
void nth_queue_kick(struct nth_queue *q);

/* sock.c */
int nth_sock_open(struct nth_queue *q);
void nth_sock_detach(struct nth_queue *q);
void nth_sock_close(struct nth_queue *q);
int nth_sock_attach_tls(struct nth_queue *q);

/* tls.c */
int nth_tls_start(struct nth_queue *q);

/* rx.c */
bool nth_rx_run(struct nth_queue *q, struct io_comp_batch *iob, size_t budget);
bool nth_rx_work(struct nth_queue *q);
int nth_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob);

/* tx.c */
int nth_tx_init(struct nth_tx *tx, int node);
void nth_tx_exit(struct nth_tx *tx);
bool nth_tx_pending(struct nth_queue *q);
bool nth_tx_run(struct nth_queue *q, enum nth_tx_from from);
void nth_tx_drain(struct nth_queue *q);
int nth_tx_term(struct nth_queue *q);

/* request.c */
extern const struct blk_mq_ops nth_admin_ops;
extern const struct blk_mq_ops nth_io_ops;
void nth_cmd_put(struct nth_cmd *cmd, struct io_comp_batch *iob);
struct nth_cmd *nth_find_cmd(struct nth_queue *q, u16 cid);
void nth_submit_async_event(struct nvme_ctrl *ctrl);
void nth_cursor_next(struct nth_cursor *cur);

/* debugfs.c */
int nth_debugfs_init(void);
void nth_debugfs_exit(void);
void nth_debugfs_add(struct nth_ctrl *ctrl);
void nth_debugfs_remove(struct nth_ctrl *ctrl);

/*
 * One more command is to be sent; it has a hold for the list. nth_tx_run() has to
 * follow at some time. Context: any.
 */
static inline void nth_tx_submit(struct nth_queue *q, struct nth_cmd *cmd)
{
	llist_add(&cmd->sub, &q->tx.submitted);
}

/* The piece that @cur points at: physically contiguous, maybe several pages */
static inline struct bio_vec nth_cursor_piece(const struct nth_cursor *cur)
{
	return mp_bvec_iter_bvec(cur->bvec, cur->it);
}

/* @n bytes are done with, at most what nth_cursor_piece() has */
static inline void nth_cursor_advance(struct nth_cursor *cur, unsigned int n)
{
	bvec_iter_advance_single(cur->bvec, &cur->it, n);
	if (!cur->it.bi_size && cur->next)
		nth_cursor_next(cur);
}

#endif

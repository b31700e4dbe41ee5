// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection. The order of its end is in tcp.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/tcp.h>

#include "tcp.h"

DEFINE_MUTEX(tt_conns_lock);	/* tt_conns, and counts of connections */
LIST_HEAD(tt_conns);

/* Wake the worker that stays; false: there is none. */
static bool tt_conn_wake(struct tt_conn *conn)
{
	struct task_struct *task;

	/* Pairs with tt_stay_work(): it sees what was added, or we see it leave. */
	smp_mb();
	/* It may be through with the connection, but not gone. Any RCU does. */
	rcu_read_lock_sched();
	task = READ_ONCE(conn->stays);
	if (task)
		wake_up_process(task);
	rcu_read_unlock_sched();
	return task;
}

/**
 * tt_conn_kick - have the worker look
 * @conn: connection
 *
 * The worker need not be told of what it does itself, or of what happens in an
 * interrupt on top of it: it looks once more before it leaves.
 *
 * Context: any.
 */
void tt_conn_kick(struct tt_conn *conn)
{
	int cpu = READ_ONCE(conn->cpu);

	if (READ_ONCE(conn->worker) == current)
		return;
	if (tt_conn_wake(conn))
		return;
	if (READ_ONCE(conn->alone))
		queue_work_on(cpu, tt_alone_wq, &conn->alone_work);
	else
		queue_work_on(cpu, tt_wq, &conn->work);
}

/**
 * tt_conn_weigh - how shall the next commands be waited for?
 * @conn: connection; a batch of commands was ready
 * @company: how many they were, or 0: one, and no other was in flight
 *
 * A worker of high priority cuts in on whoever sends commands from this CPU, or
 * waits for their answers there: good for one command at a time. Of normal
 * priority it waits for its turn, and commands gather meanwhile. But whether
 * they would shows only where they can, and not at once: there are trials of
 * normal priority, and a time of the other follows where few came in company.
 * After a pause it may be another who sends.
 *
 * Context: worker.
 */
void tt_conn_weigh(struct tt_conn *conn, unsigned int company)
{
	unsigned long now = jiffies;

	if (time_after(now, conn->weighed_at + TT_PAUSE)) {
		WRITE_ONCE(conn->alone, false);
		conn->weighed = 0;
		conn->company = 0;
		conn->eager = 0;
	}
	conn->weighed_at = now;
	if (++conn->eager >= TT_STAY_AFTER) {
		conn->eager = 0;
		/* With TLS the host has a worker as well: both run in one, one after the other. */
		if (!test_bit(TT_TLS, &conn->flags))
			tt_stay(conn);
	}
	conn->company += company;
	if (++conn->weighed < (conn->alone ? TT_ALONE : TT_TRIAL))
		return;
	WRITE_ONCE(conn->alone, !conn->alone && conn->company < TT_COMPANY);
	conn->weighed = 0;
	conn->company = 0;
}

/**
 * tt_conn_end - tear a connection down
 * @conn: connection
 *
 * Context: any.
 */
void tt_conn_end(struct tt_conn *conn)
{
	if (!test_and_set_bit(TT_CLOSING, &conn->flags))
		queue_work(tt_end_wq, &conn->end_work);
}

/* What an administrator may want to know of an error besides */
static const char *tt_conn_hint(const struct tt_conn *conn)
{
	if (!conn->tp->tls && !conn->stats.rx_pdus[NVME_TCP_ICREQ] &&
	    conn->eng.hdr[0] == TT_TLS_RECORD)
		return "; the host wants TLS, and this port has none (addr_tsas)";
	return "";
}

/**
 * tt_conn_fatal - the engine, or rx, found an error that ends the connection
 * @conn: connection; conn->eng.err says why
 *
 * What follows from the peer is discarded. It gets a TermReq if one is due, and
 * TT_LINGER_MS to close its end.
 *
 * Context: rx.
 */
void tt_conn_fatal(struct tt_conn *conn)
{
	const struct nvme_tcp_err *err = &conn->eng.err;

	if (test_and_set_bit(TT_TERM, &conn->flags))
		return;
	if (err->fes)
		pr_warn_ratelimited("%pISpc: queue %u: %s: %s (FES %#x, FEI %#x)%s\n",
				    &conn->peer, conn->q.qid, err->what,
				    nvme_tcp_fes_name(err->fes, NVME_TCP_HOST),
				    err->fes, err->fei, tt_conn_hint(conn));
	mod_delayed_work(tt_wq, &conn->watch, msecs_to_jiffies(TT_LINGER_MS));
	tt_conn_kick(conn);
}

/* --- timers --------------------------------------------------------------- */

/* Does the host owe us data, or room for what we send? A hint, read unlocked. */
static bool tt_conn_owed(struct tt_conn *conn)
{
	unsigned int i;

	if (READ_ONCE(conn->tx.bytes) || READ_ONCE(conn->rx.slot))
		return true;
	for (i = 0; i < conn->nslots; i++)
		if (READ_ONCE(conn->slots[i].state) == TT_R2T)
			return true;
	return false;
}

static void tt_conn_watch_again(struct tt_conn *conn)
{
	unsigned int secs = READ_ONCE(tt_data_timeout);

	if (secs)
		queue_delayed_work(tt_wq, &conn->watch, secs_to_jiffies(secs));
}

/* Until a connection is live: what is it that its host is late with? */
static const char *tt_conn_due(const struct tt_conn *conn)
{
	if (test_bit(TT_HELLO, &conn->flags) &&
	    READ_ONCE(conn->tls.state) != TT_TLS_FIRST)
		return "TLS handshake";
	return conn->eng.phase == NVME_TCP_PHASE_IC ? "ICReq" : "Connect";
}

/*
 * What a connection is given time for: at first, to get through Connect; then
 * to move its data on, looked at now and then; after a TermReq, to close.
 *
 * Where nothing is to be moved, nobody looks: TT_QUIET asks whoever receives
 * something to call the worker, which arms this again. That has been asked for a
 * whole period when the last look is over, so nobody can have missed it.
 */
static void tt_conn_watch(struct work_struct *work)
{
	struct tt_conn *conn = container_of(to_delayed_work(work), struct tt_conn, watch);
	bool still;

	if (test_bit(TT_TERM, &conn->flags)) {
		tt_conn_end(conn);
		return;
	}
	/* Pairs with tt_conn_go_live(): below, slots are looked at. */
	if (!test_bit_acquire(TT_LIVE, &conn->flags)) {
		pr_warn_ratelimited("%pISpc: no %s in time, closing\n", &conn->peer,
				    tt_conn_due(conn));
		tt_conn_end(conn);
		return;
	}
	still = conn->watch_rx == READ_ONCE(conn->stats.rx_bytes) &&
		conn->watch_tx == READ_ONCE(conn->stats.tx_bytes);
	if (still && tt_conn_owed(conn)) {
		pr_warn_ratelimited("%pISpc: queue %u: the host moves no data, closing\n",
				    &conn->peer, conn->q.qid);
		tt_conn_end(conn);
		return;
	}
	if (still && atomic_long_read(&conn->mem))
		tt_slots_trim(conn);
	if (still && test_and_set_bit(TT_QUIET, &conn->flags))
		return;
	conn->watch_rx = READ_ONCE(conn->stats.rx_bytes);
	conn->watch_tx = READ_ONCE(conn->stats.tx_bytes);
	tt_conn_watch_again(conn);
}

static void tt_conn_retry(struct work_struct *work)
{
	struct tt_conn *conn = container_of(to_delayed_work(work), struct tt_conn, retry);

	/* For a stalled receiver, if it is that which waits */
	set_bit(TT_RX_KICK, &conn->flags);
	tt_conn_kick(conn);
}

/* --- the worker ----------------------------------------------------------- */

/**
 * tt_conn_more - is there anything that a kick may have been about?
 * @conn: connection
 *
 * One that found the worker running is not repeated. Read without being the
 * worker, too; then it is a hint.
 *
 * Context: any.
 * Return: whether the worker would find something.
 */
bool tt_conn_more(struct tt_conn *conn)
{
	if (test_bit(TT_RX_KICK, &conn->flags) || !llist_empty(&conn->ready) ||
	    unlikely(test_bit(TT_EOF, &conn->flags)))
		return true;
	/* A full socket says when it has room again, and may have done so. */
	if (READ_ONCE(conn->tx.bytes))
		return test_bit(TT_SPACE, &conn->flags);
	if (unlikely(test_bit(TT_TERM, &conn->flags)))
		return !test_bit(TT_TERM_BUILT, &conn->flags);
	return test_bit(TT_ICRESP, &conn->flags) ||
	       !llist_empty(&conn->done) || !llist_empty(&conn->r2tq);
}

/**
 * tt_conn_round - do what is to be done
 * @conn: connection that is not closing
 *
 * Context: worker; may sleep, not to be reclaimed by I/O.
 * Return: whether there is more, whatever tt_conn_more() says.
 */
bool tt_conn_round(struct tt_conn *conn)
{
	bool busy;

	if (unlikely(test_bit(TT_QUIET, &conn->flags))) {
		clear_bit(TT_QUIET, &conn->flags);
		tt_conn_watch_again(conn);
	}
	tt_rx_work(conn);
	tt_run_ready(conn);
	busy = tt_tx_work(conn);
	/* Everything that came before the FIN has been looked at. */
	if (unlikely(test_bit(TT_EOF, &conn->flags)) &&
	    !test_bit(TT_RX_KICK, &conn->flags))
		tt_conn_end(conn);
	return busy;
}

static void tt_conn_run(struct tt_conn *conn)
{
	unsigned int noio;
	bool busy = false;
	int i = 0;

	if (!tt_conn_claim(conn))
		return;
	noio = memalloc_noio_save();
	conn->stats.runs++;
	do {
		if (unlikely(test_bit(TT_CLOSING, &conn->flags)))
			break;
		busy = tt_conn_round(conn);
	} while ((busy || tt_conn_more(conn)) && ++i < TT_ROUNDS);
	/* Others have to have their turn, that is all: it is to be found again. */
	if (unlikely(busy))
		set_bit(TT_RX_KICK, &conn->flags);
	tt_conn_release(conn);
	/* Against who looked at conn->worker after a list was added to */
	smp_mb();
	memalloc_noio_restore(noio);

	if (!test_bit(TT_CLOSING, &conn->flags) && tt_conn_more(conn))
		tt_conn_kick(conn);
}

static void tt_conn_work(struct work_struct *work)
{
	tt_conn_run(container_of(work, struct tt_conn, work));
}

static void tt_conn_alone_work(struct work_struct *work)
{
	tt_conn_run(container_of(work, struct tt_conn, alone_work));
}

static void tt_conn_cancel(struct tt_conn *conn)
{
	cancel_work_sync(&conn->work);
	cancel_work_sync(&conn->alone_work);
}

/*
 * To the page: slots are most of what an idle connection costs, and the slab
 * allocator would round 128 of them up by a quarter.
 */
static struct tt_slot *tt_slots_alloc(unsigned int n)
{
	const gfp_t gfp = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
	const size_t size = n * sizeof(struct tt_slot);
	void *slots = alloc_pages_exact(size, gfp | __GFP_NORETRY);

	return slots ?: __vmalloc(size, gfp);
}

static void tt_slots_free(struct tt_slot *slots, unsigned int n)
{
	if (is_vmalloc_addr(slots))
		vfree(slots);
	else
		free_pages_exact(slots, n * sizeof(*slots));
}

/*
 * The Connect has succeeded: one slot per entry of the queue. To be called
 * before the host can know.
 *
 * Context: worker; may sleep.
 */
int tt_conn_go_live(struct tt_conn *conn)
{
	struct sock *sk = conn->sock->sk;
	unsigned int n = conn->q.size, i;
	struct tgt_port *port = conn->q.port;
	struct tt_slot *slots = NULL;

	if (n && n <= TT_SLOTS_MAX)
		slots = tt_slots_alloc(n);
	if (!slots) {
		pr_warn_ratelimited("%pISpc: queue %u: no memory for %u commands, closing\n",
				    &conn->peer, conn->q.qid, n);
		tt_conn_end(conn);
		return -ENOMEM;
	}
	for (i = 0; i < n; i++) {
		tt_slot_init(conn, &slots[i], i);
		slots[i].node.next = i + 1 < n ? &slots[i + 1].node : NULL;
	}

	lock_sock(sk);
	/* conn->first is the Connect's; it will be put on freed for the last time. */
	conn->slots = slots;
	conn->nslots = n;
	conn->free = &slots[0].node;
	if (!conn->q.qid)
		conn->eng.local.incapsule = NVME_TCP_ADMIN_INCAPSULE;
	else
		conn->eng.local.incapsule = port->inline_data_size < 0 ?
			TGT_INLINE_DEFAULT : port->inline_data_size;
	nvme_tcp_conn_live(&conn->eng);
	/* Pairs with tt_conn_watch(): the slots are there. */
	smp_mb__before_atomic();
	set_bit(TT_LIVE, &conn->flags);
	if (!test_bit(TT_TERM, &conn->flags)) {
		cancel_delayed_work(&conn->watch);
		tt_conn_watch_again(conn);
	}
	release_sock(sk);
	return 0;
}

/* --- socket callbacks ----------------------------------------------------- */

static inline void tt_conn_on_cpu(struct tt_conn *conn)
{
	int cpu = raw_smp_processor_id();

	if (unlikely(READ_ONCE(conn->cpu) != cpu))
		WRITE_ONCE(conn->cpu, cpu);
}

/*
 * Called under the socket lock always, of which TCP has one of the two kinds, and
 * so not while the callbacks are changed: see tt_conn_open() and
 * tt_conn_put_callbacks().
 */
static void tt_conn_data_ready(struct sock *sk)
{
	struct tt_conn *conn = sk->sk_user_data;

	sock_owned_by_me(sk);
	if (unlikely(!conn))
		return;
	tt_conn_on_cpu(conn);
	if (sock_owned_by_user_nocheck(sk)) {
		set_bit(TT_RX_KICK, &conn->flags);
		tt_conn_kick(conn);
	} else {
		tt_rx_softirq(conn);
	}
}

/*
 * For the worker: the first bytes of what may be TLS, or of what is, a record.
 * Called under the socket lock as well; of records by whoever comes upon them. A
 * reader who does so goes on reading, and need not be told to. (An interrupt on top
 * of the worker is another matter: it finds the socket not owned.)
 */
static void tt_conn_tls_data_ready(struct sock *sk)
{
	struct tt_conn *conn = sk->sk_user_data;

	sock_owned_by_me(sk);
	if (unlikely(!conn))
		return;
	if (in_serving_softirq())
		tt_conn_on_cpu(conn);
	if (test_bit(TT_TLS, &conn->flags) && sock_owned_by_user_nocheck(sk) &&
	    READ_ONCE(conn->worker) == current)
		return;
	set_bit(TT_RX_KICK, &conn->flags);
	tt_conn_kick(conn);
}

static void tt_conn_write_space(struct sock *sk)
{
	struct tt_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		set_bit(TT_SPACE, &conn->flags);
		tt_conn_kick(conn);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* The TLS layer comes first: it may have what is left of a record to send. */
static void tt_conn_tls_write_space(struct sock *sk)
{
	struct tt_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn)
		conn->old_write_space(sk);
	read_unlock_bh(&sk->sk_callback_lock);
	tt_conn_write_space(sk);
}

/* What comes is no record: that is said in this way alone. */
static void tt_conn_tls_error_report(struct sock *sk)
{
	struct tt_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn) {
		conn->old_error_report(sk);
		set_bit(TT_RX_KICK, &conn->flags);
		tt_conn_kick(conn);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static bool tt_sk_ended(const struct sock *sk)
{
	return sk->sk_shutdown & RCV_SHUTDOWN || sk->sk_state == TCP_CLOSE;
}

static void tt_conn_state_change(struct sock *sk)
{
	struct tt_conn *conn;

	read_lock_bh(&sk->sk_callback_lock);
	conn = sk->sk_user_data;
	if (conn && tt_sk_ended(sk)) {
		set_bit(TT_RX_KICK, &conn->flags);
		set_bit(TT_EOF, &conn->flags);
		tt_conn_kick(conn);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* All but data_ready. The socket is owned, and its callback lock held. */
static void tt_sk_take(struct tt_conn *conn, struct sock *sk,
		       void (*write_space)(struct sock *sk))
{
	conn->old_write_space = sk->sk_write_space;
	conn->old_state_change = sk->sk_state_change;
	sk->sk_user_data = conn;
	sk->sk_write_space = write_space;
	sk->sk_state_change = tt_conn_state_change;
	/* What came before the callbacks did */
	set_bit(TT_RX_KICK, &conn->flags);
	if (tt_sk_ended(sk))
		set_bit(TT_EOF, &conn->flags);
}

/**
 * tt_conn_take_plain - the connection is one without TLS after all
 * @conn: connection with TT_HELLO and our callbacks
 *
 * Context: worker.
 */
void tt_conn_take_plain(struct tt_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	/* Unless they have been put back */
	if (sk->sk_user_data)
		sk->sk_data_ready = tt_conn_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	clear_bit(TT_HELLO, &conn->flags);
	set_bit(TT_RX_KICK, &conn->flags);
	release_sock(sk);
}

/**
 * tt_conn_take_tls - hands have been shaken, the socket is ours again
 * @conn: connection with TT_HELLO and without callbacks
 *
 * Context: worker.
 * Return: 0 or -errno.
 */
int tt_conn_take_tls(struct tt_conn *conn)
{
	struct sock *sk = conn->sock->sk;
	int ret = -ECONNABORTED;

	lock_sock(sk);
	/* Whoever puts callbacks back for the last time has set that before. */
	if (!test_bit(TT_CLOSING, &conn->flags))
		ret = nvme_tcp_tls_hook(sk, tt_conn_tls_data_ready, &conn->old_data_ready);
	if (!ret) {
		write_lock_bh(&sk->sk_callback_lock);
		tt_sk_take(conn, sk, tt_conn_tls_write_space);
		conn->old_error_report = sk->sk_error_report;
		sk->sk_error_report = tt_conn_tls_error_report;
		set_bit(TT_TLS, &conn->flags);
		clear_bit(TT_HELLO, &conn->flags);
		write_unlock_bh(&sk->sk_callback_lock);
	}
	release_sock(sk);
	return ret;
}

/**
 * tt_conn_put_callbacks - put the socket's callbacks back
 * @conn: connection; nothing to do where it has none
 *
 * Context: process. On return none is running or will run.
 */
void tt_conn_put_callbacks(struct tt_conn *conn)
{
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		if (test_bit(TT_TLS, &conn->flags)) {
			nvme_tcp_tls_unhook(sk, conn->old_data_ready);
			sk->sk_error_report = conn->old_error_report;
		} else {
			sk->sk_data_ready = conn->old_data_ready;
		}
		sk->sk_write_space = conn->old_write_space;
		sk->sk_state_change = conn->old_state_change;
		sk->sk_user_data = NULL;
	}
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

/* --- the end -------------------------------------------------------------- */

static void tt_conn_free(struct tt_conn *conn)
{
	unsigned int i;

	tt_tx_free(conn);
	tt_slot_free_mem(&conn->first);
	if (conn->slots != &conn->first) {
		for (i = 0; i < conn->nslots; i++)
			tt_slot_free_mem(&conn->slots[i]);
		tt_slots_free(conn->slots, conn->nslots);
	}
	nvme_tcp_sock_release(conn->sock);
	kfree(conn->tls.identity);
	kfree(conn);
}

/*
 * A peer that has closed its end gets our FIN, any other is reset. Nobody is waited
 * for: TCP stops the timers of a kernel's socket as that is closed, so that a FIN that
 * is lost would never be repeated, nor the socket ever go.
 */
static void tt_conn_shutdown(struct tt_conn *conn)
{
	if (unlikely(test_bit(TT_TLS, &conn->flags)))
		nvme_tcp_tls_bye(conn->sock);
	sock_no_linger(conn->sock->sk);
	kernel_sock_shutdown(conn->sock, SHUT_RDWR);
}

/* The first half: from here on nothing comes in and nothing goes out. */
static void tt_conn_end_work(struct work_struct *work)
{
	struct tt_conn *conn = container_of(work, struct tt_conn, end_work);

	tt_conn_put_callbacks(conn);
	tt_conn_shutdown(conn);
	/* The worker arms both timers, until it looks at TT_CLOSING: it comes first. */
	tt_conn_cancel(conn);
	tt_stay_end(conn);
	tt_tls_end(conn);
	cancel_delayed_work_sync(&conn->watch);
	cancel_delayed_work_sync(&conn->retry);

	tgt_queue_stop(&conn->q);
	tt_abort_waiting(conn);

	/* With nobody to receive there will be no more than now. */
	if (atomic_read(&conn->inflight) > 1)
		queue_delayed_work(tt_end_wq, &conn->linger, msecs_to_jiffies(TT_END_WARN_MS));
	tt_conn_put(conn);
}

/* The other half, when all commands are back */
static void tt_conn_ended_work(struct work_struct *work)
{
	struct tt_conn *conn = container_of(work, struct tt_conn, ended_work);
	struct tt_port *tp = conn->tp;

	cancel_delayed_work_sync(&conn->linger);
	/* Who gave back the last ones has kicked it. */
	tt_conn_cancel(conn);
	tgt_queue_exit(&conn->q);

	mutex_lock(&tt_conns_lock);
	list_del(&conn->entry);
	mutex_unlock(&tt_conns_lock);

	tt_conn_free(conn);

	tt_unadmit(tp);
}

/* Between the halves: who looks for what holds a port finds it in the log. */
static void tt_conn_linger(struct work_struct *work)
{
	struct tt_conn *conn = container_of(to_delayed_work(work), struct tt_conn, linger);

	pr_warn("%pISpc: queue %u: %d commands still in the core\n", &conn->peer,
		conn->q.qid, atomic_read(&conn->inflight));
	queue_delayed_work(tt_end_wq, &conn->linger, msecs_to_jiffies(TT_END_WARN_MS));
}

/* --- the beginning -------------------------------------------------------- */

/*
 * The socket is live: packets take its lock while we are here. So lockdep's class
 * of it stays the one for sockets of the kernel's, which it has from its listener.
 */
static void tt_sock_setup(struct sock *sk)
{
	/*
	 * What a half-open peer may cost where the host asked for no keep alive; so
	 * rarely that a connection at rest costs nothing to speak of.
	 */
	sock_set_keepalive(sk);
	tcp_sock_set_keepidle(sk, 300);
	tcp_sock_set_keepintvl(sk, 10);
	tcp_sock_set_keepcnt(sk, 3);
	tcp_sock_set_nodelay(sk);
	if (tt_priority > 0)
		sock_set_priority(sk, tt_priority);
	/* The worker may be what reclaim waits for. */
	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
}

/**
 * tt_conn_open - a connection was accepted
 * @tp: by this listener, whose count of connections includes it
 * @sock: its socket, ours unless this fails
 *
 * Context: process.
 * Return: 0 or -errno.
 */
int tt_conn_open(struct tt_port *tp, struct socket *sock)
{
	struct nvme_tcp_params params = {
		.hdgst		= true,
		.ddgst		= true,
		.maxh2cdata	= tt_maxh2cdata,
		.incapsule	= NVME_TCP_ADMIN_INCAPSULE,
	};
	struct sock *sk = sock->sk;
	struct tt_conn *conn;
	int ret;

	conn = kzalloc(sizeof(*conn), GFP_KERNEL);
	if (!conn)
		return -ENOMEM;
	ret = kernel_getpeername(sock, (struct sockaddr *)&conn->peer);
	if (ret >= 0)
		ret = kernel_getsockname(sock, (struct sockaddr *)&conn->local);
	if (ret < 0) {
		kfree(conn);
		return ret;
	}

	conn->sock = sock;
	conn->tp = tp;
	if (tp->tls)
		conn->flags = BIT(TT_HELLO);
	conn->cpu = raw_smp_processor_id();
	INIT_WORK(&conn->work, tt_conn_work);
	INIT_WORK(&conn->alone_work, tt_conn_alone_work);
	INIT_WORK(&conn->end_work, tt_conn_end_work);
	INIT_WORK(&conn->ended_work, tt_conn_ended_work);
	INIT_DELAYED_WORK(&conn->linger, tt_conn_linger);
	tt_stay_init(conn);
	INIT_DELAYED_WORK(&conn->watch, tt_conn_watch);
	INIT_DELAYED_WORK(&conn->retry, tt_conn_retry);
	INIT_LIST_HEAD(&conn->starving);
	init_llist_head(&conn->freed);
	init_llist_head(&conn->ready);
	init_llist_head(&conn->done);
	init_llist_head(&conn->r2tq);
	atomic_set(&conn->inflight, 1);

	tt_slot_init(conn, &conn->first, 0);
	conn->slots = &conn->first;
	conn->nslots = 1;
	conn->free = &conn->first.node;

	nvme_tcp_conn_init(&conn->eng, NVME_TCP_CTRL, &params);
	tgt_queue_init(&conn->q, tt_transport, tp->port);
	tt_sock_setup(sk);

	mutex_lock(&tt_conns_lock);
	list_add_tail(&conn->entry, &tt_conns);
	mutex_unlock(&tt_conns_lock);

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	/* An accepted socket has its listener's data_ready. */
	conn->old_data_ready = tp->old_data_ready;
	sk->sk_data_ready = tp->tls ? tt_conn_tls_data_ready : tt_conn_data_ready;
	tt_sk_take(conn, sk, tt_conn_write_space);
	/* The end waits for the socket's lock: it finds the callbacks to put back. */
	if (tt_connect_timeout)
		queue_delayed_work(tt_wq, &conn->watch,
				   secs_to_jiffies(tt_connect_timeout));
	tt_conn_kick(conn);
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
	return 0;
}

/* --- what the core asks of us --------------------------------------------- */

/* Context: any. */
void tt_transport_close(struct tgt_queue *q)
{
	tt_conn_end(tt_conn_of(q));
}

void tt_transport_traddr(struct tgt_queue *q, char *buf, size_t size)
{
	snprintf(buf, size, "%pISc", &tt_conn_of(q)->local);
}

void tt_transport_host_traddr(struct tgt_queue *q, char *buf, size_t size)
{
	snprintf(buf, size, "%pISpc", &tt_conn_of(q)->peer);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A worker that stays with its connection: while commands keep coming it sleeps
 * between them where it is and is woken directly, which spares the workqueue's
 * business of finding a worker for each and of putting it to rest.
 *
 * It is an addition to the connection's two work items and may come late or
 * never. So its workqueues have no rescuer, which must not stay anywhere, and
 * where no worker can be created the others do all there is.
 *
 * Who stays is bounded: TT_STAYERS for the module, far below what a workqueue
 * lets run on one CPU; asleep, a worker does not count against those that its
 * pool lets run. One that does not come to sleep has nothing to gain and keeps
 * other items of its pool waiting: it leaves to the two items, which take turns.
 * So does one with few commands in TT_STAY_TICK, and one whose connection has
 * moved to another CPU, or is to be waited for otherwise (tt_conn_weigh()).
 *
 * TT_STAY is set while the item is queued or runs; clearing it is the last that
 * it does to the connection.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <net/sock.h>

#include "tcp.h"

static atomic_t tt_stayers;

/* Context: softirq. */
static void tt_stay_tick(struct timer_list *t)
{
	struct tt_conn *conn = container_of(t, struct tt_conn, stay_timer);

	WRITE_ONCE(conn->stay_ticked, true);
	/* It cannot leave before this is over: see timer_delete_sync() below. */
	wake_up_process(READ_ONCE(conn->stays));
}

/* One turn at what there is. Returns whether there is more. */
static bool tt_stay_run(struct tt_conn *conn)
{
	bool busy;

	if (!tt_conn_claim(conn)) {
		/* For a moment, and then it kicks us if need be. */
		schedule_timeout_idle(1);
		return false;
	}
	conn->stats.runs++;
	busy = tt_conn_round(conn);
	tt_conn_release(conn);
	cond_resched();
	return busy;
}

/*
 * While a worker stays, so does what TCP charges for a few segments: it would be
 * given back and taken anew with each, and a segment that arrives before it is
 * taken goes the long way.
 */
static void tt_stay_reserve(struct tt_conn *conn, bool on)
{
	struct sock *sk = conn->sock->sk;

	lock_sock(sk);
	if (on)
		sk->sk_reserved_mem = TT_SOCK_RESERVE;
	else
		sk_mem_reclaim_final(sk);
	release_sock(sk);
}

static void tt_stay_work(struct work_struct *work)
{
	struct tt_conn *conn = container_of(work, struct tt_conn, stay_work);
	const unsigned int noio = memalloc_noio_save();
	const bool alone = READ_ONCE(conn->alone);
	const int cpu = READ_ONCE(conn->cpu);
	u64 runs = conn->stats.runs;
	unsigned int rounds = 0;
	bool busy = false;

	tt_stay_reserve(conn, true);
	conn->stay_ticked = false;
	WRITE_ONCE(conn->stays, current);
	mod_timer(&conn->stay_timer, jiffies + TT_STAY_TICK);
	for (;;) {
		/* Pairs with tt_conn_kick() and tt_stay_end(): a full barrier. */
		set_current_state(TASK_IDLE);
		if (unlikely(test_bit(TT_CLOSING, &conn->flags)))
			break;
		if (busy || tt_conn_more(conn)) {
			if (++rounds > TT_ROUNDS)
				break;
			__set_current_state(TASK_RUNNING);
			busy = tt_stay_run(conn);
			continue;
		}
		if (unlikely(READ_ONCE(conn->alone) != alone || READ_ONCE(conn->cpu) != cpu))
			break;
		if (unlikely(READ_ONCE(conn->stay_ticked))) {
			if (conn->stats.runs - runs < TT_STAY_RUNS)
				break;
			runs = conn->stats.runs;
			WRITE_ONCE(conn->stay_ticked, false);
			mod_timer(&conn->stay_timer, jiffies + TT_STAY_TICK);
		}
		schedule();
		rounds = 0;
	}
	/* It is to be found again. */
	if (unlikely(busy))
		set_bit(TT_RX_KICK, &conn->flags);
	__set_current_state(TASK_RUNNING);
	timer_delete_sync(&conn->stay_timer);
	tt_stay_reserve(conn, false);
	WRITE_ONCE(conn->stays, NULL);
	/* Who has not seen that has added something before: it is seen here. */
	smp_mb();
	if (!test_bit(TT_CLOSING, &conn->flags) && tt_conn_more(conn))
		tt_conn_kick(conn);
	memalloc_noio_restore(noio);

	atomic_dec(&tt_stayers);
	clear_bit_unlock(TT_STAY, &conn->flags);
	wake_up_all(&tt_idle);
}

/**
 * tt_stay - commands keep coming: a worker may stay
 * @conn: connection
 *
 * Context: worker; not once tt_stay_end() was called.
 */
void tt_stay(struct tt_conn *conn)
{
	if (test_bit(TT_STAY, &conn->flags))
		return;
	if (atomic_inc_return(&tt_stayers) > TT_STAYERS) {
		atomic_dec(&tt_stayers);
		return;
	}
	set_bit(TT_STAY, &conn->flags);
	conn->stats.stays++;
	queue_work_on(conn->cpu, conn->alone ? tt_stay_alone_wq : tt_stay_wq,
		      &conn->stay_work);
}

/**
 * tt_stay_end - no worker stays
 * @conn: closing; its two other work items are cancelled
 *
 * Context: process; waits for what the worker is at, as cancelling would. (A
 * workqueue for reclaim may not wait for an item of another: hence the bit.)
 */
void tt_stay_end(struct tt_conn *conn)
{
	if (cancel_work(&conn->stay_work)) {
		atomic_dec(&tt_stayers);
		clear_bit(TT_STAY, &conn->flags);
	}
	/* It looks at TT_CLOSING, which is set, before it sleeps. */
	tt_conn_kick(conn);
	/* Pairs with clear_bit_unlock() of the worker. */
	while (!wait_event_timeout(tt_idle, !test_bit_acquire(TT_STAY, &conn->flags),
				   30 * HZ))
		pr_warn("%pISpc: queue %u: the worker does not leave\n", &conn->peer,
			conn->q.qid);
}

void tt_stay_init(struct tt_conn *conn)
{
	INIT_WORK(&conn->stay_work, tt_stay_work);
	timer_setup(&conn->stay_timer, tt_stay_tick, 0);
}

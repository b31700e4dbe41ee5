// SPDX-License-Identifier: GPL-2.0-only
/*
 * The socket of a queue: opened and set up, its callbacks, and its end.
 */
#include <linux/in6.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "nvme-tcp-skb.h"
#include "nvme-tcp-tls.h"
#include "host.h"

#ifdef CONFIG_DEBUG_LOCK_ALLOC
/*
 * A namespace may carry a file system whose locks are taken above ours and
 * which itself uses sockets: ours are of another kind than those.
 */
static struct lock_class_key nth_sk_key[2];
static struct lock_class_key nth_slock_key[2];

static void nth_sock_classify(struct sock *sk)
{
	if (sk->sk_family == AF_INET6)
		sock_lock_init_class_and_name(sk, "slock-AF_INET6-NVME-HOST",
					      &nth_slock_key[1],
					      "sk_lock-AF_INET6-NVME-HOST",
					      &nth_sk_key[1]);
	else
		sock_lock_init_class_and_name(sk, "slock-AF_INET-NVME-HOST",
					      &nth_slock_key[0],
					      "sk_lock-AF_INET-NVME-HOST",
					      &nth_sk_key[0]);
}
#else
static void nth_sock_classify(struct sock *sk) { }
#endif

/* --- callbacks ----------------------------------------------------------- */

/*
 * The socket is ours to read in both cases: in softirq its spinlock is held,
 * and out of release_sock() it is owned by the very context that we run in. So
 * nobody changes the callbacks either: nth_sock_detach() owns it for that.
 */
static void nth_data_ready(struct sock *sk)
{
	struct nth_queue *q = sk->sk_user_data;

	sock_owned_by_me(sk);
	if (unlikely(!q))
		return;
	/* Whoever submits polled commands also polls for their end. */
	if (nth_polled(q) && test_bit(NTH_Q_LIVE, &q->flags))
		return;
	/* The worker took over, and has not had its turn yet. */
	if (test_bit(NTH_Q_RX_MORE, &q->flags))
		return;
	if (likely(!nvme_tcp_skb_gather(sk, q->conn.data_left))) {
		q->rx_count[NTH_RX_SOFTIRQS]++;
		if (!nth_rx_run(q, NULL, NTH_RX_BUDGET))
			return;
	}
	set_bit(NTH_Q_RX_MORE, &q->flags);
	nth_queue_kick(q);
}

/*
 * A record can be read. It is for the worker, who needs no telling of those that it
 * comes upon while it reads; that is, while it owns the socket: a softirq may have
 * interrupted it.
 */
static void nth_tls_data_ready(struct sock *sk)
{
	struct nth_queue *q = sk->sk_user_data;

	sock_owned_by_me(sk);
	if (unlikely(!q))
		return;
	if (READ_ONCE(q->tls_reader) == current && sock_owned_by_user_nocheck(sk))
		return;
	set_bit(NTH_Q_RX_MORE, &q->flags);
	nth_queue_kick(q);
}

static void nth_write_space(struct sock *sk)
{
	struct nth_queue *q;

	read_lock_bh(&sk->sk_callback_lock);
	q = sk->sk_user_data;
	if (q && sk_stream_is_writeable(sk)) {
		clear_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
		set_bit(NTH_Q_SPACE, &q->flags);
		/* Whoever holds the sender's lock looks at SPACE after it */
		smp_mb__after_atomic();
		if (nth_tx_pending(q)) {
			/* TCP owns the socket when it calls this, so it is ours to use. */
			if (likely(!test_bit(NTH_Q_TLS, &q->flags)))
				nth_tx_run(q, NTH_TX_RECEIVER);
			else
				nth_queue_kick(q);
		}
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

/* The TLS layer comes first: it may have the rest of a record to send. */
static void nth_tls_write_space(struct sock *sk)
{
	struct nth_queue *q;

	read_lock_bh(&sk->sk_callback_lock);
	q = sk->sk_user_data;
	if (q)
		q->write_space(sk);
	read_unlock_bh(&sk->sk_callback_lock);
	nth_write_space(sk);
}

/* What comes is no record: the TLS layer says so in this way alone. */
static void nth_tls_error_report(struct sock *sk)
{
	struct nth_queue *q;

	read_lock_bh(&sk->sk_callback_lock);
	q = sk->sk_user_data;
	if (q) {
		q->error_report(sk);
		set_bit(NTH_Q_RX_MORE, &q->flags);
		nth_queue_kick(q);
	}
	read_unlock_bh(&sk->sk_callback_lock);
}

static void nth_state_change(struct sock *sk)
{
	struct nth_queue *q;

	read_lock_bh(&sk->sk_callback_lock);
	q = sk->sk_user_data;
	if (!q)
		goto out;

	switch (sk->sk_state) {
	case TCP_SYN_SENT:
	case TCP_SYN_RECV:
		break;
	case TCP_ESTABLISHED:
		complete(&q->wait);
		break;
	default:
		nth_queue_fail(q, sk->sk_err ? -sk->sk_err : -ECONNRESET);
		wake_up(&q->closed);
	}
out:
	read_unlock_bh(&sk->sk_callback_lock);
}

/* The socket's callback lock is held, and the socket owned or known to nobody. */
static void nth_sock_take(struct nth_queue *q, void (*write_space)(struct sock *sk))
{
	struct sock *sk = q->sock->sk;

	q->write_space = sk->sk_write_space;
	q->state_change = sk->sk_state_change;
	sk->sk_user_data = q;
	sk->sk_write_space = write_space;
	sk->sk_state_change = nth_state_change;
}

static void nth_sock_attach(struct nth_queue *q)
{
	struct sock *sk = q->sock->sk;

	write_lock_bh(&sk->sk_callback_lock);
	q->data_ready = sk->sk_data_ready;
	sk->sk_data_ready = nth_data_ready;
	nth_sock_take(q, nth_write_space);
	write_unlock_bh(&sk->sk_callback_lock);
}

/**
 * nth_sock_attach_tls - put our callbacks on a socket on which hands have been shaken
 * @q: queue whose socket has none of ours
 *
 * Context: may sleep.
 * Return: 0; negative: the connection is at its end already, or has no TLS.
 */
int nth_sock_attach_tls(struct nth_queue *q)
{
	struct sock *sk = q->sock->sk;
	int ret;

	lock_sock(sk);
	ret = sk->sk_state == TCP_ESTABLISHED ? 0 : -ECONNRESET;
	if (!ret)
		ret = nvme_tcp_tls_hook(sk, nth_tls_data_ready, &q->data_ready);
	if (!ret) {
		write_lock_bh(&sk->sk_callback_lock);
		nth_sock_take(q, nth_tls_write_space);
		q->error_report = sk->sk_error_report;
		sk->sk_error_report = nth_tls_error_report;
		set_bit(NTH_Q_TLS, &q->flags);
		/* What came before */
		set_bit(NTH_Q_RX_MORE, &q->flags);
		write_unlock_bh(&sk->sk_callback_lock);
	}
	release_sock(sk);
	if (!ret)
		nth_queue_kick(q);
	return ret;
}

/**
 * nth_sock_detach - no more callbacks
 * @q: queue with a socket
 *
 * Those that are running have ended when it returns. Nothing to do where there are
 * none.
 *
 * Context: may sleep.
 */
void nth_sock_detach(struct nth_queue *q)
{
	struct sock *sk = q->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		if (test_bit(NTH_Q_TLS, &q->flags)) {
			nvme_tcp_tls_unhook(sk, q->data_ready);
			sk->sk_error_report = q->error_report;
		} else {
			sk->sk_data_ready = q->data_ready;
		}
		sk->sk_write_space = q->write_space;
		sk->sk_state_change = q->state_change;
		sk->sk_user_data = NULL;
	}
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

/* --- setting up ---------------------------------------------------------- */

static void nth_sock_options(struct nth_queue *q)
{
	struct nvmf_ctrl_options *opts = q->ctrl->ctrl.opts;
	struct sock *sk = q->sock->sk;

	/* Commands are small and somebody waits for each of them. */
	tcp_sock_set_nodelay(sk);
	/* A close drops what is unsent, and with it references to pages. */
	sock_no_linger(sk);
	if (nth_so_priority)
		sock_set_priority(sk, nth_so_priority);
	if (opts->tos >= 0) {
		ip_sock_set_tos(sk, opts->tos);
#if IS_ENABLED(CONFIG_IPV6)
		if (sk->sk_family == AF_INET6) {
			lock_sock(sk);
			inet6_sk(sk)->tclass = opts->tos;
			release_sock(sk);
		}
#endif
	}

	/*
	 * What a few segments of it are charged as is kept between commands. TCP
	 * looks for that before it takes the short way with one that arrives.
	 */
	sk->sk_reserved_mem = NTH_SOCK_RESERVE;
	/*
	 * Sending may be what frees memory: nothing in it may wait for memory
	 * to be freed, nor use the page fragment of the task, which belongs to
	 * what that task was doing.
	 */
	sk->sk_allocation = GFP_ATOMIC;
	sk_set_use_task_frag(sk, false);
#ifdef CONFIG_NET_RX_BUSY_POLL
	if (nth_polled(q))
		WRITE_ONCE(sk->sk_ll_usec, 1);
#endif
}

static int nth_sock_bind(struct nth_queue *q)
{
	struct nvmf_ctrl_options *opts = q->ctrl->ctrl.opts;
	struct net_device *dev;
	int ret = 0;

	if (opts->mask & NVMF_OPT_HOST_IFACE) {
		dev = dev_get_by_name(q->ctrl->net, opts->host_iface);
		if (!dev) {
			dev_err(q->ctrl->ctrl.device,
				"queue %d: no interface %s (host_iface)\n",
				q->qid, opts->host_iface);
			return -ENODEV;
		}
		ret = sock_bindtoindex(q->sock->sk, dev->ifindex, true);
		dev_put(dev);
		if (ret) {
			dev_err(q->ctrl->ctrl.device,
				"queue %d: cannot bind to interface %s: %d\n",
				q->qid, opts->host_iface, ret);
			return ret;
		}
	}

	if (opts->mask & NVMF_OPT_HOST_TRADDR) {
		ret = kernel_bind(q->sock, (struct sockaddr_unsized *)&q->ctrl->src,
				  sizeof(q->ctrl->src));
		if (ret)
			dev_err(q->ctrl->ctrl.device,
				"queue %d: cannot bind to %s (host_traddr): %d; is it an address of this machine?\n",
				q->qid, opts->host_traddr, ret);
	}
	return ret;
}

static int nth_sock_connect(struct nth_queue *q)
{
	int ret;

	reinit_completion(&q->wait);
	ret = kernel_connect(q->sock, (struct sockaddr_unsized *)&q->ctrl->addr,
			     sizeof(q->ctrl->addr), O_NONBLOCK);
	if (ret != -EINPROGRESS)
		return ret;

	/* Only a fatal signal ends this: tools arm alarms of their own. */
	ret = wait_for_completion_killable_timeout(&q->wait,
						   secs_to_jiffies(NTH_CONNECT_TIMEOUT));
	if (ret <= 0)
		return ret ?: -ETIMEDOUT;
	if (test_bit(NTH_Q_FAILED, &q->flags))
		return q->error;
	/* Connected it is; let the socket layer know as well. */
	return kernel_connect(q->sock, (struct sockaddr_unsized *)&q->ctrl->addr,
			      sizeof(q->ctrl->addr), O_NONBLOCK);
}

/**
 * nth_sock_open - get a connected socket with our callbacks on it
 * @q: queue that is down
 *
 * Context: may sleep, for up to NTH_CONNECT_TIMEOUT, and with TLS for
 * NVME_TCP_TLS_TIMEOUT_MS more; killable.
 * Return: 0 or a negative errno. nth_sock_detach() and nth_sock_close() are
 * due when q->sock is set, whatever was returned.
 */
int nth_sock_open(struct nth_queue *q)
{
	int ret;

	ret = sock_create_kern(q->ctrl->net, q->ctrl->addr.ss_family,
			       SOCK_STREAM, IPPROTO_TCP, &q->sock);
	if (ret) {
		q->sock = NULL;
		dev_err(q->ctrl->ctrl.device, "queue %d: no socket: %d\n",
			q->qid, ret);
		return ret;
	}
	nth_sock_classify(q->sock->sk);
	nth_sock_attach(q);
	nth_sock_options(q);

	ret = nth_sock_bind(q);
	if (ret)
		return ret;
	ret = nth_sock_connect(q);
	if (ret) {
		dev_err(q->ctrl->ctrl.device,
			"queue %d: cannot connect to %pISpc: %d\n", q->qid,
			&q->ctrl->addr, ret);
		return ret;
	}
	ret = kernel_getsockname(q->sock, (struct sockaddr *)&q->local);
	if (ret >= 0 && nth_tls_wanted(q->ctrl))
		ret = nth_tls_start(q);
	return min(ret, 0);
}

/**
 * nth_sock_close - end the connection
 * @q: queue with a socket whose callbacks are detached
 *
 * Context: may sleep.
 */
void nth_sock_close(struct nth_queue *q)
{
	nvme_tcp_sock_release(q->sock);
	q->sock = NULL;
}

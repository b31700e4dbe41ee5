// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listeners: from a port's address to accepted sockets.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/inet.h>
#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/tcp.h>

#include "nvme-defs.h"
#include "tcp.h"

enum {
	TT_ACCEPTS	= 64,	/* in one go */
};

static unsigned int tt_nr_conns;	/* of all ports, under tt_conns_lock */

/* Room for one more? Then it is counted. */
static bool tt_admit(struct tt_port *tp)
{
	unsigned int max = READ_ONCE(tt_max_conns);
	unsigned int max_port = READ_ONCE(tt_max_port_conns);
	bool ok;

	mutex_lock(&tt_conns_lock);
	ok = (!max || tt_nr_conns < max) && (!max_port || tp->nr_conns < max_port);
	if (ok) {
		tt_nr_conns++;
		tp->nr_conns++;
	}
	mutex_unlock(&tt_conns_lock);
	return ok;
}

/**
 * tt_unadmit - a connection is no more
 * @tp: its listener, not to be touched after this
 *
 * Context: process.
 */
void tt_unadmit(struct tt_port *tp)
{
	mutex_lock(&tt_conns_lock);
	tt_nr_conns--;
	WRITE_ONCE(tp->nr_conns, tp->nr_conns - 1);
	mutex_unlock(&tt_conns_lock);
	wake_up_all(&tt_idle);
}

/* The socket is taken care of, whatever becomes of it. */
static int tt_accepted(struct tt_port *tp, struct socket *sock)
{
	int ret = tp->tls ? nvme_tcp_tls_file(sock) : 0;

	if (ret)
		return ret;
	ret = tt_conn_open(tp, sock);
	if (ret) {
		sock_no_linger(sock->sk);
		nvme_tcp_sock_release(sock);
	}
	return ret;
}

static void tt_accept_work(struct work_struct *work)
{
	struct tt_port *tp = container_of(to_delayed_work(work), struct tt_port, accept_work);
	struct socket *sock;
	int i, ret;

	for (i = 0; i < TT_ACCEPTS; i++) {
		ret = kernel_accept(tp->sock, &sock, O_NONBLOCK);
		if (ret < 0) {
			if (ret != -EAGAIN)
				pr_warn_ratelimited("port %u: accept failed: %d\n",
						    tp->port->portid, ret);
			/* EINVAL: somebody has ended the listener (ss -K). */
			if (ret == -EAGAIN || ret == -EINVAL)
				return;
			/* With a full backlog there is no next one to wait for. */
			if (ret == -ENOMEM || ret == -ENFILE) {
				queue_delayed_work(tt_wq, &tp->accept_work,
						   msecs_to_jiffies(TT_RETRY_MS));
				return;
			}
			continue;
		}
		if (!tt_admit(tp)) {
			pr_warn_ratelimited("port %u: too many connections\n",
					    tp->port->portid);
			sock_no_linger(sock->sk);
			sock_release(sock);
			continue;
		}
		ret = tt_accepted(tp, sock);
		if (ret) {
			pr_warn_ratelimited("port %u: no connection: %d\n",
					    tp->port->portid, ret);
			tt_unadmit(tp);
		}
	}
	queue_delayed_work(tt_wq, &tp->accept_work, 0);
}

/*
 * Context: softirq. A socket in the backlog has this callback too, until it is
 * accepted or the listener goes; what it has to say can wait.
 */
static void tt_listen_data_ready(struct sock *sk)
{
	struct tt_port *tp;

	read_lock_bh(&sk->sk_callback_lock);
	tp = sk->sk_user_data;
	if (tp && sk->sk_state == TCP_LISTEN)
		queue_delayed_work(tt_wq, &tp->accept_work, 0);
	read_unlock_bh(&sk->sk_callback_lock);
}

static int tt_listen_socket(struct tt_port *tp)
{
	struct sockaddr_storage *addr = &tp->addr;
	struct sock *sk;
	int ret;

	ret = sock_create_kern(&init_net, addr->ss_family, SOCK_STREAM, IPPROTO_TCP,
			       &tp->sock);
	if (ret)
		return ret;
	sk = tp->sock->sk;
	sock_set_reuseaddr(sk);
	if (tt_priority > 0)
		sock_set_priority(sk, tt_priority);

	ret = kernel_bind(tp->sock, (struct sockaddr_unsized *)addr,
			  addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
							sizeof(struct sockaddr_in));
	if (ret)
		goto release;

	write_lock_bh(&sk->sk_callback_lock);
	tp->old_data_ready = sk->sk_data_ready;
	sk->sk_user_data = tp;
	sk->sk_data_ready = tt_listen_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);

	ret = kernel_listen(tp->sock, clamp(tt_backlog, 1, SOMAXCONN));
	if (!ret)
		return 0;
release:
	sock_release(tp->sock);
	return ret;
}

/**
 * tt_listen - see struct tgt_transport
 * @port: port
 *
 * Context: process.
 */
int tt_listen(struct tgt_port *port)
{
	unsigned short af;
	struct tt_port *tp;
	int ret;

	switch (port->adrfam) {
	case NVMF_ADDR_FAMILY_IP4:
		af = AF_INET;
		break;
	case NVMF_ADDR_FAMILY_IP6:
		af = AF_INET6;
		break;
	default:
		pr_err("port %u: address family %u is not supported\n",
		       port->portid, port->adrfam);
		return -EINVAL;
	}

	tp = kzalloc(sizeof(*tp), GFP_KERNEL);
	if (!tp)
		return -ENOMEM;
	tp->port = port;
	tp->tls = port->tsas != TGT_SECTYPE_NONE;
	tp->tls_required = tp->tls && port->treq & NVMF_TREQ_REQUIRED;
	INIT_DELAYED_WORK(&tp->accept_work, tt_accept_work);

	ret = inet_pton_with_scope(&init_net, af, port->traddr, port->trsvcid, &tp->addr);
	if (ret) {
		pr_err("port %u: malformed address %s:%s\n", port->portid,
		       port->traddr, port->trsvcid);
		goto free;
	}
	ret = tt_listen_socket(tp);
	if (ret) {
		pr_err("port %u: cannot listen on %pISpc: %d%s\n", port->portid,
		       &tp->addr, ret,
		       ret == -EADDRINUSE ? " (address in use)" : "");
		goto free;
	}
	port->priv = tp;
	pr_info("enabling port %u (%pISpc)%s\n", port->portid, &tp->addr,
		tp->tls_required ? ", TLS required" : tp->tls ? ", TLS or not" : "");
	return 0;
free:
	kfree(tp);
	return ret;
}

/**
 * tt_unlisten - see struct tgt_transport
 * @port: port
 *
 * Releasing the listener ends what waits in its backlog, ours or not.
 *
 * Context: process.
 */
void tt_unlisten(struct tgt_port *port)
{
	struct tt_port *tp = port->priv;
	struct sock *sk = tp->sock->sk;
	struct tt_conn *conn;

	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = tp->old_data_ready;
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
	cancel_delayed_work_sync(&tp->accept_work);
	sock_release(tp->sock);
	/* A child that was being born meanwhile has run our callback, if at all. */
	synchronize_net();

	mutex_lock(&tt_conns_lock);
	list_for_each_entry(conn, &tt_conns, entry)
		if (conn->tp == tp)
			tt_conn_end(conn);
	mutex_unlock(&tt_conns_lock);

	while (!wait_event_timeout(tt_idle, !READ_ONCE(tp->nr_conns), 30 * HZ))
		pr_warn("port %u: %u connections do not end\n", port->portid,
			READ_ONCE(tp->nr_conns));
	/* Whoever counted the last one down is through with tp. */
	mutex_lock(&tt_conns_lock);
	mutex_unlock(&tt_conns_lock);
	port->priv = NULL;
	kfree(tp);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLS below a connection: from the first byte to the end of the handshake.
 *
 * A connection to a port with TLS has TT_HELLO until it is known what it is. Its
 * first byte says so: a TLS record of a handshake, or else the host speaks
 * NVMe/TCP at once, which the port may permit. The kernel's handshake service then
 * has tlshd shake hands on the socket, which is all the daemon's meanwhile: it has none
 * of our callbacks, and nobody here reads or sends. In the end the worker looks whom
 * it has to do with, and puts callbacks on again: TT_TLS.
 *
 * From then on the worker alone reads and sends, since the kernel's TLS layer sleeps.
 *
 * All steps are the worker's. The handshake has a count of conn->inflight, which is
 * dropped by tt_tls_done(), or else by whoever cancels it: see tcp.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/string.h>
#include <net/sock.h>

#include "tcp.h"

#if NVME_TCP_HAS_TLS

/* --- the handshake -------------------------------------------------------- */

/* Context: process; tlshd's. After the last line the connection may go. */
static void tt_tls_done(void *data, int status, key_serial_t peer)
{
	struct tt_conn *conn = data;

	conn->tls.status = status;
	conn->tls.peer = peer;
	/* Pairs with tt_tls_work() */
	smp_store_release(&conn->tls.state, TT_TLS_SHAKEN);
	set_bit(TT_RX_KICK, &conn->flags);
	tt_conn_kick(conn);
	tt_conn_put(conn);
}

static void tt_tls_hello(struct tt_conn *conn)
{
	struct tls_handshake_args args = {
		.ta_sock	= conn->sock,
		.ta_done	= tt_tls_done,
		.ta_data	= conn,
		.ta_timeout_ms	= NVME_TCP_TLS_TIMEOUT_MS,
		.ta_keyring	= nvme_keyring_id(),
	};
	int ret;

	atomic_inc(&conn->inflight);
	/* It may be done before we know that it has begun. */
	conn->tls.state = TT_TLS_SHAKING;
	ret = tls_server_hello_psk(&args, GFP_KERNEL);
	if (!ret)
		return;

	conn->tls.state = TT_TLS_DUE;
	tt_conn_put(conn);
	if (ret == -EAGAIN) {
		/* Too many are waiting for the daemon; for how long, conn->watch knows. */
		queue_delayed_work(tt_wq, &conn->retry, msecs_to_jiffies(TT_RETRY_MS));
		return;
	}
	pr_warn_ratelimited("%pISpc: no TLS handshake: %d%s\n", &conn->peer, ret,
			    ret == -ESRCH ? "; is tlshd running?" : "");
	tt_conn_end(conn);
}

/* --- what comes first ----------------------------------------------------- */

/* 1: @byte is the first one; 0: the host has closed; -EAGAIN: it has said nothing yet */
static int tt_tls_peek(struct tt_conn *conn, u8 *byte)
{
	struct kvec kv = { .iov_base = byte, .iov_len = 1 };
	struct msghdr msg = { };

	return kernel_recvmsg(conn->sock, &msg, &kv, 1, 1, MSG_PEEK | MSG_DONTWAIT);
}

static void tt_tls_first(struct tt_conn *conn)
{
	int ret;
	u8 byte;

	ret = tt_tls_peek(conn, &byte);
	if (ret == -EAGAIN)
		return;
	if (ret <= 0) {
		tt_conn_end(conn);
		return;
	}

	if (byte == TT_TLS_RECORD) {
		tt_conn_put_callbacks(conn);
		conn->tls.state = TT_TLS_DUE;
		tt_tls_hello(conn);
	} else if (conn->tp->tls_required) {
		pr_warn_ratelimited("%pISpc: port %u is for hosts with TLS only, closing\n",
				    &conn->peer, conn->tp->port->portid);
		tt_conn_end(conn);
	} else {
		tt_conn_take_plain(conn);
	}
}

/* --- who it is ------------------------------------------------------------ */

/*
 * The key's description is what both ends know it by: NVMe, four characters of
 * version and digest, HOSTNQN, SUBNQN, and maybe a digest of the key.
 */
static int tt_tls_identify(struct tt_conn *conn)
{
	struct key *key = key_lookup(conn->tls.peer);
	char *p, *host, *subsys;

	if (IS_ERR(key))
		return PTR_ERR(key);
	p = kstrdup(key->description, GFP_KERNEL);
	key_put(key);
	if (!p)
		return -ENOMEM;
	conn->tls.identity = p;

	if (strncmp(p, "NVMe", 4) || !strsep(&p, " "))
		return -EKEYREJECTED;
	host = strsep(&p, " ");
	subsys = strsep(&p, " ");
	if (!host || !*host || !subsys || !*subsys)
		return -EKEYREJECTED;
	conn->q.psk_hostnqn = host;
	conn->q.psk_subsysnqn = subsys;
	return 0;
}

static void tt_tls_shaken(struct tt_conn *conn)
{
	int ret = conn->tls.status;

	if (!ret)
		ret = tt_tls_identify(conn);
	if (!ret)
		ret = tt_conn_take_tls(conn);
	if (!ret)
		return;
	pr_warn_ratelimited("%pISpc: TLS handshake failed: %d\n", &conn->peer, ret);
	tt_conn_end(conn);
}

/**
 * tt_tls_work - go on with what comes before the first PDU
 * @conn: connection with TT_HELLO
 *
 * Context: worker; may sleep, though not for the peer.
 */
void tt_tls_work(struct tt_conn *conn)
{
	/* Pairs with tt_tls_done() */
	switch (smp_load_acquire(&conn->tls.state)) {
	case TT_TLS_FIRST:
		tt_tls_first(conn);
		break;
	case TT_TLS_DUE:
		tt_tls_hello(conn);
		break;
	case TT_TLS_SHAKING:
		break;
	case TT_TLS_SHAKEN:
		tt_tls_shaken(conn);
		break;
	}
}

/**
 * tt_tls_end - the connection is at its end: so is its handshake, if there is one
 * @conn: closing; the worker is cancelled
 *
 * Where the handshake is over already, or just about to be, tt_tls_done() has been
 * called or will be.
 *
 * Context: process.
 */
void tt_tls_end(struct tt_conn *conn)
{
	if (READ_ONCE(conn->tls.state) == TT_TLS_SHAKING &&
	    tls_handshake_cancel(conn->sock->sk))
		tt_conn_put(conn);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLS below a connection: what host and target have in common.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/sock.h>

#include "nvme-tcp-tls.h"

/**
 * nvme_tcp_sock_release - release a socket, whether or not it has got a file
 * @sock: socket that is to end: nobody's callbacks are on it
 *
 * The daemon may have the file open as well, and lets go when it finds the connection
 * at its end.
 *
 * Context: process; may sleep.
 */
void nvme_tcp_sock_release(struct socket *sock)
{
	if (sock->file) {
		nvme_tcp_tls_bye(sock);
		kernel_sock_shutdown(sock, SHUT_RDWR);
		/* Not later: who unloads a module expects its sockets to be gone. */
		__fput_sync(sock->file);
	} else {
		sock_release(sock);
	}
}
EXPORT_SYMBOL_GPL(nvme_tcp_sock_release);

#if NVME_TCP_HAS_TLS

#include <linux/rcupdate.h>
#include <net/tls_prot.h>

enum {
	NVME_TCP_TLS_CONTROLS = 8,	/* records without data that one read puts up with */
};

static bool nvme_tcp_tls_used;

/**
 * nvme_tcp_tls_file - give a socket the file that the handshake service needs
 * @sock: a socket of the kernel's; released when this fails
 *
 * From here on it is to be released by nvme_tcp_sock_release().
 *
 * Context: process; may sleep.
 * Return: 0 or a negative errno.
 */
int nvme_tcp_tls_file(struct socket *sock)
{
	struct file *file = sock_alloc_file(sock, O_CLOEXEC | O_NONBLOCK, NULL);

	WRITE_ONCE(nvme_tcp_tls_used, true);
	return PTR_ERR_OR_ZERO(file);
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_file);

/**
 * nvme_tcp_tls_bye - tell the peer that no more will be sent
 * @sock: socket; nothing is sent where hands were not shaken, or this was said before
 *
 * Where there is no room for it there is nobody to hear it.
 *
 * Context: process; may sleep, though not for the peer.
 */
void nvme_tcp_tls_bye(struct socket *sock)
{
	tls_handshake_close(sock);
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_bye);

/**
 * nvme_tcp_tls_exit - no end of a handshake is being told any more
 *
 * The daemon's thread may be at the very last instructions of a ta_done function when
 * all that this has set off is through.
 *
 * Context: exit of the module that the function is in; it has no sockets any more.
 */
void nvme_tcp_tls_exit(void)
{
	if (nvme_tcp_tls_used)
		synchronize_rcu_tasks();
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_exit);

/**
 * nvme_tcp_tls_hook - have a function called when there is a record to read
 * @sk: socket on which hands have been shaken; owned by the caller
 * @fn: called with the socket owned as by TCP's data_ready; also for records that a
 *	read comes upon
 * @old: set to what was called
 *
 * In place of sk_data_ready, which is the TLS layer's own and finds the records, and
 * which is not called where that does so later for want of memory.
 *
 * Context: any.
 * Return: 0, or -ENOPROTOOPT where the daemon has left the socket without TLS.
 */
int nvme_tcp_tls_hook(struct sock *sk, nvme_tcp_sk_fn fn, nvme_tcp_sk_fn *old)
{
	const struct tcp_ulp_ops *ulp = inet_csk(sk)->icsk_ulp_ops;
	struct tls_context *ctx = tls_get_ctx(sk);

	sock_owned_by_me(sk);
	if (!ulp || strcmp(ulp->name, "tls") || ctx->tx_conf == TLS_BASE ||
	    ctx->rx_conf == TLS_BASE)
		return -ENOPROTOOPT;
	*old = tls_sw_ctx_rx(ctx)->saved_data_ready;
	tls_sw_ctx_rx(ctx)->saved_data_ready = fn;
	return 0;
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_hook);

/**
 * nvme_tcp_tls_unhook - undo nvme_tcp_tls_hook()
 * @sk: socket; owned by the caller
 * @old: what nvme_tcp_tls_hook() gave
 *
 * Context: any.
 */
void nvme_tcp_tls_unhook(struct sock *sk, nvme_tcp_sk_fn old)
{
	sock_owned_by_me(sk);
	tls_sw_ctx_rx(tls_get_ctx(sk))->saved_data_ready = old;
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_unhook);

/*
 * The next record is none of data. Of a handshake's messages after the handshake
 * (RFC 8446, 4.6) a session ticket may be ignored; keys are not changed.
 *
 * Return: 0 when it can be ignored.
 */
static int nvme_tcp_tls_control(struct socket *sock)
{
	union {
		struct cmsghdr hdr;
		u8 buf[CMSG_SPACE(sizeof(u8))];
	} control = { };
	struct msghdr msg = {
		.msg_control = &control,
		.msg_controllen = sizeof(control),
		.msg_flags = MSG_DONTWAIT,
	};
	struct kvec kv = { .iov_len = TLS_MAX_PAYLOAD_SIZE };
	u8 *rec;
	int ret;

	rec = kvzalloc(kv.iov_len, GFP_KERNEL);
	if (!rec)
		return -ENOMEM;
	kv.iov_base = rec;
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &kv, 1, kv.iov_len);
	ret = sock_recvmsg(sock, &msg, msg.msg_flags);
	if (ret < 0)
		goto free;

	switch (tls_get_record_type(sock->sk, &control.hdr)) {
	case TLS_RECORD_TYPE_ALERT:
		/* Level, description */
		ret = rec[1] == TLS_ALERT_DESC_CLOSE_NOTIFY ? -ECONNRESET : -ECONNABORTED;
		break;
	case TLS_RECORD_TYPE_HANDSHAKE:
		/* 4: NewSessionTicket */
		ret = rec[0] == 4 ? 0 : -EKEYEXPIRED;
		break;
	default:
		ret = -EPROTO;
	}
free:
	kvfree(rec);
	return ret;
}

/**
 * nvme_tcp_tls_read - read what a socket with TLS has, as tcp_read_sock() does
 * @sock: the socket
 * @desc: count is made 0 by @actor when it has had enough
 * @actor: is given decrypted data, while the socket is owned
 *
 * Context: process; takes the socket's lock, may sleep, though not for the peer.
 * Return: 0 when there is no more, or @actor has had enough; or why the session is at
 * its end: -ECONNRESET: as the peer closed it, -ECONNABORTED: by an alert, -EBADMSG: a
 * record was not authentic, or what came was none, -EKEYEXPIRED: the peer wants new keys,
 * -EPROTO: records of another kind, or no end of those that are ignored.
 */
int nvme_tcp_tls_read(struct socket *sock, read_descriptor_t *desc,
		      sk_read_actor_t actor)
{
	unsigned int controls = NVME_TCP_TLS_CONTROLS;
	struct sock *sk = sock->sk;
	int ret;

	do {
		lock_sock(sk);
		ret = READ_ONCE(sock->ops)->read_sock(sk, desc, actor);
		release_sock(sk);
		/* What comes next is no data; or no record, of which nobody is told twice. */
		if (ret == -EINVAL) {
			ret = controls-- ? nvme_tcp_tls_control(sock) ?: 1 : -EPROTO;
			if (ret == -EAGAIN)
				ret = -EBADMSG;
		}
	} while (ret > 0 && desc->count);

	/* TCP's word for a reset after the peer's end was closed */
	if (ret == -EPIPE)
		return -ECONNRESET;
	return ret == -EAGAIN ? 0 : min(ret, 0);
}
EXPORT_SYMBOL_GPL(nvme_tcp_tls_read);

#endif

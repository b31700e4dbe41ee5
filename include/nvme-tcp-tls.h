/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TLS 1.3 below a connection, as host and target share it (NVMe TCP Transport
 * Specification 1.1, 3.6.1): the kernel's handshake service has a daemon of user
 * space (tlshd) shake hands on the socket, and the kernel's TLS layer takes it over
 * from there. That layer needs a context that may sleep, to send as to receive: such
 * a connection is its worker's alone.
 */
#ifndef NVME_TCP_TLS_H
#define NVME_TCP_TLS_H

#include <linux/net.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/tls.h>

#include "compat.h"

/* A callback of a socket's */
typedef void (*nvme_tcp_sk_fn)(struct sock *sk);

enum {
	/* Milliseconds that a handshake may take */
	NVME_TCP_TLS_TIMEOUT_MS	= 10000,
	/* Bytes of a receiver's budget that a record takes besides its own */
	NVME_TCP_TLS_RECORD	= 256,
};

void nvme_tcp_sock_release(struct socket *sock);

#if NVME_TCP_HAS_TLS
#include <linux/key.h>
#include <linux/nvme-keyring.h>
#include <net/handshake.h>

int nvme_tcp_tls_file(struct socket *sock);
void nvme_tcp_tls_bye(struct socket *sock);
void nvme_tcp_tls_exit(void);
int nvme_tcp_tls_hook(struct sock *sk, nvme_tcp_sk_fn fn, nvme_tcp_sk_fn *old);
void nvme_tcp_tls_unhook(struct sock *sk, nvme_tcp_sk_fn old);
int nvme_tcp_tls_read(struct socket *sock, read_descriptor_t *desc,
		      sk_read_actor_t actor);
#else
static inline int nvme_tcp_tls_file(struct socket *sock)
{
	return -EOPNOTSUPP;
}

static inline void nvme_tcp_tls_bye(struct socket *sock)
{
}

static inline void nvme_tcp_tls_exit(void)
{
}

static inline int nvme_tcp_tls_hook(struct sock *sk, nvme_tcp_sk_fn fn,
				    nvme_tcp_sk_fn *old)
{
	return -EOPNOTSUPP;
}

static inline void nvme_tcp_tls_unhook(struct sock *sk, nvme_tcp_sk_fn old)
{
}

static inline int nvme_tcp_tls_read(struct socket *sock, read_descriptor_t *desc,
				    sk_read_actor_t actor)
{
	return -EOPNOTSUPP;
}
#endif

/**
 * nvme_tcp_tls_part - make a message that ends its last record, and no segment before that
 * @msg: all that is to be sent, with iterator and flags
 *
 * The TLS layer has TCP send each record at once unless the message is one that more
 * will follow. So whole records are, for TCP to make large segments of them, and what
 * follows is the rest of up to one record.
 *
 * Context: any. The caller sends the part, and goes on until all is sent.
 */
static inline void nvme_tcp_tls_part(struct msghdr *msg)
{
	const size_t records = round_down(iov_iter_count(&msg->msg_iter) - 1,
					  TLS_MAX_PAYLOAD_SIZE);

	if (records) {
		msg->msg_flags |= MSG_MORE;
		iov_iter_truncate(&msg->msg_iter, records);
	} else {
		msg->msg_flags &= ~MSG_MORE;
	}
}

#endif

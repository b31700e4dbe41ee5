/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets, and the workqueues that serve them.
 */
#ifndef COMPAT_NET_H
#define COMPAT_NET_H

#include <linux/jiffies.h>
#include <linux/socket.h>
#include <linux/workqueue.h>
#include <net/sock.h>

/*
 * kernel_bind() and kernel_connect() have come to take an address of unsized
 * type. A macro, so that it does as a tag.
 */
#ifndef HAVE_SOCKADDR_UNSIZED
#define sockaddr_unsized	sockaddr
#endif

#ifndef secs_to_jiffies
#define secs_to_jiffies(secs)	((unsigned long)(secs) * HZ)
#endif

/* Without it, everything is copied. */
#ifndef HAVE_MSG_SPLICE_PAGES
#undef MSG_SPLICE_PAGES
#define MSG_SPLICE_PAGES	0
#endif

/*
 * Where there is no such switch, sk_allocation decides: it is not the task's
 * page fragment unless that may sleep.
 */
static inline void sk_set_use_task_frag(struct sock *sk, bool use)
{
#ifdef HAVE_SK_USE_TASK_FRAG
	sk->sk_use_task_frag = use;
#endif
}

/* Handshakes by a daemon, and keys for them: a kernel has both, or TLS is not for us. */
#if defined(HAVE_TLS_HANDSHAKE) && IS_REACHABLE(CONFIG_NVME_KEYRING) && \
	IS_ENABLED(CONFIG_NET_HANDSHAKE)
#define NVME_TCP_HAS_TLS	1
#else
#define NVME_TCP_HAS_TLS	0
#endif

/* Workqueues are per CPU unless they say otherwise. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU		0
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets, and the workqueues that serve them.
 */
#ifndef COMPAT_NET_H
#define COMPAT_NET_H

#include <linux/jiffies.h>
#include <linux/socket.h>
#include <linux/workqueue.h>

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

/* Workqueues are per CPU unless they say otherwise. */
#ifndef HAVE_WQ_PERCPU
#define WQ_PERCPU		0
#endif

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The target's TCP transport as a module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/moduleparam.h>

#include "tcp.h"

struct workqueue_struct *tt_wq;
struct workqueue_struct *tt_alone_wq;
struct workqueue_struct *tt_stay_wq;
struct workqueue_struct *tt_stay_alone_wq;
struct workqueue_struct *tt_end_wq;
DECLARE_WAIT_QUEUE_HEAD(tt_idle);

unsigned int tt_connect_timeout = 10;
module_param_named(connect_timeout, tt_connect_timeout, uint, 0644);
MODULE_PARM_DESC(connect_timeout,
		 "seconds a new connection has to get through Connect, 0: for ever (default 10)");

unsigned int tt_data_timeout = 60;
module_param_named(data_timeout, tt_data_timeout, uint, 0644);
MODULE_PARM_DESC(data_timeout,
		 "seconds that a host may make no progress with data it owes or is sent, 0: for ever (default 60)");

unsigned int tt_max_conns = 16384;
module_param_named(max_connections, tt_max_conns, uint, 0644);
MODULE_PARM_DESC(max_connections, "connections, i.e. queues, of all ports, 0: any (default 16384)");

unsigned int tt_max_port_conns;
module_param_named(max_port_connections, tt_max_port_conns, uint, 0644);
MODULE_PARM_DESC(max_port_connections, "connections of one port, 0: any (default)");

static int tt_mem_limit_set(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_ulong(val, kp);

	if (!ret)
		tt_mem_shrink();
	return ret;
}

static const struct kernel_param_ops tt_mem_limit_ops = {
	.set	= tt_mem_limit_set,
	.get	= param_get_ulong,
};

module_param_cb(mem_limit, &tt_mem_limit_ops, &tt_mem_limit, 0644);
__MODULE_PARM_TYPE(mem_limit, "ulong");
MODULE_PARM_DESC(mem_limit,
		 "bytes of data memory for all connections, 0: a quarter of the machine's (default)");

unsigned int tt_maxh2cdata = 1 << 20;
module_param_named(maxh2cdata, tt_maxh2cdata, uint, 0644);
MODULE_PARM_DESC(maxh2cdata,
		 "MAXH2CDATA of new connections: bytes per H2CData PDU (default 1 MiB)");

unsigned int tt_r2t_size;
module_param_named(r2t_size, tt_r2t_size, uint, 0644);
MODULE_PARM_DESC(r2t_size, "bytes that one R2T asks for, 0: all of the command's (default)");

unsigned int tt_softirq_budget = 64 << 10;
module_param_named(softirq_budget, tt_softirq_budget, uint, 0644);
MODULE_PARM_DESC(softirq_budget,
		 "bytes received in softirq before the worker goes on, 0: none (default 64 KiB)");

int tt_backlog = 128;
module_param_named(backlog, tt_backlog, int, 0644);
MODULE_PARM_DESC(backlog, "connections that may wait to be accepted, per port (default 128)");

int tt_priority;
module_param_named(so_priority, tt_priority, int, 0644);
MODULE_PARM_DESC(so_priority, "SO_PRIORITY of the sockets, 0: the system's (default)");

static struct tgt_transport tt_ops = {
	.owner		= THIS_MODULE,
	.trtype		= NVMF_TRTYPE_TCP,
	.name		= "tcp",
	.listen		= tt_listen,
	.unlisten	= tt_unlisten,
	.close		= tt_transport_close,
	.respond	= tt_transport_respond,
	.traddr		= tt_transport_traddr,
	.host_traddr	= tt_transport_host_traddr,
};

const struct tgt_transport *tt_transport = &tt_ops;

/* In the order in which they go */
static const struct {
	struct workqueue_struct **wq;
	const char *name;
	unsigned int flags;
} tt_wqs[] = {
	/* Unbound: whoever ends a connection may wait for the device. */
	{ &tt_end_wq, "nvmet_tcp_end", WQ_MEM_RECLAIM | WQ_UNBOUND },
	/* Without a rescuer: see stay.c */
	{ &tt_stay_wq, "nvmet_tcp_stay", WQ_PERCPU },
	{ &tt_stay_alone_wq, "nvmet_tcp_stay_alone", WQ_HIGHPRI | WQ_PERCPU },
	{ &tt_alone_wq, "nvmet_tcp_alone", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU },
	{ &tt_wq, "nvmet_tcp", WQ_MEM_RECLAIM | WQ_PERCPU },
};

static void tt_wqs_destroy(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tt_wqs); i++)
		if (*tt_wqs[i].wq)
			destroy_workqueue(*tt_wqs[i].wq);
}

static int __init tt_wqs_create(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tt_wqs); i++) {
		*tt_wqs[i].wq = alloc_workqueue("%s", tt_wqs[i].flags, 0, tt_wqs[i].name);
		if (!*tt_wqs[i].wq)
			return -ENOMEM;
	}
	return 0;
}

static int __init tt_init(void)
{
	int ret;

	if (!tgt_register_transport) {
		pr_err("the nvmet that is loaded is not the one this module belongs to: modprobe -r nvmet, then load this again\n");
		return -ENOEXEC;
	}

	ret = tt_mem_init();
	if (ret)
		return ret;
	ret = tt_wqs_create();
	if (ret)
		goto wqs;
	tt_debugfs_init();
	ret = tgt_register_transport(&tt_ops);
	if (!ret)
		return 0;

	tt_debugfs_exit();
wqs:
	tt_wqs_destroy();
	tt_mem_exit();
	return ret;
}

/* No port listens any more: each held the module. */
static void __exit tt_exit(void)
{
	tgt_unregister_transport(&tt_ops);
	nvme_tcp_tls_exit();
	tt_debugfs_exit();
	tt_wqs_destroy();
	tt_mem_exit();
}

module_init(tt_init);
module_exit(tt_exit);

MODULE_DESCRIPTION("NVMe target, TCP transport");
MODULE_LICENSE("GPL");
MODULE_ALIAS("nvmet-transport-3");	/* NVMF_TRTYPE_TCP */

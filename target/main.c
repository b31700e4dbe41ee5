// SPDX-License-Identifier: GPL-2.0-only
/*
 * nvmet.ko: brought up in the order of a table, unwound in reverse; and the
 * registry of transports.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "target.h"
#include "objects.h"

struct workqueue_struct *tgt_wq, *tgt_cmd_wq;

static LIST_HEAD(transports);		/* under tgt_config_sem */

/**
 * tgt_register_transport - make a transport known to ports
 * @t: what the transport brings; stays registered until unregistered
 *
 * Context: process, may sleep; takes tgt_config_sem.
 * Return: 0, or -EEXIST when its type has one already.
 */
int tgt_register_transport(struct tgt_transport *t)
{
	struct tgt_transport *i;
	int ret = 0;

	down_write(&tgt_config_sem);
	list_for_each_entry(i, &transports, entry)
		if (i->trtype == t->trtype)
			ret = -EEXIST;
	if (!ret)
		list_add_tail(&t->entry, &transports);
	up_write(&tgt_config_sem);
	return ret;
}
EXPORT_SYMBOL_GPL(tgt_register_transport);

/**
 * tgt_unregister_transport - the reverse
 * @t: a registered transport. No port listens with it: each that does holds
 *	its module.
 *
 * Context: process, may sleep; takes tgt_config_sem.
 */
void tgt_unregister_transport(struct tgt_transport *t)
{
	down_write(&tgt_config_sem);
	list_del(&t->entry);
	up_write(&tgt_config_sem);
}
EXPORT_SYMBOL_GPL(tgt_unregister_transport);

static struct tgt_transport *transport_find(u8 trtype)
{
	struct tgt_transport *t;

	down_read(&tgt_config_sem);
	list_for_each_entry(t, &transports, entry) {
		if (t->trtype == trtype && try_module_get(t->owner)) {
			up_read(&tgt_config_sem);
			return t;
		}
	}
	up_read(&tgt_config_sem);
	return NULL;
}

/**
 * tgt_transport_get - the transport for a type, loading its module if need be
 * @trtype: NVMF_TRTYPE_*
 *
 * Context: process, may sleep; without tgt_config_sem.
 * Return: the transport with a reference on its module, or NULL.
 */
struct tgt_transport *tgt_transport_get(u8 trtype)
{
	struct tgt_transport *t = transport_find(trtype);

	if (!t) {
		request_module("nvmet-transport-%d", trtype);
		t = transport_find(trtype);
	}
	return t;
}

/*
 * Two, as a workqueue runs only so many items at a time: commands that wait for
 * a device, as many as hosts like to send, must not keep timers from running.
 */
static int wq_init(void)
{
	tgt_wq = alloc_workqueue("nvmet-wq", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!tgt_wq)
		return -ENOMEM;
	tgt_cmd_wq = alloc_workqueue("nvmet-cmd-wq", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!tgt_cmd_wq) {
		destroy_workqueue(tgt_wq);
		return -ENOMEM;
	}
	return 0;
}

static void wq_exit(void)
{
	destroy_workqueue(tgt_cmd_wq);
	destroy_workqueue(tgt_wq);
}

static int debugfs_init(void)
{
	tgt_debugfs_init();
	return 0;
}

/* What a row uses is above it. */
static const struct {
	int (*init)(void);
	void (*exit)(void);
} parts[] = {
	{ tgt_req_init,		NULL },
	{ wq_init,		wq_exit },
	{ debugfs_init,		tgt_debugfs_exit },
	{ tgt_discovery_init,	tgt_discovery_exit },
	{ tgt_configfs_init,	tgt_configfs_exit },
};

static void unwind(int n)
{
	while (n--)
		if (parts[n].exit)
			parts[n].exit();
}

static int __init tgt_init(void)
{
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		ret = parts[i].init();
		if (ret) {
			unwind(i);
			return ret;
		}
	}
	return 0;
}

static void __exit tgt_exit(void)
{
	unwind(ARRAY_SIZE(parts));
	/* A namespace's last reference ends in an RCU callback of ours. */
	rcu_barrier();
}

module_init(tgt_init);
module_exit(tgt_exit);

MODULE_DESCRIPTION("NVMe target");
MODULE_LICENSE("GPL");

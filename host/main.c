// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: what it is made of, brought up in order and down in reverse.
 */
#include <linux/module.h>

#include "nvme-tcp-tls.h"
#include "host.h"

struct workqueue_struct *nth_wq;

/* Read at connect, so that it may be changed at any time */
unsigned int nth_so_priority;
module_param_named(so_priority, nth_so_priority, uint, 0644);
MODULE_PARM_DESC(so_priority,
		 "SO_PRIORITY of the sockets of controllers connected from now on (default 0)");

#if NVME_TCP_HAS_TLS && defined(HAVE_NVMF_OPT_TLS)
#define NTH_OPT_TLS	(NVMF_OPT_TLS | NVMF_OPT_TLS_KEY | NVMF_OPT_KEYRING)
#else
#define NTH_OPT_TLS	0
#endif

static struct nvmf_transport_ops nth_transport = {
	.name		= "tcp",
	.module		= THIS_MODULE,
	.required_opts	= NVMF_OPT_TRADDR,
	.allowed_opts	= NVMF_OPT_TRSVCID | NVMF_OPT_HOST_TRADDR |
			  NVMF_OPT_HOST_IFACE | NVMF_OPT_TOS |
			  NVMF_OPT_NR_IO_QUEUES | NVMF_OPT_NR_WRITE_QUEUES |
			  NVMF_OPT_NR_POLL_QUEUES | NVMF_OPT_HDR_DIGEST |
			  NVMF_OPT_DATA_DIGEST | NVMF_OPT_RECONNECT_DELAY |
			  NVMF_OPT_CTRL_LOSS_TMO | NTH_OPT_TLS,
	.create_ctrl	= nth_ctrl_create,
};

static int __init nth_workqueue_init(void)
{
	/* Memory may be waiting to be freed by what is sent and received here. */
	nth_wq = alloc_workqueue("nvme-tcp",
				 WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_PERCPU, 0);
	return nth_wq ? 0 : -ENOMEM;
}

static void nth_workqueue_exit(void)
{
	destroy_workqueue(nth_wq);
}

static int __init nth_transport_init(void)
{
	return nvmf_register_transport(&nth_transport);
}

static void nth_transport_exit(void)
{
	nvmf_unregister_transport(&nth_transport);
	nth_ctrl_delete_all();
	nvme_tcp_tls_exit();
}

static const struct {
	int (*init)(void);
	void (*exit)(void);
} nth_parts[] = {
	{ nth_workqueue_init,	nth_workqueue_exit },
	{ nth_debugfs_init,	nth_debugfs_exit },
	{ nth_transport_init,	nth_transport_exit },
};

static int __init nth_init(void)
{
	unsigned int i;
	int ret;

	BUILD_BUG_ON(offsetof(struct nth_cmd, nr));
	BUILD_BUG_ON(sizeof(struct nvme_command) != NVME_TCP_SQE_SIZE);
	BUILD_BUG_ON(sizeof(struct nvme_completion) != NVME_TCP_CQE_SIZE);

	for (i = 0; i < ARRAY_SIZE(nth_parts); i++) {
		ret = nth_parts[i].init();
		if (ret)
			goto unwind;
	}
	return 0;
unwind:
	while (i--)
		nth_parts[i].exit();
	return ret;
}

static void __exit nth_exit(void)
{
	unsigned int i = ARRAY_SIZE(nth_parts);

	while (i--)
		nth_parts[i].exit();
}

module_init(nth_init);
module_exit(nth_exit);

MODULE_DESCRIPTION("NVMe over TCP host");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/nvme-tcp/nvmeN/queues: a line for each queue, counters
 * included. The counters have one writer each and are read without a lock.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "host.h"

static struct dentry *nth_debugfs_root;

static const char * const nth_type_names[HCTX_MAX_TYPES] = {
	[HCTX_TYPE_DEFAULT]	= "default",
	[HCTX_TYPE_READ]	= "read",
	[HCTX_TYPE_POLL]	= "poll",
};

static const char * const nth_flag_names[] = {
	[NTH_Q_UP]		= "up",
	[NTH_Q_LIVE]		= "live",
	[NTH_Q_FAILED]		= "failed",
	[NTH_Q_STOPPING]	= "stopping",
	[NTH_Q_SENDING]		= "sending",
	[NTH_Q_POLLING]		= "polling",
	[NTH_Q_SPACE]		= "space",
	[NTH_Q_RX_MORE]		= "rx-more",
	[NTH_Q_TERM]		= "term",
	[NTH_Q_TERM_SENT]	= "term-sent",
	[NTH_Q_SHORT]		= "short",
};

static const char * const nth_tx_names[NTH_TX_COUNTS] = {
	[NTH_TX_CMDS]		= "tx_cmd",
	[NTH_TX_H2C_DATAS]	= "tx_h2c_data",
	[NTH_TX_BYTES]		= "tx_bytes",
	[NTH_TX_SENDMSGS]	= "tx_sendmsg",
	[NTH_TX_BATCHES]	= "tx_batch",
	[NTH_TX_AGAINS]		= "tx_again",
	[NTH_TX_BY + NTH_TX_SUBMITTER]	= "tx_submitter",
	[NTH_TX_BY + NTH_TX_WORKER]	= "tx_worker",
	[NTH_TX_BY + NTH_TX_RECEIVER]	= "tx_receiver",
};

static const char * const nth_rx_names[NTH_RX_COUNTS] = {
	[NTH_RX_RSPS]		= "rx_rsp",
	[NTH_RX_C2H_DATAS]	= "rx_c2h_data",
	[NTH_RX_R2TS]		= "rx_r2t",
	[NTH_RX_BYTES]		= "rx_bytes",
	[NTH_RX_SOFTIRQS]	= "rx_softirq",
	[NTH_RX_WORKERS]	= "rx_worker",
	[NTH_RX_POLLS]		= "rx_poll",
	[NTH_RX_OVER_BUDGETS]	= "rx_over_budget",
	[NTH_RX_SUCCESSES]	= "rx_success",
	[NTH_RX_DDGST_ERRORS]	= "rx_ddgst_error",
};

static void nth_show_queue(struct seq_file *m, struct nth_queue *q)
{
	unsigned long flags = READ_ONCE(q->flags);
	unsigned int i;

	seq_printf(m, "qid=%d type=%s cpu=", q->qid,
		   q->qid ? nth_type_names[q->type] : "admin");
	if (q->cpu == WORK_CPU_UNBOUND)
		seq_puts(m, "any");
	else
		seq_printf(m, "%d", q->cpu);
	seq_printf(m, " %pISpc -> %pISpc phase=%s flags=", &q->local,
		   &q->ctrl->addr, nvme_tcp_phase_name(q->conn.phase));
	for (i = 0; i < ARRAY_SIZE(nth_flag_names); i++)
		if (flags & BIT(i))
			seq_printf(m, "%s,", nth_flag_names[i]);
	seq_printf(m, " hdgst=%d ddgst=%d maxh2cdata=%u in_capsule=%u",
		   q->conn.hdgst, q->conn.ddgst, q->conn.maxh2cdata,
		   q->in_capsule);
	seq_printf(m, " connects=%llu failures=%llu", q->connects, q->failures);
	for (i = 0; i < NTH_TX_COUNTS; i++)
		seq_printf(m, " %s=%llu", nth_tx_names[i], q->tx.count[i]);
	for (i = 0; i < NTH_RX_COUNTS; i++)
		seq_printf(m, " %s=%llu", nth_rx_names[i], q->rx_count[i]);
	seq_putc(m, '\n');
}

static int nth_queues_show(struct seq_file *m, void *unused)
{
	struct nth_ctrl *ctrl = m->private;
	unsigned int qid;

	seq_printf(m, "resets=%llu recoveries=%llu\n", ctrl->resets,
		   ctrl->recoveries);
	for (qid = 0; qid < ctrl->max_queues; qid++) {
		struct nth_queue *q = READ_ONCE(ctrl->queues[qid]);

		if (q)
			nth_show_queue(m, q);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(nth_queues);

/**
 * nth_debugfs_add - make a controller's directory
 * @ctrl: controller that has its name
 *
 * Without debugfs, or when it fails, there is none, and that is fine.
 *
 * Context: may sleep.
 */
void nth_debugfs_add(struct nth_ctrl *ctrl)
{
	ctrl->debugfs = debugfs_create_dir(dev_name(ctrl->ctrl.device),
					   nth_debugfs_root);
	debugfs_create_file("queues", 0400, ctrl->debugfs, ctrl,
			    &nth_queues_fops);
}

/**
 * nth_debugfs_remove - remove it; nobody reads it any more on return
 * @ctrl: controller
 *
 * Context: may sleep.
 */
void nth_debugfs_remove(struct nth_ctrl *ctrl)
{
	debugfs_remove_recursive(ctrl->debugfs);
	ctrl->debugfs = NULL;
}

/**
 * nth_debugfs_init - make /sys/kernel/debug/nvme-tcp
 *
 * Context: may sleep.
 * Return: 0: a module works without it.
 */
int nth_debugfs_init(void)
{
	nth_debugfs_root = debugfs_create_dir("nvme-tcp", NULL);
	return 0;
}

/**
 * nth_debugfs_exit - remove it
 *
 * Context: may sleep.
 */
void nth_debugfs_exit(void)
{
	debugfs_remove_recursive(nth_debugfs_root);
}

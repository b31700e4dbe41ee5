// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/nvmet/SUBSYSTEM/ctrlN/: what is connected, and its state.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "target.h"

static struct dentry *root;

static int hostnqn_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;

	seq_printf(m, "%s\n", ctrl->hostnqn);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hostnqn);

static int hostid_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;

	seq_printf(m, "%pU\n", &ctrl->hostid);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hostid);

static int kato_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;

	seq_printf(m, "%u\n", READ_ONCE(ctrl->kato));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(kato);

static int port_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;

	/* The port outlives the queues, not the last reference. */
	mutex_lock(&ctrl->lock);
	if (!ctrl->dead)
		seq_printf(m, "%u\n", ctrl->port->addr.portid);
	mutex_unlock(&ctrl->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(port);

static int state_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;
	u32 csts = READ_ONCE(ctrl->csts);

	seq_puts(m, csts & NVME_CSTS_RDY ? "ready" : "disabled");
	if (csts & NVME_CSTS_CFS)
		seq_puts(m, " fatal");
	if ((csts & NVME_CSTS_SHST_MASK) == NVME_CSTS_SHST_CMPLT)
		seq_puts(m, " shutdown");
	if (READ_ONCE(ctrl->dead))
		seq_puts(m, " dead");
	seq_putc(m, '\n');
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int host_traddr_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;
	char buf[NVMF_TRADDR_SIZE] = "";
	struct tgt_queue *q;

	mutex_lock(&ctrl->lock);
	q = ctrl->queues[0];
	if (q && q->ops->host_traddr)
		q->ops->host_traddr(q, buf, sizeof(buf));
	mutex_unlock(&ctrl->lock);
	seq_printf(m, "%s\n", buf);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(host_traddr);

static int queues_show(struct seq_file *m, void *unused)
{
	struct tgt_ctrl *ctrl = m->private;
	struct tgt_queue *q;
	int i;

	seq_puts(m, "qid size flow_control commands\n");
	mutex_lock(&ctrl->lock);
	for (i = 0; i <= TGT_MAX_QID; i++) {
		q = ctrl->queues[i];
		if (q)
			seq_printf(m, "%d %u %s %llu\n", i, q->size,
				   q->sqhd_disabled ? "off" : "on", q->commands);
	}
	mutex_unlock(&ctrl->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

static const struct {
	const char *name;
	const struct file_operations *fops;
} files[] = {
	{ "hostnqn",		&hostnqn_fops },
	{ "hostid",		&hostid_fops },
	{ "host_traddr",	&host_traddr_fops },
	{ "kato",		&kato_fops },
	{ "port",		&port_fops },
	{ "state",		&state_fops },
	{ "queues",		&queues_fops },
};

/**
 * tgt_debugfs_ctrl_add - show a controller
 * @ctrl: new, complete; its subsystem's lock is held
 *
 * Context: process, may sleep.
 */
void tgt_debugfs_ctrl_add(struct tgt_ctrl *ctrl)
{
	struct tgt_subsys *subsys = ctrl->subsys;
	char name[16];
	int i;

	lockdep_assert_held(&subsys->lock);
	if (!subsys->debugfs)
		subsys->debugfs = debugfs_create_dir(subsys->nqn, root);
	snprintf(name, sizeof(name), "ctrl%u", ctrl->cntlid);
	ctrl->debugfs = debugfs_create_dir(name, subsys->debugfs);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		debugfs_create_file(files[i].name, 0400, ctrl->debugfs, ctrl,
				    files[i].fops);
}

/**
 * tgt_debugfs_ctrl_del - the reverse; waits for readers under way
 * @ctrl: without its locks
 *
 * Context: process, may sleep.
 */
void tgt_debugfs_ctrl_del(struct tgt_ctrl *ctrl)
{
	debugfs_remove_recursive(ctrl->debugfs);
}

/**
 * tgt_debugfs_subsys_del - a subsystem goes; its controllers are gone
 * @subsys: without its last reference
 *
 * Context: process, may sleep.
 */
void tgt_debugfs_subsys_del(struct tgt_subsys *subsys)
{
	debugfs_remove_recursive(subsys->debugfs);
}

void tgt_debugfs_init(void)
{
	root = debugfs_create_dir("nvmet", NULL);
}

void tgt_debugfs_exit(void)
{
	debugfs_remove_recursive(root);
}

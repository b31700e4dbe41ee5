// SPDX-License-Identifier: GPL-2.0-only
/*
 * ports/N/ana_groups/N/: how well the namespaces of a group can be reached
 * through this port (Base 2.1, 8.1.1).
 *
 * Group 1 is always there. A group without a directory is inaccessible.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "target.h"
#include "objects.h"

static const struct tgt_word states[] = {
	{ "optimized",		NVME_ANA_OPTIMIZED },
	{ "non-optimized",	NVME_ANA_NONOPTIMIZED },
	{ "inaccessible",	NVME_ANA_INACCESSIBLE },
	{ "persistent-loss",	NVME_ANA_PERSISTENT_LOSS },
	{ "change",		NVME_ANA_CHANGE },
	{ }
};

static const struct tgt_kind kind_state = {
	.want = "optimized, non-optimized, inaccessible, persistent-loss or change",
	.parse = tgt_parse_word, .show = tgt_show_word, .param = states,
};

static struct tgt_ana_group *to_ana(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_ana_group, group);
}

static void set_state(struct tgt_port *port, u32 id, u8 state)
{
	struct tgt_port_link *l;

	lockdep_assert_held_write(&tgt_config_sem);
	WRITE_ONCE(port->ana_state[id], state);
	port->ana_chgcnt++;
	list_for_each_entry(l, &port->subsystems, entry) {
		mutex_lock(&l->subsys->lock);
		tgt_subsys_event(l->subsys, port, TGT_EV_ANA_CHANGED);
		mutex_unlock(&l->subsys->lock);
	}
}

static int apply_state(struct tgt_ana_group *g, u8 *field, union tgt_value *v)
{
	down_write(&tgt_config_sem);
	*field = v->u8;
	set_state(g->port, g->id, v->u8);
	up_write(&tgt_config_sem);
	return 0;
}

TGT_ATTR(ana, ana_state, state, kind_state, apply_state);

static struct configfs_attribute *ana_attrs[] = {
	&ana_attr_ana_state,
	NULL
};

static void ana_release(struct config_item *item)
{
	kfree(to_ana(item));
}

static struct configfs_item_operations ana_item_ops = {
	.release	= ana_release,
};

static const struct config_item_type ana_type = {
	.ct_item_ops	= &ana_item_ops,
	.ct_attrs	= ana_attrs,
	.ct_owner	= THIS_MODULE,
};

/**
 * tgt_ana_group_new - a directory for an ANA group
 * @port: its port
 * @name: of the directory
 * @id: ANAGRPID, 1 to TGT_ANA_GROUPS
 * @state: NVME_ANA_*
 *
 * Context: process, may sleep.
 * Return: the group, which its release frees, or NULL.
 */
struct tgt_ana_group *tgt_ana_group_new(struct tgt_port *port, const char *name,
					u32 id, u8 state)
{
	struct tgt_ana_group *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return NULL;
	g->port = port;
	g->id = id;
	g->state = state;
	config_group_init_type_name(&g->group, name, &ana_type);
	return g;
}

static struct tgt_port *ana_groups_to_port(struct config_group *group)
{
	return container_of(group, struct tgt_port, ana_groups_group);
}

static struct config_group *ana_groups_make(struct config_group *group,
					    const char *name)
{
	struct tgt_port *port = ana_groups_to_port(group);
	struct tgt_ana_group *g;
	u32 id;

	/* 1 is there already, "1" or "01". */
	if (kstrtou32(name, 0, &id) || id < 2 || id > TGT_ANA_GROUPS) {
		pr_err("port %u: an ANA group's name is a number from 2 to %u, not '%.64s'\n",
		       port->portid, TGT_ANA_GROUPS, name);
		return ERR_PTR(-EINVAL);
	}
	g = tgt_ana_group_new(port, name, id, NVME_ANA_INACCESSIBLE);
	return g ? &g->group : ERR_PTR(-ENOMEM);
}

static void ana_groups_drop(struct config_group *group, struct config_item *item)
{
	struct tgt_ana_group *g = to_ana(item);

	down_write(&tgt_config_sem);
	set_state(g->port, g->id, NVME_ANA_INACCESSIBLE);
	up_write(&tgt_config_sem);
	config_item_put(item);
}

static struct configfs_group_operations ana_groups_ops = {
	.make_group	= ana_groups_make,
	.drop_item	= ana_groups_drop,
};

const struct config_item_type tgt_ana_groups_type = {
	.ct_group_ops	= &ana_groups_ops,
	.ct_owner	= THIS_MODULE,
};

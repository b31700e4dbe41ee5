// SPDX-License-Identifier: GPL-2.0-only
/*
 * subsystems/NQN/namespaces/N/: a namespace, enabled and disabled.
 *
 * Disabling takes it out of the array, waits for the requests in flight and
 * closes the device. A host that owes a write's data can hold a request for as
 * long as it likes: after a while its controllers are closed. A device can as
 * well: after a longer while disabling returns, and a work item closes the
 * device once it has answered; until then the namespace cannot be enabled.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "target.h"
#include "objects.h"

enum {
	DRAIN_HOSTS	= 5 * HZ,	/* then hosts in mid-command are closed */
	DRAIN_DEVICE	= 30 * HZ,	/* then the device is left behind */
};

static struct tgt_ns *to_ns(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_ns, group);
}

/**
 * tgt_ns_get - an enabled namespace, for a request
 * @subsys: whose
 * @nsid: which
 *
 * Context: any.
 * Return: the namespace, to be given back with tgt_ns_put(), or NULL.
 */
struct tgt_ns *tgt_ns_get(struct tgt_subsys *subsys, u32 nsid)
{
	struct tgt_ns *ns;

	rcu_read_lock();
	ns = xa_load(&subsys->namespaces, nsid);
	if (ns && !percpu_ref_tryget_live_rcu(&ns->ref))
		ns = NULL;
	rcu_read_unlock();
	return ns;
}

/**
 * tgt_ns_put - a request is done with its namespace
 * @ns: not touched any more after this
 *
 * Context: any.
 */
void tgt_ns_put(struct tgt_ns *ns)
{
	percpu_ref_put(&ns->ref);
}

/* The last request is done. Any context. */
static void ref_release(struct percpu_ref *ref)
{
	struct tgt_ns *ns = container_of(ref, struct tgt_ns, ref);

	queue_work(tgt_wq, &ns->close_work);
}

static void close_work(struct work_struct *work)
{
	struct tgt_ns *ns = container_of(work, struct tgt_ns, close_work);

	tgt_bdev_close(ns);
	percpu_ref_exit(&ns->ref);
	/* Pairs with is_closing(): what follows that may use the object anew. */
	smp_store_release(&ns->closing, false);
	complete_all(&ns->drained);
	config_item_put(&ns->group.cg_item);
	module_put(THIS_MODULE);
}

static bool is_closing(struct tgt_ns *ns)
{
	/* Pairs with close_work(). */
	return smp_load_acquire(&ns->closing);
}

/* A host that reads the ANA log in pieces sees from its count that it changed. */
static void ana_changed(struct tgt_subsys *subsys)
{
	lockdep_assert_held(&subsys->lock);
	WRITE_ONCE(subsys->ana_chgcnt, subsys->ana_chgcnt + 1);
}

static int publish(struct tgt_ns *ns)
{
	struct tgt_subsys *subsys = ns->subsys;
	int ret;

	mutex_lock(&subsys->lock);
	if (subsys->nr_namespaces >= TGT_MAX_NSID) {
		pr_err("%s: namespace %u: there are %u enabled, the most possible\n",
		       subsys->nqn, ns->nsid, subsys->nr_namespaces);
		ret = -ENOSPC;
		goto out;
	}
	/* xa_store() is the release that readers' xa_load() pairs with. */
	ret = xa_insert(&subsys->namespaces, ns->nsid, ns, GFP_KERNEL);
	if (ret) {
		pr_err("%s: namespace %u: %s\n", subsys->nqn, ns->nsid,
		       ret == -EBUSY ? "another directory stands for this NSID" :
		       "out of memory");
		goto out;
	}
	subsys->nr_namespaces++;
	ana_changed(subsys);
	ns->enabled = true;
	tgt_ns_changed(subsys, ns->nsid);
out:
	mutex_unlock(&subsys->lock);
	return ret;
}

/**
 * tgt_ns_enable - open the device and offer the namespace to hosts
 * @ns: with lock held
 *
 * Context: process, may sleep.
 * Return: 0, also when it is enabled already, or -errno with the reason logged.
 */
int tgt_ns_enable(struct tgt_ns *ns)
{
	int ret;

	lockdep_assert_held(&ns->lock);
	if (ns->enabled)
		return 0;
	if (is_closing(ns)) {
		pr_err("%s: namespace %u: %s is still being closed, try later\n",
		       ns->subsys->nqn, ns->nsid, ns->path);
		return -EBUSY;
	}
	/* The rest of close_work(), which completes what is waited for next time */
	flush_work(&ns->close_work);
	if (!ns->path) {
		pr_err("%s: namespace %u: write a device's path to device_path first\n",
		       ns->subsys->nqn, ns->nsid);
		return -EINVAL;
	}

	ret = tgt_bdev_open(ns);
	if (ret)
		return ret;
	ret = percpu_ref_init(&ns->ref, ref_release, 0, GFP_KERNEL);
	if (ret)
		goto close;
	reinit_completion(&ns->drained);
	ret = publish(ns);
	if (ret)
		goto exit;
	return 0;

exit:
	percpu_ref_exit(&ns->ref);
close:
	tgt_bdev_close(ns);
	return ret;
}

static bool any_ctrl(struct tgt_ctrl *ctrl, const void *unused)
{
	return true;
}

/**
 * tgt_ns_disable - withdraw the namespace and close the device
 * @ns: with lock held
 *
 * Context: process, sleeps for DRAIN_HOSTS + DRAIN_DEVICE at most.
 */
void tgt_ns_disable(struct tgt_ns *ns)
{
	struct tgt_subsys *subsys = ns->subsys;

	lockdep_assert_held(&ns->lock);
	if (!ns->enabled)
		return;
	mutex_lock(&subsys->lock);
	xa_erase(&subsys->namespaces, ns->nsid);
	subsys->nr_namespaces--;
	ana_changed(subsys);
	ns->enabled = false;
	tgt_ns_changed(subsys, ns->nsid);
	mutex_unlock(&subsys->lock);

	/* close_work()'s */
	__module_get(THIS_MODULE);
	config_item_get(&ns->group.cg_item);
	ns->closing = true;
	percpu_ref_kill(&ns->ref);

	if (wait_for_completion_timeout(&ns->drained, DRAIN_HOSTS))
		return;
	pr_warn("%s: namespace %u: commands do not end, closing its hosts' connections\n",
		subsys->nqn, ns->nsid);
	tgt_subsys_close_ctrls(subsys, any_ctrl, NULL);
	if (!wait_for_completion_timeout(&ns->drained, DRAIN_DEVICE))
		pr_err("%s: namespace %u: %s does not answer and stays open until it does\n",
		       subsys->nqn, ns->nsid, ns->path);
}

/* ---- attributes ---------------------------------------------------------- */

/* Held until unlock_ns(); fails on an enabled namespace. */
static int lock_disabled(struct tgt_ns *ns, int error)
{
	mutex_lock(&ns->lock);
	if (!ns->enabled && !is_closing(ns))
		return 0;
	mutex_unlock(&ns->lock);
	pr_err("%s: namespace %u: write 0 to enable first\n", ns->subsys->nqn,
	       ns->nsid);
	return error;
}

static int apply_uuid(struct tgt_ns *ns, uuid_t *field, union tgt_value *v)
{
	int ret = lock_disabled(ns, -EBUSY);

	if (ret)
		return ret;
	uuid_copy(field, &v->uuid);
	mutex_unlock(&ns->lock);
	return 0;
}

static int apply_nguid(struct tgt_ns *ns, void *field, union tgt_value *v)
{
	int ret = lock_disabled(ns, -EBUSY);

	if (ret)
		return ret;
	memcpy(field, v->nguid, sizeof(v->nguid));
	mutex_unlock(&ns->lock);
	return 0;
}

static int apply_buffered_io(struct tgt_ns *ns, bool *field, union tgt_value *v)
{
	int ret = lock_disabled(ns, -EINVAL);

	if (ret)
		return ret;
	*field = v->b;
	mutex_unlock(&ns->lock);
	return 0;
}

/* Moving to another group may change what the namespace's paths can do. */
static int apply_ana_grpid(struct tgt_ns *ns, u32 *field, union tgt_value *v)
{
	mutex_lock(&ns->lock);
	mutex_lock(&ns->subsys->lock);
	WRITE_ONCE(*field, v->u32);
	if (ns->enabled) {
		ana_changed(ns->subsys);
		tgt_subsys_event(ns->subsys, NULL, TGT_EV_ANA_CHANGED);
	}
	mutex_unlock(&ns->subsys->lock);
	mutex_unlock(&ns->lock);
	return 0;
}

static int apply_enable(struct tgt_ns *ns, bool *unused, union tgt_value *v)
{
	int ret = 0;

	mutex_lock(&ns->lock);
	if (v->b)
		ret = tgt_ns_enable(ns);
	else
		tgt_ns_disable(ns);
	mutex_unlock(&ns->lock);
	return ret;
}

static int apply_revalidate_size(struct tgt_ns *ns, union tgt_value *v)
{
	struct tgt_subsys *subsys = ns->subsys;
	int ret = 0;

	if (!v->b) {
		pr_err("%s: namespace %u: revalidate_size takes 1 alone\n",
		       subsys->nqn, ns->nsid);
		return -EINVAL;
	}
	mutex_lock(&ns->lock);
	mutex_lock(&subsys->lock);
	if (!ns->enabled) {
		pr_err("%s: namespace %u: revalidate_size needs it enabled\n",
		       subsys->nqn, ns->nsid);
		ret = -EINVAL;
	} else if (tgt_bdev_revalidate(ns)) {
		tgt_ns_changed(subsys, ns->nsid);
	}
	mutex_unlock(&subsys->lock);
	mutex_unlock(&ns->lock);
	return ret;
}

static const struct tgt_kind kind_grpid = {
	.want = "an ANA group from 1 to 128",
	.parse = tgt_parse_u32, .show = tgt_show_u32,
	.min = 1, .max = TGT_ANA_GROUPS,
};

TGT_ATTR(ns, device_uuid, uuid, tgt_kind_uuid, apply_uuid);
TGT_ATTR(ns, device_nguid, nguid, tgt_kind_nguid, apply_nguid);
TGT_ATTR(ns, ana_grpid, anagrpid, kind_grpid, apply_ana_grpid);
TGT_ATTR(ns, enable, enabled, tgt_kind_bool, apply_enable);
TGT_ATTR(ns, buffered_io, buffered_io, tgt_kind_bool, apply_buffered_io);
TGT_ATTR_WO(ns, revalidate_size, tgt_kind_bool, apply_revalidate_size);

/* A path is longer than any value of the macros'. */
static ssize_t ns_device_path_show(struct config_item *item, char *page)
{
	struct tgt_ns *ns = to_ns(item);
	ssize_t ret;

	/* "(null)" is what scripts know as none. */
	mutex_lock(&ns->lock);
	ret = sysfs_emit(page, "%s\n", ns->path ?: "(null)");
	mutex_unlock(&ns->lock);
	return ret;
}

static ssize_t ns_device_path_store(struct config_item *item, const char *page,
				    size_t count)
{
	struct tgt_ns *ns = to_ns(item);
	size_t len = strcspn(page, "\n");
	char *path;
	int ret;

	if (!len) {
		pr_err("%s: namespace %u: device_path must be the path of a block device\n",
		       ns->subsys->nqn, ns->nsid);
		return -EINVAL;
	}
	path = kmemdup_nul(page, len, GFP_KERNEL);
	if (!path)
		return -ENOMEM;
	ret = lock_disabled(ns, -EBUSY);
	if (!ret) {
		swap(ns->path, path);
		mutex_unlock(&ns->lock);
	}
	kfree(path);
	return ret ?: count;
}

CONFIGFS_ATTR(ns_, device_path);

static struct configfs_attribute *ns_attrs[] = {
	&ns_attr_device_path,
	&ns_attr_device_uuid,
	&ns_attr_device_nguid,
	&ns_attr_ana_grpid,
	&ns_attr_enable,
	&ns_attr_buffered_io,
	&ns_attr_revalidate_size,
	NULL
};

/* ---- the object ---------------------------------------------------------- */

static void ns_release(struct config_item *item)
{
	struct tgt_ns *ns = to_ns(item);

	tgt_subsys_put(ns->subsys);
	mutex_destroy(&ns->lock);
	kfree(ns->path);
	kfree(ns);
}

static struct configfs_item_operations ns_item_ops = {
	.release	= ns_release,
};

static const struct config_item_type ns_type = {
	.ct_item_ops	= &ns_item_ops,
	.ct_attrs	= ns_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct config_group *namespaces_make(struct config_group *group,
					    const char *name)
{
	struct tgt_subsys *subsys = container_of(group, struct tgt_subsys,
						 ns_group);
	struct tgt_ns *ns;
	u32 nsid;

	if (kstrtou32(name, 0, &nsid) || !nsid || nsid == NVME_NSID_ALL) {
		pr_err("%s: a namespace's name is its NSID, 1 to 4294967294, not '%.64s'\n",
		       subsys->nqn, name);
		return ERR_PTR(-EINVAL);
	}
	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return ERR_PTR(-ENOMEM);
	kref_get(&subsys->ref);
	ns->subsys = subsys;
	ns->nsid = nsid;
	ns->anagrpid = 1;
	uuid_gen(&ns->uuid);
	mutex_init(&ns->lock);
	init_completion(&ns->drained);
	INIT_WORK(&ns->close_work, close_work);

	mutex_lock(&subsys->lock);
	WRITE_ONCE(subsys->max_nsid, max(subsys->max_nsid, nsid));
	mutex_unlock(&subsys->lock);
	config_group_init_type_name(&ns->group, name, &ns_type);
	pr_info("adding nsid %u to subsystem %s\n", nsid, subsys->nqn);
	return &ns->group;
}

static void namespaces_drop(struct config_group *group, struct config_item *item)
{
	struct tgt_ns *ns = to_ns(item);

	mutex_lock(&ns->lock);
	tgt_ns_disable(ns);
	mutex_unlock(&ns->lock);
	config_item_put(item);
}

static struct configfs_group_operations namespaces_group_ops = {
	.make_group	= namespaces_make,
	.drop_item	= namespaces_drop,
};

const struct config_item_type tgt_namespaces_type = {
	.ct_group_ops	= &namespaces_group_ops,
	.ct_owner	= THIS_MODULE,
};

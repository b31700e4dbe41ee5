// SPDX-License-Identifier: GPL-2.0-only
/*
 * subsystems/NQN/: a subsystem, its attributes, and the hosts that may use it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/hex.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "target.h"
#include "objects.h"

#define TGT_VER_DEFAULT	NVME_VS(2, 1, 0)

static bool any_ctrl(struct tgt_ctrl *ctrl, const void *unused)
{
	return true;
}

/* ---- attributes ---------------------------------------------------------- */

static int apply_u16(struct tgt_subsys *s, u16 *field, union tgt_value *v)
{
	WRITE_ONCE(*field, v->u16);
	return 0;
}

static int apply_u32(struct tgt_subsys *s, u32 *field, union tgt_value *v)
{
	WRITE_ONCE(*field, v->u32);
	return 0;
}

/*
 * What a host recognises a subsystem by. Multipath takes two paths for one by
 * it, so it is fixed once a host has seen it.
 */
static int judge_identity(struct tgt_subsys *s, const char *what)
{
	lockdep_assert_held(&s->lock);
	if (!s->discovered)
		return 0;
	pr_err("%s: the %s is fixed once a host has connected\n", s->nqn, what);
	return -EINVAL;
}

static int apply_text(struct tgt_subsys *s, char *field, union tgt_value *v,
		      size_t size, const char *what)
{
	int ret;

	mutex_lock(&s->lock);
	ret = judge_identity(s, what);
	if (!ret)
		strscpy(field, v->s, size);
	mutex_unlock(&s->lock);
	return ret;
}

static int apply_serial(struct tgt_subsys *s, const void *f, union tgt_value *v)
{
	return apply_text(s, s->serial, v, sizeof(s->serial), "serial number");
}

static int apply_model(struct tgt_subsys *s, const void *f, union tgt_value *v)
{
	return apply_text(s, s->model, v, sizeof(s->model), "model");
}

static int apply_firmware(struct tgt_subsys *s, const void *f,
			  union tgt_value *v)
{
	return apply_text(s, s->firmware, v, sizeof(s->firmware),
			  "firmware revision");
}

static int apply_version(struct tgt_subsys *s, u32 *ver, union tgt_value *v)
{
	int ret;

	mutex_lock(&s->lock);
	ret = judge_identity(s, "version");
	if (!ret)
		*ver = v->u32;
	mutex_unlock(&s->lock);
	return ret;
}

static int apply_cntlid_min(struct tgt_subsys *s, u16 *min, union tgt_value *v)
{
	int ret = 0;

	mutex_lock(&s->lock);
	if (v->u16 > s->cntlid_max) {
		pr_err("%s: attr_cntlid_min must not exceed attr_cntlid_max, %u\n",
		       s->nqn, s->cntlid_max);
		ret = -EINVAL;
	} else {
		WRITE_ONCE(*min, v->u16);
	}
	mutex_unlock(&s->lock);
	return ret;
}

static int apply_cntlid_max(struct tgt_subsys *s, u16 *max, union tgt_value *v)
{
	int ret = 0;

	mutex_lock(&s->lock);
	if (v->u16 < s->cntlid_min) {
		pr_err("%s: attr_cntlid_max must not be below attr_cntlid_min, %u\n",
		       s->nqn, s->cntlid_min);
		ret = -EINVAL;
	} else {
		WRITE_ONCE(*max, v->u16);
	}
	mutex_unlock(&s->lock);
	return ret;
}

/* Hosts learn the number of queues when they connect: let them do it again. */
static int apply_qid_max(struct tgt_subsys *s, u16 *max, union tgt_value *v)
{
	mutex_lock(&s->lock);
	WRITE_ONCE(*max, v->u16);
	mutex_unlock(&s->lock);
	tgt_subsys_close_ctrls(s, any_ctrl, NULL);
	return 0;
}

static int apply_allow_any_host(struct tgt_subsys *s, bool *any,
				union tgt_value *v)
{
	bool revoked = false;
	int ret = 0;

	down_write(&tgt_config_sem);
	if (v->b && !list_empty(&s->hosts)) {
		pr_err("%s: attr_allow_any_host: remove the links in allowed_hosts first\n",
		       s->nqn);
		ret = -EINVAL;
	} else if (*any != v->b) {
		revoked = *any;
		*any = v->b;
		tgt_disc_changed(NULL, s);
	}
	up_write(&tgt_config_sem);
	/* allowed_hosts/ is empty as long as any host is allowed. */
	if (revoked)
		tgt_subsys_close_ctrls(s, any_ctrl, NULL);
	return ret;
}

static bool parse_version(const struct tgt_kind *k, const char *s,
			  union tgt_value *v)
{
	unsigned int n[3] = { 0 };
	int i, used;

	for (i = 0; i < 3; i++) {
		if (!isdigit(*s) || sscanf(s, "%u%n", &n[i], &used) < 1)
			return false;
		s += used;
		if (!*s)
			break;
		if (*s++ != '.')
			return false;
	}
	if (i < 1 || i > 2 || n[0] > 0xffff || n[1] > 0xff || n[2] > 0xff)
		return false;
	v->u32 = NVME_VS(n[0], n[1], n[2]);
	return n[0] > 0;
}

static ssize_t show_version(const struct tgt_kind *k, const void *field,
			    char *page)
{
	u32 ver = *(const u32 *)field;

	if (NVME_TERTIARY(ver))
		return sysfs_emit(page, "%u.%u.%u\n", NVME_MAJOR(ver),
				  NVME_MINOR(ver), NVME_TERTIARY(ver));
	return sysfs_emit(page, "%u.%u\n", NVME_MAJOR(ver), NVME_MINOR(ver));
}

static ssize_t show_oui(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "0x%06x\n", *(const u32 *)field);
}

static const struct tgt_kind kind_version = {
	.want = "a version, X.Y or X.Y.Z",
	.parse = parse_version, .show = show_version,
};

static const struct tgt_kind kind_serial = {
	.want = "1 to 20 printable ASCII characters",
	.parse = tgt_parse_text, .show = tgt_show_text, .min = 1, .max = 20,
};

static const struct tgt_kind kind_model = {
	.want = "1 to 40 printable ASCII characters",
	.parse = tgt_parse_text, .show = tgt_show_text, .min = 1, .max = 40,
};

static const struct tgt_kind kind_firmware = {
	.want = "1 to 8 printable ASCII characters",
	.parse = tgt_parse_text, .show = tgt_show_text, .min = 1, .max = 8,
};

static const struct tgt_kind kind_oui = {
	.want = "a number up to 0xffffff",
	.parse = tgt_parse_u32, .show = show_oui, .max = 0xffffff,
};

static const struct tgt_kind kind_pci_id = {
	.want = "a number up to 0xffff",
	.parse = tgt_parse_u16, .show = tgt_show_hex16, .max = 0xffff,
};

static const struct tgt_kind kind_cntlid = {
	.want = "a number from 1 to 65519",
	.parse = tgt_parse_u16, .show = tgt_show_u16,
	.min = NVME_CNTLID_MIN, .max = NVME_CNTLID_MAX,
};

static const struct tgt_kind kind_qid_max = {
	.want = "a number from 1 to 128",
	.parse = tgt_parse_u16, .show = tgt_show_u16, .min = 1, .max = TGT_MAX_QID,
};

TGT_ATTR(subsys, attr_allow_any_host, allow_any_host, tgt_kind_bool,
	 apply_allow_any_host);
TGT_ATTR(subsys, attr_version, ver, kind_version, apply_version);
TGT_ATTR(subsys, attr_serial, serial, kind_serial, apply_serial);
TGT_ATTR(subsys, attr_model, model, kind_model, apply_model);
TGT_ATTR(subsys, attr_firmware, firmware, kind_firmware, apply_firmware);
TGT_ATTR(subsys, attr_ieee_oui, oui, kind_oui, apply_u32);
TGT_ATTR(subsys, attr_vendor_id, vid, kind_pci_id, apply_u16);
TGT_ATTR(subsys, attr_subsys_vendor_id, ssvid, kind_pci_id, apply_u16);
TGT_ATTR(subsys, attr_cntlid_min, cntlid_min, kind_cntlid, apply_cntlid_min);
TGT_ATTR(subsys, attr_cntlid_max, cntlid_max, kind_cntlid, apply_cntlid_max);
TGT_ATTR(subsys, attr_qid_max, qid_max, kind_qid_max, apply_qid_max);

static struct configfs_attribute *subsys_attrs[] = {
	&subsys_attr_attr_allow_any_host,
	&subsys_attr_attr_version,
	&subsys_attr_attr_serial,
	&subsys_attr_attr_model,
	&subsys_attr_attr_firmware,
	&subsys_attr_attr_ieee_oui,
	&subsys_attr_attr_vendor_id,
	&subsys_attr_attr_subsys_vendor_id,
	&subsys_attr_attr_cntlid_min,
	&subsys_attr_attr_cntlid_max,
	&subsys_attr_attr_qid_max,
	NULL
};

/* ---- allowed_hosts/ ------------------------------------------------------ */

static struct tgt_subsys *hosts_to_subsys(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_subsys, hosts_group);
}

static int allowed_hosts_link(struct config_item *src, struct config_item *target)
{
	struct tgt_subsys *s = hosts_to_subsys(src);
	struct tgt_host_link *l, *i;
	int ret = 0;

	if (target->ci_type != &tgt_host_type) {
		pr_err("%s: allowed_hosts takes links to directories of hosts/\n",
		       s->nqn);
		return -EINVAL;
	}
	l = kmalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	l->host = container_of(to_config_group(target), struct tgt_host, group);

	down_write(&tgt_config_sem);
	if (s->allow_any_host) {
		pr_err("%s: allowed_hosts: write 0 to attr_allow_any_host first\n",
		       s->nqn);
		ret = -EINVAL;
		goto out;
	}
	list_for_each_entry(i, &s->hosts, entry) {
		if (i->host == l->host) {
			pr_err("%s: host %s is allowed already\n", s->nqn,
			       tgt_host_nqn(l->host));
			ret = -EEXIST;
			goto out;
		}
	}
	list_add_tail(&l->entry, &s->hosts);
	tgt_disc_changed(NULL, s);
	l = NULL;
out:
	up_write(&tgt_config_sem);
	kfree(l);
	return ret;
}

static bool ctrl_of_host(struct tgt_ctrl *ctrl, const void *nqn)
{
	return !strcmp(ctrl->hostnqn, nqn);
}

static void allowed_hosts_unlink(struct config_item *src,
				 struct config_item *target)
{
	struct tgt_subsys *s = hosts_to_subsys(src);
	struct tgt_host *host = container_of(to_config_group(target),
					     struct tgt_host, group);
	struct tgt_host_link *l;

	down_write(&tgt_config_sem);
	list_for_each_entry(l, &s->hosts, entry) {
		if (l->host == host) {
			list_del(&l->entry);
			kfree(l);
			tgt_disc_changed(NULL, s);
			break;
		}
	}
	up_write(&tgt_config_sem);
	/* A Connect that was let in before is in the list of controllers by now. */
	tgt_subsys_close_ctrls(s, ctrl_of_host, tgt_host_nqn(host));
}

static struct configfs_item_operations allowed_hosts_item_ops = {
	.allow_link	= allowed_hosts_link,
	.drop_link	= allowed_hosts_unlink,
};

static const struct config_item_type allowed_hosts_type = {
	.ct_item_ops	= &allowed_hosts_item_ops,
	.ct_owner	= THIS_MODULE,
};

/**
 * tgt_host_allowed - may this host use this subsystem?
 * @subsys: the subsystem
 * @hostnqn: the host
 *
 * Context: process; tgt_config_sem held.
 */
bool tgt_host_allowed(struct tgt_subsys *subsys, const char *hostnqn)
{
	struct tgt_host_link *l;

	lockdep_assert_held(&tgt_config_sem);
	if (subsys->allow_any_host)
		return true;
	list_for_each_entry(l, &subsys->hosts, entry)
		if (!strcmp(tgt_host_nqn(l->host), hostnqn))
			return true;
	return false;
}

/* ---- the object ---------------------------------------------------------- */

static LIST_HEAD(all);		/* directories; under tgt_config_sem */

static void subsys_free(struct kref *ref)
{
	struct tgt_subsys *s = container_of(ref, struct tgt_subsys, ref);

	tgt_debugfs_subsys_del(s);
	ida_destroy(&s->cntlids);
	xa_destroy(&s->namespaces);
	mutex_destroy(&s->lock);
	kfree(s);
}

/**
 * tgt_subsys_put - drop a reference
 * @subsys: not touched any more after this
 *
 * Context: process, may sleep.
 */
void tgt_subsys_put(struct tgt_subsys *subsys)
{
	kref_put(&subsys->ref, subsys_free);
}

/**
 * tgt_subsys_new - a subsystem with everybody's defaults
 * @nqn: its name
 * @type: enum nvme_subsys_type
 *
 * Context: process, may sleep.
 * Return: the subsystem with a reference, or an ERR_PTR().
 */
struct tgt_subsys *tgt_subsys_new(const char *nqn, u8 type)
{
	struct tgt_subsys *s;
	u8 serial[10];

	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return ERR_PTR(-ENOMEM);
	kref_init(&s->ref);
	mutex_init(&s->lock);
	INIT_LIST_HEAD(&s->ctrls);
	INIT_LIST_HEAD(&s->hosts);
	INIT_LIST_HEAD(&s->entry);
	xa_init(&s->namespaces);
	ida_init(&s->cntlids);
	s->type = type;
	s->ver = TGT_VER_DEFAULT;
	s->max_nsid = TGT_MAX_NSID;
	s->cntlid_min = NVME_CNTLID_MIN;
	s->cntlid_max = NVME_CNTLID_MAX;
	s->qid_max = TGT_MAX_QID;
	strscpy(s->nqn, nqn, sizeof(s->nqn));
	get_random_bytes(serial, sizeof(serial));
	bin2hex(s->serial, serial, sizeof(serial));
	strscpy(s->model, "Linux", sizeof(s->model));
	strscpy(s->firmware, init_utsname()->release, sizeof(s->firmware));
	return s;
}

/**
 * tgt_nqn_in_use - does a subsystem have this name?
 * @nqn: a name
 *
 * Context: process; tgt_config_sem held.
 */
bool tgt_nqn_in_use(const char *nqn)
{
	struct tgt_subsys *s;

	lockdep_assert_held(&tgt_config_sem);
	list_for_each_entry(s, &all, entry)
		if (!strcmp(s->nqn, nqn))
			return true;
	return false;
}

static void subsys_release(struct config_item *item)
{
	tgt_subsys_put(to_subsys(item));
}

static struct configfs_item_operations subsys_item_ops = {
	.release	= subsys_release,
};

const struct config_item_type tgt_subsys_type = {
	.ct_item_ops	= &subsys_item_ops,
	.ct_attrs	= subsys_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct config_group *subsystems_make(struct config_group *group,
					    const char *name)
{
	struct tgt_subsys *s;
	bool taken;

	if (strlen(name) > NVMF_NQN_SIZE) {
		pr_err("subsystem NQN longer than %u bytes\n", NVMF_NQN_SIZE);
		return ERR_PTR(-EINVAL);
	}
	s = tgt_subsys_new(name, NVME_NQN_NVME);
	if (IS_ERR(s))
		return ERR_CAST(s);

	down_write(&tgt_config_sem);
	taken = !strcmp(name, NVME_DISC_SUBSYS_NAME) ||
		!strcmp(name, tgt_disc_subsys->nqn);
	if (!taken)
		list_add_tail(&s->entry, &all);
	up_write(&tgt_config_sem);
	if (taken) {
		pr_err("%s is the discovery subsystem's name\n", name);
		tgt_subsys_put(s);
		return ERR_PTR(-EINVAL);
	}

	config_group_init_type_name(&s->group, name, &tgt_subsys_type);
	config_group_init_type_name(&s->ns_group, "namespaces",
				    &tgt_namespaces_type);
	configfs_add_default_group(&s->ns_group, &s->group);
	config_group_init_type_name(&s->hosts_group, "allowed_hosts",
				    &allowed_hosts_type);
	configfs_add_default_group(&s->hosts_group, &s->group);
	return &s->group;
}

/* Nothing links to it and it has no namespace any more: configfs sees to that. */
static void subsystems_drop(struct config_group *group, struct config_item *item)
{
	struct tgt_subsys *s = to_subsys(item);

	down_write(&tgt_config_sem);
	list_del(&s->entry);
	up_write(&tgt_config_sem);
	tgt_subsys_close_ctrls(s, any_ctrl, NULL);
	config_item_put(item);
}

static struct configfs_group_operations subsystems_group_ops = {
	.make_group	= subsystems_make,
	.drop_item	= subsystems_drop,
};

const struct config_item_type tgt_subsystems_type = {
	.ct_group_ops	= &subsystems_group_ops,
	.ct_owner	= THIS_MODULE,
};

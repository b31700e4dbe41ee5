// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/config/nvmet/: the root, hosts, and the types of attributes.
 * Subsystems, namespaces and ports are in files of their own.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "target.h"
#include "objects.h"

DECLARE_RWSEM(tgt_config_sem);

/* ---- types of attributes ------------------------------------------------- */

/**
 * tgt_attr_parse - what a write to an attribute says
 * @item: the object, for the log
 * @name: the attribute
 * @kind: its type
 * @page: NUL terminated after @count bytes, with or without a newline
 * @count: bytes written
 * @v: the value
 *
 * Context: process, may sleep.
 * Return: 0, or -errno with the reason logged.
 */
ssize_t tgt_attr_parse(struct config_item *item, const char *name,
		       const struct tgt_kind *kind, const char *page, size_t count,
		       union tgt_value *v)
{
	const struct config_item *parent = item->ci_parent;
	char *s;
	bool ok;

	while (count && isspace(page[count - 1]))
		count--;
	s = kmemdup_nul(page, count, GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	memset(v, 0, sizeof(*v));
	/* A NUL in the middle is no part of any value. */
	ok = strlen(s) == count && kind->parse(kind, s, v);
	if (!ok)
		pr_err("%s%s%s: %s must be %s, not '%.64s'\n",
		       parent ? parent->ci_name : "", parent ? "/" : "",
		       item->ci_name, name, kind->want, s);
	kfree(s);
	return ok ? 0 : -EINVAL;
}

static bool parse_bool(const struct tgt_kind *k, const char *s,
		       union tgt_value *v)
{
	return !kstrtobool(s, &v->b);
}

static ssize_t show_bool(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%d\n", *(const bool *)field);
}

static bool parse_number(const struct tgt_kind *k, const char *s, u32 *n)
{
	return !kstrtou32(s, 0, n) && *n >= k->min && *n <= k->max;
}

bool tgt_parse_u32(const struct tgt_kind *k, const char *s, union tgt_value *v)
{
	return parse_number(k, s, &v->u32);
}

bool tgt_parse_u16(const struct tgt_kind *k, const char *s, union tgt_value *v)
{
	u32 n;

	if (!parse_number(k, s, &n))
		return false;
	v->u16 = n;
	return true;
}

/* From -1, which stands for a default, to max */
bool tgt_parse_int(const struct tgt_kind *k, const char *s, union tgt_value *v)
{
	return !kstrtoint(s, 0, &v->i) && v->i >= -1 && v->i <= (int)k->max;
}

/* Kinds are used through void pointers: the field's type is the kind's affair. */
ssize_t tgt_show_u32(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%u\n", *(const u32 *)field);
}

ssize_t tgt_show_u16(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%u\n", *(const u16 *)field);
}

ssize_t tgt_show_int(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%d\n", *(const int *)field);
}

ssize_t tgt_show_hex16(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "0x%x\n", *(const u16 *)field);
}

bool tgt_parse_word(const struct tgt_kind *k, const char *s, union tgt_value *v)
{
	const struct tgt_word *w;

	for (w = k->param; w->word; w++) {
		if (!strcmp(w->word, s)) {
			v->u8 = w->value;
			return true;
		}
	}
	return false;
}

/* A value without a word, as before the first write, shows as an empty line. */
ssize_t tgt_show_word(const struct tgt_kind *k, const void *field, char *page)
{
	const struct tgt_word *w;

	for (w = k->param; w->word; w++)
		if (w->value == *(const u8 *)field)
			break;
	return sysfs_emit(page, "%s\n", w->word ?: "");
}

/* Printable ASCII, at least min and at most max bytes */
bool tgt_parse_text(const struct tgt_kind *k, const char *s, union tgt_value *v)
{
	size_t len = strlen(s), i;

	if (len < k->min || len > k->max)
		return false;
	for (i = 0; i < len; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	strscpy(v->s, s, sizeof(v->s));
	return true;
}

ssize_t tgt_show_text(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%s\n", (const char *)field);
}

static bool parse_uuid(const struct tgt_kind *k, const char *s,
		       union tgt_value *v)
{
	return strlen(s) == UUID_STRING_LEN && !uuid_parse(s, &v->uuid);
}

static ssize_t show_uuid(const struct tgt_kind *k, const void *field, char *page)
{
	return sysfs_emit(page, "%pUb\n", field);
}

/* Sixteen bytes in hexadecimal, each but the first after a '-' or ':' or nothing */
static bool parse_nguid(const struct tgt_kind *k, const char *s,
			union tgt_value *v)
{
	int i;

	for (i = 0; i < sizeof(v->nguid); i++) {
		if (i && (*s == '-' || *s == ':'))
			s++;
		if (hex2bin(&v->nguid[i], s, 1))
			return false;
		s += 2;
	}
	return !*s;
}

const struct tgt_kind tgt_kind_bool = {
	.want	= "0 or 1",
	.parse	= parse_bool,
	.show	= show_bool,
};

const struct tgt_kind tgt_kind_uuid = {
	.want	= "a UUID",
	.parse	= parse_uuid,
	.show	= show_uuid,
};

const struct tgt_kind tgt_kind_nguid = {
	.want	= "16 bytes in hexadecimal",
	.parse	= parse_nguid,
	.show	= show_uuid,
};

/* ---- hosts/ -------------------------------------------------------------- */

static void host_release(struct config_item *item)
{
	kfree(container_of(to_config_group(item), struct tgt_host, group));
}

static struct configfs_item_operations host_item_ops = {
	.release	= host_release,
};

const struct config_item_type tgt_host_type = {
	.ct_item_ops	= &host_item_ops,
	.ct_owner	= THIS_MODULE,
};

static struct config_group *hosts_make(struct config_group *group,
				       const char *name)
{
	struct tgt_host *host;

	if (strlen(name) > NVMF_NQN_SIZE) {
		pr_err("host NQN longer than %u bytes\n", NVMF_NQN_SIZE);
		return ERR_PTR(-EINVAL);
	}
	host = kzalloc(sizeof(*host), GFP_KERNEL);
	if (!host)
		return ERR_PTR(-ENOMEM);
	config_group_init_type_name(&host->group, name, &tgt_host_type);
	return &host->group;
}

static struct configfs_group_operations hosts_group_ops = {
	.make_group	= hosts_make,
};

static const struct config_item_type hosts_type = {
	.ct_group_ops	= &hosts_group_ops,
	.ct_owner	= THIS_MODULE,
};

/* ---- the root ------------------------------------------------------------ */

static const struct tgt_kind kind_nqn = {
	.want	= "an NQN of up to 223 bytes",
	.parse	= tgt_parse_text,
	.show	= tgt_show_text,
	.min	= 1,
	.max	= NVMF_NQN_SIZE,
};

/*
 * The NQN that discovery controllers have for themselves (Base 2.1, 3.1.3.3);
 * the well-known one is theirs as well.
 */
static int apply_discovery_nqn(struct tgt_subsys *disc, const void *field,
			       union tgt_value *v)
{
	int ret = -EINVAL;

	down_write(&tgt_config_sem);
	if (tgt_nqn_in_use(v->s)) {
		pr_err("discovery_nqn: %s is a subsystem's, choose another\n",
		       v->s);
	} else {
		strscpy(disc->nqn, v->s, sizeof(disc->nqn));
		tgt_disc_changed(NULL, NULL);
		ret = 0;
	}
	up_write(&tgt_config_sem);
	return ret;
}

static struct tgt_subsys *to_root(struct config_item *item)
{
	return tgt_disc_subsys;
}

TGT_ATTR(root, discovery_nqn, nqn, kind_nqn, apply_discovery_nqn);

static struct configfs_attribute *root_attrs[] = {
	&root_attr_discovery_nqn,
	NULL
};

static const struct config_item_type root_type = {
	.ct_attrs	= root_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct configfs_subsystem configfs_root = {
	.su_group = {
		.cg_item = {
			.ci_namebuf	= "nvmet",
			.ci_type	= &root_type,
		},
	},
};

static struct config_group subsystems_group, ports_group, hosts_group;

int tgt_configfs_init(void)
{
	struct config_group *root = &configfs_root.su_group;
	int ret;

	config_group_init(root);
	mutex_init(&configfs_root.su_mutex);

	config_group_init_type_name(&subsystems_group, "subsystems",
				    &tgt_subsystems_type);
	configfs_add_default_group(&subsystems_group, root);
	config_group_init_type_name(&ports_group, "ports", &tgt_ports_type);
	configfs_add_default_group(&ports_group, root);
	config_group_init_type_name(&hosts_group, "hosts", &hosts_type);
	configfs_add_default_group(&hosts_group, root);

	ret = configfs_register_subsystem(&configfs_root);
	if (ret)
		pr_err("cannot make the configfs directory nvmet: %d%s\n", ret,
		       ret == -EEXIST ? ", another NVMe target is loaded" : "");
	return ret;
}

void tgt_configfs_exit(void)
{
	configfs_unregister_subsystem(&configfs_root);
	/* Nothing starts anew: what still runs has the last references. */
	flush_workqueue(tgt_wq);
}

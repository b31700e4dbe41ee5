// SPDX-License-Identifier: GPL-2.0-only
/*
 * ports/N/: an address, and the subsystems that can be reached there. The
 * first link makes the transport listen, the end of the last stops it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "target.h"
#include "nvme-defs.h"
#include "objects.h"

/**
 * tgt_port_mdts - what Identify Controller reports as MDTS
 * @port: the controller's port
 *
 * Context: any.
 * Return: 1 to TGT_MDTS_MAX; never 0, no limit: a transfer is memory.
 */
u8 tgt_port_mdts(const struct tgt_port *port)
{
	return port->mdts > 0 ? min_t(int, port->mdts, TGT_MDTS_MAX) : TGT_MDTS;
}

/**
 * tgt_port_queue_size - entries of a controller's queues
 * @port: the controller's port
 *
 * Context: any.
 * Return: CAP.MQES + 1; what is out of range is brought into it.
 */
u16 tgt_port_queue_size(const struct tgt_port *port)
{
	if (port->max_queue_size < 0)
		return TGT_DEF_QSIZE;
	return clamp_t(int, port->max_queue_size, TGT_MIN_QSIZE, TGT_MAX_QSIZE);
}

/* ---- attributes ---------------------------------------------------------- */

static const struct tgt_word adrfams[] = {
	{ "pcie",	NVMF_ADDR_FAMILY_PCI },
	{ "ipv4",	NVMF_ADDR_FAMILY_IP4 },
	{ "ipv6",	NVMF_ADDR_FAMILY_IP6 },
	{ "ib",		NVMF_ADDR_FAMILY_IB },
	{ "fc",		NVMF_ADDR_FAMILY_FC },
	{ "loop",	NVMF_ADDR_FAMILY_LOOP },
	{ }
};

static const struct tgt_word trtypes[] = {
	{ "rdma",	NVMF_TRTYPE_RDMA },
	{ "fc",		NVMF_TRTYPE_FC },
	{ "tcp",	NVMF_TRTYPE_TCP },
	{ "loop",	NVMF_TRTYPE_LOOP },
	{ }
};

#define TREQ(t)	(NVMF_TREQ_##t | NVMF_TREQ_DISABLE_SQFLOW)

static const struct tgt_word treqs[] = {
	{ "not specified",	TREQ(NOT_SPECIFIED) },
	{ "required",		TREQ(REQUIRED) },
	{ "not required",	TREQ(NOT_REQUIRED) },
	{ }
};

static const struct tgt_word tsass[] = {
	{ "none",	TGT_SECTYPE_NONE },
#if NVME_TCP_HAS_TLS
	{ "tls1.3",	TGT_SECTYPE_TLS13 },
#endif
	{ }
};

/* Of a port that is not TCP's: no word, which shows as an empty line */
enum { TSAS_UNKNOWN = 0xff };

#if NVME_TCP_HAS_TLS
#define TSAS_WANT	"none or tls1.3"
#else
#define TSAS_WANT	"none, as this kernel has no TLS handshakes"
#endif

#define WORDS(words, text)							\
	{ .want = text, .parse = tgt_parse_word, .show = tgt_show_word,		\
	  .param = words }

const struct tgt_kind tgt_kind_adrfam =
	WORDS(adrfams, "ipv4, ipv6, ib, fc, pcie or loop");
const struct tgt_kind tgt_kind_trtype =
	WORDS(trtypes, "tcp, rdma, fc or loop");
const struct tgt_kind tgt_kind_treq =
	WORDS(treqs, "'not specified', 'required' or 'not required'");
static const struct tgt_kind kind_tsas =
	WORDS(tsass, TSAS_WANT);

const struct tgt_kind tgt_kind_traddr = {
	.want = "an address of up to 255 characters",
	.parse = tgt_parse_text, .show = tgt_show_text,
	.max = NVMF_TRADDR_SIZE - 1,
};

const struct tgt_kind tgt_kind_trsvcid = {
	.want = "a service of up to 31 characters",
	.parse = tgt_parse_text, .show = tgt_show_text,
	.max = NVMF_TRSVCID_SIZE - 1,
};

static const struct tgt_kind kind_inline_size = {
	.want = "a number of bytes up to 65536, or -1 for the transport's own",
	.parse = tgt_parse_int, .show = tgt_show_int, .max = 65536,
};

static const struct tgt_kind kind_queue_size = {
	.want = "a number of entries, or -1 for the default",
	.parse = tgt_parse_int, .show = tgt_show_int, .max = 65536,
};

static const struct tgt_kind kind_mdts = {
	.want = "a number from 0 to 255, or -1 for the default",
	.parse = tgt_parse_int, .show = tgt_show_int, .max = 255,
};

/* Locks a port if it is idle, and may be changed. */
static int lock_idle(struct tgt_port *port)
{
	mutex_lock(&port->lock);
	if (!port->enabled)
		return 0;
	mutex_unlock(&port->lock);
	pr_err("port %u: remove the links in its subsystems/ first\n", port->portid);
	return -EACCES;
}

/* Copies @size bytes of the value into the field of a port that is idle. */
static int apply_idle(struct tgt_port *port, void *field, const void *value,
		      size_t size)
{
	int ret = lock_idle(port);

	if (ret)
		return ret;
	memcpy(field, value, size);
	mutex_unlock(&port->lock);
	return 0;
}

static int apply_u8(struct tgt_port *port, u8 *field, union tgt_value *v)
{
	return apply_idle(port, field, &v->u8, sizeof(*field));
}

static int apply_int(struct tgt_port *port, int *field, union tgt_value *v)
{
	return apply_idle(port, field, &v->i, sizeof(*field));
}

static void set_channel(struct tgt_port *port, u8 how)
{
	port->treq = (port->treq & ~NVME_TREQ_SECURE_CHANNEL_MASK) | how;
}

static bool has_channel(u8 treq)
{
	return treq & NVME_TREQ_SECURE_CHANNEL_MASK;
}

/* What security there is depends on the transport, so that it starts anew. */
static int apply_trtype(struct tgt_port *port, u8 *field, union tgt_value *v)
{
	int ret = lock_idle(port);

	if (ret)
		return ret;
	port->trtype = v->u8;
	port->tsas = v->u8 == NVMF_TRTYPE_TCP ? TGT_SECTYPE_NONE : TSAS_UNKNOWN;
	mutex_unlock(&port->lock);
	return 0;
}

/* Without TLS nobody is asked for it; with it everybody is, unless treq says otherwise. */
static int apply_tsas(struct tgt_port *port, u8 *field, union tgt_value *v)
{
	int ret = lock_idle(port);

	if (ret)
		return ret;
	if (port->trtype != NVMF_TRTYPE_TCP) {
		pr_err("port %u: addr_tsas is for ports with tcp in addr_trtype\n",
		       port->portid);
		ret = -EINVAL;
	} else {
		port->tsas = v->u8;
		if (v->u8 == TGT_SECTYPE_NONE)
			set_channel(port, NVMF_TREQ_NOT_SPECIFIED);
		else if (!has_channel(port->treq))
			set_channel(port, NVMF_TREQ_REQUIRED);
	}
	mutex_unlock(&port->lock);
	return ret;
}

static int apply_treq(struct tgt_port *port, u8 *field, union tgt_value *v)
{
	bool tls;
	int ret = lock_idle(port);

	if (ret)
		return ret;
	tls = port->trtype == NVMF_TRTYPE_TCP && port->tsas != TGT_SECTYPE_NONE;
	if (tls && !has_channel(v->u8)) {
		pr_err("port %u: with TLS addr_treq must be 'required' or 'not required'\n",
		       port->portid);
		ret = -EINVAL;
	} else {
		if (tls && !(v->u8 & NVMF_TREQ_REQUIRED))
			pr_warn("port %u: hosts without TLS are let in as well\n",
				port->portid);
		port->treq = v->u8;
	}
	mutex_unlock(&port->lock);
	return ret;
}

static int apply_traddr(struct tgt_port *port, void *field, union tgt_value *v)
{
	return apply_idle(port, field, v->s, NVMF_TRADDR_SIZE);
}

static int apply_trsvcid(struct tgt_port *port, void *field, union tgt_value *v)
{
	return apply_idle(port, field, v->s, NVMF_TRSVCID_SIZE);
}

TGT_ATTR(port, addr_adrfam, adrfam, tgt_kind_adrfam, apply_u8);
TGT_ATTR(port, addr_trtype, trtype, tgt_kind_trtype, apply_trtype);
TGT_ATTR(port, addr_treq, treq, tgt_kind_treq, apply_treq);
TGT_ATTR(port, addr_tsas, tsas, kind_tsas, apply_tsas);
TGT_ATTR(port, addr_traddr, traddr, tgt_kind_traddr, apply_traddr);
TGT_ATTR(port, addr_trsvcid, trsvcid, tgt_kind_trsvcid, apply_trsvcid);
TGT_ATTR(port, param_inline_data_size, inline_data_size, kind_inline_size,
	 apply_int);
TGT_ATTR(port, param_max_queue_size, max_queue_size, kind_queue_size,
	 apply_int);
TGT_ATTR(port, param_mdts, mdts, kind_mdts, apply_int);

static struct configfs_attribute *port_attrs[] = {
	&port_attr_addr_adrfam,
	&port_attr_addr_treq,
	&port_attr_addr_traddr,
	&port_attr_addr_trsvcid,
	&port_attr_addr_trtype,
	&port_attr_addr_tsas,
	&port_attr_param_inline_data_size,
	&port_attr_param_max_queue_size,
	&port_attr_param_mdts,
	NULL
};

/* ---- subsystems/ --------------------------------------------------------- */

/**
 * tgt_is_disc_nqn - does a name mean the discovery subsystem?
 * @nqn: one that a host may ask for
 *
 * Context: process; tgt_config_sem held.
 */
bool tgt_is_disc_nqn(const char *nqn)
{
	lockdep_assert_held(&tgt_config_sem);
	return !strcmp(nqn, NVME_DISC_SUBSYS_NAME) || !strcmp(nqn, tgt_disc_subsys->nqn);
}

/**
 * tgt_find_subsys - a subsystem by the name that a host asks for
 * @port: where it asks
 * @nqn: the name
 *
 * Context: process; tgt_config_sem held.
 * Return: the subsystem with a reference, or NULL.
 */
struct tgt_subsys *tgt_find_subsys(struct tgt_port *port, const char *nqn)
{
	struct tgt_subsys *s = NULL;
	struct tgt_port_link *l;

	lockdep_assert_held(&tgt_config_sem);
	if (tgt_is_disc_nqn(nqn)) {
		s = tgt_disc_subsys;
	} else {
		list_for_each_entry(l, &port->subsystems, entry)
			if (!strcmp(l->subsys->nqn, nqn))
				s = l->subsys;
	}
	if (s)
		kref_get(&s->ref);
	return s;
}

static int port_enable(struct tgt_port *port)
{
	struct tgt_transport *t;
	int ret;

	lockdep_assert_held(&port->lock);
	if (!port->trtype) {
		pr_err("port %u: write a transport to addr_trtype first\n",
		       port->portid);
		return -EINVAL;
	}
	t = tgt_transport_get(port->trtype);
	if (!t) {
		pr_err("port %u: no transport of type %u is there, load its module or change addr_trtype\n",
		       port->portid, port->trtype);
		return -EINVAL;
	}
	port->transport = t;
	port->enabled = true;
	ret = t->listen(port);
	if (ret) {
		port->enabled = false;
		port->transport = NULL;
		module_put(t->owner);
	}
	return ret;
}

static void port_disable(struct tgt_port *port)
{
	struct tgt_transport *t = port->transport;

	lockdep_assert_held(&port->lock);
	t->unlisten(port);
	port->enabled = false;
	port->transport = NULL;
	module_put(t->owner);
}

static struct tgt_port *links_to_port(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_port, subsys_group);
}

static struct tgt_port_link *find_link(struct tgt_port *port,
				       struct tgt_subsys *subsys)
{
	struct tgt_port_link *l;

	list_for_each_entry(l, &port->subsystems, entry)
		if (l->subsys == subsys)
			return l;
	return NULL;
}

static int port_link(struct config_item *src, struct config_item *target)
{
	struct tgt_port *port = links_to_port(src);
	struct tgt_subsys *subsys = to_subsys(target);
	struct tgt_port_link *l;
	int ret = 0;

	if (target->ci_type != &tgt_subsys_type) {
		pr_err("port %u: subsystems/ takes links to directories of subsystems/\n",
		       port->portid);
		return -EINVAL;
	}
	l = kmalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	l->subsys = subsys;

	mutex_lock(&port->lock);
	down_write(&tgt_config_sem);
	if (find_link(port, subsys))
		ret = -EEXIST;
	else
		list_add_tail(&l->entry, &port->subsystems);
	up_write(&tgt_config_sem);
	if (ret) {
		pr_err("port %u: %s is linked already\n", port->portid,
		       subsys->nqn);
		goto free;
	}

	/* First the link, so that the first host finds the subsystem. */
	if (!port->enabled)
		ret = port_enable(port);
	down_write(&tgt_config_sem);
	if (ret)
		list_del(&l->entry);
	else
		tgt_disc_changed(port, subsys);
	up_write(&tgt_config_sem);
free:
	mutex_unlock(&port->lock);
	if (ret)
		kfree(l);
	return ret;
}

static bool ctrl_on_port(struct tgt_ctrl *ctrl, const void *port)
{
	return ctrl->port == port;
}

static void port_unlink(struct config_item *src, struct config_item *target)
{
	struct tgt_port *port = links_to_port(src);
	struct tgt_subsys *subsys = to_subsys(target);
	struct tgt_port_link *l;
	bool last;

	mutex_lock(&port->lock);
	down_write(&tgt_config_sem);
	l = find_link(port, subsys);
	if (l) {
		list_del(&l->entry);
		tgt_disc_changed(port, subsys);
	}
	last = list_empty(&port->subsystems);
	up_write(&tgt_config_sem);

	if (last && port->enabled)
		port_disable(port);
	else
		tgt_subsys_close_ctrls(subsys, ctrl_on_port, port);
	mutex_unlock(&port->lock);
	kfree(l);
}

static struct configfs_item_operations links_item_ops = {
	.allow_link	= port_link,
	.drop_link	= port_unlink,
};

static const struct config_item_type links_type = {
	.ct_item_ops	= &links_item_ops,
	.ct_owner	= THIS_MODULE,
};

/* ---- the object ---------------------------------------------------------- */

static void port_release(struct config_item *item)
{
	struct tgt_port *port = to_port(item);

	/* ANA group 1, which nobody made and nobody drops */
	configfs_remove_default_groups(&port->ana_groups_group);
	mutex_destroy(&port->lock);
	kfree(port);
}

static struct configfs_item_operations port_item_ops = {
	.release	= port_release,
};

static const struct config_item_type port_type = {
	.ct_item_ops	= &port_item_ops,
	.ct_attrs	= port_attrs,
	.ct_owner	= THIS_MODULE,
};

static void add_default(struct tgt_port *port, struct config_group *group,
			const char *name, const struct config_item_type *type)
{
	config_group_init_type_name(group, name, type);
	configfs_add_default_group(group, &port->group);
}

static struct config_group *ports_make(struct config_group *group,
				       const char *name)
{
	struct tgt_ana_group *ana;
	struct tgt_port *port;
	u16 portid;

	if (kstrtou16(name, 0, &portid)) {
		pr_err("a port's name is a number from 0 to 65535, not '%.64s'\n",
		       name);
		return ERR_PTR(-EINVAL);
	}
	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return ERR_PTR(-ENOMEM);
	ana = tgt_ana_group_new(port, "1", 1, NVME_ANA_OPTIMIZED);
	if (!ana) {
		kfree(port);
		return ERR_PTR(-ENOMEM);
	}

	mutex_init(&port->lock);
	INIT_LIST_HEAD(&port->subsystems);
	INIT_LIST_HEAD(&port->referrals);
	memset(port->ana_state, NVME_ANA_INACCESSIBLE, sizeof(port->ana_state));
	port->ana_state[1] = NVME_ANA_OPTIMIZED;
	port->portid = portid;
	port->adrfam = NVMF_ADDR_FAMILY_MAX;
	port->treq = TREQ(NOT_SPECIFIED);
	port->tsas = TSAS_UNKNOWN;
	port->inline_data_size = -1;
	port->max_queue_size = -1;
	port->mdts = -1;

	config_group_init_type_name(&port->group, name, &port_type);
	add_default(port, &port->subsys_group, "subsystems", &links_type);
	add_default(port, &port->referrals_group, "referrals",
		    &tgt_referrals_type);
	add_default(port, &port->ana_groups_group, "ana_groups",
		    &tgt_ana_groups_type);
	configfs_add_default_group(&ana->group, &port->ana_groups_group);
	return &port->group;
}

static struct configfs_group_operations ports_group_ops = {
	.make_group	= ports_make,
};

const struct config_item_type tgt_ports_type = {
	.ct_group_ops	= &ports_group_ops,
	.ct_owner	= THIS_MODULE,
};

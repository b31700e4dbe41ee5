// SPDX-License-Identifier: GPL-2.0-only
/*
 * ports/N/referrals/NAME/: another discovery controller that this port's
 * discovery log points at, while it is enabled.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "target.h"
#include "objects.h"

static struct tgt_referral *to_referral(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_referral, group);
}

/* Copies @size bytes of the value into the field of a disabled referral. */
static int apply_off(struct tgt_referral *r, void *field, const void *value,
		     size_t size)
{
	int ret = 0;

	down_write(&tgt_config_sem);
	if (r->enabled) {
		pr_err("port %u: referral %s: write 0 to enable first\n",
		       r->port->portid, config_item_name(&r->group.cg_item));
		ret = -EACCES;
	} else {
		memcpy(field, value, size);
	}
	up_write(&tgt_config_sem);
	return ret;
}

static int apply_u8(struct tgt_referral *r, u8 *field, union tgt_value *v)
{
	return apply_off(r, field, &v->u8, sizeof(*field));
}

static int apply_u16(struct tgt_referral *r, u16 *field, union tgt_value *v)
{
	return apply_off(r, field, &v->u16, sizeof(*field));
}

static int apply_traddr(struct tgt_referral *r, void *field, union tgt_value *v)
{
	return apply_off(r, field, v->s, NVMF_TRADDR_SIZE);
}

static int apply_trsvcid(struct tgt_referral *r, void *field, union tgt_value *v)
{
	return apply_off(r, field, v->s, NVMF_TRSVCID_SIZE);
}

static void set_enabled(struct tgt_referral *r, bool on)
{
	lockdep_assert_held_write(&tgt_config_sem);
	if (r->enabled == on)
		return;
	r->enabled = on;
	if (on)
		list_add_tail(&r->entry, &r->port->referrals);
	else
		list_del(&r->entry);
	tgt_disc_changed(r->port, NULL);
}

static int apply_enable(struct tgt_referral *r, bool *unused,
			union tgt_value *v)
{
	int ret = 0;

	down_write(&tgt_config_sem);
	if (v->b && (!r->addr.trtype || !r->addr.traddr[0])) {
		pr_err("port %u: referral %s: write addr_trtype and addr_traddr first\n",
		       r->port->portid, config_item_name(&r->group.cg_item));
		ret = -EINVAL;
	} else {
		set_enabled(r, v->b);
	}
	up_write(&tgt_config_sem);
	return ret;
}

static const struct tgt_kind kind_portid = {
	.want = "a number from 0 to 65535",
	.parse = tgt_parse_u16, .show = tgt_show_u16, .max = 0xffff,
};

TGT_ATTR(referral, addr_adrfam, addr.adrfam, tgt_kind_adrfam, apply_u8);
TGT_ATTR(referral, addr_portid, addr.portid, kind_portid, apply_u16);
TGT_ATTR(referral, addr_treq, addr.treq, tgt_kind_treq, apply_u8);
TGT_ATTR(referral, addr_traddr, addr.traddr, tgt_kind_traddr, apply_traddr);
TGT_ATTR(referral, addr_trsvcid, addr.trsvcid, tgt_kind_trsvcid, apply_trsvcid);
TGT_ATTR(referral, addr_trtype, addr.trtype, tgt_kind_trtype, apply_u8);
TGT_ATTR(referral, enable, enabled, tgt_kind_bool, apply_enable);

static struct configfs_attribute *referral_attrs[] = {
	&referral_attr_addr_adrfam,
	&referral_attr_addr_portid,
	&referral_attr_addr_treq,
	&referral_attr_addr_traddr,
	&referral_attr_addr_trsvcid,
	&referral_attr_addr_trtype,
	&referral_attr_enable,
	NULL
};

static void referral_release(struct config_item *item)
{
	kfree(to_referral(item));
}

static struct configfs_item_operations referral_item_ops = {
	.release	= referral_release,
};

static const struct config_item_type referral_type = {
	.ct_item_ops	= &referral_item_ops,
	.ct_attrs	= referral_attrs,
	.ct_owner	= THIS_MODULE,
};

static struct config_group *referrals_make(struct config_group *group,
					   const char *name)
{
	struct tgt_referral *r = kzalloc(sizeof(*r), GFP_KERNEL);

	if (!r)
		return ERR_PTR(-ENOMEM);
	r->port = container_of(group, struct tgt_port, referrals_group);
	r->addr.adrfam = NVMF_ADDR_FAMILY_MAX;
	r->addr.treq = NVMF_TREQ_NOT_SPECIFIED | NVMF_TREQ_DISABLE_SQFLOW;
	config_group_init_type_name(&r->group, name, &referral_type);
	return &r->group;
}

static void referrals_drop(struct config_group *group, struct config_item *item)
{
	down_write(&tgt_config_sem);
	set_enabled(to_referral(item), false);
	up_write(&tgt_config_sem);
	config_item_put(item);
}

static struct configfs_group_operations referrals_ops = {
	.make_group	= referrals_make,
	.drop_item	= referrals_drop,
};

const struct config_item_type tgt_referrals_type = {
	.ct_group_ops	= &referrals_ops,
	.ct_owner	= THIS_MODULE,
};

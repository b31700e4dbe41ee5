/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The object side's own: configfs attributes, links, referrals. What the
 * command sets and transports need is in target.h.
 */
#ifndef TARGET_OBJECTS_H
#define TARGET_OBJECTS_H

#include "target.h"

/* ---- configfs attributes ------------------------------------------------- */

/* A value on its way from a write into its field */
union tgt_value {
	bool b;
	u8 u8;
	u16 u16;
	u32 u32;
	int i;
	uuid_t uuid;
	u8 nguid[16];
	char s[NVMF_TRADDR_SIZE];
};

/*
 * struct tgt_kind - a type of attribute: its spelling, both ways
 * @want: completes "must be", for the log line of a refused write
 * @parse: @s, without its trailing newline, into @v; false: it is none
 * @show: the field as text, with a newline; bytes written to @page
 * @param: for kinds that share functions: a list of words, a limit
 *
 * Process context, no lock held; neither sleeps.
 */
struct tgt_kind {
	const char *want;
	bool (*parse)(const struct tgt_kind *k, const char *s, union tgt_value *v);
	ssize_t (*show)(const struct tgt_kind *k, const void *field, char *page);
	const void *param;
	u32 min;
	u32 max;
};

struct tgt_word {
	const char *word;	/* NULL ends the list */
	u8 value;
};

extern const struct tgt_kind tgt_kind_bool;
extern const struct tgt_kind tgt_kind_uuid;
extern const struct tgt_kind tgt_kind_nguid;

bool tgt_parse_u32(const struct tgt_kind *k, const char *s, union tgt_value *v);
bool tgt_parse_u16(const struct tgt_kind *k, const char *s, union tgt_value *v);
bool tgt_parse_int(const struct tgt_kind *k, const char *s, union tgt_value *v);
bool tgt_parse_word(const struct tgt_kind *k, const char *s, union tgt_value *v);
bool tgt_parse_text(const struct tgt_kind *k, const char *s, union tgt_value *v);
ssize_t tgt_show_u32(const struct tgt_kind *k, const void *field, char *page);
ssize_t tgt_show_u16(const struct tgt_kind *k, const void *field, char *page);
ssize_t tgt_show_int(const struct tgt_kind *k, const void *field, char *page);
ssize_t tgt_show_word(const struct tgt_kind *k, const void *field, char *page);
ssize_t tgt_show_text(const struct tgt_kind *k, const void *field, char *page);
ssize_t tgt_show_hex16(const struct tgt_kind *k, const void *field, char *page);

ssize_t tgt_attr_parse(struct config_item *item, const char *name,
		       const struct tgt_kind *kind, const char *page, size_t count,
		       union tgt_value *v);

/*
 * One attribute: @kind spells it, @field of the object that to_@obj(item) finds
 * holds it, and @apply(object, &object->field, value) judges the object's state,
 * stores the value under the object's lock and returns 0, or -errno having
 * logged why.
 */
#define TGT_ATTR(obj, _name, field, kind, apply)				\
static ssize_t obj##_##_name##_show(struct config_item *item, char *page)	\
{										\
	return (kind).show(&(kind), &to_##obj(item)->field, page);		\
}										\
static ssize_t obj##_##_name##_store(struct config_item *item,			\
				     const char *page, size_t count)		\
{										\
	typeof(to_##obj(item)) o = to_##obj(item);				\
	union tgt_value v;							\
	ssize_t ret;								\
										\
	ret = tgt_attr_parse(item, #_name, &(kind), page, count, &v);		\
	if (!ret)								\
		ret = apply(o, &o->field, &v);					\
	return ret ?: count;							\
}										\
CONFIGFS_ATTR(obj##_, _name)

/* The same without a field to show. */
#define TGT_ATTR_WO(obj, _name, kind, apply)					\
static ssize_t obj##_##_name##_store(struct config_item *item,			\
				     const char *page, size_t count)		\
{										\
	union tgt_value v;							\
	ssize_t ret;								\
										\
	ret = tgt_attr_parse(item, #_name, &(kind), page, count, &v);		\
	if (!ret)								\
		ret = apply(to_##obj(item), &v);				\
	return ret ?: count;							\
}										\
CONFIGFS_ATTR_WO(obj##_, _name)

/* ---- objects ------------------------------------------------------------- */

/* A subsystem in a port's subsystems/ */
struct tgt_port_link {
	struct list_head entry;		/* tgt_port.subsystems */
	struct tgt_subsys *subsys;
};

/* A host in a subsystem's allowed_hosts/ */
struct tgt_host_link {
	struct list_head entry;		/* tgt_subsys.hosts */
	struct tgt_host *host;
};

/* referrals/NAME: another discovery controller that this port points at */
struct tgt_referral {
	struct config_group group;
	struct list_head entry;		/* tgt_port.referrals while enabled */
	struct tgt_port *port;
	bool enabled;			/* with addr under port->lock, tgt_config_sem */
	struct tgt_addr addr;
};

/* ana_groups/N; what hosts see is port->ana_state[N] */
struct tgt_ana_group {
	struct config_group group;
	struct tgt_port *port;
	u32 id;
	u8 state;			/* NVME_ANA_*, under tgt_config_sem */
};

extern const struct config_item_type tgt_subsystems_type;	/* subsystems/ */
extern const struct config_item_type tgt_subsys_type;		/* subsystems/NQN */
extern const struct config_item_type tgt_namespaces_type;	/* .../namespaces/ */
extern const struct config_item_type tgt_ports_type;		/* ports/ */
extern const struct config_item_type tgt_referrals_type;	/* .../referrals/ */
extern const struct config_item_type tgt_ana_groups_type;	/* .../ana_groups/ */
extern const struct config_item_type tgt_host_type;		/* hosts/NQN */

static inline struct tgt_port *to_port(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_port, group);
}

static inline struct tgt_subsys *to_subsys(struct config_item *item)
{
	return container_of(to_config_group(item), struct tgt_subsys, group);
}

static inline const char *tgt_host_nqn(struct tgt_host *host)
{
	return config_item_name(&host->group.cg_item);
}

/* Spellings that ports and referrals share */
extern const struct tgt_kind tgt_kind_adrfam;
extern const struct tgt_kind tgt_kind_trtype;
extern const struct tgt_kind tgt_kind_treq;
extern const struct tgt_kind tgt_kind_traddr;
extern const struct tgt_kind tgt_kind_trsvcid;

struct tgt_transport *tgt_transport_get(u8 trtype);
struct tgt_subsys *tgt_subsys_new(const char *nqn, u8 type);
struct tgt_ana_group *tgt_ana_group_new(struct tgt_port *port, const char *name,
					u32 id, u8 state);
bool tgt_nqn_in_use(const char *nqn);		/* tgt_config_sem held */

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Identify (Base 2.1, 5.1.13; NVM Command Set 1.1, 4.1.5).
 */
#include <linux/blkdev.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "admin.h"
#include "backend.h"

enum {
	LIST_NSIDS	= NVME_IDENTIFY_DATA_SIZE / sizeof(__le32),
	LIST_CNTLIDS	= NVME_IDENTIFY_DATA_SIZE / sizeof(__le16) - 1,
};

/* One buffer of the command's size for all of them: it is zeroed. */
struct identify_row {
	u8 cns;
	bool ns;		/* of an active namespace: req->ns */
	bool csi;		/* of a command set: ours is NVM only */
	u16 (*fill)(struct tgt_req *req, void *buf);
};

/* Optional commands of the NVM command set, as ONCS names them */
static u16 oncs(void)
{
	static const struct {
		u8 opcode;
		u16 bit;
	} optional[] = {
		{ nvme_cmd_compare,		NVME_CTRL_ONCS_COMPARE },
		{ nvme_cmd_write_uncor,	NVME_CTRL_ONCS_WRITE_UNCORRECTABLE },
		{ nvme_cmd_dsm,			NVME_CTRL_ONCS_DSM },
		{ nvme_cmd_write_zeroes,	NVME_CTRL_ONCS_WRITE_ZEROES },
		{ nvme_cmd_resv_register,	NVME_CTRL_ONCS_RESERVATIONS },
		{ nvme_cmd_verify,		TGT_ONCS_VERIFY },
	};
	u16 bits = TGT_ONCS_SELECT;
	unsigned int i, j;

	for (i = 0; i < tgt_nr_io_cmds; i++)
		for (j = 0; j < ARRAY_SIZE(optional); j++)
			if (tgt_io_cmds[i].opcode == optional[j].opcode)
				bits |= optional[j].bit;
	return bits;
}

static u16 fill_ctrl(struct tgt_req *req, void *buf)
{
	const struct tgt_ctrl *ctrl = req->queue->ctrl;
	const struct tgt_subsys *subsys = ctrl->subsys;
	struct nvme_id_ctrl *id = buf;
	int inl = ctrl->port->inline_data_size;

	id->vid = cpu_to_le16(subsys->vid);
	id->ssvid = cpu_to_le16(subsys->ssvid);
	memcpy_and_pad(id->sn, sizeof(id->sn), subsys->serial,
		       strnlen(subsys->serial, sizeof(id->sn)), ' ');
	memcpy_and_pad(id->mn, sizeof(id->mn), subsys->model,
		       strnlen(subsys->model, sizeof(id->mn)), ' ');
	memcpy_and_pad(id->fr, sizeof(id->fr), subsys->firmware,
		       strnlen(subsys->firmware, sizeof(id->fr)), ' ');
	put_unaligned_le24(subsys->oui, id->ieee);
	id->cmic = NVME_CTRL_CMIC_MULTI_PORT | NVME_CTRL_CMIC_MULTI_CTRL |
		   NVME_CTRL_CMIC_ANA;
	id->mdts = tgt_port_mdts(ctrl->port);
	id->cntlid = cpu_to_le16(ctrl->cntlid);
	id->ver = cpu_to_le32(subsys->ver);
	id->oaes = cpu_to_le32(NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_ANA_CHANGE);
	id->ctratt = cpu_to_le32(NVME_CTRL_ATTR_HID_128_BIT |
				 NVME_CTRL_ATTR_TBKAS);
	id->cntrltype = NVME_CTRL_IO;

	id->acl = 3;
	id->aerl = TGT_MAX_AER - 1;
	id->frmw = TGT_FRMW_SLOT1_RO | 1 << TGT_FRMW_SLOTS_SHIFT;
	id->lpa = TGT_LPA_SMART_PER_NS | NVME_CTRL_LPA_CMD_EFFECTS_LOG |
		  TGT_LPA_EXTENDED;
	id->elpe = TGT_ERR_LOG - 1;
	id->kas = cpu_to_le16(TGT_KAS);
	id->anatt = 10;				/* s */
	id->anacap = 0x1f;			/* every state may be reported */
	id->anagrpmax = cpu_to_le32(TGT_ANA_GROUPS);
	id->nanagrpid = cpu_to_le32(TGT_ANA_GROUPS);

	id->sqes = NVME_NVM_IOSQES << 4 | NVME_NVM_IOSQES;
	id->cqes = NVME_NVM_IOCQES << 4 | NVME_NVM_IOCQES;
	id->maxcmd = cpu_to_le16(ctrl->queue_size);
	id->nn = cpu_to_le32(READ_ONCE(subsys->max_nsid));
	/* How many at a time; hosts size the ANA log by it. */
	id->mnan = cpu_to_le32(TGT_MAX_NSID);
	id->oncs = cpu_to_le16(oncs());
	/*
	 * Hosts look at this once, but namespaces come and go: there is a cache
	 * unless a namespace says that it has none (CNS 08h).
	 */
	id->vwc = NVME_CTRL_VWC_PRESENT | TGT_VWC_NO_BROADCAST;
	id->nwpc = TGT_NWPC_SUPPORTED;
	id->sgls = cpu_to_le32(TGT_SGLS_BYTE | TGT_SGLS_OFFSET |
			       TGT_SGLS_TRANSPORT);
	strscpy_pad(id->subnqn, subsys->nqn, sizeof(id->subnqn));

	/* Fabrics: in units of 16 bytes; the SQE and what may follow it */
	if (inl < 0)
		inl = TGT_INLINE_DEFAULT;
	id->ioccsz = cpu_to_le32((sizeof(struct nvme_command) + inl) / 16);
	id->iorcsz = cpu_to_le32(sizeof(struct nvme_completion) / 16);
	id->msdbd = 1;
	return 0;
}

/*
 * The size may have changed since the last look. Who shares the subsystem is
 * told; a lock that is taken means that somebody else is at it.
 */
static void look_at_size(struct tgt_ns *ns)
{
	struct tgt_subsys *subsys = ns->subsys;

	if (!mutex_trylock(&subsys->lock))
		return;
	if (tgt_bdev_revalidate(ns))
		tgt_ns_changed(subsys, ns->nsid);
	mutex_unlock(&subsys->lock);
}

/* Base 2.1, 8.1.1: sizes are not for those who cannot get at the data. */
static bool ana_hides(const struct tgt_req *req)
{
	u8 state = req->queue->port->ana_state[req->ns->anagrpid];

	return state == NVME_ANA_INACCESSIBLE ||
	       state == NVME_ANA_PERSISTENT_LOSS;
}

static u16 fill_ns(struct tgt_req *req, void *buf)
{
	struct tgt_ns *ns = req->ns;
	struct nvme_id_ns *id = buf;
	u64 size;

	look_at_size(ns);
	size = READ_ONCE(ns->size);

	id->nsze = cpu_to_le64(size >> ns->lba_shift);
	id->ncap = id->nsze;
	if (!ana_hides(req)) {
		id->nuse = id->nsze;
		put_unaligned_le64(size, id->nvmcap);
	}
	id->lbaf[0].ds = ns->lba_shift;
	id->nmic = NVME_NS_NMIC_SHARED;
	id->anagrpid = cpu_to_le32(ns->anagrpid);
	if (ns->readonly)
		id->nsattr |= NVME_NS_ATTR_RO;
	memcpy(id->nguid, ns->nguid, sizeof(id->nguid));
	ns->backend->identify(ns, id);
	return 0;
}

static u16 fill_ns_indep(struct tgt_req *req, void *buf)
{
	const struct tgt_ns *ns = req->ns;
	struct nvme_id_ns_cs_indep *id = buf;

	if (ns->rotational)
		id->nsfeat |= TGT_INDEP_ROTATIONAL;
	if (!ns->backend->has_cache(ns))
		id->nsfeat |= TGT_INDEP_NO_VWC;
	id->nmic = NVME_NS_NMIC_SHARED;
	id->anagrpid = cpu_to_le32(ns->anagrpid);
	if (ns->readonly)
		id->nsattr |= NVME_NS_ATTR_RO;
	id->nstat = TGT_NSTAT_READY;
	return 0;
}

/* The NVM command set's own structures: all that is in them is optional. */
static u16 fill_zeroes(struct tgt_req *req, void *buf)
{
	return 0;
}

/* Active NSIDs above the one that the command names */
static u16 fill_nsids(struct tgt_req *req, void *buf)
{
	struct tgt_subsys *subsys = req->queue->ctrl->subsys;
	u32 after = le32_to_cpu(req->sqe.common.nsid);
	unsigned int nr = 0;
	unsigned long nsid;
	__le32 *list = buf;
	void *entry;

	if (after >= NVME_NSID_ALL - 1)
		return tgt_fault(req, offsetof(struct nvme_common_command, nsid),
				 NVME_SC_INVALID_NS);
	xa_for_each_start(&subsys->namespaces, nsid, entry, after + 1UL) {
		list[nr++] = cpu_to_le32(nsid);
		if (nr == LIST_NSIDS)
			break;
	}
	return 0;
}

/* Adds a descriptor (5.1.13.2.3) and returns where the next one goes. */
static void *add_desc(void *p, u8 type, u8 len, const void *id)
{
	struct nvme_ns_id_desc *d = p;

	d->nidt = type;
	d->nidl = len;
	memcpy(d + 1, id, len);
	return p + sizeof(*d) + len;
}

static u16 fill_descs(struct tgt_req *req, void *buf)
{
	static const u8 csi = NVME_CSI_NVM;
	const struct tgt_ns *ns = req->ns;

	if (memchr_inv(&ns->uuid, 0, sizeof(ns->uuid)))
		buf = add_desc(buf, NVME_NIDT_UUID, NVME_NIDT_UUID_LEN,
			       &ns->uuid);
	if (memchr_inv(ns->nguid, 0, sizeof(ns->nguid)))
		buf = add_desc(buf, NVME_NIDT_NGUID, NVME_NIDT_NGUID_LEN,
			       ns->nguid);
	add_desc(buf, NVME_NIDT_CSI, NVME_NIDT_CSI_LEN, &csi);
	return 0;
}

/*
 * Controllers of the subsystem from CDW10.CNTID on, in order. Their list is
 * not sorted: each step looks for the next larger ID, of at most one entry a
 * controller.
 */
static u16 fill_cntlids(struct tgt_req *req, void *buf)
{
	struct tgt_subsys *subsys = req->queue->ctrl->subsys;
	u32 from = le16_to_cpu(req->sqe.identify.ctrlid);
	__le16 *list = buf;
	unsigned int nr = 0;
	struct tgt_ctrl *c;

	mutex_lock(&subsys->lock);
	while (nr < LIST_CNTLIDS) {
		u32 best = U32_MAX;

		list_for_each_entry(c, &subsys->ctrls, entry)
			if (c->cntlid >= from && c->cntlid < best)
				best = c->cntlid;
		if (best == U32_MAX)
			break;
		list[++nr] = cpu_to_le16(best);
		from = best + 1;
	}
	mutex_unlock(&subsys->lock);
	list[0] = cpu_to_le16(nr);
	return 0;
}

/* The combinations of command sets that can be enabled: NVM by itself */
static u16 fill_cmd_sets(struct tgt_req *req, void *buf)
{
	__le64 *sets = buf;

	sets[0] = cpu_to_le64(1ULL << NVME_CSI_NVM);
	return 0;
}

static const struct identify_row identify_rows[] = {
	{ NVME_ID_CNS_NS,		.ns = true, .fill = fill_ns },
	{ NVME_ID_CNS_CTRL,		.fill = fill_ctrl },
	{ NVME_ID_CNS_NS_ACTIVE_LIST,	.fill = fill_nsids },
	{ NVME_ID_CNS_NS_DESC_LIST,	.ns = true, .fill = fill_descs },
	{ NVME_ID_CNS_CS_NS,	.ns = true, .csi = true, .fill = fill_zeroes },
	{ NVME_ID_CNS_CS_CTRL,		.csi = true, .fill = fill_zeroes },
	{ TGT_CNS_CS_NS_LIST,		.csi = true, .fill = fill_nsids },
	{ NVME_ID_CNS_NS_CS_INDEP,	.ns = true, .fill = fill_ns_indep },
	/* Every namespace that there is, is attached to every controller. */
	{ NVME_ID_CNS_NS_PRESENT_LIST,	.fill = fill_nsids },
	{ NVME_ID_CNS_NS_PRESENT,	.ns = true, .fill = fill_ns },
	{ NVME_ID_CNS_CTRL_NS_LIST,	.ns = true, .fill = fill_cntlids },
	{ NVME_ID_CNS_CTRL_LIST,	.fill = fill_cntlids },
	{ TGT_CNS_CMD_SETS,		.fill = fill_cmd_sets },
};

static const struct identify_row *find_row(u8 cns)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(identify_rows); i++)
		if (identify_rows[i].cns == cns)
			return &identify_rows[i];
	return NULL;
}

/*
 * Of a namespace that could be but is not (3.2.1.5): the structures of the
 * first two generations are all zero, the others are refused.
 */
static bool zero_if_inactive(u8 cns)
{
	return cns == NVME_ID_CNS_NS || cns == NVME_ID_CNS_NS_PRESENT ||
	       cns == NVME_ID_CNS_CS_NS || cns == NVME_ID_CNS_NS_CS_INDEP;
}

static u16 identify(struct tgt_req *req)
{
	const struct nvme_identify *c = &req->sqe.identify;
	const struct identify_row *row = find_row(c->cns);
	struct tgt_view v;
	void *buf;
	u16 status;

	if (!row)
		return tgt_fault(req, TGT_CDW(10), NVME_SC_INVALID_FIELD);
	if (row->csi && c->csi != NVME_CSI_NVM)
		return tgt_fault(req, offsetof(struct nvme_identify, csi),
				 NVME_SC_INVALID_IO_CMD_SET);
	tgt_view_init(&v, req, 0);
	if (row->ns) {
		status = tgt_admin_ns(req);
		if (status == (NVME_SC_INVALID_FIELD | NVME_STATUS_DNR) &&
		    zero_if_inactive(row->cns))
			return tgt_view_end(&v);
		if (status)
			return status;
	}

	buf = kzalloc(NVME_IDENTIFY_DATA_SIZE, GFP_NOIO);
	if (!buf)
		return NVME_SC_CMD_INTERRUPTED;
	status = row->fill(req, buf);
	if (!status) {
		tgt_view_put(&v, buf, NVME_IDENTIFY_DATA_SIZE);
		status = tgt_view_end(&v);
	}
	kfree(buf);
	return status;
}

/**
 * tgt_identify() - the Identify command
 * @req: the command, ended here
 *
 * Context: process, may sleep.
 */
void tgt_identify(struct tgt_req *req)
{
	if (!tgt_ctrl_is_disc(req->queue->ctrl))
		tgt_req_done(req, identify(req));
	else if (req->sqe.identify.cns == NVME_ID_CNS_CTRL)
		tgt_disc_identify(req);
	else
		tgt_req_done(req, tgt_fault(req, TGT_CDW(10),
					    NVME_SC_INVALID_FIELD));
}

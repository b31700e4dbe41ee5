// SPDX-License-Identifier: GPL-2.0-only
/*
 * Get Log Page (Base 2.1, 5.1.12).
 */
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/unaligned.h>

#include "admin.h"
#include "backend.h"

/**
 * struct log_row - a log page
 * @lid: its identifier
 * @kinds: TGT_C_IO, TGT_C_DISC: the controllers that have it
 * @event: reading it (without RAE) allows its event again
 * @put: puts the page, from its first byte to its last
 */
struct log_row {
	u8 lid;
	u8 kinds;
	bool event;
	u16 (*put)(struct tgt_view *v);
};

static const struct log_row *find_row(u8 kind, u8 lid);

static bool retains_event(const struct tgt_req *req)
{
	return req->sqe.get_log_page.lsp & TGT_LOG_RAE;
}

static u16 put_supported(struct tgt_view *v)
{
	u8 kind = v->req->queue->ctrl->kind;
	unsigned int lid;
	__le32 *list;

	list = kcalloc(256, sizeof(*list), GFP_NOIO);
	if (!list)
		return NVME_SC_CMD_INTERRUPTED;
	for (lid = 0; lid < 256; lid++)
		if (find_row(kind, lid))
			list[lid] = cpu_to_le32(TGT_LID_SUPP);
	tgt_view_put(v, list, 256 * sizeof(*list));
	kfree(list);
	return 0;
}

/* The most recent error first. */
static u16 put_errors(struct tgt_view *v)
{
	struct tgt_ctrl *ctrl = v->req->queue->ctrl;
	struct nvme_error_slot *log;
	unsigned int i, nr;
	u64 count;

	log = kmalloc(sizeof(ctrl->err_log), GFP_NOIO);
	if (!log)
		return NVME_SC_CMD_INTERRUPTED;

	spin_lock_irq(&ctrl->aer_lock);
	memcpy(log, ctrl->err_log, sizeof(ctrl->err_log));
	count = ctrl->err_count;
	spin_unlock_irq(&ctrl->aer_lock);

	nr = min_t(u64, count, TGT_ERR_LOG);
	for (i = 0; i < nr; i++)
		tgt_view_put(v, &log[(count - 1 - i) % TGT_ERR_LOG],
			     sizeof(*log));
	tgt_view_put(v, NULL, (TGT_ERR_LOG - nr) * sizeof(*log));
	kfree(log);
	return 0;
}

static void add_stats(struct tgt_ns *ns, struct tgt_io_stats *sum)
{
	struct tgt_io_stats st = {};
	int i;

	if (!ns->backend->stats)
		return;
	ns->backend->stats(ns, &st);
	for (i = 0; i < 2; i++) {
		sum->sectors[i] += st.sectors[i];
		sum->ios[i] += st.ios[i];
	}
}

/* Data units are thousands of 512 bytes, rounded up. */
static void put_le128(u64 n, u8 *field)
{
	put_unaligned_le64(n, field);
}

static u16 put_smart(struct tgt_view *v)
{
	struct tgt_req *req = v->req;
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	struct tgt_io_stats sum = {};
	struct nvme_smart_log *log;
	unsigned long nsid;
	struct tgt_ns *ns;
	u16 status;
	void *entry;

	if (req->sqe.get_log_page.nsid &&
	    req->sqe.get_log_page.nsid != cpu_to_le32(NVME_NSID_ALL)) {
		status = tgt_admin_ns(req);
		if (status)
			return status;
		add_stats(req->ns, &sum);
	} else {
		xa_for_each(&ctrl->subsys->namespaces, nsid, entry) {
			ns = tgt_ns_get(ctrl->subsys, nsid);
			if (!ns)
				continue;
			add_stats(ns, &sum);
			tgt_ns_put(ns);
		}
	}

	log = kzalloc(sizeof(*log), GFP_NOIO);
	if (!log)
		return NVME_SC_CMD_INTERRUPTED;
	log->avail_spare = 100;
	put_le128(DIV_ROUND_UP_ULL(sum.sectors[READ], 1000),
		  log->data_units_read);
	put_le128(DIV_ROUND_UP_ULL(sum.sectors[WRITE], 1000),
		  log->data_units_written);
	put_le128(sum.ios[READ], log->host_reads);
	put_le128(sum.ios[WRITE], log->host_writes);
	spin_lock_irq(&ctrl->aer_lock);
	put_le128(ctrl->err_count, log->num_err_log_entries);
	spin_unlock_irq(&ctrl->aer_lock);
	tgt_view_put(v, log, sizeof(*log));
	kfree(log);
	return 0;
}

static u16 put_firmware(struct tgt_view *v)
{
	const struct tgt_subsys *subsys = v->req->queue->ctrl->subsys;
	struct nvme_fw_slot_info_log log = { .afi = 1 };

	memcpy_and_pad(&log.frs[0], sizeof(log.frs[0]), subsys->firmware,
		       strnlen(subsys->firmware, sizeof(log.frs[0])), ' ');
	tgt_view_put(v, &log, sizeof(log));
	return 0;
}

static int by_nsid(const void *a, const void *b)
{
	u32 x = le32_to_cpup(a), y = le32_to_cpup(b);

	return x < y ? -1 : x > y;
}

/*
 * Holds the changes since it was last read, in order as in any list of
 * namespaces; too many are FFFFFFFFh.
 */
static u16 put_changed_ns(struct tgt_view *v)
{
	struct tgt_ctrl *ctrl = v->req->queue->ctrl;
	const u32 size = sizeof(ctrl->changed_ns);
	__le32 *list;
	u32 nr;

	list = kzalloc(size, GFP_NOIO);
	if (!list)
		return NVME_SC_CMD_INTERRUPTED;

	spin_lock_irq(&ctrl->aer_lock);
	nr = ctrl->nr_changed;
	if (nr == U32_MAX)
		list[0] = cpu_to_le32(NVME_NSID_ALL);
	else
		memcpy(list, ctrl->changed_ns, nr * sizeof(*list));
	if (!retains_event(v->req))
		ctrl->nr_changed = 0;
	spin_unlock_irq(&ctrl->aer_lock);

	if (nr != U32_MAX)
		sort(list, nr, sizeof(*list), by_nsid, NULL);
	tgt_view_put(v, list, size);
	kfree(list);
	return 0;
}

static void add_effects(__le32 *dwords, const struct tgt_cmd *cmds,
			unsigned int nr, u8 kind)
{
	for (; nr--; cmds++)
		if (cmds->flags & kind)
			dwords[cmds->opcode] =
				cpu_to_le32(NVME_CMD_EFFECTS_CSUPP |
					    cmds->effects);
}

/*
 * The scopes that Base 2.0 added are left out: older hosts take any bit that
 * they do not know for an effect.
 */
static u16 put_effects(struct tgt_view *v)
{
	u8 kind = v->req->queue->ctrl->kind;
	struct nvme_effects_log *log;

	if (v->req->sqe.get_log_page.csi != NVME_CSI_NVM)
		return tgt_fault(v->req,
				 offsetof(struct nvme_get_log_page_command, csi),
				 NVME_SC_INVALID_IO_CMD_SET);
	log = kzalloc(sizeof(*log), GFP_NOIO);
	if (!log)
		return NVME_SC_CMD_INTERRUPTED;
	add_effects(log->acs, tgt_admin_cmds, tgt_nr_admin_cmds, kind);
	log->acs[nvme_fabrics_command] = cpu_to_le32(NVME_CMD_EFFECTS_CSUPP);
	add_effects(log->iocs, tgt_io_cmds, tgt_nr_io_cmds, kind);
	tgt_view_put(v, log, sizeof(*log));
	kfree(log);
	return 0;
}

static u16 put_features(struct tgt_view *v)
{
	u8 kind = v->req->queue->ctrl->kind;
	unsigned int fid;
	__le32 *list;

	list = kcalloc(256, sizeof(*list), GFP_NOIO);
	if (!list)
		return NVME_SC_CMD_INTERRUPTED;
	for (fid = 0; fid < 256; fid++)
		list[fid] = cpu_to_le32(tgt_feature_effects(kind, fid));
	tgt_view_put(v, list, 256 * sizeof(*list));
	kfree(list);
	return 0;
}

/* ---- Asymmetric Namespace Access ----------------------------------------- */

/*
 * What the page is made from: one look at the groups and one at the
 * namespaces, so that its counts agree with what it lists.
 */
struct ana_snapshot {
	__le64 chgcnt;
	u8 state[TGT_ANA_GROUPS + 1];
	u16 members[TGT_ANA_GROUPS + 1];
	unsigned int nr_ns;
	struct {
		u32 nsid;
		u32 grpid;
	} ns[TGT_MAX_NSID];
};

static struct ana_snapshot *ana_look(struct tgt_ctrl *ctrl)
{
	struct ana_snapshot *s;
	unsigned long nsid;
	struct tgt_ns *ns;
	u32 grpid;

	s = kzalloc(sizeof(*s), GFP_NOIO);
	if (!s)
		return NULL;
	/* A change from here on is a new event, and another read. */
	s->chgcnt = cpu_to_le64(READ_ONCE(ctrl->port->ana_chgcnt) +
				READ_ONCE(ctrl->subsys->ana_chgcnt));
	memcpy(s->state, ctrl->port->ana_state, sizeof(s->state));

	rcu_read_lock();
	xa_for_each(&ctrl->subsys->namespaces, nsid, ns) {
		if (s->nr_ns == TGT_MAX_NSID)
			break;
		grpid = READ_ONCE(ns->anagrpid);
		s->members[grpid]++;
		s->ns[s->nr_ns].nsid = nsid;
		s->ns[s->nr_ns++].grpid = grpid;
	}
	rcu_read_unlock();
	return s;
}

/*
 * Which groups there are: those with a namespace, and those that could be
 * reached here if they had one.
 */
static bool ana_exists(const struct ana_snapshot *s, u32 grpid)
{
	return s->members[grpid] || s->state[grpid] != NVME_ANA_INACCESSIBLE;
}

static void ana_put_group(struct tgt_view *v, const struct ana_snapshot *s,
			  u32 grpid, bool groups_only)
{
	unsigned int i, nr = groups_only ? 0 : s->members[grpid];
	struct nvme_ana_group_desc desc = {
		.grpid	= cpu_to_le32(grpid),
		.nnsids	= cpu_to_le32(nr),
		.chgcnt	= s->chgcnt,
		.state	= s->state[grpid],
	};

	tgt_view_put(v, &desc, sizeof(desc));
	for (i = 0; nr; i++)
		if (s->ns[i].grpid == grpid) {
			__le32 nsid = cpu_to_le32(s->ns[i].nsid);

			tgt_view_put(v, &nsid, sizeof(nsid));
			nr--;
		}
}

static u16 put_ana(struct tgt_view *v)
{
	bool groups_only = v->req->sqe.get_log_page.lsp & NVME_ANA_LOG_RGO;
	struct nvme_ana_rsp_hdr hdr = {};
	struct ana_snapshot *s;
	unsigned int g, nr = 0;

	s = ana_look(v->req->queue->ctrl);
	if (!s)
		return NVME_SC_CMD_INTERRUPTED;
	for (g = 1; g <= TGT_ANA_GROUPS; g++)
		nr += ana_exists(s, g);
	hdr.chgcnt = s->chgcnt;
	hdr.ngrps = cpu_to_le16(nr);
	tgt_view_put(v, &hdr, sizeof(hdr));
	for (g = 1; g <= TGT_ANA_GROUPS; g++)
		if (ana_exists(s, g))
			ana_put_group(v, s, g, groups_only);
	kfree(s);
	return 0;
}

/* ---- the command --------------------------------------------------------- */

static const struct log_row log_rows[] = {
	{ TGT_LOG_SUPPORTED,	TGT_C_IO | TGT_C_DISC, false, put_supported },
	{ NVME_LOG_ERROR,	TGT_C_IO, true, put_errors },
	{ NVME_LOG_SMART,	TGT_C_IO, true, put_smart },
	{ NVME_LOG_FW_SLOT,	TGT_C_IO, false, put_firmware },
	{ NVME_LOG_CHANGED_NS,	TGT_C_IO, true, put_changed_ns },
	{ NVME_LOG_CMD_EFFECTS,	TGT_C_IO, false, put_effects },
	{ NVME_LOG_ANA,		TGT_C_IO, true, put_ana },
	{ TGT_LOG_FEATURES,	TGT_C_IO, false, put_features },
	{ NVME_LOG_DISC,	TGT_C_DISC, true, NULL },
};

static const struct log_row *find_row(u8 kind, u8 lid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(log_rows); i++)
		if (log_rows[i].lid == lid && (log_rows[i].kinds & kind))
			return &log_rows[i];
	return NULL;
}

/**
 * tgt_log_len() - bytes of a log page that the host asks for
 * @req: a Get Log Page command
 *
 * Context: any.
 * Return: NUMD in bytes; what no request can hold is U32_MAX.
 */
u32 tgt_log_len(const struct tgt_req *req)
{
	const struct nvme_get_log_page_command *c = &req->sqe.get_log_page;
	u64 numd = (u64)le16_to_cpu(c->numdu) << 16 | le16_to_cpu(c->numdl);

	return min_t(u64, (numd + 1) * sizeof(__le32), U32_MAX);
}

static u16 get_log(struct tgt_req *req)
{
	const struct nvme_get_log_page_command *c = &req->sqe.get_log_page;
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	const struct log_row *row = find_row(ctrl->kind, c->lid);
	struct tgt_view v;
	u16 status;

	if (!row)
		return tgt_fault(req, TGT_CDW(10), NVME_SC_INVALID_LOG_PAGE);
	if (le64_to_cpu(c->lpo) & 3)
		return tgt_fault(req, TGT_CDW(12), NVME_SC_INVALID_FIELD);
	/* Offset Type: none of the pages has an index. */
	if (req->sqe.common.cdw14 & cpu_to_le32(TGT_LOG_OT_INDEX))
		return tgt_fault(req, TGT_CDW(14), NVME_SC_INVALID_FIELD);

	if (row->event && !retains_event(req))
		tgt_event_log_read(ctrl, c->lid);
	tgt_view_init(&v, req, le64_to_cpu(c->lpo));
	status = row->put(&v);
	return status ?: tgt_view_end(&v);
}

/**
 * tgt_get_log() - the Get Log Page command
 * @req: the command, ended here
 *
 * Context: process, may sleep.
 */
void tgt_get_log(struct tgt_req *req)
{
	if (req->sqe.get_log_page.lid == NVME_LOG_DISC &&
	    tgt_ctrl_is_disc(req->queue->ctrl))
		tgt_disc_get_log(req);
	else
		tgt_req_done(req, get_log(req));
}

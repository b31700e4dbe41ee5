// SPDX-License-Identifier: GPL-2.0-only
/*
 * Get Features and Set Features (Base 2.1, 5.1.11 and 5.1.25).
 *
 * Nothing is saveable: a controller of a fabric lives as long as its
 * connection. So Select "saved" answers with the default, as where nothing was
 * saved.
 */
#include "admin.h"
#include "backend.h"

/**
 * struct feature - one feature
 * @fid: its identifier
 * @kinds: TGT_C_IO, TGT_C_DISC: the controllers that have it
 * @ns: it is a namespace's: req->ns is set for @get and @set
 * @changes: what a change may bring, for log page 12h; nonzero: changeable
 * @def: default value
 * @get_len: data of Get Features, in bytes; NULL: none
 * @get: the current value, in *val; NULL: @def, as it never changes
 * @set: gets CDW11; NULL: Feature Not Changeable
 */
struct feature {
	u8 fid;
	u8 kinds;
	bool ns;
	u32 changes;
	u32 def;
	u32 (*get_len)(const struct tgt_req *req);
	u16 (*get)(struct tgt_req *req, u32 *val);
	u16 (*set)(struct tgt_req *req, u32 val);
};

static u32 cdw11(const struct tgt_req *req)
{
	return le32_to_cpu(req->sqe.features.dword11);
}

static u16 bad_value(struct tgt_req *req)
{
	return tgt_fault(req, TGT_CDW(11), NVME_SC_INVALID_FIELD);
}

/* One power state */
static u16 set_power(struct tgt_req *req, u32 val)
{
	return val & 0x1f ? bad_value(req) : 0;
}

/* No sensors; thresholds that nothing reaches */
static u16 get_temp(struct tgt_req *req, u32 *val)
{
	u32 which = cdw11(req);

	if ((which >> NVME_TEMP_THRESH_SELECT_SHIFT) & 0xf)
		return bad_value(req);
	switch ((which >> 20) & 3) {
	case 0:
		*val = NVME_TEMP_THRESH_MASK;
		return 0;
	case 1:
		*val = 0;
		return 0;
	default:
		return bad_value(req);
	}
}

/* The cache is the device's, and other namespaces' and hosts' too. */
static u16 set_write_cache(struct tgt_req *req, u32 val)
{
	if (val & 1)
		return 0;
	return tgt_fault(req, TGT_CDW(11), NVME_SC_FEATURE_NOT_CHANGEABLE);
}

/* Submission and completion queues come in pairs. Both halves are 0's based. */
static u32 queue_pairs(unsigned int nr)
{
	return (nr - 1) << 16 | (nr - 1);
}

static u16 get_queues(struct tgt_req *req, u32 *val)
{
	*val = queue_pairs(max_t(u16, READ_ONCE(req->queue->ctrl->nr_queues),
				 1));
	return 0;
}

static u16 set_queues(struct tgt_req *req, u32 val)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	u32 nr, nsq = val & 0xffff, ncq = val >> 16;
	u16 status = 0;
	unsigned int i;

	if (nsq == 0xffff || ncq == 0xffff)
		return bad_value(req);
	nr = min_t(u32, max(nsq, ncq) + 1, TGT_MAX_QID);
	nr = clamp_t(u32, ctrl->subsys->qid_max, 1, nr);

	/* Not once there is an I/O queue (5.1.25.2.1). */
	mutex_lock(&ctrl->lock);
	for (i = 1; i <= TGT_MAX_QID && !status; i++)
		if (ctrl->queues[i])
			status = tgt_fault(req, 0, NVME_SC_CMD_SEQ_ERROR);
	if (!status)
		ctrl->nr_queues = nr;
	mutex_unlock(&ctrl->lock);
	if (!status)
		req->cqe.result.u32 = cpu_to_le32(queue_pairs(nr));
	return status;
}

static u16 get_events(struct tgt_req *req, u32 *val)
{
	*val = READ_ONCE(req->queue->ctrl->aen_enabled);
	return 0;
}

static u16 set_events(struct tgt_req *req, u32 val)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	/* The SMART warnings can be asked for; there will be none. */
	u32 known = tgt_ctrl_is_disc(ctrl) ? NVME_AEN_CFG_DISC_CHANGE :
		    0xff | NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_ANA_CHANGE;

	if (val & ~known)
		return bad_value(req);
	spin_lock_irq(&ctrl->aer_lock);
	WRITE_ONCE(ctrl->aen_enabled, val);
	spin_unlock_irq(&ctrl->aer_lock);
	return 0;
}

static u16 get_kato(struct tgt_req *req, u32 *val)
{
	*val = READ_ONCE(req->queue->ctrl->kato);
	return 0;
}

static u16 set_kato(struct tgt_req *req, u32 val)
{
	if (val > TGT_KATO_MAX_MS)
		return tgt_fault(req, TGT_CDW(11), NVME_SC_KA_TIMEOUT_INVALID);
	tgt_ctrl_set_kato(req->queue->ctrl, val);
	return 0;
}

/*
 * Fabrics hosts have a 128-bit identifier, set by Connect and by nothing else
 * (5.1.25.1.28).
 */
static u32 hostid_len(const struct tgt_req *req)
{
	return cdw11(req) & TGT_FEAT_EXHID ? sizeof(uuid_t) : sizeof(u64);
}

static u16 get_hostid(struct tgt_req *req, u32 *val)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;

	*val = TGT_FEAT_EXHID;
	if (!(cdw11(req) & TGT_FEAT_EXHID))
		return bad_value(req);
	return tgt_copy_to_host(req, 0, &ctrl->hostid, sizeof(ctrl->hostid));
}

static u16 set_hostid(struct tgt_req *req, u32 val)
{
	return tgt_fault(req, 0, NVME_SC_CMD_SEQ_ERROR);
}

static u16 get_protect(struct tgt_req *req, u32 *val)
{
	*val = READ_ONCE(req->ns->readonly) ? NVME_NS_WRITE_PROTECT :
					      NVME_NS_NO_WRITE_PROTECT;
	return 0;
}

/*
 * A write that was judged before the flag was set may still be on its way; it
 * is completed as written, and so is what it wrote.
 */
static u16 set_protect(struct tgt_req *req, u32 val)
{
	struct tgt_ns *ns = req->ns;
	bool protect = (val & 7) == NVME_NS_WRITE_PROTECT;
	u16 status = 0;

	if ((val & 7) > NVME_NS_WRITE_PROTECT)
		return bad_value(req);
	if (!protect && ns->ro_backing)
		return tgt_fault(req, TGT_CDW(11),
				 NVME_SC_FEATURE_NOT_CHANGEABLE);

	mutex_lock(&ns->subsys->lock);
	if (ns->readonly != protect) {
		WRITE_ONCE(ns->readonly, protect);
		tgt_ns_changed(ns->subsys, ns->nsid);
	}
	mutex_unlock(&ns->subsys->lock);

	/* What is in the cache goes to the medium (Base 2.1, 8.1.16). */
	if (protect && ns->backend->has_cache(ns))
		status = tgt_errno_status(req, ns->backend->sync(ns));
	return status;
}

static const struct feature features[] = {
	{
		.fid		= NVME_FEAT_ARBITRATION,
		.kinds		= TGT_C_IO,
		.def		= 7,	/* no limit to a burst */
	}, {
		.fid		= NVME_FEAT_POWER_MGMT,
		.kinds		= TGT_C_IO,
		.changes	= TGT_FID_SCOPE_CTRL,
		.set		= set_power,
	}, {
		.fid		= NVME_FEAT_TEMP_THRESH,
		.kinds		= TGT_C_IO,
		.def		= NVME_TEMP_THRESH_MASK,
		.get		= get_temp,
	}, {
		.fid		= NVME_FEAT_ERR_RECOVERY,
		.kinds		= TGT_C_IO,
		.ns		= true,
	}, {
		.fid		= NVME_FEAT_VOLATILE_WC,
		.kinds		= TGT_C_IO,
		.changes	= TGT_FID_SCOPE_CTRL,
		.def		= 1,
		.set		= set_write_cache,
	}, {
		.fid		= NVME_FEAT_NUM_QUEUES,
		.kinds		= TGT_C_IO,
		.changes	= TGT_FID_CCC | TGT_FID_SCOPE_CTRL,
		.get		= get_queues,
		.set		= set_queues,
	}, {
		.fid		= NVME_FEAT_WRITE_ATOMIC,
		.kinds		= TGT_C_IO,
	}, {
		.fid		= NVME_FEAT_ASYNC_EVENT,
		.kinds		= TGT_C_IO | TGT_C_DISC,
		.changes	= TGT_FID_SCOPE_CTRL,
		.get		= get_events,
		.set		= set_events,
	}, {
		.fid		= NVME_FEAT_KATO,
		.kinds		= TGT_C_IO | TGT_C_DISC,
		.changes	= TGT_FID_SCOPE_CTRL,
		.get		= get_kato,
		.set		= set_kato,
	}, {
		/* One command set: its profile is index 0. */
		.fid		= TGT_FEAT_IO_CMD_SET,
		.kinds		= TGT_C_IO,
	}, {
		.fid		= NVME_FEAT_HOST_ID,
		.kinds		= TGT_C_IO,
		.get_len	= hostid_len,
		.get		= get_hostid,
		.set		= set_hostid,
	}, {
		.fid		= NVME_FEAT_WRITE_PROTECT,
		.kinds		= TGT_C_IO,
		.ns		= true,
		.changes	= TGT_FID_NCC | TGT_FID_SCOPE_NS,
		.get		= get_protect,
		.set		= set_protect,
	},
};

static const struct feature *find_feature(u8 kind, u8 fid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].fid == fid && (features[i].kinds & kind))
			return &features[i];
	return NULL;
}

static const struct feature *of_req(const struct tgt_req *req)
{
	return find_feature(req->queue->ctrl->kind,
			    le32_to_cpu(req->sqe.features.fid) & 0xff);
}

static unsigned int select_of(const struct tgt_req *req)
{
	return (le32_to_cpu(req->sqe.features.fid) >> TGT_FEAT_SEL_SHIFT) &
	       TGT_FEAT_SEL_MASK;
}

/**
 * tgt_feature_effects() - a feature's entry of log page 12h
 * @kind: TGT_C_IO or TGT_C_DISC
 * @fid: the feature
 *
 * Context: any.
 * Return: the dword, 0 where the feature is not supported.
 */
u32 tgt_feature_effects(u8 kind, u8 fid)
{
	const struct feature *f = find_feature(kind, fid);

	if (!f)
		return 0;
	return TGT_FID_SUPP | f->changes |
	       (f->ns ? TGT_FID_SCOPE_NS : TGT_FID_SCOPE_CTRL);
}

/* Bytes of data; any context. */
u32 tgt_get_features_len(const struct tgt_req *req)
{
	const struct feature *f = of_req(req);

	if (!f || !f->get_len || select_of(req) >= TGT_SEL_SUPPORTED)
		return 0;
	return f->get_len(req);
}

u32 tgt_set_features_len(const struct tgt_req *req)
{
	const struct feature *f = of_req(req);

	return f && f->set && f->get_len ? f->get_len(req) : 0;
}

static u16 get_features(struct tgt_req *req)
{
	const struct feature *f = of_req(req);
	u32 val;
	u16 status;

	if (!f)
		return tgt_fault(req, TGT_CDW(10), NVME_SC_INVALID_FIELD);
	val = f->def;
	switch (select_of(req)) {
	case TGT_SEL_CURRENT:
		if (f->ns) {
			status = tgt_admin_ns(req);
			if (status)
				return status;
		}
		if (f->get) {
			status = f->get(req, &val);
			if (status)
				return status;
		}
		break;
	case TGT_SEL_DEFAULT:
	case TGT_SEL_SAVED:
		status = tgt_zero_to_host(req, 0, req->len);
		if (status)
			return status;
		break;
	case TGT_SEL_SUPPORTED:
		val = (f->ns ? TGT_CAP_PER_NS : 0) |
		      (f->changes ? TGT_CAP_CHANGEABLE : 0);
		break;
	default:
		return tgt_fault(req, TGT_CDW(10) + 1, NVME_SC_INVALID_FIELD);
	}
	req->cqe.result.u32 = cpu_to_le32(val);
	return 0;
}

/**
 * tgt_get_features() - the Get Features command
 * @req: the command, ended here
 *
 * Context: process, may sleep.
 */
void tgt_get_features(struct tgt_req *req)
{
	tgt_req_done(req, get_features(req));
}

static u16 set_features(struct tgt_req *req)
{
	const struct feature *f = of_req(req);
	u32 nsid = le32_to_cpu(req->sqe.features.nsid);
	u16 status;

	if (!f)
		return tgt_fault(req, TGT_CDW(10), NVME_SC_INVALID_FIELD);
	if (le32_to_cpu(req->sqe.features.fid) & TGT_FEAT_SAVE)
		return tgt_fault(req, TGT_CDW(10) + 3,
				 NVME_SC_FEATURE_NOT_SAVEABLE);
	if (!f->set)
		return tgt_fault(req, TGT_CDW(10),
				 NVME_SC_FEATURE_NOT_CHANGEABLE);
	if (f->ns) {
		status = tgt_admin_ns(req);
		if (status)
			return status;
	} else if (nsid && nsid != NVME_NSID_ALL) {
		return tgt_fault(req, offsetof(struct nvme_features, nsid),
				 NVME_SC_FEATURE_NOT_PER_NS);
	}
	return f->set(req, cdw11(req));
}

/**
 * tgt_set_features() - the Set Features command
 * @req: the command, ended here
 *
 * Context: process, may sleep.
 */
void tgt_set_features(struct tgt_req *req)
{
	tgt_req_done(req, set_features(req));
}

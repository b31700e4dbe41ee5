// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Fabrics command set: Connect and the properties (Base 2.1, 6).
 *
 * Authentication Send and Receive and Disconnect have no row: Invalid Opcode.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/slab.h>

#include "target.h"
#include "objects.h"

/* Where a Connect is wrong: the IPO and IATTR of Connect Invalid Parameters */
#define IN_SQE(field)	offsetof(struct nvmf_connect_command, field)
#define IN_DATA(field)	(BIT(16) | offsetof(struct nvmf_connect_data, field))

static u16 invalid_param(struct tgt_req *req, u32 where)
{
	req->cqe.result.u32 = cpu_to_le32(where);
	req->error_loc = where & BIT(16) ? 0xffff : where;
	return NVME_SC_CONNECT_INVALID_PARAM | NVME_STATUS_DNR;
}

/* Names go to the log, where a line shall be a line. */
static bool nqn_ok(const char *nqn)
{
	size_t len = strnlen(nqn, NVMF_NQN_FIELD_LEN), i;

	for (i = 0; i < len; i++)
		if (iscntrl(nqn[i]))
			return false;
	return len && len <= NVMF_NQN_SIZE;
}

/*
 * A secure channel stands for the host and the subsystem that its key was made for
 * (NVMe TCP Transport 1.1, 3.6.1). The discovery subsystem has two names.
 */
static u16 judge_psk(struct tgt_queue *q, const struct nvmf_connect_data *d)
{
	bool ok;

	if (!q->psk_hostnqn)
		return 0;
	ok = !strcmp(q->psk_hostnqn, d->hostnqn);
	if (ok && strcmp(q->psk_subsysnqn, d->subsysnqn)) {
		down_read(&tgt_config_sem);
		ok = tgt_is_disc_nqn(q->psk_subsysnqn) && tgt_is_disc_nqn(d->subsysnqn);
		up_read(&tgt_config_sem);
	}
	if (ok)
		return 0;
	pr_warn_ratelimited("connect by host %s for subsystem %s with the PSK of host %s for subsystem %s refused\n",
			    d->hostnqn, d->subsysnqn, q->psk_hostnqn, q->psk_subsysnqn);
	return NVME_SC_CONNECT_INVALID_HOST | NVME_STATUS_DNR;
}

/* Queue 0: a new controller. */
static u16 connect_admin(struct tgt_req *req, const struct nvmf_connect_data *d)
{
	const struct nvmf_connect_command *c = &req->sqe.connect;
	struct tgt_queue *q = req->queue;
	struct tgt_subsys *subsys;
	u16 status;

	/*
	 * The dynamic controller model: a host does not choose, so FFFEh, any
	 * of the static ones, is as wrong as a number.
	 */
	if (le16_to_cpu(d->cntlid) != NVME_CNTLID_DYNAMIC) {
		pr_warn_ratelimited("host %s asks for controller %#x of %s: only ffffh is possible\n",
				    d->hostnqn, le16_to_cpu(d->cntlid), d->subsysnqn);
		return invalid_param(req, IN_DATA(cntlid));
	}

	/* Held until the controller is in the list that access control walks. */
	down_read(&tgt_config_sem);
	subsys = tgt_find_subsys(q->port, d->subsysnqn);
	if (!subsys) {
		pr_warn_ratelimited("connect request for invalid subsystem %s!\n",
				    d->subsysnqn);
		status = invalid_param(req, IN_DATA(subsysnqn));
	} else if (!tgt_host_allowed(subsys, d->hostnqn)) {
		pr_info_ratelimited("connect by host %s for subsystem %s not allowed\n",
				    d->hostnqn, d->subsysnqn);
		/* Stays 0 but for the status: nothing is wrong with a field. */
		status = NVME_SC_CONNECT_INVALID_HOST | NVME_STATUS_DNR;
	} else {
		status = tgt_ctrl_create(q, subsys, d->hostnqn, &d->hostid,
					 le32_to_cpu(c->kato),
					 le16_to_cpu(c->sqsize));
		if (status == (NVME_SC_CONNECT_INVALID_PARAM | NVME_STATUS_DNR))
			status = invalid_param(req, IN_SQE(sqsize));
	}
	up_read(&tgt_config_sem);
	if (subsys)
		tgt_subsys_put(subsys);
	return status;
}

/* Queue 1 and up: a queue of a controller that is there and ready. */
static u16 connect_io(struct tgt_req *req, const struct nvmf_connect_data *d)
{
	const struct nvmf_connect_command *c = &req->sqe.connect;
	u16 qid = le16_to_cpu(c->qid), sqsize = le16_to_cpu(c->sqsize);
	struct tgt_queue *q = req->queue;
	struct tgt_subsys *subsys;
	struct tgt_ctrl *ctrl;
	u16 status = 0;

	down_read(&tgt_config_sem);
	subsys = tgt_find_subsys(q->port, d->subsysnqn);
	up_read(&tgt_config_sem);
	if (!subsys)
		return invalid_param(req, IN_DATA(subsysnqn));

	ctrl = tgt_ctrl_find(subsys, le16_to_cpu(d->cntlid));
	tgt_subsys_put(subsys);
	if (!ctrl || ctrl->port != q->port)
		status = invalid_param(req, IN_DATA(cntlid));
	else if (strcmp(ctrl->hostnqn, d->hostnqn))
		status = invalid_param(req, IN_DATA(hostnqn));
	else if (!uuid_equal(&ctrl->hostid, &d->hostid))
		status = invalid_param(req, IN_DATA(hostid));
	else if (tgt_ctrl_is_disc(ctrl) || qid > READ_ONCE(ctrl->nr_queues))
		status = invalid_param(req, IN_SQE(qid));
	else if (sqsize >= ctrl->queue_size)
		status = invalid_param(req, IN_SQE(sqsize));
	if (status)
		pr_warn_ratelimited("host %s: invalid connect of queue %u to controller %u of %s\n",
				    d->hostnqn, qid, le16_to_cpu(d->cntlid), d->subsysnqn);
	else
		status = tgt_ctrl_add_queue(q, ctrl, qid, sqsize);
	/* On success the queue has a reference of its own. */
	if (ctrl)
		tgt_ctrl_put(ctrl);
	return status;
}

static u16 connect(struct tgt_req *req)
{
	const struct nvmf_connect_command *c = &req->sqe.connect;
	struct tgt_queue *q = req->queue;
	struct nvmf_connect_data *d;
	u16 status;

	if (le16_to_cpu(c->recfmt)) {
		req->error_loc = IN_SQE(recfmt);
		return NVME_SC_CONNECT_FORMAT | NVME_STATUS_DNR;
	}
	if (!c->qid && le32_to_cpu(c->kato) > TGT_KATO_MAX_MS) {
		req->error_loc = IN_SQE(kato);
		return NVME_SC_KA_TIMEOUT_INVALID | NVME_STATUS_DNR;
	}
	/* 0's based, and a queue of one entry can hold nothing */
	if (!le16_to_cpu(c->sqsize))
		return invalid_param(req, IN_SQE(sqsize));

	d = kmalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return NVME_SC_INTERNAL;
	status = tgt_copy_from_host(req, 0, d, sizeof(*d));
	if (status)
		goto out;
	if (!nqn_ok(d->subsysnqn)) {
		status = invalid_param(req, IN_DATA(subsysnqn));
		goto out;
	}
	if (!nqn_ok(d->hostnqn)) {
		status = invalid_param(req, IN_DATA(hostnqn));
		goto out;
	}
	status = judge_psk(q, d);
	if (status)
		goto out;

	if (c->qid)
		status = connect_io(req, d);
	else
		status = connect_admin(req, d);
	if (status)
		goto out;
	q->sqhd_disabled = c->cattr & NVME_CONNECT_DISABLE_SQFLOW;
	/* CNTLID in the low half; AUTHREQ 0: none is asked for */
	req->cqe.result.u32 = cpu_to_le32(q->ctrl->cntlid);
out:
	kfree(d);
	return status;
}

static void run_connect(struct tgt_req *req)
{
	tgt_req_done(req, connect(req));
}

static u32 connect_len(const struct tgt_req *req)
{
	return sizeof(struct nvmf_connect_data);
}

/* ---- properties ---------------------------------------------------------- */

static u64 get_cap(struct tgt_ctrl *c) { return c->cap; }
static u64 get_vs(struct tgt_ctrl *c) { return c->subsys->ver; }
static u64 get_cc(struct tgt_ctrl *c) { return READ_ONCE(c->cc); }
static u64 get_csts(struct tgt_ctrl *c) { return READ_ONCE(c->csts); }

static void set_cc(struct tgt_ctrl *c, u64 value)
{
	tgt_ctrl_write_cc(c, lower_32_bits(value));
}

static const struct property {
	u32 offset;
	u8 size;
	u64 (*get)(struct tgt_ctrl *ctrl);
	void (*set)(struct tgt_ctrl *ctrl, u64 value);
} properties[] = {
	{ NVME_REG_CAP,		8, get_cap,	NULL },
	{ NVME_REG_VS,		4, get_vs,	NULL },
	{ NVME_REG_CC,		4, get_cc,	set_cc },
	{ NVME_REG_CSTS,	4, get_csts,	NULL },
};

/* Property Get and Set agree on where OFST and ATTRIB are. */
static const struct property *find_property(struct tgt_req *req)
{
	const struct nvmf_property_get_command *c = &req->sqe.prop_get;
	int i;

	for (i = 0; i < ARRAY_SIZE(properties); i++)
		if (properties[i].offset == le32_to_cpu(c->offset))
			break;
	if (i == ARRAY_SIZE(properties)) {
		req->error_loc = offsetof(struct nvmf_property_get_command, offset);
		return NULL;
	}
	/* ATTRIB 2:0: 0 is four bytes, 1 is eight */
	if ((c->attrib & 7) != (properties[i].size == 8)) {
		req->error_loc = offsetof(struct nvmf_property_get_command, attrib);
		return NULL;
	}
	return &properties[i];
}

static void run_property_get(struct tgt_req *req)
{
	const u16 offset = offsetof(struct nvmf_property_get_command, offset);
	const struct property *p = find_property(req);

	if (!p && req->error_loc == offset) {
		/*
		 * Who dumps all properties asks for each and goes on at Invalid
		 * Field, but only (nvme-cli 2.4) if it has no other bit set.
		 */
		req->error_loc = 0xffff;
		tgt_req_done(req, NVME_SC_INVALID_FIELD);
		return;
	}
	if (!p) {
		tgt_req_done(req, NVME_SC_INVALID_FIELD | NVME_STATUS_DNR);
		return;
	}
	req->cqe.result.u64 = cpu_to_le64(p->get(req->queue->ctrl));
	tgt_req_done(req, 0);
}

static void run_property_set(struct tgt_req *req)
{
	const struct property *p = find_property(req);

	if (!p || !p->set) {
		if (p)
			req->error_loc = offsetof(struct nvmf_property_set_command,
						  offset);
		tgt_req_done(req, NVME_SC_INVALID_FIELD | NVME_STATUS_DNR);
		return;
	}
	p->set(req->queue->ctrl, le64_to_cpu(req->sqe.prop_set.value));
	tgt_req_done(req, 0);
}

#define EITHER	(TGT_C_IO | TGT_C_DISC | TGT_C_NOT_READY)

const struct tgt_cmd tgt_fabrics_cmds[] = {
	{
		.opcode	= nvme_fabrics_type_property_set,
		.flags	= EITHER,
		.name	= "Property Set",
		.run	= run_property_set,
	}, {
		.opcode	= nvme_fabrics_type_connect,
		.flags	= EITHER,
		.dir	= TGT_TO_TARGET,
		.name	= "Connect",
		.len	= connect_len,
		.run	= run_connect,
	}, {
		.opcode	= nvme_fabrics_type_property_get,
		.flags	= EITHER,
		.name	= "Property Get",
		.run	= run_property_get,
	},
};

const unsigned int tgt_nr_fabrics_cmds = ARRAY_SIZE(tgt_fabrics_cmds);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Discovery controllers: their Identify and their one log page (Base 2.1,
 * 5.1.12.3.1).
 *
 * The page is never built: each record that a read touches is, in turn, so
 * that a read costs one record's memory whatever its offset and length.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/utsname.h>

#include "target.h"
#include "objects.h"

#define HDR_SIZE	sizeof(struct nvmf_disc_rsp_page_hdr)
#define ENTRY_SIZE	sizeof(struct nvmf_disc_rsp_page_entry)

struct tgt_subsys *tgt_disc_subsys;
u64 tgt_disc_genctr;		/* under tgt_config_sem */

/* A read of the page under way */
struct disc_read {
	struct tgt_req *req;
	u64 off;		/* the first byte that the host wants */
	u64 end;		/* one past the last */
	u64 nr;			/* records so far */
	struct nvmf_disc_rsp_page_entry *entry;
	u16 status;
};

/* Copies what the read wants of @len bytes at @pos of the page. */
static void put(struct disc_read *r, u64 pos, const void *buf, u32 len)
{
	u64 from = max(pos, r->off), to = min(pos + len, r->end);

	if (from < to && !r->status)
		r->status = tgt_copy_to_host(r->req, from - r->off,
					     buf + (from - pos), to - from);
}

static void put_entry(struct disc_read *r, const struct tgt_addr *a,
		      const char *nqn, u8 subtype, u16 eflags)
{
	struct nvmf_disc_rsp_page_entry *e = r->entry;
	u64 pos = HDR_SIZE + r->nr++ * ENTRY_SIZE;

	if (pos >= r->end || pos + ENTRY_SIZE <= r->off)
		return;
	memset(e, 0, ENTRY_SIZE);
	e->trtype = a->trtype;
	e->adrfam = a->adrfam;
	e->subtype = subtype;
	e->treq = a->treq;
	e->portid = cpu_to_le16(a->portid);
	e->cntlid = cpu_to_le16(NVME_CNTLID_DYNAMIC);
	e->asqsz = cpu_to_le16(NVME_AQ_DEPTH);
	e->eflags = cpu_to_le16(eflags);
	if (a->trtype == NVMF_TRTYPE_TCP)
		e->tsas.common[0] = a->tsas;	/* SECTYPE */
	strscpy(e->trsvcid, a->trsvcid, sizeof(e->trsvcid));
	strscpy(e->traddr, a->traddr, sizeof(e->traddr));
	strscpy(e->subnqn, nqn, sizeof(e->subnqn));
	put(r, pos, e, ENTRY_SIZE);
}

static void put_all(struct disc_read *r, const struct tgt_addr *own)
{
	struct tgt_queue *q = r->req->queue;
	struct tgt_referral *ref;
	struct tgt_port_link *l;

	lockdep_assert_held_read(&tgt_config_sem);
	put_entry(r, own, tgt_disc_subsys->nqn, NVME_NQN_CURR, 0);
	list_for_each_entry(l, &q->port->subsystems, entry)
		if (tgt_host_allowed(l->subsys, q->ctrl->hostnqn))
			put_entry(r, own, l->subsys->nqn, l->subsys->type, 0);
	list_for_each_entry(ref, &q->port->referrals, entry)
		put_entry(r, &ref->addr, NVME_DISC_SUBSYS_NAME, NVME_NQN_DISC, 0);
}

static u16 read_log(struct tgt_req *req)
{
	const struct nvme_get_log_page_command *c = &req->sqe.get_log_page;
	struct tgt_queue *q = req->queue;
	struct disc_read r = {
		.req = req,
		.off = le64_to_cpu(c->lpo),
	};
	struct nvmf_disc_rsp_page_hdr *hdr;
	struct tgt_addr *own;
	u64 size;

	if (r.off & 3 || r.off > U64_MAX - req->len) {
		req->error_loc = offsetof(struct nvme_get_log_page_command, lpo);
		return NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	}
	r.end = r.off + req->len;

	own = kmalloc(sizeof(*own), GFP_KERNEL);
	r.entry = kmalloc(ENTRY_SIZE, GFP_KERNEL);
	hdr = kzalloc(HDR_SIZE, GFP_KERNEL);
	if (!own || !r.entry || !hdr) {
		r.status = NVME_SC_INTERNAL;
		goto out;
	}

	/* Before the contents, so that what changes after is a new event. */
	if (!(c->lsp & BIT(7)))		/* RAE */
		tgt_event_log_read(q->ctrl, NVME_LOG_DISC);

	*own = q->port->addr;
	/* A port that listens on any address: the one that the host found. */
	if (q->ops->traddr)
		q->ops->traddr(q, own->traddr, sizeof(own->traddr));

	down_read(&tgt_config_sem);
	put_all(&r, own);
	hdr->genctr = cpu_to_le64(tgt_disc_genctr);
	up_read(&tgt_config_sem);
	hdr->numrec = cpu_to_le64(r.nr);
	put(&r, 0, hdr, HDR_SIZE);

	size = HDR_SIZE + r.nr * ENTRY_SIZE;
	if (r.off > size) {
		req->error_loc = offsetof(struct nvme_get_log_page_command, lpo);
		r.status = NVME_SC_INVALID_FIELD | NVME_STATUS_DNR;
	} else if (!r.status && r.end > size) {
		r.status = tgt_zero_to_host(req, size - r.off, r.end - size);
	}
out:
	kfree(hdr);
	kfree(r.entry);
	kfree(own);
	return r.status;
}

/**
 * tgt_disc_get_log - Get Log Page, LID 70h
 * @req: on a discovery controller; ended
 *
 * Context: process, may sleep; takes tgt_config_sem.
 */
void tgt_disc_get_log(struct tgt_req *req)
{
	tgt_req_done(req, read_log(req));
}

/**
 * tgt_disc_identify - Identify Controller of a discovery controller
 * @req: ended
 *
 * Context: process, may sleep.
 */
void tgt_disc_identify(struct tgt_req *req)
{
	struct tgt_ctrl *ctrl = req->queue->ctrl;
	struct tgt_subsys *s = ctrl->subsys;
	struct nvme_id_ctrl *id;
	u16 status = NVME_SC_INTERNAL;

	id = kzalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		goto out;
	memcpy_and_pad(id->sn, sizeof(id->sn), s->serial,
		       strlen(s->serial), ' ');
	memcpy_and_pad(id->mn, sizeof(id->mn), s->model, strlen(s->model), ' ');
	memcpy_and_pad(id->fr, sizeof(id->fr), s->firmware,
		       strlen(s->firmware), ' ');
	id->mdts = tgt_port_mdts(ctrl->port);
	id->cntlid = cpu_to_le16(ctrl->cntlid);
	id->ver = cpu_to_le32(s->ver);
	id->cntrltype = NVME_CTRL_DISC;
	id->dctype = NVME_DCTYPE_DDC;
	id->oaes = cpu_to_le32(NVME_AEN_CFG_DISC_CHANGE);
	id->ctratt = cpu_to_le32(NVME_CTRL_ATTR_HID_128_BIT |
				 NVME_CTRL_ATTR_TBKAS);
	id->aerl = TGT_MAX_AER - 1;
	id->elpe = TGT_ERR_LOG - 1;
	id->lpa = BIT(2);		/* extended data: LPO, NUMDU */
	id->kas = cpu_to_le16(TGT_KAS);
	id->maxcmd = cpu_to_le16(ctrl->queue_size);
	/* SGLs, any alignment; in-capsule data by offset; transport SGLs */
	id->sgls = cpu_to_le32(BIT(0) | BIT(20) | BIT(21));
	strscpy(id->subnqn, s->nqn, sizeof(id->subnqn));
	status = tgt_copy_to_host(req, 0, id, sizeof(*id));
	kfree(id);
out:
	tgt_req_done(req, status);
}

/**
 * tgt_disc_changed - something that the discovery log shows has changed
 * @port: on this port; NULL: on any
 * @subsys: because of this subsystem; NULL: of something else
 *
 * Hosts that the change does not concern may be told as well: the log they
 * read then is as it was, but for its generation.
 *
 * Context: process, may sleep; tgt_config_sem held for writing.
 */
void tgt_disc_changed(struct tgt_port *port, struct tgt_subsys *subsys)
{
	lockdep_assert_held_write(&tgt_config_sem);
	tgt_disc_genctr++;
	mutex_lock(&tgt_disc_subsys->lock);
	tgt_subsys_event(tgt_disc_subsys, port, TGT_EV_DISC_CHANGED);
	mutex_unlock(&tgt_disc_subsys->lock);
}

int tgt_discovery_init(void)
{
	struct tgt_subsys *s;

	s = tgt_subsys_new(NVME_DISC_SUBSYS_NAME, NVME_NQN_CURR);
	if (IS_ERR(s))
		return PTR_ERR(s);
	s->allow_any_host = true;
	tgt_disc_subsys = s;
	return 0;
}

void tgt_discovery_exit(void)
{
	tgt_subsys_put(tgt_disc_subsys);
}

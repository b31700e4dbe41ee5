// SPDX-License-Identifier: GPL-2.0-only
/*
 * A consumer of the engine, as the modules are: finds commands, moves payload,
 * keeps R2Ts, and writes down all that it is told.
 */
#include "judge.h"

struct pending {
	struct nvme_tcp_r2t r[PENDING];
	u32 n;
};

struct engine {
	struct nvme_tcp_conn c;
	enum nvme_tcp_role role;
	bool agreed, own_word, error_told;
	bool complete;
	struct { bool on; struct nvme_tcp_xfer x; struct pending q; } cmd[CMDS];
	struct { bool on; u8 cid; struct nvme_tcp_r2t r; } r2t[CMDS];
	struct nvme_tcp_xfer *of;
	struct log *log;
};

static struct nvme_tcp_xfer *command(struct engine *e, u32 cid)
{
	return cid < CMDS && e->cmd[cid].on ? &e->cmd[cid].x : NULL;
}

/* Without a FES it goes nowhere */
static u32 fei(const struct nvme_tcp_conn *c)
{
	return c->err.fes ? c->err.fei : 0;
}

/* --- receiving ----------------------------------------------------------- */

static void capsule(struct engine *e)
{
	const struct nvme_tcp_pdu *p = &e->c.pdu;
	struct nvme_tcp_xfer *x;
	u8 opcode = e->c.hdr[NVME_TCP_CMD_SQE];

	if (p->cccid >= CMDS || e->cmd[p->cccid].on || p->capsule > NVME_TCP_CAPSULE_TRANSPORT)
		return;
	e->cmd[p->cccid].on = true;
	e->cmd[p->cccid].q.n = 0;
	x = &e->cmd[p->cccid].x;
	if (opcode & 1)
		nvme_tcp_xfer_start(x, NVME_TCP_H2C, p->len);
	else if (opcode & 2)
		nvme_tcp_xfer_start(x, NVME_TCP_C2H, p->len);
	else
		nvme_tcp_xfer_start(x, NVME_TCP_NODATA, 0);
	if (p->capsule == NVME_TCP_CAPSULE_INLINE && x->dir == NVME_TCP_H2C)
		nvme_tcp_xfer_moved(x, p->len);
}

static void verdict(struct engine *e, int ret)
{
	MUST(ret == 0 || ret == 1 || ret == -EPROTO);
	LOG(e->log, LOG_VERDICT, ret < 0 ? (u32)-1 : (u32)ret);
}

/* True: fatal */
static bool header(struct engine *e)
{
	struct nvme_tcp_conn *c = &e->c;
	const struct nvme_tcp_pdu *p = &c->pdu;
	struct nvme_tcp_xfer *x = command(e, p->cccid);
	struct nvme_tcp_r2t r = { 0 };
	bool done = false;
	int ret;

	/* Reserved in C2HData */
	LOG(e->log, LOG_HEADER, p->type, p->flags, p->capsule, p->data_len, p->cccid,
	    p->type == NVME_TCP_C2H_DATA ? 0 : p->ttag, p->off, p->len, p->fes, p->fei);
	e->of = NULL;
	switch (p->type) {
	case NVME_TCP_ICREQ:
	case NVME_TCP_ICRESP:
		e->agreed = true;
		LOG(e->log, LOG_CONN, c->hdgst, c->ddgst, c->tx_pda, c->rx_pda, c->maxr2t,
		    c->maxh2cdata, c->tx_pdo_cmd, c->tx_pdo_data, c->rx_pdo_cmd,
		    c->rx_pdo_data);
		return false;
	case NVME_TCP_CMD:
		capsule(e);
		return false;
	case NVME_TCP_C2H_DATA:
		ret = nvme_tcp_host_c2h_data(c, x);
		verdict(e, ret);
		e->of = x;
		return ret;
	case NVME_TCP_R2T:
		ret = nvme_tcp_host_r2t(c, x, &r);
		if (ret) {
			verdict(e, ret);
			return true;
		}
		MUST(e->cmd[p->cccid].q.n < PENDING);
		e->cmd[p->cccid].q.r[e->cmd[p->cccid].q.n++] = r;
		LOG(e->log, LOG_VERDICT, 0, r.ttag, r.off, r.len, r.done);
		return false;
	case NVME_TCP_RSP:
		ret = nvme_tcp_host_rsp(c, x);
		verdict(e, ret);
		if (ret >= 0)
			e->cmd[p->cccid].on = false;
		return ret < 0;
	case NVME_TCP_H2C_DATA:
		if (p->ttag < CMDS && e->r2t[p->ttag].on) {
			u8 cid = e->r2t[p->ttag].cid;

			ret = nvme_tcp_ctrl_h2c_data(c, command(e, cid), &e->r2t[p->ttag].r,
						     cid, &done);
		} else {
			ret = nvme_tcp_ctrl_h2c_data(c, NULL, NULL, 0, &done);
		}
		if (ret) {
			verdict(e, ret);
			return true;
		}
		if (done)
			e->r2t[p->ttag].on = false;
		LOG(e->log, LOG_VERDICT, 0, done);
		return false;
	case NVME_TCP_H2C_TERM:
	case NVME_TCP_C2H_TERM:
		MUST(c->phase == NVME_TCP_PHASE_DEAD);
		return false;
	}
	DIE("a header of type %u", p->type);
}

static void feed(struct engine *e, const u8 *p, size_t n, u32 *random)
{
	struct nvme_tcp_conn *c = &e->c;
	size_t at = 0, calls = 0;
	bool fatal = false;

	for (;;) {
		size_t used = ~(size_t)0;
		enum nvme_tcp_ev ev = nvme_tcp_rx_feed(c, p + at, n - at, &used);
		u32 move;

		MUST(used <= n - at);
		MUST(calls++ < 4 * n + 8);
		MUST(!fatal || ev == NVME_TCP_EV_ERROR);
		at += used;
		switch (ev) {
		case NVME_TCP_EV_MORE:
			MUST(at == n);
			return;
		case NVME_TCP_EV_HEADER:
			fatal = header(e);
			break;
		case NVME_TCP_EV_DATA:
			MUST(c->data_left && at < n);
			MUST(c->data_left <= c->pdu.data_len);
			move = (u32)min_t(size_t, c->data_left, n - at);
			if (*random)
				move = 1 + next_random(random) % move;
			log_data(e->log, p + at, move);
			nvme_tcp_rx_take(c, move, c->want_ddgst ?
					 crc32c(c->crc, p + at, move) : 0xdeadbeef);
			at += move;
			break;
		case NVME_TCP_EV_DONE:
			LOG(e->log, LOG_DONE, c->ddgst_ok, (u32)e->log->data_n);
			if (e->complete && e->of && e->of->success)
				for (u32 i = 0; i < CMDS; i++)
					if (e->of == &e->cmd[i].x)
						e->cmd[i].on = false;
			break;
		case NVME_TCP_EV_ERROR:
			if (!e->error_told)
				LOG(e->log, LOG_ERROR, c->err.fes, fei(c));
			else
				MUST(!used);
			e->error_told = true;
			MUST(c->phase == NVME_TCP_PHASE_DEAD);
			return;
		}
	}
}

/* The bytes lie at the end of their memory, so that reading on is noticed */
static void cut_and_feed(struct engine *e, const u8 *p, size_t n, enum split split, u32 *random)
{
	static u8 *room;
	size_t piece;

	if (!room)
		room = malloc(STREAM);
	for (; n; p += piece, n -= piece) {
		u32 none = 0;

		piece = split == SPLIT_NONE ? n : split == SPLIT_BYTES ? 1 :
			1 + next_random(random) % (next_random(random) & 3 ? 40 : n);
		if (piece > n)
			piece = n;
		memcpy(room + STREAM - piece, p, piece);
		feed(e, room + STREAM - piece, piece, split == SPLIT_RANDOM ? random : &none);
	}
}

/* --- sending ------------------------------------------------------------- */

static void built(struct engine *e, const u8 *p, u32 n)
{
	MUST(n <= NVME_TCP_BUILD_MAX);
	LOG(e->log, LOG_BUILT, n, slow_crc(p, n));
}

static void build(struct engine *e, const struct rec *r)
{
	struct nvme_tcp_conn *c = &e->c;
	bool host = e->role == NVME_TCP_HOST;
	struct nvme_tcp_r2t r2t = {
		.ttag = r->b ^ 0x5555, .off = r->v, .len = r->v >> 8, .done = 9,
	};
	u32 kind = (r->a & 15) % BUILDS, n;
	u8 entry[64], *buf = malloc(NVME_TCP_BUILD_MAX);

	for (u32 i = 0; i < 64; i++)
		entry[i] = (u8)(i * (kind == BUILD_CMD ? 5 : 7) + r->a);

	if (kind == BUILD_TERM) {
		n = nvme_tcp_build_term(c, buf);
		MUST(!n || (n >= 24 && n == get(buf + 4, 4)));
		if (n && e->own_word)
			LOG(e->log, LOG_OP, OP_BUILD, (u32)get(buf + 8, 2), (u32)get(buf + 10, 4));
		else
			built(e, buf, n);
	} else if (kind == BUILD_IC && host) {
		built(e, buf, nvme_tcp_build_icreq(c, buf));
	} else if (!e->agreed) {
		;
	} else if (kind == BUILD_IC) {
		built(e, buf, nvme_tcp_build_icresp(c, buf));
	} else if (host && kind == BUILD_CMD) {
		built(e, buf, nvme_tcp_build_cmd(c, buf, entry, r->b, r->v));
	} else if (!host && kind == BUILD_RSP) {
		built(e, buf, nvme_tcp_build_rsp(c, buf, entry));
	} else if (host && kind == BUILD_H2C) {
		built(e, buf, nvme_tcp_build_h2c_data(c, buf, r->b, r2t.ttag, r->v, r2t.len,
						      r->a & 0x80));
	} else if (!host && kind == BUILD_C2H) {
		built(e, buf, nvme_tcp_build_c2h_data(c, buf, r->b, r->v, r2t.len,
						      r->a >> 4 & (NVME_TCP_F_LAST |
								   NVME_TCP_F_SUCCESS)));
	} else if (!host && kind == BUILD_R2T) {
		built(e, buf, nvme_tcp_build_r2t(c, buf, r->b, &r2t));
	}
	free(buf);
}

static void serve(struct engine *e, u8 cid)
{
	struct pending *q = &e->cmd[cid].q;
	u8 buf[NVME_TCP_BUILD_MAX];
	u32 n, off = 0;
	bool last = false;

	if (!e->cmd[cid].on || !q->n)
		return;
	n = nvme_tcp_host_next_h2c(&e->c, &e->cmd[cid].x, &q->r[0], &off, &last);
	LOG(e->log, LOG_OP, OP_SERVE, n, off, last);
	built(e, buf, nvme_tcp_build_h2c_data(&e->c, buf, cid, q->r[0].ttag, off, n, last));
	if (!last)
		return;
	MUST(!nvme_tcp_host_next_h2c(&e->c, &e->cmd[cid].x, &q->r[0], &off, &last));
	q->n--;
	memmove(q->r, q->r + 1, q->n * sizeof(q->r[0]));
}

static void grant(struct engine *e, u8 cid, u32 max)
{
	u8 buf[NVME_TCP_BUILD_MAX];
	u16 t;

	for (t = 0; t < CMDS && e->r2t[t].on; t++)
		;
	if (!e->cmd[cid].on || t == CMDS)
		return;
	if (!nvme_tcp_ctrl_next_r2t(&e->c, &e->cmd[cid].x, t, max, &e->r2t[t].r)) {
		LOG(e->log, LOG_OP, OP_GRANT, 0);
		return;
	}
	e->r2t[t].on = true;
	e->r2t[t].cid = cid;
	MUST(e->r2t[t].r.ttag == t && !e->r2t[t].r.done);
	LOG(e->log, LOG_OP, OP_GRANT, 1, e->r2t[t].r.off, e->r2t[t].r.len);
	built(e, buf, nvme_tcp_build_r2t(&e->c, buf, cid, &e->r2t[t].r));
}

/* --- records ------------------------------------------------------------- */

static void op_start(struct engine *e, const struct rec *r)
{
	u8 cid = r->a & 15;
	u32 dir = (r->a >> 4) % 3;
	struct nvme_tcp_xfer *x = &e->cmd[cid].x;

	if (e->cmd[cid].on)
		return;
	e->cmd[cid].on = true;
	e->cmd[cid].q.n = 0;
	nvme_tcp_xfer_start(x, dir, dir == NVME_TCP_NODATA ? 0 : r->v);
	/* So far on already: nobody can wait for 4 GiB */
	if (r->b && r->b < x->len) {
		x->done = x->len - r->b;
		if (dir == NVME_TCP_H2C)
			x->granted = x->done;
	}
}

static void record(struct engine *e, const struct rec *r, const u8 *bytes, enum split split,
		   u32 *random)
{
	bool host = e->role == NVME_TCP_HOST;
	struct nvme_tcp_conn *c = &e->c;
	u8 cid = r->a & 15;
	struct nvme_tcp_xfer *x = command(e, cid);

	switch (r->op) {
	case OP_BYTES:
		cut_and_feed(e, bytes, r->len, split, random);
		break;
	case OP_START:
		op_start(e, r);
		break;
	case OP_DROP:
		e->cmd[cid].on = false;
		for (u32 t = 0; t < CMDS; t++)
			if (e->r2t[t].cid == cid)
				e->r2t[t].on = false;
		break;
	case OP_LIVE:
		nvme_tcp_conn_live(c);
		break;
	case OP_DEAD:
		nvme_tcp_conn_dead(c);
		break;
	case OP_REFUSE:
		e->own_word = true;
		MUST(nvme_tcp_rx_refuse(c, r->b, r->v, "refused") == -EPROTO);
		break;
	case OP_INCAPSULE:
		if (!host && c->phase != NVME_TCP_PHASE_LIVE)
			c->local.incapsule = r->v;
		break;
	case OP_SERVE:
		if (host && e->agreed)
			serve(e, cid);
		break;
	case OP_GRANT:
		if (!host && e->agreed)
			grant(e, cid, r->v);
		break;
	case OP_MOVED:
		if (x && !host && x->dir == NVME_TCP_C2H)
			nvme_tcp_xfer_moved(x, r->v);
		else if (x && host && x->dir == NVME_TCP_H2C && !x->granted)
			nvme_tcp_xfer_moved(x, x->len);
		break;
	case OP_BUILD:
		build(e, r);
		break;
	}
	for (cid = 0; cid < CMDS; cid++) {
		x = command(e, cid);
		if (x)
			LOG(e->log, LOG_CMD, cid, x->done, x->granted, nvme_tcp_xfer_r2ts(x),
			    x->last, x->success);
	}
	MUST(c->phase < NVME_TCP_PHASES);
	MUST(!c->err.fes || c->err.what);
	LOG(e->log, LOG_CUT, (u32)e->log->data_n, c->phase, c->err.fes, fei(c));
}

void engine_run(const struct input *in, enum nvme_tcp_role role, enum split split,
		struct log *l)
{
	const struct cfg *cfg = &in->cfg;
	struct nvme_tcp_params p = {
		.hdgst = cfg->flags & CFG_HDGST, .ddgst = cfg->flags & CFG_DDGST,
		.pda = cfg->pda, .maxr2t = cfg->maxr2t, .maxh2cdata = cfg->maxh2cdata,
		.incapsule = cfg->incapsule,
	};
	u32 random = cfg->seed * 0x9e3779b1U | 1;
	static struct engine e;
	u8 ic[128];

	/* Not zeroed: nothing may rely on it */
	memset(&e, 0xa5, sizeof(e));
	memset(e.cmd, 0, sizeof(e.cmd));
	memset(e.r2t, 0, sizeof(e.r2t));
	e.role = role;
	e.agreed = e.own_word = e.error_told = false;
	e.complete = cfg->flags & CFG_COMPLETE;
	e.of = NULL;
	e.log = l;
	l->n = l->data_n = 0;
	nvme_tcp_conn_init(&e.c, role, &p);
	if (cfg->flags & CFG_AUTO_IC) {
		judge_peer_ic(cfg, role, ic);
		cut_and_feed(&e, ic, sizeof(ic), split, &random);
		if (cfg->flags & CFG_AUTO_LIVE)
			nvme_tcp_conn_live(&e.c);
	}
	for (size_t i = 0; i < in->recs; i++)
		record(&e, &in->rec[i], in->stream + in->rec[i].at, split, &random);
}

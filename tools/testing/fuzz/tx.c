// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two engines talk. What the input makes each end send is legal, so the other
 * end has to take every byte of it, at any split, with the values that went in;
 * and whatever has begun comes to its end.
 *
 * In the configuration CFG_HDGST and CFG_DDGST are the host's wish, CFG_PEER_*
 * the controller's; pda is HPDA, peer_pda CPDA.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

enum { ROOM = 64 * 1024, TTAGS = 64 };

struct cmd {
	bool sent;			/* the host waits for its completion */
	bool there;			/* the controller has it */
	bool answered, last_sent;
	enum nvme_tcp_dir dir;
	u32 len, seed, inl, got;
	bool success;
	u16 status;
	u8 opcode;
	struct nvme_tcp_xfer hx, cx;
	struct nvme_tcp_r2t q[256];
	u32 q_n;
};

struct end {
	struct nvme_tcp_conn c;
	u8 in[ROOM];			/* what is under way to it */
	size_t in_n;
	struct cmd *of;
};

static struct talk_state {
	struct end host, ctrl;
	struct cmd cmd[CMDS];
	struct { bool on; u8 cid; struct nvme_tcp_r2t r; } r2t[TTAGS];
	u32 seed, random;
	bool ended;
	u16 fes;
	u32 fei;
} t;

static u8 byte_at(u32 seed, u32 off)
{
	return (u8)((seed + off) * 0x9e3779b1 >> 24);
}

/* --- receiving ----------------------------------------------------------- */

static struct cmd *existing(u32 cid)
{
	MUST(cid < CMDS && t.cmd[cid].sent);
	return &t.cmd[cid];
}

static void completed(struct cmd *cmd)
{
	MUST(!cmd->q_n);
	memset(cmd, 0, sizeof(*cmd));
}

static struct cmd *header(struct end *e)
{
	struct nvme_tcp_conn *c = &e->c;
	const struct nvme_tcp_pdu *p = &c->pdu;
	struct cmd *cmd = NULL;
	bool done;

	switch (p->type) {
	case NVME_TCP_ICREQ:
	case NVME_TCP_ICRESP:
		break;
	case NVME_TCP_H2C_TERM:
	case NVME_TCP_C2H_TERM:
		MUST(t.ended && p->fes == t.fes && p->fei == t.fei);
		break;
	case NVME_TCP_CMD:
		cmd = existing(p->cccid);
		MUST(!cmd->there);
		cmd->there = true;
		MUST(p->data_len == cmd->inl && p->len == cmd->len);
		MUST(p->capsule == (cmd->inl ? NVME_TCP_CAPSULE_INLINE :
				    NVME_TCP_CAPSULE_TRANSPORT));
		MUST(c->hdr[NVME_TCP_CMD_SQE] == cmd->opcode);
		nvme_tcp_xfer_start(&cmd->cx, cmd->dir, cmd->len);
		if (cmd->inl)
			nvme_tcp_xfer_moved(&cmd->cx, cmd->inl);
		break;
	case NVME_TCP_H2C_DATA:
		MUST(p->ttag < TTAGS && t.r2t[p->ttag].on);
		cmd = existing(t.r2t[p->ttag].cid);
		MUST(!nvme_tcp_ctrl_h2c_data(c, &cmd->cx, &t.r2t[p->ttag].r,
					     t.r2t[p->ttag].cid, &done));
		t.r2t[p->ttag].on = !done;
		break;
	case NVME_TCP_C2H_DATA:
		cmd = existing(p->cccid);
		MUST(!nvme_tcp_host_c2h_data(c, &cmd->hx));
		break;
	case NVME_TCP_R2T:
		cmd = existing(p->cccid);
		MUST(!nvme_tcp_host_r2t(c, &cmd->hx, &cmd->q[cmd->q_n]));
		MUST(++cmd->q_n <= c->maxr2t);
		break;
	case NVME_TCP_RSP:
		cmd = existing(p->cccid);
		MUST(get(c->hdr + NVME_TCP_RSP_CQE + 14, 2) == (u16)(cmd->status << 1));
		MUST(!nvme_tcp_host_rsp(c, &cmd->hx));
		MUST(cmd->status || cmd->hx.done == cmd->len);
		completed(cmd);
		cmd = NULL;
		break;
	default:
		DIE("type %u", p->type);
	}
	return cmd;
}

static void payload(struct end *e, const u8 *p, u32 n)
{
	u32 at = (e->c.pdu.type == NVME_TCP_CMD ? 0 : e->c.pdu.off) +
		 e->c.pdu.data_len - e->c.data_left;

	for (u32 i = 0; i < n; i++)
		MUST(p[i] == byte_at(e->of->seed, at + i));
	e->of->got += n;
}

static void feed(struct end *e, const u8 *p, size_t n)
{
	size_t at = 0;

	for (;;) {
		size_t used;
		enum nvme_tcp_ev ev = nvme_tcp_rx_feed(&e->c, p + at, n - at, &used);
		u32 move;

		at += used;
		switch (ev) {
		case NVME_TCP_EV_MORE:
			MUST(at == n);
			return;
		case NVME_TCP_EV_HEADER:
			e->of = header(e);
			break;
		case NVME_TCP_EV_DATA:
			move = (u32)min_t(size_t, e->c.data_left, n - at);
			payload(e, p + at, move);
			nvme_tcp_rx_take(&e->c, move, crc32c(e->c.crc, p + at, move));
			at += move;
			break;
		case NVME_TCP_EV_DONE:
			MUST(e->c.ddgst_ok);
			if (e == &t.host && e->of && e->of->hx.success)
				completed(e->of);
			break;
		case NVME_TCP_EV_ERROR:
			if (!t.ended || e->c.err.fes)
				DIE("refused: FES %u FEI %u: %s", e->c.err.fes, e->c.err.fei,
				    e->c.err.what);
			return;
		}
	}
}

static void deliver(struct end *e, size_t n)
{
	u8 *copy;

	n = min_t(size_t, n, e->in_n);
	copy = malloc(n + 1);
	memcpy(copy + 1, e->in, n);
	e->in_n -= n;
	memmove(e->in, e->in + n, e->in_n);
	feed(e, copy + 1, n);
	free(copy);
}

/* --- sending ------------------------------------------------------------- */

static bool room(const struct end *to, u32 n)
{
	return ROOM - to->in_n >= n + 300U;
}

static void send(struct end *to, const struct end *from, const u8 *head, u32 n,
		 const struct cmd *cmd, u32 off, u32 len)
{
	u8 *p = to->in + to->in_n;

	MUST(n <= NVME_TCP_BUILD_MAX);
	MUST(get(head + 4, 4) == n + (u64)len + (len && from->c.ddgst ? 4 : 0));
	memcpy(p, head, n);
	for (u32 i = 0; i < len; i++)
		p[n + i] = byte_at(cmd->seed, off + i);
	n += len;
	if (len && from->c.ddgst) {
		nvme_tcp_build_ddgst(crc32c(nvme_tcp_crc_init(), p + n - len, len), p + n);
		n += 4;
	}
	to->in_n += n;
}

static void command(const struct rec *r, u32 cid)
{
	struct nvme_tcp_conn *c = &t.host.c;
	struct cmd *cmd = &t.cmd[cid];
	u32 limit = min_t(u32, t.ctrl.c.local.incapsule, NVME_TCP_ADMIN_INCAPSULE);
	u8 head[NVME_TCP_BUILD_MAX], sqe[64];
	u32 n;

	if (cmd->sent)
		return;
	if (t.ctrl.c.phase == NVME_TCP_PHASE_LIVE)
		limit = t.ctrl.c.local.incapsule;
	*cmd = (struct cmd) {
		.sent = true, .dir = (r->a >> 4) % 3, .len = r->v, .seed = t.seed++,
		.opcode = (u8)(r->b >> 8),
	};
	if (cmd->dir == NVME_TCP_NODATA || !cmd->len) {
		cmd->dir = NVME_TCP_NODATA;
		cmd->len = 0;
	}
	/* Data that cannot be moved to the end of it is not begun */
	if (cmd->len > ROOM / 2)
		cmd->len %= ROOM / 2;
	if (!cmd->len)
		cmd->dir = NVME_TCP_NODATA;
	if (cmd->dir == NVME_TCP_H2C && r->b & 1 && cmd->len <= limit)
		cmd->inl = cmd->len;
	/* No data but that of the capsule before Connect is over */
	if (c->phase != NVME_TCP_PHASE_LIVE && cmd->len != cmd->inl) {
		cmd->dir = NVME_TCP_NODATA;
		cmd->len = 0;
	}
	if (!room(&t.ctrl, cmd->inl)) {
		cmd->sent = false;
		return;
	}
	nvme_tcp_xfer_start(&cmd->hx, cmd->dir, cmd->len);
	for (u32 i = 0; i < 64; i++)
		sqe[i] = (u8)(i * 3 + r->a);
	sqe[0] = cmd->opcode;
	put(sqe + 2, 2, cid);
	n = nvme_tcp_build_cmd(c, head, sqe, cmd->inl, cmd->len);
	if (cmd->inl)
		nvme_tcp_xfer_moved(&cmd->hx, cmd->inl);
	send(&t.ctrl, &t.host, head, n, cmd, 0, cmd->inl);
}

static bool grant(u32 cid, u32 max)
{
	struct cmd *cmd = &t.cmd[cid];
	u8 head[NVME_TCP_BUILD_MAX];
	u16 tag;

	for (tag = 0; tag < TTAGS && t.r2t[tag].on; tag++)
		;
	if (!cmd->there || cmd->answered || tag == TTAGS || !room(&t.host, 0) ||
	    !nvme_tcp_ctrl_next_r2t(&t.ctrl.c, &cmd->cx, tag, max, &t.r2t[tag].r))
		return false;
	MUST(!max || t.r2t[tag].r.len <= max);
	t.r2t[tag].on = true;
	t.r2t[tag].cid = (u8)cid;
	send(&t.host, &t.ctrl, head,
	     nvme_tcp_build_r2t(&t.ctrl.c, head, (u16)cid, &t.r2t[tag].r), NULL, 0, 0);
	return true;
}

static bool serve(u32 cid)
{
	struct cmd *cmd = &t.cmd[cid];
	u8 head[NVME_TCP_BUILD_MAX];
	u32 n, off;
	bool last;

	if (!cmd->q_n || !room(&t.ctrl, cmd->q[0].len - cmd->q[0].done))
		return false;
	n = nvme_tcp_host_next_h2c(&t.host.c, &cmd->hx, &cmd->q[0], &off, &last);
	MUST(n && n <= t.ctrl.c.local.maxh2cdata);
	send(&t.ctrl, &t.host, head,
	     nvme_tcp_build_h2c_data(&t.host.c, head, (u16)cid, cmd->q[0].ttag, off, n, last),
	     cmd, off, n);
	if (last) {
		cmd->q_n--;
		memmove(cmd->q, cmd->q + 1, cmd->q_n * sizeof(cmd->q[0]));
	}
	return true;
}

static bool c2h(u32 cid, u32 n, bool success)
{
	struct cmd *cmd = &t.cmd[cid];
	u8 head[NVME_TCP_BUILD_MAX];
	u32 off = cmd->cx.done;
	u8 flags = 0;

	if (!cmd->there || cmd->dir != NVME_TCP_C2H || cmd->last_sent || cmd->answered)
		return false;
	n = min_t(u32, n, cmd->len - off);
	if (!room(&t.host, n))
		return false;
	nvme_tcp_xfer_moved(&cmd->cx, n);
	if (cmd->cx.done == cmd->len) {
		cmd->last_sent = true;
		cmd->success = success;
		flags = NVME_TCP_F_LAST | (success ? NVME_TCP_F_SUCCESS : 0);
	}
	send(&t.host, &t.ctrl, head,
	     nvme_tcp_build_c2h_data(&t.ctrl.c, head, (u16)cid, off, n, flags), cmd, off, n);
	return true;
}

static bool respond(u32 cid, u16 status)
{
	struct cmd *cmd = &t.cmd[cid];
	u8 head[NVME_TCP_BUILD_MAX], cqe[16];

	/* A read may fail at any time; a write has no R2T open then */
	if (!cmd->there || cmd->answered || cmd->success || !room(&t.host, 0))
		return false;
	if (nvme_tcp_xfer_r2ts(&cmd->cx) || (!status && cmd->cx.done != cmd->len))
		return false;
	/* Data of it may still be arriving here */
	if (t.ctrl.of == cmd && t.ctrl.c.data_left)
		return false;
	memset(cqe, 0x5a, sizeof(cqe));
	put(cqe + 12, 2, cid);
	put(cqe + 14, 2, (u16)(status << 1));
	cmd->status = status;
	cmd->answered = true;
	send(&t.host, &t.ctrl, head, nvme_tcp_build_rsp(&t.ctrl.c, head, cqe), NULL, 0, 0);
	return true;
}

static void terminate(const struct rec *r)
{
	struct end *from = r->a & 1 ? &t.host : &t.ctrl, *to = r->a & 1 ? &t.ctrl : &t.host;
	u8 head[NVME_TCP_BUILD_MAX];
	u32 n;

	if (!room(to, 0))
		return;
	t.fes = 1 + r->b % 6;
	t.fei = t.fes == 1 || t.fes == 3 || t.fes == 6 ? r->v : 0;
	nvme_tcp_rx_refuse(&from->c, t.fes, r->v, "enough");
	t.ended = true;
	n = nvme_tcp_build_term(&from->c, head);
	send(to, from, head, n, NULL, 0, 0);
	while (to->in_n)
		deliver(to, 1 + next_random(&t.random) % 100);
	MUST(to->c.phase == NVME_TCP_PHASE_DEAD);
}

/* --- a conversation ------------------------------------------------------ */

static void talk(const struct rec *r)
{
	u32 cid = r->a & 15;

	switch (r->op % TALKS) {
	case TALK_CMD:
		command(r, cid);
		break;
	case TALK_GRANT:
		grant(cid, r->v);
		break;
	case TALK_SERVE:
		serve(cid);
		break;
	case TALK_C2H:
		c2h(cid, r->v % 20000, r->a & 16);
		break;
	case TALK_RSP:
		respond(cid, r->b & 0x7fff);
		break;
	case TALK_TO_CTRL:
		deliver(&t.ctrl, r->v % ROOM);
		break;
	case TALK_TO_HOST:
		deliver(&t.host, r->v % ROOM);
		break;
	case TALK_LIVE:
		if (t.host.in_n || t.ctrl.in_n)
			break;
		nvme_tcp_conn_live(&t.host.c);
		nvme_tcp_conn_live(&t.ctrl.c);
		break;
	case TALK_TERM:
		terminate(r);
		break;
	}
}

/* Everything that has begun is brought to its end */
static void finish(void)
{
	bool more = true;

	for (u32 rounds = 0; more; rounds++) {
		MUST(rounds < 40000);
		more = t.host.in_n || t.ctrl.in_n;
		deliver(&t.host, 1 + next_random(&t.random) % 3000);
		deliver(&t.ctrl, 1 + next_random(&t.random) % 3000);
		for (u32 cid = 0; cid < CMDS; cid++) {
			more |= t.cmd[cid].sent;
			grant(cid, 0);
			serve(cid);
			c2h(cid, 16384, cid & 1);
			if (t.cmd[cid].dir != NVME_TCP_C2H || t.cmd[cid].last_sent)
				respond(cid, 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct input in;
	struct nvme_tcp_params h, c;
	const struct cfg *cfg = &in.cfg;
	u8 head[NVME_TCP_BUILD_MAX];

	input_parse(&in, data, size);
	memset(&t, 0, sizeof(t));
	t.random = cfg->seed | 1;
	h = (struct nvme_tcp_params) {
		.hdgst = cfg->flags & CFG_HDGST, .ddgst = cfg->flags & CFG_DDGST,
		.pda = cfg->pda, .maxr2t = cfg->maxr2t,
	};
	c = (struct nvme_tcp_params) {
		.hdgst = cfg->flags & CFG_PEER_HDGST, .ddgst = cfg->flags & CFG_PEER_DDGST,
		.pda = cfg->peer_pda, .maxh2cdata = cfg->maxh2cdata,
		.incapsule = cfg->incapsule,
	};
	nvme_tcp_conn_init(&t.host.c, NVME_TCP_HOST, &h);
	nvme_tcp_conn_init(&t.ctrl.c, NVME_TCP_CTRL, &c);
	send(&t.ctrl, &t.host, head, nvme_tcp_build_icreq(&t.host.c, head), NULL, 0, 0);
	deliver(&t.ctrl, ROOM);
	send(&t.host, &t.ctrl, head, nvme_tcp_build_icresp(&t.ctrl.c, head), NULL, 0, 0);
	deliver(&t.host, ROOM);
	MUST(t.host.c.hdgst == t.ctrl.c.hdgst && t.host.c.ddgst == t.ctrl.c.ddgst);
	MUST(t.host.c.hdgst == (h.hdgst && c.hdgst) && t.host.c.ddgst == (h.ddgst && c.ddgst));
	MUST(t.host.c.tx_pda == t.ctrl.c.rx_pda && t.host.c.rx_pda == t.ctrl.c.tx_pda);
	MUST(t.host.c.maxr2t == t.ctrl.c.maxr2t);
	MUST(t.host.c.tx_pdo_cmd == t.ctrl.c.rx_pdo_cmd);
	MUST(t.host.c.tx_pdo_data == t.ctrl.c.rx_pdo_data);
	MUST(t.host.c.rx_pdo_data == t.ctrl.c.tx_pdo_data);
	if (cfg->flags & CFG_AUTO_LIVE) {
		nvme_tcp_conn_live(&t.host.c);
		nvme_tcp_conn_live(&t.ctrl.c);
	}
	for (size_t i = 0; i < in.recs && !t.ended; i++)
		talk(&in.rec[i]);
	if (!t.ended)
		finish();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two engines talk. A random mix of commands, their PDUs interleaved, cut at
 * random places; each end keeps its books, and what arrives must be what was
 * sent.
 */
#include <stdarg.h>

#include "conv.h"

enum { SLOTS = 6, QUEUE = 8, MAX_LEN = 40000 };

enum kind { NODATA, READ, READ_SUCCESS, WRITE_INLINE, WRITE_R2T, KINDS };

struct cmd {
	enum kind kind;
	bool busy;
	u16 cid;
	u32 len, seed;
	/* the host's side */
	struct nvme_tcp_xfer hx;
	struct nvme_tcp_r2t hr[QUEUE];
	u32 hr_n;
	u32 got_c2h;
	bool completed;
	/* the controller's side */
	struct nvme_tcp_xfer cx;
	bool received;
	u32 got_h2c;
	struct { bool on; struct nvme_tcp_r2t r; } cr[QUEUE];
};

struct conv {
	struct conv_param p;
	struct nvme_tcp_conn h, c;
	struct cmd cmd[SLOTS];
	conv_sink *sink;
	void *arg;
	u32 started;
	u8 buf[MAX_LEN + 512];
};

static u8 byte_at(u32 seed, u32 off)
{
	return (u8)((seed + off) * 0x9e3779b1 >> 24);
}

static struct cmd *by_cid(struct conv *v, u16 cid)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (v->cmd[i].busy && v->cmd[i].cid == cid)
			return &v->cmd[i];
	return NULL;
}

/* --- receiving ----------------------------------------------------------- */

/* Which command the PDU at hand belongs to; it must be a good one */
static struct cmd *header(struct conv *v, struct nvme_tcp_conn *c)
{
	const struct nvme_tcp_pdu *p = &c->pdu;
	struct cmd *cmd = NULL;
	u32 slot, r;
	bool done;

	switch (p->type) {
	case NVME_TCP_CMD:
		cmd = by_cid(v, p->cccid);
		T(cmd && !cmd->received);
		cmd->received = true;
		T_EQ(p->len, cmd->len);
		T_EQ(p->data_len, cmd->kind == WRITE_INLINE ? cmd->len : 0);
		T_EQ(p->capsule, p->data_len ? NVME_TCP_CAPSULE_INLINE :
						NVME_TCP_CAPSULE_TRANSPORT);
		nvme_tcp_xfer_start(&cmd->cx, cmd->hx.dir, p->len);
		if (p->data_len)
			nvme_tcp_xfer_moved(&cmd->cx, p->data_len);
		break;
	case NVME_TCP_H2C_DATA:
		slot = p->ttag / QUEUE;
		r = p->ttag % QUEUE;
		T(slot < SLOTS);
		cmd = &v->cmd[slot];
		T(cmd->cr[r].on);
		T_EQ(nvme_tcp_ctrl_h2c_data(c, &cmd->cx, &cmd->cr[r].r, cmd->cid, &done), 0);
		if (done)
			cmd->cr[r].on = false;
		break;
	case NVME_TCP_C2H_DATA:
		cmd = by_cid(v, p->cccid);
		T_EQ(nvme_tcp_host_c2h_data(c, &cmd->hx), 0);
		break;
	case NVME_TCP_R2T:
		cmd = by_cid(v, p->cccid);
		T(cmd->hr_n < QUEUE);
		T_EQ(nvme_tcp_host_r2t(c, &cmd->hx, &cmd->hr[cmd->hr_n++]), 0);
		break;
	case NVME_TCP_RSP:
		cmd = by_cid(v, p->cccid);
		T_EQ(nvme_tcp_host_rsp(c, &cmd->hx), 0);
		cmd->completed = true;
		break;
	}
	return cmd;
}

static void receive(struct conv *v, bool to_host, const u8 *buf, size_t len)
{
	struct nvme_tcp_conn *c = to_host ? &v->h : &v->c;
	static struct cmd *cmd[2];
	u8 *p = malloc(len ? len : 1);
	size_t at = 0, used;

	memcpy(p, buf, len);
	for (;;) {
		enum nvme_tcp_ev ev = nvme_tcp_rx_feed(c, p + at, len - at, &used);
		u32 n, off, i;

		at += used;
		switch (ev) {
		case NVME_TCP_EV_MORE:
			T_EQ(at, len);
			free(p);
			return;
		case NVME_TCP_EV_HEADER:
			cmd[to_host] = header(v, c);
			break;
		case NVME_TCP_EV_DATA:
			n = (u32)min_t(size_t, c->data_left, len - at);
			off = c->pdu.type == NVME_TCP_CMD ? 0 : c->pdu.off;
			off += c->pdu.data_len - c->data_left;
			for (i = 0; i < n; i++)
				if (p[at + i] != byte_at(cmd[to_host]->seed, off + i))
					break;
			T(i == n, "byte %u of command %u", off + i, cmd[to_host]->cid);
			if (to_host)
				cmd[to_host]->got_c2h += n;
			else
				cmd[to_host]->got_h2c += n;
			nvme_tcp_rx_take(c, n, crc32c(c->crc, p + at, n));
			at += n;
			break;
		case NVME_TCP_EV_DONE:
			T_EQ(c->ddgst_ok, true);
			if (cmd[to_host] && cmd[to_host]->hx.success)
				cmd[to_host]->completed = true;
			break;
		case NVME_TCP_EV_ERROR:
			T(0, "%s at the %s: FES %u FEI %u", c->err.what,
			  to_host ? "host" : "controller", c->err.fes, c->err.fei);
			free(p);
			return;
		}
	}
}

/* --- sending ------------------------------------------------------------- */

/* @buf holds @n bytes of header; payload and its digest are added here */
static void transmit(struct conv *v, bool to_host, size_t n, const struct cmd *cmd,
		     u32 off, u32 len, const char *fmt, ...)
{
	const struct nvme_tcp_conn *c = to_host ? &v->c : &v->h;
	char fields[256];
	size_t cut;
	va_list ap;

	for (u32 i = 0; i < len; i++)
		v->buf[n + i] = byte_at(cmd->seed, off + i);
	if (len && c->ddgst) {
		nvme_tcp_build_ddgst(crc32c(nvme_tcp_crc_init(), v->buf + n, len),
				     v->buf + n + len);
		len += 4;
	}
	n += len;
	va_start(ap, fmt);
	vsnprintf(fields, sizeof(fields), fmt, ap);
	va_end(ap);
	if (v->sink)
		v->sink(v->arg, to_host, v->buf, n, fields);
	cut = t_below((u32)n + 1);
	receive(v, to_host, v->buf, cut);
	receive(v, to_host, v->buf + cut, n - cut);
}

static void start(struct conv *v, struct cmd *cmd)
{
	static const enum nvme_tcp_dir dirs[KINDS] = {
		NVME_TCP_NODATA, NVME_TCP_C2H, NVME_TCP_C2H, NVME_TCP_H2C, NVME_TCP_H2C,
	};
	static const u8 opcodes[KINDS] = { 0x00, 0x02, 0x02, 0x01, 0x01 };
	u8 sqe[64] = { 0 };
	u32 inline_len;

	memset(cmd, 0, sizeof(*cmd));
	cmd->busy = true;
	cmd->kind = t_below(KINDS);
	cmd->cid = (u16)(v->started++ << 4 | (u32)(cmd - v->cmd));
	cmd->seed = t_rand();
	sqe[0] = opcodes[cmd->kind];
	sqe[1] = 0x40;
	put(sqe + 2, 2, cmd->cid);
	if (v->started == 1) {
		/* Connect to queue 1: how a dissector learns what this is */
		cmd->kind = WRITE_INLINE;
		sqe[0] = 0x7f;
		sqe[4] = 1;
		sqe[42] = 1;
		sqe[44] = 31;
		cmd->len = 1024;
	} else if (cmd->kind != NODATA) {
		cmd->len = 4 + t_below(cmd->kind == WRITE_INLINE ? 8188 : MAX_LEN - 4);
		/* Mostly whole dwords; bytes are legal, too */
		if (t_below(4))
			cmd->len &= ~3U;
	}
	nvme_tcp_xfer_start(&cmd->hx, dirs[cmd->kind], cmd->len);
	inline_len = cmd->kind == WRITE_INLINE ? cmd->len : 0;
	if (inline_len)
		nvme_tcp_xfer_moved(&cmd->hx, inline_len);
	transmit(v, false, nvme_tcp_build_cmd(&v->h, v->buf, sqe, inline_len, cmd->len), cmd,
		 0, inline_len, "type=4 data=%u cid=%u opc=%u sgl=%u sgllen=%u", inline_len,
		 cmd->cid, sqe[0], inline_len ? 0x01 : 0x5a, cmd->len);
	if (v->started == 1) {
		nvme_tcp_conn_live(&v->c);
		nvme_tcp_conn_live(&v->h);
	}
}

static void respond(struct conv *v, struct cmd *cmd)
{
	u8 cqe[16] = { 0 };

	put(cqe + 8, 2, v->started & 31);
	put(cqe + 10, 2, 1);
	put(cqe + 12, 2, cmd->cid);
	transmit(v, true, nvme_tcp_build_rsp(&v->c, v->buf, cqe), cmd, 0, 0,
		 "type=5 data=0 cid=%u", cmd->cid);
}

static bool ask(struct conv *v, struct cmd *cmd)
{
	struct nvme_tcp_r2t r;
	u32 i;

	for (i = 0; i < QUEUE && cmd->cr[i].on; i++)
		;
	if (i == QUEUE ||
	    !nvme_tcp_ctrl_next_r2t(&v->c, &cmd->cx, (u16)((cmd - v->cmd) * QUEUE + i),
				    t_below(3) * 4096, &r))
		return false;
	cmd->cr[i].on = true;
	cmd->cr[i].r = r;
	transmit(v, true, nvme_tcp_build_r2t(&v->c, v->buf, cmd->cid, &r), cmd, 0, 0,
		 "type=9 data=0 cccid=%u ttag=%u r2to=%u r2tl=%u", cmd->cid, r.ttag, r.off, r.len);
	return true;
}

static bool serve(struct conv *v, struct cmd *cmd)
{
	struct nvme_tcp_r2t *r = &cmd->hr[0];
	u32 n, off;
	bool last;

	if (!cmd->hr_n)
		return false;
	n = nvme_tcp_host_next_h2c(&v->h, &cmd->hx, r, &off, &last);
	T(n);
	transmit(v, false,
		 nvme_tcp_build_h2c_data(&v->h, v->buf, cmd->cid, r->ttag, off, n, last), cmd,
		 off, n, "type=6 data=%u last=%u cccid=%u ttag=%u datao=%u datal=%u", n, last,
		 cmd->cid, r->ttag, off, n);
	if (last)
		memmove(r, r + 1, --cmd->hr_n * sizeof(*r));
	return true;
}

static void give(struct conv *v, struct cmd *cmd)
{
	u32 off = cmd->cx.done, n = cmd->len - off;
	u8 flags = 0;

	if (t_below(3))
		n = 1 + t_below(n);
	if (off + n == cmd->len)
		flags = cmd->kind == READ_SUCCESS ? NVME_TCP_F_LAST | NVME_TCP_F_SUCCESS :
						    NVME_TCP_F_LAST;
	nvme_tcp_xfer_moved(&cmd->cx, n);
	transmit(v, true, nvme_tcp_build_c2h_data(&v->c, v->buf, cmd->cid, off, n, flags), cmd,
		 off, n, "type=7 data=%u last=%u success=%u cccid=%u datao=%u datal=%u", n, !!flags,
		 flags >> 3, cmd->cid, off, n);
}

static void step(struct conv *v, struct cmd *cmd)
{
	if (!cmd->busy) {
		if (v->started < v->p.commands)
			start(v, cmd);
	} else if (cmd->completed) {
		/* Both ends have moved all of it, once */
		T_EQ(cmd->got_c2h, cmd->hx.dir == NVME_TCP_C2H ? cmd->len : 0);
		T_EQ(cmd->got_h2c, cmd->hx.dir == NVME_TCP_H2C ? cmd->len : 0);
		T_EQ(cmd->hx.done, cmd->len);
		T_EQ(cmd->cx.done, cmd->len);
		T_EQ(cmd->hr_n, 0);
		T_EQ(nvme_tcp_xfer_r2ts(&cmd->hx), 0);
		T_EQ(nvme_tcp_xfer_r2ts(&cmd->cx), 0);
		cmd->busy = false;
	} else if (cmd->cx.done == cmd->len) {
		respond(v, cmd);
	} else if (cmd->cx.dir == NVME_TCP_C2H) {
		give(v, cmd);
	} else if (t_below(2) || !ask(v, cmd)) {
		serve(v, cmd);
	}
}

static void greet(struct conv *v)
{
	const struct conv_param *p = &v->p;
	struct nvme_tcp_params h = {
		.hdgst = p->ask & 1, .ddgst = p->ask & 2, .pda = p->hpda, .maxr2t = p->maxr2t,
	};
	struct nvme_tcp_params c = {
		.hdgst = p->grant & 1, .ddgst = p->grant & 2, .pda = p->cpda,
		.maxh2cdata = p->maxh2cdata, .incapsule = 8192,
	};

	nvme_tcp_conn_init(&v->h, NVME_TCP_HOST, &h);
	nvme_tcp_conn_init(&v->c, NVME_TCP_CTRL, &c);
	transmit(v, false, nvme_tcp_build_icreq(&v->h, v->buf), NULL, 0, 0,
		 "type=0 data=0 pfv=0 hpda=%u digest=%u maxr2t=%u", p->hpda, p->ask,
		 p->maxr2t - 1);
	transmit(v, true, nvme_tcp_build_icresp(&v->c, v->buf), NULL, 0, 0,
		 "type=1 data=0 pfv=0 cpda=%u digest=%u maxh2c=%u", p->cpda, p->ask & p->grant,
		 p->maxh2cdata);
}

void conv_run(const struct conv_param *p, conv_sink *sink, void *arg)
{
	static struct conv v;
	u32 fuel = 200000;
	bool busy;

	memset(&v, 0, sizeof(v));
	v.p = *p;
	v.sink = sink;
	v.arg = arg;
	greet(&v);
	/* The Connect goes alone */
	do {
		step(&v, &v.cmd[0]);
	} while (v.cmd[0].busy && --fuel);
	do {
		step(&v, &v.cmd[t_below(SLOTS)]);
		busy = v.started < p->commands;
		for (u32 i = 0; i < SLOTS; i++)
			busy |= v.cmd[i].busy;
	} while (busy && v.h.phase != NVME_TCP_PHASE_DEAD && v.c.phase != NVME_TCP_PHASE_DEAD &&
		 --fuel);
	T(!busy, "the conversation has stopped");

	/* And it ends in discord */
	if (sink) {
		nvme_tcp_rx_refuse(&v.h, NVME_TCP_FES_HDR, 8, "as a farewell");
		v.h.hdr_have = 0;
		sink(arg, false, v.buf, nvme_tcp_build_term(&v.h, v.buf),
		     "type=2 data=0 fes=1 phfo=8");
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* See judge.h. */
#include "judge.h"

/* --- receiving ----------------------------------------------------------- */

static void tell_error(struct judge *j)
{
	if (!j->error_told)
		LOG(j->log, LOG_ERROR, (u32)j->err.fes, (u32)j->err.fei);
	j->error_told = true;
}

/* @quote: how much of the header can be shown to the peer */
static bool fatal(struct judge *j, u64 fes, u64 fei, u64 quote)
{
	bool has_fei = fes == 1 || fes == 3 || fes == 6;

	j->err.set = true;
	j->err.fes = fes;
	j->err.fei = has_fei ? fei : 0;
	j->phase = NVME_TCP_PHASE_DEAD;
	j->quote_n = (u32)(quote > 128 ? 128 : quote);
	memcpy(j->quote, j->buf, j->quote_n);
	return false;
}

/* A broken TermReq is not answered */
static bool silent(struct judge *j)
{
	return fatal(j, 0, 0, 0);
}

static u64 hlen_of(u64 type)
{
	switch (type) {
	case 0: case 1:
		return 128;
	case 4:
		return 72;
	default:
		return 24;
	}
}

/* Eight bytes are there */
static bool judge_common(struct judge *j)
{
	const u8 *h = j->buf;
	u64 type = h[0], flags = h[1], hlen = h[2], pdo = h[3], plen = get(h + 4, 4);
	bool host = j->role == NVME_TCP_HOST;
	bool mine = false, now, term = type == 2 || type == 3;
	bool data = type == 4 || type == 6 || type == 7;
	u64 head, body, limit;

	/* Sent by the other end? */
	if (host)
		mine = type == 1 || type == 3 || type == 5 || type == 7 || type == 9;
	else
		mine = type == 0 || type == 2 || type == 4 || type == 6;
	if (!mine)
		return fatal(j, 1, 0, 8);

	/* Now? */
	switch (type) {
	case 0: case 1:
		now = j->phase == NVME_TCP_PHASE_IC;
		break;
	case 2: case 3:
		now = true;
		break;
	case 4: case 5:
		now = j->phase == NVME_TCP_PHASE_CONNECT || j->phase == NVME_TCP_PHASE_LIVE;
		break;
	default:
		now = j->phase == NVME_TCP_PHASE_LIVE;
	}
	if (!now)
		return fatal(j, 2, 0, 8);

	if (term) {
		if (flags || hlen != 24 || plen < 24 || plen > 152)
			return silent(j);
		return true;
	}

	/* FLAGS */
	if (flags > 15)
		return fatal(j, 1, 1, 8);
	if (!!(flags & 1) != (type >= 4 && j->hdgst))
		return fatal(j, 1, 1, 8);
	if (flags & 2 && (!data || !j->ddgst))
		return fatal(j, 1, 1, 8);
	if (flags & 4 && type != 6 && type != 7)
		return fatal(j, 1, 1, 8);
	if (flags & 8 && (type != 7 || !(flags & 4)))
		return fatal(j, 1, 1, 8);

	if (hlen != hlen_of(type))
		return fatal(j, 1, 2, 8);
	head = hlen + (flags & 1 ? 4 : 0);

	if (!data) {
		if (plen != head)
			return fatal(j, 1, 4, 8);
		return true;
	}
	if (plen < head)
		return fatal(j, 1, 4, 8);
	if (plen == head)		/* PDO means nothing */
		return true;
	if (pdo < head || pdo % j->rx_align || pdo > plen)
		return fatal(j, 1, 3, 8);
	body = plen - pdo;
	if (!body)
		return true;
	/* There is something behind PDO; does it end in a digest? */
	if (j->ddgst) {
		if (!(flags & 2))
			return fatal(j, 1, 1, 8);
		if (body < 4)
			return fatal(j, 1, 4, 8);
		body -= 4;
	}
	if (type == 6 && body > j->maxh2cdata)
		return fatal(j, 5, 0, 8);
	/* The opcode is not there yet */
	limit = 8192;
	if (j->phase == NVME_TCP_PHASE_LIVE && j->incapsule > limit)
		limit = j->incapsule;
	if (type == 4 && body > limit)
		return fatal(j, 1, 4, 8);
	j->data_len = body;
	return true;
}

static u64 header_need(const struct judge *j)
{
	u64 type = j->buf[0];

	if (type == 2 || type == 3)
		return get(j->buf + 4, 4);
	return hlen_of(type) + (j->buf[1] & 1 ? 4 : 0);
}

static u32 roundup_to(u32 n, u32 align)
{
	while (n % align)
		n++;
	return n;
}

static u32 header_size(const struct judge *j, u32 hlen)
{
	return hlen + (j->hdgst ? 4 : 0);
}

static bool agree(struct judge *j)
{
	const u8 *h = j->buf;
	u64 pfv = get(h + 8, 2), pda = h[10], dgst = h[11], value = get(h + 12, 4);
	u32 ours = j->cfg.flags & 3;

	if (pfv)
		return fatal(j, 6, 8, 128);
	if (pda > 31)
		return fatal(j, 6, 10, 128);
	if (j->role == NVME_TCP_HOST) {
		if (dgst & ~(u64)ours)
			return fatal(j, 6, 11, 128);
		if (value < 4096 || value % 4)
			return fatal(j, 1, 12, 128);
		/* A host need not use it all; more than this does not fit PLEN */
		j->maxh2cdata = value > 1 << 30 ? 1 << 30 : value;
	} else {
		j->maxr2t = value + 1 > 255 ? 255 : value + 1;
	}
	j->hdgst = dgst & ours & 1;
	j->ddgst = dgst & ours & 2;
	j->tx_align = (u32)(pda + 1) * 4;
	j->agreed = true;
	j->phase = NVME_TCP_PHASE_CONNECT;
	return true;
}

static struct judge_cmd *command(struct judge *j, u64 cid)
{
	return cid < CMDS && j->cmd[cid].on ? &j->cmd[cid] : NULL;
}

static u8 judge_sgl(const struct judge *j)
{
	const u8 *sqe = j->buf + 8;
	u64 addr = get(sqe + 24, 8), len = get(sqe + 32, 4), type = sqe[39];

	if (!j->data_len && !len)
		return NVME_TCP_CAPSULE_TRANSPORT;
	if (type == 0x5a)
		return j->data_len ? NVME_TCP_CAPSULE_BAD_LENGTH : NVME_TCP_CAPSULE_TRANSPORT;
	if (type != 0x01)
		return NVME_TCP_CAPSULE_BAD_TYPE;
	if (addr)
		return NVME_TCP_CAPSULE_BAD_OFFSET;
	return len == j->data_len ? NVME_TCP_CAPSULE_INLINE : NVME_TCP_CAPSULE_BAD_LENGTH;
}

static void start(struct judge_cmd *c, enum nvme_tcp_dir dir, u64 len)
{
	c->on = true;
	c->dir = dir;
	c->len = dir == NVME_TCP_NODATA ? 0 : len;
	c->asked = c->done = 0;
	c->last = c->success = false;
	c->open = c->queued = 0;
}

static void verdict(struct judge *j, int ret)
{
	LOG(j->log, LOG_VERDICT, (u32)ret);
}

static bool refuse(struct judge *j, u64 fes, u64 fei)
{
	fatal(j, fes, fei, j->buf[2]);
	verdict(j, -1);
	return false;
}

static bool c2h_data(struct judge *j, u64 cccid, u64 off, u64 len)
{
	struct judge_cmd *c = command(j, cccid);
	bool last = j->buf[1] & 4;

	if (!c || c->dir != NVME_TCP_C2H)
		return refuse(j, 1, 8);
	if (c->last)
		return refuse(j, 2, 0);
	if (off + len > c->len)
		return refuse(j, 4, 0);
	if (off != c->done)
		return refuse(j, 1, 12);
	if (last != (off + len == c->len))
		return refuse(j, 1, 1);
	c->done += len;
	c->last = last;
	c->success = j->buf[1] & 8;
	j->of = c;
	verdict(j, 0);
	return true;
}

static bool r2t(struct judge *j, u64 cccid, u64 ttag, u64 off, u64 len)
{
	struct judge_cmd *c = command(j, cccid);

	if (!c || c->dir != NVME_TCP_H2C)
		return refuse(j, 1, 8);
	if (c->open >= j->maxr2t)
		return refuse(j, 5, 0);
	if (off + len > c->len)
		return refuse(j, 4, 0);
	if (off != c->asked)
		return refuse(j, 1, 12);
	c->asked += len;
	c->open++;
	c->ttag[c->queued] = (u16)ttag;
	c->queue[c->queued++] = (struct judge_r2t){ true, (u8)cccid, off, len, 0 };
	LOG(j->log, LOG_VERDICT, 0, (u32)ttag, (u32)off, (u32)len, 0);
	return true;
}

static bool h2c_data(struct judge *j, u64 cccid, u64 ttag, u64 off, u64 len)
{
	struct judge_r2t *r = ttag < CMDS && j->r2t[ttag].on ? &j->r2t[ttag] : NULL;
	struct judge_cmd *c = r ? command(j, r->cid) : NULL;
	bool last = j->buf[1] & 4;

	if (!c)
		return refuse(j, 1, 10);
	if (cccid != r->cid)
		return refuse(j, 1, 8);
	if (off < r->off || off + len > r->off + r->len)
		return refuse(j, 4, 0);
	if (off != r->off + r->done)
		return refuse(j, 1, 12);
	if (last != (off + len == r->off + r->len))
		return refuse(j, 1, 1);
	r->done += len;
	c->done += len;
	if (last) {
		r->on = false;
		c->open--;
	}
	LOG(j->log, LOG_VERDICT, 0, last);
	return true;
}

static bool rsp(struct judge *j, u64 cid)
{
	struct judge_cmd *c = command(j, cid);
	bool good = !(get(j->buf + 8 + 14, 2) >> 1);

	if (!c || c->success)
		return refuse(j, 1, 8 + 12);
	verdict(j, good && c->done < c->len);
	c->on = false;
	return true;
}

/* All of the header is there, and its digest */
static bool judge_header(struct judge *j)
{
	const u8 *h = j->buf;
	u64 type = h[0], hlen = h[2], opcode = h[8];
	u64 w8 = get(h + 8, 2), w10 = get(h + 10, 2), d12 = get(h + 12, 4), d16 = get(h + 16, 4);
	u64 cid, sgl_len;
	u8 sgl;

	if (h[1] & 1 && get(h + hlen, 4) != slow_crc(h, hlen))
		return fatal(j, 3, get(h + hlen, 4), hlen);
	j->given = 0;
	j->of = NULL;
	switch (type) {
	case 0: case 1:
		if (!agree(j))
			return false;
		LOG(j->log, LOG_HEADER, (u32)type, h[1]);
		LOG(j->log, LOG_CONN, j->hdgst, j->ddgst, j->tx_align / 4 - 1,
		    j->rx_align / 4 - 1, (u32)j->maxr2t, (u32)j->maxh2cdata,
		    roundup_to(header_size(j, 72), j->tx_align),
		    roundup_to(header_size(j, 24), j->tx_align),
		    roundup_to(header_size(j, 72), j->rx_align),
		    roundup_to(header_size(j, 24), j->rx_align));
		return true;
	case 2: case 3:
		LOG(j->log, LOG_HEADER, (u32)type, h[1], 0, 0, 0, 0, 0, 0,
		    (u32)w8, (u32)get(h + 10, 4));
		return silent(j);
	case 4:
		/* A smaller limit than 8192 is not for Fabrics commands */
		if (j->phase == NVME_TCP_PHASE_LIVE && opcode != 0x7f &&
		    j->data_len > j->incapsule)
			return fatal(j, 1, 4, hlen);
		cid = get(h + 8 + 2, 2);
		sgl = judge_sgl(j);
		sgl_len = get(h + 8 + 32, 4);
		LOG(j->log, LOG_HEADER, (u32)type, h[1], sgl, (u32)j->data_len, (u32)cid, 0, 0,
		    (u32)sgl_len);
		if (cid < CMDS && !j->cmd[cid].on && sgl <= NVME_TCP_CAPSULE_TRANSPORT) {
			struct judge_cmd *c = &j->cmd[cid];

			start(c, opcode & 1 ? NVME_TCP_H2C : opcode & 2 ? NVME_TCP_C2H :
			      NVME_TCP_NODATA, sgl_len);
			if (sgl == NVME_TCP_CAPSULE_INLINE && c->dir == NVME_TCP_H2C)
				c->asked = c->done = c->len;
		}
		return true;
	case 5:
		cid = get(h + 8 + 12, 2);
		LOG(j->log, LOG_HEADER, (u32)type, h[1], 0, 0, (u32)cid);
		return rsp(j, cid);
	case 6: case 7:
		if (d16 != j->data_len)
			return fatal(j, 1, 16, hlen);
		LOG(j->log, LOG_HEADER, (u32)type, h[1], 0, (u32)j->data_len, (u32)w8,
		    type == 6 ? (u32)w10 : 0, (u32)d12, (u32)d16);
		return type == 6 ? h2c_data(j, w8, w10, d12, d16) : c2h_data(j, w8, d12, d16);
	default:
		if (!d16)
			return fatal(j, 1, 16, hlen);
		LOG(j->log, LOG_HEADER, (u32)type, h[1], 0, 0, (u32)w8, (u32)w10, (u32)d12,
		    (u32)d16);
		return r2t(j, w8, w10, d12, d16);
	}
}

/* As far as the bytes go */
static bool judge_pdu(struct judge *j)
{
	u64 type, plen, pdo, dd, have;
	bool ok = true;

	if (!j->common_ok) {
		if (j->n < 8)
			return false;
		j->data_len = 0;
		if (!judge_common(j))
			return false;
		j->common_ok = true;
	}
	if (!j->header_ok) {
		if (j->n < header_need(j) || !judge_header(j))
			return false;
		j->header_ok = true;
	}
	type = j->buf[0];
	plen = get(j->buf + 4, 4);
	if (type == 4 || type == 6 || type == 7) {
		pdo = j->buf[3];
		have = j->n < plen ? j->n : plen;
		if (j->data_len && have > pdo + j->given) {
			u64 more = have - pdo - j->given;

			if (more > j->data_len - j->given)
				more = j->data_len - j->given;
			log_data(j->log, j->buf + pdo + j->given, more);
			j->given += more;
		}
	}
	if (j->n < plen)
		return false;
	if (type == 4 || type == 6 || type == 7) {
		/* What is behind PDO and no data is the digest */
		dd = plen > hlen_of(type) + (j->buf[1] & 1 ? 4 : 0) ?
		     plen - j->buf[3] - j->data_len : 0;
		if (dd && get(j->buf + plen - 4, 4) !=
			  slow_crc(j->buf + j->buf[3], j->data_len)) {
			ok = false;
			j->bad_ddgst++;	/* a path of its own, for the corpus */
		}
	}
	LOG(j->log, LOG_DONE, ok, (u32)j->log->data_n);
	if (j->of && j->of->success && j->cfg.flags & CFG_COMPLETE)
		j->of->on = false;
	memmove(j->buf, j->buf + plen, j->n - plen);
	j->n -= plen;
	j->common_ok = j->header_ok = false;
	return true;
}

void judge_bytes(struct judge *j, const u8 *p, size_t n)
{
	if (!n)
		return;
	if (j->phase != NVME_TCP_PHASE_DEAD) {
		MUST(n <= sizeof(j->buf) - j->n);
		memcpy(j->buf + j->n, p, n);
		j->n += n;
		while (judge_pdu(j))
			;
	}
	if (j->phase == NVME_TCP_PHASE_DEAD)
		tell_error(j);
}

/* --- sending ------------------------------------------------------------- */

u32 judge_build(const struct judge *j, u8 *out, u8 type, u8 flags, const u8 *psh, u64 data)
{
	u32 hlen = (u32)hlen_of(type), n = hlen;
	bool digests = type >= 4;

	memset(out, 0, 256);
	if (digests && j->hdgst) {
		flags |= 1;
		n += 4;
	}
	if (data) {
		n = roundup_to(n, j->tx_align);
		out[3] = (u8)n;
		if (j->ddgst)
			flags |= 2;
	}
	out[0] = type;
	out[1] = flags;
	out[2] = (u8)hlen;
	MUST(n + data + 4 <= 0xffffffff);
	put(out + 4, 4, n + data + (data && j->ddgst ? 4 : 0));
	memcpy(out + 8, psh, hlen - 8);
	if (flags & 1)
		put(out + hlen, 4, slow_crc(out, hlen));
	return n;
}

static void built(struct judge *j)
{
	LOG(j->log, LOG_BUILT, j->built_n, slow_crc(j->built, j->built_n));
}

static void build_data(struct judge *j, u8 type, u8 flags, u64 cccid, u64 ttag, u64 off, u64 len)
{
	u8 psh[16] = { 0 };

	put(psh, 2, cccid);
	put(psh + 2, 2, ttag);
	put(psh + 4, 4, off);
	put(psh + 8, 4, len);
	j->built_n = judge_build(j, j->built, type, flags, psh, type == 9 ? 0 : len);
	built(j);
}

static void build(struct judge *j, const struct rec *r)
{
	bool host = j->role == NVME_TCP_HOST;
	u8 psh[120] = { 0 };
	u32 kind = (r->a & 15) % BUILDS;

	j->built_n = 0;
	if (kind == BUILD_TERM) {
		if (!j->err.set || !j->err.fes)
			return built(j);
		if (j->own_word) {
			LOG(j->log, LOG_OP, OP_BUILD, (u32)j->err.fes, (u32)j->err.fei);
			return;
		}
		put(psh, 2, j->err.fes);
		put(psh + 2, 4, j->err.fei);
		judge_build(j, j->built, host ? 2 : 3, 0, psh, 0);
		put(j->built + 4, 4, 24 + j->quote_n);
		memcpy(j->built + 24, j->quote, j->quote_n);
		j->built_n = 24 + j->quote_n;
		return built(j);
	}
	if (kind == BUILD_IC && host) {
		psh[2] = (u8)(j->rx_align / 4 - 1);
		psh[3] = j->cfg.flags & 3;
		put(psh + 4, 4, j->maxr2t - 1);
		j->built_n = judge_build(j, j->built, 0, 0, psh, 0);
		return built(j);
	}
	if (!j->agreed)
		return;
	if (kind == BUILD_IC) {
		psh[2] = (u8)(j->rx_align / 4 - 1);
		psh[3] = (u8)(j->hdgst | j->ddgst << 1);
		put(psh + 4, 4, j->maxh2cdata);
		j->built_n = judge_build(j, j->built, 1, 0, psh, 0);
		return built(j);
	}
	if (host && kind == BUILD_CMD) {
		for (u32 i = 0; i < 64; i++)
			psh[i] = (u8)(i * 5 + r->a);
		/* SGL descriptor 1: address, length, three reserved, type */
		memset(psh + 24, 0, 16);
		put(psh + 32, 4, r->b ? r->b : r->v);
		psh[39] = r->b ? 0x01 : 0x5a;
		j->built_n = judge_build(j, j->built, 4, 0, psh, r->b);
		return built(j);
	}
	if (!host && kind == BUILD_RSP) {
		for (u32 i = 0; i < 16; i++)
			psh[i] = (u8)(i * 7 + r->a);
		j->built_n = judge_build(j, j->built, 5, 0, psh, 0);
		return built(j);
	}
	if (host && kind == BUILD_H2C)
		build_data(j, 6, r->a & 0x80 ? 4 : 0, r->b, r->b ^ 0x5555, r->v, r->v >> 8);
	if (!host && kind == BUILD_C2H)
		build_data(j, 7, r->a >> 4 & 0xc, r->b, 0, r->v, r->v >> 8);
	if (!host && kind == BUILD_R2T)
		build_data(j, 9, 0, r->b, r->b ^ 0x5555, r->v, r->v >> 8);
}

static void serve(struct judge *j, u32 cid)
{
	struct judge_cmd *c = command(j, cid);
	struct judge_r2t *q;
	u64 n, off;
	bool last;

	if (!c || !c->queued)
		return;
	q = &c->queue[0];
	n = q->len - q->done;
	if (n > j->maxh2cdata)
		n = j->maxh2cdata;
	off = q->off + q->done;
	q->done += n;
	c->done += n;
	last = q->done == q->len;
	LOG(j->log, LOG_OP, OP_SERVE, (u32)n, (u32)off, last);
	build_data(j, 6, last ? 4 : 0, cid, c->ttag[0], off, n);
	if (!last)
		return;
	c->open--;
	c->queued--;
	memmove(c->queue, c->queue + 1, c->queued * sizeof(*q));
	memmove(c->ttag, c->ttag + 1, c->queued * sizeof(c->ttag[0]));
}

static void grant(struct judge *j, u32 cid, u64 max)
{
	struct judge_cmd *c = command(j, cid);
	u64 left;
	u32 t;

	for (t = 0; t < CMDS && j->r2t[t].on; t++)
		;
	if (!c || t == CMDS)
		return;
	left = c->dir == NVME_TCP_H2C ? c->len - c->asked : 0;
	if (!left || c->open >= j->maxr2t) {
		LOG(j->log, LOG_OP, OP_GRANT, 0);
		return;
	}
	if (max && left > max)
		left = max;
	j->r2t[t] = (struct judge_r2t){ true, (u8)cid, c->asked, left, 0 };
	c->open++;
	LOG(j->log, LOG_OP, OP_GRANT, 1, (u32)c->asked, (u32)left);
	build_data(j, 9, 0, cid, t, c->asked, left);
	c->asked += left;
}

static void op_start(struct judge *j, const struct rec *r)
{
	struct judge_cmd *c = &j->cmd[r->a & 15];
	u32 dir = (r->a >> 4) % 3;

	if (c->on)
		return;
	start(c, dir, r->v);
	if (r->b && r->b < c->len) {
		c->done = c->len - r->b;
		if (dir == NVME_TCP_H2C)
			c->asked = c->done;
	}
}

static void op_moved(struct judge *j, const struct rec *r)
{
	struct judge_cmd *c = command(j, r->a & 15);

	if (!c)
		return;
	if (j->role == NVME_TCP_CTRL && c->dir == NVME_TCP_C2H) {
		c->done += r->v;
		if (c->done > c->len)
			c->done = c->len;
	} else if (j->role == NVME_TCP_HOST && c->dir == NVME_TCP_H2C && !c->asked) {
		c->asked = c->done = c->len;
	}
}

void judge_rec(struct judge *j, const struct rec *r, const u8 *bytes)
{
	bool ctrl = j->role == NVME_TCP_CTRL;
	u32 cid = r->a & 15;

	switch (r->op) {
	case OP_BYTES:
		judge_bytes(j, bytes, r->len);
		break;
	case OP_START:
		op_start(j, r);
		break;
	case OP_DROP:
		j->cmd[cid].on = false;
		for (u32 t = 0; t < CMDS; t++)
			if (j->r2t[t].cid == cid)
				j->r2t[t].on = false;
		break;
	case OP_LIVE:
		if (j->phase == NVME_TCP_PHASE_CONNECT)
			j->phase = NVME_TCP_PHASE_LIVE;
		break;
	case OP_DEAD:
		j->phase = NVME_TCP_PHASE_DEAD;
		break;
	case OP_REFUSE:
		j->own_word = true;
		fatal(j, r->b, r->v, 0);
		break;
	case OP_INCAPSULE:
		if (ctrl && j->phase != NVME_TCP_PHASE_LIVE)
			j->incapsule = r->v;
		break;
	case OP_SERVE:
		if (!ctrl && j->agreed)
			serve(j, cid);
		break;
	case OP_GRANT:
		if (ctrl && j->agreed)
			grant(j, cid, r->v);
		break;
	case OP_MOVED:
		op_moved(j, r);
		break;
	case OP_BUILD:
		build(j, r);
		break;
	}
	for (cid = 0; cid < CMDS; cid++) {
		const struct judge_cmd *c = &j->cmd[cid];

		if (c->on)
			LOG(j->log, LOG_CMD, cid, (u32)c->done, (u32)c->asked, c->open, c->last,
			    c->success);
	}
	LOG(j->log, LOG_CUT, (u32)j->log->data_n, j->phase, (u32)j->err.fes, (u32)j->err.fei);
}

/* --- from the beginning -------------------------------------------------- */

void judge_peer_ic(const struct cfg *cfg, enum nvme_tcp_role role, u8 *out)
{
	u32 peer = cfg->flags >> 4 & 3, maxh2cdata = cfg->maxh2cdata & ~3U;

	memset(out, 0, 128);
	out[0] = role == NVME_TCP_HOST;
	out[2] = 128;
	out[4] = 128;
	out[10] = cfg->peer_pda & 31;
	out[11] = (u8)(role == NVME_TCP_HOST ? peer & cfg->flags : peer);
	if (maxh2cdata < 4096)
		maxh2cdata = 4096;
	put(out + 12, 4, role == NVME_TCP_HOST ? maxh2cdata : cfg->maxr2t);
}

void judge_init(struct judge *j, enum nvme_tcp_role role, const struct cfg *cfg,
		struct log *log)
{
	u8 ic[128];

	j->role = role;
	j->cfg = *cfg;
	j->phase = NVME_TCP_PHASE_IC;
	j->agreed = j->hdgst = j->ddgst = false;
	j->tx_align = 4;
	j->rx_align = (cfg->pda > 31 ? 32 : cfg->pda + 1U) * 4;
	j->maxr2t = cfg->maxr2t < 1 ? 1 : cfg->maxr2t > 255 ? 255 : cfg->maxr2t;
	j->maxh2cdata = cfg->maxh2cdata < 4096 ? 4096 : cfg->maxh2cdata & ~3U;
	j->incapsule = cfg->incapsule;
	memset(&j->err, 0, sizeof(j->err));
	j->quote_n = 0;
	j->own_word = j->error_told = false;
	for (u32 i = 0; i < CMDS; i++) {
		j->cmd[i].on = false;
		j->r2t[i] = (struct judge_r2t){ 0 };
	}
	j->n = 0;
	j->common_ok = j->header_ok = false;
	j->of = NULL;
	j->log = log;
	log->n = log->data_n = 0;
	if (!(cfg->flags & CFG_AUTO_IC))
		return;
	judge_peer_ic(cfg, role, ic);
	judge_bytes(j, ic, sizeof(ic));
	if (cfg->flags & CFG_AUTO_LIVE && j->phase == NVME_TCP_PHASE_CONNECT)
		j->phase = NVME_TCP_PHASE_LIVE;
}

void judge_run(struct judge *j, const struct input *in, enum nvme_tcp_role role,
	       struct log *l)
{
	judge_init(j, role, &in->cfg, l);
	for (size_t i = 0; i < in->recs; i++)
		judge_rec(j, &in->rec[i], in->stream + in->rec[i].at);
}

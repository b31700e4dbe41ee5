// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mutations that know what a PDU is. Most of them keep an input going: what is
 * added is legal at that point, as the judge has it, and is then bent in one
 * place, its lengths and digests put right again more often than not.
 */
#include "judge.h"

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t an, const u8 *b, size_t bn, u8 *out,
				 size_t max, unsigned int seed);

static u32 seed_;

static u32 below(u32 n)
{
	return n ? next_random(&seed_) % n : 0;
}

static bool chance(u32 percent)
{
	return below(100) < percent;
}

/* --- an input that can be changed ---------------------------------------- */

enum { LIT = 512 };

struct edit {
	u8 cfg[CFG_SIZE];
	struct rec rec[RECS];
	u8 lit[RECS][LIT];
	size_t recs;
};

static void edit_load(struct edit *e, const u8 *p, size_t n)
{
	static struct input in;

	input_parse(&in, p, n);
	memset(e->cfg, 0, CFG_SIZE);
	memcpy(e->cfg, p, n < CFG_SIZE ? n : CFG_SIZE);
	e->recs = in.recs;
	for (size_t i = 0; i < in.recs; i++) {
		e->rec[i] = in.rec[i];
		if (e->rec[i].b > LIT && e->rec[i].op == OP_BYTES)
			e->rec[i].b = LIT;
		if (e->rec[i].op == OP_BYTES)
			memcpy(e->lit[i], in.rec[i].lit, e->rec[i].b);
	}
}

static size_t edit_store(const struct edit *e, u8 *p, size_t max)
{
	size_t n = CFG_SIZE;

	if (max < CFG_SIZE)
		return 0;
	memcpy(p, e->cfg, CFG_SIZE);
	for (size_t i = 0; i < e->recs; i++) {
		const struct rec *r = &e->rec[i];
		u32 lit = r->op == OP_BYTES ? r->b : 0;

		if (n + REC_SIZE + lit > max)
			break;
		p[n] = r->op;
		p[n + 1] = r->a;
		put(p + n + 2, 2, r->b);
		put(p + n + 4, 4, r->v);
		n += REC_SIZE;
		memcpy(p + n, e->lit[i], lit);
		n += lit;
	}
	return n;
}

static void edit_copy(struct edit *e, size_t to, const struct edit *from, size_t i)
{
	e->rec[to] = from->rec[i];
	memcpy(e->lit[to], from->lit[i], LIT);
}

/* Room for a record at @i; false when there is none */
static bool edit_open(struct edit *e, size_t i)
{
	if (e->recs == RECS)
		return false;
	for (size_t k = e->recs; k > i; k--)
		edit_copy(e, k, e, k - 1);
	e->recs++;
	e->rec[i] = (struct rec){ 0 };
	return true;
}

static void edit_close(struct edit *e, size_t i)
{
	e->recs--;
	for (; i < e->recs; i++)
		edit_copy(e, i, e, i + 1);
}

/* --- values -------------------------------------------------------------- */

static u32 edge(u32 near)
{
	static const u32 values[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 20, 24, 28, 31, 32, 64, 72, 76, 127, 128, 152,
		153, 255, 256, 4092, 4095, 4096, 4097, 4100, 8191, 8192, 8193, 16383, 16384,
		0x7fff, 0x8000, 0xffff, 0x10000, 0x20000, 0x7fffffff, 0x80000000, 0xfffff000,
		0xfffffff0, 0xfffffffc, 0xfffffffe, 0xffffffff,
	};

	switch (below(4)) {
	case 0:
		return near + 1 - below(3);
	case 1:
		return near ^ 1U << below(32);
	default:
		return values[below(ARRAY_SIZE(values))];
	}
}

/* --- what is legal now --------------------------------------------------- */

#ifdef ROLE

/* A random command that is on and goes this way, or any */
static u32 pick_cmd(const struct judge *j, enum nvme_tcp_dir dir)
{
	u32 from = below(CMDS);

	for (u32 i = 0; i < CMDS; i++) {
		u32 cid = (from + i) % CMDS;

		if (j->cmd[cid].on && j->cmd[cid].dir == dir && !j->cmd[cid].last)
			return cid;
	}
	return from;
}

static u32 portion(u64 left)
{
	u32 n = left > 12000 ? 12000 : (u32)left;

	return chance(50) ? n : below(3) ? below(n + 1) : below(n < 64 ? n + 1 : 64);
}

/* The parts of a PDU, digests to be filled in when the record is expanded */
static void record_pdu(const struct judge *j, struct rec *r, u8 *lit, u8 type, u8 flags,
		       const u8 *psh, u32 data)
{
	struct judge peer = { .hdgst = j->hdgst, .ddgst = j->ddgst, .tx_align = j->rx_align };
	u32 n;

	/* Padding where it is not needed, now and then */
	if (data && chance(20))
		peer.tx_align *= 1 + below(3);
	if (peer.tx_align > 128)
		peer.tx_align = j->rx_align;
	n = judge_build(&peer, lit, type, flags, psh, data);
	*r = (struct rec) {
		.op = OP_BYTES,
		.a = (u8)((lit[1] & 1 ? FIX_HDGST : 0) | (lit[1] & 2 ? FIX_DDGST : 0) | FIX_PLEN),
		.b = (u16)n, .v = data,
	};
}

static bool make_pdu(const struct judge *j, struct rec *r, u8 *lit)
{
	u8 psh[120] = { 0 };
	bool host = j->role == NVME_TCP_HOST;
	u32 what = below(16), cid, n, t;
	const struct judge_cmd *c;

	if (j->phase == NVME_TCP_PHASE_DEAD)
		return false;
	if (!what) {
		put(psh, 2, below(8));
		put(psh + 2, 4, below(30));
		record_pdu(j, r, lit, host ? 3 : 2, 0, psh, 0);
		r->v = below(129);
		return true;
	}
	if (!j->agreed) {
		judge_peer_ic(&j->cfg, j->role, lit);
		*r = (struct rec){ .op = OP_BYTES, .a = 0, .b = 128 };
		return true;
	}
	if (host && what < 6) {			/* CapsuleResp */
		cid = pick_cmd(j, below(3));
		put(psh + 12, 2, cid);
		put(psh + 14, 2, chance(70) ? below(2) : below(65536));
		record_pdu(j, r, lit, 5, 0, psh, 0);
	} else if (host && what < 11) {		/* C2HData */
		cid = pick_cmd(j, NVME_TCP_C2H);
		c = &j->cmd[cid];
		n = portion(c->on ? c->len - c->done : 64);
		put(psh, 2, cid);
		put(psh + 4, 4, c->done);
		put(psh + 8, 4, n);
		t = c->done + n == c->len ? below(3) ? 4 : 12 : 0;
		record_pdu(j, r, lit, 7, (u8)t, psh, n);
	} else if (host) {			/* R2T */
		cid = pick_cmd(j, NVME_TCP_H2C);
		c = &j->cmd[cid];
		put(psh, 2, cid);
		put(psh + 2, 2, below(65536));
		put(psh + 4, 4, c->asked);
		put(psh + 8, 4, chance(40) ? c->len - c->asked : portion(c->len - c->asked));
		record_pdu(j, r, lit, 9, 0, psh, 0);
	} else if (what < 8) {			/* CapsuleCmd */
		u64 max = j->phase == NVME_TCP_PHASE_LIVE ? j->incapsule : 8192;

		n = chance(50) ? 0 : portion(max);
		psh[0] = (u8)(chance(20) ? 0x7f : below(4));
		put(psh + 2, 2, below(CMDS));
		put(psh + 32, 4, n ? n : chance(20) ? edge(0) : below(40000));
		psh[39] = n ? 0x01 : 0x5a;
		record_pdu(j, r, lit, 4, 0, psh, n);
	} else {				/* H2CData */
		for (t = below(CMDS), n = 0; n < CMDS && !j->r2t[t].on; n++)
			t = (t + 1) % CMDS;
		n = portion(j->r2t[t].len - j->r2t[t].done);
		if (n > j->maxh2cdata)
			n = (u32)j->maxh2cdata;
		put(psh, 2, j->r2t[t].cid);
		put(psh + 2, 2, t);
		put(psh + 4, 4, j->r2t[t].off + j->r2t[t].done);
		put(psh + 8, 4, n);
		record_pdu(j, r, lit, 6, j->r2t[t].done + n == j->r2t[t].len ? 4 : 0, psh, n);
	}
	return true;
}

static void make_op(const struct judge *j, struct rec *r)
{
	static const u8 often[] = {
		OP_START, OP_START, OP_START, OP_SERVE, OP_SERVE, OP_GRANT, OP_GRANT, OP_GRANT,
		OP_LIVE, OP_MOVED, OP_BUILD, OP_BUILD, OP_DROP, OP_INCAPSULE, OP_DEAD, OP_REFUSE,
	};
	u32 i = below(chance(90) ? 12 : ARRAY_SIZE(often));
	bool host = j->role == NVME_TCP_HOST;

	*r = (struct rec){ .op = often[i], .a = (u8)next_random(&seed_) };
	switch (r->op) {
	case OP_START:
		r->v = chance(50) ? below(30000) : edge(0);
		r->b = chance(20) ? (u16)next_random(&seed_) : 0;
		r->a = (u8)(below(16) | (chance(80) ? host ? 1 + below(2) : 1 : below(3)) << 4);
		break;
	case OP_GRANT:
		r->a = (u8)pick_cmd(j, NVME_TCP_H2C);
		r->v = chance(60) ? 1 + below(9000) : chance(50) ? 0 : edge(4096);
		break;
	case OP_SERVE:
		r->a = (u8)pick_cmd(j, NVME_TCP_H2C);
		break;
	case OP_REFUSE:
		r->b = (u16)below(8);
		r->v = below(128);
		break;
	default:
		r->b = (u16)(chance(50) ? below(16) : edge(0));
		r->v = edge(r->b);
	}
}

/* What the judge thinks behind the first @n records */
static const struct judge *state_at(struct edit *e, size_t n)
{
	static u8 bytes[RECS * (REC_SIZE + LIT) + CFG_SIZE];
	static struct judge j;
	static struct input in;
	static struct log l;
	size_t recs = e->recs;

	e->recs = n;
	input_parse(&in, bytes, edit_store(e, bytes, sizeof(bytes)));
	e->recs = recs;
	judge_run(&j, &in, ROLE, &l);
	return &j;
}

#else /* a conversation is legal by itself */

static void make_talk(struct rec *r)
{
	static const u8 often[] = {
		TALK_CMD, TALK_CMD, TALK_CMD, TALK_GRANT, TALK_GRANT, TALK_SERVE, TALK_SERVE,
		TALK_C2H, TALK_C2H, TALK_RSP, TALK_TO_CTRL, TALK_TO_CTRL, TALK_TO_CTRL,
		TALK_TO_HOST, TALK_TO_HOST, TALK_TO_HOST, TALK_LIVE, TALK_TERM,
	};

	*r = (struct rec) {
		.op = often[below(ARRAY_SIZE(often) - !chance(5))],
		.a = (u8)(below(4) | below(16) << 4),
		.b = (u16)(chance(50) ? below(4) << 8 | 1 : edge(0)),
		.v = chance(50) ? below(20000) : chance(50) ? below(200) : edge(0),
	};
}

#endif

/* A record at @i, which is open: a PDU in @pdus of 100 cases, if there is one */
static void make_rec(struct edit *e, size_t i, u32 pdus)
{
#ifdef ROLE
	const struct judge *j = state_at(e, i);

	if (!chance(pdus) || !make_pdu(j, &e->rec[i], e->lit[i]))
		make_op(j, &e->rec[i]);
#else
	(void)pdus;
	make_talk(&e->rec[i]);
#endif
}

/* --- mutations ----------------------------------------------------------- */

static void m_add(struct edit *e)
{
	/* At the end more often than not: that is where it goes on */
	size_t i = chance(60) ? e->recs : below((u32)e->recs + 1);

	if (edit_open(e, i))
		make_rec(e, i, 60);
}

static void m_several(struct edit *e)
{
	for (u32 n = 2 + below(6); n && edit_open(e, e->recs); n--)
		make_rec(e, e->recs - 1, 65);
}

static size_t pick_bytes(const struct edit *e)
{
	size_t from = below((u32)e->recs);

	for (size_t i = 0; i < e->recs; i++) {
		size_t k = (from + i) % e->recs;

		if (e->rec[k].op == OP_BYTES && e->rec[k].b >= 8)
			return k;
	}
	return e->recs;
}

static void m_field(struct edit *e)
{
	static const struct { u8 at, width; } fields[] = {
		{ 0, 1 }, { 1, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 3, 1 }, { 4, 4 }, { 4, 4 },
		{ 8, 2 }, { 10, 2 }, { 12, 4 }, { 12, 4 }, { 16, 4 }, { 16, 4 }, { 10, 1 },
		{ 11, 1 }, { 20, 2 }, { 22, 2 }, { 8, 1 }, { 32, 8 }, { 40, 4 }, { 47, 1 },
	};
	size_t i = pick_bytes(e);
	u32 f = below(ARRAY_SIZE(fields));
	u8 *p;

	if (i == e->recs || fields[f].at + fields[f].width > e->rec[i].b)
		return;
	p = e->lit[i] + fields[f].at;
	put(p, fields[f].width, edge((u32)get(p, fields[f].width)));
	/* A PLEN of its own is one that is not put right */
	if (fields[f].at == 4)
		e->rec[i].a &= (u8)~FIX_PLEN;
}

static void m_fix(struct edit *e)
{
	size_t i = pick_bytes(e);

	if (i == e->recs)
		return;
	if (chance(40))
		e->rec[i].a |= (u8)(1 << below(3));
	else
		e->rec[i].a ^= (u8)(1 << below(3));
}

static void m_length(struct edit *e)
{
	size_t i = pick_bytes(e);

	if (i != e->recs)
		e->rec[i].v = edge(e->rec[i].v) % 16384;
}

static void m_body(struct edit *e)
{
	size_t i = pick_bytes(e);

	if (i != e->recs)
		e->rec[i].b = (u16)LLVMFuzzerMutate(e->lit[i], e->rec[i].b, LIT);
}

/* One record becomes two, with the same bytes between them */
static void m_split(struct edit *e)
{
	static u8 whole[STREAM];
	size_t i = pick_bytes(e);
	u32 n, at;

	if (i == e->recs)
		return;
	e->rec[i].lit = e->lit[i];
	n = rec_expand(&e->rec[i], whole, STREAM);
	if (n < 2 || n > 2 * LIT)
		return;
	at = 1 + below(chance(60) && n > 24 ? 24 : n - 1);
	if (at > LIT || n - at > LIT || !edit_open(e, i + 1))
		return;
	e->rec[i] = (struct rec){ .op = OP_BYTES, .b = (u16)at };
	e->rec[i + 1] = (struct rec){ .op = OP_BYTES, .b = (u16)(n - at) };
	memcpy(e->lit[i], whole, at);
	memcpy(e->lit[i + 1], whole + at, n - at);
	if (chance(60) && edit_open(e, i + 1))
		make_rec(e, i + 1, 0);
}

static void m_copy(struct edit *e)
{
	size_t from = below((u32)e->recs), to = below((u32)e->recs + 1);

	if (e->recs && edit_open(e, to))
		edit_copy(e, to, e, from >= to ? from + 1 : from);
}

static void m_drop(struct edit *e)
{
	if (e->recs)
		edit_close(e, below((u32)e->recs));
}

static void m_swap(struct edit *e)
{
	static struct edit t;
	size_t a, b;

	if (e->recs < 2)
		return;
	a = below((u32)e->recs);
	b = chance(70) ? (a + 1) % e->recs : below((u32)e->recs);
	edit_copy(&t, 0, e, a);
	edit_copy(e, a, e, b);
	edit_copy(e, b, &t, 0);
}

static void m_values(struct edit *e)
{
	struct rec *r;

	if (!e->recs)
		return;
	r = &e->rec[below((u32)e->recs)];
	if (r->op == OP_BYTES)
		return;
	switch (below(3)) {
	case 0:
		r->a = (u8)edge(r->a);
		break;
	case 1:
		r->b = (u16)edge(r->b);
		break;
	default:
		r->v = edge(r->v);
	}
}

static void m_cfg(struct edit *e)
{
	switch (below(4)) {
	case 0:
		e->cfg[0] ^= (u8)(1 << below(8));
		break;
	case 1:
		e->cfg[1 + below(2)] = (u8)(chance(80) ? below(33) : below(256));
		break;
	case 2:
		e->cfg[3] = (u8)below(256);
		break;
	default:
		put(e->cfg + 4 + 4 * below(3), 4, chance(50) ? 1 + below(300) : edge(8192));
	}
}

static void fresh(struct edit *e)
{
	memset(e->cfg, 0, CFG_SIZE);
	/* Agreed digests, and past Connect, most of the time */
	e->cfg[0] = (u8)((chance(80) ? CFG_AUTO_IC | (chance(85) ? CFG_AUTO_LIVE : 0) : 0) |
			 below(4) * 0x11 | (chance(50) ? CFG_COMPLETE : 0));
	e->cfg[1] = (u8)(chance(50) ? 0 : below(32));
	e->cfg[2] = (u8)(chance(50) ? 0 : below(32));
	e->cfg[3] = (u8)below(256);
	put(e->cfg + 4, 4, 1 + below(5));
	put(e->cfg + 8, 4, chance(10) ? edge(0) : 4096U << below(4));
	put(e->cfg + 12, 4, 4096 << below(3));
	e->recs = 0;
	m_several(e);
	m_several(e);
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	static void (* const mutations[])(struct edit *e) = {
		m_add, m_add, m_add, m_several, m_field, m_field, m_field, m_fix, m_length,
		m_body, m_split, m_split, m_copy, m_drop, m_drop, m_swap, m_values, m_cfg,
	};
	static struct edit e;
	size_t n;

	seed_ = seed | 1;
	if (size < CFG_SIZE + REC_SIZE || chance(2)) {
		fresh(&e);
	} else {
		if (chance(5))
			return LLVMFuzzerMutate(data, size, max);
		edit_load(&e, data, size);
		for (u32 k = 1 + below(3); k; k--)
			mutations[below(ARRAY_SIZE(mutations))](&e);
	}
	n = edit_store(&e, data, max);
	return n ? n : LLVMFuzzerMutate(data, size, max);
}

/* The beginning of one, the end of the other */
size_t LLVMFuzzerCustomCrossOver(const u8 *a, size_t an, const u8 *b, size_t bn, u8 *out,
				 size_t max, unsigned int seed)
{
	static struct edit x, y;
	size_t cut, from;

	seed_ = seed | 1;
	edit_load(&x, a, an);
	edit_load(&y, b, bn);
	cut = below((u32)x.recs + 1);
	from = below((u32)y.recs + 1);
	for (; cut < RECS && from < y.recs; cut++, from++)
		edit_copy(&x, cut, &y, from);
	x.recs = cut;
	return edit_store(&x, out, max);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Headers at wrong values: every byte of the common header at every value,
 * against a judge of the tests' own; every other field by a table.
 */
#include "t.h"

static struct drive d;
static u8 pdu[65536];

/* --- the parameters ------------------------------------------------------ */

struct ic_row {
	const char *name;
	enum nvme_tcp_role role;	/* of the receiver */
	unsigned int off, width;
	u64 value;
	u16 fes;
	u32 fei;
};

static const struct ic_row ic_rows[] = {
	{ "ICReq, PFV 1",		NVME_TCP_CTRL, 8, 2, 1,		6, 8 },
	{ "ICReq, PFV 100h",		NVME_TCP_CTRL, 8, 2, 0x100,	6, 8 },
	{ "ICReq, HPDA 31",		NVME_TCP_CTRL, 10, 1, 31,	0, 0 },
	{ "ICReq, HPDA 32",		NVME_TCP_CTRL, 10, 1, 32,	6, 10 },
	{ "ICReq, HPDA 255",		NVME_TCP_CTRL, 10, 1, 255,	6, 10 },
	{ "ICReq, unknown DGST bits",	NVME_TCP_CTRL, 11, 1, 0xfc,	0, 0 },
	{ "ICReq, MAXR2T 2^32",		NVME_TCP_CTRL, 12, 4, ~0U,	0, 0 },
	{ "ICReq, reserved set",	NVME_TCP_CTRL, 16, 8, ~0ULL,	0, 0 },
	{ "ICReq, reserved set at the end", NVME_TCP_CTRL, 120, 8, ~0ULL, 0, 0 },
	{ "ICResp, PFV 1",		NVME_TCP_HOST, 8, 2, 1,		6, 8 },
	{ "ICResp, PFV 8000h",		NVME_TCP_HOST, 8, 2, 0x8000,	6, 8 },
	{ "ICResp, CPDA 31",		NVME_TCP_HOST, 10, 1, 31,	0, 0 },
	{ "ICResp, CPDA 32",		NVME_TCP_HOST, 10, 1, 32,	6, 10 },
	{ "ICResp, HDGST not asked for", NVME_TCP_HOST, 11, 1, 1,	6, 11 },
	{ "ICResp, DDGST not asked for", NVME_TCP_HOST, 11, 1, 2,	6, 11 },
	{ "ICResp, unknown DGST bit",	NVME_TCP_HOST, 11, 1, 4,	6, 11 },
	{ "ICResp, MAXH2CDATA 0",	NVME_TCP_HOST, 12, 4, 0,	1, 12 },
	{ "ICResp, MAXH2CDATA 4092",	NVME_TCP_HOST, 12, 4, 4092,	1, 12 },
	{ "ICResp, MAXH2CDATA 4096",	NVME_TCP_HOST, 12, 4, 4096,	0, 0 },
	{ "ICResp, MAXH2CDATA 4097",	NVME_TCP_HOST, 12, 4, 4097,	1, 12 },
	{ "ICResp, MAXH2CDATA 4098",	NVME_TCP_HOST, 12, 4, 4098,	1, 12 },
	{ "ICResp, MAXH2CDATA 2^32 - 4", NVME_TCP_HOST, 12, 4, 0xfffffffc, 0, 0 },
	{ "ICResp, MAXH2CDATA 2^32 - 1", NVME_TCP_HOST, 12, 4, ~0U,	1, 12 },
	{ "ICResp, reserved set",	NVME_TCP_HOST, 16, 8, ~0ULL,	0, 0 },
};

static void ic_pdu(u8 type)
{
	memset(pdu, 0, 128);
	pdu[0] = type;
	pdu[2] = 128;
	pdu[4] = 128;
	if (type == 1)
		put(pdu + 12, 4, 8192);
}

static void digest_matrix(enum nvme_tcp_role role, u8 local, u8 wire)
{
	struct nvme_tcp_params p = { .hdgst = local & 1, .ddgst = local & 2, .maxr2t = 1 };
	bool host = role == NVME_TCP_HOST;

	t_case("%s: local digests %u, %u on the wire", host ? "host" : "controller", local, wire);
	ic_pdu(host);
	pdu[11] = wire;
	drive_start(&d, &(struct env){ .role = role, .phase = NVME_TCP_PHASE_IC });
	nvme_tcp_conn_init(&d.c, role, &p);
	drive_feed(&d, pdu, 128);
	if (host && wire & ~local) {
		T_EQ(d.c.err.fes, 6);
		T_EQ(d.c.err.fei, 11);
		return;
	}
	T(!d.error);
	T_EQ(d.c.hdgst, local & wire & 1);
	T_EQ(d.c.ddgst, (local & wire & 2) >> 1);
	if (host)
		return;
	T_EQ(nvme_tcp_build_icresp(&d.c, pdu), 128);
	T_EQ(pdu[11], local & wire);
}

void test_negotiate(void)
{
	static const u32 maxr2ts[] = { 0, 1, 2, 253, 254, 255, 256, 0x7fffffff, 0xfffffffe, ~0U };
	struct nvme_tcp_params p;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ic_rows); i++) {
		const struct ic_row *r = &ic_rows[i];
		struct env e = ref_env(r->role, NVME_TCP_PHASE_IC, 0, 0);

		t_case("%s", r->name);
		ic_pdu(r->role == NVME_TCP_HOST);
		put(pdu + r->off, r->width, r->value);
		drive_one(&d, &e, pdu, 128);
		T_EQ(d.c.err.fes, r->fes);
		T_EQ(d.c.err.fei, r->fei);
		T_EQ(d.c.phase, r->fes ? NVME_TCP_PHASE_DEAD : NVME_TCP_PHASE_CONNECT);
		T_EQ(d.dones, !r->fes);
	}

	for (i = 0; i < 16; i++) {
		digest_matrix(NVME_TCP_CTRL, i & 3, (u8)(i >> 2));
		digest_matrix(NVME_TCP_HOST, i & 3, (u8)(i >> 2));
	}

	for (i = 0; i < ARRAY_SIZE(maxr2ts); i++) {
		struct env e = ref_env(NVME_TCP_CTRL, NVME_TCP_PHASE_IC, 0, 0);

		t_case("MAXR2T %u", maxr2ts[i]);
		ic_pdu(0);
		put(pdu + 12, 4, maxr2ts[i]);
		drive_one(&d, &e, pdu, 128);
		T_EQ(d.c.maxr2t, maxr2ts[i] >= 254 ? 255 : maxr2ts[i] + 1);
	}

	t_case("parameters out of range are brought into it");
	p = (struct nvme_tcp_params) { .pda = 200, .maxr2t = 0, .maxh2cdata = 4095 };
	nvme_tcp_conn_init(&d.c, NVME_TCP_HOST, &p);
	T_EQ(d.c.rx_pda, 31);
	T_EQ(d.c.maxr2t, 1);
	T_EQ(d.c.maxh2cdata, 4096);
	p = (struct nvme_tcp_params) { .maxr2t = 1000, .maxh2cdata = 65539 };
	nvme_tcp_conn_init(&d.c, NVME_TCP_HOST, &p);
	T_EQ(d.c.maxr2t, 255);
	T_EQ(d.c.maxh2cdata, 65536);
	T_EQ(nvme_tcp_build_icreq(&d.c, pdu), 128);
	T_EQ(pdu[12], 254);

	t_case("phases go one way");
	nvme_tcp_conn_live(&d.c);
	T_EQ(d.c.phase, NVME_TCP_PHASE_IC);
	ref_conn(&d.c, &(struct env){ .role = NVME_TCP_CTRL, .phase = NVME_TCP_PHASE_CONNECT,
				      .maxh2cdata = 4096, .maxr2t = 1 });
	T_EQ(d.c.phase, NVME_TCP_PHASE_CONNECT);
	nvme_tcp_conn_live(&d.c);
	T_EQ(d.c.phase, NVME_TCP_PHASE_LIVE);
	nvme_tcp_conn_dead(&d.c);
	T_EQ(d.c.phase, NVME_TCP_PHASE_DEAD);
	nvme_tcp_conn_live(&d.c);
	T_EQ(d.c.phase, NVME_TCP_PHASE_DEAD);
	drive_feed(&d, pdu, 128);
	T(d.error, "dead on request");
}

/* --- the common header --------------------------------------------------- */

#define FES(fes, fei)	((u32)(fes) << 8 | (fei))
#define SEQUENCE	FES(2, 0)

/* Who sends it (h, c), from which phase on; the IC pair in the first only */
static u32 ref_type(const struct env *e, u8 type)
{
	static const char from[] = "hchchchc-c";
	bool host = e->role == NVME_TCP_HOST;

	if (type > 9 || from[type] != (host ? 'c' : 'h'))
		return FES(1, 0);
	if (type <= 1)
		return e->phase == NVME_TCP_PHASE_IC ? 0 : SEQUENCE;
	if (type <= 3)
		return 0;
	if (e->phase == NVME_TCP_PHASE_IC)
		return SEQUENCE;
	if (type >= 6 && e->phase == NVME_TCP_PHASE_CONNECT)
		return SEQUENCE;
	return 0;
}

/* What the text of the specification makes of eight bytes; 0: go on */
static u32 ref_judge(const struct env *e, const u8 *h)
{
	static const u8 hlen[] = { 128, 128, 24, 24, 72, 24, 24, 24, 0, 24 };
	u64 plen = h[4] | h[5] << 8 | h[6] << 16 | (u64)h[7] << 24;
	u32 align = ((e->role == NVME_TCP_HOST ? e->hpda : e->cpda) + 1U) * 4;
	u32 bad = ref_type(e, h[0]);
	bool data = h[0] == 4 || h[0] == 6 || h[0] == 7;
	bool hd = e->hdgst && h[0] >= 4;
	u64 head, rest, dd, limit;

	if (bad)
		return bad;

	/* FLAGS */
	if (h[1] >> 4)
		return FES(1, 1);
	if ((h[1] & 1) != hd)
		return FES(1, 1);
	if (h[1] & 2 && !(data && e->ddgst))
		return FES(1, 1);
	if (h[1] & 4 && h[0] != 6 && h[0] != 7)
		return FES(1, 1);
	if (h[1] & 8 && (h[0] != 7 || !(h[1] & 4)))
		return FES(1, 1);

	if (h[2] != hlen[h[0]])
		return FES(1, 2);
	head = h[2] + (hd ? 4U : 0U);
	if (h[0] == 2 || h[0] == 3)
		return plen >= 24 && plen <= 152 ? 0 : FES(1, 4);
	if (!data)
		return plen == head ? 0 : FES(1, 4);

	/* HLEN, then whatever PDO leaves */
	if (plen < head)
		return FES(1, 4);
	if (plen == head)
		return 0;
	if (h[3] < head || h[3] % align || h[3] > plen)
		return FES(1, 3);
	rest = plen - h[3];
	if (!rest)
		return 0;
	if (e->ddgst && !(h[1] & 2))
		return FES(1, 1);
	dd = e->ddgst ? 4 : 0;
	if (rest < dd)
		return FES(1, 4);
	if (h[0] == 6 && rest - dd > e->maxh2cdata)
		return FES(5, 0);
	limit = e->phase == NVME_TCP_PHASE_LIVE && e->incapsule > 8192 ? e->incapsule : 8192;
	if (h[0] == 4 && rest - dd > limit)
		return FES(1, 4);
	return 0;
}

/*
 * With eight bytes there, a refusal comes at once; otherwise the engine asks
 * for more of the header.
 */
static void sweep_one(const struct nvme_tcp_conn *from, const struct env *e, const u8 *h)
{
	struct nvme_tcp_conn c = *from;
	u32 want = ref_judge(e, h);
	enum nvme_tcp_ev ev;
	size_t used;
	u32 got;

	/* A broken TermReq in its place is not answered */
	if (want && (h[0] == 2 || h[0] == 3) && !ref_type(e, h[0]))
		want = FES(0, 0xff);

	ev = nvme_tcp_rx_feed(&c, h, 8, &used);
	got = ev == NVME_TCP_EV_MORE ? 0 :
	      ev != NVME_TCP_EV_ERROR ? ~0U :
	      FES(c.err.fes, c.err.fes ? c.err.fei : 0xff);
	if (used == 8 && got == want && (c.phase == NVME_TCP_PHASE_DEAD) == !!want) {
		t_quiet();
		return;
	}
	t_case("%s in %s, digests %d%d, pda %u %u: %02x %02x %02x %02x %02x%02x%02x%02x",
	       e->role == NVME_TCP_HOST ? "host" : "controller", nvme_tcp_phase_name(e->phase),
	       e->hdgst, e->ddgst, e->hpda, e->cpda,
	       h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]);
	T_EQ(used, 8);
	T_EQ(got, want);
	T_EQ(c.phase == NVME_TCP_PHASE_DEAD, !!want);
}

static void sweep(const struct env *e)
{
	static const u32 plens[] = {
		0, 1, 7, 8, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 36, 40, 44,
		56, 60, 64, 71, 72, 73, 75, 76, 77, 79, 80, 81, 84, 88, 92, 96, 100,
		123, 124, 125, 127, 128, 129, 130, 131, 132, 133, 136, 148, 151, 152, 153, 156,
		4096 + 24, 4096 + 72, 8192 + 24, 8192 + 72, 8192 + 73, 8192 + 76, 8192 + 80,
		8192 + 81, 8192 + 84, 8192 + 85, 8192 + 128, 8192 + 129, 8192 + 132, 8192 + 133,
		16384 + 72, 16384 + 73, 16384 + 76, 16384 + 80, 16384 + 81, 16384 + 132,
		16384 + 133, 131072 + 24, 131072 + 25, 131072 + 28, 131072 + 29, 131072 + 32,
		131072 + 33, 131072 + 128, 131072 + 129, 131072 + 132, 131072 + 133,
		0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff,
	};
	static const u8 zero[128];
	u32 align = ((e->role == NVME_TCP_HOST ? e->hpda : e->cpda) + 1U) * 4;
	struct nvme_tcp_conn c;
	u8 h[8];
	u32 i, j;

	ref_conn(&c, e);
	for (u8 type = 0; type < 10; type++) {
		u8 *at = pdu;
		u32 n, pdo;

		if (type == 8)
			continue;
		/* With data where it can have some, and the same without */
		for (j = 0; j < 2; j++) {
			bool data = j && (type == 4 || type == 6 || type == 7);

			if (j && !data)
				continue;
			n = (u32)ref_pdu(at, e, type, 0, zero, zero, data ? 16 : 0);
			T(n);
			for (i = 0; i < 4 * 256; i++) {
				memcpy(h, at, 8);
				h[i / 256] = (u8)i;
				sweep_one(&c, e, h);
			}
			for (i = 0; i < 4 * 256; i++) {
				memcpy(h, at, 8);
				h[4 + i / 256] = (u8)i;
				sweep_one(&c, e, h);
			}
			for (i = 0; i < ARRAY_SIZE(plens); i++) {
				memcpy(h, at, 8);
				put(h + 4, 4, plens[i]);
				sweep_one(&c, e, h);
				/* The same at a good PDO, and with DDGSTF the other way */
				for (pdo = 0; data && pdo < 256; pdo += align) {
					h[3] = (u8)pdo;
					sweep_one(&c, e, h);
				}
				h[1] ^= 2;
				sweep_one(&c, e, h);
			}
		}
	}
	/* Types that nobody has */
	for (i = 0; i < 256; i++) {
		static const u8 nobody[8] = { 8, 0, 24, 0, 24 };

		memcpy(h, nobody, 8);
		h[0] = (u8)i;
		sweep_one(&c, e, h);
	}
}

void test_common_header(void)
{
	static const struct { u8 hpda, cpda; } pdas[] = { { 0, 0 }, { 31, 4 }, { 1, 31 }, { 6, 15 } };
	static const enum nvme_tcp_phase phases[] = {
		NVME_TCP_PHASE_IC, NVME_TCP_PHASE_CONNECT, NVME_TCP_PHASE_LIVE,
	};
	u32 i;

	for (i = 0; i < 2 * 3 * 4 * ARRAY_SIZE(pdas); i++) {
		struct env e = ref_env(i & 1 ? NVME_TCP_CTRL : NVME_TCP_HOST, phases[i / 2 % 3],
				       i / 6 % 4, 0);

		e.hpda = pdas[i / 24].hpda;
		e.cpda = pdas[i / 24].cpda;
		e.incapsule = i / 24 % 2 ? 16384 : 4096;
		/* Nothing is negotiated before ICReq and ICResp */
		if (e.phase == NVME_TCP_PHASE_IC)
			e.hdgst = e.ddgst = false;
		sweep(&e);
	}
}

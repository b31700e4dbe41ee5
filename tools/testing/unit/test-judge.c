// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is wrong behind the common header: fields against PLEN, against the
 * command and its R2T, digests, SGLs; and what a TermReq says about it.
 */
#include "t.h"

static struct drive d;
static u8 pdu[1 << 17], data[1 << 17];

static const u8 pdas[] = { 0, 4, 31 };

#define HOST	NVME_TCP_HOST
#define CTRL	NVME_TCP_CTRL
#define LIVE	NVME_TCP_PHASE_LIVE

/* --- violations ---------------------------------------------------------- */

struct row {
	const char *name;
	enum nvme_tcp_role role;	/* of the receiver */
	u8 type, flags;
	u16 cccid, ttag;
	u32 off, len;
	u32 bytes;			/* of data that do follow */
	u16 fes;
	u32 fei;
};

/*
 * The state that these meet (see violation_state()). Host: command 10h reads
 * 8192 bytes, 4096 of them have come; 11h reads 4 GiB less 4, all but 16 have
 * come; 20h writes 8192 bytes, 4096 are asked for by the one R2T allowed; 21h
 * writes 8192, none asked for; 22h the like, all asked for and sent; 30h has
 * no data; 40h has read everything, and SUCCESS was seen; 41h without.
 * Controller: R2T 1 of command 20h covers 4096..8191, up to 5119 has come;
 * R2T 2 of 21h covers the last 4096 bytes below 4 GiB; R2T 3 is satisfied.
 */
static const struct row rows[] = {
	/* C2HData */
	{ "C2HData in order",		HOST, 7, 0, 0x10, 0, 4096, 16, 16, 0, 0 },
	{ "C2HData with a TTAG",	HOST, 7, 0, 0x10, 9, 4096, 16, 16, 0, 0 },
	{ "C2HData, the rest",		HOST, 7, 4, 0x10, 0, 4096, 4096, 4096, 0, 0 },
	{ "C2HData, the rest, SUCCESS",	HOST, 7, 12, 0x10, 0, 4096, 4096, 4096, 0, 0 },
	{ "C2HData of nothing",		HOST, 7, 0, 0x10, 0, 4096, 0, 0, 0, 0 },
	{ "C2HData, DATAL small",	HOST, 7, 0, 0x10, 0, 4096, 15, 16, 1, 16 },
	{ "C2HData, DATAL large",	HOST, 7, 0, 0x10, 0, 4096, 17, 16, 1, 16 },
	{ "C2HData, DATAL 0",		HOST, 7, 0, 0x10, 0, 4096, 0, 16, 1, 16 },
	{ "C2HData, DATAL huge",	HOST, 7, 0, 0x10, 0, 4096, ~0U, 16, 1, 16 },
	{ "C2HData, DATAL, no data",	HOST, 7, 0, 0x10, 0, 4096, 16, 0, 1, 16 },
	{ "C2HData, CCCID unknown",	HOST, 7, 0, 0x12, 0, 4096, 16, 16, 1, 8 },
	{ "C2HData, CCCID ffffh",	HOST, 7, 0, 0xffff, 0, 0, 16, 16, 1, 8 },
	{ "C2HData, CCCID of a write",	HOST, 7, 0, 0x21, 0, 0, 16, 16, 1, 8 },
	{ "C2HData, CCCID without data", HOST, 7, 4, 0x30, 0, 0, 0, 0, 1, 8 },
	{ "C2HData, gap",		HOST, 7, 0, 0x10, 0, 4112, 16, 16, 1, 12 },
	{ "C2HData, overlap",		HOST, 7, 0, 0x10, 0, 4080, 16, 16, 1, 12 },
	{ "C2HData, from the start",	HOST, 7, 0, 0x10, 0, 0, 16, 16, 1, 12 },
	{ "C2HData, past the end by 1",	HOST, 7, 4, 0x10, 0, 4096, 4097, 4097, 4, 0 },
	{ "C2HData, past the end",	HOST, 7, 0, 0x10, 0, 8192, 16, 16, 4, 0 },
	{ "C2HData, DATAO wraps",	HOST, 7, 0, 0x10, 0, 0xfffffff0, 16, 16, 4, 0 },
	{ "C2HData, DATAO wraps to fit", HOST, 7, 0, 0x10, 0, 0xfffffff8, 16, 16, 4, 0 },
	{ "C2HData, 4 GiB, the rest",	HOST, 7, 4, 0x11, 0, 0xffffffec, 16, 16, 0, 0 },
	{ "C2HData, 4 GiB, one more",	HOST, 7, 4, 0x11, 0, 0xffffffec, 17, 17, 4, 0 },
	{ "C2HData, 4 GiB, 20 more",	HOST, 7, 0, 0x11, 0, 0xffffffec, 20, 20, 4, 0 },
	{ "C2HData, LAST early",	HOST, 7, 4, 0x10, 0, 4096, 4095, 4095, 1, 1 },
	{ "C2HData, LAST, nothing",	HOST, 7, 4, 0x10, 0, 4096, 0, 0, 1, 1 },
	{ "C2HData, LAST missing",	HOST, 7, 0, 0x10, 0, 4096, 4096, 4096, 1, 1 },
	{ "C2HData, SUCCESS early",	HOST, 7, 12, 0x10, 0, 4096, 16, 16, 1, 1 },
	{ "C2HData after SUCCESS",	HOST, 7, 0, 0x40, 0, 8192, 16, 16, 2, 0 },
	{ "C2HData after LAST",		HOST, 7, 0, 0x41, 0, 8192, 16, 16, 2, 0 },
	{ "C2HData, LAST twice",	HOST, 7, 4, 0x41, 0, 8192, 0, 0, 2, 0 },
	{ "C2HData, LAST twice, same",	HOST, 7, 4, 0x41, 0, 4096, 4096, 4096, 2, 0 },

	/* R2T */
	{ "R2T, first",			HOST, 9, 0, 0x21, 7, 0, 4096, 0, 0, 0 },
	{ "R2T, all",			HOST, 9, 0, 0x21, 0xffff, 0, 8192, 0, 0, 0 },
	{ "R2T, R2TL 0",		HOST, 9, 0, 0x21, 7, 0, 0, 0, 1, 16 },
	{ "R2T, CCCID unknown",		HOST, 9, 0, 0x12, 7, 0, 16, 0, 1, 8 },
	{ "R2T, CCCID of a read",	HOST, 9, 0, 0x10, 7, 0, 16, 0, 1, 8 },
	{ "R2T, CCCID without data",	HOST, 9, 0, 0x30, 7, 0, 16, 0, 1, 8 },
	{ "R2T, gap",			HOST, 9, 0, 0x21, 7, 4, 16, 0, 1, 12 },
	{ "R2T, past the end by 1",	HOST, 9, 0, 0x21, 7, 0, 8193, 0, 4, 0 },
	{ "R2T, past the end",		HOST, 9, 0, 0x21, 7, 8192, 4, 0, 4, 0 },
	{ "R2T, 4 GiB - 1",		HOST, 9, 0, 0x21, 7, 0, ~0U, 0, 4, 0 },
	{ "R2T, R2TO wraps",		HOST, 9, 0, 0x21, 7, 0xfffffff0, 32, 0, 4, 0 },
	{ "R2T, beyond MAXR2T",		HOST, 9, 0, 0x20, 7, 4096, 4096, 0, 5, 0 },
	{ "R2T, all has been asked for", HOST, 9, 0, 0x22, 7, 8192, 4, 0, 4, 0 },
	{ "R2T, again",			HOST, 9, 0, 0x22, 7, 4096, 4096, 0, 1, 12 },

	/* H2CData */
	{ "H2CData in order",		CTRL, 6, 0, 0x20, 1, 5120, 16, 16, 0, 0 },
	{ "H2CData, the rest",		CTRL, 6, 4, 0x20, 1, 5120, 3072, 3072, 0, 0 },
	{ "H2CData of nothing",		CTRL, 6, 0, 0x20, 1, 5120, 0, 0, 0, 0 },
	{ "H2CData, DATAL small",	CTRL, 6, 0, 0x20, 1, 5120, 15, 16, 1, 16 },
	{ "H2CData, DATAL large",	CTRL, 6, 0, 0x20, 1, 5120, 3072, 16, 1, 16 },
	{ "H2CData, DATAL huge",	CTRL, 6, 0, 0x20, 1, 5120, ~0U, 16, 1, 16 },
	{ "H2CData, TTAG unknown",	CTRL, 6, 0, 0x20, 0, 5120, 16, 16, 1, 10 },
	{ "H2CData, TTAG out of range",	CTRL, 6, 0, 0x20, 0xffff, 5120, 16, 16, 1, 10 },
	{ "H2CData, TTAG stale",	CTRL, 6, 4, 0x20, 3, 4096, 0, 0, 1, 10 },
	{ "H2CData, TTAG without command", CTRL, 6, 0, 0x50, 4, 0, 16, 16, 1, 10 },
	{ "H2CData, TTAG of another",	CTRL, 6, 0, 0x20, 2, 0xfffff000, 16, 16, 1, 8 },
	{ "H2CData, CCCID of another",	CTRL, 6, 0, 0x21, 1, 5120, 16, 16, 1, 8 },
	{ "H2CData, CCCID unknown",	CTRL, 6, 0, 0x99, 1, 5120, 16, 16, 1, 8 },
	{ "H2CData, gap",		CTRL, 6, 0, 0x20, 1, 5136, 16, 16, 1, 12 },
	{ "H2CData, overlap",		CTRL, 6, 0, 0x20, 1, 5104, 16, 16, 1, 12 },
	{ "H2CData before the R2T",	CTRL, 6, 0, 0x20, 1, 4092, 16, 16, 4, 0 },
	{ "H2CData, DATAO 0",		CTRL, 6, 0, 0x20, 1, 0, 16, 16, 4, 0 },
	{ "H2CData, past the R2T by 1",	CTRL, 6, 4, 0x20, 1, 5120, 3073, 3073, 4, 0 },
	{ "H2CData, past the R2T",	CTRL, 6, 0, 0x20, 1, 8192, 16, 16, 4, 0 },
	{ "H2CData, DATAO wraps",	CTRL, 6, 0, 0x20, 1, 0xfffffff8, 16, 16, 4, 0 },
	{ "H2CData, 4 GiB, all",	CTRL, 6, 4, 0x21, 2, 0xfffff000, 4096, 4096, 0, 0 },
	{ "H2CData, 4 GiB, one more",	CTRL, 6, 4, 0x21, 2, 0xfffff000, 4097, 4097, 4, 0 },
	{ "H2CData, 4 GiB, wraps",	CTRL, 6, 0, 0x21, 2, 0xfffffff8, 16, 16, 4, 0 },
	{ "H2CData, LAST early",	CTRL, 6, 4, 0x20, 1, 5120, 16, 16, 1, 1 },
	{ "H2CData, LAST, nothing",	CTRL, 6, 4, 0x20, 1, 5120, 0, 0, 1, 1 },
	{ "H2CData, LAST missing",	CTRL, 6, 0, 0x20, 1, 5120, 3072, 3072, 1, 1 },
	{ "H2CData of MAXH2CDATA",	CTRL, 6, 0, 0x21, 2, 0xfffff000, 4092, 4092, 0, 0 },

	/* CapsuleResp: CCCID stands for the CID, TTAG for the status */
	{ "CapsuleResp",		HOST, 5, 0, 0x30, 0, 0, 0, 0, 0, 0 },
	{ "CapsuleResp, CID unknown",	HOST, 5, 0, 0x12, 0, 0, 0, 0, 1, 20 },
	{ "CapsuleResp, CID ffffh, error", HOST, 5, 0, 0xffff, 4, 0, 0, 0, 1, 20 },
	{ "CapsuleResp after SUCCESS",	HOST, 5, 0, 0x40, 0, 0, 0, 0, 1, 20 },
	{ "CapsuleResp after LAST",	HOST, 5, 0, 0x41, 0, 0, 0, 0, 0, 0 },
};

static struct nvme_tcp_xfer *at(u16 cid, enum nvme_tcp_dir dir, u32 len, u32 done)
{
	struct nvme_tcp_xfer *x = drive_cmd(&d, cid, dir, len);

	x->done = done;
	return x;
}

static void violation_state(const struct env *e)
{
	struct nvme_tcp_xfer *x;

	drive_start(&d, e);
	if (e->role == HOST) {
		at(0x10, NVME_TCP_C2H, 8192, 4096);
		at(0x11, NVME_TCP_C2H, 0xfffffffc, 0xffffffec);
		x = at(0x20, NVME_TCP_H2C, 8192, 0);
		x->granted = 4096;
		x->r2ts_granted = 1;
		at(0x21, NVME_TCP_H2C, 8192, 0);
		x = at(0x22, NVME_TCP_H2C, 8192, 8192);
		x->granted = 8192;
		/* 256 R2Ts and then one, all served: the counters wrap */
		x->r2ts_granted = 1;
		x->r2ts_served = 1;
		at(0x30, NVME_TCP_NODATA, 0, 0);
		x = at(0x40, NVME_TCP_C2H, 8192, 8192);
		x->last = true;
		x->success = true;
		at(0x41, NVME_TCP_C2H, 8192, 8192)->last = true;
		return;
	}
	at(0x20, NVME_TCP_H2C, 8192, 5120)->granted = 8192;
	at(0x21, NVME_TCP_H2C, 0xffffffff, 0xfffff000)->granted = 0xffffffff;
	d.r2t[1] = (struct drive_r2t) { true, 0x20, { 1, 4096, 4096, 1024 } };
	d.r2t[2] = (struct drive_r2t) { true, 0x21, { 2, 0xfffff000, 4096, 0 } };
	d.r2t[3] = (struct drive_r2t) { true, 0x20, { 3, 0, 4096, 4096 } };
	d.r2t[4] = (struct drive_r2t) { true, 0x50, { 4, 0, 4096, 0 } };
}

static void violation(const struct row *r, int digests, u8 pda)
{
	struct env e = ref_env(r->role, LIVE, digests, pda);
	struct nvme_tcp_xfer before, *x = NULL;
	size_t n, i;
	u8 term[256];

	t_case("%s, digests %d, alignment %d", r->name, digests, pda);
	e.maxr2t = 1;
	if (r->type == 5)
		n = ref_rsp(pdu, &e, r->cccid, r->ttag);
	else
		n = ref_data(pdu, &e, r->type, r->flags, r->cccid, r->ttag, r->off, r->len,
			     data, r->bytes);
	violation_state(&e);
	for (i = 0; i < DRIVE_CMDS; i++)
		if (d.cmd[i].on && d.cmd[i].cid == r->cccid)
			x = &d.cmd[i].x;
	if (x)
		before = *x;
	drive_feed(&d, pdu, n);
	T_EQ(d.c.err.fes, r->fes);
	T_EQ(d.c.err.fei, r->fei);
	T_EQ(d.error, !!r->fes);
	T_EQ(d.dones, !r->fes);
	if (!r->fes) {
		T_EQ(d.data_n, r->bytes);
		return;
	}
	/* Nothing has moved, and the peer learns why */
	T_EQ(d.data_n, 0);
	if (x)
		T(!memcmp(x, &before, sizeof(before)), "refused, and yet changed");
	n = nvme_tcp_build_term(&d.c, term);
	T_EQ(n, 24U + pdu[2]);
	T_EQ(term[0], r->role == HOST ? 2 : 3);
	T_EQ(term[8] | term[9] << 8, r->fes);
	T_EQ(term[10] | term[11] << 8, r->fei);
	T_BYTES(term + 24, n - 24, pdu, pdu[2]);
}

void test_violations(void)
{
	struct env e;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (int digests = 0; digests < 4; digests++)
			for (size_t p = 0; p < ARRAY_SIZE(pdas); p++)
				violation(&rows[i], digests, pdas[p]);

	/* What a digest cannot help is judged behind it, what it can before */
	for (i = 8; i < 24; i++) {
		t_case("a wrong DATAL under a wrong HDGST, byte %zu", i);
		e = ref_env(HOST, LIVE, 1, 0);
		n = ref_data(pdu, &e, 7, 0, 0x10, 0, 4096, 99, data, 16);
		pdu[i] ^= 0x10;
		violation_state(&e);
		drive_feed(&d, pdu, n);
		T_EQ(d.c.err.fes, 3);
	}

	t_case("the consumer's own verdict");
	e = ref_env(HOST, LIVE, 0, 0);
	n = ref_data(pdu, &e, 7, 12, 0x10, 0, 4096, 4096, data, 4096);
	violation_state(&e);
	T_EQ((u32)nvme_tcp_rx_refuse(&d.c, 1, 1, "SUCCESS with SQ flow control"),
	     (u32)-EPROTO);
	drive_feed(&d, pdu, n);
	T_EQ(d.c.err.fes, 1);
	T_EQ(d.c.err.fei, 1);
	T_EQ(d.headers, 0);

	for (i = 0; i <= 8; i++) {
		t_case("a bad common header in pieces of %zu and the rest", i);
		e = ref_env(CTRL, LIVE, 3, 0);
		n = ref_data(pdu, &e, 6, 0, 1, 1, 0, 16, data, 16);
		pdu[7] = 0xff;
		drive_start(&d, &e);
		drive_feed(&d, pdu, i);
		T_EQ(d.error, i == 8);
		drive_feed(&d, pdu + i, n - i);
		T_EQ(d.c.err.fes, 5);
		T_EQ(d.c.hdr_have, 8);
		T_BYTES(d.c.hdr, 8, pdu, 8);
	}

	t_case("an error outlives a Connect that succeeds meanwhile");
	e = ref_env(CTRL, NVME_TCP_PHASE_CONNECT, 0, 0);
	n = ref_data(pdu, &e, 6, 0, 1, 1, 0, 16, data, 16);
	drive_one(&d, &e, pdu, n);
	T_EQ(d.c.err.fes, 2);
	d.c.phase = LIVE;
	T_EQ(nvme_tcp_rx_feed(&d.c, pdu, n, &n), NVME_TCP_EV_ERROR);
	T_EQ(n, 0);

	/* FEI is reserved for these */
	for (u16 fes = 0; fes < 8; fes++) {
		t_case("FEI of a refusal with FES %u", fes);
		nvme_tcp_rx_refuse(&d.c, fes, 77, "");
		T_EQ(d.c.err.fei, fes == 1 || fes == 3 || fes == 6 ? 77 : 0);
	}
}

/* --- digests ------------------------------------------------------------- */

static void digest_flips(const struct env *e, size_t n)
{
	u32 head = pdu[2];
	u32 data_at = pdu[3] ? pdu[3] : (u32)n;

	for (size_t bit = 0; bit < n * 8; bit++) {
		u32 byte = (u32)(bit / 8);

		pdu[byte] ^= (u8)(1 << bit % 8);
		t_case("type %u, digests %d%d, bit %zu flips", pdu[0], e->hdgst, e->ddgst, bit);
		drive_start(&d, e);
		drive_cmd(&d, 0x10, e->role == HOST ? NVME_TCP_C2H : NVME_TCP_H2C, 64);
		d.r2t[1] = (struct drive_r2t) { true, 0x10, { 1, 0, 64, 0 } };
		drive_feed(&d, pdu, n);
		if (byte < 8) {
			/*
			 * Not covered by a digest before it is judged. PDO may be
			 * another good one or that of no data, PLEN may say that
			 * more is to come or less, and SUCCESS may go with LAST.
			 */
			T(d.error || byte >= 3 || (pdu[0] == 7 && bit == 11));
		} else if (e->hdgst && byte < head + 4) {
			T_EQ(d.c.err.fes, 3);
			T_EQ(d.c.err.fei, pdu[head] | pdu[head + 1] << 8 | pdu[head + 2] << 16 |
			     (u32)pdu[head + 3] << 24);
			T_EQ(d.headers, 0);
		} else if (byte >= data_at) {
			T_EQ(d.error, false);
			T_EQ(d.dones, 1);
			T_EQ(d.c.ddgst_ok, !e->ddgst);
		} else if (byte >= head) {
			/* Padding */
			T_EQ(d.error, false);
			T_EQ(d.c.ddgst_ok, true);
		}
		pdu[byte] ^= (u8)(1 << bit % 8);
	}
}

void test_digests(void)
{
	for (int digests = 0; digests < 4; digests++) {
		for (size_t p = 0; p < ARRAY_SIZE(pdas); p++) {
			struct env e = ref_env(HOST, LIVE, digests, pdas[p]);
			size_t n;

			for (n = 0; n < 64; n++)
				data[n] = (u8)(n * 7);
			n = ref_data(pdu, &e, 7, 4, 0x10, 0, 0, 64, data, 64);
			digest_flips(&e, n);
			n = ref_rsp(pdu, &e, 0x10, 4);
			digest_flips(&e, n);
			n = ref_data(pdu, &e, 9, 0, 0x10, 1, 0, 64, data, 0);
			if (e.hdgst)
				digest_flips(&e, n);

			e = ref_env(CTRL, LIVE, digests, pdas[p]);
			n = ref_data(pdu, &e, 6, 4, 0x10, 1, 0, 64, data, 64);
			digest_flips(&e, n);
			n = ref_cmd(pdu, &e, 1, 0x10, 1, 20, data, 20);
			digest_flips(&e, n);

			/* No data, and yet a digest of it: it has to be right */
			if (!e.ddgst)
				continue;
			t_case("DDGST of no data");
			n = ref_data(pdu, &e, 6, 0, 0x10, 1, 0, 0, data, 0);
			pdu[1] |= 2;
			pdu[3] = (u8)n;
			while (pdu[3] % ((e.cpda + 1) * 4))
				pdu[3]++;
			memset(pdu + n, 0, 256);
			put(pdu + 4, 4, pdu[3] + 4U);
			ref_redigest(pdu, &e);
			for (int bad = 0; bad < 2; bad++) {
				pdu[pdu[3] + 2] ^= (u8)bad;
				drive_start(&d, &e);
				drive_cmd(&d, 0x10, NVME_TCP_H2C, 64);
				d.r2t[1] = (struct drive_r2t) { true, 0x10, { 1, 0, 64, 0 } };
				drive_feed(&d, pdu, pdu[3] + 4U);
				T_EQ(d.error, false);
				T_EQ(d.dones, 1);
				T_EQ(d.c.ddgst_ok, !bad);
			}
			t_case("the next digest is not that bad one");
			n = ref_data(pdu, &e, 6, 0, 0x10, 1, 0, 0, data, 0);
			drive_feed(&d, pdu, n);
			T_EQ(d.dones, 2);
			T_EQ(d.c.ddgst_ok, true);
		}
	}
}

/* --- SGLs ---------------------------------------------------------------- */

enum { INL = NVME_TCP_CAPSULE_INLINE, TRA = NVME_TCP_CAPSULE_TRANSPORT,
       TYP = NVME_TCP_CAPSULE_BAD_TYPE, OFF = NVME_TCP_CAPSULE_BAD_OFFSET,
       LEN = NVME_TCP_CAPSULE_BAD_LENGTH };

static void limit(enum nvme_tcp_phase phase, u8 opcode, u32 incapsule, u32 len, bool good)
{
	for (int digests = 0; digests < 4; digests++) {
		struct env e = ref_env(CTRL, phase, digests, 7);
		size_t n;

		t_case("%s, opcode %02x, in-capsule limit %u, %u bytes, digests %d",
		       nvme_tcp_phase_name(phase), opcode, incapsule, len, digests);
		e.incapsule = incapsule;
		n = ref_cmd(pdu, &e, opcode, 1, 0x01, len, data, len);
		T_EQ(drive_one(&d, &e, pdu, n), good ? 0 : 1);
		T_EQ(d.c.err.fei, good ? 0 : 4);
		T_EQ(d.data_n, good ? len : 0);
	}
}

void test_capsules(void)
{
	static const struct { u8 sgl; u32 sgl_len, bytes; u64 addr; u8 want; } table[] = {
		{ 0x01, 16, 16, 0, INL },
		{ 0x01, 17, 16, 0, LEN },
		{ 0x01, 15, 16, 0, LEN },
		{ 0x01, 0, 16, 0, LEN },
		{ 0x01, ~0U, 16, 0, LEN },
		{ 0x01, 16, 0, 0, LEN },	/* in the capsule, it says */
		{ 0x01, 16, 16, 1, OFF },
		{ 0x01, 16, 16, 1ULL << 32, OFF },
		{ 0x01, 16, 16, 1ULL << 63, OFF },
		{ 0x5a, 16, 0, 0, TRA },
		{ 0x5a, ~0U, 0, 0, TRA },
		{ 0x5a, 16, 0, ~0ULL, TRA },	/* the address is reserved */
		{ 0x5a, 16, 16, 0, LEN },
		{ 0x5a, 0, 16, 0, LEN },
		{ 0x00, 0, 0, 0, TRA },		/* moves no data, says nothing */
		{ 0xff, 0, 0, ~0ULL, TRA },
	};
	struct env e = ref_env(CTRL, LIVE, 0, 0);
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		t_case("SGL row %zu", i);
		n = ref_cmd(pdu, &e, 1, 0xabcd, table[i].sgl, table[i].sgl_len, data,
			    table[i].bytes);
		put(pdu + 8 + 24, 8, table[i].addr);
		T_EQ(drive_one(&d, &e, pdu, n), 0);
		T_EQ(d.c.pdu.capsule, table[i].want);
		T_EQ(d.c.pdu.cccid, 0xabcd);
		T_EQ(d.c.pdu.len, table[i].sgl_len);
		T_EQ(d.c.pdu.data_len, table[i].bytes);
		T_EQ(d.dones, 1);
	}
	for (i = 0; i < 256; i++) {
		t_case("SGL type %02zx, data elsewhere", i);
		n = ref_cmd(pdu, &e, 1, 1, (u8)i, 512, data, 0);
		T_EQ(drive_one(&d, &e, pdu, n), 0);
		T_EQ(d.c.pdu.capsule, i == 0x5a ? TRA : i == 1 ? LEN : TYP);
		t_case("SGL type %02zx, data inside", i);
		n = ref_cmd(pdu, &e, 1, 1, (u8)i, 512, data, 512);
		T_EQ(drive_one(&d, &e, pdu, n), 0);
		T_EQ(d.c.pdu.capsule, i == 0x5a ? LEN : i == 1 ? INL : TYP);
		T_EQ(d.dones, 1);
	}

	/* On an I/O queue as configured; Fabrics commands and before Connect 8192 */
	limit(LIVE, 0x01, 4096, 4096, true);
	limit(LIVE, 0x01, 4096, 4097, false);
	limit(LIVE, 0x01, 0, 1, false);
	limit(LIVE, 0x01, 16384, 16384, true);
	limit(LIVE, 0x01, 16384, 16385, false);
	limit(LIVE, 0x01, 8192, 8193, false);
	limit(LIVE, 0x7f, 4096, 4097, true);
	limit(LIVE, 0x7f, 0, 8192, true);
	limit(LIVE, 0x7f, 4096, 8193, false);
	limit(NVME_TCP_PHASE_CONNECT, 0x7f, 0, 8192, true);
	limit(NVME_TCP_PHASE_CONNECT, 0x7f, 16384, 8193, false);
	limit(NVME_TCP_PHASE_CONNECT, 0x01, 16, 8192, true);
}

/* --- TermReq ------------------------------------------------------------- */

static void term_received(enum nvme_tcp_role role, enum nvme_tcp_phase phase, u32 quoted)
{
	struct env e = ref_env(role, phase, 3, 31);
	u8 out[256];
	size_t n;

	t_case("%s in %s gets a TermReq of %u bytes", role == HOST ? "host" : "controller",
	       nvme_tcp_phase_name(phase), 24 + quoted);
	memset(pdu, 0x5a, 256);
	n = ref_hex(pdu, role == HOST ? "03 00 18 00 00000000 0300 efbeadde 00*10" :
					"02 00 18 00 00000000 0600 0a000000 00*10");
	put(pdu + 4, 4, n + quoted);
	drive_start(&d, &e);
	/* Complete at its last byte and not before */
	drive_feed(&d, pdu, n + quoted - 1);
	T_EQ(d.headers, 0);
	T_EQ(d.error, false);
	drive_feed(&d, pdu + n + quoted - 1, 1);
	T_EQ(d.headers, 1);
	T_EQ(d.dones, 0);
	T_EQ(d.c.phase, NVME_TCP_PHASE_DEAD);
	T_EQ(d.c.pdu.fes, role == HOST ? 3 : 6);
	T_EQ(d.c.pdu.fei, role == HOST ? 0xdeadbeef : 10);
	T_BYTES(d.c.hdr, n + quoted, pdu, n + quoted);
	/* Never answered */
	T_EQ(d.error, true);
	T_EQ(d.c.err.fes, 0);
	T_EQ(nvme_tcp_build_term(&d.c, out), 0);
}

static void term_built(void)
{
	struct env e = ref_env(HOST, LIVE, 3, 0);
	u8 out[256];
	size_t n;

	for (int hlen = 0; hlen < 256; hlen += 51) {
		t_case("a TermReq for an HLEN of %u quotes what has come", hlen);
		n = ref_rsp(pdu, &e, 1, 0);
		pdu[2] = (u8)hlen;
		drive_one(&d, &e, pdu, n);
		n = ref_hex(pdu, "02 00 18 00 20000000 0100 02000000 00*10 05 01 ff 00 1c000000");
		pdu[26] = (u8)hlen;
		T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);
	}

	t_case("a TermReq for a bad digest");
	n = ref_rsp(pdu, &e, 1, 0);
	put(pdu + 24, 4, 0x11223344);
	drive_one(&d, &e, pdu, n);
	n = ref_hex(pdu, "02 00 18 00 30000000 0300 44332211 00*10 "
			 "05 01 18 00 1c000000 00*12 0100 0000");
	T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);

	t_case("a TermReq for an ICReq quotes 128 bytes");
	e = ref_env(CTRL, NVME_TCP_PHASE_IC, 0, 0);
	n = ref_hex(pdu, "00 00 80 00 80000000 0100 00*118");
	drive_one(&d, &e, pdu, n);
	n = ref_hex(pdu, "03 00 18 00 98000000 0600 08000000 00*10 "
			 "00 00 80 00 80000000 0100 00*118");
	T_EQ(n, 152);
	T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);

	t_case("a TermReq for an unknown type");
	e = ref_env(CTRL, LIVE, 0, 0);
	n = ref_hex(pdu, "0a 00 20 00 20000000 00*24");
	drive_one(&d, &e, pdu, n);
	n = ref_hex(pdu, "03 00 18 00 20000000 0100 00*14 0a 00 20 00 20000000");
	T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);

	t_case("a TermReq for a type that was never given out, 08h");
	n = ref_hex(pdu, "08 00 18 00 18000000 00*16");
	drive_one(&d, &e, pdu, n);
	n = ref_hex(pdu, "03 00 18 00 20000000 0100 00*14 08 00 18 00 18000000");
	T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);

	t_case("a TermReq without a header at hand");
	drive_start(&d, &(struct env){ .role = HOST });
	nvme_tcp_rx_refuse(&d.c, 2, 9, "nothing has come at all");
	n = ref_hex(pdu, "02 00 18 00 18000000 0200 00*14");
	T_BYTES(out, nvme_tcp_build_term(&d.c, out), pdu, n);

	t_case("a TermReq of a length of its own is not answered");
	e = ref_env(HOST, LIVE, 0, 0);
	n = ref_hex(pdu, "03 00 18 00 99000000 0300 00*14 00*129");
	drive_one(&d, &e, pdu, n);
	T_EQ(d.error, true);
	T_EQ(d.headers, 0);
	T_EQ(nvme_tcp_build_term(&d.c, out), 0);
}

void test_term(void)
{
	for (u32 quoted = 0; quoted <= 128; quoted++)
		for (int phase = 0; phase < 3; phase++) {
			term_received(HOST, phase, quoted);
			term_received(CTRL, phase, quoted);
		}
	term_built();
}

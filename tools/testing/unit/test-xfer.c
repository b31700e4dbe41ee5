// SPDX-License-Identifier: GPL-2.0-only
/* Transfers: who may send what next, and how a command ends. */
#include "t.h"

static struct drive d;
static u8 pdu[1 << 16];

static void rsp(enum nvme_tcp_dir dir, u32 len, u32 done, u16 status, int want)
{
	struct env e = ref_env(NVME_TCP_HOST, NVME_TCP_PHASE_LIVE, 0, 0);
	struct nvme_tcp_xfer *x;
	char expect[16];
	size_t n;

	t_case("response: direction %u, %u of %u bytes, status %x", dir, done, len, status);
	n = ref_rsp(pdu, &e, 7, status);
	/* The phase tag is nothing to go by */
	pdu[8 + 14] |= 1;
	drive_start(&d, &e);
	x = drive_cmd(&d, 7, dir, len);
	x->done = done;
	drive_feed(&d, pdu, n);
	T_EQ(d.error, false);
	snprintf(expect, sizeof(expect), " rsp %d\n", want);
	T(strstr(d.log, expect), "%s", d.log);
}

void test_verdicts(void)
{
	struct env e = ref_env(NVME_TCP_HOST, NVME_TCP_PHASE_LIVE, 0, 0);
	struct nvme_tcp_xfer *x;
	u8 data[64] = { 0 };
	size_t n;

	rsp(NVME_TCP_NODATA, 0, 0, 0, 0);
	rsp(NVME_TCP_NODATA, 0, 0, 0x4002, 0);
	rsp(NVME_TCP_C2H, 4096, 4096, 0, 0);
	rsp(NVME_TCP_C2H, 4096, 0, 0, 1);
	rsp(NVME_TCP_C2H, 4096, 4095, 0, 1);
	rsp(NVME_TCP_C2H, 4096, 0, 0x4002, 0);
	rsp(NVME_TCP_C2H, 4096, 4095, 1, 0);
	rsp(NVME_TCP_C2H, 4096, 4095, 0x4000, 0);
	rsp(NVME_TCP_H2C, 4096, 4096, 0, 0);
	rsp(NVME_TCP_H2C, 4096, 0, 0, 1);
	rsp(NVME_TCP_H2C, 4096, 0, 1, 0);
	rsp(NVME_TCP_H2C, 4096, 4092, 0x7fff, 0);

	t_case("a read of four PDUs");
	drive_start(&d, &e);
	x = drive_cmd(&d, 1, NVME_TCP_C2H, 64);
	for (u32 i = 0; i < 4; i++) {
		T_EQ(x->done, i * 16);
		T_EQ(x->last, false);
		n = ref_data(pdu, &e, 7, i == 3 ? 4 : 0, 1, 0, i * 16, 16, data, 16);
		drive_feed(&d, pdu, n);
	}
	T_EQ(d.error, false);
	T_EQ(d.dones, 4);
	T_EQ(x->done, 64);
	T_EQ(x->last, true);
	T_EQ(x->success, false);

	t_case("a read that ends with SUCCESS");
	x = drive_cmd(&d, 2, NVME_TCP_C2H, 16);
	n = ref_data(pdu, &e, 7, 12, 2, 0, 0, 16, data, 16);
	drive_feed(&d, pdu, n);
	T_EQ(d.error, false);
	T_EQ(x->last, true);
	T_EQ(x->success, true);

	t_case("a read of nothing");
	x = drive_cmd(&d, 3, NVME_TCP_C2H, 0);
	n = ref_data(pdu, &e, 7, 4, 3, 0, 0, 0, data, 0);
	drive_feed(&d, pdu, n);
	T_EQ(d.error, false);
	T_EQ(x->last, true);

	t_case("R2Ts up to MAXR2T, and one");
	e.maxr2t = 3;
	drive_start(&d, &e);
	x = drive_cmd(&d, 1, NVME_TCP_H2C, 64);
	for (u16 i = 0; i < 4; i++) {
		T_EQ(x->granted, i * 16);
		T_EQ(nvme_tcp_xfer_r2ts(x), i);
		n = ref_data(pdu, &e, 9, 0, 1, i, i * 16U, 16, NULL, 0);
		drive_feed(&d, pdu, n);
	}
	T_EQ(d.c.err.fes, 5);
	T_EQ(d.dones, 3);
}

/* A write of @len bytes in R2Ts of @max, from both ends' books */
static void write_books(u32 len, u32 max, u32 maxr2t, u32 maxh2cdata, bool lifo)
{
	struct env he = ref_env(NVME_TCP_HOST, NVME_TCP_PHASE_LIVE, 0, 0);
	struct env ce = ref_env(NVME_TCP_CTRL, NVME_TCP_PHASE_LIVE, 0, 0);
	struct nvme_tcp_r2t r[256];
	struct nvme_tcp_conn h, c;
	struct nvme_tcp_xfer hx, cx;
	u32 out = 0, n, off, moved = 0, first = 0;
	size_t used;
	bool last;

	t_case("write of %u, R2Ts of %u, MAXR2T %u, MAXH2CDATA %u", len, max, maxr2t,
	       maxh2cdata);
	he.maxr2t = ce.maxr2t = maxr2t;
	he.maxh2cdata = ce.maxh2cdata = maxh2cdata;
	ref_conn(&h, &he);
	ref_conn(&c, &ce);
	nvme_tcp_xfer_start(&hx, NVME_TCP_H2C, len);
	nvme_tcp_xfer_start(&cx, NVME_TCP_H2C, len);

	while (moved < len) {
		struct nvme_tcp_r2t got, *next;

		/* As many as may be */
		while (nvme_tcp_ctrl_next_r2t(&c, &cx, (u16)(first + out), max, &r[out])) {
			T(out < maxr2t, "%u R2Ts", out);
			T_EQ(r[out].ttag, (u16)(first + out));
			T_EQ(r[out].done, 0);
			T(r[out].len && r[out].len <= (max ? max : len));
			n = nvme_tcp_build_r2t(&c, pdu, 5, &r[out]);
			T_EQ(nvme_tcp_rx_feed(&h, pdu, n, &used), NVME_TCP_EV_HEADER);
			T_EQ(nvme_tcp_host_r2t(&h, &hx, &got), 0);
			T_EQ(nvme_tcp_rx_feed(&h, pdu, 0, &used), NVME_TCP_EV_DONE);
			T_EQ(got.off, r[out].off);
			T_EQ(got.len, r[out].len);
			T_EQ(got.ttag, r[out].ttag);
			out++;
			T_EQ(nvme_tcp_xfer_r2ts(&hx), out);
			T_EQ(nvme_tcp_xfer_r2ts(&cx), out);
		}
		T(out, "no progress");
		if (!out)
			return;
		T(out == maxr2t || cx.granted == len, "%u R2Ts and no more", out);

		/* Serve one of them; which is the host's business, in order or not */
		next = &r[lifo ? out - 1 : 0];
		got = *next;
		do {
			bool done;

			n = nvme_tcp_host_next_h2c(&h, &hx, &got, &off, &last);
			T(n && n <= maxh2cdata, "%u bytes", n);
			if (!n)
				return;
			moved += n;
			nvme_tcp_build_h2c_data(&h, pdu, 5, got.ttag, off, n, last);
			T_EQ(nvme_tcp_rx_feed(&c, pdu, 24, &used), NVME_TCP_EV_HEADER);
			T_EQ(nvme_tcp_ctrl_h2c_data(&c, &cx, next, 5, &done), 0);
			T_EQ(done, last);
			T_EQ(cx.done, moved);
			T_EQ(hx.done, moved);
			nvme_tcp_rx_take(&c, n, 0);
			T_EQ(nvme_tcp_rx_feed(&c, pdu, 0, &used), NVME_TCP_EV_DONE);
		} while (!last);
		T_EQ(next->done, next->len);
		T_EQ(nvme_tcp_host_next_h2c(&h, &hx, &got, &off, &last), 0);
		out--;
		first++;
		T_EQ(nvme_tcp_xfer_r2ts(&hx), out);
		T_EQ(nvme_tcp_xfer_r2ts(&cx), out);
		memmove(next, next + 1, (u8 *)&r[256] - (u8 *)(next + 1));
	}
	T_EQ(moved, len);
	T_EQ(nvme_tcp_ctrl_next_r2t(&c, &cx, 1, max, &r[0]), false);
}

void test_transfers(void)
{
	static const u32 lens[] = { 4, 512, 4096, 4100, 65536, 1 << 20, 0xfffffffc };
	static const u32 maxr2ts[] = { 1, 2, 5, 255 };
	struct env e = ref_env(NVME_TCP_CTRL, NVME_TCP_PHASE_LIVE, 0, 0);
	struct nvme_tcp_r2t r = { .len = 77 };
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x;
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		for (j = 0; j < ARRAY_SIZE(maxr2ts) * 2; j++) {
			u32 m = maxr2ts[j / 2];

			write_books(lens[i], 0, m, 0x40000000, j & 1);
			if (lens[i] <= 1 << 20) {
				write_books(lens[i], 4096, m, 4096, j & 1);
				write_books(lens[i], 1000, m, 4096, j & 1);
				write_books(lens[i], 20000, m, 8192, j & 1);
				write_books(lens[i], ~0U, m, 8192, j & 1);
			}
		}
	}
	/* Counters go round: more R2Ts than fit in a byte */
	write_books(4 * 1024, 4, 255, 4096, false);

	ref_conn(&c, &e);
	t_case("no R2T for a read");
	nvme_tcp_xfer_start(&x, NVME_TCP_C2H, 4096);
	T_EQ(nvme_tcp_ctrl_next_r2t(&c, &x, 0, 0, &r), false);
	T_EQ(r.len, 77);
	t_case("no R2T without data");
	nvme_tcp_xfer_start(&x, NVME_TCP_NODATA, 0);
	T_EQ(nvme_tcp_ctrl_next_r2t(&c, &x, 0, 0, &r), false);
	t_case("no R2T for what has come in the capsule");
	nvme_tcp_xfer_start(&x, NVME_TCP_H2C, 4096);
	nvme_tcp_xfer_moved(&x, 4096);
	T_EQ(x.done, 4096);
	T_EQ(nvme_tcp_ctrl_next_r2t(&c, &x, 0, 0, &r), false);

	t_case("an H2CData is no longer than its PLEN can say");
	e = ref_env(NVME_TCP_HOST, NVME_TCP_PHASE_LIVE, 3, 31);
	e.maxh2cdata = 0xfffffffc;
	ref_conn(&c, &e);
	nvme_tcp_xfer_start(&x, NVME_TCP_H2C, ~0U);
	r = (struct nvme_tcp_r2t) { .ttag = 1, .len = ~0U };
	x.granted = r.len;
	x.r2ts_granted = 1;
	for (i = 0; i < ~0U; i += j) {
		u32 off;
		bool last;

		j = nvme_tcp_host_next_h2c(&c, &x, &r, &off, &last);
		T(j && off == i && last == (i + j == ~0U));
		nvme_tcp_build_h2c_data(&c, pdu, 1, 1, off, j, last);
		T_EQ((pdu[4] | pdu[5] << 8 | pdu[6] << 16 | (u64)pdu[7] << 24), 128 + (u64)j + 4);
		if (!j)
			break;
	}

	t_case("C2H data that is sent is counted, and no more than there is");
	memset(&x, 0xff, sizeof(x));
	nvme_tcp_xfer_start(&x, NVME_TCP_C2H, 100);
	T_EQ(x.done, 0);
	T_EQ(x.granted, 0);
	T_EQ(x.last, 0);
	T_EQ(x.success, 0);
	nvme_tcp_xfer_moved(&x, 60);
	T_EQ(x.done, 60);
	T_EQ(x.granted, 0);
	nvme_tcp_xfer_moved(&x, ~0U);
	T_EQ(x.done, 100);
}

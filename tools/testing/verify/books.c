// SPDX-License-Identifier: GPL-2.0-only
/* The books of transfers: what is granted, what has moved, who may go on. */
#include "harness.h"

/* Any command in any state that it can be in */
static void xfer_any(struct nvme_tcp_xfer *x, const struct nvme_tcp_conn *c)
{
	struct nvme_tcp_xfer any;

	*x = any;
	x->last = nondet_bool();
	x->success = nondet_bool();
	ASSUME(x->dir <= NVME_TCP_C2H);
	ASSUME(x->dir != NVME_TCP_NODATA || !x->len);
	ASSUME(x->granted <= x->len && x->done <= x->len);
	ASSUME(x->dir != NVME_TCP_H2C || x->done <= x->granted);
	ASSUME(nvme_tcp_xfer_r2ts(x) <= c->maxr2t);
	ASSUME(!x->success || x->last);
	ASSUME(!x->last || x->done == x->len);
}

static bool xfer_ok(const struct nvme_tcp_xfer *x, const struct nvme_tcp_conn *c)
{
	return x->granted <= x->len && x->done <= x->len &&
	       (x->dir != NVME_TCP_H2C || x->done <= x->granted) &&
	       nvme_tcp_xfer_r2ts(x) <= c->maxr2t && (!x->last || x->done == x->len);
}

static bool xfer_same(const struct nvme_tcp_xfer *a, const struct nvme_tcp_xfer *b)
{
	return a->len == b->len && a->granted == b->granted && a->done == b->done &&
	       a->dir == b->dir && a->r2ts_granted == b->r2ts_granted &&
	       a->r2ts_served == b->r2ts_served && a->last == b->last &&
	       a->success == b->success;
}

/* At EV_HEADER of this type */
static void conn_header(struct nvme_tcp_conn *c, u8 type)
{
	conn_any(c);
	ASSUME(c->phase == NVME_TCP_PHASE_LIVE);
	ASSUME(c->state > PDU_RX_HDR && c->state < PDU_RX_DEAD && c->pdu.type == type);
}

void prove_c2h_data(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	int ret;

	conn_header(&c, NVME_TCP_C2H_DATA);
	ASSUME(c.role == NVME_TCP_HOST);
	xfer_any(&x, &c);
	before = x;
	if (nondet_bool()) {
		CHECK(nvme_tcp_host_c2h_data(&c, NULL) == -EPROTO && c.err.fes == 1 &&
		      c.err.fei == 8, "of no command");
		return;
	}
	ret = nvme_tcp_host_c2h_data(&c, &x);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	if (ret) {
		CHECK(ret == -EPROTO && c.err.fes && c.phase == NVME_TCP_PHASE_DEAD, "refused");
		CHECK(xfer_same(&x, &before), "refused: nothing has changed");
		return;
	}
	CHECK(before.dir == NVME_TCP_C2H && !before.last, "of a read that goes on");
	CHECK(c.pdu.off == before.done, "in order");
	CHECK((u64)c.pdu.off + c.pdu.len <= x.len, "inside the command's data");
	CHECK(x.done == before.done + c.pdu.len, "counted once");
	CHECK(x.last == (x.done == x.len), "LAST_PDU on the last");
	CHECK(!x.success || x.last, "SUCCESS only then");
}

void prove_r2t(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	struct nvme_tcp_r2t r;
	int ret;

	conn_header(&c, NVME_TCP_R2T);
	ASSUME(c.role == NVME_TCP_HOST && c.pdu.len);
	xfer_any(&x, &c);
	before = x;
	ret = nvme_tcp_host_r2t(&c, nondet_bool() ? &x : NULL, &r);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	if (ret) {
		CHECK(ret == -EPROTO && c.err.fes && c.phase == NVME_TCP_PHASE_DEAD, "refused");
		CHECK(xfer_same(&x, &before), "refused: nothing has changed");
		return;
	}
	CHECK(before.dir == NVME_TCP_H2C, "of a write");
	CHECK(r.off == before.granted && x.granted == r.off + r.len, "in order, no gap");
	CHECK(!r.done && r.len && r.ttag == c.pdu.ttag, "as it came");
	CHECK(nvme_tcp_xfer_r2ts(&x) == nvme_tcp_xfer_r2ts(&before) + 1, "one more");
}

void prove_h2c_data(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	struct nvme_tcp_r2t r, r_before;
	u16 cid = nondet_u16();
	bool done;
	int ret;

	conn_header(&c, NVME_TCP_H2C_DATA);
	ASSUME(c.role == NVME_TCP_CTRL);
	xfer_any(&x, &c);
	ASSUME(x.dir == NVME_TCP_H2C && nvme_tcp_xfer_r2ts(&x));
	/* What it still owes is part of what the command does */
	ASSUME((u64)r.off + r.len <= x.granted && r.len && r.done < r.len);
	ASSUME(r.len - r.done <= x.granted - x.done);
	before = x;
	r_before = r;
	ret = nvme_tcp_ctrl_h2c_data(&c, &x, nondet_bool() ? &r : NULL, cid, &done);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	CHECK(r.done <= r.len, "no more than was asked for");
	if (ret) {
		CHECK(ret == -EPROTO && c.err.fes && c.phase == NVME_TCP_PHASE_DEAD, "refused");
		CHECK(xfer_same(&x, &before) && r.done == r_before.done && !done,
		      "refused: nothing has changed");
		return;
	}
	CHECK(c.pdu.cccid == cid, "of the R2T's command");
	CHECK(c.pdu.off == r.off + r_before.done, "in order");
	CHECK((u64)c.pdu.off + c.pdu.len <= (u64)r.off + r.len, "inside the R2T");
	CHECK(x.done - before.done == c.pdu.len && r.done - r_before.done == c.pdu.len,
	      "counted once");
	CHECK(done == (r.done == r.len), "satisfied when all is there");
	CHECK(nvme_tcp_xfer_r2ts(&x) == nvme_tcp_xfer_r2ts(&before) - done, "one less then");
}

void prove_rsp(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	int ret;

	conn_header(&c, NVME_TCP_RSP);
	ASSUME(c.role == NVME_TCP_HOST);
	xfer_any(&x, &c);
	before = x;
	ret = nvme_tcp_host_rsp(&c, nondet_bool() ? &x : NULL);
	CHECK(ret == 0 || ret == 1 || ret == -EPROTO, "one of three");
	CHECK(xfer_same(&x, &before), "the books are left alone");
	if (ret == 0 && !(pdu_get16(c.hdr + PDU_RSP_STATUS) >> 1))
		CHECK(x.done == x.len, "no success is believed while data is missing");
}

void prove_next_r2t(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	struct nvme_tcp_r2t r, r_before;
	u16 ttag = nondet_u16();
	u32 max = nondet_u32();
	bool ok;

	conn_agreed(&c, NVME_TCP_CTRL);
	xfer_any(&x, &c);
	before = x;
	r_before = r;
	ok = nvme_tcp_ctrl_next_r2t(&c, &x, ttag, max, &r);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	CHECK(ok == (x.dir == NVME_TCP_H2C && before.granted < x.len &&
		     nvme_tcp_xfer_r2ts(&before) < c.maxr2t), "when it may be");
	if (!ok) {
		CHECK(xfer_same(&x, &before), "no R2T: nothing has changed");
		return;
	}
	CHECK(r.off == before.granted && x.granted == r.off + r.len && r.len,
	      "in order, no gap");
	CHECK(!max || r.len <= max, "no more than was said");
	CHECK(r.ttag == ttag && !r.done, "as it was called");
	CHECK(nvme_tcp_xfer_r2ts(&x) == nvme_tcp_xfer_r2ts(&before) + 1, "one more");
}

void prove_next_h2c(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	struct nvme_tcp_r2t r, r_before;
	u32 n, off;
	bool last;

	conn_agreed(&c, NVME_TCP_HOST);
	xfer_any(&x, &c);
	ASSUME(x.dir == NVME_TCP_H2C && nvme_tcp_xfer_r2ts(&x));
	ASSUME((u64)r.off + r.len <= x.granted && r.len && r.done < r.len);
	ASSUME(r.len - r.done <= x.granted - x.done);
	before = x;
	r_before = r;
	n = nvme_tcp_host_next_h2c(&c, &x, &r, &off, &last);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	CHECK(n && n <= c.maxh2cdata, "MAXH2CDATA");
	CHECK(off == r.off + r_before.done, "in order");
	CHECK(r.done == r_before.done + n && r.done <= r.len, "inside the R2T");
	CHECK(x.done == before.done + n, "counted once");
	CHECK(last == (r.done == r.len), "LAST_PDU on the last");
	CHECK(nvme_tcp_xfer_r2ts(&x) == nvme_tcp_xfer_r2ts(&before) - last, "one less then");
	if (last)
		CHECK(!nvme_tcp_host_next_h2c(&c, &x, &r, &off, &last), "and it is served");
}

void prove_moved(void)
{
	struct nvme_tcp_conn c;
	struct nvme_tcp_xfer x, before;
	u32 n = nondet_u32();

	conn_agreed(&c, nondet_bool());
	xfer_any(&x, &c);
	/* Before any R2T */
	ASSUME(x.dir != NVME_TCP_H2C || x.granted == x.done);
	before = x;
	nvme_tcp_xfer_moved(&x, n);
	CHECK(xfer_ok(&x, &c), "the books are in order");
	CHECK(x.done == (n < x.len - before.done ? before.done + n : x.len), "no more than all");
}

/*
 * A write of any length between two ends, any R2Ts, in any order of events:
 * they cover it in order, one after the other, and neither end refuses a thing.
 */
enum { STEPS = 4, OUT = 2 };

void prove_write(void)
{
	struct nvme_tcp_conn h, c;
	struct nvme_tcp_xfer hx, cx;
	struct nvme_tcp_r2t hr[OUT], cr[OUT];
	u32 len = nondet_u32(), moved = 0, asked = 0;
	u32 out = 0;

	/* No more of a connection matters here */
	h.maxr2t = c.maxr2t = nondet_u8() % OUT + 1;
	h.maxh2cdata = nondet_u32();
	ASSUME(h.maxh2cdata >= NVME_TCP_MAXH2CDATA_MIN);
	nvme_tcp_xfer_start(&hx, NVME_TCP_H2C, len);
	nvme_tcp_xfer_start(&cx, NVME_TCP_H2C, len);
	for (u32 step = 0; step < STEPS; step++) {
		if (nondet_bool()) {
			struct nvme_tcp_r2t r;

			if (!nvme_tcp_ctrl_next_r2t(&c, &cx, (u16)step, nondet_u32(), &r)) {
				CHECK(out == c.maxr2t || asked == len, "an R2T when it may be");
				continue;
			}
			CHECK(out < c.maxr2t, "no more than MAXR2T");
			CHECK(r.off == asked, "R2Ts are in order");
			asked += r.len;
			cr[out] = r;
			h.pdu = (struct nvme_tcp_pdu) {
				.type = NVME_TCP_R2T, .ttag = r.ttag, .off = r.off, .len = r.len,
			};
			CHECK(!nvme_tcp_host_r2t(&h, &hx, &hr[out]), "the host takes it");
			out++;
		} else if (out) {
			u32 off, n;
			bool last, done;

			n = nvme_tcp_host_next_h2c(&h, &hx, &hr[0], &off, &last);
			CHECK(n && off == moved, "data is in order");
			moved += n;
			c.pdu = (struct nvme_tcp_pdu) {
				.type = NVME_TCP_H2C_DATA, .flags = last ? NVME_TCP_F_LAST : 0,
				.cccid = 7, .ttag = hr[0].ttag, .off = off, .len = n,
			};
			CHECK(!nvme_tcp_ctrl_h2c_data(&c, &cx, &cr[0], 7, &done),
			      "the controller takes it");
			CHECK(done == last, "both know when it is the last");
			if (!done)
				continue;
			out--;
			for (u32 i = 0; i + 1 < OUT; i++) {
				hr[i] = hr[i + 1];
				cr[i] = cr[i + 1];
			}
		}
		CHECK(nvme_tcp_xfer_r2ts(&hx) == out && nvme_tcp_xfer_r2ts(&cx) == out,
		      "both count the same R2Ts");
	}
	CHECK(hx.done == moved && cx.done == moved && hx.granted == asked && cx.granted == asked,
	      "both have the same books");
	CHECK(moved <= asked && asked <= len, "no more than there is");
}

// SPDX-License-Identifier: GPL-2.0-only
/* The receive half: any bytes, in any state. */
#include "harness.h"

/* Longer than anything that one call can look at */
enum { INPUT = 320 };

/* Where a connection begins, the invariant holds, whatever is asked for */
void prove_init(void)
{
	struct nvme_tcp_params p;
	struct nvme_tcp_conn c;

	p.hdgst = nondet_bool();
	p.ddgst = nondet_bool();
	nvme_tcp_conn_init(&c, nondet_bool(), &p);
	CHECK(conn_ok(&c), "a connection begins as it must");
	CHECK(c.phase == NVME_TCP_PHASE_IC, "it begins with ICReq and ICResp");
}

/*
 * One call, any input, any state that can be: memory is left alone, the events
 * keep their promises, phases move as they may, and the invariant holds again.
 * With prove_init() and prove_take() this is so for every stream, however long
 * and however cut.
 */
void prove_feed(void)
{
	struct nvme_tcp_conn c, before;
	size_t len = nondet_size(), used;
	enum nvme_tcp_ev ev;
	bool moved_on, term;
	u8 *buf;

	conn_any(&c);
	before = c;
	ASSUME(len <= INPUT);
	buf = bytes_any(len);
	ev = nvme_tcp_rx_feed(&c, buf, len, &used);

	CHECK(used <= len, "no more is eaten than there is");
	CHECK(conn_ok(&c), "the invariant holds again");
	CHECK(c.role == before.role, "the role stays");
	switch (ev) {
	case NVME_TCP_EV_MORE:
		CHECK(used == len, "MORE: all is eaten");
		break;
	case NVME_TCP_EV_HEADER:
		CHECK(used, "HEADER: something was eaten");
		CHECK(c.pdu.type < NVME_TCP_TYPES, "HEADER: of a known type");
		CHECK(c.pdu.data_len == c.data_left, "HEADER: all of the data is to come");
		break;
	case NVME_TCP_EV_DATA:
		CHECK(used < len && c.data_left, "DATA: there is a byte of it");
		break;
	case NVME_TCP_EV_DONE:
		CHECK(!c.data_left, "DONE: no data is missing");
		CHECK(c.state == PDU_RX_IDLE, "DONE: the next PDU may come");
		CHECK(c.ddgst_ok || c.want_ddgst, "DONE: no digest, no digest error");
		break;
	case NVME_TCP_EV_ERROR:
		CHECK(c.phase == NVME_TCP_PHASE_DEAD, "ERROR: nothing is valid any more");
		CHECK(c.err.what, "ERROR: it has a name");
		break;
	}

	/* A call that does nothing at all is MORE, DATA, or an error again */
	moved_on = used || c.state != before.state || c.phase != before.phase;
	CHECK(moved_on || ev == NVME_TCP_EV_MORE || ev == NVME_TCP_EV_DATA ||
	      before.phase == NVME_TCP_PHASE_DEAD, "no call is in vain");

	/* Phases: the one step that is the engine's own, and the end */
	term = ev == NVME_TCP_EV_HEADER && pdu_is_term(c.pdu.type);
	if (before.phase == NVME_TCP_PHASE_DEAD)
		CHECK(ev == NVME_TCP_EV_ERROR && c.phase == NVME_TCP_PHASE_DEAD && !used,
		      "dead is dead");
	else if (ev == NVME_TCP_EV_ERROR || term)
		CHECK(c.phase == NVME_TCP_PHASE_DEAD, "errors and TermReqs end it");
	else if (ev == NVME_TCP_EV_HEADER && c.pdu.type <= NVME_TCP_ICRESP)
		CHECK(before.phase == NVME_TCP_PHASE_IC && c.phase == NVME_TCP_PHASE_CONNECT,
		      "ICReq and ICResp once, and on to Connect");
	else
		CHECK(c.phase == before.phase, "no other step");
	if (term)
		CHECK(!c.err.fes, "a TermReq is not answered");
}

/* The consumer takes any part of the data */
void prove_take(void)
{
	struct nvme_tcp_conn c;
	u32 n = nondet_u32(), left;

	conn_any(&c);
	ASSUME(c.state == PDU_RX_DATA && n && n <= c.data_left);
	left = c.data_left - n;
	nvme_tcp_rx_take(&c, n, nondet_u32());
	CHECK(conn_ok(&c), "the invariant holds again");
	CHECK(c.data_left == left, "just that is taken");
}

/* The consumer's own word, at any time */
void prove_refuse(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX);
	u32 n;

	conn_any(&c);
	switch (nondet_u8()) {
	case 0:
		nvme_tcp_conn_live(&c);
		/* It is dead or alive, or has not got so far */
		ASSUME(c.phase != NVME_TCP_PHASE_CONNECT);
		break;
	case 1:
		nvme_tcp_conn_dead(&c);
		CHECK(c.phase == NVME_TCP_PHASE_DEAD, "dead on request");
		break;
	default:
		nvme_tcp_rx_refuse(&c, nondet_u16(), nondet_u32(), "");
		CHECK(c.phase == NVME_TCP_PHASE_DEAD && c.state == PDU_RX_DEAD, "refused");
	}
	CHECK(conn_ok(&c), "the invariant holds again");
	n = nvme_tcp_build_term(&c, buf);
	CHECK(!n == !c.err.fes, "a TermReq when there is a reason");
	if (!n)
		return;
	CHECK(n >= 24 && n <= NVME_TCP_TERM_MAX && n == pdu_get32(buf + 4), "PLEN");
	CHECK(buf[0] == (c.role == NVME_TCP_HOST ? 2 : 3) && buf[2] == 24 && !buf[1] && !buf[3],
	      "a TermReq's common header");
	CHECK(pdu_get16(buf + 8) == c.err.fes && pdu_get32(buf + 10) == c.err.fei, "FES, FEI");
}

/* --- the phase table ----------------------------------------------------- */

/* Who sends what, and when: the specification's own words */
static bool to_host(u8 type)
{
	return type == 0x01 || type == 0x03 || type == 0x05 || type == 0x07 || type == 0x09;
}

static bool to_ctrl(u8 type)
{
	return type == 0x00 || type == 0x02 || type == 0x04 || type == 0x06;
}

static bool in_time(u8 type, u8 phase)
{
	if (type == 0x00 || type == 0x01)	/* ICReq, ICResp: first, and only then */
		return phase == NVME_TCP_PHASE_IC;
	if (type == 0x02 || type == 0x03)	/* TermReqs: at any time */
		return true;
	if (type == 0x04 || type == 0x05)	/* capsules: Connect is one */
		return phase != NVME_TCP_PHASE_IC;
	return phase == NVME_TCP_PHASE_LIVE;	/* H2CData, C2HData, R2T */
}

/* Any common header: refused for its type or its time exactly when it must be */
void prove_phases(void)
{
	static const u8 hlen[] = { 128, 128, 24, 24, 72, 24, 24, 24, 0, 24 };
	struct nvme_tcp_conn c, before;
	enum nvme_tcp_ev ev;
	u8 h[NVME_TCP_CH_SIZE];
	size_t used;
	bool mine, digests;
	u32 plen;

	conn_any(&c);
	ASSUME(c.state == PDU_RX_IDLE && c.phase != NVME_TCP_PHASE_DEAD);
	before = c;
	ev = nvme_tcp_rx_feed(&c, h, sizeof(h), &used);
	digests = before.hdgst && h[0] >= 4;
	plen = h[0] < 10 ? hlen[h[0]] + (digests ? 4 : 0) : 0;
	mine = c.role == NVME_TCP_HOST ? to_host(h[0]) : to_ctrl(h[0]);
	if (!mine) {
		CHECK(ev == NVME_TCP_EV_ERROR && c.err.fes == 1 && c.err.fei == 0,
		      "not of a type that comes this way: Invalid PDU Header Field, 0");
	} else if (!in_time(h[0], before.phase)) {
		CHECK(ev == NVME_TCP_EV_ERROR && c.err.fes == 2 && c.err.fei == 0,
		      "not now: PDU Sequence Error");
	} else if (h[1] == digests && h[2] == hlen[h[0]] && pdu_get32(h + 4) == plen) {
		CHECK(ev == NVME_TCP_EV_MORE, "a legal one, without data, is taken");
	} else {
		CHECK(ev == NVME_TCP_EV_MORE ||
		      (ev == NVME_TCP_EV_ERROR && c.err.fes != 2 &&
		       (c.err.fes != 1 || c.err.fei)), "now, and this way");
	}
}

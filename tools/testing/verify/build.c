// SPDX-License-Identifier: GPL-2.0-only
/* The builders: any values, and what they make is as the specification draws it. */
#include "harness.h"

/*
 * @n bytes were built; @data are to follow. What holds of every PDU: its sizes, its
 * digest, its padding, and nothing written past it.
 */
static void shape(const struct nvme_tcp_conn *c, const u8 *buf, u32 n, u8 type, u8 flags,
		  u8 hlen, u32 data)
{
	u32 at = hlen + (c->hdgst ? 4 : 0), align = (c->tx_pda + 1U) * 4;

	CHECK(buf[0] == type && buf[2] == hlen, "PDU-Type, HLEN");
	CHECK(buf[1] == (flags | c->hdgst | (data && c->ddgst) << 1), "FLAGS");
	CHECK(n >= at && n <= NVME_TCP_BUILD_MAX, "it fits");
	CHECK(pdu_get32(buf + 4) == (u64)n + data + (data && c->ddgst ? 4 : 0),
	      "PLEN is what there will be");
	CHECK(buf[3] == (data ? n : 0), "PDO is where data starts");
	CHECK(data ? n % align == 0 && n - at < align : n == at, "aligned, and not too far");
	CHECK(!c->hdgst || pdu_get32(buf + hlen) == ~the_crc, "HDGST");
}

void prove_build_ic(void)
{
	struct nvme_tcp_params hp, cp;
	struct nvme_tcp_conn h, c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX);
	size_t used;

	hp.hdgst = nondet_bool();
	hp.ddgst = nondet_bool();
	cp.hdgst = nondet_bool();
	cp.ddgst = nondet_bool();
	nvme_tcp_conn_init(&h, NVME_TCP_HOST, &hp);
	nvme_tcp_conn_init(&c, NVME_TCP_CTRL, &cp);
	CHECK(nvme_tcp_build_icreq(&h, buf) == 128, "ICReq");
	CHECK(nvme_tcp_rx_feed(&c, buf, 128, &used) == NVME_TCP_EV_HEADER && used == 128,
	      "the controller takes it");
	CHECK(nvme_tcp_build_icresp(&c, buf) == 128, "ICResp");
	CHECK(nvme_tcp_rx_feed(&h, buf, 128, &used) == NVME_TCP_EV_HEADER && used == 128,
	      "the host takes it");
	CHECK(h.hdgst == c.hdgst && h.ddgst == c.ddgst && h.hdgst == (hp.hdgst && cp.hdgst) &&
	      h.ddgst == (hp.ddgst && cp.ddgst), "digests: what both want");
	CHECK(h.tx_pda == c.rx_pda && c.tx_pda == h.rx_pda, "alignment: what each demands");
	CHECK(h.maxr2t == c.maxr2t && h.maxh2cdata <= c.maxh2cdata, "limits");
	CHECK(h.tx_pdo_cmd == c.rx_pdo_cmd && h.tx_pdo_data == c.rx_pdo_data &&
	      h.rx_pdo_data == c.tx_pdo_data, "where data starts");
	CHECK(conn_ok(&h) && conn_ok(&c), "the invariant holds");
}

void prove_build_cmd(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX), *sqe = bytes_any(64);
	u32 data = nondet_u32(), len = nondet_u32(), n;

	conn_agreed(&c, NVME_TCP_HOST);
	ASSUME(data <= 0xffffffff - NVME_TCP_BUILD_MAX - 4);
	n = nvme_tcp_build_cmd(&c, buf, sqe, data, len);
	shape(&c, buf, n, 4, 0, 72, data);
	CHECK(pdu_get16(buf + 8 + 2) == pdu_get16(sqe + 2) && buf[8] == sqe[0], "the SQE");
	CHECK(!pdu_get64(buf + 8 + 24) && pdu_get32(buf + 8 + 32) == (data ? data : len) &&
	      buf[8 + 39] == (data ? 0x01 : 0x5a), "its SGL");
}

void prove_build_rsp(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX), *cqe = bytes_any(16);
	u32 n;

	conn_agreed(&c, NVME_TCP_CTRL);
	n = nvme_tcp_build_rsp(&c, buf, cqe);
	shape(&c, buf, n, 5, 0, 24, 0);
	CHECK(pdu_get64(buf + 8) == pdu_get64(cqe) && pdu_get64(buf + 16) == pdu_get64(cqe + 8),
	      "the CQE");
}

static void fields(const u8 *buf, u16 cccid, u16 ttag, u32 off, u32 len)
{
	CHECK(pdu_get16(buf + 8) == cccid && pdu_get16(buf + 10) == ttag, "CCCID, TTAG");
	CHECK(pdu_get32(buf + 12) == off && pdu_get32(buf + 16) == len, "offset, length");
	CHECK(!pdu_get32(buf + 20), "reserved");
}

void prove_build_h2c_data(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX);
	u16 cccid = nondet_u16(), ttag = nondet_u16();
	u32 off = nondet_u32(), len = nondet_u32(), n;
	bool last = nondet_bool();

	conn_agreed(&c, NVME_TCP_HOST);
	/* What nvme_tcp_host_next_h2c() may say */
	ASSUME(len <= c.maxh2cdata);
	n = nvme_tcp_build_h2c_data(&c, buf, cccid, ttag, off, len, last);
	shape(&c, buf, n, 6, last ? 4 : 0, 24, len);
	fields(buf, cccid, ttag, off, len);
}

void prove_build_c2h_data(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX);
	u16 cccid = nondet_u16();
	u32 off = nondet_u32(), len = nondet_u32(), n;
	u8 flags = nondet_u8() & 12;

	conn_agreed(&c, NVME_TCP_CTRL);
	ASSUME(len <= 0xffffffff - NVME_TCP_BUILD_MAX - 4);
	n = nvme_tcp_build_c2h_data(&c, buf, cccid, off, len, flags);
	shape(&c, buf, n, 7, flags, 24, len);
	fields(buf, cccid, 0, off, len);
}

void prove_build_r2t(void)
{
	struct nvme_tcp_conn c;
	u8 *buf = bytes_any(NVME_TCP_BUILD_MAX);
	struct nvme_tcp_r2t r;
	u16 cccid = nondet_u16();
	u32 n;

	conn_agreed(&c, NVME_TCP_CTRL);
	n = nvme_tcp_build_r2t(&c, buf, cccid, &r);
	shape(&c, buf, n, 9, 0, 24, 0);
	fields(buf, cccid, r.ttag, r.off, r.len);
}

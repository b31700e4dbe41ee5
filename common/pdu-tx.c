// SPDX-License-Identifier: GPL-2.0-only
/*
 * The send half: values in, bytes out; and the bookkeeping of who may send
 * what next.
 *
 * Nothing here writes to struct nvme_tcp_conn.
 */
#include "pdu.h"

/* --- transfers ----------------------------------------------------------- */

/**
 * nvme_tcp_xfer_start - a command with @len bytes of data begins
 * @x: of any former content
 * @dir: which way the data goes
 * @len: bytes; 0 with NVME_TCP_NODATA
 *
 * Context: any; before the peer can name the command.
 */
void nvme_tcp_xfer_start(struct nvme_tcp_xfer *x, enum nvme_tcp_dir dir, u32 len)
{
	*x = (struct nvme_tcp_xfer) { .dir = dir, .len = len };
}
EXPORT_SYMBOL_GPL(nvme_tcp_xfer_start);

/**
 * nvme_tcp_xfer_moved - data has moved without a verdict or an R2T
 * @x: a controller's C2H data that was built, or H2C data in a capsule
 * @n: bytes
 *
 * In-capsule data needs no R2T, so none for it is accepted or granted.
 *
 * Context: the sender's; for in-capsule data, before any R2T can come.
 */
void nvme_tcp_xfer_moved(struct nvme_tcp_xfer *x, u32 n)
{
	n = min(n, x->len - x->done);
	WRITE_ONCE(x->done, x->done + n);
	if (x->dir == NVME_TCP_H2C)
		x->granted += n;
}
EXPORT_SYMBOL_GPL(nvme_tcp_xfer_moved);

/**
 * nvme_tcp_ctrl_next_r2t - the next R2T of a write
 * @c: connection
 * @x: the write's data
 * @ttag: what the R2T is to be called; not in use by another
 * @max: bytes at most, a multiple of 4; 0: all that is left
 * @r: filled
 *
 * Context: the sender's. Needs no lock against nvme_tcp_ctrl_h2c_data().
 * Return: whether an R2T may be sent now.
 */
bool nvme_tcp_ctrl_next_r2t(const struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			    u16 ttag, u32 max, struct nvme_tcp_r2t *r)
{
	u32 n = x->len - x->granted;

	if (x->dir != NVME_TCP_H2C || !n || nvme_tcp_xfer_r2ts(x) >= c->maxr2t)
		return false;
	if (max)
		n = min(n, max);

	*r = (struct nvme_tcp_r2t) { .ttag = ttag, .off = x->granted, .len = n };
	x->granted += n;
	WRITE_ONCE(x->r2ts_granted, (u8)(x->r2ts_granted + 1));
	return true;
}
EXPORT_SYMBOL_GPL(nvme_tcp_ctrl_next_r2t);

/**
 * nvme_tcp_host_next_h2c - the next H2CData of an R2T
 * @c: connection
 * @x: data of the write
 * @r: the R2T to serve, from nvme_tcp_host_r2t(); moved on
 * @off: DATAO
 * @last: LAST_PDU
 *
 * Context: the sender's. Needs no lock against nvme_tcp_host_r2t().
 * Return: DATAL; 0: the R2T is served.
 */
u32 nvme_tcp_host_next_h2c(const struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			   struct nvme_tcp_r2t *r, u32 *off, bool *last)
{
	u32 n = min(r->len - r->done, c->maxh2cdata);

	*off = r->off + r->done;
	*last = r->done + n == r->len;
	if (!n)
		return 0;

	r->done += n;
	WRITE_ONCE(x->done, x->done + n);
	if (*last)
		WRITE_ONCE(x->r2ts_served, (u8)(x->r2ts_served + 1));
	return n;
}
EXPORT_SYMBOL_GPL(nvme_tcp_host_next_h2c);

/* --- builders ------------------------------------------------------------ */

static void tx_common(u8 *buf, enum nvme_tcp_type type, u8 flags, u8 hlen,
		      u8 pdo, u32 plen)
{
	buf[NVME_TCP_CH_TYPE] = type;
	buf[NVME_TCP_CH_FLAGS] = flags;
	buf[NVME_TCP_CH_HLEN] = hlen;
	buf[NVME_TCP_CH_PDO] = pdo;
	pdu_put32(buf + NVME_TCP_CH_PLEN, plen);
}

/*
 * The common header of a PDU with digests, before its specific header is
 * written. @flags come without the digests' bits. @len: bytes of data.
 */
static void tx_begin(const struct nvme_tcp_conn *c, u8 *buf,
		     enum nvme_tcp_type type, u8 flags, u8 hlen, u8 pdo, u32 len)
{
	u32 plen = hlen;

	if (c->hdgst) {
		flags |= NVME_TCP_F_HDGST;
		plen += NVME_TCP_DGST_SIZE;
	}
	if (len) {
		plen = pdo + len;
		if (c->ddgst) {
			flags |= NVME_TCP_F_DDGST;
			plen += NVME_TCP_DGST_SIZE;
		}
	} else {
		pdo = 0;
	}

	tx_common(buf, type, flags, hlen, pdo, plen);
}

/* The header is complete: digest it and pad it. Returns what was written. */
static __always_inline unsigned int tx_end(const struct nvme_tcp_conn *c, u8 *buf, u8 hlen)
{
	u8 pdo = buf[NVME_TCP_CH_PDO];
	unsigned int at = hlen;

	if (c->hdgst) {
		pdu_put32(buf + at, pdu_hdgst(buf, hlen));
		at += NVME_TCP_DGST_SIZE;
	}
	if (pdo > at) {
		memset(buf + at, 0, pdo - at);
		at = pdo;
	}
	return at;
}

static unsigned int tx_ic(u8 *buf, enum nvme_tcp_type type, u8 pda, bool hdgst,
			  bool ddgst, u32 max)
{
	memset(buf, 0, NVME_TCP_IC_SIZE);
	tx_common(buf, type, 0, NVME_TCP_IC_SIZE, 0, NVME_TCP_IC_SIZE);
	buf[NVME_TCP_IC_PDA] = pda;
	buf[NVME_TCP_IC_DGST] = (hdgst ? NVME_TCP_IC_HDGST : 0) |
				(ddgst ? NVME_TCP_IC_DDGST : 0);
	pdu_put32(buf + NVME_TCP_IC_MAXR2T, max);
	return NVME_TCP_IC_SIZE;
}

/**
 * nvme_tcp_build_icreq - what the host opens with
 * @c: connection, just initialized
 * @buf: NVME_TCP_BUILD_MAX bytes
 *
 * Context: any, like all builders.
 * Return: bytes written.
 */
unsigned int nvme_tcp_build_icreq(const struct nvme_tcp_conn *c, u8 *buf)
{
	return tx_ic(buf, NVME_TCP_ICREQ, c->local.pda, c->local.hdgst,
		     c->local.ddgst, c->local.maxr2t - 1);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_icreq);

/**
 * nvme_tcp_build_icresp - the controller's answer
 * @c: connection, after EV_HEADER of the ICReq
 * @buf: NVME_TCP_BUILD_MAX bytes
 *
 * Return: bytes written.
 */
unsigned int nvme_tcp_build_icresp(const struct nvme_tcp_conn *c, u8 *buf)
{
	return tx_ic(buf, NVME_TCP_ICRESP, c->rx_pda, c->hdgst, c->ddgst,
		     c->maxh2cdata);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_icresp);

/**
 * nvme_tcp_build_cmd - CapsuleCmd
 * @c: connection
 * @buf: NVME_TCP_BUILD_MAX bytes
 * @sqe: 64 bytes, copied; only the SGL in the copy is set here
 * @data_len: bytes of in-capsule data that follow, or 0
 * @sgl_len: without in-capsule data: bytes that move by R2T or C2HData
 *
 * Return: bytes written, up to PDO when there is in-capsule data.
 */
unsigned int nvme_tcp_build_cmd(const struct nvme_tcp_conn *c, u8 *buf,
				const void *sqe, u32 data_len, u32 sgl_len)
{
	u8 *sgl = buf + NVME_TCP_CMD_SQE + NVME_TCP_SQE_SGL_ADDR;
	u8 type = data_len ? NVME_TCP_SGL_INCAPSULE : NVME_TCP_SGL_TRANSPORT;

	tx_begin(c, buf, NVME_TCP_CMD, 0, NVME_TCP_CMD_SIZE, c->tx_pdo_cmd, data_len);
	memcpy(buf + NVME_TCP_CMD_SQE, sqe, NVME_TCP_SQE_SIZE);
	/* Address (an offset of 0), length, three reserved bytes, type */
	memset(sgl, 0, 16);
	if (data_len)
		sgl_len = data_len;
	pdu_put32(sgl + 8, sgl_len);
	sgl[15] = type;
	return tx_end(c, buf, NVME_TCP_CMD_SIZE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_cmd);

/**
 * nvme_tcp_build_rsp - CapsuleResp
 * @c: connection
 * @buf: NVME_TCP_BUILD_MAX bytes
 * @cqe: 16 bytes, copied
 *
 * Return: bytes written, the whole PDU.
 */
unsigned int nvme_tcp_build_rsp(const struct nvme_tcp_conn *c, u8 *buf,
				const void *cqe)
{
	tx_begin(c, buf, NVME_TCP_RSP, 0, NVME_TCP_RSP_SIZE, 0, 0);
	memcpy(buf + NVME_TCP_RSP_CQE, cqe, NVME_TCP_CQE_SIZE);
	return tx_end(c, buf, NVME_TCP_RSP_SIZE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_rsp);

/* The four fields that H2CData, C2HData and R2T have in common */
static void tx_data_fields(u8 *buf, u16 cccid, u16 ttag, u32 off, u32 len)
{
	pdu_put16(buf + NVME_TCP_DATA_CCCID, cccid);
	pdu_put16(buf + NVME_TCP_DATA_TTAG, ttag);
	pdu_put32(buf + NVME_TCP_DATA_DATAO, off);
	pdu_put32(buf + NVME_TCP_DATA_DATAL, len);
	pdu_put32(buf + NVME_TCP_DATA_DATAL + 4, 0);
}

/**
 * nvme_tcp_build_h2c_data - H2CData
 * @c: connection
 * @buf: NVME_TCP_BUILD_MAX bytes
 * @cccid: CID of the command
 * @ttag: of the R2T that it answers
 * @off: DATAO, from nvme_tcp_host_next_h2c()
 * @len: DATAL, likewise
 * @last: LAST_PDU, likewise
 *
 * Return: bytes written, up to PDO.
 */
unsigned int nvme_tcp_build_h2c_data(const struct nvme_tcp_conn *c, u8 *buf,
				     u16 cccid, u16 ttag, u32 off, u32 len, bool last)
{
	tx_begin(c, buf, NVME_TCP_H2C_DATA, last ? NVME_TCP_F_LAST : 0,
		 NVME_TCP_DATA_SIZE, c->tx_pdo_data, len);
	tx_data_fields(buf, cccid, ttag, off, len);
	return tx_end(c, buf, NVME_TCP_DATA_SIZE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_h2c_data);

/**
 * nvme_tcp_build_c2h_data - C2HData
 * @c: connection
 * @buf: NVME_TCP_BUILD_MAX bytes
 * @cccid: CID of the command
 * @off: DATAO
 * @len: DATAL; PLEN has to fit into 32 bits
 * @flags: NVME_TCP_F_LAST, and with it NVME_TCP_F_SUCCESS
 *
 * Return: bytes written, up to PDO.
 */
unsigned int nvme_tcp_build_c2h_data(const struct nvme_tcp_conn *c, u8 *buf,
				     u16 cccid, u32 off, u32 len, u8 flags)
{
	tx_begin(c, buf, NVME_TCP_C2H_DATA,
		 flags & (NVME_TCP_F_LAST | NVME_TCP_F_SUCCESS),
		 NVME_TCP_DATA_SIZE, c->tx_pdo_data, len);
	tx_data_fields(buf, cccid, 0, off, len);
	return tx_end(c, buf, NVME_TCP_DATA_SIZE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_c2h_data);

/**
 * nvme_tcp_build_r2t - R2T
 * @c: connection
 * @buf: NVME_TCP_BUILD_MAX bytes
 * @cccid: CID of the command
 * @r: from nvme_tcp_ctrl_next_r2t()
 *
 * Return: bytes written, the whole PDU.
 */
unsigned int nvme_tcp_build_r2t(const struct nvme_tcp_conn *c, u8 *buf, u16 cccid,
				const struct nvme_tcp_r2t *r)
{
	tx_begin(c, buf, NVME_TCP_R2T, 0, NVME_TCP_R2T_SIZE, 0, 0);
	tx_data_fields(buf, cccid, r->ttag, r->off, r->len);
	return tx_end(c, buf, NVME_TCP_R2T_SIZE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_r2t);

/**
 * nvme_tcp_build_term - the TermReq that c->err calls for
 * @c: connection, after EV_ERROR or a failed verdict; the receiver is at rest
 * @buf: NVME_TCP_BUILD_MAX bytes
 *
 * The header in error, as much of it as has come, goes along (3.6.2.4).
 *
 * Return: bytes written, the whole PDU; 0: none is to be sent, since what has
 * come was a TermReq itself.
 */
unsigned int nvme_tcp_build_term(const struct nvme_tcp_conn *c, u8 *buf)
{
	u32 n = min_t(u32, c->hdr_have, NVME_TCP_TERM_DATA_MAX);

	if (!c->err.fes)
		return 0;
	/* Without its digest: that is no part of the header. HLEN is judged by then. */
	if (n > NVME_TCP_CH_SIZE)
		n = min_t(u32, n, c->hdr[NVME_TCP_CH_HLEN]);

	memset(buf, 0, NVME_TCP_TERM_SIZE);
	tx_common(buf, c->role == NVME_TCP_HOST ? NVME_TCP_H2C_TERM : NVME_TCP_C2H_TERM,
		  0, NVME_TCP_TERM_SIZE, 0, NVME_TCP_TERM_SIZE + n);
	pdu_put16(buf + NVME_TCP_TERM_FES, c->err.fes);
	pdu_put32(buf + NVME_TCP_TERM_FEI, c->err.fei);
	memcpy(buf + NVME_TCP_TERM_SIZE, c->hdr, n);
	return NVME_TCP_TERM_SIZE + n;
}
EXPORT_SYMBOL_GPL(nvme_tcp_build_term);

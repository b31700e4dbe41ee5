// SPDX-License-Identifier: GPL-2.0-only
/* The invariant, and what stands in for the rest of the world. */
#include "harness.h"

#define sizeof_field(t, f)	sizeof(((t *)NULL)->f)

u32 the_crc;

u32 crc32c(u32 crc, const void *p, size_t n)
{
	(void)crc;
	CHECK(__CPROVER_r_ok(p, n), "crc32c: the bytes are there");
	return the_crc;
}

/*
 * The receive half copies to c->hdr only. Where its content does not matter to
 * the proof, any content will do, and makes it a hundred times quicker. Elsewhere
 * (what a TermReq quotes) it is not looked at again.
 */
u8 *the_hdr;

struct hdr_bytes {
	u8 b[sizeof_field(struct nvme_tcp_conn, hdr)];
};

void *loose_memcpy(void *to, const void *from, size_t n)
{
	struct hdr_bytes any;
	size_t at;

	CHECK(__CPROVER_r_ok(from, n), "memcpy: the bytes are there");
	if (!__CPROVER_same_object(to, the_hdr)) {
		CHECK(__CPROVER_w_ok(to, n), "memcpy: there is room");
		return to;
	}
	at = (size_t)((u8 *)to - the_hdr);
	CHECK((u8 *)to >= the_hdr && at <= sizeof(any) && n <= sizeof(any) - at,
	      "memcpy: inside of c->hdr");
	if (n)
		*(struct hdr_bytes *)the_hdr = any;
	return to;
}

u8 *bytes_any(size_t n)
{
	u8 *p = malloc(n);

	ASSUME(p);
	return p;
}

/*
 * Where data starts, by alignment: HLEN, with HDGST or without, rounded up. In
 * figures, for divisions are hard to prove with; prove_build_ic() proves them.
 */
enum { UP_24, UP_28, UP_72, UP_76 };
static const u8 up[4][32] = {
	[UP_24] = {
		24, 24, 24, 32, 40, 24, 28, 32, 36, 40, 44,
		48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88,
		92, 96, 100, 104, 108, 112, 116, 120, 124, 128,
	},
	[UP_28] = {
		28, 32, 36, 32, 40, 48, 28, 32, 36, 40, 44,
		48, 52, 56, 60, 64, 68, 72, 76, 80, 84, 88,
		92, 96, 100, 104, 108, 112, 116, 120, 124, 128,
	},
	[UP_72] = {
		72, 72, 72, 80, 80, 72, 84, 96, 72, 80, 88,
		96, 104, 112, 120, 128, 136, 72, 76, 80, 84, 88,
		92, 96, 100, 104, 108, 112, 116, 120, 124, 128,
	},
	[UP_76] = {
		76, 80, 84, 80, 80, 96, 84, 96, 108, 80, 88,
		96, 104, 112, 120, 128, 136, 144, 76, 80, 84, 88,
		92, 96, 100, 104, 108, 112, 116, 120, 124, 128,
	},
};

static bool agreed_ok(const struct nvme_tcp_conn *c)
{
	return c->tx_pdo_cmd == up[UP_72 + c->hdgst][c->tx_pda] &&
	       c->tx_pdo_data == up[UP_24 + c->hdgst][c->tx_pda] &&
	       c->rx_pdo_cmd == up[UP_72 + c->hdgst][c->rx_pda] &&
	       c->rx_pdo_data == up[UP_24 + c->hdgst][c->rx_pda];
}

/* The common header has been judged: what is known of the rest */
static bool header_ok(const struct nvme_tcp_conn *c)
{
	const struct nvme_tcp_pdu *p = &c->pdu;
	bool data = p->type == NVME_TCP_CMD || p->type == NVME_TCP_H2C_DATA ||
		    p->type == NVME_TCP_C2H_DATA;
	u32 want;

	if (p->type >= NVME_TCP_TYPES || !pdu_rules[p->type].hlen)
		return false;
	if (pdu_phases[c->role][p->type][NVME_TCP_PHASE_LIVE] == PDU_TYPE)
		return false;
	want = pdu_rules[p->type].hlen + (c->hdgst && pdu_rules[p->type].digests ? 4 : 0);
	if (pdu_is_term(p->type) ? c->hdr_want < want || c->hdr_want > NVME_TCP_TERM_MAX :
				   c->hdr_want != want)
		return false;
	if (c->want_ddgst ? !(c->ddgst && data) : !c->ddgst_ok)
		return false;
	if (p->type == NVME_TCP_CMD && p->data_len > NVME_TCP_ADMIN_INCAPSULE &&
	    p->data_len > c->local.incapsule)
		return false;
	if (p->type == NVME_TCP_H2C_DATA && p->data_len > c->maxh2cdata)
		return false;
	if (p->flags & NVME_TCP_F_SUCCESS && !(p->flags & NVME_TCP_F_LAST))
		return false;
	/* PLEN has 32 bits, and is more than the data */
	if (p->data_len > 0xffffffff - 24)
		return false;
	return data || !p->data_len;
}

bool conn_ok(const struct nvme_tcp_conn *c)
{
	const struct nvme_tcp_params *l = &c->local;

	if (c->role > NVME_TCP_CTRL || c->phase >= NVME_TCP_PHASES)
		return false;
	if (c->hdr_have > NVME_TCP_TERM_MAX)
		return false;
	if (c->state > PDU_RX_DEAD || (c->state == PDU_RX_DEAD && c->phase != NVME_TCP_PHASE_DEAD))
		return false;
	if (l->pda > NVME_TCP_PDA_MAX || c->rx_pda != l->pda || c->tx_pda > NVME_TCP_PDA_MAX)
		return false;
	if (!l->maxr2t || l->maxr2t > NVME_TCP_MAXR2T_MAX || !c->maxr2t ||
	    c->maxr2t > NVME_TCP_MAXR2T_MAX)
		return false;
	if (l->maxh2cdata < NVME_TCP_MAXH2CDATA_MIN || l->maxh2cdata % 4 ||
	    c->maxh2cdata < NVME_TCP_MAXH2CDATA_MIN || c->maxh2cdata % 4)
		return false;
	if (c->phase == NVME_TCP_PHASE_IC && (c->hdgst || c->ddgst))
		return false;
	if ((c->phase == NVME_TCP_PHASE_CONNECT || c->phase == NVME_TCP_PHASE_LIVE) &&
	    !(agreed_ok(c) && (c->role == NVME_TCP_CTRL ||
			       c->maxh2cdata <= NVME_TCP_MAXH2CDATA_MAX)))
		return false;

	/* Nothing comes behind a TermReq; ICReq and ICResp are the first, once */
	if (c->phase != NVME_TCP_PHASE_DEAD && c->state != PDU_RX_HDR && pdu_is_term(c->pdu.type))
		return false;
	if (c->state == PDU_RX_HDR && c->hdr_have >= NVME_TCP_CH_SIZE &&
	    c->phase != NVME_TCP_PHASE_DEAD && c->phase != NVME_TCP_PHASE_IC &&
	    c->pdu.type <= NVME_TCP_ICRESP)
		return false;

	switch (c->state) {
	case PDU_RX_IDLE:
		return !c->data_left && !c->pad_left;
	case PDU_RX_HDR:
		if (c->hdr_have < NVME_TCP_CH_SIZE)
			return !c->data_left && !c->pad_left &&
			       (c->phase == NVME_TCP_PHASE_DEAD || !pdu_is_term(c->pdu.type));
		return c->hdr_have < c->hdr_want && c->pad_left <= 255 &&
		       c->data_left == c->pdu.data_len && header_ok(c);
	case PDU_RX_PAD:
		return c->pad_left && c->pad_left <= 255 && c->data_left == c->pdu.data_len &&
		       header_ok(c);
	case PDU_RX_DATA:
		return !c->pad_left && c->data_left && c->data_left <= c->pdu.data_len &&
		       header_ok(c);
	case PDU_RX_DDGST:
		return c->pad_left && c->pad_left <= NVME_TCP_DGST_SIZE && !c->data_left &&
		       c->want_ddgst && header_ok(c);
	case PDU_RX_DONE:
		return !c->pad_left && !c->data_left && header_ok(c);
	}
	return true;
}

void conn_any(struct nvme_tcp_conn *c)
{
	struct nvme_tcp_conn any;

	*c = any;
	the_hdr = c->hdr;
	c->hdgst = nondet_bool();
	c->ddgst = nondet_bool();
	c->ddgst_ok = nondet_bool();
	c->want_ddgst = nondet_bool();
	c->local.hdgst = nondet_bool();
	c->local.ddgst = nondet_bool();
	c->err.what = "";
	ASSUME(conn_ok(c));
	the_crc = nondet_u32();
}

void conn_agreed(struct nvme_tcp_conn *c, enum nvme_tcp_role role)
{
	conn_any(c);
	ASSUME(c->role == role && c->state == PDU_RX_IDLE);
	ASSUME(c->phase == NVME_TCP_PHASE_CONNECT || c->phase == NVME_TCP_PHASE_LIVE);
}

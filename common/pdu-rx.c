// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receive half: from bytes to events, and the verdicts on what they say.
 *
 * A header is judged in two steps. The common header is judged as soon as its
 * eight bytes are there, so that a hostile HLEN or PLEN is refused before it
 * can size anything. The rest is judged when the whole header, and its digest,
 * have come. Nothing reads a length before that.
 */
#include "pdu.h"

/* --- errors -------------------------------------------------------------- */

/**
 * nvme_tcp_rx_refuse - the consumer finds that the PDU at hand is fatal
 * @c: connection
 * @fes: enum nvme_tcp_fes, or 0 when no TermReq is to be sent
 * @fei: offset of the offending field, or the received digest. Reserved, and
 *	cleared here, where the specification gives it no meaning.
 * @what: names the field, for the log; a static string
 *
 * Context: the receiver's.
 * Return: -EPROTO.
 */
int nvme_tcp_rx_refuse(struct nvme_tcp_conn *c, u16 fes, u32 fei,
		       const char *what)
{
	c->err.fes = fes;
	c->err.fei = fes == NVME_TCP_FES_HDR || fes == NVME_TCP_FES_HDGST ||
		     fes == NVME_TCP_FES_PARAM ? fei : 0;
	c->err.what = what;
	c->state = PDU_RX_DEAD;
	WRITE_ONCE(c->phase, NVME_TCP_PHASE_DEAD);
	return -EPROTO;
}
EXPORT_SYMBOL_GPL(nvme_tcp_rx_refuse);

static bool rx_bad(struct nvme_tcp_conn *c, u16 fes, u32 fei, const char *what)
{
	nvme_tcp_rx_refuse(c, fes, fei, what);
	return false;
}

/* --- the connection ------------------------------------------------------ */

/**
 * nvme_tcp_conn_init - start a connection whose TCP is up
 * @c: connection, of any former content
 * @role: this end's
 * @p: what this end asks for. Copied, and brought into the specification's
 *	ranges where it is outside of them.
 *
 * Context: any; nobody else uses @c yet.
 */
void nvme_tcp_conn_init(struct nvme_tcp_conn *c, enum nvme_tcp_role role,
			const struct nvme_tcp_params *p)
{
	struct nvme_tcp_params *l = &c->local;

	memset(c, 0, sizeof(*c));
	*l = *p;
	l->pda = min_t(u8, l->pda, NVME_TCP_PDA_MAX);
	l->maxr2t = clamp_t(u32, l->maxr2t, 1, NVME_TCP_MAXR2T_MAX);
	l->maxh2cdata = max_t(u32, l->maxh2cdata & ~3U, NVME_TCP_MAXH2CDATA_MIN);

	c->role = role;
	c->phase = NVME_TCP_PHASE_IC;
	c->state = PDU_RX_IDLE;
	c->rx_pda = l->pda;
	c->maxr2t = l->maxr2t;
	c->maxh2cdata = l->maxh2cdata;
}
EXPORT_SYMBOL_GPL(nvme_tcp_conn_init);

/**
 * nvme_tcp_conn_live - Fabrics Connect has succeeded
 * @c: connection, in NVME_TCP_PHASE_CONNECT; left alone in any other
 *
 * A controller calls it before it sends the CapsuleResp of the Connect, a host
 * before it sends the next command: the peer may use what this allows as soon
 * as it has seen that PDU.
 *
 * Context: any, once, not at the same time as nvme_tcp_conn_dead(). An error
 * that the receiver meets meanwhile is not lost.
 */
void nvme_tcp_conn_live(struct nvme_tcp_conn *c)
{
	if (READ_ONCE(c->phase) == NVME_TCP_PHASE_CONNECT)
		WRITE_ONCE(c->phase, NVME_TCP_PHASE_LIVE);
}
EXPORT_SYMBOL_GPL(nvme_tcp_conn_live);

/**
 * nvme_tcp_conn_dead - accept nothing more
 * @c: connection
 *
 * Context: any. The receiver finds out when it next feeds.
 */
void nvme_tcp_conn_dead(struct nvme_tcp_conn *c)
{
	WRITE_ONCE(c->phase, NVME_TCP_PHASE_DEAD);
}
EXPORT_SYMBOL_GPL(nvme_tcp_conn_dead);

/* --- step one: the common header ----------------------------------------- */

/* In-capsule bytes that a CapsuleCmd may have at all, its opcode unknown yet */
static u32 rx_capsule_limit(const struct nvme_tcp_conn *c, u8 phase)
{
	if (phase == NVME_TCP_PHASE_LIVE)
		return max_t(u32, c->local.incapsule, NVME_TCP_ADMIN_INCAPSULE);
	return NVME_TCP_ADMIN_INCAPSULE;
}

/*
 * PDO, and what PLEN leaves for data. @base: end of the header with HDGST. A
 * PDU that ends there has no data; its PDO is reserved, and so not looked at,
 * and whether it sets DDGSTF makes no difference.
 */
static bool rx_judge_data(struct nvme_tcp_conn *c, const u8 *h, u8 phase,
			  u32 base, u32 plen)
{
	bool cmd = h[NVME_TCP_CH_TYPE] == NVME_TCP_CMD;
	u32 pdo = h[NVME_TCP_CH_PDO];
	u32 n;

	/* The usual PDO is known beforehand; another may do as well. */
	if (pdo != (cmd ? c->rx_pdo_cmd : c->rx_pdo_data) &&
	    (pdo < base || pdo % ((c->rx_pda + 1U) * 4)))
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PDO, "PDO");
	if (pdo > plen)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PDO, "PDO past PLEN");

	n = plen - pdo;
	if (n) {
		if (!(h[NVME_TCP_CH_FLAGS] & NVME_TCP_F_DDGST) != !c->ddgst)
			return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_FLAGS, "DDGSTF");
		if (c->ddgst) {
			if (n < NVME_TCP_DGST_SIZE)
				return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PLEN,
					      "PLEN without room for DDGST");
			n -= NVME_TCP_DGST_SIZE;
			c->want_ddgst = true;
		}
	}

	if (cmd) {
		if (n > rx_capsule_limit(c, phase))
			return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PLEN,
				      "in-capsule data past the limit");
	} else if (c->role == NVME_TCP_CTRL && n > c->maxh2cdata) {
		return rx_bad(c, NVME_TCP_FES_LIMIT, 0, "MAXH2CDATA");
	}

	c->pdu.data_len = n;
	c->data_left = n;
	c->pad_left = pdo - base;
	return true;
}

/* @h: NVME_TCP_CH_SIZE bytes */
static bool rx_judge_common(struct nvme_tcp_conn *c, const u8 *h)
{
	u8 phase = READ_ONCE(c->phase);
	u8 type = h[NVME_TCP_CH_TYPE];
	u8 flags = h[NVME_TCP_CH_FLAGS];
	u32 plen = pdu_get32(h + NVME_TCP_CH_PLEN);
	const struct pdu_rule *rule;
	u8 cell, must, may;
	u32 base;

	cell = type < NVME_TCP_TYPES ? pdu_phases[c->role][type][phase] : PDU_TYPE;
	if (cell == PDU_TYPE)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_TYPE, "PDU-Type");
	if (cell == PDU_SEQ)
		return rx_bad(c, NVME_TCP_FES_SEQ, 0, "PDU out of sequence");

	rule = &pdu_rules[type];
	c->pdu = (struct nvme_tcp_pdu) { .type = type, .flags = flags };
	/* data_left and pad_left are 0: the PDU before has used them up */
	c->want_ddgst = false;
	c->ddgst_ok = true;
	c->crc = nvme_tcp_crc_init();

	/* HDGSTF says what was agreed; DDGSTF is optional where no data is */
	must = rule->digests && c->hdgst ? NVME_TCP_F_HDGST : 0;
	may = rule->flags;
	if (rule->body == PDU_BODY_DATA && c->ddgst)
		may |= NVME_TCP_F_DDGST;
	if ((flags ^ must) & ~may)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_FLAGS, "FLAGS");
	if ((flags & (NVME_TCP_F_SUCCESS | NVME_TCP_F_LAST)) == NVME_TCP_F_SUCCESS)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_FLAGS,
			      "SUCCESS without LAST_PDU");

	if (h[NVME_TCP_CH_HLEN] != rule->hlen)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_HLEN, "HLEN");

	base = rule->hlen + (must ? NVME_TCP_DGST_SIZE : 0);
	c->hdr_want = base;
	if (plen == base)
		return true;
	if (plen < base || rule->body == PDU_BODY_NONE)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PLEN, "PLEN");
	if (rule->body == PDU_BODY_DATA)
		return rx_judge_data(c, h, phase, base, plen);

	/* A TermReq: the header that it quotes is read as part of its own */
	if (plen > NVME_TCP_TERM_MAX)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PLEN, "PLEN");
	c->hdr_want = plen;
	return true;
}

/* --- step two: the PDU specific header ----------------------------------- */

/* Digests and alignments are known: where does data start? */
static void rx_agreed(struct nvme_tcp_conn *c)
{
	u32 hd = c->hdgst ? NVME_TCP_DGST_SIZE : 0;
	u32 tx = (c->tx_pda + 1U) * 4;
	u32 rx = (c->rx_pda + 1U) * 4;

	c->tx_pdo_cmd = DIV_ROUND_UP(NVME_TCP_CMD_SIZE + hd, tx) * tx;
	c->tx_pdo_data = DIV_ROUND_UP(NVME_TCP_DATA_SIZE + hd, tx) * tx;
	c->rx_pdo_cmd = DIV_ROUND_UP(NVME_TCP_CMD_SIZE + hd, rx) * rx;
	c->rx_pdo_data = DIV_ROUND_UP(NVME_TCP_DATA_SIZE + hd, rx) * rx;
}

/* 3.6.2.2, the controller's end. Digests: what was asked for, if we will. */
static bool rx_icreq(struct nvme_tcp_conn *c)
{
	const u8 *h = c->hdr;
	u32 maxr2t = pdu_get32(h + NVME_TCP_IC_MAXR2T);
	u8 dgst = h[NVME_TCP_IC_DGST];

	if (pdu_get16(h + NVME_TCP_IC_PFV))
		return rx_bad(c, NVME_TCP_FES_PARAM, NVME_TCP_IC_PFV, "PFV");
	if (h[NVME_TCP_IC_PDA] > NVME_TCP_PDA_MAX)
		return rx_bad(c, NVME_TCP_FES_PARAM, NVME_TCP_IC_PDA, "HPDA");

	c->tx_pda = h[NVME_TCP_IC_PDA];
	c->hdgst = (dgst & NVME_TCP_IC_HDGST) && c->local.hdgst;
	c->ddgst = (dgst & NVME_TCP_IC_DDGST) && c->local.ddgst;
	/* A count less one, which may well be 2^32 */
	c->maxr2t = min_t(u32, maxr2t, NVME_TCP_MAXR2T_MAX - 1) + 1;
	rx_agreed(c);
	WRITE_ONCE(c->phase, NVME_TCP_PHASE_CONNECT);
	return true;
}

/*
 * 3.6.2.3, the host's end. Enabling what was not asked for, bits unknown here
 * included, leaves the two ends with different ideas of every later PDU.
 */
static bool rx_icresp(struct nvme_tcp_conn *c)
{
	const u8 *h = c->hdr;
	u32 max = pdu_get32(h + NVME_TCP_IC_MAXH2CDATA);
	u8 dgst = h[NVME_TCP_IC_DGST];
	u8 asked = (c->local.hdgst ? NVME_TCP_IC_HDGST : 0) |
		   (c->local.ddgst ? NVME_TCP_IC_DDGST : 0);

	if (pdu_get16(h + NVME_TCP_IC_PFV))
		return rx_bad(c, NVME_TCP_FES_PARAM, NVME_TCP_IC_PFV, "PFV");
	if (h[NVME_TCP_IC_PDA] > NVME_TCP_PDA_MAX)
		return rx_bad(c, NVME_TCP_FES_PARAM, NVME_TCP_IC_PDA, "CPDA");
	if (dgst & ~asked)
		return rx_bad(c, NVME_TCP_FES_PARAM, NVME_TCP_IC_DGST, "DGST");
	if (max < NVME_TCP_MAXH2CDATA_MIN || max % 4)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_IC_MAXH2CDATA,
			      "MAXH2CDATA");

	c->tx_pda = h[NVME_TCP_IC_PDA];
	c->hdgst = dgst & NVME_TCP_IC_HDGST;
	c->ddgst = dgst & NVME_TCP_IC_DDGST;
	c->maxh2cdata = min_t(u32, max, NVME_TCP_MAXH2CDATA_MAX);
	rx_agreed(c);
	WRITE_ONCE(c->phase, NVME_TCP_PHASE_CONNECT);
	return true;
}

/*
 * Where does the command say that its data is? PLEN has framed the PDU, so a
 * descriptor that disagrees is the command's error and not the connection's.
 * Only a command that moves no data may leave the descriptor unset.
 */
static u8 rx_capsule(const u8 *sqe, u32 sgl_len, u32 data_len)
{
	if (!sgl_len && !data_len)
		return NVME_TCP_CAPSULE_TRANSPORT;

	switch (sqe[NVME_TCP_SQE_SGL_TYPE]) {
	case NVME_TCP_SGL_TRANSPORT:
		return data_len ? NVME_TCP_CAPSULE_BAD_LENGTH :
				  NVME_TCP_CAPSULE_TRANSPORT;
	case NVME_TCP_SGL_INCAPSULE:
		/* ICDOFF is 0 */
		if (pdu_get64(sqe + NVME_TCP_SQE_SGL_ADDR))
			return NVME_TCP_CAPSULE_BAD_OFFSET;
		return sgl_len != data_len ? NVME_TCP_CAPSULE_BAD_LENGTH :
					     NVME_TCP_CAPSULE_INLINE;
	}
	return NVME_TCP_CAPSULE_BAD_TYPE;
}

static bool rx_cmd(struct nvme_tcp_conn *c)
{
	const u8 *sqe = c->hdr + NVME_TCP_CMD_SQE;
	struct nvme_tcp_pdu *p = &c->pdu;

	/* Fabrics commands have the admin queue's limit on every queue */
	if (p->data_len > c->local.incapsule &&
	    sqe[NVME_TCP_SQE_OPCODE] != PDU_OPC_FABRICS &&
	    c->phase == NVME_TCP_PHASE_LIVE)
		return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_CH_PLEN,
			      "in-capsule data past the limit");

	p->cccid = pdu_get16(sqe + NVME_TCP_SQE_CID);
	p->len = pdu_get32(sqe + NVME_TCP_SQE_SGL_LEN);
	p->capsule = rx_capsule(sqe, p->len, p->data_len);
	return true;
}

/* H2CData, C2HData and R2T have the same four fields at the same offsets */
static void rx_data_fields(struct nvme_tcp_conn *c)
{
	c->pdu.cccid = pdu_get16(c->hdr + NVME_TCP_DATA_CCCID);
	c->pdu.ttag = pdu_get16(c->hdr + NVME_TCP_DATA_TTAG);
	c->pdu.off = pdu_get32(c->hdr + NVME_TCP_DATA_DATAO);
	c->pdu.len = pdu_get32(c->hdr + NVME_TCP_DATA_DATAL);
}

static bool rx_judge_specific(struct nvme_tcp_conn *c)
{
	const struct pdu_rule *rule = &pdu_rules[c->pdu.type];
	const u8 *h = c->hdr;

	if (c->hdgst && rule->digests) {
		u32 got = pdu_get32(h + rule->hlen);

		if (got != pdu_hdgst(h, rule->hlen))
			return rx_bad(c, NVME_TCP_FES_HDGST, got, "HDGST");
	}

	switch (c->pdu.type) {
	case NVME_TCP_CMD:
		return rx_cmd(c);
	case NVME_TCP_RSP:
		c->pdu.cccid = pdu_get16(h + PDU_RSP_CID);
		return true;
	case NVME_TCP_H2C_DATA:
	case NVME_TCP_C2H_DATA:
		rx_data_fields(c);
		if (c->pdu.len != c->pdu.data_len)
			return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_DATAL,
				      "DATAL other than PLEN says");
		return true;
	case NVME_TCP_R2T:
		rx_data_fields(c);
		if (!c->pdu.len)
			return rx_bad(c, NVME_TCP_FES_HDR, NVME_TCP_R2T_R2TL, "R2TL");
		return true;
	case NVME_TCP_ICREQ:
		return rx_icreq(c);
	case NVME_TCP_ICRESP:
		return rx_icresp(c);
	default:
		c->pdu.fes = pdu_get16(h + NVME_TCP_TERM_FES);
		c->pdu.fei = pdu_get32(h + NVME_TCP_TERM_FEI);
		/* Nothing is in error here, and nothing is to be answered. */
		nvme_tcp_rx_refuse(c, 0, 0, "the peer sent a TermReq");
		return true;
	}
}

/* --- the byte stream ----------------------------------------------------- */

static enum nvme_tcp_ev rx_error(struct nvme_tcp_conn *c)
{
	/* Even a broken TermReq is not answered with another */
	if (pdu_is_term(c->pdu.type))
		c->err.fes = 0;
	return NVME_TCP_EV_ERROR;
}

/* Past the padding, or past a piece of the data: what is next? */
static void rx_payload(struct nvme_tcp_conn *c)
{
	if (c->data_left) {
		c->state = PDU_RX_DATA;
	} else if (c->want_ddgst) {
		c->state = PDU_RX_DDGST;
		c->pad_left = NVME_TCP_DGST_SIZE;
	} else {
		c->state = PDU_RX_DONE;
	}
}

static enum nvme_tcp_ev rx_header_done(struct nvme_tcp_conn *c)
{
	if (c->pad_left)
		c->state = PDU_RX_PAD;
	else
		rx_payload(c);
	return rx_judge_specific(c) ? NVME_TCP_EV_HEADER : rx_error(c);
}

/* A header of a known size: most are one of four, and those copies are inline */
static inline void rx_copy_header(u8 *to, const u8 *from, u32 n)
{
	if (n == NVME_TCP_DATA_SIZE)
		memcpy(to, from, NVME_TCP_DATA_SIZE);
	else if (n == NVME_TCP_CMD_SIZE)
		memcpy(to, from, NVME_TCP_CMD_SIZE);
	else if (n == NVME_TCP_DATA_SIZE + NVME_TCP_DGST_SIZE)
		memcpy(to, from, NVME_TCP_DATA_SIZE + NVME_TCP_DGST_SIZE);
	else if (n == NVME_TCP_CMD_SIZE + NVME_TCP_DGST_SIZE)
		memcpy(to, from, NVME_TCP_CMD_SIZE + NVME_TCP_DGST_SIZE);
	else
		memcpy(to, from, n);
}

/* Append to c->hdr what is there, up to @want bytes in all */
static size_t rx_gather(struct nvme_tcp_conn *c, const u8 *buf, size_t len,
			u32 want)
{
	size_t n = min_t(size_t, len, want - c->hdr_have);

	memcpy(c->hdr + c->hdr_have, buf, n);
	c->hdr_have += n;
	return n;
}

/* PDU_RX_IDLE, PDU_RX_HDR; @len is not 0 */
static enum nvme_tcp_ev rx_header(struct nvme_tcp_conn *c, const u8 *buf,
				  size_t len, size_t *used)
{
	const u8 *h = c->hdr;
	size_t at = 0;

	if (c->state == PDU_RX_IDLE) {
		c->hdr_have = 0;
		c->state = PDU_RX_HDR;
	}

	if (c->hdr_have < NVME_TCP_CH_SIZE) {
		/* All of it is here, as a rule: judge in place, copy once */
		if (likely(!c->hdr_have && len >= NVME_TCP_CH_SIZE)) {
			h = buf;
		} else {
			at = rx_gather(c, buf, len, NVME_TCP_CH_SIZE);
			*used = at;
			if (c->hdr_have < NVME_TCP_CH_SIZE)
				return NVME_TCP_EV_MORE;
		}
		if (unlikely(!rx_judge_common(c, h))) {
			*used = at + rx_gather(c, buf, len, NVME_TCP_CH_SIZE);
			return rx_error(c);
		}
	}

	if (likely(h == buf && len >= c->hdr_want)) {
		at = c->hdr_want;
		rx_copy_header(c->hdr, buf, at);
		c->hdr_have = at;
	} else {
		at += rx_gather(c, buf + at, len - at, c->hdr_want);
	}
	*used = at;
	if (unlikely(c->hdr_have < c->hdr_want))
		return NVME_TCP_EV_MORE;
	return rx_header_done(c);
}

/**
 * nvme_tcp_rx_judge - judge the next bytes of the stream, for nvme_tcp_rx_feed()
 * @c: connection
 * @buf: the bytes that follow those used so far
 * @len: how many there are; 0 is fine
 *
 * How many of them were eaten is left in c->used. See the events in
 * nvme-tcp-pdu.h. Every call either eats a byte or changes state, so a caller
 * that feeds until MORE comes to an end.
 *
 * Context: the receiver's; any. Does not sleep and takes no lock.
 * Return: enum nvme_tcp_ev.
 */
enum nvme_tcp_ev nvme_tcp_rx_judge(struct nvme_tcp_conn *c, const u8 *buf,
				   size_t len)
{
	size_t *used = &c->used;
	size_t at;

	*used = 0;
	if (unlikely(READ_ONCE(c->phase) == NVME_TCP_PHASE_DEAD)) {
		if (!c->err.what)
			c->err.what = "the connection is going down";
		return NVME_TCP_EV_ERROR;
	}

	if (c->state <= PDU_RX_HDR)
		return len ? rx_header(c, buf, len, used) : NVME_TCP_EV_MORE;

	if (c->state == PDU_RX_PAD) {
		/* Padding is reserved: its value is not looked at */
		at = min_t(size_t, len, c->pad_left);
		c->pad_left -= at;
		*used = at;
		if (c->pad_left)
			return NVME_TCP_EV_MORE;
		rx_payload(c);
	}

	if (c->state == PDU_RX_DATA)
		return len > *used ? NVME_TCP_EV_DATA : NVME_TCP_EV_MORE;

	if (c->state == PDU_RX_DDGST) {
		at = min_t(size_t, len - *used, c->pad_left);
		memcpy(c->hdr + NVME_TCP_TERM_MAX + NVME_TCP_DGST_SIZE - c->pad_left,
		       buf + *used, at);
		c->pad_left -= at;
		*used += at;
		if (c->pad_left)
			return NVME_TCP_EV_MORE;
		c->ddgst_ok = pdu_get32(c->hdr + NVME_TCP_TERM_MAX) == ~c->crc;
		c->state = PDU_RX_DONE;
	}

	if (c->state == PDU_RX_DEAD)
		return NVME_TCP_EV_ERROR;
	c->state = PDU_RX_IDLE;
	return NVME_TCP_EV_DONE;
}
EXPORT_SYMBOL_GPL(nvme_tcp_rx_judge);

/**
 * nvme_tcp_rx_take - the consumer has moved payload
 * @c: connection, after EV_DATA
 * @n: bytes, at most c->data_left
 * @crc: with c->want_ddgst, crc32c(c->crc, the bytes)
 *
 * Context: the receiver's.
 */
void nvme_tcp_rx_take(struct nvme_tcp_conn *c, u32 n, u32 crc)
{
	c->crc = crc;
	c->data_left -= min(n, c->data_left);
	rx_payload(c);
}
EXPORT_SYMBOL_GPL(nvme_tcp_rx_take);

/* --- the host's verdicts ------------------------------------------------- */

/**
 * nvme_tcp_host_c2h_data - does this C2HData belong to its command?
 * @c: connection, at EV_HEADER of a C2HData
 * @x: data of the command that CCCID names; NULL if there is none
 *
 * Data comes in order and without a gap; its last PDU, and no other, says so.
 * With x->success set the command is complete at EV_DONE. Whether the queue
 * allows that, i.e. runs without SQ flow control, is for the consumer to know.
 *
 * Context: the receiver's.
 * Return: 0, with x->done moved on; or -EPROTO.
 */
int nvme_tcp_host_c2h_data(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x)
{
	const struct nvme_tcp_pdu *p = &c->pdu;
	bool last = p->flags & NVME_TCP_F_LAST;

	if (!x)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_CCCID,
					  "CCCID of no command");
	if (x->dir != NVME_TCP_C2H)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_CCCID,
					  "CCCID of a command that reads nothing");
	if (x->last)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_SEQ, 0,
					  "C2HData after LAST_PDU");
	if ((u64)p->off + p->len > x->len)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_RANGE, 0,
					  "C2HData past the command's data");
	if (p->off != x->done)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_DATAO,
					  "DATAO out of order");
	if (last != (x->done + p->len == x->len))
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_CH_FLAGS,
					  "LAST_PDU");

	x->done += p->len;
	x->last = last;
	x->success = p->flags & NVME_TCP_F_SUCCESS;
	return 0;
}
EXPORT_SYMBOL_GPL(nvme_tcp_host_c2h_data);

/**
 * nvme_tcp_host_r2t - may the controller ask for this?
 * @c: connection, at EV_HEADER of an R2T
 * @x: data of the command that CCCID names; NULL if there is none
 * @r: filled with what is to be sent; left alone on error
 *
 * Context: the receiver's. Needs no lock against nvme_tcp_host_next_h2c().
 * Return: 0, or -EPROTO.
 */
int nvme_tcp_host_r2t(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
		      struct nvme_tcp_r2t *r)
{
	const struct nvme_tcp_pdu *p = &c->pdu;

	if (!x)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_R2T_CCCID,
					  "CCCID of no command");
	if (x->dir != NVME_TCP_H2C)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_R2T_CCCID,
					  "CCCID of a command that writes nothing");
	if (nvme_tcp_xfer_r2ts(x) >= c->maxr2t)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_LIMIT, 0, "MAXR2T");
	if ((u64)p->off + p->len > x->len)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_RANGE, 0,
					  "R2T past the command's data");
	if (p->off != x->granted)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_R2T_R2TO,
					  "R2TO out of order");

	x->granted += p->len;
	WRITE_ONCE(x->r2ts_granted, (u8)(x->r2ts_granted + 1));
	*r = (struct nvme_tcp_r2t) {
		.ttag = p->ttag,
		.off = p->off,
		.len = p->len,
	};
	return 0;
}
EXPORT_SYMBOL_GPL(nvme_tcp_host_r2t);

/**
 * nvme_tcp_host_rsp - how does this CapsuleResp complete its command?
 * @c: connection, at EV_HEADER of a CapsuleResp; the CQE is in c->hdr
 * @x: data of the command that the CQE's CID names; NULL if there is none
 *
 * An error status may come at any time, and needs no data. A success must not
 * be believed while data is missing, in either direction.
 *
 * Context: the receiver's.
 * Return: 0: complete with the CQE; 1: the CQE says success but data has not
 * moved, complete with a Data Transfer Error; or -EPROTO.
 */
int nvme_tcp_host_rsp(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x)
{
	if (!x || x->success)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, PDU_RSP_CID,
					  "CID of no command");
	/* Bit 0 is the phase tag */
	if (pdu_get16(c->hdr + PDU_RSP_STATUS) >> 1 || x->dir == NVME_TCP_NODATA)
		return 0;
	return READ_ONCE(x->done) != x->len;
}
EXPORT_SYMBOL_GPL(nvme_tcp_host_rsp);

/* --- the controller's verdict -------------------------------------------- */

/**
 * nvme_tcp_ctrl_h2c_data - does this H2CData answer its R2T?
 * @c: connection, at EV_HEADER of an H2CData
 * @x: data of the command whose R2T it is; NULL if TTAG names none
 * @r: the R2T that TTAG names; NULL if there is none
 * @cid: CID of that command
 * @r2t_done: set to whether the R2T is satisfied when this PDU is DONE
 *
 * Context: the receiver's. Needs no lock against nvme_tcp_ctrl_next_r2t().
 * Return: 0, with x->done and r->done moved on; or -EPROTO.
 */
int nvme_tcp_ctrl_h2c_data(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			   struct nvme_tcp_r2t *r, u16 cid, bool *r2t_done)
{
	const struct nvme_tcp_pdu *p = &c->pdu;
	bool last = p->flags & NVME_TCP_F_LAST;

	*r2t_done = false;
	if (!x || !r || r->done == r->len)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_TTAG,
					  "TTAG of no R2T");
	if (p->cccid != cid)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_CCCID,
					  "CCCID of another command than TTAG");
	if (p->off < r->off || (u64)p->off + p->len > (u64)r->off + r->len)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_RANGE, 0,
					  "H2CData outside of its R2T");
	if (p->off != r->off + r->done)
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_DATA_DATAO,
					  "DATAO out of order");
	if (last != (r->done + p->len == r->len))
		return nvme_tcp_rx_refuse(c, NVME_TCP_FES_HDR, NVME_TCP_CH_FLAGS,
					  "LAST_PDU");

	r->done += p->len;
	x->done += p->len;
	if (last)
		WRITE_ONCE(x->r2ts_served, (u8)(x->r2ts_served + 1));
	*r2t_done = last;
	return 0;
}
EXPORT_SYMBOL_GPL(nvme_tcp_ctrl_h2c_data);

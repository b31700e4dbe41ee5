/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The NVMe/TCP protocol engine: bytes in, events out; values in, bytes out.
 *
 * It owns no socket, takes no lock, allocates nothing and never sleeps, so
 * every function may be called in any context. One struct nvme_tcp_conn
 * serves one connection (one NVMe queue) in one role.
 *
 * Concurrency: the receive half (everything under "rx") belongs to the one
 * context that feeds the connection. The builders read only the negotiated
 * parameters, which do not change once the ICReq/ICResp exchange is over, so
 * any number of senders may build while the receiver runs.
 *
 * The same source is compiled for userspace by the unit tests, the fuzzer and
 * the model checker.
 */
#ifndef NVME_TCP_PDU_H
#define NVME_TCP_PDU_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>
#include <linux/crc32c.h>
#else
#include "nvme-tcp-user.h"	/* tools/testing/unit: u8..u64, bool, crc32c() */
#endif

#include "nvme-tcp-wire.h"

enum nvme_tcp_role {
	NVME_TCP_HOST,
	NVME_TCP_CTRL,
};

enum nvme_tcp_phase {
	NVME_TCP_PHASE_IC,	/* TCP is up; ICReq / ICResp not yet exchanged */
	NVME_TCP_PHASE_CONNECT,	/* parameters agreed; Fabrics Connect not yet done */
	NVME_TCP_PHASE_LIVE,
	NVME_TCP_PHASE_DEAD,	/* a TermReq was sent or received: nothing is valid */
	NVME_TCP_PHASES,
};

/*
 * What this end asks for. @pda is the alignment that it demands of data sent
 * to it, as on the wire (dwords - 1).
 */
struct nvme_tcp_params {
	bool hdgst;		/* host: asks for it; controller: grants it if asked */
	bool ddgst;
	u8 pda;
	u32 maxr2t;		/* host: R2Ts per command it takes, 1..NVME_TCP_MAXR2T_MAX */
	u32 maxh2cdata;		/* controller: bytes per H2CData it takes */
	/*
	 * Controller: bytes of in-capsule data it takes, on an I/O queue. May be
	 * set anew in conn->local before nvme_tcp_conn_live(). Until then it is
	 * NVME_TCP_ADMIN_INCAPSULE, and for Fabrics commands never less: data_len
	 * of a Fabrics command may be more than this.
	 */
	u32 incapsule;
};

/*
 * R2Ts per command in flight, at most: a controller uses fewer than an eager
 * host would take, which it may. Bytes per H2CData likewise, for a host: PLEN
 * has to count the header, the padding and the digests as well.
 */
enum {
	NVME_TCP_MAXR2T_MAX	= 255,
	NVME_TCP_MAXH2CDATA_MAX	= 1 << 30,
};

enum nvme_tcp_ev {
	NVME_TCP_EV_MORE,	/* all of the input is used up */
	NVME_TCP_EV_HEADER,	/* conn->pdu holds a judged header, see below */
	NVME_TCP_EV_DATA,	/* the next conn->data_left bytes are payload */
	NVME_TCP_EV_DONE,	/* the PDU is complete; see conn->ddgst_ok */
	NVME_TCP_EV_ERROR,	/* fatal; conn->err says what goes into a TermReq */
};

/*
 * How an SQE describes its data (controller, CapsuleCmd). A BAD one is the
 * command's error alone: data_len bytes follow all the same, to be dropped. A
 * descriptor of no bytes in a capsule without data is TRANSPORT, whatever its
 * type: a command that moves no data need not set it.
 */
enum nvme_tcp_capsule {
	NVME_TCP_CAPSULE_INLINE,	/* data_len bytes follow in the capsule */
	NVME_TCP_CAPSULE_TRANSPORT,	/* sgl_len bytes move by R2T or C2HData */
	NVME_TCP_CAPSULE_BAD_TYPE,	/* answer: SGL Descriptor Type Invalid */
	NVME_TCP_CAPSULE_BAD_OFFSET,	/* answer: SGL Offset Invalid */
	NVME_TCP_CAPSULE_BAD_LENGTH,	/* answer: Data SGL Length Invalid */
};

/**
 * struct nvme_tcp_pdu - one decoded header
 * @type: enum nvme_tcp_type
 * @flags: enum nvme_tcp_flag
 * @capsule: CapsuleCmd only, enum nvme_tcp_capsule
 * @data_len: payload bytes that follow, already checked against PLEN, PDO,
 *	DATAL and the limits of the connection
 * @cccid: CapsuleCmd, CapsuleResp: the CID; H2CData, C2HData, R2T: CCCID
 * @ttag: H2CData, R2T
 * @off: H2CData, C2HData: DATAO; R2T: R2TO
 * @len: H2CData, C2HData: DATAL; R2T: R2TL; CapsuleCmd: length in the SGL
 * @fes: TermReq
 * @fei: TermReq
 */
struct nvme_tcp_pdu {
	u8 type;
	u8 flags;
	u8 capsule;
	u32 data_len;
	u16 cccid;
	u16 ttag;
	u32 off;
	u32 len;
	u16 fes;
	u32 fei;
};

struct nvme_tcp_err {
	u16 fes;		/* 0: none */
	u32 fei;
	const char *what;	/* for the log: static, names the field */
};

/* Where the receive half is in the byte stream: conn->state; private */
enum pdu_rx_state {
	PDU_RX_IDLE,		/* the next byte is the first of a PDU */
	PDU_RX_HDR,		/* some of the header is in conn->hdr */
	PDU_RX_PAD,		/* header judged; pad_left bytes up to PDO */
	PDU_RX_DATA,		/* data_left bytes are the consumer's */
	PDU_RX_DDGST,		/* pad_left bytes of the digest to go; it is
				 * gathered behind the longest header
				 */
	PDU_RX_DONE,		/* nothing but the event is missing */
	PDU_RX_DEAD,
};

/*
 * One connection, in one role.
 *
 * The fields under "negotiated" are valid from NVME_TCP_PHASE_CONNECT on.
 */
struct nvme_tcp_conn {
	/* negotiated */
	bool hdgst;
	bool ddgst;
	u8 tx_pda;		/* alignment of data we send, dwords - 1 */
	u8 rx_pda;		/* alignment we demanded */
	u32 maxr2t;		/* outstanding R2Ts per command, 1..NVME_TCP_MAXR2T_MAX */
	u32 maxh2cdata;		/* bytes per H2CData */
	u8 tx_pdo_cmd;		/* where data starts in a capsule that we send, */
	u8 tx_pdo_data;		/* ... in a data PDU, */
	u8 rx_pdo_cmd;		/* ... and, most likely, in those that we get */
	u8 rx_pdo_data;

	u8 role;
	u8 phase;

	/* rx: private to the engine but for those it documents as read-only */
	u8 state;
	bool ddgst_ok;		/* read-only, at EV_DONE: true when there was none */
	bool want_ddgst;	/* read-only, at EV_DATA: pass the CRC to _take() */
	u32 data_left;		/* read-only, at EV_DATA */
	u32 crc;		/* read-only: the running payload CRC, seed of the next */
	u32 pad_left;
	u16 hdr_have;
	u16 hdr_want;
	size_t used;		/* of what was last judged: nvme_tcp_rx_feed() */
	struct nvme_tcp_pdu pdu;	/* read-only, from EV_HEADER to EV_DONE */
	struct nvme_tcp_err err;	/* read-only, after EV_ERROR or a failed verdict */
	struct nvme_tcp_params local;
	u8 hdr[NVME_TCP_TERM_MAX + NVME_TCP_DGST_SIZE];	/* read-only: the raw header */
};

/*
 * What the engine knows of one command's data. It lives in the consumer's
 * request; the consumer finds it by CCCID or TTAG and hands it in. Zeroed and
 * started with nvme_tcp_xfer_start().
 *
 * Concurrency: each field has one writer. The receiver and the sender of one
 * command may run at the same time without a lock between them.
 *
 *		host, C2H	host, H2C	controller, H2C
 *  granted	-		receiver	sender of R2Ts
 *  r2ts_granted -		receiver	sender of R2Ts
 *  r2ts_served	-		sender		receiver
 *  done	receiver	sender		receiver
 *  last, success receiver	-		-
 *
 * (Controller, C2H: all of it is the sender's.)
 */
enum nvme_tcp_dir {
	NVME_TCP_NODATA,
	NVME_TCP_H2C,
	NVME_TCP_C2H,
};

struct nvme_tcp_xfer {
	u32 len;		/* bytes the command moves */
	u32 granted;		/* H2C: bytes covered by R2Ts so far, in order */
	u32 done;		/* bytes moved so far: built by a sender, or judged
				 * by a receiver (all there at that PDU's EV_DONE)
				 */
	u8 dir;
	u8 r2ts_granted;	/* counters modulo 256; see nvme_tcp_xfer_r2ts() */
	u8 r2ts_served;
	bool last;		/* C2HData with LAST_PDU seen */
	bool success;		/* ... and SUCCESS: no CapsuleResp follows */
};

struct nvme_tcp_r2t {
	u16 ttag;
	u32 off;		/* R2TO */
	u32 len;		/* R2TL */
	u32 done;		/* bytes of it sent (host) or received (controller) */
};

/* R2Ts granted and not yet satisfied */
static inline u8 nvme_tcp_xfer_r2ts(const struct nvme_tcp_xfer *x)
{
	return READ_ONCE(x->r2ts_granted) - READ_ONCE(x->r2ts_served);
}

/* --- connection ---------------------------------------------------------- */

/* Both roles. @p is copied. The connection starts in NVME_TCP_PHASE_IC. */
void nvme_tcp_conn_init(struct nvme_tcp_conn *c, enum nvme_tcp_role role,
			const struct nvme_tcp_params *p);
/* Fabrics Connect has succeeded: I/O PDUs become legal. */
void nvme_tcp_conn_live(struct nvme_tcp_conn *c);
/* Nothing more is accepted (we sent a TermReq, or are tearing down). */
void nvme_tcp_conn_dead(struct nvme_tcp_conn *c);

/* --- receive ------------------------------------------------------------- */

/*
 * Consumes from @buf until something happens; *@used says how much was eaten.
 * Call it again, with the rest (which may be empty), until it says MORE.
 *
 *  HEADER: look at c->pdu. For C2HData, R2T, CapsuleResp and H2CData the
 *	consumer must find the command and pass it to the matching verdict
 *	function below (or call nvme_tcp_rx_refuse() when there is none)
 *	before it feeds again. ICReq/ICResp have been negotiated by then, and
 *	the phase has moved on. A TermReq has put the connection in DEAD; the
 *	next is ERROR with an err.fes of 0, for it is not to be answered.
 *  DATA: *@used stops before the payload. The consumer moves n bytes,
 *	0 < n <= min(rest of @buf, c->data_left), wherever they belong and
 *	says so with nvme_tcp_rx_take(). DATA comes only when at least one
 *	payload byte is there.
 *  DONE: the PDU's last byte has been eaten and, with a data digest, checked.
 *	A PDU without payload gives DONE as well, right after HEADER.
 *  ERROR: c->err is set and the phase is DEAD. Feeding on gives ERROR again.
 *	No TermReq goes out when c->err.fes is 0.
 */
enum nvme_tcp_ev nvme_tcp_rx_judge(struct nvme_tcp_conn *c, const u8 *buf,
				   size_t len);

static inline enum nvme_tcp_ev nvme_tcp_rx_feed(struct nvme_tcp_conn *c, const u8 *buf,
						size_t len, size_t *used)
{
	enum nvme_tcp_ev ev;

	/* That payload is next, or nothing any more, takes no judgement. */
	if (likely(READ_ONCE(c->phase) != NVME_TCP_PHASE_DEAD)) {
		*used = 0;
		if (c->state == PDU_RX_DATA && len)
			return NVME_TCP_EV_DATA;
		if (c->state == PDU_RX_DONE) {
			c->state = PDU_RX_IDLE;
			return NVME_TCP_EV_DONE;
		}
	}
	ev = nvme_tcp_rx_judge(c, buf, len);
	*used = c->used;
	return ev;
}

/*
 * @n payload bytes were moved. With c->want_ddgst, @crc is
 * crc32c(c->crc, bytes), i.e. the running value with the consumer's own pass
 * over the bytes included; otherwise it is ignored.
 */
void nvme_tcp_rx_take(struct nvme_tcp_conn *c, u32 n, u32 crc);

/*
 * The consumer's own verdict that the PDU is fatal. Sets c->err and DEAD;
 * returns -EPROTO for the caller to pass on. @what: static string.
 */
int nvme_tcp_rx_refuse(struct nvme_tcp_conn *c, u16 fes, u32 fei,
		       const char *what);

/* Host verdicts on c->pdu; 0, or -EPROTO with c->err set. @x may be NULL: no
 * such command is outstanding (fatal: Invalid PDU Header Field at CCCID/CID).
 */
int nvme_tcp_host_c2h_data(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x);
/* Fills @r with the R2T to serve. */
int nvme_tcp_host_r2t(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
		      struct nvme_tcp_r2t *r);
/*
 * CapsuleResp. 0: complete the command with the CQE in c->hdr. 1: the CQE says
 * success but not all of the data has moved, in either direction: complete it
 * as a Data Transfer Error.
 */
int nvme_tcp_host_rsp(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x);

/*
 * Controller verdict on an H2CData: @x and @r are the command and the R2T that
 * TTAG names; NULL when TTAG names none. @cid: the CID of that command.
 * *@r2t_done: this PDU satisfies the R2T.
 */
int nvme_tcp_ctrl_h2c_data(struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			   struct nvme_tcp_r2t *r, u16 cid, bool *r2t_done);

/* --- transfer bookkeeping ------------------------------------------------ */

void nvme_tcp_xfer_start(struct nvme_tcp_xfer *x, enum nvme_tcp_dir dir, u32 len);

/*
 * Controller: the next R2T for a write, at most @max bytes (0: all that is
 * left). True and *@r filled (ttag = @ttag) when one may be sent now; false
 * when all is granted or c->maxr2t are outstanding.
 */
bool nvme_tcp_ctrl_next_r2t(const struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			    u16 ttag, u32 max, struct nvme_tcp_r2t *r);

/*
 * Host: the next H2CData of an R2T, at most c->maxh2cdata bytes. Returns its
 * DATAL and sets *@off (DATAO) and *@last; advances r->done and x->done. 0: R2T
 * served; it counts no more among nvme_tcp_xfer_r2ts() from the call on that
 * set *@last.
 */
u32 nvme_tcp_host_next_h2c(const struct nvme_tcp_conn *c, struct nvme_tcp_xfer *x,
			   struct nvme_tcp_r2t *r, u32 *off, bool *last);

/* Bytes moved: controller, C2H data sent; host, H2C in-capsule data sent. */
void nvme_tcp_xfer_moved(struct nvme_tcp_xfer *x, u32 n);

/* --- build --------------------------------------------------------------- */

/*
 * Each writes header, header digest and padding up to PDO to @buf and returns
 * the bytes written; the payload, and with c->ddgst the four bytes of
 * nvme_tcp_build_ddgst(), follow. NVME_TCP_BUILD_MAX bytes always suffice.
 */
enum { NVME_TCP_BUILD_MAX = NVME_TCP_TERM_MAX };

unsigned int nvme_tcp_build_icreq(const struct nvme_tcp_conn *c, u8 *buf);
unsigned int nvme_tcp_build_icresp(const struct nvme_tcp_conn *c, u8 *buf);
/*
 * @sqe: 64 bytes, copied; the SGL in the copy is set here: in-capsule (Data
 * Block, Offset) with @data_len bytes when that is not 0, otherwise Transport
 * Data Block with @sgl_len bytes (0 for a command without data).
 */
unsigned int nvme_tcp_build_cmd(const struct nvme_tcp_conn *c, u8 *buf,
				const void *sqe, u32 data_len, u32 sgl_len);
unsigned int nvme_tcp_build_rsp(const struct nvme_tcp_conn *c, u8 *buf,
				const void *cqe);
unsigned int nvme_tcp_build_h2c_data(const struct nvme_tcp_conn *c, u8 *buf,
				     u16 cccid, u16 ttag, u32 off, u32 len, bool last);
/* @flags: NVME_TCP_F_LAST, NVME_TCP_F_SUCCESS */
unsigned int nvme_tcp_build_c2h_data(const struct nvme_tcp_conn *c, u8 *buf,
				     u16 cccid, u32 off, u32 len, u8 flags);
unsigned int nvme_tcp_build_r2t(const struct nvme_tcp_conn *c, u8 *buf, u16 cccid,
				const struct nvme_tcp_r2t *r);
/* From c->err and the header it is about (c->hdr). Up to NVME_TCP_TERM_MAX. */
unsigned int nvme_tcp_build_term(const struct nvme_tcp_conn *c, u8 *buf);

/* Digest of payload: start with nvme_tcp_crc_init(), run crc32c() over it. */
static inline u32 nvme_tcp_crc_init(void)
{
	return ~0U;
}

static inline void nvme_tcp_build_ddgst(u32 crc, u8 *buf)
{
	crc = ~crc;
	buf[0] = crc;
	buf[1] = crc >> 8;
	buf[2] = crc >> 16;
	buf[3] = crc >> 24;
}

/* Names for logs, tracepoints and debugfs; never NULL. */
const char *nvme_tcp_type_name(u8 type);
const char *nvme_tcp_fes_name(u16 fes, enum nvme_tcp_role receiver);
const char *nvme_tcp_phase_name(u8 phase);

#endif

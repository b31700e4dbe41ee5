/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The judge: NVMe/TCP by the book, slow and plain. It shares no line with the
 * engine. It keeps every byte, sums in 64 bits, and looks at a PDU from its
 * first byte each time that more of it has come.
 *
 * Where the specification leaves the order of two verdicts open, this is it:
 * type, phase, FLAGS, HLEN, PDO, PLEN as soon as eight bytes are there; then the
 * header's digest; then lengths that disagree; then who is meant; then the
 * range; then the order; then LAST_PDU.
 */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include "fuzz.h"

struct judge_r2t {
	bool on;
	u8 cid;
	u64 off, len, done;
};

struct judge_cmd {
	bool on;
	enum nvme_tcp_dir dir;
	u64 len, asked, done;
	bool last, success;
	u32 open;			/* R2Ts not yet satisfied */
	struct judge_r2t queue[PENDING];	/* host: as they came */
	u16 ttag[PENDING];
	u32 queued;
};

struct judge {
	enum nvme_tcp_role role;
	struct cfg cfg;
	enum nvme_tcp_phase phase;
	bool agreed;			/* parameters are valid */
	bool hdgst, ddgst;
	u32 tx_align, rx_align;		/* bytes */
	u64 maxr2t, maxh2cdata, incapsule;
	struct { bool set; u64 fes, fei; } err;
	u8 quote[128];			/* the header that it is about */
	u32 quote_n;
	bool own_word;			/* refused by OP_REFUSE */
	bool error_told;

	struct judge_cmd cmd[CMDS];
	struct judge_r2t r2t[CMDS];	/* controller: by TTAG */

	/* the PDU that is coming in */
	u8 buf[2 * STREAM];
	u64 n;				/* bytes of it so far, and of what follows */
	bool common_ok, header_ok;
	u64 given;			/* payload bytes handed on */
	u64 data_len;
	u32 bad_ddgst;
	struct judge_cmd *of;

	u8 built[256];
	u32 built_n;
	struct log *log;
};

void judge_init(struct judge *j, enum nvme_tcp_role role, const struct cfg *cfg,
		struct log *log);
void judge_bytes(struct judge *j, const u8 *p, size_t n);
/* One record, its bytes already expanded */
void judge_rec(struct judge *j, const struct rec *r, const u8 *bytes);
void judge_run(struct judge *j, const struct input *in, enum nvme_tcp_role role,
	       struct log *l);

/* A PDU as it should be, header to padding; fields by kind */
u32 judge_build(const struct judge *j, u8 *out, u8 type, u8 flags, const u8 *psh, u64 data);
/* Its first byte is the start of a PDU */
static inline bool judge_idle(const struct judge *j)
{
	return !j->n;
}

/* What the peer says, with CFG_AUTO_IC: 128 bytes */
void judge_peer_ic(const struct cfg *cfg, enum nvme_tcp_role role, u8 *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzzers share: the form of an input, the log that the engine and
 * the judge are compared by, and who calls whom.
 *
 * An input is a configuration of 16 bytes and a sequence of records of 8. A
 * record puts bytes on the stream, or is something that this end does.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "nvme-tcp-pdu.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum {
	CFG_SIZE	= 16,
	REC_SIZE	= 8,
	RECS		= 96,
	STREAM		= 40 * 1024,
	CMDS		= 16,	/* CIDs are below, TTAGs too */
	PENDING		= 256,
	EVENTS		= 4096,
};

enum {
	CFG_HDGST	= 1 << 0,	/* we want it */
	CFG_DDGST	= 1 << 1,
	CFG_AUTO_IC	= 1 << 2,	/* begin behind ICReq and ICResp */
	CFG_AUTO_LIVE	= 1 << 3,	/* ... and behind Connect */
	CFG_PEER_HDGST	= 1 << 4,	/* with AUTO_IC: what the peer's says */
	CFG_PEER_DDGST	= 1 << 5,
	CFG_COMPLETE	= 1 << 6,	/* SUCCESS completes a command at once */
};

struct cfg {
	u8 flags;
	u8 pda;
	u8 peer_pda;
	u8 seed;		/* of the splits */
	u32 maxr2t;		/* host: ours; controller: the peer's, wire form */
	u32 maxh2cdata;		/* controller: ours; host: the peer's */
	u32 incapsule;
};

enum op {
	OP_BYTES,	/* b literal bytes follow, then v of filler; a: enum fix */
	OP_START,	/* command a & 15, direction a >> 4, of v bytes; b are left */
	OP_DROP,	/* command a is no more */
	OP_LIVE,
	OP_DEAD,
	OP_REFUSE,	/* FES b, FEI v */
	OP_INCAPSULE,	/* v */
	OP_SERVE,	/* host: H2CData for the oldest R2T of command a */
	OP_GRANT,	/* controller: an R2T of command a, at most v */
	OP_MOVED,	/* v bytes of command a */
	OP_BUILD,	/* see build_kind */
	OPS,
};

/* ... and of a conversation, tx.c */
enum talk {
	TALK_NONE,	/* it has bytes, for nobody */
	TALK_CMD,	/* command a & 15 of v bytes, direction a >> 4; b & 1: in the capsule */
	TALK_GRANT,	/* R2T of command a, at most v bytes */
	TALK_SERVE,	/* H2CData of command a */
	TALK_C2H,	/* v bytes of command a */
	TALK_RSP,	/* command a ends with status b */
	TALK_TO_CTRL,	/* v bytes arrive there */
	TALK_TO_HOST,
	TALK_LIVE,
	TALK_TERM,	/* by the host, a & 1: FES b, FEI v */
	TALKS,
};

enum fix {
	FIX_HDGST	= 1 << 0,	/* put the right digest behind HLEN bytes */
	FIX_DDGST	= 1 << 1,	/* append the digest of all from PDO on */
	FIX_PLEN	= 1 << 2,
};

/* OP_BUILD: a & 15. Its values are b, v and the rest of a. */
enum build_kind {
	BUILD_IC,
	BUILD_CMD,
	BUILD_RSP,
	BUILD_H2C,
	BUILD_C2H,
	BUILD_R2T,
	BUILD_TERM,
	BUILDS,
};

struct rec {
	u8 op;
	u8 a;
	u16 b;
	u32 v;
	u8 *lit;		/* OP_BYTES: b of them */
	u32 at, len;		/* ... and the whole of it in input.stream */
};

struct input {
	struct cfg cfg;
	struct rec rec[RECS];
	size_t recs;
	size_t stream_n;
	u8 stream[STREAM];
};

void input_parse(struct input *in, const u8 *p, size_t n);
/* The bytes of one record, at most @max; how many */
u32 rec_expand(const struct rec *r, u8 *out, u32 max);

static inline void put(u8 *p, unsigned int width, u64 v)
{
	while (width--) {
		*p++ = (u8)v;
		v >>= 8;
	}
}

static inline u64 get(const u8 *p, unsigned int width)
{
	u64 v = 0;

	while (width--)
		v = v << 8 | p[width];
	return v;
}

/* --- the log ------------------------------------------------------------- */

enum log_kind {
	LOG_HEADER,	/* as in struct nvme_tcp_pdu */
	LOG_VERDICT,	/* what the verdict function said */
	LOG_DONE,	/* ddgst_ok, payload so far */
	LOG_ERROR,	/* FES, FEI */
	LOG_CUT,	/* end of a record: payload so far, phase, FES */
	LOG_CONN,	/* what has been negotiated */
	LOG_CMD,	/* the books of a command that is there */
	LOG_BUILT,	/* length, digest of what was built */
	LOG_OP,		/* what an operation returned */
};

struct log {
	size_t n, data_n;
	struct log_ev { u32 kind, v[10]; } ev[EVENTS];
	u8 data[STREAM];	/* all payload, in order */
};

void log_ev(struct log *l, enum log_kind kind, const u32 v[10]);
#define LOG(l, kind, ...)	log_ev(l, kind, (const u32[10]){ __VA_ARGS__ })
void log_data(struct log *l, const u8 *p, size_t n);
void log_print(FILE *f, const struct log *l);
/* Ends the program when they differ */
void log_compare(const struct log *engine, const struct log *judge, const char *what);

/* --- the two that are compared ------------------------------------------- */

enum split { SPLIT_NONE, SPLIT_BYTES, SPLIT_RANDOM, SPLITS };

/* engine.c: a consumer of the engine */
void engine_run(const struct input *in, enum nvme_tcp_role role, enum split split,
		struct log *l);

/* --- small things -------------------------------------------------------- */

/* CRC-32C bit by bit, as the specification has it: with both inversions */
u32 slow_crc(const u8 *p, size_t n);

/* xorshift, for what has to be the same in each run of an input */
static inline u32 next_random(u32 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

#define DIE(...) do {							\
	fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);			\
	fprintf(stderr, __VA_ARGS__);					\
	fprintf(stderr, "\n");						\
	abort();							\
} while (0)
#define MUST(cond)	do { if (!(cond)) DIE("not so: %s", #cond); } while (0)

#endif

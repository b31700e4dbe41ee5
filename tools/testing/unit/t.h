/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests' own tools: a counter of cases, PDUs made without the engine, and
 * a consumer that writes down what the engine says.
 */
#ifndef UNIT_T_H
#define UNIT_T_H

#include <stdio.h>
#include <stdlib.h>

#include "nvme-tcp-pdu.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* --- cases (t.c) --------------------------------------------------------- */

/* A case passes unless one of its T()s fails. The name is printed then. */
void t_case(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A case that has passed, too cheap to be given a name */
void t_quiet(void);
void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define T(cond, ...) \
	do { if (!(cond)) t_fail(__FILE__, __LINE__, "" #cond ": " __VA_ARGS__); } while (0)
#define T_EQ(a, b) \
	do { \
		unsigned long long a_ = (a), b_ = (b); \
		if (a_ != b_) \
			t_fail(__FILE__, __LINE__, "%s is %#llx, not %#llx (%s)", \
			       #a, a_, b_, #b); \
	} while (0)
#define T_BYTES(a, an, b, bn)	t_bytes(__FILE__, __LINE__, a, an, b, bn)
void t_bytes(const char *file, int line, const u8 *a, size_t an, const u8 *b, size_t bn);

/* A small generator of numbers, the same on every run */
u32 t_rand(void);
u32 t_below(u32 n);

/* --- PDUs without the engine (ref.c) ------------------------------------- */

/* Bit by bit, and so unlike crc32c.c; with both inversions, as on the wire */
u32 ref_crc(const u8 *p, size_t n);

/*
 * Bytes from a picture of them: two hex digits make a byte; *N repeats the byte
 * before up to N times in all; H appends the digest of all so far; [ ] enclose
 * data, X appends the digest of that. Blanks and anything behind # to the end
 * of the line are skipped.
 */
size_t ref_hex(u8 *out, const char *picture);

/* What a connection has agreed on, and which end of it is looked at */
struct env {
	enum nvme_tcp_role role;
	enum nvme_tcp_phase phase;
	bool hdgst, ddgst;
	u8 hpda, cpda;
	u32 maxh2cdata, incapsule, maxr2t;
};

/* Sets what is 0 to the usual */
struct env ref_env(enum nvme_tcp_role role, enum nvme_tcp_phase phase, int digests,
		   u8 pda);
/* A connection that has come so far, by hand-made ICReq and ICResp */
void ref_conn(struct nvme_tcp_conn *c, const struct env *e);

/* A well-formed PDU. @psh: what follows the common header, HLEN - 8 bytes */
size_t ref_pdu(u8 *out, const struct env *e, u8 type, u8 flags, const u8 *psh,
	       const u8 *data, u32 len);
/* ... of data or R2T, with its four fields */
size_t ref_data(u8 *out, const struct env *e, u8 type, u8 flags, u16 cccid, u16 ttag,
		u32 off, u32 len, const u8 *data, u32 data_len);
/* ... and a command capsule. @sgl: the type byte */
size_t ref_cmd(u8 *out, const struct env *e, u8 opcode, u16 cid, u8 sgl, u32 sgl_len,
	       const u8 *data, u32 len);
size_t ref_rsp(u8 *out, const struct env *e, u16 cid, u16 status);
/* Digests anew, after a field was changed; for a PDU of a good HLEN and PDO */
void ref_redigest(u8 *pdu, const struct env *e);

static inline void put(u8 *p, unsigned int width, u64 v)
{
	while (width--) {
		*p++ = (u8)v;
		v >>= 8;
	}
}

/* --- a consumer that writes it all down (drive.c) ------------------------ */

enum { DRIVE_CMDS = 8, DRIVE_R2TS = 8, DRIVE_DATA = 1 << 18 };

struct drive {
	struct nvme_tcp_conn c;
	struct drive_cmd {
		bool on;
		u16 cid;
		struct nvme_tcp_xfer x;
	} cmd[DRIVE_CMDS];
	struct drive_r2t {
		bool on;
		u16 cid;
		struct nvme_tcp_r2t r;
	} r2t[DRIVE_R2TS];
	u32 headers, dones;
	bool error;
	u32 take_max;		/* bytes per nvme_tcp_rx_take(), 0: all */
	size_t data_n;		/* payload bytes so far, of all PDUs */
	size_t log_n;
	u8 data[DRIVE_DATA];
	char log[DRIVE_DATA];	/* a line per event, payload in digest form */
};

void drive_start(struct drive *d, const struct env *e);
struct nvme_tcp_xfer *drive_cmd(struct drive *d, u16 cid, enum nvme_tcp_dir dir, u32 len);
/* Feeds a copy of just these bytes, so that reading past them is caught */
void drive_feed(struct drive *d, const u8 *p, size_t n);
/* Feeds one PDU to a fresh connection; its error, or 0 */
u16 drive_one(struct drive *d, const struct env *e, const u8 *p, size_t n);

/* --- the tests ----------------------------------------------------------- */

void test_crc(void);
void test_vectors(void);
void test_names(void);
void test_negotiate(void);
void test_common_header(void);
void test_violations(void);
void test_digests(void);
void test_capsules(void);
void test_term(void);
void test_verdicts(void);
void test_transfers(void);
void test_splits(void);
void test_conversations(void);

#endif

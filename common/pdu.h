/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the engine's files share, and nobody else sees.
 */
#ifndef NVME_TCP_COMMON_PDU_H
#define NVME_TCP_COMMON_PDU_H

#include "nvme-tcp-pdu.h"

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "compat-crc.h"
#else
#define compat_crc32c_header crc32c
#endif

/* What may follow the header, and so how PLEN and PDO are judged */
enum pdu_body {
	PDU_BODY_NONE,		/* PLEN is the header's size, with its digest */
	PDU_BODY_DATA,		/* [pad] data [DDGST], or nothing at all */
	PDU_BODY_TERM,		/* up to 128 bytes of somebody's header */
};

/* Is this PDU legal now? */
enum pdu_cell {
	PDU_TYPE,		/* never, in this direction: Invalid PDU Header Field */
	PDU_SEQ,		/* not in this phase: PDU Sequence Error */
	PDU_OK,
};

/**
 * struct pdu_rule - the fixed part of what a PDU type must look like
 * @name: as the specification writes it
 * @hlen: the only legal HLEN
 * @flags: FLAGS that this type may carry, the digests' bits aside
 * @body: enum pdu_body
 * @digests: HDGST, and with data DDGST, are there when negotiated; FLAGS agree
 *
 * Who sends it, and when, is in pdu_phases.
 */
struct pdu_rule {
	const char *name;
	u8 hlen;
	u8 flags;
	u8 body;
	bool digests;
};

extern const struct pdu_rule pdu_rules[NVME_TCP_TYPES];
/* [role of the receiver][type][phase], enum pdu_cell */
extern const u8 pdu_phases[2][NVME_TCP_TYPES][NVME_TCP_PHASES];

/* Of the entries themselves the transport looks at these only */
enum {
	PDU_OPC_FABRICS		= 0x7f,
	PDU_RSP_CID		= NVME_TCP_RSP_CQE + 12,
	PDU_RSP_STATUS		= NVME_TCP_RSP_CQE + 14,
};

/* Byte by byte: the compiler makes one load or store of each of these. */
static inline u16 pdu_get16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static inline u32 pdu_get32(const u8 *p)
{
	return p[0] | (u32)p[1] << 8 | (u32)p[2] << 16 | (u32)p[3] << 24;
}

static inline u64 pdu_get64(const u8 *p)
{
	return pdu_get32(p) | (u64)pdu_get32(p + 4) << 32;
}

static inline void pdu_put16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static inline void pdu_put32(u8 *p, u32 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
	p[2] = (u8)(v >> 16);
	p[3] = (u8)(v >> 24);
}

static inline bool pdu_is_term(u8 type)
{
	return type == NVME_TCP_H2C_TERM || type == NVME_TCP_C2H_TERM;
}

/* The digest of @hlen bytes of header */
static inline u32 pdu_hdgst(const u8 *hdr, u32 hlen)
{
	return ~compat_crc32c_header(nvme_tcp_crc_init(), hdr, hlen);
}

#endif

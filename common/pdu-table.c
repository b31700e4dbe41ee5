// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables that every received header is judged against, and the names of
 * things. Clauses are of NVM Express TCP Transport 1.1.
 */
#include "pdu.h"

#define RULE(type_, name_, hlen_, flags_, body_, digests_)		\
	[NVME_TCP_##type_] = {						\
		.name		= name_,				\
		.hlen		= NVME_TCP_##hlen_,			\
		.flags		= flags_,				\
		.body		= PDU_BODY_##body_,			\
		.digests	= digests_,				\
	}

#define LAST		NVME_TCP_F_LAST
#define SUCCESS		NVME_TCP_F_SUCCESS

/*
 * 3.6.2. The row of a type that is not built (08h, and from 0Ah on) is never
 * looked at: pdu_phases refuses it first.
 */
const struct pdu_rule pdu_rules[NVME_TCP_TYPES] = {
	/*   type	name		HLEN	   FLAGS	  body  digests */
	RULE(ICREQ,	"ICReq",	IC_SIZE,   0,		  NONE, false),
	RULE(ICRESP,	"ICResp",	IC_SIZE,   0,		  NONE, false),
	RULE(H2C_TERM,	"H2CTermReq",	TERM_SIZE, 0,		  TERM, false),
	RULE(C2H_TERM,	"C2HTermReq",	TERM_SIZE, 0,		  TERM, false),
	RULE(CMD,	"CapsuleCmd",	CMD_SIZE,  0,		  DATA, true),
	RULE(RSP,	"CapsuleResp",	RSP_SIZE,  0,		  NONE, true),
	RULE(H2C_DATA,	"H2CData",	DATA_SIZE, LAST,	  DATA, true),
	RULE(C2H_DATA,	"C2HData",	DATA_SIZE, LAST | SUCCESS, DATA, true),
	RULE(R2T,	"R2T",		R2T_SIZE,  0,		  NONE, true),
};

/*
 * What may arrive when, [receiver][type][phase].
 *
 * NO	wrong way: a type that this role sends itself, or that nobody sends. The
 *	PDU-Type is what is wrong with it: Invalid PDU Header Field. These are
 *	the zeroes: the types, and the phase DEAD, that have no cell.
 * SEQ	right way, wrong time: PDU Sequence Error (3.6.2.4)
 * OK	judge on
 */
#define SEQ	PDU_SEQ
#define OK	PDU_OK

const u8 pdu_phases[2][NVME_TCP_TYPES][NVME_TCP_PHASES] = {
	[NVME_TCP_HOST] = {
		/*			IC   CONNECT LIVE */
		/* Answers ICReq, of which there is one */
		[NVME_TCP_ICRESP]   = { OK,  SEQ, SEQ },
		/* The controller may give up at any time, on ICReq as well */
		[NVME_TCP_C2H_TERM] = { OK,  OK,  OK },
		/* Answers a capsule, and the first of these is Connect */
		[NVME_TCP_RSP]	    = { SEQ, OK,  OK },
		/* Connect's data goes in its capsule, and it returns none */
		[NVME_TCP_C2H_DATA] = { SEQ, SEQ, OK },
		[NVME_TCP_R2T]	    = { SEQ, SEQ, OK },
	},
	[NVME_TCP_CTRL] = {
		/*			IC   CONNECT LIVE */
		/* "The host sends ICReq and nothing else until ICResp", once */
		[NVME_TCP_ICREQ]    = { OK,  SEQ, SEQ },
		/* The host may give up at any time */
		[NVME_TCP_H2C_TERM] = { OK,  OK,  OK },
		/* Is the first one a Connect? The core answers with a status. */
		[NVME_TCP_CMD]	    = { SEQ, OK,  OK },
		/* Answers an R2T, and none is granted before Connect is over */
		[NVME_TCP_H2C_DATA] = { SEQ, SEQ, OK },
	},
};

#undef SEQ
#undef OK

/**
 * nvme_tcp_type_name - name of a PDU type, for logs
 * @type: enum nvme_tcp_type, or any other value
 *
 * Context: any.
 * Return: a static string, never NULL.
 */
const char *nvme_tcp_type_name(u8 type)
{
	if (type >= NVME_TCP_TYPES || !pdu_rules[type].name)
		return "unknown PDU type";
	return pdu_rules[type].name;
}
EXPORT_SYMBOL_GPL(nvme_tcp_type_name);

/**
 * nvme_tcp_fes_name - name of a Fatal Error Status, for logs
 * @fes: enum nvme_tcp_fes, or any other value
 * @receiver: who gets the TermReq: 05h differs (3.6.2.4, 3.6.2.5)
 *
 * Context: any.
 * Return: a static string, never NULL.
 */
const char *nvme_tcp_fes_name(u16 fes, enum nvme_tcp_role receiver)
{
	static const char * const names[] = {
		[0]			= "none",
		[NVME_TCP_FES_HDR]	= "Invalid PDU Header Field",
		[NVME_TCP_FES_SEQ]	= "PDU Sequence Error",
		[NVME_TCP_FES_HDGST]	= "Header Digest Error",
		[NVME_TCP_FES_RANGE]	= "Data Transfer Out of Range",
		[NVME_TCP_FES_LIMIT]	= "Data Transfer Limit Exceeded",
		[NVME_TCP_FES_PARAM]	= "Unsupported Parameter",
	};

	if (fes > NVME_TCP_FES_PARAM)
		return "reserved";
	if (fes == NVME_TCP_FES_LIMIT && receiver == NVME_TCP_CTRL)
		return "R2T Limit Exceeded";
	return names[fes];
}
EXPORT_SYMBOL_GPL(nvme_tcp_fes_name);

/**
 * nvme_tcp_phase_name - name of a connection phase, for logs and debugfs
 * @phase: enum nvme_tcp_phase, or any other value
 *
 * Context: any.
 * Return: a static string, never NULL.
 */
const char *nvme_tcp_phase_name(u8 phase)
{
	static const char * const names[NVME_TCP_PHASES] = {
		[NVME_TCP_PHASE_IC]		= "initializing",
		[NVME_TCP_PHASE_CONNECT]	= "connecting",
		[NVME_TCP_PHASE_LIVE]		= "live",
		[NVME_TCP_PHASE_DEAD]		= "dead",
	};

	return phase < NVME_TCP_PHASES ? names[phase] : "unknown phase";
}
EXPORT_SYMBOL_GPL(nvme_tcp_phase_name);

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
 * What may arrive when, [receiver][phase][type].
 *
 * no	wrong way: a type that this role sends itself, or that nobody sends.
 *	The PDU-Type is what is wrong with it: Invalid PDU Header Field.
 * seq	right way, wrong time: PDU Sequence Error (3.6.2.4)
 * ok	judge on
 *
 * A host receives:
 *  IC		It has sent ICReq. The controller answers that with ICResp, or
 *		gives up with C2HTermReq. Nothing was asked for yet that could
 *		be answered with anything else.
 *  CONNECT	ICResp has come; a second one is out of sequence. Connect's
 *		data goes inside its capsule and Connect returns none, so
 *		its CapsuleResp is all there is to wait for.
 *  LIVE	All that a controller sends, ICResp excepted.
 *
 * A controller receives:
 *  IC		"The host sends ICReq and nothing else until ICResp"; even so it
 *		may want to be rid of the connection.
 *  CONNECT	ICReq has come; a second one is out of sequence. Capsules only:
 *		whether the first is a Connect is for the target's core to say,
 *		with a status. It grants no R2T before that, so H2CData answers
 *		nothing.
 *  LIVE	All that a host sends, ICReq excepted.
 *
 * DEAD is never looked up. Its row of zeroes is "no" all the same.
 */
#define no	PDU_TYPE
#define seq	PDU_SEQ
#define ok	PDU_OK

const u8 pdu_phases[2][NVME_TCP_PHASES][NVME_TCP_TYPES] = {
	[NVME_TCP_HOST] = {
		/*	  ICReq	ICResp	H2CTerm	C2HTerm	Cmd	Resp	H2CData	C2HData	08h	R2T */
		[NVME_TCP_PHASE_IC] =
			{ no,	ok,	no,	ok,	no,	seq,	no,	seq,	no,	seq },
		[NVME_TCP_PHASE_CONNECT] =
			{ no,	seq,	no,	ok,	no,	ok,	no,	seq,	no,	seq },
		[NVME_TCP_PHASE_LIVE] =
			{ no,	seq,	no,	ok,	no,	ok,	no,	ok,	no,	ok },
	},
	[NVME_TCP_CTRL] = {
		/*	  ICReq	ICResp	H2CTerm	C2HTerm	Cmd	Resp	H2CData	C2HData	08h	R2T */
		[NVME_TCP_PHASE_IC] =
			{ ok,	no,	ok,	no,	seq,	no,	seq,	no,	no,	no },
		[NVME_TCP_PHASE_CONNECT] =
			{ seq,	no,	ok,	no,	ok,	no,	seq,	no,	no,	no },
		[NVME_TCP_PHASE_LIVE] =
			{ seq,	no,	ok,	no,	ok,	no,	ok,	no,	no,	no },
	},
};

#undef no
#undef seq
#undef ok

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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe/TCP on the wire: the whole of NVM Express TCP Transport 1.1 that both
 * ends share, as numbers. Every length and offset is in bytes; every field on
 * the wire is little-endian. Sizes that follow from others are computed.
 */
#ifndef NVME_TCP_WIRE_H
#define NVME_TCP_WIRE_H

enum nvme_tcp_port {
	NVME_TCP_PORT_IO	= 4420,
	NVME_TCP_PORT_DISC	= 8009,
};

/* 3.6.1: PDU-Type */
enum nvme_tcp_type {
	NVME_TCP_ICREQ		= 0x00,
	NVME_TCP_ICRESP		= 0x01,
	NVME_TCP_H2C_TERM	= 0x02,
	NVME_TCP_C2H_TERM	= 0x03,
	NVME_TCP_CMD		= 0x04,
	NVME_TCP_RSP		= 0x05,
	NVME_TCP_H2C_DATA	= 0x06,
	NVME_TCP_C2H_DATA	= 0x07,
	NVME_TCP_R2T		= 0x09,
	NVME_TCP_TYPES,			/* one past the last type that is built */
};

/* 3.6.1: FLAGS */
enum nvme_tcp_flag {
	NVME_TCP_F_HDGST	= 1 << 0,
	NVME_TCP_F_DDGST	= 1 << 1,
	NVME_TCP_F_LAST		= 1 << 2,	/* H2CData, C2HData */
	NVME_TCP_F_SUCCESS	= 1 << 3,	/* C2HData */
};

/* Offsets: the common header, then the PDU specific headers */
enum nvme_tcp_off {
	NVME_TCP_CH_TYPE	= 0,
	NVME_TCP_CH_FLAGS	= 1,
	NVME_TCP_CH_HLEN	= 2,
	NVME_TCP_CH_PDO		= 3,
	NVME_TCP_CH_PLEN	= 4,
	NVME_TCP_CH_SIZE	= 8,

	NVME_TCP_IC_PFV		= 8,
	NVME_TCP_IC_PDA		= 10,	/* HPDA in ICReq, CPDA in ICResp */
	NVME_TCP_IC_DGST	= 11,
	NVME_TCP_IC_MAXR2T	= 12,	/* ICReq */
	NVME_TCP_IC_MAXH2CDATA	= 12,	/* ICResp */

	NVME_TCP_TERM_FES	= 8,
	NVME_TCP_TERM_FEI	= 10,

	NVME_TCP_CMD_SQE	= 8,
	NVME_TCP_RSP_CQE	= 8,

	NVME_TCP_DATA_CCCID	= 8,
	NVME_TCP_DATA_TTAG	= 10,	/* reserved in C2HData */
	NVME_TCP_DATA_DATAO	= 12,
	NVME_TCP_DATA_DATAL	= 16,

	NVME_TCP_R2T_CCCID	= 8,
	NVME_TCP_R2T_TTAG	= 10,
	NVME_TCP_R2T_R2TO	= 12,
	NVME_TCP_R2T_R2TL	= 16,
};

enum nvme_tcp_ic_dgst {
	NVME_TCP_IC_HDGST	= 1 << 0,
	NVME_TCP_IC_DDGST	= 1 << 1,
};

/* Offsets inside the 64 byte SQE that the transport itself has to judge */
enum nvme_tcp_sqe_off {
	NVME_TCP_SQE_OPCODE	= 0,
	NVME_TCP_SQE_CID	= 2,
	NVME_TCP_SQE_FCTYPE	= 4,
	NVME_TCP_SQE_SGL_ADDR	= 24,
	NVME_TCP_SQE_SGL_LEN	= 32,
	NVME_TCP_SQE_SGL_TYPE	= 39,
};

enum nvme_tcp_sgl {
	NVME_TCP_SGL_INCAPSULE	= 0x01,	/* Data Block, Offset */
	NVME_TCP_SGL_TRANSPORT	= 0x5a,	/* Transport Data Block, Transport */
};

enum nvme_tcp_size {
	NVME_TCP_SQE_SIZE	= 64,
	NVME_TCP_CQE_SIZE	= 16,
	NVME_TCP_DGST_SIZE	= 4,
	NVME_TCP_IC_SIZE	= 128,
	NVME_TCP_TERM_SIZE	= 24,
	NVME_TCP_TERM_DATA_MAX	= 128,
	NVME_TCP_TERM_MAX	= NVME_TCP_TERM_SIZE + NVME_TCP_TERM_DATA_MAX,
	NVME_TCP_CMD_SIZE	= NVME_TCP_CH_SIZE + NVME_TCP_SQE_SIZE,
	NVME_TCP_RSP_SIZE	= NVME_TCP_CH_SIZE + NVME_TCP_CQE_SIZE,
	NVME_TCP_DATA_SIZE	= 24,
	NVME_TCP_R2T_SIZE	= 24,

	NVME_TCP_PDA_MAX	= 31,	/* dwords - 1 */
	NVME_TCP_PDO_MAX	= (NVME_TCP_PDA_MAX + 1) * 4,
	NVME_TCP_MAXH2CDATA_MIN	= 4096,
	NVME_TCP_ADMIN_INCAPSULE = 8192,
};

/* 3.6.2.4: Fatal Error Status of a TermReq */
enum nvme_tcp_fes {
	NVME_TCP_FES_HDR	= 0x01,	/* Invalid PDU Header Field, FEI = offset */
	NVME_TCP_FES_SEQ	= 0x02,	/* PDU Sequence Error */
	NVME_TCP_FES_HDGST	= 0x03,	/* Header Digest Error, FEI = received digest */
	NVME_TCP_FES_RANGE	= 0x04,	/* Data Transfer Out of Range */
	NVME_TCP_FES_LIMIT	= 0x05,	/* to the controller: R2T Limit Exceeded,
					 * to the host: Data Transfer Limit Exceeded
					 */
	NVME_TCP_FES_PARAM	= 0x06,	/* Unsupported Parameter, FEI = offset */
};

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values of the NVMe specifications that <linux/nvme.h> lacks, in some kernel
 * or in all. Enumerators cannot be tested for, so these have names of our own.
 */
#ifndef NVME_DEFS_H
#define NVME_DEFS_H

#include <linux/nvme.h>

/* Base Specification 2.1, Figure 102: Command Dword 10, 11 and 14 fields */
enum {
	TGT_LOG_RAE		= 1 << 7,	/* in nvme_get_log_page_command.lsp */
	TGT_LOG_OT_INDEX	= 1 << 23,	/* CDW14: LPO is an index */
	TGT_FEAT_SAVE		= 1U << 31,	/* CDW10 of Set Features */
	TGT_FEAT_SEL_SHIFT	= 8,		/* CDW10 of Get Features */
	TGT_FEAT_SEL_MASK	= 7,
	TGT_FEAT_EXHID		= 1 << 0,	/* CDW11 of Host Identifier */
};

/* Select, Get Features */
enum {
	TGT_SEL_CURRENT		= 0,
	TGT_SEL_DEFAULT		= 1,
	TGT_SEL_SAVED		= 2,
	TGT_SEL_SUPPORTED	= 3,
};

/* What Select 011b answers */
enum {
	TGT_CAP_SAVEABLE	= 1 << 0,
	TGT_CAP_PER_NS		= 1 << 1,
	TGT_CAP_CHANGEABLE	= 1 << 2,
};

/* Log pages and what they hold */
enum {
	TGT_LOG_SUPPORTED	= 0x00,
	TGT_LOG_FEATURES	= 0x12,
	TGT_LID_SUPP		= 1 << 0,	/* LSUPP */
	TGT_FID_SUPP		= 1 << 0,	/* FSUPP */
	TGT_FID_UDCC		= 1 << 1,	/* user data content change */
	TGT_FID_NCC		= 1 << 2,
	TGT_FID_NIC		= 1 << 3,
	TGT_FID_CCC		= 1 << 4,
	TGT_FID_SCOPE_NS	= 1 << 20,
	TGT_FID_SCOPE_CTRL	= 1 << 21,
};

/* Features */
enum {
	TGT_FEAT_IO_CMD_SET	= 0x19,
};

/* SECTYPE, what TSAS says of TCP */
enum {
	TGT_SECTYPE_NONE	= 0,
	TGT_SECTYPE_TLS13	= 2,
};

/* Identify */
enum {
	TGT_CNS_CS_NS_LIST	= 0x07,
	TGT_CNS_CMD_SETS	= 0x1c,
	TGT_ONCS_SELECT		= 1 << 4,
	TGT_ONCS_VERIFY		= 1 << 7,
	TGT_VWC_NO_BROADCAST	= 2 << 1,	/* no Flush of NSID ffffffffh */
	TGT_NSFEAT_OPTPERF	= 1 << 4,	/* NPWG to NOWS hold */
	TGT_NWPC_SUPPORTED	= 1 << 0,
	TGT_LPA_SMART_PER_NS	= 1 << 0,
	TGT_LPA_EXTENDED	= 1 << 2,	/* NUMDU, LPO */
	TGT_SGLS_BYTE		= 1 << 0,	/* no alignment asked for */
	TGT_SGLS_OFFSET		= 1 << 20,	/* in-capsule data */
	TGT_SGLS_TRANSPORT	= 1 << 21,
	TGT_FRMW_SLOT1_RO	= 1 << 0,
	TGT_FRMW_SLOTS_SHIFT	= 1,
	TGT_DLFEAT_READS_ZERO	= 1 << 0,
	TGT_DLFEAT_WZ_DEAC	= 1 << 3,
	TGT_INDEP_ROTATIONAL	= 1 << 4,
	TGT_INDEP_NO_VWC	= 1 << 5,
	TGT_NSTAT_READY		= 1 << 0,
};

/* I/O */
enum {
	TGT_RW_DEAC		= 1 << 9,	/* Write Zeroes: deallocate */
};

#endif

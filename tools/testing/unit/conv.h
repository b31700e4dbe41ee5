/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef UNIT_CONV_H
#define UNIT_CONV_H

#include "t.h"

struct conv_param {
	int ask, grant;			/* digests: 1 header, 2 data */
	u8 hpda, cpda;
	u32 maxr2t, maxh2cdata;
	u32 commands;
};

/* A PDU is sent: its bytes, and what went in, in the words of pcap-check */
typedef void conv_sink(void *arg, bool to_host, const u8 *pdu, size_t n,
		       const char *fields);

/* A whole connection of made-up traffic between two engines, checked on the way */
void conv_run(const struct conv_param *p, conv_sink *sink, void *arg);

#endif

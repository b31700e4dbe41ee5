// SPDX-License-Identifier: GPL-2.0-only
/*
 * PDUs as the specification draws them, without a line or a number of the
 * engine's: what the engine is held against.
 */
#include <ctype.h>

#include "t.h"

u32 ref_crc(const u8 *p, size_t n)
{
	u32 crc = 0xffffffff;

	/* x^32 + x^28 + x^27 + ... + 1, most significant coefficient at bit 0 */
	for (size_t i = 0; i < n * 8; i++) {
		u32 bit = (crc ^ p[i / 8] >> i % 8) & 1;

		crc >>= 1;
		if (bit)
			crc ^= 0x82f63b78;
	}
	return crc ^ 0xffffffff;
}

static int nibble(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

size_t ref_hex(u8 *out, const char *s)
{
	size_t n = 0, from = 0, to = 0;

	while (*s) {
		char *end;
		long count;

		switch (*s) {
		case ' ':
		case '\t':
		case '\n':
			s++;
			break;
		case '#':
			while (*s && *s != '\n')
				s++;
			break;
		case '*':
			count = strtol(s + 1, &end, 10);
			for (; count > 1; count--, n++)
				out[n] = out[n - 1];
			s = end;
			break;
		case '[':
			from = n;
			s++;
			break;
		case ']':
			to = n;
			s++;
			break;
		case 'H':
			put(out + n, 4, ref_crc(out, n));
			n += 4;
			s++;
			break;
		case 'X':
			put(out + n, 4, ref_crc(out + from, to - from));
			n += 4;
			s++;
			break;
		default:
			out[n++] = (u8)(nibble(s[0]) << 4 | nibble(s[1]));
			s += 2;
		}
	}
	return n;
}

struct env ref_env(enum nvme_tcp_role role, enum nvme_tcp_phase phase, int digests,
		   u8 pda)
{
	return (struct env) {
		.role = role, .phase = phase,
		.hdgst = digests & 1, .ddgst = digests & 2,
		.hpda = pda, .cpda = pda,
		.maxh2cdata = 131072, .incapsule = 8192, .maxr2t = 4,
	};
}

void ref_conn(struct nvme_tcp_conn *c, const struct env *e)
{
	struct nvme_tcp_params p = {
		.hdgst = e->hdgst, .ddgst = e->ddgst,
		.pda = e->role == NVME_TCP_HOST ? e->hpda : e->cpda,
		.maxr2t = e->maxr2t,
		.maxh2cdata = e->maxh2cdata,
		.incapsule = e->incapsule,
	};
	u8 ic[128] = { 0 };
	size_t used;

	nvme_tcp_conn_init(c, e->role, &p);
	if (e->phase == NVME_TCP_PHASE_IC)
		return;
	ic[2] = 128;
	ic[4] = 128;
	ic[11] = (u8)(e->hdgst | e->ddgst << 1);
	if (e->role == NVME_TCP_HOST) {
		ic[0] = 1;
		ic[10] = e->cpda;
		put(ic + 12, 4, e->maxh2cdata);
	} else {
		ic[10] = e->hpda;
		put(ic + 12, 4, e->maxr2t - 1);
	}
	if (nvme_tcp_rx_feed(c, ic, 128, &used) != NVME_TCP_EV_HEADER || used != 128 ||
	    nvme_tcp_rx_feed(c, ic, 0, &used) != NVME_TCP_EV_DONE) {
		printf("not ok - a plain ICReq or ICResp is refused\n");
		exit(1);
	}
	if (e->phase == NVME_TCP_PHASE_LIVE)
		nvme_tcp_conn_live(c);
}

/* HLEN by type */
static const u8 hlens[] = { 128, 128, 24, 24, 72, 24, 24, 24, 24, 24 };

size_t ref_pdu(u8 *out, const struct env *e, u8 type, u8 flags, const u8 *psh,
	       const u8 *data, u32 len)
{
	u8 hlen = hlens[type];
	bool to_host = type == 7;
	u32 align = ((to_host ? e->hpda : e->cpda) + 1U) * 4;
	bool hd = e->hdgst && type >= 4;
	bool dd = e->ddgst && len;
	size_t n = hlen + (hd ? 4U : 0U);

	if (len)
		while (n % align)
			n++;
	memset(out, 0, n);
	out[0] = type;
	out[1] = (u8)(flags | hd | dd << 1);
	out[2] = hlen;
	out[3] = len ? (u8)n : 0;
	put(out + 4, 4, n + len + (dd ? 4 : 0));
	memcpy(out + 8, psh, hlen - 8);
	if (hd)
		put(out + hlen, 4, ref_crc(out, hlen));
	if (len)
		memcpy(out + n, data, len);
	n += len;
	if (dd) {
		put(out + n, 4, ref_crc(data, len));
		n += 4;
	}
	return n;
}

size_t ref_data(u8 *out, const struct env *e, u8 type, u8 flags, u16 cccid, u16 ttag,
		u32 off, u32 len, const u8 *data, u32 data_len)
{
	u8 psh[16] = { 0 };

	put(psh, 2, cccid);
	put(psh + 2, 2, ttag);
	put(psh + 4, 4, off);
	put(psh + 8, 4, len);
	return ref_pdu(out, e, type, flags, psh, data, data_len);
}

size_t ref_cmd(u8 *out, const struct env *e, u8 opcode, u16 cid, u8 sgl, u32 sgl_len,
	       const u8 *data, u32 len)
{
	u8 sqe[64] = { 0 };

	sqe[0] = opcode;
	sqe[1] = 0x40;
	put(sqe + 2, 2, cid);
	put(sqe + 32, 4, sgl_len);
	sqe[39] = sgl;
	return ref_pdu(out, e, 4, 0, sqe, data, len);
}

size_t ref_rsp(u8 *out, const struct env *e, u16 cid, u16 status)
{
	u8 cqe[16] = { 0 };

	put(cqe + 12, 2, cid);
	put(cqe + 14, 2, (u16)(status << 1));
	return ref_pdu(out, e, 5, 0, cqe, NULL, 0);
}

void ref_redigest(u8 *pdu, const struct env *e)
{
	if (e->hdgst && pdu[0] >= 4)
		put(pdu + pdu[2], 4, ref_crc(pdu, pdu[2]));
}

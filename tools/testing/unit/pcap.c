// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes a conversation as a capture file, and next to it a line per PDU of
 * what went into it, for pcap-check to hold a dissector's view against.
 *
 *   pcap CAPTURE FIELDS ASK GRANT HPDA CPDA
 */
#include <stdarg.h>

#include "conv.h"

enum { SEGMENT = 1400 };

static FILE *cap, *out;
static u32 seq[2], when;
static u8 hpda, cpda, digests;
static bool bad;

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	bad = true;
}

u32 t_rand(void)
{
	static u32 seed = 12345;

	seed = seed * 1103515245 + 12345;
	return seed >> 8;
}

u32 t_below(u32 n)
{
	return t_rand() % n;
}

static void big(u8 *p, unsigned int width, u32 v)
{
	while (width--) {
		p[width] = (u8)v;
		v >>= 8;
	}
}

static void segment(bool to_host, u8 flags, const u8 *p, size_t n)
{
	u8 rec[16] = { 0 }, ip[20] = { 0x45 }, tcp[20] = { 0 };

	put(rec, 4, when / 1000);
	put(rec + 4, 4, when++ % 1000 * 1000);
	put(rec + 8, 4, 40 + n);
	put(rec + 12, 4, 40 + n);
	big(ip + 2, 2, (u32)(40 + n));
	ip[8] = 64;
	ip[9] = 6;
	big(ip + 12, 4, 0x0a000001U + to_host);
	big(ip + 16, 4, 0x0a000002U - to_host);
	big(tcp, 2, to_host ? 4420 : 40000);
	big(tcp + 2, 2, to_host ? 40000 : 4420);
	big(tcp + 4, 4, seq[to_host]);
	big(tcp + 8, 4, seq[!to_host]);
	tcp[12] = 0x50;
	tcp[13] = flags;
	big(tcp + 14, 2, 65535);
	fwrite(rec, 1, 16, cap);
	fwrite(ip, 1, 20, cap);
	fwrite(tcp, 1, 20, cap);
	fwrite(p, 1, n, cap);
	seq[to_host] += (u32)n + (flags & 2 ? 1 : 0);
}

static void sink(void *arg, bool to_host, const u8 *pdu, size_t n, const char *fields)
{
	static const u8 hlens[] = { 128, 128, 24, 24, 72, 24, 24, 24, 24, 24 };
	unsigned int type, data, head, pdo;
	bool hd, dd;

	(void)arg;
	if (sscanf(fields, "type=%u data=%u", &type, &data) != 2)
		abort();
	hd = type >= 4 && digests & 1;
	dd = data && digests & 2;
	head = hlens[type] + (hd ? 4U : 0U);
	for (pdo = head; data && pdo % (((to_host ? hpda : cpda) + 1U) * 4);)
		pdo++;
	fprintf(out, "hlen=%u pdo=%u plen=%u hdgst=%u ddgst=%u %s\n", hlens[type],
		data ? pdo : 0, pdo + data + (dd ? 4U : 0U), hd, dd, fields);

	for (; n; pdu += data, n -= data) {
		data = (unsigned int)min_t(size_t, n, SEGMENT);
		segment(to_host, 0x18, pdu, data);
	}
}

int main(int argc, char **argv)
{
	static const u8 file[24] = {
		0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [16] = 0, 0, 4, 0, 101,
	};
	struct conv_param p = { .maxr2t = 3, .maxh2cdata = 8192, .commands = 60 };

	if (argc != 7)
		return 2;
	cap = fopen(argv[1], "wb");
	out = fopen(argv[2], "w");
	if (!cap || !out)
		return 2;
	p.ask = atoi(argv[3]);
	p.grant = atoi(argv[4]);
	hpda = (u8)atoi(argv[5]);
	cpda = (u8)atoi(argv[6]);
	p.hpda = hpda;
	p.cpda = cpda;
	digests = (u8)(p.ask & p.grant);

	fwrite(file, 1, sizeof(file), cap);
	segment(false, 0x02, (const u8 *)"", 0);
	segment(true, 0x12, (const u8 *)"", 0);
	segment(false, 0x10, (const u8 *)"", 0);
	conv_run(&p, sink, NULL);
	return fclose(cap) || fclose(out) || bad;
}

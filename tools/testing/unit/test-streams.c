// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams cut into pieces, wherever they can be cut: what is seen must not
 * depend on it. And conversations of two engines.
 */
#include "conv.h"

static struct drive whole, cut;
static u8 stream[8192], data[4096];

static void prepare(struct drive *d, const struct env *e)
{
	drive_start(d, e);
	if (e->role == NVME_TCP_HOST) {
		drive_cmd(d, 1, NVME_TCP_C2H, 80);
		drive_cmd(d, 2, NVME_TCP_H2C, 4096);
		drive_cmd(d, 3, NVME_TCP_NODATA, 0);
		drive_cmd(d, 4, NVME_TCP_C2H, 4);
		return;
	}
	drive_cmd(d, 1, NVME_TCP_H2C, 100);
	drive_cmd(d, 2, NVME_TCP_H2C, 16);
	d->r2t[1] = (struct drive_r2t) { true, 1, { 1, 0, 100, 0 } };
	d->r2t[2] = (struct drive_r2t) { true, 2, { 2, 0, 16, 0 } };
}

/* C2HData of nothing, and yet with padding and a digest */
static size_t empty(u8 *p, const struct env *e)
{
	size_t n = ref_data(p, e, 7, 0, 4, 0, 0, 0, data, 0);

	while (n % ((e->hpda + 1U) * 4))
		p[n++] = 0x77;
	p[3] = (u8)n;
	if (e->ddgst) {
		p[1] |= 2;
		put(p + n, 4, ref_crc(data, 0));
		n += 4;
	}
	put(p + 4, 4, n);
	ref_redigest(p, e);
	return n;
}

/* One of each that the role gets, and a TermReq at the end */
static size_t make_stream(const struct env *e)
{
	bool term = true;
	size_t n = 0;

	if (e->phase == NVME_TCP_PHASE_IC) {
		n = ref_hex(stream, e->role == NVME_TCP_HOST ?
			    "01 00 80 00 80000000 0000 00 00 00200000 00*112" :
			    "00 00 80 00 80000000 0000 00 00 00000000 00*112");
		n += e->role == NVME_TCP_HOST ? ref_rsp(stream + n, e, 3, 0) :
						ref_cmd(stream + n, e, 0x7f, 1, 1, 32, data, 32);
	} else if (e->role == NVME_TCP_HOST) {
		n += ref_data(stream + n, e, 7, 0, 1, 0, 0, 33, data, 33);
		n += ref_data(stream + n, e, 9, 0, 2, 77, 0, 4096, NULL, 0);
		n += ref_data(stream + n, e, 7, 0, 1, 0, 33, 0, data, 0);
		n += ref_rsp(stream + n, e, 3, 0);
		n += ref_data(stream + n, e, 7, 4, 1, 0, 33, 47, data + 33, 47);
		n += ref_rsp(stream + n, e, 1, 0);
		n += empty(stream + n, e);
		n += ref_data(stream + n, e, 7, 12, 4, 0, 0, 4, data, 4);
	} else {
		n += ref_cmd(stream + n, e, 1, 9, 1, 64, data, 64);
		n += ref_data(stream + n, e, 6, 0, 1, 1, 0, 50, data, 50);
		n += ref_cmd(stream + n, e, 2, 8, 0x5a, 64, data, 0);
		n += ref_data(stream + n, e, 6, 4, 2, 2, 0, 16, data, 16);
		n += ref_data(stream + n, e, 6, 4, 1, 1, 50, 50, data + 50, 50);
		n += ref_cmd(stream + n, e, 1, 7, 1, 1, data, 1);
		/* A violation instead */
		n += ref_data(stream + n, e, 6, 4, 1, 1, 50, 50, data + 50, 50);
		term = false;
	}
	if (term)
		n += ref_hex(stream + n, e->role == NVME_TCP_HOST ?
			     "03 00 18 00 28000000 0100 00000000 00*10 aa*16" :
			     "02 00 18 00 28000000 0100 00000000 00*10 aa*16");
	return n;
}

static void compare(void)
{
	T(!strcmp(whole.log, cut.log), "whole:\n%s\ncut:\n%s", whole.log, cut.log);
	T_BYTES(cut.data, cut.data_n, whole.data, whole.data_n);
	T_EQ(cut.c.phase, whole.c.phase);
	T_EQ(cut.c.err.fes, whole.c.err.fes);
}

static void splits(const struct env *e)
{
	char where[100];
	size_t n, i, at;

	snprintf(where, sizeof(where), "%s in %s, digests %d%d, alignment %u",
		 e->role == NVME_TCP_HOST ? "host" : "controller", nvme_tcp_phase_name(e->phase),
		 e->hdgst, e->ddgst, e->hpda);
	n = make_stream(e);

	t_case("%s: %zu bytes at once", where, n);
	prepare(&whole, e);
	drive_feed(&whole, stream, n);
	T_EQ(whole.error, true);
	T_EQ(whole.headers, e->phase == NVME_TCP_PHASE_IC ? 3 :
			    e->role == NVME_TCP_HOST ? 9 : 7);
	T_EQ(whole.dones, e->phase == NVME_TCP_PHASE_IC ? 2 :
			  e->role == NVME_TCP_HOST ? 8 : 6);

	for (i = 0; i <= n; i++) {
		t_case("%s: split at %zu", where, i);
		prepare(&cut, e);
		drive_feed(&cut, stream, i);
		drive_feed(&cut, stream + i, n - i);
		compare();
	}
	for (i = 1; i < 40; i++) {
		t_case("%s: pieces of %zu, payload by the byte", where, i);
		prepare(&cut, e);
		cut.take_max = i % 3;
		for (at = 0; at < n; at += i) {
			drive_feed(&cut, stream + at, min(i, n - at));
			drive_feed(&cut, stream, 0);
		}
		compare();
	}
	for (i = 0; i < 50; i++) {
		t_case("%s: random pieces, %zu", where, i);
		prepare(&cut, e);
		for (at = 0; at < n;) {
			size_t piece = min(t_below(90), n - at);

			drive_feed(&cut, stream + at, piece);
			at += piece;
		}
		compare();
	}
}

void test_splits(void)
{
	static const u8 pdas[] = { 0, 4, 31 };

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)t_rand();
	for (int digests = 0; digests < 4; digests++) {
		for (size_t p = 0; p < ARRAY_SIZE(pdas); p++) {
			struct env e = ref_env(NVME_TCP_HOST, NVME_TCP_PHASE_LIVE, digests, pdas[p]);

			splits(&e);
			e.role = NVME_TCP_CTRL;
			splits(&e);
		}
	}
	for (int role = 0; role < 2; role++) {
		struct env e = ref_env(role, NVME_TCP_PHASE_IC, 0, 0);

		splits(&e);
	}
}

void test_conversations(void)
{
	static const u8 pdas[] = { 0, 1, 4, 31 };

	for (u32 i = 0; i < 256; i++) {
		struct conv_param p = {
			.ask = i & 3, .grant = i >> 2 & 3,
			.hpda = pdas[i >> 4 & 3], .cpda = pdas[i >> 6 & 3],
			.maxr2t = 1 + t_below(6), .maxh2cdata = 4096U << t_below(4),
			.commands = 30,
		};

		t_case("conversation %u: digests %d and %d, alignment %u and %u", i, p.ask,
		       p.grant, p.hpda, p.cpda);
		conv_run(&p, NULL, NULL);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* The form of an input, and the log. */
#include "fuzz.h"

u32 slow_crc(const u8 *p, size_t n)
{
	u32 crc = ~0U;

	while (n--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

u32 rec_expand(const struct rec *r, u8 *out, u32 max)
{
	u32 fill = r->v % (16 * 1024);
	u32 n = r->b, tail = r->a & FIX_DDGST ? 4 : 0;

	if (n > max)
		n = max;
	memcpy(out, r->lit, n);
	if (fill > max - n)
		fill = max - n;
	for (u32 i = 0; i < fill; i++)
		out[n + i] = (u8)(i * 29 + r->b);
	n += fill;
	if (tail > max - n)
		tail = 0;
	if (r->a & FIX_PLEN && n >= 8)
		put(out + 4, 4, n + tail);
	if (r->a & FIX_HDGST && n >= 8 && out[2] + 4U <= n)
		put(out + out[2], 4, slow_crc(out, out[2]));
	if (tail && n >= 8) {
		u32 from = out[3] < n ? out[3] : n;

		put(out + n, 4, slow_crc(out + from, n - from));
		n += 4;
	}
	return n;
}

void input_parse(struct input *in, const u8 *p, size_t n)
{
	u8 c[CFG_SIZE] = { 0 };

	memcpy(c, p, n < CFG_SIZE ? n : CFG_SIZE);
	p += n < CFG_SIZE ? n : CFG_SIZE;
	n -= n < CFG_SIZE ? n : CFG_SIZE;
	in->cfg = (struct cfg) {
		.flags = c[0], .pda = c[1], .peer_pda = c[2], .seed = c[3],
		.maxr2t = (u32)get(c + 4, 4), .maxh2cdata = (u32)get(c + 8, 4),
		.incapsule = (u32)get(c + 12, 4),
	};
	in->recs = 0;
	in->stream_n = 0;
	while (n >= REC_SIZE && in->recs < RECS) {
		struct rec *r = &in->rec[in->recs++];

		*r = (struct rec) {
			.op = p[0] % OPS, .a = p[1],
			.b = (u16)get(p + 2, 2), .v = (u32)get(p + 4, 4),
		};
		p += REC_SIZE;
		n -= REC_SIZE;
		if (r->op != OP_BYTES)
			continue;
		if (r->b > n)
			r->b = (u16)n;
		r->lit = (u8 *)p;
		r->at = (u32)in->stream_n;
		r->len = rec_expand(r, in->stream + r->at, (u32)(STREAM - in->stream_n));
		in->stream_n += r->len;
		p += r->b;
		n -= r->b;
	}
}

void log_ev(struct log *l, enum log_kind kind, const u32 v[10])
{
	if (l->n == EVENTS)
		return;
	l->ev[l->n].kind = kind;
	memcpy(l->ev[l->n++].v, v, sizeof(l->ev[0].v));
}

void log_data(struct log *l, const u8 *p, size_t n)
{
	if (n > sizeof(l->data) - l->data_n)
		DIE("more payload than bytes");
	memcpy(l->data + l->data_n, p, n);
	l->data_n += n;
}

static void ev_print(FILE *f, const struct log_ev *e)
{
	static const char * const fmt[] = {
		[LOG_HEADER] = "HEADER type %u flags %x capsule %u data %u cid %x ttag %x off %x len %x fes %u fei %x\n",
		[LOG_VERDICT] = "  verdict %d: ttag %x off %x len %x done %u\n",
		[LOG_DONE] = "DONE ddgst %u payload %u\n",
		[LOG_ERROR] = "ERROR fes %u fei %x\n",
		[LOG_CUT] = "-- payload %u phase %u fes %u fei %x\n",
		[LOG_CONN] = "  hdgst %u ddgst %u pda %u %u maxr2t %u maxh2cdata %u pdo %u %u %u %u\n",
		[LOG_CMD] = "   cmd %u: done %x granted %x r2ts %u last %u success %u\n",
		[LOG_BUILT] = "   built %u bytes, crc %08x\n",
		[LOG_OP] = "   op %u: %x %x %x %x\n",
	};

	/* The extra arguments of a shorter format are evaluated and ignored */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(f, fmt[e->kind], e->v[0], e->v[1], e->v[2], e->v[3], e->v[4], e->v[5],
		e->v[6], e->v[7], e->v[8], e->v[9]);
#pragma GCC diagnostic pop
}

void log_print(FILE *f, const struct log *l)
{
	for (size_t i = 0; i < l->n; i++)
		ev_print(f, &l->ev[i]);
}

void log_compare(const struct log *engine, const struct log *judge, const char *what)
{
	size_t i, from;

	for (i = 0; i < engine->n && i < judge->n; i++)
		if (memcmp(&engine->ev[i], &judge->ev[i], sizeof(engine->ev[i])))
			break;
	if (i == engine->n && i == judge->n) {
		if (engine->data_n == judge->data_n &&
		    !memcmp(engine->data, judge->data, engine->data_n))
			return;
		DIE("%s: the payload differs", what);
	}
	from = i < 12 ? 0 : i - 12;
	fprintf(stderr, "%s: they part at event %zu. So far:\n", what, i);
	for (; from < i; from++)
		ev_print(stderr, &engine->ev[from]);
	fprintf(stderr, "the engine:\n");
	for (from = i; from < i + 3 && from < engine->n; from++)
		ev_print(stderr, &engine->ev[from]);
	fprintf(stderr, "the other:\n");
	for (from = i; from < i + 3 && from < judge->n; from++)
		ev_print(stderr, &judge->ev[from]);
	DIE("%s: disagreement", what);
}

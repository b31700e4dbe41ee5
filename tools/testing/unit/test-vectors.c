// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every PDU type as bytes written by hand from the specification's figures:
 * what is built has to be these, and these have to be understood.
 */
#include "t.h"

static struct drive d;
static u8 bytes[65536], built[256];

static const u8 data16[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

void test_crc(void)
{
	static u8 buf[1024];
	u8 seq[32], zero[32] = { 0 }, ones[32], b[4];
	u32 i, n, cut;

	t_case("check value of CRC-32C");
	T_EQ(ref_crc((const u8 *)"123456789", 9), 0xe3069283);
	T_EQ(~crc32c(~0U, "123456789", 9), 0xe3069283);

	/* RFC 3720, B.4: the digests as bytes on the wire */
	t_case("vectors of RFC 3720");
	for (i = 0; i < 32; i++) {
		seq[i] = (u8)i;
		ones[i] = 0xff;
	}
	T_EQ(ref_crc(zero, 32), 0x8a9136aa);
	T_EQ(ref_crc(ones, 32), 0x62a8ab43);
	T_EQ(ref_crc(seq, 32), 0x46dd794e);
	nvme_tcp_build_ddgst(crc32c(nvme_tcp_crc_init(), zero, 32), b);
	T_BYTES(b, 4, ((const u8[]){ 0xaa, 0x36, 0x91, 0x8a }), 4);
	nvme_tcp_build_ddgst(crc32c(nvme_tcp_crc_init(), ones, 32), b);
	T_BYTES(b, 4, ((const u8[]){ 0x43, 0xab, 0xa8, 0x62 }), 4);

	for (n = 0; n < 64; n++) {
		t_case("random bytes, in two pieces, %u", n);
		for (i = 0; i < sizeof(buf); i++)
			buf[i] = (u8)t_rand();
		cut = t_below(n + 1);
		T_EQ(~crc32c(crc32c(~0U, buf, cut), buf + cut, n - cut), ref_crc(buf, n));
	}
}

/*
 * Each row: a name, what has been agreed, the picture, how many bytes of it
 * the builder writes (0: all) and, in decode order, what the receiver sees.
 */
struct vector {
	const char *name;
	enum nvme_tcp_role from;
	int digests;
	u8 pda;
	const char *picture;
	size_t head;
	struct nvme_tcp_pdu pdu;
};

static unsigned int build(const struct nvme_tcp_conn *c, u8 *out, const struct vector *v)
{
	static const u8 sqe[64] = {
		[0] = 0x01, [1] = 0x40, [2] = 0x34, [3] = 0x12, [4] = 1,
		/* What was in the SGL is replaced */
		[24] = 0xff, [31] = 0xff, [32] = 0xff, [35] = 0xff, [38] = 0xff, [39] = 0xff,
		[40] = 0x88, [63] = 0x99,
	};
	static const u8 cqe[16] = {
		[0] = 0xd0, [8] = 0x11, [10] = 0x02, [12] = 0x78, [13] = 0x56, [14] = 0x05,
		[15] = 0x40,
	};
	const struct nvme_tcp_pdu *p = &v->pdu;
	struct nvme_tcp_r2t r = { .ttag = p->ttag, .off = p->off, .len = p->len };

	switch (p->type) {
	case NVME_TCP_CMD:
		return nvme_tcp_build_cmd(c, out, sqe, p->data_len, p->len);
	case NVME_TCP_RSP:
		return nvme_tcp_build_rsp(c, out, cqe);
	case NVME_TCP_H2C_DATA:
		return nvme_tcp_build_h2c_data(c, out, p->cccid, p->ttag, p->off, p->len,
					       p->flags & NVME_TCP_F_LAST);
	case NVME_TCP_C2H_DATA:
		return nvme_tcp_build_c2h_data(c, out, p->cccid, p->off, p->len, p->flags);
	case NVME_TCP_R2T:
		return nvme_tcp_build_r2t(c, out, p->cccid, &r);
	}
	abort();
}

#define PDU(type_, ...)	{ .type = NVME_TCP_##type_, __VA_ARGS__ }
#define INLINE		.capsule = NVME_TCP_CAPSULE_INLINE
#define TRANSPORT	.capsule = NVME_TCP_CAPSULE_TRANSPORT

#define SQE_HEAD	"01 40 3412 01000000 00*16 " /* opcode, PSDT, CID, NSID */
#define SQE_TAIL	"88 00*22 99 "
#define SGL_INLINE(len)	"00*8 " len " 000000 01 "
#define SGL_TRANSP(len)	"00*8 " len " 000000 5a "
#define DATA16		"[000102030405060708090a0b0c0d0e0f]"

static const struct vector vectors[] = {
	{ "CapsuleCmd, no data", NVME_TCP_HOST, 0, 0,
	  "04 00 48 00 48000000 " SQE_HEAD SGL_TRANSP("00000000") SQE_TAIL, 0,
	  PDU(CMD, .cccid = 0x1234, TRANSPORT) },
	{ "CapsuleCmd, no data, HDGST", NVME_TCP_HOST, 1, 0,
	  "04 01 48 00 4c000000 " SQE_HEAD SGL_TRANSP("00000000") SQE_TAIL "H", 0,
	  PDU(CMD, .flags = 1, .cccid = 0x1234, TRANSPORT) },
	{ "CapsuleCmd, no data, both digests, padded", NVME_TCP_HOST, 3, 31,
	  "04 01 48 00 4c000000 " SQE_HEAD SGL_TRANSP("00000000") SQE_TAIL "H", 0,
	  PDU(CMD, .flags = 1, .cccid = 0x1234, TRANSPORT) },
	{ "CapsuleCmd, data elsewhere", NVME_TCP_HOST, 0, 0,
	  "04 00 48 00 48000000 " SQE_HEAD SGL_TRANSP("00000201") SQE_TAIL, 0,
	  PDU(CMD, .cccid = 0x1234, .len = 0x01020000, TRANSPORT) },
	{ "CapsuleCmd, data inside", NVME_TCP_HOST, 0, 0,
	  "04 00 48 48 58000000 " SQE_HEAD SGL_INLINE("10000000") SQE_TAIL DATA16, 72,
	  PDU(CMD, .cccid = 0x1234, .len = 16, .data_len = 16, INLINE) },
	{ "CapsuleCmd, data inside, HDGST", NVME_TCP_HOST, 1, 0,
	  "04 01 48 4c 5c000000 " SQE_HEAD SGL_INLINE("10000000") SQE_TAIL "H" DATA16, 76,
	  PDU(CMD, .flags = 1, .cccid = 0x1234, .len = 16, .data_len = 16, INLINE) },
	{ "CapsuleCmd, data inside, DDGST", NVME_TCP_HOST, 2, 0,
	  "04 02 48 48 5c000000 " SQE_HEAD SGL_INLINE("10000000") SQE_TAIL DATA16 "X", 72,
	  PDU(CMD, .flags = 2, .cccid = 0x1234, .len = 16, .data_len = 16, INLINE) },
	{ "CapsuleCmd, data inside, both digests, at 128", NVME_TCP_HOST, 3, 31,
	  "04 03 48 80 94000000 " SQE_HEAD SGL_INLINE("10000000") SQE_TAIL "H 00*52"
	  DATA16 "X", 128,
	  PDU(CMD, .flags = 3, .cccid = 0x1234, .len = 16, .data_len = 16, INLINE) },
	{ "CapsuleCmd, data inside, 20 byte alignment", NVME_TCP_HOST, 0, 4,
	  "04 00 48 50 60000000 " SQE_HEAD SGL_INLINE("10000000") SQE_TAIL "00*8" DATA16, 80,
	  PDU(CMD, .cccid = 0x1234, .len = 16, .data_len = 16, INLINE) },

	{ "CapsuleResp", NVME_TCP_CTRL, 0, 0,
	  "05 00 18 00 18000000 d0 00*7 1100 0200 7856 0540", 0,
	  PDU(RSP, .cccid = 0x5678) },
	{ "CapsuleResp, HDGST", NVME_TCP_CTRL, 3, 31,
	  "05 01 18 00 1c000000 d0 00*7 1100 0200 7856 0540 H", 0,
	  PDU(RSP, .flags = 1, .cccid = 0x5678) },

	{ "R2T", NVME_TCP_CTRL, 0, 0,
	  "09 00 18 00 18000000 3412 0300 00100000 00020000 00000000", 0,
	  PDU(R2T, .cccid = 0x1234, .ttag = 3, .off = 0x1000, .len = 0x200) },
	{ "R2T, HDGST", NVME_TCP_CTRL, 3, 31,
	  "09 01 18 00 1c000000 3412 0300 00100000 00020000 00000000 H", 0,
	  PDU(R2T, .flags = 1, .cccid = 0x1234, .ttag = 3, .off = 0x1000, .len = 0x200) },

	{ "H2CData", NVME_TCP_HOST, 0, 0,
	  "06 00 18 18 28000000 3412 0300 00100000 10000000 00000000" DATA16, 24,
	  PDU(H2C_DATA, .cccid = 0x1234, .ttag = 3, .off = 0x1000, .len = 16,
	      .data_len = 16) },
	{ "H2CData, last, both digests", NVME_TCP_HOST, 3, 0,
	  "06 07 18 1c 30000000 3412 0300 f0110000 10000000 00000000 H" DATA16 "X", 28,
	  PDU(H2C_DATA, .flags = 7, .cccid = 0x1234, .ttag = 3, .off = 0x11f0, .len = 16,
	      .data_len = 16) },
	{ "H2CData, last, HDGST, 32 byte alignment", NVME_TCP_HOST, 1, 7,
	  "06 05 18 20 30000000 3412 0300 f0110000 10000000 00000000 H 00*4" DATA16, 32,
	  PDU(H2C_DATA, .flags = 5, .cccid = 0x1234, .ttag = 3, .off = 0x11f0, .len = 16,
	      .data_len = 16) },
	{ "H2CData of nothing, both digests", NVME_TCP_HOST, 3, 31,
	  "06 01 18 00 1c000000 3412 0300 00100000 00000000 00000000 H", 0,
	  PDU(H2C_DATA, .flags = 1, .cccid = 0x1234, .ttag = 3, .off = 0x1000) },

	{ "C2HData", NVME_TCP_CTRL, 0, 0,
	  "07 00 18 18 28000000 3412 0000 00000000 10000000 00000000" DATA16, 24,
	  PDU(C2H_DATA, .cccid = 0x1234, .len = 16, .data_len = 16) },
	{ "C2HData, last", NVME_TCP_CTRL, 0, 0,
	  "07 04 18 18 28000000 3412 0000 f0110000 10000000 00000000" DATA16, 24,
	  PDU(C2H_DATA, .flags = 4, .cccid = 0x1234, .off = 0x11f0, .len = 16,
	      .data_len = 16) },
	{ "C2HData, last, success, both digests, at 128", NVME_TCP_CTRL, 3, 31,
	  "07 0f 18 80 94000000 3412 0000 f0110000 10000000 00000000 H 00*100" DATA16 "X", 128,
	  PDU(C2H_DATA, .flags = 15, .cccid = 0x1234, .off = 0x11f0, .len = 16,
	      .data_len = 16) },
	{ "C2HData, DDGST", NVME_TCP_CTRL, 2, 0,
	  "07 02 18 18 2c000000 3412 0000 00000000 10000000 00000000" DATA16 "X", 24,
	  PDU(C2H_DATA, .flags = 2, .cccid = 0x1234, .len = 16, .data_len = 16) },
};

static void same_pdu(const struct nvme_tcp_pdu *a, const struct nvme_tcp_pdu *b)
{
	T_EQ(a->type, b->type);
	T_EQ(a->flags, b->flags);
	T_EQ(a->capsule, b->capsule);
	T_EQ(a->data_len, b->data_len);
	T_EQ(a->cccid, b->cccid);
	T_EQ(a->ttag, b->ttag);
	T_EQ(a->off, b->off);
	T_EQ(a->len, b->len);
	T_EQ(a->fes, b->fes);
	T_EQ(a->fei, b->fei);
}

/* Something for the PDU to belong to */
static void expect(const struct nvme_tcp_pdu *p)
{
	struct nvme_tcp_xfer *x;

	switch (p->type) {
	case NVME_TCP_RSP:
		drive_cmd(&d, p->cccid, NVME_TCP_NODATA, 0);
		break;
	case NVME_TCP_R2T:
		x = drive_cmd(&d, p->cccid, NVME_TCP_H2C, 0x1200);
		x->granted = p->off;
		break;
	case NVME_TCP_C2H_DATA:
		x = drive_cmd(&d, p->cccid, NVME_TCP_C2H, 0x1200);
		x->done = p->off;
		break;
	case NVME_TCP_H2C_DATA:
		drive_cmd(&d, p->cccid, NVME_TCP_H2C, 0x1200);
		d.r2t[p->ttag] = (struct drive_r2t) {
			.on = true, .cid = p->cccid,
			.r = { .ttag = p->ttag, .off = 0x1000, .len = 0x200,
			       .done = p->off - 0x1000 },
		};
		break;
	}
}

static void ic_vectors(void)
{
	struct nvme_tcp_params h = { .hdgst = true, .pda = 7, .maxr2t = 16 };
	struct nvme_tcp_params t = { .hdgst = true, .ddgst = true, .pda = 31,
				     .maxh2cdata = 0x20000, .incapsule = 8192 };
	struct env e = ref_env(NVME_TCP_CTRL, NVME_TCP_PHASE_IC, 0, 0);
	struct nvme_tcp_conn c;
	size_t n;

	t_case("ICReq, built");
	nvme_tcp_conn_init(&c, NVME_TCP_HOST, &h);
	n = ref_hex(bytes, "00 00 80 00 80000000 0000 07 01 0f000000 00*112");
	T_BYTES(built, nvme_tcp_build_icreq(&c, built), bytes, n);

	t_case("ICReq, received");
	drive_start(&d, &e);
	nvme_tcp_conn_init(&d.c, NVME_TCP_CTRL, &t);
	drive_feed(&d, bytes, n);
	T_EQ(d.dones, 1);
	same_pdu(&d.c.pdu, &(struct nvme_tcp_pdu) PDU(ICREQ));
	T_EQ(d.c.tx_pda, 7);
	T_EQ(d.c.rx_pda, 31);
	T_EQ(d.c.maxr2t, 16);
	T_EQ(d.c.maxh2cdata, 0x20000);
	T_EQ(d.c.hdgst, true);
	T_EQ(d.c.ddgst, false);

	t_case("ICResp, built");
	n = ref_hex(bytes, "01 00 80 00 80000000 0000 1f 01 00000200 00*112");
	T_BYTES(built, nvme_tcp_build_icresp(&d.c, built), bytes, n);

	t_case("ICResp, received");
	drive_start(&d, &e);
	nvme_tcp_conn_init(&d.c, NVME_TCP_HOST, &h);
	drive_feed(&d, bytes, n);
	T_EQ(d.dones, 1);
	same_pdu(&d.c.pdu, &(struct nvme_tcp_pdu) PDU(ICRESP));
	T_EQ(d.c.tx_pda, 31);
	T_EQ(d.c.rx_pda, 7);
	T_EQ(d.c.maxr2t, 16);
	T_EQ(d.c.maxh2cdata, 0x20000);
	T_EQ(d.c.hdgst, true);
	T_EQ(d.c.ddgst, false);
	T_EQ(d.c.phase, NVME_TCP_PHASE_CONNECT);
}

void test_vectors(void)
{
	size_t i, n, wrote;

	ic_vectors();
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		enum nvme_tcp_role to = v->from == NVME_TCP_HOST ? NVME_TCP_CTRL :
								   NVME_TCP_HOST;
		struct env e = ref_env(v->from, NVME_TCP_PHASE_LIVE, v->digests, v->pda);
		bool data = v->pdu.data_len;

		n = ref_hex(bytes, v->picture);

		t_case("%s, built", v->name);
		ref_conn(&d.c, &e);
		memset(built, 0xee, sizeof(built));
		wrote = build(&d.c, built, v);
		T(wrote <= NVME_TCP_BUILD_MAX, "%zu bytes", wrote);
		T_BYTES(built, wrote, bytes, v->head ? v->head : n);
		T_EQ(built[wrote], 0xee);

		t_case("%s, received", v->name);
		e = ref_env(to, NVME_TCP_PHASE_LIVE, v->digests, v->pda);
		drive_start(&d, &e);
		expect(&v->pdu);
		drive_feed(&d, bytes, n);
		T(!d.error, "%s", d.log);
		T_EQ(d.headers, 1);
		T_EQ(d.dones, 1);
		T_EQ(d.c.ddgst_ok, true);
		same_pdu(&d.c.pdu, &v->pdu);
		T_BYTES(d.data, d.data_n, data16, data ? 16 : 0);
		T_BYTES(d.c.hdr, bytes[2], bytes, bytes[2]);
	}
}

void test_names(void)
{
	static const char * const types[] = {
		"ICReq", "ICResp", "H2CTermReq", "C2HTermReq", "CapsuleCmd", "CapsuleResp",
		"H2CData", "C2HData", "unknown PDU type", "R2T",
	};
	static const char * const fes[] = {
		"none", "Invalid PDU Header Field", "PDU Sequence Error", "Header Digest Error",
		"Data Transfer Out of Range", "", "Unsupported Parameter",
	};
	static const char * const phases[] = { "initializing", "connecting", "live", "dead" };
	unsigned int i;

	for (i = 0; i < 256; i++) {
		t_case("name of type %u", i);
		T(!strcmp(nvme_tcp_type_name((u8)i), i < 10 ? types[i] : types[8]));
		t_case("name of phase %u", i);
		T(!strcmp(nvme_tcp_phase_name((u8)i), i < 4 ? phases[i] : "unknown phase"));
	}
	for (i = 0; i < 65536; i = i < 16 ? i + 1 : i * 2) {
		t_case("name of FES %u", i);
		if (i == 5) {
			T(!strcmp(nvme_tcp_fes_name(5, NVME_TCP_HOST),
				  "Data Transfer Limit Exceeded"));
			T(!strcmp(nvme_tcp_fes_name(5, NVME_TCP_CTRL), "R2T Limit Exceeded"));
			continue;
		}
		T(!strcmp(nvme_tcp_fes_name((u16)i, NVME_TCP_HOST), i < 7 ? fes[i] : "reserved"));
		T(!strcmp(nvme_tcp_fes_name((u16)i, NVME_TCP_CTRL), i < 7 ? fes[i] : "reserved"));
	}
}

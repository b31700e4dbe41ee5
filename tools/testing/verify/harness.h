/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the proofs share. Each prove_*() in the .c files is one: the model checker
 * tries every value of everything nondeterministic in it.
 */
#ifndef VERIFY_HARNESS_H
#define VERIFY_HARNESS_H

#include <stdlib.h>

#include "pdu.h"

#define ASSUME(c)	__CPROVER_assume(c)
#define CHECK(c, what)	__CPROVER_assert(c, what)

u8 nondet_u8(void);
u16 nondet_u16(void);
u32 nondet_u32(void);
size_t nondet_size(void);
_Bool nondet_bool(void);

/* One digest for all bytes there are: which one, nobody knows */
extern u32 the_crc;

/* What holds of a connection between any two calls, whatever has come */
bool conn_ok(const struct nvme_tcp_conn *c);
/* Any connection that is so */
void conn_any(struct nvme_tcp_conn *c);
/* Any that is past ICReq and ICResp */
void conn_agreed(struct nvme_tcp_conn *c, enum nvme_tcp_role role);
/* Any @n bytes, exactly as much memory */
u8 *bytes_any(size_t n);

#endif

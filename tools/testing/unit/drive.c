// SPDX-License-Identifier: GPL-2.0-only
/*
 * A consumer of the engine: finds commands, moves payload, logs every event.
 * The log depends on the stream alone and not on how it was cut into pieces.
 */
#include <stdarg.h>

#include "t.h"

static void say(struct drive *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->log_n += (size_t)vsnprintf(d->log + d->log_n, sizeof(d->log) - d->log_n, fmt, ap);
	va_end(ap);
	if (d->log_n >= sizeof(d->log)) {
		printf("not ok - the log overflows\n");
		exit(1);
	}
}

void drive_start(struct drive *d, const struct env *e)
{
	ref_conn(&d->c, e);
	memset(d->cmd, 0, sizeof(d->cmd));
	memset(d->r2t, 0, sizeof(d->r2t));
	d->headers = 0;
	d->dones = 0;
	d->error = false;
	d->take_max = 0;
	d->data_n = 0;
	d->log_n = 0;
	d->log[0] = 0;
}

struct nvme_tcp_xfer *drive_cmd(struct drive *d, u16 cid, enum nvme_tcp_dir dir, u32 len)
{
	for (size_t i = 0; i < DRIVE_CMDS; i++) {
		if (d->cmd[i].on)
			continue;
		d->cmd[i].on = true;
		d->cmd[i].cid = cid;
		nvme_tcp_xfer_start(&d->cmd[i].x, dir, len);
		return &d->cmd[i].x;
	}
	abort();
}

static struct drive_cmd *find_cmd(struct drive *d, u16 cid)
{
	for (size_t i = 0; i < DRIVE_CMDS; i++)
		if (d->cmd[i].on && d->cmd[i].cid == cid)
			return &d->cmd[i];
	return NULL;
}

static int header(struct drive *d)
{
	struct nvme_tcp_conn *c = &d->c;
	const struct nvme_tcp_pdu *p = &c->pdu;
	struct drive_cmd *cmd = find_cmd(d, p->cccid);
	struct nvme_tcp_r2t got;
	struct drive_r2t *r;
	bool done;
	int ret = 0;

	d->headers++;
	say(d, "%s flags %x capsule %u data %u cid %x ttag %x off %u len %u fes %u fei %u\n",
	    nvme_tcp_type_name(p->type), p->flags, p->capsule, p->data_len, p->cccid,
	    p->ttag, p->off, p->len, p->fes, p->fei);

	switch (p->type) {
	case NVME_TCP_C2H_DATA:
		return nvme_tcp_host_c2h_data(c, cmd ? &cmd->x : NULL);
	case NVME_TCP_R2T:
		ret = nvme_tcp_host_r2t(c, cmd ? &cmd->x : NULL, &got);
		if (!ret)
			say(d, " r2t %x %u %u %u\n", got.ttag, got.off, got.len, got.done);
		return ret;
	case NVME_TCP_RSP:
		ret = nvme_tcp_host_rsp(c, cmd ? &cmd->x : NULL);
		say(d, " rsp %d\n", ret);
		if (ret >= 0)
			cmd->on = false;
		return ret < 0 ? ret : 0;
	case NVME_TCP_H2C_DATA:
		r = p->ttag < DRIVE_R2TS && d->r2t[p->ttag].on ? &d->r2t[p->ttag] : NULL;
		cmd = r ? find_cmd(d, r->cid) : NULL;
		ret = nvme_tcp_ctrl_h2c_data(c, cmd ? &cmd->x : NULL, r ? &r->r : NULL,
					     r ? r->cid : 0, &done);
		say(d, " r2t done %d\n", done);
		if (!ret && done)
			r->on = false;
		return ret;
	}
	return 0;
}

static void feed(struct drive *d, const u8 *p, size_t n)
{
	struct nvme_tcp_conn *c = &d->c;
	size_t limit = 3 * n + 8;
	size_t at = 0;

	for (;;) {
		size_t used = ~(size_t)0;
		enum nvme_tcp_ev ev = nvme_tcp_rx_feed(c, p + at, n - at, &used);
		u32 move;

		T(used <= n - at, "%zu bytes eaten of %zu", used, n - at);
		T(limit--, "the engine runs in circles");
		if (used > n - at || !limit)
			return;
		at += used;

		switch (ev) {
		case NVME_TCP_EV_MORE:
			T_EQ(at, n);
			return;
		case NVME_TCP_EV_HEADER:
			if (header(d))
				break;
			continue;
		case NVME_TCP_EV_DATA:
			move = (u32)min_t(size_t, c->data_left, n - at);
			T(move, "DATA without a byte");
			if (d->take_max)
				move = min_t(u32, move, 1 + t_below(d->take_max));
			memcpy(d->data + d->data_n, p + at, move);
			d->data_n += move;
			nvme_tcp_rx_take(c, move, c->want_ddgst ?
					 crc32c(c->crc, p + at, move) : 0xdeadbeef);
			at += move;
			continue;
		case NVME_TCP_EV_DONE:
			d->dones++;
			say(d, " done %d at %zu\n", c->ddgst_ok, d->data_n);
			continue;
		case NVME_TCP_EV_ERROR:
			break;
		}
		if (!d->error)
			say(d, " error %x %x\n", c->err.fes, c->err.fei);
		d->error = true;
		T_EQ(c->phase, NVME_TCP_PHASE_DEAD);
		T(c->err.what, "an error has a name");
		/* Dead is dead, and eats nothing */
		T(nvme_tcp_rx_feed(c, p + at, n - at, &used) == NVME_TCP_EV_ERROR && !used,
		  "feeding on after an error");
		return;
	}
}

void drive_feed(struct drive *d, const u8 *p, size_t n)
{
	u8 *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	feed(d, copy, n);
	free(copy);
}

u16 drive_one(struct drive *d, const struct env *e, const u8 *p, size_t n)
{
	drive_start(d, e);
	drive_feed(d, p, n);
	return d->c.err.fes;
}

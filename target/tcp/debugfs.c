// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/nvmet-tcp/: a line per connection, and the module's memory.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "tcp.h"

static struct dentry *tt_dir;

/*
 * One row per column. The numbers change while they are read: good enough for
 * people, and free on the way.
 */
struct tt_column {
	const char *name;
	unsigned int at;	/* in struct tt_stats */
};

#define TT_COL(name_, field) { name_, offsetof(struct tt_stats, field) }
#define TT_PDU(name_, dir, type) { name_, \
	offsetof(struct tt_stats, dir ## _pdus) + (type) * sizeof(u64) }

static const struct tt_column tt_columns[] = {
	TT_PDU("rx_cmd", rx, NVME_TCP_CMD),
	TT_PDU("rx_h2c", rx, NVME_TCP_H2C_DATA),
	TT_COL("rx_bytes", rx_bytes),
	TT_COL("rx_softirq", rx_softirq),
	TT_COL("rx_worker", rx_worker),
	TT_COL("rx_stalls", rx_stalls),
	TT_PDU("tx_rsp", tx, NVME_TCP_RSP),
	TT_PDU("tx_c2h", tx, NVME_TCP_C2H_DATA),
	TT_PDU("tx_r2t", tx, NVME_TCP_R2T),
	TT_COL("tx_bytes", tx_bytes),
	TT_COL("sends", sends),
	TT_COL("send_full", send_full),
	TT_COL("runs", runs),
	TT_COL("stays", stays),
	TT_COL("batches", batches),
	TT_COL("starved", starved),
	TT_COL("ddgst_errors", ddgst_errors),
};

static int connections_show(struct seq_file *m, void *unused)
{
	struct tt_conn *conn;
	unsigned int i;
	bool hello;

	seq_puts(m, "port qid peer cpu phase tls slots inflight mem");
	for (i = 0; i < ARRAY_SIZE(tt_columns); i++)
		seq_printf(m, " %s", tt_columns[i].name);
	seq_putc(m, '\n');

	mutex_lock(&tt_conns_lock);
	list_for_each_entry(conn, &tt_conns, entry) {
		hello = test_bit(TT_HELLO, &conn->flags);
		/* One of those in flight is the connection itself, or there is a handshake */
		seq_printf(m, "%u %u %pISpc %d %s %d %u %d %ld", conn->tp->port->portid,
			   conn->q.qid, &conn->peer, READ_ONCE(conn->cpu),
			   test_bit(TT_CLOSING, &conn->flags) ? "closing" :
			   hello ? "hello" :
			   nvme_tcp_phase_name(READ_ONCE(conn->eng.phase)),
			   test_bit(TT_TLS, &conn->flags), conn->nslots,
			   hello ? 0 : atomic_read(&conn->inflight) - 1,
			   atomic_long_read(&conn->mem));
		for (i = 0; i < ARRAY_SIZE(tt_columns); i++)
			seq_printf(m, " %llu",
				   *(u64 *)((char *)&conn->stats + tt_columns[i].at));
		seq_putc(m, '\n');
	}
	mutex_unlock(&tt_conns_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(connections);

static int memory_show(struct seq_file *m, void *unused)
{
	s64 limit, used = tt_mem_used(&limit);

	seq_printf(m, "used %lld limit %lld\n", used, limit);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(memory);

void tt_debugfs_init(void)
{
	tt_dir = debugfs_create_dir("nvmet-tcp", NULL);
	debugfs_create_file("connections", 0400, tt_dir, NULL, &connections_fops);
	debugfs_create_file("memory", 0400, tt_dir, NULL, &memory_fops);
}

void tt_debugfs_exit(void)
{
	debugfs_remove_recursive(tt_dir);
}

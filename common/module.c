// SPDX-License-Identifier: GPL-2.0-only
/*
 * The engine as a kernel module: what the host's and the target's transport
 * link against. There is nothing to set up and nothing to tear down.
 */
#include <linux/module.h>

#include "nvme-tcp-pdu.h"

EXPORT_SYMBOL_GPL(nvme_tcp_conn_init);
EXPORT_SYMBOL_GPL(nvme_tcp_conn_live);
EXPORT_SYMBOL_GPL(nvme_tcp_conn_dead);

EXPORT_SYMBOL_GPL(nvme_tcp_rx_feed);
EXPORT_SYMBOL_GPL(nvme_tcp_rx_take);
EXPORT_SYMBOL_GPL(nvme_tcp_rx_refuse);

EXPORT_SYMBOL_GPL(nvme_tcp_host_c2h_data);
EXPORT_SYMBOL_GPL(nvme_tcp_host_r2t);
EXPORT_SYMBOL_GPL(nvme_tcp_host_rsp);
EXPORT_SYMBOL_GPL(nvme_tcp_ctrl_h2c_data);

EXPORT_SYMBOL_GPL(nvme_tcp_xfer_start);
EXPORT_SYMBOL_GPL(nvme_tcp_xfer_moved);
EXPORT_SYMBOL_GPL(nvme_tcp_ctrl_next_r2t);
EXPORT_SYMBOL_GPL(nvme_tcp_host_next_h2c);

EXPORT_SYMBOL_GPL(nvme_tcp_build_icreq);
EXPORT_SYMBOL_GPL(nvme_tcp_build_icresp);
EXPORT_SYMBOL_GPL(nvme_tcp_build_cmd);
EXPORT_SYMBOL_GPL(nvme_tcp_build_rsp);
EXPORT_SYMBOL_GPL(nvme_tcp_build_h2c_data);
EXPORT_SYMBOL_GPL(nvme_tcp_build_c2h_data);
EXPORT_SYMBOL_GPL(nvme_tcp_build_r2t);
EXPORT_SYMBOL_GPL(nvme_tcp_build_term);

EXPORT_SYMBOL_GPL(nvme_tcp_type_name);
EXPORT_SYMBOL_GPL(nvme_tcp_fes_name);
EXPORT_SYMBOL_GPL(nvme_tcp_phase_name);

MODULE_DESCRIPTION("NVMe/TCP protocol engine");
MODULE_LICENSE("GPL");

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's NVMe core, as a transport sees it.
 *
 * The types and the exported functions come from the kernel being built for:
 * from its own headers inside a tree, else generated from its type information
 * (scripts/gen-core-headers). What is neither a type nor a function with a
 * body of its own, macros and inline functions, type information does not
 * hold: those that a transport uses are here. So are the differences between
 * kernels: the code is written against the newest.
 */
#ifndef NVME_CORE_ABI_H
#define NVME_CORE_ABI_H

#include "compat.h"
#include "nvme-core-raw.h"
#include "core-features.h"

#ifndef HAVE_NVME_INLINES

extern struct workqueue_struct *nvme_wq;
extern struct workqueue_struct *nvme_reset_wq;
extern struct workqueue_struct *nvme_delete_wq;

/* Seconds; module parameters of nvme-core. */
extern unsigned int nvme_io_timeout;
extern unsigned int admin_timeout;

#define NVME_IO_TIMEOUT			(nvme_io_timeout * HZ)
#define NVME_ADMIN_TIMEOUT		(admin_timeout * HZ)
#define NVME_DEFAULT_KATO		5

/* nvme_ctrl_ops.flags */
#define NVME_F_FABRICS			BIT(0)
#define NVME_F_METADATA_SUPPORTED	BIT(1)
#define NVME_F_BLOCKING			BIT(2)

/* nvme_ns_head.disk accounts for the request (native multipath) */
#define REQ_NVME_MPATH			REQ_DRV

#define NVME_QID_ANY			(-1)
#define NVME_CTRL_PAGE_SHIFT		12
#define NVME_CTRL_PAGE_SIZE		BIT(NVME_CTRL_PAGE_SHIFT)

#define NVMF_MIN_QUEUE_SIZE		16
#define NVMF_MAX_QUEUE_SIZE		1024
#define NVMF_DEF_QUEUE_SIZE		128
#define NVMF_DEF_RECONNECT_DELAY	10
#define NVMF_DEF_CTRL_LOSS_TMO		600

static inline enum nvme_ctrl_state nvme_ctrl_state(struct nvme_ctrl *ctrl)
{
	return READ_ONCE(ctrl->state);
}

static inline void nvme_get_ctrl(struct nvme_ctrl *ctrl)
{
	get_device(ctrl->device);
}

static inline void nvme_put_ctrl(struct nvme_ctrl *ctrl)
{
	put_device(ctrl->device);
}

/* The core's part of a request: first in the driver's per-request data. */
static inline struct nvme_request *nvme_req(struct request *rq)
{
	return blk_mq_rq_to_pdu(rq);
}

/*
 * A command identifier is the tag, and above it four bits of a count of the
 * tag's uses, which tell a stale or doubled response from the awaited one.
 */
#define NVME_CID_TAG_BITS		12
#define nvme_genctr_mask(gen)		((gen) & 0xf)
#define nvme_tag_from_cid(cid)		((cid) & GENMASK(NVME_CID_TAG_BITS - 1, 0))
#define nvme_genctr_from_cid(cid)	nvme_genctr_mask((cid) >> NVME_CID_TAG_BITS)

static inline u16 nvme_cid(struct request *rq)
{
	return nvme_genctr_mask(nvme_req(rq)->genctr) << NVME_CID_TAG_BITS |
	       rq->tag;
}

/* By the tag alone. */
static inline struct request *nvme_cid_to_rq(struct blk_mq_tags *tags, u16 cid)
{
	return blk_mq_tag_to_rq(tags, nvme_tag_from_cid(cid));
}

/* The request that the identifier names now, or NULL for a stale one. */
static inline struct request *nvme_find_rq(struct blk_mq_tags *tags, u16 cid)
{
	struct request *rq = nvme_cid_to_rq(tags, cid);

	if (unlikely(!rq || nvme_cid(rq) != cid))
		return NULL;
	return rq;
}

/* Asynchronous events have tags of their own above those of blk-mq. */
static inline bool nvme_is_aen_req(u16 qid, u16 cid)
{
	return !qid && nvme_tag_from_cid(cid) >= NVME_AQ_BLK_MQ_DEPTH;
}

#ifdef HAVE_NVME_SHOULD_FAIL
void nvme_should_fail(struct request *req);
#else
static inline void nvme_should_fail(struct request *req)
{
}
#endif

/*
 * Take over status and result. true: the completion is on its way. false: the
 * caller has to complete the request, nvme_complete_rq() or a batch.
 */
static inline bool nvme_try_complete_req(struct request *rq, __le16 status,
					 union nvme_result result)
{
	struct nvme_request *nr = nvme_req(rq);

	if (!(nr->ctrl->quirks & NVME_QUIRK_SKIP_CID_GEN))
		nr->genctr++;
	nr->result = result;
	nr->status = le16_to_cpu(status) >> 1;
	nvme_should_fail(rq);
	return unlikely(blk_should_fake_timeout(rq->q)) ||
	       blk_mq_complete_request_remote(rq);
}

/* Before the command goes out. */
static inline void nvme_start_request(struct request *rq)
{
#ifdef HAVE_NVME_MPATH_START_REQUEST
	if (rq->cmd_flags & REQ_NVME_MPATH)
		nvme_mpath_start_request(rq);
#endif
	blk_mq_start_request(rq);
}

/* May this request go to a queue that is (not yet, no longer) live? */
static inline bool nvme_check_ready(struct nvme_ctrl *ctrl, struct request *rq,
				    bool queue_live)
{
	enum nvme_ctrl_state state = nvme_ctrl_state(ctrl);

	if (likely(state == NVME_CTRL_LIVE))
		return true;
	if (state == NVME_CTRL_DELETING && ctrl->ops->flags & NVME_F_FABRICS)
		return queue_live;
#ifdef HAVE_NVME_CHECK_READY_STATE
	return __nvme_check_ready(ctrl, rq, queue_live, state);
#else
	return __nvme_check_ready(ctrl, rq, queue_live);
#endif
}

/* Ends what its timeout handler gave up on, once. */
static inline void nvmf_complete_timed_out_request(struct request *rq)
{
	if (!blk_mq_request_started(rq) || blk_mq_request_completed(rq))
		return;
	nvme_req(rq)->status = NVME_SC_HOST_ABORTED_CMD;
	blk_mq_complete_request(rq);
}

/* The subsystem's name: from its Identify data once there is one. */
static inline char *nvmf_ctrl_subsysnqn(struct nvme_ctrl *ctrl)
{
	if (ctrl->subsys &&
	    strcmp(ctrl->opts->subsysnqn, NVME_DISC_SUBSYS_NAME))
		return ctrl->subsys->subnqn;
	return ctrl->opts->subsysnqn;
}

#endif /* HAVE_NVME_INLINES */

#ifndef HAVE_NVME_STATUS_DNR
#define NVME_STATUS_DNR			0x4000
#endif

#ifndef HAVE_NVME_STATE_TERMINAL
/* No way back to live. */
static inline bool nvme_state_terminal(struct nvme_ctrl *ctrl)
{
	return nvme_ctrl_state(ctrl) >= NVME_CTRL_DELETING;
}
#endif

#ifndef HAVE_NVMF_NR_IO_QUEUES
static inline unsigned int nvmf_nr_io_queues(struct nvmf_ctrl_options *opts)
{
	unsigned int cpus = num_online_cpus();

	return min(opts->nr_io_queues, cpus) +
	       min(opts->nr_write_queues, cpus) +
	       min(opts->nr_poll_queues, cpus);
}
#endif

#ifndef HAVE_NVME_ADD_CTRL
/* nvme_init_ctrl() has made it visible already. */
static inline int nvme_add_ctrl(struct nvme_ctrl *ctrl)
{
	return 0;
}
#endif

#ifndef HAVE_NVME_QUIESCE_IO_QUEUES
#define nvme_quiesce_io_queues		nvme_stop_queues
#define nvme_unquiesce_io_queues	nvme_start_queues
#define nvme_quiesce_admin_queue	nvme_stop_admin_queue
#define nvme_unquiesce_admin_queue	nvme_start_admin_queue
#endif

#ifndef HAVE_NVME_DISABLE_CTRL_SHUTDOWN
static inline int compat_nvme_disable_ctrl(struct nvme_ctrl *ctrl, bool shutdown)
{
	return shutdown ? nvme_shutdown_ctrl(ctrl) : nvme_disable_ctrl(ctrl);
}

#define nvme_disable_ctrl	compat_nvme_disable_ctrl
#endif

#ifndef HAVE_NVME_INIT_CTRL_FINISH_SUSPENDED
static inline int compat_nvme_init_ctrl_finish(struct nvme_ctrl *ctrl,
					       bool was_suspended)
{
	return nvme_init_ctrl_finish(ctrl);
}

#define nvme_init_ctrl_finish	compat_nvme_init_ctrl_finish
#endif

#ifndef HAVE_NVME_WAIT_FREEZE_IO_TIMEOUT
/* 0: it took longer than the controller's commands may. */
static inline int compat_nvme_wait_freeze_timeout(struct nvme_ctrl *ctrl)
{
	return nvme_wait_freeze_timeout(ctrl, NVME_IO_TIMEOUT);
}

#define nvme_wait_freeze_timeout	compat_nvme_wait_freeze_timeout
#endif

#ifndef HAVE_NVMF_SHOULD_RECONNECT_STATUS
/* This core does not ask why: a status that forbids a retry has to be seen. */
static inline bool compat_nvmf_should_reconnect(struct nvme_ctrl *ctrl,
						int status)
{
	if (status > 0 && (status & NVME_STATUS_DNR))
		return false;
	return nvmf_should_reconnect(ctrl);
}

#define nvmf_should_reconnect	compat_nvmf_should_reconnect
#endif

/* Operations of a fabrics transport that not every core asks for. */
#ifdef HAVE_NVME_OPS_SUBSYSTEM_RESET
#define NVMF_OPS_SUBSYSTEM_RESET	.subsystem_reset = nvmf_subsystem_reset,
#else
#define NVMF_OPS_SUBSYSTEM_RESET
#endif

#ifdef HAVE_NVME_OPS_VIRT_BOUNDARY
/* Bytes are bytes: a transport that copies has no alignment to ask for. */
static inline unsigned long nvmf_no_virt_boundary(struct nvme_ctrl *ctrl,
						  bool is_admin)
{
	return 0;
}

#define NVMF_OPS_VIRT_BOUNDARY		.get_virt_boundary = nvmf_no_virt_boundary,
#else
#define NVMF_OPS_VIRT_BOUNDARY
#endif

#define NVMF_OPS_NEWER			NVMF_OPS_SUBSYSTEM_RESET NVMF_OPS_VIRT_BOUNDARY

#endif /* NVME_CORE_ABI_H */

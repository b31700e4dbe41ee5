/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target core: what configfs, the command sets and a transport share.
 *
 * Objects, who holds whom, and the order of teardown
 * --------------------------------------------------
 *  port       a configfs directory. Holds its transport's module while it
 *             listens. A transport's connections point at the port; unlisten()
 *             does not return before none is left that could look at it.
 *  subsys     a configfs directory, or the discovery subsystem that the core
 *             itself creates. kref: the directory, every controller.
 *  ns         a configfs directory below its subsystem. While enabled it is in
 *             subsys->namespaces and every request takes ns->ref (a
 *             percpu_ref); disable removes it from the array, kills the
 *             reference and waits for the requests in flight before the
 *             backing device is closed.
 *  ctrl       created by Connect on queue 0. kref: each of its queues. The
 *             admin queue's end is the controller's end: its exit closes the
 *             I/O queues through the transport, the last reference frees it.
 *             A controller holds its subsystem.
 *  queue      embedded in a transport's connection, which owns its memory.
 *  req        embedded in a transport's command slot. Holds ns->ref from
 *             tgt_req_begin() to tgt_req_done().
 *
 *  A connection ends so: the transport stops receiving; tgt_queue_stop()
 *  (parked AERs are completed as aborted, the controller forgets the queue);
 *  the transport waits until every request that it began is done;
 *  tgt_queue_exit() drops the controller.
 *
 * Locks, outermost first
 *  port->lock        (mutex) a port's attributes, listening and not. Held
 *                    across listen() and unlisten(), so nothing that a
 *                    connection's end waits for may take it.
 *  ns->lock          (mutex) a namespace's attributes, enabling and disabling.
 *  tgt_config_sem    (rwsem) the configfs graph: links between ports, subsystems
 *                    and hosts; the transports. Connect and discovery read it.
 *  subsys->lock      (mutex) ctrls, the array of enabled namespaces, attributes.
 *  ctrl->lock        (mutex) the controller's queues and CC/CSTS.
 *  ctrl->aer_lock    (spinlock, irqs off) AERs, events, changed namespaces,
 *                    the error log.
 */
#ifndef TARGET_H
#define TARGET_H

#include <linux/bio.h>
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/configfs.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/percpu-refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "compat.h"

enum tgt_limits {
	TGT_MAX_QID		= 128,	/* I/O queues per controller */
	TGT_MAX_QSIZE		= 1024,	/* entries */
	TGT_DEF_QSIZE		= 1024,	/* default of param_max_queue_size */
	TGT_MIN_QSIZE		= 16,
	TGT_DISC_QSIZE		= 128,	/* of a discovery controller, which anybody may have */
	TGT_MAX_NSID		= 1024,
	TGT_MAX_AER		= 4,	/* AERL + 1 */
	TGT_ERR_LOG		= 128,	/* ELPE + 1 */
	TGT_MAX_CHANGED		= 1024,	/* entries of the changed namespace list */
	TGT_INLINE_DEFAULT	= 16384,
	TGT_MDTS		= 8,	/* default MDTS: 1 MiB in pages of 4 KiB, log2 */
	TGT_MDTS_MAX		= 11,
	TGT_MDTS_BYTES		= 4096 << TGT_MDTS,
	TGT_ANA_GROUPS		= 128,
	TGT_KATO_MAX_MS		= 60 * 60 * 1000,
	TGT_KAS			= 10,	/* KATO's granularity, in units of 100 ms */
	TGT_DISC_IDLE_MS	= 2 * 60 * 1000, /* discovery controller with KATO 0 */
};

struct tgt_req;
struct tgt_queue;
struct tgt_ctrl;
struct tgt_ns;
struct tgt_subsys;
struct tgt_port;

/* ---- commands ------------------------------------------------------------ */

enum tgt_dir {
	TGT_NODATA,
	TGT_TO_TARGET,		/* host to controller */
	TGT_TO_HOST,
};

/* Which controllers answer a command, and what it needs (struct tgt_cmd.flags) */
enum tgt_cmd_flags {
	TGT_C_IO	= 1 << 0,	/* I/O controllers */
	TGT_C_DISC	= 1 << 1,	/* discovery controllers */
	TGT_C_NS	= 1 << 2,	/* NSID names an enabled namespace: req->ns */
	TGT_C_NS_OPT	= 1 << 3,	/* as TGT_C_NS unless NSID is 0 or ffffffffh */
	TGT_C_WRITE	= 1 << 4,	/* refused on a write-protected namespace */
	TGT_C_NOT_READY	= 1 << 5,	/* legal while CSTS.RDY is 0 */
};

/**
 * struct tgt_cmd - one row of a command set
 * @opcode: opcode, or FCTYPE in the Fabrics table
 * @flags: enum tgt_cmd_flags
 * @dir: enum tgt_dir
 * @effects: bits for the Commands Supported and Effects log (CSUPP implied)
 * @name: as in the specification, for logs and tracepoints
 * @len: bytes of data that the SQE asks for; NULL: none. May sleep: no.
 * @run: carries the command out and ends in tgt_req_done(), now or later.
 *	Process context, may sleep, but must not wait for the network.
 */
struct tgt_cmd {
	u8 opcode;
	u8 flags;
	u8 dir;
	u32 effects;
	const char *name;
	u32 (*len)(const struct tgt_req *req);
	void (*run)(struct tgt_req *req);
};

extern const struct tgt_cmd tgt_fabrics_cmds[];
extern const unsigned int tgt_nr_fabrics_cmds;
extern const struct tgt_cmd tgt_admin_cmds[];
extern const unsigned int tgt_nr_admin_cmds;
extern const struct tgt_cmd tgt_io_cmds[];
extern const unsigned int tgt_nr_io_cmds;

/*
 * struct tgt_req - one command, embedded in a transport's slot
 *
 * The transport sets @sqe, @sgl_len and, before tgt_req_execute(), @bvec,
 * @nr_bvec with @len bytes of memory, and @alone. All else belongs to the core.
 */
struct tgt_req {
	struct nvme_command sqe;
	struct nvme_completion cqe;
	struct tgt_queue *queue;
	const struct tgt_cmd *cmd;
	struct tgt_ns *ns;
	struct bio_vec *bvec;
	unsigned int nr_bvec;
	u32 sgl_len;		/* what the SGL describes */
	u32 len;		/* what moves, set by tgt_req_begin() */
	u8 dir;			/* enum tgt_dir, set by tgt_req_begin() */
	bool alone;		/* no other of its queue is there to merge it with */
	u16 error_loc;		/* byte of the SQE, for the error log; 0xffff: none */
	u64 error_slba;
	union {				/* the backend's */
		struct bio inline_bio;
		struct kiocb iocb;
	};
	struct work_struct work;
	struct list_head entry;	/* parked AERs */
};

/* ---- transports ---------------------------------------------------------- */

/*
 * struct tgt_transport - what a transport module brings
 * @trtype: NVMF_TRTYPE_*
 * @name: as in addr_trtype
 * @listen: start listening on @port's address; may sleep; 0 or -errno with the
 *	reason logged. port->priv is the transport's.
 * @unlisten: stop listening and close every connection of this port; may
 *	sleep; returns when none is left.
 * @close: tear this queue's connection down; any context, returns at once
 * @respond: a request is done, req->cqe is complete; any context
 * @traddr: the address that @req's connection came in on, for a discovery
 *	entry of a port that listens on a wildcard; NUL terminated in @buf
 * @host_traddr: the peer's address for logs and debugfs
 */
struct tgt_transport {
	struct module *owner;
	u8 trtype;
	const char *name;
	int (*listen)(struct tgt_port *port);
	void (*unlisten)(struct tgt_port *port);
	void (*close)(struct tgt_queue *queue);
	void (*respond)(struct tgt_req *req);
	void (*traddr)(struct tgt_queue *queue, char *buf, size_t size);
	void (*host_traddr)(struct tgt_queue *queue, char *buf, size_t size);
	struct list_head entry;		/* core */
};

/*
 * What a transport calls. Weak there, so that it loads beside another nvmet
 * and can say what is wrong, where the kernel would name a missing symbol.
 */
#ifndef TGT_API
#define TGT_API
#endif

/* Module init / exit; may sleep. */
TGT_API int tgt_register_transport(struct tgt_transport *t);
TGT_API void tgt_unregister_transport(struct tgt_transport *t);

/*
 * struct tgt_queue - the core's half of a connection
 *
 * Zeroed by the transport, then tgt_queue_init().
 */
struct tgt_queue {
	const struct tgt_transport *ops;
	struct tgt_port *port;
	struct tgt_ctrl *ctrl;		/* NULL until Connect */
	u16 qid;
	u16 size;			/* entries; 0 until Connect */
	/*
	 * Set by a transport whose handshake says which host this is, and that it
	 * has a key for which subsystem; else NULL. They live as long as the queue.
	 */
	const char *psk_hostnqn;
	const char *psk_subsysnqn;
	u32 sqhd;			/* advanced by cmpxchg in tgt_req_done() */
	bool sqhd_disabled;		/* SQ flow control is off */
	bool stopped;			/* tgt_queue_stop() was called */
	bool connect_seen;		/* a Connect is running or has succeeded; until then
					 * the transport begins one command at a time
					 */
	u64 commands;			/* begun, for debugfs; receive context only */
};

/* Process context. */
TGT_API void tgt_queue_init(struct tgt_queue *q, const struct tgt_transport *t,
			    struct tgt_port *port);
TGT_API void tgt_queue_stop(struct tgt_queue *q);	/* may sleep */
TGT_API void tgt_queue_exit(struct tgt_queue *q);	/* may sleep */

/*
 * Judges the SQE in req->sqe: finds the row, the namespace and the length.
 * Returns 0 with req->dir and req->len set, or an NVMe status: the transport
 * then discards what data came along and calls tgt_req_done(req, status).
 * Receive context of the queue (process or softirq); does not sleep.
 * req->queue, sqe and sgl_len must be set by the transport.
 */
TGT_API u16 tgt_req_begin(struct tgt_queue *q, struct tgt_req *req);
/* Data, if any, has arrived. Process context, may sleep. */
TGT_API void tgt_req_execute(struct tgt_req *req);
/*
 * Ends a request: fills the CQE (status, SQHD, CID, SQID), logs an error in
 * the error log, drops the namespace and calls ops->respond(). Any context.
 * @status: NVMe status field without the phase bit, as NVME_SC_*.
 */
TGT_API void tgt_req_done(struct tgt_req *req, u16 status);

/* Copies between @buf and the request's pages; 0 or an NVMe status. Any context. */
u16 tgt_copy_to_host(struct tgt_req *req, u32 off, const void *buf, u32 len);
u16 tgt_copy_from_host(struct tgt_req *req, u32 off, void *buf, u32 len);
/* Zeroes @len bytes of the request's pages from @off. */
u16 tgt_zero_to_host(struct tgt_req *req, u32 off, u32 len);

/* ---- objects ------------------------------------------------------------- */

struct tgt_host {
	struct config_group group;	/* hosts/NQN; the name is the NQN */
};

struct tgt_port {
	struct config_group group;	/* ports/N */
	struct config_group subsys_group;
	struct config_group referrals_group;
	struct config_group ana_groups_group;
	struct mutex lock;		/* attributes, listening */
	struct list_head subsystems;	/* struct tgt_port_link, under tgt_config_sem */
	struct list_head referrals;	/* under tgt_config_sem */
	struct tgt_transport *transport; /* while it listens */
	void *priv;			/* the transport's */
	bool enabled;			/* it listens; under lock */
	/* port->addr, a struct tgt_addr, or the fields by themselves */
	struct_group_tagged(tgt_addr, addr,
		u16 portid;
		u8 adrfam;		/* NVMF_ADDR_FAMILY_* */
		u8 trtype;		/* NVMF_TRTYPE_*, 0: not set yet */
		u8 treq;		/* NVMF_TREQ_* */
		u8 tsas;		/* TGT_SECTYPE_* with TCP */
		char traddr[NVMF_TRADDR_SIZE];
		char trsvcid[NVMF_TRSVCID_SIZE];
	);
	int inline_data_size;		/* -1: the transport's default */
	int max_queue_size;		/* -1: default */
	int mdts;			/* as Identify's MDTS; -1, 0: the core's own */
	u8 ana_state[TGT_ANA_GROUPS + 1]; /* NVME_ANA_*, by group id */
	u64 ana_chgcnt;
};

/* What Identify Controller reports as MDTS on @port, 1..TGT_MDTS_MAX. */
u8 tgt_port_mdts(const struct tgt_port *port);
/* Entries of a controller's queues on @port. */
u16 tgt_port_queue_size(const struct tgt_port *port);

struct tgt_subsys {
	struct config_group group;	/* subsystems/NQN */
	struct config_group ns_group;
	struct config_group hosts_group;
	struct kref ref;
	struct mutex lock;		/* ctrls, namespaces, attributes */
	struct list_head ctrls;		/* under lock */
	struct xarray namespaces;	/* enabled ones by NSID; RCU readers */
	unsigned int nr_namespaces;	/* enabled; under lock */
	u32 max_nsid;			/* NN: highest NSID that there may be */
	u64 ana_chgcnt;			/* of what ANA groups consist of; under lock */
	struct list_head hosts;		/* struct tgt_host_link, under tgt_config_sem */
	struct list_head entry;		/* all directories, under tgt_config_sem */
	struct ida cntlids;
	u16 cntlid_min;
	u16 cntlid_max;
	u16 qid_max;
	u32 ver;
	u8 type;			/* NVME_NQN_NVME, NVME_NQN_CURR */
	bool allow_any_host;
	bool discovered;		/* model is fixed once a controller saw it */
	bool pi;
	char nqn[NVMF_NQN_SIZE + 1];
	char serial[21];
	char model[41];
	char firmware[9];
	u32 oui;
	u16 vid;
	u16 ssvid;
	struct dentry *debugfs;		/* under lock */
};

/*
 * struct tgt_ns - one namespace
 * @ref: requests in flight, while enabled
 * @close_work: started by the end of @ref: closes the backing device. While
 *	@closing it holds a reference on the directory and the module, so that a
 *	device that does not answer delays nothing else.
 */
struct tgt_ns {
	struct config_group group;	/* namespaces/N */
	struct tgt_subsys *subsys;	/* holds a reference */
	struct mutex lock;		/* attributes, enabling */
	struct percpu_ref ref;
	struct completion drained;
	struct work_struct close_work;
	u32 nsid;
	bool enabled;			/* under lock and subsys->lock */
	bool closing;
	bool readonly;			/* refuses writes */
	bool ro_backing;		/* and cannot do otherwise */
	bool buffered_io;
	bool rotational;
	u8 lba_shift;
	u32 anagrpid;
	loff_t size;			/* bytes */
	char *path;			/* device_path */
	uuid_t uuid;
	u8 nguid[16];
	struct file *bdev_file;		/* or compat's stand-in, see compat.h */
	struct block_device *bdev;
	struct file *file;		/* where it is a file's */
	const struct tgt_backend *backend; /* while open; see backend.h */
};

/*
 * struct tgt_ctrl - one controller, from Connect to the end of its admin queue
 */
struct tgt_ctrl {
	struct kref ref;
	struct tgt_subsys *subsys;
	struct tgt_port *port;
	struct list_head entry;		/* subsys->ctrls */
	struct mutex lock;		/* queues, cc, csts */
	struct tgt_queue *queues[TGT_MAX_QID + 1]; /* under lock */
	u16 nr_queues;			/* I/O queues granted */
	u16 cntlid;
	u16 queue_size;			/* CAP.MQES + 1 */
	u32 kato;			/* ms; 0: none */
	struct delayed_work ka_work;
	bool ka_seen;			/* a command since the last tick (TBKAS) */
	struct work_struct fatal_work;	/* closes all queues; holds a reference */
	unsigned long fatal;		/* bit 0: fatal_work was started */
	bool dead;			/* under lock, aer_lock: no admin queue any more */
	u8 kind;			/* TGT_C_IO or TGT_C_DISC, fixed */
	u32 max_len;			/* MDTS in bytes, fixed */
	u64 cap;
	u32 cc;				/* under lock */
	u32 csts;
	uuid_t hostid;
	char hostnqn[NVMF_NQN_SIZE + 1];
	struct dentry *debugfs;

	spinlock_t aer_lock;		/* what follows */
	struct list_head aers;		/* parked AER requests */
	unsigned int nr_aers;
	u32 aen_enabled;		/* Feature 0Bh */
	u32 aen_masked;			/* event types sent and not yet read */
	u32 aen_pending;		/* events without an AER to carry them yet */
	__le32 changed_ns[TGT_MAX_CHANGED];
	u32 nr_changed;			/* ~0U: overflow */
	struct nvme_error_slot err_log[TGT_ERR_LOG];
	u64 err_count;
};

/* A discovery controller? */
static inline bool tgt_ctrl_is_disc(const struct tgt_ctrl *ctrl)
{
	return ctrl->kind == TGT_C_DISC;
}

extern struct rw_semaphore tgt_config_sem;
extern struct workqueue_struct *tgt_wq;		/* timers, the end of controllers and namespaces */
extern struct workqueue_struct *tgt_cmd_wq;	/* commands: see tgt_defer() */
extern struct tgt_subsys *tgt_disc_subsys;
extern u64 tgt_disc_genctr;

/* ---- who provides what --------------------------------------------------- */

/* ctrl.c: controllers, queues, keep alive, properties */
void tgt_ctrl_put(struct tgt_ctrl *ctrl);
u16 tgt_ctrl_create(struct tgt_queue *q, struct tgt_subsys *subsys,
		    const char *hostnqn, const uuid_t *hostid, u32 kato,
		    u16 sqsize);
u16 tgt_ctrl_add_queue(struct tgt_queue *q, struct tgt_ctrl *ctrl, u16 qid,
		       u16 sqsize);
struct tgt_ctrl *tgt_ctrl_find(struct tgt_subsys *subsys, u16 cntlid); /* + ref */
void tgt_ctrl_write_cc(struct tgt_ctrl *ctrl, u32 cc);	/* may sleep */
/* Process context; a new KATO takes effect at once. */
void tgt_ctrl_set_kato(struct tgt_ctrl *ctrl, u32 ms);
/* Closes those controllers of @subsys for which @match says so; holds no lock
 * on return; may sleep.
 */
void tgt_subsys_close_ctrls(struct tgt_subsys *subsys,
			    bool (*match)(struct tgt_ctrl *c, const void *arg),
			    const void *arg);

/* configfs.c, port.c, ns.c, subsys.c */
int tgt_configfs_init(void);
void tgt_configfs_exit(void);
bool tgt_host_allowed(struct tgt_subsys *subsys, const char *hostnqn);
bool tgt_is_disc_nqn(const char *nqn);		/* tgt_config_sem held */
struct tgt_subsys *tgt_find_subsys(struct tgt_port *port, const char *nqn); /* + ref */
void tgt_subsys_put(struct tgt_subsys *subsys);
/* RCU lookup, takes ns->ref; NULL when not enabled. Any context. */
struct tgt_ns *tgt_ns_get(struct tgt_subsys *subsys, u32 nsid);
void tgt_ns_put(struct tgt_ns *ns);
int tgt_ns_enable(struct tgt_ns *ns);		/* backend-bdev.c opens the device */
void tgt_ns_disable(struct tgt_ns *ns);
int tgt_bdev_open(struct tgt_ns *ns);
void tgt_bdev_close(struct tgt_ns *ns);
/* true: the size has changed. subsys->lock held. */
bool tgt_bdev_revalidate(struct tgt_ns *ns);

/* discovery.c */
int tgt_discovery_init(void);
void tgt_discovery_exit(void);
void tgt_disc_get_log(struct tgt_req *req);	/* LID 70h, ends the request */
void tgt_disc_identify(struct tgt_req *req);	/* Identify Controller of a discovery controller */
/* Something that the log shows has changed; @port NULL: any. tgt_config_sem held. */
void tgt_disc_changed(struct tgt_port *port, struct tgt_subsys *subsys);

/* events.c: asynchronous events and the logs that they point to */
enum tgt_event {
	TGT_EV_NS_CHANGED,
	TGT_EV_ANA_CHANGED,
	TGT_EV_DISC_CHANGED,
	TGT_EV_ERROR,
	TGT_EVENTS,
};

void tgt_event(struct tgt_ctrl *ctrl, enum tgt_event ev);	/* any context */
/* The same for each controller of @subsys on @port, NULL: any. subsys->lock held. */
void tgt_subsys_event(struct tgt_subsys *subsys, const struct tgt_port *port,
		      enum tgt_event ev);
/*
 * Unmasks the events that log page @lid answers. Call it (unless the command
 * says Retain Asynchronous Event) before the page's contents are gathered, so
 * that a change after it is a new event.
 */
void tgt_event_log_read(struct tgt_ctrl *ctrl, u8 lid);
void tgt_aer_park(struct tgt_req *req);		/* AER's run() */
void tgt_aer_abort_all(struct tgt_ctrl *ctrl);
bool tgt_aer_abort(struct tgt_ctrl *ctrl, u16 cid);
void tgt_ns_changed(struct tgt_subsys *subsys, u32 nsid); /* subsys->lock held */
void tgt_err_log_add(struct tgt_req *req, u16 status);	/* any context */

/* req.c: the command sets' index, built once */
int tgt_req_init(void);

/* debugfs.c */
void tgt_debugfs_init(void);
void tgt_debugfs_exit(void);
void tgt_debugfs_ctrl_add(struct tgt_ctrl *ctrl);
void tgt_debugfs_ctrl_del(struct tgt_ctrl *ctrl);
void tgt_debugfs_subsys_del(struct tgt_subsys *subsys);

#endif

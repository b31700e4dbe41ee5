// SPDX-License-Identifier: GPL-2.0-only
/* Runs the tests: one line each, the failures in full, and a sum. */
#include <stdarg.h>

#include "t.h"

static unsigned long passed, failed;
static char name[200];
static bool open_case, bad;
static u32 seed = 1;

static void close_case(void)
{
	if (!open_case)
		return;
	if (bad)
		failed++;
	else
		passed++;
	open_case = false;
	bad = false;
}

void t_case(const char *fmt, ...)
{
	va_list ap;

	close_case();
	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	open_case = true;
}

void t_quiet(void)
{
	close_case();
	passed++;
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	if (!bad)
		printf("not ok - %s\n", name);
	bad = true;
	printf("#   %s:%d: ", file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	/* A broken engine fails by the thousand: the first few say it all. */
	if (failed > 40) {
		printf("# too many failures, giving up\n");
		exit(1);
	}
}

void t_bytes(const char *file, int line, const u8 *a, size_t an, const u8 *b, size_t bn)
{
	size_t i;

	if (an != bn)
		t_fail(file, line, "%zu bytes, not %zu", an, bn);
	for (i = 0; i < an && i < bn; i++) {
		if (a[i] != b[i]) {
			t_fail(file, line, "byte %zu is %02x, not %02x", i, a[i], b[i]);
			return;
		}
	}
}

u32 t_rand(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

u32 t_below(u32 n)
{
	return t_rand() % n;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} tests[] = {
		{ "crc32c",		test_crc },
		{ "vectors",		test_vectors },
		{ "names",		test_names },
		{ "negotiate",		test_negotiate },
		{ "violations",		test_violations },
		{ "digests",		test_digests },
		{ "capsules",		test_capsules },
		{ "term",		test_term },
		{ "verdicts",		test_verdicts },
		{ "transfers",		test_transfers },
		{ "splits",		test_splits },
		{ "conversations",	test_conversations },
		{ "common-header",	test_common_header },
	};
	unsigned int n = 0;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < ARRAY_SIZE(tests); i++) {
		unsigned long ok = passed, not = failed;

		if (argc > 1 && strcmp(argv[1], tests[i].name))
			continue;
		seed = 0x9e3779b9;
		tests[i].run();
		close_case();
		printf("%sok %u - %s (%lu cases)\n", failed == not ? "" : "not ", ++n,
		       tests[i].name, passed - ok + failed - not);
	}
	printf("1..%u\n%lu passed, %lu failed\n", n, passed, failed);
	return failed || !passed;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One role receives: every input through the engine, whole, byte by byte and cut
 * at random, and through the judge. All of them have to say the same.
 */
#include "judge.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#ifndef ROLE
#error the role of the receiver
#endif

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const char * const names[] = { "whole", "byte by byte", "cut at random" };
	static struct input in;
	static struct judge judge;
	static struct log want, got;

	input_parse(&in, data, size);
	judge_run(&judge, &in, ROLE, &want);
	if (getenv("FUZZ_SHOW"))
		log_print(stderr, &want);
	for (enum split s = 0; s < SPLITS; s++) {
		engine_run(&in, ROLE, s, &got);
		log_compare(&got, &want, names[s]);
	}
	return 0;
}

# SPDX-License-Identifier: GPL-2.0-only
#
# What both attack tests share: the I/O of somebody who is not attacked.

# other_fio DEVICE: verified, all the while; VM_rate=N: so many writes a second
other_fio() {
	fio --name=other --filename="$1" --direct=1 --ioengine=libaio --rw=randwrite --bs=8k \
		--iodepth=2 --size=32m --rate_iops="${VM_rate:-60}" --verify=crc32c --verify_backlog=32 \
		--verify_fatal=1 --verify_dump=0 --time_based --runtime=100000 \
		--output-format=json --output=/tmp/other.json > /tmp/other.log 2>&1 &
	other=$!
}

# other_fio_ends: no error, and no I/O that took longer than VM_stall ms
other_fio_ends() {
	kill -0 $other || { cat /tmp/other.log /tmp/other.json; fail "fio has ended"; }
	kill -INT $other
	wait $other || :
	python3 - "${VM_stall:-$((1500 * VM_scale))}" <<- 'END' || fail "an error, or a stall"
	import json, sys
	text = open("/tmp/other.json").read()
	job = json.loads(text[text.index("{"):])["jobs"][0]
	worst = max(job[w]["clat_ns"]["max"] for w in ("read", "write")) / 1e6
	ios = [job[w]["total_ios"] for w in ("read", "write")]
	print(f"   {ios[1]} writes, {ios[0]} verified, error {job['error']}, the slowest {worst:.0f} ms")
	sys.exit(job["error"] != 0 or worst > float(sys.argv[1]) or not all(ios))
	END
}

# How many messages of this test's a kernel must not say
count_splats() {
	klog | sed "s/^\[[^]]*\] //" | python3 -B -c 'import sys
sys.path.insert(0, sys.argv[1])
from harness.splats import judge
print(sum(1 for line in sys.stdin if judge(line.strip(), sys.argv[2:])))' "${VM_LIB%/*}" "$@"
}

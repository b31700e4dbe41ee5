# SPDX-License-Identifier: GPL-2.0-only
#
# What the test scripts share. A script runs on the host machine; on_target
# runs a command where the target is: in this same shell when there is one
# machine, over the shared directory when there are two. So one script serves
# both, and $TADDR is the address to connect to.
#
# Every wait here is bounded and says what it waited for.

VM_SHARE=/vm/share
NVMET=/sys/kernel/config/nvmet
NULLB=/sys/kernel/config/nullb
TADDR=${VM_taddr:-127.0.0.1}
TADDR6=${VM_taddr6:-::1}
SVC=4420
# shellcheck source=tools/testing/vm/tls.sh
. "${BASH_SOURCE[0]%/*}/tls.sh"
: "${VM_scale:=1}" "${VM_peer:=no}" "${VM_modules:=ours}" "${VM_test:=shell}"

step() { echo "== $*"; }
note() { echo "   $*"; }
fail() {
	echo "FAIL: $*"
	exit 1
}
skip() {
	echo "SKIP: $*"
	exit 77
}

if [[ -z ${VM_interactive:-} ]]; then
	set -eEuo pipefail
	trap 'echo "FAIL: line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND (status $?)"' ERR
fi

# run COMMAND...: say it, then do it
run() {
	echo "   \$ $*"
	"$@"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
	local limit=$1 what=$2 end
	shift 2
	end=$((SECONDS + limit * VM_scale))
	until "$@" > /dev/null 2>&1; do
		((SECONDS < end)) || fail "waited $limit s for $what"
		sleep 0.1
	done
}

# bounded SECONDS COMMAND...: the command must end by itself in that time
bounded() {
	local limit=$1 rc=0
	shift
	timeout -k 2 $((limit * VM_scale)) "$@" || rc=$?
	((rc != 124 && rc != 137)) || fail "still running after $limit s: $*"
	return $rc
}

# must_fail PATTERN COMMAND...: fails by itself, with that in its message
must_fail() {
	local pattern=$1 out rc=0
	shift
	out=$(timeout -k 2 $((60 * VM_scale)) "$@" 2>&1) || rc=$?
	((rc != 124 && rc != 137)) || fail "hung: $*"
	((rc != 0)) || fail "should have failed: $*"
	[[ $out =~ $pattern ]] || fail "$*: expected '$pattern', got: $out"
	note "refused, as it should be: $* (${out##*: })"
}

# expect WHAT GOT WANTED
expect() {
	[[ $2 == "$3" ]] || fail "$1 is '$2', expected '$3'"
}

# klog: what this machine's kernel has said since the test began
klog() {
	dmesg | awk '/ vmtest: begin / { s = "" } { s = s $0 "\n" } END { printf "%s", s }'
}
klog_has() { grep -E -e "$1" <<< "$(klog)"; }

# ---- two machines --------------------------------------------------------

on_target() {
	local n rc

	if [[ $VM_peer != yes ]]; then
		"$@"
		return
	fi
	n=$(cat $VM_SHARE/next 2> /dev/null || echo 0)
	echo $((n + 1)) > $VM_SHARE/next
	{
		declare -F "$1" > /dev/null && declare -f "$1"
		printf '%q ' "$@"
		echo
	} > $VM_SHARE/req.tmp
	mv $VM_SHARE/req.tmp $VM_SHARE/req.$n
	local end=$((SECONDS + 120 * VM_scale))
	until [[ -e $VM_SHARE/rc.$n ]]; do
		((SECONDS < end)) || fail "the target machine did not answer: $*"
		sleep 0.1
	done
	cat $VM_SHARE/out.$n
	rc=$(cat $VM_SHARE/rc.$n)
	return "$rc"
}

# ---- block devices for the target ----------------------------------------

# mk_nullb INDEX [MIB] [BLOCK SIZE]: a null_blk that remembers what is written
mk_nullb() {
	local d=$NULLB/nullb$1

	modprobe null_blk nr_devices=0
	mkdir "$d"
	echo "${2:-64}" > "$d/size"
	echo "${3:-512}" > "$d/blocksize"
	echo 1 > "$d/memory_backed"
	echo 1 > "$d/discard"
	echo 1 > "$d/power"
	wait_for 10 "/dev/nullb$1" test -b "/dev/nullb$1"
}

rm_nullbs() {
	local d

	for d in $NULLB/nullb*; do
		[[ -d $d ]] || continue
		echo 0 > "$d/power"
		rmdir "$d"
	done
	modprobe -r null_blk 2> /dev/null || :
}

# A drive of this machine's own? User-mode Linux has none, and takes none.
has_drive() {
	[[ ${VM_drives:-1} != 0 ]] || { note "left out: this machine has no NVMe drive"; return 1; }
}

# ---- the target's configuration ------------------------------------------

load_target() {
	modprobe nvmet
	modprobe nvmet-tcp
}

# mk_subsys NQN [NSID=DEVICE...]: any host may connect
mk_subsys() {
	local s=$NVMET/subsystems/$1 ns

	load_target
	mkdir "$s"
	echo 1 > "$s/attr_allow_any_host"
	shift
	for ns; do
		mk_ns "${s##*/}" "${ns%%=*}" "${ns#*=}"
	done
}

# mk_ns NQN NSID DEVICE
mk_ns() {
	local n=$NVMET/subsystems/$1/namespaces/$2

	mkdir "$n"
	echo -n "$3" > "$n/device_path"
	echo 1 > "$n/enable"
}

rm_ns() {
	local n=$NVMET/subsystems/$1/namespaces/$2

	[[ $(cat "$n/enable") == 0 ]] || echo 0 > "$n/enable"
	rmdir "$n"
}

# mk_port ID ADDRESS [SERVICE] [NQN...]
mk_port() {
	local p=$NVMET/ports/$1 fam=ipv4 nqn

	load_target
	[[ $2 != *:* ]] || fam=ipv6
	mkdir "$p"
	echo "$2" > "$p/addr_traddr"
	echo tcp > "$p/addr_trtype"
	echo "${3:-$SVC}" > "$p/addr_trsvcid"
	echo $fam > "$p/addr_adrfam"
	for nqn in "${@:4}"; do
		link_port "$1" "$nqn"
	done
}

link_port() { ln -s "$NVMET/subsystems/$2" "$NVMET/ports/$1/subsystems/$2"; }
unlink_port() { rm "$NVMET/ports/$1/subsystems/$2"; }

rm_port() {
	local p=$NVMET/ports/$1 l

	for l in "$p"/subsystems/*; do
		[[ ! -L $l ]] || rm "$l"
	done
	for l in "$p"/referrals/* "$p"/ana_groups/*; do
		[[ ! -d $l || $l == */ana_groups/1 ]] || rmdir "$l"
	done
	rmdir "$p"
}

rm_subsys() {
	local s=$NVMET/subsystems/$1 n

	for n in "$s"/allowed_hosts/*; do
		[[ ! -L $n ]] || rm "$n"
	done
	for n in "$s"/namespaces/*; do
		[[ ! -d $n ]] || rm_ns "$1" "${n##*/}"
	done
	rmdir "$s"
}

# The whole configuration, in the order that people use
rm_target() {
	local d

	for d in $NVMET/ports/*; do
		[[ ! -d $d ]] || rm_port "${d##*/}"
	done
	for d in $NVMET/subsystems/*; do
		[[ ! -d $d ]] || rm_subsys "${d##*/}"
	done
	for d in $NVMET/hosts/*; do
		[[ ! -d $d ]] || rmdir "$d"
	done
	rm_nullbs
}

# simple_target [MIB]: what most tests want: subsystem "vmtest", one namespace
simple_target() {
	mk_nullb 0 "${1:-64}"
	mk_subsys vmtest 1=/dev/nullb0
	mk_port 1 "$TADDR" $SVC vmtest
}

# ---- the host ------------------------------------------------------------

# attr FILE: its line in $REPLY, without a process; false when it has gone
attr() { { read -r < "$1"; } 2> /dev/null; }

# ctrls NQN: the names of its controllers
ctrls() {
	local c

	for c in /sys/class/nvme/nvme*; do
		if attr "$c/subsysnqn" && [[ $REPLY == "$1" ]] &&
		   attr "$c/transport" && [[ $REPLY == tcp ]]; then
			echo "${c##*/}"
		fi
	done
}
# The first of them. Not by head: who still writes when it has ended is ended as well
ctrl() {
	local all

	all=$(ctrls "$1")
	echo "${all%%$'\n'*}"
}
state() { cat "/sys/class/nvme/$(ctrl "$1")/state" 2> /dev/null; }
is_live() { [[ $(state "$1") == live ]]; }
no_ctrls() { [[ -z $(ctrls "$1") ]]; }

connect() {
	local nqn=$1
	shift
	modprobe nvme-tcp
	run bounded 60 nvme connect -t tcp -a "$TADDR" -s $SVC -n "$nqn" "$@"
	wait_for 20 "a live controller of $nqn" is_live "$nqn"
}

# connect_again NQN [OPTION,...]: one more controller of it, with the kernel's own
# words: nvme-cli 2.3 refuses, whatever --duplicate-connect says
connect_again() {
	echo "transport=tcp,traddr=$TADDR,trsvcid=$SVC,nqn=$1,duplicate_connect${2:+,$2}" > /dev/nvme-fabrics
}

find_ns() {
	local c d s

	for c in $(ctrls "$1"); do
		for s in /sys/class/nvme-subsystem/*/; do
			[[ -e $s$c ]] || continue
			for d in "$s"nvme*n*/ /sys/class/nvme/"$c"/nvme*n*/; do
				d=${d%/}
				[[ ${d##*/} =~ ^nvme[0-9]+n[0-9]+$ ]] || continue
				[[ $(cat "$d/nsid" 2> /dev/null) == "$2" ]] || continue
				[[ -b /dev/${d##*/} ]] || continue
				echo "/dev/${d##*/}"
				return 0
			done
		done
	done
	return 1
}

# ns_dev NQN NSID: its block device, once it is there
ns_dev() {
	local end=$((SECONDS + 20 * VM_scale)) d

	until d=$(find_ns "$1" "$2"); do
		((SECONDS < end)) || fail "no block device for $1 namespace $2"
		sleep 0.1
	done
	echo "$d"
}

disconnect() {
	run bounded 60 nvme disconnect -n "$1"
	wait_for 20 "the end of $1's controllers" no_ctrls "$1"
}

# fio_run ARGUMENT...: quiet unless it goes wrong
#
# For I/O that has nothing to survive. What runs across a reset or an outage uses
# libaio: io_uring submits with REQ_NOWAIT, a bio that waits for a path keeps
# that, and where the core's own scan has frozen the path's queue when the wait
# ends, the bio ends with EAGAIN.
fio_run() {
	local log rc=0

	log=$(mktemp)
	timeout -k 5 "$((${FIO_LIMIT:-100} * VM_scale))" fio --name=t --direct=1 --ioengine=io_uring \
		--group_reporting "$@" > "$log" 2>&1 || rc=$?
	if ((rc)) || grep -qE 'err= *[1-9]|verify: bad|fio: .*error' "$log"; then
		tail -n 40 "$log"
		fail "fio $* (status $rc)"
	fi
	FIO_LOG=$log
}

# verify_fio DEVICE BLOCKSIZE DEPTH BYTES [ARGUMENT...]: write at random, read
# back, compare every block's checksum
verify_fio() {
	note "fio verify: $1 bs=$2 depth=$3 bytes=$4 ${*:5}"
	fio_run --filename="$1" --rw=randwrite --bs="$2" --iodepth="$3" --size="$4" \
		--verify=crc32c --verify_fatal=1 --verify_dump=0 --do_verify=1 "${@:5}"
	rm -f "$FIO_LOG"
}

# pattern DEVICE BYTES SEED write|check: a file system free way to say "this
# very data", across reconnects and between machines
pattern() {
	local tmp

	tmp=$(mktemp)
	python3 -c 'import random, sys
sys.stdout.buffer.write(random.Random(sys.argv[1]).randbytes(int(sys.argv[2])))' "$3" "$2" > "$tmp"
	case $4 in
	write) dd if="$tmp" of="$1" bs=64k oflag=direct conv=notrunc status=none ;;
	check) dd if="$1" bs=64k count="$2" iflag=direct,count_bytes status=none |
		cmp - "$tmp" || fail "$1 does not hold pattern $3" ;;
	esac
	rm "$tmp"
}

# ---- the end of a test ---------------------------------------------------

# teardown: what every test ends with when it has nothing special to try
teardown() {
	step "take everything down"
	if [[ -n $(tcp_ctrls) ]]; then
		bounded 60 nvme disconnect-all
	fi
	on_target rm_target
}

tcp_ctrls() {
	local c

	for c in /sys/class/nvme/nvme*; do
		[[ -e $c/transport && $(cat "$c/transport" 2> /dev/null) == tcp ]] &&
			echo "${c##*/}"
	done
	return 0
}
no_tcp_ctrls() { [[ -z $(tcp_ctrls) ]]; }
# Everything but TIME-WAIT, which is TCP's own business
sockets() { ss -Htano state all exclude time-wait "( sport = :$SVC or dport = :$SVC )"; }
no_sockets() { [[ -z $(sockets) ]]; }
unloaded() { [[ ! -e /sys/module/${1//-/_} ]]; }

# check_clean: nothing of NVMe over TCP is left on this machine, and every
# module goes. The kernel finishes some of it after the command that began it.
check_clean() {
	local m d

	wait_for 20 "the controllers to go: $(tcp_ctrls)" no_tcp_ctrls
	for d in $NVMET/subsystems/* $NVMET/ports/* $NVMET/hosts/*; do
		[[ ! -d $d ]] || fail "left in the target's configuration: $d"
	done
	if ! (wait_for 20 "sockets of port $SVC to close" no_sockets); then
		sockets
		exit 1
	fi
	for m in nvme-tcp nvmet-tcp nvmet; do
		[[ -e /sys/module/${m//-/_} ]] || continue
		wait_for 20 "module $m to be unused (refcount $(cat "/sys/module/${m//-/_}/refcnt"))" \
			grep -qx 0 "/sys/module/${m//-/_}/refcnt"
		bounded 40 modprobe -r $m || fail "modprobe -r $m"
		unloaded $m || fail "$m is still loaded"
	done
}

# SPDX-License-Identifier: GPL-2.0-only
#
# What tests of TLS share, and the benchmark: tlshd, which does the handshakes for
# the kernel, and keys. These programs come with Debian 13: a test that wants them
# says "root: trixie ktls-utils keyutils" in its header.

TLSHD=/run/tlshd		# .conf .log .pid

# tls_kernel: has this kernel got TLS for NVMe over TCP?
tls_kernel() { modprobe -q tls && modprobe -q nvme-keyring; }

# nvme_ring: the keyring in which keys are looked up
nvme_ring() { awk '$9 == ".nvme:" { print "0x" $1 }' /proc/keys; }

# Who listens for handshakes is a member of a multicast group of generic netlink; the
# address of its socket is its process's number and, in the bits above, any number
tlshd_listens() {
	awk -v pid="$(cat $TLSHD.pid)" '$2 == 16 && $3 % 4194304 == pid && $4 !~ /^0+$/ { got = 1 }
		END { exit !got }' /proc/net/netlink
}

tlshd_start() {
	local end=$((SECONDS + 20 * ${VM_scale:-1}))

	tls_kernel
	# A handshake has ten seconds: nothing is to be loaded in it, and no name asked for
	modprobe -qa aesni_intel ghash_clmulni_intel gcm ccm chacha20poly1305 || :
	python3 - 2> /dev/null << 'END' || :
import socket
for name in "gcm(aes)", "ccm(aes)", "rfc7539(chacha20,poly1305)":
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).bind(("aead", name))
END
	echo 'hosts: files' > /etc/nsswitch.conf
	printf '[debug]\nloglevel=1\n[authenticate]\nkeyrings=.nvme\n' > $TLSHD.conf
	setsid tlshd -s -c $TLSHD.conf >> $TLSHD.log 2>&1 < /dev/null &
	echo $! > $TLSHD.pid
	until tlshd_listens; do
		((SECONDS < end)) || { cat $TLSHD.log; echo "FAIL: tlshd does not listen"; return 1; }
		sleep 0.1
	done
}

# tlshd_stop: and its children, each of which does a handshake
tlshd_stop() {
	local end=$((SECONDS + 30 * ${VM_scale:-1}))

	[[ -e $TLSHD.pid ]] || return 0
	kill "$(cat $TLSHD.pid)" 2> /dev/null || :
	rm $TLSHD.pid
	while pgrep -x tlshd > /dev/null; do
		((SECONDS < end)) || { echo "FAIL: tlshd is still there"; return 1; }
		sleep 0.1
	done
}

# tls_cipher: of the last handshake that tlshd did
tls_cipher() { sed -nE 's/.*Session description: .*--\((.*)\)/\1/p' $TLSHD.log | tail -n 1; }

# tls_key HOSTNQN SUBSYSNQN [HMAC]: the key of these two; 1 is SHA-256, 2 is SHA-384.
# Prints its serial number, in hex. The same on each machine that is asked.
tls_key() {
	local hmac=${3:-1} out secret=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

	((hmac == 1)) || secret+=202122232425262728292a2b2c2d2e2f
	out=$(nvme gen-tls-key --hostnqn="$1" --subsysnqn="$2" --hmac="$hmac" --identity=1 \
		--secret=$secret --insert 2>&1) || { echo "$out" >&2; return 1; }
	sed -nE 's/^Inserted TLS key (0x)?//p' <<< "$out"
}

# tls_or_skip: without TLS in the kernel it must be refused, and that is all. By the
# kernel: nvme-cli asks it first, and leaves out what it does not know
tls_or_skip() {
	tls_kernel && return 0
	on_target simple_target 16
	modprobe nvme-tcp
	must_fail "Invalid argument" bash -c "echo transport=tcp,traddr=$TADDR,trsvcid=$SVC,nqn=vmtest,tls \
		> /dev/nvme-fabrics"
	no_ctrls vmtest || fail "it connects, without TLS"
	on_target mk_port 2 "$TADDR" 4421
	! on_target bash -c "echo tls1.3 > $NVMET/ports/2/addr_tsas" ||
		fail "the target takes tls1.3 in addr_tsas"
	teardown
	skip "this kernel has no TLS for NVMe, and it is refused"
}

# tls_port NQN [TREQ]: port 1, with TLS
tls_port() {
	mk_port 1 "$TADDR"
	echo tls1.3 > "$NVMET/ports/1/addr_tsas"
	[[ -z ${2:-} ]] || echo "$2" > "$NVMET/ports/1/addr_treq"
	link_port 1 "$1"
}

# tls_clean: after the last connection: no session, no reference to a key or a module
# is kept, and all of them go
tls_clean() {
	local m

	check_clean
	tlshd_stop
	wait_for 20 "TLS sessions to end" eval \
		"! grep -E 'TlsCurr(Tx|Rx)Sw[[:space:]]+[1-9]' /proc/net/tls_stat"
	awk '$8 == "psk" { print } $8 == "psk" && $3 != 1 { bad = 1 } END { exit bad }' /proc/keys ||
		fail "references to a key are kept"
	for m in nvme-fabrics nvme-core nvme-auth nvme-keyring tls; do
		unloaded $m && continue
		wait_for 20 "module $m to be unused" grep -qx 0 "/sys/module/${m//-/_}/refcnt"
		modprobe -r $m || fail "modprobe -r $m"
	done
	! grep ' psk ' /proc/keys || fail "keys are left"
}

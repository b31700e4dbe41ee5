# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The tests that run sources. k_NAME KERNEL ROOT VER runs for each kernel,
# where ROOT is its unpacked image and headers; t_NAME runs once.

# -- for each kernel ------------------------------------------------------

# Warning-free at W=1, clean under sparse, and the outputs where they belong.
k_00_builds()
{
	local dir out m

	dir=$(src "$1")
	# shellcheck disable=SC2086	# one word per path
	"$top/scripts/copy-sources" "$dir" $paths
	out=$(make -s -C "$dir" -j"$(nproc)" KERNEL="$1" W=1 C=1 2>&1) ||
		fail "make failed: $out"
	[ -z "$out" ] || fail "make was not silent: $out"
	for m in $modules; do
		[ -f "$dir/$m.ko" ] || fail "no $m.ko"
	done
	touch "$work/$1/built"
}

k_rebuild_does_nothing()
{
	local dir out

	build_of "$1"
	dir=$(src "$1")
	out=$(make -C "$dir" KERNEL="$1" W=1 C=1 2>&1) || fail "$out"
	[ -z "$(grep -vE '^make' <<<"$out")" ] || fail "made again: $out"
}

# Of the kernel asked for, and with the checksums of the core's exports as that
# kernel's Module.symvers has them.
k_belongs_to_its_kernel()
{
	local dir m crc name symvers line

	build_of "$1"
	dir=$(src "$1")
	for m in $modules; do
		has "$(modinfo -F vermagic "$dir/$m.ko")" "^${3//+/\\+} "
		has "$(modinfo -F license "$dir/$m.ko")" '^GPL( v2)?$'
		[ -n "$(modinfo -F description "$dir/$m.ko")" ] || fail "$m: no description"
	done
	has "$(modinfo -F depends "$dir/host/nvme-tcp.ko")" nvme-tcp-pdu
	has "$(modinfo -F depends "$dir/host/nvme-tcp.ko")" nvme-fabrics
	for m in nvmet nvme-tcp-pdu; do
		has "$(modinfo -F depends "$dir/target/nvmet-tcp.ko")" "(^|,)$m(,|$)"
	done
	symvers=$(kernel_build "$2" "$3")/Module.symvers
	modprobe --dump-modversions "$dir/host/nvme-tcp.ko" >"$work/$1/versions"
	has "$(cat "$work/$1/versions")" nvme_init_ctrl
	while read -r crc name; do
		line=$(grep -P "\t$name\tdrivers/nvme/host/" "$symvers") || continue
		[ "${line%%	*}" = "$crc" ] || fail "$name: $crc, the kernel's: $line"
	done <"$work/$1/versions"
}

# pahole reads the same type information independently.
k_sizes_agree_with_pahole()
{
	local dir gen base core name size

	build_of "$1"
	command -v pahole >/dev/null || { echo "no pahole"; exit 77; }
	dir=$(src "$1")
	gen=$dir/include/generated/$3/nvme-core-gen.h
	base=$work/$1/vmlinux.btf
	core=$work/$1
	PYTHONPATH=$dir/scripts python3 - "$2" "$3" "$core" <<-'END'
	import glob, sys, btf
	root, ver, out = sys.argv[1:]
	open(out + '/vmlinux.btf', 'wb').write(
	    btf.read_btf(root + '/boot/vmlinuz-' + ver))
	for name in 'nvme-core', 'nvme-fabrics':
	    path = glob.glob(root + '/lib/modules/' + ver +
	                     '/kernel/drivers/nvme/host/' + name + '.ko*')[0]
	    open('%s/%s.ko' % (out, name), 'wb').write(
	        btf.unpack(open(path, 'rb').read()))
	END
	for name in nvme_ctrl nvme_ctrl_ops nvme_request nvme_ns nvme_ns_head \
		nvme_subsystem nvmf_ctrl_options nvmf_transport_ops; do
		size=$(for m in nvme-core nvme-fabrics; do
			pahole --btf_base "$base" -C "$name" "$core/$m.ko" 2>/dev/null
		done | sed -n 's,.*/\* size: \([0-9]*\).*,\1,p' | head -n 1)
		[ -n "$size" ] || fail "pahole does not know $name"
		grep -q "sizeof(struct $name) == $size)" "$gen" ||
			fail "$name: pahole says $size: $(grep "sizeof(struct $name)" "$gen")"
	done
}

# One member more, and nothing compiles.
k_wrong_layout_does_not_compile()
{
	local dir gen out

	build_of "$1"
	dir=$(src "$1")
	gen=$dir/include/generated/$3/nvme-core-gen.h
	cp -p "$gen" "$work/$1/gen.h"
	sed -i 's/^struct nvme_ctrl {$/&\n\tunsigned long altered;/' "$gen"
	out=$(make -s -C "$dir" KERNEL="$1" W=1 2>&1) && fail "it compiled"
	cp -p "$work/$1/gen.h" "$gen"
	has "$out" 'static assertion failed.*nvme_ctrl'
}

# Below updates/, and what modprobe takes: ours, not the distribution's.
k_install_and_uninstall()
{
	local dir=$work/$1/root out name src

	build_of "$1"
	rm -rf "$dir"
	src=$(src "$1")
	mkdir -p "$dir/lib/modules/$3/kernel/drivers"
	cp -r "$2/lib/modules/$3/kernel/drivers/nvme" "$dir/lib/modules/$3/kernel/drivers/"
	cp "$2/lib/modules/$3"/modules.{builtin,order}* "$dir/lib/modules/$3/"
	depmod -b "$dir" "$3"
	out=$(modprobe -d "$dir" -S "$3" --show-depends nvmet-tcp)
	has "$out" "/kernel/drivers/nvme/target/nvmet-tcp.ko"

	make -s -C "$src" KERNEL="$1" modules_install INSTALL_MOD_PATH="$dir"
	for name in common/nvme-tcp-pdu host/nvme-tcp target/nvmet target/nvmet-tcp; do
		compgen -G "$dir/lib/modules/$3/updates/nvme-tcp/$name.ko*" >/dev/null ||
			fail "no updates/nvme-tcp/$name.ko: $(find "$dir/lib/modules/$3/updates")"
	done
	for name in nvme-tcp nvmet nvmet-tcp; do
		out=$(modprobe -d "$dir" -S "$3" --show-depends $name)
		has "$out" "/updates/nvme-tcp/(host|target)/$name.ko"
		! grep -qE '/kernel/drivers/nvme/(target|host/nvme-tcp)' <<<"$out" ||
			fail "mixes two builds: $out"
	done
	has "$out" "/updates/nvme-tcp/common/nvme-tcp-pdu.ko"

	out=$(make -s -C "$src" KERNEL="$1" uninstall INSTALL_MOD_PATH="$dir")
	has "$out" Removed
	[ ! -e "$dir/lib/modules/$3/updates" ] || fail "left: $(find "$dir/lib/modules/$3/updates")"
	out=$(modprobe -d "$dir" -S "$3" --show-depends nvmet-tcp)
	has "$out" "/kernel/drivers/nvme/target/nvmet-tcp.ko"
	out=$(make -s -C "$src" KERNEL="$1" uninstall INSTALL_MOD_PATH="$dir")
	has "$out" "Nothing to remove"
	# make install says what is where
	out=$(make -s -C "$src" KERNEL="$1" install INSTALL_MOD_PATH="$dir")
	has "$out" "updates/nvme-tcp/host/nvme-tcp.ko"
	rm -rf "$dir"
}

k_clean_leaves_nothing()
{
	local dir=$work/$1/clean left

	build_of "$1"
	rm -rf "$dir"
	cp -a "$(src "$1")" "$dir"
	make -s -C "$dir" clean
	left=$(diff -rq "$dir" "$(src "$1")" | grep -F "Only in $dir" || :)
	[ -z "$left" ] || fail "$left"
	left=$(cd "$dir" && find . -type f \( -name '*.o' -o -name '*.ko' -o -name '.*' \
		-o -name '*.i' -o -name '*.mod*' -o -path '*/generated/*' \))
	[ -z "$left" ] || fail "left: $left"
	rm -rf "$dir"
}

# The target needs no NVMe core; the host does, and says so.
k_target_alone_without_a_core()
{
	local dir out

	build_of "$1"
	dir=$(src "$1")
	rm -f "$dir"/host/*.ko
	out=$(make -s -C "$dir" KERNEL="$1" W=1 C=1 CONFIG_NVME_TCP_HOST=n 2>&1) ||
		fail "$out"
	[ ! -e "$dir/host/nvme-tcp.ko" ] || fail "the host was built"
	[ -e "$dir/target/nvmet-tcp.ko" ] || fail "the target was not"
}

# -- once -----------------------------------------------------------------

# What gen-core-headers says when something is not there, or does not fit.
t_missing_things_are_named()
{
	local gen=$top/scripts/gen-core-headers root ver k dir=$work/missing out

	k=$(cut -d' ' -f1 <<<"$kernels")
	root=$("$top/scripts/kernel" get "$k")
	ver=$("$top/scripts/kernel" ver "$k")
	mkdir -p "$dir/usr/src/build" "$dir/lib/modules/$ver/kernel/drivers/nvme/host"
	touch "$dir/empty.i"
	local common=(-o "$dir/out.h" --release "$ver" --build "$dir/usr/src/build"
		--roots "$top/include/compat/core-types" --public "$dir/empty.i")

	out=$("$gen" "${common[@]}" 2>&1) && fail "no vmlinux: it succeeded"
	has "$out" "no type information of this kernel's vmlinux"
	out=$("$gen" "${common[@]}" --vmlinux "$root/boot/vmlinuz-$ver" 2>&1) &&
		fail "no core: it succeeded"
	has "$out" "no nvme-core.ko below .*CONFIG_NVME_TCP_HOST=n"
	cp "$root/lib/modules/$ver/kernel/drivers/nvme/host"/nvme-core.ko* "$dir/"
	out=$("$gen" "${common[@]}" --vmlinux "$root/boot/vmlinuz-$ver" \
		--core-dir "$dir" 2>&1) && fail "no fabrics: it succeeded"
	has "$out" "no nvme-fabrics.ko in"
	head -c 4096 /dev/zero >"$dir/vmlinuz-zero"
	out=$("$gen" "${common[@]}" --vmlinux "$dir/vmlinuz-zero" 2>&1) &&
		fail "zeroes: it succeeded"
	has "$out" "vmlinuz-zero: no ELF kernel in this image"
	objcopy -R .BTF /bin/true "$dir/no-btf" 2>/dev/null
	out=$("$gen" "${common[@]}" --vmlinux "$dir/no-btf" 2>&1) &&
		fail "no BTF: it succeeded"
	has "$out" "holds no BTF .*CONFIG_DEBUG_INFO_BTF"
	[ ! -e "$dir/out.h" ] || fail "left a header"
	out=$(make -C "$top" KDIR=/nonexistent 2>&1) && fail "no KDIR: it succeeded"
	has "$out" "No build tree for the kernel at /nonexistent"
}

# The core of one kernel on the vmlinux of another.
t_two_builds_do_not_mix()
{
	local a b dir=$work/mix out

	# shellcheck disable=SC2086	# one word per kernel
	set -- $kernels
	[ $# -ge 2 ] || { echo "needs two kernels"; exit 77; }
	a=$("$top/scripts/kernel" get "$1")
	b=$("$top/scripts/kernel" get "$2")
	mkdir -p "$dir"
	touch "$dir/empty.i"
	out=$("$top/scripts/gen-core-headers" -o "$dir/out.h" --release x \
		--build "$dir" --roots "$top/include/compat/core-types" \
		--public "$dir/empty.i" --vmlinux "$(echo "$a"/boot/vmlinuz-*)" \
		--core-dir "$(echo "$b"/lib/modules/*/kernel/drivers/nvme/host)" 2>&1) &&
		fail "it succeeded"
	has "$out" "not of one build"
}

t_features_are_found()
{
	local dir=$work/features out

	mkdir -p "$dir"
	cat >"$dir/p.i" <<-'END'
	# 1 "x.h"
	#define HAS_MACRO 1
	#define GONE 1
	#undef GONE
	struct thing { int member; struct { long inner; } s; };
	extern int call(struct thing *t,
		unsigned long flags);
	enum { VALUE_A, VALUE_B = (1 << 1) };
	END
	cat >"$dir/t" <<-'END'
	# comment
	HAVE_A macro HAS_MACRO
	HAVE_B macro GONE
	HAVE_C func call unsigned long
	HAVE_D func call void
	HAVE_E member struct thing inner
	HAVE_F member struct thing outer
	HAVE_G has VALUE_B
	!HAVE_H has VALUE_C
	HAVE_I export sym
	HAVE_J export other
	HAVE_K match int call\(
	END
	printf '0x1\tsym\tvmlinux\tEXPORT_SYMBOL\t\n' >"$dir/symvers"
	"$top/scripts/kfeatures" -o "$dir/f.h" --symvers "$dir/symvers" "$dir/t" "$dir/p.i"
	out=$(sed -n 's/^#define HAVE_\(.\) 1/\1/p' "$dir/f.h" | tr -d '\n')
	[ "$out" = ACEGHIK ] || fail "found $out"
	echo 'HAVE_A wrong x' >"$dir/t"
	out=$("$top/scripts/kfeatures" -o "$dir/f.h" "$dir/t" "$dir/p.i" 2>&1) &&
		fail "took a wrong table"
	has "$out" "t:1: want NAME TEST"
}

# Of the running kernel only, and only while one of our names is loaded.
t_install_refused_while_loaded()
{
	local out fake=$work/fake

	[ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null || {
		echo "needs root"
		exit 77
	}
	mkdir -p "$fake/nvmet"
	echo live >"$fake/nvmet/initstate"
	loaded()
	{
		# shellcheck disable=SC2016	# expanded inside
		unshare -m sh -c 'mount --bind "$0" /sys/module && shift 0 && exec "$@"' \
			"$fake" "$@" 2>&1
	}
	out=$(loaded "$top/scripts/install" may-install "$(uname -r)") &&
		fail "not refused"
	has "$out" "refused, nothing was changed. Loaded now: nvmet"
	has "$out" "modprobe -r"
	loaded env FORCE=1 "$top/scripts/install" may-install "$(uname -r)" >/dev/null ||
		fail "FORCE=1 refused"
	loaded "$top/scripts/install" may-install another-kernel || fail "another kernel"
	loaded env INSTALL_MOD_PATH=/x "$top/scripts/install" may-install "$(uname -r)" ||
		fail "another root"
}

# DKMS: add, build, install and remove, in private trees.
t_dkms()
{
	local k root ver dir=$work/dkms out name kdir

	rm -rf "$dir"
	command -v dkms >/dev/null || { echo "no dkms"; exit 77; }
	k=${kernels##* }
	root=$("$top/scripts/kernel" get "$k")
	ver=$("$top/scripts/kernel" ver "$k")
	kdir=$(readlink -f "$(kernel_build "$root" "$ver")")
	mkdir -p "$dir"/{dkms,src,modules/"$ver"}
	local flags="--dkmstree $dir/dkms --sourcetree $dir/src --installtree $dir/modules"

	out=$(make -s -C "$top" dkms-install KVER="$ver" \
		DKMS="dkms $flags --no-depmod --kernelsourcedir $kdir" 2>&1) ||
		fail "$out $(find "$dir/dkms" -name make.log -exec tail -n 20 {} +)"
	for name in nvme-tcp-pdu nvme-tcp nvmet nvmet-tcp; do
		[ -n "$(find "$dir/modules/$ver/updates" -name "$name.ko*")" ] ||
			fail "no $name.ko: $(find "$dir/modules")"
	done
	has "$(dkms status $flags)" "nvme-tcp/.* installed"
	out=$(make -s -C "$top" dkms-remove DKMS="dkms $flags --no-depmod" 2>&1) || fail "$out"
	[ -z "$(find "$dir/modules" -name '*.ko*')" ] || fail "left: $(find "$dir/modules")"
	[ -z "$(ls "$dir/src")" ] || fail "left: $(ls "$dir/src")"
}

# In a kernel tree: the initiator built in, the target as a module.
t_into_tree()
{
	local dir=$work/tree cache out m

	cache=$("$top/scripts/kernel" source 6.12) || exit 1
	rm -rf "$dir"
	# Links where the file system allows it: nothing writes through them.
	cp -al "$cache" "$dir" 2>/dev/null || cp -a "$cache" "$dir"
	"$top/scripts/into-tree" "$dir" >/dev/null
	"$top/scripts/into-tree" "$dir" >/dev/null
	[ "$(grep -c tcp-stack "$dir/drivers/nvme/Makefile")" = 1 ] || fail "twice"
	cd "$dir" || exit 1

	# The tree's own are in the way: ours cannot be chosen.
	cp "$here/tree.config" "$work/conflict"
	printf 'CONFIG_NVME_TCP=m\nCONFIG_NVME_TARGET=m\n' >>"$work/conflict"
	out=$(make -s KCONFIG_ALLCONFIG="$work/conflict" allnoconfig 2>&1) || fail "$out"
	! grep -E '^CONFIG_NVME_TCP_(HOST|TARGET)' .config || fail "beside the tree's own"

	out=$(make -s KCONFIG_ALLCONFIG="$here/tree.config" allnoconfig 2>&1) || fail "$out"
	for m in NVME_TCP_PDU=y NVME_TCP_HOST=y NVME_TCP_TARGET=m NVME_TCP_TARGET_TCP=m; do
		grep -qx "CONFIG_$m" .config || fail "no CONFIG_$m: $(grep NVME .config)"
	done
	out=$(make -s -j"$(nproc)" drivers/nvme/tcp-stack/ W=1 2>&1) || fail "$out"
	out=$(grep -A5 'drivers/nvme/tcp-stack.*warning:' <<<"$out" || :)
	[ -z "$out" ] || fail "$out"
	has "$(nm drivers/nvme/tcp-stack/host/built-in.a 2>&1)" ' [tT] '
	for m in nvmet nvmet-tcp; do
		[ -e "drivers/nvme/tcp-stack/target/$m.o" ] || fail "no $m.o"
	done
	cd /
	"$top/scripts/into-tree" --remove "$dir" >/dev/null
	out=$(diff -rq "$cache/drivers/nvme" "$dir/drivers/nvme" | grep -v '^Only in .*/tree/' || :)
	[ -z "$out" ] || fail "--remove left: $out"
	rm -rf "$dir"
}

#!/usr/bin/env bash
# Looks at what `make dist` has made, as those who get it would: installs, runs, upgrades and removes it, and makes it a second time
# elsewhere. It needs root and a Debian on which no bearerd is installed, and leaves that as it was.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
dist=$root/dist
step() { printf '\n-- %s\n' "$*"; }
fail() { echo "packaging/test.sh: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "must be root: it installs a package here, and removes it"
[ -f "$dist/SHA256SUMS" ] || fail "there is no dist/SHA256SUMS: run make dist first"
for there in /usr/bin/bearerd /etc/bearerd /var/lib/bearerd /var/lib/private/bearerd; do
	[ ! -e "$there" ] || fail "$there is here already: this test would remove it"
done
for need in systemd-analyze:systemd rpm:rpm man:man-db unzip:unzip; do
	command -v "${need%:*}" >/dev/null || missing="${missing-} ${need#*:}"
done
if [ -n "${missing-}" ]; then
	apt-get update -qq
	# shellcheck disable=SC2086 # a list
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

tmp=$(mktemp -d)
pretended= # a folder outside of it
clean() {
	if dpkg -s bearerd >/dev/null 2>&1; then dpkg --purge bearerd >/dev/null 2>&1 || true; fi
	[ -z "$pretended" ] || rmdir "$pretended"
	rm -rf "$tmp"
}
trap clean EXIT
bearerd_here() { # what of bearerd is on this machine, but where people and tests work
	find /boot /etc /opt /run /srv /usr /var -xdev -name '*bearerd*' 2>/dev/null | sort
}
version=$(basename "$dist"/bearerd_*_linux_amd64.tar.gz)
version=${version#bearerd_} version=${version%_linux_amd64.tar.gz}
name=bearerd_$version

says_version() { # PROGRAM...
	local said
	said=$("$@" version)
	[[ $said == "bearerd $version go"*" linux/amd64" ]] || fail "$* version said: $said"
}

test_sums() {
	step checksums
	(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
	[ "$(wc -l <"$dist/SHA256SUMS")" = "$(find "$dist" -type f ! -name SHA256SUMS | wc -l)" ] || fail "SHA256SUMS does not name every file"
	[ "$(wc -l <"$dist/SHA256SUMS")" = 17 ] || fail "17 files were expected: $(ls "$dist")"
}

test_archives() {
	step archives
	local system arch program
	for system in linux darwin windows; do
		for arch in amd64 arm64; do
			mkdir -p "$tmp/archives"
			program=$tmp/archives/${name}_${system}_$arch/bearerd
			if [ $system = windows ]; then
				unzip -q "$dist/${name}_${system}_$arch.zip" -d "$tmp/archives"
				program=$program.exe
			else
				tar -xzf "$dist/${name}_${system}_$arch.tar.gz" -C "$tmp/archives"
			fi
			[ -x "$program" ] || fail "$program cannot be executed"
			test_program "$program" $system $arch
			for file in LICENSE THIRD-PARTY-LICENCES README.md docs/configuration.md examples/README.md man/bearerd.1 man/bearerd-exec.1 \
				completions/bearerd.bash completions/_bearerd completions/bearerd.fish completions/bearerd.ps1; do
				[ -s "$(dirname "$program")/$file" ] || fail "the archive for $system/$arch has no $file"
			done
		done
	done
	says_version "$tmp/archives/${name}_linux_amd64/bearerd"
}

test_program() { # FILE OS ARCH: it is what it says, names no folder of this machine, and its bill of materials is about it
	local about
	about=$(go version -m "$1")
	for setting in CGO_ENABLED=0 "GOOS=$2" "GOARCH=$3" -trimpath=true; do
		grep -q "	build	$setting\$" <<<"$about" || fail "$1 was not built with $setting"
	done
	for folder in "$root/" "$(go env GOMODCACHE)" "$(go env GOROOT)/src"; do
		! grep -aqF "$folder" "$1" || fail "$1 names $folder"
	done
	node - "$dist/${name}_$2_$3.cdx.json" "$(sha256sum <"$1" | cut -d' ' -f1)" "$(grep -c '	dep	' <<<"$about")" <<-'JS'
		const [file, sum, deps] = process.argv.slice(2)
		const bom = JSON.parse(require('fs').readFileSync(file))
		const self = bom.metadata.component
		const wrong = bom.bomFormat !== 'CycloneDX' ? 'is not CycloneDX' : self.hashes[0].content !== sum ? 'is about another program'
			: bom.components.length !== Number(deps) + 1 || deps < 20 ? `has ${bom.components.length} parts, the program ${deps} and Go's library` : ''
		if (wrong) { console.error(file, wrong); process.exit(1) }
	JS
}

test_deb() {
	step deb: install
	local deb=$dist/${name}_linux_amd64.deb
	bearerd_here >"$tmp/before"
	[ "$(dpkg-deb -f "$dist/${name}_linux_arm64.deb" Architecture)" = arm64 ] || fail "the arm64 .deb is for another architecture"
	dpkg -i "$deb" >/dev/null
	while read -r mode file; do
		[ "$(stat -c '%a:%U:%G' "$file")" = "$mode:root:root" ] || fail "$file: $(stat -c '%a:%U:%G' "$file"), not $mode:root:root"
	done <<-'FILES'
		755 /usr/bin/bearerd
		755 /etc/bearerd
		644 /etc/bearerd/bearerd.hcl
		644 /usr/lib/systemd/system/bearerd.service
		644 /usr/share/man/man1/bearerd.1.gz
		644 /usr/share/bash-completion/completions/bearerd
		644 /usr/share/zsh/vendor-completions/_bearerd
		644 /usr/share/fish/vendor_completions.d/bearerd.fish
		644 /usr/share/doc/bearerd/copyright
		644 /usr/share/doc/bearerd/THIRD-PARTY-LICENCES
		644 /usr/share/doc/bearerd/examples/systemd/credentials.conf
	FILES
	says_version bearerd
	dpkg --verify bearerd
	step deb: unit, configuration, man pages, completion
	systemd-analyze verify bearerd.service
	grep -q '^ExecStart=/usr/bin/bearerd ' /usr/lib/systemd/system/bearerd.service || fail "the unit starts another program"
	bearerd check -c /etc/bearerd
	test_man
	# shellcheck disable=SC2016 # bash's own
	bash -c 'source /usr/share/bash-completion/completions/bearerd && complete -p bearerd' >/dev/null
	bearerd __complete cl 2>/dev/null | grep -q '^client-config' || fail "completion does not know client-config"
	step deb: upgrade, remove, purge
	echo '# edited' >>/etc/bearerd/bearerd.hcl
	dpkg -i "$deb" >/dev/null
	grep -q '^# edited' /etc/bearerd/bearerd.hcl || fail "an upgrade has lost an edit of the configuration"
	systemctl --no-reload enable bearerd.service >/dev/null 2>&1
	[ -L /etc/systemd/system/multi-user.target.wants/bearerd.service ] || fail "the unit cannot be enabled"
	mkdir -p /var/lib/private/bearerd && touch /var/lib/private/bearerd/state && ln -s private/bearerd /var/lib/bearerd # as DynamicUser= does
	dpkg --remove bearerd >/dev/null
	[ ! -e /usr/bin/bearerd ] || fail "the program is still there"
	[ ! -L /etc/systemd/system/multi-user.target.wants/bearerd.service ] || fail "the unit is still enabled"
	[ -e /var/lib/private/bearerd/state ] && grep -q '^# edited' /etc/bearerd/bearerd.hcl || fail "remove took more than the program: that is for purge"
	dpkg --purge bearerd >/dev/null
	rmdir --ignore-fail-on-non-empty /var/lib/private
	rm -f /var/cache/man/cat1/bearerd*.1.gz # not the package's: man keeps the pages that it has shown
	diff "$tmp/before" <(bearerd_here) || fail "purge has left something"
}

test_services() { # what the scripts ask of systemd where it runs; one that only writes down what it is asked stands in for it
	step what the scripts ask of systemd
	if [ -d /run/systemd/system ]; then
		echo "left out: systemd runs here"
		return
	fi
	local deb=$dist/${name}_linux_amd64.deb
	mkdir "$tmp/bin"
	printf '#!/bin/sh\necho "$*" >>%s/asked\n' "$tmp" >"$tmp/bin/systemctl"
	chmod +x "$tmp/bin/systemctl"
	pretended=/run/systemd/system
	mkdir -p "$pretended"
	(
		PATH=$tmp/bin:$PATH
		for what in -i -i --remove --purge; do
			echo "dpkg $what" >>"$tmp/asked"
			if [ "$what" = -i ]; then dpkg -i "$deb"; else dpkg $what bearerd; fi >/dev/null
		done
		for what in "postinst 1" "postinst 2" "prerm 1" "prerm 0" "postrm 0"; do
			echo "rpm $what" >>"$tmp/asked"
			sh packaging/rpm/$what
		done
	)
	rmdir "$pretended"
	pretended=
	diff "$tmp/asked" - <<-'ASKED' || fail "the scripts ask systemd for something else"
		dpkg -i
		daemon-reload
		dpkg -i
		daemon-reload
		try-restart bearerd.service
		dpkg --remove
		stop bearerd.service
		--no-reload disable bearerd.service
		daemon-reload
		dpkg --purge
		rpm postinst 1
		daemon-reload
		rpm postinst 2
		daemon-reload
		try-restart bearerd.service
		rpm prerm 1
		rpm prerm 0
		stop bearerd.service
		--no-reload disable bearerd.service
		rpm postrm 0
		daemon-reload
	ASKED
}

test_man() {
	local page
	[ "$(find /usr/share/man/man1 -name 'bearerd*.1.gz' | wc -l)" -gt 20 ] || fail "there are too few man pages"
	for page in /usr/share/man/man1/bearerd*.1.gz; do
		MANWIDTH=100 man --warnings -l "$page" >"$tmp/page" 2>"$tmp/warnings"
		[ ! -s "$tmp/warnings" ] || fail "$page: $(cat "$tmp/warnings")"
		grep -q '^NAME' "$tmp/page" || fail "$page has no NAME"
	done
	man -w bearerd-exec >/dev/null
}

test_rpm() {
	step rpm
	local rpm=$dist/${name}_linux_amd64.rpm there=$tmp/rpm
	mkdir "$there"
	rpm -K --nosignature "$rpm" "$dist/${name}_linux_arm64.rpm" >/dev/null
	[ "$(rpm -qp --qf '%{ARCH}' "$dist/${name}_linux_arm64.rpm" 2>/dev/null)" = aarch64 ] || fail "the arm64 .rpm is for another architecture"
	[ "$(rpm -qpc "$rpm" 2>/dev/null)" = /etc/bearerd/bearerd.hcl ] || fail "the configuration is not marked as such"
	rpm -qp --scripts "$rpm" 2>/dev/null | sed 's/^[a-z]* scriptlet .*/:/' | sh -n
	rpm --root "$there" --nodeps --noscripts --ignoreos -i "$rpm" 2>"$tmp/log" || fail "$(cat "$tmp/log")" # scripts would need a shell in there
	rpm --root "$there" --nodeps --noscripts -V bearerd
	says_version "$there/usr/bin/bearerd"
	diff <(dpkg-deb -c "$dist/${name}_linux_amd64.deb" | awk '$1 ~ /^-/ {print $6}' | sed 's/^\.//' | grep -v '/copyright$\|/doc/.*LICENCES$\|/zsh/' | sort) \
		<(rpm -qplv "$rpm" | awk '$1 ~ /^-/ {print $NF}' | grep -v '/licenses/\|/zsh/' | sort) || fail "deb (<) and rpm (>) hold different files"
	rpm --root "$there" --noscripts -e bearerd 2>"$tmp/log" || fail "$(cat "$tmp/log")"
	diff /dev/null <(find "$there/usr" "$there/etc" -name '*bearerd*') || fail "rpm -e has left something"
}

test_npm() {
	step npm
	local there=$tmp/npm
	mkdir -p "$there/home/.config/bearerd"
	(
		cd "$there"
		export HOME=$there/home npm_config_cache=$there/cache npm_config_update_notifier=false
		echo '{"private": true}' >package.json
		npm install --offline --no-audit --no-fund --loglevel=error "$dist/bearerd-npm-$version.tgz"
		[ "$(readlink -f node_modules/.bin/bearerd)" = "$there/node_modules/bearerd/bin/bearerd" ] || fail "npm's bin is not the program itself"
		says_version npx --no-install bearerd
		printf 'server "echo" { command = "cat" }\n' >home/.config/bearerd/bearerd.hcl
		chmod 600 home/.config/bearerd/bearerd.hcl
		local line='{"jsonrpc":"2.0","method":"notifications/hello"}'
		[ "$(echo "$line" | timeout 60 npx --no-install bearerd exec echo)" = "$line" ] || fail "exec through npx did not carry a line to cat and back"
		tar -xzf "$dist/bearerd-npm-$version.tgz"
		diff <(cd package && npm pack --json --dry-run | node -e 'for (const f of JSON.parse(require("fs").readFileSync(0))[0].files) console.log(f.path)' | sort) \
			<(cd package && find . -type f | sed 's,^\./,,' | sort) || fail "npm (<) would pack other files than are in the package (>)"
	)
}

test_twice() {
	step "a second time, in another folder"
	local again=$tmp/a/second/time
	mkdir -p "$again"
	git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
		tar -c --null -T - | (umask 077 && tar -x --no-same-permissions -C "$again")
	(umask 077 && TZ=Asia/Tokyo LANG=C make -s -C "$again" dist VERSION="$version" SOURCE_DATE_EPOCH="$(stat -c %Y "$tmp/archives/${name}_linux_amd64/bearerd")")
	diff "$dist/SHA256SUMS" "$again/dist/SHA256SUMS" || fail "the second time gave other bytes"
}

test_sums
test_archives
test_deb
test_services
test_rpm
test_npm
test_twice
printf '\npackaging/test.sh: all is well with %s\n' "$version"

# print_pack COMMITTED TREE PARENT prints the head, the proofs and the pack.
print_pack() {
	printf '%s\0' packed "$branch" "$head" "$1" "$2" "$3"
	print_proofs
	if [ -z "$head" ]; then
		printf '%s\0' none end
		return
	fi
	# What the receiver has, as far as it is here.
	printf '%s\n' "$gs_known" | git cat-file --batch-check='%(objectname) %(objecttype)' >"$Q/known" || die $?
	have=
	: >"$Q/revs"
	while read -r value type; do
		if [ "$type" != commit ]; then continue; fi
		printf '^%s\n' "$value" >>"$Q/revs"
		if [ "$value" = "$head" ]; then have=1; fi
	done <"$Q/known"
	if [ -n "$have" ]; then
		print_ancestry
		return
	fi
	printf '%s\n' "$head" >>"$Q/revs"
	printf 'pack\0'
	# No deltas: the host checks the pack without the objects they need.
	git pack-objects -q --revs --stdout --window=0 --depth=0 --no-reuse-delta --no-use-bitmap-index \
		--delta-base-offset <"$Q/revs" || die $?
}

# print_ancestry prints a pack of the commits between $gs_since and the head, so
# that the host can see for itself that one descends from the other. Where there
# are none there is no pack.
print_ancestry() {
	if [ -z "$gs_since" ] || [ "$gs_since" = "$head" ] ||
		! git merge-base --is-ancestor "$gs_since" "$head" 2>/dev/null; then
		printf '%s\0' none end
		return
	fi
	git rev-list --ancestry-path --max-count=10000 "$gs_since..$head" >"$Q/revs" || die $?
	printf 'pack\0'
	git pack-objects -q --stdout --window=0 --depth=0 --no-reuse-delta <"$Q/revs" || die $?
}

# print_proofs prints the objects on the way from the tips to the protected paths.
# $gs_protected has a line for each directory above one: its depth and a pattern.
print_proofs() {
	: >"$Q/proofs"
	count=0
	for tip in $gs_proofs; do
		printf '%s\n%s^{tree}\n' "$tip" "$tip" >>"$Q/proofs"
		count=$((count + 2))
		if [ -n "$gs_protected" ]; then
			git cat-file -e "$tip^{commit}" 2>/dev/null || fail 73 "$tip"
			below "$tip^{tree}" '' 0
		fi
	done
	printf '%s\0' proofs "$count"
	if [ "$count" -gt 0 ]; then git cat-file --batch <"$Q/proofs" || die $?; fi
}

# below TREE PREFIX DEPTH notes the trees of TREE that match a pattern, and goes on
# in them. Names that a pattern can match are printed without quotes.
below() {
	git ls-tree -d --full-tree "$1" >"$Q/level.$3" || die $?
	while IFS=' 	' read -r _ type value name; do
		if [ "$type" != tree ]; then continue; fi
		matches "$3" "$2$name" || continue
		printf '%s\n' "$value" >>"$Q/proofs"
		count=$((count + 1))
		deeper "$((($3) + 1))" || continue
		printf '%s %s\n' "$value" "$2$name/" >>"$Q/next.$3"
	done <"$Q/level.$3"
	if ! [ -e "$Q/next.$3" ]; then return; fi
	mv -- "$Q/next.$3" "$Q/level.$3"
	while IFS=' ' read -r value prefix; do
		# Reads from a copy: the call writes files of the next depth only.
		below_next "$value" "$prefix" "$3"
	done <"$Q/level.$3"
}

# below_next keeps the depth of the caller, as functions have no variables of
# their own.
below_next() { below "$1" "$2" $(($3 + 1)); }

# matches DEPTH PATH tells whether a pattern of that depth matches.
matches() {
	while IFS=' ' read -r depth pattern; do
		if [ "$depth" != "$1" ]; then continue; fi
		# The pattern comes from the host.
		# shellcheck disable=SC2254
		case $2 in $pattern) return 0 ;; esac
	done <<-END
		$gs_protected
	END
	return 1
}

# deeper DEPTH tells whether there are patterns of that depth.
deeper() {
	while IFS=' ' read -r depth _; do
		if [ "$depth" = "$1" ]; then return 0; fi
	done <<-END
		$gs_protected
	END
	return 1
}

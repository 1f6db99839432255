# Abort: the files that the merge has changed are as before. It can be repeated at
# any point: MERGE_HEAD goes last.
main() {
	open_clone x
	read_head
	quarantine
	expect "$gs_ours" ''
	take_index
	{
		git diff-index -z --cached --name-only --no-renames --ignore-submodules=all "$gs_ours" || die $?
		if [ -e "$S/conflicts" ]; then cat -- "$S/conflicts"; fi
	} | sort -zu >"$Q/list"
	xargs -0 -r git ls-tree -r -z --name-only --full-tree "$gs_ours" -- <"$Q/list" | sort -zu >"$Q/back" || die
	comm -z23 "$Q/list" "$Q/back" >"$Q/gone"
	git read-tree --reset "$gs_ours" || die $?
	xargs -0 -r rm -f -- <"$Q/gone" || die
	git checkout-index -q -f -z --stdin <"$Q/back" || die $?
	git update-index -q --refresh --ignore-submodules >/dev/null
	put_index
	stop_merging
	rm -f -- "$index_lock"
	index_lock=
	printf '%s\0' position "$branch" "$head" "$head" end
}
main

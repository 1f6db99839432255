# A merge that is kept with its conflicts: MERGE_HEAD in the clone, the paths that
# it has changed in "merged", and those in conflict in "conflicts".

# merge_files fails where a file of the merge is not a file.
merge_files() {
	for f in MERGE_HEAD MERGE_MSG MERGE_MODE AUTO_MERGE gitsandbox/conflicts gitsandbox/merged; do
		absent_or_file "$G/$f" || fail 65 ".git/$f is not a file"
	done
}

# expect OURS THEIRS fails unless the merge is the one that the host knows.
expect() {
	merge_files
	if [ "$head" != "$1" ]; then fail 79 'HEAD is not where the merge began'; fi
	read_line "$G/MERGE_HEAD" || fail 79 'there is no merge'
	if [ -n "$2" ] && [ "$line" != "$2" ]; then fail 79 'another merge was begun'; fi
}

# undo_merge OURS brings the files that the merge has changed back. It can be
# repeated at any point: MERGE_HEAD goes last. It needs the index.
undo_merge() {
	{
		git diff-index -z --cached --name-only --no-renames --ignore-submodules=all "$1" || die $?
		for f in conflicts merged; do
			if [ -e "$S/$f" ]; then cat -- "$S/$f"; fi
		done
	} | sort -zu >"$Q/list"
	xargs -0 -r git ls-tree -r -z --name-only --full-tree "$1" -- <"$Q/list" | sort -zu >"$Q/back" || die
	comm -z23 "$Q/list" "$Q/back" >"$Q/gone"
	git read-tree --reset "$1" || die $?
	xargs -0 -r rm -f -- <"$Q/gone" || die
	git checkout-index -q -f -z --stdin <"$Q/back" || die $?
	git update-index -q --refresh --ignore-submodules >/dev/null
	put_index
	stop_merging
}

stop_merging() {
	rm -f -- "$S/conflicts" "$S/merged" "$G/MERGE_MSG" "$G/MERGE_MODE" "$G/AUTO_MERGE" "$G/MERGE_HEAD"
}

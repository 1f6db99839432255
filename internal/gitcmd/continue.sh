main() {
	open_clone x
	read_head
	quarantine
	put_tracking
	replay
	if [ -n "$done" ]; then
		# It may have died before its last line.
		if read_line "$G/MERGE_HEAD" && [ "$line" = "$gs_theirs" ]; then stop_merging; fi
		print_outcome
		after
		return
	fi
	expect "$gs_ours" "$gs_theirs"
	take_index
	git diff --name-only -z --diff-filter=U --ignore-submodules=all >"$Q/unmerged" || die $?
	if [ -e "$S/conflicts" ]; then cat -- "$S/conflicts" >>"$Q/unmerged"; fi
	sort -zu "$Q/unmerged" | xargs -0 -r sh -c "$gs_markers" sh >"$Q/list"
	if [ -s "$Q/list" ]; then fail 72 'files have conflict markers' "$Q/list"; fi
	stage
	message
	commit_tree -p "$gs_ours" -p "$gs_theirs"
	keep "$head" "$new" integrated merged "$head" "$new" 0 end
	put_index
	move_head "$head" "$new"
	stop_merging
	rm -f -- "$index_lock"
	index_lock=
	printf '%s\0' integrated merged "$head" "$new" 0 end
	head=$new
	after
}

after() {
	if [ -n "$gs_pack_head" ]; then print_pack 0 '' ''; fi
}
main

# The end of a merge that was kept with its conflicts.

# expect OURS THEIRS fails unless the merge is the one that the host knows.
expect() {
	if [ "$head" != "$1" ]; then fail 79 'HEAD is not where the merge began'; fi
	read_line "$G/MERGE_HEAD" || fail 79 'there is no merge'
	if [ -n "$2" ] && [ "$line" != "$2" ]; then fail 79 'another merge was begun'; fi
	for f in MERGE_MSG MERGE_MODE gitsandbox/conflicts; do
		absent_or_file "$G/$f" || fail 65 ".git/$f is not a file"
	done
}

stop_merging() {
	rm -f -- "$G/MERGE_HEAD" "$G/MERGE_MSG" "$G/MERGE_MODE" "$G/AUTO_MERGE" "$S/conflicts"
}

# Status: HEAD, index and work tree, and how far the branch is from its upstream.
main() {
	open_clone s
	read_head
	quarantine
	put_tracking
	if [ -n "$upstream" ]; then
		printf '[branch "head"]\n\tremote = .\n\tmerge = refs/heads/upstream\n' >>"$Q/config"
	fi
	unfinished
	merge_head=
	if [ "$operation" = merge ] && read_line "$G/MERGE_HEAD" && is_oid "$line"; then merge_head=$line; fi
	printf '%s\0' status "$branch" "$head" "${upstream:+$gs_upstream}" "$operation" "$merge_head"
	git status --porcelain=v2 -z --branch "--untracked-files=$gs_untracked" --find-renames --ignore-submodules=dirty || die $?
	printf 'end\0'
}
main

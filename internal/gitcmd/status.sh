# Status: HEAD, index and work tree, and how far the branch is from its upstream.
main() {
	open_reading
	if [ -n "$upstream" ]; then
		git_config branch.head.remote .
		git_config branch.head.merge refs/heads/upstream
	fi
	unfinished
	merge_head=
	if [ "$operation" = merge ] && read_line "$G/MERGE_HEAD" && is_oid "$line"; then merge_head=$line; fi
	printf '%s\0' status "$branch" "$head" "${upstream:+$gs_upstream}" "$operation" "$merge_head"
	git status --porcelain=v2 -z --branch "--untracked-files=$gs_untracked" --find-renames --ignore-submodules=dirty || die $?
	close_reading
	printf 'end\0'
}
main

# make_commit PATH... stages and commits, and sets $new, $tree and $parent. It
# sets $new to nothing where there is nothing to commit. The index goes first: where
# the step dies between the two, what it staged is staged, and nothing is lost.
make_commit() {
	replay
	parent=$head
	if [ -n "$done" ]; then
		new=$now parent=$was
		tree=$(git rev-parse --verify --quiet "$now^{tree}") || die $?
		return
	fi
	refuse_unfinished
	take_index
	refuse_unmerged
	stage "$@"
	tree=$(git write-tree) || die $?
	if [ -z "$gs_allow_empty" ]; then
		before=4b825dc642cb6eb9a060e54bf8d69288fbee4904
		if [ -n "$head" ]; then before=$(git rev-parse --verify --quiet "$head^{tree}") || die $?; fi
		if [ "$tree" = "$before" ]; then
			new=
			return
		fi
	fi
	message
	new=$(git commit-tree "$tree" ${head:+-p "$head"} -F "$Q/message") || die $?
	is_oid "$new" || die
	keep "$head" "$new"
	put_index
	move_head "$head" "$new"
	head=$new
	free_index
}

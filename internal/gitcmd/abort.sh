# Abort: the files that the merge has changed are as before.
main() {
	open_clone x
	read_head
	quarantine
	expect "$gs_ours" ''
	take_index
	undo_merge "$gs_ours"
	printf '%s\0' position "$branch" "$head" "$head" end
}
main

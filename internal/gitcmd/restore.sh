# Restore: files, or what is staged, as they are elsewhere.
main() {
	open_clone x
	read_head
	quarantine
	put_tracking
	source=
	if [ -n "$gs_source" ]; then
		revision "$gs_source"
		source=$oid
	elif [ -n "$gs_staged" ]; then
		source=${head:-4b825dc642cb6eb9a060e54bf8d69288fbee4904}
	fi
	take_index
	if [ $# -eq 0 ]; then set -- .; fi
	for p; do
		if [ "$p" = . ]; then continue; fi
		git ls-files --error-unmatch ${source:+"--with-tree=$source"} -- "$p" >/dev/null 2>&1 || fail_file 74 "$p" "$p"
	done
	set -- -- "$@"
	if [ -n "$source" ]; then set -- "--source=$source" "$@"; fi
	if [ -n "$gs_staged" ]; then set -- --staged "$@"; fi
	if [ -n "$gs_worktree" ]; then set -- --worktree "$@"; fi
	git restore --quiet --no-recurse-submodules "$@" || die $?
	put_index
	rm -f -- "$index_lock"
	index_lock=
	printf '%s\0' "done" end
}
main "$@"

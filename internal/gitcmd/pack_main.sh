main() {
	open_clone x
	read_head
	quarantine
	put_tracking
	committed=0 tree= parent=
	if [ -n "$gs_commit" ]; then
		make_commit "$@"
		if [ -n "$new" ]; then
			committed=1
		else
			tree= parent=
		fi
	fi
	print_pack "$committed" "$tree" "$parent"
}
main "$@"

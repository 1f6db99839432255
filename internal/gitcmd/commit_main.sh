main() {
	open_clone x
	read_head
	quarantine
	put_tracking
	make_commit "$@"
	if [ -z "$new" ]; then fail 71 ''; fi
	printf '%s\0' committed "$branch" "$new" "$tree" "$parent" end
}
main "$@"

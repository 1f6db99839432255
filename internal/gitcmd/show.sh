# Show: one file at a revision.
main() {
	open_clone s
	read_head
	quarantine
	revision "$gs_rev"
	git ls-tree -z -l --full-tree "$oid" -- "$1" >"$Q/list" || die $?
	entry=
	IFS='	' read -r entry _ <"$Q/list"
	# shellcheck disable=SC2086
	set -- "$1" $entry
	if [ $# -ne 5 ] || [ "$3" != blob ]; then fail_file 74 "$1" "$1"; fi
	printf '%s\0' file "$2" "$4" "$5"
	{
		git cat-file blob "$4"
		echo $? >"$Q/code"
	} | head -c "$gs_max"
	read -r code <"$Q/code"
	if [ "$code" -ne 0 ] && [ "$code" -ne 141 ]; then die "$code"; fi
	printf '\0end\0'
}
main "$@"

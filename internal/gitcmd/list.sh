main() {
	open_clone s
	read_head
	quarantine
	printf 'list\0'
	{
		git ls-files -z -c -o --exclude-standard --deduplicate -- "$@"
		echo $? >"$Q/code"
	} | head -c "$gs_max"
	read -r code <"$Q/code"
	if [ "$code" -ne 0 ] && [ "$code" -ne 141 ]; then die "$code"; fi
	printf '%s\0' '' "$code" end
}
main "$@"

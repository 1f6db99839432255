main() {
	open_clone s
	read_head
	quarantine
	kind=-F
	if [ -n "$gs_regexp" ]; then kind=-E; fi
	printf 'search\0'
	{
		git grep -z -n -I --untracked --no-color --no-textconv --no-recurse-submodules --threads=2 "$kind" \
			${gs_ignore_case:+-i} -e "$gs_pattern" -- "$@"
		echo $? >"$Q/code"
	} | head -c "$gs_max"
	read -r code <"$Q/code"
	# 1: no match.
	case $code in 0 | 1 | 141) ;; *) die "$code" ;; esac
	printf '\0%s\0end\0' "$code"
}
main "$@"

# Log: commits, newest first.
main() {
	open_reading
	printf 'log\0'
	if [ -z "$head" ] && [ "$gs_rev" = HEAD ]; then
		printf 'end\0'
		return
	fi
	revision "$gs_rev"
	printf '%s\n' "$oid" >"$Q/revs"
	for rev in $gs_exclude; do
		revision "$rev"
		printf '^%s\n' "$oid" >>"$Q/revs"
	done
	git log -z --no-show-signature --no-color "--format=$format" "--max-count=$gs_max" "--skip=$gs_skip" \
		--stdin -- "$@" <"$Q/revs" || die $?
	printf 'end\0'
}
main "$@"

# Reset: moves the branch, or unstages paths.
main() {
	open_clone x
	read_head
	quarantine
	put_tracking
	before=$head
	if [ $# -gt 0 ]; then
		unstage "$@"
	else
		replay
		if [ -n "$done" ] && [ "$head" = "$now" ]; then
			before=$was
		else
			move
		fi
	fi
	printf '%s\0' position "$branch" "$head" "$before" end
}

unstage() {
	revision "$gs_rev"
	take_index
	git reset --quiet "$oid" -- "$@" || die $?
	put_index
	rm -f -- "$index_lock"
	index_lock=
}

move() {
	if [ -z "$head" ]; then fail 73 HEAD; fi
	revision "$gs_rev"
	new=$oid
	if [ "$gs_mode" != hard ]; then
		refuse_unfinished
	fi
	if [ "$gs_mode" = keep ]; then
		keep "$head" "$new"
		switch_tree "$head" "$new" ''
		head=$new
		return
	fi
	take_index
	case $gs_mode in
	soft) ;;
	mixed | hard) plain_reset "--$gs_mode" ;;
	merge)
		git update-index -q --refresh --ignore-submodules >/dev/null
		if ! plain_reset --merge; then
			{
				git diff-files -z --name-only --ignore-submodules=dirty
			} | sort -zu >"$Q/list"
			fail 69 '' "$Q/list"
		fi
		;;
	*) die ;;
	esac || die $?
	keep "$head" "$new"
	put_index
	move_head "$head" "$new"
	head=$new
	# An operation that was begun is over.
	if [ "$gs_mode" = hard ]; then
		rm -f -- "$G/MERGE_HEAD" "$G/MERGE_MSG" "$G/MERGE_MODE" "$G/CHERRY_PICK_HEAD" "$G/REVERT_HEAD" "$S/conflicts" "$S/merged"
	fi
	rm -f -- "$index_lock"
	index_lock=
}

# plain_reset --MODE lets git reset do it. Its branch is that of the quarantine.
plain_reset() {
	if [ -n "$gs_refs" ]; then
		# Refs are borrowed here, and must not be written.
		printf '%s\n' "$head" >"$Q/HEAD"
	fi
	git reset --quiet --no-recurse-submodules "$1" "$new"
}
main "$@"

# Create, check out or delete a branch.
main() {
	if [ "$gs_action" = create ] || [ "$gs_action" = checkout ] || [ "$gs_action" = delete ]; then :; else die; fi
	open_clone x
	read_head
	quarantine
	put_tracking
	name=refs/heads/$gs_branch
	safe_ref "$name" || fail 73 "$gs_branch"
	before=$head
	read_ref "$name" || fail 65 "$name cannot be read"
	at=$oid
	case $gs_action in
	create) create ;;
	checkout) [ -n "$at" ] || fail 73 "$gs_branch" ;;
	delete) delete ;;
	esac
	if [ -n "$gs_checkout" ]; then checkout; fi
	printf '%s\0' position "$branch" "$head" "$before" end
}

create() {
	revision "$gs_rev"
	start=$oid
	replay
	# Sent again, the branch is where the first one put it.
	if [ -n "$at" ] && ! { [ -n "$gs_op" ] && [ "$id" = "$gs_op" ]; }; then fail 67 "$gs_branch"; fi
	if [ -z "$at" ]; then
		if [ -n "$gs_op" ]; then keep "$head" "$start"; fi
		write_ref "$name" '' "$start" || fail 67 "$gs_branch"
		at=$start
	fi
}

checkout() {
	refuse_unfinished
	if [ "$headref" = "$name" ]; then return; fi
	if [ -n "$head" ] && [ "$head" != "$at" ]; then
		switch_tree "$head" "$at" "ref: $name"
	elif [ -z "$head" ]; then
		fail 73 HEAD
	else
		write_ref_head "ref: $name"
	fi
	head=$at branch=$gs_branch headref=$name
}

delete() {
	if [ -z "$at" ]; then fail 73 "$gs_branch"; fi
	if [ "$headref" = "$name" ]; then fail 70 "$gs_branch"; fi
	if [ -z "$gs_force" ]; then
		left=$(git rev-list --max-count=1 "$at" --not HEAD --remotes) || die $?
		if [ -n "$left" ]; then fail 75 "$gs_branch"; fi
	fi
	delete_ref "$name" "$at" || fail 66 "$gs_branch"
}

# delete_ref NAME OLD removes a ref, from the packed ones too.
delete_ref() {
	file=$G/$1
	lock_ref "$1" || return 1
	read_ref "$1" || oid=invalid
	if [ "$oid" = "$2" ]; then
		if [ -s "$G/packed-refs" ] && grep -q -F -- " $1" "$G/packed-refs"; then
			unpack_ref "$1" || return 1
		fi
		rm -f -- "$file"
	fi
	rm -f -- "$file.lock"
	ref_lock=
	[ "$oid" = "$2" ]
}

# unpack_ref NAME takes a ref out of the packed ones, under git's own lock.
unpack_ref() {
	held=$G/packed-refs.lock
	if exists "$held"; then clear_stale "$held" || return 1; fi
	packed_lock=$held
	set -C
	printf '%s\n' "$marker" 2>/dev/null >"$held" || { set +C; return 1; }
	set +C
	awk -v name="$1" '
		/^[^#^]/ { skip = ($2 == name) }
		/^#/ { skip = 0 }
		!skip { print }' "$G/packed-refs" >"$Q/unpacked" &&
		mv -fT -- "$Q/unpacked" "$G/packed-refs" || return 1
	rm -f -- "$held"
	packed_lock=
}
main

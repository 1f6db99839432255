# How objects reach the clone.

# take_objects takes in the upload or fetches, or does nothing.
take_objects() {
	if [ -n "$gs_pack" ]; then
		take_pack
	elif [ -n "$gs_url" ]; then
		fetch_objects
	fi
}

take_pack() {
	list=
	if [ -n "$gs_shallow_file" ]; then
		upload "$gs_shallow_file"
		list=$file
	fi
	upload "$gs_pack"
	pack=$file
	if [ -n "$gs_shallow$gs_unshallow$list" ]; then
		# Set before the pack is read: its check follows parents, which end at
		# the new boundary.
		{
			if [ -e "$G/shallow" ]; then cat -- "$G/shallow"; fi
			printf '%s\n' "$gs_shallow"
			if [ -n "$list" ]; then cat -- "$list"; fi
		} | grep . | grep -vxF -e "${gs_unshallow:-none}" | sort -u >"$Q/shallow"
		export GIT_SHALLOW_FILE="$Q/shallow"
	fi
	if ! git index-pack --stdin --strict --fix-thin <"$pack" >/dev/null 2>"$Q/error"; then
		cat -- "$Q/error" >&2
		line=
		read -r line <"$Q/error"
		rm -f -- "$pack"
		case $line in
		*'No space left'* | *'Disk quota'*) die 128 ;;
		esac
		fail 78 "$line"
	fi
	if [ -e "$Q/shallow" ]; then put_shallow; fi
	rm -f -- "$pack" ${list:+"$list"}
}

# put_shallow puts the new boundary in place. An empty file means that history is
# whole, and git takes it for a shallow one.
put_shallow() {
	if [ -s "$Q/shallow" ]; then
		mv -fT -- "$Q/shallow" "$G/shallow" || die
		export GIT_SHALLOW_FILE="$G/shallow"
	else
		rm -f -- "$G/shallow" "$Q/shallow"
		unset GIT_SHALLOW_FILE
	fi
}

# fetch_objects fetches by ID, so that the remote's names do not matter here.
fetch_objects() {
	if [ -s "$G/shallow" ]; then cp -- "$G/shallow" "$Q/shallow" || die; fi
	unset GIT_SHALLOW_FILE
	set -- --quiet --no-tags --no-write-fetch-head --no-recurse-submodules --no-auto-maintenance --no-auto-gc
	if [ "$gs_depth" -gt 0 ]; then set -- "$@" "--depth=$gs_depth"; fi
	if [ -n "$gs_filter" ]; then
		set -- "$@" "--filter=$gs_filter" origin
	else
		set -- "$@" --end-of-options "$gs_url"
	fi
	# Only hexadecimal digits and newlines: split on purpose.
	# shellcheck disable=SC2086
	git fetch "$@" $gs_oids </dev/null || die $?
	if [ -e "$Q/shallow" ] || [ -e "$G/shallow" ]; then put_shallow; fi
}

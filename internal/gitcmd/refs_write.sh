# Refs are written by git's lock protocol by hand, since git runs hooks of the
# clone when it writes one.

# write_ref NAME OLD NEW sets a ref that was OLD, empty for none, to NEW.
write_ref() {
	file=$G/$1
	lock_ref "$1" || return 1
	if [ "$1" = HEAD ]; then
		read_line "$G/HEAD" && oid=$line || oid=
	else
		read_ref "$1" || oid=invalid
	fi
	if [ "$oid" != "$2" ]; then
		rm -f -- "$file.lock"
		ref_lock=
		return 1
	fi
	ref_value=$3
	printf '%s\n' "$3" >"$file.lock" || return 1
	# git leaves empty directories behind, where a branch was deleted.
	if [ -d "$file" ]; then find "$file" -type d -empty -delete 2>/dev/null; fi
	mv -fT -- "$file.lock" "$file" || return 1
	ref_lock=
}

# lock_ref NAME creates the lock of a ref. One that a dead step left is removed by a
# step that has the clone to itself; for any other it may be that of a live one.
lock_ref() {
	parents "$1" || return 1
	if ! [ -d "${file%/*}" ]; then mkdir -p -- "${file%/*}" || return 1; fi
	if exists "$file.lock"; then
		[ "$mode" = x ] && clear_stale "$file.lock" || return 1
	fi
	ref_value=$marker
	ref_lock=$file.lock
	set -C
	printf '%s\n' "$marker" 2>/dev/null >"$file.lock" || { set +C; return 1; }
	set +C
}

# clear_stale FILE removes a lock of git's where no process of git's runs in the
# work tree, and waits up to five seconds for one that does. Then it looks again: a
# git that began after the first look may have made the lock that was removed, and
# would move whatever has its name next into place.
clear_stale() {
	tries=0 removed=
	while exists "$1" || [ -n "$removed" ]; do
		if ! git_running; then
			if ! exists "$1"; then return; fi
			rm -f -- "$1"
			removed=1
			continue
		fi
		if [ "$tries" -ge 50 ]; then return 1; fi
		tries=$((tries + 1))
		sleep 0.1
	done
}

# git_running tells whether a process of git's that is not this step's works in
# the clone. One whose directory cannot be read is taken for one.
git_running() {
	for p in /proc/[0-9]*; do
		{ read -r comm <"$p/comm"; } 2>/dev/null || continue
		case $comm in git*) ;; *) continue ;; esac
		if ! cwd=$(readlink -- "$p/cwd" 2>/dev/null); then
			{ read -r stat <"$p/stat"; } 2>/dev/null || continue
			case $stat in *') Z '* | *') X '*) continue ;; esac
			return 0
		fi
		case $cwd in "$R" | "$R"/*) return 0 ;; esac
	done
	return 1
}

# put_tracking puts the remote-tracking refs that the host knows in place, those
# whose objects are here. It does what it can: a ref that is locked by the agent's
# own git is left for the next step.
put_tracking() {
	if [ -z "$gs_tracking" ]; then return; fi
	while read -r name value; do
		if safe_ref "$name" && is_oid "$value" && read_ref "$name" && [ "$oid" != "$value" ] &&
			git cat-file -e "$value" 2>/dev/null; then
			write_ref "$name" "$oid" "$value" </dev/null
		fi
	done <<-END
		$gs_tracking
	END
}

# move_head OLD NEW moves the current branch, or the detached HEAD.
move_head() {
	write_ref "${headref:-HEAD}" "$1" "$2" || fail 66 "${headref:-HEAD} is locked or has moved"
}

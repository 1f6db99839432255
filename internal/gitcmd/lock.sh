# The lock of the clone, and the quarantine that git runs in.
my_turn='' freeing='' packed_lock=''

# open_clone x|s enters the clone and takes its lock, for writing or reading. The
# kernel frees the lock when the last process of the step is gone.
open_clone() {
	enter
	mode=$1
	take_lock "$S/lock" "$mode"
	# Where the step that had the turn is dead, what it has left is cleared by one
	# that has the clone to itself: of two that did it at once, each could take away
	# what the other has made since.
	if [ "$mode" = s ] && { exists "$S/journal" || ! turn; }; then
		mode=x
		take_lock "$S/lock" x
	fi
	if [ "$mode" = s ]; then return; fi
	# No other step runs now: a lock of ours is that of a dead one.
	if read_line "$G/index.lock"; then
		case $line in 'gitsandbox '*) rm -f -- "$G/index.lock" ;; esac
	fi
	take_turn
	sweep
	recover
}

# open_reading enters the clone for reading, and close_reading leaves it.
open_reading() {
	open_clone s
	read_head
	quarantine
	put_tracking
}
close_reading() { :; }

# take_turn tells those who read without the lock that a step writes, and
# free_turn that none does.
take_turn() {
	turn
	next_turn
	printf 'busy %s\n' "$next" >"$S/turn"
	my_turn=1
}

free_turn() {
	turn
	next_turn
	printf 'free %s\n' "$next" >"$S/turn"
	my_turn=
}

# next_turn sets $next to the number after that of $turn.
next_turn() {
	next=${turn#* }
	case $next in '' | *[!0-9]* | 0?* | ????????????????*) next=0 ;; esac
	next=$((next + 1))
}

take_lock() {
	command exec 9<>"$1" || fail 65 'the lock cannot be opened'
	flock "-$2" -w "$gs_wait" 9 || fail 66 'another operation is running'
}

# sweep removes what dead steps have left. It needs the exclusive lock: what
# there is of quarantines now has no owner. Uploads may belong to a step that is
# about to start, so only old ones go.
sweep() {
	set -- "$S"/q.* "$S"/r.*
	if exists "$1" || exists "$2"; then rm -rf -- "$@"; fi
	set -- "$home/$gs_uploads"/*
	if exists "$1" && real_dir "$home/$gs_uploads"; then
		find "$home/$gs_uploads" -maxdepth 1 -type f -name '[!.]*' -mmin +120 -delete 2>/dev/null
	fi
}

# quarantine makes the git directory that git runs in. With gs_refs, names are
# resolved: the refs of the clone are borrowed for reading. They are files of
# object IDs and nothing else.
quarantine() {
	Q=$S/q.$$
	quarantine_refs
	head_line='ref: refs/heads/head'
	if [ -n "$gs_refs" ]; then
		mkdir "$Q" 2>/dev/null || { rm -rf -- "$Q" && mkdir "$Q"; } || die
		ln -s -- "$G/refs" "$G/packed-refs" "$Q/" || die
		head_line=$head
		if [ -n "$headref" ]; then head_line="ref: $headref"; fi
	else
		mkdir "$Q" "$Q/refs" 2>/dev/null ||
			{ rm -rf -- "$Q" && mkdir "$Q" "$Q/refs"; } || die
		printf %s "$packed" >"$Q/packed-refs"
	fi
	printf '%s\n' "$head_line" >"$Q/HEAD"
	printf '%s\n' "$gs_config" >"$Q/config"
	if [ -n "$gs_sparse" ]; then
		mkdir "$Q/info" && printf '%s\n' "$gs_sparse" >"$Q/info/sparse-checkout" || die
	fi
	git_environment "$Q"
	# The rest of a split index is looked for beside the config.
	for f in "$G"/sharedindex.*; do
		if real_file "$f"; then cp -p -- "$f" "$Q/" || die; fi
	done
}

# cleanup runs at every end of a step but KILL.
cleanup() {
	rc=$?
	trap '' TERM INT HUP PIPE
	trap - EXIT
	if [ -n "$journal" ]; then (recover) >/dev/null 2>&1; fi
	if [ -n "$undo" ]; then (undo_merge "$undo") >/dev/null 2>&1; fi
	# Locks of git's go before the step ends, directories may go while it does.
	# Their content tells whether they are this step's: a signal can come between
	# a command and the next.
	for f in "$index_lock" "$ref_lock" "$packed_lock"; do
		if [ -n "$f" ] && read_line "$f" && { [ "$line" = "$marker" ] || [ "$line" = "$ref_value" ]; }; then
			rm -f -- "$f"
		fi
	done
	if [ -n "$freeing" ]; then wait "$freeing"; fi
	if [ -n "$my_turn" ]; then free_turn; fi
	if [ -n "$Q$made" ]; then
		rm -rf -- ${Q:+"$Q"} ${made:+"$made"} </dev/null >/dev/null 2>&1 9>&- &
	fi
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
trap 'exit 141' PIPE

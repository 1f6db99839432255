# Reading without the lock, in the quarantine of an earlier reader. It has no
# config: the settings that every step has are enough for reading. Whatever is
# not as it is to be ends the step with again, and the caller sends the one that
# takes the lock: it knows how to recover, and how to wait. The remote-tracking refs
# are left to that one too; what the host knows of them counts here already.

again() { exit 79; }

# open_reading enters the clone for reading.
open_reading() {
	enter
	if exists "$S/journal" || ! turn; then again; fi
	# A split index, whose rest git looks for beside the config.
	for f in "$G"/sharedindex.*; do
		if exists "$f"; then again; fi
	done
	read_head
	quarantine_refs
	Q=$S/r.${head:-none}.${upstream:-none}
	if exists "$Q"; then
		intact || again
	else
		mkdir "$Q" "$Q/refs" 2>/dev/null &&
			printf %s "$packed" >"$Q/packed-refs" &&
			printf 'ref: refs/heads/head\n' >"$Q/HEAD" || again
	fi
	git_environment "$Q"
}

# close_reading fails unless all was read within one turn.
close_reading() {
	before=$turn
	turn && [ "$turn" = "$before" ] || again
}

# intact reports whether the quarantine holds what it was made with, and nothing
# else: it lies in the clone, where the agent may write.
intact() {
	real_dir "$Q" && real_dir "$Q/refs" || return 1
	set -- "$Q"/* "$Q"/.[!.]* "$Q"/..?* "$Q"/refs/* "$Q"/refs/.*
	want="$Q/HEAD $Q/packed-refs $Q/refs $Q/.[!.]* $Q/..?* $Q/refs/*"
	case $* in
	"$want $Q/refs/.*" | "$want $Q/refs/. $Q/refs/..") ;;
	*) return 1 ;;
	esac
	holds "$Q/HEAD" "ref: refs/heads/head$nl" && holds "$Q/packed-refs" "$packed"
}

# holds FILE TEXT compares. It reads no more than it must.
holds() {
	real_file "$1" || return 1
	text=
	while IFS= read -r line || [ -n "$line" ]; do
		text=$text$line$nl
		if [ ${#text} -gt ${#2} ]; then return 1; fi
	done <"$1"
	[ "$text" = "$2" ]
}

# What every step has in common: failures, the clone, its lock, the quarantine.
#
# Settings arrive in variables named gs_*, paths as positional parameters. The
# step runs in the home directory. There is no set -e: each failure is handled
# where it can happen.
set -u
umask 022
home=$PWD
R='' G='' S='' Q='' made='' index_lock='' ref_lock='' ref_value='' journal='' undo=''
marker="gitsandbox $$"

# git fails the step with its own exit code, its prose is on stderr already.
die() { exit "${1:-1}"; }

# fail CODE DETAIL [LIST] ends the step. LIST is a file of NUL-separated names.
fail() {
	printf 'fail\0%s\0' "$2"
	if [ -n "${3-}" ]; then cat -- "$3"; fi
	printf '\0end\0'
	exit "$1"
}

# fail_file CODE DETAIL NAME... is fail for names that are at hand.
fail_file() {
	code=$1
	printf 'fail\0%s\0' "$2"
	shift 2
	printf '%s\0' "$@"
	printf '\0end\0'
	exit "$code"
}

# A symbolic link in the place of a file of git's would let a step read or write
# elsewhere, and a FIFO would hang it.
real_dir() { [ -d "$1" ] && ! [ -L "$1" ]; }
real_file() { [ -f "$1" ] && ! [ -L "$1" ]; }
exists() { [ -e "$1" ] || [ -L "$1" ]; }
absent_or_file() { real_file "$1" || ! exists "$1"; }

is_oid() {
	case $1 in '' | *[!0-9a-f]*) return 1 ;; esac
	[ ${#1} -eq 40 ]
}

# safe_ref accepts what git accepts in a ref below refs/, as far as it matters
# for a path.
safe_ref() {
	case $1 in
	refs/*/) return 1 ;;
	refs/*) ;;
	*) return 1 ;;
	esac
	case $1 in
	*..* | *//* | */.* | *.lock | *.lock/* | *'@{'* | *. | *[[:cntrl:]]* | *[\ \~^:?*\\[]*) return 1 ;;
	esac
}

# read_line FILE reads the first line into $line.
read_line() {
	line=
	real_file "$1" || return 1
	IFS= read -r line <"$1" || [ -n "$line" ]
}

# open_clone x|s enters the clone and takes its lock, for writing or reading. The
# kernel frees the lock when the last process of the step is gone.
open_clone() {
	exists repo || fail 64 ''
	real_dir repo && cd -P repo || fail 65 'the clone is not a directory'
	R=$PWD G=$PWD/.git
	exists .git || fail 64 ''
	real_dir .git || fail 65 '.git is not a directory'
	for d in objects refs; do
		real_dir ".git/$d" || fail 65 ".git/$d is not a directory"
	done
	for f in HEAD index shallow packed-refs; do
		absent_or_file ".git/$f" || fail 65 ".git/$f is not a file"
	done
	S=$G/gitsandbox
	exists "$S" || mkdir "$S" 2>/dev/null
	real_dir "$S" || fail 65 '.git/gitsandbox is not a directory'
	for f in lock outcome journal; do
		absent_or_file "$S/$f" || fail 65 ".git/gitsandbox/$f is not a file"
	done
	mode=$1
	if exists "$S/journal"; then mode=x; fi
	take_lock "$S/lock" "$mode"
	# No step that writes runs now: a lock of ours is that of a dead one.
	if read_line "$G/index.lock"; then
		case $line in 'gitsandbox '*) rm -f -- "$G/index.lock" ;; esac
	fi
	if [ "$mode" = x ]; then
		sweep
		recover
	fi
}

take_lock() {
	command exec 9<>"$1" || fail 65 'the lock cannot be opened'
	flock "-$2" -w "$gs_wait" 9 || fail 66 'another operation is running'
}

# sweep removes what dead steps have left. It needs the exclusive lock: what
# there is of quarantines now has no owner. Uploads may belong to a step that is
# about to start, so only old ones go.
sweep() {
	set -- "$S"/q.*
	if exists "$1"; then rm -rf -- "$@"; fi
	set -- "$home/$gs_uploads"/*
	if exists "$1" && real_dir "$home/$gs_uploads"; then
		find "$home/$gs_uploads" -maxdepth 1 -type f -name '[!.]*' -mmin +120 -delete 2>/dev/null
	fi
}

# quarantine makes the git directory that git runs in. Its branch is always
# called "head", and the upstream "upstream", so that nothing of the clone's
# names can matter. With gs_refs, names are resolved: the refs of the clone are
# borrowed for reading. They are files of object IDs and nothing else.
quarantine() {
	Q=$S/q.$$
	if [ -n "$gs_refs" ]; then
		mkdir "$Q" 2>/dev/null || { rm -rf -- "$Q" && mkdir "$Q"; } || die
		ln -s -- "$G/refs" "$G/packed-refs" "$Q/" || die
		head_line=$head
		if [ -n "$headref" ]; then head_line="ref: $headref"; fi
	else
		mkdir "$Q" "$Q/refs" 2>/dev/null ||
			{ rm -rf -- "$Q" && mkdir "$Q" "$Q/refs"; } || die
		{
			if [ -n "$head" ]; then printf '%s refs/heads/head\n' "$head"; fi
			if [ -n "$upstream" ]; then printf '%s refs/heads/upstream\n' "$upstream"; fi
		} >"$Q/packed-refs"
		head_line='ref: refs/heads/head'
	fi
	printf '%s\n' "$head_line" >"$Q/HEAD"
	printf '%s\n' "$gs_config" >"$Q/config"
	if [ -n "$gs_sparse" ]; then
		mkdir "$Q/info" && printf '%s\n' "$gs_sparse" >"$Q/info/sparse-checkout" || die
	fi
	export GIT_DIR="$Q" GIT_WORK_TREE="$R" GIT_OBJECT_DIRECTORY="$G/objects" GIT_INDEX_FILE="$G/index"
	# Reading steps let git note in the index, under its own lock, which files it
	# has found unchanged. Without that each of them would read all files anew
	# that are as young as the index, which after a clone are all.
	if [ -s "$G/shallow" ]; then export GIT_SHALLOW_FILE="$G/shallow"; fi
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
	for f in "$index_lock" "$ref_lock"; do
		if [ -n "$f" ] && read_line "$f" && { [ "$line" = "$marker" ] || [ "$line" = "$ref_value" ]; }; then
			rm -f -- "$f"
		fi
	done
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

# unfinished sets $operation to what was begun in the clone and not ended.
unfinished() {
	operation=
	if exists "$G/MERGE_HEAD"; then
		operation=merge
	elif exists "$G/rebase-merge" || exists "$G/rebase-apply"; then
		operation=rebase
	elif exists "$G/CHERRY_PICK_HEAD"; then
		operation=cherry-pick
	elif exists "$G/REVERT_HEAD"; then
		operation=revert
	fi
}

refuse_unfinished() {
	unfinished
	if [ -n "$operation" ]; then fail 77 "$operation"; fi
}

# revision NAME resolves a revision to a commit, into $oid.
revision() {
	if [ "$1" = HEAD ] && [ -n "$head" ]; then
		oid=$head
		return
	fi
	oid=$(git rev-parse --verify --quiet --end-of-options "$1^{commit}") || fail 73 "$1"
	is_oid "$oid" || fail 73 "$1"
}

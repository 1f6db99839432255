# What every step has in common: failures, and the way into the clone.
#
# Settings arrive in variables named gs_*, paths as positional parameters. The
# step runs in the home directory. There is no set -e: each failure is handled
# where it can happen.
set -u
umask 022

# Nothing of the sandbox's own environment reaches git. The words of a value that
# look like variables are unset too, which does no harm. (env -i would do the same,
# and start one program more.)
set -f
for word in $(export -p); do
	name=${word%%=*}
	case $name in "$word" | *[!A-Za-z0-9_]* | [0-9]* | '' | PWD) ;; *) command unset "$name" 2>/dev/null ;; esac
done
set +f
while [ "$1" != -- ]; do
	export "$1"
	shift
done
shift
home=$PWD
R='' G='' S='' Q='' made='' index_lock='' ref_lock='' ref_value='' journal='' undo=''
marker="gitsandbox $$"
nl='
'

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

# enter goes into the clone, and refuses what no clone has.
enter() {
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
	for f in lock turn outcome journal; do
		absent_or_file "$S/$f" || fail 65 ".git/gitsandbox/$f is not a file"
	done
}

# git_environment DIR lets git run in the git directory DIR, on the objects, the
# index and the files of the clone.
#
# Reading steps let git note in the index, under its own lock, which files it has
# found unchanged. Without that each of them would read all files anew that are as
# young as the index, which after a clone are all.
git_environment() {
	export GIT_DIR="$1" GIT_WORK_TREE="$R" GIT_OBJECT_DIRECTORY="$G/objects" GIT_INDEX_FILE="$G/index"
	if [ -s "$G/shallow" ]; then export GIT_SHALLOW_FILE="$G/shallow"; fi
}

# git_config NAME VALUE adds a setting.
git_config() {
	export "GIT_CONFIG_KEY_$GIT_CONFIG_COUNT=$1" "GIT_CONFIG_VALUE_$GIT_CONFIG_COUNT=$2"
	export GIT_CONFIG_COUNT=$((GIT_CONFIG_COUNT + 1))
}

# quarantine_refs sets $packed to the refs of a quarantine. Its branch is always
# called "head", and the upstream "upstream", so that nothing of the clone's names
# can matter.
quarantine_refs() {
	packed=${head:+"$head refs/heads/head$nl"}${upstream:+"$upstream refs/heads/upstream$nl"}
}

# turn sets $turn to the state of the clone's turn, and fails unless it is free.
# Each step that writes makes it "busy N", and at its end "free N+1": who finds the
# same free turn before and after has read between two of them.
turn() {
	turn=
	if read_line "$S/turn"; then turn=$line; fi
	case $turn in 'free '*) ;; *) return 1 ;; esac
}

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

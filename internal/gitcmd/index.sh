# The index of the clone: a step works on a copy, and puts it in place under
# git's own lock.

# take_index locks the index and copies it. The lock says whose it is, so that
# the next step can tell that its owner is dead: it holds our lock, which the
# owner held.
take_index() {
	held=$G/index.lock
	if read_line "$held"; then
		case $line in 'gitsandbox '*) rm -f -- "$held" ;; esac
	fi
	if exists "$held"; then
		clear_stale "$held" || fail 66 'a git process in the clone holds index.lock'
	fi
	set -C
	printf 'gitsandbox %s\n' $$ 2>/dev/null >"$held" || fail 66 'index.lock exists'
	set +C
	index_lock=$held
	# A copy with its time: git tells from it which files may have changed
	# within the same second.
	if real_file "$G/index"; then cp -p -- "$G/index" "$Q/index" || die; fi
	export GIT_INDEX_FILE="$Q/index"
}

# put_index puts the copy in the place of the index.
put_index() {
	if exists "$Q/index"; then mv -fT -- "$Q/index" "$G/index" || die; fi
}

# refuse_unmerged fails where the index has unmerged entries, and sets $links
# where it has submodules.
refuse_unmerged() {
	links=
	found=$(git ls-files -s | grep -E -o '^160000|^[0-7]+ [0-9a-f]+ [123]' | sort -u)
	case $found in
	*' '[123]*)
		git diff --name-only -z --diff-filter=U --ignore-submodules=all >"$Q/list"
		fail 72 'the index is unmerged' "$Q/list"
		;;
	*160000*) links=1 ;;
	esac
}

# stage PATH... stages the paths, or all. git add looks for changes inside
# submodules, where it would run what their configuration names: with submodules
# the plumbing is used, which compares their heads only.
stage() {
	if [ $# -eq 0 ]; then
		set -- .
	else
		for p; do
			if ! exists "$p"; then
				git ls-files --error-unmatch -- "$p" >/dev/null 2>&1 || fail_file 74 "$p" "$p"
			fi
		done
	fi
	if [ -z "$links" ]; then
		git add -A --sparse -- "$@" || die $?
		return
	fi
	git ls-files -z -d -- "$@" >"$Q/list" &&
		git update-index -z --force-remove --stdin <"$Q/list" &&
		git ls-files -z -m -o --exclude-standard --deduplicate -- "$@" >"$Q/list" &&
		git update-index -z --add --remove --replace --stdin <"$Q/list" || die $?
}

# commit_tree PARENT... makes a commit of the index, into $new.
commit_tree() {
	tree=$(git write-tree) || die $?
	set -- "$@" -F "$Q/message"
	new=$(git commit-tree "$tree" "$@") || die $?
	is_oid "$new" || die
}

# message writes the commit message to where commit_tree reads it.
message() {
	if [ -n "$gs_message_upload" ]; then
		upload "$gs_message_upload"
		mv -fT -- "$file" "$Q/message" || die
	else
		printf '%s\n' "$gs_message" >"$Q/message" || die
	fi
}

# upload NAME sets $file to an upload.
upload() {
	file=$home/$gs_uploads/$1
	real_dir "$home/$gs_uploads" && real_file "$file" || fail 78 'the upload is not there'
}

# The index of the clone: a step works on a copy, and puts it in place under
# git's own lock.

# take_index locks the index and copies it. The lock says whose it is, so that
# the next step can tell that its owner is dead. Recovery may have taken it
# already.
take_index() {
	held=$G/index.lock
	if read_line "$held"; then
		case $line in 'gitsandbox '*) rm -f -- "$held" ;; esac
	fi
	if exists "$held"; then
		clear_stale "$held" || fail 66 'a git process in the clone holds index.lock'
	fi
	index_lock=$held
	set -C
	printf '%s\n' "$marker" 2>/dev/null >"$held" || fail 66 'index.lock exists'
	set +C
	# A copy with its time: git tells from it which files may have changed
	# within the same second.
	if real_file "$G/index"; then cp -p -- "$G/index" "$Q/index" || die; fi
	export GIT_INDEX_FILE="$Q/index"
}

# put_index puts the copy in the place of the index.
put_index() {
	if exists "$Q/index"; then mv -fT -- "$Q/index" "$G/index" || die; fi
}

# free_index removes the lock, while the step goes on. The step waits for it at its
# end: the lock of the next one has the same name.
free_index() {
	rm -f -- "$index_lock" 9>&- &
	freeing=$! index_lock=
}

# refuse_unmerged fails where the index has unmerged entries.
refuse_unmerged() {
	if [ -n "$(git ls-files -u)" ]; then
		git diff --name-only -z --diff-filter=U --ignore-submodules=all >"$Q/list"
		fail 72 'the index is unmerged' "$Q/list"
	fi
}

# stage PATH... stages the paths, or all. git add looks for changes inside
# submodules by starting a git there, which runs what their configuration names.
# So it gets no directory to find programs in; where it misses one, the plumbing
# does the work, which compares the heads of submodules only.
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
	if PATH=/nonexistent GIT_EXEC_PATH=/nonexistent /usr/bin/git add -A --sparse -- "$@" 2>/dev/null; then return; fi
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

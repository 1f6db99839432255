# Moving the work tree from one commit to another, so that uncommitted changes
# survive, and so that a step that is killed half way can be finished.

# switch_tree OLD NEW HEADLINE moves work tree, index and HEAD from commit OLD to
# NEW, and leaves uncommitted changes to other files alone. Where they are to
# files that differ, it fails and has changed nothing. HEADLINE is what HEAD is to
# be; empty keeps it and moves its branch.
#
# The journal says what is about to happen. git checks everything before it
# touches the first file, so whoever finds a journal may finish the job.
switch_tree() {
	take_index
	git diff-tree -r -z --no-renames --diff-filter=A --name-only "$1" "$2" >"$Q/added" || die $?
	if [ -s "$Q/added" ]; then
		# git takes ignored files for worthless. They are the agent's work.
		existing <"$Q/added" >"$Q/list"
		if [ -s "$Q/list" ]; then fail 69 'untracked files' "$Q/list"; fi
	fi
	if ! git read-tree -m --dry-run -u "$1" "$2" 2>/dev/null; then
		# A file that was only touched looks changed until its content is read.
		git update-index -q --refresh --ignore-submodules >/dev/null
		git read-tree -m --dry-run -u "$1" "$2" 2>/dev/null || overlap "$1" "$2"
	fi
	journal=1
	printf '%s %s %s %s\n' "$1" "$2" "${headref:--}" "$3" >"$S/journal" || die
	git read-tree -m -u "$1" "$2" || die $?
	end_switch "$1" "$2" "$3"
}

# existing prints those of the NUL-separated names on stdin that exist.
existing() {
	xargs -0 -r sh -c 'for f do if [ -e "$f" ] || [ -L "$f" ]; then printf "%s\0" "$f"; fi; done' sh
}

# overlap OLD NEW fails with the changed files that NEW changes too.
overlap() {
	git diff-tree -r -z --no-renames --name-only "$1" "$2" | sort -zu >"$Q/theirs"
	{
		git diff-index -z --no-renames --name-only --ignore-submodules=dirty "$1"
		git diff-index -z --no-renames --name-only --cached --ignore-submodules=dirty "$1"
	} | sort -zu | comm -z12 - "$Q/theirs" >"$Q/list"
	fail 69 '' "$Q/list"
}

# end_switch is the part that follows the last file.
end_switch() {
	put_index
	if [ -n "$3" ]; then
		write_ref_head "$3"
	else
		write_ref "${headref:-HEAD}" "$1" "$2" || die
	fi
	rm -f -- "$S/journal" "$index_lock"
	journal=
	index_lock=
}

# write_ref_head LINE replaces HEAD.
write_ref_head() {
	file=$G/HEAD
	lock_ref HEAD && ref_value=$1 && printf '%s\n' "$1" >"$file.lock" && mv -fT -- "$file.lock" "$file" || die
	ref_lock=
}

# recover finishes what the journal of a dead step says was begun, where HEAD is
# still where that step found it. Each file is in one of four states: as it was,
# as it is to be, missing, or half written; these are brought forward. A file with
# any other content was edited since, and stays as it is.
recover() {
	if ! real_file "$S/journal"; then return; fi
	from= to= on= headline=
	read -r from to on headline <"$S/journal"
	if ! is_oid "$from" || ! is_oid "$to"; then
		rm -f -- "$S/journal"
		return
	fi
	read_head
	if [ "$head" != "$from" ] || [ "$on" != "${headref:--}" ]; then
		rm -f -- "$S/journal"
		return
	fi
	cd "$R" || die
	saved=$gs_refs gs_refs=
	Q=
	quarantine
	take_index
	git diff-tree -r -z --no-renames --name-only "$from" "$to" >"$Q/list" || die $?
	git read-tree -i -m "$from" "$to" || die $?
	from=$from to=$to xargs -0 -r sh -c "$gs_forward" sh <"$Q/list" || die $?
	git update-index -q --refresh --ignore-submodules >/dev/null
	end_switch "$from" "$to" "$headline"
	gs_refs=$saved
	rm -rf -- "$Q"
	unset GIT_SHALLOW_FILE
	Q=
}

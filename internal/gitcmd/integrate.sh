# Integrate: the new head is made in an empty work tree inside the quarantine,
# so a conflict has nothing to undo. The clone's own tree is touched once, at the
# end.
main() {
	open_clone x
	read_head
	if [ -z "$head" ] && [ -z "$gs_onto" ]; then fail 73 HEAD; fi
	quarantine
	replay
	if [ -n "$done" ]; then
		put_tracking
		print_outcome
		after
		return
	fi
	take_objects
	put_tracking
	merge_files
	if [ -n "$gs_keep" ] && read_line "$G/MERGE_HEAD" && [ "$line" = "$gs_onto" ] && [ -e "$S/conflicts" ]; then
		# Sent again: the conflict is there.
		fail 68 "kept $head" "$S/conflicts"
	fi
	refuse_unfinished
	git cat-file -e "$gs_onto^{commit}" 2>/dev/null || fail 73 "$gs_onto"
	before=$head replayed=0
	if [ -z "$head" ]; then
		unborn
	fi
	base=$(git merge-base "$head" "$gs_onto") || fail 76 ''
	if [ "$base" = "$gs_onto" ]; then
		outcome up-to-date "$head"
	elif [ "$base" = "$head" ]; then
		move fast-forward "$gs_onto"
	else
		case $gs_mode in
		auto)
			# A rebase would take the merges apart.
			if [ -n "$(git rev-list --min-parents=2 --max-count=1 "$gs_onto..$head")" ]; then
				merge
			else
				rebase
			fi
			;;
		rebase) rebase ;;
		merge) merge ;;
		*) fail 75 '' ;;
		esac
	fi
	after
}

# unborn starts the branch at the commit.
unborn() {
	empty=$(git commit-tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904 -m empty) || die $?
	take_index
	: >"$Q/added"
	git ls-tree -r -z --name-only "$gs_onto" >"$Q/added" || die $?
	existing <"$Q/added" >"$Q/list"
	if [ -s "$Q/list" ]; then fail 69 'untracked files' "$Q/list"; fi
	git read-tree -m -u "$empty" "$gs_onto" || die $?
	put_index
	keep '' "$gs_onto" integrated fast-forward '' "$gs_onto" 0 end
	move_head '' "$gs_onto"
	head=$gs_onto
	rm -f -- "$index_lock"
	index_lock=
	printf '%s\0' integrated fast-forward '' "$gs_onto" 0 end
	after
	exit
}

# outcome HOW AFTER prints the outcome.
outcome() { printf '%s\0' integrated "$1" "$before" "$2" "$replayed" end; }

# move HOW NEW moves everything to the new head.
move() {
	keep "$head" "$2" integrated "$1" "$before" "$2" "$replayed" end
	switch_tree "$head" "$2" ''
	head=$2
	outcome "$1" "$2"
}

after() {
	if [ -n "$gs_pack_head" ]; then print_pack 0 '' ''; fi
}

# rebase replays the branch's commits. The sparse work tree has no files; a
# commit that became empty is dropped.
rebase() {
	work=$Q/work
	mkdir "$work" "$work/tree" "$work/git" "$work/git/refs" "$work/git/info" || die
	printf '%s\n[core]\n\tsparseCheckout = true\n\tsparseCheckoutCone = false\n' "$gs_config" >"$work/git/config"
	printf '!/*\n' >"$work/git/info/sparse-checkout"
	printf '%s refs/heads/head\n' "$head" >"$work/git/packed-refs"
	printf 'ref: refs/heads/head\n' >"$work/git/HEAD"
	if ! in_work git read-tree -m -u "$head" ||
		! in_work git rebase --merge --quiet --empty=drop --no-verify --no-autostash --no-autosquash \
			--no-gpg-sign --no-stat --no-fork-point --no-keep-base --onto "$gs_onto" "$gs_onto" \
			>"$Q/log" 2>&1 </dev/null; then
		in_work git diff --name-only -z --diff-filter=U >"$Q/list"
		if [ -s "$Q/list" ]; then
			# A conflict that is kept is that of a merge, which may have none:
			# the commits together can fit where one of them does not.
			if [ -n "$gs_keep" ]; then
				merge
				return
			fi
			conflict
		fi
		cat -- "$Q/log" >&2
		die 128
	fi
	new=$(in_work git rev-parse --verify --quiet HEAD) || die
	is_oid "$new" || die
	replayed=$(git rev-list --count "$gs_onto..$new") || die $?
	move rebased "$new"
}

in_work() {
	GIT_DIR=$work/git GIT_WORK_TREE=$work/tree GIT_INDEX_FILE=$work/index "$@"
}

# merge makes a merge commit.
merge() {
	label || die
	if ! git merge-tree --write-tree -z --name-only --no-messages HEAD "$theirs" >"$Q/merged"; then
		# The first record is the tree, the rest are the files.
		tail -z -n +2 "$Q/merged" | grep -z . | sort -zu >"$Q/list"
		if [ -s "$Q/list" ]; then conflict; fi
		die 128
	fi
	IFS= read -r tree <<-END
		$(tr '\0' '\n' <"$Q/merged")
	END
	is_oid "$tree" || die
	message
	new=$(git commit-tree "$tree" -p "$head" -p "$gs_onto" -F "$Q/message") || die $?
	is_oid "$new" || die
	move merged "$new"
}

# label sets $theirs to a name for Onto, which conflict markers will show.
label() {
	theirs=$gs_onto
	case $gs_label in -*) return ;; esac
	if safe_ref "refs/remotes/$gs_label"; then
		printf '%s refs/remotes/%s\n' "$gs_onto" "$gs_label" >>"$Q/packed-refs"
		theirs=$gs_label
	fi
}

# conflict fails with the files, or leaves the conflict of a merge to the agent.
conflict() {
	if [ -z "$gs_keep" ]; then fail 68 '' "$Q/list"; fi
	keep_conflict
	fail 68 "kept $head" "$Q/list"
}

# keep_conflict leaves a merge of Onto into HEAD in the work tree, with markers,
# unmerged entries and MERGE_HEAD, as git merge does.
keep_conflict() {
	git diff-index -z --name-only --no-renames --ignore-submodules=dirty "$head" >"$Q/dirty" || die $?
	if [ -s "$Q/dirty" ]; then
		take_index
		git update-index -q --refresh --ignore-submodules >/dev/null
		git diff-index -z --name-only --no-renames --ignore-submodules=dirty "$head" >"$Q/dirty" || die $?
		if [ -s "$Q/dirty" ]; then fail 69 '' "$Q/dirty"; fi
		rm -f -- "$index_lock" "$Q/index"
		index_lock=
		export GIT_INDEX_FILE="$G/index"
	fi
	# Without --name-only: the conflicted entries with their stages.
	git merge-tree --write-tree -z --no-messages HEAD "$theirs" >"$Q/merged"
	IFS= read -r tree <<-END
		$(tr '\0' '\n' <"$Q/merged")
	END
	is_oid "$tree" || die
	tail -z -n +2 "$Q/merged" | grep -z . >"$Q/stages"
	sed -z 's/^[^	]*	//' "$Q/stages" | sort -zu >"$Q/list"
	# Without a list, Continue would take the markers for content.
	if ! [ -s "$Q/list" ]; then die 128; fi
	marked=$(git commit-tree "$tree" -p "$head" -m conflict) || die $?
	switch_conflict "$head" "$marked"
}

# merging THEIRS says that a merge has begun.
merging() {
	printf '%s\n' "${gs_message:-Merge commit $1}" >"$Q/msg" && mv -fT -- "$Q/msg" "$G/MERGE_MSG" || die
	printf '' >"$Q/mode" && mv -fT -- "$Q/mode" "$G/MERGE_MODE" || die
	rm -f -- "$S/conflicts"
	mv -fT -- "$Q/changed" "$S/merged" || die
	printf '%s\n' "$1" >"$Q/merge_head" && mv -fT -- "$Q/merge_head" "$G/MERGE_HEAD" || die
}

# switch_conflict OLD MARKED moves files and index, and leaves HEAD. MERGE_HEAD is
# there before the first file: a step that is killed here leaves a merge without
# a list of conflicts, which an abort undoes.
switch_conflict() {
	take_index
	git diff-tree -r -z --no-renames --diff-filter=A --name-only "$1" "$2" >"$Q/added" || die $?
	existing <"$Q/added" >"$Q/present"
	if [ -s "$Q/present" ]; then fail 69 'untracked files' "$Q/present"; fi
	git read-tree -m --dry-run -u "$1" "$2" 2>/dev/null || overlap "$1" "$2"
	git diff-tree -r -z --no-renames --name-only "$1" "$2" >"$Q/changed" || die $?
	undo=$1
	merging "$gs_onto"
	git read-tree -m -u "$1" "$2" || die $?
	{
		while_paths <"$Q/list"
		cat -- "$Q/stages"
	} | git update-index -z --index-info || die $?
	put_index
	cp -- "$Q/list" "$Q/conflicts" && mv -fT -- "$Q/conflicts" "$S/conflicts" || die
	undo=
	rm -f -- "$index_lock"
	index_lock=
}

# while_paths turns names into the lines that remove them from the index.
while_paths() { sed -z 's/^/0 0000000000000000000000000000000000000000	/'; }
main

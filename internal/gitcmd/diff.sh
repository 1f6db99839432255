# Diff: summary and patch from one git process, bounded by what follows it.
main() {
	open_reading
	# The empty tree, which git knows without having it.
	empty=4b825dc642cb6eb9a060e54bf8d69288fbee4904
	if [ -n "$gs_show" ]; then
		revision "$gs_to"
		to=$oid
		from=$(git rev-parse --verify --quiet "$to^1") || from=$empty
		git log -1 -z --no-show-signature "--format=$format" "$to" -- >"$Q/commit" || die $?
		set -- "$from" "$to" -- "$@"
	else
		sides "$@"
		case $side in
		2) set -- "$from" "$to" -- "$@" ;;
		staged) set -- --cached "$from" -- "$@" ;;
		*) set -- "$from" -- "$@" ;;
		esac
		if [ -n "$gs_merge_base" ]; then set -- --merge-base "$@"; fi
		if [ -n "$gs_with_untracked" ] && [ "$side" = worktree ]; then intend; fi
	fi
	set -- --find-renames --no-ext-diff --no-textconv --no-color --abbrev=40 --full-index \
		--ignore-submodules=dirty --src-prefix=a/ --dst-prefix=b/ "$@"
	if [ -n "$gs_patch" ]; then set -- --patch "--unified=$gs_context" "$@"; fi
	printf '%s\0' diff "$gs_limit" "$gs_max"
	if [ -n "$gs_show" ]; then
		printf 'commit\0'
		cat -- "$Q/commit"
	fi
	if [ -z "$gs_cut" ]; then
		git diff --raw --numstat -z "$@" || die $?
	else
		{
			git diff --raw --numstat -z "$@"
			echo $? >"$Q/code"
		} | head -c "$gs_limit"
		read -r code <"$Q/code"
		# 141: head had enough.
		if [ "$code" -ne 0 ] && [ "$code" -ne 141 ]; then die "$code"; fi
	fi
	close_reading
	printf '\0end\0'
}

# sides sets $from, $to and $side.
sides() {
	side=worktree to=
	if [ -n "$gs_from" ]; then
		revision "$gs_from"
		from=$oid
	else
		from=${head:-$empty}
	fi
	if [ -n "$gs_to" ]; then
		revision "$gs_to"
		to=$oid side=2
	elif [ -n "$gs_staged" ]; then
		side=staged
	fi
}

# intend adds the names of untracked files, without their content, to a copy of
# the index, so that they are shown as added.
intend() {
	if real_file "$G/index"; then cp -p -- "$G/index" "$Q/index" || die; fi
	export GIT_INDEX_FILE="$Q/index"
	git ls-files -z -o --exclude-standard >"$Q/list" || die $?
	if [ ! -s "$Q/list" ]; then return; fi
	# A directory with its own repository ends in a slash, and is not a file.
	grep -zv '/$' "$Q/list" |
		git add -N --sparse --pathspec-from-file=- --pathspec-file-nul || die $?
}
main "$@"

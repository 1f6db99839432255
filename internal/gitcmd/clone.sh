# Clone: made beside its final place and moved there as a whole, so that a clone
# that is there is complete.
main() {
	exists "$gs_uploads" || mkdir "$gs_uploads"
	real_dir "$gs_uploads" || fail 65 'the upload directory is not a directory'
	absent_or_file "$gs_uploads/.lock" || fail 65 'the lock is not a file'
	mode=x
	take_lock "$gs_uploads/.lock" x
	set -- "$gs_uploads"/.clone.*
	if exists "$1"; then rm -rf -- "$@"; fi
	if exists repo; then
		already
	else
		make
	fi
	IFS=' ' read -r _ _ version _ <<-END
		$(git version)
	END
	printf '%s\0' clone "$gs_branch" "$gs_head" "$version" end
}

# already ends the step unless the clone was made by this same operation.
already() {
	id=
	if [ -n "$gs_op" ] && real_dir repo && real_dir repo/.git && real_dir repo/.git/gitsandbox &&
		read_line repo/.git/gitsandbox/clone; then
		id=$line
	fi
	if [ -z "$id" ] || [ "$id" != "$gs_op" ]; then fail 67 'there is a clone already'; fi
}

make() {
	made=$home/$gs_uploads/.clone.$$
	R=$made/repo G=$made/repo/.git S=$made/repo/.git/gitsandbox
	mkdir -p "$G/refs/heads" "$G/refs/tags" "$G/objects/info" "$G/objects/pack" "$G/info" "$S" || die
	cd "$R" || die
	head= headref= branch= upstream=
	printf 'ref: refs/heads/%s\n' "$gs_branch" >"$G/HEAD"
	printf '%s\n' "$gs_clone_config" >"$G/config"
	if [ -n "$gs_sparse" ]; then printf '%s\n' "$gs_sparse" >"$G/info/sparse-checkout"; fi
	quarantine
	take_objects
	if [ -n "$gs_head" ]; then
		git cat-file -e "$gs_head^{commit}" || fail 78 'the pack does not have the head'
		git read-tree -m -u "$gs_head" || die $?
		write_ref "refs/heads/$gs_branch" '' "$gs_head" || die
	fi
	put_tracking
	printf '%s\n' "$gs_op" >"$S/clone"
	printf 'free 0\n' >"$S/turn"
	rm -rf -- "$Q"
	Q=
	cd "$home" && mv -T -- "$made/repo" repo || fail 67 'a clone has appeared'
}
main

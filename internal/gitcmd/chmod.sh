# Chmod: makes a file executable, or not. Not through a symbolic link.
main() {
	open_clone x
	rest=$1 at=.
	while :; do
		at=$at/${rest%%/*}
		if [ -L "$at" ]; then fail_file 74 "$1" "$1"; fi
		case $rest in */*) rest=${rest#*/} ;; *) break ;; esac
	done
	[ -f "$at" ] || fail_file 74 "$1" "$1"
	if [ -n "$gs_executable" ]; then
		chmod a+x -- "$at" || die
	else
		chmod a-x -- "$at" || die
	fi
	printf '%s\0' "done" end
}
main "$@"

main() {
	open_reading
	printf '%s\0' branches "$branch" "$upstream"
	git for-each-ref --format='%(objectname)%00%(refname)%00%(contents:subject)%00' refs/heads/ >"$Q/branches" || die $?
	# A line feed ends each; no field can have one.
	tr -d '\n' <"$Q/branches"
	printf '\0'
	if [ -n "$upstream" ]; then
		git for-each-ref --format='%(objectname)' refs/heads/ | sort -u | while read -r value; do
			counts=$(git rev-list --count --left-right "$value...$upstream") || exit
			printf '%s\0%s\0' "$value" "$counts"
		done
	fi
	printf '\0end\0'
}
main

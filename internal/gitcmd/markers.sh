# Prints the files that have conflict markers. It is run by xargs with the names.
for f do
	if [ -f "$f" ] && ! [ -L "$f" ] && grep -a -q -E '^(<<<<<<<|>>>>>>>)( |$)' -- "$f"; then
		printf '%s\0' "$f"
	fi
done

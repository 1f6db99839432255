# The outcome of the last step with an effect, so that the step can be sent again
# when its reply was lost.

# keep OLD NEW RECORD... keeps an outcome, just before HEAD moves from OLD to NEW.
# A step that dies here has not moved HEAD, and is done again.
keep() {
	if [ -z "$gs_op" ]; then return; fi
	old=$1 now=$2
	shift 2
	{
		printf '%s %s %s\n' "$gs_op" "${old:--}" "$now"
		if [ $# -gt 0 ]; then printf '%s\0' "$@"; fi
	} >"$S/outcome" || die
}

# replay sets $done, and $was and $now to what HEAD was and became, where the step
# with this ID was done before: HEAD is where it put it, or has gone on from
# there.
replay() {
	done= was= now=
	if [ -z "$gs_op" ] || ! real_file "$S/outcome"; then return; fi
	IFS=' ' read -r id was now <"$S/outcome" || return
	if [ "$id" != "$gs_op" ] || ! is_oid "$now"; then return; fi
	if [ "$was" = - ]; then was=; fi
	if [ "$head" = "$now" ]; then
		done=1
	elif [ "$head" != "$was" ] && [ -n "$head" ] && git merge-base --is-ancestor "$now" "$head" 2>/dev/null; then
		done=1
	fi
}

# print_outcome prints the records that were kept.
print_outcome() {
	{
		IFS= read -r id
		cat
	} <"$S/outcome"
}

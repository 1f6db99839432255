# Brings files that an interrupted step left between two commits to the second
# one. It is run by xargs with the names.
for f do
	entry=$(git ls-files -s -- "$f")
	mode=${entry%% *}
	want=${entry#* }
	want=${want%% *}
	case $mode in
	160000) continue ;;
	'')
		# The second commit does not have it: it goes, unless it was edited.
		if [ -f "$f" ] && ! [ -L "$f" ]; then
			was=$(git rev-parse --verify --quiet "$from:$f") || continue
			is=$(git hash-object --path="$f" -- "$f") || continue
			[ "$is" = "$was" ] && rm -f -- "$f"
		elif [ -L "$f" ]; then
			rm -f -- "$f"
		fi
		continue
		;;
	esac
	if [ -L "$f" ]; then
		was=$(git rev-parse --verify --quiet "$from:$f")
		is=$(readlink -n -- "$f" | git hash-object --stdin)
		if [ "$is" != "$was" ] && [ "$is" != "$want" ]; then continue; fi
	elif [ -f "$f" ]; then
		was=$(git rev-parse --verify --quiet "$from:$f")
		is=$(git hash-object --path="$f" -- "$f") || continue
		if [ "$is" = "$want" ] && [ "$mode" != 120000 ]; then
			# Written in full; only its permissions may be those of before.
			if [ "$mode" = 100755 ]; then chmod +x -- "$f"; else chmod a-x -- "$f"; fi
			continue
		fi
		if [ "$is" != "$was" ]; then
			# Half written, if it is the beginning of what it is to become.
			size=$(wc -c <"$f")
			git cat-file --filters --path="$f" "$want" | head -c "$size" | cmp -s - "$f" || continue
		fi
	elif [ -d "$f" ]; then
		# A directory in the place of the file: only an empty one may go.
		find "$f" -depth -type d -empty -delete 2>/dev/null
		if [ -d "$f" ]; then continue; fi
	fi
	git checkout-index -q -f -- "$f" || exit
done

# Refs of the clone, read with builtins.

# read_head sets $headref, $branch and $head. An unborn branch has no $head, a
# detached HEAD no $headref.
read_head() {
	head= headref= branch= upstream=
	read_line "$G/HEAD" || fail 65 'HEAD cannot be read'
	case $line in
	'ref: refs/heads/'*)
		headref=${line#ref: }
		safe_ref "$headref" || fail 65 'HEAD has an invalid name'
		branch=${headref#refs/heads/}
		read_ref "$headref" || fail 65 "$headref cannot be read"
		head=$oid
		;;
	*)
		is_oid "$line" || fail 65 'HEAD is not valid'
		head=$line
		;;
	esac
	if [ -n "$gs_upstream" ]; then
		# What the host knows of the remote is truer than what is here.
		while read -r name value; do
			if [ "$name" = "$gs_upstream" ]; then upstream=$value; fi
		done <<-END
			$gs_tracking
		END
		if [ -z "$upstream" ] && read_ref "$gs_upstream"; then upstream=$oid; fi
	fi
}

# read_ref NAME sets $oid, to nothing where there is no such ref. It fails where
# the ref is not what git writes.
read_ref() {
	oid=
	# A loose ref can hide behind a symbolic link at any level.
	parents "$1" || return 1
	if exists "$G/$1" && ! [ -d "$G/$1" ]; then
		read_line "$G/$1" && is_oid "$line" || return 1
		oid=$line
		return 0
	fi
	if [ -s "$G/packed-refs" ]; then
		# read takes one byte at a time; grep leaves it only the lines that
		# can be meant.
		oid=$(grep -F -- " $1" "$G/packed-refs" | while read -r value name; do
			if [ "$name" = "$1" ]; then printf %s "$value"; break; fi
		done)
		[ -z "$oid" ] || is_oid "$oid" || return 1
	fi
}

# parents NAME checks that the directories above a ref are directories, as far as
# they exist.
parents() {
	case $1 in */*) ;; *) return 0 ;; esac
	at=$G rest=${1%/*}
	while [ -n "$rest" ]; do
		at=$at/${rest%%/*}
		if ! exists "$at"; then return 0; fi
		real_dir "$at" || return 1
		case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
	done
}

main() {
	open_clone x
	read_head
	quarantine
	take_objects
	put_tracking
	shallow=
	if [ -s "$G/shallow" ]; then shallow=1; fi
	printf '%s\0' fetched "$shallow" end
}
main

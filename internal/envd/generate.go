// Package envd holds the protobuf definitions of the two Connect services that
// envd, the daemon inside every E2B sandbox, serves. The code generated from
// them is in processpb and filesystempb; "go generate" remakes it and needs
// protoc (Debian package protobuf-compiler).
package envd

//go:generate sh generate.sh

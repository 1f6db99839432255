#!/bin/sh
# Remakes the generated code from the .proto files. The two plug-ins are tools
# of this module, so their versions are those of go.mod.
set -eu
cd "$(dirname "$0")"
module=github.com/gitsandbox/gitsandbox/internal/envd
protoc --proto_path=. \
	--plugin=protoc-gen-go="$(go tool -n protoc-gen-go)" \
	--go_out=. --go_opt=module=$module \
	--plugin=protoc-gen-connect-go="$(go tool -n protoc-gen-connect-go)" \
	--connect-go_out=. --connect-go_opt=module=$module \
	process.proto filesystem.proto

#!/bin/sh
# Makes the Go code of the protocol anew. protoc comes from the system; the
# two plugins are built from the versions below into a directory of their own.
set -eu
cd "$(dirname "$0")"

want_protoc="libprotoc 3.21.12"
if [ "$(protoc --version)" != "$want_protoc" ]; then
	echo "generate: want $want_protoc, have $(protoc --version); Debian: apt-get install protobuf-compiler" >&2
	exit 1
fi

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN="$bin" GOFLAGS= GOWORK=off go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
GOBIN="$bin" GOFLAGS= GOWORK=off go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2

PATH="$bin:$PATH" protoc \
	--go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative \
	frontend.proto

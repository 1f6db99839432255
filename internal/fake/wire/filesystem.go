package wire

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gitsandbox/gitsandbox/e2b"
	"github.com/gitsandbox/gitsandbox/internal/envd/filesystempb"
	"github.com/gitsandbox/gitsandbox/internal/envd/filesystempb/filesystempbconnect"
	"github.com/gitsandbox/gitsandbox/internal/fake"
)

// maxDepth bounds what a ListDir can ask for.
const maxDepth = 1 << 10

// filesystem is envd's filesystem service.
type filesystem struct{ server *Server }

var _ filesystempbconnect.FilesystemHandler = (*filesystem)(nil)

// failFile is failRPC in the words of the filesystem service.
func (x *exchange) failFile(err error, name string) error {
	if errors.Is(err, e2b.ErrFileNotFound) {
		if e := asError(err); e.Code == "not_found" {
			return connect.NewError(connect.CodeNotFound, fmt.Errorf("file not found: %s", name)) //nolint:err113 // the text is envd's
		}
	}
	return x.failRPC(err)
}

func entryInfo(e *fake.Entry) *filesystempb.EntryInfo {
	info := &filesystempb.EntryInfo{
		Name: e.Name, Path: e.Path, Size: e.Size, Mode: uint32(e.Mode.Perm()), Permissions: e.Permissions,
		Owner: e.Owner, Group: e.Group, ModifiedTime: timestamppb.New(e.ModTime), Metadata: e.Metadata,
	}
	switch e.Type {
	case fake.TypeFile:
		info.Type = filesystempb.FileType_FILE_TYPE_FILE
	case fake.TypeDirectory:
		info.Type = filesystempb.FileType_FILE_TYPE_DIRECTORY
	case fake.TypeSymlink:
		info.Type = filesystempb.FileType_FILE_TYPE_SYMLINK
	case fake.TypeOther:
	}
	if e.SymlinkTarget != "" {
		info.SymlinkTarget = &e.SymlinkTarget
	}
	return info
}

// Stat describes a file.
func (f *filesystem) Stat(ctx context.Context, req *connect.Request[filesystempb.StatRequest]) (*connect.Response[filesystempb.StatResponse], error) {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpStat, Args: []string{name}}); err != nil {
		return nil, x.failRPC(err)
	}
	entry, err := x.sandbox.Stat(name, userOf(req.Header()))
	if err != nil {
		return nil, x.failFile(err, name)
	}
	return connect.NewResponse(&filesystempb.StatResponse{Entry: entryInfo(entry)}), nil
}

// MakeDir makes a directory and those above it.
func (f *filesystem) MakeDir(ctx context.Context, req *connect.Request[filesystempb.MakeDirRequest]) (*connect.Response[filesystempb.MakeDirResponse], error) {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpMakeDir, Args: []string{name}}); err != nil {
		return nil, x.failRPC(err)
	}
	entry, err := x.sandbox.MakeDir(name, userOf(req.Header()))
	if err != nil {
		return nil, x.failFile(err, name)
	}
	return connect.NewResponse(&filesystempb.MakeDirResponse{Entry: entryInfo(entry)}), nil
}

// Move renames a file or directory.
func (f *filesystem) Move(ctx context.Context, req *connect.Request[filesystempb.MoveRequest]) (*connect.Response[filesystempb.MoveResponse], error) {
	x, from, to := exchangeOf(ctx), req.Msg.GetSource(), req.Msg.GetDestination()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpMove, Args: []string{from, to}}); err != nil {
		return nil, x.failRPC(err)
	}
	entry, err := x.sandbox.Move(from, to, userOf(req.Header()))
	if err != nil {
		return nil, x.failFile(err, from)
	}
	return connect.NewResponse(&filesystempb.MoveResponse{Entry: entryInfo(entry)}), nil
}

// ListDir describes what is in a directory.
func (f *filesystem) ListDir(ctx context.Context, req *connect.Request[filesystempb.ListDirRequest]) (*connect.Response[filesystempb.ListDirResponse], error) {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpListDir, Args: []string{name}}); err != nil {
		return nil, x.failRPC(err)
	}
	entries, err := x.sandbox.ListDir(name, userOf(req.Header()), int(min(req.Msg.GetDepth(), maxDepth)))
	if err != nil {
		return nil, x.failFile(err, name)
	}
	reply := new(filesystempb.ListDirResponse)
	for _, entry := range entries {
		reply.Entries = append(reply.Entries, entryInfo(entry))
	}
	return connect.NewResponse(reply), nil
}

// Remove removes a file, or a directory with all that is in it.
func (f *filesystem) Remove(ctx context.Context, req *connect.Request[filesystempb.RemoveRequest]) (*connect.Response[filesystempb.RemoveResponse], error) {
	x, name := exchangeOf(ctx), req.Msg.GetPath()
	if _, err := f.server.begin(ctx, fake.Call{Op: fake.OpRemove, Args: []string{name}}); err != nil {
		return nil, x.failRPC(err)
	}
	if err := x.sandbox.Remove(name, userOf(req.Header())); err != nil {
		return nil, x.failFile(err, name)
	}
	return connect.NewResponse(new(filesystempb.RemoveResponse)), nil
}

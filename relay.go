package gitsandbox

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"

	"github.com/gitsandbox/gitsandbox/internal/gitcmd"
	"github.com/gitsandbox/gitsandbox/internal/smarthttp"
)

// Route is how the objects of a remote get into a sandbox. Whatever the route,
// a push goes through this process, which alone has the credential.
type Route string

// The routes.
const (
	// RouteAuto is RouteRelay where there is a credential for the remote, and
	// RouteDirect where there is none.
	RouteAuto Route = ""

	// RouteDirect lets the sandbox's git talk to the remote, without a
	// credential.
	RouteDirect Route = "direct"

	// RouteRelay lets this process fetch from the remote, with the credential,
	// and pass the pack on. The sandbox needs no network.
	RouteRelay Route = "relay"
)

// got is how the objects of a commit reach the clone.
type got struct {
	fetch gitcmd.Fetch
}

// shallow returns the shallow commits of the clone after the fetch.
func (g *got) shallow(before []string) []string {
	after := slices.Concat(before, g.fetch.Shallow)
	after = slices.DeleteFunc(after, func(id string) bool { return slices.Contains(g.fetch.Unshallow, id) })
	slices.Sort(after)
	return slices.Compact(after)
}

// get sees to it that a step finds commits of the remote: it passes on a pack,
// or tells the step where to fetch.
func (s *Sandbox) get(ctx context.Context, r *remote, rec *record, wants ...Hash) (*got, error) {
	wants = slices.DeleteFunc(slices.Clone(wants), rec.knows)
	switch {
	case len(wants) == 0:
		return &got{}, nil
	case rec.Route == RouteDirect:
		return &got{gitcmd.Fetch{URL: rec.URL, OIDs: hashStrings(wants), Filter: rec.Filter}}, nil
	}
	pack, err := s.relay(ctx, r, &smarthttp.FetchOptions{
		Wants: hashStrings(wants), Haves: hashStrings(rec.Known), Shallow: rec.Shallow, ThinPack: true,
	})
	if err != nil {
		return nil, err
	}
	return &got{gitcmd.Fetch{Pack: pack.name, Shallow: pack.shallow, Unshallow: pack.unshallow}}, nil
}

// relayed is a pack that was passed on into the sandbox.
type relayed struct {
	name               string // of the upload
	shallow, unshallow []string
}

// relay fetches commits from the remote and passes the pack on. The upload has
// a name of its own each time: a step that was given up may still run, and
// takes its own upload with it.
func (s *Sandbox) relay(ctx context.Context, r *remote, opts *smarthttp.FetchOptions) (*relayed, error) {
	res, err := r.fetch(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer res.Pack.Close()
	out := &relayed{name: randomID() + ".pack", shallow: res.Shallow, unshallow: res.Unshallow}
	src := &sourceReader{r: res.Pack}
	if err := s.upload(ctx, gitcmd.UploadDir+"/"+out.name, src); err != nil {
		if failed := src.failed.Load(); failed != nil {
			return nil, fromRemote(*failed)
		}
		return nil, err
	}
	return out, nil
}

// sourceReader remembers the error of what it reads, to tell it from that of
// the other end.
type sourceReader struct {
	r      io.Reader
	failed atomic.Pointer[error]
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed.Store(&err)
	}
	return n, err
}

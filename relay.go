package gitsandbox

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
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

// got is how commits reach the clone, and what that does to where its history
// is cut.
type got struct {
	fetch           gitcmd.Fetch
	cut, continuing []string // commits whose parents are not there, and now are
}

// shallow returns the shallow commits of the clone after the fetch.
func (g *got) shallow(before []string) []string {
	after := slices.Concat(before, g.cut)
	after = slices.DeleteFunc(after, func(id string) bool { return slices.Contains(g.continuing, id) })
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
		return &got{fetch: gitcmd.Fetch{URL: rec.URL, OIDs: hashStrings(wants), Filter: rec.Filter}}, nil
	}
	return s.relay(ctx, r, &smarthttp.FetchOptions{
		Wants: hashStrings(wants), Haves: hashStrings(rec.Known), Shallow: rec.Shallow, ThinPack: true,
	})
}

// maxShallowArgument is how many commits are an argument of a step: about 100
// KiB of the 128 that one can have. More are an upload.
const maxShallowArgument = 2_500

// relay fetches commits from the remote and passes the pack on. The upload has
// a name of its own each time: a step that was given up may still run, and
// takes its own upload with it.
func (s *Sandbox) relay(ctx context.Context, r *remote, opts *smarthttp.FetchOptions) (*got, error) {
	res, err := r.fetch(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer res.Pack.Close()
	g := &got{
		fetch: gitcmd.Fetch{Pack: randomID() + ".pack", Shallow: res.Shallow, Unshallow: res.Unshallow},
		cut:   res.Shallow, continuing: res.Unshallow,
	}
	src := &sourceReader{r: res.Pack, read: func(n int) { s.c.meter.relayed(relayFetch, int64(n)) }}
	if err := s.upload(ctx, gitcmd.UploadDir+"/"+g.fetch.Pack, src); err != nil {
		if failed := src.failed.Load(); failed != nil {
			return nil, fromRemote(*failed)
		}
		return nil, err
	}
	if len(res.Shallow) > maxShallowArgument {
		g.fetch.Shallow, g.fetch.ShallowFile = nil, randomID()+".shallow"
		list := strings.NewReader(strings.Join(res.Shallow, "\n") + "\n")
		if err := s.upload(ctx, gitcmd.UploadDir+"/"+g.fetch.ShallowFile, list); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// sourceReader remembers the error of what it reads, to tell it from that of
// the other end, and tells how much it was.
type sourceReader struct {
	r      io.Reader
	read   func(n int)
	failed atomic.Pointer[error]
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.read(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed.Store(&err)
	}
	return n, err
}

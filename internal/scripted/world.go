// Package scripted is what the tests of adapters and of framework examples have in
// common: a place to work, and a model that always takes the same way from clone to
// push. It is linked into no library.
package scripted

import (
	"errors"
	"time"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/tools"
)

// A World is a fake of E2B, a git server with the repository shop, and the tools of
// a Client of both.
type World struct {
	Tools *tools.Set

	sandboxes *gitsandboxtest.Transport
	remote    *gitsandboxtest.Remote
	client    *gitsandbox.Client
}

// New returns a World, which the caller has to Close.
func New() (*World, error) {
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, err
	}
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: "s3cret-token"})
	if err != nil {
		return nil, errors.Join(err, sandboxes.Close())
	}
	w := &World{sandboxes: sandboxes, remote: remote}
	w.client, err = gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), remote.Password()),
		Retry:       gitsandbox.Backoff{Base: time.Millisecond}, // tests do not wait
	})
	if err == nil {
		w.Tools, err = tools.New(w.client, nil)
	}
	if err == nil {
		err = remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"})
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// RepoURL is the URL of the repository.
func (w *World) RepoURL() string { return w.remote.URL("shop") }

// Pushed returns README.md as it is on the agent branch of the remote, and the
// message of the newest commit there.
func (w *World) Pushed() (content, message string, err error) {
	const branch = "agent-a1-readme"
	content, err = w.remote.ReadFile("shop", branch, "README.md")
	if err != nil {
		return "", "", err
	}
	log, err := w.remote.Log("shop", branch)
	if err != nil {
		return "", "", err
	}
	return content, log[0].Message, nil
}

// Close ends all of it.
func (w *World) Close() error {
	var err error
	if w.client != nil {
		err = w.client.Close()
	}
	return errors.Join(err, w.remote.Close(), w.sandboxes.Close())
}

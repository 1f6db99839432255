package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// local is on this machine: the fake of E2B, and a git server that asks for a
// password.
func local(metrics *gitsandbox.Metrics) (*place, error) {
	const password = "correct-horse-battery-staple"
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, err
	}
	remote, err := gitsandboxtest.NewRemote(&gitsandboxtest.RemoteOptions{Password: password})
	if err != nil {
		return nil, errors.Join(err, sandboxes.Close())
	}
	client, err := gitsandbox.New(sandboxes, &gitsandbox.Options{
		Credentials: gitsandbox.StaticToken(remote.Host(), password),
		Metrics:     metrics,
	})
	if err == nil {
		err = remote.CreateRepo("shop", map[string]string{"README.md": "# Shop\n"})
	}
	if err != nil {
		return nil, errors.Join(err, remote.Close(), sandboxes.Close())
	}
	return &place{
		client: client,
		repo:   remote.URL("shop"),
		elsewhere: func(file, content string) error {
			_, err := remote.Commit("shop", "main", "Add "+file, map[string]string{file: content})
			return err
		},
		summary: func(out io.Writer) error { return branches(out, remote) },
		close: func() {
			_ = client.Close()
			_ = remote.Close()
			_ = sandboxes.Close()
		},
	}, nil
}

// branches prints the branches of the remote with their commits.
func branches(out io.Writer, remote *gitsandboxtest.Remote) error {
	all, err := remote.Branches("shop")
	if err != nil {
		return err
	}
	for _, branch := range slices.Sorted(maps.Keys(all)) {
		log, err := remote.Log("shop", "refs/heads/"+branch)
		if err != nil {
			return err
		}
		var subjects []string
		for _, c := range log {
			subject, _, _ := strings.Cut(c.Message, "\n")
			subjects = append(subjects, subject)
		}
		slices.Reverse(subjects)
		fmt.Fprintf(out, "   %-24s %s\n", branch, strings.Join(subjects, " > "))
	}
	return nil
}

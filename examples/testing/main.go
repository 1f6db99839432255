// Testing is an agent and its tests: how a service tests what it does with
// gitsandbox, without an account and without a network, faults included.
//
//	go test ./examples/testing                                  # on this machine
//	go run ./examples/testing https://github.com/you/repo       # on E2B, with E2B_API_KEY and GITHUB_TOKEN
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/gitsandbox/gitsandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testing:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: testing URL")
	}
	client, err := gitsandbox.NewFromEnv(nil)
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := collect(ctx, client, args[0], "collect")
	if errors.Is(err, gitsandbox.ErrNothingToCommit) {
		fmt.Println("TODO.md is up to date")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println(result.Outcome, "to", result.Branch)
	return nil
}

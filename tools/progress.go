package tools

import (
	"context"
	"sync"

	"github.com/gitsandbox/gitsandbox"
)

// progress counts the steps of one call.
type progress struct {
	report func(step int, message string)

	mu    sync.Mutex
	steps int
}

func (p *progress) next(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps++
	p.report(p.steps, message)
}

// ProgressTrace returns what tells [WithProgress] how far a call is. Put it into
// gitsandbox.Options.Trace of the Client.
func ProgressTrace() *gitsandbox.Trace {
	return &gitsandbox.Trace{
		RequestStart: func(ctx context.Context, info gitsandbox.RequestInfo) context.Context {
			if p, ok := ctx.Value(progressKey).(*progress); ok && p.report != nil {
				if message := stepMessages[info.Target+" "+info.Kind]; message != "" {
					p.next(message)
				}
			}
			return ctx
		},
	}
}

// stepMessages are the requests that take long enough to be told of.
var stepMessages = map[string]string{ //nolint:gochecknoglobals // a constant table
	"control create":       "starting the sandbox",
	"control connect":      "connecting to the sandbox",
	"remote ls-refs":       "asking the remote for its branches",
	"remote fetch":         "fetching from the remote",
	"sandbox upload":       "passing objects to the sandbox",
	"sandbox exec":         "working in the sandbox",
	"remote advertisement": "asking the remote where the branch is",
	"remote receive-pack":  "publishing to the remote",
}

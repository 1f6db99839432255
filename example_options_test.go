package gitsandbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// What a careful service sets.
func ExampleOptions() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{
		Timeout:      2 * time.Minute,
		CacheTTL:     30 * time.Minute,
		MaxSandboxes: 1,
		Identity:     gitsandbox.Signature{Name: "Shop Bot", Email: "bot@shop.example"},
	})
	defer shop.Close()

	sandbox := shop.clone(ctx)
	_, err := shop.client.Clone(ctx, shop.url, nil)
	fmt.Println("a second sandbox:", errors.Is(err, gitsandbox.ErrBudgetExceeded))

	commit, err := sandbox.Commit(ctx, "Open", &gitsandbox.CommitOptions{AllowEmpty: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("author:", commit.Author.Name)
	// Output:
	// a second sandbox: true
	// author: Shop Bot
}

// Operations are logged at level Debug where they succeed and Warn where they
// fail. No record holds a credential.
func ExampleOptions_logger() {
	ctx := context.Background()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case slog.LevelKey, slog.MessageKey, "operation", "error_type", "attempts":
				return a
			}
			return slog.Attr{} // what differs from run to run
		},
	}))
	shop := openShop(&gitsandbox.Options{Logger: logger})
	defer shop.Close()
	shop.remote.ExpirePassword()

	_, err := shop.client.Clone(ctx, shop.url, nil)
	fmt.Println(errors.Is(err, gitsandbox.ErrAuth))
	// Output:
	// level=WARN msg="operation failed" operation=clone attempts=1 error_type=auth
	// true
}

// The waits of a Backoff without its random part.
func ExampleBackoff() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{
		Retry: gitsandbox.Backoff{MaxAttempts: 4, Base: 10 * time.Millisecond, Max: 30 * time.Millisecond, Jitter: -1},
		Trace: []*gitsandbox.Trace{{
			AttemptDone: func(_ context.Context, _ gitsandbox.OperationInfo, attempt int, retry time.Duration, err error) {
				if err != nil {
					fmt.Println("attempt", attempt, "failed, wait", retry)
				}
			},
		}},
	})
	defer shop.Close()
	shop.sandboxes.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Nth: 1, Times: 3, Kind: gitsandboxtest.Refuse, Status: 503,
	})

	_, err := shop.client.Clone(ctx, shop.url, nil)
	fmt.Println(err)
	// Output:
	// attempt 1 failed, wait 10ms
	// attempt 2 failed, wait 20ms
	// attempt 3 failed, wait 30ms
	// <nil>
}

// A policy of one's own: rate limits are for the queue of the service to wait
// for, everything else is as by default.
func ExampleRetryFunc() {
	ctx := context.Background()
	var policy gitsandbox.RetryFunc = func(attempt int, err error) (time.Duration, bool) {
		if errors.Is(err, gitsandbox.ErrRateLimited) {
			return 0, false
		}
		return gitsandbox.Backoff{}.NextRetry(attempt, err)
	}
	shop := openShop(&gitsandbox.Options{Retry: policy})
	defer shop.Close()
	shop.sandboxes.Inject(gitsandboxtest.Fault{
		Op: gitsandboxtest.OpCreate, Kind: gitsandboxtest.RateLimit, RetryAfter: time.Minute,
	})

	_, err := shop.client.Clone(ctx, shop.url, nil)
	fmt.Println(errors.Is(err, gitsandbox.ErrRateLimited))
	fmt.Println("safe to call again:", gitsandbox.Retryable(err))
	// Output:
	// true
	// safe to call again: true
}

// A token that lives for minutes is made when an operation asks for it.
func ExampleCredentialFunc() {
	ctx := context.Background()
	mint := func(ctx context.Context, repo string) (string, error) { return "s3cret-token", nil }

	shop := openShop(&gitsandbox.Options{
		Credentials: gitsandbox.CredentialFunc(func(ctx context.Context, url string) (gitsandbox.Credential, error) {
			token, err := mint(ctx, url)
			return gitsandbox.Credential{Password: token}, err
		}),
	})
	defer shop.Close()
	fmt.Println(shop.clone(ctx).Route())
	// Output: relay
}

// Each source knows some of the repositories.
func ExampleFirstCredential() {
	ctx := context.Background()
	source := gitsandbox.FirstCredential(
		gitsandbox.StaticToken("github.com", "ghp_0123456789abcdef"),
		gitsandbox.StaticCredential("git.shop.example", "deploy", "s3cret-password"),
	)
	for _, url := range []string{"https://github.com/shop/web", "https://git.shop.example/web", "https://gitlab.com/shop/web"} {
		credential, err := source.Credential(ctx, url)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %q %t\n", url, credential.Username, credential.Password != "")
	}
	// Output:
	// https://github.com/shop/web: "x-access-token" true
	// https://git.shop.example/web: "deploy" true
	// https://gitlab.com/shop/web: "" false
}

// A credential cannot be printed, logged or marshalled by mistake.
func ExampleCredential() {
	credential := gitsandbox.Credential{Username: "deploy", Password: "s3cret-password"}
	fmt.Println(credential)
	fmt.Printf("%+v %#v %q\n", credential, credential, credential)
	// Output:
	// [redacted]
	// [redacted] [redacted] [redacted]
}

// A token is for one host. Every other host gets none.
func ExampleStaticToken() {
	ctx := context.Background()
	source := gitsandbox.StaticToken("github.com", "ghp_0123456789abcdef")
	for _, url := range []string{"https://github.com/shop/web", "https://github.com.evil.example/shop/web"} {
		credential, err := source.Credential(ctx, url)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(url, credential.Password != "")
	}
	// Output:
	// https://github.com/shop/web true
	// https://github.com.evil.example/shop/web false
}

// The caller registers the metrics and serves them.
func ExampleNewMetrics() {
	ctx := context.Background()
	metrics := gitsandbox.NewMetrics(&gitsandbox.MetricsOptions{Project: "shop"})
	registry := prometheus.NewRegistry()
	if err := registry.Register(metrics); err != nil {
		fmt.Println(err)
		return
	}
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})

	shop := openShop(&gitsandbox.Options{Metrics: metrics})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	if _, err := sandbox.Status(ctx, nil); err != nil {
		fmt.Println(err)
		return
	}

	reply := httptest.NewRecorder()
	handler.ServeHTTP(reply, httptest.NewRequestWithContext(ctx, "GET", "/metrics", nil))
	for line := range strings.Lines(reply.Body.String()) {
		if strings.HasPrefix(line, `git_operation_total{operation="status"`) || strings.HasPrefix(line, "active_sandboxes_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// active_sandboxes_total 1
	// git_operation_total{operation="status",status="failure"} 0
	// git_operation_total{operation="status",status="retry"} 0
	// git_operation_total{operation="status",status="started"} 1
	// git_operation_total{operation="status",status="success"} 1
}

// What a service does to make spans, count requests or keep an audit log.
func ExampleTrace() {
	ctx := context.Background()
	trace := &gitsandbox.Trace{
		OperationDone: func(_ context.Context, info gitsandbox.OperationInfo, result gitsandbox.OperationResult) {
			fmt.Println(info.Operation, "done, attempts:", result.Attempts, "error:", result.Err)
		},
		RequestDone: func(_ context.Context, info gitsandbox.RequestInfo, _ time.Duration, _ error) {
			fmt.Println("  ", info.Target, info.Kind)
		},
		PushDecided: func(_ context.Context, push gitsandbox.PushAudit) {
			fmt.Println("  ", push.AgentID, push.Decision, push.Ref)
		},
	}
	shop := openShop(&gitsandbox.Options{Trace: []*gitsandbox.Trace{trace}})
	defer shop.Close()

	sandbox := shop.clone(ctx)
	if _, err := sandbox.Push(ctx, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	//    remote ls-refs
	//    control create
	//    remote fetch
	//    sandbox upload
	//    sandbox exec
	// clone done, attempts: 1 error: <nil>
	//    remote advertisement
	//    sandbox exec
	//    remote receive-pack
	//    a1 published refs/heads/agent-a1-t1
	// push done, attempts: 1 error: <nil>
}

// Two Clients that share a Cache share their sandboxes: a Clone for the same
// agent and task returns the same one. Clients in several processes share a
// Cache of one's own, for which package conformance has the tests.
func ExampleMemoryCache() {
	ctx := context.Background()
	cache := gitsandbox.NewMemoryCache(&gitsandbox.MemoryCacheOptions{Capacity: 1000})
	shop := openShop(&gitsandbox.Options{Cache: cache})
	defer shop.Close()
	other := shop.newClient(&gitsandbox.Options{Cache: cache})
	defer other.Close()

	first := shop.clone(ctx)
	second, err := other.Clone(ctx, shop.url, &gitsandbox.CloneOptions{AgentID: "a1", TaskID: "t1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("same sandbox:", first.ID() == second.ID())
	// Output: same sandbox: true
}

// What went wrong is compared with errors.Is, what it was about is in the
// Error.
func ExampleError() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()

	_, err := shop.client.Clone(ctx, shop.remote.URL("shoes"), nil)
	switch {
	case errors.Is(err, gitsandbox.ErrRepoNotFound):
		fmt.Println("no such repository")
	case errors.Is(err, gitsandbox.ErrAuth), errors.Is(err, gitsandbox.ErrForbidden):
		fmt.Println("no access")
	case gitsandbox.Retryable(err):
		fmt.Println("try again later")
	}
	if failed, ok := errors.AsType[*gitsandbox.Error](err); ok {
		fmt.Println(failed.Op, strings.TrimPrefix(failed.URL, "http://"+shop.remote.Host()))
	}
	// Output:
	// no such repository
	// clone /shoes.git
}

// Six words for dashboards and alerts, as in the metric git_errors_total.
func ExampleErrorType() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()

	_, err := shop.client.Open(ctx, "i0123456789abcdefghij")
	fmt.Println(gitsandbox.ErrorType(err))
	shop.remote.ExpirePassword()
	_, err = shop.client.Clone(ctx, shop.url, nil)
	fmt.Println(gitsandbox.ErrorType(err))
	// Output:
	// sandbox_not_found
	// auth
}

func ExampleHash_Short() {
	fmt.Println(gitsandbox.Hash("1c70213064d1cb385b6c81013fef1cfa5585c314").Short())
	// Output: 1c70213064d1
}

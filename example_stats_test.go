package gitsandbox_test

import (
	"context"
	"fmt"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

// Stats need no Prometheus. They are what a status page or a test looks at.
func ExampleClient_Stats() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{Retry: gitsandbox.Backoff{Base: 1}})
	defer shop.Close()
	sandbox := shop.clone(ctx)
	must(sandbox.WriteFile(ctx, "menu.txt", []byte("tea\n"), 0))
	shop.remote.Inject(gitsandboxtest.RemoteFault{Operation: "push", Nth: 1, Status: 503})
	_, err := sandbox.Push(ctx, &gitsandbox.PushOptions{Message: "Add a menu"})
	must(err)
	_, err = sandbox.Push(ctx, &gitsandbox.PushOptions{Branch: "main"})
	fmt.Println("main is refused:", err != nil)

	stats := shop.client.Stats()
	fmt.Println("operations:", stats.Operations, "errors:", stats.Errors, "retries:", stats.Retries)
	fmt.Println("pushes:", stats.ByOperation["push"].Done, "refused by the policy:", stats.PolicyRefusals)
	fmt.Printf("sandboxes: %d, $%.2f a month\n", stats.ActiveSandboxes, stats.MonthlyCost)
	// Output:
	// main is refused: true
	// operations: 2 errors: 0 retries: 1
	// pushes: 1 refused by the policy: 1
	// sandboxes: 1, $10.95 a month
}

// What a service logs once a minute. A budget of $10 a month is below what one
// sandbox costs.
func ExampleClient_Advise() {
	ctx := context.Background()
	shop := openShop(&gitsandbox.Options{})
	defer shop.Close()
	shop.clone(ctx)

	for _, advice := range shop.client.Advise(&gitsandbox.AdviseOptions{MonthlyBudget: 10}) {
		if advice.Operation == "" {
			fmt.Println(advice)
		}
	}
	// Output:
	// over: what runs now costs $10.95 a month, limit $7.50 of a budget of $10.00; end sandboxes when their task is done, shorten CacheTTL, or raise the budget
	// fine: sandboxes that run: 1, limit 10
	// unknown: 100 % of the lookups in the cache missed, limit 50 % (1 seen, too few to judge)
}

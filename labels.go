package gitsandbox

// The values that the labels of the metrics have. All of them are there from
// the first scrape on, so that a rate has no gap, and there are no others, so
// that the number of series is constant.

// gitOperations are the values of the label operation.
var gitOperations = []string{ //nolint:gochecknoglobals // a constant list
	"clone", "open", "status", "diff", "log", "show", "fetch", "pull", "commit", "push",
	"continue", "abort", "branches", "create_branch", "checkout", "delete_branch",
	"restore", "reset",
}

// errorTypes are what ErrorType returns.
var errorTypes = []string{"timeout", "auth", "network", "conflict", "sandbox_not_found", "other"} //nolint:gochecknoglobals // a constant list

// maxRetryLabel bounds the label attempt: what is beyond counts as "10+".
const maxRetryLabel = 10

// requestName is a target and a kind of RequestInfo.
type requestName struct{ target, kind string }

// requestNames are the requests that there are.
var requestNames = []requestName{ //nolint:gochecknoglobals // a constant list
	{"control", "create"},
	{"control", "connect"},
	{"control", "list"},
	{"control", "kill"},
	{"control", "set_timeout"},
	{"sandbox", "exec"},
	{"sandbox", "upload"},
	{"sandbox", "download"},
	{"remote", "ls-refs"},
	{"remote", "fetch"},
	{"remote", "advertisement"},
	{"remote", "receive-pack"},
}

// policyRules are the values of PolicyError.Rule.
var policyRules = []string{"ref", "protected_path", "fast_forward", "foreign_object", "size", "malformed"} //nolint:gochecknoglobals // a constant list

// The directions of a pack.
const (
	relayFetch = "fetch"
	relayPush  = "push"
)

// What a check of a pack ends with.
const (
	checkPassed  = "passed"
	checkRefused = "refused"
)

// Where a sandbox comes from.
const (
	startCreated = "created" // made by Clone
	startCache   = "cache"   // made again from a record, without a request
	startE2B     = "e2b"     // connected to through E2B
)

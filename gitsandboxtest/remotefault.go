package gitsandboxtest

import (
	"time"

	"github.com/gitsandbox/gitsandbox/internal/fake/remote"
)

// A RemoteRequest is one HTTP request that a [Remote] got.
type RemoteRequest struct {
	// Operation is what it asks for: "ls-refs", "fetch", "advertisement" (what
	// comes before a push), "push", "discovery" (what git asks before a
	// fetch), or empty where it is none of these.
	Operation string

	// Method is the HTTP method.
	Method string

	// Path is the path of the URL.
	Path string

	// Query is the query of the URL, as it was sent.
	Query string

	// Repo is the repository, or empty where there is none of that name.
	Repo string

	// Username is the user that the request named, or empty.
	Username string
}

// A RemoteFault is something that goes wrong with the requests that it matches.
// What it says is done in the order of its fields. Of Status, RetryAfter,
// Redirect and Body the first one that is set is the reply.
type RemoteFault struct {
	// Operation is that of the [RemoteRequest]. Empty means any.
	Operation string

	// Repo is that of the [RemoteRequest]. Empty means any.
	Repo string

	// Nth is the first matching request to fail, counted from 1. 0 means all,
	// as far as Times allows.
	Nth int

	// Times is how many requests to fail. 0 means one where Nth is given, and
	// no limit otherwise.
	Times int

	// Before is called first, on the goroutine of the request. It may use the
	// [Remote], for example to move a branch between two requests of a client.
	// Nil means nothing.
	Before func(RemoteRequest)

	// Delay holds the request back.
	Delay time.Duration

	// Status answers with this HTTP status, without any effect. 0 means none.
	Status int

	// RetryAfter answers with the header of that name, rounded up to whole
	// seconds, and with Status, or 429 where that is 0.
	RetryAfter time.Duration

	// Redirect answers with a redirect to this URL.
	Redirect string

	// Body answers with status 200 and this body, which is not git's.
	Body string

	// ContentType is the type of the Body. Default "text/html".
	ContentType string

	// LoseReply does what was asked and closes the connection in place of the
	// reply.
	LoseReply bool

	// DropAfter does what was asked and closes the connection after that many
	// bytes of the reply's body. 0 means that it does not.
	DropAfter int64
}

// internal returns the fault as the server takes it.
func (f RemoteFault) internal() remote.Fault {
	in := remote.Fault{
		Operation: f.Operation, Repo: f.Repo, Nth: f.Nth, Times: f.Times,
		Delay: f.Delay, Status: f.Status, RetryAfter: f.RetryAfter, Redirect: f.Redirect,
		Body: f.Body, ContentType: f.ContentType, LoseReply: f.LoseReply, DropAfter: f.DropAfter,
	}
	if f.Before != nil {
		in.Before = func(r remote.Request) { f.Before(RemoteRequest(r)) }
	}
	return in
}

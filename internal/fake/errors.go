package fake

import (
	"fmt"
	"net/http"

	"github.com/gitsandbox/gitsandbox/e2b"
)

// The engine returns fresh errors, without an Op: each door sets its own.

// errNoSandbox is the answer of the control plane for an unknown sandbox.
func errNoSandbox(id string) *e2b.Error {
	return &e2b.Error{
		SandboxID: id, Kind: e2b.ErrSandboxNotFound, Status: http.StatusNotFound,
		Message: fmt.Sprintf("Sandbox %q doesn't exist or you don't have access to it", id),
	}
}

// errEdge is the answer of the edge for a sandbox that cannot be reached.
func errEdge(id string) *e2b.Error {
	return &e2b.Error{
		SandboxID: id, Kind: e2b.ErrSandboxNotFound, Status: http.StatusBadGateway,
		Message: "The sandbox was not found",
	}
}

func errConflict(id, what string) *e2b.Error {
	return &e2b.Error{SandboxID: id, Kind: e2b.ErrConflict, Status: http.StatusConflict, Message: what}
}

func errClosed() *e2b.Error {
	return &e2b.Error{Kind: e2b.ErrClosed, Message: "the fake was closed"}
}

func errInternal(err error) *e2b.Error {
	return &e2b.Error{Status: http.StatusInternalServerError, Code: "internal", Message: "the fake could not do it", Err: err}
}

// errRefused is what the control plane answers to a request that is not right.
func errRefused(format string, args ...any) *e2b.Error {
	return &e2b.Error{
		Kind: e2b.ErrInvalidArgument, Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...),
	}
}

// errInvalid is what envd answers to one.
func errInvalid(format string, args ...any) *e2b.Error {
	return &e2b.Error{
		Kind: e2b.ErrInvalidArgument, Status: http.StatusBadRequest, Code: "invalid_argument",
		Message: fmt.Sprintf(format, args...),
	}
}

func errNoProcess(format string, args ...any) *e2b.Error {
	return &e2b.Error{
		Kind: e2b.ErrProcessNotFound, Status: http.StatusNotFound, Code: "not_found",
		Message: fmt.Sprintf(format, args...),
	}
}

// errToken is what envd answers to a wrong access token.
func errToken(id string) *e2b.Error {
	return &e2b.Error{
		SandboxID: id, Kind: e2b.ErrAuth, Status: http.StatusUnauthorized, Code: "unauthenticated",
		Message: "unauthorized access, please provide a valid access token or method signing if supported",
	}
}

// kindOf is the kind that a client makes of an HTTP status. What a 404 means
// depends on what was asked for.
func kindOf(op string, status int) error {
	switch status {
	case http.StatusBadRequest:
		return e2b.ErrInvalidArgument
	case http.StatusUnauthorized:
		return e2b.ErrAuth
	case http.StatusForbidden:
		return e2b.ErrForbidden
	case http.StatusNotFound:
		switch op {
		case OpCreate:
			return e2b.ErrTemplateNotFound
		case OpReadFile, OpWriteFile, OpStat, OpListDir, OpMakeDir, OpMove, OpRemove, OpWatch:
			return e2b.ErrFileNotFound
		case OpConnectProcess, OpSignal, OpStdin:
			return e2b.ErrProcessNotFound
		}
		return e2b.ErrSandboxNotFound
	case http.StatusConflict:
		return e2b.ErrConflict
	case http.StatusTooManyRequests:
		return e2b.ErrRateLimited
	case http.StatusBadGateway:
		return e2b.ErrSandboxNotFound
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return e2b.ErrUnavailable
	case http.StatusInsufficientStorage:
		return e2b.ErrNoSpace
	}
	return nil
}

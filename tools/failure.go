package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitsandbox/gitsandbox"
)

// The codes of failed calls. They are stable: hosts may look for them, and models
// do.
const (
	codeUnknownTool   = "UNKNOWN_TOOL"
	codeArgument      = "INVALID_ARGUMENT"
	codeNotFound      = "SANDBOX_NOT_FOUND"
	codeNotAllowed    = "NOT_ALLOWED"
	codeConfirm       = "CONFIRMATION_REQUIRED"
	codeDeclined      = "DECLINED"
	codeConflict      = "CONFLICT"
	codeUncommitted   = "UNCOMMITTED_CHANGES"
	codeNotFastFwd    = "NOT_FAST_FORWARD"
	codeUnfinished    = "UNFINISHED_MERGE"
	codeNothing       = "NOTHING_TO_COMMIT"
	codeRejected      = "PUSH_REJECTED"
	codeRemoteRefused = "REMOTE_REJECTED"
	codePolicy        = "POLICY"
	codeAuth          = "AUTH"
	codeForbidden     = "FORBIDDEN"
	codeRepo          = "REPOSITORY_NOT_FOUND"
	codeRef           = "REF_NOT_FOUND"
	codeFile          = "FILE_NOT_FOUND"
	codeExists        = "ALREADY_EXISTS"
	codeTooLarge      = "TOO_LARGE"
	codeBinary        = "BINARY_FILE"
	codeNoMatch       = "NO_MATCH"
	codeManyMatches   = "MANY_MATCHES"
	codeBroken        = "BROKEN_CLONE"
	codeBusy          = "BUSY"
	codeBudget        = "BUDGET_EXCEEDED"
	codeTimeout       = "TIMEOUT"
	codeCancelled     = "CANCELLED"
	codeNetwork       = "NETWORK"
	codeRateLimited   = "RATE_LIMITED"
	codeFailed        = "FAILED"
)

// A failure is why a call failed, in words for the model: the cause, and what to
// call next.
type failure struct {
	code, cause, next string
	err               error
}

func (f *failure) Error() string { return f.code + ": " + f.cause }
func (f *failure) Unwrap() error { return f.err }

// failed is the Result of a call that failed.
func failed(code, cause, next string) *Result {
	return (&failure{code: code, cause: cause, next: next}).result()
}

func (f *failure) result() *Result {
	text := "[" + f.code + "] " + clean(f.cause)
	if f.next != "" {
		if !strings.HasSuffix(text, ".") {
			text += "."
		}
		text += " " + f.next
	}
	return &Result{Text: text, IsError: true, Code: f.code, Err: f.err}
}

// argumentError says what is wrong with an argument.
func argumentError(format string, args ...any) *failure {
	return &failure{code: codeArgument, cause: fmt.Sprintf(format, args...)}
}

// advice says for each error of the library what a model can do. The first that
// fits counts.
var advice = []struct { //nolint:gochecknoglobals // a constant table
	err  error
	code string
	next string
}{
	{gitsandbox.ErrInvalidArgument, codeArgument, "Correct the argument and call again."},
	{gitsandbox.ErrSandboxNotFound, codeNotFound, "Sandboxes end when unused. Call git_clone for a new one; what was not pushed is lost."},
	{gitsandbox.ErrNothingToCommit, codeNothing, "Change files first, or call git_push without commit_message if commits are to be pushed."},
	{gitsandbox.ErrUncommittedChanges, codeUncommitted, "Nothing has changed. Call git_commit first."},
	{gitsandbox.ErrUnfinished, codeUnfinished, "If git_pull or git_push kept a conflict, call git_resolve; what was begun with git in run is ended there, with --continue or --abort."},
	{gitsandbox.ErrNotFastForward, codeNotFastFwd, "Both sides have commits. Call git_pull with auto_rebase true."},
	{gitsandbox.ErrPushRejected, codeRejected, "The remote branch has commits that this one lacks. Call git_push with auto_rebase true."},
	{gitsandbox.ErrRemoteRejected, codeRemoteRefused, "The commit is kept. Change what the remote objects to, then call git_push again."},
	{gitsandbox.ErrPolicy, codePolicy, "The operator does not let this be published. Undo the change to the named path, commit, and call git_push again."},
	{gitsandbox.ErrAuth, codeAuth, "The operator's credential does not work. Tell the user; no argument helps."},
	{gitsandbox.ErrForbidden, codeForbidden, "The operator's credential lacks the right. Tell the user; no argument helps."},
	{gitsandbox.ErrRepoNotFound, codeRepo, "Check repo_url, or tell the user that the repository cannot be seen."},
	{gitsandbox.ErrRefNotFound, codeRef, "git_branches and git_log list what there is."},
	{gitsandbox.ErrFileNotFound, codeFile, "file_list lists what there is."},
	{gitsandbox.ErrExists, codeExists, "Choose another name, or check out the one that is there."},
	{gitsandbox.ErrTooLarge, codeTooLarge, "Ask for less."},
	{gitsandbox.ErrBrokenClone, codeBroken, "The .git directory was damaged. Close the sandbox with sandbox_close and call git_clone again."},
	{gitsandbox.ErrBusy, codeBusy, "Another git process runs in the sandbox. Wait for it, then call again."},
	{gitsandbox.ErrBudgetExceeded, codeBudget, "Close a sandbox that is not needed with sandbox_close."},
	{gitsandbox.ErrRateLimited, codeRateLimited, "Wait a little, then call again."},
	{gitsandbox.ErrTimeout, codeTimeout, "It took too long and was ended. Do less at once, then call again."},
	{context.DeadlineExceeded, codeTimeout, "It took too long and was ended. Do less at once, then call again."},
	{context.Canceled, codeCancelled, ""},
	{gitsandbox.ErrNetwork, codeNetwork, "Nothing is lost. Call again."},
}

// explain makes a failure of an error of the library.
func explain(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	cause := err.Error()
	if e, ok := errors.AsType[*gitsandbox.Error](err); ok {
		// The model knows which call it made.
		cause = e.Err.Error()
	}
	if c, ok := errors.AsType[*gitsandbox.ConflictError](err); ok && errors.Is(err, gitsandbox.ErrConflict) {
		return conflict(c, err)
	}
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return &failure{code: a.code, cause: cause, next: a.next, err: err}
		}
	}
	return &failure{code: codeFailed, cause: cause, err: err}
}

// conflict says what to do about a conflict, which depends on where the markers are.
func conflict(c *gitsandbox.ConflictError, err error) *failure {
	const most = 20
	files := make([]string, 0, most)
	for _, name := range c.Files[:min(len(c.Files), most)] {
		files = append(files, shown(name))
	}
	cause := "conflict in " + strings.Join(files, ", ")
	if more := len(c.Files) - most; more > 0 {
		cause += fmt.Sprintf(" and %d more", more)
	}
	next := "Nothing has changed. Call again with keep_conflicts true to get the conflict markers into the files, resolve them, and call git_resolve."
	switch {
	case c.Unmerged:
		next = "It was made with git in run, by a stash for example. Resolve the files, then git add them there."
	case c.Kept:
		next = "The files have conflict markers. Resolve them with file_read and file_edit, then call git_resolve with action \"continue\", or \"abort\" to undo the merge."
	}
	return &failure{code: codeConflict, cause: cause, next: next, err: err}
}

package scripted_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gitsandbox/gitsandbox/internal/scripted"
	"github.com/gitsandbox/gitsandbox/tools"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs a script by hand, and shows the model of each reply what show makes of
// it.
func play(t *testing.T, show func(*tools.Result) scripted.Reply) error {
	t.Helper()
	w, err := scripted.New()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	script := w.NewScript()
	var replies []scripted.Reply
	for call := script.Next(replies); call != nil; call = script.Next(replies) {
		result := w.Tools.Call(tools.WithCaller(t.Context(), scripted.Caller), call.Name, call.Arguments)
		replies = append(replies, show(result))
	}
	return script.Check(t.Context())
}

func TestCheckAcceptsWhatIsRight(t *testing.T) {
	t.Parallel()
	require.NoError(t, play(t, func(r *tools.Result) scripted.Reply {
		return scripted.Reply{Text: r.Text, Failed: r.IsError}
	}))
}

func TestCheckTellsWhatTheModelWasNotShown(t *testing.T) {
	t.Parallel()
	err := play(t, func(r *tools.Result) scripted.Reply { return scripted.Reply{Text: r.Text} })
	require.ErrorContains(t, err, "reply 2: failed is false: [FILE_NOT_FOUND]")
	require.ErrorContains(t, err, "reply 4: failed is false: [INVALID_ARGUMENT]")

	err = play(t, func(*tools.Result) scripted.Reply { return scripted.Reply{Text: "oops"} })
	require.ErrorContains(t, err, "reply 1 is no structure: oops")
	require.ErrorContains(t, err, "the remote has")
	require.ErrorContains(t, err, "the sandbox does not belong to the caller")
}

package gitsandbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errTransient = &cause{kind: ErrNetwork, retryable: true}

func TestBackoffDoublesUpToMax(t *testing.T) {
	t.Parallel()
	b := Backoff{MaxAttempts: 7, Max: 10 * time.Second, Jitter: -1}
	var waits []time.Duration
	for attempt := 1; ; attempt++ {
		wait, again := b.NextRetry(attempt, errTransient)
		if !again {
			break
		}
		waits = append(waits, wait)
	}
	assert.Equal(t, []time.Duration{
		1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second,
	}, waits)
}

func TestBackoffZeroValueMakesThreeAttemptsWithJitter(t *testing.T) {
	t.Parallel()
	var b Backoff
	for range 100 {
		wait, again := b.NextRetry(1, errTransient)
		require.True(t, again)
		require.LessOrEqual(t, wait, time.Second)
		require.GreaterOrEqual(t, wait, 750*time.Millisecond)
	}
	_, again := b.NextRetry(2, errTransient)
	assert.True(t, again)
	_, again = b.NextRetry(3, errTransient)
	assert.False(t, again)
}

func TestBackoffRefusesWhatIsNotRetryable(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errors.New("x"), &cause{kind: ErrAuth}, context.DeadlineExceeded} {
		_, again := Backoff{}.NextRetry(1, err)
		assert.False(t, again, "%v", err)
	}
}

func TestBackoffWaitsAsLongAsTheServerAsked(t *testing.T) {
	t.Parallel()
	wait, again := Backoff{}.NextRetry(1, &cause{kind: ErrRateLimited, retryable: true, after: 20 * time.Second})
	assert.True(t, again)
	assert.Equal(t, 20*time.Second, wait)
	_, again = Backoff{}.NextRetry(1, &cause{kind: ErrRateLimited, retryable: true, after: time.Minute})
	assert.False(t, again, "longer than Max")
}

func TestBackoffDoesNotOverflow(t *testing.T) {
	t.Parallel()
	wait, again := Backoff{MaxAttempts: 1000, Jitter: -1}.NextRetry(900, errTransient)
	assert.True(t, again)
	assert.Equal(t, 30*time.Second, wait)
}

// failure is what doRetry told after an attempt.
type failure struct {
	attempt int
	wait    time.Duration
}

func TestDoRetryCountsRetriesOnlyWhenThereIsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failures []failure
		calls := 0
		start := time.Now()
		err := doRetry(t.Context(), Backoff{Jitter: -1},
			func(int) error { calls++; return errTransient },
			func(attempt int, wait time.Duration, _ error) { failures = append(failures, failure{attempt, wait}) })
		require.ErrorIs(t, err, ErrNetwork)
		assert.Equal(t, 3, calls)
		assert.Equal(t, []failure{{1, time.Second}, {2, 2 * time.Second}, {3, -1}}, failures)
		assert.Equal(t, 3*time.Second, time.Since(start), "it waits between attempts and not after the last")
	})
}

func TestDoRetryStopsAtSuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := doRetry(t.Context(), Backoff{},
			func(attempt int) error {
				if attempt < 2 {
					return errTransient
				}
				return nil
			}, func(int, time.Duration, error) {})
		require.NoError(t, err)
	})
}

func TestDoRetryReturnsTheContextAndTheLastErrorWhenTheWaitIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		err := doRetry(ctx, Backoff{Jitter: -1},
			func(int) error { return errTransient }, func(int, time.Duration, error) {})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, ErrNetwork)
	})
}

func TestDoRetryDoesNotAskThePolicyAfterTheContextEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	policy := RetryFunc(func(int, error) (time.Duration, bool) {
		t.Error("asked")
		return 0, true
	})
	err := doRetry(ctx, policy, func(int) error { cancel(); return errTransient }, func(int, time.Duration, error) {})
	require.ErrorIs(t, err, ErrNetwork)
}

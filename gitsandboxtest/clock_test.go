package gitsandboxtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
)

func TestManualClockMovesByAdvanceOnly(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, time.May, 6, 7, 8, 9, 0, time.UTC)
	clock := gitsandboxtest.NewManualClock(start)
	var called []time.Time
	note := func() { called = append(called, clock.Now()) }
	clock.AfterFunc(2*time.Minute, note)
	clock.AfterFunc(time.Minute, note)
	stop := clock.AfterFunc(time.Second, note)
	stop()
	clock.AfterFunc(time.Hour, note)

	assert.Equal(t, start, clock.Now())
	clock.Advance(3 * time.Minute)
	assert.Equal(t, []time.Time{start.Add(time.Minute), start.Add(2 * time.Minute)}, called)
	assert.Equal(t, start.Add(3*time.Minute), clock.Now())
	assert.Equal(t, time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC), gitsandboxtest.NewManualClock(time.Time{}).Now())
}

func TestRealClockIsThatOfPackageTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := gitsandboxtest.RealClock{}
		start := time.Now()
		assert.Equal(t, start, clock.Now())
		called := make(chan time.Time, 1)
		stop := clock.AfterFunc(time.Second, func() { assert.Fail(t, "stopped before") })
		stop()
		clock.AfterFunc(time.Minute, func() { called <- time.Now() })
		assert.Equal(t, start.Add(time.Minute), <-called)
	})
}

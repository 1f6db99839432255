package conformance

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
)

// CacheOptions are the options of [TestCache].
type CacheOptions struct {
	// RealTime says that the cache expires records by a clock of its own, as
	// a server does. The test then waits for real, about a second.
	RealTime bool
}

// TestCache runs what every [gitsandbox.Cache] must do as subtests. NewCache
// returns an empty cache, and sees to it with t.Cleanup that it is closed. Nil
// opts mean the defaults.
func TestCache(t *testing.T, newCache func(t *testing.T) gitsandbox.Cache, opts *CacheOptions) {
	t.Helper()
	var o CacheOptions
	if opts != nil {
		o = *opts
	}
	t.Run("a missing key is a miss", func(t *testing.T) {
		t.Parallel()
		_, err := newCache(t).Get(t.Context(), "missing")
		require.ErrorIs(t, err, gitsandbox.ErrCacheMiss)
	})
	t.Run("what was put is got", func(t *testing.T) {
		t.Parallel()
		c := newCache(t)
		for key, value := range map[string]string{"a": "one", "b": "", "c:d/e": "\x00\xff\n"} {
			require.NoError(t, c.Put(t.Context(), key, []byte(value), time.Hour))
			got, err := c.Get(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, value, string(got))
		}
	})
	t.Run("a second put replaces the first", func(t *testing.T) {
		t.Parallel()
		c := newCache(t)
		require.NoError(t, c.Put(t.Context(), "k", []byte("one"), time.Hour))
		require.NoError(t, c.Put(t.Context(), "k", []byte("two"), time.Hour))
		got, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, "two", string(got))
	})
	t.Run("what was deleted is a miss", func(t *testing.T) {
		t.Parallel()
		c := newCache(t)
		require.NoError(t, c.Put(t.Context(), "k", []byte("v"), time.Hour))
		require.NoError(t, c.Delete(t.Context(), "k"))
		_, err := c.Get(t.Context(), "k")
		require.ErrorIs(t, err, gitsandbox.ErrCacheMiss)
		require.NoError(t, c.Delete(t.Context(), "k"), "a missing key is no error")
	})
	t.Run("bytes are not shared", func(t *testing.T) {
		t.Parallel()
		c := newCache(t)
		value := []byte("value")
		require.NoError(t, c.Put(t.Context(), "k", value, time.Hour))
		value[0] = 'X'
		got, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, "value", string(got))
		got[0] = 'Y'
		again, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, "value", string(again))
	})
	t.Run("many goroutines use it at once", func(t *testing.T) {
		t.Parallel()
		c := newCache(t)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 50 {
					key := strconv.Itoa((i + j) % 5)
					assert.NoError(t, c.Put(t.Context(), key, []byte(key), time.Hour))
					if got, err := c.Get(t.Context(), key); assert.NoError(t, err) {
						assert.Equal(t, key, string(got))
					}
				}
			})
		}
		wg.Wait()
	})
	if o.RealTime {
		t.Run("expiry", func(t *testing.T) {
			t.Parallel()
			testExpiry(t, newCache(t), 300*time.Millisecond)
		})
		return
	}
	t.Run("expiry", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { testExpiry(t, newCache(t), time.Hour) })
	})
}

// testExpiry checks that a record lives for its ttl, that a Get does not
// extend it, and that a Put does.
func testExpiry(t *testing.T, c gitsandbox.Cache, ttl time.Duration) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, c.Put(ctx, "looked at", []byte("v"), ttl))
	require.NoError(t, c.Put(ctx, "used", []byte("v"), ttl))
	wait(ctx, ttl*2/3)
	_, err := c.Get(ctx, "looked at")
	require.NoError(t, err)
	require.NoError(t, c.Put(ctx, "used", []byte("v"), ttl))
	wait(ctx, ttl*2/3)
	_, err = c.Get(ctx, "looked at")
	require.ErrorIs(t, err, gitsandbox.ErrCacheMiss, "a Get does not extend the time")
	_, err = c.Get(ctx, "used")
	require.NoError(t, err, "a Put does")
	wait(ctx, ttl*2/3)
	_, err = c.Get(ctx, "used")
	require.ErrorIs(t, err, gitsandbox.ErrCacheMiss)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

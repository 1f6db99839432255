package gitsandbox_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest/conformance"
)

func TestMemoryCacheIsACache(t *testing.T) {
	t.Parallel()
	conformance.TestCache(t, func(*testing.T) gitsandbox.Cache { return gitsandbox.NewMemoryCache(nil) }, nil)
}

func TestMemoryCacheDropsTheLeastRecentlyUsedBeyondItsCapacity(t *testing.T) {
	t.Parallel()
	c := gitsandbox.NewMemoryCache(&gitsandbox.MemoryCacheOptions{Capacity: 2})
	for _, key := range []string{"a", "b", "c"} {
		require.NoError(t, c.Put(t.Context(), key, []byte(key), time.Hour))
	}
	_, err := c.Get(t.Context(), "a")
	require.ErrorIs(t, err, gitsandbox.ErrCacheMiss)
	assert.Equal(t, 2, c.Len())
}

func TestMemoryCacheRefusesATimeToLiveOfZero(t *testing.T) {
	t.Parallel()
	c := gitsandbox.NewMemoryCache(nil)
	require.ErrorIs(t, c.Put(t.Context(), "k", nil, 0), gitsandbox.ErrInvalidArgument)
}

package gitsandbox

import (
	"context"
	"slices"
	"time"

	"github.com/jellydator/ttlcache/v3"
)

// A Cache keeps small records about sandboxes, so that a handle can be made
// again without a request to E2B, by every process that shares the cache. Any
// number of goroutines may use it at once. Losing a record is harmless while
// the sandbox lives: it is found through the [e2b.Transport] again.
//
// A record holds the access token of its sandbox, and no git credential: who
// reads the cache can use the sandboxes.
type Cache interface {
	// Get returns the value of key, or [ErrCacheMiss] where there is none or
	// its time is over. It does not extend that time. The caller may change
	// the bytes.
	Get(ctx context.Context, key string) ([]byte, error)

	// Put sets the value of key and its time to live, which is above 0.
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error

	// Delete removes key. A missing key is no error.
	Delete(ctx context.Context, key string) error
}

// A MemoryCache is a [Cache] in the memory of this process. It starts no
// goroutine: what is expired is removed by the next Put. The zero MemoryCache
// is not usable; see [NewMemoryCache].
type MemoryCache struct {
	items *ttlcache.Cache[string, []byte]
}

// MemoryCacheOptions are the options of [NewMemoryCache].
type MemoryCacheOptions struct {
	// Capacity is how many records it holds at the most; beyond, the least
	// recently used one goes. Default 100,000.
	Capacity int
}

// NewMemoryCache returns an empty MemoryCache.
func NewMemoryCache(opts *MemoryCacheOptions) *MemoryCache {
	var o MemoryCacheOptions
	if opts != nil {
		o = *opts
	}
	if o.Capacity <= 0 {
		o.Capacity = 100_000
	}
	return &MemoryCache{ttlcache.New(
		ttlcache.WithCapacity[string, []byte](uint64(o.Capacity)), //nolint:gosec // above 0
		// A look must not keep a record alive: only a use of the sandbox
		// does, and that is a Put.
		ttlcache.WithDisableTouchOnHit[string, []byte](),
	)}
}

// Get returns a copy of the value of key, or [ErrCacheMiss].
func (c *MemoryCache) Get(_ context.Context, key string) ([]byte, error) {
	item := c.items.Get(key)
	if item == nil {
		return nil, ErrCacheMiss
	}
	return slices.Clone(item.Value()), nil
}

// Put stores a copy of value for ttl.
func (c *MemoryCache) Put(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return invalid("ttl: %v is not above 0", ttl)
	}
	c.items.DeleteExpired()
	c.items.Set(key, slices.Clone(value), ttl)
	return nil
}

// Delete removes key.
func (c *MemoryCache) Delete(_ context.Context, key string) error {
	c.items.Delete(key)
	return nil
}

// Len returns the number of records, among them expired ones that are not
// removed yet.
func (c *MemoryCache) Len() int { return len(c.items.Keys()) }

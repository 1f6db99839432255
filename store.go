package gitsandbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// cacheTimeout bounds one request to the cache.
const cacheTimeout = 5 * time.Second

// load returns the record of a sandbox from the cache, or nil. A cache that
// fails is as good as one that holds nothing.
func (c *Client) load(ctx context.Context, id string) *record {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	data, err := c.cache.Get(ctx, sandboxKey(id))
	var rec *record
	if err == nil {
		rec, err = parseRecord(data, id)
	}
	if err != nil && !errors.Is(err, ErrCacheMiss) {
		c.cacheFailed(ctx, id, err)
	}
	c.meter.cacheLookup(rec != nil)
	return rec
}

// store puts the record of a sandbox into the cache and extends its life. It
// is done also when the operation's context has ended.
func (c *Client) store(ctx context.Context, l *live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTimeout)
	defer cancel()
	ttl := c.ttl
	l.mu.Lock()
	rec := l.rec.clone()
	if left := time.Until(l.endAt); l.capped && left < ttl {
		ttl = max(left, time.Second)
	}
	ended := l.ended
	l.mu.Unlock()
	if ended {
		return
	}
	data, err := json.Marshal(&rec)
	if err == nil {
		err = c.cache.Put(ctx, sandboxKey(l.id), data, ttl)
	}
	if err == nil && rec.Key != "" {
		err = c.cache.Put(ctx, rec.Key, []byte(l.id), ttl)
	}
	if err != nil {
		c.cacheFailed(ctx, l.id, err)
	}
	l.mu.Lock()
	l.expiry = time.Now().Add(ttl + expirySlack)
	l.mu.Unlock()
	c.fleet.poke()
}

// forget drops a sandbox that has ended.
func (c *Client) forget(ctx context.Context, l *live) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTimeout)
	defer cancel()
	keys := []string{sandboxKey(l.id)}
	// The key of the Clone may lead to a newer sandbox by now.
	if key := l.snapshot().Key; key != "" {
		if id, err := c.cache.Get(ctx, key); err == nil && string(id) == l.id {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if err := c.cache.Delete(ctx, key); err != nil {
			c.cacheFailed(ctx, l.id, err)
		}
	}
	c.fleet.remove(l)
}

func (c *Client) cacheFailed(ctx context.Context, id string, err error) {
	c.log.LogAttrs(ctx, slog.LevelWarn, "cache failed",
		slog.String("sandbox_id", id), slog.String("error", c.redact.String(err.Error())))
}
